//! The one declarative policy of a published API: whose tokens pass, how often, from where, how large, with which headers.

use crate::span::Span;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// Whose tokens an API takes: the built-in token service, or a registered issuer by its exact `iss`.
///
/// As text `built_in`, or the issuer's URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Issuer {
    /// The built-in token service, by its v1 and its v2 issuer name.
    BuiltIn,
    /// A registered issuer, by the exact text of its `iss`.
    External(String),
}

/// The word for the built-in token service.
const BUILT_IN: &str = "built_in";

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BuiltIn => BUILT_IN,
            Self::External(url) => url,
        })
    }
}

impl Serialize for Issuer {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Issuer {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let text = String::deserialize(reader)?;
        Ok(if text == BUILT_IN { Self::BuiltIn } else { Self::External(text) })
    }
}

impl utoipa::PartialSchema for Issuer {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        String::schema()
    }
}

impl utoipa::ToSchema for Issuer {}

/// A claim that a token must carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimRule {
    /// The claim's name, as `roles`, `scp`, `tid`.
    pub claim: String,
    /// The values that are looked for; never empty.
    pub values: Vec<String>,
    /// Whether all of the values must be there; else one is enough.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// What separates several values in the claim's text; `scope` and `scp` are split at spaces without being told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
}

/// What calls are counted by.
///
/// As text: `caller`, `subscription`, `address`, `api`, `claim:NAME`, `header:NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CountBy {
    /// The principal, or the issuer and subject of a token from elsewhere.
    Caller,
    /// The subscription key.
    Subscription,
    /// The client's address (an IPv6 client by its /64).
    Address,
    /// All calls of the API together.
    Api,
    /// The value of a claim of the token.
    Claim(String),
    /// The value of a request header.
    Header(String),
}

impl fmt::Display for CountBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caller => f.write_str("caller"),
            Self::Subscription => f.write_str("subscription"),
            Self::Address => f.write_str("address"),
            Self::Api => f.write_str("api"),
            Self::Claim(name) => write!(f, "claim:{name}"),
            Self::Header(name) => write!(f, "header:{name}"),
        }
    }
}

impl std::str::FromStr for CountBy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let of = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        let named = match text.split_once(':') {
            Some(("claim", name)) => of(name).map(Self::Claim),
            Some(("header", name)) => of(name).map(|n| Self::Header(n.to_ascii_lowercase())),
            _ => None,
        };
        match text {
            "caller" => Ok(Self::Caller),
            "subscription" => Ok(Self::Subscription),
            "address" => Ok(Self::Address),
            "api" => Ok(Self::Api),
            _ => named.ok_or_else(|| {
                format!(
                    "'{text}' is nothing to count by: write caller, subscription, address, api, claim:NAME or header:NAME"
                )
            }),
        }
    }
}

impl Serialize for CountBy {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CountBy {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        String::deserialize(reader)?.parse().map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for CountBy {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        String::schema()
    }
}

impl utoipa::ToSchema for CountBy {}

/// So many calls in a span of time; more are answered 429 with `Retry-After`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Calls at most, at least 1.
    pub calls: u64,
    /// The span, 1 to 300 s.
    pub per: Span,
    /// What is counted.
    pub by: CountBy,
}

/// An allowance for a longer span; beyond it calls are answered 403 with `Retry-After`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Calls at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    /// Kilobytes (1,024 bytes) of bodies in both directions at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kilobytes: Option<u64>,
    /// The span, 300 s or more; 0 = for ever.
    pub per: Span,
    /// What is counted.
    pub by: CountBy,
}

/// Client addresses: single ones, `10.0.0.0/8`, or `10.0.0.1-10.0.0.9`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Addresses {
    /// When not empty, only these may call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// These may not, even when allowed above.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forbid: Vec<String>,
}

/// Cross-origin calls of browsers (Fetch standard, CORS protocol).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cors {
    /// Origins, or `*`.
    pub origins: Vec<String>,
    /// Methods; GET and POST when empty.
    pub methods: Vec<String>,
    /// Request headers; `authorization` and `content-type` when empty.
    pub headers: Vec<String>,
    /// Answer headers that scripts may read.
    pub expose: Vec<String>,
    /// Whether credentials may be sent; never together with `*`.
    pub credentials: bool,
    /// Seconds a browser may remember a preflight.
    pub max_age: Option<u32>,
}

/// What becomes of a header that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HeaderAction {
    /// The new value takes its place.
    Override,
    /// It stays, the new value is not set.
    Skip,
    /// The new value is added.
    Append,
    /// It is removed; no value.
    Delete,
}

/// One header to set or remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderRule {
    /// The header's name.
    pub name: String,
    /// What to do.
    pub action: HeaderAction,
    /// The values; may hold named values as `{{Name}}`, resolved when the policy is loaded, never when it is shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// Everything a published API demands and does. What is left out is not limited beyond the server's own limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Whose tokens pass; never empty.
    pub issuers: Vec<Issuer>,
    /// One of these must stand in `aud`. Empty only with `any_audience`.
    pub audiences: Vec<String>,
    /// Takes tokens for any audience: only by an explicit word at publishing, written to the ledger, shown in every list.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub any_audience: bool,
    /// Claims a token must carry, all of them; also readable as an object claim → values.
    #[serde(deserialize_with = "rules")]
    pub required_claims: Vec<ClaimRule>,
    /// How far clocks may differ in seconds, 0 to 120; the server's setting when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_skew: Option<u32>,
    /// The status of a refused token, 401 when left out; 400 to 499.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_status: Option<u16>,
    /// The message of a refused token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_message: Option<String>,
    /// Whether a subscription key is demanded besides.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub subscription_required: bool,
    /// Whether the caller must show a client certificate of the listener's authority.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub client_certificate: bool,
    /// Rates, every one of which must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rate_limits: Vec<RateLimit>,
    /// Quotas, every one of which must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quotas: Vec<Quota>,
    /// Calls at the same time at most; more are answered 429.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Where calls may come from.
    pub addresses: Addresses,
    /// Cross-origin calls; the server's setting when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    /// Bytes of a body at most, not above `limits.body_bytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_bytes: Option<u64>,
    /// Rows of a request at most, not above `endpoint.rows`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Time for a call; beyond it 504.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// Changes to the request before it is scored.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub request_headers: Vec<HeaderRule>,
    /// Claims of the token that go on with the request: header → claim. The caller's own header of that name never does.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub forward_claims: BTreeMap<String, String>,
    /// Changes to the answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub response_headers: Vec<HeaderRule>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            issuers: vec![Issuer::BuiltIn],
            audiences: Vec::new(),
            any_audience: false,
            required_claims: Vec::new(),
            clock_skew: None,
            refused_status: None,
            refused_message: None,
            subscription_required: false,
            client_certificate: false,
            rate_limits: Vec::new(),
            quotas: Vec::new(),
            concurrency: None,
            addresses: Addresses::default(),
            cors: None,
            body_bytes: None,
            rows: None,
            timeout: None,
            request_headers: Vec::new(),
            forward_claims: BTreeMap::new(),
            response_headers: Vec::new(),
        }
    }
}

/// Claim rules as a list, or in the short form claim → values.
fn rules<'de, D: Deserializer<'de>>(reader: D) -> Result<Vec<ClaimRule>, D::Error> {
    struct Rules;
    impl<'de> Visitor<'de> for Rules {
        type Value = Vec<ClaimRule>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("claims with their values, as {\"roles\": [\"scorer\"]}, or a list of rules, as [{\"claim\": \"roles\", \"values\": [\"scorer\"], \"all\": true}]")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut rules = Vec::new();
            while let Some(rule) = list.next_element()? {
                rules.push(rule);
            }
            Ok(rules)
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut rules = BTreeMap::new();
            while let Some((claim, values)) = map.next_entry::<String, Vec<String>>()? {
                rules.insert(claim, values);
            }
            let rule = |(claim, values)| ClaimRule { claim, values, all: false, separator: None };
            Ok(rules.into_iter().map(rule).collect())
        }
    }
    reader.deserialize_any(Rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_reads_in_both_forms_and_writes_back() {
        let short: Policy =
            serde_json::from_str(r#"{"audiences":["a"],"required_claims":{"roles":["scorer"]}}"#).unwrap();
        assert_eq!(short.issuers, [Issuer::BuiltIn]);
        assert_eq!(short.required_claims[0].claim, "roles");
        let text = serde_json::to_string(&short).unwrap();
        assert_eq!(serde_json::from_str::<Policy>(&text).unwrap(), short);
        assert!(serde_json::from_str::<Policy>(r#"{"audience":["a"]}"#).is_err());
        for (bad, part) in [
            (r#"{"required_claims":"roles"}"#, "expected claims with their values"),
            (r#"{"required_claims":{"roles":"scorer"}}"#, "expected a sequence"),
            (r#"{"required_claims":[{"claim":"roles","value":["a"]}]}"#, "unknown field `value`"),
        ] {
            let told = serde_json::from_str::<Policy>(bad).unwrap_err().to_string();
            assert!(told.contains(part), "{told}");
        }
    }

    #[test]
    fn what_is_counted_by_reads_and_writes_as_text() {
        for text in ["caller", "subscription", "address", "api", "claim:tid", "header:x-team"] {
            assert_eq!(text.parse::<CountBy>().unwrap().to_string(), text);
        }
        assert!("claim:".parse::<CountBy>().is_err() && "ip".parse::<CountBy>().is_err());
    }

    #[test]
    fn an_issuer_is_its_text() {
        let issuers = [Issuer::BuiltIn, Issuer::External("https://id.example/".to_owned())];
        let text = serde_json::to_string(&issuers).unwrap();
        assert_eq!(text, r#"["built_in","https://id.example/"]"#);
        assert_eq!(serde_json::from_str::<[Issuer; 2]>(&text).unwrap(), issuers);
    }
}
