//! Secrets of the workspace: files `DIR/secrets/NAME`, mode 0600, written whole or not at all.

use crate::error::{Error, Result};
use crate::files;
use domain::Name;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The folder of secrets; cheap to clone.
#[derive(Debug, Clone)]
pub struct Secrets {
    dir: Arc<Path>,
}

impl Secrets {
    /// Opens the folder, makes it when absent, removes what a killed process left half-written.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        files::create_private_dir(dir)?;
        files::sweep(dir)?;
        Ok(Self { dir: dir.into() })
    }

    /// A secret, made on first use. Names are checked as [`Name`]s; of two first uses at once one wins and both get it.
    pub fn secret_or_create(&self, name: &str, make: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>> {
        let name = Name::new(name).map_err(|e| Error::Invalid(e.message))?;
        let path = self.dir.join(name.as_str());
        match fs::read(&path) {
            Ok(secret) => return Ok(secret),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(Error::io(&path, e)),
        }
        let secret = make();
        if files::create_private(&path, &secret)? {
            return Ok(secret);
        }
        fs::read(&path).map_err(|e| Error::io(&path, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_secret_is_made_once_and_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let secrets = Secrets::open(&dir.path().join("secrets")).unwrap();
        assert_eq!(secrets.secret_or_create("signing.key", || b"one".to_vec()).unwrap(), b"one");
        assert_eq!(secrets.secret_or_create("signing.key", || b"two".to_vec()).unwrap(), b"one");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&dir.path().join("secrets")), 0o700);
        assert_eq!(mode(&dir.path().join("secrets/signing.key")), 0o600);
        assert!(secrets.secret_or_create("../outside", Vec::new).is_err());
    }

    #[test]
    fn first_uses_at_once_get_the_same_secret() {
        let dir = tempfile::tempdir().unwrap();
        let secrets = Secrets::open(dir.path()).unwrap();
        let made: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8_u8)
                .map(|i| {
                    scope.spawn({
                        let s = secrets.clone();
                        move || s.secret_or_create("k", || vec![i]).unwrap()
                    })
                })
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(made.windows(2).all(|pair| pair[0] == pair[1]));
    }
}
