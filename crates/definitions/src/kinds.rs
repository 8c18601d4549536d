//! What kind of definition a file is: by the last part of `$schema`, without case, else by its `type` and keys.

use crate::error::{Result, Wrong};
use crate::yaml::{Content, Node};
use serde::{Deserialize, Serialize};

/// The kinds of files that are known. A schema is never fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `commandJob`
    CommandJob,
    /// `sweepJob`
    SweepJob,
    /// `autoMLJob`
    AutomlJob,
    /// `pipelineJob`
    PipelineJob,
    /// `commandComponent`, `pipelineComponent` …
    Component,
    /// `managedOnlineEndpoint`
    OnlineEndpoint,
    /// `kubernetesOnlineEndpoint`
    KubernetesOnlineEndpoint,
    /// `managedOnlineDeployment`
    OnlineDeployment,
    /// `kubernetesOnlineDeployment`
    KubernetesOnlineDeployment,
    /// `batchEndpoint`, `batchDeployment`, `modelBatchDeployment` …
    Batch,
    /// `schedule`
    Schedule,
    /// `data`
    Data,
    /// `environment`
    Environment,
    /// `model`
    Model,
    /// `MLTable`
    MlTable,
    /// `compute`, `amlCompute`, `workspace`, `datastore`, `connection` …: what this program does not have.
    Infrastructure,
    /// v1 `*.runconfig`
    RunConfig,
    /// v1 `deployment-config-*.yml`
    DeploymentConfig,
    /// v1 `inference-config.yml`
    InferenceConfig,
    /// A conda environment file.
    Conda,
    /// An `MLmodel` file.
    MlModel,
}

impl Kind {
    /// What a file of this kind is called in a message.
    pub const fn says(self) -> &'static str {
        match self {
            Self::CommandJob => "a command job",
            Self::SweepJob => "a sweep job",
            Self::AutomlJob => "an AutoML job",
            Self::PipelineJob => "a pipeline job",
            Self::Component => "a component",
            Self::OnlineEndpoint => "an online endpoint",
            Self::KubernetesOnlineEndpoint => "a Kubernetes online endpoint",
            Self::OnlineDeployment => "an online deployment",
            Self::KubernetesOnlineDeployment => "a Kubernetes online deployment",
            Self::Batch => "a batch endpoint or deployment",
            Self::Schedule => "a schedule",
            Self::Data => "a data asset",
            Self::Environment => "an environment",
            Self::Model => "a model",
            Self::MlTable => "an MLTable file",
            Self::Infrastructure => "a part of the cloud's infrastructure",
            Self::RunConfig => "a run configuration",
            Self::DeploymentConfig => "a deployment configuration",
            Self::InferenceConfig => "an inference configuration",
            Self::Conda => "a conda environment file",
            Self::MlModel => "an MLmodel file",
        }
    }

    /// What to do with a file of this kind, to end a message.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::CommandJob | Self::SweepJob | Self::RunConfig => "use `job submit -f FILE`",
            Self::AutomlJob => "use `automl run -f FILE`",
            Self::OnlineEndpoint | Self::KubernetesOnlineEndpoint => "use `endpoint create -f FILE`",
            Self::OnlineDeployment
            | Self::KubernetesOnlineDeployment
            | Self::DeploymentConfig
            | Self::InferenceConfig => "use `deployment create -f FILE`",
            Self::Data | Self::MlTable => "use `data register -f FILE`",
            Self::Environment | Self::Conda => "use `environment create -f FILE`",
            Self::Model | Self::MlModel => "use `model register -f FILE`",
            Self::PipelineJob | Self::Component | Self::Batch | Self::Schedule => {
                "pipelines, components, batch endpoints and schedules are not there yet"
            }
            Self::Infrastructure => "there is nothing to create: jobs and deployments run on this machine",
        }
    }
}

const SCHEMAS: &[(&str, Kind)] = &[
    ("commandjob", Kind::CommandJob),
    ("sweepjob", Kind::SweepJob),
    ("automljob", Kind::AutomlJob),
    ("pipelinejob", Kind::PipelineJob),
    ("sparkjob", Kind::PipelineJob),
    ("managedonlineendpoint", Kind::OnlineEndpoint),
    ("onlineendpoint", Kind::OnlineEndpoint),
    ("kubernetesonlineendpoint", Kind::KubernetesOnlineEndpoint),
    ("managedonlinedeployment", Kind::OnlineDeployment),
    ("onlinedeployment", Kind::OnlineDeployment),
    ("kubernetesonlinedeployment", Kind::KubernetesOnlineDeployment),
    ("batchendpoint", Kind::Batch),
    ("batchdeployment", Kind::Batch),
    ("modelbatchdeployment", Kind::Batch),
    ("pipelinecomponentbatchdeployment", Kind::Batch),
    ("schedule", Kind::Schedule),
    ("monitorschedule", Kind::Schedule),
    ("data", Kind::Data),
    ("environment", Kind::Environment),
    ("model", Kind::Model),
    ("mltable", Kind::MlTable),
];

/// The kind that `$schema` names.
pub(crate) fn stated(node: &Node) -> Result<Option<Kind>> {
    let Some(value) = node.get("$schema") else { return Ok(None) };
    let Content::Text { text, .. } = &value.content else { return Ok(None) };
    let address = text.split(['?', '#']).next().unwrap_or_default();
    let last = address.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let name = last.trim_end_matches(".json").trim_end_matches(".schema");
    if let Some((_, kind)) = SCHEMAS.iter().find(|(schema, _)| *schema == name) {
        return Ok(Some(*kind));
    }
    if name.ends_with("component") {
        return Ok(Some(Kind::Component));
    }
    let infrastructure = ["compute", "workspace", "datastore", "connection", "registry", "featurestore"];
    if infrastructure.iter().any(|word| name.contains(word)) {
        return Ok(Some(Kind::Infrastructure));
    }
    let said = format!(
        "'{}' names no kind of definition that is known: write one as commandJob.schema.json, or leave $schema out",
        crate::fields::shown(&last)
    );
    Err(Wrong::new(value.place, said).at("$schema"))
}

/// The kind of a file: as stated, else as its `type` and keys tell.
pub(crate) fn kind_of(node: &Node) -> Result<Option<Kind>> {
    if let Some(kind) = stated(node)? {
        return Ok(Some(kind));
    }
    let text = |key: &str| match node.get(key).map(|value| &value.content) {
        Some(Content::Text { text, .. }) => Some(text.to_ascii_lowercase()),
        _ => None,
    };
    if let Some(kind) = text("type").and_then(|kind| by_type(&kind, node)) {
        return Ok(Some(kind));
    }
    let has = |key: &str| node.get(key).is_some();
    let any = |keys: &[&str]| keys.iter().any(|key| has(key));
    Ok(if has("trial") || has("search_space") {
        Some(Kind::SweepJob)
    } else if has("command") {
        Some(Kind::CommandJob)
    } else if has("computeType") {
        Some(Kind::DeploymentConfig)
    } else if has("entryScript") {
        Some(Kind::InferenceConfig)
    } else if has("script") {
        Some(Kind::RunConfig)
    } else if any(&["training_data", "target_column_name", "primary_metric"]) {
        Some(Kind::AutomlJob)
    } else if has("flavors") {
        Some(Kind::MlModel)
    } else if has("dependencies") {
        Some(Kind::Conda)
    } else if has("paths") || has("transformations") {
        Some(Kind::MlTable)
    } else if has("jobs") {
        Some(Kind::PipelineJob)
    } else if any(&[
        "endpoint_name",
        "code_configuration",
        "instance_type",
        "instance_count",
        "scale_settings",
    ]) {
        Some(Kind::OnlineDeployment)
    } else if any(&["auth_mode", "traffic", "mirror_traffic", "public_network_access"]) {
        Some(Kind::OnlineEndpoint)
    } else if any(&["image", "conda_file", "build"]) {
        Some(Kind::Environment)
    } else {
        None
    })
}

fn by_type(kind: &str, node: &Node) -> Option<Kind> {
    let placed = node.get("path").is_some();
    match kind {
        "command" if node.get("command").is_some() => Some(Kind::CommandJob),
        "sweep" => Some(Kind::SweepJob),
        "automl" => Some(Kind::AutomlJob),
        "pipeline" => Some(Kind::PipelineJob),
        "mltable" if node.get("paths").is_some() => Some(Kind::MlTable),
        "uri_file" | "uri_folder" | "mltable" if placed => Some(Kind::Data),
        "mlflow_model" | "custom_model" | "triton_model" if placed => Some(Kind::Model),
        "kubernetes" if node.get("endpoint_name").is_some() => Some(Kind::KubernetesOnlineDeployment),
        _ => None,
    }
}
