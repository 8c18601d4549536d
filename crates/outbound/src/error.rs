//! Why a fetch was refused or failed.

use domain::{ErrorCode, Fault, Span};
use std::net::IpAddr;
use std::time::Duration;

/// The result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a fetch was refused or failed. URLs in messages carry neither credentials nor a query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is no absolute URL.
    #[error("'{url}' is no URL: {reason}; write it as https://host/path")]
    Url {
        /// The text as given, shortened.
        url: String,
        /// What the parser said.
        reason: String,
    },
    /// Another scheme than http and https.
    #[error("'{0}' URLs are not fetched: only http and https are")]
    Scheme(String),
    /// A user name or password in the URL.
    #[error("the URL of host '{0}' carries a user name or password: take it out")]
    Credentials(String),
    /// A setting that cannot be.
    #[error("{0}")]
    Setting(String),
    /// A text that is no address range.
    #[error("'{0}' is no address range: write 10.0.0.0/8, fd00::/8 or a single address")]
    Range(String),
    /// The address is not public and not listed.
    #[error(
        "'{host}' is at {address}, a {what} address: not fetched unless the setting outbound.allow lists it"
    )]
    Refused {
        /// The host asked for.
        host: String,
        /// Where it is.
        address: IpAddr,
        /// The kind of address.
        what: &'static str,
    },
    /// The name has no address.
    #[error("the name '{0}' cannot be resolved: check its spelling and the name server")]
    Unresolved(String),
    /// A redirect to somewhere else.
    #[error("'{from}' redirects to '{to}': redirects to another host are not followed, give the final URL")]
    Redirect {
        /// The host asked for.
        from: String,
        /// Where it points, scheme, host and port.
        to: String,
    },
    /// Too many redirects.
    #[error(
        "'{host}' redirects more than {limit} times (setting outbound.max_redirects): give the final URL"
    )]
    Redirects {
        /// The host.
        host: String,
        /// The cap.
        limit: u8,
    },
    /// An answer other than 200.
    #[error("'{url}' answered {status}")]
    Status {
        /// The URL.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// More bytes than allowed.
    #[error("'{url}' is larger than {limit} bytes (setting {setting})")]
    TooLarge {
        /// The URL.
        url: String,
        /// The cap.
        limit: u64,
        /// Which setting raises it.
        setting: &'static str,
    },
    /// No answer in time.
    #[error("'{url}' took longer than {} to {what} (setting {setting})", Span(*limit))]
    Timeout {
        /// The URL.
        url: String,
        /// What was waited for.
        what: &'static str,
        /// How long.
        limit: Duration,
        /// Which setting raises it.
        setting: &'static str,
    },
    /// The connection could not be made or broke.
    #[error("'{url}' cannot be read: {reason}")]
    Broken {
        /// The URL.
        url: String,
        /// The innermost cause.
        reason: String,
    },
}

impl Error {
    /// The code this error crosses crates with.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Setting(_) | Self::Url { .. } | Self::Scheme(_) | Self::Credentials(_) | Self::Range(_) => {
                ErrorCode::InvalidInput
            }
            Self::Refused { .. } | Self::Redirect { .. } | Self::Redirects { .. } | Self::Status { .. } => {
                ErrorCode::Unprocessable
            }
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::Unresolved(_) | Self::Timeout { .. } | Self::Broken { .. } => ErrorCode::Unavailable,
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
