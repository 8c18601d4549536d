//! One row of the request log, as the scoring path makes it.

use crate::segments::Text;
use domain::Timestamp;

/// One scoring call. Numbers that do not apply are 0, texts that do not apply are empty; both read back as null where null is
/// meant (`model_status`, `model_version`, all texts).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RequestRow {
    /// When the request's head was read.
    pub time: Timestamp,
    /// What was asked: `score`, `predict`, `swagger`, ….
    pub operation: Text,
    /// HTTP method.
    pub method: Text,
    /// Path without query.
    pub path: Text,
    /// `HTTP/1.1`, `HTTP/2.0`.
    pub protocol: Text,
    /// The endpoint.
    pub endpoint: Text,
    /// The deployment that answered.
    pub deployment: Text,
    /// The published API's path, when the call came through one.
    pub api: Text,
    /// `Key`, `AADToken`, or none.
    pub auth_type: Text,
    /// Who, as the token names it (`oid` or `sub`).
    pub identity: Text,
    /// The status answered.
    pub status: u16,
    /// Why, in a few words: a problem's code, or `ok`.
    pub reason: Text,
    /// The status the model itself gave; 0 when it was not reached.
    pub model_status: u16,
    /// Why the model gave it.
    pub model_reason: Text,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    pub response_bytes: u64,
    /// The caller's program.
    pub user_agent: Text,
    /// `x-request-id`.
    pub request_id: Text,
    /// `x-ms-client-request-id`.
    pub client_request_id: Text,
    /// From head to last byte, in µs.
    pub total_us: u32,
    /// Reading the request, in µs.
    pub read_us: u32,
    /// The model, in µs.
    pub model_us: u32,
    /// Writing the answer, in µs.
    pub response_us: u32,
    /// Waiting for a permit, in µs.
    pub throttle_us: u32,
    /// Where the server runs, if that is named.
    pub location: Text,
    /// The model.
    pub model_name: Text,
    /// Its version; 0 for none.
    pub model_version: u32,
    /// The principal's name.
    pub principal: Text,
    /// The trace's id.
    pub trace_id: Text,
    /// Rows scored.
    pub rows: u32,
}
