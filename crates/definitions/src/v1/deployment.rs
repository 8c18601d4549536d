//! `deployment-config-{aks,aci}.yml`.

use crate::error::Result;
use crate::fields::{Field, Value, quiet, told, used};
use crate::kinds::Kind;
use crate::online::{Probe, Quantities, bytes, cpu};
use crate::read::Definition;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where it would have run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComputeType {
    /// A cluster.
    Aks,
    /// One container.
    Aci,
    /// This machine.
    Local,
}

/// A deployment configuration of the first CLI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentConfig {
    /// Where it would have run.
    pub compute_type: ComputeType,
    /// Between how many workers it may be.
    pub auto_scaler: Option<AutoScaler>,
    /// Workers, when there is no scaler.
    pub num_replicas: Option<u32>,
    /// What a worker asks for.
    pub resources: Quantities,
    /// What a worker may use.
    pub limits: Quantities,
    /// Whether keys are asked for.
    pub auth_enabled: Option<bool>,
    /// Whether tokens are asked for.
    pub token_auth_enabled: Option<bool>,
    /// Whether each call is logged with its times.
    pub app_insights_enabled: Option<bool>,
    /// Whether inputs and predictions are kept.
    pub data_collection: bool,
    /// Milliseconds of a call.
    pub scoring_timeout_ms: Option<u32>,
    /// Milliseconds a call waits for a worker.
    pub max_queue_wait_ms: Option<u32>,
    /// Calls at the same time in one worker.
    pub max_concurrent_requests: Option<u32>,
    /// When a worker counts as hung.
    pub liveness_probe: Option<Probe>,
    /// Free text.
    pub description: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// Between how many workers a deployment may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoScaler {
    /// At least.
    pub min_replicas: u32,
    /// At most.
    pub max_replicas: u32,
    /// Seconds between two looks.
    pub refresh_seconds: u32,
    /// How busy workers should be, in percent.
    pub target_utilization: u32,
}

const TLS: &str = "the server has one certificate for all endpoints (listen.tls)";
const HERE: &str = "deployments run on this machine";
const UNNAMED: &str = "a deployment keeps none: write it to the endpoint or to the model version";
const CONFIG: &[Field] = &[
    quiet("$schema"),
    used("computeType"),
    used("autoScaler"),
    used("numReplicas"),
    used("containerResourceRequirements"),
    used("authEnabled"),
    used("tokenAuthEnabled"),
    used("appInsightsEnabled"),
    used("dataCollection"),
    used("scoringTimeoutMs"),
    used("maxQueueWaitMs"),
    used("maxConcurrentRequestsPerContainer"),
    used("livenessProbeRequirements"),
    told("description", UNNAMED),
    told("tags", UNNAMED),
    told("properties", UNNAMED),
    used("sslEnabled"),
    quiet("sslCertificate"),
    quiet("sslKey"),
    told("sslCname", TLS),
    told("sslCertPemFile", TLS),
    told("sslKeyPemFile", TLS),
    told("dnsNameLabel", "the server has one name"),
    told("location", HERE),
    told("namespace", HERE),
    told("gpuCores", "no graphics processor is used here"),
    told("port", "the server has one port (listen.address)"),
    quiet("primaryKey"),
    quiet("secondaryKey"),
    told("isDefault", "traffic is set by `endpoint set-traffic`"),
    told("trafficPercentile", "traffic is set by `endpoint set-traffic`"),
    told("versionType", "traffic is set by `endpoint set-traffic`"),
];

impl Definition for DeploymentConfig {
    const KINDS: &'static [Kind] = &[Kind::DeploymentConfig];

    fn from_root(value: &Value<'_>) -> Result<Self> {
        let fields = value.open("a deployment configuration", CONFIG)?;
        let kinds = [("AKS", ComputeType::Aks), ("ACI", ComputeType::Aci), ("LOCAL", ComputeType::Local)];
        let kinds = [kinds[0], kinds[1], kinds[2], ("AKSENDPOINT", ComputeType::Aks)];
        if let Some(tls) = fields.get("sslEnabled")
            && tls.boolean()?
        {
            tls.note(TLS);
        }
        let (resources, limits) = fields.or_default("containerResourceRequirements", resources)?;
        let auto_scaler = fields.opt("autoScaler", scaler)?.flatten();
        let auth_enabled = fields.opt("authEnabled", auth)?;
        let token_auth_enabled = fields.opt("tokenAuthEnabled", Value::boolean)?;
        if token_auth_enabled == Some(true) {
            let tokens = fields.need("tokenAuthEnabled")?;
            if auth_enabled == Some(true) {
                return Err(tokens.wrong("Only one can be True: authEnabled is, too"));
            }
            tokens.note(
                "tokens are asked for at the gateway (`api publish`): the endpoint itself asks for its key",
            );
        }
        let milliseconds = |v: &Value<'_>| v.count(1..=600_000);
        Ok(Self {
            compute_type: fields.need("computeType")?.one_of(&kinds)?,
            auto_scaler,
            num_replicas: fields.opt("numReplicas", |v| v.count(1..=256))?,
            resources,
            limits,
            auth_enabled,
            token_auth_enabled,
            app_insights_enabled: fields.opt("appInsightsEnabled", Value::boolean)?,
            data_collection: fields.or_default("dataCollection", collection)?,
            scoring_timeout_ms: fields.opt("scoringTimeoutMs", milliseconds)?,
            max_queue_wait_ms: fields.opt("maxQueueWaitMs", milliseconds)?,
            max_concurrent_requests: fields
                .opt("maxConcurrentRequestsPerContainer", |v| v.count(1..=1_000))?,
            liveness_probe: fields.opt("livenessProbeRequirements", probe)?,
            description: fields.free_text("description")?,
            tags: fields.or_default("tags", Value::text_map)?,
        })
    }
}

fn auth(value: &Value<'_>) -> Result<bool> {
    let on = value.boolean()?;
    if !on {
        value.note("an endpoint always asks for a key or token");
    }
    Ok(on)
}

const SCALER: &[Field] = &[
    used("autoscaleEnabled"),
    used("minReplicas"),
    used("maxReplicas"),
    used("refreshPeriodInSeconds"),
    used("targetUtilization"),
];

fn scaler(value: &Value<'_>) -> Result<Option<AutoScaler>> {
    let fields = value.open("an autoscaler", SCALER)?;
    let on = fields.opt("autoscaleEnabled", Value::boolean)?.unwrap_or(true);
    let or =
        |key: &str, most: u32, default: u32| Ok(fields.opt(key, |v| v.count(1..=most))?.unwrap_or(default));
    let scaler = AutoScaler {
        min_replicas: or("minReplicas", 256, 1)?,
        max_replicas: or("maxReplicas", 256, 10)?,
        refresh_seconds: or("refreshPeriodInSeconds", 3600, 1)?,
        target_utilization: or("targetUtilization", 100, 70)?,
    };
    if scaler.min_replicas > scaler.max_replicas {
        return Err(value.wrong("minReplicas is larger than maxReplicas"));
    }
    Ok(on.then_some(scaler))
}

const ASKED: &str = "nothing is set aside on this machine: memoryInGBLimit is the bound of a worker";
const REQUIREMENTS: &[Field] = &[
    told("cpu", ASKED),
    told("memoryInGB", ASKED),
    told("cpuLimit", "workers share the processors of this machine, memory is bounded"),
    used("memoryInGBLimit"),
    told("gpu", "no graphics processor is used here"),
    told("gpuCores", "no graphics processor is used here"),
];

fn resources(value: &Value<'_>) -> Result<(Quantities, Quantities)> {
    let fields = value.open("container resources", REQUIREMENTS)?;
    let gigabytes = |v: &Value<'_>| {
        let number = v.number(0.001..=100_000.0)?;
        bytes(Some(number * 1_073_741_824.0)).ok_or_else(|| v.wrong("at least 0.001 is expected"))
    };
    let requests =
        Quantities { cpu_milli: fields.opt("cpu", cpu)?, memory_bytes: fields.opt("memoryInGB", gigabytes)? };
    let limits = Quantities {
        cpu_milli: fields.opt("cpuLimit", cpu)?,
        memory_bytes: fields.opt("memoryInGBLimit", gigabytes)?,
    };
    Ok((requests, limits))
}

const COLLECTION: &[Field] = &[used("storageEnabled"), quiet("collectionLevel")];

fn collection(value: &Value<'_>) -> Result<bool> {
    value.open("data collection", COLLECTION)?.or_default("storageEnabled", Value::boolean)
}

const PROBE: &[Field] = &[
    used("periodSeconds"),
    used("initialDelaySeconds"),
    used("timeoutSeconds"),
    used("failureThreshold"),
    told("successThreshold", "one good answer counts"),
];

fn probe(value: &Value<'_>) -> Result<Probe> {
    let fields = value.open("a liveness probe", PROBE)?;
    let or = |key: &str, least: u32, default: u32| {
        Ok(fields.opt(key, |v| v.count(least..=86_400))?.unwrap_or(default))
    };
    Ok(Probe {
        initial_delay: or("initialDelaySeconds", 0, 310)?,
        period: or("periodSeconds", 1, 10)?,
        timeout: or("timeoutSeconds", 1, 2)?,
        success_threshold: or("successThreshold", 1, 1)?,
        failure_threshold: or("failureThreshold", 1, 3)?,
    })
}
