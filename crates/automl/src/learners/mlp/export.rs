//! Networks as matrix products and `Relu`; their answers are averaged.

use super::{Mlps, Trained};
use crate::Error;
use crate::export::Sheet;
use crate::learners::linear::link;

/// Adds all networks; returns the name of their mean `[N, width]`.
pub(super) fn networks(mlps: &Mlps, sheet: &mut Sheet<'_>) -> Result<String, Error> {
    let mut answers = Vec::with_capacity(mlps.nets.len());
    for net in &mlps.nets {
        let scores = scores(net, sheet)?;
        answers.push(sheet.link(link(mlps.plan.task), scores));
    }
    let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
    Ok(sheet.make("Mean", "mean_of_networks", &answers, vec![]))
}

fn scores(net: &Trained, sheet: &mut Sheet<'_>) -> Result<String, Error> {
    let mut x = sheet.linear(&net.first)?;
    for layer in &net.rest {
        let outputs = layer.bias.len() as i64;
        let inputs = layer.weights.len() as i64 / outputs.max(1);
        let weights = sheet.floats("layer_weights", &[inputs, outputs], layer.weights.clone());
        let bias = sheet.floats("layer_bias", &[outputs], layer.bias.clone());
        x = sheet.make("Relu", "units", &[&x], vec![]);
        x = sheet.make("Gemm", "layer", &[&x, &weights, &bias], vec![]);
    }
    Ok(x)
}
