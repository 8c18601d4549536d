//! Who did what, when: the append-only record of control-plane changes.

use crate::clock::Timestamp;
use crate::ids::Digest;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Who makes a change: the admin token, a principal, or the system itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct Actor(pub String);

impl Actor {
    /// The holder of the admin token.
    pub fn admin() -> Self {
        Self("admin".to_owned())
    }

    /// Portcullis itself (workers, recovery).
    pub fn system() -> Self {
        Self("system".to_owned())
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LedgerEntry {
    /// Position, from 1, without gaps.
    pub sequence: i64,
    /// When.
    pub time: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What was done: a verb and a noun, as `register data`, `publish api`.
    pub action: String,
    /// On what: `german-credit:1`.
    pub subject: String,
    /// The change's particulars; never a secret.
    pub detail: serde_json::Value,
}

/// The end of the ledger: who keeps its digest elsewhere can tell later that nothing before it was cut off or altered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LedgerHead {
    /// The last entry's position.
    pub sequence: i64,
    /// When it was written.
    pub time: Timestamp,
    /// SHA-256 over the last entry and, through its forerunner's digest, over all before it.
    pub digest: Digest,
}

/// What a check of the ledger found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LedgerCheck {
    /// Entries found in order, from the first.
    pub entries: i64,
    /// The last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<LedgerHead>,
    /// What is wrong with the entry after it; none when all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong: Option<String>,
}
