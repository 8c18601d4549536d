//! What a user asks for when submitting an AutoML job, and the checks before it is accepted.

use crate::convert::search_task;
use crate::error::{Error, Result};
use automl::Spec;
use domain::{ColumnType, DataVersion, Name, Span, Task, Version};
use serde::{Deserialize, Serialize};

/// Trials of a search when none are asked for.
pub const DEFAULT_TRIALS: u32 = 40;
/// Seed of a search when none is given.
pub const DEFAULT_SEED: u64 = 42;
/// Experiment of a job that names none.
pub const DEFAULT_EXPERIMENT: &str = "default";

/// An AutoML job as submitted; kept as the job's `spec` with everything filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmitAutoml {
    /// The data asset.
    pub data: Name,
    /// Its version; the newest when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_version: Option<Version>,
    /// The column to predict.
    pub target: String,
    /// What is predicted; found out from the target when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// The primary metric; `AUC_weighted` or `normalized_root_mean_squared_error` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// The budget in trials; 40 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_trials: Option<u32>,
    /// No new work starts after this time, as `60s` or `5m`; only the trials count when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub time_limit: Option<Span>,
    /// Same data, seed and trials give the same bytes; 42 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Columns to leave out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Register the winner as a version of this model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register_as: Option<Name>,
    /// The experiment the run belongs to; `default` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment: Option<Name>,
}

impl SubmitAutoml {
    /// A search with nothing but the essentials.
    pub fn new(data: Name, target: impl Into<String>) -> Self {
        Self {
            data,
            data_version: None,
            target: target.into(),
            task: None,
            metric: None,
            max_trials: None,
            time_limit: None,
            seed: None,
            exclude: Vec::new(),
            register_as: None,
            experiment: None,
        }
    }

    /// Fills in what was left out and refuses what cannot be, before anything is kept.
    pub(crate) fn settle(mut self, data: &DataVersion) -> Result<Self> {
        let trials = *self.max_trials.get_or_insert(DEFAULT_TRIALS);
        if !(1..=Spec::MAX_TRIALS).contains(&trials) {
            let text = format!("max_trials: {trials} is not within 1 and {}", Spec::MAX_TRIALS);
            return Err(Error::Submission(text));
        }
        if self.time_limit.is_some_and(|limit| limit.0.is_zero()) {
            return Err(Error::Submission("time_limit: give the search more than no time".to_owned()));
        }
        for name in &self.exclude {
            if *name == self.target || !data.columns.iter().any(|c| c.name == *name) {
                let text = format!(
                    "exclude: '{name}' is no column of {}:{} or is its target",
                    data.name, data.version
                );
                return Err(Error::Submission(text));
            }
        }
        if data::is_folder(data) {
            let text = format!("data: {}:{} is a folder: a search needs a table", data.name, data.version);
            return Err(Error::Submission(text));
        }
        data::check_target(&data.profile, &self.target)?;
        self.check_metric(data)?;
        self.data_version = Some(data.version);
        self.seed.get_or_insert(DEFAULT_SEED);
        if self.experiment.is_none() {
            self.experiment = Name::new(DEFAULT_EXPERIMENT).ok();
        }
        Ok(self)
    }

    /// Refuses a primary metric that no search for this target knows.
    fn check_metric(&self, data: &DataVersion) -> Result<()> {
        let Some(metric) = &self.metric else { return Ok(()) };
        let tasks = self.possible_tasks(data);
        if tasks.iter().any(|&task| automl::metric_names(task).contains(&metric.as_str())) {
            return Ok(());
        }
        let known: Vec<String> = tasks
            .iter()
            .map(|&task| {
                let kind = if task == automl::Task::Regression { "regression" } else { "classification" };
                format!("{kind} knows {}", automl::metric_names(task).join(", "))
            })
            .collect();
        Err(Error::Submission(format!("metric: '{metric}' is no metric of this task; {}", known.join("; "))))
    }

    /// The task that was asked for, or those the target's type leaves open: texts and truth values are classes, numbers may be
    /// classes too. One task stands for both kinds of classification, which share their metrics.
    fn possible_tasks(&self, data: &DataVersion) -> Vec<automl::Task> {
        let kind = data.columns.iter().find(|c| c.name == self.target).map(|c| c.kind);
        match (self.task, kind) {
            (Some(task), _) => vec![search_task(task)],
            (None, Some(ColumnType::Boolean | ColumnType::Category | ColumnType::Text)) => {
                vec![automl::Task::Binary]
            }
            (None, _) => vec![automl::Task::Binary, automl::Task::Regression],
        }
    }

    /// The search, in automl's words. Threads change how long it takes, not what comes out.
    pub(crate) fn search(&self, threads: usize) -> Spec {
        let mut spec = Spec::new(
            self.target.clone(),
            self.max_trials.unwrap_or(DEFAULT_TRIALS),
            self.seed.unwrap_or(DEFAULT_SEED),
        );
        spec.task = self.task.map(search_task);
        spec.metric.clone_from(&self.metric);
        spec.time_limit_seconds = self.time_limit.map(|limit| limit.0.as_secs_f64());
        spec.threads = threads;
        spec.exclude.clone_from(&self.exclude);
        spec
    }
}
