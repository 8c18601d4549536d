//! Publishing by a policy file: what it trusts is looked up, and registered in the same transaction.

use super::PublishApi;
use crate::apim::{ImportOptions, Imported, Place, Trusted, fault, import};
use crate::gateway::Gateway;
use domain::{Actor, Api, ErrorCode, Fault, Issuer, KeySource, Name, Policy, Timestamp, TrustedIssuer};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use store::Former;

/// What tokens of an issuer that a file brings along may be signed with: all that the gate takes.
const ALGORITHMS: [&str; 4] = ["RS256", "PS256", "ES256", "EdDSA"];

/// What to publish: a policy, or a policy file of API Management.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishAsk {
    /// The path, one or more segments; slashes at its ends are dropped.
    pub path: String,
    /// The endpoint behind it.
    pub endpoint: Name,
    /// Whose tokens pass, how often, how large, with which headers. Either this or `policy_xml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// The same as a policy file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_xml: Option<PolicyXml>,
}

/// A policy file of API Management, and what goes with it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyXml {
    /// The file's text.
    pub text: String,
    /// Audiences for a file that names none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// Takes tokens for any audience, when the file names none.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub any_audience: bool,
    /// What stands for `{name}` in the file; `tenant_id` is the workspace's tenant when left out.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// Whether a subscription key is demanded besides, which no policy file says.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub subscription_required: bool,
}

/// A published API, and what whoever published it should know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PublishedApi {
    /// The API.
    #[serde(flatten)]
    pub api: Api,
    /// What is unusual about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Gateway {
    /// Publishes by a policy or by a policy file, over the API that was judged, or where there was none.
    pub async fn publish_asked(
        &self,
        ask: PublishAsk,
        former: Option<&Api>,
        may_trust: bool,
        by: &Actor,
    ) -> Result<PublishedApi, Fault> {
        let PublishAsk { path, endpoint, policy, policy_xml } = ask;
        let (policy, issuers, mut notes) = match (policy, policy_xml) {
            (Some(policy), None) => (policy, Vec::new(), Vec::new()),
            (None, Some(file)) => self.policy_of(file, may_trust).await?,
            _ => return Err(Fault::invalid("give either policy or policy_xml")),
        };
        if policy.any_audience {
            notes.push(
                "tokens for any audience pass, as long as an issuer of this API signed them".to_owned(),
            );
        }
        if policy.issuers.len() > 1 {
            let names: Vec<String> = policy.issuers.iter().map(ToString::to_string).collect();
            notes.push(format!("tokens of exactly these issuers pass: {}", names.join(", ")));
        }
        let api = self
            .publish_with(PublishApi { path, endpoint, policy }, &issuers, &Former::of(former), by)
            .await?;
        Ok(PublishedApi { api, notes })
    }

    /// The policy of a file, the issuers to register with it, and what to say aloud.
    async fn policy_of(
        &self,
        file: PolicyXml,
        may_trust: bool,
    ) -> Result<(Policy, Vec<TrustedIssuer>, Vec<String>), Fault> {
        let mut set = file.set;
        set.entry("tenant_id".to_owned()).or_insert_with(|| self.tenant.clone());
        let options = ImportOptions {
            audiences: file.audiences,
            any_audience: file.any_audience,
            set,
            named_values: self.store.named_values().await?,
            urls: self.urls.clone(),
        };
        let imported = import(&file.text, &options)?;
        let registered = self.store.issuers().await?;
        let mut found = Found { registered, new: Vec::new(), may_trust };
        let issuers = self.issuers_of(&imported, &mut found).await?;
        let mut notes = imported.notes;
        let documents = imported.trusted.len();
        if documents > 1 && issuers == [Issuer::BuiltIn] {
            notes.push(format!(
                "its {documents} discovery URLs are those of the built-in token service, v1 and v2"
            ));
        }
        notes.extend(found.new.iter().map(|new| format!("registered the issuer {}", new.issuer)));
        let subscription_required = file.subscription_required;
        Ok((Policy { issuers, subscription_required, ..imported.policy }, found.new, notes))
    }

    /// The issuers a file trusts: those of its keys, and of them only the listed ones when it lists any.
    async fn issuers_of(&self, imported: &Imported, found: &mut Found) -> Result<Vec<Issuer>, Fault> {
        let mut issuers = Vec::new();
        for (place, trusted) in &imported.trusted {
            let issuer = match trusted {
                Trusted::BuiltIn => Issuer::BuiltIn,
                Trusted::Keys(jwks) => found.keys(*place, &imported.listed, jwks)?,
                Trusted::Discovery { url, loopback_http } => {
                    match found.by_url(url) {
                        Some(known) => Issuer::External(known),
                        None => {
                            found.expect_trust(*place)?;
                            let name = self.issuers.named(url, *loopback_http).await.map_err(|f| {
                            let what = format!("{place}: the discovery document cannot be used: {}", f.message);
                            let help = "map the URL with gateway.url_map, or register the issuer with `issuer add`";
                            Fault::new(ErrorCode::Unprocessable, format!("{what}; {help}"))
                        })?;
                            found.expect_new(*place, &name)?;
                            found.add(&name, KeySource::Discovery(url.clone()), *loopback_http)
                        }
                    }
                }
            };
            if !issuers.contains(&issuer) {
                issuers.push(issuer);
            }
        }
        if imported.listed.is_empty() {
            return Ok(if issuers.is_empty() { vec![Issuer::BuiltIn] } else { issuers });
        }
        let mut listed = BTreeSet::new();
        for (place, name) in &imported.listed {
            let issuer = match self.urls.is_built_in(name) {
                true => Issuer::BuiltIn,
                false => Issuer::External(name.clone()),
            };
            let known = issuer == Issuer::BuiltIn || found.registered.iter().any(|r| r.issuer == *name);
            if !(issuers.contains(&issuer) || issuers.is_empty() && known) {
                let text = format!(
                    "<issuer> '{name}' is none of those whose keys are known: name its openid-config, or register it with `issuer add`"
                );
                return Err(fault(*place, &text));
            }
            listed.insert(issuer);
        }
        // Issuers whose keys nobody asks for are not registered.
        found.new.retain(|new| listed.contains(&Issuer::External(new.issuer.clone())));
        Ok(listed.into_iter().collect())
    }
}

/// Issuers that are there, and those to come.
struct Found {
    registered: Vec<TrustedIssuer>,
    new: Vec<TrustedIssuer>,
    /// Whether new ones may be registered.
    may_trust: bool,
}

impl Found {
    /// Refuses an issuer that is not registered, before anything is asked of it.
    fn expect_trust(&self, place: Place) -> Result<(), Fault> {
        if self.may_trust {
            return Ok(());
        }
        let text = "this issuer is not registered, and only an owner of the workspace may trust a new one: ask for `issuer add`";
        Err(Fault { code: ErrorCode::Forbidden, ..fault(place, text) })
    }

    /// Refuses a document that names an issuer whose keys come from elsewhere already: the file would trust other keys than it says.
    fn expect_new(&self, place: Place, name: &str) -> Result<(), Fault> {
        if self.registered.iter().chain(&self.new).all(|known| known.issuer != name) {
            return Ok(());
        }
        let text = format!(
            "the issuer {name} is registered with keys from elsewhere: publish with its name in --issuer, or change it with `issuer add`"
        );
        Err(fault(place, &text))
    }

    fn by_url(&self, url: &str) -> Option<String> {
        let all = self.registered.iter().chain(&self.new);
        let mut fits = all.filter(|issuer| matches!(&issuer.keys, KeySource::Discovery(own) if own == url));
        fits.next().map(|issuer| issuer.issuer.clone())
    }

    /// An issuer that is registered stays as it is: whoever registered it pinned it.
    fn add(&mut self, name: &str, keys: KeySource, allow_loopback_http: bool) -> Issuer {
        if !self.registered.iter().chain(&self.new).any(|known| known.issuer == name) {
            self.new.push(TrustedIssuer {
                issuer: name.to_owned(),
                keys,
                audiences: Vec::new(),
                algorithms: ALGORITHMS.map(str::to_owned).to_vec(),
                required_claims: Vec::new(),
                clock_skew: None,
                max_lifetime: None,
                any_typ: false,
                roles: None,
                allow_loopback_http,
                created: Timestamp::now(),
            });
        }
        Issuer::External(name.to_owned())
    }

    /// The one listed issuer, with keys that stand in the file.
    fn keys(&mut self, place: Place, listed: &[(Place, String)], jwks: &str) -> Result<Issuer, Fault> {
        let name = listed.first().map(|(_, name)| name.as_str()).unwrap_or_default();
        let source = KeySource::Static(jwks.to_owned());
        if !self.registered.iter().any(|known| known.issuer == name) {
            self.expect_trust(place)?;
        }
        if self.registered.iter().any(|known| known.issuer == name && known.keys != source) {
            let text = format!(
                "the issuer '{name}' is registered with other keys: take issuer-signing-keys out, or change it with `issuer add`"
            );
            return Err(fault(place, &text));
        }
        Ok(self.add(name, source, false))
    }
}
