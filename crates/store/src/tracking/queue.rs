//! Writers that come together share one transaction and one sync.
//!
//! Who logs leaves the order here. The first starts a task that takes all that wait, applies them, syncs, answers, and looks again;
//! those who come meanwhile are the next group. Nobody is answered before the sync. The task outlives a caller that goes away, so
//! that no other pays for it.

use super::log::{self, Series};
use super::runs;
use crate::db::Store;
use crate::error::{Error, Result};
use domain::tracking::{LogBatch, NewRun, RunInfo, RunUpdate};
use quick_cache::unsync::Cache;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Orders that wait at most; further ones are told to come again.
const WAITING: usize = 4096;
/// Orders of a group at most.
const GROUP: usize = 512;
/// Runs and metrics whose state the writer remembers.
const RUNS: usize = 16_384;
const SERIES: usize = 65_536;

/// Something to write.
#[derive(Debug, Clone)]
pub(super) enum Order {
    Log(LogBatch),
    Open(NewRun),
    Update(RunUpdate),
}

/// What was written.
#[derive(Debug)]
pub(super) enum Done {
    Logged,
    Run(RunInfo),
}

type Answer = oneshot::Sender<Result<Done>>;

#[derive(Debug, Default)]
struct Waiting {
    orders: Vec<(Order, Answer)>,
    working: bool,
}

/// What the writer remembers between groups; forgotten when a group fails.
#[derive(Debug)]
pub(super) struct Memory {
    /// Id → number of a run, and whether it was deleted.
    pub(super) runs: Cache<String, (i64, bool)>,
    /// The state of a metric.
    pub(super) series: Cache<(i64, String), Series>,
    /// The next number of a series.
    pub(super) next_series: Option<i64>,
}

impl Memory {
    fn new() -> Self {
        Self { runs: Cache::new(RUNS), series: Cache::new(SERIES), next_series: None }
    }
}

/// The queue.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    memory: tokio::sync::Mutex<Memory>,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self { waiting: Mutex::default(), memory: tokio::sync::Mutex::new(Memory::new()) }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next group; none ends the task.
    fn next(&self) -> Option<Vec<(Order, Answer)>> {
        let mut waiting = self.waiting();
        if waiting.orders.is_empty() {
            waiting.working = false;
            return None;
        }
        let count = waiting.orders.len().min(GROUP);
        Some(waiting.orders.drain(..count).collect())
    }
}

/// While the task works; should it ever panic, the next order starts another.
struct Working<'a>(&'a Queue);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.waiting().working = false;
        }
    }
}

impl Store {
    /// Has something written; answered when it is durable.
    pub(super) async fn track(&self, order: Order) -> Result<Done> {
        let (answer, answered) = oneshot::channel();
        let start = {
            let mut waiting = self.tracking().queue.waiting();
            if waiting.orders.len() >= WAITING {
                return Err(Error::Busy);
            }
            waiting.orders.push((order, answer));
            !std::mem::replace(&mut waiting.working, true)
        };
        if start {
            let store = self.clone();
            tokio::spawn(async move {
                let _working = Working(&store.tracking().queue);
                while let Some(group) = store.tracking().queue.next() {
                    store.settle(group).await;
                }
            });
        }
        answered.await.unwrap_or(Err(Error::Busy))
    }

    /// Changes something of tracking besides the queue: alone, with the writer's memory in hand.
    pub(super) async fn alone(&self) -> tokio::sync::MutexGuard<'_, Memory> {
        self.tracking().queue.memory.lock().await
    }

    /// Writes a group. When it fails as a whole, each order is tried alone: what broke it must not break the others.
    async fn settle(&self, group: Vec<(Order, Answer)>) {
        let (orders, answers): (Vec<Order>, Vec<Answer>) = group.into_iter().unzip();
        match self.write_group(&orders).await {
            Ok(done) => answer(answers, done),
            Err(Error::Database(error)) if orders.len() > 1 => {
                tracing::warn!(%error, orders = orders.len(), "a group of tracking orders failed, each is tried alone");
                for (order, one) in orders.into_iter().zip(answers) {
                    let done = self.write_group(std::slice::from_ref(&order)).await;
                    let done = done.and_then(|mut done| done.pop().unwrap_or(Err(Error::Busy)));
                    let _ = one.send(done);
                }
            }
            Err(error) => {
                for one in answers {
                    let _ = one.send(Err(error.again()));
                }
            }
        }
    }

    async fn write_group(&self, orders: &[Order]) -> Result<Vec<Result<Done>>> {
        let mut memory = self.alone().await;
        let written = self.write_orders(orders, &mut memory).await;
        if written.is_err() {
            *memory = Memory::new();
        }
        let (done, touched) = written?;
        self.tracking().documents.changed(touched);
        Ok(done)
    }

    async fn write_orders(
        &self,
        orders: &[Order],
        memory: &mut Memory,
    ) -> Result<(Vec<Result<Done>>, Vec<i64>)> {
        let mut write = self.write().await?;
        let (mut done, mut touched) = (Vec::with_capacity(orders.len()), Vec::new());
        let mut rest = orders;
        while let Some(first) = rest.first() {
            match first {
                Order::Log(_) => {
                    let batches: Vec<&LogBatch> = rest
                        .iter()
                        .map_while(|order| if let Order::Log(batch) = order { Some(batch) } else { None })
                        .collect();
                    rest = &rest[batches.len()..];
                    done.extend(log::write(write.conn(), memory, &batches, &mut touched).await?);
                }
                Order::Open(run) => {
                    rest = &rest[1..];
                    done.push(told(runs::open(write.conn(), run).await)?);
                }
                Order::Update(update) => {
                    rest = &rest[1..];
                    done.push(told(runs::update(write.conn(), update, &mut touched).await)?);
                }
            }
        }
        write.commit().await?;
        Ok((done, touched))
    }
}

/// A refusal is the order's own; a failure of the database is the group's.
fn told(result: Result<RunInfo>) -> Result<Result<Done>> {
    match result {
        Ok(info) => Ok(Ok(Done::Run(info))),
        Err(error @ (Error::Absent(_) | Error::Invalid(_) | Error::Conflict(_))) => Ok(Err(error)),
        Err(error) => Err(error),
    }
}

fn answer(answers: Vec<Answer>, done: Vec<Result<Done>>) {
    for (one, done) in answers.into_iter().zip(done) {
        let _ = one.send(done);
    }
}
