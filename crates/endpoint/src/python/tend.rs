//! The keeper of a pool: as many workers as wanted, no sick ones, more when they are busy.

use super::order::Order;
use super::pool::Shared;
use super::scale::Scale;
use super::wire::{Ping, Pong, Ready, frame};
use super::worker::{self, Worker};
use domain::{Fault, ScaleSettings};
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

/// A worker that served this long was well: the next restart waits no longer than the first.
const WELL: Duration = Duration::from_secs(10);

/// What a ping says, and its pong says back.
const PING: u64 = 1;

/// What becomes of a worker.
#[derive(Debug)]
pub(super) enum Event {
    /// It serves.
    Ready { number: u64, ready: Box<Ready> },
    /// It gets no more calls.
    Retired { number: u64 },
    /// It is gone.
    Ended { number: u64, why: String },
}

/// What makes an order: unpacks and builds whatever the workers need.
pub(super) type Prepare = Box<dyn Fn() -> BoxFuture<'static, Result<Order, Fault>> + Send + Sync>;

/// How far a worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Starting,
    Ready,
    Retired,
}

#[derive(Debug)]
struct Entry {
    worker: Arc<Worker>,
    phase: Phase,
    /// The worker that goes when this one is ready.
    replaces: Option<u64>,
    since: Instant,
    pinged: Instant,
}

struct Keeper {
    shared: Arc<Shared>,
    order: Arc<Order>,
    workers: BTreeMap<u64, Entry>,
    next: u64,
    wanted: u32,
    /// When the next worker may be started, and how long the one after the next failure waits.
    not_before: Instant,
    pause: Duration,
    scale: Scale,
    scaled: Instant,
    stop: watch::Receiver<bool>,
    events: mpsc::Sender<Event>,
}

/// Keeps a pool until it is told to stop, then waits for the end of its workers.
pub(super) async fn tend(shared: Arc<Shared>, prepare: Prepare, mut stop: watch::Receiver<bool>) {
    let mut pause = shared.config.restart_after.0;
    let order = loop {
        let fault = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            order = prepare() => match order {
                Ok(order) => break order,
                Err(fault) => fault,
            },
        };
        shared.failed(&fault.message);
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(shared.config.restart_at_most.0),
        }
    };
    let folder = order.folder.clone();
    keep(shared, order, stop).await;
    // The last one out takes the folder along: code, model and what the workers left there.
    let removed = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(folder)).await;
    if let Ok(Err(error)) = removed {
        tracing::warn!(%error, "the folder of a deployment's workers stays");
    }
}

async fn keep(shared: Arc<Shared>, order: Order, mut stop: watch::Receiver<bool>) {
    let (events, mut told) = mpsc::channel(64);
    let now = Instant::now();
    let mut keeper = Keeper {
        wanted: shared.wanted.load(Ordering::Relaxed),
        pause: shared.config.restart_after.0,
        order: Arc::new(order),
        workers: BTreeMap::new(),
        next: 1,
        not_before: now,
        scale: Scale::default(),
        scaled: now,
        stop: stop.clone(),
        events,
        shared,
    };
    let period = keeper.shared.config.check_every.0;
    let polling = keeper.shared.scale.map(|s| Duration::from_millis(s.polling_interval_ms));
    let mut look = interval(polling.map_or(period, |polling| polling.min(period)));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        keeper.fill();
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            Some(event) = told.recv() => keeper.take(event),
            _ = look.tick() => keeper.look(),
            () = sleep_until(keeper.not_before), if keeper.missing() > 0 => {}
        }
    }
    while !keeper.workers.is_empty() {
        match told.recv().await {
            Some(Event::Ended { number, .. }) => drop(keeper.workers.remove(&number)),
            Some(_) => {}
            None => break,
        }
    }
}

impl Keeper {
    /// Workers that are to be started now or soon.
    fn missing(&self) -> u32 {
        let here = self.workers.values().filter(|e| e.phase != Phase::Retired && e.replaces.is_none());
        self.wanted.saturating_sub(u32::try_from(here.count()).unwrap_or(u32::MAX))
    }

    fn fill(&mut self) {
        while self.missing() > 0 && Instant::now() >= self.not_before {
            self.start(None);
        }
    }

    fn start(&mut self, replaces: Option<u64>) {
        let number = self.next;
        self.next += 1;
        let worker = Worker::new(number);
        let now = Instant::now();
        let entry =
            Entry { worker: worker.clone(), phase: Phase::Starting, replaces, since: now, pinged: now };
        self.workers.insert(number, entry);
        let with = (self.order.clone(), self.shared.clone());
        tokio::spawn(worker::run(worker, with, self.stop.clone(), self.events.clone()));
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Ready { number, ready } => self.ready(number, *ready),
            Event::Retired { number } => {
                if let Some(entry) = self.workers.get_mut(&number) {
                    entry.phase = Phase::Retired;
                }
            }
            Event::Ended { number, why } => self.ended(number, &why),
        }
        self.tell();
    }

    fn ready(&mut self, number: u64, ready: Ready) {
        let Some(entry) = self.workers.get_mut(&number) else { return };
        let now = Instant::now();
        (entry.phase, entry.since, entry.pinged) = (Phase::Ready, now, now);
        let former = entry.replaces.take();
        let _ = self.shared.ready.set(ready);
        self.shared.recovered();
        if let Some(former) = former.and_then(|former| self.workers.get_mut(&former)) {
            former.phase = Phase::Retired;
            former.worker.retire("it was replaced");
        }
        self.shed();
    }

    fn ended(&mut self, number: u64, why: &str) {
        let Some(entry) = self.workers.remove(&number) else { return };
        if entry.phase == Phase::Retired {
            self.shared.log.line(0, "server", (None, &format!("worker {number} has ended: {why}")));
            return;
        }
        let text = format!("worker {number} failed: {why}");
        tracing::warn!(endpoint = %self.order.endpoint, deployment = %self.order.deployment, "{text}");
        self.shared.log.line(0, "server", (None, &text));
        self.shared.restarted();
        if entry.phase == Phase::Starting {
            self.shared.failed(why);
        } else if entry.since.elapsed() >= WELL {
            self.pause = self.shared.config.restart_after.0;
        }
        self.not_before = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(self.shared.config.restart_at_most.0);
    }

    /// Workers beyond those that are wanted go, the youngest first.
    fn shed(&mut self) {
        let mut ready: Vec<u64> = self.numbers(Phase::Ready);
        while ready.len() > self.wanted as usize {
            let Some(entry) = ready.pop().and_then(|number| self.workers.get_mut(&number)) else { return };
            entry.phase = Phase::Retired;
            entry.worker.retire("fewer workers are needed");
        }
    }

    fn numbers(&self, phase: Phase) -> Vec<u64> {
        self.workers.iter().filter(|(_, e)| e.phase == phase).map(|(number, _)| *number).collect()
    }

    /// Tells who asks how many workers there are.
    fn tell(&self) {
        let ready = u32::try_from(self.numbers(Phase::Ready).len()).unwrap_or(u32::MAX);
        self.shared.wanted.store(self.wanted, Ordering::Relaxed);
        self.shared.status.send_modify(|status| {
            status.instances_ready = ready;
            status.instances = self.wanted;
        });
    }

    /// Looks at each worker that serves, and at how busy they are.
    fn look(&mut self) {
        for number in self.numbers(Phase::Ready) {
            self.look_at(number);
        }
        let Some(settings) = self.shared.scale else { return };
        if self.scaled.elapsed() >= Duration::from_millis(settings.polling_interval_ms) {
            self.scaled = Instant::now();
            self.rescale(&settings);
        }
    }

    fn rescale(&mut self, settings: &ScaleSettings) {
        let wanted = self.scale.decide(settings, self.wanted, (self.shared.desk.busy(), self.order.slots()));
        if wanted == self.wanted {
            return;
        }
        let text = format!("{} workers are wanted instead of {}", wanted, self.wanted);
        self.shared.log.line(0, "server", (None, &text));
        self.wanted = wanted;
        self.shed();
        self.tell();
    }

    fn look_at(&mut self, number: u64) {
        let config = &self.shared.config;
        let Some(entry) = self.workers.get_mut(&number) else { return };
        let limit = self.order.memory_bytes;
        let heavy = limit > 0 && resident(entry.worker.pid()).is_some_and(|bytes| bytes > limit);
        let worn = config.max_requests > 0 && entry.worker.calls() >= config.max_requests;
        let coming = self.workers.values().any(|e| e.replaces == Some(number));
        if (heavy || worn) && !coming && Instant::now() >= self.not_before {
            let what = if heavy { "memory" } else { "requests" };
            let text = format!("worker {number} has reached its limit of {what} and is replaced");
            self.shared.log.line(0, "server", (None, &text));
            // Calls go on to the old one until the new one is ready.
            self.start(Some(number));
            return;
        }
        let Some(entry) = self.workers.get_mut(&number) else { return };
        let probe = self.order.spec.liveness_probe;
        let every = probe.map_or(config.ping_every.0, |p| seconds(p.period));
        let delay = probe.map_or(Duration::ZERO, |p| seconds(p.initial_delay));
        if entry.pinged.elapsed() >= every && entry.since.elapsed() >= delay {
            entry.pinged = Instant::now();
            let patience = probe.map_or(config.ping_timeout.0, |p| {
                seconds(p.timeout) + seconds(p.period) * (p.failure_threshold - 1)
            });
            tokio::spawn(ping(self.shared.clone(), number, patience));
        }
    }
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(count.into())
}

/// Asks a resting worker whether it lives. One whose connections are all taken has calls to answer, which have their own time.
async fn ping(shared: Arc<Shared>, number: u64, patience: Duration) {
    let Some(mut link) = shared.desk.take_of(number) else { return };
    let Ok(question) = frame(&Ping { ping: PING }, b"") else { return };
    let answer = async {
        link.send(&question).await?;
        link.receive::<Pong>(0).await
    };
    match tokio::time::timeout(patience, answer).await {
        Ok(Ok((Pong { pong: PING }, _))) => shared.desk.give(link),
        _ => {
            let text = format!("worker {number} does not answer and is replaced");
            shared.log.line(0, "server", (None, &text));
            link.worker.retire("it did not answer");
        }
    }
}

/// Resident memory of a process in bytes.
fn resident(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}
