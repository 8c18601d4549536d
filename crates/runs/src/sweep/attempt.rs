//! The one attempt at a sweep: draw, run trials side by side, look at what they log, stop what falls behind, name the best.

use super::ask::{SubmitSweep, SweepTrial};
use super::bayesian::{self, Seen};
use super::space::{self, Random, Values};
use super::{early, sobol};
use crate::command::Commands;
use crate::error::{Error, Result};
use crate::feed::Feed;
use crate::handler::{Payload, canceled, failed, parse};
use crate::jobs::new_job;
use crate::record;
use definitions::jobs::{EarlyTermination, Goal, Sampling};
use domain::{Actor, Fault, Job, JobKind, JobStatus, Metrics, RunId, Span, Timestamp};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use store::{JobEnd, Store, TaskHandler};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The queue's name for sweeps.
pub(crate) const KIND: &str = "sweep";
/// How often running trials are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// Why a sweep that was running when the server died is not gone on with.
const DIED: &str = "the server ended while the sweep ran: its trials were ended too; submit it again";

/// Runs sweeps over commands.
#[derive(Debug)]
pub(crate) struct Sweeps(pub(crate) Arc<Commands>);

impl TaskHandler for Sweeps {
    fn run(&self, payload: Value) -> BoxFuture<'static, std::result::Result<(), Fault>> {
        let commands = self.0.clone();
        Box::pin(async move {
            let Payload { run } = parse(payload)?;
            let feed = commands.shared.feeds.get(&run);
            let _active = feed.activate();
            let end = match carried(&commands, &run, &feed).await {
                Ok(Some(end)) => end,
                Ok(None) => return Ok(()),
                Err(error) => failed(Fault::from(error).message),
            };
            commands.end(&run, end).await;
            Ok(())
        })
    }

    fn gave_up(&self, payload: Value, why: Fault) -> BoxFuture<'static, ()> {
        let commands = self.0.clone();
        Box::pin(async move {
            match parse(payload) {
                Ok(Payload { run }) => commands.end(&run, failed(why.message)).await,
                Err(fault) => tracing::error!(error = %fault, "a task of the queue is malformed"),
            }
        })
    }
}

async fn carried(commands: &Arc<Commands>, run: &RunId, feed: &Arc<Feed>) -> Result<Option<JobEnd>> {
    let store = &commands.shared.store;
    let job = store.job(run).await?;
    if job.status.is_final() {
        return Ok(None);
    }
    if job.status != JobStatus::Queued {
        for child in store.jobs_below(run).await? {
            if child.status == JobStatus::Queued {
                store.job_cancelling(&child.id, &Actor::system(), Timestamp::now()).await?;
            }
            // What ran is ended as a command is that died with the server.
            commands.attempt(&child.id, None).await;
        }
        let asked = job.status == JobStatus::Cancelling;
        return Ok(Some(if asked { canceled() } else { failed(DIED.to_owned()) }));
    }
    if !store.job_started(run, Timestamp::now()).await? {
        return Ok(Some(canceled()));
    }
    let job = store.job(run).await?;
    feed.status(&job);
    record::begin(store, &job).await?;
    let ask: SubmitSweep = serde_json::from_value(job.spec.clone())?;
    let sweep =
        Sweep { commands, job: &job, ask: &ask, random: Random::new(ask.seed), drawn: 0, seen: Vec::new() };
    sweep.run(feed).await.map(Some)
}

struct Sweep<'a> {
    commands: &'a Arc<Commands>,
    job: &'a Job,
    ask: &'a SubmitSweep,
    random: Random,
    drawn: u32,
    seen: Vec<Seen>,
}

/// A trial under way.
struct Trial {
    number: u32,
    id: RunId,
    places: Vec<f64>,
    values: Values,
}

/// Tasks of their own: what waits for the database here must not keep a trial from going on that holds it.
type Running = JoinSet<u32>;

impl Sweep<'_> {
    async fn run(mut self, feed: &Arc<Feed>) -> Result<JobEnd> {
        let limits = self.ask.limits;
        let most = self.commands.shared.config.command.concurrency.max(1);
        let beside = limits.max_concurrent_trials.map_or(most, |n| (n as usize).clamp(1, most));
        let max = self.commands.shared.config.max_time.0;
        let deadline =
            Instant::now() + limits.timeout.map_or(max, |s| Duration::from_secs(u64::from(s)).min(max));
        let mut stop = feed.stopped();
        let (mut running, mut trials): (Running, BTreeMap<u32, Trial>) = Default::default();
        let (mut logged, mut looked) = (BTreeMap::new(), BTreeMap::new());
        let (mut look, mut late, mut done) = (tokio::time::interval(LOOK), false, false);
        loop {
            while !*stop.borrow() && !late && !done && running.len() < beside {
                match self.draw() {
                    Some((places, values)) => {
                        let trial = self.begin(places, values).await?;
                        running.spawn(self.attempt(&trial));
                        trials.insert(trial.number, trial);
                    }
                    None => done = true,
                }
            }
            if running.is_empty() {
                break;
            }
            tokio::select! {
                Some(number) = running.join_next() => {
                    let number = number.map_err(|_| Error::Interrupted)?;
                    if let Some(trial) = trials.remove(&number) {
                        self.ended(&trial, &mut logged, feed).await?;
                    }
                }
                Ok(()) = stop.changed() => self.stop_all(&trials).await?,
                () = tokio::time::sleep_until(deadline), if !late => {
                    late = true;
                    self.stop_all(&trials).await?;
                }
                _ = look.tick() => self.look(&trials, &mut logged, &mut looked).await?,
            }
        }
        if *stop.borrow() { Ok(canceled()) } else { self.end(late).await }
    }

    /// The next values; none when the space or the budget is used up.
    fn draw(&mut self) -> Option<(Vec<f64>, Values)> {
        if self.drawn >= self.ask.limits.max_total_trials {
            return None;
        }
        let (number, space) = (self.drawn, &self.ask.search_space);
        self.drawn += 1;
        let places: Vec<f64> = match self.ask.sampling {
            Sampling::Grid => return Some((Vec::new(), space::combination(space, u64::from(number))?)),
            Sampling::Sobol => (0..space.len()).map(|at| sobol::point(number, at, self.ask.seed)).collect(),
            Sampling::Random => space.iter().map(|_| self.random.unit()).collect(),
            Sampling::Bayesian => bayesian::propose(space.values(), &mut self.seen, &mut self.random),
        };
        let values =
            space.iter().zip(&places).map(|((name, choice), at)| (name.clone(), space::value(choice, *at)));
        let values = values.collect();
        Some((places, values))
    }

    async fn begin(&self, places: Vec<f64>, values: Values) -> Result<Trial> {
        let store = &self.commands.shared.store;
        let spec = json!(self.ask.trial(&values)?);
        let experiment = Some(self.job.experiment.clone());
        let mut child = new_job(JobKind::Command, experiment, spec, self.job.lineage.clone())?;
        child.parent = Some(self.job.id.clone());
        store.add_job(&child, &Actor::system()).await?;
        record::parameters(store, &child, &values).await?;
        Ok(Trial { number: self.drawn, id: child.id, places, values })
    }

    fn attempt(&self, trial: &Trial) -> BoxFuture<'static, u32> {
        let (commands, id, number) = (self.commands.clone(), trial.id.clone(), trial.number);
        let most = self.ask.limits.trial_timeout.map(|s| Span(Duration::from_secs(u64::from(s))));
        Box::pin(async move {
            commands.attempt(&id, most).await;
            number
        })
    }

    /// What is logged, turned so that larger is better.
    async fn turned(&self, id: &RunId) -> Result<Vec<f64>> {
        let sign = sign(self.ask.objective.goal);
        let values =
            record::logged(&self.commands.shared.store, id, &self.ask.objective.primary_metric).await?;
        Ok(values.into_iter().map(|value| value * sign).collect())
    }

    async fn ended(
        &mut self,
        trial: &Trial,
        logged: &mut BTreeMap<u32, Vec<f64>>,
        feed: &Arc<Feed>,
    ) -> Result<()> {
        let values = self.turned(&trial.id).await?;
        let best = values.iter().copied().reduce(f64::max);
        if let Some(best) = best.filter(|_| !trial.places.is_empty()) {
            self.seen.push((trial.places.clone(), -best));
        }
        logged.insert(trial.number, values);
        let job = self.commands.shared.store.job(&trial.id).await?;
        feed.push(json!({"event": "trial", "number": trial.number, "id": trial.id, "status": job.status,
            "parameters": trial.values, "metric": best.map(|best| best * sign(self.ask.objective.goal))}));
        Ok(())
    }

    async fn look(
        &self,
        trials: &BTreeMap<u32, Trial>,
        logged: &mut BTreeMap<u32, Vec<f64>>,
        looked: &mut BTreeMap<u32, usize>,
    ) -> Result<()> {
        let Some(policy) = &self.ask.early_termination else { return Ok(()) };
        for trial in trials.values() {
            logged.insert(trial.number, self.turned(&trial.id).await?);
        }
        let running: Vec<u32> = trials.keys().copied().collect();
        for number in early::behind(policy, &running, logged, looked) {
            if let Some(trial) = trials.get(&number) {
                record::stopped_by(&self.commands.shared.store, &trial.id, word(policy)).await?;
                self.stop(&trial.id).await?;
            }
        }
        Ok(())
    }

    async fn stop_all(&self, trials: &BTreeMap<u32, Trial>) -> Result<()> {
        for trial in trials.values() {
            self.stop(&trial.id).await?;
        }
        Ok(())
    }

    /// As a user cancels a job; one that has just ended stays as it is.
    async fn stop(&self, id: &RunId) -> Result<()> {
        let shared = &self.commands.shared;
        match shared.store.job_cancelling(id, &Actor::system(), Timestamp::now()).await {
            Ok(_) | Err(store::Error::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
        if let Some(feed) = shared.feeds.find(id) {
            feed.ask_to_stop();
        }
        Ok(())
    }

    async fn end(&self, late: bool) -> Result<JobEnd> {
        let store = &self.commands.shared.store;
        let all = trials(store, self.job).await?;
        let sign = sign(self.ask.objective.goal);
        let whole = all.iter().filter(|trial| trial.status == JobStatus::Completed);
        let best =
            whole.filter_map(|trial| Some((trial.metric? * sign, trial))).max_by(|a, b| a.0.total_cmp(&b.0));
        let metric = &self.ask.objective.primary_metric;
        let mut result =
            json!({"trials": all.len(), "primary_metric": metric, "goal": self.ask.objective.goal});
        if late {
            result["stopped"] = json!("its timeout was up");
        }
        let Some((score, trial)) = best else {
            let text = match all.iter().find_map(|trial| trial.error.as_ref()) {
                Some(error) => {
                    format!("no trial completed and logged the metric '{metric}'; one says: {error}")
                }
                None => format!("no trial completed and logged the metric '{metric}'"),
            };
            return Ok(JobEnd { result, ..failed(text) });
        };
        result["best"] = json!(trial);
        let metrics = Metrics::from([(metric.clone(), score * sign)]);
        Ok(JobEnd { status: JobStatus::Completed, metrics, result, error: None, now: Timestamp::now() })
    }
}

const fn word(policy: &EarlyTermination) -> &'static str {
    match policy {
        EarlyTermination::Bandit { .. } => "bandit",
        EarlyTermination::MedianStopping { .. } => "median_stopping",
        EarlyTermination::TruncationSelection { .. } => "truncation_selection",
    }
}

const fn sign(goal: Goal) -> f64 {
    match goal {
        Goal::Maximize => 1.0,
        Goal::Minimize => -1.0,
    }
}

/// The trials of a sweep, oldest first.
pub(crate) async fn trials(store: &Store, job: &Job) -> Result<Vec<SweepTrial>> {
    let Ok(ask) = serde_json::from_value::<SubmitSweep>(job.spec.clone()) else {
        return Err(Error::Submission(format!("the job '{}' is no sweep", job.id)));
    };
    let sign = sign(ask.objective.goal);
    let mut all = Vec::new();
    for child in store.jobs_below(&job.id).await? {
        let logged = record::logged(store, &child.id, &ask.objective.primary_metric).await?;
        let metric = logged.into_iter().map(|value| value * sign).reduce(f64::max).map(|best| best * sign);
        let tags = child.spec["tags"].as_object().cloned().unwrap_or_default();
        let parameters = tags.into_iter().filter_map(|(key, value)| {
            Some((key.strip_prefix("search_space.")?.to_owned(), value.as_str()?.to_owned()))
        });
        let parameters = parameters.collect();
        let error = match child.status {
            JobStatus::Canceled => {
                child.error.or(record::stopper(store, &child.id).await?.map(|by| format!("stopped by {by}")))
            }
            _ => child.error,
        };
        all.push(SweepTrial { run: child.id, status: child.status, parameters, metric, error });
    }
    Ok(all)
}
