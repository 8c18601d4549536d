//! `deployment create|list|show|logs|delete`.

use crate::client::segment;
use crate::session::Session;
use crate::show::{table, time};
use clap::{Args, Subcommand};
use domain::{Deployment as Record, Fault, ModelVersion};
use http::Method;
use serde_json::{Value, json};

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
    /// The newest calls this deployment answered
    Logs {
        /// The endpoint
        endpoint: String,
        /// The deployment
        name: String,
        /// How many calls
        #[arg(long, default_value_t = 50)]
        tail: u32,
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
    /// The endpoint
    #[arg(long)]
    pub endpoint: String,
    /// The deployment's name
    #[arg(long, default_value = "blue")]
    pub name: String,
    /// NAME[:VERSION|@ALIAS]
    #[arg(long)]
    pub model: String,
    /// Send all traffic to it (so does the first deployment of an endpoint)
    #[arg(long)]
    pub all_traffic: bool,
}

impl Deployment {
    /// Carries the verb out.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        match self {
            Self::Create(create) => {
                let body = json!({ "name": create.name, "model": create.model, "all_traffic": create.all_traffic.then_some(true) });
                let route = format!("/api/v1/endpoints/{}/deployments", segment(&create.endpoint));
                let made: Record = session.client.post(&route, &body).await?;
                session.out.value(&made, |d| {
                    format!("deployed {}:{} as {}/{}", d.model, d.version, d.endpoint, d.name)
                });
            }
            Self::List { endpoint } => {
                let all = list(session, &endpoint).await?;
                session.out.value(&all, |all| {
                    let rows = all
                        .iter()
                        .map(|d| [d.name.to_string(), format!("{}:{}", d.model, d.version), time(d.created)]);
                    table(&["name", "model", "created"], rows)
                });
            }
            Self::Show { endpoint, name } => show(session, &endpoint, &name).await?,
            Self::Logs { endpoint, name, tail } => logs(session, &endpoint, &name, tail).await?,
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

async fn list(session: &Session, endpoint: &str) -> Result<Vec<Record>, Fault> {
    session.client.get(&format!("/api/v1/endpoints/{}/deployments", segment(endpoint))).await
}

async fn show(session: &Session, endpoint: &str, name: &str) -> Result<(), Fault> {
    let all = list(session, endpoint).await?;
    let found = all.into_iter().find(|d| d.name.as_str() == name);
    let found = found.ok_or_else(|| Fault::not_found("deployment", name))?;
    let route = format!("/api/v1/models/{}/versions/{}", found.model, found.version);
    let model: ModelVersion = session.client.get(&route).await?;
    session.out.value(&json!({ "deployment": found, "model": model }), |_| {
        let Record { endpoint, name, model: of, version, created, .. } = &found;
        format!("{endpoint}/{name} runs {of}:{version} (sha256 {}) since {}", model.digest, time(*created))
    });
    Ok(())
}

async fn logs(session: &Session, endpoint: &str, name: &str, tail: u32) -> Result<(), Fault> {
    let quoted = |text: &str| text.replace('\'', "''");
    let sql = format!(
        "SELECT * FROM (SELECT TimeGenerated, Method, Path, ResponseCode, TotalDurationMs, Principal, XRequestId \
         FROM requests WHERE EndpointName = '{}' AND DeploymentName = '{}' ORDER BY TimeGenerated DESC LIMIT {tail}) \
         ORDER BY TimeGenerated",
        quoted(endpoint),
        quoted(name)
    );
    crate::cli::logs::sql(session, &sql).await
}
