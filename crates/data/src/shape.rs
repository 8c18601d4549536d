//! A part of a table: some of its rows and columns. The bytes are kept whole; what is left out is left out whenever they are read.

use crate::batch::{Batch, Rows};
use crate::error::{Error, Near, Result};
use crate::names;
use serde::{Deserialize, Serialize};

/// Which rows and columns of a file are the table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Shape {
    /// Rows left out at the beginning.
    #[serde(skip_serializing_if = "is_zero")]
    pub skip: u64,
    /// Rows at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub take: Option<u64>,
    /// Columns left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drop: Vec<String>,
    /// The only columns that are kept; all when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Shape {
    /// Whether nothing is left out.
    pub fn is_whole(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a column is kept.
    pub(crate) fn keeps(&self, name: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|n| n == name);
        !named(&self.drop) && (self.keep.is_empty() || named(&self.keep))
    }

    /// The reader with what is left out taken away.
    pub(crate) fn around<'r>(&self, rows: Box<dyn Rows + 'r>) -> Box<dyn Rows + 'r> {
        if self.is_whole() {
            return rows;
        }
        Box::new(Shaped {
            rows,
            shape: self.clone(),
            mask: Vec::new(),
            names: Vec::new(),
            seen: Vec::new(),
            at: 0,
            given: 0,
        })
    }
}

struct Shaped<'r> {
    rows: Box<dyn Rows + 'r>,
    shape: Shape,
    /// For each column of the file whether it is kept.
    mask: Vec<bool>,
    /// Names of kept columns that were not told yet.
    names: Vec<String>,
    /// Every column's name, for refusals.
    seen: Vec<String>,
    /// Rows of the file passed by.
    at: u64,
    /// Rows given on.
    given: u64,
}

impl Rows for Shaped<'_> {
    fn next(&mut self, batch: &mut Batch) -> Result<bool> {
        loop {
            let full = self.shape.take.is_some_and(|take| self.given >= take);
            if full || !self.rows.next(batch)? {
                batch.clear();
                return if self.given == 0 { Err(self.nothing()) } else { Ok(false) };
            }
            self.announce(batch)?;
            self.cut_rows(batch);
            if batch.rows() > 0 {
                self.cut_columns(batch);
                batch.new_names = std::mem::take(&mut self.names);
                return Ok(true);
            }
        }
    }
}

impl Shaped<'_> {
    fn nothing(&self) -> Error {
        Error::Option(format!(
            "no row is left: {} are skipped and {:?} taken",
            self.shape.skip, self.shape.take
        ))
    }

    /// Takes up new columns; refuses names that no column has.
    fn announce(&mut self, batch: &mut Batch) -> Result<()> {
        for name in std::mem::take(&mut batch.new_names) {
            let kept = self.shape.keeps(&name);
            self.mask.push(kept);
            self.seen.push(name.clone());
            if kept {
                self.names.push(name);
            }
        }
        if batch.may_grow {
            return Ok(());
        }
        let asked = self.shape.drop.iter().chain(&self.shape.keep);
        if let Some(name) = asked.into_iter().find(|name| !self.seen.contains(name)) {
            let near = Near(names::near(name, self.seen.iter().map(String::as_str)));
            return Err(Error::UnknownColumn { name: name.clone(), near });
        }
        if self.mask.iter().any(|kept| *kept) {
            return Ok(());
        }
        Err(Error::Option("no column is left: keep or drop others".to_owned()))
    }

    fn cut_rows(&mut self, batch: &mut Batch) {
        let rows = batch.rows() as u64;
        let from = self.shape.skip.saturating_sub(self.at).min(rows);
        let most = self.shape.take.map_or(u64::MAX, |take| take - self.given);
        let to = rows.min(from.saturating_add(most));
        self.at += rows;
        self.given += to - from;
        #[expect(clippy::cast_possible_truncation, reason = "both are at most the rows of a batch")]
        let (from, to) = (from as usize, to as usize);
        let line = batch.line(from);
        batch.cells.truncate(to * batch.columns);
        batch.cells.drain(..from * batch.columns);
        batch.breaks.retain(|(row, _)| (from..to).contains(row));
        batch.breaks.iter_mut().for_each(|(row, _)| *row -= from);
        batch.first_line = line;
    }

    fn cut_columns(&self, batch: &mut Batch) {
        let width = batch.columns;
        let mask = &self.mask[..width.min(self.mask.len())];
        let mut at = 0;
        batch.cells.retain(|_| {
            let kept = mask.get(at % width).copied().unwrap_or(true);
            at += 1;
            kept
        });
        batch.columns = mask.iter().filter(|kept| **kept).count();
    }
}
