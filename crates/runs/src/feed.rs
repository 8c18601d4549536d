//! The events of running jobs, kept in memory so that a late watcher sees everything from the beginning.

use domain::{Job, RunId};
use futures_util::stream::{self, BoxStream, StreamExt};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Events kept of one job at most; later ones but the last are left out.
const EVENTS_MAX: usize = 20_000;

/// The events of one job. A reader keeps its own position, so a slow one loses nothing and holds nobody up.
#[derive(Debug, Default)]
pub struct Feed {
    state: Mutex<State>,
    changed: watch::Sender<()>,
    stop: watch::Sender<bool>,
    active: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    events: Vec<Arc<Value>>,
    /// Signs of life replace each other: a late watcher needs none but the last.
    progress: Option<Arc<Value>>,
    progress_number: u64,
    closed: bool,
}

impl Feed {
    /// Tells watchers something.
    pub fn push(&self, event: Value) {
        let mut state = self.state();
        if event["event"] == "progress" {
            state.progress = Some(Arc::new(event));
            state.progress_number += 1;
        } else if state.events.len() < EVENTS_MAX {
            state.events.push(Arc::new(event));
        }
        drop(state);
        self.changed.send_replace(());
    }

    /// Tells watchers where the job stands.
    pub fn status(&self, job: &Job) {
        self.push(json!({"event": "status", "id": job.id, "status": job.status}));
    }

    /// Tells watchers the job's end; nothing comes after.
    pub fn end(&self, job: &Job) {
        let mut state = self.state();
        if !state.closed {
            state.events.push(Arc::new(end_event(job)));
            state.closed = true;
        }
        drop(state);
        self.changed.send_replace(());
    }

    /// Asks the attempt in hand to stop.
    pub fn ask_to_stop(&self) {
        self.stop.send_replace(true);
    }

    /// Hears of [`ask_to_stop`](Self::ask_to_stop).
    pub fn stopped(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Whether an attempt is in hand.
    pub fn is_active(&self) -> bool {
        self.active.load(Ordering::SeqCst)
    }

    /// Marks the attempt as in hand until the guard is dropped.
    pub fn activate(self: &Arc<Self>) -> Active {
        self.active.store(true, Ordering::SeqCst);
        Active(self.clone())
    }

    /// Tells watchers that there is something new beside the events.
    pub fn touch(&self) {
        self.changed.send_replace(());
    }

    /// A reader of all events from the first.
    pub fn reader(self: Arc<Self>) -> Reader {
        let changed = self.changed.subscribe();
        Reader { feed: self, changed, event: 0, progress: 0 }
    }

    /// All events from the first, then live, until the end.
    pub fn watch(self: Arc<Self>) -> BoxStream<'static, Value> {
        let reader = self.reader();
        stream::unfold(reader, |mut reader| async move { Some((reader.next().await?, reader)) }).boxed()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last event of a job.
pub fn end_event(job: &Job) -> Value {
    json!({"event": "end", "id": job.id, "status": job.status, "error": job.error, "job": job})
}

/// An attempt in hand.
#[derive(Debug)]
pub struct Active(Arc<Feed>);

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.store(false, Ordering::SeqCst);
    }
}

/// One watcher's position.
pub struct Reader {
    feed: Arc<Feed>,
    changed: watch::Receiver<()>,
    event: usize,
    progress: u64,
}

impl Reader {
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(found) = self.take() {
                return found.map(|event| event.as_ref().clone());
            }
            if !self.changed().await {
                return None;
            }
        }
    }

    /// Waits until there is something new; false when nothing can come any more.
    pub async fn changed(&mut self) -> bool {
        self.changed.changed().await.is_ok()
    }

    /// The next event, `Some(None)` at the end, `None` when one must wait.
    pub fn take(&mut self) -> Option<Option<Arc<Value>>> {
        let state = self.feed.state();
        if let Some(event) = state.events.get(self.event) {
            self.event += 1;
            return Some(Some(event.clone()));
        }
        if state.closed {
            return Some(None);
        }
        if state.progress_number > self.progress {
            self.progress = state.progress_number;
            return state.progress.clone().map(Some);
        }
        None
    }
}

/// The feeds of jobs that have not ended.
#[derive(Debug, Default)]
pub struct Feeds(Mutex<HashMap<RunId, Arc<Feed>>>);

impl Feeds {
    /// The feed of a job, new if it has none.
    pub fn get(&self, id: &RunId) -> Arc<Feed> {
        self.map().entry(id.clone()).or_default().clone()
    }

    /// The feed of a job, if it has one.
    pub fn find(&self, id: &RunId) -> Option<Arc<Feed>> {
        self.map().get(id).cloned()
    }

    /// Whether any attempt is in hand.
    pub fn any_active(&self) -> bool {
        self.map().values().any(|feed| feed.is_active())
    }

    /// Ends the feed of a job that has reached a final state in the store, and forgets it. Whoever asks later finds the job
    /// final there.
    pub fn end(&self, job: &Job) {
        let feed = self.map().remove(&job.id);
        if let Some(feed) = feed {
            feed.end(job);
        }
    }

    /// Forgets a feed that was made for a job that has ended or never was.
    pub fn forget(&self, id: &RunId) {
        self.map().remove(id);
    }

    fn map(&self) -> MutexGuard<'_, HashMap<RunId, Arc<Feed>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_late_watcher_sees_all_and_only_the_last_sign_of_life() {
        let feed = Arc::new(Feed::default());
        feed.push(json!({"event": "plan"}));
        for n in 0..5 {
            feed.push(json!({"event": "progress", "seconds": n}));
        }
        feed.push(json!({"event": "trial", "number": 1}));
        let mut events = feed.clone().watch();
        assert_eq!(events.next().await.unwrap()["event"], "plan");
        assert_eq!(events.next().await.unwrap()["number"], 1);
        assert_eq!(events.next().await.unwrap()["seconds"], 4);
        let live = tokio::spawn(async move { events.next().await.unwrap()["number"].clone() });
        tokio::task::yield_now().await;
        feed.push(json!({"event": "trial", "number": 2}));
        assert_eq!(live.await.unwrap(), 2);
    }

    #[test]
    fn the_number_of_events_is_bounded() {
        let feed = Feed::default();
        (0..EVENTS_MAX + 10).for_each(|n| feed.push(json!(n)));
        assert_eq!(feed.state().events.len(), EVENTS_MAX);
    }
}
