//! Experiments and runs: what a training logs, kept so that many may log at once and searches stay quick.
//!
//! Writers that come at the same time share a transaction and its sync ([`queue`]); each is answered when the sync is done. What is
//! logged is data, not a change of the workspace: the ledger has no line of it, but one when an experiment or a run is deleted or
//! restored. A metric's history lies in rows of 64 points; a run as it is told is remembered until something of it changes.

mod bulk;
mod documents;
mod experiments;
mod history;
mod inputs;
mod log;
mod queue;
mod read;
mod runs;
mod search;
#[cfg(test)]
mod tests;

pub use history::{History, HistoryPage};
pub use runs::Deletion;
pub use search::{Found, Page, RunSearch};

use documents::Documents;
use queue::Queue;

/// What tracking holds in memory.
#[derive(Debug)]
pub(crate) struct TrackingState {
    queue: Queue,
    documents: Documents,
}

impl TrackingState {
    pub(crate) fn new() -> Self {
        Self { queue: Queue::new(), documents: Documents::new() }
    }
}
