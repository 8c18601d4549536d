//! Why a model can't be run, by which engine.

use crate::library::SETTING;

/// Fault of a model or of a call on one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Our own engine refuses it, and no other would be asked.
    #[error(transparent)]
    Own(#[from] onnx::Error),
    /// Our own engine does not cover it, and there is no other.
    #[error("{0}; ONNX Runtime may run it: name its library in the setting {SETTING}")]
    NoLibrary(onnx::Error),
    /// Our own engine does not cover it, and the library that is named can't be used.
    #[error("{own}; the library named in the setting {SETTING} can't be used: {reason}")]
    Library {
        /// Why our own engine refuses.
        own: onnx::Error,
        /// What is wrong with the library.
        reason: String,
    },
    /// Neither engine can run it.
    #[error("{own}; nor can ONNX Runtime run it: {reason}")]
    Neither {
        /// Why our own engine refuses.
        own: onnx::Error,
        /// Why the other does.
        reason: String,
    },
    /// ONNX Runtime failed on rows.
    #[error("ONNX Runtime: {0}")]
    Failed(String),
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
