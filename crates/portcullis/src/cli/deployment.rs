//! `deployment create|update|list|show|logs|delete`.

mod file;
mod logs;
mod steps;
mod variables;

use crate::client::segment;
use crate::session::Session;
use crate::show::{table, time};
use clap::{Args, Subcommand};
use domain::{Deployment as Record, DeploymentUpdate, Fault, ModelVersion};
use endpoint::DeploymentView;
use endpoint::python::ProvisioningState;
use http::Method;
use serde_json::{Value, json};
use std::path::PathBuf;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Deployment {
    /// Deploy a model version; a deployment of the same name is replaced
    Create(Create),
    /// List the deployments of an endpoint
    List {
        /// The endpoint
        endpoint: String,
    },
    /// Show a deployment and the model version it runs
    Show {
        /// The endpoint
        endpoint: String,
        /// The deployment
        name: String,
    },
    /// What a deployment's Python workers printed; of a model that this program runs, the newest calls
    Logs(logs::Logs),
    /// Change a running deployment of Python workers
    Update {
        /// The endpoint
        endpoint: String,
        /// The deployment
        name: String,
        /// Whether answers are kept in the deployment's log
        #[arg(long, value_name = "true|false", action = clap::ArgAction::Set)]
        app_insights: bool,
    },
    /// Delete a deployment; refused while it gets traffic
    Delete {
        /// The endpoint
        endpoint: String,
        /// The deployment
        name: String,
    },
}

/// `deployment create`.
#[derive(Debug, Args)]
pub struct Create {
    /// The endpoint; with a file, what it says when left out
    #[arg(long, required_unless_present = "file")]
    pub endpoint: Option<String>,
    /// The deployment's name; blue, or what the file says, when left out
    #[arg(long)]
    pub name: Option<String>,
    /// NAME[:VERSION|@ALIAS]; with a file, what it says when left out
    #[arg(long, required_unless_present = "file")]
    pub model: Option<String>,
    /// Send all traffic to it (so does the first deployment of an endpoint)
    #[arg(long)]
    pub all_traffic: bool,
    /// An online deployment of the Azure ML CLI v2, managed or Kubernetes
    #[arg(long, short = 'f', conflicts_with = "inference_config")]
    pub file: Option<PathBuf>,
    /// A scoring script's file of v1: inference-config.yml
    #[arg(long)]
    pub inference_config: Option<PathBuf>,
    /// Its sizes and limits: deployment-config-aks.yml or deployment-config-aci.yml
    #[arg(long, requires = "inference_config")]
    pub deploy_config: Option<PathBuf>,
    /// The folder that the paths of inference-config.yml begin in; the one above its own folder, or its own, when left out
    #[arg(long, requires = "inference_config")]
    pub source_folder: Option<PathBuf>,
    /// The packages of a model that Python workers run: NAME[:VERSION] of a registered environment, or a conda file,
    /// requirements.txt or environment.yml; an MLflow model's own when left out
    #[arg(long, conflicts_with_all = ["file", "inference_config"])]
    pub environment: Option<String>,
    /// Let pins that cannot be had give way to the nearest version that can; what gave way is told in the log
    #[arg(long)]
    pub relax_pins: bool,
    /// Let the Python workers reach the network
    #[arg(long)]
    pub network: bool,
}

impl Deployment {
    /// Carries the verb out.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        match self {
            Self::Create(create) => {
                let made = create.carry_out(session).await?;
                session.out.value(&made, |d| {
                    format!("deployed {}:{} as {}/{}", d.model, d.version, d.endpoint, d.name)
                });
            }
            Self::Update { endpoint, name, app_insights } => {
                let changed = update(session, (&endpoint, &name), app_insights).await?;
                session.out.value(&changed, described);
            }
            Self::List { endpoint } => {
                let all = list(session, &endpoint).await?;
                session.out.value(&all, |all| {
                    let rows = all.iter().map(|view| {
                        let d = &view.deployment;
                        let (state, workers) = state(view);
                        [
                            d.name.to_string(),
                            format!("{}:{}", d.model, d.version),
                            state,
                            workers,
                            time(d.created),
                        ]
                    });
                    table(&["name", "model", "state", "workers", "created"], rows)
                });
            }
            Self::Show { endpoint, name } => show(session, &endpoint, &name).await?,
            Self::Logs(logs) => logs.run(session).await?,
            Self::Delete { endpoint, name } => {
                let route =
                    format!("/api/v1/endpoints/{}/deployments/{}", segment(&endpoint), segment(&name));
                session.client.quiet(Method::DELETE, &route, None::<&Value>).await?;
                session
                    .out
                    .value(&json!({ "deleted": name }), |_| format!("deleted deployment {endpoint}/{name}"));
            }
        }
        Ok(())
    }
}

impl Create {
    /// Deploys; when it returns, the deployment answers.
    pub async fn carry_out(&self, session: &Session) -> Result<Record, Fault> {
        let (endpoint, new) = file::ask(session, self).await?;
        let route = format!("/api/v1/endpoints/{}/deployments", segment(&endpoint));
        let name = new.name.to_string();
        let work = session.client.post(&route, &new);
        let made: Record = steps::told(session, (&endpoint, &name), work).await?;
        let unused = new.spec.as_ref().filter(|_| made.spec.is_none()).map(variables::of_workers);
        if let Some(unused) = unused.filter(|unused| !unused.is_empty()) {
            let unused = unused.join(", ");
            session.out.note(&format!(
                "this program runs the model itself, without Python workers: {unused} has no effect"
            ));
        }
        Ok(made)
    }
}

/// Switches the keeping of answers of one deployment.
pub async fn update(
    session: &Session,
    (endpoint, name): (&str, &str),
    app_insights: bool,
) -> Result<DeploymentView, Fault> {
    let route = format!("/api/v1/endpoints/{}/deployments/{}", segment(endpoint), segment(name));
    let ask = DeploymentUpdate { app_insights_enabled: Some(app_insights) };
    session.client.send(Method::PATCH, &route, &ask).await
}

/// The deployments of an endpoint.
pub async fn list(session: &Session, endpoint: &str) -> Result<Vec<DeploymentView>, Fault> {
    session.client.get(&format!("/api/v1/endpoints/{}/deployments", segment(endpoint))).await
}

/// One of them.
async fn find(session: &Session, endpoint: &str, name: &str) -> Result<DeploymentView, Fault> {
    let found = list(session, endpoint).await?.into_iter().find(|view| view.deployment.name.as_str() == name);
    found.ok_or_else(|| Fault::not_found("deployment", name))
}

/// State and workers in words.
fn state(view: &DeploymentView) -> (String, String) {
    let state = match view.status.provisioning_state {
        ProvisioningState::Creating => "Creating",
        ProvisioningState::Updating => "Updating",
        ProvisioningState::Succeeded => "Succeeded",
        ProvisioningState::Failed => "Failed",
    };
    let workers = match view.deployment.spec {
        Some(_) => format!("{}/{}", view.status.instances_ready, view.status.instances),
        None => "-".to_owned(),
    };
    (state.to_owned(), workers)
}

fn described(view: &DeploymentView) -> String {
    let Record { endpoint, name, model, version, created, .. } = &view.deployment;
    let (state, workers) = state(view);
    let mut text = format!("{endpoint}/{name} runs {model}:{version} since {}: {state}", time(*created));
    if let Some(spec) = &view.deployment.spec {
        let script = spec.scoring_script.as_deref().unwrap_or("the model's own code");
        let insights = if spec.app_insights_enabled { "kept" } else { "not kept" };
        text.push_str(&format!(
            "\n{script}, {workers} workers ready, {} restarts, answers {insights}",
            view.status.restarts
        ));
    }
    if let Some(engine) = &view.engine {
        text.push_str(&format!("\nengine: {engine}"));
    }
    if let Some(reason) = &view.status.reason {
        text.push_str(&format!("\n{reason}"));
    }
    text
}

async fn show(session: &Session, endpoint: &str, name: &str) -> Result<(), Fault> {
    let view = find(session, endpoint, name).await?;
    let of = &view.deployment;
    let route = format!("/api/v1/models/{}/versions/{}", segment(of.model.as_str()), of.version);
    let model: ModelVersion = session.client.get(&route).await?;
    session.out.value(&json!({ "deployment": view, "model": model }), |_| {
        format!("{}\nsha256 {}", described(&view), model.digest)
    });
    Ok(())
}
