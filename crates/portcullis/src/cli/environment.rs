//! `environment create|list|show|prepare`.

use crate::cli::data::reference;
use crate::client::segment;
use crate::definition;
use crate::session::Session;
use crate::show::{table, time};
use clap::{Args, Subcommand};
use domain::{EnvironmentSpec, EnvironmentVersion, Fault};
use serde_json::{Value, json};
use std::path::PathBuf;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Environment {
    /// Register an environment: a definition, a conda file or a requirements.txt
    Create(Create),
    /// List environments
    List,
    /// Show the versions of an environment, or one version
    Show {
        /// NAME or NAME:VERSION
        environment: String,
    },
    /// Make an environment now, rather than at its first use
    Prepare {
        /// NAME or NAME:VERSION
        environment: String,
    },
}

/// `environment create`.
#[derive(Debug, Args)]
pub struct Create {
    /// environment.yml (image, conda_file, requirements_file, python), a conda file, or requirements.txt
    #[arg(short, long, value_name = "FILE")]
    pub file: PathBuf,
    /// The name, when the file has none or another
    #[arg(short, long)]
    pub name: Option<String>,
    /// Let pins that cannot be had give way to the nearest version that can; what gave way is recorded
    #[arg(long)]
    pub relax_pins: bool,
    /// Make it at once
    #[arg(long)]
    pub prepare: bool,
}

impl Environment {
    /// Carries the verb out.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        match self {
            Self::Create(create) => create.run(session).await,
            Self::List => list(session, "/api/v1/environments").await,
            Self::Show { environment } if !environment.contains(':') => {
                list(session, &format!("/api/v1/environments/{}/versions", segment(&environment))).await
            }
            Self::Show { environment } => {
                let (name, version) = reference(&environment);
                let route = format!("/api/v1/environments/{name}/versions/{version}");
                let found: EnvironmentVersion = session.client.get(&route).await?;
                session.out.value(&found, shown);
                Ok(())
            }
            Self::Prepare { environment } => {
                let (name, version) = reference(&environment);
                let ready = prepare(session, &name, &version).await?;
                session.out.value(&ready, made);
                Ok(())
            }
        }
    }
}

impl Create {
    async fn run(self, session: &Session) -> Result<(), Fault> {
        let named = definition::environment_file(&self.file)?;
        named.tell(session);
        let name = self.name.or(named.name).ok_or_else(|| {
            Fault::invalid(format!("{}: the file has no name: give one with --name", self.file.display()))
        })?;
        let mut spec = named.spec;
        if self.relax_pins {
            spec = environments::describe::relaxed(spec);
        }
        let route = format!("/api/v1/environments/{}/versions", segment(&name));
        let ask = json!({"spec": spec, "description": named.description});
        let answer: Value = session.client.post(&route, &ask).await?;
        if self.prepare {
            let ready = prepare(session, &segment(&name), &answer["version"].to_string()).await?;
            session.out.value(&json!({"environment": answer, "ready": ready}), |all| {
                format!("{}\n{}", registered(&all["environment"]), made(&all["ready"]))
            });
            return Ok(());
        }
        session.out.value(&answer, registered);
        Ok(())
    }
}

/// Makes an environment; its steps are told on the way.
async fn prepare(session: &Session, name: &str, version: &str) -> Result<Value, Fault> {
    let route = format!("/api/v1/environments/{name}/versions/{version}/prepare");
    let mut end = Value::Null;
    session
        .client
        .lines_of(http::Method::POST, &route, |line| {
            if let Some(step) = line["step"].as_str() {
                session.out.note(step);
            } else {
                end = line;
            }
        })
        .await?;
    match (end.get("ready"), end["error"].as_str()) {
        (Some(ready), _) => Ok(ready.clone()),
        (None, Some(error)) => Err(Fault::invalid(error)),
        _ => Err(Fault::internal("the server ended before the environment was made: look at its log")),
    }
}

async fn list(session: &Session, route: &str) -> Result<(), Fault> {
    let found: Vec<EnvironmentVersion> = session.client.get(route).await?;
    session.out.value(&found, |found| {
        let rows = found.iter().map(|e| {
            [e.name.to_string(), e.version.to_string(), summary(&e.spec), time(e.created), e.digest.hex()[..12].to_owned()]
        });
        table(&["name", "version", "asks for", "created", "sha256"], rows)
    });
    Ok(())
}

fn registered(answer: &Value) -> String {
    let what = if answer["is_new"] == true { "registered" } else { "already there, asks for the same:" };
    format!("{what} {}:{}", answer["name"].as_str().unwrap_or_default(), answer["version"])
}

fn made(ready: &Value) -> String {
    let record = &ready["record"];
    let mut text = format!(
        "ready: python {}, {} packages",
        record["python"].as_str().unwrap_or_default(),
        record["packages"].as_array().map_or(0, Vec::len)
    );
    for change in record["changes"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        text.push_str("\n  ");
        text.push_str(change);
    }
    text
}

fn summary(spec: &EnvironmentSpec) -> String {
    match spec {
        EnvironmentSpec::System => "the machine's interpreter".to_owned(),
        EnvironmentSpec::Named { interpreter } => format!("interpreter {interpreter}"),
        EnvironmentSpec::Registered { name, .. } => format!("environment {name}"),
        EnvironmentSpec::Packages(packages) => {
            let python = packages.python.as_deref().unwrap_or("any");
            format!("python {python}, {} requirements", packages.conda.len() + packages.pip.len())
        }
    }
}

fn shown(found: &EnvironmentVersion) -> String {
    let mut text = format!("{}:{} · {}", found.name, found.version, summary(&found.spec));
    if let EnvironmentSpec::Packages(packages) = &found.spec {
        for package in &packages.conda {
            text.push_str(&format!("\n  {} {} (conda)", package.name, package.version.as_deref().unwrap_or("")));
        }
        for line in &packages.pip {
            text.push_str(&format!("\n  {line}"));
        }
    }
    text
}
