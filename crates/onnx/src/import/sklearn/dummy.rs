//! `DummyClassifier` and `DummyRegressor`: the same answer for every row.

use super::super::Told;
use super::super::columns::{Column, Op};
use super::super::graph::{Answer, Graph, Read};
use super::super::skops::Node;
use super::classes;
use super::dense::picked;
use crate::builder::Attr;
use crate::element::Domain;

/// `DummyRegressor`, which keeps its answer whatever its strategy is.
pub(super) fn regressor(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Answer> {
    let constant = node.list("constant_")?;
    let &[value] = constant.as_slice() else {
        return Err(format!("{} outputs, only models of one output are supported", constant.len()));
    };
    Ok(Answer::Value(same(graph, columns, vec![value as f32])?))
}

/// `DummyClassifier` with a strategy that is not drawn at random.
pub(super) fn classifier(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Answer> {
    let classes = classes(node, "classes_")?;
    let priors = node.list("class_prior_")?;
    if priors.len() != classes.len() || classes.len() < 2 {
        return Err(format!("class_prior_: {} shares for {} classes", priors.len(), classes.len()));
    }
    let mut best = 0;
    for (class, prior) in priors.iter().enumerate() {
        if *prior > priors[best] {
            best = class;
        }
    }
    let hot = |at: usize| f64::from(u8::from(at == best));
    let shares: Vec<f64> = match node.word("strategy", "prior")?.as_str() {
        "prior" => priors,
        "most_frequent" => (0..classes.len()).map(hot).collect(),
        other => return Err(format!("strategy: '{other}' is not supported")),
    };
    let probabilities = same(graph, columns, shares.iter().map(|&v| v as f32).collect())?;
    // Shares may be one number in f32 that are two in f64.
    let votes = same(graph, columns, (0..classes.len()).map(|at| hot(at) as f32).collect())?;
    let label = graph.greatest(&votes, &classes);
    Ok(Answer::Classes { label, probabilities: Some(probabilities), classes })
}

/// Values for every row. A row is needed to answer for; of what it holds nothing is read, so that the first input
/// may be a number or a text.
fn same(graph: &mut Graph, columns: &[Column], values: Vec<f32>) -> Told<String> {
    let zero = match columns.first() {
        // What was filled, scaled or cut is a number.
        Some(Column::Number { source, ops, .. }) if ops.iter().any(|op| !matches!(op, Op::FillText(_))) => {
            graph.number(*source)?
        }
        Some(Column::Made { of, .. }) => picked(graph, of, vec![0]),
        Some(Column::Number { source, .. } | Column::Table { source, .. }) => {
            graph.features(&[(*source, Read::Code)])?.0
        }
        None => return Err("it reads no column".to_owned()),
    };
    let filled = vec![
        ("imputed_value_floats", Attr::Floats(vec![0.0])),
        ("replaced_value_float", Attr::Float(f32::NAN)),
    ];
    let zero = graph.node((Domain::Ml, "Imputer"), &[&zero], filled);
    let [low, high] = [0.0, 0.0].map(|v| graph.row(vec![v]));
    let zero = graph.plain("Max", &[&zero, &low]);
    let zero = graph.plain("Min", &[&zero, &high]);
    let values = graph.row(values);
    Ok(graph.plain("Add", &[&zero, &values]))
}
