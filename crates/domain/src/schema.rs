//! Column types and the signature of a model: what a scoring request must bring, what comes back.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The type of a column of a data asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    /// `true`/`false` in the usual spellings.
    Boolean,
    /// Whole numbers within ±2^63.
    Integer,
    /// Decimal numbers (IEEE 754 double when read).
    Float,
    /// Text with few distinct values.
    Category,
    /// Free text.
    Text,
    /// A date, or a date and time.
    Timestamp,
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Category => "category",
            Self::Text => "text",
            Self::Timestamp => "timestamp",
        })
    }
}

/// What a model predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// One of two classes.
    Binary,
    /// One of three or more classes.
    Multiclass,
    /// A number.
    Regression,
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Binary => "binary",
            Self::Multiclass => "multiclass",
            Self::Regression => "regression",
        })
    }
}

/// One column a scoring request brings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Feature {
    /// The column's original name; may contain dots and spaces.
    pub name: String,
    /// The type a value must have or be convertible to.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// Whether every row must bring the member; a missing value is then `null`.
    pub required: bool,
    /// For categories: the values seen in training, most frequent first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// A value seen in training, for documents and samples.
    pub example: serde_json::Value,
}

/// A class label in its original type.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum Label {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Text.
    Text(String),
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(b) => b.fmt(f),
            Self::Integer(i) => i.fmt(f),
            Self::Text(t) => f.write_str(t),
        }
    }
}

/// The class labels in the order of the probabilities (ascending).
pub type Classes = Vec<Label>;

/// What a model answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Target {
    /// The target column's name.
    pub name: String,
    /// What is predicted.
    pub task: Task,
    /// The labels in probability order; empty for regression.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Classes,
}

/// Input and output schema of a model version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Signature {
    /// Features in the order of the training table.
    pub inputs: Vec<Feature>,
    /// What comes back.
    pub output: Target,
}
