//! `principal create|list|show|rotate-secret|revoke-secret|revoke`.

use crate::client::segment;
use crate::session::Session;
use crate::show::{table, time};
use clap::{Args, Subcommand};
use domain::{Fault, PrincipalInfo, SecretInfo, Span};
use http::Method;
use serde_json::{Value, json};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Principal {
    /// Create a principal; its secret is shown once
    Create(Create),
    /// List principals
    List,
    /// Show a principal and when its secrets were made and used
    Show {
        /// The principal's name
        name: String,
    },
    /// Give a client a new secret, shown once; the former lives on until the next rotation
    RotateSecret {
        /// The principal's name
        name: String,
        /// How long the new secret lives, as 90d; until it is rotated out when left out
        #[arg(long, value_name = "D")]
        expires_in: Option<Span>,
    },
    /// End a client's secret
    RevokeSecret {
        /// The principal's name
        name: String,
        /// The one before the newest
        #[arg(long, required = true)]
        former: bool,
    },
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
    /// reader, contributor, owner or scorer
    #[arg(long, default_value = "scorer")]
    pub role: String,
    /// The audience of its tokens; the control plane's when left out
    #[arg(long)]
    pub audience: Option<String>,
}

impl Principal {
    /// Carries the verb out.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        match self {
            Self::Create(create) => {
                let body = json!({ "name": create.name, "role": create.role, "audience": create.audience });
                let made: Value = session.client.post("/api/v1/principals", &body).await?;
                session.out.value(&made, |made| {
                    let text = |member: &str| made[member].as_str().unwrap_or_default().to_owned();
                    let shown = ["client_id", "client_secret", "tenant", "token_url", "audience"];
                    let rows = shown.iter().map(|member| [(*member).to_owned(), text(member)]);
                    format!("{}\nthe secret is shown this once", table(&["", "value"], rows))
                });
            }
            Self::List => {
                let all: Vec<PrincipalInfo> = session.client.get("/api/v1/principals").await?;
                session.out.value(&all, |all| list(all));
            }
            Self::Show { name } => {
                let route = format!("/api/v1/principals/{}", segment(&name));
                let one: PrincipalInfo = session.client.get(&route).await?;
                session.out.value(&one, |one| {
                    let secrets = one.secrets.iter().map(secret);
                    let secrets = table(&["secret", "made", "ends", "last used"], secrets);
                    format!("{}\n\n{secrets}", list(std::slice::from_ref(one)))
                });
            }
            Self::RotateSecret { name, expires_in } => {
                let route = format!("/api/v1/principals/{}/rotate-secret", segment(&name));
                let made: Value = session.client.post(&route, &json!({ "expires_in": expires_in })).await?;
                session.out.value(&made, |made| {
                    let text = |member: &str| made[member].as_str().unwrap_or_default().to_owned();
                    let rows = ["client_id", "client_secret"].map(|member| [member.to_owned(), text(member)]);
                    format!(
                        "{}\nthe secret is shown this once; the former one still works",
                        table(&["", "value"], rows)
                    )
                });
            }
            Self::RevokeSecret { name, former: _ } => {
                let route = format!("/api/v1/principals/{}/revoke-former-secret", segment(&name));
                session.client.quiet(Method::POST, &route, None::<&Value>).await?;
                session.out.value(&json!({ "revoked": name }), |_| {
                    format!("the former secret of {name} is revoked")
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

fn list(all: &[PrincipalInfo]) -> String {
    let rows = all.iter().map(|info| {
        let p = &info.principal;
        let state = p.revoked.map_or_else(|| "active".to_owned(), |t| format!("revoked {}", time(t)));
        let used = info.secrets.iter().filter_map(|s| s.used).max();
        [
            p.name.to_string(),
            p.role.as_str().to_owned(),
            p.client_id.clone(),
            p.audience.clone(),
            info.secrets.len().to_string(),
            day(used),
            state,
        ]
    });
    table(&["name", "role", "client id", "audience", "secrets", "last used", "state"], rows)
}

fn secret(info: &SecretInfo) -> [String; 4] {
    let which = if info.former { "former" } else { "newest" };
    [
        which.to_owned(),
        time(info.created),
        info.expires.map_or_else(|| "never".to_owned(), time),
        day(info.used),
    ]
}

fn day(moment: Option<domain::Timestamp>) -> String {
    moment.map_or_else(|| "-".to_owned(), |t| t.to_string().chars().take(10).collect())
}
