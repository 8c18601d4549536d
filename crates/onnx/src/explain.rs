//! Additive explanations of single predictions: a base value and what each input column adds to it.
//!
//! The graph is walked once a row. Values made from inputs remember the columns they come from. Tree ensembles turn
//! them into Shapley values along their paths ([`trees`]), linear operators into coefficient × (x − mean); sums,
//! weights and matrices carry contributions on exactly. A curve (`Sigmoid`, `Relu`, `Softmax` …) carries them by the
//! share of its rise that each is due: the Aumann–Shapley value of the straight way from the base to the value, which
//! for a curve of one variable is the rescale rule of Shrikumar et al., "Learning Important Features Through
//! Propagating Activation Differences" (2017), and which Chen, Lundberg and Lee use for series of models ("Explaining a
//! series of models by propagating Shapley values", 2022). Base and contributions always add up to the answer;
//! [`Explanation::exact`] says whether a curve was crossed. A made value of several columns shares its contribution
//! evenly among them.
//!
//! What is needed beside the operators stands in the file: the covers of tree nodes in the standard attribute
//! `nodes_hitrates`, and the means of what enters linear operators in its metadata ([`with_means`] writes them). Of a file
//! without means, what enters linear operators is compared with zero.

mod build;
mod curves;
mod quadrature;
mod rules;
mod sums;
mod trees;
mod value;
mod walk;

pub use build::with_means;

use crate::batch::{Batch, Tokens};
use crate::error::{Error, Result};
use crate::ops::Op;
use crate::proto::generated::tensor_proto::DataType;
use crate::slots::SlotKind;
use crate::tensor::{Data, Tensor};
use rules::Rule;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use value::{Players, Sum};

/// Metadata key of the means.
const MEANS_KEY: &str = "portcullis.means";

/// One prediction as a sum.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The class whose probability is explained: the predicted one; 0 for a value.
    pub class: usize,
    /// What the model answers before it looks at the row.
    pub base: f64,
    /// What each column of a row adds, in the order of the slots' columns.
    pub contributions: Vec<f64>,
    /// Whether these are Shapley values throughout: not carried through a curve, nor beside zero for want of means.
    pub exact: bool,
}

/// A graph input.
#[derive(Debug)]
struct Input {
    name: String,
    kind: SlotKind,
    element: DataType,
    width: usize,
    offset: usize,
    flat: bool,
}

/// A node with what its operator does to contributions.
#[derive(Debug)]
struct Node {
    /// None for trees, which are explained and not run.
    op: Option<Op>,
    rule: Rule,
    inputs: Vec<String>,
    outputs: Vec<String>,
    /// `name (operator)`, for messages.
    label: String,
}

/// Explains the predictions of one model; `Send + Sync`.
#[derive(Debug)]
pub struct Explainer {
    inputs: Vec<Input>,
    constants: HashMap<String, Arc<Tensor>>,
    nodes: Vec<Node>,
    outputs: Vec<String>,
    players: Players,
    means: BTreeMap<String, Vec<f64>>,
    /// Number of classes; none for a value.
    classes: Option<usize>,
    columns: usize,
    work: usize,
}

impl Explainer {
    /// Tree nodes visited for one row: what bounds the time of an explanation.
    pub fn work(&self) -> usize {
        self.work
    }

    /// Explains a row of a batch that [`crate::Model::predict`] has scored.
    ///
    /// # Errors
    /// When the row is not there, or what it holds leads to a value that can't be explained: an infinite or missing one, or one
    /// to which the contributions do not add up.
    pub fn explain(&self, batch: &Batch, row: usize) -> Result<Explanation> {
        let values = self.row(batch, row)?;
        let answer = walk::Walk::new(self).run(values).map_err(|why| Error::model(why.to_string()))?;
        let class = if self.classes.is_some() { batch.class(row) } else { 0 };
        let told = match self.classes {
            Some(_) => batch.probabilities(row).get(class).copied().unwrap_or(f32::NAN),
            None => batch.value(row),
        };
        let explanation = self.explanation(&answer, class);
        let within = if self.classes.is_some() { OF_PROBABILITY } else { OF_VALUE };
        explanation.adds_up_to(f64::from(told), within).map(|()| explanation)
    }

    /// A row of a batch as the graph's inputs.
    fn row(&self, batch: &Batch, row: usize) -> Result<Vec<Tensor>> {
        let width = batch.form.missing.len();
        let cells = batch.inputs.get(row * width..(row + 1) * width).filter(|_| width == self.columns);
        let cells = cells.ok_or_else(|| Error::model(format!("row {row} is no row of this batch")))?;
        let tensor = |(at, input): (usize, &Input)| {
            let cells = &cells[input.offset..input.offset + input.width];
            input.check(cells)?;
            Ok(match batch.form.slots.get(at).and_then(|s| s.texts.as_ref()) {
                Some((Tokens::Codes(dictionary), _)) => input.tensor(cells, Some(&dictionary.levels)),
                Some((Tokens::Whole, _)) => {
                    let texts: Vec<String> = cells.iter().map(|&n| batch.texts.get(n).to_owned()).collect();
                    let numbers: Vec<f32> = (0..texts.len()).map(|at| at as f32).collect();
                    input.tensor(&numbers, Some(&texts))
                }
                None => input.tensor(cells, None),
            })
        };
        self.inputs.iter().enumerate().map(tensor).collect()
    }

    /// Contributions of columns out of those of players.
    fn explanation(&self, answer: &Sum, class: usize) -> Explanation {
        let mut contributions = vec![0.0; self.columns];
        let mut base = answer.base[class];
        for player in 0..self.players.len() {
            let part = answer.parts.get(player * answer.len() + class).copied().unwrap_or(0.0);
            let columns = self.players.columns(player);
            if columns.is_empty() {
                base += part;
            }
            for &column in columns {
                contributions[column as usize] += part / columns.len() as f64;
            }
        }
        Explanation { class, base, contributions, exact: answer.exact }
    }
}

/// How far a sum may be from a probability, and from a value as a share of the largest number in it (1 at least). The graph
/// computes in single precision, where a logit near its ends has few digits; what is wrong is far beyond.
const OF_PROBABILITY: f64 = 1e-2;
const OF_VALUE: f64 = 1e-3;

impl Explanation {
    /// Refuses a sum that is not the model's answer.
    fn adds_up_to(&self, told: f64, within: f64) -> Result<()> {
        let parts = self.contributions.iter().chain([&self.base, &told]);
        let largest = parts.fold(1.0_f64, |largest, part| largest.max(part.abs()));
        let sum = self.base + self.contributions.iter().sum::<f64>();
        // Written so that a sum that is no number fails too.
        if (sum - told).abs() <= within * largest {
            return Ok(());
        }
        Err(Error::model(format!("what the columns add leads to {sum}, the model answers {told}")))
    }
}

impl Input {
    /// Refuses what rows may hold in whole numbers and booleans, and no such tensor does.
    fn check(&self, cells: &[f32]) -> Result<()> {
        let strange = match self.kind {
            SlotKind::Int64 => cells.iter().find(|x| x.fract() != 0.0),
            SlotKind::Bool => cells.iter().find(|x| x.is_nan()),
            SlotKind::Text | SlotKind::Float => None,
        };
        let Some(strange) = strange else { return Ok(()) };
        let held = if strange.is_nan() { "no value".to_owned() } else { strange.to_string() };
        let kind = if self.kind == SlotKind::Bool { "a boolean" } else { "a whole number" };
        Err(Error::model(format!("input {} holds {held}, and explained is {kind} only", self.name)))
    }

    /// The input for one row.
    fn tensor(&self, cells: &[f32], levels: Option<&[String]>) -> Tensor {
        let dims = if self.flat { vec![1] } else { vec![1, self.width] };
        let text = |code: &f32| match levels.and_then(|levels| levels.get(*code as usize)) {
            Some(text) => text.clone(),
            // Every text the graph does not know is as good as another.
            None => "\u{1}unknown".to_owned(),
        };
        let data = match (self.kind, self.element) {
            (SlotKind::Text, _) => Data::Text(cells.iter().map(text).collect()),
            (SlotKind::Bool, _) => Data::Bool(cells.iter().map(|&x| x != 0.0).collect()),
            (SlotKind::Int64, DataType::Int32) => Data::Int32(cells.iter().map(|&x| x as i32).collect()),
            (SlotKind::Int64, DataType::Uint8) => Data::Uint8(cells.iter().map(|&x| x as u8).collect()),
            (SlotKind::Int64, _) => Data::Int64(cells.iter().map(|&x| x as i64).collect()),
            (_, DataType::Double) => Data::Double(cells.iter().map(|&x| f64::from(x)).collect()),
            _ => Data::Float(cells.to_vec()),
        };
        Tensor { dims, data }
    }
}

#[cfg(test)]
mod tests;
