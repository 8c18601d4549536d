//! Where calls and free connections meet: free ones in a stack, waiting calls in a queue, and how busy all of them are.

use super::wire::Link;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// The desk of one pool.
#[derive(Debug)]
pub(super) struct Desk(Mutex<State>);

#[derive(Debug)]
struct State {
    free: Vec<Link>,
    waiting: VecDeque<oneshot::Sender<Link>>,
    /// Calls inside, waiting ones too.
    inside: u32,
    /// Calls inside × seconds, until `counted`.
    busy: f64,
    counted: Instant,
    /// When `busy` was last asked for.
    asked: Instant,
}

impl State {
    fn count(&mut self) {
        let now = Instant::now();
        self.busy += f64::from(self.inside) * now.duration_since(self.counted).as_secs_f64();
        self.counted = now;
    }

    /// To the first that still waits, else to the stack.
    fn place(&mut self, mut link: Link) {
        while let Some(next) = self.waiting.pop_front() {
            match next.send(link) {
                Ok(()) => return,
                Err(back) => link = back,
            }
        }
        self.free.push(link);
    }
}

/// A call's place among those of the pool; leaves when dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Desk>);

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.count();
        state.inside -= 1;
    }
}

/// A call that waits for a connection. One that came too late for it goes to the next.
#[derive(Debug)]
struct Waiting<'a> {
    desk: &'a Desk,
    link: oneshot::Receiver<Link>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.link.close();
        if let Ok(link) = self.link.try_recv() {
            self.desk.give(link);
        }
    }
}

impl Desk {
    pub(super) fn new() -> Arc<Self> {
        let now = Instant::now();
        let (free, waiting) = (Vec::new(), VecDeque::new());
        Arc::new(Self(Mutex::new(State { free, waiting, inside: 0, busy: 0.0, counted: now, asked: now })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a call in; none when `limit` of them are inside.
    pub(super) fn enter(self: &Arc<Self>, limit: u32) -> Option<Place> {
        let mut state = self.state();
        if state.inside >= limit {
            return None;
        }
        state.count();
        state.inside += 1;
        Some(Place(self.clone()))
    }

    /// A free connection, for which it waits at most so long.
    pub(super) async fn take(&self, wait: Duration) -> Option<Link> {
        let mut waiting = {
            let mut state = self.state();
            if let Some(link) = state.free.pop() {
                return Some(link);
            }
            // Those that gave up leave their place; the queue is never longer than the calls inside.
            if state.waiting.len() > state.inside as usize {
                state.waiting.retain(|one| !one.is_closed());
            }
            let (sender, link) = oneshot::channel();
            state.waiting.push_back(sender);
            Waiting { desk: self, link }
        };
        tokio::time::timeout(wait, &mut waiting.link).await.ok()?.ok()
    }

    /// Gives a connection back; that of a worker that is to end is closed instead.
    pub(super) fn give(&self, link: Link) {
        let mut state = self.state();
        // Asked under the lock: whoever retires the worker closes its free connections under it afterwards.
        if !link.worker.is_retired() {
            state.place(link);
        }
    }

    /// A free connection of one worker, without waiting.
    pub(super) fn take_of(&self, worker: u64) -> Option<Link> {
        let mut state = self.state();
        let at = state.free.iter().position(|link| link.worker.number == worker)?;
        Some(state.free.swap_remove(at))
    }

    /// Closes the free connections of a worker.
    pub(super) fn close(&self, worker: u64) {
        let gone: Vec<Link> = self.state().free.extract_if(.., |link| link.worker.number == worker).collect();
        drop(gone);
    }

    /// Calls inside on average since this was last asked.
    pub(super) fn busy(&self) -> f64 {
        let mut state = self.state();
        state.count();
        let span = state.counted.duration_since(state.asked).as_secs_f64();
        let busy = std::mem::take(&mut state.busy);
        state.asked = state.counted;
        if span > 0.0 { busy / span } else { f64::from(state.inside) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::worker::Worker;
    use super::*;
    use tokio::net::UnixStream;

    fn link(worker: &Arc<Worker>) -> Link {
        Link::new(UnixStream::pair().unwrap().0, worker.clone())
    }

    #[tokio::test]
    async fn no_more_calls_enter_than_allowed() {
        let desk = Desk::new();
        let first = desk.enter(2).unwrap();
        let second = desk.enter(2).unwrap();
        assert!(desk.enter(2).is_none());
        drop(first);
        assert!(desk.enter(2).is_some());
        drop(second);
        assert!(desk.busy() >= 0.0);
    }

    #[tokio::test]
    async fn a_connection_goes_to_who_still_waits() {
        let (desk, worker) = (Desk::new(), Worker::new(7));
        assert!(desk.take(Duration::from_millis(1)).await.is_none());
        let (waits, ()) = tokio::join!(desk.take(Duration::from_secs(60)), async {
            tokio::task::yield_now().await;
            desk.give(link(&worker));
        });
        // Back and forth: the one that gave up above is passed over, nothing is lost.
        desk.give(waits.unwrap());
        assert!(desk.take_of(8).is_none());
        desk.give(desk.take_of(7).unwrap());
        desk.close(7);
        assert!(desk.take(Duration::ZERO).await.is_none());
        worker.retire("a test");
        desk.give(link(&worker));
        assert!(desk.take(Duration::ZERO).await.is_none());
    }
}
