//! `endpoint create|list|show|keys|regenerate-key|set-traffic|invoke|delete`.

mod shares;

use crate::cli::{deployment, endpoint_file};
use crate::client::segment;
use crate::session::Session;
use crate::show::{line, table, time};
use clap::{Subcommand, ValueEnum};
use domain::{Endpoint as Record, EndpointUpdate, ErrorCode, Fault, Name, PublicNetworkAccess};
use endpoint::{NewEndpoint, RegeneratedKeys};
use gateway::MirrorReport;
use http::Method;
use serde_json::{Value, json};
use shares::Shares;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Which key.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Slot {
    /// The primary key
    Primary,
    /// The secondary key
    Secondary,
}

impl Slot {
    /// The word of the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
        }
    }
}

/// Whether a network reaches the direct door.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum Access {
    /// The direct door answers whoever has a key
    #[default]
    Enabled,
    /// Only published APIs reach it
    Disabled,
}

impl From<Access> for PublicNetworkAccess {
    fn from(access: Access) -> Self {
        match access {
            Access::Enabled => Self::Enabled,
            Access::Disabled => Self::Disabled,
        }
    }
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Endpoint {
    /// Create an endpoint: closed, with two keys
    Create {
        /// The endpoint's name; the file's when there is one
        #[arg(required_unless_present = "file")]
        name: Option<String>,
        /// The endpoint as YAML of the Azure ML CLI v2
        #[arg(long, short, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Open swagger.json, openapi.json and docs to anyone
        #[arg(long)]
        docs_public: bool,
        /// disabled: no network address reaches the endpoint, only published APIs do
        #[arg(long, value_enum)]
        public_network_access: Option<Access>,
        /// Free text
        #[arg(long)]
        description: Option<String>,
    },
    /// Change settings of an endpoint
    Update {
        /// The endpoint's name; the file's when there is one
        #[arg(required_unless_present = "file")]
        name: Option<String>,
        /// The endpoint as YAML of the Azure ML CLI v2
        #[arg(long, short, value_name = "FILE")]
        file: Option<PathBuf>,
        /// disabled: no network address reaches the endpoint, only published APIs do
        #[arg(long, value_enum)]
        public_network_access: Option<Access>,
        /// Whether swagger.json, openapi.json and docs are open to anyone
        #[arg(long)]
        docs_public: Option<bool>,
        /// Free text
        #[arg(long)]
        description: Option<String>,
        /// Whether the answers of its Python deployments are kept in their logs
        #[arg(long, value_name = "true|false")]
        app_insights: Option<bool>,
        #[command(flatten)]
        shares: Shares,
    },
    /// List endpoints
    List,
    /// Show an endpoint and its deployments
    Show {
        /// The endpoint's name
        name: String,
    },
    /// Show both keys
    Keys {
        /// The endpoint's name
        name: String,
    },
    /// Replace one key; the other goes on working
    RegenerateKey {
        /// The endpoint's name
        name: String,
        /// Which key
        #[arg(long, value_enum)]
        key: Slot,
    },
    /// Set the percent of traffic of each deployment: blue=90 green=10
    SetTraffic {
        /// The endpoint's name
        name: String,
        /// DEPLOYMENT=PERCENT; the sum is 0 or 100
        #[arg(value_name = "DEPLOYMENT=PERCENT")]
        pairs: Vec<String>,
        #[command(flatten)]
        shares: Shares,
    },
    /// Score a request file with the endpoint's primary key
    Invoke {
        /// The endpoint's name
        name: String,
        /// The JSON body
        #[arg(long)]
        request_file: PathBuf,
        /// This deployment, whatever the traffic
        #[arg(long)]
        deployment: Option<String>,
    },
    /// Delete an endpoint and its deployments
    Delete {
        /// The endpoint's name
        name: String,
    },
}

impl Endpoint {
    /// Carries the verb out.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        let client = &session.client;
        match self {
            Self::Create { name, file, docs_public, public_network_access, description } => {
                let mut ask = endpoint_file::new(file.as_deref(), name)?;
                ask.docs_public |= docs_public;
                ask.public_network_access =
                    public_network_access.map_or(ask.public_network_access, PublicNetworkAccess::from);
                ask.description = description.unwrap_or(ask.description);
                create(session, &ask).await
            }
            Self::Update {
                name,
                file,
                public_network_access,
                docs_public,
                description,
                app_insights,
                shares,
            } => {
                let (name, mut ask) = endpoint_file::update(file.as_deref(), name)?;
                ask.docs_public = docs_public;
                ask.public_network_access =
                    public_network_access.map(Into::into).or(ask.public_network_access);
                ask.description = description.or(ask.description);
                shares.lay_over(&mut ask)?;
                if let Some(kept) = app_insights {
                    switch_insights(session, &name, kept).await?;
                }
                update(session, &name, &ask).await
            }
            Self::List => {
                let all: Vec<Record> = client.get("/api/v1/endpoints").await?;
                session.out.value(&all, |all| table(&HEADER, all.iter().map(row)));
                Ok(())
            }
            Self::Show { name } => show(session, &name).await,
            Self::Keys { name } => {
                keys(session, Method::GET, &format!("/api/v1/endpoints/{}/keys", segment(&name))).await
            }
            Self::RegenerateKey { name, key } => {
                let slot = key.word();
                keys(
                    session,
                    Method::POST,
                    &format!("/api/v1/endpoints/{}/keys/{slot}/regenerate", segment(&name)),
                )
                .await
            }
            Self::SetTraffic { name, pairs, shares } => share(session, &name, shares.with(&pairs)?).await,
            Self::Invoke { name, request_file, deployment } => {
                invoke(session, &name, &request_file, deployment).await
            }
            Self::Delete { name } => delete(session, &name).await,
        }
    }
}

async fn delete(session: &Session, name: &str) -> Result<(), Fault> {
    let route = format!("/api/v1/endpoints/{}", segment(name));
    session.client.quiet(Method::DELETE, &route, None::<&Value>).await?;
    session.out.value(&json!({ "deleted": name }), |_| format!("deleted endpoint {name}"));
    Ok(())
}

/// Switches the keeping of answers of all deployments that Python workers run.
async fn switch_insights(session: &Session, endpoint: &str, kept: bool) -> Result<(), Fault> {
    for view in deployment::list(session, endpoint).await? {
        if view.deployment.spec.is_some() {
            deployment::update(session, (endpoint, view.deployment.name.as_str()), kept).await?;
        }
    }
    Ok(())
}

const HEADER: [&str; 6] = ["name", "auth", "traffic", "docs", "network", "created"];

fn row(e: &Record) -> [String; 6] {
    let traffic: Vec<String> = e.traffic.iter().map(|(d, p)| format!("{d}={p}")).collect();
    let docs = if e.docs_public { "public" } else { "closed" };
    let network = if is_private(e) { "gateway only" } else { "open to keys" };
    [
        e.name.to_string(),
        "key".to_owned(),
        traffic.join(" "),
        docs.to_owned(),
        network.to_owned(),
        time(e.created),
    ]
}

fn is_private(endpoint: &Record) -> bool {
    endpoint.public_network_access == PublicNetworkAccess::Disabled
}

async fn show(session: &Session, name: &str) -> Result<(), Fault> {
    let route = format!("/api/v1/endpoints/{}", segment(name));
    let endpoint: Record = session.client.get(&route).await?;
    let deployments: Vec<domain::Deployment> = session.client.get(&format!("{route}/deployments")).await?;
    let scoring = session.url(&format!("/endpoints/{}/score", endpoint.name));
    let mirror = mirrored(session, &endpoint).await?;
    let value = json!({ "endpoint": endpoint, "deployments": deployments, "scoring_uri": scoring,
        "mirror": mirror });
    session.out.value(&value, |_| {
        let rows = deployments.iter().map(|d| {
            let percent = endpoint.traffic.get(&d.name).copied().unwrap_or_default();
            [
                d.name.to_string(),
                format!("{}:{}", d.model, d.version),
                format!("{percent} %"),
                time(d.created),
            ]
        });
        let deployed = table(&["deployment", "model", "traffic", "created"], rows);
        let told = mirror.as_ref().map(shares::told).unwrap_or_default();
        let reached = session.reached();
        format!("{}\nscoring_uri {scoring}{reached}\n\n{deployed}{told}", table(&HEADER, [row(&endpoint)]))
    });
    Ok(())
}

/// What came of mirrored calls; nothing when none are mirrored, or the caller may not see answers.
async fn mirrored(session: &Session, endpoint: &Record) -> Result<Option<MirrorReport>, Fault> {
    if endpoint.mirror_traffic.is_empty() {
        return Ok(None);
    }
    let route = format!("/api/v1/endpoints/{}/mirror", segment(endpoint.name.as_str()));
    match session.client.get(&route).await {
        Ok(report) => Ok(Some(report)),
        Err(fault) if matches!(fault.code, ErrorCode::Forbidden | ErrorCode::NotFound) => Ok(None),
        Err(fault) => Err(fault),
    }
}

async fn keys(session: &Session, method: Method, route: &str) -> Result<(), Fault> {
    let shown: RegeneratedKeys = if method == Method::GET {
        session.client.get(route).await?
    } else {
        session.client.post(route, &json!({})).await?
    };
    session.out.value(&shown, |shown| {
        let keys = [("primary", &shown.keys.primary), ("secondary", &shown.keys.secondary)];
        let mut text = table(&["", "key"], keys.map(|(slot, key)| [slot.to_owned(), key.clone()]));
        for name in &shown.named_values {
            text.push_str(&format!("\nthe named value {name} held the old key and holds the new one"));
        }
        text
    });
    Ok(())
}

async fn create(session: &Session, ask: &NewEndpoint) -> Result<(), Fault> {
    let client = &session.client;
    let made: Record = client.post("/api/v1/endpoints", ask).await?;
    session.out.value(&made, |e| {
        let url = session.url(&format!("/endpoints/{}/", e.name));
        format!("created endpoint {} at {url}{}", e.name, session.reached())
    });
    Ok(())
}

/// Sets the traffic alone, or with a mirror both in one step.
async fn share(session: &Session, name: &str, mut ask: EndpointUpdate) -> Result<(), Fault> {
    match (ask.mirror_traffic.is_some(), ask.traffic.take()) {
        (false, None) => Err(Fault::invalid("say which deployment gets how much: blue=90 green=10")),
        (false, Some(traffic)) => set_traffic(session, name, &traffic).await,
        (true, traffic) => {
            ask.traffic = traffic;
            update(session, name, &ask).await
        }
    }
}

async fn set_traffic(session: &Session, name: &str, traffic: &BTreeMap<Name, u8>) -> Result<(), Fault> {
    let route = format!("/api/v1/endpoints/{}/traffic", segment(name));
    let changed: Record = session.client.send(Method::PUT, &route, traffic).await?;
    session.out.value(&changed, |e| table(&HEADER, [row(e)]));
    Ok(())
}

async fn update(session: &Session, name: &str, ask: &EndpointUpdate) -> Result<(), Fault> {
    let route = format!("/api/v1/endpoints/{}", segment(name));
    let changed: Record = session.client.send(Method::PATCH, &route, ask).await?;
    session.out.value(&changed, |e| table(&HEADER, [row(e)]));
    Ok(())
}

/// Refuses an endpoint whose direct door no network reaches.
pub fn expect_reachable(endpoint: &Record) -> Result<(), Fault> {
    if !is_private(endpoint) {
        return Ok(());
    }
    Err(Fault::conflict(format!(
        "no network address reaches the endpoint '{}' (public_network_access: disabled): call an API published over it \
         with a token; `api list` shows them",
        endpoint.name
    )))
}

async fn invoke(
    session: &Session,
    name: &str,
    file: &std::path::Path,
    deployment: Option<String>,
) -> Result<(), Fault> {
    let body = std::fs::read(file).map_err(|e| Fault::invalid(format!("{}: {e}", file.display())))?;
    let endpoint: Record = session.client.get(&format!("/api/v1/endpoints/{}", segment(name))).await?;
    expect_reachable(&endpoint)?;
    let keys: Value = session.client.get(&format!("/api/v1/endpoints/{}/keys", segment(name))).await?;
    let url = format!("{}/endpoints/{}/score", session.client.base(), segment(name));
    let mut call =
        session.client.http().post(url).bearer_auth(keys["primaryKey"].as_str().unwrap_or_default());
    if let Some(deployment) = deployment {
        call = call.header("azureml-model-deployment", deployment);
    }
    let answer = call.header("content-type", "application/json").body(body).send().await;
    let answer = answer.map_err(|e| Fault::new(domain::ErrorCode::Unavailable, e.to_string()))?;
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    line(&text);
    if status.is_success() {
        Ok(())
    } else {
        Err(Fault::new(domain::ErrorCode::Unprocessable, format!("the endpoint answered {status}")))
    }
}
