//! The whole search, from table to outcome.

mod vote;

use crate::control::Control;
use crate::dataset::Dataset;
use crate::export::{self, Weighted};
use crate::folds;
use crate::importance::Question;
use crate::learners::{Job, Shared};
use crate::metrics::Goal;
use crate::outcome::{Event, Maker, Outcome, Trial, Work};
use crate::plots::{self, Answers, Plot};
use crate::prepare::{Prepared, prepare};
use crate::search::{Done, Search, trial_seed};
use crate::{Error, Spec, Table};
use crate::{parallel, portfolio};
use serde_json::Value;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, channel};
use vote::Vote;

/// Rounds of the final fit over the best round of the folds: it sees more rows.
const MORE_ROUNDS: f64 = 1.05;
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
    let vote = Vote::new(&search, &done);
    control.tell(Event::Ensemble {
        members: vote.members(&done),
        score: vote.score,
        metrics: vote.metrics.clone(),
    });
    let members = refit(&search, &done, &vote)?;
    let work = work_done(&search, &done, spec);
    notes.extend(shortened(&work, spec));
    let importance = Question { search: &search, members: vote.weighted(&done) }.answer();
    if control.cancelled() {
        return Err(Error::Cancelled);
    }
    control.tell(Event::Importance { columns: importance.clone() });
    let signature = export::signature(&data);
    let model = written(&data, &members, &signature, &vote.facts(&search, &done))?;
    let trials = vote.leaderboard(&goal, &done);
    let plots = pictures(&search, &vote, &done, &trials);
    Ok(Outcome {
        model,
        task: data.target.task,
        metric: goal.name.clone(),
        higher_is_better: goal.higher,
        score: vote.score,
        trials,
        members: vote.members(&done),
        metrics: vote.metrics,
        importance,
        plots,
        columns,
        signature,
        work,
        made_by: Maker::here(),
        notes,
    })
}

/// What is said when there was no time for all trials.
fn shortened(work: &Work, spec: &Spec) -> Option<String> {
    let (trials, planned) = (work.trials, spec.max_trials);
    work.truncated.then(|| format!("the time limit ended the search after {trials} of {planned} trials"))
}

/// The ensemble as one file that explains itself, proven against the ensemble in memory.
fn written(data: &Dataset, members: &[Weighted], signature: &Value, facts: &Value) -> Result<Vec<u8>, Error> {
    let model = export::write(data, members, signature, facts)?;
    let model = export::explainable(&model, data)?;
    export::check(&model, data, members)?;
    Ok(model)
}

/// All plots of the search and its ensemble.
fn pictures(search: &Search<'_>, vote: &Vote, done: &[Done], trials: &[Trial]) -> Vec<Plot> {
    let answers = Answers {
        target: &search.shared.data.target,
        rows: &search.folds.scored,
        predictions: &vote.predictions,
        weights: None,
    };
    let mut plots = plots::all(&answers, trials, (&search.goal.name, search.goal.higher));
    plots.extend(plots::rounds(&vote.curves(done)));
    plots
}

fn work_done(search: &Search<'_>, done: &[Done], spec: &Spec) -> Work {
    Work {
        trials: done.len() as u32,
        reached: done.last().map_or(0, |d| d.number),
        rounds: search.control.rounds(),
        rows: search.shared.data.rows(),
        splits: search.folds.splits.len(),
        truncated: done.len() < spec.max_trials as usize && search.control.closed(),
    }
}

/// Fits the members on all rows.
fn refit(search: &Search<'_>, done: &[Done], vote: &Vote) -> Result<Vec<Weighted>, Error> {
    let all: Vec<u32> = (0..search.shared.data.rows()).map(|r| r as u32).collect();
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
        let model = trial.candidate.fit(search.shared, &job)?.model;
        search.control.count(model.rounds() as u64);
        Ok(Weighted { weight, model })
    });
    fits.into_iter().collect()
}

#[cfg(test)]
mod tests;
