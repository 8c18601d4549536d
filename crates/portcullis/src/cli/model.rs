//! `model register|list|show|set-alias|export`.

use crate::cli::data::reference;
use crate::client::{file_stream, segment};
use crate::session::Session;
use crate::show::{number, size, table, time};
use clap::{Args, Subcommand};
use domain::{Fault, Model as Registered, ModelVersion};
use http::Method;
use serde_json::{Value, json};
use std::path::PathBuf;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Model {
    /// Register an ONNX file as the next version
    Register(Register),
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
    /// Write the ONNX file of a version
    Export {
        /// NAME or NAME:VERSION
        model: String,
        /// The file to write; NAME-VERSION.onnx when left out
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

/// `model register`.
#[derive(Debug, Args)]
pub struct Register {
    /// The model's name
    pub name: String,
    /// The ONNX file
    pub file: PathBuf,
    /// Free text kept with the version
    #[arg(long, default_value = "")]
    pub description: String,
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
                        [
                            m.name.to_string(),
                            m.latest.map(|v| v.to_string()).unwrap_or_default(),
                            aliases.join(" "),
                            time(m.created),
                        ]
                    });
                    table(&["name", "latest", "aliases", "created"], rows)
                });
                Ok(())
            }
            Self::Show { model } if !model.contains(':') => versions(session, &model).await,
            Self::Show { model } => show(session, &model).await,
            Self::SetAlias { model, alias } => set_alias(session, &model, &alias).await,
            Self::Export { model, out } => export(session, &model, out).await,
        }
    }
}

impl Register {
    async fn run(&self, session: &Session) -> Result<(), Fault> {
        let stream = file_stream(&self.file, |_| {}).await?;
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("description", &self.description)
            .finish();
        let route = format!("/api/v1/models/{}/versions?{query}", segment(&self.name));
        let version: ModelVersion = session.client.upload(&route, stream).await?;
        session.out.value(&version, |v| {
            format!(
                "registered {}:{} · {} · sha256 {}…",
                v.model,
                v.version,
                size(v.bytes),
                &v.digest.hex()[..12]
            )
        });
        Ok(())
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
                size(v.bytes),
                v.signature.output.task.to_string(),
                data,
                run,
                time(v.created),
            ]
        });
        table(&["version", "size", "task", "data", "run", "created"], rows)
    });
    Ok(())
}

async fn show(session: &Session, model: &str) -> Result<(), Fault> {
    let (name, version) = reference(model);
    let route = format!("/api/v1/models/{name}/versions/{version}");
    let found: ModelVersion = session.client.get(&route).await?;
    let lineage: Value = session.client.get(&format!("{route}/lineage")).await?;
    session.out.value(&json!({ "version": found, "lineage": lineage }), |_| described(&found, &lineage));
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
        || "a file".to_owned(),
        |l| format!("{}:{} (sha256 {}…)", l.data, l.data_version, &l.data_digest.hex()[..12]),
    );
    let runs_in: Vec<String> =
        lineage["deployments"].as_array().into_iter().flatten().map(deployment).collect();
    format!(
        "{}:{} · {} · {} · sha256 {}\nfrom {came}{} → deployments: {}\n\n{}\n\npredicts {} ({}) {}\n\n{}",
        v.model,
        v.version,
        v.signature.output.task,
        size(v.bytes),
        v.digest,
        v.run.as_ref().map(|r| format!(" → run {r}")).unwrap_or_default(),
        if runs_in.is_empty() { "none".to_owned() } else { runs_in.join(", ") },
        table(&["input", "type", "", "example", "seen"], inputs),
        v.signature.output.name,
        v.signature.output.task,
        classes.join(" | "),
        table(&["metric", "value"], metrics)
    )
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

async fn export(session: &Session, model: &str, out: Option<PathBuf>) -> Result<(), Fault> {
    let (name, version) = reference(model);
    let route = format!("/api/v1/models/{name}/versions/{version}");
    let found: ModelVersion = session.client.get(&route).await?;
    let bytes = session.client.bytes(&format!("{route}/file")).await?;
    let out = out.unwrap_or_else(|| PathBuf::from(format!("{}-{}.onnx", found.model, found.version)));
    registry::write_file(&out, &bytes)?;
    session.out.value(&json!({ "file": out, "bytes": bytes.len(), "sha256": found.digest }), |_| {
        format!("wrote {} ({})", out.display(), size(bytes.len() as u64))
    });
    Ok(())
}
