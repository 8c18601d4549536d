//! Rows of a bench: one tensor an input.

use std::path::Path;

use portcullis_onnx::{Batch, Data, Model, Tensor};

use crate::Fallible;

pub struct Rows {
    pub inputs: Vec<(String, Tensor)>,
    pub count: usize,
}

/// The rows with the slots they go to.
pub struct Cells<'a> {
    inputs: Vec<(usize, usize, &'a Data)>,
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
            Some((model.slot(name)?, tensor.data.len() / self.count, &tensor.data))
        };
        Cells { inputs: self.inputs.iter().filter_map(slot).collect() }
    }
}

impl Cells<'_> {
    /// Adds a row to a batch.
    pub fn push(&self, model: &Model, batch: &mut Batch, row: usize) {
        batch.push_row();
        for &(slot, width, data) in &self.inputs {
            let cells = row * width..(row + 1) * width;
            match data {
                Data::Float(v) => {
                    v[cells].iter().enumerate().for_each(|(i, &x)| batch.set_number(slot, i, x));
                }
                Data::Int64(v) => {
                    v[cells].iter().enumerate().for_each(|(i, &x)| batch.set_number(slot, i, x as f32));
                }
                Data::Text(v) => {
                    v[cells].iter().enumerate().for_each(|(i, x)| batch.set_text(model, slot, i, x));
                }
                _ => {}
            }
        }
    }
}
