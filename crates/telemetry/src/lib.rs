//! What the running program tells: the request log, metrics, trace ids and the server's own log.
//!
//! A scored request passes here once: [`RequestLog::log`] takes its row without waiting, [`Metrics::observe`] counts it with
//! two atomic additions. Everything slow (SQLite, files, text for scrapers) happens on other tasks and threads.

pub mod config;
pub mod error;
pub mod logs;
pub mod metrics;
mod requests;
pub mod trace;

pub use config::{Config, LogFormat, RequestLogConfig, ServerLogConfig};
pub use error::{Error, Result};
pub use logs::{LogGuard, init_logs, init_logs_to_stderr};
pub use metrics::{Handle, Metrics, Mirrored};
pub use requests::{Counters, LogFilter, LoggedRequest, RequestLog, RequestRow, SqlAnswer, Text};
pub use trace::TraceContext;
