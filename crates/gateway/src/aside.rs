//! What is done with a call beside its answer: a copy for another deployment, and payloads that are kept. Nobody waits for either:
//! both have a bounded queue, and a counter of what was dropped.

mod collect;
mod mirror;
mod payload;

pub(crate) use collect::Collecting;
pub(crate) use mirror::Mirror;
pub use mirror::{Difference, MirrorReport};

use crate::score::Asked;
use crate::snapshot::{Served, Target};
use bytes::Bytes;
use collect::Collector;
use endpoint::{Config, Limits, Outcome};
use mirror::Mirrors;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use telemetry::Metrics;

/// The queues and what stands behind them.
#[derive(Debug)]
pub(crate) struct Aside {
    pub mirrors: Mirrors,
    collector: Option<Collector>,
}

/// A call that was answered.
pub(crate) struct Answered<'a> {
    pub target: &'a Arc<Target>,
    pub served: &'a Served,
    pub asked: &'a Arc<Asked>,
    pub body: &'a Bytes,
    pub outcome: &'a Outcome,
}

impl Aside {
    /// Starts the writer of payloads over a data directory, and whoever answers mirrored calls; needs a runtime.
    pub(crate) fn start(config: &Config, limits: &Limits, metrics: &Arc<Metrics>, dir: &Path) -> Self {
        Self {
            mirrors: Mirrors::start(&config.mirror, limits, metrics),
            collector: Collector::start(&config.collector, metrics, dir)
                .map_err(|error| tracing::error!(%error, "payloads are not kept"))
                .ok(),
        }
    }

    /// Nothing of it: for one model without a data directory.
    pub(crate) fn none(metrics: &Arc<Metrics>) -> Self {
        Self { mirrors: Mirrors::none(metrics), collector: None }
    }

    /// Takes note of a call. Never waits.
    pub(crate) fn note(&self, call: &Answered<'_>) {
        if let Some(mirror) = &call.target.mirror {
            self.mirrors.offer(mirror, call);
        }
        if let (Some(collecting), Some(collector)) = (&call.served.collecting, &self.collector) {
            collector.offer(collecting, call);
        }
    }
}

/// Bytes that wait in a queue, and the most that may.
#[derive(Debug, Clone)]
struct Room {
    taken: Arc<AtomicUsize>,
    most: usize,
}

impl Room {
    fn new(most: usize) -> Self {
        Self { taken: Arc::default(), most }
    }

    /// Takes room that is given back when the guard goes.
    fn take(&self, bytes: usize) -> Option<Taken> {
        let before = self.taken.fetch_add(bytes, Relaxed);
        let taken = Taken { room: self.taken.clone(), bytes };
        (before.saturating_add(bytes) <= self.most).then_some(taken)
    }
}

/// Room in a queue.
#[derive(Debug)]
struct Taken {
    room: Arc<AtomicUsize>,
    bytes: usize,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.room.fetch_sub(self.bytes, Relaxed);
    }
}

/// Text clipped to so many bytes, for showing.
fn shown(bytes: &[u8], most: usize) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(most)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_given_back() {
        let room = Room::new(10);
        let first = room.take(6);
        assert!(first.is_some() && room.take(5).is_none());
        drop(first);
        assert!(room.take(10).is_some());
    }
}
