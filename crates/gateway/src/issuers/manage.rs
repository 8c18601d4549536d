//! Registering issuers: looked at before they are trusted, shown with the state of their keys.

use super::Issuers;
use super::fetch::{Answer, Ask, check_public, check_url, fits, places};
use super::keys::Standing;
use super::schedule::later;
use super::source::{Source, algorithms};
use crate::error::{Error, Result};
use crate::gateway::Gateway;
use crate::jose::Algorithm;
use domain::{Actor, ClaimRule, ErrorCode, Fault, KeySource, RoleMap, Timestamp, TrustedIssuer};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::KeptKeys;

/// Bounds of a registration.
const ITEMS_MAX: usize = 32;
const ITEM_MAX: usize = 512;
const JWKS_MAX: usize = 1 << 20;
/// The most clock skew in seconds.
const SKEW_MAX: u32 = 120;

/// An issuer to trust. What is left out has the strictest useful value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddIssuer {
    /// The exact text of `iss`.
    pub issuer: String,
    /// Where its keys come from; by discovery below the issuer's URL when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<KeySource>,
    /// Audiences its tokens may be for, one of which must stand in `aud`; empty: the API's policy alone decides.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// Algorithms of RS256, PS256, ES256, EdDSA; all four when left out, each only with a key that is bound to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub algorithms: Vec<String>,
    /// Claims its tokens must carry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required_claims: Vec<ClaimRule>,
    /// How far its clock may differ in seconds, 0 to 120.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_skew: Option<u32>,
    /// The longest its tokens may live in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_lifetime: Option<u64>,
    /// Whether `typ` may be anything.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub any_typ: bool,
    /// How its tokens' claims become roles on the control plane; needs audiences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<RoleMap>,
    /// Whether it may be reached by plain http on loopback (development).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_loopback_http: bool,
}

/// A registered issuer and how its keys stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct IssuerState {
    /// As it was registered.
    #[serde(flatten)]
    pub issuer: TrustedIssuer,
    /// Its keys.
    pub key_set: KeySetState,
}

/// How the keys of an issuer stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct KeySetState {
    /// `given`, `fresh`, `stale` (the issuer does not answer, its keys serve on) or `none`.
    pub state: String,
    /// The keys that can be used.
    pub keys: Vec<IssuerKey>,
    /// When they were last fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetched: Option<Timestamp>,
    /// Until when they serve without another answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_until: Option<Timestamp>,
    /// What the last fetch failed of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One key of an issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct IssuerKey {
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// What it may verify here.
    pub algorithms: Vec<String>,
}

impl Gateway {
    /// Trusts an issuer, or replaces its registration whole. It is asked for its keys at once, and refused when it does not
    /// answer, is not exactly who it is said to be, or has no key that could be used.
    pub async fn add_issuer(&self, ask: AddIssuer, by: &Actor) -> Result<IssuerState, Fault> {
        check(&ask)?;
        let found = ask.keys.is_some();
        let mut record = record(ask)?;
        if self.issuers.own.contains(&record.issuer) {
            let why = "it is the built-in token service, which is trusted as 'built_in'".to_owned();
            return Err(Error::Issuer(record.issuer, why).into());
        }
        let at = self.issuers.world.clock.now();
        let answer = self.issuers.look_at(&mut record, found).await.map_err(|fault| {
            let code =
                if fault.code == ErrorCode::InvalidInput { fault.code } else { ErrorCode::Unprocessable };
            Fault::new(
                code,
                format!("the issuer '{}' cannot be registered: {}", record.issuer, fault.message),
            )
        })?;
        let fetched = !matches!(record.keys, KeySource::Static(_));
        // In one change with the registration, so that whoever reads it has the keys as well.
        let kept = fetched.then(|| KeptKeys { jwks: answer.text.clone(), fetched: at });
        self.store.put_issuer(&record, kept.as_ref(), by, record.created).await?;
        self.refresh().await?;
        let source = self.issuers.registered(&record.issuer)?;
        if fetched {
            source.keys.offer(&self.issuers.world, answer, at).await;
        }
        self.issuers.state_of(&source)
    }

    /// Trusts an issuer no more: when this returns its tokens are refused. Refused while an API names it.
    pub async fn remove_issuer(&self, issuer: &str, by: &Actor) -> Result<(), Fault> {
        self.store.delete_issuer(issuer, by, Timestamp::now()).await?;
        self.refresh().await
    }

    /// The registered issuers by name.
    pub fn trusted_issuers(&self) -> Result<Vec<IssuerState>, Fault> {
        let sources = self.issuers.sources.load_full();
        let mut all: Vec<&Arc<Source>> = sources.values().filter(|s| s.record.is_some()).collect();
        all.sort_by_cached_key(|source| source.name.to_string());
        all.into_iter().map(|source| self.issuers.state_of(source)).collect()
    }

    /// A registered issuer.
    pub fn trusted_issuer(&self, issuer: &str) -> Result<IssuerState, Fault> {
        self.issuers.state_of(&*self.issuers.registered(issuer)?)
    }

    /// Fetches the keys of an issuer now; a key that is missing in the answer is refused when this returns.
    pub async fn refresh_issuer(&self, issuer: &str) -> Result<IssuerState, Fault> {
        let source = self.issuers.registered(issuer)?;
        let record = source.record.as_ref();
        if record.is_some_and(|record| matches!(record.keys, KeySource::Static(_))) {
            let why = "its keys were given, not fetched: register it again with other keys".to_owned();
            return Err(Error::Issuer(issuer.to_owned(), why).into());
        }
        // In a task of its own: whoever asked may hang up, and the fetch must still come to its end.
        let (keys, world) = (source.keys.clone(), self.issuers.world.clone());
        let done = tokio::spawn(async move { keys.renew(&world).await }).await;
        done.map_err(|_| Fault::internal("the fetch broke off"))?
            .map_err(|fault| Fault::new(ErrorCode::Unprocessable, fault.message))?;
        self.issuers.state_of(&source)
    }
}

impl Issuers {
    fn registered(&self, issuer: &str) -> Result<Arc<Source>, Fault> {
        let source = self.sources.load().get(issuer).filter(|source| source.record.is_some()).cloned();
        source.ok_or_else(|| Fault::not_found("issuer", issuer))
    }

    /// Asks an issuer for the first time. Where the place of its discovery document was not told, both that it may have are tried.
    async fn look_at(&self, record: &mut TrustedIssuer, told: bool) -> Result<Answer, Fault> {
        let clients = &self.world.clients;
        let mut answer = clients.keys(Ask::of(record)).await;
        if !told && answer.as_ref().is_err_and(|fault| fault.code == ErrorCode::NotFound) {
            let [first, second] = places(&record.issuer)?;
            record.keys = KeySource::Discovery(second.clone());
            answer = clients.keys(Ask::of(record)).await.map_err(|fault| match fault.code {
                ErrorCode::NotFound => Fault::new(
                    ErrorCode::Unprocessable,
                    format!("there is no discovery document at '{first}' nor at '{second}': name its place with --discovery, or give its keys"),
                ),
                _ => fault,
            });
        }
        let answer = answer?;
        let known = algorithms(&record.algorithms).unwrap_or_default();
        if !fits(&answer.keys, &known) {
            return Err(Fault::new(
                ErrorCode::Unprocessable,
                format!(
                    "none of its keys can be used for {}: keys need 2048 bits or more, use sig, and an algorithm of that list",
                    record.algorithms.join(", ")
                ),
            ));
        }
        Ok(answer)
    }

    fn state_of(&self, source: &Source) -> Result<IssuerState, Fault> {
        let record =
            source.record.clone().ok_or_else(|| Fault::not_found("issuer", source.name.to_string()))?;
        let Standing { keys, fetched, error, until } = source.keys.standing();
        let now = self.world.clock.now();
        let state = match fetched {
            _ if matches!(record.keys, KeySource::Static(_)) => "given",
            _ if now >= until => "none",
            Some(at) if now < later(at, self.world.config.ttl.0) => "fresh",
            _ => "stale",
        };
        let pinned = algorithms(&record.algorithms).unwrap_or_default();
        let names = |algorithms: &mut dyn Iterator<Item = Algorithm>| {
            algorithms.filter(|alg| pinned.contains(alg)).map(|alg| alg.as_str().to_owned()).collect()
        };
        let keys = keys.iter().map(|key| IssuerKey {
            kid: key.kid().map(str::to_owned),
            algorithms: names(&mut key.algorithms()),
        });
        let key_set = KeySetState {
            state: state.to_owned(),
            keys: keys.collect(),
            fetched,
            stale_until: fetched.map(|_| until),
            error,
        };
        Ok(IssuerState { issuer: record, key_set })
    }
}

/// The registration of an order.
fn record(ask: AddIssuer) -> Result<TrustedIssuer, Fault> {
    let keys = match ask.keys {
        Some(keys) => keys,
        None => {
            let [first, _] = places(&ask.issuer)?;
            KeySource::Discovery(first)
        }
    };
    let algorithms = match ask.algorithms.is_empty() {
        true => Algorithm::GATE.iter().map(|alg| alg.as_str().to_owned()).collect(),
        false => ask.algorithms,
    };
    Ok(TrustedIssuer {
        issuer: ask.issuer,
        keys,
        audiences: ask.audiences,
        algorithms,
        required_claims: ask.required_claims,
        clock_skew: ask.clock_skew,
        max_lifetime: ask.max_lifetime,
        any_typ: ask.any_typ,
        roles: ask.roles,
        allow_loopback_http: ask.allow_loopback_http,
        created: Timestamp::now(),
    })
}

/// Refuses what could never work, or would let in more than was meant.
fn check(ask: &AddIssuer) -> Result<()> {
    let wrong = |why: &str| Err(Error::Issuer(ask.issuer.chars().take(200).collect(), why.to_owned()));
    let plain = |text: &String| !text.trim().is_empty() && text.len() <= ITEM_MAX;
    if !plain(&ask.issuer) || !ask.issuer.bytes().all(|c| c.is_ascii_graphic()) {
        return wrong(
            "its name is the exact iss of its tokens: a URL without spaces, at most 512 characters",
        );
    }
    match &ask.keys {
        None => drop(check_url(&ask.issuer, ask.allow_loopback_http)?),
        Some(KeySource::Discovery(url) | KeySource::JwksUri(url)) if url.len() <= ITEM_MAX => {
            drop(check_url(url, ask.allow_loopback_http)?);
        }
        Some(KeySource::Static(text)) if text.len() <= JWKS_MAX => check_public(text)?,
        Some(_) => return wrong("the URL or the text of its keys is too long"),
    }
    if ask.audiences.len() > ITEMS_MAX || !ask.audiences.iter().all(plain) {
        return wrong("an audience is text of at most 512 bytes, and there are at most 32");
    }
    if algorithms(&ask.algorithms).is_none() {
        return wrong("its algorithms are some of RS256, PS256, ES256, EdDSA");
    }
    let whole =
        |rule: &ClaimRule| plain(&rule.claim) && !rule.values.is_empty() && rule.values.iter().all(plain);
    if ask.required_claims.len() > ITEMS_MAX || !ask.required_claims.iter().all(whole) {
        return wrong("a required claim has a name and at least one value");
    }
    if ask.clock_skew.is_some_and(|skew| skew > SKEW_MAX) || ask.max_lifetime == Some(0) {
        return wrong("its clock skew is 0 to 120 seconds, its longest lifetime at least a second");
    }
    let Some(roles) = &ask.roles else { return Ok(()) };
    if ask.audiences.is_empty() {
        return wrong("tokens for any audience must not reach the control plane: roles need an audience");
    }
    if !plain(&roles.claim) || roles.values.is_empty() || roles.values.len() > ITEMS_MAX {
        return wrong("roles are read from a named claim, by 1 to 32 of its values");
    }
    Ok(())
}
