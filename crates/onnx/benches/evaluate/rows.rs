//! Rows of a bench: one tensor an input.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use portcullis_onnx::{Batch, Data, Model, Tensor};

use crate::Fallible;

/// Rows of a column that are set together: few enough to stay in the first cache.
const PART: usize = 64;

pub struct Rows {
    pub inputs: Vec<(String, Tensor)>,
    pub count: usize,
}

/// The rows with the slots they go to.
pub struct Cells<'a> {
    inputs: Vec<(usize, usize, Values<'a>)>,
}

enum Values<'a> {
    Numbers(Cow<'a, [f32]>),
    Texts(&'a [String]),
}

impl<'a> Values<'a> {
    fn new(data: &'a Data) -> Option<Self> {
        Some(match data {
            Data::Float(v) => Self::Numbers(v.into()),
            Data::Int64(v) => Self::Numbers(v.iter().map(|&x| x as f32).collect()),
            Data::Text(v) => Self::Texts(v),
            _ => return None,
        })
    }
}

impl Rows {
    /// Reads `input_N.pb`.
    pub fn read(folder: &Path) -> Fallible<Self> {
        let mut inputs = Vec::new();
        while let Ok(bytes) = std::fs::read(folder.join(format!("input_{}.pb", inputs.len()))) {
            inputs.push(Tensor::from_proto_bytes(&bytes)?);
        }
        let count = inputs.first().and_then(|(_, t)| t.dims.first().copied()).ok_or("there are no rows")?;
        Ok(Self { inputs, count })
    }

    pub fn for_model<'a>(&'a self, model: &Model) -> Cells<'a> {
        let slot = |(name, tensor): &'a (String, Tensor)| {
            Some((model.slot(name)?, tensor.data.len() / self.count, Values::new(&tensor.data)?))
        };
        Cells { inputs: self.inputs.iter().filter_map(slot).collect() }
    }
}

impl Cells<'_> {
    /// Adds a row to a batch, cell by cell.
    pub fn push(&self, model: &Model, batch: &mut Batch, row: usize) {
        batch.push_row();
        for (slot, width, values) in &self.inputs {
            let cells = row * width..(row + 1) * width;
            match values {
                Values::Numbers(v) => {
                    v[cells].iter().enumerate().for_each(|(i, &x)| batch.set_number(*slot, i, x));
                }
                Values::Texts(v) => {
                    v[cells].iter().enumerate().for_each(|(i, x)| batch.set_text(model, *slot, i, x));
                }
            }
        }
    }

    /// Adds rows to a batch, some rows of a column at a time.
    pub fn push_all(&self, model: &Model, batch: &mut Batch, rows: Range<usize>) {
        for start in rows.clone().step_by(PART) {
            let part = start..rows.end.min(start + PART);
            batch.push_rows(part.len());
            for (slot, width, values) in &self.inputs {
                let cells = part.start * width..part.end * width;
                match values {
                    Values::Numbers(v) => batch.set_numbers(*slot, &v[cells]),
                    Values::Texts(v) => batch.set_texts(model, *slot, &v[cells]),
                }
            }
        }
    }
}
