//! A column of many distinct texts: sums and sketches, nothing kept that grows with the table.

use crate::batch::{Batch, Cell};
use crate::error::Result;
use crate::profile::column::{Budget, Odd, Ward, reading};
use crate::profile::distinct::Distinct;
use crate::profile::few::Few;
use crate::profile::moments::Moments;
use crate::profile::sketch::Sketch;
use crate::profile::tally::{Key, Tally};
use crate::read::parquet::Want;
use crate::values::{Kinds, Missing, Reading, number, trim};
use domain::ColumnType;

/// Frequent texts still counted: those that were frequent before there were many.
const FREQUENT: usize = 256;

/// Sums and sketches of a column.
#[derive(Debug)]
pub(crate) struct Many {
    pub missing: u64,
    pub count: u64,
    /// How values are read; `None` for text.
    pub reading: Option<Reading>,
    pub kinds: Kinds,
    pub odd: Option<Odd>,
    pub moments: Moments,
    pub sketch: Sketch,
    pub distinct: Distinct,
    pub frequent: Tally,
    values: Vec<f64>,
    want: Want,
}

impl Many {
    /// Takes a column over that ran out of room for its texts.
    pub fn from(few: &Few, budget: &Budget) -> Self {
        // A stated type is in the reading; a want of text leaves no kinds.
        let mut many = Self {
            missing: few.missing_count(),
            count: 0,
            reading: None,
            kinds: few.kinds,
            odd: few.odd.clone(),
            moments: Moments::new(),
            sketch: Sketch::new(budget.sketch),
            distinct: Distinct::new(budget.precision),
            frequent: few.tally.frequent(FREQUENT, |entry| few.is_value(entry)),
            values: Vec::new(),
            want: few.want,
        };
        many.reading = reading(few.want, few.kinds);
        for entry in few.values() {
            let text = few.tally.text(entry);
            many.count += entry.count;
            many.distinct.add(Key::of_text(text).hash);
            if let Some(value) = many.reading.and_then(|reading| reading.value(trim(text))) {
                many.moments.add_times(value, entry.count);
                many.sketch.add_times(value, entry.count);
            }
        }
        many
    }

    /// Looks at a column's cells from a row on.
    pub fn push(&mut self, batch: &Batch, at: usize, from: usize, ward: &Ward<'_>) -> Result<()> {
        let cells = batch.column(at).enumerate().skip(from);
        match self.reading {
            // Why by hand: a loop of its own for each reading, with nothing to decide inside.
            Some(Reading::Float) => self.watch(batch, cells, ward, |text| number(text).map(|n| n.0))?,
            Some(Reading::Integer) if self.want == Want::Infer => {
                let whole = |text: &[u8]| number(text).and_then(|(value, whole)| whole.then_some(value));
                self.watch(batch, cells, ward, whole)?;
            }
            Some(reading) => self.watch(batch, cells, ward, |text| reading.value(text))?,
            None => self.watch(batch, cells, ward, |_| Some(0.0))?,
        }
        if self.reading.is_some() {
            self.moments.add(&self.values);
            self.sketch.add(&self.values);
        }
        self.values.clear();
        Ok(())
    }

    fn watch(
        &mut self,
        batch: &Batch,
        cells: impl Iterator<Item = (usize, Cell)>,
        ward: &Ward<'_>,
        read: impl Fn(&[u8]) -> Option<f64>,
    ) -> Result<()> {
        let missing: &Missing = ward.missing;
        let counts = !self.frequent.is_empty();
        for (row, cell) in cells {
            let whole = batch.bytes(cell);
            let text = trim(whole);
            if missing.is(text) {
                self.missing += 1;
                continue;
            }
            self.count += 1;
            let key = Key::of(batch, cell);
            self.distinct.add(key.hash);
            if counts {
                self.frequent.bump(&key, whole);
            }
            match read(text) {
                Some(value) => self.values.push(value),
                None => self.spoilt(text, batch, row, ward)?,
            }
        }
        Ok(())
    }

    /// A text the reading cannot read: refused when the type was stated, else the column becomes what it can still be.
    #[cold]
    fn spoilt(&mut self, text: &[u8], batch: &Batch, row: usize, ward: &Ward<'_>) -> Result<()> {
        if let Want::Exactly(kind) = self.want {
            return Err(ward.wrong(kind, text, batch, row));
        }
        match (self.reading, number(text)) {
            (None, _) => {}
            (Some(Reading::Integer | Reading::Float), Some((value, _))) => {
                self.reading = Some(Reading::Float);
                self.values.push(value);
            }
            _ => {
                self.reading = None;
                self.kinds = Kinds::NONE;
                self.odd = Some(Odd { line: batch.line(row), text: text.to_owned(), before: self.count - 1 });
            }
        }
        Ok(())
    }

    /// The type so far; text where nothing else is left.
    pub fn kind(&self) -> ColumnType {
        match (self.want, self.reading) {
            (Want::Exactly(kind), _) => kind,
            (_, Some(Reading::Boolean)) => ColumnType::Boolean,
            (_, Some(Reading::Integer)) => ColumnType::Integer,
            (_, Some(Reading::Float)) => ColumnType::Float,
            (_, Some(Reading::Timestamp(_))) => ColumnType::Timestamp,
            (_, None) => ColumnType::Text,
        }
    }
}
