//! Keys of every kind, and tokens signed with them as no token service would.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaEncoding};
use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::path::Path;

/// base64url without padding.
pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The signing input of a header and a payload, as they are.
pub fn input(header: &str, payload: impl AsRef<[u8]>) -> String {
    format!("{}.{}", b64(header), b64(payload))
}

/// A token with this signature.
pub fn with_signature(header: &str, payload: impl AsRef<[u8]>, signature: &[u8]) -> String {
    format!("{}.{}", input(header, payload), b64(signature))
}

/// A token with an HMAC.
pub fn hs(header: &str, payload: &str, algorithm: hmac::Algorithm, secret: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(algorithm, secret), input(header, payload).as_bytes());
    with_signature(header, payload, tag.as_ref())
}

/// An RSA key.
pub struct Rsa {
    pair: KeyPair,
    /// Its thumbprint (RFC 7638), the server's key id.
    pub kid: String,
    /// Modulus.
    pub n: Vec<u8>,
    /// Public exponent.
    pub e: Vec<u8>,
}

impl Rsa {
    /// A new key of 2048 bits.
    pub fn new() -> Self {
        Self::of(KeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    /// Leaves the private key where a server of an earlier release kept its own: it is taken over as the first signing key, and
    /// with it tokens are rightly signed and otherwise wrong.
    pub fn leave(&self, dir: &Path) {
        let der: Pkcs8V1Der<'_> = self.pair.as_der().unwrap();
        std::fs::create_dir_all(dir.join("secrets")).unwrap();
        std::fs::write(dir.join("secrets/token-signing-key"), der.as_ref()).unwrap();
    }

    fn of(pair: KeyPair) -> Self {
        // RSAPublicKey (RFC 8017 A.1.1) of 2048 bits and exponent 65537 has one length: the integers have fixed places.
        let der = pair.public_key().as_ref().to_vec();
        assert_eq!(der.len(), 270, "a key of 2048 bits");
        let (n, e) = (der[9..265].to_vec(), der[267..].to_vec());
        let canonical = format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, b64(&e), b64(&n));
        let kid = b64(digest::digest(&digest::SHA256, canonical.as_bytes()));
        Self { pair, kid, n, e }
    }

    /// The public key as `SubjectPublicKeyInfo`.
    pub fn der(&self) -> Vec<u8> {
        let der: PublicKeyX509Der<'_> = self.pair.public_key().as_der().unwrap();
        der.as_ref().to_vec()
    }

    /// The public key as PEM.
    pub fn pem(&self) -> String {
        let text = STANDARD.encode(self.der());
        let lines: Vec<&str> = text.as_bytes().chunks(64).map(|c| std::str::from_utf8(c).unwrap()).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }

    /// The public key as a JWK.
    pub fn jwk(&self) -> Value {
        json!({ "kty": "RSA", "kid": self.kid, "n": b64(&self.n), "e": b64(&self.e) })
    }

    /// A signature over any bytes by any padding.
    pub fn raw(&self, padding: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(padding, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }

    /// A token signed with RS256, whatever its header says.
    pub fn sign(&self, header: &str, payload: impl AsRef<[u8]>) -> String {
        self.sign_as(&signature::RSA_PKCS1_SHA256, header, payload)
    }

    /// A token signed with another padding or digest.
    pub fn sign_as(
        &self,
        padding: &'static dyn RsaEncoding,
        header: &str,
        payload: impl AsRef<[u8]>,
    ) -> String {
        let payload = payload.as_ref();
        with_signature(header, payload, &self.raw(padding, input(header, payload).as_bytes()))
    }
}

/// A key on P-256.
pub struct Ec(EcdsaKeyPair);

impl Ec {
    /// A new key.
    pub fn new() -> Self {
        Self(EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    /// The public key as a JWK.
    pub fn jwk(&self) -> Value {
        let point = self.0.public_key().as_ref();
        json!({ "kty": "EC", "crv": "P-256", "x": b64(&point[1..33]), "y": b64(&point[33..65]) })
    }

    /// A signature: r and s, 32 bytes each.
    pub fn raw(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    /// A token signed with ES256.
    pub fn sign(&self, header: &str, payload: &str) -> String {
        with_signature(header, payload, &self.raw(input(header, payload).as_bytes()))
    }
}

/// An Ed25519 key.
pub struct Ed(Ed25519KeyPair);

impl Ed {
    /// A new key.
    pub fn new() -> Self {
        Self(Ed25519KeyPair::generate().unwrap())
    }

    /// The public key as a JWK.
    pub fn jwk(&self) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "x": b64(self.0.public_key().as_ref()) })
    }

    /// A signature.
    pub fn raw(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }

    /// A token signed with EdDSA.
    pub fn sign(&self, header: &str, payload: &str) -> String {
        with_signature(header, payload, &self.raw(input(header, payload).as_bytes()))
    }
}
