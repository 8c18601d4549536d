//! What can go wrong in the registry.

use domain::{ErrorCode, Fault, ModelKind};

/// The registry's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of the registry.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is no ONNX model that can be run.
    #[error("the file is no model that can be run: {0}")]
    Model(#[source] onnx::Error),
    /// The file is no ONNX model that any engine here can run.
    #[error("the file is no model that can be run: {0}")]
    Engine(#[source] engines::Error),
    /// The signature does not fit the model.
    #[error("the signature does not fit the model: {0}")]
    Signature(String),
    /// An alias that cannot be one.
    #[error(
        "'{0}' cannot be an alias: take a name that is neither 'latest' nor a number nor 'v' and a number"
    )]
    Alias(String),
    /// A version that is neither a number nor a known alias.
    #[error("no version '{version}' of the model '{model}': write a number, 'latest' or an alias")]
    Version {
        /// The model.
        model: String,
        /// What was asked for.
        version: String,
    },
    /// A folder without an ONNX file that this program runs.
    #[error("the model version '{version}' ({kind}) holds no ONNX file that runs here")]
    NotNative {
        /// The version.
        version: String,
        /// What it holds.
        kind: ModelKind,
    },
    /// A path of artifacts that leads elsewhere; the text is one that clients match.
    #[error("Invalid path")]
    Path,
    /// A source that is none; the text is one that clients match.
    #[error("{0}")]
    Source(String),
    /// A source under which nothing lies.
    #[error("there is no file at '{0}'")]
    NoFile(String),
    /// What was sent could not be read.
    #[error("reading the upload: {0}")]
    Upload(#[source] std::io::Error),
    /// A change that is refused.
    #[error("{0}")]
    Refused(String),
    /// A file of a model that cannot be read.
    #[error("{0}")]
    Unreadable(String),
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
            Error::Model(_)
            | Error::Engine(_)
            | Error::Signature(_)
            | Error::NotNative { .. }
            | Error::NoFile(_)
            | Error::Unreadable(_) => ErrorCode::Unprocessable,
            Error::Upload(ref e) if e.kind() == std::io::ErrorKind::FileTooLarge => ErrorCode::TooLarge,
            Error::Alias(_) | Error::Path | Error::Source(_) | Error::Refused(_) | Error::Upload(_) => {
                ErrorCode::InvalidInput
            }
            Error::Version { .. } => ErrorCode::NotFound,
            Error::Interrupted => ErrorCode::Unavailable,
        };
        Self::new(code, error.to_string())
    }
}
