//! Stopping a search from outside and showing that it is alive.

use crate::outcome::Event;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// Time between two signs of life.
const PULSE: Duration = Duration::from_millis(200);

/// Share of the time limit, and seconds at most, kept for importance and writing.
const LAST_SHARE: f64 = 0.08;
const LAST_MOST: f64 = 4.0;

/// Of these the share, and seconds at most, kept for writing.
const WRITING_SHARE: f64 = 0.04;
const WRITING_MOST: f64 = 2.0;

/// Shared by all threads of one search.
pub(crate) struct Control {
    start: Instant,
    /// The caller wants the search to end without a result.
    cancelled: AtomicBool,
    /// No new trial may start, running ones are given up.
    closed: AtomicBool,
    finished: AtomicU32,
    trials: u32,
    /// What is done now is needed, however late it is.
    needed: AtomicBool,
    /// Seconds the search may take, and those that were spent before it was taken up again.
    limit: Option<f64>,
    spent: AtomicU64,
    /// Rounds and trees grown in work that counted.
    rounds: AtomicU64,
    last: Mutex<Instant>,
    events: Sender<Option<Event>>,
}

impl Control {
    /// A control for a search of `trials` trials that reports to `events`.
    pub(crate) fn new(trials: u32, events: Sender<Option<Event>>) -> Self {
        let now = Instant::now();
        Self {
            start: now,
            cancelled: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            needed: AtomicBool::new(false),
            finished: AtomicU32::new(0),
            trials,
            limit: None,
            spent: AtomicU64::new(0),
            rounds: AtomicU64::new(0),
            last: Mutex::new(now),
            events,
        }
    }

    /// The same with a time limit.
    pub(crate) fn within(mut self, limit: Option<f64>) -> Self {
        self.limit = limit;
        self
    }

    /// Counts the seconds that were spent before the search was taken up again.
    pub(crate) fn spend(&self, seconds: f64) {
        if seconds.is_finite() && seconds > 0.0 {
            // Numbers above zero are ordered as their bits are.
            self.spent.fetch_max(seconds.to_bits(), Ordering::Relaxed);
        }
    }

    /// The time limit in seconds.
    pub(crate) fn limit(&self) -> Option<f64> {
        self.limit
    }

    /// Whether only the time for importance and writing is left.
    pub(crate) fn late(&self) -> bool {
        !self.needed.load(Ordering::Relaxed)
            && self.limit.is_some_and(|limit| self.seconds() > limit - (LAST_SHARE * limit).min(LAST_MOST))
    }

    /// Whether only the time to write the result is left: what can be left out is left out.
    pub(crate) fn over(&self) -> bool {
        self.limit.is_some_and(|limit| self.seconds() > limit - (WRITING_SHARE * limit).min(WRITING_MOST))
    }

    /// Does what no result can be without: it is never late for it.
    pub(crate) fn needing<T>(&self, work: impl FnOnce() -> T) -> T {
        self.needed.store(true, Ordering::Relaxed);
        let done = work();
        self.needed.store(false, Ordering::Relaxed);
        done
    }

    /// Asks every thread to stop.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether the caller asked to stop.
    pub(crate) fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Ends the trials: what is running is given up.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Lets fits go on after the trials have ended.
    pub(crate) fn reopen(&self) {
        self.closed.store(false, Ordering::Relaxed);
    }

    /// Whether the trials have ended early.
    pub(crate) fn closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Seconds since the start, and those spent before.
    pub(crate) fn seconds(&self) -> f64 {
        f64::from_bits(self.spent.load(Ordering::Relaxed)) + self.start.elapsed().as_secs_f64()
    }

    /// Counts a finished trial.
    pub(crate) fn finish_trial(&self) {
        self.finished.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts rounds or trees.
    pub(crate) fn count(&self, rounds: u64) {
        self.rounds.fetch_add(rounds, Ordering::Relaxed);
    }

    /// Rounds and trees counted.
    pub(crate) fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    /// Tells the caller something.
    pub(crate) fn tell(&self, event: Event) {
        // The receiver lives as long as the search; if it is gone nobody listens any more.
        let _ = self.events.send(Some(event));
    }

    /// Tells the caller's thread that nothing more will come.
    pub(crate) fn finish(&self) {
        let _ = self.events.send(None);
    }

    /// A sign of life, at most one a pulse.
    pub(crate) fn pulse(&self) {
        let Ok(mut last) = self.last.try_lock() else {
            return;
        };
        if last.elapsed() < PULSE {
            return;
        }
        *last = Instant::now();
        self.tell(Event::Progress {
            finished: self.finished.load(Ordering::Relaxed),
            trials: self.trials,
            seconds: self.seconds(),
        });
    }
}
