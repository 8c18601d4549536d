//! `MLPClassifier` and `MLPRegressor`.

use super::super::Told;
use super::super::columns::Column;
use super::super::graph::{Answer, Graph};
use super::super::links::Link;
use super::super::skops::Node;
use super::classes;
use super::dense::Matrix;
use crate::builder::Attr;
use crate::element::Domain;

/// Writes a network: a matrix product, a shift and an activation a layer.
pub(super) fn perceptron(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Answer> {
    let matrix = Matrix::write(graph, columns)?;
    let activation = node.word("activation", "relu")?;
    let (weights, shifts) = (node.get("coefs_")?.items()?, node.get("intercepts_")?.items()?);
    if weights.is_empty() || weights.len() != shifts.len() {
        return Err(format!("coefs_, intercepts_: {} and {} layers", weights.len(), shifts.len()));
    }
    let (mut value, mut width) = (matrix.name.clone(), columns.len());
    for (at, (layer, shift)) in weights.iter().zip(&shifts).enumerate() {
        let array = layer.array()?;
        let &[rows, next] = array.shape.as_slice() else {
            return Err(format!("coefs_: layer {at} is no matrix"));
        };
        let shift = shift.numbers()?;
        if rows != width || shift.len() != next {
            return Err(format!("coefs_, intercepts_: layer {at} does not fit the one before"));
        }
        let numbers = array.numbers()?;
        let order: Vec<usize> = if at == 0 { matrix.order.clone() } else { (0..rows).collect() };
        let table =
            order.iter().flat_map(|&r| &numbers[r * next..(r + 1) * next]).map(|&v| v as f32).collect();
        let table = graph.builder().floats("layer", &[rows as i64, next as i64], table);
        let shift =
            graph.builder().floats("shift", &[next as i64], shift.iter().map(|&v| v as f32).collect());
        value = graph.plain("Gemm", &[&value, &table, &shift]);
        width = next;
        if at + 1 < weights.len() {
            value = activated(graph, &activation, value)?;
        }
    }
    answer(graph, node, (value, width))
}

fn activated(graph: &mut Graph, activation: &str, value: String) -> Told<String> {
    Ok(match activation {
        "relu" => graph.plain("Relu", &[&value]),
        "tanh" => graph.plain("Tanh", &[&value]),
        "logistic" => graph.plain("Sigmoid", &[&value]),
        "identity" => value,
        other => return Err(format!("the activation '{other}' is not supported")),
    })
}

fn answer(graph: &mut Graph, node: Node<'_>, (value, width): (String, usize)) -> Told<Answer> {
    if node.class() == "MLPRegressor" {
        if width != 1 {
            return Err(format!("{width} outputs, only models of one output are supported"));
        }
        let link =
            if node.word("out_activation_", "identity")? == "exp" { Link::Exp } else { Link::Identity };
        return Ok(Answer::Value(link.write(graph, value)));
    }
    let classes = classes(node, "classes_")?;
    let probabilities = match (node.word("out_activation_", "softmax")?.as_str(), width) {
        ("logistic", 1) if classes.len() == 2 => {
            let share = graph.plain("Sigmoid", &[&value]);
            graph.pair(&share)
        }
        ("softmax", width) if classes.len() == width => {
            graph.node((Domain::Onnx, "Softmax"), &[&value], vec![("axis", Attr::Int(1))])
        }
        (other, _) => return Err(format!("the output activation '{other}' over {width} is not supported")),
    };
    let label = graph.greatest(&probabilities, &classes);
    Ok(Answer::Classes { label, probabilities: Some(probabilities), classes })
}
