//! The worker: takes due tasks of one kind, runs them side by side up to a limit, writes how each ended.

use crate::tasks::queue::{Outcome, TaskQueue, TaskRecord};
use domain::{ErrorCode, Fault, Timestamp};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// The longest pause between two attempts, in seconds.
pub(super) const BACKOFF_MAX_SECONDS: i64 = 300;
/// How long a worker rests at most before it looks at the queue again.
const REST: Duration = Duration::from_secs(30);
/// Pause after the database refused; then the same is tried again.
const TROUBLE: Duration = Duration::from_millis(500);

/// Does the work of one kind of task.
///
/// The same task may be run again after a crash: do it anew or see that it is done, the result is the same.
pub trait TaskHandler: Send + Sync + 'static {
    /// Does the work. An error of a passing kind (internal, unavailable, storage full, too many requests) is tried again.
    fn run(&self, payload: serde_json::Value) -> BoxFuture<'static, Result<(), Fault>>;

    /// The task is given up: the last chance to record it where users look. Runs before the task is marked failed, so it
    /// too may run again.
    fn gave_up(&self, payload: serde_json::Value, why: Fault) -> BoxFuture<'static, ()> {
        let _ = payload;
        Box::pin(async move { tracing::error!(error = %why, "a task is given up") })
    }
}

/// What a worker does.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// The kind of its tasks.
    pub kind: String,
    /// How many run side by side; at least 1.
    pub concurrency: usize,
    /// How often a task is begun at most, crashes counted.
    pub max_attempts: u32,
    /// Pause before the second attempt; doubled for each further one.
    pub backoff: Duration,
    /// Whether the handler ends what was cut off instead of doing it again.
    pub once: bool,
}

impl WorkerOptions {
    /// One task at a time, five attempts, one second of pause.
    pub fn new(kind: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            concurrency: 1,
            max_attempts: 5,
            backoff: Duration::from_secs(1),
            once: false,
        }
    }
}

/// A running worker. Dropping it drops the handlers' futures; their tasks are handled again at the next start.
#[derive(Debug)]
pub struct Worker {
    stop: watch::Sender<bool>,
    // Dropped with the worker: aborts the loop.
    tasks: AbortOnDrop,
    kind: String,
    once: bool,
}

#[derive(Debug)]
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Worker {
    pub(super) fn start(queue: TaskQueue, options: WorkerOptions, handler: Arc<dyn TaskHandler>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (kind, once) = (options.kind.clone(), options.once);
        let tasks = AbortOnDrop(tokio::spawn(work(Loop { queue, options, handler }, stopped)));
        Self { stop, tasks, kind, once }
    }

    /// Takes no more tasks and waits for those that run, `grace` at most; the rest runs again at the next start, or is ended then when its
    /// handler does everything once.
    pub async fn stop(mut self, grace: Duration) {
        self.stop.send_replace(true);
        if tokio::time::timeout(grace, &mut self.tasks.0).await.is_err() {
            let then = if self.once { "end as failed, with what they left," } else { "run again" };
            tracing::warn!(kind = self.kind, "tasks did not end in time: they {then} at the next start");
        }
    }
}

/// What a worker's loop holds.
#[derive(Clone)]
struct Loop {
    queue: TaskQueue,
    options: WorkerOptions,
    handler: Arc<dyn TaskHandler>,
}

async fn work(this: Loop, mut stop: watch::Receiver<bool>) {
    let mut bell = this.queue.listen();
    let mut running = JoinSet::new();
    while !*stop.borrow_and_update() {
        bell.mark_unchanged();
        let rest = this.fill(&mut running).await;
        tokio::select! {
            _ = stop.changed() => {}
            Some(_) = running.join_next() => {}
            _ = bell.changed() => {}
            () = tokio::time::sleep(rest) => {}
        }
    }
    while running.join_next().await.is_some() {}
}

impl Loop {
    /// Begins due tasks up to the limit; says how long there is nothing to do.
    async fn fill(&self, running: &mut JoinSet<()>) -> Duration {
        while running.len() < self.options.concurrency.max(1) {
            match self.queue.claim(&self.options.kind, Timestamp::now()).await {
                Ok(Some(task)) => {
                    running.spawn(self.clone().attempt(task));
                }
                Ok(None) => return self.until_due().await,
                Err(error) => {
                    tracing::warn!(%error, kind = self.options.kind, "the queue cannot be read, trying again");
                    return TROUBLE;
                }
            }
        }
        REST
    }

    async fn until_due(&self) -> Duration {
        let Ok(due) = self.queue.next_due(&self.options.kind).await else {
            return TROUBLE;
        };
        let wait = due.map_or(i64::MAX, |due| due.micros().saturating_sub(Timestamp::now().micros()));
        Duration::from_micros(wait.max(1_000).unsigned_abs()).min(REST)
    }

    /// Runs one task and writes how it ended, however long the database refuses: an attempt that is not written down would
    /// run again only at the next start.
    async fn attempt(self, task: TaskRecord) {
        let outcome = self.outcome(&task).await;
        while let Err(error) = self.queue.settle(&task.id, &outcome).await {
            tracing::warn!(%error, task = task.id, "a task's end cannot be written, trying again");
            tokio::time::sleep(TROUBLE).await;
        }
    }

    async fn outcome(&self, task: &TaskRecord) -> Outcome {
        let result = if task.attempts > self.options.max_attempts {
            let text = format!("begun {} times without an end", task.attempts - 1);
            Err(Fault::new(ErrorCode::Unprocessable, text))
        } else {
            let (handler, payload) = (Arc::clone(&self.handler), task.payload.clone());
            caught(Box::pin(async move { handler.run(payload).await })).await
        };
        let now = Timestamp::now();
        match result {
            Ok(()) => Outcome::Done(now),
            Err(fault) if passes(fault.code) && task.attempts < self.options.max_attempts => {
                tracing::warn!(error = %fault, task = task.id, attempt = task.attempts, "a task failed, trying again");
                Outcome::Again(self.again_at(task.attempts, now), fault.message)
            }
            Err(fault) => {
                let why = fault.message.clone();
                let (handler, payload) = (Arc::clone(&self.handler), task.payload.clone());
                let told = async move { handler.gave_up(payload, fault).await };
                if AssertUnwindSafe(told).catch_unwind().await.is_err() {
                    tracing::error!(task = task.id, "a handler panicked while giving up");
                }
                Outcome::Failed(now, why)
            }
        }
    }

    fn again_at(&self, attempts: u32, now: Timestamp) -> Timestamp {
        let max = Duration::from_secs(BACKOFF_MAX_SECONDS.unsigned_abs());
        let pause = self.options.backoff.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(max);
        Timestamp(now.micros().saturating_add(i64::try_from(pause.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// Turns a panic of the handler into a fault.
async fn caught(work: BoxFuture<'static, Result<(), Fault>>) -> Result<(), Fault> {
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .unwrap_or_else(|_| Err(Fault::internal("the handler panicked")))
}

/// Whether a failure of this kind may pass by itself.
const fn passes(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::Internal | ErrorCode::Unavailable | ErrorCode::StorageFull | ErrorCode::TooManyRequests
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Store;
    use crate::samples;
    use crate::tasks::{NewTask, TaskState};
    use serde_json::json;
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions, Connection};
    use std::sync::Mutex;
    use tokio::sync::mpsc;

    /// What a handler was asked, told to the test; its answers come from a list, then are good.
    struct Told {
        tell: mpsc::UnboundedSender<String>,
        answers: Mutex<Vec<Answer>>,
    }

    enum Answer {
        Fault(ErrorCode),
        Panic,
        Never,
    }

    impl Told {
        fn new(answers: Vec<Answer>) -> (Arc<Self>, mpsc::UnboundedReceiver<String>) {
            let (tell, hear) = mpsc::unbounded_channel();
            (Arc::new(Self { tell, answers: Mutex::new(answers) }), hear)
        }
    }

    impl TaskHandler for Told {
        fn run(&self, payload: serde_json::Value) -> BoxFuture<'static, Result<(), Fault>> {
            self.tell.send(format!("run {payload}")).ok();
            let answer = self.answers.lock().unwrap().pop();
            Box::pin(async move {
                match answer {
                    None => Ok(()),
                    Some(Answer::Fault(code)) => Err(Fault::new(code, "it went wrong")),
                    Some(Answer::Panic) => panic!("a handler's mistake"),
                    Some(Answer::Never) => std::future::pending().await,
                }
            })
        }

        fn gave_up(&self, payload: serde_json::Value, why: Fault) -> BoxFuture<'static, ()> {
            self.tell.send(format!("gave up {payload}: {why}")).ok();
            Box::pin(async {})
        }
    }

    fn options() -> WorkerOptions {
        WorkerOptions { backoff: Duration::from_millis(1), max_attempts: 3, ..WorkerOptions::new("test") }
    }

    async fn push(store: &Store, number: u32) -> bool {
        store.tasks().push(&NewTask::new("test", json!(number), number.to_string())).await.unwrap()
    }

    /// The tasks' states, once none is queued or running any more.
    async fn settled(store: &Store) -> Vec<(TaskState, u32)> {
        loop {
            let tasks = store.tasks().list("test", 100).await.unwrap();
            if tasks.iter().all(|t| matches!(t.state, TaskState::Done | TaskState::Failed)) {
                return tasks.into_iter().map(|t| (t.state, t.attempts)).collect();
            }
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn tasks_run_in_order_and_a_key_runs_once() {
        let (_dir, store) = samples::store().await;
        let (handler, mut heard) = Told::new(Vec::new());
        assert!(push(&store, 1).await);
        assert!(!push(&store, 1).await);
        let worker = store.tasks().work(options(), handler);
        assert_eq!(heard.recv().await.unwrap(), "run 1");
        assert!(push(&store, 2).await);
        assert_eq!(heard.recv().await.unwrap(), "run 2");
        worker.stop(Duration::from_secs(10)).await;
        assert_eq!(settled(&store).await, [(TaskState::Done, 1), (TaskState::Done, 1)]);
        assert!(!push(&store, 2).await);
    }

    #[tokio::test]
    async fn a_passing_fault_and_a_panic_are_tried_again_a_lasting_one_is_not() {
        let (_dir, store) = samples::store().await;
        let answers = vec![
            Answer::Fault(ErrorCode::Unprocessable),
            Answer::Panic,
            Answer::Fault(ErrorCode::Unavailable),
        ];
        let (handler, mut heard) = Told::new(answers);
        push(&store, 1).await;
        let _worker = store.tasks().work(options(), handler);
        for expected in ["run 1", "run 1", "run 1", "gave up 1: it went wrong"] {
            assert_eq!(heard.recv().await.unwrap(), expected);
        }
        assert_eq!(settled(&store).await, [(TaskState::Failed, 3)]);
        assert_eq!(store.tasks().list("test", 1).await.unwrap()[0].error.as_deref(), Some("it went wrong"));
    }

    #[tokio::test]
    async fn a_task_that_keeps_failing_is_given_up() {
        let (_dir, store) = samples::store().await;
        let (handler, mut heard) = Told::new((0..9).map(|_| Answer::Fault(ErrorCode::Internal)).collect());
        push(&store, 1).await;
        let _worker = store.tasks().work(options(), handler);
        for expected in ["run 1", "run 1", "run 1", "gave up 1: it went wrong"] {
            assert_eq!(heard.recv().await.unwrap(), expected);
        }
        assert_eq!(settled(&store).await, [(TaskState::Failed, 3)]);
    }

    #[tokio::test]
    async fn what_a_killed_process_had_begun_runs_at_once_at_the_next_start() {
        let (dir, store) = samples::store().await;
        let (handler, mut heard) = Told::new(vec![Answer::Never]);
        push(&store, 1).await;
        push(&store, 2).await;
        let worker = store.tasks().work(options(), handler);
        assert_eq!(heard.recv().await.unwrap(), "run 1");
        let path = dir.path().join("data");
        let store = killed(worker, store, &path).await;
        let start = std::time::Instant::now();
        let (handler, mut heard) = Told::new(Vec::new());
        let _worker = store.tasks().work(options(), handler);
        assert_eq!(heard.recv().await.unwrap(), "run 2");
        assert_eq!(heard.recv().await.unwrap(), "run 1");
        assert!(start.elapsed() < Duration::from_secs(2));
        assert_eq!(settled(&store).await, [(TaskState::Done, 2), (TaskState::Done, 1)]);
    }

    #[tokio::test]
    async fn a_task_that_kills_its_process_each_time_is_given_up() {
        let (dir, mut store) = samples::store().await;
        let path = dir.path().join("data");
        push(&store, 1).await;
        for _ in 0..3 {
            let (handler, mut heard) = Told::new(vec![Answer::Never]);
            let worker = store.tasks().work(options(), handler);
            assert_eq!(heard.recv().await.unwrap(), "run 1");
            store = killed(worker, store, &path).await;
        }
        let (handler, mut heard) = Told::new(Vec::new());
        let _worker = store.tasks().work(options(), handler);
        assert_eq!(heard.recv().await.unwrap(), "gave up 1: begun 3 times without an end");
        assert_eq!(settled(&store).await, [(TaskState::Failed, 4)]);
    }

    /// Drops all handles without an acknowledgement and opens the directory again.
    async fn killed(worker: Worker, store: Store, path: &std::path::Path) -> Store {
        drop((worker, store));
        loop {
            // The aborted tasks let go of the lock when the runtime next looks at them.
            tokio::task::yield_now().await;
            if let Ok(store) = Store::open(path).await {
                return store;
            }
        }
    }

    #[tokio::test]
    async fn as_many_run_side_by_side_as_allowed() {
        let (_dir, store) = samples::store().await;
        let (handler, mut heard) = Told::new((0..3).map(|_| Answer::Never).collect());
        for number in 1..=3 {
            push(&store, number).await;
        }
        let worker = store.tasks().work(WorkerOptions { concurrency: 2, ..options() }, handler);
        heard.recv().await.unwrap();
        heard.recv().await.unwrap();
        let running = |tasks: &[crate::tasks::TaskRecord]| {
            tasks.iter().filter(|t| t.state == TaskState::Running).count()
        };
        assert_eq!(running(&store.tasks().list("test", 9).await.unwrap()), 2);
        worker.stop(Duration::from_millis(1)).await;
        assert!(heard.try_recv().is_err());
    }

    #[tokio::test]
    async fn an_end_that_the_database_refuses_is_written_later_and_the_task_not_run_again() {
        let (dir, store) = samples::store().await;
        store.wait_no_longer_than_ms(1).await;
        let (handler, mut heard) = Told::new(Vec::new());
        let lock = dir.path().join("data").join(crate::db::DATABASE);
        let mut other = SqliteConnectOptions::new().filename(lock).connect().await.unwrap();
        let task = NewTask::new("test", json!(1), "1");
        store.tasks().push(&task).await.unwrap();
        let claimed = store.tasks().claim("test", Timestamp::now()).await.unwrap().unwrap();
        let held = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let this = Loop { queue: store.tasks(), options: options(), handler };
        let attempt = tokio::spawn(this.attempt(claimed));
        assert_eq!(heard.recv().await.unwrap(), "run 1");
        let refused = store.tasks().push(&NewTask::new("test", json!(2), "2")).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Unavailable);
        held.rollback().await.unwrap();
        attempt.await.unwrap();
        assert_eq!(settled(&store).await, [(TaskState::Done, 1)]);
        assert!(heard.try_recv().is_err());
    }
}
