//! A set of public keys (RFC 7517 §5): unusable keys are passed over, a key id that stands twice is of no use.

use super::{Algorithm, Key, Refusal, strict};
use serde_json::{Map, Value};

/// The most keys a set may have.
const KEYS_MAX: usize = 256;

/// Public keys by which tokens are verified.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

impl KeySet {
    /// Reads a JWK set, or a single JWK. None when it is neither.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let document = strict::object(bytes)?;
        let Some(keys) = document.get("keys") else {
            return document.contains_key("kty").then(|| Self::of(&[&document]));
        };
        let keys = keys.as_array().filter(|k| k.len() <= KEYS_MAX)?;
        let keys: Vec<_> = keys.iter().filter_map(Value::as_object).collect();
        Some(Self::of(&keys))
    }

    fn of(jwks: &[&Map<String, Value>]) -> Self {
        // An id that stands twice is ambiguous even when one of the two keys could not be used anyhow.
        let unique = |jwk: &Map<String, Value>| {
            let kid = jwk.get("kid");
            kid.is_none() || jwks.iter().filter(|other| other.get("kid") == kid).count() == 1
        };
        Self { keys: jwks.iter().filter(|jwk| unique(jwk)).filter_map(|jwk| Key::from_jwk(jwk)).collect() }
    }

    /// How many keys can be used.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether none can be used.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The one key for a token: by id when the token names one, else the only one of the algorithm.
    pub fn find(&self, kid: Option<&str>, alg: Algorithm) -> Result<&Key, Refusal> {
        let fits = |key: &&Key| {
            let named = kid.is_none_or(|kid| key.kid().is_none_or(|own| own == kid));
            named && key.allows(alg)
        };
        // A key of that very id goes before keys that have none.
        let exact = self.keys.iter().find(|k| kid.is_some() && k.kid() == kid);
        if let Some(key) = exact {
            return if key.allows(alg) { Ok(key) } else { Err(Refusal::UnknownKey) };
        }
        let mut candidates = self.keys.iter().filter(fits);
        match (candidates.next(), candidates.next()) {
            (Some(key), None) => Ok(key),
            (None, _) => Err(Refusal::UnknownKey),
            (Some(_), Some(_)) => Err(Refusal::AmbiguousKey),
        }
    }
}
