//! The request log: one row a scoring call, taken from the scoring path without waiting, kept in segments by the store.
//!
//! A row waits in memory for [`flush_every`](crate::RequestLogConfig::flush_every) at most before it is written; a killed
//! process loses those last moments and nothing else. [`RequestLog::flush`] ends the wait, so that whoever reads after it
//! sees every call that was answered before.

mod logged;
mod queue;
mod writer;

pub use logged::LoggedRequest;
pub use store::segments::SqlAnswer;
pub use store::{RequestRow, Text};

use crate::config::RequestLogConfig;
use crate::error::Result;
use domain::Timestamp;
use queue::Queue;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::segments::{Order, RequestFilter, Segments};
use store::{SegmentConfig, Store};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Which rows of the log.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogFilter {
    /// Only of this endpoint.
    pub endpoint: Option<String>,
    /// Not before this moment.
    pub since: Option<Timestamp>,
    /// Only rows written after the one with this cursor.
    pub after: Option<i64>,
    /// How many at most; the store's own limit is 10,000.
    pub limit: u32,
}

/// What became of the rows.
#[derive(Debug, Default)]
pub struct Counters {
    written: AtomicU64,
    dropped: AtomicU64,
}

impl Counters {
    /// Rows written.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Rows lost because the queue was full, the log closed, or the disk refused them.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn add_written(&self, rows: usize) {
        self.written.fetch_add(rows as u64, Ordering::Relaxed);
    }

    fn add_dropped(&self, rows: usize) {
        self.dropped.fetch_add(rows as u64, Ordering::Relaxed);
    }
}

/// What callers and the writer share.
#[derive(Debug)]
struct Shared {
    queue: Queue<RequestRow>,
    counters: Arc<Counters>,
    closed: AtomicBool,
    /// Who waits for a flush; `None` once the writer has ended.
    flushes: Mutex<Option<Vec<oneshot::Sender<()>>>>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    segments: Segments,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// The request log of a data directory; cheap to clone.
#[derive(Debug, Clone)]
pub struct RequestLog(Arc<Inner>);

impl RequestLog {
    /// Starts the writer on the current async runtime. A disk that refuses costs rows, counted, and is tried again.
    pub fn start(store: &Store, config: &RequestLogConfig, limits: &SegmentConfig) -> Result<Self> {
        let shared = Arc::new(Shared {
            queue: Queue::new(config.queue_rows, config.batch_rows),
            counters: Arc::default(),
            closed: AtomicBool::new(false),
            flushes: Mutex::new(Some(Vec::new())),
        });
        let writer = writer::Writer::new(shared.clone(), store.dir(), limits, config.flush_every.0);
        let inner = Inner {
            shared,
            segments: Segments::new(store.dir(), limits),
            writer: Mutex::new(Some(tokio::spawn(writer.run()))),
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Takes a row. Never waits: when the queue is full, or the log closed, the row is dropped and counted.
    pub fn log(&self, row: RequestRow) {
        let shared = &self.0.shared;
        if shared.closed.load(Ordering::Acquire) || !shared.queue.push(row) {
            shared.counters.add_dropped(1);
        }
    }

    /// Waits until every row logged before this call is written (or counted as lost).
    pub async fn flush(&self) {
        let shared = &self.0.shared;
        let (done, written) = oneshot::channel();
        match shared.flushes().as_mut() {
            Some(waiting) => waiting.push(done),
            None => return,
        }
        shared.call();
        // An error means that the writer has ended: after its last write there is nothing to wait for.
        _ = written.await;
    }

    /// Rows by a filter, oldest first: with `after` the first ones behind that cursor, else the newest.
    pub async fn query(&self, filter: &LogFilter) -> Result<Vec<LoggedRequest>> {
        let order = if filter.after.is_some() { Order::Oldest } else { Order::Newest };
        let wanted = RequestFilter {
            endpoint: filter.endpoint.clone(),
            since: filter.since,
            after: filter.after,
            order,
            limit: filter.limit,
        };
        let mut rows = self.0.segments.query(&wanted).await?;
        if order == Order::Newest {
            rows.reverse();
        }
        Ok(rows.into_iter().map(LoggedRequest::from).collect())
    }

    /// Answers one read-only SELECT over the view `requests`, within the limits of `store.segments`.
    pub async fn sql(&self, query: &str) -> Result<SqlAnswer> {
        Ok(self.0.segments.sql(query).await?)
    }

    /// The counts of rows written and lost.
    pub fn counters(&self) -> Arc<Counters> {
        self.0.shared.counters.clone()
    }

    /// Writes what is queued and ends the writer; rows logged later are counted as dropped. Closing again does nothing.
    pub async fn close(&self) {
        self.0.shared.closed.store(true, Ordering::Release);
        self.0.shared.call();
        let writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer
            && let Err(error) = writer.await
        {
            tracing::error!(%error, "the request log's writer failed");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Without a close the writer still writes what is queued, as long as the runtime lives.
        self.shared.closed.store(true, Ordering::Release);
        self.shared.call();
    }
}

impl Shared {
    fn flushes(&self) -> MutexGuard<'_, Option<Vec<oneshot::Sender<()>>>> {
        self.flushes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_awaited(&self) -> bool {
        self.flushes().as_ref().is_some_and(|waiting| !waiting.is_empty())
    }

    /// Wakes the writer wherever it waits.
    fn call(&self) {
        self.queue.some.notify_one();
        self.queue.full.notify_one();
    }
}

#[cfg(test)]
mod tests;
