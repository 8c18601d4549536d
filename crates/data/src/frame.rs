//! A table in memory, as models read it: numbers as doubles, texts as codes.

use crate::batch::Batch;
use crate::error::{Error, Place, Result};
use crate::options::Format;
use crate::pipeline::pump;
use crate::profile::tally::{Added, Key, Tally};
use crate::read::open;
use crate::values::{Layout, Missing, Reading, trim};
use domain::{Column, ColumnType};
use std::path::Path;

/// The code of a missing text.
pub const MISSING_CODE: u32 = u32::MAX;

/// A table in memory.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Frame {
    /// Columns in file order, all of one length.
    pub columns: Vec<FrameColumn>,
}

/// A column in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameColumn {
    /// The name as it stands in the file.
    pub name: String,
    /// Its type.
    pub kind: ColumnType,
    /// Its values.
    pub values: Values,
}

/// A column's values.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Numbers; NaN is missing. Booleans are 0 and 1, timestamps seconds since 1970-01-01 UTC.
    Numbers(Vec<f64>),
    /// Texts of categories and text.
    Texts {
        /// Positions in `levels`; [`MISSING_CODE`] is missing.
        codes: Vec<u32>,
        /// The different texts in order of first appearance.
        levels: Vec<String>,
    },
}

impl Values {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Texts { codes, .. } => codes.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values at some rows, in their order.
    fn take(&self, rows: &[usize]) -> Self {
        match self {
            Self::Numbers(numbers) => {
                Self::Numbers(rows.iter().map(|row| numbers.get(*row).copied().unwrap_or(f64::NAN)).collect())
            }
            Self::Texts { codes, levels } => Self::Texts {
                codes: rows.iter().map(|row| codes.get(*row).copied().unwrap_or(MISSING_CODE)).collect(),
                levels: levels.clone(),
            },
        }
    }
}

impl Frame {
    /// How many rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |c| c.values.len())
    }

    /// A column by name.
    pub fn column(&self, name: &str) -> Option<&FrameColumn> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// Some rows, in the order given; a row that is not there is missing throughout.
    pub fn take(&self, rows: &[usize]) -> Self {
        let take =
            |c: &FrameColumn| FrameColumn { name: c.name.clone(), kind: c.kind, values: c.values.take(rows) };
        Self { columns: self.columns.iter().map(take).collect() }
    }
}

/// Reads a registered table into memory by the format and columns of its version. The whole table must fit.
pub fn load(path: &Path, format: &Format, columns: &[Column]) -> Result<Frame> {
    let mut loader = Loader::new(format, columns);
    pump(|lane| lane.drive(&mut *open::file(path, format)?), |batch| loader.push(batch).map(|()| true))?;
    Ok(loader.finish())
}

struct Loader {
    columns: Vec<Loading>,
    /// Columns that have appeared.
    open: usize,
    missing: Missing,
    rows: usize,
}

struct Loading {
    name: String,
    kind: ColumnType,
    cells: Cells,
}

enum Cells {
    Numbers { reading: Reading, values: Vec<f64> },
    Texts { tally: Tally, codes: Vec<u32>, code_of: Vec<u32>, levels: u32 },
}

impl Loader {
    fn new(format: &Format, columns: &[Column]) -> Self {
        let loading = |column: &Column| Loading {
            name: column.name.clone(),
            kind: column.kind,
            cells: cells(column.kind, format.timestamps.get(&column.name).copied()),
        };
        Self {
            columns: columns.iter().map(loading).collect(),
            open: 0,
            missing: Missing::new(&format.missing),
            rows: 0,
        }
    }

    fn push(&mut self, batch: &Batch) -> Result<()> {
        for name in &batch.new_names {
            match self.columns.get_mut(self.open) {
                Some(column) if column.name == *name => column.cells.skip(self.rows),
                _ => {
                    return Err(Error::Internal(format!(
                        "the file has a column '{name}' where its version has none"
                    )));
                }
            }
            self.open += 1;
        }
        for (at, column) in self.columns.iter_mut().enumerate().take(self.open) {
            column.push(batch, at, &self.missing)?;
        }
        self.rows += batch.rows();
        Ok(())
    }

    fn finish(self) -> Frame {
        let columns = self.columns.into_iter().map(|mut column| {
            column.cells.skip(self.rows);
            FrameColumn { name: column.name, kind: column.kind, values: column.cells.into_values() }
        });
        Frame { columns: columns.collect() }
    }
}

impl Loading {
    fn push(&mut self, batch: &Batch, at: usize, missing: &Missing) -> Result<()> {
        let (name, kind) = (&self.name, self.kind);
        match &mut self.cells {
            Cells::Numbers { reading, values } => {
                for (row, cell) in batch.column(at).enumerate() {
                    let text = trim(batch.bytes(cell));
                    values.push(match reading.value(text) {
                        _ if missing.is(text) => f64::NAN,
                        Some(value) => value,
                        None => {
                            let place = Place { line: batch.line(row), column: name.clone() };
                            return Err(Error::of_type(place, kind, text));
                        }
                    });
                }
            }
            Cells::Texts { tally, codes, code_of, levels } => {
                for cell in batch.column(at) {
                    let text = batch.bytes(cell);
                    match tally.add(&Key::of(batch, cell), text) {
                        Added::Known(entry) => codes.push(code_of[entry]),
                        Added::New(_) => {
                            let code = if missing.is(trim(text)) { MISSING_CODE } else { *levels };
                            *levels += u32::from(code != MISSING_CODE);
                            code_of.push(code);
                            codes.push(code);
                        }
                        Added::Full => {
                            return Err(Error::Internal(format!("the texts of '{name}' exceed 4 GiB")));
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

fn cells(kind: ColumnType, layout: Option<Layout>) -> Cells {
    let reading = match kind {
        ColumnType::Boolean => Reading::Boolean,
        ColumnType::Integer => Reading::Integer,
        ColumnType::Float => Reading::Float,
        ColumnType::Timestamp => Reading::Timestamp(layout.unwrap_or(Layout::Iso)),
        ColumnType::Category | ColumnType::Text => {
            let tally = Tally::new(u32::MAX as usize - 1, u32::MAX as usize);
            return Cells::Texts { tally, codes: Vec::new(), code_of: Vec::new(), levels: 0 };
        }
    };
    Cells::Numbers { reading, values: Vec::new() }
}

impl Cells {
    /// Fills up to so many rows with missing values.
    fn skip(&mut self, rows: usize) {
        match self {
            Self::Numbers { values, .. } => values.resize(rows, f64::NAN),
            Self::Texts { codes, .. } => codes.resize(rows, MISSING_CODE),
        }
    }

    fn into_values(self) -> Values {
        match self {
            Self::Numbers { values, .. } => Values::Numbers(values),
            Self::Texts { tally, codes, code_of, .. } => {
                let entries = tally.entries().iter().zip(&code_of).filter(|(_, code)| **code != MISSING_CODE);
                let levels =
                    entries.map(|(e, _)| String::from_utf8_lossy(tally.text(e)).into_owned()).collect();
                Values::Texts { codes, levels }
            }
        }
    }
}
