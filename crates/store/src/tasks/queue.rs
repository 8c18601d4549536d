//! The records of the queue: push, claim, settle, recover.

use crate::db::Store;
use crate::error::{Error, Result};
use crate::records::{Record, to_json};
use crate::tasks::{NewTask, Worker, WorkerOptions, worker};
use domain::Timestamp;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::sync::Arc;

/// Days for which a finished task keeps its key.
const KEPT_DAYS: i64 = 30;

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskState {
    /// Waiting for its time and a worker.
    Queued,
    /// A worker has it.
    Running,
    /// Its handler ended well.
    Done,
    /// Given up; `error` tells why.
    Failed,
}

impl TaskState {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    fn parse(text: &str) -> Result<Self> {
        [Self::Queued, Self::Running, Self::Done, Self::Failed]
            .into_iter()
            .find(|s| s.as_str() == text)
            .ok_or_else(|| Error::corrupt("task state", text))
    }
}

/// A task as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRecord {
    /// Its id; later tasks sort later.
    pub id: String,
    /// Which handler runs it.
    pub kind: String,
    /// Names the work.
    pub key: String,
    /// What the handler needs.
    pub payload: serde_json::Value,
    /// Where it stands.
    pub state: TaskState,
    /// How often it was begun.
    pub attempts: u32,
    /// When it may begin.
    pub run_at: Timestamp,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

/// The queue of a store; cheap to clone.
#[derive(Debug, Clone)]
pub struct TaskQueue {
    store: Store,
}

impl Store {
    /// The durable queue.
    pub fn tasks(&self) -> TaskQueue {
        TaskQueue { store: self.clone() }
    }
}

impl TaskQueue {
    /// Queues a task; says whether it is new. Internal work has no line in the ledger: what caused it has.
    pub async fn push(&self, task: &NewTask) -> Result<bool> {
        let mut write = self.store.write().await?;
        let new = insert(write.conn(), task, Timestamp::now()).await?;
        write.commit().await?;
        if new {
            self.wake();
        }
        Ok(new)
    }

    /// Starts a worker for the tasks of one kind.
    pub fn work(&self, options: WorkerOptions, handler: Arc<dyn worker::TaskHandler>) -> Worker {
        Worker::start(self.clone(), options, handler)
    }

    /// Tasks of a kind, oldest first, at most `limit`.
    pub async fn list(&self, kind: &str, limit: u32) -> Result<Vec<TaskRecord>> {
        let rows = sqlx::query("SELECT * FROM tasks WHERE kind = $1 ORDER BY id LIMIT $2")
            .bind(kind)
            .bind(i64::from(limit))
            .fetch_all(self.store.reader())
            .await?;
        rows.iter().map(decode).collect()
    }

    /// Tells the workers to look again.
    pub(crate) fn wake(&self) {
        self.store.task_bell().send_modify(|n| *n = n.wrapping_add(1));
    }

    /// Hears of new tasks.
    pub(super) fn listen(&self) -> tokio::sync::watch::Receiver<u64> {
        self.store.task_bell().subscribe()
    }

    /// Takes the next due task of a kind.
    ///
    /// A time further off than any back-off reaches was written by a clock that has since been set back: it counts as due.
    pub(super) async fn claim(&self, kind: &str, now: Timestamp) -> Result<Option<TaskRecord>> {
        let found = sqlx::query(DUE)
            .bind(kind)
            .bind(now.micros())
            .bind(now.plus_seconds(2 * worker::BACKOFF_MAX_SECONDS).micros())
            .fetch_optional(self.store.reader())
            .await?;
        let Some(found) = found else { return Ok(None) };
        let mut write = self.store.write().await?;
        let row = sqlx::query(
            "UPDATE tasks SET state = 'running', attempts = attempts + 1 WHERE id = $1 AND state = 'queued' RETURNING *",
        )
        .bind(found.text("id")?)
        .fetch_optional(write.conn())
        .await?;
        write.commit().await?;
        row.as_ref().map(decode).transpose()
    }

    /// When the next queued task of a kind is due.
    pub(super) async fn next_due(&self, kind: &str) -> Result<Option<Timestamp>> {
        let row = sqlx::query("SELECT MIN(run_at) AS run_at FROM tasks WHERE kind = $1 AND state = 'queued'")
            .bind(kind)
            .fetch_one(self.store.reader())
            .await?;
        row.time_or_null("run_at")
    }

    /// Writes how an attempt ended.
    pub(super) async fn settle(&self, id: &str, outcome: &Outcome) -> Result<()> {
        let (state, run_at, ended, error) = match outcome {
            Outcome::Done(now) => (TaskState::Done, *now, Some(*now), None),
            Outcome::Again(at, why) => (TaskState::Queued, *at, None, Some(why)),
            Outcome::Failed(now, why) => (TaskState::Failed, *now, Some(*now), Some(why)),
        };
        let mut write = self.store.write().await?;
        sqlx::query("UPDATE tasks SET state = $1, run_at = $2, ended = $3, error = $4 WHERE id = $5")
            .bind(state.as_str())
            .bind(run_at.micros())
            .bind(ended.map(Timestamp::micros))
            .bind(error)
            .bind(id)
            .execute(write.conn())
            .await?;
        write.commit().await
    }
}

const DUE: &str = "SELECT id FROM tasks WHERE kind = $1 AND state = 'queued' AND (run_at <= $2 OR run_at > $3) \
                   ORDER BY run_at, id LIMIT 1";

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Well, at this moment.
    Done(Timestamp),
    /// To be tried again at this moment, for this reason.
    Again(Timestamp, String),
    /// For good, at this moment, for this reason.
    Failed(Timestamp, String),
}

/// Queues a task within a change; says whether it is new.
pub(crate) async fn insert(conn: &mut SqliteConnection, task: &NewTask, now: Timestamp) -> Result<bool> {
    let done = sqlx::query(
        "INSERT INTO tasks (id, kind, key, payload, state, attempts, run_at, created) \
         VALUES ($1, $2, $3, $4, 'queued', 0, $5, $5) ON CONFLICT (kind, key) DO NOTHING",
    )
    .bind(uuid::Uuid::now_v7().simple().to_string())
    .bind(&task.kind)
    .bind(&task.key)
    .bind(to_json(&task.payload)?)
    .bind(now.micros())
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Queues again what a dead process had begun, forgets what ended long ago. Only at open, under the directory's lock.
pub(crate) async fn recover(conn: &mut SqliteConnection, now: Timestamp) -> Result<u64> {
    let done = sqlx::query("UPDATE tasks SET state = 'queued', run_at = $1 WHERE state = 'running'")
        .bind(now.micros())
        .execute(&mut *conn)
        .await?;
    sqlx::query("DELETE FROM tasks WHERE ended < $1")
        .bind(now.plus_seconds(-KEPT_DAYS * 86_400).micros())
        .execute(conn)
        .await?;
    Ok(done.rows_affected())
}

fn decode(row: &SqliteRow) -> Result<TaskRecord> {
    Ok(TaskRecord {
        id: row.text("id")?,
        kind: row.text("kind")?,
        key: row.text("key")?,
        payload: row.json("payload")?,
        state: TaskState::parse(&row.text("state")?)?,
        attempts: row.unsigned("attempts")?,
        run_at: row.time("run_at")?,
        error: row.text_or_null("error")?,
    })
}
