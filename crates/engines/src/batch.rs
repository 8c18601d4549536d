//! Rows to score, in the form of the engine they are for.

use crate::engine::Engine;
use crate::runtime::Rows;

/// A reusable block of rows; `clear` keeps the memory.
#[derive(Debug)]
pub struct Batch(Kind);

#[derive(Debug)]
enum Kind {
    Own(onnx::Batch),
    Runtime(Rows),
}

impl Batch {
    pub(crate) fn own(batch: onnx::Batch) -> Self {
        Self(Kind::Own(batch))
    }

    pub(crate) fn runtime(rows: Rows) -> Self {
        Self(Kind::Runtime(rows))
    }

    pub(crate) fn rows_mut(&mut self) -> Option<&mut Rows> {
        match &mut self.0 {
            Kind::Own(_) => None,
            Kind::Runtime(rows) => Some(rows),
        }
    }

    pub(crate) fn own_mut(&mut self) -> Option<&mut onnx::Batch> {
        match &mut self.0 {
            Kind::Own(batch) => Some(batch),
            Kind::Runtime(_) => None,
        }
    }

    /// The rows as our own engine holds them.
    pub fn model_batch(&self) -> Option<&onnx::Batch> {
        match &self.0 {
            Kind::Own(batch) => Some(batch),
            Kind::Runtime(_) => None,
        }
    }

    /// Forgets the rows and their predictions.
    pub fn clear(&mut self) {
        match &mut self.0 {
            Kind::Own(batch) => batch.clear(),
            Kind::Runtime(rows) => rows.clear(),
        }
    }

    /// Adds a row in which every cell is missing.
    pub fn push_row(&mut self) {
        match &mut self.0 {
            Kind::Own(batch) => batch.push_row(),
            Kind::Runtime(rows) => rows.push(),
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        match &self.0 {
            Kind::Own(batch) => batch.rows(),
            Kind::Runtime(rows) => rows.count(),
        }
    }

    /// Sets a cell of the last row to a number (truth values: 0 or 1); false when the slot's type can't hold it, or when the model
    /// would take it for another one (see [`onnx::Batch::holds`]).
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "our models compute in 32 bits; overflow is told")]
    pub fn set_number(&mut self, slot: usize, index: usize, value: f64) -> bool {
        match &mut self.0 {
            Kind::Own(batch) => {
                let narrow = value as f32;
                batch.set_number(slot, index, narrow);
                narrow.is_finite() && batch.holds(slot, value)
            }
            Kind::Runtime(rows) => rows.set_number(slot, index, value),
        }
    }

    /// Sets a cell of the last row to a text; false when the engine can't hold it. A text our own engine's model does not know is
    /// scored as unknown.
    #[inline]
    pub fn set_text(&mut self, engine: &Engine, (slot, index): (usize, usize), text: &str) -> bool {
        match (&mut self.0, engine.model()) {
            (Kind::Own(batch), Some(model)) => batch.set_text(model, slot, index, text),
            (Kind::Runtime(rows), None) => return rows.set_text(slot, index, text),
            _ => {}
        }
        true
    }

    /// Class probabilities of a row, in the order of the labels; empty for a regression.
    pub fn probabilities(&self, row: usize) -> &[f32] {
        match &self.0 {
            Kind::Own(batch) => batch.probabilities(row),
            Kind::Runtime(rows) => rows.probabilities(row),
        }
    }

    /// Index of the predicted class of a row; 0 for a regression.
    pub fn class(&self, row: usize) -> usize {
        match &self.0 {
            Kind::Own(batch) => batch.class(row),
            Kind::Runtime(rows) => rows.class(row),
        }
    }

    /// Predicted value of a row; NaN for a classification.
    pub fn value(&self, row: usize) -> f32 {
        match &self.0 {
            Kind::Own(batch) => batch.value(row),
            Kind::Runtime(rows) => rows.value(row),
        }
    }
}
