//! A column of few distinct texts: each is understood once and counted, which makes everything about it exact.

use crate::batch::Batch;
use crate::error::Result;
use crate::profile::column::{Budget, Odd, Ward};
use crate::profile::tally::{Added, Entry, Key, Tally};
use crate::read::parquet::Want;
use crate::values::{Kinds, trim};

/// The texts of a column so far.
#[derive(Debug)]
pub(crate) struct Few {
    pub want: Want,
    pub tally: Tally,
    /// Which of them are missing values.
    missing: Vec<bool>,
    /// What all that are not can be read as.
    pub kinds: Kinds,
    pub odd: Option<Odd>,
}

impl Few {
    pub fn new(want: Want, budget: &Budget) -> Self {
        let kinds = if want == Want::Text { Kinds::NONE } else { Kinds::ALL };
        Self {
            want,
            tally: Tally::new(budget.texts, budget.text_bytes),
            missing: Vec::new(),
            kinds,
            odd: None,
        }
    }

    /// Counts the cells of a column; gives the row at which there was no more room.
    pub fn push(&mut self, batch: &Batch, at: usize, ward: &Ward<'_>) -> Result<Option<usize>> {
        for (row, cell) in batch.column(at).enumerate() {
            let text = batch.bytes(cell);
            match self.tally.add(&Key::of(batch, cell), text) {
                Added::Known(_) => {}
                Added::New(_) => self.learn(text, batch, row, ward)?,
                Added::Full => return Ok(Some(row)),
            }
        }
        Ok(None)
    }

    #[cold]
    fn learn(&mut self, text: &[u8], batch: &Batch, row: usize, ward: &Ward<'_>) -> Result<()> {
        let text = trim(text);
        let missing = ward.missing.is(text);
        self.missing.push(missing);
        if missing {
            return Ok(());
        }
        let left = ward.narrow(self.kinds, text, batch, row)?;
        let spoilt = ward.want == Want::Infer && left == Kinds::NONE && self.kinds != Kinds::NONE;
        if spoilt && self.kinds != Kinds::ALL {
            let before = self.values().map(|e| e.count).sum::<u64>() - 1;
            self.odd = Some(Odd { line: batch.line(row), text: text.to_owned(), before });
        }
        self.kinds = left;
        Ok(())
    }

    /// The texts that are values, in order of appearance.
    pub fn values(&self) -> impl Iterator<Item = &Entry> {
        self.tally
            .entries()
            .iter()
            .zip(&self.missing)
            .filter(|(_, missing)| !**missing)
            .map(|(entry, _)| entry)
    }

    /// Whether a text is a value.
    pub fn is_value(&self, entry: usize) -> bool {
        self.missing.get(entry).is_some_and(|missing| !missing)
    }

    /// Records without a value.
    pub fn missing_count(&self) -> u64 {
        self.tally
            .entries()
            .iter()
            .zip(&self.missing)
            .filter(|(_, missing)| **missing)
            .map(|(e, _)| e.count)
            .sum()
    }
}
