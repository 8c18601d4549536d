//! The life of one worker: started, ready after `init()`, serving on its connections, then retired or dead.

use super::order::Order;
use super::pool::Shared;
use super::process::Process;
use super::tend::Event;
use super::wire::{Link, Ready};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::{Notify, mpsc, watch};

/// How often a starting worker is tried.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How long the end of a worker and its last word may be apart.
const LAST_WORD: Duration = Duration::from_millis(200);
/// Characters at the end of a traceback that a refusal shows.
const SHOWN: usize = 2000;

/// What a worker's connections share.
#[derive(Debug)]
pub(super) struct Worker {
    /// From 1, within its pool.
    pub number: u64,
    links: AtomicUsize,
    served: AtomicU64,
    pid: AtomicU32,
    retired: OnceLock<&'static str>,
    changed: Notify,
}

impl Worker {
    pub(super) fn new(number: u64) -> Arc<Self> {
        Arc::new(Self {
            number,
            links: AtomicUsize::new(0),
            served: AtomicU64::new(0),
            pid: AtomicU32::new(0),
            retired: OnceLock::new(),
            changed: Notify::new(),
        })
    }

    pub(super) fn linked(&self) {
        self.links.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn unlinked(&self) {
        if self.links.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.changed.notify_one();
        }
    }

    /// Counts a call that it answered.
    pub(super) fn served(&self) {
        self.served.fetch_add(1, Ordering::Relaxed);
    }

    /// Calls that it answered.
    pub(super) fn calls(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    /// The number of its process; 0 before it is ready.
    pub(super) fn pid(&self) -> u32 {
        self.pid.load(Ordering::Relaxed)
    }

    /// Lets it end once its calls in hand are answered; it gets no further ones.
    pub(super) fn retire(&self, why: &'static str) {
        if self.retired.set(why).is_ok() {
            self.changed.notify_one();
        }
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired.get().is_some()
    }
}

/// Runs a worker to its end, and tells the pool's keeper what becomes of it.
pub(super) async fn run(
    worker: Arc<Worker>,
    (order, shared): (Arc<Order>, Arc<Shared>),
    mut stop: watch::Receiver<bool>,
    events: mpsc::Sender<Event>,
) {
    let number = worker.number;
    let socket = order.sockets().join(number.to_string());
    let begun = tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => Err("the deployment is gone".to_owned()),
        begun = begin(&worker, &order, (&shared, &socket)) => begun,
    };
    let _ = std::fs::remove_file(&socket);
    let why = match begun {
        Err(why) => why,
        Ok((process, links, ready)) => {
            let pid = links.first().and_then(Link::pid).unwrap_or(0);
            worker.pid.store(pid, Ordering::Relaxed);
            let _ = events.send(Event::Ready { number, ready: Box::new(ready) }).await;
            links.into_iter().for_each(|link| shared.desk.give(link));
            serve(&worker, process, (&shared, &events), &mut stop).await
        }
    };
    let _ = events.send(Event::Ended { number, why }).await;
}

/// Starts the process and waits for the end of `init()` and its connections.
async fn begin(
    worker: &Arc<Worker>,
    order: &Order,
    (shared, socket): (&Shared, &Path),
) -> Result<(Process, Vec<Link>, Ready), String> {
    let log = (worker.number, &shared.log);
    let mut process = Process::start(order, socket, log).await.map_err(|fault| fault.message)?;
    let limit = shared.config.start_timeout.0;
    let slots = order.slots();
    let failed = tokio::select! {
        biased;
        connected = tokio::time::timeout(limit, connect(socket, worker, slots)) => match connected {
            Ok(Ok((links, ready))) => return Ok((process, links, ready)),
            Ok(Err(failed)) => failed,
            Err(_) => Failed::Said(format!("init() did not end within {} s (workers.start_timeout)", limit.as_secs())),
        },
        said = process.ended() => {
            let last = tokio::time::timeout(LAST_WORD, connect(socket, worker, slots)).await;
            return Err(match last {
                Ok(Err(Failed::Said(error))) => error,
                _ => with_lines(said, &process),
            });
        }
    };
    // A connection breaks when the process ends: how it ended tells more.
    let error = match failed {
        Failed::Said(error) => error,
        Failed::Lost(error) => match tokio::time::timeout(LAST_WORD, process.ended()).await {
            Ok(said) => return Err(with_lines(said, &process)),
            Err(_) => error,
        },
    };
    process.stop().await;
    Err(error)
}

/// How a process ended, with the last it said.
fn with_lines(said: String, process: &Process) -> String {
    match process.last_lines() {
        lines if lines.is_empty() => said,
        lines => format!("{said}: {}", tail(&lines)),
    }
}

/// Why a worker is not ready.
enum Failed {
    /// It said so.
    Said(String),
    /// Its connection broke.
    Lost(String),
}

/// Connects to the worker as often as it takes calls at once; each connection begins with a ready frame.
async fn connect(socket: &Path, worker: &Arc<Worker>, slots: u32) -> Result<(Vec<Link>, Ready), Failed> {
    let broken = |e: std::io::Error| Failed::Lost(format!("the worker's first words cannot be read: {e}"));
    let mut links = Vec::new();
    loop {
        let stream = match UnixStream::connect(socket).await {
            Ok(stream) => stream,
            // It is not there before the interpreter has begun.
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
                tokio::time::sleep(LOOK_AGAIN).await;
                continue;
            }
            Err(e) => return Err(broken(e)),
        };
        let mut link = Link::new(stream, worker.clone());
        let (ready, _): (Ready, _) = link.receive(0).await.map_err(broken)?;
        if !ready.ready {
            return Err(Failed::Said(tail(&ready.error).to_owned()));
        }
        links.push(link);
        if links.len() >= slots as usize {
            return Ok((links, ready));
        }
    }
}

/// The end of a traceback: whole lines, as many as are shown.
fn tail(text: &str) -> &str {
    let text = text.trim_end();
    let mut from = text.len().saturating_sub(SHOWN);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    match (from, text[from..].find('\n')) {
        (0, _) | (_, None) => &text[from..],
        (_, Some(line)) => &text[from + line + 1..],
    }
}

/// Waits until the worker ends or is to end; gives the reason.
async fn serve(
    worker: &Worker,
    mut process: Process,
    (shared, events): (&Shared, &mpsc::Sender<Event>),
    stop: &mut watch::Receiver<bool>,
) -> String {
    let mut ended = loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break None,
            () = worker.changed.notified() => if worker.is_retired() { break None },
            said = process.ended() => break Some(said),
        }
    };
    shared.desk.close(worker.number);
    if ended.is_none() && worker.is_retired() {
        // One that was lost in a call has most often died: that is no orderly end.
        ended = tokio::time::timeout(LAST_WORD, process.ended()).await.ok();
    }
    if let Some(said) = ended {
        return said;
    }
    let _ = events.send(Event::Retired { number: worker.number }).await;
    // Its calls in hand have the time that they would have had.
    let patience = Duration::from_millis(shared.settings.request_timeout_ms);
    let quiet = async {
        while worker.links.load(Ordering::Acquire) > 0 {
            worker.changed.notified().await;
        }
    };
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => {}
        _ = tokio::time::timeout(patience, quiet) => {}
        said = process.ended() => return said,
    }
    process.stop().await;
    (*worker.retired.get().unwrap_or(&"the deployment is gone")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_traceback_shows_its_last_whole_lines() {
        assert_eq!(tail("a\nb\n"), "a\nb");
        let long = format!("{}\nü{}\nlast", "x".repeat(1990), "y".repeat(900));
        assert_eq!(tail(&long), format!("ü{}\nlast", "y".repeat(900)));
    }
}
