//! Secrets at rest: AES-256-GCM (NIST SP 800-38D) under one master key, every sealed text bound to what it is for.

use crate::error::{Error, Result};
use crate::files;
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand;
use linux_keyutils::{KeyRing, KeyRingIdentifier};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use zeroize::Zeroizing;

/// Sealed text begins so; the rest is hexadecimal: nonce, then ciphertext with its tag.
const MARK: &str = "sealed-1:";
/// Bytes of the key.
const KEY: usize = 32;
/// Bytes of a nonce.
const NONCE: usize = 12;
/// The file of the master key in the folder of secrets, when no other place is named.
pub(crate) const FILE: &str = "master-key";

/// Where the master key is: empty for the file `secrets/master-key` of the data directory, `file:PATH`, `env:NAME`, or
/// `keyring:DESCRIPTION`.
///
/// The key is 64 hexadecimal digits. Only the default file is made when it is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum MasterKey {
    /// `secrets/master-key` of the data directory.
    #[default]
    DataDir,
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// A key of type `user` in the kernel's keyring of the session or of the user (keyrings(7)), by its description.
    Keyring(String),
}

impl FromStr for MasterKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            None if text.is_empty() => Ok(Self::DataDir),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("env", name)) if !name.is_empty() => Ok(Self::Env(name.to_owned())),
            Some(("keyring", name)) if !name.is_empty() => Ok(Self::Keyring(name.to_owned())),
            _ => Err(Error::Invalid(format!(
                "store.master_key '{text}' names no place: leave it empty, or write file:PATH, env:NAME or keyring:DESCRIPTION"
            ))),
        }
    }
}

impl MasterKey {
    fn read(&self, secrets: &Path) -> Result<Zeroizing<Vec<u8>>> {
        let (place, text) = match self {
            Self::DataDir => {
                let path = secrets.join(FILE);
                if !path.exists() {
                    let mut fresh = Zeroizing::new([0; KEY]);
                    rand::fill(fresh.as_mut()).map_err(|_| Error::Random)?;
                    files::create_private(&path, Zeroizing::new(hex(fresh.as_ref())).as_bytes())?;
                }
                (path.display().to_string(), std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?)
            }
            Self::File(path) => {
                (path.display().to_string(), std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?)
            }
            Self::Env(name) => (
                name.clone(),
                std::env::var(name).map_err(|_| {
                    Error::Invalid(format!("store.master_key: the environment variable {name} is not set"))
                })?,
            ),
            Self::Keyring(name) => (format!("the keyring ({name})"), from_keyring(name)?),
        };
        let text = Zeroizing::new(text);
        unhex(text.trim()).filter(|key| key.len() == KEY).ok_or_else(|| {
            Error::Invalid(format!(
                "the master key in {place} is not 64 hexadecimal digits: `openssl rand -hex 32` makes one"
            ))
        })
    }
}

/// The text of a key in the kernel's keyring: that of the session, else that of the user.
fn from_keyring(name: &str) -> Result<String> {
    let read = |ring| KeyRing::from_special_id(ring, false)?.search(name)?.read_to_vec();
    let found = read(KeyRingIdentifier::Session).or_else(|_| read(KeyRingIdentifier::User));
    let bytes = found.map_err(|e| {
        Error::Invalid(format!(
            "store.master_key: the keyring has no key '{name}' that this process may read ({e}): \
             `keyctl add user {name} \"$(openssl rand -hex 32)\" @u` makes one"
        ))
    })?;
    String::from_utf8(bytes)
        .map_err(|_| Error::Invalid(format!("store.master_key: the key '{name}' in the keyring is not text")))
}

/// Seals and opens under the master key.
pub(crate) struct Sealer(RandomizedNonceKey);

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer { .. }")
    }
}

impl Sealer {
    /// Reads the master key, or makes that of the data directory.
    pub(crate) fn open(place: &MasterKey, secrets: &Path) -> Result<Self> {
        let key = place.read(secrets)?;
        RandomizedNonceKey::new(&AES_256_GCM, &key).map(Self).map_err(|_| Error::Random)
    }

    /// Seals a content for one purpose, as `named-value:AMLKey`: it opens for no other.
    pub(crate) fn seal(&self, purpose: &str, content: &[u8]) -> Result<String> {
        let mut bytes = Zeroizing::new(content.to_vec());
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(purpose.as_bytes()), &mut *bytes)
            .map_err(|_| Error::Random)?;
        Ok(format!("{MARK}{}{}", hex(nonce.as_ref()), hex(&bytes)))
    }

    /// Opens what was sealed for the same purpose.
    pub(crate) fn unseal(&self, purpose: &str, sealed: &str) -> Result<Zeroizing<Vec<u8>>> {
        let wrong = || Error::Sealed(purpose.to_owned());
        let mut bytes = sealed.strip_prefix(MARK).and_then(unhex).ok_or_else(wrong)?;
        if bytes.len() < NONCE {
            return Err(wrong());
        }
        let mut content = Zeroizing::new(bytes.split_off(NONCE));
        let nonce = Nonce::try_assume_unique_for_key(&bytes).map_err(|_| wrong())?;
        let plain =
            self.0.open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut content).map_err(|_| wrong())?;
        Ok(Zeroizing::new(plain.to_vec()))
    }

    /// Whether a text looks sealed.
    pub(crate) fn is_sealed(text: &[u8]) -> bool {
        text.starts_with(MARK.as_bytes())
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

fn unhex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 2));
    for pair in text.as_bytes().chunks(2) {
        let [high, low] = pair else { return None };
        bytes.push(digit(*high)? << 4 | digit(*low)?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_for_its_purpose_and_key_only() {
        let dir = tempfile::tempdir().unwrap();
        let sealer = Sealer::open(&MasterKey::DataDir, dir.path()).unwrap();
        let sealed = sealer.seal("named-value:a", b"secret").unwrap();
        assert!(Sealer::is_sealed(sealed.as_bytes()) && !sealed.contains("secret"));
        assert_ne!(sealed, sealer.seal("named-value:a", b"secret").unwrap());
        let again = Sealer::open(&MasterKey::DataDir, dir.path()).unwrap();
        assert_eq!(&**again.unseal("named-value:a", &sealed).unwrap(), b"secret");
        assert!(again.unseal("named-value:b", &sealed).is_err());
        let other = tempfile::tempdir().unwrap();
        assert!(
            Sealer::open(&MasterKey::DataDir, other.path())
                .unwrap()
                .unseal("named-value:a", &sealed)
                .is_err()
        );
        for bad in ["", "sealed-1:", "sealed-1:00", "sealed-1:zz", &sealed[..sealed.len() - 2]] {
            assert!(again.unseal("named-value:a", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_kernels_keyring_keeps_the_master_key() {
        let name = format!("portcullis-test-{}", uuid::Uuid::new_v4().simple());
        let made = KeyRing::from_special_id(KeyRingIdentifier::Session, true)
            .and_then(|ring| ring.add_key(&name, "ab".repeat(KEY).as_bytes()));
        let dir = tempfile::tempdir().unwrap();
        let open = |name: &str| Sealer::open(&format!("keyring:{name}").parse().unwrap(), dir.path());
        match made {
            Ok(key) => {
                let sealed = open(&name).unwrap().seal("a", b"secret").unwrap();
                assert_eq!(&**open(&name).unwrap().unseal("a", &sealed).unwrap(), b"secret");
                key.invalidate().unwrap();
            }
            Err(refused) => {
                eprintln!("skipped: the_kernels_keyring_keeps_the_master_key needs a keyring: {refused}")
            }
        }
        let told = open("portcullis-absent").unwrap_err().to_string();
        assert!(told.contains("keyctl add user portcullis-absent"), "{told}");
        assert!(!dir.path().join(FILE).exists());
    }

    #[test]
    fn places_are_named_or_refused() {
        assert_eq!("".parse::<MasterKey>().unwrap(), MasterKey::DataDir);
        assert_eq!("env:KEY".parse::<MasterKey>().unwrap(), MasterKey::Env("KEY".to_owned()));
        assert!("vault:x".parse::<MasterKey>().is_err() && "file:".parse::<MasterKey>().is_err());
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("k");
        std::fs::write(&file, "abc").unwrap();
        let told = Sealer::open(&MasterKey::File(file), dir.path()).unwrap_err().to_string();
        assert!(told.contains("64 hexadecimal digits"), "{told}");
    }
}
