//! The control plane over HTTP: `/api/v1/…`, one file a noun, each handler one call of a step.
//!
//! A route exists only through `web::guarded!`, which demands that the handler's first argument says what the caller
//! must be allowed; `openapi.json` at the root of the repository is generated from the same handlers.

pub mod access;
pub mod apis;
pub mod backup;
pub mod data;
pub mod deployments;
pub mod endpoints;
pub mod environments;
pub mod issuers;
pub mod jobs;
pub mod ledger;
pub mod logs;
pub mod mlflow;
pub mod models;
mod own;
pub mod principals;
pub mod roles;
pub mod router;
pub mod secrets;
pub mod server;
pub mod sessions;
pub mod signing_keys;
pub mod state;
pub mod subscriptions;
pub mod trees;

pub use router::{openapi, router};
pub use state::{App, Housekeeping};
