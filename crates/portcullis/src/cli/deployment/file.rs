//! From the flags and files of `deployment create` to what the server is asked: the field's files are read here, folders go along
//! as trees, and what has no effect is said aloud.

use super::Create;
use crate::folder::{Snapshot, upload};
use crate::session::Session;
use definitions::online::{ModelUse, OnlineDeployment, Probe as FileProbe, ScaleSettings as FileScale};
use definitions::{DeploymentConfig, InferenceConfig, Note, Parsed, Reference, Selector, read};
use domain::{Digest, Fault, Name, Probe, PythonSpec, RequestSettings, ScaleSettings};
use endpoint::NewDeployment;
use std::path::{Path, PathBuf};

/// The name of a deployment that nobody named.
const NAME: &str = "blue";

/// The endpoint and the deployment that are asked for.
pub async fn ask(session: &Session, create: &Create) -> Result<(String, NewDeployment), Fault> {
    if let Some(path) = &create.file {
        return from_file(session, create, path).await;
    }
    let spec = match &create.inference_config {
        Some(path) => Some(from_v1(session, create, path).await?),
        None if create.network => {
            return Err(Fault::invalid("--network: only a scoring script has workers that could reach it"));
        }
        None => None,
    };
    let missing = |flag: &str| Fault::invalid(format!("{flag} is needed"));
    let endpoint = create.endpoint.clone().ok_or_else(|| missing("--endpoint"))?;
    let model = create.model.clone().ok_or_else(|| missing("--model"))?;
    let name = Name::new(create.name.as_deref().unwrap_or(NAME))?;
    Ok((endpoint, NewDeployment { name, model, all_traffic: create.all_traffic.then_some(true), spec }))
}

fn text(path: &Path) -> Result<(String, String), Fault> {
    let named = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|e| Fault::invalid(format!("{named}: {e}")))?;
    Ok((named, text))
}

/// What of a file has no effect, for people.
fn tell(session: &Session, file: &str, notes: &[Note]) {
    for note in notes {
        session.out.say(&format!("{file}: {note}"));
    }
}

async fn from_file(
    session: &Session,
    create: &Create,
    path: &Path,
) -> Result<(String, NewDeployment), Fault> {
    let (file, text) = text(path)?;
    let parsed: Parsed<OnlineDeployment> = read(&file, &text)?;
    tell(session, &file, &parsed.notes);
    let d = &parsed.value;
    let endpoint = create.endpoint.clone().or_else(|| d.endpoint_name.as_ref().map(ToString::to_string));
    let endpoint =
        endpoint.ok_or_else(|| parsed.fault("endpoint_name", "name the endpoint here or by --endpoint"))?;
    let model = match (&create.model, &d.model) {
        (Some(model), _) => model.clone(),
        (None, Some(model)) => reference(&parsed, model)?,
        (None, None) => return Err(parsed.fault("model", "name a registered model here or by --model")),
    };
    let spec = match &d.code_configuration {
        Some(code) => {
            Some(spec_of(session, &parsed, (path, &code.code, &code.scoring_script), create).await?)
        }
        None => None,
    };
    let name = create.name.as_deref().map(Name::new).transpose()?.unwrap_or_else(|| d.name.clone());
    Ok((endpoint, NewDeployment { name, model, all_traffic: create.all_traffic.then_some(true), spec }))
}

/// A registered model as the server names it.
fn reference(parsed: &Parsed<OnlineDeployment>, model: &ModelUse) -> Result<String, Fault> {
    match model {
        ModelUse::Reference(Reference::Registered { name, version }) => Ok(match version {
            Selector::Latest => name.to_string(),
            Selector::Version(version) => format!("{name}:{version}"),
            Selector::Label(label) => format!("{name}@{label}"),
        }),
        _ => Err(parsed.fault(
            "model",
            "register the model first (portcullis model register), then name it as azureml:NAME:VERSION or by --model",
        )),
    }
}

async fn spec_of(
    session: &Session,
    parsed: &Parsed<OnlineDeployment>,
    (path, code, script): (&Path, &str, &str),
    create: &Create,
) -> Result<PythonSpec, Fault> {
    let d = &parsed.value;
    let folder = path.parent().unwrap_or(Path::new("")).join(code);
    let defaults = RequestSettings::default();
    let r = &d.request_settings;
    if d.environment.is_some() {
        session.out.say(&format!("{}: environment: the workers use the server's interpreter", parsed.file()));
    }
    Ok(PythonSpec {
        code: Some(code_tree(session, &folder, script).await?),
        scoring_script: Some(script.to_owned()),
        environment_variables: d.environment_variables.clone(),
        instance_count: d.instance_count.unwrap_or(1),
        request_settings: RequestSettings {
            request_timeout_ms: r.request_timeout_ms.map_or(defaults.request_timeout_ms, u64::from),
            max_concurrent_requests_per_instance: r
                .max_concurrent_requests_per_instance
                .unwrap_or(defaults.max_concurrent_requests_per_instance),
            max_queue_wait_ms: r.max_queue_wait_ms.map_or(defaults.max_queue_wait_ms, u64::from),
        },
        scale_settings: d.scale_settings.as_ref().and_then(scale),
        app_insights_enabled: d.app_insights_enabled.unwrap_or(false),
        liveness_probe: d.liveness_probe.as_ref().map(probe),
        memory_bytes: d.resources.limits.memory_bytes,
        network: create.network,
    })
}

fn scale(settings: &FileScale) -> Option<ScaleSettings> {
    match *settings {
        FileScale::Default => None,
        FileScale::TargetUtilization {
            min_instances,
            max_instances,
            target_utilization_percentage,
            polling_interval,
        } => Some(ScaleSettings {
            min_instances,
            max_instances,
            target_utilization_percentage,
            polling_interval_ms: u64::from(polling_interval) * 1000,
        }),
    }
}

fn probe(probe: &FileProbe) -> Probe {
    let FileProbe { initial_delay, period, timeout, failure_threshold, .. } = *probe;
    Probe { initial_delay, period, timeout, failure_threshold }
}

/// Sends the code folder; a script that is not in it is told before anything is sent.
async fn code_tree(session: &Session, folder: &Path, script: &str) -> Result<Digest, Fault> {
    if !folder.join(script).is_file() {
        return Err(Fault::invalid(format!("{}: no such scoring script", folder.join(script).display())));
    }
    Ok(upload(&session.client, folder, Snapshot::Code, |_| ()).await?.digest)
}

/// The pair of v1 files.
async fn from_v1(session: &Session, create: &Create, path: &Path) -> Result<PythonSpec, Fault> {
    let (file, content) = text(path)?;
    let inference: Parsed<InferenceConfig> = read(&file, &content)?;
    tell(session, &file, &inference.notes);
    let mut spec = match &create.deploy_config {
        Some(path) => {
            let (file, content) = text(path)?;
            let sizes: Parsed<DeploymentConfig> = read(&file, &content)?;
            tell(session, &file, &sizes.notes);
            sized(&sizes.value)
        }
        None => PythonSpec::default(),
    };
    let i = &inference.value;
    let mut folder = create.source_folder.clone().unwrap_or_else(|| model_folder(path, &i.entry_script));
    if let Some(source) = &i.source_directory {
        folder.push(source);
    }
    if i.conda_file.is_some() {
        session.out.say(&format!("{file}: condaFile: the workers use the server's interpreter"));
    }
    spec.code = Some(code_tree(session, &folder, &i.entry_script).await?);
    spec.scoring_script = Some(i.entry_script.clone());
    spec.network = create.network;
    Ok(spec)
}

/// The folder that the paths begin in: by the convention the files lie in its `config`.
fn model_folder(path: &Path, script: &str) -> PathBuf {
    let own = path.parent().unwrap_or(Path::new("")).to_owned();
    let above = own.join("..");
    if above.join(script).is_file() && !own.join(script).is_file() { above } else { own }
}

fn sized(config: &DeploymentConfig) -> PythonSpec {
    let defaults = RequestSettings::default();
    let scaler = config.auto_scaler.map(|s| ScaleSettings {
        min_instances: s.min_replicas,
        max_instances: s.max_replicas,
        target_utilization_percentage: s.target_utilization,
        polling_interval_ms: u64::from(s.refresh_seconds) * 1000,
    });
    PythonSpec {
        instance_count: config.num_replicas.unwrap_or(1),
        request_settings: RequestSettings {
            request_timeout_ms: config.scoring_timeout_ms.map_or(V1_TIMEOUT_MS, u64::from),
            max_concurrent_requests_per_instance: config
                .max_concurrent_requests
                .unwrap_or(defaults.max_concurrent_requests_per_instance),
            max_queue_wait_ms: config.max_queue_wait_ms.map_or(defaults.max_queue_wait_ms, u64::from),
        },
        scale_settings: scaler,
        app_insights_enabled: config.app_insights_enabled.unwrap_or(false),
        liveness_probe: config.liveness_probe.as_ref().map(probe),
        // What a container asks for is no limit; v1 files have one only where they say so.
        memory_bytes: config.limits.memory_bytes,
        ..PythonSpec::default()
    }
}

/// The time of a call in v1 when a file states none.
const V1_TIMEOUT_MS: u64 = 60_000;
