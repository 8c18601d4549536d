//! The service: submit, list, watch and cancel jobs; the queue's worker that runs them.

use crate::child::Program;
use crate::command::{self, Commands, Door, KeptFolder, SubmitCommand};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::feed::{Feed, end_event};
use crate::handler::{Handler, Payload, Shared, canceled};
use crate::record;
use crate::results::KeptFile;
use crate::submit::SubmitAutoml;
use crate::sweep::{self, SubmitSweep, SweepTrial, Sweeps};
use domain::{
    Actor, DataVersion, Digest, EnvironmentSpec, Job, JobKind, JobStatus, Lineage, Metrics, Name, RunId,
    Timestamp, Trial, Version,
};
use environments::Environments;
use environments::launcher::Launcher;
use futures_util::stream::{self, BoxStream, StreamExt};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use store::tasks::{Worker, WorkerOptions};
use store::trees::Tree;
use store::{NewTask, Store};

/// The queue's name for AutoML jobs.
const KIND: &str = "automl";
/// Pause before a job is begun a second time; doubled each time.
const BACKOFF: Duration = Duration::from_secs(1);

/// How long a worker without a job may take to end.
const IDLE_GRACE: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    workers: Mutex<Vec<Worker>>,
    /// Where commands run; set once they can.
    environments: OnceLock<Environments>,
}

/// Jobs and their runs; cheap to clone. When the last clone is dropped the children end; at the next start searches run again, and
/// commands end as failed, since a command begins once.
#[derive(Debug, Clone)]
pub struct Jobs(Arc<Inner>);

impl Jobs {
    /// Starts the worker: what a dead process left queued or running begins at once.
    pub async fn start(store: Store, config: &Config) -> Result<Self> {
        Self::start_with(store, config, Program::current()?).await
    }

    /// [`start`](Self::start) with another program for the child.
    pub async fn start_with(store: Store, config: &Config, program: Program) -> Result<Self> {
        let options = WorkerOptions {
            concurrency: config.concurrency,
            max_attempts: config.max_attempts,
            backoff: BACKOFF,
            ..WorkerOptions::new(KIND)
        };
        let shared = Arc::new(Shared { store, config: config.clone(), program, feeds: Default::default() });
        let worker = shared.store.tasks().work(options, Arc::new(Handler(shared.clone())));
        Ok(Self(Arc::new(Inner { shared, workers: Mutex::new(vec![worker]), environments: OnceLock::new() })))
    }

    /// Starts the worker for jobs that run the user's commands, which reach this server by the door.
    pub fn start_commands(&self, launcher: Launcher, environments: Environments, door: Arc<dyn Door>) {
        let shared = self.0.shared.clone();
        let options = |kind| WorkerOptions {
            concurrency: shared.config.command.concurrency,
            max_attempts: shared.config.max_attempts,
            backoff: BACKOFF,
            ..WorkerOptions::new(kind)
        };
        // A second start of the same jobs does not happen.
        _ = self.0.environments.set(environments.clone());
        let commands = Arc::new(Commands { shared: shared.clone(), launcher, environments, door });
        let sweeps = Arc::new(Sweeps(commands.clone()));
        let tasks = shared.store.tasks();
        let workers = [
            tasks.work(
                WorkerOptions { once: true, ..options(command::KIND) },
                Arc::new(command::Handler(commands)),
            ),
            tasks.work(WorkerOptions { concurrency: 1, ..options(sweep::KIND) }, sweeps),
        ];
        self.0.workers.lock().unwrap_or_else(PoisonError::into_inner).extend(workers);
    }

    /// Checks a command and keeps it together with its task.
    pub async fn submit_command(&self, mut ask: SubmitCommand, by: &Actor) -> Result<Job> {
        let store = &self.0.shared.store;
        let lineage = ask.settle(store).await?;
        self.check_environment(&mut ask.environment).await?;
        self.check_queue().await?;
        let job = new_job(JobKind::Command, ask.experiment.clone(), json!(ask), lineage)?;
        let task = NewTask::new(command::KIND, json!(Payload { run: job.id.clone() }), job.id.as_str());
        store.add_job_with_task(&job, &task, by).await?;
        record::open(store, &job).await?;
        Ok(job)
    }

    /// Refuses an environment that is not there, and pins the version of one that is.
    async fn check_environment(&self, spec: &mut EnvironmentSpec) -> Result<()> {
        match self.0.environments.get() {
            Some(environments) => environments.pin(spec).await.map_err(Error::Fault),
            None => Ok(()),
        }
    }

    /// Checks a sweep and keeps it together with its task.
    pub async fn submit_sweep(&self, mut ask: SubmitSweep, by: &Actor) -> Result<Job> {
        let store = &self.0.shared.store;
        let lineage = ask.settle(store).await?;
        self.check_environment(&mut ask.trial.environment).await?;
        self.check_queue().await?;
        let job = new_job(JobKind::Sweep, ask.trial.experiment.clone(), json!(ask), lineage)?;
        let task = NewTask::new(sweep::KIND, json!(Payload { run: job.id.clone() }), job.id.as_str());
        store.add_job_with_task(&job, &task, by).await?;
        record::open(store, &job).await?;
        Ok(job)
    }

    /// The trials of a sweep, oldest first.
    pub async fn sweep_trials(&self, id: &RunId) -> Result<Vec<SweepTrial>> {
        let job = self.show(id).await?;
        sweep::trials(&self.0.shared.store, &job).await
    }

    /// The log of a command that has ended.
    pub async fn log(&self, id: &RunId) -> Result<Vec<u8>> {
        let job = self.show(id).await?;
        let kept = job.result["log"].clone();
        let missing = || Error::NoFile { run: id.to_string(), file: "log".to_owned() };
        let kept: KeptFile = serde_json::from_value(kept).map_err(|_| missing())?;
        self.artifact(kept.digest).await
    }

    /// A file that a command left in `./outputs` (`output` is none) or in an output.
    pub async fn left(&self, id: &RunId, output: Option<&str>, path: &str) -> Result<Vec<u8>> {
        let tree = self.tree(id, output).await?;
        let missing = || Error::NoFile { run: id.to_string(), file: path.to_owned() };
        self.artifact(tree.files.get(path).ok_or_else(missing)?.digest).await
    }

    /// The files that a command left in `./outputs` (`output` is none) or in an output.
    pub async fn tree(&self, id: &RunId, output: Option<&str>) -> Result<Tree> {
        let job = self.show(id).await?;
        let (kept, what) = match output {
            None => (&job.result["artifacts"], "./outputs"),
            Some(name) => (&job.result["outputs"][name], name),
        };
        let Ok(kept) = serde_json::from_value::<KeptFolder>(kept.clone()) else {
            return Err(Error::NoFile { run: id.to_string(), file: what.to_owned() });
        };
        let artifacts = self.0.shared.store.artifacts().clone();
        let tree = tokio::task::spawn_blocking(move || artifacts.tree(&kept.digest)).await;
        Ok(tree.map_err(|_| Error::Interrupted)??)
    }

    async fn artifact(&self, digest: Digest) -> Result<Vec<u8>> {
        let artifacts = self.0.shared.store.artifacts().clone();
        let read = tokio::task::spawn_blocking(move || artifacts.read(&digest)).await;
        Ok(read.map_err(|_| Error::Interrupted)??)
    }

    /// Checks a submission and keeps it together with its task: an accepted job is run, whatever happens to this process.
    pub async fn submit(&self, ask: SubmitAutoml, by: &Actor) -> Result<Job> {
        let store = &self.0.shared.store;
        let data = store.data_version(&ask.data, ask.data_version).await?;
        let mut ask = ask.settle(&data)?;
        let validation = further(store, ask.validation_data.as_ref(), ask.validation_data_version).await?;
        match (&validation, ask.validation_data_digest) {
            (Some(found), Some(wanted)) => same_content(found, wanted)?,
            (None, Some(_)) => {
                let text = "validation_data_digest: name the data too, as validation_data";
                return Err(Error::Submission(text.to_owned()));
            }
            _ => {}
        }
        ask.validation_data_version = validation.as_ref().map(|found| found.version);
        ask.validation_data_digest = validation.as_ref().map(|found| found.digest);
        let test = further(store, ask.test_data.as_ref(), ask.test_data_version).await?;
        ask.test_data_version = test.map(|found| found.version);
        self.check_queue().await?;
        let lineage = Lineage { data: data.name, data_version: data.version, data_digest: data.digest };
        let job = new_job(JobKind::Automl, ask.experiment.clone(), json!(ask), Some(lineage))?;
        let id = &job.id;
        let task = NewTask::new(KIND, json!(Payload { run: id.clone() }), id.as_str());
        store.add_job_with_task(&job, &task, by).await?;
        record::open(store, &job).await?;
        Ok(job)
    }

    async fn check_queue(&self) -> Result<()> {
        let most = self.0.shared.config.max_queued;
        // Jobs run in the order of submission: the newest ones are those that wait, but for some cancelled among them.
        let jobs = self.0.shared.store.jobs(most.saturating_mul(2)).await?;
        let waiting = jobs.iter().filter(|job| job.status == JobStatus::Queued).count();
        if waiting >= most as usize { Err(Error::QueueFull(most)) } else { Ok(()) }
    }

    /// The newest jobs first, at most `limit`.
    pub async fn list(&self, limit: u32) -> Result<Vec<Job>> {
        Ok(self.0.shared.store.jobs(limit).await?)
    }

    /// A job.
    pub async fn show(&self, id: &RunId) -> Result<Job> {
        Ok(self.0.shared.store.job(id).await?)
    }

    /// The trials of a job in the order of the search.
    pub async fn trials(&self, id: &RunId) -> Result<Vec<Trial>> {
        self.show(id).await?;
        Ok(self.0.shared.store.trials(id).await?)
    }

    /// A file of a completed job, one of [`FILES`](crate::FILES).
    pub async fn file(&self, id: &RunId, file: &str) -> Result<Vec<u8>> {
        let job = self.show(id).await?;
        let missing = || Error::NoFile { run: id.to_string(), file: file.to_owned() };
        let kept = job.result.get("files").and_then(|files| files.get(file)).ok_or_else(missing)?;
        let kept: KeptFile = serde_json::from_value(kept.clone())?;
        self.artifact(kept.digest).await
    }

    /// Asks for a job to be stopped: one that waits is canceled at once, one that runs as soon as its process is gone.
    pub async fn cancel(&self, id: &RunId, by: &Actor) -> Result<Job> {
        let shared = &self.0.shared;
        let job = shared.store.job_cancelling(id, by, Timestamp::now()).await?;
        if job.status.is_final() {
            record::end(&shared.store, &job, &canceled()).await?;
            shared.feeds.end(&job);
            return Ok(job);
        }
        match shared.feeds.find(id).filter(|feed| feed.is_active()) {
            Some(feed) => {
                feed.status(&job);
                feed.ask_to_stop();
                Ok(job)
            }
            // Between two attempts: none will begin any more, so the job ends here.
            None => {
                shared.end(id, canceled()).await?;
                self.show(id).await
            }
        }
    }

    /// All events of a job from the first, then live; the last is `end` with the job's final state.
    pub async fn watch(&self, id: &RunId) -> Result<BoxStream<'static, Value>> {
        let shared = &self.0.shared;
        // The feed first, the job's state second: a job that ends in between either ends this feed or is seen as ended.
        let feed = shared.feeds.get(id);
        match shared.store.job(id).await {
            Ok(job) if job.status.is_final() => {
                shared.feeds.forget(id);
                self.past(job).await
            }
            Ok(job) if job.kind == JobKind::Command => Ok(self.command_events(feed, id)),
            Ok(_) => Ok(feed.watch()),
            Err(error) => {
                shared.feeds.forget(id);
                Err(error.into())
            }
        }
    }

    fn command_events(&self, feed: Arc<Feed>, id: &RunId) -> BoxStream<'static, Value> {
        let shared = &self.0.shared;
        command::watch(feed, command::log_of(&shared.folder(id)), shared.store.artifacts().clone())
    }

    /// The events of a job that has ended, as far as they are kept: its trials and its end.
    async fn past(&self, job: Job) -> Result<BoxStream<'static, Value>> {
        if job.kind == JobKind::Command {
            let feed = Arc::new(Feed::default());
            feed.end(&job);
            return Ok(self.command_events(feed, &job.id));
        }
        let trials = self.0.shared.store.trials(&job.id).await?;
        let mut events: Vec<Value> = trials.iter().map(trial_event).collect();
        events.push(end_event(&job));
        Ok(stream::iter(events).boxed())
    }

    /// Ends the worker and the children; their jobs run again at the next start.
    pub async fn stop(&self) {
        let workers = std::mem::take(&mut *self.0.workers.lock().unwrap_or_else(PoisonError::into_inner));
        // A job may take hours: nobody waits for it. A worker without one ends at once.
        let grace = if self.0.shared.feeds.any_active() { Duration::ZERO } else { IDLE_GRACE };
        futures_util::future::join_all(workers.into_iter().map(|worker| worker.stop(grace))).await;
    }
}

/// A further table of a search, which has to be there.
async fn further(
    store: &Store,
    name: Option<&Name>,
    version: Option<Version>,
) -> Result<Option<DataVersion>> {
    let Some(name) = name else { return Ok(None) };
    let found = store.data_version(name, version).await?;
    if data::is_folder(&found) {
        let text = format!("{}:{} is a folder: a search needs a table", found.name, found.version);
        return Err(Error::Submission(text));
    }
    Ok(Some(found))
}

/// Refuses validation data whose content is not what was asked for.
fn same_content(found: &DataVersion, wanted: Digest) -> Result<()> {
    if found.digest == wanted {
        return Ok(());
    }
    Err(Error::Submission(format!(
        "validation_data: {}:{} is other data here: sha256 {}, the job wants {}",
        found.name,
        found.version,
        found.digest.hex(),
        wanted.hex()
    )))
}

/// A job that is accepted now.
pub(crate) fn new_job(
    kind: JobKind,
    experiment: Option<Name>,
    spec: Value,
    lineage: Option<Lineage>,
) -> Result<Job> {
    let experiment = match experiment {
        Some(experiment) => experiment,
        None => Name::new(crate::submit::DEFAULT_EXPERIMENT).map_err(|e| Error::Submission(e.message))?,
    };
    Ok(Job {
        id: RunId::generate(),
        experiment,
        kind,
        status: JobStatus::Queued,
        spec,
        lineage,
        parent: None,
        metrics: Metrics::new(),
        result: Value::Null,
        error: None,
        created: Timestamp::now(),
        started: None,
        ended: None,
    })
}

fn trial_event(trial: &Trial) -> Value {
    let mut event = json!(trial);
    event["event"] = json!("trial");
    event
}
