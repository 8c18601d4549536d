//! The whole search, from table to outcome.

mod refit;
mod test;
mod vote;

use crate::control::Control;
use crate::dataset::Dataset;
use crate::decision::Decision;
use crate::export::{self, Ensemble};
use crate::folds::{self, Folds};
use crate::guardrails::{self, Guardrail};
use crate::importance::Question;
use crate::journal::{Journal, Keeper};
use crate::learners::Shared;
use crate::metrics::{self, Goal};
use crate::outcome::{Event, Importance, Maker, Outcome, Trial, Work};
use crate::plots::{self, Answers, Plot};
use crate::portfolio::Plan;
use crate::prepare::{Prepared, prepare};
use crate::search::{Done, Search, Trials};
use crate::table::Tables;
use crate::{Error, Spec, Task};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, channel};
use test::Test;
use vote::Vote;

/// Searches a model for `spec.target` in a table, or in [`Tables`] with data to validate and test on.
///
/// `on_event` is called on the caller's thread, several times a second; [`ControlFlow::Break`] stops all work within
/// a boosting round or a tree; a machine of support vectors ends its fit first, which the size of its sample keeps short.
///
/// # Errors
/// [`Error`]: bad table, target or setting; nothing to learn from; time too short; cancelled.
pub fn run<'a>(
    tables: impl Into<Tables<'a>>,
    spec: &Spec,
    on_event: &mut dyn FnMut(&Event) -> ControlFlow<()>,
) -> Result<Outcome, Error> {
    start(tables.into(), spec, None, on_event)
}

/// The same with a [`Keeper`]: finished trials are kept there, and those of an earlier attempt of the same search are
/// taken over. The outcome is the same as that of one search without interruption.
///
/// # Errors
/// Those of [`run`].
pub fn resume<'a>(
    tables: impl Into<Tables<'a>>,
    spec: &Spec,
    keeper: &dyn Keeper,
    on_event: &mut dyn FnMut(&Event) -> ControlFlow<()>,
) -> Result<Outcome, Error> {
    start(tables.into(), spec, Some(keeper), on_event)
}

fn start(
    tables: Tables<'_>,
    spec: &Spec,
    keeper: Option<&dyn Keeper>,
    on_event: &mut dyn FnMut(&Event) -> ControlFlow<()>,
) -> Result<Outcome, Error> {
    spec.check()?;
    let (send, receive) = channel();
    let trials = spec.max_trials.unwrap_or(Spec::MAX_TRIALS);
    let control = Control::new(trials, send).within(spec.time_limit_seconds);
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let _closing = Closing(&control);
            work(tables, spec, keeper, &control)
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

fn work(
    tables: Tables<'_>,
    spec: &Spec,
    keeper: Option<&dyn Keeper>,
    control: &Control,
) -> Result<Outcome, Error> {
    let prepared = prepare(tables, spec)?;
    let guardrails = guardrails::inspect(tables, &prepared, spec, control);
    let Prepared { data, columns, mut notes } = prepared;
    let held_out = tables.test.map(|table| Test::read(table, tables.training, spec, &data)).transpose()?;
    let goal = Goal::new(data.target.task, spec.metric.as_deref())?;
    let folds = judged_by(&goal, &data, spec)?;
    let shared = Shared::new(&data);
    let search = Search {
        shared: &shared,
        folds: &folds,
        goal: &goal,
        control,
        seed: spec.seed,
        threads: spec.workers(),
        early: spec.early_termination,
        exit: spec.exit_score,
        trial_limit: spec.trial_limit(),
        left_out: &spec.left_out,
        journal: Journal::new(keeper, &data, spec, &folds),
    };
    let plan = Plan::new(&data, spec)?;
    announce(&search, plan.trials());
    columns.iter().for_each(|column| control.tell(Event::Column(column.clone())));
    warn(control, &notes, &guardrails);
    let mut trials = search.run(&plan)?;
    let vote = Vote::new(&search, &trials.done, spec)?;
    let (members, metrics) = (vote.members(&trials.done), vote.metrics.clone());
    control.tell(Event::Ensemble { members, score: vote.score, metrics });
    let (ensemble, from_fold) = refit::refit(&search, &mut trials.done, &vote, spec, &mut notes)?;
    vote.chosen().into_iter().try_for_each(|i| search.probes(&mut trials.done[i]))?;
    let done = &trials.done;
    tell_end(&trials, plan.trials(), spec, &mut notes);
    let importance = importance(&search, done, &vote, &mut notes)?;
    let signature = export::signature(&data);
    let model = written(&data, &ensemble, &signature, &vote.facts(&search, done))?;
    let test = held_out.map(|test| test.measure(&model, &data.target, &vote.mixture.decision)).transpose()?;
    let leaderboard = vote.leaderboard(&goal, done);
    let plots = pictures(&search, &vote, done, &leaderboard);
    Ok(Outcome {
        model,
        task: data.target.task,
        metric: goal.name.clone(),
        higher_is_better: goal.higher,
        score: vote.score,
        trials: leaderboard,
        members: vote.members(done),
        test,
        threshold: vote.mixture.decision.threshold(),
        class_weights: class_weights(&data, &vote.mixture.decision),
        importance,
        plots,
        columns,
        signature,
        work: Work { from_fold, ..work_done(&search, &trials, plan.trials()) },
        metrics: vote.metrics,
        guardrails,
        made_by: Maker::here(),
        notes,
    })
}

/// The splits; refuses a metric that not even right predictions would have there, such as an AUC of one class.
fn judged_by(goal: &Goal, data: &Dataset, spec: &Spec) -> Result<Folds, Error> {
    let folds = folds::make(data, spec)?;
    let (target, rows) = (&data.target, &folds.scored);
    let right = |&row: &u32| {
        let value = target.values[row as usize];
        let single = target.task != Task::Multiclass;
        let share =
            move |class: usize| if single { value } else { f32::from(u8::from(class == value as usize)) };
        (0..target.width()).map(share)
    };
    let predictions: Vec<f32> = rows.iter().flat_map(right).collect();
    let weights = (!data.marks.weights.is_empty()).then_some(data.marks.weights.as_slice());
    if metrics::weighted(target, rows, &predictions, weights, &Decision::Largest).contains_key(&goal.name) {
        return Ok(folds);
    }
    let detail = format!(
        "{:?} has no value for the {} rows that are validated on ({}): a class, or a spread of the numbers, is missing there, \
         or numbers are out of its range; give more rows or another split, or choose another metric",
        goal.name,
        rows.len(),
        folds.kind
    );
    Err(Error::Spec { setting: "metric", detail })
}

/// How much each column matters to the ensemble's members of the first splits.
fn importance(
    search: &Search<'_>,
    done: &[Done],
    vote: &Vote,
    notes: &mut Vec<String>,
) -> Result<Vec<Importance>, Error> {
    let members: Vec<&Done> = vote.chosen().into_iter().map(|i| &done[i]).collect();
    if members.iter().any(|member| member.probes.is_empty()) {
        notes.push("the importance of the columns was not measured: the time was over".to_owned());
        return Ok(Vec::new());
    }
    let Some(importance) = (Question { search, members, mixture: &vote.mixture }).answer() else {
        let metric = &search.goal.name;
        notes.push(format!(
            "the importance of the columns was not measured: {metric} has no value for the rows held out"
        ));
        return Ok(Vec::new());
    };
    if search.control.cancelled() {
        return Err(Error::Cancelled);
    }
    let columns = search.shared.data.features.iter().filter(|f| f.is_input()).count();
    if importance.len() < columns {
        let left = columns - importance.len();
        let why = match search.control.over() {
            true => "the time was over".to_owned(),
            false => format!("{} has no value when they are shuffled", search.goal.name),
        };
        notes.push(format!("the importance of {left} of {columns} columns was not measured: {why}"));
    }
    search.control.tell(Event::Importance { columns: importance.clone() });
    Ok(importance)
}

/// Notes on why the trials ended, and on those that were given up.
fn tell_end(trials: &Trials, planned: u32, spec: &Spec, notes: &mut Vec<String>) {
    let count = trials.done.len() + trials.dropped;
    if let Some(wished) = spec.max_trials.filter(|wished| planned < *wished) {
        notes.push(format!(
            "{planned} trials in place of {wished}: the algorithms allowed have no more configurations"
        ));
    }
    if trials.reached {
        notes.push(format!("the score asked for was reached after {count} trials"));
    } else if trials.late && spec.max_trials.is_some() {
        notes.push(format!("the time limit ended the search after {count} of {planned} trials"));
    }
    if let (1.., Some(limit)) = (trials.overdue, spec.trial_time_limit_seconds) {
        notes.push(format!("{} configurations were given up after {limit} s each", trials.overdue));
    }
    if trials.dropped > 0 {
        notes.push(format!("{} configurations were given up after their first folds", trials.dropped));
    }
}

/// The ensemble as one file that explains itself, proven against the ensemble in memory.
fn written(data: &Dataset, ensemble: &Ensemble, signature: &Value, facts: &Value) -> Result<Vec<u8>, Error> {
    let model = export::write(data, ensemble, signature, facts)?;
    let model = export::explainable(&model, data)?;
    export::check(&model, data, ensemble)?;
    Ok(model)
}

/// The weights of the classes at the decision, by label.
fn class_weights(data: &Dataset, decision: &Decision) -> Option<BTreeMap<String, f32>> {
    let classes = data.target.classes.as_ref()?;
    let weights = decision.weights()?.iter().copied();
    Some(classes.names().into_iter().zip(weights).collect())
}

/// All plots of the search and its ensemble.
fn pictures(search: &Search<'_>, vote: &Vote, done: &[Done], trials: &[Trial]) -> Vec<Plot> {
    let weights = &search.shared.data.marks.weights;
    let answers = Answers {
        target: &search.shared.data.target,
        rows: &search.folds.scored,
        predictions: &vote.predictions,
        weights: (!weights.is_empty()).then_some(weights.as_slice()),
        decision: &vote.mixture.decision,
    };
    let mut plots = plots::all(&answers, trials, (&search.goal.name, search.goal.higher));
    plots.extend(plots::rounds(&vote.curves(done)));
    plots
}

/// Tells what is to be known of the data.
fn warn(control: &Control, notes: &[String], guardrails: &[Guardrail]) {
    let guards = guardrails.iter().map(Guardrail::message);
    notes.iter().cloned().chain(guards).for_each(|message| control.tell(Event::Warning { message }));
}

/// Tells what is going to be done.
fn announce(search: &Search<'_>, planned: u32) {
    let data = search.shared.data;
    search.control.tell(Event::Plan {
        task: data.target.task,
        rows: data.rows(),
        features: data.features.len(),
        metric: search.goal.name.clone(),
        higher_is_better: search.goal.higher,
        trials: planned,
        splits: search.folds.splits.len(),
    });
}

fn work_done(search: &Search<'_>, trials: &Trials, planned: u32) -> Work {
    Work {
        trials: trials.done.len() as u32,
        reached: trials.done.last().map_or(0, |d| d.number),
        rounds: search.control.rounds(),
        rows: search.shared.data.trainable(),
        splits: search.folds.splits.len(),
        truncated: trials.done.len() + trials.dropped < planned as usize && trials.late,
        fit_rows: search.folds.sample.as_ref().map(|sample| sample.rows),
        left_out: trials.left_out.clone(),
        from_fold: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
