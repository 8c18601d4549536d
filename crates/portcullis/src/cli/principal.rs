//! `principal create|list|show|rotate-secret|revoke-secret|revoke`.

use crate::client::segment;
use crate::session::Session;
use crate::show::{table, time};
use clap::{Args, Subcommand};
use domain::{Fault, PrincipalInfo, PrincipalKind, SecretInfo, Span};
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
    /// Give a person who forgot its password a first secret again, shown once
    ResetPassword {
        /// The person's name
        name: String,
    },
    /// End all sessions of a person
    EndSessions {
        /// The person's name
        name: String,
    },
    /// Revoke a principal: its tokens are refused from now on, its sessions end
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
    /// reader, contributor, owner, scorer, or none for now; scorer when left out, of a person reader
    #[arg(long, value_parser = ["reader", "contributor", "owner", "scorer", "none"])]
    pub role: Option<String>,
    /// What the role is held on: workspace, endpoint:NAME or model:NAME
    #[arg(long, default_value = "workspace")]
    pub on: domain::Scope,
    /// The audience of its tokens; the control plane's when left out
    #[arg(long, conflicts_with = "person")]
    pub audience: Option<String>,
    /// Somebody who logs in by password: a first secret is shown once, the first login sets the password
    #[arg(long)]
    pub person: bool,
}

impl Principal {
    /// Carries the verb out.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        match self {
            Self::Create(create) => create.run(session).await?,
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
                revoke_secret(session, &name).await?;
            }
            Self::ResetPassword { name } => {
                let route = format!("/api/v1/principals/{}/reset-password", segment(&name));
                let made: Value = session.client.post(&route, &json!({})).await?;
                session.out.value(&made, first_secret);
            }
            Self::EndSessions { name } => {
                end_sessions(session, &name).await?;
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

impl Create {
    async fn run(self, session: &Session) -> Result<(), Fault> {
        let kind = if self.person { "person" } else { "client" };
        let role = self.role.unwrap_or_else(|| if self.person { "reader" } else { "scorer" }.to_owned());
        let role = (role != "none").then_some(role);
        let body = json!({ "name": self.name, "role": role, "on": self.on, "audience": self.audience, "kind": kind });
        let mut made: Value = session.client.post("/api/v1/principals", &body).await?;
        if let Some(url) = made["token_url"].as_str() {
            made["token_url"] = json!(session.lasting(url));
        }
        session.out.value(&made, |made| if self.person { first_secret(made) } else { client(made) });
        Ok(())
    }
}

async fn revoke_secret(session: &Session, name: &str) -> Result<(), Fault> {
    let one = format!("/api/v1/principals/{}", segment(name));
    let before: PrincipalInfo = session.client.get(&one).await?;
    let ended = before.secrets.iter().filter(|secret| secret.former).count();
    session.client.quiet(Method::POST, &format!("{one}/revoke-former-secret"), None::<&Value>).await?;
    session.out.value(&json!({ "revoked": name, "secrets": ended }), |_| match ended {
        0 => format!("{name} has no former secret: nothing to revoke"),
        _ => format!("the former secret of {name} is revoked"),
    });
    Ok(())
}

async fn end_sessions(session: &Session, name: &str) -> Result<(), Fault> {
    let route = format!("/api/v1/principals/{}/sessions", segment(name));
    let open: Vec<Value> = session.client.get(&route).await?;
    session.client.quiet(Method::DELETE, &route, None::<&Value>).await?;
    let ended = open.len();
    session.out.value(&json!({ "ended": name, "sessions": ended }), |_| match ended {
        0 => format!("{name} has no open session: nothing to end"),
        _ => format!("{ended} sessions of {name} are ended"),
    });
    Ok(())
}

fn client(made: &Value) -> String {
    let text = |member: &str| made[member].as_str().unwrap_or_default().to_owned();
    let shown = ["client_id", "client_secret", "tenant", "token_url", "audience"];
    let rows = shown.iter().map(|member| [(*member).to_owned(), text(member)]);
    format!("{}\nthe secret is shown this once", table(&["", "value"], rows))
}

fn first_secret(made: &Value) -> String {
    let secret = made["first_secret"].as_str().unwrap_or_default();
    format!("{secret}\nthe first secret is shown this once; the first login sets a password with it")
}

fn list(all: &[PrincipalInfo]) -> String {
    let rows = all.iter().map(|info| {
        let p = &info.principal;
        let kind = match p.kind {
            PrincipalKind::Client => "client",
            PrincipalKind::Person => "person",
        };
        let state = p.revoked.map_or_else(|| "active".to_owned(), |t| format!("revoked {}", time(t)));
        let used = info.secrets.iter().filter_map(|s| s.used).max();
        [
            p.name.to_string(),
            kind.to_owned(),
            p.role.map_or("", domain::Role::as_str).to_owned(),
            p.client_id.clone(),
            p.audience.clone(),
            info.secrets.len().to_string(),
            day(used),
            state,
        ]
    });
    table(&["name", "kind", "role", "client id", "audience", "secrets", "last used", "state"], rows)
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
