//! What can go wrong in the listener.

use domain::{ErrorCode, Fault};
use std::path::{Path, PathBuf};

/// A failure of the listener itself; failures of requests are [`crate::Problem`]s.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The listening socket does not tell its address.
    #[error("the listening socket is of no use: {0}")]
    Socket(#[source] std::io::Error),
    /// An address range of a setting cannot be read.
    #[error("'{0}' is no address range: write 10.0.0.0/8 or fd00::/8")]
    Range(String),
    /// A file of TLS is of no use: certificate, key or CA.
    #[error("{}: {detail}", .file.display())]
    Tls {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// Settings of TLS that contradict each other.
    #[error("{0}")]
    TlsSetting(String),
    /// The ACME server gave no certificate.
    #[error("no certificate by ACME: {0}")]
    Acme(String),
}

impl Error {
    pub(crate) fn tls(file: &Path, detail: impl Into<String>) -> Self {
        Self::Tls { file: file.to_owned(), detail: detail.into() }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let code = match error {
            Error::Socket(_) | Error::Acme(_) => ErrorCode::Unavailable,
            Error::Range(_) | Error::Tls { .. } | Error::TlsSetting(_) => ErrorCode::InvalidInput,
        };
        Self::new(code, error.to_string())
    }
}
