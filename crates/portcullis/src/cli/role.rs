//! `role assign|list|remove`.

use crate::client::segment;
use crate::session::Session;
use crate::show::{table, time};
use clap::Subcommand;
use domain::{Assignment, Fault, Scope};
use http::Method;
use serde_json::{Value, json};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// Give a principal a role; the one it had there is replaced, and it counts at once
    Assign {
        /// The principal's name
        principal: String,
        /// reader, contributor, owner or scorer
        #[arg(value_parser = ["reader", "contributor", "owner", "scorer"])]
        role: String,
        /// workspace, endpoint:NAME or model:NAME
        #[arg(long, default_value = "workspace")]
        on: Scope,
    },
    /// List roles
    List {
        /// Only this principal's
        #[arg(long)]
        principal: Option<String>,
        /// Only those on workspace, endpoint:NAME or model:NAME
        #[arg(long)]
        on: Option<Scope>,
    },
    /// Take a principal's role away
    Remove {
        /// The principal's name
        principal: String,
        /// workspace, endpoint:NAME or model:NAME
        #[arg(long, default_value = "workspace")]
        on: Scope,
    },
}

fn route(principal: &str, on: &Scope) -> String {
    format!("/api/v1/roles/{}/{}", segment(principal), segment(&on.to_string()))
}

impl Role {
    /// Carries the verb out.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        match self {
            Self::Assign { principal, role, on } => {
                let ask = json!({ "role": role });
                let made: Assignment =
                    session.client.send(Method::PUT, &route(&principal, &on), &ask).await?;
                session
                    .out
                    .value(&made, |a| format!("{} is {} on {}", a.principal, a.role.as_str(), a.scope));
            }
            Self::List { principal, on } => {
                let mut query = form_urlencoded::Serializer::new(String::new());
                query.extend_pairs(principal.map(|p| ("principal", p)));
                query.extend_pairs(on.map(|on| ("on", on.to_string())));
                let all: Vec<Assignment> =
                    session.client.get(&format!("/api/v1/roles?{}", query.finish())).await?;
                session.out.value(&all, |all| {
                    let rows = all.iter().map(|a| {
                        [
                            a.principal.to_string(),
                            a.role.as_str().to_owned(),
                            a.scope.to_string(),
                            time(a.created),
                        ]
                    });
                    table(&["principal", "role", "on", "since"], rows)
                });
            }
            Self::Remove { principal, on } => {
                session.client.quiet(Method::DELETE, &route(&principal, &on), None::<&Value>).await?;
                let done = json!({ "principal": principal, "scope": on, "role": null });
                session.out.value(&done, |_| format!("{principal} has no role on {on} any more"));
            }
        }
        Ok(())
    }
}
