//! Settings of the gate: section `gateway`, and what the binary hands over besides.

use domain::{Fault, Span};
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
}

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
