//! One signing key: RSA 2048, P-256 or Ed25519, never leaving the data directory.

use crate::error::{Error, Result};
use crate::jose::to_base64url;
use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use domain::SigningAlgorithm;
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// The `typ` of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Typ {
    /// `JWT`, as version 1 has it.
    Jwt,
    /// `at+jwt` (RFC 9068 §2.1).
    AccessToken,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// A key that signs tokens.
pub(crate) struct SigningKey {
    pair: Pair,
    /// Header and the dot after it, encoded once for each typ.
    heads: [String; 2],
    kid: String,
    jwk: Value,
    random: SystemRandom,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Opens a key pair in PKCS #8.
    pub(crate) fn open(algorithm: SigningAlgorithm, pkcs8: &[u8]) -> Result<Self> {
        let wrong = || Error::Secret("signing key");
        let (pair, mut jwk) = match algorithm {
            SigningAlgorithm::Rs256 => {
                let pair = RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| wrong())?;
                let (n, e) = integers(pair.public_key().as_ref()).ok_or_else(wrong)?;
                let jwk = json!({ "e": to_base64url(e), "kty": "RSA", "n": to_base64url(n) });
                (Pair::Rsa(Box::new(pair)), jwk)
            }
            SigningAlgorithm::Es256 => {
                let pair =
                    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map_err(|_| wrong())?;
                // An uncompressed point: 4, then two coordinates of 32 bytes (SEC 1 §2.3.3).
                let (x, y) = pair
                    .public_key()
                    .as_ref()
                    .get(1..)
                    .and_then(|p| p.split_at_checked(32))
                    .ok_or_else(wrong)?;
                let jwk = json!({ "crv": "P-256", "kty": "EC", "x": to_base64url(x), "y": to_base64url(y) });
                (Pair::Ec(pair), jwk)
            }
            SigningAlgorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| wrong())?;
                let jwk =
                    json!({ "crv": "Ed25519", "kty": "OKP", "x": to_base64url(pair.public_key().as_ref()) });
                (Pair::Ed(pair), jwk)
            }
        };
        // RFC 7638: the required members in the order of their names, without spaces, as they stand here.
        let kid = to_base64url(digest::digest(&digest::SHA256, jwk.to_string().as_bytes()).as_ref());
        let alg = algorithm.as_str();
        let head = |typ: &str| {
            to_base64url(format!(r#"{{"typ":"{typ}","alg":"{alg}","kid":"{kid}"}}"#).as_bytes()) + "."
        };
        let heads = [head("JWT"), head("at+jwt")];
        jwk["use"] = json!("sig");
        jwk["alg"] = json!(alg);
        jwk["kid"] = json!(kid);
        Ok(Self { pair, heads, kid, jwk, random: SystemRandom::new() })
    }

    /// Its id.
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key.
    pub(crate) fn jwk(&self) -> &Value {
        &self.jwk
    }

    /// Signs claims; the whole token. With RSA a millisecond of computing.
    pub(crate) fn sign(&self, typ: Typ, claims: &Value) -> Result<String> {
        let head = match typ {
            Typ::Jwt => &self.heads[0],
            Typ::AccessToken => &self.heads[1],
        };
        let mut token = head.clone() + &to_base64url(claims.to_string().as_bytes());
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        token.push_str(&to_base64url(&signature));
        Ok(token)
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>> {
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &self.random, message, &mut signature)
                    .map_err(|_| Error::Random)?;
                Ok(signature)
            }
            Pair::Ec(pair) => {
                Ok(pair.sign(&self.random, message).map_err(|_| Error::Random)?.as_ref().to_vec())
            }
            Pair::Ed(pair) => Ok(pair.try_sign(message).map_err(|_| Error::Random)?.as_ref().to_vec()),
        }
    }
}

/// A new key pair in PKCS #8. An RSA key takes a tenth of a second and more.
pub(crate) fn generate(algorithm: SigningAlgorithm) -> Result<Zeroizing<Vec<u8>>> {
    let random = SystemRandom::new();
    let made = match algorithm {
        SigningAlgorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048).and_then(|pair| {
            let der: Pkcs8V1Der<'_> = pair.as_der()?;
            Ok(der.as_ref().to_vec())
        }),
        SigningAlgorithm::Es256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
            .map(|document| document.as_ref().to_vec()),
        SigningAlgorithm::EdDsa => Ed25519KeyPair::generate_pkcs8(&random).map(|d| d.as_ref().to_vec()),
    };
    made.map(Zeroizing::new).map_err(|_| Error::Random)
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
    fn its_tokens_verify_by_its_key_set_and_no_other_text_does() {
        for algorithm in [SigningAlgorithm::Rs256, SigningAlgorithm::Es256, SigningAlgorithm::EdDsa] {
            let key = SigningKey::open(algorithm, &generate(algorithm).unwrap()).unwrap();
            let keys = KeySet::parse(json!({ "keys": [key.jwk()] }).to_string().as_bytes()).unwrap();
            let token = key.sign(Typ::AccessToken, &json!({"a": 1})).unwrap();
            let good = verify(&token, &keys, &Algorithm::GATE).unwrap();
            assert_eq!((good.payload.as_slice(), good.typ.as_deref()), (&br#"{"a":1}"#[..], Some("at+jwt")));
            assert!(SigningKey::open(algorithm, b"x").is_err());
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

    #[test]
    fn the_key_id_is_the_thumbprint() {
        // The private key of RFC 8037 appendix A.1 in PKCS #8, its thumbprint in A.3.
        let seed: Vec<u8> = (0..64)
            .step_by(2)
            .map(|at| {
                let hex = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
                u8::from_str_radix(&hex[at..at + 2], 16).unwrap()
            })
            .collect();
        let head = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        let key = SigningKey::open(SigningAlgorithm::EdDsa, &[&head[..], &seed].concat()).unwrap();
        assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
