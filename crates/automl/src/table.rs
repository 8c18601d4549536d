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

    /// This table's rows, then those of `other`, whose columns are found by name; one that `other` lacks is missing there.
    /// `what` names the other table in an error.
    pub(crate) fn followed_by(&self, other: &Self, what: &'static str) -> Result<Self, Error> {
        let rows = other.rows();
        let join = |column: &Column| {
            let found = other.position(&column.name).map(|at| &other.columns[at].values);
            let values = match (&column.values, found) {
                (Values::Numbers(a), None) => Values::Numbers([&a[..], &vec![f64::NAN; rows]].concat()),
                (Values::Numbers(a), Some(Values::Numbers(b))) => Values::Numbers([&a[..], b].concat()),
                (Values::Texts { codes, levels }, None) => Values::Texts {
                    codes: [&codes[..], &vec![MISSING_CODE; rows]].concat(),
                    levels: levels.clone(),
                },
                (Values::Texts { codes, levels }, Some(Values::Texts { codes: more, levels: others })) => {
                    join_texts((codes, levels), (more, others))
                }
                (Values::Numbers(_), Some(_)) | (Values::Texts { .. }, Some(_)) => {
                    return Err(unlike(column, what));
                }
            };
            Ok(Column { values, ..column.clone() })
        };
        Ok(Self { columns: self.columns.iter().map(join).collect::<Result<_, _>>()? })
    }

    /// Refuses a table that holds texts where this one holds numbers, or the other way round, in a column that `counts`.
    pub(crate) fn alike(
        &self,
        other: &Self,
        counts: impl Fn(&str) -> bool,
        what: &'static str,
    ) -> Result<(), Error> {
        let differs = |column: &&Column| {
            let found = other.position(&column.name).map(|at| &other.columns[at].values);
            match (&column.values, found) {
                (Values::Numbers(_), Some(Values::Texts { codes, .. })) => {
                    codes.iter().any(|&code| code != MISSING_CODE)
                }
                (Values::Texts { .. }, Some(Values::Numbers(v))) => v.iter().any(|x| !x.is_nan()),
                _ => false,
            }
        };
        let unlike_one = self.columns.iter().filter(|column| counts(&column.name)).find(differs);
        unlike_one.map_or(Ok(()), |column| Err(unlike(column, what)))
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

fn unlike(column: &Column, what: &str) -> Error {
    let detail = format!("it holds numbers in one table and texts in the {what}");
    Error::Table { column: column.name.clone(), detail }
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
