//! What can go wrong outside the scoring path.

use domain::{ErrorCode, Fault, Name, Timestamp};

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A path that cannot be published.
    #[error("'{path}' cannot be published: {why}")]
    Path {
        /// The path as given.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A policy that would let everybody in.
    #[error("an API needs an audience: without one any token of the issuer would pass")]
    NoAudience,
    /// A policy with a field that can never be met, or that means nothing.
    #[error("the policy of '{path}' is wrong at {field}: {why}")]
    Field {
        /// The API's path.
        path: String,
        /// The field, as `rate_limits[0].per`.
        field: String,
        /// What is wrong and what to do.
        why: String,
    },
    /// An issuer that cannot be registered, or not be used so.
    #[error("the issuer '{0}': {1}")]
    Issuer(String, String),
    /// A part of a policy that cannot be read.
    #[error("the policy of '{0}' is wrong: {1}")]
    Rules(String, String),
    /// An audience of a principal that cannot be one.
    #[error("the audience of principal '{0}' is wrong: write a URI without spaces, at most 512 characters")]
    Audience(Name),
    /// A next signing key that waits already.
    #[error(
        "the signing key '{0}' is published and signs from {1} on: name a shorter lead to let it sign earlier"
    )]
    KeyWaits(String, Timestamp),
    /// Too many live signing keys.
    #[error("there are {0} live signing keys already: wait until former ones have retired, or withdraw them")]
    TooManyKeys(usize),
    /// A new password that is refused.
    #[error("the new password is refused: {0}; take 12 characters or more")]
    Password(&'static str),
    /// A duration that cannot be.
    #[error("{0}")]
    Duration(&'static str),
    /// The random source failed.
    #[error("no randomness for a secret")]
    Random,
    /// A key of the workspace is damaged.
    #[error("the workspace's {0} cannot be read: restore it from a backup")]
    Secret(&'static str),
    /// An error of a crate beneath, already in its final words.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Fault(fault) => return fault.clone(),
            Error::Path { .. }
            | Error::NoAudience
            | Error::Field { .. }
            | Error::Rules(..)
            | Error::Audience(_)
            | Error::Issuer(..)
            | Error::Password(_)
            | Error::Duration(_) => ErrorCode::InvalidInput,
            Error::KeyWaits(..) | Error::TooManyKeys(_) => ErrorCode::Conflict,
            Error::Random | Error::Secret(_) => ErrorCode::Internal,
        };
        Self::new(code, error.to_string())
    }
}

/// The result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
