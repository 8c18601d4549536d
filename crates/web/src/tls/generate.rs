//! The certificate for development: self-signed, kept in the data directory, made anew when it no longer fits.

use super::pair::{self, Facts};
use crate::error::Error;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::sign::CertifiedKey;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long it is good for, and how long before its end a new one is made.
const LIFE: Duration = Duration::from_secs(397 * 24 * 3600);
const MARGIN: Duration = Duration::from_secs(30 * 24 * 3600);

/// Where the certificate of a data directory's `tls` folder stands; clients are told to trust this file.
pub(super) fn certificate_file(folder: &Path) -> PathBuf {
    folder.join("certificate.pem")
}

/// The kept certificate when it is still good for all names, else a new one.
pub(super) fn kept_or_made(folder: &Path, names: &[String]) -> Result<CertifiedKey, Error> {
    let (certificate, key) = (certificate_file(folder), folder.join("key.pem"));
    // Whatever is wrong with what was kept (half written, expired, of other names), a new pair puts it right.
    if let Ok(kept) = pair::load(&certificate, &key)
        && kept.cert.first().is_some_and(|der| fits(der, names))
    {
        return Ok(kept);
    }
    let (chain, secret) = make(names).map_err(|e| Error::tls(&certificate, format!("making it: {e}")))?;
    pair::private_folder(folder)?;
    pair::keep(&key, secret.as_bytes(), 0o600)?;
    pair::keep(&certificate, chain.as_bytes(), 0o644)?;
    pair::load(&certificate, &key)
}

fn fits(der: &[u8], names: &[String]) -> bool {
    Facts::of(der).is_ok_and(|facts| {
        facts.until > SystemTime::now() + MARGIN && names.iter().all(|name| facts.names.contains(name))
    })
}

/// A self-signed certificate and its key, both in PEM.
fn make(names: &[String]) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut wanted = CertificateParams::new(names)?;
    wanted.distinguished_name.push(DnType::CommonName, "Portcullis development");
    // Clocks differ a little; a client behind ours must not find it not yet valid.
    wanted.not_before = (SystemTime::now() - DAY).into();
    wanted.not_after = (SystemTime::now() + LIFE).into();
    wanted.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let made = wanted.self_signed(&key)?;
    Ok((made.pem(), key.serialize_pem()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn it_is_kept_until_a_name_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("tls");
        let names = |all: &[&str]| all.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let first = kept_or_made(&folder, &names(&["localhost", "127.0.0.1"])).unwrap();
        let again = kept_or_made(&folder, &names(&["127.0.0.1"])).unwrap();
        assert_eq!(first.cert, again.cert);
        let mode = std::fs::metadata(folder.join("key.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = kept_or_made(&folder, &names(&["localhost", "::1", "ml.example.com"])).unwrap();
        assert_ne!(first.cert, other.cert);
        let facts = Facts::of(&other.cert[0]).unwrap();
        assert_eq!(facts.names, names(&["localhost", "::1", "ml.example.com"]));
        std::fs::write(folder.join("key.pem"), "half").unwrap();
        assert!(kept_or_made(&folder, &names(&["localhost"])).is_ok());
    }
}
