//! Jobs of the CLI v2: command, sweep, AutoML.

mod automl;
mod command;
mod sweep;

use crate::error::Result;
use crate::fields::{Field, Value, told, used};
use crate::kinds::Kind;
use crate::read::Definition;
use crate::v1::RunConfig;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use automl::{AutomlJob, AutomlLimits, AutomlTask, is_elsewhere};
pub(crate) use command::variables;
pub use command::{CommandJob, Distribution};
pub use sweep::{Choice, EarlyTermination, Goal, Objective, Sampling, SweepJob, SweepLimits, Trial};

/// What every job says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct About {
    /// The name its author gave it; ids are made here, so it becomes a tag.
    pub name: Option<String>,
    /// A title.
    pub display_name: Option<String>,
    /// Free text.
    pub description: String,
    /// The experiment its run belongs to.
    pub experiment_name: Option<String>,
    /// Tags of the run.
    pub tags: BTreeMap<String, String>,
    /// Properties of the run.
    pub properties: BTreeMap<String, String>,
}

impl About {
    /// Tags, properties and the name as tags of the run.
    #[must_use]
    pub fn all_tags(&self) -> BTreeMap<String, String> {
        let mut tags = self.tags.clone();
        tags.extend(self.properties.clone());
        tags.extend(self.name.clone().map(|name| ("name".to_owned(), name)));
        tags
    }
}

impl About {
    pub(crate) fn read(fields: &crate::fields::Fields<'_>) -> Result<Self> {
        Ok(Self {
            name: fields.opt("name", Value::label)?,
            display_name: fields.opt("display_name", Value::label)?,
            description: fields.free_text("description")?,
            experiment_name: fields.opt("experiment_name", Value::label)?,
            tags: fields.or_default("tags", Value::text_map)?,
            properties: fields.or_default("properties", Value::text_map)?,
        })
    }
}

/// Any job that `job submit -f` takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// A command job.
    Command(Box<CommandJob>),
    /// A sweep job.
    Sweep(Box<SweepJob>),
    /// An AutoML job.
    Automl(Box<AutomlJob>),
    /// A v1 run configuration.
    RunConfig(Box<RunConfig>),
}

impl Definition for Job {
    const KINDS: &'static [Kind] = &[Kind::CommandJob, Kind::SweepJob, Kind::AutomlJob, Kind::RunConfig];

    fn from_root(value: &Value<'_>) -> Result<Self> {
        agreed(value)?;
        match value.kind()? {
            Some(Kind::SweepJob) => SweepJob::from_root(value).map(|job| Self::Sweep(Box::new(job))),
            Some(Kind::AutomlJob) => AutomlJob::from_root(value).map(|job| Self::Automl(Box::new(job))),
            Some(Kind::RunConfig) => RunConfig::from_root(value).map(|job| Self::RunConfig(Box::new(job))),
            Some(Kind::CommandJob) | None => {
                CommandJob::from_root(value).map(|job| Self::Command(Box::new(job)))
            }
            Some(other) => {
                Err(value.wrong(format!("this is {}, a job is expected: {}", other.says(), other.hint())))
            }
        }
    }
}

/// Refuses a `type` that is no job's, or another's than the schema and the keys tell.
fn agreed(value: &Value<'_>) -> Result<()> {
    if !value.is_map() {
        return Ok(());
    }
    let Some((_, stated)) = value.entries()?.into_iter().find(|(key, _)| *key == "type") else {
        return Ok(());
    };
    if stated.is_null() {
        return Ok(());
    }
    let kinds = [
        ("command", Kind::CommandJob),
        ("sweep", Kind::SweepJob),
        ("automl", Kind::AutomlJob),
        ("pipeline", Kind::PipelineJob),
        ("spark", Kind::PipelineJob),
        ("import", Kind::PipelineJob),
        ("parallel", Kind::PipelineJob),
        ("base", Kind::PipelineJob),
    ];
    let kind = match stated.one_of(&kinds) {
        Ok(kind) => kind,
        Err(_) => return stated.one_of(&kinds[..3]).map(drop),
    };
    if kind == Kind::PipelineJob {
        let text = stated.text()?;
        return Err(
            stated.wrong(format!("jobs of type '{text}' are not there yet: use command, sweep or automl"))
        );
    }
    match value.kind()? {
        Some(told) if told != kind => {
            Err(stated.wrong(format!("this is {}, but $schema or the keys say {}", kind.says(), told.says())))
        }
        _ => Ok(()),
    }
}

const MACHINE: &str = "jobs run on this machine";

const RESOURCES: &[Field] = &[
    told("instance_count", "a job runs in one process group on this machine"),
    told("instance_type", MACHINE),
    told("shm_size", MACHINE),
    told("docker_args", MACHINE),
    told("properties", MACHINE),
    told("locations", MACHINE),
    told("max_instance_count", MACHINE),
    used("job_tier"),
];

/// Checks `resources`, which has no effect here.
pub(crate) fn resources(value: &Value<'_>) -> Result<()> {
    let fields = value.open("the resources of a job", RESOURCES)?;
    let count = fields.opt("instance_count", |v| v.count(1..=10_000))?;
    if count.is_some_and(|count| count > 1) {
        value.note(format!("{} instances are asked for, one is started", count.unwrap_or(1)));
    }
    Ok(())
}
