//! `autoMLJob`: the part of it that a search over a table here can do; the rest is refused by field.

use super::{About, MACHINE, resources};
use crate::error::Result;
use crate::fields::{Field, Value, quiet, refused, told, used};
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutomlJob {
    /// Name, experiment, tags.
    pub about: About,
    /// What is predicted.
    pub task: AutomlTask,
    /// The table.
    pub training_data: Reference,
    /// The column to predict.
    pub target_column_name: String,
    /// The primary metric, in the name a leaderboard has.
    pub primary_metric: Option<String>,
    /// Columns that are not features.
    pub exclude: Vec<String>,
    /// How much is tried.
    pub limits: AutomlLimits,
}

/// How much a search tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AutomlLimits {
    /// Minutes after which no new trial starts.
    pub timeout_minutes: Option<u32>,
    /// Trials.
    pub max_trials: Option<u32>,
}

const FOLDS: &str = "a search here judges every candidate out of fold on the training data: leave it out";

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
    refused("validation_data", FOLDS),
    refused("validation_data_size", FOLDS),
    refused("test_data", "no second table is judged here: score it after the search with `endpoint invoke`"),
    refused("test_data_size", "no second table is judged here: leave it out"),
    refused("cv_split_column_names", FOLDS),
    refused("weight_column_name", "rows have equal weight: leave it out"),
    refused("positive_label", "classes have equal rank: leave it out"),
    refused("forecasting", "forecasting is not there yet: classification and regression are"),
    refused("sweep", "a search of images or texts is not there yet"),
    refused("search_space", "a search of images or texts is not there yet"),
];

impl Definition for AutomlJob {
    const KINDS: &'static [Kind] = &[Kind::AutomlJob];

    fn from_root(value: &Value<'_>) -> Result<Self> {
        let fields = value.open("an AutoML job", JOB)?;
        fields.opt("resources", resources)?;
        let task = task(&fields.need("task")?)?;
        fields.opt("featurization", featurization)?;
        fields.opt("training", training)?;
        if let Some(folds) = fields.get("n_cross_validations")
            && folds.raw().is_some_and(|text| !text.eq_ignore_ascii_case("auto"))
        {
            folds.count(2..=100)?;
            folds.note("the number of folds follows from the size of the table");
        }
        Ok(Self {
            about: About::read(&fields)?,
            task,
            training_data: table(&fields.need("training_data")?)?,
            target_column_name: fields.need("target_column_name")?.filled()?,
            primary_metric: fields.opt("primary_metric", |v| metric(v, task))?,
            exclude: Vec::new(),
            limits: fields.or_default("limits", limits)?,
        })
    }
}

fn task(value: &Value<'_>) -> Result<AutomlTask> {
    let later = ["forecasting", "image_", "text_"];
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

/// Names of the vendor and ours; case and underscores do not matter when reading.
const CLASSIFICATION: &[&str] = &[
    "accuracy",
    "AUC_weighted",
    "norm_macro_recall",
    "average_precision_score_weighted",
    "precision_score_weighted",
    "log_loss",
    "f1_score_weighted",
    "recall_score_weighted",
    "balanced_accuracy",
    "AUC_macro",
];
const REGRESSION: &[&str] = &[
    "spearman_correlation",
    "normalized_root_mean_squared_error",
    "r2_score",
    "normalized_mean_absolute_error",
    "root_mean_squared_error",
    "mean_absolute_error",
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

const BUDGET: &str = "the budget is counted in trials and minutes";
const LIMITS: &[Field] = &[
    used("timeout_minutes"),
    used("timeout"),
    used("max_trials"),
    told("trial_timeout_minutes", BUDGET),
    told("trial_timeout", BUDGET),
    told("max_concurrent_trials", "a search uses all its cores for one trial after another"),
    told("max_cores_per_trial", "a search uses all its cores for one trial after another"),
    told("max_nodes", MACHINE),
    told("enable_early_termination", "a search ends with its budget"),
    told("exit_score", "a search ends with its budget"),
];

fn limits(value: &Value<'_>) -> Result<AutomlLimits> {
    let fields = value.open("the limits of an AutoML job", LIMITS)?;
    let minutes = |v: &Value<'_>| v.count(1..=129_600);
    let timeout = fields.opt("timeout_minutes", minutes)?;
    Ok(AutomlLimits {
        timeout_minutes: if timeout.is_some() { timeout } else { fields.opt("timeout", minutes)? },
        max_trials: fields.opt("max_trials", |v| v.count(1..=1000))?,
    })
}

const BY_ITSELF: &str = "columns are prepared by what their content shows: leave it out";
const FEATURIZATION: &[Field] = &[
    used("mode"),
    quiet("dataset_language"),
    refused("blocked_transformers", BY_ITSELF),
    refused("column_name_and_types", "give the types when the data is registered, in its MLTable file"),
    refused("transformer_params", BY_ITSELF),
    refused("enable_dnn_featurization", BY_ITSELF),
];

fn featurization(value: &Value<'_>) -> Result<()> {
    let fields = value.open("a featurization", FEATURIZATION)?;
    let auto = fields.opt("mode", |v| v.one_of(&[("auto", true), ("custom", false), ("off", false)]))?;
    if auto == Some(false) {
        return Err(fields.need("mode")?.wrong("only auto is done here"));
    }
    Ok(())
}

const LEARNERS: &str = "every learner that is here is tried: leave it out";
const TRAINING: &[Field] = &[
    quiet("enable_model_explainability"),
    quiet("enable_onnx_compatible_models"),
    quiet("enable_dnn_training"),
    quiet("training_mode"),
    told("enable_stack_ensemble", "the winner is a weighted vote"),
    told("enable_vote_ensemble", "the winner is a weighted vote"),
    told("ensemble_model_download_timeout", "nothing is downloaded"),
    refused("allowed_training_algorithms", LEARNERS),
    refused("blocked_training_algorithms", LEARNERS),
    refused("stack_ensemble_settings", "the winner is a weighted vote: leave it out"),
];

fn training(value: &Value<'_>) -> Result<()> {
    value.open("the training of an AutoML job", TRAINING).map(|_| ())
}
