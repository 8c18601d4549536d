//! Settings of telemetry.

use domain::Span;
use serde::Deserialize;

/// Section `telemetry`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The queue between the scoring path and the request log.
    pub request_log: RequestLogConfig,
    /// What the server says about itself.
    pub server_log: ServerLogConfig,
}

/// Section `telemetry.request_log`. How much is kept stands in `store.segments`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestLogConfig {
    /// Rows that wait for the writer at most; further ones are dropped and counted.
    pub queue_rows: usize,
    /// Rows that make the writer start before `flush_every` is over.
    pub batch_rows: usize,
    /// How long a row waits for others at most; what a crash can lose.
    pub flush_every: Span,
}

/// Section `telemetry.server_log`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerLogConfig {
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or per part of the program: `info,portcullis_gateway=debug`.
    pub level: String,
    /// How it looks on standard error; the file is always JSON lines.
    pub format: LogFormat,
    /// Bytes after which `DIR/logs/server.log` is renamed to `server.log.1` and begun anew.
    pub file_bytes: u64,
    /// Renamed files kept; 0 keeps none.
    pub files: u32,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, with the field names of OpenTelemetry logs.
    Json,
}
