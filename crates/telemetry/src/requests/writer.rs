//! The task that moves rows from the queue into the segments.

use crate::requests::{RequestRow, Shared};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use store::{SegmentConfig, SegmentWriter};

/// The writer's state.
pub struct Writer {
    shared: Arc<Shared>,
    dir: PathBuf,
    limits: SegmentConfig,
    flush_every: Duration,
    /// Open while all is well; opened anew after a failure.
    segments: Option<SegmentWriter>,
    failing: bool,
}

impl Writer {
    /// A writer that opens its segments with the first rows.
    pub fn new(shared: Arc<Shared>, dir: &Path, limits: &SegmentConfig, flush_every: Duration) -> Self {
        Self {
            shared,
            dir: dir.to_owned(),
            limits: limits.clone(),
            flush_every,
            segments: None,
            failing: false,
        }
    }

    /// Writes until the log is closed.
    pub async fn run(mut self) {
        let mut rows = Vec::new();
        while !self.shared.closed.load(Ordering::Acquire) {
            self.gather().await;
            self.round(&mut rows).await;
        }
        // Rows that came between the last round and the closing, and whoever waits for them.
        self.round(&mut rows).await;
        if let Some(segments) = self.segments.take()
            && let Err(error) = segments.close().await
        {
            tracing::warn!(%error, "the request log was not closed cleanly, it is complete nevertheless");
        }
    }

    /// Waits for a first row, then for others to join it, but not when somebody waits for a flush.
    async fn gather(&self) {
        let queue = &self.shared.queue;
        queue.some.notified().await;
        if self.shared.is_awaited() || self.shared.closed.load(Ordering::Acquire) {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(self.flush_every) => {}
            () = queue.full.notified() => {}
        }
    }

    async fn round(&mut self, rows: &mut Vec<RequestRow>) {
        // Taken before the rows: what these callers logged is then among the rows.
        let waiting = self.shared.flushes().as_mut().map(std::mem::take).unwrap_or_default();
        self.shared.queue.drain(rows);
        if !rows.is_empty() {
            self.write(rows).await;
            rows.clear();
            // After a burst the memory goes back.
            rows.shrink_to(4096);
        }
        for done in waiting {
            // Whoever does not wait any more does not mind.
            _ = done.send(());
        }
    }

    async fn write(&mut self, rows: &[RequestRow]) {
        match self.append(rows).await {
            Ok(()) => {
                self.shared.counters.add_written(rows.len());
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the request log is written again");
                }
            }
            Err(error) => {
                self.shared.counters.add_dropped(rows.len());
                self.segments = None;
                // Once for a row of failures: the counter of dropped rows tells how many.
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(%error, rows = rows.len(), "the request log cannot be written, rows are lost");
                }
            }
        }
    }

    async fn append(&mut self, rows: &[RequestRow]) -> store::Result<()> {
        let segments = match &mut self.segments {
            Some(segments) => segments,
            empty => empty.insert(SegmentWriter::open(&self.dir, &self.limits).await?),
        };
        segments.append(rows).await
    }
}

impl Drop for Writer {
    /// However the writer ended, nobody waits for it any more.
    fn drop(&mut self) {
        *self.shared.flushes() = None;
    }
}
