//! Who may call: principals, roles and published APIs.

use crate::clock::Timestamp;
use crate::ids::Name;
use crate::policy::Policy;
use serde::{Deserialize, Serialize};

/// What a principal may do on something. Owner contains contributor, contributor contains reader and scorer; a reader does
/// not score, and a scorer does nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees everything but secrets.
    Reader,
    /// Registers, trains, deploys, publishes.
    Contributor,
    /// Also handles keys, principals and backups.
    Owner,
    /// Scores, and nothing else.
    Scorer,
}

impl Role {
    /// The name of the role as in tokens and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Contributor => "contributor",
            Self::Owner => "owner",
            Self::Scorer => "scorer",
        }
    }

    /// Reads a role's name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Reader, Self::Contributor, Self::Owner, Self::Scorer].into_iter().find(|r| r.as_str() == text)
    }

    /// Whether this role includes what `needed` may do.
    pub const fn includes(self, needed: Role) -> bool {
        match self {
            Self::Owner => true,
            Self::Contributor => !matches!(needed, Self::Owner),
            Self::Reader => matches!(needed, Self::Reader),
            Self::Scorer => matches!(needed, Self::Scorer),
        }
    }
}

/// What a principal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PrincipalKind {
    /// A program with a client id and secret.
    Client,
    /// Somebody who logs in with a password or at an OIDC provider.
    Person,
}

/// A registered caller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Principal {
    /// Its name.
    pub name: Name,
    /// The OAuth 2 client id (a UUID); the `sub` and `appid` of its tokens.
    pub client_id: String,
    /// What it is.
    pub kind: PrincipalKind,
    /// What it may do on the whole workspace; none when it has roles on single endpoints or models only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The audience of its tokens when a token request names no resource.
    pub audience: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Timestamp>,
}

/// A path at the gateway in front of an endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Api {
    /// The path without leading or trailing slash, one or more segments.
    pub path: String,
    /// The endpoint behind it.
    pub endpoint: Name,
    /// Who gets through, and how.
    pub policy: Policy,
    /// When it was published.
    pub created: Timestamp,
}
