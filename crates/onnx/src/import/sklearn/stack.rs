//! Estimators over the answers of estimators, and regressors whose target was transformed.

use super::super::Told;
use super::super::columns::Column;
use super::super::graph::{Answer, Classes, Graph};
use super::super::links::Link;
use super::super::skops::Node;
use super::calibrate::decision;
use super::prepare::{COLUMNS, size, switched};
use super::vote::{MEMBERS, hot, value};
use super::{classes, estimator, unknown};

/// `StackingClassifier` and `StackingRegressor`.
pub(super) fn stacked(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Answer> {
    let (members, methods) = (node.get("estimators_")?.items()?, node.get("stack_method_")?.items()?);
    if members.is_empty() || members.len() > MEMBERS || members.len() != methods.len() {
        return Err(format!("estimators_: {} members with {} methods", members.len(), methods.len()));
    }
    let mut answers = Vec::new();
    for (member, method) in members.into_iter().zip(methods) {
        let (of, places) = asked(graph, (member, columns), &method.text()?)?;
        if answers.len() + places.len() > COLUMNS {
            return Err(format!("estimators_: they answer more than {COLUMNS} numbers"));
        }
        answers.extend(places.map(|at| Column::made(&of, at)));
    }
    if node.flag("passthrough")? {
        graph.carry(columns.iter().map(size).sum())?;
        answers.extend_from_slice(columns);
    }
    let answer = estimator(graph, node.get("final_estimator_")?, &answers)?;
    if node.class() == "StackingRegressor" {
        return match answer {
            Answer::Value(_) => Ok(answer),
            Answer::Classes { .. } => Err("final_estimator_: is no regressor".to_owned()),
        };
    }
    let outer = classes(node, "classes_")?;
    match answer {
        // It was trained on the numbers of the classes.
        Answer::Classes { label, probabilities, classes } if classes == Classes::count(outer.len()) => {
            let label = graph.label(&label, &outer);
            Ok(Answer::Classes { label, probabilities, classes: outer })
        }
        _ => Err(format!("final_estimator_: does not answer {} classes", outer.len())),
    }
}

/// What a member answers to a method, and which columns of it count.
fn asked(
    graph: &mut Graph,
    (member, columns): (Node<'_>, &[Column]),
    method: &str,
) -> Told<(String, std::ops::Range<usize>)> {
    let class = member.class();
    if method == "decision_function" {
        let found = decision(graph, member, columns)?;
        let (score, width) = found.ok_or_else(|| format!("{class}: it has no decision function"))?;
        return Ok((score, 0..width));
    }
    match (method, estimator(graph, member, columns)?) {
        ("predict", Answer::Value(value)) => Ok((value, 0..1)),
        ("predict", Answer::Classes { label, classes: Classes::Integer(own), .. }) => {
            let numbers = own.iter().map(|&label| label as f32).collect();
            let votes = hot(graph, &label, &Classes::Integer(own.clone()));
            let table = graph.builder().floats("labels", &[own.len() as i64, 1], numbers);
            Ok((graph.plain("MatMul", &[&votes, &table]), 0..1))
        }
        ("predict_proba", Answer::Classes { probabilities: Some(found), classes, .. }) => {
            // Of two classes the second one's tells both.
            let count = classes.len();
            Ok((found, usize::from(count == 2)..count))
        }
        _ => Err(format!("{class}: what '{method}' gives is not supported")),
    }
}

/// `TransformedTargetRegressor`.
pub(super) fn transformed(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Answer> {
    let value = value(graph, node.get("regressor_")?, columns)?;
    let transformer = node.get("transformer_")?;
    let told = |e: String| format!("transformer_: {e}");
    Ok(Answer::Value(back(graph, transformer, value).map_err(told)?))
}

/// A value as it was before a transformer.
fn back(graph: &mut Graph, transformer: Node<'_>, value: String) -> Told<String> {
    if !transformer.is_of("sklearn") {
        return Err(unknown(transformer));
    }
    let one = |name: &str| -> Told<Option<f64>> {
        if transformer.find(name)?.is_none() {
            return Ok(None);
        }
        match transformer.list(name)?.as_slice() {
            &[number] => Ok(Some(number)),
            other => Err(format!("{name}: {} numbers, expected one", other.len())),
        }
    };
    let on = |name: &str| switched(transformer, name);
    let (scale, shift) = match transformer.class() {
        "StandardScaler" => {
            let scale = if on("with_std")? { one("scale_")? } else { None };
            (scale, if on("with_mean")? { one("mean_")? } else { None })
        }
        "RobustScaler" => (one("scale_")?, one("center_")?),
        "MaxAbsScaler" => (one("scale_")?, None),
        "MinMaxScaler" => {
            let (scale, shift) = (one("scale_")?.unwrap_or(1.0), one("min_")?.unwrap_or(0.0));
            (Some(1.0 / scale), Some(-shift / scale))
        }
        "FunctionTransformer" => return inverse(graph, transformer, value),
        _ => return Err(unknown(transformer)),
    };
    let scale = graph.row(vec![scale.unwrap_or(1.0) as f32]);
    let shift = graph.row(vec![shift.unwrap_or(0.0) as f32]);
    let value = graph.plain("Mul", &[&value, &scale]);
    Ok(graph.plain("Add", &[&value, &shift]))
}

/// A value after the function that undoes another.
fn inverse(graph: &mut Graph, transformer: Node<'_>, value: String) -> Told<String> {
    let (function, undo) = (transformer.find("func")?, transformer.find("inverse_func")?);
    let Some(undo) = undo else {
        return match function {
            None => Ok(value),
            Some(_) => Err("inverse_func: is missing".to_owned()),
        };
    };
    if !undo.is_of("numpy") || transformer.find("inv_kw_args")?.is_some() {
        return Err(format!("inverse_func: {} is not supported", undo.full_class()));
    }
    match undo.class() {
        "exp" => Ok(Link::Exp.write(graph, value)),
        "expm1" => {
            let power = Link::Exp.write(graph, value);
            let one = graph.row(vec![1.0]);
            Ok(graph.plain("Sub", &[&power, &one]))
        }
        "square" => Ok(graph.plain("Mul", &[&value, &value])),
        other => Err(format!("inverse_func: '{other}' is not supported, 'exp', 'expm1' and 'square' are")),
    }
}
