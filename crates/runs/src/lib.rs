//! Jobs and their runs: accept an AutoML search, run it in a child process, keep its trials and results, register the winner.
//!
//! The road through this crate: [`Jobs::submit`] checks the [`SubmitAutoml`] and keeps job and task in one transaction; the
//! queue's worker hands the task to the handler; the handler gives a child process (`worker automl` of the same binary,
//! [`automl_worker`]) its order, stores trials and feeds watchers as events come, keeps the files, registers the model and
//! ends the job. A job always ends: killed servers begin it again, killed children fail it.

mod child;
mod config;
mod convert;
mod error;
mod feed;
mod handler;
mod jobs;
mod limits;
mod mirror;
mod order;
mod results;
mod submit;
pub mod tracking;
mod worker;

pub use child::Program;
pub use config::Config;
pub use convert::table;
pub use error::{Error, Result};
pub use jobs::Jobs;
pub use order::FILES;
pub use submit::{DEFAULT_EXPERIMENT, DEFAULT_SEED, DEFAULT_TRIALS, SubmitAutoml};
pub use tracking::Tracking;
pub use worker::automl_worker;
