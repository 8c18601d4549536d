//! The registry: models and their numbered versions, signatures, aliases, lineage.
//!
//! A version is an ONNX file that was read and compiled before it was kept: what stands in the registry can be served.

pub mod artifacts;
mod content;
mod error;
mod folders;
pub mod import;
mod lineage;
mod logged;
pub mod mlmodel;
mod models;
pub mod paths;
pub mod signature;
pub mod sources;
mod versions;

pub use artifacts::{Place, version_folder};
pub use error::{Error, Result};
pub use lineage::{DataView, LineageView, RunFacts, RunView};
pub use models::{NewVersion, Registry, register};
pub use sources::{ARTIFACTS, Source};
pub use store::{
    ArtifactEntry, ArtifactReader, LoggedChange, LoggedMetric, LoggedSearch, ModelChange, NewLoggedModel,
    OnDataset, Search, TreeFile, VersionChange,
};
pub use versions::{FromSource, VersionFacts};

#[cfg(test)]
mod samples;
