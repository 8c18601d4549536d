//! One public key of a key set, bound to the algorithms it may verify.

use super::{Algorithm, base64url, roca};
use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::ParsedPublicKey;
use serde_json::{Map, Value};
use std::sync::atomic::{AtomicBool, Ordering};

/// Sizes of RSA keys.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// The longest RSA public exponent in bytes; what is in use has three.
const EXPONENT_MAX: usize = 4;

/// A public key that can verify, until it is withdrawn.
pub struct Key {
    kid: Option<String>,
    verifiers: Vec<(Algorithm, ParsedPublicKey)>,
    /// SHA-256 over everything that makes it this key: id, algorithms, the key's bytes.
    identity: [u8; 32],
    withdrawn: AtomicBool,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let algorithms: Vec<_> = self.verifiers.iter().map(|(a, _)| a).collect();
        f.debug_struct("Key").field("kid", &self.kid).field("algorithms", &algorithms).finish()
    }
}

impl Key {
    /// Reads a JWK; none when it is no key for verifying signatures, malformed, too weak, or of an unknown kind.
    pub fn from_jwk(jwk: &Map<String, Value>) -> Option<Self> {
        let kid = match jwk.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid.clone()),
            Some(_) => return None,
        };
        if !for_verifying(jwk) {
            return None;
        }
        let stated = match jwk.get("alg") {
            None => None,
            // An algorithm we do not know binds the key to something else: the key is of no use here.
            Some(alg) => Some(Algorithm::parse(alg.as_str()?)?),
        };
        let (possible, bytes) = material(jwk)?;
        let algorithms = match stated {
            Some(alg) if possible.contains(&alg) => vec![alg],
            Some(_) => return None,
            None => possible,
        };
        let identity = identity(kid.as_deref(), &algorithms, &bytes);
        let verifiers = algorithms
            .into_iter()
            .map(|alg| ParsedPublicKey::new(alg.verification(), &bytes).map(|key| (alg, key)).ok())
            .collect::<Option<_>>()?;
        Some(Self { kid, verifiers, identity, withdrawn: AtomicBool::new(false) })
    }

    /// Whether both are the same key under the same id, for the same algorithms.
    pub fn is(&self, other: &Self) -> bool {
        self.identity == other.identity
    }

    /// The algorithms it may verify.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.verifiers.iter().map(|(alg, _)| *alg)
    }

    /// Ends the key: whatever was verified by it, and remembered, is worth nothing from now on.
    pub fn withdraw(&self) {
        self.withdrawn.store(true, Ordering::Release);
    }

    /// Whether the key was ended.
    pub fn is_withdrawn(&self) -> bool {
        self.withdrawn.load(Ordering::Acquire)
    }

    /// The key's id.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether the key may verify this algorithm.
    pub fn allows(&self, alg: Algorithm) -> bool {
        self.verifiers.iter().any(|(a, _)| *a == alg)
    }

    /// Whether a signature is right; never for an algorithm the key is not bound to.
    pub fn verifies(&self, alg: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let verifier = self.verifiers.iter().find(|(a, _)| *a == alg);
        !self.is_withdrawn() && verifier.is_some_and(|(_, key)| key.verify_sig(message, signature).is_ok())
    }
}

/// Each part with its length before it, so that no two keys make the same bytes.
fn identity(kid: Option<&str>, algorithms: &[Algorithm], bytes: &[u8]) -> [u8; 32] {
    let mut text = digest::Context::new(&digest::SHA256);
    let algorithms: Vec<u8> = algorithms.iter().map(|alg| *alg as u8).collect();
    text.update(&[u8::from(kid.is_some())]);
    for part in [kid.unwrap_or_default().as_bytes(), &algorithms, bytes] {
        text.update(&(part.len() as u64).to_le_bytes());
        text.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(text.finish().as_ref());
    out
}

/// Honours `use` and `key_ops` (RFC 7517 §4.2, §4.3).
fn for_verifying(jwk: &Map<String, Value>) -> bool {
    let by_use = jwk.get("use").is_none_or(|u| u == "sig");
    let by_ops = jwk.get("key_ops").is_none_or(|ops| {
        let Some(ops) = ops.as_array() else { return false };
        let twice = ops.iter().enumerate().any(|(at, op)| ops[..at].contains(op));
        !twice && ops.iter().any(|op| op == "verify")
    });
    by_use && by_ops
}

/// The algorithms a key's kind allows, and its bytes as the verification takes them.
fn material(jwk: &Map<String, Value>) -> Option<(Vec<Algorithm>, Vec<u8>)> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    match text("kty")? {
        "RSA" => rsa(&base64url(text("n")?)?, &base64url(text("e")?)?),
        "EC" => {
            let (alg, size) = match text("crv")? {
                "P-256" => (Algorithm::Es256, 32),
                "P-384" => (Algorithm::Es384, 48),
                "P-521" => (Algorithm::Es512, 66),
                _ => return None,
            };
            let (x, y) = (base64url(text("x")?)?, base64url(text("y")?)?);
            // Coordinates have their full length (RFC 7518 §6.2.1.2); 4 marks an uncompressed point (SEC 1 §2.3.3).
            let fits = x.len() == size && y.len() == size;
            fits.then(|| (vec![alg], [&[4], x.as_slice(), y.as_slice()].concat()))
        }
        "OKP" if text("crv")? == "Ed25519" => {
            let x = base64url(text("x")?)?;
            (x.len() == 32).then(|| (vec![Algorithm::EdDsa], x))
        }
        _ => None,
    }
}

/// Bits of a number without leading zero bytes.
fn bits(n: &[u8]) -> usize {
    n.len() * 8 - n.first().map_or(0, |b| b.leading_zeros() as usize)
}

fn rsa(n: &[u8], e: &[u8]) -> Option<(Vec<Algorithm>, Vec<u8>)> {
    // Integers are written without leading zeros (RFC 7518 §2); an exponent is odd and at least 3.
    let plain = n.first().is_some_and(|b| *b != 0) && e.first().is_some_and(|b| *b != 0);
    let odd = e.last().is_some_and(|b| b % 2 == 1) && e != [1];
    if !plain || !RSA_BITS.contains(&bits(n)) || !odd || e.len() > EXPONENT_MAX || roca::fingerprint(n) {
        return None;
    }
    let der: PublicKeyX509Der<'_> = PublicKeyComponents { n, e }.as_der().ok()?;
    Some((Algorithm::RSA.to_vec(), der.as_ref().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::super::{KeySet, to_base64url};
    use super::*;
    use serde_json::json;

    /// An RSA key of so many bits under an id; the modulus is no product of primes, which reading a key does not ask.
    fn rsa_key(bits: usize, kid: &str) -> Value {
        let mut n = vec![0xa5; bits.div_ceil(8)];
        n[0] >>= (8 - bits % 8) % 8;
        json!({"kty": "RSA", "n": to_base64url(&n), "e": "AQAB", "kid": kid, "alg": "RS256"})
    }

    fn set(keys: &[Value]) -> KeySet {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
    }

    #[test]
    fn rsa_keys_have_2048_to_8192_bits() {
        for (bits, good) in [(1024, false), (2047, false), (2048, true), (8192, true), (8193, false)] {
            assert_eq!(set(&[rsa_key(bits, "a")]).len() == 1, good, "{bits}");
        }
    }

    #[test]
    fn a_key_of_the_next_set_is_the_same_object_and_the_others_are_withdrawn() {
        let before = set(&[rsa_key(2048, "a"), rsa_key(2048, "b")]);
        let held: Vec<_> = before.keys().cloned().collect();
        let next = set(&[rsa_key(2048, "c"), rsa_key(2048, "b")]).replacing(&before);
        assert!(held[0].is_withdrawn() && !held[1].is_withdrawn());
        let kept = next.find(Some("b"), Algorithm::Rs256).unwrap();
        assert!(std::sync::Arc::ptr_eq(kept, &held[1]));
        // The same id with another key is another key.
        let third = set(&[rsa_key(2056, "b")]).replacing(&next);
        assert!(held[1].is_withdrawn() && !third.find(Some("b"), Algorithm::Rs256).unwrap().is_withdrawn());
        // Nor does a withdrawn one come back as the object it was.
        let back = set(&[rsa_key(2048, "a")]).replacing(&third);
        assert!(held[0].is_withdrawn() && !back.find(Some("a"), Algorithm::Rs256).unwrap().is_withdrawn());
    }
}
