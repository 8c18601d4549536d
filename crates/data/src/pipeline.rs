//! Two threads: one reads, keeps, unpacks and cuts; the other looks at the rows. Batches go back to be filled again.

use crate::batch::{Batch, Rows};
use crate::error::{Error, Result};
use crate::limits::BLOCKS_AHEAD;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// The reading thread's side.
pub(crate) struct Lane {
    full: SyncSender<Batch>,
    empty: Receiver<Batch>,
}

impl Lane {
    /// Sends all rows over; false when the other side wants no more.
    pub fn drive(&self, rows: &mut dyn Rows) -> Result<bool> {
        loop {
            let mut batch = self.empty.try_recv().unwrap_or_default();
            if !rows.next(&mut batch)? {
                return Ok(true);
            }
            if self.full.send(batch).is_err() {
                return Ok(false);
            }
        }
    }
}

/// Runs `produce` on a thread of its own and hands its batches to `consume`, which says whether to go on. The fault that
/// comes first in the table is told: the consumer's, since it is behind.
pub(crate) fn pump<T: Send>(
    produce: impl FnOnce(&Lane) -> Result<T> + Send,
    mut consume: impl FnMut(&Batch) -> Result<bool>,
) -> Result<T> {
    thread::scope(|scope| {
        let (full, batches) = sync_channel(BLOCKS_AHEAD);
        let (back, empty) = sync_channel(BLOCKS_AHEAD + 2);
        let producer = thread::Builder::new()
            .name("table-reader".to_owned())
            .spawn_scoped(scope, move || produce(&Lane { full, empty }))
            .map_err(|e| Error::Internal(format!("no thread can be started: {e}")))?;
        let mut outcome = Ok(());
        for batch in &batches {
            match consume(&batch) {
                Ok(true) => drop(back.try_send(batch)),
                Ok(false) => break,
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        drop(batches);
        // Why joined by hand: a panic inside a format library is a refusal of the file, not the end of the process.
        let produced = producer.join().unwrap_or(Err(Error::Reader));
        outcome.and(produced)
    })
}
