//! `commandJob`: a command line with inputs, outputs and an environment.

use super::{About, MACHINE, resources};
use crate::assets::{EnvironmentUse, environment_use};
use crate::error::Result;
use crate::expressions::Scope;
use crate::fields::{Field, Fields, Value, quiet, refused, told, used};
use crate::inputs::{Input, Output, inputs, outputs};
use crate::kinds::Kind;
use crate::read::Definition;
use crate::references::{Reference, reference};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Seconds a job may run at most: 90 days.
pub(crate) const TIMEOUT_MAX: u32 = 90 * 86_400;
/// Environment variables of a job at most.
const VARIABLES_MAX: usize = 512;

/// A command job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandJob {
    /// Name, experiment, tags.
    pub about: About,
    /// The command line, with expressions.
    pub command: String,
    /// The folder (or file) with the code, uploaded as a snapshot.
    pub code: Option<Reference>,
    /// Interpreter and packages.
    pub environment: Option<EnvironmentUse>,
    /// Variables of the process; expressions are resolved.
    pub environment_variables: BTreeMap<String, String>,
    /// Its inputs.
    pub inputs: BTreeMap<String, Input>,
    /// Its outputs.
    pub outputs: BTreeMap<String, Output>,
    /// Seconds after which it is stopped.
    pub timeout_seconds: Option<u32>,
    /// How many processes it wants; more than one is refused while reading.
    pub distribution: Option<Distribution>,
}

/// The framework that would start several processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// PyTorch.
    Pytorch,
    /// TensorFlow.
    Tensorflow,
    /// MPI.
    Mpi,
}

const JOB: &[Field] = &[
    quiet("$schema"),
    quiet("type"),
    used("name"),
    used("display_name"),
    used("description"),
    used("experiment_name"),
    used("tags"),
    used("properties"),
    used("command"),
    used("code"),
    used("environment"),
    used("environment_variables"),
    used("inputs"),
    used("outputs"),
    used("limits"),
    used("distribution"),
    used("resources"),
    told("compute", MACHINE),
    told("identity", "jobs run as this server's user, in a sandbox"),
    told("services", "no service is started beside a job"),
    told("queue_settings", "jobs wait in one queue"),
    quiet("job_tier"),
    quiet("priority"),
    refused("parent_job_name", "jobs of a pipeline are made by the pipeline: leave it out"),
];

impl Definition for CommandJob {
    const KINDS: &'static [Kind] = &[Kind::CommandJob];

    fn from_root(value: &Value<'_>) -> Result<Self> {
        let fields = value.open("a command job", JOB)?;
        fields.opt("resources", resources)?;
        let job = Self {
            about: About::read(&fields)?,
            command: command(&fields.need("command")?)?,
            code: fields.opt("code", reference)?,
            environment: fields.opt("environment", environment_use)?,
            environment_variables: fields.or_default("environment_variables", variables)?,
            inputs: fields.or_default("inputs", inputs)?,
            outputs: fields.or_default("outputs", outputs)?,
            timeout_seconds: fields.opt("limits", limits)?.flatten(),
            distribution: fields.opt("distribution", distribution)?,
        };
        check(&fields, &job.inputs, &job.outputs, &BTreeSet::new())?;
        Ok(job)
    }
}

/// Checks expressions of command, variables and literal inputs.
pub(super) fn check(
    fields: &Fields<'_>,
    inputs: &BTreeMap<String, Input>,
    outputs: &BTreeMap<String, Output>,
    search_space: &BTreeSet<&str>,
) -> Result<()> {
    let scope = Scope {
        inputs: inputs.keys().map(String::as_str).collect(),
        outputs: outputs.keys().map(String::as_str).collect(),
        search_space: search_space.clone(),
    };
    if let Some(command) = fields.get("command") {
        scope.check(&command, &command.free_text()?)?;
    }
    for key in ["environment_variables", "inputs", "outputs"] {
        let Some(map) = fields.get(key) else { continue };
        for (_, value) in map.entries()? {
            if let Some(text) = value.raw() {
                scope.check(&value, text)?;
            }
        }
    }
    Ok(())
}

/// A command line that is not empty.
pub(super) fn command(value: &Value<'_>) -> Result<String> {
    let text = value.free_text()?;
    if text.trim().is_empty() {
        return Err(value.wrong("the command is empty: write a command line, as 'python train.py'"));
    }
    if text.contains('\0') {
        return Err(value.wrong("a command has no zero characters"));
    }
    Ok(text)
}

/// Environment variables: names that a process can have.
pub(crate) fn variables(value: &Value<'_>) -> Result<BTreeMap<String, String>> {
    let entries = value.entries()?;
    if entries.len() > VARIABLES_MAX {
        return Err(value.wrong(format!("there are {} variables, at most {VARIABLES_MAX}", entries.len())));
    }
    for (name, entry) in &entries {
        let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if !starts || !name.chars().all(plain) {
            return Err(
                entry.wrong("a variable's name begins with a letter or '_', then letters, digits and '_'")
            );
        }
        if entry.raw().is_some_and(|text| text.contains('\0')) {
            return Err(entry.wrong("a variable has no zero characters"));
        }
    }
    value.text_map()
}

const LIMITS: &[Field] = &[used("timeout"), quiet("type")];

fn limits(value: &Value<'_>) -> Result<Option<u32>> {
    value.open("the limits of a command job", LIMITS)?.opt("timeout", |v| v.count(1..=TIMEOUT_MAX))
}

const DISTRIBUTION: &[Field] = &[
    used("type"),
    used("process_count_per_instance"),
    used("worker_count"),
    used("parameter_server_count"),
    refused("node_count", "jobs run in one process on this machine"),
];

pub(super) fn distribution(value: &Value<'_>) -> Result<Distribution> {
    let fields = value.open("a distribution", DISTRIBUTION)?;
    let kinds = [
        ("pytorch", Distribution::Pytorch),
        ("tensorflow", Distribution::Tensorflow),
        ("mpi", Distribution::Mpi),
    ];
    for key in ["process_count_per_instance", "worker_count"] {
        let count = fields.opt(key, |v| Ok((v.count(1..=10_000)?, v.clone())))?;
        if let Some((count, value)) = count.filter(|(count, _)| *count > 1) {
            return Err(value
                .wrong(format!("{count} processes are asked for, a job has one: write 1 or leave it out")));
        }
    }
    if let Some(servers) = fields.get("parameter_server_count")
        && servers.count(0..=10_000)? > 0
    {
        return Err(servers.wrong("a job has no parameter servers: write 0 or leave it out"));
    }
    value.note("a job has one process");
    fields.need("type")?.one_of(&kinds)
}
