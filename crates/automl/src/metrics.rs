//! Metrics by the names Azure AutoML reports, with scikit-learn's definitions.
//!
//! Classification has 21; averages run over all classes, also with two (Azure reports them so). Where Azure leaves
//! scikit-learn: `weighted_accuracy` weights each row by the number of rows of its class, `norm_macro_recall` is
//! (recall_macro − 1/K) / (1 − 1/K), the percentage error is in percent and skips targets of zero, and errors are
//! normalised by the target's range.

mod classes;
mod ranking;
mod regression;

use crate::dataset::Target;
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
const REGRESSION: [(&str, bool); 9] = [
    ("r2_score", true),
    ("root_mean_squared_error", false),
    ("normalized_root_mean_squared_error", false),
    ("mean_absolute_error", false),
    ("normalized_mean_absolute_error", false),
    ("median_absolute_error", false),
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

impl Goal {
    /// The metric called `name`, or the task's default.
    pub(crate) fn new(task: Task, name: Option<&str>) -> Result<Self, Error> {
        let regression = task == Task::Regression;
        let default = if regression { "normalized_root_mean_squared_error" } else { "AUC_weighted" };
        let name = name.unwrap_or(default);
        let higher = if regression {
            REGRESSION.iter().find(|(n, _)| *n == name).map(|&(_, higher)| higher)
        } else {
            CLASSIFICATION.contains(&name).then_some(name != "log_loss")
        };
        match higher {
            Some(higher) => Ok(Self { name: name.into(), higher }),
            None => Err(Error::Spec {
                setting: "metric",
                detail: format!(
                    "{name:?} is none of a {} task: {}",
                    task.name(),
                    metric_names(task).join(", ")
                ),
            }),
        }
    }

    /// The primary metric among `metrics`; the worst possible value when it is undefined.
    pub(crate) fn of(&self, metrics: &Metrics) -> f64 {
        let value = metrics.get(&self.name).copied().unwrap_or(f64::NAN);
        if value.is_finite() {
            value
        } else if self.higher {
            f64::MIN
        } else {
            f64::MAX
        }
    }

    /// Whether `a` is better than `b`.
    pub(crate) fn better(&self, a: f64, b: f64) -> bool {
        if self.higher { a > b } else { a < b }
    }
}

/// All metrics of predictions of width [`Target::width`] for the rows `rows` of the target.
pub(crate) fn all(target: &Target, rows: &[u32], predictions: &[f32]) -> Metrics {
    let truth: Vec<f32> = rows.iter().map(|&r| target.values[r as usize]).collect();
    let named: Vec<(&str, f64)> = if target.task == Task::Regression {
        regression::all(&truth, predictions)
    } else {
        let classes: Vec<usize> = truth.iter().map(|&t| t as usize).collect();
        let probabilities = full(target, predictions);
        let scored = classes::Scored::new(&classes, &probabilities, target.class_count());
        let mut named = classes::all(&scored);
        named.extend(ranking::all(&scored));
        named
    };
    // JSON has no NaN: an undefined metric (an AUC of one class) is left out.
    named.into_iter().filter(|(_, v)| v.is_finite()).map(|(n, v)| (n.to_owned(), v)).collect()
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
mod tests;
