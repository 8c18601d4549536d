//! What can go wrong in a search, in words for the user who gave the table.

/// Why a search gave no model.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The table's columns differ in length, repeat a name, or hold codes without a level.
    #[error("the table is malformed at column {column:?}: {detail}")]
    Table {
        /// The column's name.
        column: String,
        /// What was wrong.
        detail: String,
    },
    /// The target can't be learned: missing column, constant, too few rows, too many classes.
    #[error("the target {target:?} can't be learned: {detail}")]
    Target {
        /// The target's name.
        target: String,
        /// What was wrong and what to do.
        detail: String,
    },
    /// A setting of the specification makes no sense for this table.
    #[error("the setting {setting} is not usable: {detail}")]
    Spec {
        /// The setting's name.
        setting: &'static str,
        /// What was wrong and what to do.
        detail: String,
    },
    /// Every column was dropped.
    #[error("no usable feature column is left: {0}")]
    NoFeatures(String),
    /// A learner failed on data it should have handled.
    #[error("the learner {learner} failed: {detail}")]
    Learner {
        /// The learner's name.
        learner: String,
        /// What it said.
        detail: String,
    },
    /// No trial finished within the time limit.
    #[error("no trial finished within the time limit of {0} s; give it more time")]
    TimeLimit(f64),
    /// A configuration took longer than one may.
    #[error(
        "a configuration took longer than the {0} s that one may take (trial_time_limit); give each more time, or allow faster algorithms"
    )]
    TrialLimit(f64),
    /// The graph could not be written or read back.
    #[error("the model could not be written as ONNX: {0}")]
    Export(String),
    /// The graph's answers differ from the ensemble's in memory.
    #[error(
        "the ONNX model differs from the trained ensemble by {difference:.2e} at row {row}; this is a bug"
    )]
    Parity {
        /// Largest absolute difference of a probability (or of a value, relative to the target's spread).
        difference: f64,
        /// The row of the sample where it is.
        row: usize,
    },
    /// The caller asked to stop.
    #[error("the search was cancelled")]
    Cancelled,
}

impl From<onnx::Error> for Error {
    fn from(error: onnx::Error) -> Self {
        Self::Export(error.to_string())
    }
}
