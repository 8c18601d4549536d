//! Who is trusted and with what: registered issuers, role assignments, subscriptions, named values, signing keys.

use crate::clock::Timestamp;
use crate::error::Fault;
use crate::gate::Role;
use crate::ids::Name;
use crate::models::ModelName;
use crate::policy::ClaimRule;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Where an issuer's keys come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeySource {
    /// The URL of its discovery document (OpenID Connect Discovery 1.0, RFC 8414); the keys by its `jwks_uri`.
    Discovery(String),
    /// The URL of its key set.
    JwksUri(String),
    /// The text of a JWK set (RFC 7517), kept as it is.
    Static(String),
}

/// What a claim of an issuer's tokens says about roles here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleMap {
    /// The claim, as `roles` or `groups`.
    pub claim: String,
    /// Value of the claim → role on the workspace.
    pub values: BTreeMap<String, Role>,
}

/// An issuer of tokens that is trusted: every part of it is pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustedIssuer {
    /// The exact text of `iss`.
    pub issuer: String,
    /// Where its keys come from.
    pub keys: KeySource,
    /// Audiences its tokens may be for: one of them must stand in `aud`, besides what an API demands. Empty only when the API's own
    /// policy decides alone; such an issuer's tokens never reach the control plane.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// Algorithms its tokens may be signed with, of RS256, PS256, ES256 and EdDSA.
    pub algorithms: Vec<String>,
    /// Claims its tokens must carry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required_claims: Vec<ClaimRule>,
    /// How far its clock may differ in seconds, 0 to 120; the server's setting when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_skew: Option<u32>,
    /// The longest its tokens may live in seconds; the server's setting when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_lifetime: Option<u64>,
    /// Whether `typ` may be anything.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub any_typ: bool,
    /// How its tokens' claims become roles on the control plane; without it they only score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<RoleMap>,
    /// Whether it may be reached by plain http on loopback (development).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_loopback_http: bool,
    /// When it was added.
    pub created: Timestamp,
}

/// What a role is held on.
///
/// As text: `workspace`, `endpoint:NAME`, `model:NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Everything.
    Workspace,
    /// One endpoint, its deployments, keys, log and the APIs over it.
    Endpoint(Name),
    /// One model and its versions.
    Model(ModelName),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workspace => f.write_str("workspace"),
            Self::Endpoint(name) => write!(f, "endpoint:{name}"),
            Self::Model(name) => write!(f, "model:{name}"),
        }
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            |why: String| format!("'{text}' is no scope: write workspace, endpoint:NAME or model:NAME{why}");
        if text == "workspace" {
            return Ok(Self::Workspace);
        }
        let (noun, name) = text.split_once(':').ok_or_else(|| wrong(String::new()))?;
        let told = |e: Fault| wrong(format!(" ({})", e.message));
        match noun {
            "endpoint" => Ok(Self::Endpoint(Name::new(name).map_err(told)?)),
            "model" => Ok(Self::Model(ModelName::new(name).map_err(told)?)),
            _ => Err(wrong(String::new())),
        }
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        String::deserialize(reader)?.parse().map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for Scope {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        String::schema()
    }
}

impl utoipa::ToSchema for Scope {}

/// A role of a principal on something. A principal's own role is its assignment on the workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Assignment {
    /// Who.
    pub principal: Name,
    /// On what.
    pub scope: Scope,
    /// What it may do there.
    pub role: Role,
    /// Since when.
    pub created: Timestamp,
}

/// A right to call with a subscription key, besides the token: to one API or to all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Subscription {
    /// Its name.
    pub name: Name,
    /// The path of the API it is for; all APIs when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// How often each key was regenerated, primary first; the keys themselves are derived, never stored.
    pub key_generations: [u32; 2],
    /// When it was made.
    pub created: Timestamp,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Timestamp>,
}

/// A value that policies name as `{{Name}}`; its content is kept sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NamedValue {
    /// Its name: letters, digits, `.`, `_`, `-`.
    pub name: Name,
    /// Whether it is secret: never shown again. A value that is not secret is shown in lists.
    pub secret: bool,
    /// The content, only of a value that is not secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// When it was last set.
    pub updated: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_read_and_write_as_text() {
        for text in ["workspace", "endpoint:credit", "model:credit"] {
            assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
        }
        for bad in ["", "endpoint", "endpoint:", "run:x", "model:../x"] {
            assert!(bad.parse::<Scope>().is_err(), "{bad}");
        }
    }
}
