//! Settings of the listener: section `limits.http`.

use domain::Span;
use serde::Deserialize;

/// Limits on connections and request heads. Defaults stand in `config.default.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpLimits {
    /// Connections held at once; further ones wait in the kernel's queue.
    pub connections: u32,
    /// A request head must be complete within this time of its first byte (of the connection's opening for the first).
    pub head_timeout: Span,
    /// A body, or the reading of an answer, may pause this long.
    pub body_timeout: Span,
    /// A connection without a request is closed after this time.
    pub idle_timeout: Span,
    /// An HTTP/1 connection that is silent for so long gives its buffers back, and goes on with new ones.
    pub rest_after: Span,
    /// HTTP/1 connections that may keep their buffers so long; when there are more, buffers are given back at once.
    pub engines: u32,
    /// The largest request head in bytes.
    pub head_bytes: u32,
    /// HTTP/2 streams at once on a connection.
    pub streams: u32,
    /// HTTP/2 streams that a client opened and reset before they were taken up; one more ends the connection.
    pub pending_resets: usize,
    /// HTTP/2 streams that we had to reset for a client's faults; one more ends the connection.
    pub error_resets: usize,
    /// Calls that a client gave up before their answer; beyond this, and beyond those it waited for, the connection ends.
    pub given_up: u32,
    /// Bytes of bodies that may be on their way to us on one HTTP/2 connection.
    pub window_bytes: u32,
    /// Bytes of answers that wait for one HTTP/2 stream's client.
    pub send_buffer_bytes: usize,
    /// How long calls in hand may go on after the server was told to stop.
    pub shutdown_grace: Span,
}
