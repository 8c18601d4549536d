//! Rows as the tensors of a session, and what it predicted for them.

use super::inputs::{Form, Kind};
use ort::session::SessionInputValue;
use ort::value::{Tensor, TensorRef};
use std::sync::Arc;

/// Whole numbers beyond are not told apart in what rows are read with.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// Rows of a trial.
const SAMPLES: usize = 5;
/// What sums in another order may differ by, relative above 1.
const ROUNDED: f32 = 1e-4;

/// A block of rows.
#[derive(Debug)]
pub(crate) struct Rows {
    inputs: Inputs,
    predictions: Predictions,
}

/// The cells, input by input.
#[derive(Debug)]
pub(super) struct Inputs {
    form: Arc<Form>,
    pub count: usize,
    cells: Vec<Cells>,
}

/// What was predicted.
#[derive(Debug, Default)]
pub(super) struct Predictions {
    /// Probabilities row by row, or values.
    pub outputs: Vec<f32>,
    pub classes: Vec<u32>,
    /// Columns of `outputs`.
    width: usize,
}

/// The cells of one input.
#[derive(Debug)]
enum Cells {
    Float(Vec<f32>),
    Double(Vec<f64>),
    Int64(Vec<i64>),
    Int32(Vec<i32>),
    Bool(Vec<bool>),
    Text(Vec<String>),
}

impl Rows {
    pub fn new(form: Arc<Form>, width: usize) -> Self {
        let cells = form.kinds.iter().map(|kind| Cells::new(*kind)).collect();
        let predictions = Predictions { width, ..Predictions::default() };
        Self { inputs: Inputs { form, count: 0, cells }, predictions }
    }

    pub fn belongs_to(&self, form: &Arc<Form>) -> bool {
        Arc::ptr_eq(&self.inputs.form, form)
    }

    /// What is read and what is written while they are scored.
    pub(super) fn parts(&mut self) -> (&Inputs, &mut Predictions) {
        (&self.inputs, &mut self.predictions)
    }

    pub fn clear(&mut self) {
        self.inputs.count = 0;
        self.inputs.cells.iter_mut().for_each(Cells::clear);
        self.predictions.clear();
    }

    /// Adds a row: NaN, 0, false and empty texts.
    pub fn push(&mut self) {
        self.inputs.count += 1;
        for (cells, slot) in self.inputs.cells.iter_mut().zip(&self.inputs.form.slots) {
            cells.grow(slot.width);
        }
    }

    /// Makes the numbers of the last row zeros.
    pub(super) fn zeros(&mut self) {
        for slot in 0..self.inputs.cells.len() {
            let width = self.inputs.form.slots[slot].width;
            for index in 0..width {
                self.set_number(slot, index, 0.0);
            }
        }
    }

    /// Fills in rows that are unlike each other.
    pub(super) fn samples(&mut self) {
        for row in 0..SAMPLES {
            self.push();
            for slot in 0..self.inputs.cells.len() {
                for index in 0..self.inputs.form.slots[slot].width {
                    self.sample(slot, index, row);
                }
            }
        }
    }

    fn sample(&mut self, slot: usize, index: usize, row: usize) {
        let number = match self.inputs.form.kinds[slot] {
            // Steps of the golden ratio, between -2 and 2.
            Kind::Float | Kind::Double => {
                ((1 + slot + 3 * index + 7 * row) as f64 * 0.618_034).fract() * 4.0 - 2.0
            }
            Kind::Int64 | Kind::Int32 => row as f64,
            Kind::Bool => (row % 2) as f64,
            Kind::Text => {
                self.set_text(slot, index, ["", "a", "b"][row % 3]);
                return;
            }
        };
        self.set_number(slot, index, number);
    }

    /// Whether both answer the same, but for how sums are rounded.
    pub(super) fn answers_as(&self, other: &Self) -> bool {
        let (ours, theirs) = (&self.predictions, &other.predictions);
        let close = |a: f32, b: f32| {
            a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= ROUNDED * a.abs().max(b.abs()).max(1.0)
        };
        let same = ours.outputs.iter().zip(&theirs.outputs).all(|(a, b)| close(*a, *b));
        // Where there are probabilities, two that are nearly equal may change places.
        let classes = !ours.outputs.is_empty() || ours.classes == theirs.classes;
        same && classes && ours.outputs.len() == theirs.outputs.len()
    }

    pub fn count(&self) -> usize {
        self.inputs.count
    }

    pub fn set_number(&mut self, slot: usize, index: usize, value: f64) -> bool {
        self.inputs.cell(slot, index).is_none_or(|(cells, at)| cells.set_number(at, value))
    }

    pub fn set_text(&mut self, slot: usize, index: usize, text: &str) -> bool {
        // The library takes texts that end at the first zero.
        if text.contains('\0') {
            return false;
        }
        if let Some((Cells::Text(texts), at)) = self.inputs.cell(slot, index) {
            text.clone_into(&mut texts[at]);
        }
        true
    }

    pub fn probabilities(&self, row: usize) -> &[f32] {
        let Predictions { outputs, classes, width } = &self.predictions;
        if classes.is_empty() {
            return &[];
        }
        outputs.get(row * width..(row + 1) * width).unwrap_or_default()
    }

    pub fn class(&self, row: usize) -> usize {
        self.predictions.classes.get(row).map_or(0, |&c| c as usize)
    }

    pub fn value(&self, row: usize) -> f32 {
        let Predictions { outputs, classes, .. } = &self.predictions;
        if classes.is_empty() { outputs.get(row).copied().unwrap_or(f32::NAN) } else { f32::NAN }
    }
}

impl Predictions {
    pub fn clear(&mut self) {
        self.outputs.clear();
        self.classes.clear();
    }
}

impl Inputs {
    /// The input of a slot and the place of a cell of the last row in it.
    fn cell(&mut self, slot: usize, index: usize) -> Option<(&mut Cells, usize)> {
        let width = self.form.slots.get(slot)?.width;
        let row = self.count.checked_sub(1).filter(|_| index < width)?;
        Some((self.cells.get_mut(slot)?, row * width + index))
    }

    /// The tensors of some rows, by the names of the inputs.
    pub fn values(&self, first: usize, count: usize) -> ort::Result<Vec<(&str, SessionInputValue<'_>)>> {
        let mut values = Vec::with_capacity(self.cells.len());
        for (at, (slot, cells)) in self.form.slots.iter().zip(&self.cells).enumerate() {
            let range = first * slot.width..(first + count) * slot.width;
            let shape = self.form.shape(at, count);
            let value: SessionInputValue<'_> = match cells {
                Cells::Float(v) => TensorRef::from_array_view((shape, &v[range]))?.into(),
                Cells::Double(v) => TensorRef::from_array_view((shape, &v[range]))?.into(),
                Cells::Int64(v) => TensorRef::from_array_view((shape, &v[range]))?.into(),
                Cells::Int32(v) => TensorRef::from_array_view((shape, &v[range]))?.into(),
                Cells::Bool(v) => TensorRef::from_array_view((shape, &v[range]))?.into(),
                Cells::Text(v) => Tensor::from_string_array((shape, &v[range]))?.into(),
            };
            values.push((slot.name.as_str(), value));
        }
        Ok(values)
    }
}

impl Cells {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Float => Self::Float(Vec::new()),
            Kind::Double => Self::Double(Vec::new()),
            Kind::Int64 => Self::Int64(Vec::new()),
            Kind::Int32 => Self::Int32(Vec::new()),
            Kind::Bool => Self::Bool(Vec::new()),
            Kind::Text => Self::Text(Vec::new()),
        }
    }

    fn clear(&mut self) {
        match self {
            Self::Float(v) => v.clear(),
            Self::Double(v) => v.clear(),
            Self::Int64(v) => v.clear(),
            Self::Int32(v) => v.clear(),
            Self::Bool(v) => v.clear(),
            Self::Text(v) => v.clear(),
        }
    }

    fn grow(&mut self, by: usize) {
        match self {
            Self::Float(v) => v.extend(std::iter::repeat_n(f32::NAN, by)),
            Self::Double(v) => v.extend(std::iter::repeat_n(f64::NAN, by)),
            Self::Int64(v) => v.extend(std::iter::repeat_n(0, by)),
            Self::Int32(v) => v.extend(std::iter::repeat_n(0, by)),
            Self::Bool(v) => v.extend(std::iter::repeat_n(false, by)),
            Self::Text(v) => v.extend(std::iter::repeat_n(String::new(), by)),
        }
    }

    /// Puts a number where it fits; false where it does not.
    #[expect(clippy::cast_possible_truncation, reason = "ranges are checked before")]
    fn set_number(&mut self, at: usize, value: f64) -> bool {
        let whole = value.fract() == 0.0;
        match self {
            Self::Float(v) => v[at] = value as f32,
            Self::Double(v) => v[at] = value,
            Self::Int64(v) if whole && value.abs() <= WHOLE => v[at] = value as i64,
            Self::Int32(v) if whole && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&value) => {
                v[at] = value as i32;
            }
            Self::Bool(v) if value == 0.0 || value == 1.0 => v[at] = value != 0.0,
            _ => return false,
        }
        matches!(self, Self::Float(v) if v[at].is_finite())
            || !matches!(self, Self::Float(_)) && value.is_finite()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onnx::{Slot, SlotKind};

    #[test]
    fn cells_take_what_their_type_holds() {
        let kinds = vec![Kind::Float, Kind::Double, Kind::Int64, Kind::Int32, Kind::Bool, Kind::Text];
        let slot = |name: usize| Slot {
            name: name.to_string(),
            kind: SlotKind::Float,
            width: 2,
            offset: 2 * name,
            flat: false,
        };
        let slots = (0..kinds.len()).map(slot).collect();
        let inner = vec![vec![2]; kinds.len()];
        let form = Arc::new(Form { slots, kinds, inner, single: false });
        let mut rows = Rows::new(form, 1);
        rows.push();
        rows.push();
        let mut fits = |slot, value| rows.set_number(slot, 1, value);
        assert_eq!([0.5, 1e300].map(|v| fits(0, v)), [true, false]);
        assert_eq!([0.5, 1e300, f64::INFINITY].map(|v| fits(1, v)), [true, true, false]);
        assert_eq!([7.0, 0.5, 1e17].map(|v| fits(2, v)), [true, false, false]);
        assert_eq!([-7.0, 3e9].map(|v| fits(3, v)), [true, false]);
        assert_eq!([1.0, 2.0].map(|v| fits(4, v)), [true, false]);
        assert!(!fits(5, 1.0) && fits(9, 1.0));
        assert!(rows.set_text(5, 0, "a") && !rows.set_text(5, 0, "a\0b"));
        assert!(matches!(&rows.inputs.cells[2], Cells::Int64(v) if *v == [0, 0, 0, 7]));
        assert!(matches!(&rows.inputs.cells[5], Cells::Text(v) if v[2] == "a"));
    }
}
