//! The first rows of a table as text.

use crate::batch::Batch;
use crate::error::Result;
use crate::ingest::survey_text;
use crate::limits::PREVIEW_ROWS_MAX;
use crate::options::{Format, ReadOptions};
use crate::pipeline::pump;
use crate::read::open;
use crate::values::{Missing, trim};
use domain::Column;
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;

/// Rows of a table as text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Preview {
    /// The columns' names.
    pub columns: Vec<String>,
    /// Row by row; a missing value is null.
    pub rows: Vec<Vec<Option<String>>>,
}

impl Preview {
    /// Adds a batch's rows up to a number; says whether there is room for more.
    fn push(&mut self, batch: &Batch, missing: &Missing, most: usize) -> bool {
        self.columns.extend(batch.new_names.iter().cloned());
        let text =
            |bytes: &[u8]| (!missing.is(trim(bytes))).then(|| String::from_utf8_lossy(bytes).into_owned());
        for row in batch.cells.chunks(batch.columns.max(1)) {
            if self.rows.len() == most {
                break;
            }
            self.rows.push(row.iter().map(|cell| text(batch.bytes(*cell))).collect());
        }
        self.rows.len() < most
    }

    /// Rows before a late column have it missing.
    fn even(mut self) -> Self {
        let width = self.columns.len();
        self.rows.iter_mut().for_each(|row| row.resize(width, None));
        self
    }
}

/// The first `rows` rows of a registered table, at most [`PREVIEW_ROWS_MAX`].
pub fn preview(
    path: &Path,
    format: &Format,
    columns: &[Column],
    rows: usize,
) -> Result<Vec<Vec<Option<String>>>> {
    let missing = Missing::new(&format.missing);
    let most = rows.min(PREVIEW_ROWS_MAX);
    let mut found = Preview::default();
    pump(|lane| lane.drive(&mut *open::file(path, format)?), |batch| Ok(found.push(batch, &missing, most)))?;
    // Columns that appear below the last row shown.
    found.columns = columns.iter().map(|c| c.name.clone()).collect();
    Ok(found.even().rows)
}

/// A whole text table that is at hand, checked like one that is registered.
pub fn read_text(bytes: &[u8], options: &ReadOptions) -> Result<Preview> {
    survey_text(bytes, &mut std::io::sink(), options, &|_| ())?;
    let missing = Missing::new(&options.missing_texts());
    let mut found = Preview::default();
    pump(
        |lane| {
            let packed = Rc::new(Cell::new(bytes.len() as u64));
            let (mut rows, _) = open::text(bytes, packed, options)?;
            lane.drive(&mut *rows)
        },
        |batch| Ok(found.push(batch, &missing, usize::MAX)),
    )?;
    Ok(found.even())
}
