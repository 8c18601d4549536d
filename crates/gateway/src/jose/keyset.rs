//! A set of public keys (RFC 7517 §5): unusable keys are passed over, a key id that stands twice is of no use.

use super::{Algorithm, Key, Refusal, strict};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The most keys a set may have.
pub const KEYS_MAX: usize = 256;

/// Public keys by which tokens are verified.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<Arc<Key>>,
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
        let keys = jwks.iter().filter(|jwk| unique(jwk)).filter_map(|jwk| Key::from_jwk(jwk));
        Self { keys: keys.map(Arc::new).collect() }
    }

    /// This set in the place of another: keys of both stay the same objects, keys that are no longer here are withdrawn.
    #[must_use]
    pub fn replacing(mut self, before: &Self) -> Self {
        for old in before.keys.iter().filter(|old| !old.is_withdrawn()) {
            match self.keys.iter_mut().find(|new| new.is(old)) {
                Some(new) => new.clone_from(old),
                None => old.withdraw(),
            }
        }
        self
    }

    /// The keys that can be used.
    pub fn keys(&self) -> impl Iterator<Item = &Arc<Key>> {
        self.keys.iter()
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
    pub fn find(&self, kid: Option<&str>, alg: Algorithm) -> Result<&Arc<Key>, Refusal> {
        let fits = |key: &&Arc<Key>| {
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
