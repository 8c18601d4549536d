//! The durable queue of internal work. A task is a record: kind, payload, and a key that makes pushing it twice the same as once.
//!
//! A task runs at least once: a process killed between a handler's end and its acknowledgement runs it again, so handlers are
//! idempotent. The data directory belongs to one process, so whatever is `running` when it is opened belongs to a dead one and
//! is queued again at that moment; there are no leases and no heartbeats to wait for. Why not a queue library stands in
//! `docs/decisions/0003-task-queue.md`.

mod queue;
mod worker;

pub use queue::{TaskQueue, TaskRecord, TaskState};
pub(crate) use queue::{insert, recover};
pub use worker::{TaskHandler, Worker, WorkerOptions};

/// A task to queue.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTask {
    /// Which handler runs it.
    pub kind: String,
    /// What the handler needs.
    pub payload: serde_json::Value,
    /// Names the work: a second task of the same kind and key is not queued.
    pub key: String,
}

impl NewTask {
    /// A task.
    pub fn new(kind: impl Into<String>, payload: serde_json::Value, key: impl Into<String>) -> Self {
        Self { kind: kind.into(), payload, key: key.into() }
    }
}
