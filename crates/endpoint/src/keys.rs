//! Endpoint keys: derived from one workspace secret, never stored.
//!
//! A key is HMAC-SHA256 (RFC 2104) over endpoint, slot and generation, 256 bits as 43 characters of base64url without
//! padding (RFC 4648 §5). To regenerate one is to raise its generation; the other is not touched.

use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Fault, KeySlot, Name};
use serde::{Deserialize, Serialize};
use std::fmt;

use crate::error::Error;

/// Separates these keys from whatever else may be derived from the same secret.
const DOMAIN: &[u8] = b"portcullis endpoint key v1";
/// The same for the keys of subscriptions.
const SUBSCRIPTION: &[u8] = b"portcullis subscription key v1";
/// The name of the workspace secret's file.
const SECRET: &str = "workspace";
/// Length of the workspace secret in bytes.
const SECRET_BYTES: usize = 32;

/// The two live keys of an endpoint, either of which opens the direct door; or those of a subscription.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Keys {
    /// The primary key, 43 characters.
    #[serde(rename = "primaryKey")]
    pub primary: String,
    /// The secondary key, 43 characters.
    #[serde(rename = "secondaryKey")]
    pub secondary: String,
}

/// The keys after one of them was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RegeneratedKeys {
    /// Both keys.
    #[serde(flatten)]
    pub keys: Keys,
    /// Named values that held the old key and hold the new one now.
    #[serde(rename = "namedValues", default, skip_serializing_if = "Vec::is_empty")]
    pub named_values: Vec<Name>,
}

impl Keys {
    /// Both keys of an endpoint, from its key generations (primary first).
    pub fn derive(workspace_secret: &[u8], endpoint: &Name, generations: [u32; 2]) -> Self {
        Self {
            primary: derive_key(workspace_secret, endpoint, KeySlot::Primary, generations[0]),
            secondary: derive_key(workspace_secret, endpoint, KeySlot::Secondary, generations[1]),
        }
    }
}

impl Keys {
    /// Both keys of a subscription, from its key generations (primary first).
    pub fn of_subscription(workspace_secret: &[u8], name: &Name, generations: [u32; 2]) -> Self {
        let key = |slot, generation| derive(workspace_secret, (SUBSCRIPTION, name), slot, generation);
        Self {
            primary: key(KeySlot::Primary, generations[0]),
            secondary: key(KeySlot::Secondary, generations[1]),
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys { .. }")
    }
}

/// One key of an endpoint: 43 characters of base64url.
pub fn derive_key(workspace_secret: &[u8], endpoint: &Name, slot: KeySlot, generation: u32) -> String {
    derive(workspace_secret, (DOMAIN, endpoint), slot, generation)
}

fn derive(secret: &[u8], (label, name): (&[u8], &Name), slot: KeySlot, generation: u32) -> String {
    let slot: &[u8] = match slot {
        KeySlot::Primary => b"primary",
        KeySlot::Secondary => b"secondary",
    };
    let parts = [label, name.as_str().as_bytes(), slot, &generation.to_be_bytes()];
    URL_SAFE_NO_PAD.encode(mac(secret, &message(&parts)).as_ref())
}

/// The workspace secret, made at the first call: 32 random bytes in a file only its owner reads.
pub fn workspace_secret(store: &store::Store) -> Result<Vec<u8>, Fault> {
    let mut fresh = vec![0; SECRET_BYTES];
    rand::fill(&mut fresh).map_err(|_| Error::Random)?;
    let secret = store.secrets().secret_or_create(SECRET, || fresh)?;
    if secret.len() < SECRET_BYTES {
        return Err(Fault::internal(format!(
            "the secret '{SECRET}' is shorter than {SECRET_BYTES} bytes; restore it from a backup"
        )));
    }
    Ok(secret)
}

/// Each part with its length before it, so that no two lists of parts give the same bytes.
fn message(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(parts.iter().map(|p| p.len() + 8).sum());
    for part in parts {
        out.extend_from_slice(&(part.len() as u64).to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}

fn mac(key: &[u8], message: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn the_mac_is_hmac_sha256() {
        // RFC 4231, test cases 1 and 2.
        assert_eq!(
            hex(mac(&[0x0b; 20], b"Hi There").as_ref()),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
        assert_eq!(
            hex(mac(b"Jefe", b"what do ya want for nothing?").as_ref()),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn every_part_changes_the_key() {
        let (a, b) = (Name::new("a").unwrap(), Name::new("b").unwrap());
        let key = |secret: &[u8], name: &Name, slot, generation| derive_key(secret, name, slot, generation);
        let first = key(&[1; 32], &a, KeySlot::Primary, 0);
        assert_eq!(first.len(), 43);
        assert_eq!(first, key(&[1; 32], &a, KeySlot::Primary, 0));
        assert_ne!(first, key(&[2; 32], &a, KeySlot::Primary, 0));
        assert_ne!(first, key(&[1; 32], &b, KeySlot::Primary, 0));
        assert_ne!(first, key(&[1; 32], &a, KeySlot::Secondary, 0));
        assert_ne!(first, key(&[1; 32], &a, KeySlot::Primary, 1));
        assert_ne!(first, Keys::of_subscription(&[1; 32], &a, [0, 0]).primary);
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(message(&[b"ab", b"c"]), message(&[b"a", b"bc"]));
    }

    #[test]
    fn keys_do_not_show_in_debug_output() {
        let keys = Keys::derive(&[1; 32], &Name::new("a").unwrap(), [0, 0]);
        assert_eq!(format!("{keys:?}"), "Keys { .. }");
        assert_ne!(keys.primary, keys.secondary);
    }
}
