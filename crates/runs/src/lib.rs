//! Jobs and their runs: accept an AutoML search, run it in a child process, keep its trials and results, register the winner.
//!
//! The road through this crate: [`Jobs::submit`] checks the [`SubmitAutoml`] and keeps job and task in one transaction; the
//! queue's worker hands the task to the handler; the handler gives a child process (`worker automl` of the same binary,
//! [`automl_worker`]) its order, stores trials and feeds watchers as events come, keeps the files, registers the model and
//! ends the job. A job always ends: killed servers begin it again, and so do children that
//! were killed after they got further; others that end without a result fail it. A command of the user takes the same
//! road through [`Jobs::submit_command`] and the launcher of `environments`, a sweep through [`Jobs::submit_sweep`]; these are
//! never begun twice.

mod child;
mod command;
mod config;
mod convert;
mod error;
mod feed;
mod handler;
mod jobs;
mod journal;
mod limits;
mod order;
mod record;
mod results;
mod submit;
mod sweep;
pub mod tracking;
mod trials;
mod worker;

pub use child::Program;
pub use command::{CodeSource, Door, InputSource, JobInput, JobOutput, KeptFolder, Passage, SubmitCommand};
pub use config::{CommandConfig, Config};
pub use convert::table;
pub use error::{Error, Result};
pub use jobs::Jobs;
pub use order::FILES;
pub use submit::{DEFAULT_EXPERIMENT, DEFAULT_SEED, DEFAULT_TRIALS, SubmitAutoml};
pub use sweep::{SubmitSweep, SweepTrial};
pub use tracking::Tracking;
pub use worker::{automl_worker, automl_worker_telling};
