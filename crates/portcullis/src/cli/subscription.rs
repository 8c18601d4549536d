//! `subscription create|list|keys|regenerate-key|revoke`.

use crate::cli::endpoint::Slot;
use crate::client::segment;
use crate::session::Session;
use crate::show::{table, time};
use clap::Subcommand;
use domain::{Fault, Subscription as Record};
use gateway::SubscriptionKeys;
use http::Method;
use serde_json::{Value, json};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Subscription {
    /// Create a subscription with two keys
    Create {
        /// The subscription's name
        name: String,
        /// The path of the API it is for; all APIs when left out
        #[arg(long, value_name = "PATH")]
        api: Option<String>,
    },
    /// List subscriptions
    List,
    /// Show both keys
    Keys {
        /// The subscription's name
        name: String,
    },
    /// Replace one key; the other goes on working
    RegenerateKey {
        /// The subscription's name
        name: String,
        /// Which key
        #[arg(long, value_enum)]
        key: Slot,
    },
    /// Revoke a subscription: its keys are refused from now on
    Revoke {
        /// The subscription's name
        name: String,
    },
}

impl Subscription {
    /// Carries the verb out.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        let client = &session.client;
        let route = |name: &str, rest: &str| format!("/api/v1/subscriptions/{}/{rest}", segment(name));
        match self {
            Self::Create { name, api } => {
                let body = json!({ "name": name, "api": api });
                show(session, &client.post("/api/v1/subscriptions", &body).await?);
            }
            Self::List => {
                let all: Vec<Record> = client.get("/api/v1/subscriptions").await?;
                session.out.value(&all, |all| {
                    let rows = all.iter().map(|s| {
                        let state =
                            s.revoked.map_or_else(|| "active".to_owned(), |t| format!("revoked {}", time(t)));
                        let api = s.api.as_ref().map_or_else(|| "all".to_owned(), |path| format!("/{path}"));
                        [s.name.to_string(), api, state, time(s.created)]
                    });
                    table(&["name", "api", "state", "created"], rows)
                });
            }
            Self::Keys { name } => show(session, &client.get(&route(&name, "keys")).await?),
            Self::RegenerateKey { name, key } => {
                let route = route(&name, &format!("keys/{}/regenerate", key.word()));
                show(session, &client.post(&route, &json!({})).await?);
            }
            Self::Revoke { name } => {
                client.quiet(Method::POST, &route(&name, "revoke"), None::<&Value>).await?;
                session.out.value(&json!({ "revoked": name }), |_| format!("revoked {name}"));
            }
        }
        Ok(())
    }
}

fn show(session: &Session, shown: &SubscriptionKeys) {
    session.out.value(shown, |shown| {
        let rows = [("primary", &shown.keys.primary), ("secondary", &shown.keys.secondary)];
        let keys = table(&["", "key"], rows.map(|(slot, key)| [slot.to_owned(), key.clone()]));
        format!("{keys}\nsend one as the header Ocp-Apim-Subscription-Key, besides the token")
    });
}
