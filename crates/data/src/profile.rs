//! What is in a table: types, missing and distinct values, spread, frequent values, column by column, in one pass and
//! bounded memory.

use domain::ColumnType;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

mod column;
mod distinct;
mod few;
mod many;
mod moments;
mod sketch;
mod summary;
mod survey;
pub(crate) mod tally;

pub(crate) use survey::{Surveyed, Surveyor};

/// The profile of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Profile {
    /// Records.
    pub rows: u64,
    /// Columns in file order.
    pub columns: Vec<ColumnProfile>,
}

/// The profile of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ColumnProfile {
    /// Its name.
    pub name: String,
    /// Its type, inferred or stated.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// Records that have a value.
    pub count: u64,
    /// Records that have none.
    pub missing: u64,
    /// Distinct values.
    pub distinct: u64,
    /// Whether `distinct` is counted (else estimated within about 1 %).
    pub distinct_exact: bool,
    /// Whether mean to histogram are computed from every value (else quantiles and histogram come from a sketch with a
    /// rank error below 0.5 %; mean, deviation, min and max are computed from every value all the same).
    pub exact: bool,
    /// The smallest number or earliest moment (ISO 8601).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<Extreme>,
    /// The largest number or latest moment (ISO 8601).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<Extreme>,
    /// The mean of numbers; of booleans the share of true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// The standard deviation of numbers (divisor count − 1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deviation: Option<f64>,
    /// Quantile → value, of numbers and moments (seconds since 1970-01-01 UTC); linear between neighbours.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quantiles: BTreeMap<String, f64>,
    /// The spread of numbers and moments (seconds since 1970-01-01 UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub histogram: Option<Histogram>,
    /// Frequent values as written, most frequent first.
    pub top: Vec<TopValue>,
    /// What is worth knowing before a model is trained on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The smallest or largest value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum Extreme {
    /// A number.
    Number(f64),
    /// A moment.
    Moment(String),
}

/// Bins of equal width; the last one includes its upper edge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Histogram {
    /// One more than bins, ascending.
    pub edges: Vec<f64>,
    /// Values in each bin.
    pub counts: Vec<u64>,
}

/// A frequent value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TopValue {
    /// As written, shortened past 100 characters.
    pub value: String,
    /// How often.
    pub count: u64,
}
