//! Runs the trials: every split of every configuration is a job, taken in order by whichever thread is free.

use crate::control::Control;
use crate::dataset::Dataset;
use crate::folds::Folds;
use crate::learners::{Fit, Fitted, Job, Shared};
use crate::metrics::{self, Goal, Metrics};
use crate::outcome::Event;
use crate::portfolio::Candidate;
use crate::random::Random;
use crate::{Error, Task};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Rows up to which a model of each split of the first repeat is kept for the importance; above, of the first only.
const KEEP_ROWS: usize = 5_000;
const KEPT: usize = 5;
/// How often the clock is looked at.
const TICK: Duration = Duration::from_millis(100);
/// A fit on all rows costs this much more than one on a fold.
const REFIT_COST: f64 = 1.35;
/// Share of the time limit kept for blending, importance, writing.
const RESERVE: f64 = 0.06;
/// Models the final fit may have to train.
const REFITS: usize = crate::blend::MAX_MEMBERS;

/// A finished trial.
pub(crate) struct Done {
    /// From 1.
    pub number: u32,
    pub candidate: Candidate,
    /// Out-of-fold predictions of the scored rows, as wide as the target.
    pub predictions: Vec<f32>,
    pub metrics: Metrics,
    pub score: f64,
    /// Of all threads together.
    pub seconds: f64,
    /// The common best round of all folds; 0 without rounds.
    pub rounds: usize,
    /// Mean loss of the folds after each round; empty without rounds.
    pub curve: Vec<f64>,
    /// Models of the first splits.
    pub probes: Vec<Box<dyn Fitted>>,
}

/// What the trials of a search have in common.
pub(crate) struct Search<'a> {
    pub shared: &'a Shared<'a>,
    pub folds: &'a Folds,
    pub goal: &'a Goal,
    pub control: &'a Control,
    pub seed: u64,
    pub threads: usize,
    pub time_limit: Option<f64>,
}

/// The seed of a trial's fits.
pub(crate) fn trial_seed(seed: u64, number: u32) -> u64 {
    // Boosting libraries take seeds as 31 bits.
    Random::new(seed, 40_000 + u64::from(number)).next() >> 33
}

/// The fits of a trial with their seconds, one a split.
type Fits = Vec<Option<(Result<Fit, Error>, f64)>>;

/// A trial under way.
struct Running {
    fits: Mutex<Fits>,
    left: AtomicUsize,
}

/// A trial's end: its result, or why there is none.
type End = (u32, Result<Done, Error>);

impl Search<'_> {
    fn data(&self) -> &Dataset {
        self.shared.data
    }

    /// Runs all candidates; the finished ones come back in order of their number. Truncated by the time limit.
    pub(crate) fn run(&self, candidates: &[Candidate]) -> Result<Vec<Done>, Error> {
        let splits = self.folds.splits.len();
        let running: Vec<Running> = candidates
            .iter()
            .map(|_| Running {
                fits: Mutex::new((0..splits).map(|_| None).collect()),
                left: AtomicUsize::new(splits),
            })
            .collect();
        let next = AtomicUsize::new(0);
        let (send, receive) = channel();
        let done = std::thread::scope(|scope| {
            for _ in 0..self.threads.clamp(1, candidates.len() * splits) {
                let send = send.clone();
                let (running, next) = (&running, &next);
                scope.spawn(move || self.work(candidates, running, next, &send));
            }
            drop(send);
            self.collect(&receive)
        });
        if self.control.cancelled() {
            return Err(Error::Cancelled);
        }
        done
    }

    /// Takes jobs until there are none, or the search ends.
    fn work(&self, candidates: &[Candidate], running: &[Running], next: &AtomicUsize, send: &Sender<End>) {
        let splits = self.folds.splits.len();
        while !self.control.cancelled() && !self.control.closed() {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let (trial, split) = (index / splits, index % splits);
            let (Some(candidate), Some(run)) = (candidates.get(trial), running.get(trial)) else {
                break;
            };
            let number = trial as u32 + 1;
            let start = Instant::now();
            let fit = candidate.fit(self.shared, &self.job(number, split));
            let seconds = start.elapsed().as_secs_f64();
            run.fits.lock().unwrap_or_else(PoisonError::into_inner)[split] = Some((fit, seconds));
            if run.left.fetch_sub(1, Ordering::AcqRel) == 1 {
                let fits = std::mem::take(&mut *run.fits.lock().unwrap_or_else(PoisonError::into_inner));
                let end = self.finish(number, candidate, fits);
                if send.send((number, end)).is_err() {
                    break;
                }
            }
        }
    }

    fn job(&self, number: u32, split: usize) -> Job<'_> {
        let split = &self.folds.splits[split];
        Job {
            train: &split.train,
            valid: &split.valid,
            rounds: 0,
            seed: trial_seed(self.seed, number),
            control: self.control,
        }
    }

    /// Cuts the fits to their common best round, predicts the held-out rows and measures.
    fn finish(&self, number: u32, candidate: &Candidate, fits: Fits) -> Result<Done, Error> {
        let start = Instant::now();
        let mut seconds = 0.0;
        let mut models = Vec::with_capacity(fits.len());
        for fit in fits {
            let (fit, took) = fit.ok_or(Error::Cancelled)?;
            models.push(fit?);
            seconds += took;
        }
        let rounds = self.best_round(&models);
        if rounds > 0 {
            models.iter_mut().for_each(|fit| fit.model.cut(rounds));
        }
        let curve = mean_curve(&models);
        let predictions = self.out_of_fold(&models);
        let metrics = metrics::all(&self.data().target, &self.folds.scored, &predictions);
        let score = self.goal.of(&metrics);
        self.control.count(models.iter().map(|m| m.model.rounds() as u64).sum());
        let kept = if self.data().rows() <= KEEP_ROWS { KEPT } else { 1 };
        let probes = models.into_iter().take(kept).map(|fit| fit.model).collect();
        seconds += start.elapsed().as_secs_f64();
        Ok(Done {
            number,
            candidate: candidate.clone(),
            predictions,
            metrics,
            score,
            seconds,
            rounds,
            curve,
            probes,
        })
    }

    /// The round with the least summed loss over all held-out rows: one number is fitted instead of one a fold. A fold
    /// that stopped earlier counts with its last loss.
    fn best_round(&self, fits: &[Fit]) -> usize {
        let longest = fits.iter().map(|f| f.curve.len()).max().unwrap_or(0);
        let square = self.data().target.task == Task::Regression;
        let mut best = (f64::INFINITY, longest);
        for round in 0..longest {
            let mut total = 0.0;
            for (fit, split) in fits.iter().zip(&self.folds.splits) {
                let Some(last) = fit.curve.len().checked_sub(1) else {
                    continue;
                };
                let loss = fit.curve[round.min(last)];
                total += split.valid.len() as f64 * if square { loss * loss } else { loss };
            }
            if total < best.0 {
                best = (total, round + 1);
            }
        }
        best.1
    }

    /// Predictions of the scored rows, averaged over the repeats.
    fn out_of_fold(&self, fits: &[Fit]) -> Vec<f32> {
        let width = self.data().target.width();
        let mut sums = vec![0.0f32; self.data().rows() * width];
        let mut counts = vec![0u32; self.data().rows()];
        for (fit, split) in fits.iter().zip(&self.folds.splits) {
            let predicted = fit.model.predict(&self.data().matrix.take(&split.valid));
            for (&row, p) in split.valid.iter().zip(predicted.chunks_exact(width)) {
                let row = row as usize;
                counts[row] += 1;
                sums[row * width..(row + 1) * width].iter_mut().zip(p).for_each(|(s, p)| *s += p);
            }
        }
        let mut out = Vec::with_capacity(self.folds.scored.len() * width);
        for &row in &self.folds.scored {
            let row = row as usize;
            out.extend(sums[row * width..(row + 1) * width].iter().map(|s| s / counts[row] as f32));
        }
        out
    }

    /// Gathers finished trials and watches the clock.
    fn collect(&self, ends: &Receiver<End>) -> Result<Vec<Done>, Error> {
        let mut done: Vec<Done> = Vec::new();
        let mut failure = None;
        loop {
            match ends.recv_timeout(TICK) {
                Ok((_, Ok(trial))) => {
                    self.control.finish_trial();
                    done.push(trial);
                    self.announce(&done);
                }
                Ok((_, Err(Error::Cancelled))) | Err(RecvTimeoutError::Timeout) => {}
                Ok((number, Err(error))) => {
                    let message = format!("trial {number} gave no model: {error}");
                    self.control.tell(Event::Warning { message });
                    failure = failure.or(Some(error));
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.control.pulse();
            if let Some(limit) = self.time_limit
                && self.control.seconds() + self.reserve(&done, limit) > limit
            {
                self.control.close();
            }
        }
        done.sort_by_key(|trial| trial.number);
        match (done.is_empty(), failure) {
            (true, Some(error)) => Err(error),
            (true, None) => Err(Error::TimeLimit(self.time_limit.unwrap_or(0.0))),
            _ => Ok(done),
        }
    }

    /// Tells about the trial that finished last.
    fn announce(&self, done: &[Done]) {
        let Some(last) = done.last() else { return };
        let better = |a: f64, b: f64| if self.goal.better(b, a) { b } else { a };
        let best = done.iter().map(|d| d.score).fold(last.score, better);
        self.control.tell(Event::Trial {
            number: last.number,
            learner: last.candidate.name(),
            score: last.score,
            metrics: last.metrics.clone(),
            weight: 0.0,
            seconds: last.seconds,
            best,
        });
    }

    /// Seconds to keep for the final fit and what follows.
    fn reserve(&self, done: &[Done], limit: f64) -> f64 {
        let splits = self.folds.splits.len() as f64;
        let mut costs: Vec<(f64, f64)> =
            done.iter().map(|d| (d.score, d.seconds / splits * REFIT_COST)).collect();
        costs.sort_by(|a, b| if self.goal.higher { b.0.total_cmp(&a.0) } else { a.0.total_cmp(&b.0) });
        costs.truncate(REFITS);
        let total: f64 = costs.iter().map(|c| c.1).sum();
        let longest = costs.iter().map(|c| c.1).fold(0.0, f64::max);
        (total / self.threads as f64).max(longest) + RESERVE * limit
    }
}

/// The mean of the folds' curves; a fold that stopped earlier counts with its last loss.
fn mean_curve(fits: &[Fit]) -> Vec<f64> {
    let curves: Vec<&Vec<f64>> = fits.iter().map(|f| &f.curve).filter(|c| !c.is_empty()).collect();
    let longest = curves.iter().map(|c| c.len()).max().unwrap_or(0);
    let at = |round: usize| curves.iter().map(|c| c[round.min(c.len() - 1)]).sum::<f64>();
    (0..longest).map(|round| at(round) / curves.len() as f64).collect()
}
