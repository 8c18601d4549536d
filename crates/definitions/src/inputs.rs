//! Inputs and outputs of jobs: literals and assets.

use crate::error::Result;
use crate::fields::{Field, Value, quiet, told, used};
use crate::references::{Reference, reference};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Inputs or outputs of a job at most.
const MOST: usize = 256;

/// What kind of asset a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssetKind {
    /// One file.
    UriFile,
    /// A folder; what an input or output is that says nothing.
    #[default]
    UriFolder,
    /// A folder with an MLTable file.
    Mltable,
    /// A folder with an MLmodel file.
    MlflowModel,
    /// A model in any form.
    CustomModel,
}

pub(crate) const ASSET_KINDS: &[(&str, AssetKind)] = &[
    ("uri_file", AssetKind::UriFile),
    ("uri_folder", AssetKind::UriFolder),
    ("mltable", AssetKind::Mltable),
    ("mlflow_model", AssetKind::MlflowModel),
    ("custom_model", AssetKind::CustomModel),
];

/// How an asset comes to the job. On one machine all come to a path of the job's own folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The script gets a path it only reads.
    RoMount,
    /// The script gets a path it writes too.
    RwMount,
    /// A copy.
    Download,
    /// What is there at the end is kept.
    Upload,
    /// The script gets the address as it is written.
    Direct,
}

const INPUT_MODES: &[(&str, Mode)] = &[
    ("ro_mount", Mode::RoMount),
    ("rw_mount", Mode::RwMount),
    ("download", Mode::Download),
    ("direct", Mode::Direct),
    ("eval_mount", Mode::Download),
    ("eval_download", Mode::Download),
];
const OUTPUT_MODES: &[(&str, Mode)] =
    &[("rw_mount", Mode::RwMount), ("upload", Mode::Upload), ("direct", Mode::Direct)];

/// An input of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// A value that stands in the command as it is written.
    Literal(String),
    /// A file, folder, table or model.
    Asset {
        /// Which of them.
        kind: AssetKind,
        /// Where it is.
        path: Reference,
        /// How it comes to the job.
        mode: Option<Mode>,
    },
}

/// An output of a job: a path in its folder whose content is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Output {
    /// What it is.
    pub kind: AssetKind,
    /// How it is written.
    pub mode: Option<Mode>,
    /// Where the author wants it; content is kept with the run in any case.
    pub path: Option<String>,
    /// Registered under this name when the job ends well.
    pub name: Option<String>,
    /// With this version.
    pub version: Option<String>,
}

const INPUT: &[Field] = &[
    used("type"),
    used("path"),
    used("mode"),
    used("value"),
    quiet("description"),
    quiet("optional"),
    told("path_on_compute", "the script gets its path by ${{inputs.…}}: no other is made"),
];
const OUTPUT: &[Field] =
    &[used("type"), used("path"), used("mode"), used("name"), used("version"), quiet("description")];

/// Reads `inputs`.
pub(crate) fn inputs(value: &Value<'_>) -> Result<BTreeMap<String, Input>> {
    named(value)?.into_iter().map(|(name, value)| Ok((name, input(&value)?))).collect()
}

/// Reads `outputs`.
pub(crate) fn outputs(value: &Value<'_>) -> Result<BTreeMap<String, Output>> {
    named(value)?.into_iter().map(|(name, value)| Ok((name, output(&value)?))).collect()
}

fn named<'a>(value: &Value<'a>) -> Result<Vec<(String, Value<'a>)>> {
    let entries = value.entries()?;
    if entries.len() > MOST {
        return Err(value.wrong(format!("there are {} entries, at most {MOST} are read", entries.len())));
    }
    for (name, value) in &entries {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.is_empty() || name.len() > 128 || !name.chars().all(plain) || name.starts_with(['.', '-']) {
            return Err(
                value.wrong("a name of an input or output has letters, digits, '_' and '-', at most 128")
            );
        }
    }
    Ok(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Reads one input.
pub(crate) fn input(value: &Value<'_>) -> Result<Input> {
    if value.raw().is_some() {
        return Ok(Input::Literal(value.free_text()?));
    }
    if value.is_null() {
        return Err(value.wrong("an input needs a value, or a mapping with type and path"));
    }
    let fields = value.open("an input", INPUT)?;
    let literal = [("string", ()), ("number", ()), ("integer", ()), ("boolean", ())];
    if let Some(kind) = fields.get("type")
        && let Some(text) = kind.raw()
        && literal.iter().any(|(name, ())| text.eq_ignore_ascii_case(name))
    {
        return Ok(Input::Literal(fields.need("value")?.free_text()?));
    }
    Ok(Input::Asset {
        kind: fields.or_default("type", |v| v.one_of(ASSET_KINDS))?,
        path: reference(&fields.need("path")?)?,
        mode: fields.opt("mode", |v| v.one_of(INPUT_MODES))?,
    })
}

fn output(value: &Value<'_>) -> Result<Output> {
    if value.is_null() {
        return Ok(Output::default());
    }
    let fields = value.open("an output", OUTPUT)?;
    Ok(Output {
        kind: fields.or_default("type", |v| v.one_of(ASSET_KINDS))?,
        mode: fields.opt("mode", |v| v.one_of(OUTPUT_MODES))?,
        path: fields.opt("path", Value::text)?,
        name: fields.opt("name", Value::label)?,
        version: fields.opt("version", Value::label)?,
    })
}
