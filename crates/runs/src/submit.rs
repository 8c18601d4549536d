//! What a user asks for when submitting an AutoML job, and the checks before it is accepted.

use crate::convert::search_task;
use crate::error::{Error, Result};
use automl::Spec;
use domain::{ColumnType, DataVersion, Digest, Name, Span, Task, Version};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// A data asset that every trial is judged by, in place of folds; nothing is learned from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_data: Option<Name>,
    /// Its version; the newest when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_data_version: Option<Version>,
    /// SHA-256 of that version's content; when given, other content is refused. A job that is kept names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_data_digest: Option<Digest>,
    /// A data asset that the finished model is measured on; it decides nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_data: Option<Name>,
    /// Its version; the newest when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_data_version: Option<Version>,
    /// The column to predict.
    pub target: String,
    /// What is predicted; found out from the target when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// The primary metric; `AUC_weighted` or `normalized_root_mean_squared_error` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// The budget in trials; when left out 40, or as many as the time limit allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_trials: Option<u32>,
    /// The search ends within this time, as `60s` or `5m`; only the trials count when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub time_limit: Option<Span>,
    /// A single configuration is given up after this time, as `60s` or `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub trial_time_limit: Option<Span>,
    /// Same data, seed and trials give the same bytes; 42 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Columns to leave out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// The column with the weight of each row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_column: Option<String>,
    /// The column whose equal values stay together when rows are split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_column: Option<String>,
    /// The column by which rows are ordered: later rows validate what was learned from earlier ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_column: Option<String>,
    /// One column a split: 1 = learned from, 0 = validated on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cv_split_columns: Vec<String>,
    /// Folds, 2 to 100; by the size of the table when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_cross_validations: Option<u32>,
    /// The share of the rows in one hold-out in place of folds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_size: Option<f64>,
    /// The algorithms that may be tried, by Azure's names; all when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_learners: Vec<String>,
    /// Algorithms that are not tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked_learners: Vec<String>,
    /// The search ends when the primary metric is this good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_score: Option<f64>,
    /// Whether a configuration that is clearly worse is given up after its first folds; true when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_termination: Option<bool>,
    /// Whether a weighted vote may be the model; true when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vote_ensemble: Option<bool>,
    /// Whether a stack may be the model; true when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_ensemble: Option<bool>,
    /// Rows that configurations learn from at most; as many as the time limit allows for when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit_rows: Option<usize>,
    /// Trials by number that are not carried out, as `work.left_out` of the run that is repeated has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<u32>,
    /// Members by number that are not fitted on all rows again, as `work.from_fold` of the run that is repeated has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from_fold: Vec<u32>,
    /// Register the winner as a version of this model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register_as: Option<Name>,
    /// The experiment the run belongs to; `default` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment: Option<Name>,
    /// A title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Tags of the run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

impl SubmitAutoml {
    /// A search with nothing but the essentials.
    pub fn new(data: Name, target: impl Into<String>) -> Self {
        Self {
            data,
            data_version: None,
            validation_data: None,
            validation_data_version: None,
            validation_data_digest: None,
            test_data: None,
            test_data_version: None,
            target: target.into(),
            task: None,
            metric: None,
            max_trials: None,
            time_limit: None,
            trial_time_limit: None,
            seed: None,
            exclude: Vec::new(),
            weight_column: None,
            group_column: None,
            time_column: None,
            cv_split_columns: Vec::new(),
            n_cross_validations: None,
            validation_size: None,
            allowed_learners: Vec::new(),
            blocked_learners: Vec::new(),
            exit_score: None,
            early_termination: None,
            vote_ensemble: None,
            stack_ensemble: None,
            fit_rows: None,
            left_out: Vec::new(),
            from_fold: Vec::new(),
            register_as: None,
            experiment: None,
            display_name: None,
            description: String::new(),
            tags: BTreeMap::new(),
        }
    }

    /// Fills in what was left out and refuses what cannot be, before anything is kept.
    pub(crate) fn settle(mut self, data: &DataVersion) -> Result<Self> {
        if self.time_limit.is_none() {
            self.max_trials.get_or_insert(DEFAULT_TRIALS);
        }
        for (field, limit) in [("time_limit", self.time_limit), ("trial_time_limit", self.trial_time_limit)] {
            if limit.is_some_and(|limit| limit.0.is_zero()) {
                return Err(Error::Submission(format!("{field}: give it more than no time")));
            }
        }
        self.check_columns(data)?;
        if self.validation_data.is_some() && (self.group_column.is_some() || self.time_column.is_some()) {
            let text = "validation_data: it is the only split, so rows are not kept together by group_column nor ordered by \
                        time_column; leave that out, and exclude the column if it is no feature";
            return Err(Error::Submission(text.to_owned()));
        }
        let spec = self.search(1);
        let refused: Vec<automl::Error> =
            self.possible_tasks(data).into_iter().map_while(|task| spec.check_for(task).err()).collect();
        if let Some(error) = refused.into_iter().nth(self.possible_tasks(data).len() - 1) {
            return Err(Error::Submission(error.to_string()));
        }
        if data::is_folder(data) {
            let text = format!("data: {}:{} is a folder: a search needs a table", data.name, data.version);
            return Err(Error::Submission(text));
        }
        data::check_target(&data.profile, &self.target)?;
        self.metric = self.known_metric(data)?;
        self.data_version = Some(data.version);
        self.seed.get_or_insert(DEFAULT_SEED);
        if self.experiment.is_none() {
            self.experiment = Name::new(DEFAULT_EXPERIMENT).ok();
        }
        Ok(self)
    }

    /// Refuses columns that the table lacks, and its target in another role.
    fn check_columns(&self, data: &DataVersion) -> Result<()> {
        let single = [
            ("weight_column", &self.weight_column),
            ("group_column", &self.group_column),
            ("time_column", &self.time_column),
        ];
        let lists = [("exclude", &self.exclude), ("cv_split_columns", &self.cv_split_columns)];
        let single = single.into_iter().filter_map(|(field, name)| Some((field, name.as_ref()?)));
        let many = lists.into_iter().flat_map(|(field, names)| names.iter().map(move |name| (field, name)));
        for (field, name) in single.chain(many) {
            if *name == self.target || !data.columns.iter().any(|c| c.name == *name) {
                // Names may hold commas, so a list is not taken apart.
                let list = name.contains(',')
                    && name.split(',').all(|part| data.columns.iter().any(|c| c.name == part.trim()));
                let hint = if list { "; name each column by itself" } else { "" };
                let text = format!(
                    "{field}: '{name}' is no column of {}:{} or is its target{hint}",
                    data.name, data.version
                );
                return Err(Error::Submission(text));
            }
        }
        Ok(())
    }

    /// The primary metric by its own name; one that no search for this target knows is refused.
    fn known_metric(&self, data: &DataVersion) -> Result<Option<String>> {
        let Some(metric) = &self.metric else { return Ok(None) };
        let tasks = self.possible_tasks(data);
        if let Some(known) = tasks.iter().find_map(|&task| automl::metric_named(task, metric)) {
            return Ok(Some(known.to_owned()));
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
        let mut spec = Spec::new(self.target.clone(), DEFAULT_TRIALS, self.seed.unwrap_or(DEFAULT_SEED));
        spec.max_trials = self.max_trials;
        spec.task = self.task.map(search_task);
        spec.metric.clone_from(&self.metric);
        spec.time_limit_seconds = self.time_limit.map(|limit| limit.0.as_secs_f64());
        spec.trial_time_limit_seconds = self.trial_time_limit.map(|limit| limit.0.as_secs_f64());
        spec.threads = threads;
        spec.exclude.clone_from(&self.exclude);
        spec.weight_column.clone_from(&self.weight_column);
        spec.group_column.clone_from(&self.group_column);
        spec.time_column.clone_from(&self.time_column);
        spec.cv_split_columns.clone_from(&self.cv_split_columns);
        spec.n_cross_validations = self.n_cross_validations;
        spec.validation_size = self.validation_size;
        spec.allowed_learners.clone_from(&self.allowed_learners);
        let here = |name: &&String| !definitions::jobs::is_elsewhere(name);
        spec.blocked_learners = self.blocked_learners.iter().filter(here).cloned().collect();
        spec.exit_score = self.exit_score;
        spec.early_termination = self.early_termination.unwrap_or(true);
        spec.vote_ensemble = self.vote_ensemble.unwrap_or(true);
        spec.stack_ensemble = self.stack_ensemble.unwrap_or(true);
        spec.fit_rows = self.fit_rows;
        spec.left_out.clone_from(&self.left_out);
        spec.from_fold.clone_from(&self.from_fold);
        spec
    }
}
