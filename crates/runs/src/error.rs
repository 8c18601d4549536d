//! What can go wrong with jobs.

use domain::{ErrorCode, Fault};
use std::path::{Path, PathBuf};

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure around a job. What goes wrong inside one is no error here: the job ends as failed and tells it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The data asset cannot be used as asked.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// The model cannot be registered.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// The submission asks for something impossible.
    #[error("{0}")]
    Submission(String),
    /// Something that is not there, in the words of the protocol that asked.
    #[error("{0}")]
    Absent(String),
    /// A filter or an order that cannot be read.
    #[error(transparent)]
    Filter(#[from] domain::filter::FilterError),
    /// Too many jobs wait.
    #[error("{0} jobs are waiting already: try again when some have ended")]
    QueueFull(u32),
    /// The job has no such file.
    #[error("the job '{run}' has no file '{file}': only a completed job has files")]
    NoFile {
        /// The job.
        run: String,
        /// The file.
        file: String,
    },
    /// The job's process cannot be started.
    #[error("the job's process cannot be started: {0}")]
    Start(#[source] std::io::Error),
    /// A file of the job cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// What the job's process left cannot be understood.
    #[error("the job's results cannot be read: {0}")]
    Results(String),
    /// The gate refused.
    #[error("{0}")]
    Fault(Fault),
    /// Blocking work was stopped before its end.
    #[error("the work was interrupted: try again")]
    Interrupted,
}

impl Error {
    /// Wraps a system error, naming the file.
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

/// What a child wrote, or what was kept of it, is no JSON of the right shape.
impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Results(error.to_string())
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let code = match error {
            Error::Store(error) => return error.into(),
            Error::Data(error) => return error.into(),
            Error::Registry(error) => return error.into(),
            Error::Fault(fault) => return fault,
            Error::Submission(_) | Error::Filter(_) => ErrorCode::InvalidInput,
            Error::Absent(_) => ErrorCode::NotFound,
            Error::QueueFull(_) => ErrorCode::TooManyRequests,
            Error::NoFile { .. } => ErrorCode::NotFound,
            Error::Interrupted => ErrorCode::Unavailable,
            Error::Io { ref source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                ErrorCode::StorageFull
            }
            Error::Start(_) | Error::Io { .. } | Error::Results(_) => ErrorCode::Internal,
        };
        Self::new(code, error.to_string())
    }
}
