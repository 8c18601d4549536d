//! `api publish|list|show|unpublish`.

use crate::client::path;
use crate::session::Session;
use crate::show::{table, time};
use clap::{Args, Subcommand};
use domain::{Api as Record, Fault};
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Api {
    /// Publish an endpoint under a path; an API of the same path is replaced in one step
    Publish(Publish),
    /// List published APIs
    List,
    /// Show one
    Show {
        /// The path
        path: String,
    },
    /// Take an API off the gateway
    Unpublish {
        /// The path
        path: String,
    },
}

/// `api publish`.
#[derive(Debug, Args)]
pub struct Publish {
    /// The endpoint behind it
    #[arg(long)]
    pub endpoint: String,
    /// The path, one or more segments: testprivv2 or credit/v1
    #[arg(long)]
    pub path: String,
    /// The audience a token must name; repeat for several
    #[arg(long, required = true)]
    pub audience: Vec<String>,
    /// Whose tokens pass: a trusted issuer's URL, or built_in; repeat for several; the built-in token service when left out
    #[arg(long, default_value = "built_in", value_name = "URL")]
    pub issuer: Vec<String>,
    /// A claim a token must carry; repeat for several; several values of one claim: any of them
    #[arg(long, value_name = "CLAIM=VALUE")]
    pub require: Vec<String>,
}

impl Publish {
    fn body(&self) -> Result<Value, Fault> {
        let mut claims: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for pair in &self.require {
            let (claim, value) = pair
                .split_once('=')
                .ok_or_else(|| Fault::invalid(format!("--require '{pair}': write CLAIM=VALUE")))?;
            claims.entry(claim.to_owned()).or_default().push(value.to_owned());
        }
        Ok(
            json!({ "path": self.path, "endpoint": self.endpoint, "policy": { "issuers": self.issuer, "audiences": self.audience, "required_claims": claims } }),
        )
    }
}

fn row(api: &Record) -> [String; 5] {
    let claims: Vec<String> =
        api.policy.required_claims.iter().map(|r| format!("{}={}", r.claim, r.values.join("|"))).collect();
    [
        format!("/{}", api.path),
        api.endpoint.to_string(),
        api.policy.audiences.join(" "),
        claims.join(" "),
        time(api.created),
    ]
}

const HEADER: [&str; 5] = ["path", "endpoint", "audiences", "required claims", "published"];

impl Api {
    /// Carries the verb out.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        match self {
            Self::Publish(publish) => {
                let made: Record = session.client.send(Method::PUT, "/api/v1/apis", &publish.body()?).await?;
                let base = session.client.base();
                session.out.value(&made, |api| {
                    format!("published {base}/{}/score over endpoint {}", api.path, api.endpoint)
                });
            }
            Self::List => {
                let all: Vec<Record> = session.client.get("/api/v1/apis").await?;
                session.out.value(&all, |all| table(&HEADER, all.iter().map(row)));
            }
            Self::Show { path } => {
                let all: Vec<Record> = session.client.get("/api/v1/apis").await?;
                let wanted = path.trim_matches('/');
                let found = all
                    .into_iter()
                    .find(|a| a.path == wanted)
                    .ok_or_else(|| Fault::not_found("API", wanted))?;
                session.out.value(&found, |api| table(&HEADER, [row(api)]));
            }
            Self::Unpublish { path: wanted } => {
                let wanted = wanted.trim_matches('/').to_owned();
                session
                    .client
                    .quiet(Method::DELETE, &format!("/api/v1/apis/{}", path(&wanted)), None::<&Value>)
                    .await?;
                session.out.value(&json!({ "unpublished": wanted }), |_| format!("unpublished /{wanted}"));
            }
        }
        Ok(())
    }
}
