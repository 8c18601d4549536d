//! What can go wrong in the listener.

use domain::{ErrorCode, Fault};

/// A failure of the listener itself; failures of requests are [`crate::Problem`]s.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The listening socket does not tell its address.
    #[error("the listening socket is of no use: {0}")]
    Socket(#[source] std::io::Error),
    /// An address range of a setting cannot be read.
    #[error("'{0}' is no address range: write 10.0.0.0/8 or fd00::/8")]
    Range(String),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let code = match error {
            Error::Socket(_) => ErrorCode::Unavailable,
            Error::Range(_) => ErrorCode::InvalidInput,
        };
        Self::new(code, error.to_string())
    }
}
