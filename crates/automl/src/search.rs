//! Runs the trials: every split of every configuration is a job, taken in order by whichever thread is free.
//!
//! The order of trials is a pure function of data, specification and seed: a time limit takes a prefix of it. A
//! configuration that is drawn near good ones looks only at trials some places before it, which are always over by
//! then, so that neither the number of threads nor their pace shows.

mod finish;
mod pace;
mod schedule;

use crate::control::Control;
use crate::dataset::Dataset;
use crate::decision::Decision;
use crate::folds::Folds;
use crate::journal::Journal;
use crate::learners::{self, Fitted, Job, Shared};
use crate::metrics::{self, Goal, Metrics};
use crate::outcome::Event;
use crate::portfolio::{Candidate, Plan};
use crate::random::Random;
use crate::{Error, Task};
use schedule::{Running, Schedule, Step};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) use schedule::past;

/// How often the clock is looked at.
const TICK: Duration = Duration::from_millis(50);

/// A finished trial.
pub(crate) struct Done {
    /// From 1.
    pub number: u32,
    pub candidate: Candidate,
    /// Out-of-fold predictions of the scored rows, as wide as the target; empty when they were let go.
    pub predictions: Vec<f32>,
    pub metrics: Metrics,
    pub score: f64,
    /// Mean log loss or squared error, out of fold.
    pub loss: f64,
    /// The largest loss of a single split.
    pub worst: f64,
    /// Of all threads together.
    pub seconds: f64,
    /// The common best round of all folds; 0 without rounds.
    pub rounds: usize,
    /// Mean loss of the folds after each round; empty without rounds.
    pub curve: Vec<f64>,
    /// Nodes the model takes in a file.
    pub size: usize,
    /// Numbers of each row that it takes in a compiled file, beside the features.
    pub wide: usize,
    /// Models of the first splits; made again by [`Search::probes`] when they were let go.
    pub probes: Vec<Arc<dyn Fitted>>,
}

/// What the trials of a search have in common.
pub(crate) struct Search<'a> {
    pub shared: &'a Shared<'a>,
    pub folds: &'a Folds,
    pub goal: &'a Goal,
    pub control: &'a Control,
    pub seed: u64,
    pub threads: usize,
    /// Whether a drawn configuration that is clearly worse is given up after its first folds.
    pub early: bool,
    /// The search ends with the first trial that scores so well.
    pub exit: Option<f64>,
    /// Time that one trial may take.
    pub trial_limit: Option<Duration>,
    /// Trials that are not carried out.
    pub left_out: &'a [u32],
    pub journal: Journal<'a>,
}

/// How the trials ended.
pub(crate) struct Trials {
    /// By number.
    pub done: Vec<Done>,
    /// Given up after their first folds.
    pub dropped: usize,
    /// Numbers of those before the last that gave nothing.
    pub left_out: Vec<u32>,
    /// How many were given up because each took longer than one may.
    pub overdue: usize,
    /// Whether the time limit ended them.
    pub late: bool,
    /// Whether the score asked for was reached.
    pub reached: bool,
}

/// The seed of a trial's fits.
pub(crate) fn trial_seed(seed: u64, number: u32) -> u64 {
    // Boosting libraries take seeds as 31 bits.
    Random::new(seed, 40_000 + u64::from(number)).next() >> 33
}

impl Search<'_> {
    fn data(&self) -> &Dataset {
        self.shared.data
    }

    /// Runs the plan; the finished trials come back in order of their number. Truncated by the time limit.
    pub(crate) fn run(&self, plan: &Plan) -> Result<Trials, Error> {
        let schedule = Schedule::new(self, plan);
        self.left_out.iter().for_each(|&number| schedule.leave_out(number));
        let (restored, left_out) = self.journal.read(self, plan);
        left_out.into_iter().for_each(|trial| schedule.leave_out_again(trial));
        for done in restored {
            schedule.restore(done);
        }
        std::thread::scope(|scope| {
            let workers: Vec<_> =
                (0..self.threads.max(1)).map(|_| scope.spawn(|| self.work(&schedule))).collect();
            while !workers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                schedule.wait(TICK);
                self.control.pulse();
                if let Some(limit) = self.control.limit()
                    && self.control.seconds() + schedule.reserve(limit) > limit
                {
                    self.control.close();
                    schedule.wake();
                }
                if self.control.cancelled() {
                    schedule.wake();
                }
            }
        });
        if self.control.cancelled() {
            return Err(Error::Cancelled);
        }
        let trials = schedule.end();
        self.control.reopen();
        trials
    }

    /// Takes jobs until there are none, or the search ends.
    fn work(&self, schedule: &Schedule<'_>) {
        // A panic must not leave the others waiting for a trial that never ends.
        let _waking = schedule.waking();
        while let Some(Step { trial, split }) = schedule.next() {
            let start = Instant::now();
            let job = Job { until: trial.until, ..self.job(trial.number, split) };
            let fit = self.in_time(trial.candidate.fit(self.shared, &job), &trial);
            let loss = fit.as_ref().map_or(f64::NAN, |fit| self.split_loss(fit, split));
            let seconds = start.elapsed().as_secs_f64();
            if let Some(fits) = schedule.fitted(&trial, split, (fit, loss, seconds)) {
                let end = self.finish(&trial, fits);
                if let Ok(Some(done)) = &end {
                    self.journal.write(self, done, schedule.left_out_before(done.number));
                }
                schedule.finished(&trial, end);
            }
        }
    }

    /// What came in time: a fit that was stopped may have been so by its trial's own limit, and one that could not be stopped
    /// may have come after it.
    fn in_time<T>(&self, made: Result<T, Error>, trial: &Running) -> Result<T, Error> {
        match (made, self.trial_limit) {
            (Ok(_) | Err(Error::Cancelled), Some(limit))
                if learners::is_over(trial.until) && !self.control.cancelled() =>
            {
                Err(Error::TrialLimit(limit.as_secs_f64()))
            }
            (made, _) => made,
        }
    }

    /// The job of one split of a trial.
    fn job(&self, number: u32, split: usize) -> Job<'_> {
        let split = &self.folds.splits[split];
        Job {
            train: &split.train,
            valid: &split.valid,
            rounds: 0,
            weights: &self.data().marks.weights,
            seed: trial_seed(self.seed, number),
            control: self.control,
            until: None,
        }
    }

    /// All metrics of out-of-fold predictions of the scored rows.
    pub(crate) fn metrics(&self, predictions: &[f32]) -> Metrics {
        self.metrics_of(&self.folds.scored, predictions, &Decision::Largest)
    }

    /// All metrics of predictions of some rows, with labels by `decision`.
    pub(crate) fn metrics_of(&self, rows: &[u32], predictions: &[f32], decision: &Decision) -> Metrics {
        let weights = &self.data().marks.weights;
        let weights = (!weights.is_empty()).then_some(weights.as_slice());
        metrics::weighted(&self.data().target, rows, predictions, weights, decision)
    }

    /// Weights of the scored rows, 1 each when all are equal.
    pub(crate) fn scored_weights(&self) -> Vec<f64> {
        let weights = &self.data().marks.weights;
        let of = |&r: &u32| weights.get(r as usize).map_or(1.0, |&w| f64::from(w));
        self.folds.scored.iter().map(of).collect()
    }

    /// What stays together where scored rows are cut in parts: rows of a group have the same number, others one of their own.
    pub(crate) fn clumps(&self) -> Vec<u64> {
        let groups = &self.data().marks.groups;
        let of =
            |(at, &row): (usize, &u32)| groups.get(row as usize).map_or(at as u64, |&group| group.into());
        self.folds.scored.iter().enumerate().map(of).collect()
    }

    /// Tells about a finished trial.
    fn announce(&self, done: &Done, best: f64) {
        self.control.tell(Event::Trial {
            number: done.number,
            learner: done.candidate.name(),
            score: done.score,
            metrics: done.metrics.clone(),
            weight: 0.0,
            seconds: done.seconds,
            best,
        });
    }
}

/// Mean loss of predictions of width `width` against the truth: log loss, or the squared error.
pub(crate) fn mean_loss(
    task: Task,
    rows: impl Iterator<Item = (f32, f64)>,
    predictions: &[f32],
    width: usize,
) -> f64 {
    let (mut total, mut weights) = (0.0, 0.0);
    for ((truth, weight), p) in rows.zip(predictions.chunks_exact(width)) {
        let loss = match task {
            Task::Regression => f64::from(p[0] - truth).powi(2),
            Task::Binary => -f64::from(if truth == 0.0 { 1.0 - p[0] } else { p[0] }.max(LEAST)).ln(),
            Task::Multiclass => -f64::from(p[truth as usize].max(LEAST)).ln(),
        };
        total += weight * loss;
        weights += weight;
    }
    if weights > 0.0 { total / weights } else { 0.0 }
}

/// A probability counts as at least this.
pub(crate) const LEAST: f32 = 1e-7;
