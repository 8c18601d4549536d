//! The table a search reads: named, typed columns in memory.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

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

    /// What values of this kind are taken for; those of two kinds that say the same can stand in one column.
    fn holds(self) -> &'static str {
        match self {
            Self::Boolean | Self::Integer | Self::Float => "numbers",
            Self::Category | Self::Text => "texts",
            Self::Timestamp => "times",
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

impl Column {
    /// Whether a row has a value; an empty text is none.
    fn is_there(&self, row: usize) -> bool {
        let empty = |code: u32, levels: &[String]| levels[code as usize].is_empty();
        !self.values.is_missing(row)
            && !matches!(&self.values, Values::Texts { codes, levels } if empty(codes[row], levels))
    }

    /// Whether its values are of the type of another column's; without any they are of every type.
    pub(crate) fn is_of(&self, other: &Self) -> bool {
        self.kind.holds() == other.kind.holds() || !(0..self.values.len()).any(|row| self.is_there(row))
    }
}

/// The tables of a search.
#[derive(Debug, Clone, Copy)]
pub struct Tables<'a> {
    /// What is learned from.
    pub training: &'a Table,
    /// What every configuration is judged by, in place of folds of the training table; never learned from.
    pub validation: Option<&'a Table>,
    /// What the finished model is measured on; it decides nothing.
    pub test: Option<&'a Table>,
}

impl<'a> From<&'a Table> for Tables<'a> {
    fn from(training: &'a Table) -> Self {
        Self { training, validation: None, test: None }
    }
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

    /// This table's rows, then those of `other`, whose columns are found by name. One that `other` lacks, or that holds
    /// values of another type there, is missing in its rows; [`Self::alike`] refuses it where it counts.
    pub(crate) fn followed_by(&self, other: &Self) -> Self {
        let rows = other.rows();
        let join = |column: &Column| {
            let found = other.position(&column.name).map(|at| &other.columns[at].values);
            let values = match (&column.values, found) {
                (Values::Numbers(a), Some(Values::Numbers(b))) => Values::Numbers([&a[..], b].concat()),
                (Values::Numbers(a), _) => Values::Numbers([&a[..], &vec![f64::NAN; rows]].concat()),
                (Values::Texts { codes, levels }, Some(Values::Texts { codes: more, levels: others })) => {
                    join_texts((codes, levels), (more, others))
                }
                (Values::Texts { codes, levels }, _) => Values::Texts {
                    codes: [&codes[..], &vec![MISSING_CODE; rows]].concat(),
                    levels: levels.clone(),
                },
            };
            Column { values, ..column.clone() }
        };
        Self { columns: self.columns.iter().map(join).collect() }
    }

    /// Refuses another table that lacks a column that `counts`, or holds values of another type in it. `what` names the
    /// other table.
    pub(crate) fn alike(&self, other: &Self, counts: impl Fn(&str) -> bool, what: &str) -> Result<(), Error> {
        for column in self.columns.iter().filter(|column| counts(&column.name)) {
            let detail = match other.position(&column.name).map(|at| &other.columns[at]) {
                None => format!("the {what} has no such column; put it in, or exclude it from the search"),
                Some(found) if found.is_of(column) => continue,
                Some(found) => {
                    let [here, there] = [column, found].map(|c| c.kind.holds());
                    format!("it holds {here} in the training data and {there} in the {what}")
                }
            };
            return Err(Error::Table { column: column.name.clone(), detail });
        }
        Ok(())
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

/// Two text columns as one, with the levels of both.
fn join_texts((codes, levels): (&[u32], &[String]), (more, others): (&[u32], &[String])) -> Values {
    let mut all = levels.to_vec();
    let mut index: HashMap<&str, u32> =
        levels.iter().enumerate().map(|(i, level)| (level.as_str(), i as u32)).collect();
    let renamed: Vec<u32> = others
        .iter()
        .map(|level| {
            *index.entry(level).or_insert_with(|| {
                all.push(level.clone());
                all.len() as u32 - 1
            })
        })
        .collect();
    let rename = |&code: &u32| if code == MISSING_CODE { code } else { renamed[code as usize] };
    Values::Texts { codes: codes.iter().copied().chain(more.iter().map(rename)).collect(), levels: all }
}
