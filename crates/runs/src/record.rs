//! Jobs as runs of tracking: opened when accepted, under way when begun, ended when they end; what clients log stands beside.

use crate::command::SubmitCommand;
use crate::error::Result;
use crate::results;
use crate::submit::{DEFAULT_EXPERIMENT, SubmitAutoml};
use crate::tracking::now;
use domain::tracking::{LogBatch, NewMetric, NewRun, PARENT_RUN, Pair, Point, RunStatus, RunUpdate};
use domain::{Job, JobKind, JobStatus, Metrics, RunId};
use serde_json::Value;
use std::collections::BTreeMap;
use store::{JobEnd, Store};

/// Values of a metric that are read at once.
const POINTS_MAX: u64 = 10_000;
/// What the tag `mlflow.source.type` says of jobs.
pub(crate) const SOURCE_TYPE: &str = "JOB";
/// The longest parameter, in characters.
const PARAM_MAX: usize = 6000;
/// The longest value of a tag, in characters.
const TAG_MAX: usize = 8000;

/// Opens the run of a job; one that is open stays.
pub async fn open(store: &Store, job: &Job) -> Result<()> {
    let experiment = job.experiment.as_str();
    let experiment_id =
        if experiment == DEFAULT_EXPERIMENT { 0 } else { store.ensure_experiment(experiment).await? };
    let run = NewRun {
        id: job.id.clone(),
        experiment_id,
        name: name(job),
        user_id: "portcullis".to_owned(),
        start_time: now(),
        status: RunStatus::Scheduled,
        tags: tags(job),
    };
    let opened = store.open_run(run).await?;
    let asked = if job.kind == JobKind::Automl { asked(&job.spec) } else { Vec::new() };
    if opened.status == RunStatus::Scheduled && !asked.is_empty() {
        let run_id = job.id.to_string();
        store.log_batch(LogBatch { run_id, params: asked, ..LogBatch::default() }).await?;
    }
    Ok(())
}

/// What was asked for, as parameters.
fn asked(spec: &Value) -> Vec<Pair> {
    let members = spec.as_object().into_iter().flatten();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let short = |text: String| text.chars().take(PARAM_MAX).collect::<String>();
    members
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| Pair::new(key, short(text(value))))
        .collect()
}

/// The run goes on.
pub async fn begin(store: &Store, job: &Job) -> Result<()> {
    open(store, job).await?;
    let status = Some(RunStatus::Running);
    store.update_run(RunUpdate { run_id: job.id.to_string(), status, ..RunUpdate::default() }).await?;
    Ok(())
}

/// The run has ended, with the metrics of the job; those of a search's test data stand beside them.
pub async fn end(store: &Store, job: &Job, end: &JobEnd) -> Result<()> {
    open(store, job).await?;
    let point = |value| Point { value, timestamp: now(), step: 0 };
    let metric = |(key, value): (&String, &f64)| NewMetric {
        key: key.clone(),
        point: point(*value),
        model_id: None,
        dataset: None,
    };
    let tested = if job.kind == JobKind::Automl { results::tested(&end.result) } else { Metrics::new() };
    let metrics: Vec<NewMetric> = end.metrics.iter().chain(&tested).map(metric).collect();
    let short = |error: &String| error.chars().take(TAG_MAX).collect::<String>();
    let tags: Vec<Pair> = end.error.iter().map(|e| Pair::new("portcullis.error", short(e))).collect();
    if !metrics.is_empty() || !tags.is_empty() {
        let batch = LogBatch { run_id: job.id.to_string(), metrics, params: Vec::new(), tags };
        store.log_batch(batch).await?;
    }
    let status = match end.status {
        JobStatus::Completed => RunStatus::Finished,
        JobStatus::Canceled => RunStatus::Killed,
        _ => RunStatus::Failed,
    };
    store.end_run(&job.id, status, end.now.micros() / 1000).await?;
    Ok(())
}

/// Logs the values of a trial as parameters of its run.
pub async fn parameters(store: &Store, job: &Job, values: &crate::sweep::Values) -> Result<()> {
    open(store, job).await?;
    let params = values.iter().map(|(name, value)| Pair::new(name, value)).collect();
    let batch = LogBatch { run_id: job.id.to_string(), metrics: Vec::new(), params, tags: Vec::new() };
    Ok(store.log_batch(batch).await?)
}

/// The tag of a trial that a policy stopped, and what it says.
const STOPPED_BY: &str = "portcullis.stopped_by";

/// Notes which policy stops a trial.
pub async fn stopped_by(store: &Store, run: &RunId, policy: &str) -> Result<()> {
    let tags = vec![Pair::new(STOPPED_BY, policy)];
    Ok(store.log_batch(LogBatch { run_id: run.to_string(), tags, ..LogBatch::default() }).await?)
}

/// The policy that stopped a trial.
pub async fn stopper(store: &Store, run: &RunId) -> Result<Option<String>> {
    let tags = store.run(run.as_str()).await?.data.tags;
    Ok(tags.into_iter().find(|tag| tag.key == STOPPED_BY).map(|tag| tag.value))
}

/// What was logged of a metric, in the order of its steps.
pub async fn logged(store: &Store, run: &RunId, metric: &str) -> Result<Vec<f64>> {
    let page = store.metric_history(run.as_str(), metric, (0, POINTS_MAX)).await?;
    let mut points = page.points;
    points.sort_by_key(|point| (point.step, point.timestamp));
    Ok(points.into_iter().map(|point| point.value).filter(|value| !value.is_nan()).collect())
}

/// The title, or the kind and the beginning of the id.
fn name(job: &Job) -> String {
    let own = job.spec["display_name"].as_str().or_else(|| job.spec["trial"]["display_name"].as_str());
    let given = own.filter(|name| !name.is_empty());
    given.map_or_else(|| format!("{}-{}", job.kind.as_str(), tail(&job.id)), str::to_owned)
}

/// Ids made in the same moment begin alike.
fn tail(id: &RunId) -> &str {
    id.as_str().get(24..).unwrap_or(id.as_str())
}

fn tags(job: &Job) -> Vec<Pair> {
    let mut tags = vec![Pair::new("portcullis.job.kind", job.kind.as_str())];
    if let Some(parent) = &job.parent {
        tags.push(Pair::new(PARENT_RUN, parent.as_str()));
    }
    if let Some(data) = &job.lineage {
        tags.push(Pair::new("portcullis.data", format!("{}:{}", data.data, data.data_version)));
    }
    tags.push(Pair::new("mlflow.source.type", SOURCE_TYPE));
    if job.kind != JobKind::Command {
        tags.push(Pair::new("mlflow.source.name", format!("portcullis {}", job.kind.as_str())));
    } else if let Ok(ask) = serde_json::from_value::<SubmitCommand>(job.spec.clone()) {
        tags.push(Pair::new("mlflow.source.name", ask.command.chars().take(500).collect::<String>()));
        if let Some(source) = &ask.source {
            let facts = [
                ("mlflow.source.git.commit", &source.commit),
                ("mlflow.source.git.branch", &source.branch),
                ("mlflow.source.git.repoURL", &source.repository),
            ];
            tags.extend(facts.into_iter().filter_map(|(key, value)| Some(Pair::new(key, value.as_ref()?))));
        }
        tags.extend(written(&ask.description, &ask.tags));
    }
    if let (JobKind::Automl, Ok(ask)) = (job.kind, serde_json::from_value::<SubmitAutoml>(job.spec.clone())) {
        tags.extend(written(&ask.description, &ask.tags));
    }
    tags
}

/// What its author wrote of a job, as tags of its run.
fn written(description: &str, tags: &BTreeMap<String, String>) -> Vec<Pair> {
    let fits = |(key, value): &(&String, &String)| key.len() <= 250 && value.len() <= 5000;
    let mut pairs: Vec<Pair> = tags.iter().filter(fits).map(|(key, value)| Pair::new(key, value)).collect();
    if !description.is_empty() {
        pairs.push(Pair::new("mlflow.note.content", description.chars().take(5000).collect::<String>()));
    }
    pairs
}
