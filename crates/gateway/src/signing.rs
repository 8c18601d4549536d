//! The token service's signing key: RSA 2048, made on first start, never leaving the data directory.

use crate::error::{Error, Result};
use crate::jose::to_base64url;
use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use domain::Fault;
use serde_json::{Value, json};
use store::Store;

/// The file of the key in the workspace's secrets.
const SECRET: &str = "token-signing-key";

/// A key that signs tokens with RS256.
pub(crate) struct SigningKey {
    pair: KeyPair,
    /// `header` and the dot after it, encoded once.
    head: String,
    jwk: Value,
    random: SystemRandom,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey { .. }")
    }
}

impl SigningKey {
    /// Opens the workspace's key; makes it on first use.
    pub(crate) async fn open(store: &Store) -> Result<Self> {
        let secrets = store.secrets().clone();
        let made = tokio::task::spawn_blocking(move || {
            let mut failed = false;
            let bytes = secrets.secret_or_create(SECRET, || match generate() {
                Some(bytes) => bytes,
                None => {
                    failed = true;
                    Vec::new()
                }
            })?;
            if failed { Err(Error::Random) } else { Ok(zeroize::Zeroizing::new(bytes)) }
        });
        let bytes = made.await.map_err(|_| Fault::internal("the signing key could not be made"))??;
        Self::of(&bytes)
    }

    fn of(pkcs8: &[u8]) -> Result<Self> {
        let pair = KeyPair::from_pkcs8(pkcs8).map_err(|_| Error::Secret("signing key"))?;
        let public = pair.public_key();
        let (n, e) = integers(public.as_ref()).ok_or(Error::Secret("signing key"))?;
        let (n, e) = (to_base64url(n), to_base64url(e));
        // RFC 7638: the required members in this order, without spaces.
        let canonical = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
        let kid = to_base64url(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        let header = format!(r#"{{"typ":"JWT","alg":"RS256","kid":"{kid}"}}"#);
        Ok(Self {
            pair,
            head: to_base64url(header.as_bytes()) + ".",
            jwk: json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": n, "e": e}),
            random: SystemRandom::new(),
        })
    }

    /// The public key as a JWK set.
    pub(crate) fn jwks(&self) -> Value {
        json!({ "keys": [self.jwk] })
    }

    /// Signs claims; the whole token. A millisecond of computing.
    pub(crate) fn sign(&self, claims: &Value) -> Result<String> {
        let mut token = self.head.clone() + &to_base64url(claims.to_string().as_bytes());
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &self.random, token.as_bytes(), &mut signature)
            .map_err(|_| Error::Random)?;
        token.push('.');
        token.push_str(&to_base64url(&signature));
        Ok(token)
    }
}

fn generate() -> Option<Vec<u8>> {
    let pair = KeyPair::generate(KeySize::Rsa2048).ok()?;
    let der: Pkcs8V1Der<'_> = pair.as_der().ok()?;
    Some(der.as_ref().to_vec())
}

/// Modulus and exponent of an `RSAPublicKey` in DER (RFC 8017 A.1.1): a sequence of two integers.
fn integers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (body, rest) = element(der, 0x30)?;
    let (n, body) = element(body, 0x02)?;
    let (e, end) = element(body, 0x02)?;
    let plain = |bytes: &'_ [u8]| bytes.iter().position(|b| *b != 0);
    (rest.is_empty() && end.is_empty()).then_some((&n[plain(n)?..], &e[plain(e)?..]))
}

/// The content of the DER element at the start of `der`, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |n, b| n << 8 | usize::from(*b)), rest)
        }
        _ => return None,
    };
    if found == tag { rest.split_at_checked(length) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::{Algorithm, KeySet, verify};

    #[test]
    fn its_tokens_verify_by_its_key_set() {
        let key = SigningKey::of(&generate().unwrap()).unwrap();
        let keys = KeySet::parse(key.jwks().to_string().as_bytes()).unwrap();
        let token = key.sign(&json!({"a": 1})).unwrap();
        assert_eq!(verify(&token, &keys, &Algorithm::GATE).unwrap().payload, br#"{"a":1}"#);
        assert!(SigningKey::of(b"x").is_err());
        for at in 0..token.len() {
            for change in [b'A', b'x', b'.', b'='] {
                let mut bytes = token.clone().into_bytes();
                if bytes[at] == change {
                    continue;
                }
                bytes[at] = change;
                let other = String::from_utf8(bytes).unwrap();
                assert!(verify(&other, &keys, &Algorithm::GATE).is_err(), "{at}: {other}");
            }
            assert!(verify(&token[..at], &keys, &Algorithm::GATE).is_err());
        }
    }
}
