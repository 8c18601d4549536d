//! Secrets: made of 256 random bits, kept and compared only as digests, in constant time.

use crate::error::{Error, Result};
use crate::jose::to_base64url;
use aws_lc_rs::{digest, rand};
use domain::Digest;
use std::path::Path;
use store::Store;
use subtle::ConstantTimeEq;

/// The file of the admin token in the data directory.
pub const ADMIN_TOKEN_FILE: &str = "admin-token";

/// SHA-256 of a secret.
pub(crate) fn digest(secret: &[u8]) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, secret).as_ref());
    Digest(out)
}

/// Whether a digest is one of those known; takes the same time whichever it is.
pub(crate) fn known(given: &Digest, known: &[Digest]) -> bool {
    let hit = known.iter().fold(subtle::Choice::from(0), |hit, k| hit | k.0.ct_eq(&given.0));
    bool::from(hit)
}

/// A new secret: 256 random bits as 43 characters of base64url.
pub fn fresh() -> Result<String> {
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    rand::fill(bytes.as_mut()).map_err(|_| Error::Random)?;
    Ok(to_base64url(bytes.as_ref()))
}

/// A new secret for whoever needs one: 256 random bits as 43 characters of base64url.
pub fn fresh_secret() -> std::result::Result<String, domain::Fault> {
    Ok(fresh()?)
}

/// The digest of the admin token; the token itself is made at first start, in a file only its owner reads.
pub(crate) fn admin_token(store: &Store) -> Result<Digest> {
    let path = store.dir().join(ADMIN_TOKEN_FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => make(&path)?,
        Err(_) => return Err(Error::Secret("admin token")),
    };
    // A file cut short or emptied must not leave the control plane behind a guessable word.
    let token = text.trim();
    if token.len() < 43 { Err(Error::Secret("admin token")) } else { Ok(digest(token.as_bytes())) }
}

fn make(path: &Path) -> Result<String> {
    let token = fresh()?;
    store::files::write_private(path, token.as_bytes())?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_compared_whole() {
        let (a, b) = (digest(b"a"), digest(b"b"));
        assert!(known(&a, &[b, a]) && !known(&a, &[b]) && !known(&a, &[]));
        assert_eq!(a.hex(), "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb");
        assert_ne!(fresh().unwrap(), fresh().unwrap());
    }
}
