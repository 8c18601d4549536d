//! Settings of the gate: section `gateway`, and what the binary hands over besides.

use domain::{Fault, SigningAlgorithm, Span};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::time::Duration;

/// Section `gateway`. Defaults stand in `config.default.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How far clocks may differ when `exp`, `nbf` and `iat` are judged: 0 to 120 s; a bare number is seconds.
    #[serde(deserialize_with = "seconds")]
    pub clock_skew: Duration,
    /// The longest a token may be valid.
    pub max_lifetime: Span,
    /// Verified tokens remembered at most.
    pub token_cache: usize,
    /// How long a verified token is remembered at most; revocation is checked at every call all the same.
    pub token_cache_for: Span,
    /// How key sets of issuers elsewhere are kept.
    pub jwks: crate::issuers::JwksConfig,
    /// How long a client is locked out at one address after too many failed logins.
    pub lockout: Span,
    /// Bodies longer than this are scored beside the async threads.
    pub large_body: u64,
    /// So many of them at once; further ones get 429.
    pub large_calls: usize,
    /// Host names of the control plane besides loopback and that of the public URL.
    pub hosts: Vec<String>,
    /// Where URLs of imported policy files lead: prefix → prefix, or `built_in` for this server.
    pub url_map: crate::apim::UrlMap,
    /// The token service's own keys.
    pub signing: SigningConfig,
    /// Sessions of people.
    pub sessions: SessionConfig,
    /// The OpenID provider at which people log in.
    pub login: LoginConfig,
}

/// Section `limits.rate`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateConfig {
    /// Whether rates are limited at all, also those of policies.
    pub enabled: bool,
    /// Callers counted one by one in each rate limit and quota; further ones are counted together.
    pub keys: usize,
    /// Calls of one address that may be refused for their credentials within `refused_per`; further ones are answered 429.
    pub refused_calls: u64,
    /// The span, 1 to 300 s.
    pub refused_per: Span,
    /// Tokens that one client is granted within `grants_per`; further asks are answered 429.
    pub grants: u64,
    /// The span, 1 to 300 s.
    pub grants_per: Span,
}

/// Section `gateway.sessions`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionConfig {
    /// How long a session may rest.
    pub idle_timeout: Span,
    /// How long a session lasts at most.
    pub lifetime: Span,
    /// Sessions of one person; the oldest ends for a new one.
    pub per_person: usize,
}

/// Section `gateway.login`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginConfig {
    /// The provider's issuer, exactly; empty: people log in by password only.
    pub issuer: String,
    /// Our client id there.
    pub client_id: String,
    /// Where our client secret is: `env:NAME` or `file:PATH`; empty for a public client.
    pub client_secret: String,
    /// Scopes asked for.
    pub scopes: Vec<String>,
    /// The claim of the ID token that gives roles.
    pub role_claim: String,
    /// What its values give, each as `VALUE=ROLE`; the strongest counts.
    pub roles: Vec<String>,
    /// What the ID token must say besides, each as `CLAIM=VALUE`.
    pub required: Vec<String>,
    /// The claim that names a new person.
    pub name_claim: String,
}

impl LoginConfig {
    /// No provider.
    pub fn off() -> Self {
        Self {
            issuer: String::new(),
            client_id: String::new(),
            client_secret: String::new(),
            scopes: vec!["openid".to_owned()],
            role_claim: "roles".to_owned(),
            roles: Vec::new(),
            required: Vec::new(),
            name_claim: "preferred_username".to_owned(),
        }
    }
}

/// Section `gateway.signing`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningConfig {
    /// What new keys sign with.
    pub algorithm: SigningAlgorithm,
    /// The age at which a key is followed by the next; never when 0.
    pub rotate_every: Span,
    /// How long the next key is published before it signs, and how long verifiers may keep the key set.
    pub lead: Span,
}

/// The longest lead: a key set that is kept longer than this is no use after a withdrawal.
const LEAD_MAX: Duration = Duration::from_secs(7 * 86_400);

/// The most clock skew that may be allowed.
const SKEW_MAX: Duration = Duration::from_secs(120);

impl Config {
    /// Refuses values that would make the gate useless or open.
    pub fn check(&self) -> Result<(), Fault> {
        if self.clock_skew > SKEW_MAX {
            return Err(Fault::invalid(
                "gateway.clock_skew is more than 120 s: set the clocks right instead",
            ));
        }
        if self.max_lifetime.0.is_zero() || self.token_cache == 0 || self.large_calls == 0 {
            return Err(Fault::invalid(
                "gateway.max_lifetime, gateway.token_cache and gateway.large_calls must be at least 1",
            ));
        }
        let sessions = &self.sessions;
        if sessions.idle_timeout.0.is_zero() || sessions.lifetime.0.is_zero() || sessions.per_person == 0 {
            return Err(Fault::invalid(
                "gateway.sessions.idle_timeout, lifetime and per_person must be at least 1",
            ));
        }
        if self.signing.lead.0 > LEAD_MAX {
            return Err(Fault::invalid(
                "gateway.signing.lead is more than 7d: verifiers would keep withdrawn keys",
            ));
        }
        self.jwks.check()?;
        self.url_map.check()
    }
}

/// What the gate is built from.
#[derive(Debug, Clone)]
pub struct Options {
    /// Section `gateway`.
    pub config: Config,
    /// Section `endpoint`.
    pub endpoint: endpoint::Config,
    /// Section `outbound`: how issuers are asked for their keys.
    pub outbound: outbound::Config,
    /// The base URL clients use, without a slash at its end.
    pub public_url: String,
    /// The largest JSON or scoring body in bytes (`limits.body_bytes`).
    pub body_bytes: u64,
    /// Limits on compressed bodies (`limits.inflate`).
    pub inflate: web::InflateLimits,
    /// Failed logins of one client from one address before it is locked out (`limits.login_failures`).
    pub login_failures: u32,
    /// Section `limits.rate`.
    pub rate: RateConfig,
    /// Address ranges of the TLS-terminating proxy (`listen.behind_proxy`).
    pub behind_proxy: Vec<String>,
    /// The Python workers of deployments; none: such deployments do not serve.
    pub pools: Option<endpoint::Pools>,
}

impl RateConfig {
    /// Refuses values that mean nothing.
    pub fn check(&self) -> Result<(), Fault> {
        let span = self.refused_per.0.as_secs();
        if self.keys == 0 || self.refused_calls == 0 || !(1..=300).contains(&span) {
            return Err(Fault::invalid(
                "limits.rate.keys and limits.rate.refused_calls must be at least 1, limits.rate.refused_per 1 s to 300 s",
            ));
        }
        if self.grants == 0 || !(1..=300).contains(&self.grants_per.0.as_secs()) {
            return Err(Fault::invalid(
                "limits.rate.grants must be at least 1, limits.rate.grants_per 1 s to 300 s",
            ));
        }
        Ok(())
    }
}

/// A number of seconds: `30`, `"30"` or `"30s"`.
fn seconds<'de, D: Deserializer<'de>>(reader: D) -> Result<Duration, D::Error> {
    struct Seconds;
    impl Visitor<'_> for Seconds {
        type Value = Duration;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("seconds, as 30 or \"30s\"")
        }
        fn visit_u64<E: Error>(self, n: u64) -> Result<Duration, E> {
            Ok(Duration::from_secs(n))
        }
        fn visit_i64<E: Error>(self, n: i64) -> Result<Duration, E> {
            u64::try_from(n).map(Duration::from_secs).map_err(E::custom)
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
            match text.parse() {
                Ok(n) => Ok(Duration::from_secs(n)),
                Err(_) => text.parse::<Span>().map(|s| s.0).map_err(E::custom),
            }
        }
    }
    reader.deserialize_any(Seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct One {
        #[serde(deserialize_with = "seconds")]
        skew: Duration,
    }

    #[test]
    fn seconds_read_in_three_forms() {
        for text in ["{\"skew\":30}", "{\"skew\":\"30\"}", "{\"skew\":\"30s\"}"] {
            assert_eq!(serde_json::from_str::<One>(text).unwrap().skew.as_secs(), 30);
        }
        assert!(serde_json::from_str::<One>("{\"skew\":-1}").is_err());
    }
}
