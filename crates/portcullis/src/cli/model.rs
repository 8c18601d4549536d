//! `model register|list|show|set-alias|reproduce|report|export|delete`.

use crate::cli::data::reference;
use crate::cli::model_export::export;
use crate::cli::model_mlflow;
use crate::cli::model_register::Register;
use crate::cli::model_report::report;
use crate::cli::model_reproduce::reproduce;
use crate::client::segment;
use crate::session::Session;
use crate::show::{INPUTS, beginning, number, size, table, time};
use clap::Subcommand;
use domain::{Fault, Model as Registered, ModelKind, ModelVersion, Tags};
use http::Method;
use serde_json::{Value, json};
use std::path::PathBuf;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Model {
    /// Register an ONNX file, a folder, or outputs of a job as the next version
    Register(Box<Register>),
    /// List models
    List,
    /// Show the versions of a model, or one version with signature, metrics and lineage
    Show {
        /// NAME or NAME:VERSION (a number, an alias, or latest)
        model: String,
    },
    /// Point an alias at a version
    SetAlias {
        /// NAME:VERSION
        model: String,
        /// The alias
        alias: String,
    },
    /// Delete a version, or a model with all its versions; refused while it is deployed
    Delete {
        /// NAME:VERSION, or NAME with --all-versions
        model: String,
        /// The whole model
        #[arg(long)]
        all_versions: bool,
    },
    /// Do the work of the run that made a version once more, and compare the bytes
    Reproduce {
        /// NAME or NAME:VERSION
        model: String,
    },
    /// Write everything known of a version as one HTML page
    Report {
        /// NAME or NAME:VERSION
        model: String,
        /// The file to write; NAME-VERSION.html when left out
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Write the ONNX file of a version, or its folder
    Export {
        /// NAME or NAME:VERSION
        model: String,
        /// The file or folder to write; NAME-VERSION.onnx or NAME-VERSION when left out
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

impl Model {
    /// Carries the verb out.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        match self {
            Self::Register(register) => register.run(session).await,
            Self::List => {
                let models: Vec<Registered> = session.client.get("/api/v1/models").await?;
                session.out.value(&models, |models| {
                    let rows = models.iter().map(|m| {
                        let aliases: Vec<String> =
                            m.aliases.iter().map(|(a, v)| format!("{a}→{v}")).collect();
                        let latest = m.latest.map(|v| v.to_string()).unwrap_or_default();
                        [m.name.to_string(), latest, aliases.join(" "), pairs(&m.tags), time(m.created)]
                    });
                    table(&["name", "latest", "aliases", "tags", "created"], rows)
                });
                Ok(())
            }
            Self::Show { model } if !model.contains(':') => versions(session, &model).await,
            Self::Show { model } => show(session, &model).await,
            Self::SetAlias { model, alias } => set_alias(session, &model, &alias).await,
            Self::Delete { model, all_versions } => delete(session, &model, all_versions).await,
            Self::Reproduce { model } => reproduce(session, &model).await,
            Self::Report { model, out } => report(session, &model, out).await,
            Self::Export { model, out } => export(session, &model, out).await,
        }
    }
}

async fn versions(session: &Session, model: &str) -> Result<(), Fault> {
    let versions: Vec<ModelVersion> =
        session.client.get(&format!("/api/v1/models/{}/versions", segment(model))).await?;
    session.out.value(&versions, |versions| {
        let rows = versions.iter().map(|v| {
            let data =
                v.lineage.as_ref().map(|l| format!("{}:{}", l.data, l.data_version)).unwrap_or_default();
            let run = v.run.as_ref().map(|r| r.as_str()[..12].to_owned()).unwrap_or_default();
            [
                v.version.to_string(),
                kind(v),
                size(v.bytes),
                task(v),
                v.aliases.join(" "),
                if v.stage.is_none() { String::new() } else { v.stage.to_string() },
                pairs(&v.tags),
                data,
                run,
                time(v.created),
            ]
        });
        table(
            &["version", "kind", "size", "task", "aliases", "stage", "tags", "data", "run", "created"],
            rows,
        )
    });
    Ok(())
}

async fn show(session: &Session, model: &str) -> Result<(), Fault> {
    let (name, version) = reference(model);
    let route = format!("/api/v1/models/{name}/versions/{version}");
    let found: ModelVersion = session.client.get(&route).await?;
    let lineage: Value = session.client.get(&format!("{route}/lineage")).await?;
    let flavours = model_mlflow::told(session, &route, &found).await;
    session.out.value(&json!({ "version": found, "lineage": lineage }), |_| {
        format!("{}{flavours}", described(&found, &lineage)).trim_end().to_owned()
    });
    Ok(())
}

fn described(v: &ModelVersion, lineage: &Value) -> String {
    let inputs = v.signature.inputs.iter().map(|f| {
        let seen = f.categories.iter().take(6).cloned().collect::<Vec<_>>().join(", ");
        [
            f.name.clone(),
            f.kind.to_string(),
            if f.required { "required" } else { "optional" }.to_owned(),
            f.example.to_string(),
            seen,
        ]
    });
    let metrics = v.metrics.iter().map(|(k, v)| [k.clone(), number(*v)]);
    let classes: Vec<String> = v.signature.output.classes.iter().map(ToString::to_string).collect();
    let came = v.lineage.as_ref().map_or_else(
        || if v.kind == ModelKind::Onnx { "a file" } else { "a folder" }.to_owned(),
        |l| format!("{}:{} (sha256 {}…)", l.data, l.data_version, &l.data_digest.hex()[..12]),
    );
    let runs_in: Vec<String> =
        lineage["deployments"].as_array().into_iter().flatten().map(deployment).collect();
    let head = format!(
        "{}:{} · {} · {} · sha256 {}\nfrom {came}{} → deployments: {}\n{}",
        v.model,
        v.version,
        kind(v),
        size(v.bytes),
        v.digest,
        v.run.as_ref().map(|r| format!(" → run {r}")).unwrap_or_default(),
        if runs_in.is_empty() { "none".to_owned() } else { runs_in.join(", ") },
        labels(v),
    );
    let mut parts = vec![head];
    if v.native.is_some() {
        parts.push(beginning(&["input", "type", "", "example", "seen"], inputs, INPUTS));
        parts.push(format!("predicts {} ({}) {}", v.signature.output.name, task(v), classes.join(" | ")));
    }
    if !v.metrics.is_empty() {
        parts.push(table(&["metric", "value"], metrics));
    }
    parts.iter().map(|part| part.trim_end()).collect::<Vec<_>>().join("\n\n") + "\n"
}

/// What a version holds, and whether it runs here without Python.
fn kind(v: &ModelVersion) -> String {
    match (v.kind, v.native) {
        (ModelKind::Mlflow, Some(_)) => "mlflow, native".to_owned(),
        (kind, _) => kind.to_string(),
    }
}

/// What a version predicts, where that is known.
fn task(v: &ModelVersion) -> String {
    v.native.map(|_| v.signature.output.task.to_string()).unwrap_or_default()
}

/// What runs a version here; nothing when Python workers do.
fn engine(v: &ModelVersion) -> String {
    let other = v.properties.get("engine").cloned();
    v.native.map(|_| other.unwrap_or_else(|| "portcullis".to_owned())).unwrap_or_default()
}

fn pairs(tags: &Tags) -> String {
    tags.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

/// Lines for what a version has besides its content.
fn labels(v: &ModelVersion) -> String {
    let stage = if v.stage.is_none() { String::new() } else { v.stage.to_string() };
    let source = v.source.clone();
    let rows = [
        ("description", v.description.clone()),
        ("aliases", v.aliases.join(" ")),
        ("stage", stage),
        ("tags", pairs(&v.tags)),
        ("engine", engine(v)),
        ("properties", pairs(&v.properties)),
        ("source", source),
    ];
    let told = rows.into_iter().filter(|(_, value)| !value.is_empty());
    told.map(|(name, value)| format!("{name}: {value}\n")).collect()
}

fn deployment(value: &Value) -> String {
    match (value["endpoint"].as_str(), value["name"].as_str()) {
        (Some(endpoint), Some(name)) => format!("{endpoint}/{name}"),
        _ => value.to_string(),
    }
}

async fn set_alias(session: &Session, model: &str, alias: &str) -> Result<(), Fault> {
    let (name, version) = reference(model);
    let found: ModelVersion =
        session.client.get(&format!("/api/v1/models/{name}/versions/{version}")).await?;
    let route = format!("/api/v1/models/{name}/aliases/{}", segment(alias));
    session.client.quiet(Method::PUT, &route, Some(&json!({ "version": found.version }))).await?;
    session.out.value(&json!({ "model": found.model, "alias": alias, "version": found.version }), |_| {
        format!("{}@{alias} is now version {}", found.model, found.version)
    });
    Ok(())
}

async fn delete(session: &Session, model: &str, all_versions: bool) -> Result<(), Fault> {
    let route = match (model.contains(':'), all_versions) {
        (true, false) => {
            let (name, version) = reference(model);
            format!("/api/v1/models/{name}/versions/{version}")
        }
        (false, true) => format!("/api/v1/models/{}", segment(model)),
        (true, true) => return Err(Fault::invalid("--all-versions goes with NAME alone")),
        (false, false) => {
            return Err(Fault::invalid(format!(
                "write {model}:VERSION for one version, or --all-versions for the whole model"
            )));
        }
    };
    session.client.quiet::<()>(Method::DELETE, &route, None).await?;
    session.out.value(&json!({ "deleted": model }), |_| format!("deleted {model}"));
    Ok(())
}
