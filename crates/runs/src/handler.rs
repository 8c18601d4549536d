//! One attempt at a job: train in a child process, keep what it made, register the winner, end the job truthfully.
//!
//! Every part may be repeated after a crash. Training goes on from its finished trials unless its results were complete; artifacts are named by
//! their content; the registry knows the run; the first final state of a job stands.

use crate::child::{Child, Ended, Program, Step};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::feed::{Feed, Feeds};
use crate::journal::JOURNAL;
use crate::order::{LOG, Limits, Order, Source};
use crate::results::{self, Results};
use crate::submit::SubmitAutoml;
use crate::trials;
use domain::{Actor, Fault, Job, JobStatus, Metrics, ModelName, Name, RunId, Task, Timestamp, Version};
use futures_util::future::BoxFuture;
use registry::NewVersion;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::{JobEnd, Store, TaskHandler};

/// Pause before a job's end is written again when the database refuses.
const TROUBLE: Duration = Duration::from_millis(500);

/// What attempts share with the service.
#[derive(Debug)]
pub struct Shared {
    /// The store.
    pub store: Store,
    /// The settings.
    pub config: Config,
    /// The child's program.
    pub program: Program,
    /// The events of jobs that have not ended.
    pub feeds: Feeds,
}

/// The payload of the queue's task.
#[derive(Debug, Serialize, Deserialize)]
pub struct Payload {
    /// The job.
    pub run: RunId,
}

/// The queue's handler.
#[derive(Debug)]
pub struct Handler(pub Arc<Shared>);

impl TaskHandler for Handler {
    fn run(&self, payload: Value) -> BoxFuture<'static, Result<(), Fault>> {
        let shared = self.0.clone();
        Box::pin(async move {
            let Payload { run } = parse(payload)?;
            Ok(shared.attempt(&run).await?)
        })
    }

    fn gave_up(&self, payload: Value, why: Fault) -> BoxFuture<'static, ()> {
        let shared = self.0.clone();
        Box::pin(async move {
            match parse(payload) {
                // Until it is written: a job must not hang as running because the disk was full for a while.
                Ok(Payload { run }) => {
                    while let Err(error) = shared.end(&run, failed(why.message.clone())).await {
                        if matches!(error, Error::Store(store::Error::NotFound { .. })) {
                            return;
                        }
                        tracing::error!(%error, %run, "a job's end cannot be written, trying again");
                        tokio::time::sleep(TROUBLE).await;
                    }
                }
                Err(fault) => tracing::error!(error = %fault, "a task of the queue is malformed"),
            }
        })
    }
}

/// The payload of the queue's task.
pub fn parse(payload: Value) -> Result<Payload, Fault> {
    serde_json::from_value(payload).map_err(|e| Fault::invalid(format!("the task's payload: {e}")))
}

/// The end of a job that failed.
pub fn failed(message: String) -> JobEnd {
    JobEnd {
        status: JobStatus::Failed,
        metrics: Metrics::new(),
        result: Value::Null,
        error: Some(message),
        now: Timestamp::now(),
    }
}

/// The end of a job that was stopped on request.
pub fn canceled() -> JobEnd {
    JobEnd { status: JobStatus::Canceled, error: None, ..failed(String::new()) }
}

impl Shared {
    /// The folder of a job while it runs; of a failed one its log stays there.
    pub fn folder(&self, run: &RunId) -> PathBuf {
        self.store.dir().join("runs").join(run.as_str())
    }

    async fn attempt(self: &Arc<Self>, run: &RunId) -> Result<()> {
        let feed = self.feeds.get(run);
        // Before the job is marked: whoever cancels it from then on finds an attempt to stop.
        let _active = feed.activate();
        if !self.store.job_started(run, Timestamp::now()).await? {
            return self.end(run, canceled()).await;
        }
        let job = self.store.job(run).await?;
        feed.status(&job);
        crate::record::begin(&self.store, &job).await?;
        let folder = self.folder(run);
        let ended = if results::are_complete(&folder) {
            Ended::Finished
        } else {
            self.train(&job, &folder, &feed).await?
        };
        let end = match ended {
            Ended::Canceled => canceled(),
            Ended::Failed(message) | Ended::Killed(message) => failed(message),
            Ended::Finished => match self.finish(&job, &folder).await {
                Ok(end) => end,
                Err(error) => ended_by(error)?,
            },
        };
        let keep_log = end.status == JobStatus::Failed;
        let job = self.settle(run, end).await?;
        // Between the two: who hears of the end finds nothing left over, and a crash leaves no ended job to begin again.
        clear(&folder, keep_log).await;
        self.feeds.end(&job);
        Ok(())
    }

    /// Writes a job's end, if it has none, and tells the watchers the end it has.
    pub async fn end(&self, run: &RunId, end: JobEnd) -> Result<()> {
        let job = self.settle(run, end).await?;
        self.feeds.end(&job);
        Ok(())
    }

    /// Writes a job's end, if it has none; the job as it ended.
    async fn settle(&self, run: &RunId, end: JobEnd) -> Result<Job> {
        let job = self.store.job(run).await?;
        if !job.status.is_final() {
            // First: a run whose job has ended is looked at no more.
            crate::record::end(&self.store, &job, &end).await?;
            self.store.job_ended(run, end).await?;
        }
        let job = self.store.job(run).await?;
        tracing::info!(%run, status = job.status.as_str(), error = job.error, "job ended");
        Ok(job)
    }

    /// Trains until there is a result or none can come. A child that was killed from outside is begun again when it had
    /// finished trials, which the next one takes over; as often as a job may be begun.
    async fn train(&self, job: &Job, folder: &Path, feed: &Feed) -> Result<Ended> {
        let journal = folder.join(JOURNAL);
        let length = || std::fs::metadata(&journal).map_or(0, |file| file.len());
        let mut attempts = 1;
        loop {
            let before = length();
            let ended = self.train_once(job, folder, feed).await?;
            let Ended::Killed(why) = &ended else { return Ok(ended) };
            if attempts >= self.config.max_attempts || length() <= before {
                return Ok(ended);
            }
            attempts += 1;
            tracing::warn!(run = %job.id, why, "the search goes on from its finished trials");
        }
    }

    async fn train_once(&self, job: &Job, folder: &Path, feed: &Feed) -> Result<Ended> {
        let order = self.order(job, folder).await?;
        let mut stop = feed.stopped();
        let mut child = Child::start(&self.program, &order, &folder.join(LOG), &self.config).await?;
        tracing::info!(run = %job.id, pid = child.id(), "job started");
        let mut task = Task::Binary;
        loop {
            match child.next(&mut stop).await {
                Step::Ended(ended) => return Ok(ended),
                Step::Event(event) => {
                    if event["event"] == "plan" {
                        task = serde_json::from_value(event["task"].clone()).unwrap_or(task);
                    }
                    if event["event"] == "trial" {
                        self.show_trial(job, &event, task).await;
                    }
                    feed.push(event);
                }
            }
        }
    }

    /// Keeps a trial where users look while the search goes on. A failure is no reason to end the search: all trials are
    /// kept once more when it is finished.
    async fn show_trial(&self, job: &Job, event: &Value, task: Task) {
        let kept = async {
            let trial = results::trial(event, task)?;
            self.store.add_trial(&job.id, &trial).await?;
            trials::trial(&self.store, job, &trial).await;
            Ok::<_, Error>(())
        };
        if let Err(error) = kept.await {
            tracing::warn!(%error, run = %job.id, "a trial cannot be shown yet");
        }
    }

    /// A further table of an order.
    async fn source(&self, name: Option<&Name>, version: Option<Version>) -> Result<Option<Source>> {
        let Some(name) = name else { return Ok(None) };
        let data = self.store.data_version(name, version).await?;
        let path = self.store.artifacts().path(&data.digest)?;
        Ok(Some(Source { data: path, format: data.format, columns: data.columns }))
    }

    /// The child's order, and a folder for its results that holds nothing but the finished trials of an earlier attempt.
    async fn order(&self, job: &Job, folder: &Path) -> Result<Order> {
        let ask: SubmitAutoml = serde_json::from_value(job.spec.clone())
            .map_err(|e| Error::Submission(format!("the job's spec: {e}")))?;
        let from =
            job.lineage.as_ref().ok_or_else(|| Error::Submission("the job names no data".to_owned()))?;
        let data = self.store.data_version(&from.data, Some(from.data_version)).await?;
        let path = self.store.artifacts().path(&data.digest)?;
        clear_but(folder, Some(JOURNAL)).await;
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        Ok(Order {
            data: path,
            format: data.format,
            columns: data.columns,
            validation: self.source(ask.validation_data.as_ref(), ask.validation_data_version).await?,
            test: self.source(ask.test_data.as_ref(), ask.test_data_version).await?,
            spec: ask.search(self.config.search_threads()),
            output: folder.to_owned(),
            limits: Limits {
                nice: self.config.nice,
                memory_bytes: self.config.memory_bytes,
                file_bytes: self.config.file_bytes,
            },
        })
    }

    /// Keeps the results for good and registers the winner.
    async fn finish(&self, job: &Job, folder: &Path) -> Result<JobEnd> {
        let (artifacts, path) = (self.store.artifacts().clone(), folder.to_owned());
        let kept = tokio::task::spawn_blocking(move || results::keep(&path, &artifacts)).await;
        let mut results = kept.map_err(|_| Error::Interrupted)??;
        // Once more with the weights, which are known only at the end, and with the ensemble's own.
        for trial in &results.trials {
            self.store.add_trial(&job.id, trial).await?;
            trials::trial(&self.store, job, trial).await;
        }
        results::link(&self.store, &job.id, &results).await?;
        let model = self.register(job, &mut results).await?;
        let mut facts = results.facts;
        facts.insert("files".to_owned(), json!(results.files));
        facts.insert("model".to_owned(), model);
        Ok(JobEnd {
            status: JobStatus::Completed,
            metrics: results.metrics,
            result: Value::Object(facts),
            error: None,
            now: Timestamp::now(),
        })
    }

    /// Registers the winner when asked to; a run registers once, however often it is finished.
    async fn register(&self, job: &Job, results: &mut Results) -> Result<Value> {
        let name = job.spec.get("register_as").cloned().unwrap_or_default();
        let Ok(Some(name)) = serde_json::from_value::<Option<ModelName>>(name) else {
            return Ok(Value::Null);
        };
        let mut metrics = results::tested(&Value::Object(results.facts.clone()));
        metrics.extend(results.metrics.clone());
        let new = NewVersion {
            metrics,
            run: Some(job.id.clone()),
            made_by_run: true,
            lineage: job.lineage.clone(),
            ..NewVersion::file(name, std::mem::take(&mut results.model), String::new())
        };
        let version = registry::register(&self.store, new, &Actor::system(), Timestamp::now()).await?;
        Ok(json!({"name": version.model, "version": version.version}))
    }
}

/// What cannot be finished for a lasting reason ends the job; the rest is tried again.
fn ended_by(error: Error) -> Result<JobEnd> {
    let lasting = match &error {
        Error::Registry(registry::Error::Store(error)) | Error::Store(error) => matches!(
            error,
            store::Error::Conflict(_) | store::Error::Invalid(_) | store::Error::NotFound { .. }
        ),
        Error::Registry(registry::Error::Interrupted) => false,
        Error::Registry(_) | Error::Results(_) => true,
        _ => false,
    };
    if lasting { Ok(failed(Fault::from(error).message)) } else { Err(error) }
}

/// Removes a job's folder, or all of it but the log.
pub async fn clear(folder: &Path, keep_log: bool) {
    clear_but(folder, keep_log.then_some(LOG)).await;
}

/// Removes a job's folder, or all of it but one file.
async fn clear_but(folder: &Path, kept: Option<&'static str>) {
    let folder = folder.to_owned();
    let cleared = tokio::task::spawn_blocking(move || remove(&folder, kept)).await;
    if let Ok(Err(error)) = cleared {
        tracing::warn!(%error, "the folder of an ended job cannot be removed");
    }
}

fn remove(folder: &Path, kept: Option<&str>) -> std::io::Result<()> {
    let gone = |result: std::io::Result<()>| match result {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    };
    let Some(kept) = kept else { return gone(std::fs::remove_dir_all(folder)) };
    let entries = match std::fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name() != kept {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
