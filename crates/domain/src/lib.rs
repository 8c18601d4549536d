//! The nouns of Portcullis: names, identifiers, states, schemas, error codes and the traits that cross crates.
//!
//! Nothing here reads a file, a socket or a clock other than through [`Clock`]; every other crate may depend on it.

pub mod access;
pub mod assets;
pub mod clock;
pub mod collector;
pub mod environments;
pub mod error;
pub mod filter;
pub mod gate;
pub mod ids;
pub mod jobs;
pub mod ledger;
pub mod models;
pub mod people;
pub mod policy;
pub mod python;
pub mod schema;
pub mod serving;
pub mod span;
pub mod template;
pub mod tokens;
pub mod tracking;

pub use access::{Assignment, KeySource, NamedValue, RoleMap, Scope, Subscription, TrustedIssuer};
pub use assets::{Column, DataAsset, DataVersion};
pub use clock::{Clock, SystemClock, Timestamp};
pub use collector::{Collection, DataCollector, Rolling, is_secret};
pub use environments::{
    CondaRequirement, EnvironmentRecord, EnvironmentSpec, EnvironmentVersion, PackageSpec,
};
pub use error::{ErrorCode, Fault};
pub use gate::{Api, Principal, PrincipalKind, Role};
pub use ids::{Digest, Name, RunId, Version};
pub use jobs::{Job, JobKind, JobStatus, Lineage, Metrics, Trial};
pub use ledger::{Actor, LedgerCheck, LedgerEntry, LedgerHead};
pub use models::{
    LoggedModel, LoggedStatus, Model, ModelKind, ModelName, ModelVersion, Stage, Tags, is_model_id,
};
pub use people::SessionInfo;
pub use policy::{
    Addresses, ClaimRule, Cors, CountBy, HeaderAction, HeaderRule, Issuer, Policy, Quota, RateLimit,
};
pub use python::{
    DeploymentUpdate, INSTANCES_MAX, Probe, PythonSpec, RequestSettings, ScaleSettings, TIMEOUT_MAX_MS,
};
pub use schema::{Classes, ColumnType, Feature, Label, Signature, Target, Task};
pub use serving::{Deployment, Endpoint, EndpointAuth, EndpointUpdate, KeySlot, PublicNetworkAccess};
pub use span::Span;
pub use tokens::{PrincipalInfo, SecretInfo, SigningAlgorithm, SigningKeyInfo, SigningKeyState};
