//! Estimators made of estimators.

use super::super::Told;
use super::super::columns::Column;
use super::super::graph::{Answer, Classes, Graph};
use super::super::skops::Node;
use super::{classes, estimator};
use crate::builder::Attr;
use crate::element::Domain;

/// Most estimators within one.
const MEMBERS: usize = 1000;

/// The fitted members with their shares, which add up to 1.
fn members(node: Node<'_>) -> Told<Vec<(Node<'_>, f64)>> {
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
    Ok(all.into_iter().zip(weights).map(|(node, weight)| (node, weight / sum)).collect())
}

/// The weighted sum of values of one shape.
fn blend(graph: &mut Graph, parts: &[(String, f64)]) -> String {
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
        match estimator(graph, member, columns)? {
            Answer::Value(value) => parts.push((value, share)),
            Answer::Classes { .. } => return Err(format!("{}: is no regressor", member.class())),
        }
    }
    Ok(Answer::Value(blend(graph, &parts)))
}

/// `VotingClassifier` by probabilities.
pub(super) fn classifier(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Answer> {
    if node.word("voting", "hard")? != "soft" {
        return Err("voting: only 'soft' is supported".to_owned());
    }
    let classes = classes(node, "classes_")?;
    let mut parts = Vec::new();
    for (member, share) in members(node)? {
        let probabilities = chances(graph, (member, columns), classes.len())?;
        parts.push((probabilities, share));
    }
    let probabilities = blend(graph, &parts);
    let label = graph.greatest(&probabilities, &classes);
    Ok(Answer::Classes { label, probabilities: Some(probabilities), classes })
}

/// The probabilities of a member.
fn chances(graph: &mut Graph, (member, columns): (Node<'_>, &[Column]), count: usize) -> Told<String> {
    match estimator(graph, member, columns)? {
        Answer::Classes { probabilities: Some(found), classes, .. } if classes.len() == count => Ok(found),
        _ => Err(format!("{}: gives no probability for each of {count} classes", member.class())),
    }
}

/// `CalibratedClassifierCV` with sigmoids, for two classes: the mean over its folds.
pub(super) fn calibrated(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Answer> {
    let classes = classes(node, "classes_")?;
    let folds = node.get("calibrated_classifiers_")?.items()?;
    if classes.len() != 2 || folds.is_empty() || folds.len() > MEMBERS {
        return Err(format!(
            "{} classes and {} folds, two classes are supported",
            classes.len(),
            folds.len()
        ));
    }
    let mut parts = Vec::new();
    for fold in &folds {
        let sigmoids = fold.get("calibrators")?.items()?;
        let [sigmoid] = sigmoids.as_slice() else {
            return Err(format!("calibrators: {} of them, expected one", sigmoids.len()));
        };
        if sigmoid.class() != "_SigmoidCalibration" {
            return Err(format!("calibration by {} is not supported", sigmoid.class()));
        }
        let score = decision(graph, fold.get("estimator")?, (columns, &classes))?;
        let [a, b] = [sigmoid.get("a_")?.number()?, sigmoid.get("b_")?.number()?];
        let [a, b] = [-a, -b].map(|v| graph.row(vec![v as f32]));
        let score = graph.plain("Mul", &[&score, &a]);
        let score = graph.plain("Add", &[&score, &b]);
        parts.push((graph.plain("Sigmoid", &[&score]), 1.0 / folds.len() as f64));
    }
    let share = blend(graph, &parts);
    let probabilities = graph.pair(&share);
    let label = graph.greatest(&probabilities, &classes);
    Ok(Answer::Classes { label, probabilities: Some(probabilities), classes })
}

/// What calibration starts from, for the second class: the decision function where the estimator has one, else
/// its probability.
fn decision(graph: &mut Graph, member: Node<'_>, (columns, classes): (&[Column], &Classes)) -> Told<String> {
    let plain = matches!(
        member.class(),
        "RandomForestClassifier"
            | "ExtraTreesClassifier"
            | "DecisionTreeClassifier"
            | "ExtraTreeClassifier"
            | "MLPClassifier"
            | "LGBMClassifier"
            | "XGBClassifier"
            | "VotingClassifier"
    );
    if !plain {
        return Err(format!("calibration of {} is not supported", member.class()));
    }
    let probabilities = chances(graph, (member, columns), classes.len())?;
    let second = graph.builder().ints("second", &[1], vec![1]);
    Ok(graph.node((Domain::Onnx, "Gather"), &[&probabilities, &second], vec![("axis", Attr::Int(1))]))
}
