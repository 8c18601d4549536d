//! `principal create|list|revoke`.

use crate::client::segment;
use crate::session::Session;
use crate::show::{table, time};
use clap::{Args, Subcommand};
use domain::{Fault, Principal as Record};
use http::Method;
use serde_json::{Value, json};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Principal {
    /// Create a principal; its secret is shown once
    Create(Create),
    /// List principals
    List,
    /// Revoke a principal: its tokens are refused from now on
    Revoke {
        /// The principal's name
        name: String,
    },
}

/// `principal create`.
#[derive(Debug, Args)]
pub struct Create {
    /// The principal's name
    pub name: String,
    /// reader, contributor, owner, scorer, or none for now
    #[arg(long, default_value = "scorer")]
    pub role: String,
    /// What the role is held on: workspace, endpoint:NAME or model:NAME
    #[arg(long, default_value = "workspace")]
    pub on: domain::Scope,
    /// The audience of its tokens; the control plane's when left out
    #[arg(long)]
    pub audience: Option<String>,
}

impl Principal {
    /// Carries the verb out.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        match self {
            Self::Create(create) => {
                let role = (create.role != "none").then_some(create.role);
                let body = json!({ "name": create.name, "role": role, "on": create.on, "audience": create.audience });
                let made: Value = session.client.post("/api/v1/principals", &body).await?;
                session.out.value(&made, |made| {
                    let text = |member: &str| made[member].as_str().unwrap_or_default().to_owned();
                    let shown = ["client_id", "client_secret", "tenant", "token_url", "audience"];
                    let rows = shown.iter().map(|member| [(*member).to_owned(), text(member)]);
                    format!("{}\nthe secret is shown this once", table(&["", "value"], rows))
                });
            }
            Self::List => {
                let all: Vec<Record> = session.client.get("/api/v1/principals").await?;
                session.out.value(&all, |all| {
                    let rows = all.iter().map(|p| {
                        let state =
                            p.revoked.map_or_else(|| "active".to_owned(), |t| format!("revoked {}", time(t)));
                        [
                            p.name.to_string(),
                            p.role.map_or("", domain::Role::as_str).to_owned(),
                            p.client_id.clone(),
                            p.audience.clone(),
                            state,
                        ]
                    });
                    table(&["name", "role", "client id", "audience", "state"], rows)
                });
            }
            Self::Revoke { name } => {
                let route = format!("/api/v1/principals/{}/revoke", segment(&name));
                session.client.quiet(Method::POST, &route, None::<&Value>).await?;
                session.out.value(&json!({ "revoked": name }), |_| format!("revoked {name}"));
            }
        }
        Ok(())
    }
}
