//! What is kept: the metadata database, content-addressed artifacts, secrets, the task queue and request-log segments.
//!
//! SQL lives in this crate only. Every change of the metadata is one transaction that also writes its line into the
//! [ledger](Store::ledger); what was acknowledged is on disk. One process at a time owns a data directory (see [`lock`]).

mod apis;
mod artifact_paths;
mod artifact_reader;
pub mod artifacts;
mod assets;
mod assignments;
pub mod backup;
pub mod config;
mod db;
mod deployments;
mod endpoints;
mod environments;
pub mod error;
pub mod files;
mod issuers;
mod jobs;
mod ledger;
pub mod lock;
mod logins;
mod meta;
mod named_values;
mod principals;
mod quotas;
mod records;
mod registry;
mod seal;
pub mod secrets;
pub mod segments;
mod serving;
mod signing_keys;
mod subscriptions;
pub mod tasks;
pub mod tracking;
pub mod trees;

pub use apis::{Former, Publication};
pub use artifact_paths::{ArtifactEntry, ArtifactFile};
pub use artifact_reader::ArtifactReader;
pub use artifacts::{ArtifactWriter, Artifacts};
pub use assets::NewDataVersion;
pub use config::{Config, SegmentConfig};
pub use db::{Store, is_workspace};
pub use endpoints::KeyChange;
pub use error::{Error, Result};
pub use issuers::KeptKeys;
pub use jobs::JobEnd;
pub use ledger::LEDGER_PAGE_MAX;
pub use lock::announced;
pub use logins::{EndSessions, NewLogin, PasswordLogin, SessionRecord};
pub use named_values::{NAMED_VALUE_BYTES, NAMED_VALUES_MAX};
pub use principals::{LiveSecret, NewSecret};
pub use quotas::QuotaCount;
pub use registry::{
    LoggedChange, LoggedMetric, LoggedSearch, ModelChange, NewLoggedModel, NewModelVersion, OnDataset,
    Search, TAGS_MAX, VersionChange,
};
pub use seal::MasterKey;
pub use secrets::Secrets;
pub use segments::{LoggedRow, Order, RequestFilter, RequestRow, SegmentWriter, Segments, SqlAnswer, Text};
pub use serving::{ServingDeployment, ServingState};
pub use signing_keys::{NewSigningKey, SigningKeyRecord};
pub use tasks::{NewTask, TaskHandler, TaskQueue, TaskRecord, TaskState, Worker, WorkerOptions};
pub use trees::{KeptTree, Tree, TreeFault, TreeFile};

#[cfg(test)]
mod samples;
