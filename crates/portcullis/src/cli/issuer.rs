//! `issuer add|list|show|refresh|remove`.

use crate::client::segment;
use crate::session::Session;
use crate::show::table;
use clap::{Args, Subcommand};
use domain::{Fault, Role, Span};
use http::Method;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Issuer {
    /// Trust an issuer of tokens: by discovery, by its key set's URL, or by a key set in a file
    Add(Box<Add>),
    /// List trusted issuers with the state of their keys
    List,
    /// Show one
    Show {
        /// The issuer: the exact iss of its tokens
        issuer: String,
    },
    /// Fetch its keys now: keys it withdrew are refused at once
    Refresh {
        /// The issuer
        issuer: String,
    },
    /// Trust it no more
    Remove {
        /// The issuer
        issuer: String,
    },
}

/// `issuer add`.
#[derive(Debug, Args)]
pub struct Add {
    /// The issuer: the exact iss of its tokens
    pub issuer: String,
    /// An audience its tokens may be for; repeat for several
    #[arg(long, required = true)]
    pub audience: Vec<String>,
    /// RS256, PS256, ES256 or EdDSA; repeat for several; all four when left out
    #[arg(long, value_name = "ALG")]
    pub algorithm: Vec<String>,
    /// A claim its tokens must carry; repeat for several; several values of one claim: any of them
    #[arg(long, value_name = "CLAIM=VALUE")]
    pub require: Vec<String>,
    /// How far its clock may differ, 0 to 120 seconds
    #[arg(long, value_name = "SECONDS")]
    pub clock_skew: Option<u32>,
    /// The longest its tokens may live, as 1h
    #[arg(long, value_name = "DURATION")]
    pub max_lifetime: Option<Span>,
    /// Take tokens of any typ, not only JWT and at+jwt
    #[arg(long)]
    pub any_typ: bool,
    /// The claim that says the role on the control plane
    #[arg(long, value_name = "CLAIM", requires = "role")]
    pub role_claim: Option<String>,
    /// What a value of that claim stands for: reader, contributor or owner; repeat for several
    #[arg(long, value_name = "VALUE=ROLE", requires = "role_claim")]
    pub role: Vec<String>,
    /// The URL of its discovery document, when it is not below the issuer's
    #[arg(long, value_name = "URL", conflicts_with_all = ["jwks_uri", "jwks_file"])]
    pub discovery: Option<String>,
    /// The URL of its key set, when it has no discovery document
    #[arg(long, value_name = "URL", conflicts_with = "jwks_file")]
    pub jwks_uri: Option<String>,
    /// A file with its key set: nothing is fetched
    #[arg(long, value_name = "FILE")]
    pub jwks_file: Option<PathBuf>,
    /// Reach it by plain http on this machine (development)
    #[arg(long)]
    pub allow_loopback_http: bool,
}

impl Add {
    fn keys(&self) -> Result<Value, Fault> {
        if let Some(file) = &self.jwks_file {
            let text = std::fs::read_to_string(file)
                .map_err(|e| Fault::invalid(format!("{}: {e}", file.display())))?;
            return Ok(json!({ "static": text }));
        }
        let named = |member: &str, url: &Option<String>| url.as_ref().map(|url| json!({ member: url }));
        Ok(named("discovery", &self.discovery).or(named("jwks_uri", &self.jwks_uri)).unwrap_or_default())
    }

    fn roles(&self) -> Result<Value, Fault> {
        let Some(claim) = &self.role_claim else { return Ok(Value::Null) };
        let mut values = Map::new();
        for pair in &self.role {
            let (value, role) =
                pair.rsplit_once('=').filter(|(_, role)| Role::parse(role).is_some()).ok_or_else(|| {
                    Fault::invalid(format!(
                        "--role '{pair}': write VALUE=ROLE, ROLE one of reader, contributor, owner"
                    ))
                })?;
            values.insert(value.to_owned(), json!(role));
        }
        Ok(json!({ "claim": claim, "values": values }))
    }

    fn body(&self) -> Result<Value, Fault> {
        let mut claims: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for pair in &self.require {
            let (claim, value) = pair
                .split_once('=')
                .ok_or_else(|| Fault::invalid(format!("--require '{pair}': write CLAIM=VALUE")))?;
            claims.entry(claim).or_default().push(value);
        }
        let required: Vec<Value> =
            claims.iter().map(|(claim, values)| json!({ "claim": claim, "values": values })).collect();
        Ok(json!({
            "issuer": self.issuer,
            "keys": self.keys()?,
            "audiences": self.audience,
            "algorithms": self.algorithm,
            "required_claims": required,
            "clock_skew": self.clock_skew,
            "max_lifetime": self.max_lifetime.map(|span| span.0.as_secs()),
            "any_typ": self.any_typ,
            "roles": self.roles()?,
            "allow_loopback_http": self.allow_loopback_http,
        }))
    }
}

/// A list of texts in one cell.
fn joined(value: &Value) -> String {
    let texts: Vec<&str> = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    texts.join(" ")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A moment to the second.
fn moment(value: &Value) -> String {
    domain::Timestamp::parse(value.as_str().unwrap_or_default()).map_or_else(String::new, crate::show::time)
}

fn row(state: &Value) -> [String; 8] {
    let keys = &state["key_set"];
    [
        text(&state["issuer"]),
        joined(&state["audiences"]),
        joined(&state["algorithms"]),
        keys["keys"].as_array().map_or(0, Vec::len).to_string(),
        text(&keys["state"]),
        moment(&keys["fetched"]),
        moment(&keys["stale_until"]),
        text(&keys["error"]),
    ]
}

const HEADER: [&str; 8] =
    ["issuer", "audiences", "algorithms", "keys", "state", "fetched", "serve until", "last error"];

/// One issuer, a line a member, a line a key.
fn whole(state: &Value) -> String {
    let mut rows: Vec<[String; 2]> =
        HEADER.iter().zip(row(state)).map(|(name, value)| [(*name).to_owned(), value]).collect();
    for (name, member) in [("keys from", "keys"), ("required claims", "required_claims"), ("roles", "roles")]
    {
        if !state[member].is_null() {
            rows.push([name.to_owned(), state[member].to_string()]);
        }
    }
    for key in state["key_set"]["keys"].as_array().into_iter().flatten() {
        let kid = key["kid"].as_str().unwrap_or("(without id)");
        rows.push(["key".to_owned(), format!("{kid} {}", joined(&key["algorithms"]))]);
    }
    table(&["", "value"], rows)
}

impl Issuer {
    /// Carries the verb out.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        let client = &session.client;
        let route = |issuer: &str| format!("/api/v1/issuers/{}", segment(issuer));
        match self {
            Self::Add(add) => {
                let body = add.body()?;
                let made: Value = client.send(Method::PUT, "/api/v1/issuers", &body).await?;
                session.out.value(&made, |made| format!("trusted\n{}", table(&HEADER, [row(made)])));
            }
            Self::List => {
                let all: Vec<Value> = client.get("/api/v1/issuers").await?;
                session.out.value(&all, |all| table(&HEADER, all.iter().map(row)));
            }
            Self::Show { issuer } => {
                let one: Value = client.get(&route(&issuer)).await?;
                session.out.value(&one, whole);
            }
            Self::Refresh { issuer } => {
                let one: Value = client.post(&format!("{}/refresh", route(&issuer)), &json!({})).await?;
                session.out.value(&one, |one| format!("fetched\n{}", table(&HEADER, [row(one)])));
            }
            Self::Remove { issuer } => {
                client.quiet(Method::DELETE, &route(&issuer), None::<&Value>).await?;
                session.out.value(&json!({ "removed": issuer }), |_| format!("removed {issuer}"));
            }
        }
        Ok(())
    }
}
