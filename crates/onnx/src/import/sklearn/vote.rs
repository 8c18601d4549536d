//! Estimators that ask estimators for their answers, and how the answers are read.

use super::super::Told;
use super::super::columns::Column;
use super::super::graph::{Answer, Classes, Graph};
use super::super::skops::Node;
use super::dense::{float, picked};
use super::{classes, estimator};
use crate::builder::Attr;
use crate::element::Domain;

/// Most estimators within one.
pub(super) const MEMBERS: usize = 1000;

/// The fitted members with their weights, whose sum is above zero.
fn weighted(node: Node<'_>) -> Told<Vec<(Node<'_>, f64)>> {
    let all = node.get("estimators_")?.items()?;
    if all.is_empty() || all.len() > MEMBERS {
        return Err(format!("estimators_: {} members, expected 1 to {MEMBERS}", all.len()));
    }
    let weights = match node.find("weights")? {
        None => vec![1.0; all.len()],
        Some(weights) => weights.numbers()?,
    };
    let sum: f64 = weights.iter().sum();
    if weights.len() != all.len() || sum.is_nan() || sum <= 0.0 {
        return Err("weights: one for each estimator that is left is expected".to_owned());
    }
    Ok(all.into_iter().zip(weights).collect())
}

/// The fitted members with their shares, which add up to 1.
fn members(node: Node<'_>) -> Told<Vec<(Node<'_>, f64)>> {
    let all = weighted(node)?;
    let sum: f64 = all.iter().map(|(_, weight)| weight).sum();
    Ok(all.into_iter().map(|(node, weight)| (node, weight / sum)).collect())
}

/// The weighted sum of values of one shape.
pub(super) fn blend(graph: &mut Graph, parts: &[(String, f64)]) -> String {
    let mut sum: Option<String> = None;
    for (part, share) in parts {
        let share = graph.row(vec![*share as f32]);
        let part = graph.plain("Mul", &[part, &share]);
        sum = Some(match sum {
            None => part,
            Some(before) => graph.plain("Add", &[&before, &part]),
        });
    }
    sum.unwrap_or_default()
}

/// `VotingRegressor`.
pub(super) fn regressor(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Answer> {
    let mut parts = Vec::new();
    for (member, share) in members(node)? {
        parts.push((value(graph, member, columns)?, share));
    }
    Ok(Answer::Value(blend(graph, &parts)))
}

/// The value of a member that is a regressor.
pub(super) fn value(graph: &mut Graph, member: Node<'_>, columns: &[Column]) -> Told<String> {
    match estimator(graph, member, columns)? {
        Answer::Value(value) => Ok(value),
        Answer::Classes { .. } => Err(format!("{}: is no regressor", member.class())),
    }
}

/// `VotingClassifier` by probabilities or by labels.
pub(super) fn classifier(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Answer> {
    let classes = classes(node, "classes_")?;
    match node.word("voting", "hard")?.as_str() {
        "soft" => {}
        "hard" => return by_labels(graph, node, columns, classes),
        other => return Err(format!("voting: '{other}' is not supported")),
    }
    let mut parts = Vec::new();
    for (member, share) in members(node)? {
        let probabilities = chances(graph, (member, columns), classes.len())?;
        parts.push((probabilities, share));
    }
    let probabilities = blend(graph, &parts);
    let label = graph.greatest(&probabilities, &classes);
    Ok(Answer::Classes { label, probabilities: Some(probabilities), classes })
}

/// The class with the most votes.
fn by_labels(graph: &mut Graph, node: Node<'_>, columns: &[Column], classes: Classes) -> Told<Answer> {
    let mut parts = Vec::new();
    for (member, weight) in weighted(node)? {
        let (votes, own) = votes(graph, member, columns)?;
        if own.len() != classes.len() {
            return Err(format!("{}: knows {} of {} classes", member.class(), own.len(), classes.len()));
        }
        parts.push((votes, weight));
    }
    let votes = blend(graph, &parts);
    let label = graph.greatest(&votes, &classes);
    Ok(Answer::Classes { label, probabilities: None, classes })
}

/// 1 in the column of the class that a member answers, 0 elsewhere, and its classes.
pub(super) fn votes(graph: &mut Graph, member: Node<'_>, columns: &[Column]) -> Told<(String, Classes)> {
    match estimator(graph, member, columns)? {
        Answer::Classes { label, classes, .. } => Ok((hot(graph, &label, &classes), classes)),
        Answer::Value(_) => Err(format!("{}: is no classifier", member.class())),
    }
}

/// 1 in the column of the class that a label `[N]` names, 0 elsewhere: `[N, classes]`.
pub(super) fn hot(graph: &mut Graph, label: &str, classes: &Classes) -> String {
    let codes: Vec<f32> = (0..classes.len()).map(|code| code as f32).collect();
    let keys = match classes {
        Classes::Text(texts) => ("keys_strings", Attr::Texts(texts.clone())),
        Classes::Integer(numbers) => ("keys_int64s", Attr::Ints(numbers.clone())),
    };
    let values = ("values_floats", Attr::Floats(codes.clone()));
    let attrs = vec![keys, values, ("default_float", Attr::Float(-1.0))];
    let code = graph.node((Domain::Ml, "LabelEncoder"), &[label], attrs);
    let shape = graph.builder().ints("shape", &[2], vec![-1, 1]);
    let code = graph.plain("Reshape", &[&code, &shape]);
    let codes = graph.row(codes);
    let equal = graph.plain("Equal", &[&code, &codes]);
    float(graph, &equal)
}

/// The probability of the second of two classes: `[N, 1]`.
pub(super) fn second(graph: &mut Graph, probabilities: &str) -> String {
    picked(graph, probabilities, vec![1])
}

/// The probabilities of a member.
pub(super) fn chances(
    graph: &mut Graph,
    (member, columns): (Node<'_>, &[Column]),
    count: usize,
) -> Told<String> {
    match estimator(graph, member, columns)? {
        Answer::Classes { probabilities: Some(found), classes, .. } if classes.len() == count => Ok(found),
        _ => Err(format!("{}: gives no probability for each of {count} classes", member.class())),
    }
}
