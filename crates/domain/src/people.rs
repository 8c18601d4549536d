//! People who log in: what is told of their sessions.

use crate::clock::Timestamp;
use serde::{Deserialize, Serialize};

/// A person's session, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SessionInfo {
    /// Its id: the beginning of the SHA-256 of its secret.
    pub id: String,
    /// When the person logged in.
    pub created: Timestamp,
    /// When it was last used, to a minute.
    pub seen: Timestamp,
    /// When it ends at the latest.
    pub expires: Timestamp,
}
