//! The one attempt at a command job.

use super::ask::SubmitCommand;
use super::collect::{Kept, collect, link};
use super::door::{Door, Passage};
use super::folder::{Places, lay_out};
use super::log::Log;
use super::program::Made;
use crate::error::{Error, Result};
use crate::feed::Feed;
use crate::handler::{Payload, Shared, clear, failed, parse};
use crate::record;
use domain::{DataVersion, Fault, Job, JobStatus, RunId, Span, Timestamp};
use environments::Environments;
use environments::launcher::{Launched, Launcher, NOT_STARTED, Order, Report};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use store::{JobEnd, TaskHandler};
use tokio::sync::watch;

/// The queue's name for command jobs.
pub(crate) const KIND: &str = "command";
/// Pause before a job's end is written again when the database refuses.
const TROUBLE: Duration = Duration::from_millis(500);
/// Why a command that was running when the server died is not begun again.
const DIED: &str = "the server ended while the command ran: its processes were ended too; submit it again";

/// Runs commands.
#[derive(Debug)]
pub struct Commands {
    pub(crate) shared: Arc<Shared>,
    pub(crate) launcher: Launcher,
    pub(crate) environments: Environments,
    pub(crate) door: Arc<dyn Door>,
}

/// How a command was over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Over {
    /// By itself.
    Ended(Report),
    /// Because somebody asked.
    Canceled,
    /// Because its time was up.
    Late(Span, &'static str),
}

/// The queue's handler of commands.
#[derive(Debug)]
pub(crate) struct Handler(pub Arc<Commands>);

impl TaskHandler for Handler {
    fn run(&self, payload: Value) -> BoxFuture<'static, Result<(), Fault>> {
        let this = self.0.clone();
        Box::pin(async move {
            let Payload { run } = parse(payload)?;
            this.attempt(&run, None).await;
            Ok(())
        })
    }

    fn gave_up(&self, payload: Value, why: Fault) -> BoxFuture<'static, ()> {
        let this = self.0.clone();
        Box::pin(async move {
            match parse(payload) {
                Ok(Payload { run }) => this.end(&run, failed(why.message)).await,
                Err(fault) => tracing::error!(error = %fault, "a task of the queue is malformed"),
            }
        })
    }
}

impl Commands {
    /// Carries a job to its end, whatever happens. `most`: a bound of time besides the job's own.
    pub(crate) async fn attempt(&self, run: &RunId, most: Option<Span>) {
        let feed = self.shared.feeds.get(run);
        let _active = feed.activate();
        let end = match self.carried(run, &feed, most).await {
            Ok(Some(end)) => end,
            Ok(None) => return,
            Err(error) => failed(Fault::from(error).message),
        };
        self.end(run, end).await;
        clear(&self.shared.folder(run), false).await;
    }

    /// Writes the end, however long the database refuses.
    pub(crate) async fn end(&self, run: &RunId, end: JobEnd) {
        while let Err(error) = self.shared.end(run, end.clone()).await {
            if matches!(error, Error::Store(store::Error::NotFound { .. })) {
                return;
            }
            tracing::error!(%error, %run, "a job's end cannot be written, trying again");
            tokio::time::sleep(TROUBLE).await;
        }
    }

    async fn carried(&self, run: &RunId, feed: &Arc<Feed>, most: Option<Span>) -> Result<Option<JobEnd>> {
        let store = &self.shared.store;
        let job = store.job(run).await?;
        let places = Places(self.shared.folder(run));
        let ask: SubmitCommand = serde_json::from_value(job.spec.clone())?;
        match job.status {
            status if status.is_final() => return Ok(None),
            JobStatus::Cancelling => return Ok(Some(self.kept(run, &places, &ask, Over::Canceled).await)),
            JobStatus::Queued => {}
            _ => {
                self.door.close(run.clone()).await.map_err(Error::Fault)?;
                let report = report(&places).await;
                let end = self.kept(run, &places, &ask, Over::Ended(report)).await;
                // It may have ended by itself just before the server did.
                let error = if report.code.is_some() { end.error } else { Some(DIED.to_owned()) };
                return Ok(Some(JobEnd { error, ..end }));
            }
        }
        if !store.job_started(run, Timestamp::now()).await? {
            return Ok(Some(crate::handler::canceled()));
        }
        let job = store.job(run).await?;
        feed.status(&job);
        record::begin(store, &job).await?;
        clear(&places.0, false).await;
        std::fs::create_dir_all(&places.0).map_err(|e| Error::io(&places.0, e))?;
        let bound = self.bound(&ask, most);
        let passage = self.door.open(run.clone(), bound.0).await.map_err(Error::Fault)?;
        let over = self.launched(&job, &ask, &places, (feed, &passage, bound)).await;
        if let Err(fault) = self.door.close(run.clone()).await {
            tracing::error!(error = %fault, %run, "the token of a job lives until its time is up");
        }
        let (over, environment) = match over {
            Ok(over) => over,
            Err(error) => {
                let end = self.kept(run, &places, &ask, Over::Ended(Report::default())).await;
                return Ok(Some(JobEnd { error: Some(Fault::from(error).message), ..end }));
            }
        };
        let mut end = self.kept(run, &places, &ask, over).await;
        end.result["environment"] = environment;
        Ok(Some(end))
    }

    fn bound(&self, ask: &SubmitCommand, most: Option<Span>) -> (Span, &'static str) {
        let all = (self.shared.config.max_time, "runs.max_time");
        let bounds =
            [all, (ask.timeout.unwrap_or(all.0), "its timeout"), (most.unwrap_or(all.0), "the sweep")];
        bounds.into_iter().min_by_key(|(span, _)| span.0).unwrap_or(all)
    }

    async fn launched(
        &self,
        job: &Job,
        ask: &SubmitCommand,
        places: &Places,
        (feed, passage, bound): (&Arc<Feed>, &Passage, (Span, &'static str)),
    ) -> Result<(Over, Value)> {
        let log = Log::create(&places.log(), self.shared.config.command.log_bytes, feed.clone()).await?;
        let mut stop = feed.stopped();
        let prepared = tokio::select! {
            biased;
            () = told_to(&mut stop) => return Ok((Over::Canceled, Value::Null)),
            prepared = self.order((job, ask, places), passage, &log) => prepared,
        };
        let (order, environment) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                log.say(&error.to_string()).await;
                return Err(error);
            }
        };
        let mut process = self.launcher.start(&order).await.map_err(Error::Start)?;
        tracing::info!(run = %job.id, pid = process.id(), "job started");
        let (stdout, stderr) = (process.stdout.take(), process.stderr.take());
        let heard = async {
            let out = async {
                if let Some(stream) = stdout {
                    log.take(stream).await
                }
            };
            let err = async {
                if let Some(stream) = stderr {
                    log.take(stream).await
                }
            };
            tokio::join!(out, err);
        };
        let (over, ()) = tokio::join!(until_over(&mut process, stop, bound), heard);
        let over = match over? {
            Over::Ended(_) => Over::Ended(report(places).await),
            over => over,
        };
        Ok((over, environment))
    }

    /// The order, and what came of the environment.
    async fn order(
        &self,
        (job, ask, places): (&Job, &SubmitCommand, &Places),
        passage: &Passage,
        log: &Log,
    ) -> Result<(Order, Value)> {
        let mut data: BTreeMap<String, DataVersion> = BTreeMap::new();
        for (name, input) in &ask.inputs {
            if let super::ask::InputSource::Data { name: asset, version, .. } = &input.from {
                data.insert(name.clone(), self.shared.store.data_version(asset, *version).await?);
            }
        }
        let told = |step: &str| tracing::info!(run = %job.id, step, "an environment is made ready");
        let ready = self.environments.ready(&ask.environment, told).await.map_err(Error::Fault)?;
        for change in &ready.record.changes {
            log.say(&format!("environment: {change}")).await;
        }
        let environment = json!({"id": ready.id, "record": ready.record});
        let (shared, job, ask) = (self.shared.clone(), job.clone(), ask.clone());
        let (places, passage) = (places.clone(), passage.clone());
        let made = tokio::task::spawn_blocking(move || {
            let values = lay_out(&places, &ask, &data, shared.store.artifacts())?;
            let made = Made {
                job: &job,
                ask: &ask,
                places: &places,
                values: &values,
                ready: &ready,
                passage: &passage,
            };
            made.order(&shared.config)
        });
        let order = made.await.map_err(|_| Error::Interrupted)??;
        Ok((order, environment))
    }

    /// Keeps what the command left, and says how it ended.
    async fn kept(&self, run: &RunId, places: &Places, ask: &SubmitCommand, over: Over) -> JobEnd {
        let (artifacts, places, wanted) =
            (self.shared.store.artifacts().clone(), places.clone(), ask.clone());
        let kept = tokio::task::spawn_blocking(move || collect(&places, &wanted, &artifacts)).await;
        let (kept, mut wrong) =
            kept.unwrap_or_else(|_| (Kept::default(), vec!["keeping broke off".to_owned()]));
        if let Err(error) = link(&self.shared.store, run, &kept).await {
            wrong.push(format!("the outputs are no artifacts of the run: {error}"));
        }
        let mut result = json!(kept);
        let (status, error) = match &over {
            Over::Canceled => (JobStatus::Canceled, None),
            Over::Late(span, whose) => {
                let text = format!("the command took longer than {whose} allows ({span}) and was stopped");
                (JobStatus::Failed, Some(text))
            }
            Over::Ended(report) => {
                result["exit_code"] = json!(report.code);
                result["signal"] = json!(report.signal);
                match told(report) {
                    None if wrong.is_empty() => (JobStatus::Completed, None),
                    None => (JobStatus::Failed, Some(std::mem::take(&mut wrong).join("; "))),
                    said => (JobStatus::Failed, said),
                }
            }
        };
        if !wrong.is_empty() {
            result["not_kept"] = json!(wrong);
        }
        JobEnd { status, result, error, ..failed(String::new()) }
    }
}

/// Waits for the end of all processes, brought about when somebody asks or the time is up.
async fn until_over(
    process: &mut Launched,
    mut stop: watch::Receiver<bool>,
    (span, whose): (Span, &'static str),
) -> Result<Over> {
    let over = tokio::select! {
        biased;
        ended = process.wait() => {
            ended.map_err(Error::Start)?;
            return Ok(Over::Ended(Report::default()));
        }
        () = told_to(&mut stop) => Over::Canceled,
        () = tokio::time::sleep(span.0) => Over::Late(span, whose),
    };
    process.stop().await;
    process.wait().await.map_err(Error::Start)?;
    Ok(over)
}

/// Pends until somebody asks to stop; for ever when nobody can any more.
async fn told_to(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// What the launcher wrote; nothing when it was killed itself.
async fn report(places: &Places) -> Report {
    let text = tokio::fs::read(places.report()).await.unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Why a command that ended by itself has failed; nothing when it has not.
fn told(report: &Report) -> Option<String> {
    let log = "its log tells more";
    match report {
        Report { memory_bytes: Some(bytes), .. } => Some(format!(
            "the command's processes used {bytes} bytes of memory together, more than is allowed"
        )),
        Report { disk_bytes: Some(bytes), .. } => Some(format!(
            "the command's files took {bytes} bytes together, more than runs.command.folder_bytes allows"
        )),
        Report { code: Some(0), .. } => None,
        Report { code: Some(code), .. } if *code == i32::from(NOT_STARTED) => {
            Some(format!("the command could not be started: {log}"))
        }
        Report { code: Some(code), .. } => Some(format!("the command ended with exit code {code}: {log}")),
        Report { signal: Some(9), .. } => {
            Some(format!("the command was killed, perhaps by the system for lack of memory: {log}"))
        }
        Report { signal: Some(24), .. } => {
            Some("the command used more processor time than runs.command.cpu_seconds allows".to_owned())
        }
        Report { signal: Some(25), .. } => {
            Some("the command wrote a larger file than runs.file_bytes allows".to_owned())
        }
        Report { signal: Some(signal), .. } => {
            Some(format!("the command was ended by signal {signal}: {log}"))
        }
        Report { .. } => Some(format!("the command's launcher was killed from outside: {log}")),
    }
}
