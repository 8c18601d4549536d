//! A certificate with its private key: read, judged, kept.

use crate::error::Error;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// PEM files longer than this are not read.
const FILE_MAX: u64 = 1 << 20;

/// The certificates of a PEM file, in its order.
pub(super) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = read(file)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let all = all.map_err(|e| Error::tls(file, format!("no certificates in PEM: {e}")))?;
    if all.is_empty() {
        return Err(Error::tls(file, "no certificate in it: expected -----BEGIN CERTIFICATE-----"));
    }
    Ok(all)
}

/// A certificate chain and its key, checked to belong together and to be valid now.
pub(super) fn load(certificate: &Path, key: &Path) -> Result<CertifiedKey, Error> {
    let chain = certificates(certificate)?;
    let text = read(key)?;
    let secret = PrivateKeyDer::from_pem_slice(&text)
        .map_err(|e| Error::tls(key, format!("no private key in PEM: {e}")))?;
    let facts = Facts::of(&chain[0]).map_err(|e| Error::tls(certificate, e))?;
    if facts.until <= SystemTime::now() {
        return Err(Error::tls(certificate, "the certificate has expired"));
    }
    CertifiedKey::from_der(chain, secret, &aws_lc_rs::default_provider()).map_err(|e| match e {
        rustls::Error::InconsistentKeys(_) => {
            Error::tls(key, format!("this key is not that of the certificate in {}", certificate.display()))
        }
        e => Error::tls(key, format!("the key is of no use: {e}")),
    })
}

fn read(file: &Path) -> Result<Vec<u8>, Error> {
    let length = std::fs::metadata(file).map_err(|e| Error::tls(file, e.to_string()))?.len();
    if length > FILE_MAX {
        return Err(Error::tls(file, "longer than 1 MiB: no PEM file of certificates or a key"));
    }
    std::fs::read(file).map_err(|e| Error::tls(file, e.to_string()))
}

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    /// Its subject, as RFC 4514 writes it.
    pub subject: String,
    /// Its alternative names: DNS names, addresses, URIs and mail addresses.
    pub names: Vec<String>,
    pub from: SystemTime,
    pub until: SystemTime,
}

impl Facts {
    pub(super) fn of(der: &[u8]) -> Result<Self, String> {
        let (_, read) = X509Certificate::from_der(der).map_err(|e| format!("no X.509 certificate: {e}"))?;
        let mut names = Vec::new();
        let alternative = read.subject_alternative_name().ok().flatten();
        for name in alternative.iter().flat_map(|names| &names.value.general_names) {
            match name {
                GeneralName::DNSName(text) | GeneralName::URI(text) | GeneralName::RFC822Name(text) => {
                    names.push((*text).to_owned());
                }
                GeneralName::IPAddress(bytes) => names.extend(address(bytes).map(|a| a.to_string())),
                _ => {}
            }
        }
        let time =
            |seconds: i64| UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
        let validity = read.validity();
        Ok(Self {
            subject: read.subject().to_string(),
            names,
            from: time(validity.not_before.timestamp()),
            until: time(validity.not_after.timestamp()),
        })
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(four.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(Into::into)
}

/// The SHA-256 of a certificate, as tools print it: pairs of digits with colons between.
pub(super) fn fingerprint(der: &[u8]) -> String {
    let pairs: Vec<String> = Sha256::digest(der).iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

/// Makes a folder that its owner alone may enter.
pub(super) fn private_folder(folder: &Path) -> Result<(), Error> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|e| Error::tls(folder, e.to_string()))
}

/// Writes a file whole or not at all; `mode` are its permissions.
pub(super) fn keep(file: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    let wrong = |e: std::io::Error| Error::tls(file, e.to_string());
    let fresh = file.with_extension("new");
    if let Err(e) = std::fs::remove_file(&fresh)
        && e.kind() != std::io::ErrorKind::NotFound
    {
        return Err(wrong(e));
    }
    let mut out = OpenOptions::new().write(true).create_new(true).mode(mode).open(&fresh).map_err(wrong)?;
    out.write_all(content).and_then(|()| out.sync_all()).map_err(wrong)?;
    std::fs::rename(&fresh, file).map_err(wrong)
}
