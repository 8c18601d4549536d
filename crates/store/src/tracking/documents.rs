//! Runs as they are told, remembered as JSON text until something of them changes.

use quick_cache::Weighter;
use quick_cache::unsync::Cache;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of text that are remembered.
const BYTES: u64 = 32 << 20;
/// Runs that bring about this number of bytes, for the cache's first estimate.
const RUNS: usize = 10_000;
/// Changes that are remembered by run; beyond them every reading that began before is not kept.
const RECENT: usize = 10_000;

#[derive(Debug, Clone)]
struct Length;

impl Weighter<i64, Arc<str>> for Length {
    fn weight(&self, _: &i64, text: &Arc<str>) -> u64 {
        text.len() as u64 + 64
    }
}

#[derive(Debug)]
struct Inner {
    texts: Cache<i64, Arc<str>, Length>,
    /// Counts the changes.
    epoch: u64,
    /// Run → the epoch of its last change.
    recent: HashMap<i64, u64>,
    /// What was read before this epoch may be old, whatever run it is.
    floor: u64,
}

/// The memory of runs.
#[derive(Debug)]
pub(super) struct Documents(Mutex<Inner>);

impl Documents {
    pub(super) fn new() -> Self {
        let texts = Cache::with_weighter(RUNS, BYTES, Length);
        Self(Mutex::new(Inner { texts, epoch: 0, recent: HashMap::new(), floor: 0 }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered of these runs, and the moment from which on changes count for those that must be read.
    pub(super) fn get(&self, runs: &[i64]) -> (Vec<Option<Arc<str>>>, u64) {
        let inner = self.inner();
        (runs.iter().map(|run| inner.texts.get(run).cloned()).collect(), inner.epoch)
    }

    /// Remembers a run that was read from `began` on, unless it changed since.
    pub(super) fn put(&self, run: i64, text: Arc<str>, began: u64) {
        let mut inner = self.inner();
        let changed = inner.recent.get(&run).is_some_and(|epoch| *epoch > began);
        if began >= inner.floor && !changed {
            inner.texts.insert(run, text);
        }
    }

    /// Forgets runs that changed. To be called once the change is durable and before it is told.
    pub(super) fn changed(&self, runs: impl IntoIterator<Item = i64>) {
        let mut inner = self.inner();
        inner.epoch += 1;
        let epoch = inner.epoch;
        for run in runs {
            inner.texts.remove(&run);
            inner.recent.insert(run, epoch);
        }
        if inner.recent.len() > RECENT {
            inner.recent.clear();
            inner.floor = epoch;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_a_change_is_not_kept() {
        let documents = Documents::new();
        let (_, began) = documents.get(&[1, 2]);
        documents.changed([1]);
        documents.put(1, "old".into(), began);
        documents.put(2, "good".into(), began);
        let (found, began) = documents.get(&[1, 2]);
        assert_eq!((found[0].as_deref(), found[1].as_deref()), (None, Some("good")));
        documents.put(1, "new".into(), began);
        assert_eq!(documents.get(&[1]).0[0].as_deref(), Some("new"));
        let (_, began) = documents.get(&[]);
        documents.changed(0..=i64::try_from(RECENT).unwrap());
        documents.put(99_999, "x".into(), began);
        assert_eq!(documents.get(&[99_999]).0[0], None);
    }
}
