//! What can go wrong in the registry.

use domain::{ErrorCode, Fault};

/// The registry's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of the registry.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is no ONNX model that can be run.
    #[error("the file is no model that can be run: {0}")]
    Model(#[source] onnx::Error),
    /// The signature does not fit the model.
    #[error("the signature does not fit the model: {0}")]
    Signature(String),
    /// An alias that cannot be one.
    #[error("'{0}' cannot be an alias: take a name that is neither 'latest' nor a number")]
    Alias(String),
    /// A version that is neither a number nor a known alias.
    #[error("no version '{version}' of the model '{model}': write a number, 'latest' or an alias")]
    Version {
        /// The model.
        model: String,
        /// What was asked for.
        version: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Blocking work was stopped before its end.
    #[error("the work was interrupted: try again")]
    Interrupted,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let code = match error {
            Error::Store(error) => return error.into(),
            Error::Model(_) | Error::Signature(_) => ErrorCode::Unprocessable,
            Error::Alias(_) => ErrorCode::InvalidInput,
            Error::Version { .. } => ErrorCode::NotFound,
            Error::Interrupted => ErrorCode::Unavailable,
        };
        Self::new(code, error.to_string())
    }
}
