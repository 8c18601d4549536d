//! AdaBoost: classifiers that vote with weights, regressors of which the weighted median answers.

use super::super::Told;
use super::super::columns::Column;
use super::super::forest::Sums;
use super::super::graph::{Answer, Classes, Graph};
use super::super::skops::Node;
use super::classes;
use super::dense::{float, picked};
use super::trees::{Member, ensemble, is_tree};
use super::vote::{MEMBERS, blend, value, votes};
use crate::builder::Attr;
use crate::element::Domain;

/// Most regressors: each is compared with each.
const REGRESSORS: usize = 256;

/// The fitted members and their weights, whose sum is above zero.
fn members(node: Node<'_>, most: usize) -> Told<(Vec<Node<'_>>, Vec<f64>)> {
    let all = node.get("estimators_")?.items()?;
    if all.is_empty() || all.len() > most {
        return Err(format!("estimators_: {} members, expected 1 to {most}", all.len()));
    }
    let mut weights = node.list("estimator_weights_")?;
    // Where boosting stopped early, zeros follow.
    let rest = weights.len() < all.len() || weights.iter().skip(all.len()).any(|w| *w != 0.0);
    let sum: f64 = weights.iter().sum();
    if rest || !sum.is_finite() || sum <= 0.0 {
        return Err("estimator_weights_: one for each estimator with a sum above zero is expected".to_owned());
    }
    weights.truncate(all.len());
    Ok((all, weights))
}

/// `AdaBoostClassifier` (SAMME).
pub(super) fn classifier(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Answer> {
    let classes = classes(node, "classes_")?;
    let (sums, width) = decision(graph, node, columns)?;
    if width == 1 {
        let share = graph.plain("Sigmoid", &[&sums]);
        let probabilities = graph.pair(&share);
        let away = graph.plain("Neg", &[&sums]);
        let both = graph.concat(&[away, sums]);
        let label = graph.greatest(&both, &classes);
        return Ok(Answer::Classes { label, probabilities: Some(probabilities), classes });
    }
    let scale = graph.row(vec![1.0 / (width - 1) as f32]);
    let scaled = graph.plain("Mul", &[&sums, &scale]);
    let probabilities = graph.node((Domain::Onnx, "Softmax"), &[&scaled], vec![("axis", Attr::Int(1))]);
    let label = graph.greatest(&sums, &classes);
    Ok(Answer::Classes { label, probabilities: Some(probabilities), classes })
}

/// The decision function, `[N, classes]`: of two classes for the second, `[N, 1]`.
pub(super) fn decision(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<(String, usize)> {
    if node.word("algorithm", "SAMME")? == "SAMME.R" {
        return Err("algorithm: 'SAMME.R' is not supported, 'SAMME' is".to_owned());
    }
    let classes = classes(node, "classes_")?;
    let count = classes.len();
    if count < 2 {
        return Err(format!("classes_: {count} classes, expected at least two"));
    }
    let (all, weights) = members(node, MEMBERS)?;
    // A vote is worth its weight, and to all other classes -1 / (classes - 1) of it: one shift for all, and the
    // rest for the class that is voted for.
    let sum: f64 = weights.iter().sum();
    let others = 1.0 / (count - 1) as f64;
    let votes: Vec<f64> = weights.iter().map(|weight| weight / sum * (1.0 + others)).collect();
    let sums = if all.iter().all(|member| is_tree(*member)) {
        by_trees(graph, (&all, columns), count, &votes)?
    } else {
        by_labels(graph, (&all, columns), &classes, &votes)?
    };
    if count == 2 {
        return Ok((sums, 1));
    }
    let shift = graph.row(vec![-others as f32]);
    Ok((graph.plain("Add", &[&sums, &shift]), count))
}

/// The sums of votes: of two classes how far the second is above the first.
fn by_trees(
    graph: &mut Graph,
    (all, columns): (&[Node<'_>], &[Column]),
    count: usize,
    votes: &[f64],
) -> Told<String> {
    let trees: Vec<Member<'_>> = all.iter().map(|member| (*member, columns)).collect();
    let leaf = |at: usize, values: &[f64]| {
        let mut best = 0;
        for (class, share) in values.iter().enumerate() {
            if *share > values[best] {
                best = class;
            }
        }
        match (count, best) {
            (2, 0) => vec![(0, -votes[at])],
            (2, _) => vec![(0, votes[at])],
            _ => vec![(best, votes[at])],
        }
    };
    let forest = ensemble(graph, &trees, count, &leaf)?;
    let targets = if count == 2 { 1 } else { count };
    forest.sums(graph, &Sums { targets, base: Vec::new(), average: false })
}

/// The same of members of any kind.
fn by_labels(
    graph: &mut Graph,
    (all, columns): (&[Node<'_>], &[Column]),
    classes: &Classes,
    weights: &[f64],
) -> Told<String> {
    let mut parts = Vec::new();
    for (member, weight) in all.iter().zip(weights) {
        let (voted, own) = votes(graph, *member, columns)?;
        if own != *classes {
            return Err(format!("{}: its classes are not those of all", member.class()));
        }
        parts.push((voted, *weight));
    }
    let sums = blend(graph, &parts);
    if classes.len() > 2 {
        return Ok(sums);
    }
    let apart = graph.builder().floats("apart", &[2, 1], vec![-1.0, 1.0]);
    Ok(graph.plain("MatMul", &[&sums, &apart]))
}

/// `AdaBoostRegressor`: the least value at which half of the weight is reached.
pub(super) fn regressor(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Answer> {
    let (all, weights) = members(node, REGRESSORS)?;
    let values = if all.iter().all(|member| is_tree(*member)) {
        let trees: Vec<Member<'_>> = all.iter().map(|member| (*member, columns)).collect();
        let leaf = |at: usize, values: &[f64]| values.iter().map(|&leaf| (at, leaf)).collect::<Vec<_>>();
        let forest = ensemble(graph, &trees, 1, &leaf)?;
        forest.sums(graph, &Sums { targets: all.len(), base: Vec::new(), average: false })?
    } else {
        let each = all.iter().map(|member| value(graph, *member, columns));
        let each: Vec<String> = each.collect::<Told<_>>()?;
        graph.concat(&each)
    };
    if all.len() == 1 {
        return Ok(Answer::Value(values));
    }
    let single: Vec<f32> = weights.iter().map(|&weight| weight as f32).collect();
    let half = single.iter().map(|&weight| f64::from(weight)).sum::<f64>() / 2.0;
    let table = graph.builder().floats("weights", &[all.len() as i64, 1], single);
    let mut beyond = Vec::with_capacity(all.len());
    for at in 0..all.len() {
        let own = picked(graph, &values, vec![at as i64]);
        let above = graph.plain("Greater", &[&values, &own]);
        let above = float(graph, &above);
        beyond.push(graph.plain("MatMul", &[&above, &table]));
    }
    let beyond = graph.concat(&beyond);
    let [half, none] = [half as f32, f32::INFINITY].map(|v| graph.row(vec![v]));
    let reached = graph.plain("LessOrEqual", &[&beyond, &half]);
    let left = graph.plain("Where", &[&reached, &values, &none]);
    let axes = vec![("axes", Attr::Ints(vec![1]))];
    Ok(Answer::Value(graph.node((Domain::Onnx, "ReduceMin"), &[&left], axes)))
}
