//! The table a search reads: named, typed columns in memory.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// The code of a missing text.
pub const MISSING_CODE: u32 = u32::MAX;

/// The type of a column, as inferred or declared by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Numbers 0 and 1.
    Boolean,
    /// Whole numbers.
    Integer,
    /// Decimal numbers.
    Float,
    /// Text with few distinct values.
    Category,
    /// Free text.
    Text,
    /// Seconds since 1970-01-01 UTC.
    Timestamp,
}

impl Kind {
    /// The name used in signatures.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Category => "category",
            Self::Text => "text",
            Self::Timestamp => "timestamp",
        }
    }
}

/// The values of a column, one a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Numbers; NaN is missing, booleans are 0 and 1, timestamps are seconds.
    Numbers(Vec<f64>),
    /// Text as codes into `levels`; [`MISSING_CODE`] is missing.
    Texts {
        /// One code a row.
        codes: Vec<u32>,
        /// The distinct texts.
        levels: Vec<String>,
    },
}

impl Values {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(v) => v.len(),
            Self::Texts { codes, .. } => codes.len(),
        }
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the value of `row` is missing.
    #[must_use]
    pub fn is_missing(&self, row: usize) -> bool {
        match self {
            Self::Numbers(v) => v[row].is_nan(),
            Self::Texts { codes, .. } => codes[row] == MISSING_CODE,
        }
    }
}

/// A named, typed column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// The original name; dots and spaces are kept.
    pub name: String,
    /// Its type.
    pub kind: Kind,
    /// Its values.
    pub values: Values,
}

/// Columns of equal length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// The columns in the order of the source.
    pub columns: Vec<Column>,
}

impl Table {
    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |c| c.values.len())
    }

    /// Position of the column called `name`.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }

    /// Refuses columns of unequal length, repeated names, codes without a level and texts in number columns.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let rows = self.rows();
        let mut names = HashSet::new();
        for column in &self.columns {
            let fail = |detail: String| Err(Error::Table { column: column.name.clone(), detail });
            if !names.insert(column.name.as_str()) {
                return fail("the name appears twice".into());
            }
            if column.values.len() != rows {
                return fail(format!("{} values where the first column has {rows}", column.values.len()));
            }
            let textual = matches!(column.kind, Kind::Category | Kind::Text);
            match &column.values {
                Values::Numbers(_) if textual => return fail("numbers in a text column".into()),
                Values::Texts { .. } if !textual => return fail("texts in a number column".into()),
                Values::Texts { codes, levels } => {
                    if codes.iter().any(|&c| c != MISSING_CODE && c as usize >= levels.len()) {
                        return fail("a code without a level".into());
                    }
                }
                Values::Numbers(_) => {}
            }
        }
        Ok(())
    }
}
