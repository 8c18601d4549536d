//! Metrics for Prometheus: atomics behind handles that are registered once, and the text that `/metrics` answers.
//!
//! Written by hand, as the scoring path may afford about 50 ns and no allocation, and scrapers ask for two text forms: the
//! usual client library keeps one (OpenMetrics) and finds a labelled series by hashing its labels on each observation.
//! Names and bucket bounds follow the OpenTelemetry HTTP conventions.

mod process;
mod render;

use crate::requests::Counters;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Upper bounds of the duration buckets in seconds; one more bucket is open above.
pub const BOUNDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// The most (method, route, endpoint) combinations kept; further ones are counted together as `_OTHER`.
pub const MAX_SERIES: usize = 20_000;

/// The most different refusal reasons; further ones are counted together as `_OTHER`.
const MAX_REASONS: usize = 64;

/// Statuses with a series of their own; any other is counted as `_OTHER`.
const STATUSES: [u16; 36] = [
    200, 201, 202, 204, 206, 301, 302, 304, 307, 308, 400, 401, 403, 404, 405, 406, 408, 409, 411, 412, 413,
    414, 415, 416, 421, 422, 424, 426, 429, 431, 500, 502, 503, 504, 505, 507,
];

/// Slot of a status in [`STATUSES`]; the slot after the last is `_OTHER`.
const SLOTS: [u8; 600] = {
    let mut slots = [STATUSES.len() as u8; 600];
    let mut at = 0;
    while at < STATUSES.len() {
        slots[STATUSES[at] as usize] = at as u8;
        at += 1;
    }
    slots
};

/// A histogram of durations. The sum is kept in whole nanoseconds, so adding is one atomic instruction.
#[derive(Debug, Default)]
struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

impl Histogram {
    fn observe(&self, seconds: f64) {
        let seconds = if seconds.is_finite() { seconds.max(0.0) } else { 0.0 };
        let bucket = BOUNDS.iter().take_while(|bound| seconds > **bound).count();
        self.buckets[bucket].fetch_add(1, Relaxed);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "finite and not negative; the cast saturates far above any duration"
        )]
        self.nanos.fetch_add((seconds * 1e9) as u64, Relaxed);
    }
}

/// One (method, route, endpoint) with a histogram for each status seen.
#[derive(Debug)]
struct Series {
    method: String,
    route: String,
    endpoint: String,
    statuses: [OnceLock<Box<Histogram>>; STATUSES.len() + 1],
    scored_rows: Arc<AtomicU64>,
}

/// Where a route of an endpoint counts: made once when the routing snapshot is built, then used without any lookup.
#[derive(Debug, Clone)]
pub struct Handle(Arc<Series>);

/// One reason for which the gate refused calls.
#[derive(Debug, Default)]
struct Reason {
    name: OnceLock<&'static str>,
    count: AtomicU64,
}

/// What came of calls that were mirrored to another deployment of an endpoint.
#[derive(Debug, Default)]
pub struct Mirrored {
    /// Answers that said the same.
    pub equal: AtomicU64,
    /// Answers that said something else.
    pub different: AtomicU64,
    /// Copies that could not be answered.
    pub failed: AtomicU64,
    /// Copies that were not made since too many waited.
    pub dropped: AtomicU64,
}

/// Payloads of calls that were to be kept.
#[derive(Debug, Default)]
pub struct Collected {
    /// Records written.
    pub written: AtomicU64,
    /// Calls left out since too many waited, they were too large, or there was no room.
    pub dropped: AtomicU64,
}

#[derive(Debug)]
struct Inner {
    series: Mutex<Vec<Arc<Series>>>,
    reasons: [Reason; MAX_REASONS],
    mirrored: Mutex<Vec<(String, Arc<Mirrored>)>>,
    collected: Collected,
    log: Arc<Counters>,
    started: f64,
    version: &'static str,
}

/// All metrics of the process; clones share them.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Inner>);

impl Metrics {
    /// Empty metrics, which also show the counters of the request log.
    pub fn new(log: Arc<Counters>) -> Self {
        Self(Arc::new(Inner {
            series: Mutex::default(),
            reasons: std::array::from_fn(|_| Reason::default()),
            mirrored: Mutex::default(),
            collected: Collected::default(),
            log,
            started: process::start_time(),
            version: env!("CARGO_PKG_VERSION"),
        }))
    }

    /// The handle for a method (`GET`, … or `_OTHER`), a route template (never the raw path) and an endpoint's name (empty
    /// for routes of no endpoint). Asking twice gives the same series.
    pub fn handle(&self, method: &str, route: &str, endpoint: &str) -> Handle {
        let mut all = self.series();
        let found = all.iter().find(|s| s.endpoint == endpoint && s.route == route && s.method == method);
        if let Some(series) = found {
            return Handle(series.clone());
        }
        let other = "_OTHER";
        let (method, route, endpoint) = match all.len() >= MAX_SERIES {
            false => (method, route, endpoint),
            true => (other, other, other),
        };
        if let Some(series) = all.iter().find(|s| endpoint == other && s.endpoint == other) {
            return Handle(series.clone());
        }
        let rows = all.iter().find(|s| s.endpoint == endpoint).map(|s| s.scored_rows.clone());
        let series = Arc::new(Series {
            method: method.to_owned(),
            route: route.to_owned(),
            endpoint: endpoint.to_owned(),
            statuses: std::array::from_fn(|_| OnceLock::new()),
            scored_rows: rows.unwrap_or_default(),
        });
        all.push(series.clone());
        Handle(series)
    }

    /// Forgets the series of an endpoint that was deleted; handles still held count into nothing.
    pub fn forget_endpoint(&self, endpoint: &str) {
        self.series().retain(|s| s.endpoint != endpoint);
        self.all_mirrored().retain(|(name, _)| name != endpoint);
    }

    /// Where mirrored calls of an endpoint count; from nought when `anew`. Kept until the endpoint goes.
    pub fn mirrored(&self, endpoint: &str, anew: bool) -> Arc<Mirrored> {
        let mut all = self.all_mirrored();
        if anew {
            all.retain(|(name, _)| name != endpoint);
        } else if let Some((_, counts)) = all.iter().find(|(name, _)| name == endpoint) {
            return counts.clone();
        }
        let counts = Arc::new(Mirrored::default());
        all.push((endpoint.to_owned(), counts.clone()));
        counts
    }

    /// Where kept payloads count.
    pub fn collected(&self) -> &Collected {
        &self.0.collected
    }

    fn all_mirrored(&self) -> MutexGuard<'_, Vec<(String, Arc<Mirrored>)>> {
        self.0.mirrored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What all routes of an endpoint answered so far: calls and nanoseconds that ended well, the same of those that failed, and
    /// rows scored.
    pub fn totals(&self, endpoint: &str) -> [u64; 5] {
        let mut totals = [0; 5];
        for series in self.series().iter().filter(|s| s.endpoint == endpoint) {
            for (slot, histogram) in series.statuses.iter().enumerate() {
                let Some(histogram) = histogram.get() else { continue };
                let at = if STATUSES.get(slot).is_some_and(|status| *status < 400) { 0 } else { 2 };
                totals[at] += histogram.buckets.iter().map(|b| b.load(Relaxed)).sum::<u64>();
                totals[at + 1] += histogram.nanos.load(Relaxed);
            }
            // The routes of an endpoint share this counter.
            totals[4] = series.scored_rows.load(Relaxed);
        }
        totals
    }

    /// Counts one answered request: its status and its duration in seconds. No lock, no allocation once the status has been
    /// seen on this handle.
    pub fn observe(&self, handle: &Handle, status: u16, seconds: f64) {
        let slot = SLOTS.get(usize::from(status)).copied().map_or(STATUSES.len(), usize::from);
        handle.0.statuses[slot].get_or_init(Box::default).observe(seconds);
    }

    /// Counts rows that a model scored.
    pub fn scored(&self, handle: &Handle, rows: u32) {
        handle.0.scored_rows.fetch_add(u64::from(rows), Relaxed);
    }

    /// Counts a call that the gate refused, by its short constant reason (`expired`, `audience`, `no_credentials`, …).
    pub fn refused(&self, reason: &'static str) {
        let last = MAX_REASONS - 1;
        for (at, slot) in self.0.reasons.iter().enumerate() {
            let name = slot.name.get_or_init(|| if at == last { "_OTHER" } else { reason });
            if *name == reason || at == last {
                slot.count.fetch_add(1, Relaxed);
                return;
            }
        }
    }

    fn series(&self) -> MutexGuard<'_, Vec<Arc<Series>>> {
        // The list is only ever pushed to and filtered: it is whole even if a holder panicked.
        self.0.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_labels_are_one_series() {
        let metrics = Metrics::new(Arc::default());
        let one = metrics.handle("POST", "/endpoints/{endpoint}/score", "credit");
        let two = metrics.handle("POST", "/endpoints/{endpoint}/score", "credit");
        assert!(Arc::ptr_eq(&one.0, &two.0));
        metrics.forget_endpoint("credit");
        let three = metrics.handle("POST", "/endpoints/{endpoint}/score", "credit");
        assert!(!Arc::ptr_eq(&one.0, &three.0));
    }

    #[test]
    fn every_duration_has_one_bucket() {
        let histogram = Histogram::default();
        for (seconds, bucket) in
            [(0.0, 0), (0.005, 0), (0.0051, 1), (10.0, 13), (10.1, 14), (f64::NAN, 0), (-1.0, 0)]
        {
            let before = histogram.buckets[bucket].load(Relaxed);
            histogram.observe(seconds);
            assert_eq!(histogram.buckets[bucket].load(Relaxed), before + 1, "{seconds}");
        }
    }

    #[test]
    fn the_number_of_series_is_bounded() {
        let metrics = Metrics::new(Arc::default());
        for n in 0..MAX_SERIES {
            metrics.series().push(metrics_series(&n.to_string()));
        }
        let (one, two) = (metrics.handle("GET", "/a", "new"), metrics.handle("GET", "/b", "newer"));
        assert!(Arc::ptr_eq(&one.0, &two.0));
        assert_eq!(one.0.endpoint, "_OTHER");
    }

    fn metrics_series(endpoint: &str) -> Arc<Series> {
        Arc::new(Series {
            method: String::new(),
            route: String::new(),
            endpoint: endpoint.to_owned(),
            statuses: std::array::from_fn(|_| OnceLock::new()),
            scored_rows: Arc::default(),
        })
    }

    #[test]
    fn reasons_past_the_limit_are_counted_together() {
        let metrics = Metrics::new(Arc::default());
        for n in 0..200 {
            metrics.refused(Box::leak(format!("reason{n}").into_boxed_str()));
        }
        let total: u64 = metrics.0.reasons.iter().map(|r| r.count.load(Relaxed)).sum();
        assert_eq!(total, 200);
        assert_eq!(metrics.0.reasons[MAX_REASONS - 1].name.get(), Some(&"_OTHER"));
    }
}
