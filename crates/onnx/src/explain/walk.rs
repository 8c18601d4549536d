//! One row through the graph.

use super::rules::Rule;
use super::trees::Shap;
use super::value::{NOBODY, Players, Sum, TOTAL, Value, room};
use super::{Explainer, Node, quadrature};
use crate::limits;
use crate::ops::{Inputs, broadcast_places, float, numbers};
use crate::tensor::{Data, Tensor};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Columns that an operator of unknown inside may mix.
const MIXED: usize = 4;
/// Why a graph of very many sums is not explained.
const TOO_MUCH: &str = "the columns add to more values than can be explained";
/// Points of the integrals along a way.
const POINTS: usize = 32;

/// A walk.
pub(super) struct Walk<'a> {
    explainer: &'a Explainer,
    pub players: Players,
    pub values: HashMap<String, Value>,
    /// Sums, by name, of what linear operators read: when means are taken.
    pub record: Option<BTreeMap<String, Vec<f64>>>,
    /// Names whose values of this row are in the sums.
    noted: HashSet<String>,
    /// What nodes gave for the first row, where other rows tell nothing new: when means are taken.
    settled: HashMap<usize, Vec<Value>>,
    /// Trees that were laid out, with their node.
    pub trees: Vec<(usize, Shap)>,
    laying: bool,
    points: Vec<(f64, f64)>,
    hot: Vec<bool>,
}

type Made = Result<Vec<Value>, String>;

impl<'a> Walk<'a> {
    pub fn new(explainer: &'a Explainer) -> Self {
        Self {
            explainer,
            players: explainer.players.clone(),
            values: HashMap::new(),
            record: None,
            noted: HashSet::new(),
            settled: HashMap::new(),
            trees: Vec::new(),
            laying: false,
            points: quadrature::points(POINTS),
            hot: Vec::new(),
        }
    }

    /// Walks a row and gives the answer as a sum.
    pub fn run(mut self, row: Vec<Tensor>) -> Result<Arc<Sum>, Arc<str>> {
        self.go(row);
        let width = self.explainer.classes.unwrap_or(1);
        let mut why: Arc<str> = "no output is a sum of what the columns add".into();
        for name in &self.explainer.outputs {
            match self.values.get(name) {
                Some(Value::Sum(sum)) if sum.len() == width => return Ok(Arc::clone(sum)),
                Some(Value::Opaque(reason)) => why = Arc::clone(reason),
                _ => {}
            }
        }
        Err(why)
    }

    /// Walks a row only to lay out the trees for the players of their columns.
    pub fn lay_out(&mut self, row: Vec<Tensor>) {
        self.laying = true;
        self.go(row);
    }

    /// Walks a row.
    pub fn go(&mut self, row: Vec<Tensor>) {
        let explainer = self.explainer;
        self.noted.clear();
        self.values.extend(explainer.constants.iter().map(|(n, t)| (n.clone(), Value::Const(Arc::clone(t)))));
        self.values.extend(explainer.enter(row));
        let mut held = 0_usize;
        for (at, node) in explainer.nodes.iter().enumerate() {
            let made = match self.settled.get(&at) {
                Some(made) => made.clone(),
                None if held > TOTAL => vec![Value::Opaque(TOO_MUCH.into()); node.outputs.len()],
                None => self.made_by(at, node),
            };
            let parts = |value: &Value| if let Value::Sum(sum) = value { sum.parts.len() } else { 0 };
            held = held.saturating_add(made.iter().map(parts).sum());
            for (name, value) in node.outputs.iter().zip(made).filter(|(n, _)| !n.is_empty()) {
                self.values.insert(name.clone(), value);
            }
        }
    }

    fn made_by(&mut self, at: usize, node: &Node) -> Vec<Value> {
        let made = self.node(at, node);
        // Means are taken of what comes straight from inputs. Trees tell nothing of it, nor what is made of sums alone,
        // and what can't be explained can't be for any row.
        let straight = node.inputs.iter().any(|n| matches!(self.values.get(n), Some(Value::Plain { .. })));
        let settled = made.is_err() || !straight || matches!(node.rule, Rule::Trees(_));
        let made = made.unwrap_or_else(|why| {
            let why: Arc<str> = format!("{} {why}", node.label).into();
            vec![Value::Opaque(why); node.outputs.len()]
        });
        if settled && self.record.is_some() {
            self.settled.insert(at, made.clone());
        }
        made
    }

    fn node(&mut self, at: usize, node: &Node) -> Made {
        let inputs: Vec<Option<Value>> = node.inputs.iter().map(|n| self.values.get(n).cloned()).collect();
        if let Some(Value::Opaque(why)) = inputs.iter().flatten().find(|v| matches!(v, Value::Opaque(_))) {
            return Ok(vec![Value::Opaque(Arc::clone(why)); node.outputs.len()]);
        }
        if inputs.iter().flatten().all(|v| matches!(v, Value::Const(_))) {
            let tensors = tensors(&inputs);
            return Ok(run(node, &tensors)?.into_iter().map(|t| Value::Const(Arc::new(t))).collect());
        }
        let sums = inputs.iter().flatten().any(|v| matches!(v, Value::Sum(_)));
        match (&node.rule, inputs.first()) {
            (Rule::Trees(trees), Some(Some(Value::Plain { tensor, players }))) => {
                if self.laying {
                    self.trees.push((at, trees.prepared(players)?));
                } else if self.record.is_none() && !trees.is_laid() {
                    trees.prepared(players)?;
                }
                let made =
                    trees.apply(&numbers(tensor)?, self.players.len(), (&mut self.hot, &self.points))?;
                Ok(made.into_iter().map(|sum| Value::Sum(Arc::new(sum))).collect())
            }
            (rule, _) if sums || rule.adds() => self.additive(node, &inputs),
            _ => self.plain(node, &inputs),
        }
    }

    /// An operator on values that are, at least some of them, sums.
    fn additive(&mut self, node: &Node, inputs: &[Option<Value>]) -> Made {
        let held = match node.rule {
            Rule::Moves(held) => held,
            _ => usize::MAX,
        };
        let mut sums = Vec::with_capacity(inputs.len());
        for (name, input) in node.inputs.iter().zip(inputs).take(held) {
            sums.push(match input {
                Some(value) => Some(self.sum(name, value)?),
                None => None,
            });
        }
        if inputs.iter().skip(sums.len()).flatten().any(|v| !matches!(v, Value::Const(_))) {
            return Err("picks by what the row says".to_owned());
        }
        let rest: Vec<Option<&Tensor>> = tensors(inputs).into_iter().skip(sums.len()).collect();
        let on = |given: &[Tensor]| {
            let all: Vec<Option<&Tensor>> = given.iter().map(Some).chain(rest.iter().copied()).collect();
            run(node, &all)
        };
        let made = node.rule.apply(&sums, &on, &self.points)?;
        Ok(made.into_iter().map(|sum| Value::Sum(Arc::new(sum))).collect())
    }

    /// A value as a sum: what comes from inputs is its mean and each column's distance from it; of a file without means, the
    /// distance from zero, which does not count as exact.
    fn sum(&mut self, name: &str, value: &Value) -> Result<Sum, String> {
        // Means need no parts.
        let count = if self.record.is_some() { 0 } else { self.players.len() };
        let (tensor, players) = match value {
            Value::Sum(sum) => return Ok((**sum).clone()),
            Value::Const(tensor) => return constant(tensor, count),
            Value::Plain { tensor, players } => (tensor, players),
            Value::Opaque(why) => return Err(why.to_string()),
        };
        let values: Vec<f64> = numbers(tensor)?.iter().map(|&x| f64::from(x)).collect();
        room(count, values.len())?;
        if let Some(record) = &mut self.record {
            // Once a row, however many nodes read it.
            if !self.noted.insert(name.to_owned()) {
                return Ok(Sum::constant(tensor.dims.clone(), values, count));
            }
            let sums = record.entry(name.to_owned()).or_insert_with(|| vec![0.0; values.len()]);
            sums.iter_mut().zip(&values).for_each(|(s, x)| *s += x);
            return Ok(Sum::constant(tensor.dims.clone(), values, count));
        }
        let means = match self.explainer.means.get(name) {
            Some(means) if means.len() == values.len() => means.clone(),
            Some(means) => {
                let (held, read) = (means.len(), values.len());
                return Err(format!("reads {read} values as {name:?}, of which the file holds {held} means"));
            }
            None => vec![0.0; values.len()],
        };
        let mut sum = Sum::constant(tensor.dims.clone(), means.clone(), count);
        sum.exact = self.explainer.means.contains_key(name);
        for (e, ((x, mean), &player)) in values.iter().zip(&means).zip(players.iter()).enumerate() {
            if player == NOBODY {
                sum.base[e] = *x;
            } else if let Some(part) = sum.parts.get_mut(player as usize * values.len() + e) {
                *part = x - mean;
            }
        }
        Ok(sum)
    }

    /// An operator on values made from inputs: it is run, and its results' columns are found.
    fn plain(&mut self, node: &Node, inputs: &[Option<Value>]) -> Made {
        let mut made = run(node, &tensors(inputs))?;
        if let Rule::Splits = node.rule {
            made.iter_mut().take(1).for_each(fill);
        }
        let own: Vec<Arc<[u32]>> = inputs.iter().flatten().map(owners).collect();
        let players: Vec<Vec<u32>> = match &node.rule {
            Rule::Moves(held)
                if inputs.iter().skip(*held).flatten().all(|v| matches!(v, Value::Const(_))) =>
            {
                self.moved(node, inputs, *held)?
            }
            rule => {
                made.iter().map(|tensor| self.made(rule, (inputs, &own), tensor)).collect::<Result<_, _>>()?
            }
        };
        let value = |(tensor, players): (Tensor, Vec<u32>)| {
            if players.len() == tensor.data.len() {
                Value::Plain { tensor: Arc::new(tensor), players: players.into() }
            } else {
                Value::Opaque(format!("{} has an unexpected shape", node.label).into())
            }
        };
        Ok(made.into_iter().zip(players).map(value).collect())
    }

    /// Players of elements that are only put elsewhere: the operator is run on the players' numbers.
    fn moved(&self, node: &Node, inputs: &[Option<Value>], held: usize) -> Result<Vec<Vec<u32>>, String> {
        let marks: Vec<Tensor> = inputs
            .iter()
            .take(held)
            .flatten()
            .map(|value| {
                let numbers = owners(value).iter().map(|&p| p as f32).collect();
                float(dims(value), numbers)
            })
            .collect();
        let rest = tensors(inputs);
        let all: Vec<Option<&Tensor>> =
            marks.iter().map(Some).chain(rest.iter().skip(marks.len()).copied()).collect();
        run(node, &all)?
            .iter()
            .map(|tensor| Ok(numbers(tensor)?.iter().map(|&n| n as u32).collect()))
            .collect()
    }

    /// Players of one result.
    fn made(
        &mut self,
        rule: &Rule,
        (inputs, own): (&[Option<Value>], &[Arc<[u32]>]),
        tensor: &Tensor,
    ) -> Result<Vec<u32>, String> {
        let count = tensor.data.len();
        let first = own.first().filter(|o| !o.is_empty()).ok_or("has no input")?;
        match rule {
            // Looked up in a constant by what the row says.
            Rule::Moves(1) if own.len() > 1 && own[1].len() == count => return Ok(own[1].to_vec()),
            Rule::Keeps | Rule::Curve(_) if first.len() == count => return Ok(first.to_vec()),
            Rule::Widens if count.is_multiple_of(first.len()) => {
                return Ok((0..count).map(|e| first[e / (count / first.len())]).collect());
            }
            Rule::Meets(_) => {
                let places: Vec<Vec<usize>> =
                    inputs.iter().flatten().map(|v| broadcast_places(&dims(v), &tensor.dims)).collect();
                let mut set = Vec::new();
                return Ok((0..count)
                    .map(|e| {
                        set.clear();
                        set.extend(own.iter().zip(&places).map(|(o, p)| o[p[e]]).filter(|&p| p != NOBODY));
                        set.sort_unstable();
                        set.dedup();
                        if set.is_empty() { NOBODY } else { self.players.union(&set) }
                    })
                    .collect());
            }
            _ => {}
        }
        let mut all: Vec<u32> = own.iter().flat_map(|o| o.iter().copied()).filter(|&p| p != NOBODY).collect();
        all.sort_unstable();
        all.dedup();
        let player = self.players.union(&all);
        let columns = self.players.columns(player as usize).len();
        if columns > MIXED {
            return Err(format!("mixes {columns} columns in a way that is no sum"));
        }
        Ok(vec![player; count])
    }
}

/// Runs an operator.
fn run(node: &Node, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, String> {
    let op = node.op.as_ref().ok_or("reads the same for every row")?;
    let mut made = op.run(&Inputs::new(inputs.to_vec(), limits::FOLDED_INPUT))?;
    // Some give more than the node names.
    made.truncate(node.outputs.len());
    Ok(made)
}

/// Gives texts without a word an empty one: what is made of it must belong to their column too.
fn fill(words: &mut Tensor) {
    if let ([rows @ .., width @ 0], Data::Text(texts)) = (words.dims.as_mut_slice(), &mut words.data) {
        *width = 1;
        texts.resize(rows.iter().product(), String::new());
    }
}

fn constant(tensor: &Tensor, players: usize) -> Result<Sum, String> {
    let values: Vec<f64> = numbers(tensor)?.iter().map(|&x| f64::from(x)).collect();
    // A matrix on the right of a product is as large as it is, but nobody adds to it.
    let players = if room(players, values.len()).is_ok() { players } else { 0 };
    Ok(Sum::constant(tensor.dims.clone(), values, players))
}

fn tensors(inputs: &[Option<Value>]) -> Vec<Option<&Tensor>> {
    inputs
        .iter()
        .map(|value| match value {
            Some(Value::Const(tensor) | Value::Plain { tensor, .. }) => Some(&**tensor),
            _ => None,
        })
        .collect()
}

fn dims(value: &Value) -> Vec<usize> {
    match value {
        Value::Const(tensor) | Value::Plain { tensor, .. } => tensor.dims.clone(),
        Value::Sum(sum) => sum.dims.clone(),
        Value::Opaque(_) => Vec::new(),
    }
}

fn owners(value: &Value) -> Arc<[u32]> {
    match value {
        Value::Plain { players, .. } => Arc::clone(players),
        Value::Const(tensor) => vec![NOBODY; tensor.data.len()].into(),
        Value::Sum(sum) => vec![NOBODY; sum.len()].into(),
        Value::Opaque(_) => Arc::new([]),
    }
}
