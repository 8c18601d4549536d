//! Random forests (Breiman 2001) and extremely randomised trees (Geurts, Ernst, Wehenkel 2006), ours.
//!
//! Categories become numbers: the smoothed mean of the target over the training rows of a code (one number a class
//! with several classes), by which a threshold splits a category into the sets that matter.

use super::bins::{BinColumn, Binned};
use super::grow::{Ground, Limits, grow};
use super::trees::{Derived, Link, Trees};
use super::{Fit, Job, Learner, Lots, Shared, Spread};
use crate::dataset::{Dataset, Target};
use crate::portfolio::{Candidate, Walk};
use crate::random::Random;
use crate::spec::Algorithm;
use crate::{Error, Task};

/// How a node is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Splitting {
    /// The best cut of each tried column, on a bootstrap sample.
    Best,
    /// A random cut of each tried column, on all rows.
    Random,
}

/// What a split of classes is judged by; numbers are always split by their variance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Criterion {
    Gini,
    /// The information gained.
    Entropy,
}

/// A forest configuration; of a single tree, a decision tree on all rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Forest {
    pub splitting: Splitting,
    pub criterion: Criterion,
    pub trees: usize,
    pub max_leaves: usize,
    pub min_leaf: usize,
    /// Share of the columns tried at a node; 0 = the square root of their number.
    pub share: f64,
}

/// Weight, in rows, of the overall mean in a category's number.
const CATEGORY_SMOOTHING: f64 = 10.0;
/// Classes a category gets a number for, the most frequent ones.
const CATEGORY_CLASSES: usize = 4;
/// Weight, in rows, of the class shares in a leaf.
const LEAF_SMOOTHING: f64 = 1.0;

impl Learner for Forest {
    fn name(&self) -> String {
        let kind = match self.splitting {
            _ if self.trees == 1 => "DecisionTree",
            Splitting::Best => "RandomForest",
            Splitting::Random => "ExtraTrees",
        };
        let criterion = if self.criterion == Criterion::Entropy { ", entropy" } else { "" };
        let share = if self.share > 0.0 { format!("{}", self.share) } else { "sqrt".into() };
        format!(
            "{kind} ({} trees, {} leaves, min leaf {}, features {share}{criterion})",
            self.trees, self.max_leaves, self.min_leaf
        )
    }

    fn algorithm(&self) -> Algorithm {
        match self.splitting {
            _ if self.trees == 1 => Algorithm::DecisionTree,
            Splitting::Best => Algorithm::RandomForest,
            Splitting::Random => Algorithm::ExtremeRandomTrees,
        }
    }

    fn near(&self, walk: &mut Walk<'_>) -> Option<Candidate> {
        Some(self.step(walk))
    }

    fn fit(&self, shared: &Shared<'_>, job: &Job<'_>) -> Result<Fit, Error> {
        let data = shared.data;
        let make = || Ok::<_, Error>(Binned::new(data, job.train));
        let binned = shared.binned.of(job.train, make)?;
        let (columns, derived) = columns(data, &binned, job);
        let width = data.target.width();
        let prior = prior(&data.target, job);
        let smoothing = if data.target.task == Task::Regression { 0.0 } else { LEAF_SMOOTHING };
        let entropy = self.criterion == Criterion::Entropy && data.target.task != Task::Regression;
        // A bootstrap sample is drawn by weight; rows that all take part count with theirs.
        let weights = if self.bootstrap() { &[] } else { job.weights };
        let labels = &data.target.values;
        let unit = Spread::new(&data.target, job).deviation.powi(2);
        let ground =
            Ground { columns: &columns, labels, weights, width, prior: &prior, smoothing, entropy, unit };
        let lots = Lots::new(job);
        let limits = Limits {
            max_leaves: self.max_leaves,
            min_leaf: self.min_leaf,
            tries: self.tries(columns.len()),
            random_cuts: self.splitting == Splitting::Random,
        };
        let mut trees = Vec::with_capacity(self.trees);
        for number in 0..self.trees {
            if job.stopped() {
                return Err(Error::Cancelled);
            }
            let mut random = Random::new(job.seed, 1 + number as u64);
            let rows = match self.bootstrap() {
                true => job.train.iter().map(|_| lots.draw(&mut random)).collect(),
                false => job.train.to_vec(),
            };
            trees.push(grow(&ground, limits, rows, &mut random, 1.0 / self.trees as f64));
        }
        let base = vec![0.0; width];
        let model = Trees { trees, base, link: Link::Identity, derived, per_round: 1 };
        Ok(Fit { model: Box::new(model), curve: Vec::new() })
    }
}

impl Forest {
    fn tries(&self, columns: usize) -> usize {
        let wished = if self.share > 0.0 { self.share * columns as f64 } else { (columns as f64).sqrt() };
        (wished.round() as usize).clamp(1, columns)
    }

    fn bootstrap(&self) -> bool {
        self.splitting == Splitting::Best && self.trees > 1
    }
}

/// Class shares or the mean over the rows to learn from, as many as the target is wide.
pub(super) fn prior(target: &Target, job: &Job<'_>) -> Vec<f64> {
    let mut sums = vec![0.0; target.width()];
    let mut total = 0.0;
    for &row in job.train {
        let value = target.values[row as usize];
        let weight = f64::from(job.weight(row));
        total += weight;
        if target.task == Task::Multiclass {
            sums[value as usize] += weight;
        } else {
            sums[0] += weight * f64::from(value);
        }
    }
    sums.iter().map(|s| s / total).collect()
}

/// The binned columns of a fit: numbers as they are, categories by their numbers.
fn columns(data: &Dataset, binned: &Binned, job: &Job<'_>) -> (Vec<BinColumn>, Vec<Derived>) {
    let mut columns = binned.columns.clone();
    let mut derived = Vec::new();
    for (column, feature) in data.features.iter().enumerate() {
        let Some(codes) = feature.codes() else { continue };
        let codes = Codes { column, placed: false, count: codes, values: &data.matrix.columns[column] };
        for class in classes(&data.target, job) {
            let numbers = means(&data.target, codes, class, job);
            let values: Vec<f32> = codes.values.iter().map(|&x| numbers.of(x)).collect();
            columns.push(BinColumn::new((data.features.len() + derived.len()) as u32, &values, job.train));
            derived.push(numbers);
        }
    }
    (columns, derived)
}

/// The classes categories get a number for; `None` stands for the target itself.
pub(super) fn classes(target: &Target, job: &Job<'_>) -> Vec<Option<usize>> {
    if target.task != Task::Multiclass {
        return vec![None];
    }
    let shares = prior(target, job);
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by(|&a, &b| shares[b].total_cmp(&shares[a]));
    order.into_iter().take(CATEGORY_CLASSES).map(Some).collect()
}

/// A category's codes, or places.
#[derive(Clone, Copy)]
pub(super) struct Codes<'a> {
    pub column: usize,
    pub placed: bool,
    /// How many different ones there are.
    pub count: usize,
    /// One a row.
    pub values: &'a [f32],
}

/// The smoothed mean of the target (or share of a class) over the rows of each code.
pub(super) fn means(target: &Target, codes: Codes<'_>, class: Option<usize>, job: &Job<'_>) -> Derived {
    let mut sums = vec![(0.0f64, 0.0f64); codes.count];
    let (mut total, mut weights) = (0.0, 0.0);
    for &row in job.train {
        let value = target.values[row as usize];
        let weight = f64::from(job.weight(row));
        let y = weight * class.map_or(f64::from(value), |c| f64::from(u8::from(value as usize == c)));
        total += y;
        weights += weight;
        let code = codes.values[row as usize];
        if !code.is_nan() {
            let sum = &mut sums[code as usize];
            sum.0 += weight;
            sum.1 += y;
        }
    }
    let mean = total / weights;
    let smooth = |(n, s): (f64, f64)| ((s + CATEGORY_SMOOTHING * mean) / (n + CATEGORY_SMOOTHING)) as f32;
    let values = sums.into_iter().map(smooth).collect();
    Derived { column: codes.column as u32, placed: codes.placed, values, unknown: mean as f32 }
}
