//! What can go wrong in the store, and how it is told to the user.

use domain::{ErrorCode, Fault};
use std::io;
use std::path::{Path, PathBuf};

/// The store's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// SQLite's primary result code for a full disk.
const SQLITE_FULL: i64 = 13;
/// Extended code: the shared-memory file of the write-ahead log could not grow.
const SQLITE_IOERR_SHMSIZE: i64 = 4874;
/// SQLite's primary result codes for a database another connection holds.
const SQLITE_BUSY: [i64; 2] = [5, 6];
/// Extended codes of a failed fsync of a file or a directory.
const SQLITE_FSYNC: [i64; 2] = [1034, 1290];

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such thing.
    #[error("no {noun} named '{name}'")]
    NotFound {
        /// What was looked for: `endpoint`, `model version`, …
        noun: &'static str,
        /// Its name.
        name: String,
    },
    /// No such thing, in the words of the protocol that asked.
    #[error("{0}")]
    Absent(String),
    /// The name is taken, or the state does not allow the change.
    #[error("{0}")]
    Conflict(String),
    /// A value that cannot be stored.
    #[error("{0}")]
    Invalid(String),
    /// Another process has the data directory.
    #[error("{}", locked_message(dir, *pid, url.as_deref()))]
    Locked {
        /// The data directory.
        dir: PathBuf,
        /// The holder's process id, when it could be read.
        pid: Option<u32>,
        /// The URL the holder serves on, when it serves.
        url: Option<String>,
    },
    /// The disk is full.
    #[error("the disk that holds the data directory is full: free some space and try again")]
    StorageFull,
    /// The database is held by another program for too long.
    #[error("the metadata database is busy: try again in a moment")]
    Busy,
    /// A sync to disk failed earlier; nothing more is acknowledged until a restart.
    #[error("the disk refused to confirm a write, nothing more is accepted: check the disk and restart")]
    NotDurable,
    /// The workspace was closed meanwhile: the process ends.
    #[error("the workspace is closed: the server is stopping")]
    Closed,
    /// What is on disk is not what was written.
    #[error("{0}")]
    Corrupt(String),
    /// A secret that does not open under the master key at hand.
    #[error(
        "the secret '{0}' does not open with this master key: set store.master_key as it was when the secret was made"
    )]
    Sealed(String),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random,
    /// A query on the request log that is refused, or that failed.
    #[error("{0}")]
    Query(String),
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The database failed in a way none of the others names.
    #[error("the metadata database failed: {0}")]
    Database(#[source] sqlx::Error),
}

fn locked_message(dir: &Path, pid: Option<u32>, url: Option<&str>) -> String {
    let dir = dir.display();
    let who = pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
    match url {
        Some(url) => format!(
            "the data directory '{dir}' is in use by {who}, which serves {url}: pass --server {url}, or stop it"
        ),
        None => format!("the data directory '{dir}' is in use by {who}: wait for it or stop it"),
    }
}

impl Error {
    /// [`Error::NotFound`].
    pub(crate) fn not_found(noun: &'static str, name: impl std::fmt::Display) -> Self {
        Self::NotFound { noun, name: name.to_string() }
    }

    /// Wraps a system error, naming the file; a full disk becomes [`Error::StorageFull`].
    pub fn io(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::StorageFull,
            _ => Self::Io { path: path.to_owned(), source },
        }
    }

    /// The same failure for another of those whom it concerns; the database's own words stand in the log once.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::StorageFull => Self::StorageFull,
            Self::Busy => Self::Busy,
            Self::NotDurable => Self::NotDurable,
            Self::Closed => Self::Closed,
            other => {
                tracing::error!(error = %other, "store failed");
                Self::Corrupt("the store failed; the server's log tells more".to_owned())
            }
        }
    }

    /// A stored value that cannot be read back.
    pub(crate) fn corrupt(what: &str, why: impl std::fmt::Display) -> Self {
        Self::Corrupt(format!("stored {what} cannot be read: {why}"))
    }

    /// Whether a sync to disk failed.
    pub(crate) fn is_failed_sync(&self) -> bool {
        matches!(self, Self::Database(source) if sqlite_code(source).is_some_and(|c| SQLITE_FSYNC.contains(&c)))
    }

    /// The kind of failure.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound { .. } | Self::Absent(_) => ErrorCode::NotFound,
            Self::Conflict(_) | Self::Locked { .. } => ErrorCode::Conflict,
            Self::Invalid(_) | Self::Query(_) => ErrorCode::InvalidInput,
            Self::StorageFull => ErrorCode::StorageFull,
            Self::Busy | Self::NotDurable | Self::Closed => ErrorCode::Unavailable,
            Self::Sealed(_) | Self::Random | Self::Corrupt(_) | Self::Io { .. } | Self::Database(_) => {
                ErrorCode::Internal
            }
        }
    }
}

/// SQLite's extended result code of an error, if it comes from SQLite.
fn sqlite_code(error: &sqlx::Error) -> Option<i64> {
    error.as_database_error()?.code()?.parse().ok()
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match sqlite_code(&error) {
            Some(code) if code & 0xff == SQLITE_FULL || code == SQLITE_IOERR_SHMSIZE => Self::StorageFull,
            Some(code) if SQLITE_BUSY.contains(&(code & 0xff)) => Self::Busy,
            _ if matches!(error, sqlx::Error::PoolTimedOut) => Self::Busy,
            _ if matches!(error, sqlx::Error::PoolClosed) => Self::Closed,
            _ => Self::Database(error),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for Error {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        match error {
            sqlx::migrate::MigrateError::Execute(error)
            | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => error.into(),
            sqlx::migrate::MigrateError::VersionMissing(version) => Self::Invalid(format!(
                "the data directory was written by a newer release (migration {version}): use that release"
            )),
            other => Self::Corrupt(format!("the metadata database cannot be brought up to date: {other}")),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let code = error.code();
        let message = match &error {
            Error::Io { .. } | Error::Database(_) => {
                tracing::error!(error = %error, "store failed");
                "the store failed; the server's log tells more".to_owned()
            }
            other => other.to_string(),
        };
        Self::new(code, message)
    }
}
