//! What can go wrong in telemetry.

use domain::{ErrorCode, Fault};
use std::path::PathBuf;

/// A failure of telemetry; the scoring path never sees one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request log's files failed, or a query on them.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The request log was closed.
    #[error("the request log is closed: the server is stopping")]
    Closed,
    /// `telemetry.server_log.level` is malformed.
    #[error(
        "telemetry.server_log.level: '{level}' is no log level: {reason}; write info, or info,portcullis_gateway=debug"
    )]
    Level {
        /// What was given.
        level: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Logging was set up before in this process.
    #[error("the server log is set up already")]
    SetUp,
    /// The server's log file cannot be opened.
    #[error("cannot write the server log '{}': {source}", path.display())]
    LogFile {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}

/// The result of telemetry's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let code = match error {
            Error::Store(error) => return error.into(),
            Error::Closed => ErrorCode::Unavailable,
            Error::Level { .. } => ErrorCode::InvalidInput,
            Error::SetUp | Error::LogFile { .. } => ErrorCode::Internal,
        };
        Self::new(code, error.to_string())
    }
}
