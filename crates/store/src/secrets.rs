//! Secrets of the workspace: files `DIR/secrets/NAME`, mode 0600, sealed under the master key, written whole or not at all.

use crate::error::{Error, Result};
use crate::files;
use crate::seal::{FILE, Sealer};
use domain::Name;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The folder of secrets; cheap to clone.
#[derive(Debug, Clone)]
pub struct Secrets {
    dir: Arc<Path>,
    sealer: Arc<Sealer>,
}

impl Secrets {
    /// Opens the folder, makes it when absent, removes what a killed process left half-written.
    pub(crate) fn open(dir: &Path, sealer: Arc<Sealer>) -> Result<Self> {
        files::create_private_dir(dir)?;
        files::sweep(dir)?;
        Ok(Self { dir: dir.into(), sealer })
    }

    /// A secret, made on first use. Names are checked as [`Name`]s; of two first uses at once one wins and both get it.
    pub fn secret_or_create(&self, name: &str, make: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>> {
        let name = Name::new(name).map_err(|e| Error::Invalid(e.message))?;
        if name.as_str() == FILE {
            return Err(Error::Invalid(format!("'{FILE}' is the master key's own name")));
        }
        if let Some(secret) = self.read(&name)? {
            return Ok(secret);
        }
        let secret = make();
        let sealed = self.sealer.seal(&purpose(&name), &secret)?;
        if files::create_private(&self.dir.join(name.as_str()), sealed.as_bytes())? {
            return Ok(secret);
        }
        self.read(&name)?
            .ok_or_else(|| Error::Corrupt(format!("the secret '{name}' went away while it was made")))
    }

    /// A secret, when it is there.
    pub fn existing(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.read(&Name::new(name).map_err(|e| Error::Invalid(e.message))?)
    }

    /// Removes a secret; one that is not there is no error.
    pub fn remove(&self, name: &str) -> Result<()> {
        let name = Name::new(name).map_err(|e| Error::Invalid(e.message))?;
        let path = self.dir.join(name.as_str());
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io(&path, e)),
            _ => Ok(()),
        }
    }

    /// A secret that is there. One that an earlier release left in the clear is sealed now.
    fn read(&self, name: &Name) -> Result<Option<Vec<u8>>> {
        let path = self.dir.join(name.as_str());
        let content = match fs::read(&path) {
            Ok(content) => content,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io(&path, e)),
        };
        if !Sealer::is_sealed(&content) {
            let sealed = self.sealer.seal(&purpose(name), &content)?;
            files::write_private(&path, sealed.as_bytes())?;
            return Ok(Some(content));
        }
        let text = String::from_utf8(content).map_err(|_| Error::Sealed(name.to_string()))?;
        Ok(Some(self.sealer.unseal(&purpose(name), text.trim())?.to_vec()))
    }
}

fn purpose(name: &Name) -> String {
    format!("secret-file:{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::MasterKey;
    use std::os::unix::fs::PermissionsExt;

    fn open(dir: &Path) -> Secrets {
        files::create_private_dir(dir).unwrap();
        Secrets::open(dir, Arc::new(Sealer::open(&MasterKey::DataDir, dir).unwrap())).unwrap()
    }

    #[test]
    fn a_secret_in_the_clear_is_sealed_when_it_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let secrets = open(dir.path());
        fs::write(dir.path().join("old"), b"plain").unwrap();
        for _ in 0..2 {
            assert_eq!(secrets.secret_or_create("old", Vec::new).unwrap(), b"plain");
            assert!(Sealer::is_sealed(&fs::read(dir.path().join("old")).unwrap()));
        }
        assert!(secrets.secret_or_create("master-key", Vec::new).is_err());
    }

    #[test]
    fn a_secret_is_made_once_and_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let secrets = open(&dir.path().join("secrets"));
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
        let secrets = open(dir.path());
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
