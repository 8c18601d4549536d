//! JOSE, strictly: compact JWS (RFC 7515), keys and key sets (RFC 7517, 7518, 8037), nothing else.
//!
//! One reading only: canonical base64url, no duplicate members at any level, no critical extensions, no key inside the token,
//! the algorithm bound to the key. No encryption, no symmetric algorithms, no `none`.

mod alg;
mod jws;
mod key;
mod keyset;
mod roca;
pub mod strict;
#[cfg(test)]
mod vectors;

pub use alg::Algorithm;
pub use jws::{Decoded, Verified, decode, verify};
pub use key::Key;
pub use keyset::{KEYS_MAX, KeySet};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The longest token in bytes.
pub const TOKEN_MAX: usize = 16 << 10;
/// The deepest nesting of a header, a claims set or a key set.
pub const DEPTH_MAX: usize = 16;

/// Why a token or a key was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Longer than [`TOKEN_MAX`].
    #[error("the token is longer than 16 KiB")]
    TooLong,
    /// Not three parts of canonical base64url.
    #[error("the token is not a compact JWS")]
    NotCompact,
    /// The header or the claims are not one JSON object without duplicate members, at most [`DEPTH_MAX`] deep.
    #[error("the token's header or claims are no plain JSON object")]
    NotJson,
    /// A header member that would change how the token is read, or bring its own key.
    #[error("the token's header has the member '{0}', which is not accepted")]
    HeaderMember(&'static str),
    /// No `alg`, `none`, a symmetric one, or one that is not allowed here.
    #[error("the token's algorithm is not accepted")]
    Algorithm,
    /// The header's `typ` is not a token's.
    #[error("the token's typ is neither JWT nor at+jwt")]
    Type,
    /// No key of the set fits the header's `kid` and `alg`.
    #[error("no key of the key set fits the token's kid and alg")]
    UnknownKey,
    /// More than one key fits.
    #[error("more than one key of the key set fits the token")]
    AmbiguousKey,
    /// The signature is wrong.
    #[error("the signature is wrong")]
    Signature,
    /// A claim is missing or of the wrong type.
    #[error("the claim '{0}' is missing or malformed")]
    Claim(&'static str),
    /// Past its `exp`.
    #[error("the token has expired")]
    Expired,
    /// Before its `nbf`, or issued in the future.
    #[error("the token is not valid yet")]
    Early,
    /// Longer valid than allowed.
    #[error("the token's lifetime is longer than allowed")]
    Lifetime,
    /// Of another issuer.
    #[error("the token is of another issuer")]
    Issuer,
    /// Without a claim that every token of its issuer must carry.
    #[error("the token lacks a claim that tokens of its issuer must carry")]
    Required,
    /// For another audience.
    #[error("the token is for another audience")]
    Audience,
    /// Bound to a client certificate that the connection has not shown.
    #[error("the token is bound to a client certificate that was not shown")]
    Unbound,
    /// Its client or it itself was revoked.
    #[error("the token was revoked")]
    Revoked,
}

impl Refusal {
    /// A short constant text for metrics and the request log.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TooLong | Self::NotCompact | Self::NotJson => "malformed_token",
            Self::HeaderMember(_) => "header_member",
            Self::Algorithm => "algorithm",
            Self::Type => "type",
            Self::UnknownKey | Self::AmbiguousKey => "unknown_key",
            Self::Signature => "signature",
            Self::Claim(_) => "claim",
            Self::Expired => "expired",
            Self::Early => "not_yet_valid",
            Self::Lifetime => "lifetime",
            Self::Issuer => "issuer",
            Self::Required => "required_claim",
            Self::Audience => "audience",
            Self::Unbound => "certificate_binding",
            Self::Revoked => "revoked",
        }
    }
}

/// Canonical base64url without padding (RFC 7515 §2): alphabet, length and trailing bits are all checked.
pub(crate) fn base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Bytes as base64url without padding.
pub(crate) fn to_base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
