//! The folder a child leaves behind, read back and kept for good.

use crate::error::{Error, Result};
use crate::order::{FILES, LEADERBOARD, MODEL, OUTCOME, PLOTS, REPORT};
use domain::{Digest, Metrics, RunId, Task, Timestamp, Trial};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;
use store::{ArtifactFile, Artifacts, Store};

/// A file of a job, kept as an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFile {
    /// SHA-256 of its content.
    pub digest: Digest,
    /// Its length.
    pub bytes: u64,
}

/// A finished search as its folder tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    /// The ONNX file.
    pub model: Vec<u8>,
    /// Files by name, kept as artifacts.
    pub files: BTreeMap<String, KeptFile>,
    /// The plots as pictures, by path; artifacts of the run too.
    pub pictures: BTreeMap<String, KeptFile>,
    /// The ensemble's metrics.
    pub metrics: Metrics,
    /// The leaderboard with final weights.
    pub trials: Vec<Trial>,
    /// Everything else about the result.
    pub facts: Map<String, Value>,
}

/// Whether the folder holds a whole result: the outcome is written last.
pub fn are_complete(folder: &Path) -> bool {
    folder.join(OUTCOME).is_file()
}

/// Reads a complete folder and keeps its files. Blocking.
pub fn keep(folder: &Path, artifacts: &Artifacts) -> Result<Results> {
    let mut files = BTreeMap::new();
    let mut keep = |name: &str| -> Result<Vec<u8>> {
        let bytes = read(folder, name)?;
        let kept = KeptFile { digest: artifacts.put(&bytes)?, bytes: bytes.len() as u64 };
        files.insert(name.to_owned(), kept);
        Ok(bytes)
    };
    let model = keep(MODEL)?;
    keep(LEADERBOARD)?;
    keep(REPORT)?;
    let plots: Vec<automl::Plot> = serde_json::from_slice(&keep(PLOTS)?)?;
    debug_assert_eq!(files.len(), FILES.len(), "every file users may have is kept");
    let mut pictures = BTreeMap::new();
    for plot in &plots {
        let picture = automl::svg(plot).into_bytes();
        let kept = KeptFile { digest: artifacts.put(&picture)?, bytes: picture.len() as u64 };
        pictures.insert(format!("plots/{}.svg", plot.name), kept);
    }
    let Value::Object(mut facts) = serde_json::from_slice(&read(folder, OUTCOME)?)? else {
        return Err(Error::Results(format!("{OUTCOME} is no object")));
    };
    let metrics = metrics(&facts.remove("metrics").unwrap_or_default());
    let task = serde_json::from_value(facts.get("task").cloned().unwrap_or_default())?;
    let trials = facts.remove("trials").unwrap_or_default();
    let trials = trials
        .as_array()
        .map_or(&[][..], Vec::as_slice)
        .iter()
        .map(|t| trial(t, task))
        .collect::<Result<_>>()?;
    Ok(Results { model, files, pictures, metrics, trials, facts })
}

/// Makes what a search wrote artifacts of its run, where clients of the run find them.
pub async fn link(store: &Store, run: &RunId, results: &Results) -> Result<()> {
    let uri = store.run_artifacts(run.as_str()).await?;
    // An experiment may keep its artifacts elsewhere.
    let Some(below) = uri.strip_prefix(registry::ARTIFACTS).map(|path| path.trim_matches('/')) else {
        return Ok(());
    };
    let file = |(name, kept): (&String, &KeptFile)| ArtifactFile {
        path: format!("{below}/{name}"),
        digest: kept.digest,
        bytes: kept.bytes,
    };
    let files: Vec<ArtifactFile> = results.files.iter().chain(&results.pictures).map(file).collect();
    Ok(store.put_artifact_paths(&files, Timestamp::now()).await?)
}

fn read(folder: &Path, name: &str) -> Result<Vec<u8>> {
    let path = folder.join(name);
    std::fs::read(&path).map_err(|e| Error::io(&path, e))
}

/// A trial as an event or the outcome tells it.
pub fn trial(value: &Value, task: Task) -> Result<Trial> {
    let part: Told = serde_json::from_value(value.clone())?;
    Ok(Trial {
        number: part.number,
        learner: part.learner,
        task,
        score: part.score,
        metrics: metrics(&part.metrics),
        weight: part.weight,
        seconds: part.seconds,
    })
}

/// What is read of a trial; a score that is no number is null in JSON.
#[derive(Deserialize)]
struct Told {
    number: u32,
    learner: String,
    score: Option<f64>,
    metrics: Value,
    weight: f64,
    seconds: f64,
}

/// What the finished model was measured at on test data, named apart from what it was chosen by.
pub fn tested(result: &Value) -> Metrics {
    metrics(&result["test"]).into_iter().map(|(name, value)| (format!("test_{name}"), value)).collect()
}

/// Metrics that are numbers; one that is not defined for the table stands as null and is left out.
fn metrics(value: &Value) -> Metrics {
    let all = value.as_object().into_iter().flatten();
    all.filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_metric_without_a_value_is_left_out() {
        let event = json!({"event": "trial", "number": 3, "learner": "forest", "score": 0.5, "best": 0.7, "weight": 0.0,
            "metrics": {"accuracy": 0.5, "log_loss": null}, "seconds": 1.5});
        let trial = trial(&event, Task::Binary).unwrap();
        assert_eq!((trial.number, trial.metrics.len(), trial.metrics["accuracy"]), (3, 1, 0.5));
    }
}
