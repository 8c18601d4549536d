//! What is kept: the metadata database, content-addressed artifacts, secrets, the task queue and request-log segments.
//!
//! SQL lives in this crate only. Every change of the metadata is one transaction that also writes its line into the
//! [ledger](Store::ledger); what was acknowledged is on disk. One process at a time owns a data directory (see [`lock`]).

mod apis;
pub mod artifacts;
mod assets;
mod assignments;
pub mod backup;
pub mod config;
mod db;
mod deployments;
mod endpoints;
pub mod error;
pub mod files;
mod jobs;
mod ledger;
pub mod lock;
mod meta;
mod models;
mod principals;
mod records;
mod seal;
pub mod secrets;
pub mod segments;
mod serving;
pub mod tasks;

pub use artifacts::{ArtifactWriter, Artifacts};
pub use assets::NewDataVersion;
pub use config::{Config, SegmentConfig};
pub use db::Store;
pub use error::{Error, Result};
pub use jobs::JobEnd;
pub use ledger::LEDGER_PAGE_MAX;
pub use lock::announced;
pub use models::NewModelVersion;
pub use seal::MasterKey;
pub use secrets::Secrets;
pub use segments::{LoggedRow, Order, RequestFilter, RequestRow, SegmentWriter, Segments, SqlAnswer, Text};
pub use serving::{ServingDeployment, ServingState};
pub use tasks::{NewTask, TaskHandler, TaskQueue, TaskRecord, TaskState, Worker, WorkerOptions};

#[cfg(test)]
mod samples;
