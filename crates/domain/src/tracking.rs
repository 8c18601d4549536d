//! Experiments and runs as the MLflow protocol knows them, in the shape in which it writes them. Times are milliseconds since 1970.

use crate::error::Fault;
use serde::{Deserialize, Serialize, Serializer};

/// The tag that names a run.
pub const RUN_NAME: &str = "mlflow.runName";
/// The tag that names a run's parent.
pub const PARENT_RUN: &str = "mlflow.parentRunId";
/// The tag of an input that tells what it was used for.
pub const DATASET_CONTEXT: &str = "mlflow.data.context";

/// A key with its value: a parameter or a tag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Pair {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

impl Pair {
    /// A pair.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into() }
    }
}

/// Whether something was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LifecycleStage {
    /// It is there.
    Active,
    /// It was deleted and can be restored.
    Deleted,
}

impl From<bool> for LifecycleStage {
    fn from(deleted: bool) -> Self {
        if deleted { Self::Deleted } else { Self::Active }
    }
}

/// An experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Experiment {
    /// Its id, a decimal number as text.
    pub experiment_id: String,
    /// Its name.
    pub name: String,
    /// Where artifacts of its runs go.
    pub artifact_location: String,
    /// Whether it was deleted.
    pub lifecycle_stage: LifecycleStage,
    /// When it was made.
    pub creation_time: i64,
    /// When it, its tags, or its stage last changed.
    pub last_update_time: i64,
    /// Its tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Pair>,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RunStatus {
    /// It goes on.
    Running,
    /// It will begin.
    Scheduled,
    /// It ended well.
    Finished,
    /// It failed.
    Failed,
    /// It was stopped.
    Killed,
}

impl RunStatus {
    /// The status as it is stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Scheduled => "SCHEDULED",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Killed => "KILLED",
        }
    }

    /// Reads a status.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        [Self::Running, Self::Scheduled, Self::Finished, Self::Failed, Self::Killed]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| Fault::invalid(format!("'{text}' is no status of a run")))
    }
}

/// What is told of a run besides its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunInfo {
    /// Its id.
    pub run_id: String,
    /// The id again, as older clients read it.
    pub run_uuid: String,
    /// Its name.
    pub run_name: String,
    /// Its experiment.
    pub experiment_id: String,
    /// Who began it.
    pub user_id: String,
    /// Where it stands.
    pub status: RunStatus,
    /// When it began.
    pub start_time: i64,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<i64>,
    /// Where its artifacts are.
    pub artifact_uri: String,
    /// Whether it was deleted.
    pub lifecycle_stage: LifecycleStage,
}

/// A metric's value at a step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Metric {
    /// The key.
    pub key: String,
    /// The value; may be NaN or infinite.
    #[serde(serialize_with = "write_double")]
    pub value: f64,
    /// When.
    pub timestamp: i64,
    /// The step.
    pub step: i64,
}

/// Writes a number of an answer; those that JSON has not are the texts `NaN`, `Infinity`, `-Infinity`.
pub fn write_double<S: Serializer>(value: &f64, writer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() {
        writer.serialize_f64(*value)
    } else if value.is_nan() {
        writer.serialize_str("NaN")
    } else if *value > 0.0 {
        writer.serialize_str("Infinity")
    } else {
        writer.serialize_str("-Infinity")
    }
}

/// Metrics (the latest of each key), parameters and tags of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RunData {
    /// The latest of each key: largest step, then time, then value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    /// Parameters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Pair>,
    /// Tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Pair>,
}

/// A dataset.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Dataset {
    /// Its name.
    pub name: String,
    /// A digest of its content, in whatever form the client makes it.
    pub digest: String,
    /// What kind of place it is from.
    pub source_type: String,
    /// Where it is from.
    pub source: String,
    /// Its schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Its profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
}

/// A dataset that went into a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatasetInput {
    /// What it was for, and the like.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Pair>,
    /// The dataset.
    pub dataset: Dataset,
}

/// A logged model that went into a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelInput {
    /// The model.
    pub model_id: String,
}

/// A logged model that came out of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelOutput {
    /// The model.
    pub model_id: String,
    /// At which step.
    pub step: i64,
}

/// What went into a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RunInputs {
    /// Datasets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dataset_inputs: Vec<DatasetInput>,
    /// Models.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub model_inputs: Vec<ModelInput>,
}

/// What came out of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RunOutputs {
    /// Models.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub model_outputs: Vec<ModelOutput>,
}

/// A run with all that is known of it but the history of its metrics.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// What is told of it.
    pub info: RunInfo,
    /// Metrics, parameters, tags.
    pub data: RunData,
    /// What went in.
    pub inputs: RunInputs,
    /// What came out.
    pub outputs: RunOutputs,
}

/// A point of a metric's history.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// The value.
    pub value: f64,
    /// When.
    pub timestamp: i64,
    /// The step.
    pub step: i64,
}

/// What a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ViewType {
    /// What was not deleted.
    #[default]
    ActiveOnly,
    /// What was deleted.
    DeletedOnly,
    /// Both.
    All,
}

/// A dataset of an experiment, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatasetSummary {
    /// The experiment.
    pub experiment_id: String,
    /// The dataset's name.
    pub name: String,
    /// Its digest.
    pub digest: String,
    /// What it was used for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
}

/// A metric to log.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMetric {
    /// The key.
    pub key: String,
    /// Value, time and step.
    pub point: Point,
    /// The logged model it is about.
    pub model_id: Option<String>,
    /// The name and the digest of the dataset it was computed on.
    pub dataset: Option<(String, String)>,
}

impl NewMetric {
    /// A metric about no model.
    pub fn new(key: impl Into<String>, value: f64, timestamp: i64, step: i64) -> Self {
        Self { key: key.into(), point: Point { value, timestamp, step }, model_id: None, dataset: None }
    }
}

/// What one call logs to a run: all of it or nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogBatch {
    /// The run.
    pub run_id: String,
    /// Metrics.
    pub metrics: Vec<NewMetric>,
    /// Parameters; one with another value than before is refused.
    pub params: Vec<Pair>,
    /// Tags; the last value stands.
    pub tags: Vec<Pair>,
}

/// A run to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    /// Its id, 32 hexadecimal digits.
    pub id: crate::ids::RunId,
    /// Its experiment.
    pub experiment_id: i64,
    /// Its name.
    pub name: String,
    /// Who begins it.
    pub user_id: String,
    /// When it begins.
    pub start_time: i64,
    /// Where it stands.
    pub status: RunStatus,
    /// Its tags; the name is added.
    pub tags: Vec<Pair>,
}

/// What is to change of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunUpdate {
    /// The run.
    pub run_id: String,
    /// Where it stands now.
    pub status: Option<RunStatus>,
    /// When it ended.
    pub end_time: Option<i64>,
    /// Its new name.
    pub name: Option<String>,
}
