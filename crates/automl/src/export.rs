//! Writes the whole pipeline as one ONNX graph and proves that it answers as the ensemble in memory does.
//!
//! Every feature is a graph input `[N, 1]` under its column's own name: `float` for numbers, booleans and
//! timestamps (NaN = missing), `string` for categories ("" = missing). Outputs are `label` `[N]` with
//! `probabilities` `[N, K]`, or `variable` `[N, 1]`.

mod check;
mod sheet;
mod signature;

#[cfg(test)]
pub(crate) use check::scored;
pub(crate) use check::{check, explainable};
pub(crate) use sheet::Sheet;
pub(crate) use signature::signature;

use crate::Error;
use crate::dataset::{Classes, Dataset, Matrix, Target};
use crate::learners::Fitted;
use onnx::{Attr, Domain, ElementType};

/// A fitted member with its weight; the weights of an ensemble sum to 1.
pub(crate) struct Weighted {
    pub weight: f64,
    pub model: Box<dyn Fitted>,
}

/// The weighted mean of the members' predictions, in the precision of the graph.
pub(crate) fn vote(members: &[Weighted], matrix: &Matrix, width: usize) -> Vec<f32> {
    let mut sum = vec![0.0f32; matrix.rows * width];
    for member in members {
        let weight = member.weight as f32;
        sum.iter_mut().zip(member.model.predict(matrix)).for_each(|(s, p)| *s += weight * p);
    }
    sum
}

/// Metadata keys of the signature and of the training facts.
const SIGNATURE_KEY: &str = "portcullis.signature";
const TRAINING_KEY: &str = "portcullis.training";

/// Writes the ensemble of a dataset's features, with its signature and training facts.
pub(crate) fn write(
    data: &Dataset,
    members: &[Weighted],
    signature: &serde_json::Value,
    training: &serde_json::Value,
) -> Result<Vec<u8>, Error> {
    let mut sheet = Sheet::new(&data.target.name, &data.features);
    let mut answers = Vec::with_capacity(members.len());
    for member in members {
        answers.push((member.model.export(&mut sheet)?, member.weight as f32));
    }
    let blended = sheet.weighted_sum(&answers);
    match &data.target.classes {
        None => {
            let name = sheet.output("variable", ElementType::Float, &[-1, 1]);
            sheet.op("Identity", &[&blended], &name, vec![]);
        }
        Some(classes) => classify(&mut sheet, &data.target, classes, &blended),
    }
    sheet.metadata(SIGNATURE_KEY, signature);
    sheet.metadata(TRAINING_KEY, training);
    sheet.finish()
}

/// Turns the blended answers into `label` and `probabilities`.
fn classify(sheet: &mut Sheet<'_>, target: &Target, classes: &Classes, blended: &str) {
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
    sheet.op("ArgMax", &[&probabilities], &index, attrs);
    sheet.op("Gather", &[&labels, &index], &label, vec![("axis", Attr::Int(0))]);
}

/// The default operator set.
const ONNX: Domain = Domain::Onnx;
