//! The way from the scoring path to the writer: bounded, and nobody ever waits in it.
//!
//! A channel that wakes its receiver for each row would cost a system call a request, and a ring of fixed slots would keep
//! megabytes resident in a quiet server. Here the rows go into one of a few vectors behind locks that are only ever *tried*;
//! the writer takes a vector whole. The writer is woken by the first row of a batch and by a full batch, not by the others.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};
use tokio::sync::Notify;

/// Vectors to choose from. A thread keeps to its own unless another holds it for the moment.
const SHARDS: usize = 4;

/// The queue of rows.
#[derive(Debug)]
pub struct Queue<T> {
    shards: [Mutex<Vec<T>>; SHARDS],
    waiting: AtomicUsize,
    capacity: usize,
    batch: usize,
    /// Told when there is a first row.
    pub some: Notify,
    /// Told when a batch is full.
    pub full: Notify,
}

impl<T> Queue<T> {
    /// A queue for at most `capacity` rows that calls for the writer at each `batch` rows.
    pub fn new(capacity: usize, batch: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            waiting: AtomicUsize::new(0),
            capacity,
            batch: batch.max(1),
            some: Notify::new(),
            full: Notify::new(),
        }
    }

    /// Puts a row in; false when the queue is full. Never waits.
    pub fn push(&self, row: T) -> bool {
        let before = self.waiting.fetch_add(1, Ordering::AcqRel);
        if before >= self.capacity || !self.place(row) {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            // A row that came meanwhile saw this one and did not call.
            self.some.notify_one();
            return false;
        }
        if before == 0 {
            self.some.notify_one();
        } else if before + 1 == self.batch {
            self.full.notify_one();
        }
        true
    }

    fn place(&self, row: T) -> bool {
        let first = home();
        // Two rounds: four locks all held at one moment, each for some nanoseconds, is all but impossible.
        for at in 0..2 * SHARDS {
            match self.shards[(first + at) % SHARDS].try_lock() {
                Ok(mut rows) => {
                    rows.push(row);
                    return true;
                }
                Err(TryLockError::Poisoned(rows)) => {
                    rows.into_inner().push(row);
                    return true;
                }
                Err(TryLockError::WouldBlock) => {}
            }
        }
        false
    }

    /// Moves everything that waits to the end of `into`.
    pub fn drain(&self, into: &mut Vec<T>) {
        for shard in &self.shards {
            let mut rows = shard.lock().unwrap_or_else(PoisonError::into_inner);
            self.waiting.fetch_sub(rows.len(), Ordering::AcqRel);
            into.append(&mut rows);
            // After a burst the memory goes back; a steady load keeps its own.
            if rows.capacity() > 2 * self.batch {
                *rows = Vec::new();
            }
        }
        // A row counted but placed after its vector was taken: the next one will not call, as it is not the first.
        if self.waiting.load(Ordering::Acquire) > 0 {
            self.some.notify_one();
        }
    }
}

/// The vector that this thread tries first.
fn home() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static HOME: Cell<usize> = const { Cell::new(usize::MAX) });
    HOME.with(|home| {
        if home.get() == usize::MAX {
            home.set(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
        }
        home.get()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_refuses_and_a_drained_one_takes_again() {
        let queue = Queue::new(3, 2);
        assert_eq!([1, 2, 3, 4].map(|n| queue.push(n)), [true, true, true, false]);
        let mut rows = Vec::new();
        queue.drain(&mut rows);
        assert_eq!(rows, [1, 2, 3]);
        assert!(queue.push(5));
    }

    #[test]
    fn rows_of_many_threads_are_all_there_once() {
        let queue = Queue::new(usize::MAX, 64);
        let (threads, each) = (8, 2000);
        let mut rows = Vec::new();
        let taken: usize = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|t| {
                    let queue = &queue;
                    scope.spawn(move || (0..each).filter(|n| queue.push(t * each + n)).count())
                })
                .collect();
            while workers.iter().any(|w| !w.is_finished()) {
                queue.drain(&mut rows);
            }
            workers.into_iter().map(|w| w.join().unwrap()).sum()
        });
        queue.drain(&mut rows);
        rows.sort_unstable();
        rows.dedup();
        assert_eq!(rows.len(), taken);
    }
}
