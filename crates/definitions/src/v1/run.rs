//! `*.runconfig`.

use crate::error::Result;
use crate::fields::{Field, Value, quiet, told, used};
use crate::kinds::Kind;
use crate::read::Definition;
use crate::references::local;
use domain::Name;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A run of a script. Paths are relative to the source folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunConfig {
    /// The script.
    pub script: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Where it would have run: `local` or a cluster.
    pub target: Option<String>,
    /// Seconds after which it is stopped.
    pub timeout_seconds: Option<u32>,
    /// Interpreter, packages, variables.
    pub environment: RunEnvironment,
    /// Data that the script finds at a path and in a variable.
    pub data: BTreeMap<String, RunData>,
}

/// Interpreter, packages, variables.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunEnvironment {
    /// Its name.
    pub name: Option<String>,
    /// Variables of the process.
    pub variables: BTreeMap<String, String>,
    /// Whether the interpreter is used as it is.
    pub user_managed: bool,
    /// The interpreter, by a name of the settings; `python` is this machine's.
    pub interpreter_path: Option<String>,
    /// The packages.
    pub conda_file: Option<String>,
}

/// A data asset of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunData {
    /// The variable that holds its path, besides `AZUREML_DATAREFERENCE_` and the input's name.
    pub variable: Option<String>,
    /// The asset.
    pub name: Name,
    /// Its version; the newest when absent.
    pub version: Option<String>,
    /// Where the script finds it.
    pub path_on_compute: Option<String>,
    /// Whether it is copied rather than shown in place.
    pub download: bool,
}

const CLUSTER: &str = "a job has one process on this machine";
const RUN: &[Field] = &[
    quiet("$schema"),
    used("script"),
    used("arguments"),
    used("target"),
    used("framework"),
    used("communicator"),
    used("nodeCount"),
    used("maxRunDurationSeconds"),
    used("environment"),
    used("data"),
    used("mpi"),
    quiet("autoPrepareEnvironment"),
    quiet("history"),
    quiet("sourceDirectoryDataStore"),
    quiet("amlcompute"),
    quiet("amlCompute"),
    quiet("cmAks"),
    quiet("hdi"),
    quiet("spark"),
    quiet("tensorflow"),
    quiet("pyTorch"),
    quiet("credentialPassthrough"),
    quiet("command"),
    quiet("version"),
    quiet("jobName"),
    quiet("nodeSelectors"),
    quiet("exposedPorts"),
    quiet("docker"),
    told("priority", "jobs wait in one queue"),
    told("dataReferences", "give the data under 'data'"),
    told("outputData", "what the script writes to ./outputs is kept"),
];

impl Definition for RunConfig {
    const KINDS: &'static [Kind] = &[Kind::RunConfig];

    fn from_root(value: &Value<'_>) -> Result<Self> {
        let fields = value.open("a run configuration", RUN)?;
        if let Some(framework) = fields.get("framework") {
            framework
                .one_of(&[("python", ()), ("pytorch", ()), ("tensorflow", ())])
                .map_err(|_| framework.wrong("only Python scripts are run"))?;
        }
        one(fields.get("nodeCount").as_ref())?;
        if let Some(mpi) = fields.get("mpi") {
            let processes = mpi.open("mpi settings", MPI)?;
            one(processes.get("processCountPerNode").as_ref())?;
        }
        for (key, plain, said) in
            [("target", "local", "jobs run on this machine"), ("communicator", "None", CLUSTER)]
        {
            if let Some(field) = fields.get(key)
                && !field.raw().is_some_and(|text| text.eq_ignore_ascii_case(plain))
            {
                field.note(said);
            }
        }
        let script = fields.need("script")?;
        let name = script.filled()?;
        if name.starts_with('/') || name.split('/').any(|part| part == "..") {
            return Err(script.wrong("the script is a path within the source folder"));
        }
        Ok(Self {
            script: name,
            arguments: fields.or_default("arguments", arguments)?,
            target: fields.opt("target", Value::label)?,
            timeout_seconds: fields
                .opt("maxRunDurationSeconds", |v| v.count(0..=90 * 86_400))?
                .filter(|seconds| *seconds > 0),
            environment: fields.or_default("environment", environment)?,
            data: fields.or_default("data", data)?,
        })
    }
}

const MPI: &[Field] = &[used("processCountPerNode"), quiet("nodeCount")];

/// Refuses more than one process.
fn one(value: Option<&Value<'_>>) -> Result<()> {
    let Some(value) = value else { return Ok(()) };
    if value.count(0..=10_000)? > 1 { Err(value.wrong(format!("{CLUSTER}: write 1"))) } else { Ok(()) }
}

fn arguments(value: &Value<'_>) -> Result<Vec<String>> {
    if value.raw().is_some() {
        return Err(value.wrong("arguments are a list: write [--name, value]"));
    }
    value.list()?.iter().map(Value::free_text).collect()
}

const ENVIRONMENT: &[Field] = &[
    used("name"),
    quiet("version"),
    used("environmentVariables"),
    used("python"),
    used("docker"),
    quiet("spark"),
    quiet("databricks"),
    quiet("r"),
    quiet("inferencingStackVersion"),
    quiet("assetId"),
];
const PYTHON: &[Field] = &[
    used("userManagedDependencies"),
    used("interpreterPath"),
    used("condaDependenciesFile"),
    quiet("baseCondaEnvironment"),
    used("condaDependencies"),
];
const DOCKER: &[Field] = &[
    used("enabled"),
    used("baseImage"),
    quiet("platform"),
    quiet("baseDockerfile"),
    quiet("baseImageRegistry"),
    quiet("sharedVolumes"),
    quiet("shmSize"),
    quiet("gpuSupport"),
    quiet("arguments"),
];

fn environment(value: &Value<'_>) -> Result<RunEnvironment> {
    let fields = value.open("the environment of a run", ENVIRONMENT)?;
    let mut found = RunEnvironment {
        name: fields.opt("name", Value::label)?,
        variables: fields.or_default("environmentVariables", crate::jobs::variables)?,
        ..RunEnvironment::default()
    };
    if let Some(docker) = fields.get("docker") {
        let docker = docker.open("docker settings", DOCKER)?;
        let enabled = docker.or_default("enabled", Value::boolean)?;
        let image = docker.get("baseImage").or_else(|| docker.get("enabled"));
        if let Some(image) = image.filter(|_| enabled) {
            image.note("images are not run here: the packages are installed for this machine's interpreter");
        }
    }
    if let Some(python) = fields.get("python") {
        let python = python.open("python settings", PYTHON)?;
        found.user_managed = python.or_default("userManagedDependencies", Value::boolean)?;
        found.interpreter_path = python.opt("interpreterPath", Value::label)?.filter(|path| path != "python");
        found.conda_file = python.opt("condaDependenciesFile", local)?;
        if let Some(inline) = python.get("condaDependencies")
            && found.conda_file.is_none()
        {
            return Err(inline.wrong("write the dependencies to a file and name it in condaDependenciesFile"));
        }
    }
    Ok(found)
}

const DATA: &[Field] = &[
    used("environmentVariableName"),
    used("dataLocation"),
    used("mechanism"),
    used("pathOnCompute"),
    quiet("overwrite"),
    quiet("createOutputDirectories"),
    quiet("options"),
];
const LOCATION: &[Field] = &[used("dataset"), used("dataPath"), quiet("uri")];
const DATASET: &[Field] = &[used("id"), used("name"), used("version")];

fn data(value: &Value<'_>) -> Result<BTreeMap<String, RunData>> {
    value.entries()?.into_iter().map(|(name, value)| Ok((name.to_owned(), one_input(&value)?))).collect()
}

fn one_input(value: &Value<'_>) -> Result<RunData> {
    let fields = value.open("a data input", DATA)?;
    let location = fields.need("dataLocation")?.open("a data location", LOCATION)?;
    if let Some(path) = location.get("dataPath") {
        return Err(
            path.wrong("paths of a datastore are not read: register the data and name it under 'dataset'")
        );
    }
    let dataset = location.need("dataset")?.open("a dataset", DATASET)?;
    let named = dataset
        .get("name")
        .or_else(|| dataset.get("id"))
        .ok_or_else(|| dataset.whole().wrong("name is missing: write the name of a registered data asset"))?;
    let variable = fields.opt("environmentVariableName", |v| {
        let text = v.filled()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if text.chars().all(plain) && !text.starts_with(|c: char| c.is_ascii_digit()) {
            Ok(text)
        } else {
            Err(v.wrong("a variable's name begins with a letter or '_', then letters, digits and '_'"))
        }
    })?;
    Ok(RunData {
        variable,
        name: named.name()?,
        version: dataset.opt("version", Value::label)?.filter(|version| version != "latest"),
        path_on_compute: fields.opt("pathOnCompute", Value::label)?,
        download: fields
            .opt("mechanism", |v| v.one_of(&[("download", true), ("mount", false)]))?
            .unwrap_or(false),
    })
}
