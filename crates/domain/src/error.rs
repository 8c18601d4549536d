//! The closed set of error codes and the one error shape that crosses crates.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What kind of failure happened; every error of every crate maps to exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The request is malformed or a field has an impossible value (400).
    InvalidInput,
    /// No acceptable credentials (401).
    Unauthenticated,
    /// Known caller, not allowed (403).
    Forbidden,
    /// No such thing (404).
    NotFound,
    /// The name is taken, or the state does not allow the change (409).
    Conflict,
    /// A stated limit on size or count was passed (413).
    TooLarge,
    /// The media type is not one we read (415).
    UnsupportedMedia,
    /// Well-formed, but the content cannot be used (422).
    Unprocessable,
    /// A rate or queue limit was reached (429).
    TooManyRequests,
    /// A fault of ours (500).
    Internal,
    /// A thing we depend on does not answer (503).
    Unavailable,
    /// The disk is full (507).
    StorageFull,
}

impl ErrorCode {
    /// The HTTP status this code answers with.
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidInput => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::UnsupportedMedia => 415,
            Self::Unprocessable => 422,
            Self::TooManyRequests => 429,
            Self::Internal => 500,
            Self::Unavailable => 503,
            Self::StorageFull => 507,
        }
    }

    /// The short stable text of the code, as it stands in a problem's `code` member.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid_input",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::TooLarge => "too_large",
            Self::UnsupportedMedia => "unsupported_media",
            Self::Unprocessable => "unprocessable",
            Self::TooManyRequests => "too_many_requests",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
            Self::StorageFull => "storage_full",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error as it crosses a crate boundary: a code and a message written for the user.
///
/// The message is lower case without a full stop and says what was wrong, where, and what to do. Internal causes are
/// logged where they happen and never stand in the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// The kind of failure.
    pub code: ErrorCode,
    /// What was wrong and what to do, for the user.
    pub message: String,
}

impl Fault {
    /// A fault with a code and a message.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// [`ErrorCode::InvalidInput`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidInput, message)
    }

    /// [`ErrorCode::NotFound`], naming the noun and its name.
    pub fn not_found(noun: &str, name: impl fmt::Display) -> Self {
        Self::new(ErrorCode::NotFound, format!("no {noun} named '{name}'"))
    }

    /// [`ErrorCode::Conflict`].
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Conflict, message)
    }

    /// [`ErrorCode::Internal`]; the message must not carry secrets.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Internal, message)
    }
}
