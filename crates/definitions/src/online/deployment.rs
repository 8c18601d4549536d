//! `managedOnlineDeployment` and `kubernetesOnlineDeployment`.

use super::resources::{Resources, resources};
use crate::assets::{EnvironmentUse, ModelFile, environment_use};
use crate::error::Result;
use crate::fields::{Field, Value, quiet, refused, told, used};
use crate::kinds::Kind;
use crate::read::Definition;
use crate::references::{Reference, local, reference};
use domain::Name;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Worker processes of a deployment at most.
const INSTANCES_MAX: u32 = 256;
/// Milliseconds of a call at most.
const TIMEOUT_MAX: u32 = 600_000;
/// Seconds of a probe's times at most.
const PROBE_MAX: u32 = 86_400;

/// An online deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OnlineDeployment {
    /// Its name.
    pub name: Name,
    /// Its endpoint; the command may name it instead.
    pub endpoint_name: Option<Name>,
    /// Free text.
    pub description: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// The model.
    pub model: Option<ModelUse>,
    /// The scoring script.
    pub code_configuration: Option<CodeConfiguration>,
    /// Interpreter and packages of the scoring script.
    pub environment: Option<EnvironmentUse>,
    /// Variables of the worker processes.
    pub environment_variables: BTreeMap<String, String>,
    /// Worker processes.
    pub instance_count: Option<u32>,
    /// Whether each call is logged with its times.
    pub app_insights_enabled: Option<bool>,
    /// Times and queues of calls.
    pub request_settings: RequestSettings,
    /// When a worker counts as hung.
    pub liveness_probe: Option<Probe>,
    /// When a worker counts as started.
    pub readiness_probe: Option<Probe>,
    /// How many workers there may be.
    pub scale_settings: Option<ScaleSettings>,
    /// What of the calls is kept.
    pub data_collector: Option<DataCollector>,
    /// Processors and memory of a worker.
    pub resources: Resources,
    /// Whether the script may reach the network.
    pub egress_public_network_access: Option<bool>,
}

/// A deployment's model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelUse {
    /// A registered one.
    Reference(Reference),
    /// A file or folder, registered when the deployment is made.
    Inline(Box<ModelFile>),
}

/// The scoring script of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeConfiguration {
    /// The folder, on the user's machine.
    pub code: String,
    /// The script, a path in it.
    pub scoring_script: String,
}

/// Times in milliseconds; nothing means the server's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RequestSettings {
    /// A call may take so long.
    pub request_timeout_ms: Option<u32>,
    /// Calls at the same time in one worker.
    pub max_concurrent_requests_per_instance: Option<u32>,
    /// A call waits so long for a worker.
    pub max_queue_wait_ms: Option<u32>,
}

/// When something counts as up or down. Times in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Before the first look.
    pub initial_delay: u32,
    /// Between two looks.
    pub period: u32,
    /// An answer may take so long.
    pub timeout: u32,
    /// Good answers in a row that count.
    pub success_threshold: u32,
    /// Bad answers in a row that count.
    pub failure_threshold: u32,
}

/// How many workers there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum ScaleSettings {
    /// As many as `instance_count` says.
    Default,
    /// Between two numbers, by how busy they are.
    TargetUtilization {
        /// At least.
        min_instances: u32,
        /// At most.
        max_instances: u32,
        /// How busy workers should be.
        target_utilization_percentage: u32,
        /// Seconds between two looks.
        polling_interval: u32,
    },
}

/// What of the calls is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataCollector {
    /// `model_inputs`, `model_outputs`, `request`, `response` or a name of the script.
    pub collections: BTreeMap<String, Collection>,
    /// The part of the calls, 0 to 1.
    pub sampling_rate: f64,
    /// When a new file begins.
    pub rolling_rate: Rolling,
    /// Request headers that are kept with them.
    pub capture_headers: Vec<String>,
}

/// One kind of what is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Collection {
    /// Whether it is kept.
    pub enabled: bool,
    /// The part of the calls, when it differs from the collector's.
    pub sampling_rate: Option<f64>,
    /// The data asset it becomes.
    pub data_name: Option<String>,
}

/// When a new file begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rolling {
    /// Every minute.
    Minute,
    /// Every hour.
    #[default]
    Hour,
    /// Every day.
    Day,
}

const UNNAMED: &str = "a deployment keeps none: write it to the endpoint or to the model version";
const READY: &str = "a worker gets calls as soon as init() has returned";
const DEPLOYMENT: &[Field] = &[
    quiet("$schema"),
    used("type"),
    used("name"),
    used("endpoint_name"),
    told("description", UNNAMED),
    told("tags", UNNAMED),
    told("properties", UNNAMED),
    used("model"),
    used("code_configuration"),
    used("environment"),
    used("environment_variables"),
    used("instance_count"),
    used("app_insights_enabled"),
    used("request_settings"),
    used("liveness_probe"),
    told("readiness_probe", READY),
    told("startup_probe", READY),
    used("scale_settings"),
    used("data_collector"),
    used("resources"),
    used("egress_public_network_access"),
    told("instance_type", "deployments run on this machine"),
    told("private_network_connection", "the gateway alone reaches a worker"),
    quiet("kind"),
    quiet("location"),
    refused("model_mount_path", "the model is a folder that AZUREML_MODEL_DIR names: leave it out"),
];

impl Definition for OnlineDeployment {
    const KINDS: &'static [Kind] = &[Kind::OnlineDeployment, Kind::KubernetesOnlineDeployment];

    fn from_root(value: &Value<'_>) -> Result<Self> {
        let fields = value.open("an online deployment", DEPLOYMENT)?;
        fields.opt("type", |v| v.one_of(&[("managed", ()), ("kubernetes", ())]))?;
        Ok(Self {
            name: fields.need("name")?.name()?,
            endpoint_name: fields.opt("endpoint_name", Value::name)?,
            description: fields.free_text("description")?,
            tags: fields.or_default("tags", Value::text_map)?,
            model: fields.opt("model", model)?,
            code_configuration: fields.opt("code_configuration", code)?,
            environment: fields.opt("environment", environment_use)?,
            environment_variables: fields.or_default("environment_variables", crate::jobs::variables)?,
            instance_count: fields.opt("instance_count", |v| v.count(1..=INSTANCES_MAX))?,
            app_insights_enabled: fields.opt("app_insights_enabled", Value::boolean)?,
            request_settings: fields.or_default("request_settings", request_settings)?,
            liveness_probe: fields.opt("liveness_probe", probe)?,
            readiness_probe: fields.opt("readiness_probe", probe)?,
            scale_settings: fields.opt("scale_settings", scale)?,
            data_collector: fields.opt("data_collector", collector)?,
            resources: fields.or_default("resources", resources)?,
            egress_public_network_access: fields.opt("egress_public_network_access", |v| {
                v.one_of(&[("enabled", true), ("disabled", false)])
            })?,
        })
    }
}

fn model(value: &Value<'_>) -> Result<ModelUse> {
    if value.is_map() {
        return ModelFile::within(value, false).map(|model| ModelUse::Inline(Box::new(model)));
    }
    let found = reference(value)?;
    if let Reference::Local(path) = &found
        && let Some((name, version)) = path.split_once([':', '@'])
        && Name::new(name).is_ok()
        && (version == "latest" || version.parse::<u32>().is_ok())
    {
        return Err(value.wrong(format!("a registered model is written azureml:{path}")));
    }
    Ok(ModelUse::Reference(found))
}

const CODE: &[Field] = &[used("code"), used("scoring_script")];

fn code(value: &Value<'_>) -> Result<CodeConfiguration> {
    let fields = value.open("a code configuration", CODE)?;
    let script = fields.need("scoring_script")?;
    let scoring_script = script.filled()?;
    if scoring_script.starts_with('/') || scoring_script.split('/').any(|part| part == "..") {
        return Err(script.wrong("the scoring script is a path within the code folder"));
    }
    Ok(CodeConfiguration { code: local(&fields.need("code")?)?, scoring_script })
}

const REQUESTS: &[Field] =
    &[used("request_timeout_ms"), used("max_concurrent_requests_per_instance"), used("max_queue_wait_ms")];

fn request_settings(value: &Value<'_>) -> Result<RequestSettings> {
    let fields = value.open("request settings", REQUESTS)?;
    let key = "max_concurrent_requests_per_instance";
    Ok(RequestSettings {
        request_timeout_ms: fields.opt("request_timeout_ms", |v| v.count(1..=TIMEOUT_MAX))?,
        max_concurrent_requests_per_instance: fields.opt(key, |v| v.count(1..=1_000))?,
        max_queue_wait_ms: fields.opt("max_queue_wait_ms", |v| v.count(0..=TIMEOUT_MAX))?,
    })
}

const PROBE: &[Field] = &[
    used("initial_delay"),
    used("period"),
    used("timeout"),
    told("success_threshold", "one good answer counts"),
    used("failure_threshold"),
    told("path", "a worker is asked over its own socket"),
    told("port", "a worker is asked over its own socket"),
    told("method", "a worker is asked over its own socket"),
    told("scheme", "a worker is asked over its own socket"),
];

fn probe(value: &Value<'_>) -> Result<Probe> {
    let fields = value.open("a probe", PROBE)?;
    let or = |key: &str, least: u32, default: u32| {
        Ok(fields.opt(key, |v| v.count(least..=PROBE_MAX))?.unwrap_or(default))
    };
    Ok(Probe {
        initial_delay: or("initial_delay", 0, 10)?,
        period: or("period", 1, 10)?,
        timeout: or("timeout", 1, 2)?,
        success_threshold: or("success_threshold", 1, 1)?,
        failure_threshold: or("failure_threshold", 1, 30)?,
    })
}

const SCALE: &[Field] = &[
    used("type"),
    used("min_instances"),
    used("max_instances"),
    used("target_utilization_percentage"),
    used("polling_interval"),
];

fn scale(value: &Value<'_>) -> Result<ScaleSettings> {
    let fields = value.open("scale settings", SCALE)?;
    if fields.opt("type", |v| v.one_of(&[("default", true), ("target_utilization", false)]))? == Some(true) {
        return Ok(ScaleSettings::Default);
    }
    let or =
        |key: &str, most: u32, default: u32| Ok(fields.opt(key, |v| v.count(1..=most))?.unwrap_or(default));
    let (min_instances, max_instances) =
        (or("min_instances", INSTANCES_MAX, 1)?, or("max_instances", INSTANCES_MAX, 1)?);
    if min_instances > max_instances {
        return Err(value
            .wrong(format!("min_instances {min_instances} is larger than max_instances {max_instances}")));
    }
    Ok(ScaleSettings::TargetUtilization {
        min_instances,
        max_instances,
        target_utilization_percentage: or("target_utilization_percentage", 100, 70)?,
        polling_interval: or("polling_interval", 3600, 1)?,
    })
}

const COLLECTOR: &[Field] =
    &[used("collections"), used("sampling_rate"), used("rolling_rate"), used("request_logging")];
const COLLECTION: &[Field] = &[
    used("enabled"),
    told("data", "what is kept lies in files of the deployment: no data asset is made of it"),
    used("sampling_rate"),
    quiet("client_id"),
];
const COLLECTED: &[Field] = &[used("name"), quiet("version"), quiet("path")];
const HEADERS: &[Field] = &[used("capture_headers")];

fn collector(value: &Value<'_>) -> Result<DataCollector> {
    let fields = value.open("a data collector", COLLECTOR)?;
    let collections = fields.need("collections")?.entries()?;
    if collections.len() > 16 {
        return Err(value.wrong("a data collector has at most 16 collections"));
    }
    let rates = [("minute", Rolling::Minute), ("hour", Rolling::Hour), ("day", Rolling::Day)];
    let headers = fields.opt("request_logging", |v| {
        v.open("request logging", HEADERS)?.or_default("capture_headers", Value::texts)
    })?;
    Ok(DataCollector {
        collections: collections
            .into_iter()
            .map(|(name, value)| Ok((name.to_owned(), collection(&value)?)))
            .collect::<Result<_>>()?,
        sampling_rate: fields.opt("sampling_rate", |v| v.number(0.0..=1.0))?.unwrap_or(1.0),
        rolling_rate: fields.or_default("rolling_rate", |v| v.one_of(&rates))?,
        capture_headers: headers.unwrap_or_default(),
    })
}

fn collection(value: &Value<'_>) -> Result<Collection> {
    if value.is_null() {
        return Ok(Collection { enabled: true, sampling_rate: None, data_name: None });
    }
    let fields = value.open("a collection", COLLECTION)?;
    let data = |v: &Value<'_>| {
        if v.is_map() {
            v.open("a collected data asset", COLLECTED)?.opt("name", Value::label)
        } else {
            v.label().map(Some)
        }
    };
    Ok(Collection {
        enabled: fields.opt("enabled", Value::boolean)?.unwrap_or(true),
        sampling_rate: fields.opt("sampling_rate", |v| v.number(0.0..=1.0))?,
        data_name: fields.opt("data", data)?.flatten(),
    })
}
