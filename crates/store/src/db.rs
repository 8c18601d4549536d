//! Opening a data directory; the one way to read and the one way to write.

use crate::artifacts::Artifacts;
use crate::error::{Error, Result};
use crate::ledger::Change;
use crate::lock::Lock;
use crate::seal::{MasterKey, Sealer};
use crate::secrets::Secrets;
use crate::tracking::TrackingState;
use crate::{files, ledger, segments, tasks};
use domain::{Actor, Timestamp};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Sqlite, Transaction};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// The metadata database within the data directory.
pub(crate) const DATABASE: &str = "portcullis.db";

/// Whether a folder is a data directory already.
pub fn is_workspace(folder: &std::path::Path) -> bool {
    folder.join(DATABASE).is_file()
}
/// Connections that read at the same time.
const READERS: u32 = 4;
/// How long a statement waits for another program that holds the database.
const BUSY: Duration = Duration::from_secs(5);
/// How long a caller waits for its turn to write or for a free reader.
const TURN: Duration = Duration::from_secs(10);

/// The handle on a data directory; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    writer: SqlitePool,
    reader: SqlitePool,
    artifacts: Artifacts,
    secrets: Secrets,
    sealer: Arc<Sealer>,
    changes: watch::Sender<i64>,
    task_bell: watch::Sender<u64>,
    tracking: TrackingState,
    /// A sync to disk failed: nothing more may be acknowledged (see [`Error::NotDurable`]).
    not_durable: AtomicBool,
    // Last, so that the pools are gone before another process may open the directory.
    lock: Lock,
}

impl Store {
    /// Opens a data directory whose master key lies in it.
    pub async fn open(dir: &Path) -> Result<Self> {
        Self::open_with(dir, &MasterKey::DataDir).await
    }

    /// Opens a data directory, makes it when absent, brings its database up to date.
    ///
    /// Fails with [`Error::Locked`] while another process has it, with [`Error::Sealed`] when its secrets were sealed under
    /// another master key.
    pub async fn open_with(dir: &Path, master_key: &MasterKey) -> Result<Self> {
        if !dir.exists() {
            files::create_private_dir(dir)?;
        }
        let dir = dir.canonicalize().map_err(|e| Error::io(dir, e))?;
        let lock = Lock::take(&dir)?;
        files::sweep(&dir)?;
        files::create_private_dir(&dir.join(segments::FOLDER))?;
        let artifacts = Artifacts::open(&dir.join("artifacts"))?;
        let folder = dir.join("secrets");
        files::create_private_dir(&folder)?;
        let sealer = Arc::new(Sealer::open(master_key, &folder)?);
        let secrets = Secrets::open(&folder, sealer.clone())?;
        let (writer, reader) = connect(&dir.join(DATABASE)).await?;
        sqlx::migrate!("./migrations").run(&writer).await?;
        let changes = watch::Sender::new(ledger::last_sequence(&writer).await?);
        let task_bell = watch::Sender::new(0);
        let not_durable = AtomicBool::new(false);
        let tracking = TrackingState::new();
        let inner = Inner {
            dir,
            writer,
            reader,
            artifacts,
            secrets,
            sealer,
            changes,
            task_bell,
            tracking,
            not_durable,
            lock,
        };
        let store = Self { inner: Arc::new(inner) };
        store.recover().await?;
        Ok(store)
    }

    /// Takes over what a killed process left behind.
    async fn recover(&self) -> Result<()> {
        let mut write = self.write().await?;
        let tasks = tasks::recover(write.conn(), Timestamp::now()).await?;
        write.commit().await?;
        if tasks > 0 {
            tracing::info!(tasks, "tasks of a process that died are queued again");
        }
        Ok(())
    }

    /// Rings when a task is queued.
    pub(crate) fn task_bell(&self) -> &watch::Sender<u64> {
        &self.inner.task_bell
    }

    /// What tracking holds in memory.
    pub(crate) fn tracking(&self) -> &TrackingState {
        &self.inner.tracking
    }

    /// The data directory, absolute.
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// The content-addressed files.
    pub fn artifacts(&self) -> &Artifacts {
        &self.inner.artifacts
    }

    /// The workspace's secrets.
    pub fn secrets(&self) -> &Secrets {
        &self.inner.secrets
    }

    /// Seals a content for one purpose, as `named-value:AMLKey`; it opens for no other.
    pub fn seal(&self, purpose: &str, content: &[u8]) -> Result<String> {
        self.inner.sealer.seal(purpose, content)
    }

    /// Opens what was sealed for the same purpose.
    pub fn unseal(&self, purpose: &str, sealed: &str) -> Result<zeroize::Zeroizing<Vec<u8>>> {
        self.inner.sealer.unseal(purpose, sealed)
    }

    /// Tells whoever tries to open the directory next at which URL this process serves it.
    pub fn announce(&self, url: &str) -> Result<()> {
        self.inner.lock.announce(url)
    }

    /// The sequence of the last ledger entry; changes with every change, so that a snapshot can be kept fresh.
    pub fn changes(&self) -> watch::Receiver<i64> {
        self.inner.changes.subscribe()
    }

    /// Closes the database; other clones of the handle fail from here on.
    pub async fn close(&self) {
        self.inner.reader.close().await;
        self.inner.writer.close().await;
    }

    /// Whether it was closed, or is about to be: not everything can be read and written any more.
    pub fn is_closed(&self) -> bool {
        self.inner.reader.is_closed() || self.inner.writer.is_closed()
    }

    /// The pool that reads; its connections refuse to write.
    pub(crate) fn reader(&self) -> &SqlitePool {
        &self.inner.reader
    }

    /// Begins a change. It is undone unless [`Write::commit`] is reached.
    pub(crate) async fn write(&self) -> Result<Write<'_>> {
        if self.inner.not_durable.load(Ordering::Acquire) {
            return Err(Error::NotDurable);
        }
        let tx = self.inner.writer.begin_with("BEGIN IMMEDIATE").await?;
        Ok(Write { store: self, tx, sequence: None })
    }

    /// Has writes give up on another program's lock after so many milliseconds.
    #[cfg(test)]
    pub(crate) async fn wait_no_longer_than_ms(&self, ms: u32) {
        let sql = sqlx::AssertSqlSafe(format!("PRAGMA busy_timeout = {ms}"));
        sqlx::query(sql).execute(&self.inner.writer).await.unwrap();
    }

    /// Remembers a failed sync: what the kernel dropped then cannot be had back by a later success.
    fn judge(&self, error: sqlx::Error) -> Error {
        let error = Error::from(error);
        if error.is_failed_sync() {
            self.inner.not_durable.store(true, Ordering::Release);
            tracing::error!(%error, "a sync to disk failed: no more writes until a restart");
            return Error::NotDurable;
        }
        error
    }
}

/// A change under way: one transaction, one writer.
#[derive(Debug)]
pub(crate) struct Write<'a> {
    store: &'a Store,
    tx: Transaction<'static, Sqlite>,
    sequence: Option<i64>,
}

impl Write<'_> {
    /// The connection, for statements of this change.
    pub(crate) fn conn(&mut self) -> &mut SqliteConnection {
        &mut self.tx
    }

    /// Writes the ledger's line of this change.
    pub(crate) async fn note(&mut self, by: &Actor, now: Timestamp, change: Change) -> Result<()> {
        self.sequence = Some(ledger::append(&mut self.tx, by, now, change).await?);
        Ok(())
    }

    /// Makes the change durable and tells those who watch.
    pub(crate) async fn commit(self) -> Result<()> {
        self.tx.commit().await.map_err(|e| self.store.judge(e))?;
        if let Some(sequence) = self.sequence {
            self.store.inner.changes.send_replace(sequence);
        }
        Ok(())
    }
}

/// Whether a connection is in no transaction; one that is gets replaced.
///
/// Why this can be: SQLite undoes a transaction by itself when the disk is full, the rollback that follows then fails, and the
/// driver goes on counting a transaction that is gone. The ping makes sure that the rollback was tried.
async fn is_idle(conn: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    conn.ping().await?;
    Ok(!conn.is_in_transaction())
}

/// The writing pool (one connection, opened now) and the reading pool (opened on demand).
async fn connect(path: &Path) -> Result<(SqlitePool, SqlitePool)> {
    files::touch_private(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        .foreign_keys(true)
        .disable_statement_logging();
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(TURN)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .before_acquire(|conn, _| Box::pin(is_idle(conn)))
        .connect_with(options.clone().thread_name(|_| "store-write".to_owned()))
        .await?;
    let reader = SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(TURN)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_lazy_with(options.pragma("query_only", "ON").thread_name(|_| "store-read".to_owned()));
    Ok((writer, reader))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{admin, endpoint, name, store};
    use domain::ErrorCode;
    use std::os::unix::fs::PermissionsExt;

    #[tokio::test]
    async fn a_dropped_store_opens_again_with_all_that_was_acknowledged() {
        let (dir, store) = store().await;
        store.add_endpoint(&endpoint("kept"), &admin()).await.unwrap();
        let mut unfinished = store.write().await.unwrap();
        sqlx::query("DELETE FROM endpoints").execute(unfinished.conn()).await.unwrap();
        drop(unfinished);
        drop(store);
        let store = Store::open(&dir.path().join("data")).await.unwrap();
        assert_eq!(store.endpoint(&name("kept")).await.unwrap().name, name("kept"));
        assert_eq!(store.ledger(0, 10).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn the_directory_has_one_owner() {
        let (dir, store) = store().await;
        store.announce("http://127.0.0.1:1").unwrap();
        let refused = Store::open(&dir.path().join("data")).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Conflict);
        assert!(refused.to_string().contains("--server http://127.0.0.1:1"), "{refused}");
        store.close().await;
        drop(store);
        Store::open(&dir.path().join("data")).await.unwrap();
    }

    #[tokio::test]
    async fn what_the_directory_holds_is_its_owners_alone() {
        let (dir, store) = store().await;
        let mode = |path: &str| {
            std::fs::metadata(dir.path().join("data").join(path)).unwrap().permissions().mode() & 0o777
        };
        assert_eq!((mode(""), mode("secrets"), mode("artifacts")), (0o700, 0o700, 0o700));
        assert_eq!((mode(DATABASE), mode(&format!("{DATABASE}-wal"))), (0o600, 0o600));
        drop(store);
    }

    #[tokio::test]
    async fn connections_are_set_for_durability_and_readers_cannot_write() {
        let (_dir, store) = store().await;
        let ask = async |pool: &SqlitePool, pragma: &'static str| {
            sqlx::query_scalar::<_, i64>(pragma).fetch_one(pool).await.unwrap()
        };
        let writer = &store.inner.writer;
        assert_eq!(ask(writer, "PRAGMA synchronous").await, 2);
        assert_eq!(ask(writer, "PRAGMA foreign_keys").await, 1);
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(writer).await.unwrap();
        assert_eq!(mode, "wal");
        assert_eq!(ask(store.reader(), "PRAGMA query_only").await, 1);
        assert!(sqlx::query("DELETE FROM meta").execute(store.reader()).await.is_err());
    }

    #[tokio::test]
    async fn a_database_held_by_another_program_is_busy_and_still_reads() {
        let (dir, store) = store().await;
        store.add_endpoint(&endpoint("kept"), &admin()).await.unwrap();
        sqlx::query("PRAGMA busy_timeout = 1").execute(&store.inner.writer).await.unwrap();
        let path = dir.path().join("data").join(DATABASE);
        let mut other = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
        let held = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let refused = store.add_endpoint(&endpoint("new"), &admin()).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Unavailable);
        assert_eq!(store.endpoints().await.unwrap().len(), 1);
        held.rollback().await.unwrap();
        store.add_endpoint(&endpoint("new"), &admin()).await.unwrap();
    }

    #[tokio::test]
    async fn a_full_disk_is_told_and_writing_resumes_without_a_restart() {
        let (_dir, store) = store().await;
        let writer = &store.inner.writer;
        let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(writer).await.unwrap();
        // SQLite's own cap on a database's size answers with the code of a full disk.
        let cap = |pages: i64| sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
        sqlx::query(cap(pages)).execute(writer).await.unwrap();
        let mut big = endpoint("big");
        big.description = "x".repeat(100_000);
        let refused = store.add_endpoint(&big, &admin()).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::StorageFull);
        assert_eq!(store.endpoints().await.unwrap(), []);
        // The connection was replaced, and its cap with it.
        store.add_endpoint(&big, &admin()).await.unwrap();
    }

    #[tokio::test]
    async fn after_a_failed_sync_nothing_is_acknowledged() {
        let (_dir, store) = store().await;
        store.inner.not_durable.store(true, Ordering::Release);
        let refused = store.add_endpoint(&endpoint("e"), &admin()).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Unavailable);
        assert_eq!(store.endpoints().await.unwrap(), []);
    }
}
