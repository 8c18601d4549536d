//! What a search tells while it runs and what it returns.

use crate::Task;
use crate::plots::Plot;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What became of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnRole {
    /// The column to predict.
    Target,
    /// Used as a number.
    Number,
    /// Used as a category.
    Category,
    /// Used word by word.
    Text,
    /// Not used; the note says why.
    Dropped,
}

impl ColumnRole {
    /// The name shown to people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Number => "number",
            Self::Category => "category",
            Self::Text => "text",
            Self::Dropped => "dropped",
        }
    }
}

/// One column of the table and what the search did with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnReport {
    /// The column's name.
    pub name: String,
    /// Its type in the table, by the names of signatures.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its role.
    pub role: ColumnRole,
    /// Rows without a value.
    pub missing: usize,
    /// Distinct values, missing not counted.
    pub distinct: usize,
    /// Why it was dropped, or how it was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// One row of the leaderboard: a configuration and how it did out of fold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Position in the search, from 1; the voting ensemble comes last.
    pub number: u32,
    /// The learner and its configuration in one line.
    pub learner: String,
    /// The primary metric; infinite, in JSON null, where it is not defined.
    pub score: f64,
    /// Every metric, out of fold.
    pub metrics: BTreeMap<String, f64>,
    /// Weight in the final ensemble, 0 to 1 (the ensemble's own row: 1).
    pub weight: f64,
    /// Seconds of training and scoring, summed over the folds.
    pub seconds: f64,
}

/// A member of the final ensemble.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// The trial it comes from.
    pub trial: u32,
    /// The learner and its configuration.
    pub learner: String,
    /// Its weight; the weights sum to 1.
    pub weight: f64,
}

/// How much the primary metric suffers when a column is shuffled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    /// The column.
    pub column: String,
    /// Mean loss of the primary metric over the repeats (positive = the column helps).
    pub mean: f64,
    /// Standard deviation over the repeats.
    pub deviation: f64,
    /// The mean lies between these with a confidence of 95 %: ± Student's t · deviation / √repeats. It covers the
    /// shuffles, not the choice of rows.
    #[serde(default)]
    pub low: f64,
    /// See [`Importance::low`].
    #[serde(default)]
    pub high: f64,
}

/// The work really done, so that a truncated search can be told from a full one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Work {
    /// Trials finished.
    pub trials: u32,
    /// Boosting rounds and trees grown in finished trials and in the final fit.
    pub rounds: u64,
    /// Rows with a target.
    pub rows: usize,
    /// Train/validation splits of each trial.
    pub splits: usize,
    /// Whether the time limit ended the search before all trials were done.
    pub truncated: bool,
    /// The number of the last trial whose result counts: a search of so many trials, without a time limit and with the
    /// two lists below, does the same work.
    #[serde(default)]
    pub reached: u32,
    /// Rows that were learned from at most, when they were a sample for the sake of the time limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit_rows: Option<usize>,
    /// Trials before that one that the time limit left out, by number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<u32>,
    /// Members that the time limit kept from being fitted on all rows, by number: they are models of the first fold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from_fold: Vec<u32>,
}

/// What a model's bytes depend on beside data and specification.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Maker {
    /// The program with its version.
    pub program: String,
    /// The processor's architecture and the system: other ones may round otherwise.
    pub architecture: String,
}

impl Maker {
    /// This program on this machine.
    #[must_use]
    pub fn here() -> Self {
        Self {
            program: concat!("portcullis-automl ", env!("CARGO_PKG_VERSION")).into(),
            architecture: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        }
    }
}

/// What the search tells while it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// What will be done.
    Plan {
        /// The task, inferred or given.
        task: Task,
        /// Rows with a target.
        rows: usize,
        /// Feature columns in use.
        features: usize,
        /// The primary metric.
        metric: String,
        /// Whether a higher value of it is better.
        higher_is_better: bool,
        /// Trials to run.
        trials: u32,
        /// Train/validation splits of each trial.
        splits: usize,
    },
    /// What becomes of a column.
    Column(ColumnReport),
    /// A sign of life from inside a fit; also the moment at which a search can be stopped between trials.
    Progress {
        /// Trials finished.
        finished: u32,
        /// Trials planned.
        trials: u32,
        /// Seconds since the start.
        seconds: f64,
    },
    /// A trial is done.
    Trial {
        /// Position in the search, from 1.
        number: u32,
        /// The learner and its configuration.
        learner: String,
        /// The primary metric.
        score: f64,
        /// Every metric, out of fold.
        metrics: BTreeMap<String, f64>,
        /// Weight in the ensemble; 0 while it is not known.
        weight: f64,
        /// Seconds of training and scoring, summed over the folds.
        seconds: f64,
        /// The best score so far, this trial included.
        best: f64,
    },
    /// The voting ensemble is chosen; its members are now fitted on all rows.
    Ensemble {
        /// Its members by falling weight.
        members: Vec<Member>,
        /// The primary metric.
        score: f64,
        /// Every metric, out of fold.
        metrics: BTreeMap<String, f64>,
    },
    /// How much each column matters.
    Importance {
        /// By falling mean.
        columns: Vec<Importance>,
    },
    /// Something the user should know.
    Warning {
        /// In one sentence.
        message: String,
    },
}

/// A finished search.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The ONNX file's bytes.
    #[serde(skip)]
    pub model: Vec<u8>,
    /// The task.
    pub task: Task,
    /// The primary metric.
    pub metric: String,
    /// Whether a higher value of it is better.
    pub higher_is_better: bool,
    /// The ensemble's primary metric, out of fold.
    pub score: f64,
    /// The leaderboard, best first.
    pub trials: Vec<Trial>,
    /// The ensemble's members by falling weight.
    pub members: Vec<Member>,
    /// The ensemble's metrics, out of fold.
    pub metrics: BTreeMap<String, f64>,
    /// The ensemble's metrics on the test table, when there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<BTreeMap<String, f64>>,
    /// The second of two classes is answered above this probability; absent = when it is the more probable one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f32>,
    /// Of more than two classes the one whose probability times this weight, in (0, 1], is largest is answered; by
    /// label. Absent = the most probable one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<BTreeMap<String, f32>>,
    /// Permutation importance by falling mean.
    pub importance: Vec<Importance>,
    /// What the ensemble does out of fold, and how the search went; kept in a file of their own.
    #[serde(skip)]
    pub plots: Vec<Plot>,
    /// Every column of the table.
    pub columns: Vec<ColumnReport>,
    /// The model's signature, as stored in the file.
    pub signature: serde_json::Value,
    /// The work done.
    pub work: Work,
    /// What about the data may make the model worse than its metrics; the most severe first.
    pub guardrails: Vec<crate::Guardrail>,
    /// What made it.
    pub made_by: Maker,
    /// What the user should know.
    pub notes: Vec<String>,
}
