//! Where a model version came from and where it runs.

use domain::{
    DataVersion, Deployment, Digest, Job, JobStatus, Metrics, ModelName, ModelVersion, Name, RunId,
    Timestamp, Version,
};
use serde::{Deserialize, Serialize};
use store::Store;
use utoipa::ToSchema;

use crate::error::Result;

/// Data version → run → model version → deployments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LineageView {
    /// The data the run read; none for a file from elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataView>,
    /// The run that made the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunView>,
    /// The model's name.
    pub model: ModelName,
    /// Its version.
    pub version: Version,
    /// SHA-256 of its content.
    pub digest: Digest,
    /// Where it runs now.
    pub deployments: Vec<Deployment>,
}

/// The data end of a lineage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DataView {
    /// The asset's name.
    pub name: Name,
    /// Its version.
    pub version: Version,
    /// SHA-256 of the content the run read.
    pub digest: Digest,
    /// Rows of that version; none when it is registered here no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

/// The run in the middle of a lineage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunView {
    /// Its id.
    pub id: RunId,
    /// The experiment, status, metrics and end, when the run's record is here.
    #[serde(flatten)]
    pub facts: Option<RunFacts>,
}

/// What a run's record tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunFacts {
    /// The experiment.
    pub experiment: Name,
    /// Where it stands.
    pub status: JobStatus,
    /// Metrics of the result.
    pub metrics: Metrics,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

/// Puts a version's lineage together.
pub(crate) async fn view(store: &Store, version: &ModelVersion) -> Result<LineageView> {
    let data = match &version.lineage {
        None => None,
        Some(l) => {
            let found = found(store.data_version(&l.data, Some(l.data_version)).await)?;
            let rows = found.filter(|d: &DataVersion| d.digest == l.data_digest).map(|d| d.rows);
            Some(DataView { name: l.data.clone(), version: l.data_version, digest: l.data_digest, rows })
        }
    };
    let run = match &version.run {
        None => None,
        Some(id) => Some(RunView { id: id.clone(), facts: found(store.job(id).await)?.map(facts) }),
    };
    let mut deployments = store.deployments(None).await?;
    deployments.retain(|d| d.model == version.model && d.version == version.version);
    Ok(LineageView {
        data,
        run,
        model: version.model.clone(),
        version: version.version,
        digest: version.digest,
        deployments,
    })
}

fn facts(job: Job) -> RunFacts {
    RunFacts { experiment: job.experiment, status: job.status, metrics: job.metrics, ended: job.ended }
}

/// An absent thing as none.
fn found<T>(result: store::Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
