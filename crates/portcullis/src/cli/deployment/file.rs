//! From the flags and files of `deployment create` to what the server is asked: the field's files are read here, folders go along
//! as trees, and what has no effect is said aloud.

use super::{Create, variables};
use crate::cli::model_register;
use crate::client::segment;
use crate::definition::{Text, environment_file};
use crate::folder::{Snapshot, upload};
use crate::session::Session;
use definitions::online::{
    Collection as FileCollection, DataCollector as FileCollector, ModelUse, OnlineDeployment,
    Probe as FileProbe, Rolling as FileRolling, ScaleSettings as FileScale,
};
use definitions::{DeploymentConfig, InferenceConfig, Parsed, Reference, Selector};
use domain::{
    Collection, DataCollector, Digest, EnvironmentSpec, Fault, Name, Probe, PythonSpec, RequestSettings,
    Rolling, ScaleSettings, Version,
};
use endpoint::NewDeployment;
use environments::describe;
use std::path::{Path, PathBuf};

/// The name of a deployment that nobody named.
const NAME: &str = "blue";

/// The endpoint and the deployment that are asked for.
pub async fn ask(session: &Session, create: &Create) -> Result<(String, NewDeployment), Fault> {
    if let Some(path) = &create.file {
        return from_file(session, create, path).await;
    }
    let (spec, data_collector) = match &create.inference_config {
        Some(path) => {
            let (spec, collects) = from_v1(session, create, path).await?;
            (Some(spec), collects.then(DataCollector::of_scripts))
        }
        None => (plain(create)?, None),
    };
    let relax_pins = create.relax_pins;
    let missing = |flag: &str| Fault::invalid(format!("{flag} is needed"));
    let endpoint = create.endpoint.clone().ok_or_else(|| missing("--endpoint"))?;
    let model = create.model.clone().ok_or_else(|| missing("--model"))?;
    let name = Name::new(create.name.as_deref().unwrap_or(NAME))?;
    expect_endpoint(session, &endpoint).await?;
    let all_traffic = create.all_traffic.then_some(true);
    Ok((endpoint, NewDeployment { name, model, all_traffic, spec, data_collector, relax_pins }))
}

/// What the flags alone say of workers; none when they say nothing.
fn plain(create: &Create) -> Result<Option<PythonSpec>, Fault> {
    let environment = create.environment.as_deref().map(environment).transpose()?;
    if environment.is_none() && !create.network {
        return Ok(None);
    }
    Ok(Some(PythonSpec { environment, network: create.network, ..PythonSpec::default() }))
}

/// `NAME[:VERSION]` of a registered environment, with or without the prefix of the cloud's files, or a file that describes one.
fn environment(text: &str) -> Result<EnvironmentSpec, Fault> {
    if Path::new(text).is_file() {
        return Ok(environment_file(Path::new(text))?.spec);
    }
    let plain = text.strip_prefix("azureml:").unwrap_or(text);
    let (name, version) = match plain.split_once(':').or_else(|| plain.split_once('@')) {
        None => (plain, None),
        Some((name, "latest")) => (name, None),
        Some((name, version)) => (name, Some(version)),
    };
    let wrong = |_| Fault::invalid(format!("--environment: '{text}' is neither a file nor NAME[:VERSION]"));
    let version = version.map(|number| number.parse().map(Version).map_err(wrong)).transpose()?;
    Ok(EnvironmentSpec::Registered { name: Name::new(name)?, version })
}

async fn from_file(
    session: &Session,
    create: &Create,
    path: &Path,
) -> Result<(String, NewDeployment), Fault> {
    let text = Text::read(path)?;
    let parsed: Parsed<OnlineDeployment> = text.parse(session)?;
    let mut parsed = parsed;
    for said in variables::settle(&mut parsed.value) {
        session.out.note(&format!("{}: {said}", text.file));
    }
    let d = &parsed.value;
    let endpoint = create.endpoint.clone().or_else(|| d.endpoint_name.as_ref().map(ToString::to_string));
    let endpoint =
        endpoint.ok_or_else(|| parsed.fault("endpoint_name", "name the endpoint here or by --endpoint"))?;
    let name = create.name.as_deref().map(Name::new).transpose()?.unwrap_or_else(|| d.name.clone());
    expect_endpoint(session, &endpoint).await?;
    let model = create.model.is_none().then_some(d.model.as_ref()).flatten();
    expect_model(&parsed, &text, model)?;
    let spec = Some(spec_of(session, (&parsed, &text), create).await?);
    let model = match (&create.model, &d.model) {
        (Some(model), _) => model.clone(),
        (None, Some(model)) => {
            let own = format!("{endpoint}-{name}");
            model_of(session, (&parsed, &text), (model, own)).await?
        }
        (None, None) => return Err(parsed.fault("model", "name a registered model here or by --model")),
    };
    let data_collector = d.data_collector.as_ref().map(collector);
    let all_traffic = create.all_traffic.then_some(true);
    let relax_pins = create.relax_pins;
    Ok((endpoint, NewDeployment { name, model, all_traffic, spec, data_collector, relax_pins }))
}

/// Refuses an endpoint that is not there before anything is sent or registered.
async fn expect_endpoint(session: &Session, endpoint: &str) -> Result<(), Fault> {
    session
        .client
        .get::<serde_json::Value>(&format!("/api/v1/endpoints/{}", segment(endpoint)))
        .await
        .map(drop)
}

/// Refuses a model described in place whose files are not there, before code is sent.
fn expect_model(
    parsed: &Parsed<OnlineDeployment>,
    text: &Text,
    model: Option<&ModelUse>,
) -> Result<(), Fault> {
    if let Some(ModelUse::Inline(model)) = model
        && let Reference::Local(path) = &model.path
        && !text.folder.join(path).exists()
    {
        let path = text.folder.join(path);
        return Err(parsed.fault("model.path", &format!("{}: no such file or folder", path.display())));
    }
    Ok(())
}

fn collector(said: &FileCollector) -> DataCollector {
    let one = |c: &FileCollection| Collection { enabled: c.enabled, sampling_rate: c.sampling_rate };
    DataCollector {
        collections: said.collections.iter().map(|(name, c)| (name.clone(), one(c))).collect(),
        sampling_rate: said.sampling_rate,
        rolling_rate: match said.rolling_rate {
            FileRolling::Minute => Rolling::Minute,
            FileRolling::Hour => Rolling::Hour,
            FileRolling::Day => Rolling::Day,
        },
        capture_headers: said.capture_headers.clone(),
    }
}

/// A model as the server names it; one that is described in place is registered first.
async fn model_of(
    session: &Session,
    (parsed, text): (&Parsed<OnlineDeployment>, &Text),
    (model, own): (&ModelUse, String),
) -> Result<String, Fault> {
    let elsewhere =
        || parsed.fault("model", "only what is registered here, or a local path, can be deployed");
    match model {
        ModelUse::Reference(Reference::Registered { name, version }) => Ok(match version {
            Selector::Latest => name.to_string(),
            Selector::Version(version) => format!("{name}:{version}"),
            Selector::Label(label) => format!("{name}@{label}"),
        }),
        ModelUse::Reference(_) => Err(elsewhere()),
        ModelUse::Inline(model) => {
            let name = if model.name.is_empty() { own } else { model.name.clone() };
            let made =
                model_register::inline(session, (model, &text.folder), name).await?.ok_or_else(elsewhere)?;
            Ok(format!("{}:{}", made.model, made.version))
        }
    }
}

/// How Python workers run it, should the model need any.
async fn spec_of(
    session: &Session,
    (parsed, text): (&Parsed<OnlineDeployment>, &Text),
    create: &Create,
) -> Result<PythonSpec, Fault> {
    let d = &parsed.value;
    let environment = match &d.environment {
        None => None,
        used => Some(describe::of_use(used.as_ref(), &text.beside())?),
    };
    let (code, script) = match &d.code_configuration {
        Some(code) => {
            let tree = code_tree(session, &text.folder.join(&code.code), &code.scoring_script).await?;
            (Some(tree), Some(code.scoring_script.clone()))
        }
        None => (None, None),
    };
    let (defaults, r) = (RequestSettings::default(), &d.request_settings);
    Ok(PythonSpec {
        code,
        scoring_script: script,
        environment,
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
        network: create.network || d.egress_public_network_access == Some(true),
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

/// The pair of v1 files: how workers run it, and whether scripts keep rows.
async fn from_v1(session: &Session, create: &Create, path: &Path) -> Result<(PythonSpec, bool), Fault> {
    let text = Text::read(path)?;
    let inference: Parsed<InferenceConfig> = text.parse(session)?;
    let (mut spec, collects) = match &create.deploy_config {
        Some(path) => {
            let config = Text::read(path)?.parse::<DeploymentConfig>(session)?.value;
            (sized(&config), config.data_collection)
        }
        None => (PythonSpec::default(), false),
    };
    let i = &inference.value;
    let below = create.source_folder.clone().unwrap_or_else(|| model_folder(&text.folder, &i.entry_script));
    if let Some(conda) = &i.conda_file {
        let file = Text::read(&below.join(conda))?;
        spec.environment = Some(EnvironmentSpec::Packages(describe::of_text(&file.file, &file.text)?));
    }
    let folder = match &i.source_directory {
        Some(source) => below.join(source),
        None => below,
    };
    spec.code = Some(code_tree(session, &folder, &i.entry_script).await?);
    spec.scoring_script = Some(i.entry_script.clone());
    spec.network = create.network;
    Ok((spec, collects))
}

/// The folder that the paths begin in: by the convention the files lie in its `config`.
fn model_folder(own: &Path, script: &str) -> PathBuf {
    let above = own.join("..");
    if above.join(script).is_file() && !own.join(script).is_file() { above } else { own.to_owned() }
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
