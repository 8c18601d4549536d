//! Scores rows with the written file and compares them with the ensemble in memory.

use crate::dataset::{Coding, Dataset, Feature, Matrix, Shape};
use crate::export::Ensemble;
use crate::{Error, vocabulary};
use std::sync::Arc;

/// Rows compared.
const ROWS: usize = 500;
/// Rows means are taken over at most.
const MEAN_ROWS: usize = 2_000;
/// Largest accepted difference of a probability, or of a number relative to the size of the target's numbers.
const TOLERANCE: f64 = 1e-5;

/// Reads the file back and compares its answers on a sample of the table, and on a row of nothing but missing and
/// one of nothing but unknown values.
pub(crate) fn check(bytes: &[u8], data: &Dataset, ensemble: &Ensemble) -> Result<(), Error> {
    let model = onnx::Model::from_bytes(bytes)?;
    let step = (data.rows() / ROWS).max(1);
    let rows: Vec<u32> = (0..data.rows()).step_by(step).map(|r| r as u32).collect();
    let mut sample = data.matrix.take(&rows);
    for (feature, column) in data.features.iter().zip(&mut sample.columns) {
        column.push(match &feature.shape {
            Shape::Number | Shape::Moment { .. } => f32::NAN,
            Shape::Category(coding) => coding.absent(),
            Shape::Text(_) | Shape::Term { .. } => 0.0,
        });
        column.push(match &feature.shape {
            Shape::Number => 1e6,
            Shape::Moment { part, .. } => part.of(1e6),
            Shape::Category(coding) => coding.unknown(),
            Shape::Text(_) => vocabulary::count(UNKNOWN),
            Shape::Term { .. } => 0.0,
        });
    }
    for (&column, places) in &mut sample.places {
        let absent = match &data.features[column].shape {
            Shape::Category(coding) => coding.absent_place(),
            _ => f32::NAN,
        };
        places.extend([absent, f32::NAN]);
    }
    sample.texts.values_mut().for_each(|texts| texts.extend([Arc::from(""), Arc::from(UNKNOWN)]));
    sample.rows += 2;
    let width = data.target.width();
    let expected = ensemble.predict(&sample);
    let got = answers(&model, &scored(&model, &data.features, &sample)?, sample.rows, width);
    let classes = data.target.classes.is_some();
    let spread = spread(&data.target.values, classes);
    for (i, (a, b)) in expected.iter().zip(&got).enumerate() {
        // The rounding of a large number is no difference.
        let scale = if classes { 1.0 } else { spread.max(f64::from(a.abs())) };
        let difference = f64::from((a - b).abs()) / scale;
        if difference.is_nan() || difference > TOLERANCE {
            return Err(Error::Parity { difference, row: i / width });
        }
    }
    Ok(())
}

/// What differences are measured by: 1 for probabilities, the size of the numbers otherwise.
fn spread(values: &[f32], classes: bool) -> f64 {
    if classes {
        return 1.0;
    }
    let size = values.iter().map(|&v| f64::from(v.abs())).sum::<f64>() / values.len() as f64;
    size.max(f64::from(f32::MIN_POSITIVE))
}

/// Predictions of width `width` of the rows of a scored batch.
pub(crate) fn answers(model: &onnx::Model, batch: &onnx::Batch, rows: usize, width: usize) -> Vec<f32> {
    let classes = matches!(model.output(), onnx::Output::Classes(_));
    let mut out = Vec::with_capacity(rows * width);
    for row in 0..rows {
        match (classes, width) {
            (false, _) => out.push(batch.value(row)),
            (true, 1) => out.push(batch.probabilities(row)[1]),
            (true, _) => out.extend_from_slice(batch.probabilities(row)),
        }
    }
    out
}

/// The file with the means over a sample of the table that explanations of its linear parts need.
pub(crate) fn explainable(bytes: &[u8], data: &Dataset) -> Result<Vec<u8>, Error> {
    let model = onnx::Model::from_bytes(bytes)?;
    let step = data.trainable().div_ceil(MEAN_ROWS).max(1);
    let rows: Vec<u32> = (0..data.trainable()).step_by(step).map(|r| r as u32).collect();
    let batch = scored(&model, &data.features, &data.matrix.take(&rows))?;
    Ok(onnx::with_means(bytes, &model, &batch)?)
}

/// The rows of a matrix as a batch of the file's model, scored.
pub(crate) fn scored(
    model: &onnx::Model,
    features: &[Feature],
    matrix: &Matrix,
) -> Result<onnx::Batch, Error> {
    let columns = features.iter().zip(&matrix.columns).enumerate().filter(|(_, (f, _))| f.is_input());
    let slots: Vec<usize> = columns
        .clone()
        .map(|(_, (f, _))| f)
        .map(|f| model.slot(&f.name).ok_or_else(|| Error::Export(format!("input {:?} is missing", f.name))))
        .collect::<Result<_, _>>()?;
    let mut batch = model.batch();
    for row in 0..matrix.rows {
        batch.push_row();
        for ((at, (feature, column)), &slot) in columns.clone().zip(&slots) {
            match &feature.shape {
                Shape::Text(_) => batch.set_text(model, slot, 0, &matrix.texts[&feature.name][row]),
                Shape::Number | Shape::Moment { .. } | Shape::Term { .. } => {
                    batch.set_number(slot, 0, column[row]);
                }
                Shape::Category(coding) => {
                    let place = matrix.places.get(&at).map(|places| places[row]);
                    batch.set_text(model, slot, 0, text(coding, column[row], place));
                }
            }
        }
    }
    model.predict(&mut batch)?;
    Ok(batch)
}

/// A text that no model knows.
const UNKNOWN: &str = "\u{1}no \u{1}such \u{1}category";

/// A text that has the code `x`, and the place where there are places.
fn text(coding: &Coding, x: f32, place: Option<f32>) -> &str {
    if let Some(place) = place {
        return match place {
            place if place.is_nan() => UNKNOWN,
            place if place as usize == coding.placed => "",
            place => &coding.seen[place as usize],
        };
    }
    if x.is_nan() {
        return UNKNOWN;
    }
    let code = x as u32;
    if coding.missing == Some(code) {
        ""
    } else if coding.rare == Some(code) {
        coding.seen.get(coding.levels.len()).map_or(UNKNOWN, String::as_str)
    } else {
        &coding.levels[code as usize]
    }
}
