//! Rows to score and room for everything computed from them.

use std::sync::Arc;

use crate::model::Model;
use crate::program::{Dictionary, Memory, Texts};

/// What a batch needs to know of its model.
#[derive(Debug, Default)]
pub(crate) struct Form {
    pub slots: Vec<Columns>,
    pub dictionaries: Vec<Option<Arc<Dictionary>>>,
    /// A row in which everything is missing.
    pub missing: Vec<f32>,
}

/// Where a slot lies in a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns {
    pub first: usize,
    pub width: usize,
    pub text: bool,
}

/// A reusable block of rows. `clear` keeps the memory, so a warm batch allocates nothing.
#[derive(Debug, Clone)]
pub struct Batch {
    pub(crate) form: Arc<Form>,
    pub(crate) rows: usize,
    pub(crate) inputs: Vec<f32>,
    /// Texts that are read whole, by the numbers in `inputs`.
    pub(crate) texts: Texts,
    pub(crate) memory: Memory,
    /// Probabilities, row by row, or values.
    pub(crate) outputs: Vec<f32>,
    pub(crate) classes: Vec<u32>,
    /// Columns of `outputs`.
    pub(crate) width: usize,
}

impl Batch {
    /// Forgets the rows and their predictions.
    pub fn clear(&mut self) {
        self.rows = 0;
        self.inputs.clear();
        self.texts.clear();
        self.outputs.clear();
        self.classes.clear();
    }

    /// Adds a row in which every slot is missing: NaN for numbers, the empty text for texts.
    pub fn push_row(&mut self) {
        self.rows += 1;
        self.inputs.extend_from_slice(&self.form.missing);
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Sets element `index` of slot `slot` in the last row to a number (booleans: 0 or 1). Does nothing
    /// when there is no such place, or when it holds texts.
    #[inline]
    pub fn set_number(&mut self, slot: usize, index: usize, value: f32) {
        if let Some(columns) = self.form.slots.get(slot).copied().filter(|c| !c.text) {
            self.set(columns, index, value);
        }
    }

    /// Sets element `index` of slot `slot` in the last row to a text. Does nothing when there is no such
    /// place, or when it holds numbers. A text the model does not know is scored as unknown.
    pub fn set_text(&mut self, model: &Model, slot: usize, index: usize, text: &str) {
        let Some(&columns) = self.form.slots.get(slot).filter(|c| c.text) else { return };
        let code = match model.code(slot, text) {
            Some(code) => code,
            None => self.texts.push(text),
        };
        self.set(columns, index, code);
    }

    #[inline]
    fn set(&mut self, columns: Columns, index: usize, value: f32) {
        let row = self.inputs.len().wrapping_sub(self.form.missing.len());
        if index < columns.width
            && let Some(place) = self.inputs.get_mut(row.wrapping_add(columns.first + index))
        {
            *place = value;
        }
    }

    /// Class probabilities of a row, in the order of [`crate::Labels`]; empty for a regression.
    pub fn probabilities(&self, row: usize) -> &[f32] {
        if self.classes.is_empty() {
            return &[];
        }
        self.outputs.get(row * self.width..(row + 1) * self.width).unwrap_or_default()
    }

    /// Index of the predicted class of a row in [`crate::Labels`]; 0 for a regression.
    pub fn class(&self, row: usize) -> usize {
        self.classes.get(row).map_or(0, |&c| c as usize)
    }

    /// Predicted value of a row; NaN for a classification.
    pub fn value(&self, row: usize) -> f32 {
        if self.classes.is_empty() { self.outputs.get(row).copied().unwrap_or(f32::NAN) } else { f32::NAN }
    }
}
