//! Gradient boosted trees on hessboost.
//!
//! Categories enter natively (set splits) or as one column a code. Validation loss is watched every round; the
//! common best round of all folds is chosen in `search`. hessboost sends the categories of a set split left.

use super::encode::{Encoded, ONE_HOT, encode};
use super::forest::prior;
use super::trees::{Link, Node, Test, Tree, Trees, code_set};
use super::{Fit, Job, Learner, Shared, Spread, failed};
use crate::dataset::{Dataset, Feature, Target};
use crate::portfolio::{Candidate, Walk};
use crate::spec::Algorithm;
use crate::{Error, Task};
use hessboost::data::FeatureType;
use hessboost::model::BoostedModel;
use hessboost::prelude::{DMatrix, Trainer, TrainingParams};
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::sync::Arc;

/// How categories are shown to the booster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handling {
    /// Set splits on codes.
    Native,
    /// One 0/1 column a code.
    OneHot,
    /// The cross-fitted mean of the target a code, for categories of many codes; the others one-hot.
    Target,
}

/// How a tree grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Growth {
    /// Best leaf first, up to this many leaves.
    Leaves(usize),
    /// Level by level, up to this depth.
    Depth(usize),
    /// One split a level (oblivious trees), of this depth; needs [`Handling::OneHot`].
    Symmetric(usize),
}

/// A boosting configuration; the names are XGBoost's.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Boost {
    pub handling: Handling,
    pub growth: Growth,
    pub eta: f64,
    /// Rows a child needs, turned into a Hessian sum.
    pub min_rows: f64,
    pub subsample: f64,
    /// Share of columns a tree.
    pub bytree: f64,
    /// Share of columns a level.
    pub bylevel: f64,
    pub alpha: f64,
    pub lambda: f64,
    /// One random threshold a column and node.
    pub extra: bool,
    /// Rounds at most.
    pub max_rounds: usize,
}

impl Default for Boost {
    /// LightGBM-like defaults, native categories.
    fn default() -> Self {
        Self {
            handling: Handling::Native,
            growth: Growth::Leaves(31),
            eta: 0.05,
            min_rows: 20.0,
            subsample: 1.0,
            bytree: 1.0,
            bylevel: 1.0,
            alpha: 0.0,
            lambda: 1.0,
            extra: false,
            max_rounds: 1000,
        }
    }
}

/// Rounds without improvement after which a fold stops: this, plus a share of the best round.
const PATIENCE: usize = 30;
const PATIENCE_SHARE: f64 = 0.15;
/// In so many rounds the loss must fall by this share of itself, and by this share of the first round's.
const WINDOW: usize = 50;
const LEAST_GAIN: f64 = 1e-3;
const LEAST_FALL: f64 = 2e-4;
/// A child's Hessian sum is never below this.
const MIN_HESSIAN: f64 = 1e-3;

impl Learner for Boost {
    fn name(&self) -> String {
        let shape = match self.growth {
            Growth::Leaves(n) => format!("{n} leaves"),
            Growth::Depth(d) => format!("depth {d}"),
            Growth::Symmetric(d) => format!("symmetric depth {d}"),
        };
        let extra = if self.extra { "extra-random " } else { "" };
        let handling = match self.handling {
            Handling::Native => "native categories",
            Handling::OneHot => "one-hot",
            Handling::Target => "target means",
        };
        let eta = (self.eta * 1e4).round() / 1e4;
        format!("GradientBoosting ({extra}{shape}, rate {eta}, {handling})")
    }

    fn algorithm(&self) -> Algorithm {
        match self.growth {
            Growth::Leaves(_) => Algorithm::LightGbm,
            Growth::Depth(_) => Algorithm::XgBoost,
            Growth::Symmetric(_) => Algorithm::GradientBoosting,
        }
    }

    fn near(&self, walk: &mut Walk<'_>) -> Option<Candidate> {
        Some(self.step(walk))
    }

    fn fit(&self, shared: &Shared<'_>, job: &Job<'_>) -> Result<Fit, Error> {
        let wrap = |error: hessboost::prelude::HessboostError| failed(&self.name(), error);
        let encoded = (self.handling == Handling::Target).then(|| encode(shared.data, job));
        let own = encoded.as_ref().map(|e| matrix(shared.data, self.handling, Some(e))).transpose();
        let own = own.map_err(wrap)?;
        let matrix = match &own {
            Some(own) => own,
            None => shared.boosting(self.handling).map_err(|e| failed(&self.name(), e))?,
        };
        let unit = unit(&shared.data.target, job);
        let view = |rows: &[u32]| some_rows(matrix, rows, (&shared.data.target, unit));
        let params = TrainingParams::from_xgboost(self.params(shared.data, job)).map_err(wrap)?;
        let train = match self.handling {
            Handling::Target => view(job.train).map(Arc::new),
            Handling::Native => shared.cut_native.of(job.train, || view(job.train)),
            Handling::OneHot => shared.cut_one_hot.of(job.train, || view(job.train)),
        };
        let train = train.map_err(wrap)?;
        let mut curve = Vec::new();
        let mut stopped = false;
        let rounds = if job.valid.is_empty() { job.rounds.max(1) } else { self.max_rounds };
        let model = if job.valid.is_empty() {
            let hook = |_: hessboost::training::RoundEval<'_>| go(job.stopped(), &mut stopped);
            Trainer::new(&params, train.as_ref(), rounds).on_round(hook).train().map_err(wrap)?.model
        } else {
            let valid = view(job.valid).map_err(wrap)?;
            let mut watch = Watch::default();
            let hook = |round: hessboost::training::RoundEval<'_>| {
                let loss = round.values().last().copied().unwrap_or(f64::NAN);
                curve.push(loss * f64::from(unit));
                if watch.exhausted(loss) { ControlFlow::Break(()) } else { go(job.stopped(), &mut stopped) }
            };
            let trainer = Trainer::new(&params, train.as_ref(), rounds).eval(&valid, "valid").on_round(hook);
            trainer.train().map_err(wrap)?.model
        };
        if stopped {
            return Err(Error::Cancelled);
        }
        let trees = convert(&model, shared.data, (self.handling, encoded), unit);
        Ok(Fit { model: Box::new(trees), curve })
    }
}

/// Goes on, or notes that the fit was stopped and ends it.
fn go(stop: bool, stopped: &mut bool) -> ControlFlow<()> {
    if stop {
        *stopped = true;
        return ControlFlow::Break(());
    }
    ControlFlow::Continue(())
}

/// Watches a falling loss.
#[derive(Default)]
struct Watch {
    /// The best loss up to each round.
    best: Vec<f64>,
    /// Round of the best loss, from 1.
    at: usize,
}

impl Watch {
    /// Takes the next loss; says whether it has not fallen for too long, or falls too slowly to be worth its trees.
    fn exhausted(&mut self, loss: f64) -> bool {
        let best = self.best.last().copied().unwrap_or(f64::INFINITY);
        self.best.push(loss.min(best));
        let round = self.best.len();
        if loss < best {
            self.at = round;
        } else if round - self.at > PATIENCE + (self.at as f64 * PATIENCE_SHARE) as usize {
            return true;
        }
        let Some(before) = round.checked_sub(WINDOW + 1).map(|r| self.best[r]) else { return false };
        before - best.min(loss) < (before * LEAST_GAIN).max(self.best[0] * LEAST_FALL)
    }
}

impl Boost {
    fn params(&self, data: &Dataset, job: &Job<'_>) -> Vec<(&'static str, Value)> {
        let mut params = vec![
            ("nthread", json!(1)),
            ("seed", json!(job.seed)),
            ("tree_method", json!("hist")),
            ("max_bin", json!(255)),
            ("eta", json!(self.eta)),
            ("min_child_weight", json!(self.hessian(data, job))),
            ("subsample", json!(self.subsample)),
            ("colsample_bytree", json!(self.bytree)),
            ("colsample_bylevel", json!(self.bylevel)),
            // Gradients of numbers are as large as the numbers: an absolute pull at them would mean another thing each time.
            ("alpha", json!(if data.target.task == Task::Regression { 0.0 } else { self.alpha })),
            ("lambda", json!(self.lambda)),
        ];
        match self.growth {
            Growth::Leaves(n) => params.extend([
                ("grow_policy", json!("lossguide")),
                ("max_leaves", json!(n)),
                ("max_depth", json!(0)),
            ]),
            Growth::Depth(d) => params.push(("max_depth", json!(d))),
            Growth::Symmetric(d) => {
                params.extend([("grow_policy", json!("symmetric")), ("max_depth", json!(d))]);
            }
        }
        if self.extra {
            params.extend([("extra_trees", json!(true)), ("extra_seed", json!(job.seed))]);
        }
        params.extend(match data.target.task {
            Task::Binary => {
                vec![("objective", json!("binary:logistic")), ("eval_metric", json!(["logloss"]))]
            }
            Task::Regression => {
                vec![("objective", json!("reg:squarederror")), ("eval_metric", json!(["rmse"]))]
            }
            Task::Multiclass => vec![
                ("objective", json!("multi:softprob")),
                ("num_class", json!(data.target.class_count())),
                ("eval_metric", json!(["mlogloss"])),
            ],
        });
        params
    }

    /// The Hessian sum of `min_rows` rows: rows for squared error, half of what they have at the class shares
    /// otherwise (it shrinks as the fit gets surer).
    fn hessian(&self, data: &Dataset, job: &Job<'_>) -> f64 {
        let share = |p: f64| p * (1.0 - p);
        let per_row = match data.target.task {
            Task::Regression => return self.min_rows,
            Task::Binary => share(prior(&data.target, job)[0]),
            Task::Multiclass => share(1.0 / data.target.class_count() as f64),
        };
        (0.5 * self.min_rows * per_row).max(MIN_HESSIAN)
    }
}

impl Shared<'_> {
    /// The whole table in the form boosting reads.
    fn boosting(&self, handling: Handling) -> Result<&DMatrix, String> {
        let cell = match handling {
            Handling::Native => &self.native,
            Handling::OneHot | Handling::Target => &self.one_hot,
        };
        let make = || matrix(self.data, handling, None).map_err(|e| e.to_string());
        cell.get_or_init(make).as_ref().map_err(Clone::clone)
    }
}

/// Where a booster's column comes from.
#[derive(Clone, Copy)]
struct Origin {
    column: usize,
    /// The code a 0/1 column stands for.
    code: Option<u32>,
}

fn origins(features: &[Feature], handling: Handling, encoded: Option<&Encoded>) -> Vec<Origin> {
    let of = |(column, feature): (usize, &Feature)| match feature.codes() {
        Some(codes)
            if handling == Handling::OneHot
                || (handling == Handling::Target && feature.told_apart() <= Some(ONE_HOT)) =>
        {
            (0..codes as u32).map(|code| Origin { column, code: Some(code) }).collect()
        }
        Some(_) if handling == Handling::Target => Vec::new(),
        _ => vec![Origin { column, code: None }],
    };
    let own = features.iter().enumerate().flat_map(of);
    let derived = 0..encoded.map_or(0, |e| e.derived.len());
    own.chain(derived.map(|d| Origin { column: features.len() + d, code: None })).collect()
}

fn matrix(
    data: &Dataset,
    handling: Handling,
    encoded: Option<&Encoded>,
) -> hessboost::prelude::Result<DMatrix> {
    let origins = origins(&data.features, handling, encoded);
    let extra = encoded.map_or(&[][..], |e| e.columns.as_slice());
    let columns: Vec<&Vec<f32>> = data.matrix.columns.iter().chain(extra).collect();
    let value = |row: usize, o: &Origin| {
        let x = columns[o.column][row];
        o.code.map_or(x, |code| f32::from(u8::from(x == code as f32)))
    };
    let mut values = Vec::with_capacity(data.rows() * origins.len());
    (0..data.rows()).for_each(|row| values.extend(origins.iter().map(|o| value(row, o))));
    let kind = |o: &Origin| {
        let feature = data.features.get(o.column);
        let native = o.code.is_none() && feature.is_some_and(|f| f.codes().is_some());
        if native { FeatureType::Categorical } else { FeatureType::Numerical }
    };
    let types: Vec<FeatureType> = origins.iter().map(kind).collect();
    let matrix = DMatrix::from_dense_vec(values, data.rows(), origins.len())?
        .with_feature_types(&types)?
        .with_labels(&data.target.values)?;
    match data.marks.weights.as_slice() {
        [] => Ok(matrix),
        weights => matrix.with_weights(weights),
    }
}

/// The power of two nearest to the deviation of the numbers to predict; 1 for classes. Trees are grown on numbers in this
/// unit, so that what counts as a gain means the same at any scale, and multiplying by it is exact.
fn unit(target: &Target, job: &Job<'_>) -> f32 {
    2.0f32.powi((Spread::new(target, job).deviation.log2().round() as i32).clamp(-100, 100))
}

/// Some rows of a matrix, whose numbers are cut by these rows alone.
fn some_rows(
    matrix: &DMatrix,
    rows: &[u32],
    (target, unit): (&Target, f32),
) -> hessboost::prelude::Result<DMatrix> {
    let places: Vec<usize> = rows.iter().map(|&r| r as usize).collect();
    let labels: Vec<f32> = places.iter().map(|&r| target.values[r] / unit).collect();
    matrix.select_rows(&places)?.with_labels(&labels)
}

/// The booster's trees in our form.
fn convert(
    model: &BoostedModel,
    data: &Dataset,
    (handling, encoded): (Handling, Option<Encoded>),
    unit: f32,
) -> Trees {
    let origins = origins(&data.features, handling, encoded.as_ref());
    let outputs = model.n_outputs();
    let trees = model.trees().iter().zip(model.tree_outputs()).map(|(tree, output)| {
        let mut out = Tree { output: Some(output.start as u32), ..Tree::default() };
        for (id, node) in tree.nodes().iter().enumerate() {
            out.covers.push(node.sum_hess);
            if node.is_leaf() {
                out.nodes.push(Node::Leaf(out.values.len() as u32));
                out.values.push(node.leaf_value * unit);
                continue;
            }
            let origin = origins[node.split_feature as usize];
            let column = origin.column as u32;
            let (left, right) = (node.left as u32, node.right as u32);
            out.nodes.push(match origin.code {
                // The 0/1 column is below the threshold when the code is another one, and when it is unknown.
                Some(code) => {
                    let test = Test::Among(code_set(&[code]));
                    Node::Inner { column, test, missing_left: false, left: right, right: left }
                }
                None => {
                    let test = if node.is_categorical {
                        Test::Among(code_set(tree.split_categories(id)))
                    } else {
                        Test::Less(node.split_cond)
                    };
                    Node::Inner { column, test, missing_left: node.default_left, left, right }
                }
            });
        }
        out
    });
    let link = match data.target.task {
        Task::Binary => Link::Logistic,
        Task::Multiclass => Link::Softmax,
        Task::Regression => Link::Identity,
    };
    Trees {
        trees: trees.collect(),
        base: model.base_scores().iter().map(|base| base * unit).collect(),
        link,
        derived: encoded.map_or_else(Vec::new, |e| e.derived),
        per_round: outputs,
    }
}

#[cfg(test)]
mod tests;
