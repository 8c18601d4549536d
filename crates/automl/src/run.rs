//! The whole search, from table to outcome.

use crate::control::Control;
use crate::dataset::Dataset;
use crate::export::{self, Weighted};
use crate::folds::{self, Folds};
use crate::importance::Question;
use crate::learners::{Job, Shared};
use crate::metrics::{self, Goal, Metrics};
use crate::outcome::{Event, Member, Outcome, Trial, Work};
use crate::prepare::{Prepared, prepare};
use crate::search::{Done, Search, trial_seed};
use crate::{Error, Spec, Table};
use crate::{blend, parallel, portfolio};
use serde_json::json;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, channel};

/// Rounds of the final fit over the best round of the folds: it sees more rows.
const MORE_ROUNDS: f64 = 1.05;
/// Name of the ensemble on the leaderboard.
const ENSEMBLE: &str = "VotingEnsemble";

/// Searches a model for `spec.target` in `table`.
///
/// `on_event` is called on the caller's thread, several times a second; [`ControlFlow::Break`] stops all work within
/// a boosting round or a tree.
///
/// # Errors
/// [`Error`]: bad table, target or setting; nothing to learn from; time too short; cancelled.
pub fn run(
    table: &Table,
    spec: &Spec,
    on_event: &mut dyn FnMut(&Event) -> ControlFlow<()>,
) -> Result<Outcome, Error> {
    spec.check()?;
    let (send, receive) = channel();
    let control = Control::new(spec.max_trials, send);
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let _closing = Closing(&control);
            work(table, spec, &control)
        });
        pump(&receive, &control, on_event);
        worker.join().unwrap_or_else(|_| Err(Error::Export("a worker thread panicked; this is a bug".into())))
    })
}

/// Ends the event stream however the work ends, a panic included.
struct Closing<'a>(&'a Control);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// Hands events to the caller until the work is over.
fn pump(
    events: &Receiver<Option<Event>>,
    control: &Control,
    on_event: &mut dyn FnMut(&Event) -> ControlFlow<()>,
) {
    while let Ok(Some(event)) = events.recv() {
        if !control.cancelled() && on_event(&event).is_break() {
            control.cancel();
        }
    }
}

fn work(table: &Table, spec: &Spec, control: &Control) -> Result<Outcome, Error> {
    let Prepared { data, columns, mut notes } = prepare(table, spec)?;
    let goal = Goal::new(data.target.task, spec.metric.as_deref())?;
    let folds = folds::make(&data.target, spec.seed);
    control.tell(Event::Plan {
        task: data.target.task,
        rows: data.rows(),
        features: data.features.len(),
        metric: goal.name.clone(),
        higher_is_better: goal.higher,
        trials: spec.max_trials,
        splits: folds.splits.len(),
    });
    columns.iter().for_each(|column| control.tell(Event::Column(column.clone())));
    notes.iter().for_each(|note| control.tell(Event::Warning { message: note.clone() }));
    let shared = Shared::new(&data);
    let search = Search {
        shared: &shared,
        folds: &folds,
        goal: &goal,
        control,
        seed: spec.seed,
        threads: spec.workers(),
        time_limit: spec.time_limit_seconds,
    };
    let done = search.run(&portfolio::plan(&data, spec.max_trials as usize, spec.seed))?;
    let vote = Vote::new(&data, &folds, &goal, &done, spec.seed);
    control.tell(Event::Ensemble {
        members: vote.members(&done),
        score: vote.score,
        metrics: vote.metrics.clone(),
    });
    let members = refit(&shared, &done, &vote, &search)?;
    let work = Work {
        trials: done.len() as u32,
        rounds: control.rounds(),
        rows: data.rows(),
        splits: folds.splits.len(),
        truncated: done.len() < spec.max_trials as usize && control.closed(),
    };
    if work.truncated {
        notes.push(format!(
            "the time limit ended the search after {} of {} trials",
            work.trials, spec.max_trials
        ));
    }
    let importance = Question {
        data: &data,
        folds: &folds,
        goal: &goal,
        members: vote.weighted(&done),
        seed: spec.seed,
        threads: spec.workers(),
    }
    .answer();
    if control.cancelled() {
        return Err(Error::Cancelled);
    }
    control.tell(Event::Importance { columns: importance.clone() });
    let signature = export::signature(&data);
    let training = facts(&data, &goal, spec, (&vote, &done));
    let model = export::write(&data, &members, &signature, &training)?;
    export::check(&model, &data, &members)?;
    Ok(Outcome {
        model,
        task: data.target.task,
        metric: goal.name.clone(),
        higher_is_better: goal.higher,
        score: vote.score,
        trials: leaderboard(&goal, &done, &vote),
        members: vote.members(&done),
        metrics: vote.metrics,
        importance,
        columns,
        signature,
        work,
        notes,
    })
}

/// The chosen ensemble.
struct Vote {
    /// One weight a finished trial.
    weights: Vec<f64>,
    metrics: Metrics,
    score: f64,
    seconds: f64,
}

impl Vote {
    fn new(data: &Dataset, folds: &Folds, goal: &Goal, done: &[Done], seed: u64) -> Self {
        let start = std::time::Instant::now();
        let candidates: Vec<&[f32]> = done.iter().map(|d| d.predictions.as_slice()).collect();
        let weights = blend::weights(&data.target, &folds.scored, &candidates, seed);
        let mixed = blend::mix(&candidates, &weights);
        let metrics = metrics::all(&data.target, &folds.scored, &mixed);
        let score = goal.of(&metrics);
        Self { weights, metrics, score, seconds: start.elapsed().as_secs_f64() }
    }

    fn weighted<'d>(&self, done: &'d [Done]) -> Vec<(&'d Done, f64)> {
        done.iter().zip(self.weights.iter().copied()).filter(|(_, w)| *w > 0.0).collect()
    }

    fn members(&self, done: &[Done]) -> Vec<Member> {
        let member =
            |(d, weight): (&Done, f64)| Member { trial: d.number, learner: d.candidate.name(), weight };
        let mut members: Vec<Member> = self.weighted(done).into_iter().map(member).collect();
        members.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        members
    }
}

/// Fits the members on all rows.
fn refit(
    shared: &Shared<'_>,
    done: &[Done],
    vote: &Vote,
    search: &Search<'_>,
) -> Result<Vec<Weighted>, Error> {
    let all: Vec<u32> = (0..shared.data.rows()).map(|r| r as u32).collect();
    let chosen = vote.weighted(done);
    let fits = parallel::map(chosen.len(), search.threads, |i| {
        let (trial, weight) = chosen[i];
        let job = Job {
            train: &all,
            valid: &[],
            rounds: (trial.rounds as f64 * MORE_ROUNDS).round() as usize,
            seed: trial_seed(search.seed, trial.number),
            control: search.control,
        };
        let model = trial.candidate.fit(shared, &job)?.model;
        search.control.count(model.rounds() as u64);
        Ok(Weighted { weight, model })
    });
    fits.into_iter().collect()
}

/// All trials and the ensemble, best first.
fn leaderboard(goal: &Goal, done: &[Done], vote: &Vote) -> Vec<Trial> {
    let row = |(d, &weight): (&Done, &f64)| Trial {
        number: d.number,
        learner: d.candidate.name(),
        score: d.score,
        metrics: d.metrics.clone(),
        weight,
        seconds: d.seconds,
    };
    let mut trials: Vec<Trial> = done.iter().zip(&vote.weights).map(row).collect();
    trials.push(Trial {
        number: trials.iter().map(|t| t.number).max().unwrap_or(0) + 1,
        learner: ENSEMBLE.into(),
        score: vote.score,
        metrics: vote.metrics.clone(),
        weight: 1.0,
        seconds: vote.seconds,
    });
    // Of equal scores the ensemble, which is what was made, comes first.
    trials.sort_by(|a, b| {
        let order = a.score.total_cmp(&b.score);
        let order = if goal.higher { order.reverse() } else { order };
        order.then_with(|| (b.learner == ENSEMBLE).cmp(&(a.learner == ENSEMBLE)))
    });
    trials
}

/// What the file says about its making; nothing that differs between two runs.
fn facts(data: &Dataset, goal: &Goal, spec: &Spec, (vote, done): (&Vote, &[Done])) -> serde_json::Value {
    json!({
        "producer": concat!("portcullis-automl ", env!("CARGO_PKG_VERSION")),
        "target": data.target.name,
        "task": data.target.task,
        "rows": data.rows(),
        "features": data.features.len(),
        "seed": spec.seed,
        "trials": done.len(),
        "metric": goal.name,
        "metrics": vote.metrics,
        "members": vote.members(done),
    })
}

#[cfg(test)]
mod tests;
