//! Our own jobs as runs: a job is a run of the same id in its experiment, its trials are child runs of it.
//!
//! A job never fails for want of its run: what cannot be written is told in the server's log, and written again with the next step.

use crate::error::Result;
use crate::submit::DEFAULT_EXPERIMENT;
use crate::tracking::now;
use domain::tracking::{LogBatch, NewMetric, NewRun, PARENT_RUN, Pair, RunStatus, RunUpdate};
use domain::{Actor, Job, JobStatus, RunId, Trial};
use serde_json::Value;
use store::Store;

/// What the tag `mlflow.source.type` says of jobs.
const SOURCE_TYPE: &str = "JOB";
/// The longest parameter, in characters.
const PARAM_MAX: usize = 6000;

/// The state of a job as that of a run.
const fn status(job: JobStatus) -> RunStatus {
    match job {
        JobStatus::Queued => RunStatus::Scheduled,
        JobStatus::Running | JobStatus::Cancelling => RunStatus::Running,
        JobStatus::Completed => RunStatus::Finished,
        JobStatus::Failed => RunStatus::Failed,
        JobStatus::Canceled => RunStatus::Killed,
    }
}

/// The id of a trial's run: the same whenever the trial is told again.
fn child(job: &RunId, number: u32) -> Option<RunId> {
    // Numbers of one job differ, so their products with an odd number do.
    let (head, tail) = job.as_str().split_at_checked(24)?;
    let tail = u32::from_str_radix(tail, 16).ok()? ^ number.wrapping_mul(0x9E37_79B1);
    RunId::try_from(format!("{head}{tail:08x}")).ok()
}

/// Opens the run of a job, if it is not there, with what was asked for as its parameters.
pub(crate) async fn begin(store: &Store, job: &Job, by: &Actor) {
    if let Err(error) = try_begin(store, job, by).await {
        tracing::warn!(%error, run = %job.id, "a job's run cannot be written yet");
    }
}

async fn try_begin(store: &Store, job: &Job, by: &Actor) -> Result<()> {
    let experiment = job.experiment.as_str();
    let experiment_id =
        if experiment == DEFAULT_EXPERIMENT { 0 } else { store.ensure_experiment(experiment).await? };
    let kind = word(&job.kind);
    let new = NewRun {
        id: job.id.clone(),
        experiment_id,
        name: format!("{kind}-{}", &job.id.as_str()[..8]),
        user_id: by.to_string(),
        start_time: job.created.micros() / 1000,
        status: status(job.status),
        tags: vec![
            Pair::new("mlflow.user", by.to_string()),
            Pair::new("mlflow.source.type", SOURCE_TYPE),
            Pair::new("mlflow.source.name", format!("portcullis {kind}")),
        ],
    };
    store.open_run(new).await?;
    let params = params(&job.spec);
    if !params.is_empty() {
        store.log_batch(LogBatch { run_id: job.id.to_string(), params, ..LogBatch::default() }).await?;
    }
    Ok(())
}

fn word<T: serde::Serialize>(kind: &T) -> String {
    serde_json::to_value(kind).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// What was asked for, as parameters.
fn params(spec: &Value) -> Vec<Pair> {
    let members = spec.as_object().into_iter().flatten();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let short = |text: String| text.chars().take(PARAM_MAX).collect::<String>();
    members
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| Pair::new(key, short(text(value))))
        .collect()
}

/// Writes where a job stands, and its metrics when it has ended.
pub(crate) async fn follow(store: &Store, job: &Job) {
    if let Err(error) = try_follow(store, job).await {
        tracing::warn!(%error, run = %job.id, "a job's state cannot be written to its run");
    }
}

async fn try_follow(store: &Store, job: &Job) -> Result<()> {
    let end_time = job.ended.map(|end| end.micros() / 1000);
    let at = end_time.unwrap_or_else(now);
    let batch = LogBatch {
        run_id: job.id.to_string(),
        metrics: job.metrics.iter().map(|(key, value)| NewMetric::new(key, *value, at, 0)).collect(),
        tags: job.error.iter().map(|error| Pair::new("portcullis.error", short_tag(error))).collect(),
        ..LogBatch::default()
    };
    if job.status.is_final() && (!batch.metrics.is_empty() || !batch.tags.is_empty()) {
        store.log_batch(batch).await?;
    }
    let update =
        RunUpdate { run_id: job.id.to_string(), status: Some(status(job.status)), end_time, name: None };
    store.update_run(update).await?;
    Ok(())
}

fn short_tag(text: &str) -> String {
    text.chars().take(8000).collect()
}

/// Writes a trial as a child run.
pub(crate) async fn trial(store: &Store, job: &Job, trial: &Trial) {
    if let Err(error) = try_trial(store, job, trial).await {
        tracing::warn!(%error, run = %job.id, trial = trial.number, "a trial cannot be written as a run");
    }
}

async fn try_trial(store: &Store, job: &Job, trial: &Trial) -> Result<()> {
    let Some(id) = child(&job.id, trial.number) else { return Ok(()) };
    let parent = store.run_info(job.id.as_str()).await?;
    let end = now();
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds of a training")]
    let start = end - (trial.seconds.clamp(0.0, 1e9) * 1000.0) as i64;
    let new = NewRun {
        id: id.clone(),
        experiment_id: parent.experiment_id.parse().unwrap_or_default(),
        name: format!("trial-{}", trial.number),
        user_id: parent.user_id,
        start_time: start,
        status: RunStatus::Running,
        tags: vec![
            Pair::new(PARENT_RUN, job.id.as_str()),
            Pair::new("mlflow.source.type", SOURCE_TYPE),
            Pair::new("mlflow.source.name", format!("portcullis {}", word(&job.kind))),
        ],
    };
    let opened = store.open_run(new).await?;
    // Told again at the end of the search: what it had is there, the weight is new.
    let mut metrics = vec![NewMetric::new("weight", trial.weight, end, 0)];
    let mut params = Vec::new();
    if opened.status == RunStatus::Running {
        metrics.extend(trial.metrics.iter().map(|(key, value)| NewMetric::new(key, *value, end, 0)));
        metrics.push(NewMetric::new("score", trial.score, end, 0));
        params.push(Pair::new("learner", &trial.learner));
    }
    store.log_batch(LogBatch { run_id: id.to_string(), metrics, params, ..LogBatch::default() }).await?;
    if opened.status == RunStatus::Running {
        store.end_run(&id, RunStatus::Finished, end).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_trial_has_an_id_of_its_own_that_stays() {
        let job = RunId::generate();
        let ids: HashSet<RunId> = (0..5000).filter_map(|number| child(&job, number)).collect();
        assert_eq!(ids.len(), 5000);
        assert_eq!(child(&job, 7), child(&job, 7));
        assert_eq!(child(&job, 0), Some(job));
    }
}
