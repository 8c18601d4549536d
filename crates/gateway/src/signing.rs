//! The token service's signing keys: the next is published before it signs, the former is accepted until its last token has
//! expired.

mod key;
mod keyring;
mod rotation;

pub(crate) use key::Typ;
pub(crate) use keyring::{Keyring, first};
pub use rotation::RotateKey;
pub(crate) use rotation::{accepted_for, tend};

/// A key and its key set, for tests of what they sign.
#[cfg(test)]
pub(crate) fn test_key() -> (key::SigningKey, crate::jose::KeySet) {
    let algorithm = domain::SigningAlgorithm::EdDsa;
    let key = key::SigningKey::open(algorithm, &key::generate(algorithm).unwrap()).unwrap();
    let set = serde_json::json!({ "keys": [key.jwk()] }).to_string();
    (key, crate::jose::KeySet::parse(set.as_bytes()).unwrap())
}
