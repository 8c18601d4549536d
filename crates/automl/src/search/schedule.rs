//! Which job comes next, and what has ended.

use super::{Done, Search, Trials, pace};
use crate::Error;
use crate::journal::LeftOut;
use crate::learners::{self, Fit};
use crate::outcome::Event;
use crate::portfolio::{Candidate, Past, Plan};
use crate::spec::Algorithm;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A drawn configuration looks at trials so many places before it.
const LAG: u32 = 8;
/// Trials in a row that do not fit in the time left before none is tried any more.
const SKIPS: usize = 12;
/// Bytes of out-of-fold predictions kept; those of the worst trials are let go.
const MEMORY: usize = 256 << 20;
/// Trials whose models of the first splits are kept.
const PROBED: usize = 40;
/// Splits after which a trial may be given up.
const FIRST: usize = 2;

/// The finished trials that the one with a number may look at.
fn seen<'d>(done: impl Iterator<Item = &'d Done>, number: u32) -> impl Iterator<Item = &'d Done> {
    done.filter(move |d| d.number + LAG <= number)
}

/// The same, as a plan looks at them.
pub(crate) fn past<'d>(done: impl Iterator<Item = &'d Done>, number: u32) -> Vec<Past<'d>> {
    seen(done, number).map(|d| Past { loss: d.loss, candidate: &d.candidate }).collect()
}

/// The fits of a trial with their losses and seconds, one a split.
pub(super) type Fits = Vec<Option<(Result<Fit, Error>, f64, f64)>>;

/// A trial under way.
pub(super) struct Running {
    pub number: u32,
    pub candidate: Candidate,
    /// A mean loss above this after some splits ends the trial.
    bar: Option<f64>,
    /// When it has taken too long.
    pub until: Option<Instant>,
    state: Mutex<Under>,
}

/// What a trial has so far.
struct Under {
    fits: Fits,
    /// Jobs not given out, and given out but not back.
    left: usize,
}

impl Running {
    /// Whether the mean of the first losses, after any number of splits from [`FIRST`] on, is worse than the worst
    /// split of the best trial before: the "forgiving" rule of Bergman, Purucker, Hutter, "Don't waste your time"
    /// (2024). It is read from the first split on, so the order in which splits end does not show.
    pub(super) fn hopeless(&self, losses: &[f64]) -> bool {
        let Some(bar) = self.bar else { return false };
        let mut sum = 0.0;
        losses.iter().enumerate().any(|(i, loss)| {
            sum += loss;
            i + 1 >= FIRST && sum / (i + 1) as f64 > bar
        })
    }
}

/// One job: a split of a trial.
pub(super) struct Step {
    pub trial: Arc<Running>,
    pub split: usize,
}

/// What becomes of the next trial.
enum Begin {
    Trial(Running),
    /// When others are over.
    Later,
    Never,
}

/// How a trial ended.
enum End {
    Done(Box<Done>),
    Dropped,
    Failed,
}

impl End {
    fn done(&self) -> Option<&Done> {
        if let Self::Done(done) = self { Some(done) } else { None }
    }
}

#[derive(Default)]
struct State {
    /// The trial whose splits are being given out, and the next split.
    open: Option<(Arc<Running>, usize)>,
    /// The next number to begin.
    next: u32,
    ends: BTreeMap<u32, End>,
    failure: Option<Error>,
    /// The first trial that was good enough to end the search.
    exit: Option<u32>,
    /// Whether a trial was left out because it did not fit in the time.
    skipped: bool,
    /// Trials that took too long.
    overdue: BTreeSet<u32>,
}

impl State {
    fn done(&self) -> Vec<&Done> {
        self.ends.values().filter_map(End::done).collect()
    }
}

/// The trials of a search in the making.
pub(super) struct Schedule<'a> {
    search: &'a Search<'a>,
    plan: &'a Plan,
    state: Mutex<State>,
    changed: Condvar,
}

/// Wakes everyone when a worker ends, however it ends.
pub(super) struct Waking<'a>(&'a Schedule<'a>);

impl Drop for Waking<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.search.control.cancel();
        }
        self.0.wake();
    }
}

impl<'a> Schedule<'a> {
    pub(super) fn new(search: &'a Search<'a>, plan: &'a Plan) -> Self {
        let state = Mutex::new(State { next: 1, ..State::default() });
        Self { search, plan, state, changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn waking(&self) -> Waking<'_> {
        Waking(self)
    }

    pub(super) fn wake(&self) {
        self.changed.notify_all();
    }

    /// Waits for a change, or for some time.
    pub(super) fn wait(&self, time: Duration) {
        drop(self.changed.wait_timeout(self.lock(), time));
    }

    /// Seconds to keep for what follows the trials.
    pub(super) fn reserve(&self, limit: f64) -> f64 {
        pace::reserve(&self.lock().done(), self.search, limit)
    }

    /// Passes over a trial.
    pub(super) fn leave_out(&self, number: u32) {
        self.lock().ends.insert(number, End::Failed);
    }

    /// The trials that gave nothing among those that the one with this number could look at: another attempt has to leave
    /// them out too, or it would draw others.
    pub(super) fn left_out_before(&self, number: u32) -> Vec<LeftOut> {
        let state = self.lock();
        let before = state.ends.range(..number.saturating_sub(LAG).saturating_add(1));
        let failed = before.filter(|(_, end)| matches!(end, End::Failed));
        failed.map(|(&number, _)| LeftOut { number, overdue: state.overdue.contains(&number) }).collect()
    }

    /// Passes over a trial as an earlier attempt did.
    pub(super) fn leave_out_again(&self, trial: LeftOut) {
        self.leave_out(trial.number);
        let mut state = self.lock();
        if trial.overdue {
            state.overdue.insert(trial.number);
        } else {
            state.skipped |= self.search.control.limit().is_some();
        }
    }

    /// Puts a trial of an interrupted search in its place.
    pub(super) fn restore(&self, done: Done) {
        self.search.control.finish_trial();
        self.record(&mut self.lock(), done);
    }

    fn over(&self) -> bool {
        self.search.control.cancelled() || self.search.control.closed()
    }

    /// The next job, once there is one; `None` at the end.
    pub(super) fn next(&self) -> Option<Step> {
        let mut state = self.lock();
        loop {
            if self.over() {
                return None;
            }
            if let Some((trial, split)) = state.open.take() {
                if split < self.search.folds.splits.len() {
                    state.open = Some((trial.clone(), split + 1));
                    if trial.takes(split) {
                        return Some(Step { trial, split });
                    }
                }
                continue;
            }
            let number = state.next;
            if number > self.plan.trials() || state.exit.is_some_and(|exit| number > exit) {
                return None;
            }
            if state.ends.contains_key(&number) {
                state.next += 1;
                continue;
            }
            match self.begin(&mut state, number) {
                Begin::Trial(running) => state.open = Some((Arc::new(running), 0)),
                Begin::Later => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Begin::Never => return None,
            }
        }
    }

    /// The first trial from `number` on that fits in the time left. What it is depends on its own number, not on the trials
    /// that were passed over for it.
    fn begin(&self, state: &mut State, number: u32) -> Begin {
        let done = state.done();
        let left = self.search.control.limit().map_or(f64::INFINITY, |limit| {
            let reserve = pace::reserve(&done, self.search, limit);
            limit - reserve - self.search.control.seconds()
        });
        let last = self.plan.trials().min(number + SKIPS as u32);
        let mut found = None;
        // Those of an interrupted search that are over are left as they are.
        for n in (number..=last).filter(|n| !state.ends.contains_key(n)) {
            // What a trial may look at has to be over; those from `number` on are passed over.
            let before = n.saturating_sub(LAG).min(number - 1);
            if !self.plan.is_fixed(n) && !(1..=before).all(|m| state.ends.contains_key(&m)) {
                return Begin::Later;
            }
            let candidate = self.plan.candidate(n, &past(done.iter().copied(), n));
            if pace::predicted(&done, candidate.algorithm(), self.search.threads) <= left {
                let best = seen(done.iter().copied(), n).min_by(|a, b| a.loss.total_cmp(&b.loss));
                let bar = best.filter(|_| self.search.early && !self.plan.is_fixed(n)).map(|d| d.worst);
                found = Some((n, candidate, bar));
                break;
            }
        }
        state.skipped |= found.as_ref().is_none_or(|(n, ..)| *n > number);
        let Some((chosen, candidate, bar)) = found else { return Begin::Never };
        (number..chosen).for_each(|n| {
            state.ends.entry(n).or_insert(End::Failed);
        });
        state.next = chosen + 1;
        let splits = self.search.folds.splits.len();
        let under = Under { fits: (0..splits).map(|_| None).collect(), left: splits };
        // The constant costs nothing, and is what others are compared with.
        let limit = self.search.trial_limit.filter(|_| candidate.algorithm() != Algorithm::Constant);
        let until = limit.and_then(|limit| Instant::now().checked_add(limit));
        Begin::Trial(Running { number: chosen, candidate, bar, until, state: Mutex::new(under) })
    }

    /// Takes a fit back; the last one of a trial gets all of them.
    pub(super) fn fitted(
        &self,
        trial: &Running,
        split: usize,
        fit: (Result<Fit, Error>, f64, f64),
    ) -> Option<Fits> {
        let mut under = trial.state.lock().unwrap_or_else(PoisonError::into_inner);
        under.fits[split] = Some(fit);
        under.left -= 1;
        (under.left == 0).then(|| std::mem::take(&mut under.fits))
    }

    /// Notes the end of a trial.
    pub(super) fn finished(&self, trial: &Running, end: Result<Option<Done>, Error>) {
        let mut state = self.lock();
        self.search.control.finish_trial();
        match end {
            Ok(Some(done)) => self.record(&mut state, done),
            Ok(None) => {
                state.ends.insert(trial.number, End::Dropped);
            }
            // What a stop interrupts has no end: another attempt shall try it.
            Err(Error::Cancelled) if self.search.control.cancelled() => {}
            Err(error) => {
                if matches!(error, Error::TrialLimit(_)) {
                    state.overdue.insert(trial.number);
                }
                if !matches!(error, Error::Cancelled) {
                    let message = format!("trial {} gave no model: {error}", trial.number);
                    self.search.control.tell(Event::Warning { message });
                    state.failure.get_or_insert(error);
                }
                state.ends.insert(trial.number, End::Failed);
            }
        }
        drop(state);
        self.wake();
    }

    fn record(&self, state: &mut State, done: Done) {
        let goal = self.search.goal;
        let better = |a: f64, b: f64| if goal.better(b, a) { b } else { a };
        let best = state.done().iter().map(|d| d.score).fold(done.score, better);
        self.search.announce(&done, best);
        if self.search.exit.is_some_and(|exit| !goal.better(exit, done.score)) {
            state.exit = Some(state.exit.map_or(done.number, |n| n.min(done.number)));
        }
        state.ends.insert(done.number, End::Done(Box::new(done)));
        economise(state);
    }

    /// The finished trials by number.
    pub(super) fn end(self) -> Result<Trials, Error> {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let exit = state.exit.unwrap_or(u32::MAX);
        let mut trials = Trials {
            done: Vec::new(),
            dropped: 0,
            left_out: Vec::new(),
            overdue: state.overdue.len(),
            late: self.search.control.closed() || state.skipped,
            reached: state.exit.is_some(),
        };
        for (number, end) in state.ends.into_iter().filter(|(number, _)| *number <= exit) {
            match end {
                End::Done(done) => trials.done.push(*done),
                End::Dropped => trials.dropped += 1,
                End::Failed => trials.left_out.push(number),
            }
        }
        let last = trials.done.last().map_or(0, |d| d.number);
        trials.left_out.retain(|&number| number < last);
        match (trials.done.is_empty(), state.failure) {
            (true, Some(error)) => Err(error),
            (true, None) => Err(Error::TimeLimit(self.search.control.limit().unwrap_or(0.0))),
            _ => Ok(trials),
        }
    }
}

impl Running {
    /// Whether the split is still wanted. One that is not counts as back.
    fn takes(&self, split: usize) -> bool {
        let mut under = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let losses: Vec<f64> = under.fits.iter().map_while(|f| f.as_ref().map(|f| f.1)).collect();
        let wanted = !self.hopeless(&losses[..losses.len().min(split)]) && !learners::is_over(self.until);
        if wanted || under.left <= 1 {
            return true;
        }
        under.left -= 1;
        false
    }
}

/// Lets go of the models of all but the best trials, and of predictions beyond the memory for them. What is kept
/// depends on the losses alone, not on the order in which trials ended.
fn economise(state: &mut State) {
    let mut done: Vec<&mut Done> = state
        .ends
        .values_mut()
        .filter_map(|end| if let End::Done(done) = end { Some(&mut **done) } else { None })
        .collect();
    done.sort_by(|a, b| a.loss.total_cmp(&b.loss).then(a.number.cmp(&b.number)));
    done.iter_mut().skip(PROBED).for_each(|d| d.probes = Vec::new());
    // All are of one length; those that were let go before count too, lest a worse one be kept in their place.
    let each = done.iter().map(|d| d.predictions.len() * size_of::<f32>()).max().unwrap_or(0);
    let mut bytes = 0;
    for trial in done {
        bytes += each;
        if bytes > MEMORY {
            trial.predictions = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(bar: Option<f64>, until: Option<Instant>) -> Running {
        let under = Under { fits: (0..4).map(|_| None).collect(), left: 4 };
        let candidate: Candidate = Arc::new(learners::Constant);
        Running { number: 1, candidate, bar, until, state: Mutex::new(under) }
    }

    #[test]
    fn a_trial_is_given_up_when_its_first_folds_are_worse_than_the_bar() {
        let barred = running(Some(0.5), None);
        for (losses, hopeless) in [
            (&[0.9][..], false),
            (&[0.6, 0.3], false),
            (&[0.6, 0.5], true),
            (&[0.6, 0.5, 0.1], true),
            (&[0.4, 0.5, 0.9], true),
        ] {
            assert_eq!(barred.hopeless(losses), hopeless, "{losses:?}");
        }
        assert!(!running(None, None).hopeless(&[9.0, 9.0]));
        // Two folds are back: the third is not begun, the last is, so that somebody ends the trial.
        let back = |loss| Some((Err(Error::Cancelled), loss, 0.0));
        {
            let mut under = barred.state.lock().unwrap();
            (under.fits[0], under.fits[1], under.left) = (back(0.6), back(0.5), 2);
        }
        assert_eq!([2, 3].map(|split| barred.takes(split)), [false, true]);
    }

    #[test]
    fn an_overdue_trial_begins_no_further_fold_but_comes_back() {
        let late = running(None, Some(Instant::now()));
        // The first is under way, and ends the trial when it is back.
        assert_eq!([1, 2, 3].map(|split| late.takes(split)), [false, false, false]);
        assert_eq!(late.state.lock().unwrap().left, 1);
        // Where none is under way the last is given out, so that somebody ends it.
        let all_late = running(None, Some(Instant::now()));
        assert_eq!([0, 1, 2, 3].map(|split| all_late.takes(split)), [false, false, false, true]);
        let in_time = running(None, Instant::now().checked_add(Duration::from_secs(3600)));
        assert!((0..4).all(|split| in_time.takes(split)) && running(None, None).takes(3));
    }
}
