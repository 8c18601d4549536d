//! What follows the sums of an ensemble.

use super::Told;
use super::forest::{Forest, Sums};
use super::graph::{Answer, Classes, Graph};

/// How a sum becomes the predicted value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Identity,
    Exp,
    Sigmoid,
    /// `ln(1 + eˣ)`.
    Softplus,
    /// `x · |x|`.
    SignedSquare,
    /// 1 above zero, else 0.
    Step,
}

impl Link {
    /// Writes the function behind a value `[N, k]`.
    pub(super) fn write(self, graph: &mut Graph, sum: String) -> String {
        match self {
            Self::Identity => sum,
            Self::Exp => graph.plain("Exp", &[&sum]),
            Self::Sigmoid => graph.plain("Sigmoid", &[&sum]),
            Self::Softplus => graph.plain("Softplus", &[&sum]),
            Self::SignedSquare => {
                let size = graph.plain("Abs", &[&sum]);
                graph.plain("Mul", &[&sum, &size])
            }
            Self::Step => {
                // The sign is -1, 0 or 1.
                let sign = graph.plain("Sign", &[&sum]);
                graph.plain("Relu", &[&sign])
            }
        }
    }
}

/// A value out of one sum.
pub(super) fn value(graph: &mut Graph, forest: Forest, base: f64, link: Link) -> Told<Answer> {
    let sum = forest.sums(graph, &Sums { targets: 1, base: vec![base], average: false })?;
    Ok(Answer::Value(link.write(graph, sum)))
}

/// Classes out of one sum each, every one through the logistic function on its own.
pub(super) fn one_against_rest(
    graph: &mut Graph,
    forest: Forest,
    base: Vec<f64>,
    classes: Classes,
) -> Told<Answer> {
    let sums = forest.sums(graph, &Sums { targets: classes.len(), base, average: false })?;
    let probabilities = Link::Sigmoid.write(graph, sums);
    let label = graph.greatest(&probabilities, &classes);
    Ok(Answer::Classes { label, probabilities: Some(probabilities), classes })
}
