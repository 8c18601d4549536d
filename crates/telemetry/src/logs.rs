//! The server's own log: lines for people or JSON lines on standard error, and JSON lines in `DIR/logs/server.log`.
//!
//! The JSON names are those of OpenTelemetry logs: `timestamp`, `severity_text`, `body`, `trace_id`, `span_id`, `target`,
//! `attributes`. Values of fields that are named like secrets are never written. The file is written by a thread of its own
//! behind a bounded queue, so that a slow disk slows nobody; lines that do not fit are counted and the count is logged.

mod file;
mod layer;
mod line;

use crate::config::{LogFormat, ServerLogConfig};
use crate::error::{Error, Result};
use std::path::Path;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Writes what is left and stops the file's thread when dropped: `main` keeps it to its end.
#[derive(Debug)]
#[must_use = "the log file ends when this is dropped"]
pub struct LogGuard(#[expect(dead_code, reason = "held for its drop")] file::FileWriter);

/// Starts logging for the whole process: to standard error and to `DIR/logs/server.log`.
///
/// Fails when the level is malformed, the file cannot be opened, or logging was started before.
pub fn init_logs(dir: &Path, config: &ServerLogConfig) -> Result<LogGuard> {
    let filter = filter(config)?;
    let file = file::FileWriter::start(&dir.join("logs"), config)?;
    init(filter, config, Some(file.sender()))?;
    Ok(LogGuard(file))
}

/// Starts logging for a process without a data directory: to standard error only.
pub fn init_logs_to_stderr(config: &ServerLogConfig) -> Result<()> {
    init(filter(config)?, config, None)
}

fn filter(config: &ServerLogConfig) -> Result<EnvFilter> {
    let level = |reason: String| Error::Level { level: config.level.clone(), reason };
    EnvFilter::builder().parse(&config.level).map_err(|e| level(e.to_string()))
}

fn init(filter: EnvFilter, config: &ServerLogConfig, file: Option<file::Sender>) -> Result<()> {
    let layer = layer::Lines { json: config.format == LogFormat::Json, file };
    tracing_subscriber::registry().with(filter).with(layer).try_init().map_err(|_| Error::SetUp)
}
