//! The field's definition files, text in, checked structs out: Azure ML CLI v2 YAML, the v1 files beside it, MLTable, conda files,
//! `requirements.txt`, `MLmodel`.
//!
//! Pure: no file, no network; a `$schema` is a name and never fetched. Every refusal says file, line, column, field, what was expected
//! and what to do. A field is read, accepted with a [`Note`], or refused by name; nothing is dropped in silence but what only
//! describes. Aliases, depth and size are bounded.

pub mod assets;
pub mod conda;
mod error;
pub mod expressions;
mod fields;
pub mod inputs;
pub mod jobs;
pub mod kinds;
pub mod mlmodel;
pub mod mltable;
mod near;
pub mod online;
mod read;
pub mod references;
pub mod requirements;
#[cfg(test)]
mod tests;
pub mod v1;
mod yaml;

pub use assets::{DataFile, Environment, EnvironmentUse, ModelFile};
pub use conda::Conda;
pub use error::{Note, Place};
pub use expressions::{Expression, Piece, pieces, resolve};
pub use inputs::{AssetKind, Input, Mode, Output};
pub use jobs::{AutomlJob, CommandJob, Job, SweepJob};
pub use kinds::Kind;
pub use mlmodel::MlModel;
pub use mltable::MlTable;
pub use online::{OnlineDeployment, OnlineEndpoint};
pub use read::{Definition, Parsed, kind, read, read_requirements};
pub use references::{Reference, Selector};
pub use requirements::Requirement;
pub use v1::{DeploymentConfig, InferenceConfig, RunConfig};
pub use yaml::TEXT_MAX;
