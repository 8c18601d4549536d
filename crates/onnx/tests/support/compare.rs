//! Fills a batch from tensors, and compares predictions with tensors.

use portcullis_onnx::{Batch, Data, Labels, Model, Output, Tensor};

/// Absolute difference allowed, and relative for values above 1.
pub const TOLERANCE: f32 = 1e-5;

/// Adds row `row` of the tensors.
pub fn push(model: &Model, batch: &mut Batch, inputs: &[(String, Tensor)], row: usize) {
    batch.push_row();
    for (name, tensor) in inputs {
        let slot = model.slot(name).unwrap_or_else(|| panic!("no slot {name}"));
        let width = model.slots()[slot].width;
        for index in 0..width {
            let at = row * width + index;
            match &tensor.data {
                Data::Float(v) => batch.set_number(slot, index, v[at]),
                Data::Int64(v) => batch.set_number(slot, index, v[at] as f32),
                Data::Text(v) => batch.set_text(model, slot, index, &v[at]),
                other => panic!("{} inputs", other.type_name()),
            }
        }
    }
}

/// Whether two numbers agree.
pub fn close(a: f32, b: f32) -> bool {
    (a.is_nan() && b.is_nan()) || a == b || (a - b).abs() <= TOLERANCE * b.abs().max(1.0)
}

/// Scores the rows one by one and all together, and compares both with the outputs of the graph.
pub fn predictions(name: &str, model: &Model, inputs: &[(String, Tensor)], outputs: &[(String, Tensor)]) {
    let rows = inputs[0].1.dims[0];
    let (mut all, mut one) = (model.batch(), model.batch());
    (0..rows).for_each(|row| push(model, &mut all, inputs, row));
    model.predict(&mut all).unwrap();
    for row in 0..rows {
        one.clear();
        push(model, &mut one, inputs, row);
        model.predict(&mut one).unwrap();
        assert_eq!(one.probabilities(0), all.probabilities(row), "{name}: row {row} alone and among others");
        assert_eq!(one.class(0), all.class(row), "{name}: row {row} alone and among others");
        for (output, tensor) in outputs {
            let (got, place) = (&all, format!("{name}: {output} of row {row}"));
            match (&tensor.data, model.output()) {
                (Data::Float(v), Output::Value) => assert!(close(got.value(row), v[row]), "{place}"),
                (Data::Float(v), Output::Classes(labels)) => {
                    let expected = &v[row * labels.len()..(row + 1) * labels.len()];
                    let pairs = got.probabilities(row).iter().zip(expected);
                    assert!(
                        pairs.clone().count() == labels.len() && pairs.clone().all(|(&a, &b)| close(a, b)),
                        "{place}"
                    );
                }
                (Data::Text(v), Output::Classes(Labels::Text(l))) => {
                    assert_eq!(l[got.class(row)], v[row], "{place}")
                }
                (Data::Int64(v), Output::Classes(Labels::Integer(l))) => {
                    assert_eq!(l[got.class(row)], v[row], "{place}");
                }
                (data, output) => panic!("{place}: {} for {output:?}", data.type_name()),
            }
        }
    }
}
