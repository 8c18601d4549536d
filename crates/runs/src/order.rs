//! What passes between the server and the child process that trains: an order in, events out, files in a folder.
//!
//! The order is one line of JSON on the child's standard input, which stays open: its end tells the child that the server is
//! gone. Events are lines of JSON on the child's standard output ([`automl::Event`], and `failed` as the last one when there
//! is no result). The files are written under temporary names, synced and renamed; [`OUTCOME`] comes last, so where it
//! stands the others are whole. The child never opens a database.

use domain::Column;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The trained model.
pub const MODEL: &str = "model.onnx";
/// The trials, best first.
pub const LEADERBOARD: &str = "leaderboard.json";
/// A page for people.
pub const REPORT: &str = "report.html";
/// The plots as data.
pub const PLOTS: &str = "plots.json";
/// Everything about the result but the model; written last.
pub const OUTCOME: &str = "outcome.json";
/// What the child wrote on standard error.
pub const LOG: &str = "worker.log";

/// The files that users may have of a completed job.
pub const FILES: [&str; 4] = [MODEL, LEADERBOARD, REPORT, PLOTS];

/// Bytes of an order at most.
pub const ORDER_MAX: u64 = 64 * 1024 * 1024;

/// What the child is to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The table's file.
    pub data: PathBuf,
    /// How it is read, as the `data` crate wrote it.
    pub format: serde_json::Value,
    /// Its columns.
    pub columns: Vec<Column>,
    /// The table that every trial is judged by, in place of folds.
    #[serde(default)]
    pub validation: Option<Source>,
    /// The table that the finished model is measured on.
    #[serde(default)]
    pub test: Option<Source>,
    /// The search.
    pub spec: automl::Spec,
    /// The folder of the results; exists.
    pub output: PathBuf,
    /// What the child may use.
    pub limits: Limits,
}

/// A further table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its file.
    pub data: PathBuf,
    /// How it is read.
    pub format: serde_json::Value,
    /// Its columns.
    pub columns: Vec<Column>,
}

/// What the child allows itself before it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Added to its nice value.
    pub nice: i32,
    /// Memory in bytes; 0 = no limit.
    pub memory_bytes: u64,
    /// The largest file in bytes; 0 = no limit.
    pub file_bytes: u64,
}

/// The last event of a child that has no result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename = "failed")]
pub struct Failed {
    /// Why, for the user.
    pub message: String,
}
