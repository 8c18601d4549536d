//! What can be wrong with a model, a tensor or a call.

/// Fault of a model or of a call on one. Every message is complete on its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no ONNX protobuf message.
    #[error("not an ONNX {what}: {reason}")]
    Decode {
        /// What was expected: `model` or `tensor`.
        what: &'static str,
        /// What the decoder met.
        reason: String,
    },
    /// Something is larger than a limit of this crate (see `limits`).
    #[error("{what} is {amount}, the limit is {limit}")]
    TooLarge {
        /// What is too large, with its place.
        what: String,
        /// Its size.
        amount: u64,
        /// The largest accepted size.
        limit: u64,
    },
    /// The model as a whole is not well formed or of an unsupported version.
    #[error("model: {0}")]
    Model(String),
    /// A node is not well formed.
    #[error("node {node} ({op}): {reason}")]
    Node {
        /// Name of the node, or `#N` (its position from 0) when it has none.
        node: String,
        /// Operator, with its domain when that is not the default one.
        op: String,
        /// What is wrong.
        reason: String,
    },
    /// A node is well formed, but this engine can't run it.
    #[error("node {node} ({op}) can't be run: {reason}")]
    Unsupported {
        /// Name of the node, or `#N` (its position from 0) when it has none.
        node: String,
        /// Operator, with its domain when that is not the default one.
        op: String,
        /// What is missing.
        reason: String,
    },
    /// A node makes more than its file explains, or than this crate makes of any file (see `limits`).
    #[error("node {node} ({op}) can't be run: {reason}")]
    TooMuch {
        /// Name of the node, or `#N` (its position from 0) when it has none.
        node: String,
        /// Operator, with its domain when that is not the default one.
        op: String,
        /// What grows.
        reason: String,
    },
    /// The model as a whole is well formed, but beyond this engine: a version, a type, a form of storage.
    #[error("model: {0}")]
    Uncovered(String),
    /// A model of another tool could not be converted.
    #[error("{file}: {reason}")]
    Import {
        /// Name of the file.
        file: String,
        /// The place within it, and what is wrong there.
        reason: String,
    },
    /// An input given to a model, or an output asked of it, does not fit.
    #[error("input {name}: {reason}")]
    Input {
        /// Name of the input.
        name: String,
        /// What does not fit.
        reason: String,
    },
    /// The model has no output that can be read as classes or as a value.
    #[error("output: {0}")]
    Output(String),
}

impl Error {
    /// Whether only this engine stands against the model: another one may know the operator, type or version, or the shape of the
    /// rows. False for files that are broken or made to harm, and for what does not fit rows in any engine.
    pub fn is_uncovered(&self) -> bool {
        matches!(self, Self::Unsupported { .. } | Self::Uncovered(_))
    }

    pub(crate) fn model(reason: impl Into<String>) -> Self {
        Self::Model(reason.into())
    }

    /// The fault with the place it was met at.
    pub(crate) fn within(self, place: &str) -> Self {
        match self {
            Self::Uncovered(reason) => Self::Uncovered(format!("{place}: {reason}")),
            other => Self::Model(format!("{place}: {other}")),
        }
    }

    pub(crate) fn input(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Input { name: name.into(), reason: reason.into() }
    }
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
