//! `inference-config.yml`.

use crate::error::Result;
use crate::fields::{Field, Value, quiet, refused, told, used};
use crate::kinds::Kind;
use crate::read::Definition;
use crate::references::local;
use serde::{Deserialize, Serialize};

/// How a model is scored. Paths are relative to the model's folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InferenceConfig {
    /// The scoring script, a path in the source folder.
    pub entry_script: String,
    /// The packages.
    pub conda_file: Option<String>,
    /// The folder with the script; the model's folder when absent.
    pub source_directory: Option<String>,
    /// A container image, recorded.
    pub base_image: Option<String>,
}

const INFERENCE: &[Field] = &[
    quiet("$schema"),
    used("entryScript"),
    used("runtime"),
    used("condaFile"),
    used("sourceDirectory"),
    used("enableGpu"),
    used("baseImage"),
    quiet("baseImageRegistry"),
    quiet("description"),
    told("schemaFile", "the schema of a call is what the script's decorators say"),
    told("cudaVersion", "no graphics processor is used here"),
    refused(
        "extraDockerfileSteps",
        "images are not built here: put what the script needs into the conda file",
    ),
    refused("environment", "give condaFile"),
];

impl Definition for InferenceConfig {
    const KINDS: &'static [Kind] = &[Kind::InferenceConfig];

    fn from_root(value: &Value<'_>) -> Result<Self> {
        let fields = value.open("an inference configuration", INFERENCE)?;
        fields.opt("runtime", |v| v.one_of(&[("python", ())]))?;
        if let Some(gpu) = fields.get("enableGpu")
            && gpu.boolean()?
        {
            gpu.note("no graphics processor is used here");
        }
        let base_image = fields.opt("baseImage", Value::label)?;
        if let Some(image) = fields.get("baseImage") {
            image.note("images are not run here: the packages are installed for this machine's interpreter");
        }
        let script = fields.need("entryScript")?;
        let entry_script = script.filled()?;
        if entry_script.starts_with('/') || entry_script.split('/').any(|part| part == "..") {
            return Err(script.wrong("the script is a path within the source folder"));
        }
        Ok(Self {
            entry_script,
            conda_file: fields.opt("condaFile", local)?,
            source_directory: fields.opt("sourceDirectory", local)?,
            base_image,
        })
    }
}
