//! Jobs, their runs and trials, metrics and lineage.

use crate::clock::Timestamp;
use crate::error::Fault;
use crate::ids::{Digest, Name, RunId, Version};
use crate::schema::Task;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Metric name → value; names as in Azure AutoML (`AUC_weighted`, `accuracy`, …).
pub type Metrics = BTreeMap<String, f64>;

/// What a job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobKind {
    /// A search over learners on a table.
    Automl,
    /// A command of the user.
    Command,
    /// A command tried with values out of a search space; each trial is a command job of its own.
    Sweep,
}

impl JobKind {
    /// The kind's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Automl => "automl",
            Self::Command => "command",
            Self::Sweep => "sweep",
        }
    }
}

/// Where a job stands. `Completed`, `Failed` and `Canceled` are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub enum JobStatus {
    /// Accepted, not yet started.
    Queued,
    /// A worker has it.
    Running,
    /// Cancellation was asked for; the child process is being stopped.
    Cancelling,
    /// Done.
    Completed,
    /// Ended with an error, told in `error`.
    Failed,
    /// Stopped on request.
    Canceled,
}

impl JobStatus {
    /// Whether the state never changes again.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Canceled)
    }

    /// The name of the state as stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "Queued",
            Self::Running => "Running",
            Self::Cancelling => "Cancelling",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::Canceled => "Canceled",
        }
    }

    /// Reads a stored name.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        [Self::Queued, Self::Running, Self::Cancelling, Self::Completed, Self::Failed, Self::Canceled]
            .into_iter()
            .find(|s| s.as_str() == text)
            .ok_or_else(|| Fault::internal(format!("unknown job status '{text}'")))
    }
}

/// The data a run was made from and the model it made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Lineage {
    /// Data asset name.
    pub data: Name,
    /// Its version.
    pub data_version: Version,
    /// SHA-256 of the version's content.
    pub data_digest: Digest,
}

/// A job and its run record (same id).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Job {
    /// The run's id.
    pub id: RunId,
    /// The experiment it belongs to.
    pub experiment: Name,
    /// What kind of job.
    pub kind: JobKind,
    /// Where it stands.
    pub status: JobStatus,
    /// The specification as submitted, in its own kind's form.
    pub spec: serde_json::Value,
    /// The registered data it reads, when it reads some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<Lineage>,
    /// The job that this one is a trial of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<RunId>,
    /// Metrics of the result, once completed.
    #[serde(default)]
    pub metrics: Metrics,
    /// The result's further facts (importance, column reports, work done), once completed.
    #[serde(default)]
    pub result: serde_json::Value,
    /// Why it failed, for the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it was accepted.
    pub created: Timestamp,
    /// When a worker took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it reached a final state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
}

/// A candidate inside a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Trial {
    /// Position in the search, from 1.
    pub number: u32,
    /// The learner's name and configuration in one line.
    pub learner: String,
    /// What is predicted.
    pub task: Task,
    /// The primary metric's value on out-of-fold predictions; none where it is not defined for them.
    pub score: Option<f64>,
    /// All metrics on out-of-fold predictions.
    pub metrics: Metrics,
    /// Weight in the ensemble, 0 when not a member.
    pub weight: f64,
    /// Wall time of the trial in seconds.
    pub seconds: f64,
}
