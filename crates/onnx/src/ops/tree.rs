//! `TreeEnsembleClassifier` and `TreeEnsembleRegressor`.

use std::sync::{Arc, Mutex};

use super::classify::{label, label_tensor};
use super::{Inputs, Op, Operator, float, matrix, need, need_value, numbers};
use crate::attrs::Node;
use crate::error::Result;
use crate::forest::{self, BLOCK, FoldedForest, Forest, Reads, Rows};
use crate::program::{Block, Kind, Lower, Origin, Row, Shape, Source, Span, Step, Value};
use crate::scores::{Labels, Post, TreeRule};
use crate::tensor::Tensor;
use crate::work::Work;

/// How sums become a regressor's values.
#[derive(Debug)]
struct ValueRule {
    base: Vec<f32>,
    post: Post,
    /// Number of trees, when their values are averaged.
    trees: f64,
}

#[derive(Debug)]
enum Rule {
    Values(ValueRule),
    Classes(TreeRule),
}

impl Rule {
    /// Writes one row; gives its class.
    fn finish(&self, sums: &[f64], out: &mut [f32]) -> usize {
        let rule = match self {
            Self::Classes(rule) => return rule.finish(sums, out),
            Self::Values(rule) => rule,
        };
        for (target, (&sum, out)) in sums.iter().zip(out.iter_mut()).enumerate() {
            let base = rule.base.get(target).map_or(0.0, |&b| f64::from(b));
            *out = match sum.is_nan() {
                false => (sum / rule.trees + base) as f32,
                // Of several targets, one that no leaf mentions is 0, base or not.
                true if sums.len() > 1 => 0.0,
                true => base as f32,
            };
        }
        // A single value is only ever changed by PROBIT: other runtimes ignore the rest, and so do we.
        if sums.len() > 1 || rule.post == Post::Probit {
            rule.post.apply(out);
        }
        0
    }
}

/// An ensemble with what follows it.
#[derive(Debug)]
struct Ensemble {
    forest: Forest,
    rule: Rule,
}

#[derive(Debug)]
struct Trees {
    ensemble: Arc<Ensemble>,
    /// What the forest was compiled from, until the graph is.
    folded: Mutex<Option<FoldedForest>>,
    /// None for a regressor.
    labels: Option<Labels>,
}

impl Trees {
    fn new((forest, folded): (Forest, FoldedForest), rule: Rule, labels: Option<Labels>) -> Self {
        Self { ensemble: Arc::new(Ensemble { forest, rule }), folded: Mutex::new(Some(folded)), labels }
    }
}

pub(super) fn classifier(node: &Node<'_>) -> Result<Op> {
    let labels = Labels::read(node)?;
    let (forest, folded, facts) = Forest::from_node(node)?;
    let base = forest::base_values(node)?;
    if base.len() > labels.len() {
        return Err(node.error(format!("has {} base values for {} classes", base.len(), labels.len())));
    }
    let rule = Rule::Classes(TreeRule {
        base,
        post: Post::read(node)?,
        one_sum: labels.len() == 2 && facts.only_target.is_some(),
        all_positive: facts.all_positive,
    });
    Ok(Box::new(Trees::new((forest, folded), rule, Some(labels))))
}

pub(super) fn regressor(node: &Node<'_>) -> Result<Op> {
    let (forest, folded, facts) = Forest::from_node(node)?;
    let base = forest::base_values(node)?;
    if !base.is_empty() && base.len() != forest.targets() {
        return Err(node.error(format!("has {} base values for {} targets", base.len(), forest.targets())));
    }
    let average = node.text("aggregate_function")?.as_deref() == Some("AVERAGE");
    let trees = if average { facts.trees as f64 } else { 1.0 };
    let rule = Rule::Values(ValueRule { base, post: Post::read(node)?, trees });
    Ok(Box::new(Trees::new((forest, folded), rule, None)))
}

/// `TreeEnsemble` says with numbers what the others say with names, and has no base values.
pub(super) fn ensemble(node: &Node<'_>) -> Result<Op> {
    let (forest, folded, facts) = Forest::from_node(node)?;
    let post = match node.int("post_transform")?.unwrap_or(0) {
        0 => Post::None,
        1 => Post::Softmax,
        2 => Post::Logistic,
        3 => Post::SoftmaxZero,
        4 => Post::Probit,
        other => return Err(node.error(format!("post_transform {other} is unknown"))),
    };
    let average = node.int("aggregate_function")? == Some(0);
    let trees = if average { facts.trees as f64 } else { 1.0 };
    let rule = Rule::Values(ValueRule { base: Vec::new(), post, trees });
    Ok(Box::new(Trees::new((forest, folded), rule, None)))
}

impl Trees {
    fn fits(&self, width: usize) -> Result<(), String> {
        let needed = self.ensemble.forest.features();
        if width >= needed { Ok(()) } else { Err(format!("reads {needed} columns, got {width}")) }
    }

    /// The forest over what the columns of the row are made of, and the place it reads; none when it does as well
    /// with the row.
    fn through(&self, lower: &mut Lower, row: &Row) -> Option<(Forest, usize)> {
        let folded = self.folded.lock().ok()?.take()?;
        let origins = lower.origins(row)?;
        let first = origins.first()?.source;
        let beside = |(at, o): (usize, &Origin)| {
            o.is_itself() && o.source == Source { column: first.column + at, ..first }
        };
        if origins.iter().enumerate().all(beside) {
            return None;
        }
        let (folded, reads) = folded.through(&origins, lower)?;
        let forest = Forest::compile(&folded).ok()?;
        lower.spare_table(forest.set_words())?;
        Some((
            forest,
            match reads {
                Reads::Place(place) => place,
                Reads::Sources(sources) => lower.gather(&sources).ok()?,
            },
        ))
    }
}

impl Operator for Trees {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        let (rows, width) = matrix(input)?;
        self.fits(width)?;
        let values = numbers(input)?;
        let Ensemble { forest, rule } = &*self.ensemble;
        let targets = forest.targets();
        let mut words = vec![0; forest.scratch_words()];
        let mut sums = vec![0.0; targets * BLOCK];
        let mut out = vec![0.0; inputs.count(&[rows, targets])?];
        let mut classes = Vec::with_capacity(rows);
        for (block, out) in out.chunks_mut(targets * BLOCK).enumerate() {
            let count = out.len() / targets;
            let part = Rows { data: &values, offset: block * BLOCK * width, stride: width, count };
            forest.sum(part, &mut words, &mut sums);
            for (sums, out) in sums.chunks_exact(targets).zip(out.chunks_exact_mut(targets)) {
                classes.push(rule.finish(sums, out));
            }
        }
        let scores = float(vec![rows, targets], out);
        Ok(match &self.labels {
            Some(labels) => vec![label_tensor(labels, &classes), scores],
            None => vec![scores],
        })
    }

    fn work(&self, inputs: &Inputs<'_>) -> usize {
        let rows = inputs.get(0).and_then(|tensor| matrix(tensor).ok()).map_or(0, |(rows, _)| rows);
        rows.saturating_mul(self.ensemble.forest.steps())
    }

    fn sets(&self) -> usize {
        self.ensemble.forest.set_words()
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let row = lower.number(need_value(inputs, 0)?)?;
        self.fits(row.shape.matrix_width()?)?;
        let (forest, from) = self.through(lower, &row).map_or((None, row.place), |(f, from)| (Some(f), from));
        let used = forest.as_ref().unwrap_or(&self.ensemble.forest);
        let targets = used.targets();
        lower.scratch(used.scratch_words(), targets * BLOCK);
        let label = self.labels.as_ref().map(|labels| label(lower, labels)).transpose()?;
        let scores = lower.make(usize::from(label.is_some()), Shape::matrix(targets), Kind::Float)?;
        lower.push(TreeStep {
            ensemble: Arc::clone(&self.ensemble),
            forest,
            from,
            label: label.as_ref().map(|l: &Row| l.place),
            scores: scores.place,
        });
        Ok(label.into_iter().chain([scores]).map(Value::Row).collect())
    }
}

#[derive(Debug)]
struct TreeStep {
    ensemble: Arc<Ensemble>,
    /// The forest over what columns are made of, when there is one.
    forest: Option<Forest>,
    from: usize,
    label: Option<usize>,
    scores: usize,
}

impl TreeStep {
    fn forest(&self) -> &Forest {
        self.forest.as_ref().unwrap_or(&self.ensemble.forest)
    }
}

impl Step for TreeStep {
    fn reads(&self) -> Vec<Span> {
        vec![(self.from, self.forest().features())]
    }

    fn writes(&self) -> Vec<Span> {
        let scores = (self.scores, self.ensemble.forest.targets());
        [scores].into_iter().chain(self.label.map(|label| (label, 1))).collect()
    }

    fn work(&self) -> Work {
        self.forest().work()
    }

    fn run(&self, block: &mut Block<'_>) {
        let (forest, rule) = (self.forest(), &self.ensemble.rule);
        let (from, scores) = (block.places[self.from], block.places[self.scores]);
        let rows = Rows { data: block.arena, offset: from.offset, stride: from.stride, count: block.rows };
        forest.sum(rows, block.words, block.sums);
        let targets = forest.targets();
        for (row, sums) in block.sums.chunks_exact(targets).take(block.rows).enumerate() {
            let class = rule.finish(sums, &mut block.arena[scores.row(row)..][..targets]);
            if let Some(label) = self.label {
                block.arena[block.places[label].row(row)] = class as f32;
            }
        }
    }
}
