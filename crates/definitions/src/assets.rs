//! `data`, `environment` and `model` files, and environments as jobs and deployments name them.

use crate::conda::Conda;
use crate::error::Result;
use crate::fields::{Field, Value, quiet, refused, told, used};
use crate::inputs::{ASSET_KINDS, AssetKind};
use crate::kinds::Kind;
use crate::read::Definition;
use crate::references::{Reference, local, reference};
use domain::Name;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A data asset to register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    /// Its name.
    pub name: Name,
    /// The version its author wants; versions are numbered here.
    pub version: Option<String>,
    /// File, folder or table.
    pub kind: AssetKind,
    /// Where it is.
    pub path: Reference,
    /// Free text.
    pub description: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

const DATA: &[Field] = &[
    quiet("$schema"),
    used("name"),
    used("version"),
    used("type"),
    used("path"),
    used("description"),
    used("tags"),
    quiet("properties"),
    told("auto_delete_setting", "versions are kept until they are deleted"),
    told("stage", "data assets have no stages"),
];

impl Definition for DataFile {
    const KINDS: &'static [Kind] = &[Kind::Data];

    fn from_root(value: &Value<'_>) -> Result<Self> {
        let fields = value.open("a data asset", DATA)?;
        let kind = fields.or_default("type", |v| v.one_of(ASSET_KINDS))?;
        if matches!(kind, AssetKind::MlflowModel | AssetKind::CustomModel) {
            return Err(fields.need("type")?.wrong("a model is registered with `model register`"));
        }
        Ok(Self {
            name: fields.need("name")?.name()?,
            version: fields.opt("version", version)?,
            kind,
            path: reference(&fields.need("path")?)?,
            description: fields.free_text("description")?,
            tags: fields.or_default("tags", Value::text_map)?,
        })
    }
}

/// A version in a file: the newest number is taken here, so it is only told.
fn version(value: &Value<'_>) -> Result<String> {
    value.note("versions are numbered here: this content becomes the next number, or keeps the one it has");
    value.label()
}

/// A model to register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFile {
    /// Its name.
    pub name: String,
    /// The version its author wants.
    pub version: Option<String>,
    /// What the path holds: an MLflow folder or anything.
    pub kind: AssetKind,
    /// Where it is.
    pub path: Reference,
    /// Free text.
    pub description: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Properties.
    pub properties: BTreeMap<String, String>,
}

const MODEL: &[Field] = &[
    quiet("$schema"),
    used("name"),
    used("version"),
    used("type"),
    used("path"),
    used("description"),
    used("tags"),
    used("properties"),
    quiet("flavors"),
    told("stage", "use an alias: `model set-alias`"),
];

impl Definition for ModelFile {
    const KINDS: &'static [Kind] = &[Kind::Model];

    fn from_root(value: &Value<'_>) -> Result<Self> {
        Self::within(value, true)
    }
}

impl ModelFile {
    /// A model inside a deployment may have no name.
    pub(crate) fn within(value: &Value<'_>, named: bool) -> Result<Self> {
        let fields = value.open("a model", MODEL)?;
        let kinds = [
            ("custom_model", AssetKind::CustomModel),
            ("mlflow_model", AssetKind::MlflowModel),
            ("triton_model", AssetKind::UriFolder),
            ("uri_folder", AssetKind::CustomModel),
            ("uri_file", AssetKind::CustomModel),
        ];
        let kind = fields.opt("type", |v| v.one_of(&kinds))?.unwrap_or(AssetKind::CustomModel);
        if kind == AssetKind::UriFolder {
            return Err(fields
                .need("type")?
                .wrong("a Triton repository is not served: register its ONNX file"));
        }
        Ok(Self {
            name: if named {
                fields.need("name")?.label()?
            } else {
                fields.or_default("name", Value::label)?
            },
            version: fields.opt("version", version)?,
            kind,
            path: reference(&fields.need("path")?)?,
            description: fields.free_text("description")?,
            tags: fields.or_default("tags", Value::text_map)?,
            properties: fields.or_default("properties", Value::text_map)?,
        })
    }
}

/// Interpreter and packages, as a file describes them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Environment {
    /// Its name; nothing for one that only a job or deployment has.
    pub name: Option<Name>,
    /// The version its author wants.
    pub version: Option<String>,
    /// A container image; recorded. Alone it means this machine's interpreter.
    pub image: Option<String>,
    /// The packages.
    pub packages: Packages,
    /// Free text.
    pub description: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// Where the packages of an environment stand.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Packages {
    /// This machine's interpreter, as it is.
    #[default]
    System,
    /// A conda file beside this one.
    CondaFile(String),
    /// A conda environment inside this file.
    Conda(Conda),
    /// A `requirements.txt` beside this file.
    RequirementsFile(String),
    /// An interpreter or virtual environment that the settings of the server name.
    Named(String),
}

const BUILD: &str = "images are not built here: give conda_file, requirements_file or python";
const CONTAINER: &str =
    "a container with a server of its own is not run: give code_configuration with a scoring script";
const ENVIRONMENT: &[Field] = &[
    quiet("$schema"),
    used("name"),
    used("version"),
    used("image"),
    used("conda_file"),
    used("requirements_file"),
    used("python"),
    used("description"),
    used("tags"),
    quiet("properties"),
    quiet("os_type"),
    quiet("datastore"),
    refused("build", BUILD),
    refused("inference_config", CONTAINER),
];

impl Definition for Environment {
    const KINDS: &'static [Kind] = &[Kind::Environment];

    fn from_root(value: &Value<'_>) -> Result<Self> {
        let environment = Self::within(value)?;
        if environment.name.is_none() {
            return Err(value.wrong("name is missing: an environment is registered under a name"));
        }
        Ok(environment)
    }
}

impl Environment {
    pub(crate) fn within(value: &Value<'_>) -> Result<Self> {
        let fields = value.open("an environment", ENVIRONMENT)?;
        let mut given = Vec::new();
        if let Some(conda) = fields.get("conda_file") {
            given.push(if conda.is_map() {
                Packages::Conda(Conda::from_root(&conda)?)
            } else {
                Packages::CondaFile(local(&conda)?)
            });
        }
        if let Some(file) = fields.get("requirements_file") {
            given.push(Packages::RequirementsFile(local(&file)?));
        }
        if let Some(python) = fields.get("python") {
            let path = python.filled()?;
            given.push(if path == "system" { Packages::System } else { Packages::Named(path) });
        }
        if given.len() > 1 {
            return Err(value.wrong("conda_file, requirements_file and python exclude each other: give one"));
        }
        let image = fields.opt("image", Value::label)?;
        if let Some(image) = fields.get("image") {
            image.note(if given.is_empty() {
                "images are not run here: without conda_file this machine's interpreter is used"
            } else {
                "images are not run here: the packages are installed for this machine's interpreter"
            });
        } else if given.is_empty() {
            return Err(value.wrong("an environment needs conda_file, requirements_file, python or image"));
        }
        Ok(Self {
            name: fields.opt("name", Value::name)?,
            version: fields.opt("version", version)?,
            image,
            packages: given.pop().unwrap_or_default(),
            description: fields.free_text("description")?,
            tags: fields.or_default("tags", Value::text_map)?,
        })
    }
}

/// An environment as a job or deployment names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentUse {
    /// By reference: registered here or elsewhere, or an environment file beside this one.
    Reference(Reference),
    /// Described in place.
    Inline(Box<Environment>),
}

/// Reads `environment`.
pub(crate) fn environment_use(value: &Value<'_>) -> Result<EnvironmentUse> {
    if !value.is_map() {
        let found = reference(value)?;
        return match found {
            Reference::Registered { .. } | Reference::Registry { .. } | Reference::Local(_) => {
                Ok(EnvironmentUse::Reference(found))
            }
            _ => {
                Err(value
                    .wrong("an environment is azureml:NAME:VERSION, a file, or a mapping with conda_file"))
            }
        };
    }
    Environment::within(value).map(|environment| EnvironmentUse::Inline(Box::new(environment)))
}
