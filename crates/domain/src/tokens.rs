//! What the token service tells of itself: its signing keys, and the secrets of its clients.

use crate::clock::Timestamp;
use crate::gate::Principal;
use serde::{Deserialize, Serialize};

/// What tokens are signed with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub enum SigningAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256, RSA 2048; every verifier knows it.
    #[default]
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl SigningAlgorithm {
    /// The value of `alg` (RFC 7518 §3.1, RFC 8037 §3.1).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// Where a signing key stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SigningKeyState {
    /// In the key set, so that verifiers learn it; it does not sign yet.
    Published,
    /// It signs.
    Signing,
    /// It signs no more; tokens it signed are accepted.
    Accepted,
    /// Its last token has expired; it has left the key set.
    Retired,
    /// It was withdrawn, and its tokens with it.
    Revoked,
}

/// A signing key of the token service, without its private part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SigningKeyInfo {
    /// Its id: the RFC 7638 thumbprint.
    pub kid: String,
    /// What it signs with.
    pub algorithm: SigningAlgorithm,
    /// Where it stands in its life.
    pub state: SigningKeyState,
    /// Since when it is published.
    pub created: Timestamp,
    /// From when on it signs.
    pub active: Timestamp,
    /// Until when its tokens are accepted; not known while it is the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<Timestamp>,
}

/// What is told of a client's secret; never the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SecretInfo {
    /// Whether it is the one before the newest.
    pub former: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// The day it was last used, at midnight UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Timestamp>,
}

/// A principal with what is told of its secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PrincipalInfo {
    /// The principal.
    #[serde(flatten)]
    pub principal: Principal,
    /// Its live secrets, the newest first; of a person none.
    #[serde(default)]
    pub secrets: Vec<SecretInfo>,
}
