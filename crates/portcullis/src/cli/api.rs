//! `api publish|list|show|unpublish`.

use crate::cli::api_show;
use crate::client::path;
use crate::session::Session;
use crate::show::table;
use clap::{Args, Subcommand};
use domain::{Api as Record, CountBy, Fault, Issuer, Policy, RateLimit, Span};
use gateway::{PolicyXml, PublishAsk, PublishedApi};
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Api {
    /// Publish an endpoint under a path; an API of the same path is replaced in one step
    Publish(Publish),
    /// List published APIs
    List,
    /// Show one with its whole policy
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
    #[arg(long, required_unless_present_any = ["policy", "any_audience"])]
    pub audience: Vec<String>,
    /// Take tokens for any audience; written to the ledger and shown in every list
    #[arg(long, conflicts_with = "audience")]
    pub any_audience: bool,
    /// A policy file: XML of API Management, or our own policy as JSON
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// What stands for {NAME} in the policy file; {tenant_id} is known
    #[arg(long, value_name = "NAME=VALUE", requires = "policy")]
    pub set: Vec<String>,
    /// A registered issuer whose tokens pass instead of the built-in token service's; repeat for several; built_in is one too
    #[arg(long, value_name = "URL", conflicts_with = "policy")]
    pub issuer: Vec<String>,
    /// A claim a token must carry; repeat for several; several values of one claim: any of them
    #[arg(long, value_name = "CLAIM=VALUE", conflicts_with = "policy")]
    pub require: Vec<String>,
    /// So many calls a span, counted by caller (or :subscription, :address, :api, :claim:NAME, :header:NAME): 100/60s
    #[arg(long, value_name = "CALLS/SPAN[:BY]", conflicts_with = "policy")]
    pub rate: Vec<String>,
    /// Demand a subscription key besides the token
    #[arg(long)]
    pub require_subscription: bool,
}

impl Publish {
    fn ask(self) -> Result<PublishAsk, Fault> {
        let (path, endpoint) = (self.path.clone(), self.endpoint.parse()?);
        let (policy, policy_xml) = match &self.policy {
            None => (Some(self.by_flags()?), None),
            Some(file) => self.by_file(file)?,
        };
        Ok(PublishAsk { path, endpoint, policy, policy_xml })
    }

    fn by_flags(&self) -> Result<Policy, Fault> {
        let mut claims: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for pair in &self.require {
            let (claim, value) = pair_of("--require", "CLAIM=VALUE", pair)?;
            claims.entry(claim).or_default().push(value);
        }
        let mut policy: Policy = serde_json::from_value(json!({ "required_claims": claims }))
            .map_err(|e| Fault::internal(e.to_string()))?;
        policy.audiences.clone_from(&self.audience);
        policy.any_audience = self.any_audience;
        policy.subscription_required = self.require_subscription;
        policy.rate_limits = self.rate.iter().map(|text| rate(text)).collect::<Result<_, _>>()?;
        if !self.issuer.is_empty() {
            let issuer = |url: &String| match url.as_str() {
                "built_in" => Issuer::BuiltIn,
                url => Issuer::External(url.to_owned()),
            };
            policy.issuers = self.issuer.iter().map(issuer).collect();
        }
        Ok(policy)
    }

    fn by_file(&self, file: &Path) -> Result<(Option<Policy>, Option<PolicyXml>), Fault> {
        let named = |why: &dyn std::fmt::Display| Fault::invalid(format!("{}: {why}", file.display()));
        let text = std::fs::read_to_string(file).map_err(|e| named(&e))?;
        let text = text.trim_start_matches('\u{feff}');
        if !text.trim_start().starts_with('{') {
            let mut set = BTreeMap::new();
            for pair in &self.set {
                let (name, value) = pair_of("--set", "NAME=VALUE", pair)?;
                set.insert(name.to_owned(), value.to_owned());
            }
            let (audiences, any_audience) = (self.audience.clone(), self.any_audience);
            let subscription_required = self.require_subscription;
            let xml =
                PolicyXml { text: text.to_owned(), audiences, any_audience, set, subscription_required };
            return Ok((None, Some(xml)));
        }
        if !self.set.is_empty() {
            return Err(Fault::invalid("--set is for policy files in XML: write the values into the JSON"));
        }
        let mut policy: Policy = web::extract::read_json(text).map_err(|f| named(&f.message))?;
        let names = policy.any_audience || !policy.audiences.is_empty();
        if names && (self.any_audience || !self.audience.is_empty()) {
            return Err(named(&"it names its audiences itself: leave --audience and --any-audience out"));
        }
        if !names {
            policy.audiences.clone_from(&self.audience);
            policy.any_audience = self.any_audience;
        }
        policy.subscription_required |= self.require_subscription;
        Ok((Some(policy), None))
    }

    async fn run(self, session: &Session) -> Result<(), Fault> {
        let file = self.policy.clone();
        let sent = session.client.send(Method::PUT, "/api/v1/apis", &self.ask()?).await;
        // The server saw the text only; a place in it needs the file's name.
        let made: PublishedApi = sent.map_err(|fault| match &file {
            Some(file) if fault.message.starts_with("line ") => {
                Fault::new(fault.code, format!("{}: {}", file.display(), fault.message))
            }
            _ => fault,
        })?;
        session.out.value(&made, |made| {
            let url = session.url(&format!("/{}/score", made.api.path));
            let mut text =
                format!("published {url} over endpoint {}{}", made.api.endpoint, session.reached());
            for note in &made.notes {
                text.push_str("\n  ");
                text.push_str(note);
            }
            text
        });
        Ok(())
    }
}

fn pair_of<'p>(flag: &str, form: &str, pair: &'p str) -> Result<(&'p str, &'p str), Fault> {
    pair.split_once('=').ok_or_else(|| Fault::invalid(format!("{flag} '{pair}': write {form}")))
}

/// `100/60s`, `100/1m:address`.
fn rate(text: &str) -> Result<RateLimit, Fault> {
    let wrong = |why: &str| {
        Fault::invalid(format!("--rate '{text}': {why}; write CALLS/SPAN[:BY] as 100/60s:address"))
    };
    let (calls, rest) = text.split_once('/').ok_or_else(|| wrong("there is no '/'"))?;
    let (span, by) = rest.split_once(':').unwrap_or((rest, "caller"));
    let by: CountBy = by.parse().map_err(|why: String| wrong(&why))?;
    let per: Span = span.parse().map_err(|fault: Fault| wrong(&fault.message))?;
    let calls = calls.parse().map_err(|_| wrong("the calls are no whole number"))?;
    Ok(RateLimit { calls, per, by })
}

impl Api {
    /// Carries the verb out.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        match self {
            Self::Publish(publish) => return publish.run(session).await,
            Self::List => {
                let all: Vec<Record> = session.client.get("/api/v1/apis").await?;
                session.out.value(&all, |all| table(&api_show::HEADER, all.iter().map(api_show::row)));
            }
            Self::Show { path } => {
                let all: Vec<Record> = session.client.get("/api/v1/apis").await?;
                let wanted = path.trim_matches('/');
                let found = all
                    .into_iter()
                    .find(|a| a.path == wanted)
                    .ok_or_else(|| Fault::not_found("API", wanted))?;
                session.out.value(&found, api_show::whole);
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
