//! Writes the whole pipeline as one ONNX graph and proves that it answers as the ensemble in memory does.
//!
//! Every feature is a graph input `[N, 1]` under its column's own name: `float` for numbers, booleans and
//! timestamps (NaN = missing), `string` for categories ("" = missing). Outputs are `label` `[N]` with
//! `probabilities` `[N, K]`, or `variable` `[N, 1]`.

mod check;
mod sheet;
mod signature;
pub(crate) mod width;

#[cfg(test)]
pub(crate) use check::scored;
pub(crate) use check::{answers, check, explainable};
pub(crate) use sheet::Sheet;
pub(crate) use signature::signature;

use crate::Error;
use crate::dataset::{Classes, Dataset, Matrix, Target};
use crate::decision::Decision;
use crate::learners::Fitted;
use crate::mixture::Mixture;
use onnx::{Attr, Domain, ElementType};
use std::sync::Arc;

/// A fitted ensemble: the models and how their predictions are put together.
pub(crate) struct Ensemble {
    pub models: Vec<Arc<dyn Fitted>>,
    pub mixture: Mixture,
}

impl Ensemble {
    /// Predictions of every row, in the precision of the graph.
    pub(crate) fn predict(&self, matrix: &Matrix) -> Vec<f32> {
        let members: Vec<Vec<f32>> = self.models.iter().map(|model| model.predict(matrix)).collect();
        self.mixture.mix(&members)
    }
}

/// Metadata keys of the signature and of the training facts.
const SIGNATURE_KEY: &str = "portcullis.signature";
const TRAINING_KEY: &str = "portcullis.training";

/// Writes the ensemble of a dataset's features, with its signature and training facts.
pub(crate) fn write(
    data: &Dataset,
    ensemble: &Ensemble,
    signature: &serde_json::Value,
    training: &serde_json::Value,
) -> Result<Vec<u8>, Error> {
    let mut sheet = Sheet::new(&data.target.name, &data.features);
    let mut answers = Vec::with_capacity(ensemble.models.len());
    for model in &ensemble.models {
        answers.push(model.export(&mut sheet)?);
    }
    let blended = sheet.mixture(&ensemble.mixture, &answers);
    match &data.target.classes {
        None => {
            let name = sheet.output("variable", ElementType::Float, &[-1, 1]);
            sheet.op("Identity", &[&blended], &name, vec![]);
        }
        Some(classes) => {
            classify(&mut sheet, (&data.target, classes), &blended, &ensemble.mixture.decision);
        }
    }
    sheet.metadata(SIGNATURE_KEY, signature);
    sheet.metadata(TRAINING_KEY, training);
    sheet.finish()
}

/// Turns the blended answers into `label` and `probabilities`. The label is that of the largest probability times the
/// weight of its class; a threshold is such weights: p₁ > t is p₁·(1 − t) > p₀·t.
fn classify(
    sheet: &mut Sheet<'_>,
    (target, classes): (&Target, &Classes),
    blended: &str,
    decision: &Decision,
) {
    let k = classes.len() as i64;
    let (kind, labels) = match classes {
        Classes::Integer(labels) => (ElementType::Int64, sheet.ints("labels", &[k], labels.clone())),
        Classes::Text(labels) => (ElementType::String, sheet.strings("labels", &[k], labels.clone())),
        Classes::Boolean => {
            (ElementType::String, sheet.strings("labels", &[k], vec!["false".into(), "true".into()]))
        }
    };
    let label = sheet.output("label", kind, &[-1]);
    let probabilities = sheet.output("probabilities", ElementType::Float, &[-1, k]);
    if target.width() == 1 {
        let one = sheet.floats("one", &[1], vec![1.0]);
        let rest = sheet.fresh("first_class");
        sheet.op("Sub", &[&one, blended], &rest, vec![]);
        sheet.op("Concat", &[&rest, blended], &probabilities, vec![("axis", Attr::Int(1))]);
    } else {
        sheet.op("Identity", &[blended], &probabilities, vec![]);
    }
    let index = sheet.fresh("class_index");
    let attrs = vec![("axis", Attr::Int(1)), ("keepdims", Attr::Int(0))];
    let mut judged = probabilities;
    let scale = match decision {
        Decision::Largest => None,
        Decision::Above(t) => Some(sheet.floats("label_threshold", &[1, 2], vec![*t, 1.0 - t])),
        Decision::Weighted(weights) => Some(sheet.floats("class_weights", &[1, k], weights.clone())),
    };
    if let Some(scale) = scale {
        let scaled = sheet.fresh("judged");
        sheet.op("Mul", &[&judged, &scale], &scaled, vec![]);
        judged = scaled;
    }
    sheet.op("ArgMax", &[&judged], &index, attrs);
    sheet.op("Gather", &[&labels, &index], &label, vec![("axis", Attr::Int(0))]);
}

/// The default operator set.
const ONNX: Domain = Domain::Onnx;
