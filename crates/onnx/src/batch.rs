//! Rows to score and room for everything computed from them.

use std::sync::Arc;

use crate::model::Model;
use crate::program::{Dictionary, EXACT, Memory, Texts};

/// What a batch needs to know of its model.
#[derive(Debug, Default)]
pub(crate) struct Form {
    pub slots: Vec<Columns>,
    /// A row in which everything is missing.
    pub missing: Vec<f32>,
}

/// Where a slot lies in a row.
#[derive(Debug)]
pub(crate) struct Columns {
    pub first: usize,
    /// Columns of numbers; 0 for texts.
    pub numbers: usize,
    /// What stands for texts, and how many columns.
    pub texts: Option<(Tokens, usize)>,
    /// Whether its integers are told apart by the graph, which f32 does only below [`EXACT`].
    pub whole: bool,
}

/// What a row holds in place of a text.
#[derive(Debug)]
pub(crate) enum Tokens {
    /// Its code.
    Codes(Arc<Dictionary>),
    /// Its number among the batch's texts, since it is read whole.
    Whole,
}

/// A reusable block of rows. `clear` keeps the memory, so a warm batch allocates nothing.
#[derive(Debug, Clone)]
pub struct Batch {
    pub(crate) form: Arc<Form>,
    pub(crate) rows: usize,
    pub(crate) inputs: Vec<f32>,
    /// Texts that are read whole, by the numbers in `inputs`.
    pub(crate) texts: Texts,
    /// Where the last row begins in them.
    pub(crate) start: usize,
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
        self.start = self.inputs.len();
        self.inputs.extend_from_slice(&self.form.missing);
    }

    /// Adds rows in which every slot is missing.
    pub fn push_rows(&mut self, count: usize) {
        (0..count).for_each(|_| self.push_row());
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Sets element `index` of slot `slot` in the last row to a number (booleans: 0 or 1). Does nothing
    /// when there is no such place, or when it holds texts.
    #[inline]
    pub fn set_number(&mut self, slot: usize, index: usize, value: f32) {
        if let Some(columns) = self.form.slots.get(slot).filter(|c| index < c.numbers)
            && let Some(place) = self.inputs.get_mut(self.start + columns.first + index)
        {
            *place = value;
        }
    }

    /// Whether the model can tell this number from others in slot `slot`: not where it compares integers of a row with
    /// each other or takes their remainder, and the number is 2^24 or more, which f32 may round.
    #[inline]
    pub fn holds(&self, slot: usize, value: f64) -> bool {
        value.abs() < EXACT as f64 || self.form.slots.get(slot).is_none_or(|columns| !columns.whole)
    }

    /// Sets element `index` of slot `slot` in the last row to a text. Does nothing when there is no such
    /// place, when it holds numbers, or when another model made the batch. A text the model does not know is
    /// scored as unknown.
    #[inline]
    pub fn set_text(&mut self, model: &Model, slot: usize, index: usize, text: &str) {
        if let Some(Columns { first, texts: Some((tokens, width)), .. }) = self.form.slots.get(slot)
            && index < *width
            && Arc::ptr_eq(&self.form, model.form())
            && let Some(place) = self.inputs.get_mut(self.start + first + index)
        {
            *place = match tokens {
                Tokens::Codes(dictionary) => dictionary.code(text) as f32,
                Tokens::Whole => self.texts.push(text),
            };
        }
    }

    /// Sets slot `slot` in the last rows to numbers: for each row as many as the slot is wide. Does nothing when
    /// there is no such slot, when it holds texts, or when there are fewer rows.
    pub fn set_numbers(&mut self, slot: usize, values: &[f32]) {
        let Some(&Columns { first, numbers: width @ 1.., .. }) = self.form.slots.get(slot) else { return };
        let length = self.form.missing.len();
        let Some(rows) = last_rows(&mut self.inputs, values.len() / width, length) else { return };
        if width == 1 {
            rows.chunks_exact_mut(length).zip(values).for_each(|(row, &value)| row[first] = value);
            return;
        }
        for (row, values) in rows.chunks_exact_mut(length).zip(values.chunks_exact(width)) {
            row[first..first + width].copy_from_slice(values);
        }
    }

    /// The same with texts; does nothing either when another model made the batch.
    pub fn set_texts<T: AsRef<str>>(&mut self, model: &Model, slot: usize, values: &[T]) {
        let Some(Columns { first, texts: Some((tokens, width @ 1..)), .. }) = self.form.slots.get(slot)
        else {
            return;
        };
        let length = self.form.missing.len();
        let Some(rows) = last_rows(&mut self.inputs, values.len() / width, length) else { return };
        if !Arc::ptr_eq(&self.form, model.form()) {
            return;
        }
        let first = *first;
        let Tokens::Codes(dictionary) = tokens else {
            for (row, values) in rows.chunks_exact_mut(length).zip(values.chunks_exact(*width)) {
                for (place, text) in row[first..].iter_mut().zip(values) {
                    *place = self.texts.push(text.as_ref());
                }
            }
            return;
        };
        let find = dictionary.finder();
        if *width == 1 {
            for (row, text) in rows.chunks_exact_mut(length).zip(values) {
                row[first] = find.code(text.as_ref()) as f32;
            }
            return;
        }
        for (row, values) in rows.chunks_exact_mut(length).zip(values.chunks_exact(*width)) {
            for (place, text) in row[first..].iter_mut().zip(values) {
                *place = find.code(text.as_ref()) as f32;
            }
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

/// The last rows of this length.
fn last_rows(inputs: &mut [f32], count: usize, length: usize) -> Option<&mut [f32]> {
    let start = inputs.len().checked_sub(count.checked_mul(length)?)?;
    inputs.get_mut(start..)
}
