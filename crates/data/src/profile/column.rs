//! One column on its way through the table: counted text by text while its texts are few, sketched when they are many.

use crate::batch::Batch;
use crate::error::{Error, Place, Result};
use crate::limits::COLUMN_MEMORY;
use crate::profile::few::Few;
use crate::profile::many::Many;
use crate::read::parquet::Want;
use crate::values::{Kinds, Missing, Reading, kinds, stated_truth};
use domain::ColumnType;

/// The memory one column may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// Distinct texts counted.
    pub texts: usize,
    /// Their bytes.
    pub text_bytes: usize,
    /// Size of the sketch of quantiles.
    pub sketch: usize,
    /// Size of the sketch of distinct values, as a power of two.
    pub precision: u32,
}

impl Budget {
    /// A column's share when there are so many.
    pub fn of(columns: usize) -> Self {
        let each = COLUMN_MEMORY / columns.max(1);
        Self {
            // A counted text takes about 64 bytes with its slots.
            texts: (each / 256).clamp(64, 16_384),
            text_bytes: (each / 4).clamp(1 << 10, 1 << 20),
            // It holds up to four times so many values of 8 bytes.
            sketch: (each / 128).clamp(64, 4_096),
            precision: (each / 8).max(1).ilog2().clamp(8, 14),
        }
    }
}

/// The first text that spoilt a column of numbers or moments.
#[derive(Debug, Clone)]
pub(crate) struct Odd {
    pub line: u64,
    pub text: Vec<u8>,
    /// Values before it that fitted.
    pub before: u64,
}

/// A column being surveyed.
#[derive(Debug)]
pub(crate) struct Column {
    pub name: String,
    pub want: Want,
    /// Records without a value that were not looked at: those before the column appeared.
    pub absent: u64,
    pub state: State,
    budget: Budget,
}

/// How a column is watched.
#[derive(Debug)]
pub(crate) enum State {
    Few(Few),
    Many(Box<Many>),
}

impl Column {
    pub fn new(name: String, want: Want, absent: u64, budget: Budget) -> Self {
        Self { name, want, absent, state: State::Few(Few::new(want, &budget)), budget }
    }

    /// Looks at the column's cells of a batch.
    pub fn push(&mut self, batch: &Batch, at: usize, missing: &Missing) -> Result<()> {
        let ward = Ward { name: &self.name, want: self.want, missing };
        let from = match &mut self.state {
            State::Many(_) => 0,
            State::Few(few) => match few.push(batch, at, &ward)? {
                None => return Ok(()),
                Some(row) => {
                    self.state = State::Many(Box::new(Many::from(few, &self.budget)));
                    row
                }
            },
        };
        match &mut self.state {
            State::Many(many) => many.push(batch, at, from, &ward),
            State::Few(_) => Ok(()),
        }
    }
}

/// What watching a column needs to know of it.
pub(crate) struct Ward<'a> {
    pub name: &'a str,
    pub want: Want,
    pub missing: &'a Missing,
}

impl Ward<'_> {
    /// What a text, trimmed and not missing, leaves of what the column can be; refused when a stated type forbids it.
    pub fn narrow(&self, known: Kinds, text: &[u8], batch: &Batch, row: usize) -> Result<Kinds> {
        let Want::Exactly(kind) = self.want else {
            return Ok(if known == Kinds::NONE { known } else { known.and(kinds(text)) });
        };
        let (fits, left) = match kind {
            ColumnType::Category | ColumnType::Text => (true, Kinds::NONE),
            ColumnType::Boolean => (stated_truth(text).is_some(), known),
            ColumnType::Integer => (Reading::Integer.value(text).is_some(), known),
            ColumnType::Float => (Reading::Float.value(text).is_some(), known),
            ColumnType::Timestamp => {
                let left = known.and(kinds(text));
                (left.first_layout().is_some(), left)
            }
        };
        if fits { Ok(left) } else { Err(self.wrong(kind, text, batch, row)) }
    }

    /// A text that a stated type forbids.
    pub fn wrong(&self, kind: ColumnType, text: &[u8], batch: &Batch, row: usize) -> Error {
        Error::of_type(Place { line: batch.line(row), column: self.name.to_owned() }, kind, text)
    }
}

/// How values of a column that can be so many things are read; `None` for text.
pub(crate) fn reading(want: Want, known: Kinds) -> Option<Reading> {
    let moment = || known.first_layout().map(Reading::Timestamp);
    match want {
        Want::Text | Want::Exactly(ColumnType::Category | ColumnType::Text) => None,
        Want::Exactly(ColumnType::Boolean) => Some(Reading::Boolean),
        Want::Exactly(ColumnType::Integer) => Some(Reading::Integer),
        Want::Exactly(ColumnType::Float) => Some(Reading::Float),
        Want::Exactly(ColumnType::Timestamp) => moment(),
        Want::Infer if known.has(Kinds::BOOLEAN) => Some(Reading::Boolean),
        Want::Infer if known.has(Kinds::INTEGER) => Some(Reading::Integer),
        Want::Infer if known.has(Kinds::FLOAT) => Some(Reading::Float),
        Want::Infer => moment(),
    }
}
