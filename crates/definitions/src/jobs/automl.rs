//! `autoMLJob`: the part of it that a search over a table here can do; the rest is refused by field.

use super::{About, MACHINE, resources};
use crate::error::Result;
use crate::fields::{Field, Fields, Value, quiet, refused, told, used};
use crate::kinds::Kind;
use crate::read::Definition;
use crate::references::{Reference, reference};
use serde::{Deserialize, Serialize};

/// What is predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AutomlTask {
    /// Classes.
    Classification,
    /// A number.
    Regression,
}

/// An AutoML job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AutomlJob {
    /// Name, experiment, tags.
    pub about: About,
    /// What is predicted.
    pub task: AutomlTask,
    /// The table.
    pub training_data: Reference,
    /// The table that every trial is judged by, in place of folds.
    pub validation_data: Option<Reference>,
    /// The table that the finished model is measured on.
    pub test_data: Option<Reference>,
    /// The column to predict.
    pub target_column_name: String,
    /// The primary metric, in the name a leaderboard has.
    pub primary_metric: Option<String>,
    /// Columns that are not features.
    pub exclude: Vec<String>,
    /// The column with the weight of each row.
    pub weight_column_name: Option<String>,
    /// One column a split: 1 = learned from, 0 = validated on.
    pub cv_split_column_names: Vec<String>,
    /// Folds; by the size of the table when absent.
    pub n_cross_validations: Option<u32>,
    /// Share of the rows in one hold-out in place of folds.
    pub validation_data_size: Option<f64>,
    /// What is tried.
    pub training: AutomlTraining,
    /// How much is tried.
    pub limits: AutomlLimits,
}

/// What a search tries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AutomlTraining {
    /// The algorithms that may be tried, by the vendor's names; all when empty.
    pub allowed: Vec<String>,
    /// Algorithms that are not tried.
    pub blocked: Vec<String>,
    /// Whether a weighted vote may be the model.
    pub vote_ensemble: Option<bool>,
    /// Whether a stack may be the model.
    pub stack_ensemble: Option<bool>,
}

/// How much a search tries.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct AutomlLimits {
    /// Minutes within which the search ends.
    pub timeout_minutes: Option<u32>,
    /// Minutes after which a single configuration is given up.
    pub trial_timeout_minutes: Option<u32>,
    /// Trials.
    pub max_trials: Option<u32>,
    /// The search ends when the primary metric is this good.
    pub exit_score: Option<f64>,
    /// Whether a configuration that is clearly worse is given up after its first folds.
    pub enable_early_termination: Option<bool>,
}

const FORECASTING: &str = "forecasting is not done here: classification and regression are; rows in the order of time are \
                           validated by later ones with `automl run --time-column`";

const JOB: &[Field] = &[
    quiet("$schema"),
    quiet("type"),
    used("name"),
    used("display_name"),
    used("description"),
    used("experiment_name"),
    used("tags"),
    used("properties"),
    used("task"),
    used("primary_metric"),
    used("training_data"),
    used("target_column_name"),
    used("limits"),
    used("featurization"),
    used("training"),
    used("resources"),
    used("n_cross_validations"),
    quiet("log_verbosity"),
    told("compute", MACHINE),
    told("outputs", "the model and its leaderboard are kept with the run"),
    told("identity", "jobs run as this server's user"),
    told("queue_settings", "jobs wait in one queue"),
    used("validation_data"),
    used("validation_data_size"),
    used("test_data"),
    refused("test_data_size", "rows are not set aside here: give a table of their own as test_data"),
    used("cv_split_column_names"),
    used("weight_column_name"),
    told("positive_label", "metrics are those of both classes together"),
    refused("forecasting", FORECASTING),
    refused("sweep", "a search of images or texts is not there yet"),
    refused("search_space", "a search of images or texts is not there yet"),
];

impl Definition for AutomlJob {
    const KINDS: &'static [Kind] = &[Kind::AutomlJob];

    fn from_root(value: &Value<'_>) -> Result<Self> {
        let fields = value.open("an AutoML job", JOB)?;
        fields.opt("resources", resources)?;
        let task = task(&fields.need("task")?)?;
        let exclude = fields.or_default("featurization", featurization)?;
        let folds = fields.opt("n_cross_validations", folds)?.flatten();
        let size = fields.opt("validation_data_size", |v| v.number(0.001..=0.999))?;
        let splits = fields.or_default("cv_split_column_names", Value::texts)?;
        let validation = fields.opt("validation_data", table)?;
        one_way(&fields, &[folds.is_some(), size.is_some(), !splits.is_empty(), validation.is_some()])?;
        Ok(Self {
            about: About::read(&fields)?,
            task,
            training_data: table(&fields.need("training_data")?)?,
            validation_data: validation,
            test_data: fields.opt("test_data", table)?,
            target_column_name: fields.need("target_column_name")?.filled()?,
            primary_metric: fields.opt("primary_metric", |v| metric(v, task))?,
            exclude,
            weight_column_name: fields.opt("weight_column_name", Value::filled)?,
            cv_split_column_names: splits,
            n_cross_validations: folds,
            validation_data_size: size,
            training: fields.or_default("training", |v| training(v, task))?,
            limits: fields.or_default("limits", limits)?,
        })
    }
}

/// The number of folds; none is said by `auto`.
fn folds(value: &Value<'_>) -> Result<Option<u32>> {
    if value.raw().is_some_and(|text| text.eq_ignore_ascii_case("auto")) {
        return Ok(None);
    }
    value.count(2..=100).map(Some)
}

/// The fields that say how rows are validated.
const WAYS: [&str; 4] =
    ["n_cross_validations", "validation_data_size", "cv_split_column_names", "validation_data"];

/// Refuses the second of two ways to validate.
fn one_way(fields: &Fields<'_>, given: &[bool; 4]) -> Result<()> {
    let mut ways = WAYS.iter().zip(given).filter(|(_, given)| **given).map(|(name, _)| *name);
    if let (Some(first), Some(second)) = (ways.next(), ways.next()) {
        let said = format!("'{first}' says already how trials are validated: leave one of them out");
        return Err(fields.need(second)?.wrong(said));
    }
    Ok(())
}

fn task(value: &Value<'_>) -> Result<AutomlTask> {
    let later = ["image_", "text_"];
    if value.raw().is_some_and(|text| text.eq_ignore_ascii_case("forecasting")) {
        return Err(value.wrong(FORECASTING));
    }
    if let Some(text) = value.raw()
        && later.iter().any(|word| text.to_ascii_lowercase().starts_with(word))
    {
        return Err(value.wrong("this task is not there yet: classification and regression are"));
    }
    value.one_of(&[("classification", AutomlTask::Classification), ("regression", AutomlTask::Regression)])
}

const TABLE: &[Field] = &[used("type"), used("path"), quiet("mode"), quiet("description")];

fn table(value: &Value<'_>) -> Result<Reference> {
    if value.raw().is_some() {
        return reference(value);
    }
    let fields = value.open("training data", TABLE)?;
    fields.opt("type", |v| v.one_of(&[("mltable", ()), ("uri_file", ())]))?;
    reference(&fields.need("path")?)
}

/// All metrics that a search reports may lead it; case and underscores do not matter when reading.
const CLASSIFICATION: &[&str] = &[
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
const REGRESSION: &[&str] = &[
    "r2_score",
    "root_mean_squared_error",
    "normalized_root_mean_squared_error",
    "mean_absolute_error",
    "normalized_mean_absolute_error",
    "median_absolute_error",
    "normalized_median_absolute_error",
    "root_mean_squared_log_error",
    "normalized_root_mean_squared_log_error",
    "spearman_correlation",
    "explained_variance",
    "mean_absolute_percentage_error",
];

fn metric(value: &Value<'_>, task: AutomlTask) -> Result<String> {
    let names = if task == AutomlTask::Regression { REGRESSION } else { CLASSIFICATION };
    let plain = |text: &str| text.replace('_', "").to_ascii_lowercase();
    let text = value.text()?;
    let found = names.iter().find(|name| plain(name) == plain(&text));
    found.map(|name| (*name).to_owned()).ok_or_else(|| {
        value.wrong(format!("'{}' is none of {}", crate::fields::shown(&text), names.join(", ")))
    })
}

const LIMITS: &[Field] = &[
    used("timeout_minutes"),
    used("timeout"),
    used("max_trials"),
    used("trial_timeout_minutes"),
    used("trial_timeout"),
    told("max_concurrent_trials", "a search uses all its cores for one trial after another"),
    told("max_cores_per_trial", "a search uses all its cores for one trial after another"),
    told("max_nodes", MACHINE),
    used("enable_early_termination"),
    used("exit_score"),
];

fn limits(value: &Value<'_>) -> Result<AutomlLimits> {
    let fields = value.open("the limits of an AutoML job", LIMITS)?;
    let minutes = |v: &Value<'_>| v.count(1..=129_600);
    // The SDK's dictionaries have the shorter names.
    let either = |long: &str, short: &str| -> Result<Option<u32>> {
        Ok(fields.opt(long, minutes)?.or(fields.opt(short, minutes)?))
    };
    Ok(AutomlLimits {
        timeout_minutes: either("timeout_minutes", "timeout")?,
        trial_timeout_minutes: either("trial_timeout_minutes", "trial_timeout")?,
        max_trials: fields.opt("max_trials", |v| v.count(1..=1000))?,
        exit_score: fields.opt("exit_score", |v| v.number(-1e300..=1e300))?,
        enable_early_termination: fields.opt("enable_early_termination", Value::boolean)?,
    })
}

const BY_ITSELF: &str = "columns are prepared by what their content shows, inside each fold";
const FEATURIZATION: &[Field] = &[
    used("mode"),
    quiet("dataset_language"),
    told("blocked_transformers", BY_ITSELF),
    used("column_name_and_types"),
    told("transformer_params", BY_ITSELF),
    told("enable_dnn_featurization", BY_ITSELF),
];

/// The columns that are left out.
fn featurization(value: &Value<'_>) -> Result<Vec<String>> {
    let fields = value.open("a featurization", FEATURIZATION)?;
    let mode = fields.opt("mode", |v| v.one_of(&[("auto", true), ("custom", true), ("off", false)]))?;
    if mode == Some(false) {
        fields.need("mode")?.note("every learner needs prepared columns, so they are: auto is done");
    }
    fields.or_default("column_name_and_types", column_types)
}

/// The columns to ignore; the other types are the data's own.
fn column_types(value: &Value<'_>) -> Result<Vec<String>> {
    let mut ignored = Vec::new();
    for (name, kind) in value.entries()? {
        if kind.text()?.eq_ignore_ascii_case("ignore") {
            ignored.push(name.to_owned());
        } else {
            kind.note("the type of a column is that of the data: give it when that is registered, in its MLTable file");
        }
    }
    Ok(ignored)
}

const TRAINING: &[Field] = &[
    quiet("enable_model_explainability"),
    quiet("enable_onnx_compatible_models"),
    told(
        "enable_dnn_training",
        "small networks are tried beside the others: blocked_training_algorithms: [NeuralNetwork] keeps them out",
    ),
    told("training_mode", MACHINE),
    used("enable_stack_ensemble"),
    used("enable_vote_ensemble"),
    told("ensemble_model_download_timeout", "nothing is downloaded"),
    used("allowed_training_algorithms"),
    used("blocked_training_algorithms"),
    told("stack_ensemble_settings", "a stack is linear, with weights that are not negative"),
];

/// The algorithms here, by the vendor's names; case and underscores do not matter when reading.
const BOTH: &[&str] = &[
    "LightGBM",
    "GradientBoosting",
    "RandomForest",
    "ExtremeRandomTrees",
    "SVM",
    "LinearSVM",
    "NeuralNetwork",
    "DecisionTree",
];
const OF_CLASSES: &[&str] = &["LogisticRegression", "XGBoostClassifier"];
const OF_NUMBERS: &[&str] = &["ElasticNet", "XGBoostRegressor"];
/// The vendor's others: they need not be blocked, and are not tried where they are allowed.
const ABSENT: &[&str] = &[
    "SGD",
    "MultinomialNaiveBayes",
    "BernoulliNaiveBayes",
    "KNN",
    "LassoLars",
    "FastLinearRegressor",
    "OnlineGradientDescentRegressor",
];

/// Whether a name is that of an algorithm of the vendor's that is none here, in any case: blocking it asks for nothing.
#[must_use]
pub fn is_elsewhere(name: &str) -> bool {
    ABSENT.iter().any(|absent| plain(absent) == plain(name))
}

fn plain(text: &str) -> String {
    text.replace('_', "").to_ascii_lowercase()
}

fn training(value: &Value<'_>, task: AutomlTask) -> Result<AutomlTraining> {
    let fields = value.open("the training of an AutoML job", TRAINING)?;
    let own = if task == AutomlTask::Regression { OF_NUMBERS } else { OF_CLASSES };
    let find = |list: &[&'static str], text: &str| list.iter().copied().find(|n| plain(n) == plain(text));
    let read = |list: &Value<'_>, allowed: bool| -> Result<Vec<String>> {
        let mut names = Vec::new();
        for item in list.list()? {
            let text = item.text()?;
            if let Some(name) = find(BOTH, &text).or_else(|| find(own, &text)) {
                names.push(name.to_owned());
            } else if is_elsewhere(&text) {
                item.note("this algorithm is none here, so it is not tried");
            } else {
                let known: Vec<&str> = own.iter().chain(BOTH).copied().collect();
                let shown = crate::fields::shown(&text);
                return Err(item.wrong(format!("'{shown}' is no algorithm here: {}", known.join(", "))));
            }
        }
        if allowed && names.is_empty() {
            let known: Vec<&str> = own.iter().chain(BOTH).copied().collect();
            return Err(list.wrong(format!("none of these algorithms is here: {}", known.join(", "))));
        }
        Ok(names)
    };
    Ok(AutomlTraining {
        allowed: fields.or_default("allowed_training_algorithms", |v| read(v, true))?,
        blocked: fields.or_default("blocked_training_algorithms", |v| read(v, false))?,
        vote_ensemble: fields.opt("enable_vote_ensemble", Value::boolean)?,
        stack_ensemble: fields.opt("enable_stack_ensemble", Value::boolean)?,
    })
}
