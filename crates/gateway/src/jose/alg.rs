//! The signature algorithms that are known at all; the gate's own list is shorter.

use aws_lc_rs::signature as sig;
use aws_lc_rs::signature::VerificationAlgorithm;

/// A JWS algorithm (RFC 7518 §3.1, RFC 8037, RFC 9864).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// Ed25519.
    EdDsa,
}

use Algorithm::{EdDsa, Es256, Es384, Es512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 10] = [Rs256, Rs384, Rs512, Ps256, Ps384, Ps512, Es256, Es384, Es512, EdDsa];
    /// What the gate accepts.
    pub const GATE: [Self; 4] = [Rs256, Ps256, Es256, EdDsa];
    /// Those of an RSA key.
    pub(super) const RSA: [Self; 6] = [Rs256, Rs384, Rs512, Ps256, Ps384, Ps512];

    /// Reads the value of `alg`. `Ed25519` is the newer name of `EdDSA` with that curve.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "RS256" => Rs256,
            "RS384" => Rs384,
            "RS512" => Rs512,
            "PS256" => Ps256,
            "PS384" => Ps384,
            "PS512" => Ps512,
            "ES256" => Es256,
            "ES384" => Es384,
            "ES512" => Es512,
            "EdDSA" | "Ed25519" => EdDsa,
            _ => return None,
        })
    }

    /// The name as in `alg`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Rs256 => "RS256",
            Rs384 => "RS384",
            Rs512 => "RS512",
            Ps256 => "PS256",
            Ps384 => "PS384",
            Ps512 => "PS512",
            Es256 => "ES256",
            Es384 => "ES384",
            Es512 => "ES512",
            EdDsa => "EdDSA",
        }
    }

    /// The verification, which also bounds RSA keys to 2048–8192 bits and fixes the length of ECDSA signatures.
    pub(super) fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Rs256 => &sig::RSA_PKCS1_2048_8192_SHA256,
            Rs384 => &sig::RSA_PKCS1_2048_8192_SHA384,
            Rs512 => &sig::RSA_PKCS1_2048_8192_SHA512,
            Ps256 => &sig::RSA_PSS_2048_8192_SHA256,
            Ps384 => &sig::RSA_PSS_2048_8192_SHA384,
            Ps512 => &sig::RSA_PSS_2048_8192_SHA512,
            Es256 => &sig::ECDSA_P256_SHA256_FIXED,
            Es384 => &sig::ECDSA_P384_SHA384_FIXED,
            Es512 => &sig::ECDSA_P521_SHA512_FIXED,
            EdDsa => &sig::ED25519,
        }
    }
}
