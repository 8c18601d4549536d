//! AutoML: a table goes in, a leaderboard and one ONNX model come out.
//!
//! The road through this crate: [`Table`] → column roles and target (`prepare`) → folds → trials of learners with
//! out-of-fold predictions (`search`) → greedy weighted vote (`blend`) → refit on all rows → one ONNX graph, read
//! back and compared (`export`) → [`Outcome`] and its HTML page. Everything is pure: no file, no network, and apart
//! from an optional time limit the same table and [`Spec`] give the same bytes on any number of threads.

mod blend;
mod calendar;
mod calibrate;
mod control;
mod dataset;
mod decision;
mod error;
mod export;
mod folds;
mod guardrails;
mod importance;
mod journal;
mod learners;
mod metrics;
mod mixture;
mod outcome;
mod parallel;
mod plots;
mod portfolio;
mod prepare;
mod random;
mod report;
mod run;
mod search;
mod spec;
mod stack;
mod table;
mod vocabulary;

pub use error::Error;
pub use guardrails::{Guard, Guardrail, Severity};
pub use journal::Keeper;
pub use metrics::{metric_named, metric_names};
pub use outcome::{ColumnReport, ColumnRole, Event, Importance, Maker, Member, Outcome, Trial, Work};
pub use plots::{Axis, CELLS, LINE_POINTS, LINES, Line, Marks, Plot, svg};
pub use report::{escape, page, report_html};
pub use run::{resume, run};
pub use spec::{Spec, Task, algorithm_names};
pub use table::{Column, Kind, MISSING_CODE, Table, Tables, Values};
