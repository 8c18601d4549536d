//! Metrics by the names Azure AutoML reports, with scikit-learn's definitions; all arithmetic is in `f64`.
//!
//! Classification has 21, regression 12. A row counts as much as its weight says; without weights every row counts one.
//! Averages run over all classes, also with two (Azure reports them so). Where scikit-learn has no such name:
//!
//! | name | definition |
//! |---|---|
//! | `weighted_accuracy` | accuracy, each row weighted by the number of rows of its class (times its own weight) |
//! | `norm_macro_recall` | (`recall_score_macro` − 1/K) / (1 − 1/K) with K classes: 0 by chance, 1 when perfect |
//! | `AUC_macro`, `AUC_weighted` | mean of `roc_auc_score` of each class against the rest, plain or by the classes' weight |
//! | `AUC_micro`, `average_precision_score_micro` | of all pairs (row, class) in one list |
//! | `mean_absolute_percentage_error` | in percent; rows whose target is 0 are left out |
//! | `spearman_correlation` | `scipy.stats.spearmanr`, without weights; 0 when one side is constant |
//! | `normalized_…` | the error divided by the largest minus the smallest target (for the log error: of ln(1 + target)) |
//!
//! A class that never occurs (or always) has no area under a curve and is left out of those averages; a metric that is
//! not defined at all is left out of the answer.

mod classes;
mod ranking;
mod regression;

pub(crate) use classes::Scored;
pub(crate) use ranking::{Ranked, groups, one_against_rest};

use crate::dataset::Target;
use crate::decision::Decision;
use crate::{Error, Task};
use std::collections::BTreeMap;

/// Metric values by name.
pub(crate) type Metrics = BTreeMap<String, f64>;

/// The primary metric of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Goal {
    /// Its name.
    pub name: String,
    /// Whether a higher value is better.
    pub higher: bool,
}

/// The names of the classification metrics.
const CLASSIFICATION: [&str; 21] = [
    "accuracy",
    "balanced_accuracy",
    "weighted_accuracy",
    "AUC_macro",
    "AUC_micro",
    "AUC_weighted",
    "average_precision_score_macro",
    "average_precision_score_micro",
    "average_precision_score_weighted",
    "f1_score_macro",
    "f1_score_micro",
    "f1_score_weighted",
    "precision_score_macro",
    "precision_score_micro",
    "precision_score_weighted",
    "recall_score_macro",
    "recall_score_micro",
    "recall_score_weighted",
    "log_loss",
    "matthews_correlation",
    "norm_macro_recall",
];

/// The names of the regression metrics and whether higher is better.
const REGRESSION: [(&str, bool); 12] = [
    ("r2_score", true),
    ("root_mean_squared_error", false),
    ("normalized_root_mean_squared_error", false),
    ("mean_absolute_error", false),
    ("normalized_mean_absolute_error", false),
    ("median_absolute_error", false),
    ("normalized_median_absolute_error", false),
    ("root_mean_squared_log_error", false),
    ("normalized_root_mean_squared_log_error", false),
    ("spearman_correlation", true),
    ("explained_variance", true),
    ("mean_absolute_percentage_error", false),
];

/// The names a search of this task may have as its primary metric.
#[must_use]
pub fn metric_names(task: Task) -> Vec<&'static str> {
    match task {
        Task::Regression => REGRESSION.map(|(name, _)| name).to_vec(),
        Task::Binary | Task::Multiclass => CLASSIFICATION.to_vec(),
    }
}

/// The metric of this task that is called `name`; case and underscores do not matter, so Azure's `AUCWeighted` is one.
#[must_use]
pub fn metric_named(task: Task, name: &str) -> Option<&'static str> {
    let plain = |text: &str| text.replace('_', "").to_ascii_lowercase();
    metric_names(task).into_iter().find(|known| plain(known) == plain(name))
}

impl Goal {
    /// The metric called `name`, or the task's default.
    pub(crate) fn new(task: Task, name: Option<&str>) -> Result<Self, Error> {
        let regression = task == Task::Regression;
        let default = if regression { "normalized_root_mean_squared_error" } else { "AUC_weighted" };
        let wished = name.unwrap_or(default);
        let Some(name) = metric_named(task, wished) else {
            let known = metric_names(task).join(", ");
            let detail = format!("{wished:?} is none of a {} task: {known}", task.name());
            return Err(Error::Spec { setting: "metric", detail });
        };
        let falls = |(n, higher): &(&str, bool)| *n == name && !higher;
        let higher = if regression { !REGRESSION.iter().any(falls) } else { name != "log_loss" };
        Ok(Self { name: name.into(), higher })
    }

    /// The primary metric among `metrics`; infinitely bad when it is undefined.
    pub(crate) fn of(&self, metrics: &Metrics) -> f64 {
        let value = metrics.get(&self.name).copied().unwrap_or(f64::NAN);
        if value.is_finite() {
            value
        } else if self.higher {
            f64::NEG_INFINITY
        } else {
            f64::INFINITY
        }
    }

    /// Whether `a` is better than `b`.
    pub(crate) fn better(&self, a: f64, b: f64) -> bool {
        if self.higher { a > b } else { a < b }
    }
}

/// All metrics of predictions of width [`Target::width`] for the rows `rows` of the target.
pub(crate) fn all(target: &Target, rows: &[u32], predictions: &[f32]) -> Metrics {
    weighted(target, rows, predictions, None, &Decision::Largest)
}

/// `AUC_weighted` of classes, R² of numbers, without the other metrics; NaN where it has no value.
pub(crate) fn separation(target: &Target, rows: &[u32], predictions: &[f32]) -> f64 {
    if target.task == Task::Regression {
        return all(target, rows, predictions).get("r2_score").copied().unwrap_or(f64::NAN);
    }
    let classes: Vec<usize> = rows.iter().map(|&r| target.values[r as usize] as usize).collect();
    let probabilities = full(target, predictions);
    ranking::weighted_area(&Scored::new(
        &classes,
        &probabilities,
        target.class_count(),
        None,
        &Decision::Largest,
    ))
}

/// All metrics, where row `rows[i]` counts `weights[rows[i]]`: one weight a row of the dataset, not negative.
/// Labels are decided by `decision`.
pub(crate) fn weighted(
    target: &Target,
    rows: &[u32],
    predictions: &[f32],
    weights: Option<&[f32]>,
    decision: &Decision,
) -> Metrics {
    let truth: Vec<f64> = rows.iter().map(|&r| f64::from(target.values[r as usize])).collect();
    let weights: Option<Vec<f64>> =
        weights.map(|weights| rows.iter().map(|&r| f64::from(weights[r as usize])).collect());
    if target.task == Task::Regression {
        let predictions: Vec<f64> = predictions.iter().map(|&p| f64::from(p)).collect();
        return named(regression::all(&truth, &predictions, weights.as_deref()));
    }
    let classes: Vec<usize> = truth.iter().map(|&t| t as usize).collect();
    let probabilities = full(target, predictions);
    let scored = Scored::new(&classes, &probabilities, target.class_count(), weights.as_deref(), decision);
    named(of_classes(&scored, f64::from(f32::EPSILON)))
}

/// The metric `name` of decisions alone, whichever way the probabilities order the rows; none where it is not one.
pub(crate) fn of_label(scored: &Scored<'_>, name: &str) -> Option<f64> {
    classes::all(scored, f64::from(f32::EPSILON)).into_iter().find(|(known, _)| *known == name).map(|m| m.1)
}

/// All metrics of classes; `least` is the smallest probability the log loss sees.
fn of_classes(scored: &Scored<'_>, least: f64) -> Vec<(&'static str, f64)> {
    let mut named = classes::all(scored, least);
    named.extend(ranking::all(scored));
    named
}

/// JSON has no NaN: an undefined metric (an AUC of one class) is left out.
fn named(values: Vec<(&'static str, f64)>) -> Metrics {
    values.into_iter().filter(|(_, v)| v.is_finite()).map(|(n, v)| (n.to_owned(), v)).collect()
}

/// Probabilities of all classes, row-major: a binary model answers the second class only.
pub(crate) fn full(target: &Target, predictions: &[f32]) -> Vec<f64> {
    if target.task == Task::Binary {
        predictions.iter().flat_map(|&p| [1.0 - f64::from(p), f64::from(p)]).collect()
    } else {
        predictions.iter().map(|&p| f64::from(p)).collect()
    }
}

#[cfg(test)]
mod sklearn;
#[cfg(test)]
mod tests;
