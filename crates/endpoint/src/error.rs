//! What can go wrong outside the scoring path: loading a model, and the services over the store.

use domain::{ErrorCode, Fault};

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ONNX file cannot be read or run.
    #[error("the model cannot be served: {0}")]
    Model(#[from] engines::Error),
    /// The signature names a column the ONNX graph has no input for.
    #[error(
        "the signature's column '{0}' has no input in the model; register the model with a signature that fits"
    )]
    NoSlot(String),
    /// The signature and the graph disagree on the classes.
    #[error("the signature lists {signature} classes, the model answers {model}")]
    Classes {
        /// Classes in the signature.
        signature: usize,
        /// Classes of the graph.
        model: usize,
    },
    /// The signature promises classes and the graph answers a number, or the reverse.
    #[error("the signature says {0}, the model answers something else")]
    Task(domain::Task),
    /// The signature has a column twice, or more columns than can be served.
    #[error("the signature cannot be served: {0}")]
    Signature(String),
    /// A model reference that cannot be read.
    #[error("'{0}' is no model reference; write NAME, NAME:VERSION, NAME:latest or NAME@ALIAS")]
    Reference(String),
    /// Loading was cut off, as when the server stops.
    #[error("loading the model was interrupted")]
    Interrupted,
    /// The random source failed.
    #[error("no randomness for the workspace secret")]
    Random,
    /// An error of a crate beneath, already in its final words.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Fault(fault) => return fault.clone(),
            Error::Model(_)
            | Error::NoSlot(_)
            | Error::Classes { .. }
            | Error::Task(_)
            | Error::Signature(_) => ErrorCode::Unprocessable,
            Error::Reference(_) => ErrorCode::InvalidInput,
            Error::Interrupted => ErrorCode::Unavailable,
            Error::Random => ErrorCode::Internal,
        };
        Self::new(code, error.to_string())
    }
}
