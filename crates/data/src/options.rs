//! How a table is to be read: what the user states, and what was found and is kept with the version.

use crate::shape::Shape;
use crate::values::Layout;
use domain::ColumnType;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The texts that stand for a missing value unless others are stated; the empty cell always does.
pub const MISSING: [&str; 13] =
    ["NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "-nan", "NULL", "null", "None", "#NULL!", "?"];

/// The file formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileFormat {
    /// Delimited text.
    Csv,
    /// Text delimited by tabs.
    Tsv,
    /// Apache Parquet.
    Parquet,
    /// One JSON object a line.
    Jsonl,
}

/// How the whole file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
}

/// What the user states about a table; everything else is found out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReadOptions {
    /// The file format.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<FileFormat>,
    /// The delimiter: one ASCII character, or `\t`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    /// The quotation mark: one ASCII character; empty for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
    /// Whether the first line holds the column names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// The text encoding by its WHATWG name, as `utf-8` or `windows-1252`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// How the file is packed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
    /// Column name → type, instead of the inferred one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub types: BTreeMap<String, ColumnType>,
    /// The texts that stand for a missing value, instead of [`MISSING`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Vec<String>>,
    /// Which rows and columns are the table; all when left out.
    #[serde(skip_serializing_if = "Shape::is_whole")]
    pub shape: Shape,
}

/// How delimited text is cut into fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialect {
    /// The delimiter, an ASCII character.
    pub delimiter: char,
    /// The quotation mark, an ASCII character.
    pub quote: Option<char>,
    /// Whether the first record holds the column names.
    pub header: bool,
}

/// How a version's bytes are read: complete, so that reading again gives the same table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    /// The file format.
    pub format: FileFormat,
    /// How the file is packed.
    pub compression: Compression,
    /// The text encoding by its WHATWG name; `UTF-8` for Parquet.
    pub encoding: String,
    /// For CSV and TSV: how it is cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialect: Option<Dialect>,
    /// The texts that stand for a missing value, besides the empty cell.
    pub missing: Vec<String>,
    /// For timestamp columns: how they are written.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub timestamps: BTreeMap<String, Layout>,
    /// Which rows and columns are the table.
    #[serde(default, skip_serializing_if = "Shape::is_whole")]
    pub shape: Shape,
}

impl ReadOptions {
    /// The missing-value texts in force.
    pub(crate) fn missing_texts(&self) -> Vec<String> {
        match &self.missing {
            Some(stated) => stated.clone(),
            None => MISSING.iter().map(|&text| text.to_owned()).collect(),
        }
    }
}
