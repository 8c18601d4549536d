//! Compact JWS: taken apart, judged by header and key, verified. Claims are the business of [`crate::jwt`].

use super::{Algorithm, Key, KeySet, Refusal, TOKEN_MAX, base64url, strict};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Header members that bring a key, point to one, or change how the token is read.
const FORBIDDEN: [&str; 7] = ["crit", "jku", "jwk", "x5u", "x5c", "b64", "zip"];

/// A token taken apart, not yet verified.
#[derive(Debug)]
pub struct Decoded<'a> {
    header: Map<String, Value>,
    alg: Algorithm,
    signing_input: &'a [u8],
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// A token whose signature is right.
#[derive(Debug, Clone)]
pub struct Verified {
    /// The header's `typ`.
    pub typ: Option<String>,
    /// The algorithm.
    pub alg: Algorithm,
    /// The payload's bytes.
    pub payload: Vec<u8>,
    /// The key that verified it.
    pub key: Arc<Key>,
}

impl Decoded<'_> {
    /// The payload's bytes, signed by nobody yet.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The header's `typ`.
    pub fn typ(&self) -> Option<&str> {
        self.header.get("typ").and_then(Value::as_str)
    }

    /// Whether the header names a key.
    pub fn has_kid(&self) -> bool {
        self.header.contains_key("kid")
    }

    /// The algorithm of the header.
    pub fn alg(&self) -> Algorithm {
        self.alg
    }

    /// The key of a set that fits.
    pub fn key<'k>(&self, keys: &'k KeySet) -> Result<&'k Arc<Key>, Refusal> {
        keys.find(self.header.get("kid").and_then(Value::as_str), self.alg)
    }

    /// Verifies the signature by the key of a set that fits; gives that key.
    pub fn verify<'k>(&self, keys: &'k KeySet) -> Result<&'k Arc<Key>, Refusal> {
        let key = self.key(keys)?;
        let good = key.verifies(self.alg, self.signing_input, &self.signature);
        if good { Ok(key) } else { Err(Refusal::Signature) }
    }
}

/// Takes a token apart, and refuses whatever has more than one reading. `allowed` is the list of algorithms to consider.
pub fn decode<'a>(token: &'a str, allowed: &[Algorithm]) -> Result<Decoded<'a>, Refusal> {
    if token.len() > TOKEN_MAX {
        return Err(Refusal::TooLong);
    }
    let (signing_input, signature) = token.rsplit_once('.').ok_or(Refusal::NotCompact)?;
    let (header, payload) = signing_input.split_once('.').ok_or(Refusal::NotCompact)?;
    // A third dot would stand in the payload, which is then no base64url.
    let header = base64url(header).ok_or(Refusal::NotCompact)?;
    let payload = base64url(payload).ok_or(Refusal::NotCompact)?;
    let signature = base64url(signature).ok_or(Refusal::NotCompact)?;
    let header = strict::object(&header).ok_or(Refusal::NotJson)?;
    if let Some(name) = FORBIDDEN.iter().find(|name| header.contains_key(**name)) {
        return Err(Refusal::HeaderMember(name));
    }
    let alg = header.get("alg").and_then(Value::as_str).and_then(Algorithm::parse);
    let alg = alg.filter(|a| allowed.contains(a)).ok_or(Refusal::Algorithm)?;
    for name in ["kid", "typ"] {
        if header.get(name).is_some_and(|v| !v.is_string()) {
            return Err(Refusal::HeaderMember(name));
        }
    }
    Ok(Decoded { header, alg, signing_input: signing_input.as_bytes(), payload, signature })
}

/// Verifies a token by a key set: format, header, key, signature.
pub fn verify(token: &str, keys: &KeySet, allowed: &[Algorithm]) -> Result<Verified, Refusal> {
    let decoded = decode(token, allowed)?;
    let key = decoded.verify(keys)?.clone();
    let typ = decoded.typ().map(str::to_owned);
    Ok(Verified { typ, alg: decoded.alg, payload: decoded.payload, key })
}
