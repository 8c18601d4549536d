//! Endpoints and deployments, and the scoring protocols as pure functions: a request's method, path, headers and bytes
//! in, an [`Outcome`] out. No socket and no router here; the gateway owns the routes of both doors.
//!
//! One deployment takes several request shapes; `rows.rs` is the only visitor from JSON to a model's slots.

mod answer;
mod body;
mod choose;
pub mod config;
mod cors;
mod deployments;
pub mod docs;
mod endpoints;
pub mod error;
mod explain;
mod ids;
mod keys;
mod media;
mod outcome;
mod plan;
mod predict;
pub mod protocols;
pub mod python;
mod query;
mod rows;
mod score;
mod servable;
#[cfg(test)]
mod testing;

pub use choose::{DEPLOYMENT_HEADER, Unrouted, choose};
pub use config::{CollectorConfig, Config, Limits, MirrorConfig};
pub use cors::cors;
pub use deployments::{DeploymentView, NewDeployment};
pub use endpoints::{Endpoints, NewEndpoint};
pub use error::Error;
pub use ids::{ID_MAX, IdTooLong, RequestIds, request_ids};
pub use keys::{Keys, RegeneratedKeys, derive_key, workspace_secret};
pub use outcome::{Outcome, SmallHeaders};
pub use python::{Pool, PoolStatus, Pools, WorkersConfig};
pub use score::{Call, health, options, score};
pub use servable::{Scratch, Servable, Turn, Turns};
