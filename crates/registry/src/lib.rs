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

use std::path::Path;

/// Writes a file in one step: temporary name, sync, rename. An older file is replaced.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    Ok(store::files::write_file(path, bytes)?)
}

/// [`write_file`], readable by its owner only.
pub fn write_private_file(path: &Path, bytes: &[u8]) -> Result<()> {
    Ok(store::files::write_private(path, bytes)?)
}

#[cfg(test)]
mod samples;
