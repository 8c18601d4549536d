//! ONNX Runtime through its C API, one thread.

use std::ops::Range;

use ort::environment::Environment;
use ort::session::{Session, SessionInputValue};
use portcullis_onnx::{Batch, Data};

use crate::{Case, Fallible};
use ort::value::Tensor;

/// The library that `ORT_DYLIB_PATH` names.
pub fn library() -> Fallible<Option<Environment>> {
    let Some(path) = std::env::var_os("ORT_DYLIB_PATH") else {
        return Ok(None);
    };
    Ok(Some(ort::init_from(path)?.build()?))
}

/// A session, and the inputs of every call, made beforehand.
pub struct Runtime {
    session: Session,
    calls: Vec<Vec<SessionInputValue<'static>>>,
}

impl Runtime {
    pub fn new(environment: &Environment, case: &Case, size: usize, parts: &[usize]) -> Fallible<Self> {
        let mut builder = Session::builder(environment)?.with_intra_threads(1).map_err(|e| e.to_string())?;
        builder = builder.with_inter_threads(1).map_err(|e| e.to_string())?;
        let session = builder.commit_from_memory(&case.model)?;
        let mut calls = Vec::new();
        for &from in parts {
            let mut values = Vec::new();
            for input in session.inputs() {
                let (_, tensor) = case.rows.inputs.iter().find(|i| i.0 == input.name()).ok_or("no rows")?;
                let width = tensor.data.len() / case.rows.count;
                let shape = [size, width];
                let range = from * width..(from + size) * width;
                values.push(match &tensor.data {
                    Data::Float(v) => Tensor::from_array((shape, v[range].to_vec()))?.into(),
                    Data::Int64(v) => Tensor::from_array((shape, v[range].to_vec()))?.into(),
                    Data::Text(v) => Tensor::from_string_array((shape, &v[range]))?.into(),
                    other => return Err(format!("rows of {}", other.type_name()).into()),
                });
            }
            calls.push(values);
        }
        Ok(Self { session, calls })
    }

    pub fn run(&mut self, calls: Range<usize>) -> Fallible<()> {
        for call in &self.calls[calls] {
            std::hint::black_box(self.session.run(call.as_slice())?);
        }
        Ok(())
    }

    /// The largest difference of a probability from ours.
    pub fn difference(&mut self, call: usize, batch: &Batch) -> Fallible<f32> {
        let outputs = self.session.run(self.calls[call].as_slice())?;
        let mut worst = f32::INFINITY;
        for (_, output) in &outputs {
            let Ok((_, values)) = output.try_extract_tensor::<f32>() else { continue };
            let width = values.len() / batch.rows();
            let ours = (0..batch.rows()).flat_map(|r| batch.probabilities(r));
            if width == batch.probabilities(0).len() {
                worst = ours.zip(values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            }
        }
        Ok(worst)
    }
}
