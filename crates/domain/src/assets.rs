//! Data assets and their versions.

use crate::clock::Timestamp;
use crate::ids::{Digest, Name, Version};
use crate::schema::ColumnType;
use serde::{Deserialize, Serialize};

/// A registered table: a name over numbered versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DataAsset {
    /// Its name.
    pub name: Name,
    /// The newest version.
    pub latest: Version,
    /// When the name was first registered.
    pub created: Timestamp,
}

/// A column's name and type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Column {
    /// The name as it stands in the file.
    pub name: String,
    /// The type inferred or stated.
    #[serde(rename = "type")]
    pub kind: ColumnType,
}

/// One immutable content of a data asset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DataVersion {
    /// The asset's name.
    pub name: Name,
    /// The number, from 1.
    pub version: Version,
    /// SHA-256 of the bytes as they came.
    pub digest: Digest,
    /// Their length.
    pub bytes: u64,
    /// Records, the header not counted.
    pub rows: u64,
    /// How the bytes are read (format, delimiter, encoding, …), as the `data` crate wrote it.
    pub format: serde_json::Value,
    /// Columns in file order.
    pub columns: Vec<Column>,
    /// The profile, as the `data` crate wrote it.
    pub profile: serde_json::Value,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// When it was registered.
    pub created: Timestamp,
}
