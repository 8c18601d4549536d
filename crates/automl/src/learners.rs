//! Learners behind one trait: fit on a fold, predict, write oneself into a graph.

mod bins;
mod boost;
mod constant;
mod design;
mod encode;
mod forest;
mod grow;
mod kernel;
mod linear;
mod minimize;
mod mlp;
mod svm;
mod trees;

pub(crate) use boost::{Boost, Growth, Handling};
pub(crate) use constant::Constant;
pub(crate) use design::{Number, REACH};
pub(crate) use forest::{Criterion, Forest, Splitting};
pub(crate) use linear::{Linear, LinearModel, residuals};
pub(crate) use mlp::Mlp;
pub(crate) use svm::{Kernel, Svm};
pub(crate) use trees::{CodeSet, Link, Node, Test, Tree, Trees, has, logistic};

use crate::control::Control;
use crate::dataset::{Dataset, Matrix, Target};
use crate::export::Sheet;
use crate::portfolio::{Candidate, Walk};
use crate::random::Random;
use crate::spec::Algorithm;
use crate::{Error, Task};
use hessboost::prelude::DMatrix;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

/// Products of two numbers that take as long as a walk through a tree, roughly.
const PRODUCTS_PER_TREE: usize = 64;

/// What all fits of a search share: the data and its encoded forms, each made once when first asked for. Numbers are cut
/// by the rows of a fit alone, once for all fits that learn from the same rows.
pub(crate) struct Shared<'a> {
    pub data: &'a Dataset,
    native: OnceLock<Result<DMatrix, String>>,
    one_hot: OnceLock<Result<DMatrix, String>>,
    cut_native: Kept<DMatrix>,
    cut_one_hot: Kept<DMatrix>,
    binned: Kept<bins::Binned>,
}

impl<'a> Shared<'a> {
    /// Shares `data`.
    pub(crate) fn new(data: &'a Dataset) -> Self {
        Self {
            data,
            native: OnceLock::new(),
            one_hot: OnceLock::new(),
            cut_native: Kept::default(),
            cut_one_hot: Kept::default(),
            binned: Kept::default(),
        }
    }
}

/// What was made of some rows.
struct Kept<T>(Mutex<HashMap<Box<[u32]>, Arc<T>>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Kept<T> {
    /// What was made of these rows before, or is made now.
    fn of<E>(&self, rows: &[u32], make: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = lock().get(rows) {
            return Ok(Arc::clone(kept));
        }
        // Not under the lock: others go on. Whoever comes first is kept.
        let made = Arc::new(make()?);
        Ok(Arc::clone(lock().entry(rows.into()).or_insert(made)))
    }
}

/// One fit.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    /// Rows to learn from, ascending.
    pub train: &'a [u32],
    /// Rows to watch while boosting; empty in the final fit.
    pub valid: &'a [u32],
    /// Rounds of a boosting fit without `valid`.
    pub rounds: usize,
    /// Weight of each row of the dataset; empty when all are equal.
    pub weights: &'a [f32],
    /// Seed of this fit.
    pub seed: u64,
    /// Stopping and signs of life.
    pub control: &'a Control,
    /// When this fit is given up, whatever the search has left.
    pub until: Option<Instant>,
}

impl Job<'_> {
    /// The weight of a row of the dataset.
    pub(crate) fn weight(&self, row: u32) -> f32 {
        self.weights.get(row as usize).copied().unwrap_or(1.0)
    }

    /// Whether this fit must be given up.
    pub(crate) fn stopped(&self) -> bool {
        self.control.pulse();
        self.control.cancelled() || self.control.closed() || self.control.late() || is_over(self.until)
    }
}

/// Rows to learn from, drawn with replacement by their weights.
pub(crate) struct Lots<'a> {
    train: &'a [u32],
    /// Running sums of the weights; empty when all are equal.
    sums: Vec<f64>,
}

impl<'a> Lots<'a> {
    /// The lots of a job.
    pub(crate) fn new(job: &Job<'a>) -> Self {
        let mut sum = 0.0;
        let add = |row: &u32| {
            sum += f64::from(job.weight(*row));
            sum
        };
        let sums = if job.weights.is_empty() { Vec::new() } else { job.train.iter().map(add).collect() };
        Self { train: job.train, sums }
    }

    /// One row.
    pub(crate) fn draw(&self, random: &mut Random) -> u32 {
        let Some(last) = self.sums.last() else { return self.train[random.below(self.train.len())] };
        let at = random.unit() * last;
        self.train[self.sums.partition_point(|&s| s <= at).min(self.train.len() - 1)]
    }
}

/// Whether a moment is over.
pub(crate) fn is_over(until: Option<Instant>) -> bool {
    until.is_some_and(|until| Instant::now() >= until)
}

/// A fitted model and how it came about.
pub(crate) struct Fit {
    pub model: Box<dyn Fitted>,
    /// Loss on the watched rows after each round; empty for learners without rounds.
    pub curve: Vec<f64>,
}

/// A learner with its configuration.
pub(crate) trait Learner: Send + Sync {
    /// Name and configuration in one line.
    fn name(&self) -> String;
    /// The algorithm, one of [`crate::algorithm_names`], by which it is allowed and blocked.
    fn algorithm(&self) -> Algorithm;
    /// A configuration near this one, for a search around it; `None` when there is nothing to vary.
    fn near(&self, walk: &mut Walk<'_>) -> Option<Candidate> {
        let _ = walk;
        None
    }
    /// Fits the model; [`Error::Cancelled`] when the job was stopped.
    fn fit(&self, shared: &Shared<'_>, job: &Job<'_>) -> Result<Fit, Error>;
}

/// A fitted model.
pub(crate) trait Fitted: Send + Sync {
    /// Predictions for every row of `matrix` (which has all columns of the dataset): the second class's probability,
    /// one probability a class, or the value; row-major, as wide as the target.
    fn predict(&self, matrix: &Matrix) -> Vec<f32>;
    /// Keeps the first `rounds` rounds.
    fn cut(&mut self, rounds: usize) {
        let _ = rounds;
    }
    /// Rounds or trees in the model.
    fn rounds(&self) -> usize {
        0
    }
    /// What a row's prediction costs, in trees that are walked.
    fn work(&self) -> usize {
        self.rounds()
    }
    /// Nodes the model takes in a file, comparisons of category sets counted one by one.
    fn size(&self) -> usize {
        0
    }
    /// Numbers that a compiled file keeps of each row for the model, beside the features, of which there are so many: an upper
    /// bound.
    fn width(&self, features: usize) -> usize {
        let _ = features;
        0
    }
    /// Adds the model to a graph and returns the name of its predictions, `[N, width]`.
    fn export(&self, sheet: &mut Sheet<'_>) -> Result<String, Error>;
}

/// Mean and deviation of a number to predict, so that learners see standardised ones; 0 and 1 for classes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spread {
    mean: f64,
    deviation: f64,
}

impl Spread {
    /// Of the rows to learn from.
    fn new(target: &Target, job: &Job<'_>) -> Self {
        if target.task != Task::Regression {
            return Self { mean: 0.0, deviation: 1.0 };
        }
        let pairs =
            job.train.iter().map(|&r| (f64::from(target.values[r as usize]), f64::from(job.weight(r))));
        let total: f64 = pairs.clone().map(|(_, w)| w).sum();
        let mean = pairs.clone().map(|(y, w)| y * w).sum::<f64>() / total;
        let variance = pairs.map(|(y, w)| (y - mean).powi(2) * w).sum::<f64>() / total;
        Self { mean, deviation: if variance > 0.0 { variance.sqrt() } else { 1.0 } }
    }

    /// A standardised label.
    fn standard(&self, y: f32) -> f32 {
        ((f64::from(y) - self.mean) / self.deviation) as f32
    }
}

/// The error of a learner that failed.
pub(crate) fn failed(learner: &str, error: impl std::fmt::Display) -> Error {
    Error::Learner { learner: learner.to_owned(), detail: error.to_string() }
}

#[cfg(test)]
mod tests;
