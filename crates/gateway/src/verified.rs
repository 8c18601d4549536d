//! A token that was verified, and the memory of those seen lately: by their SHA-256, bounded, for a while.

use crate::issuers::Source;
use crate::jose::{Key, Refusal};
use crate::jwt::Claims;
use domain::{Issuer, Timestamp};
use quick_cache::sync::Cache;
use std::sync::Arc;

/// A token whose issuer, signature, times and all that is pinned for its issuer are right. What an API or the control plane demands
/// besides is theirs to judge; so is revocation.
pub(crate) struct Verified {
    /// What it says.
    pub claims: Arc<Claims>,
    /// Whose it is.
    pub issuer: Issuer,
    pub source: Arc<Source>,
    pub key: Arc<Key>,
}

impl std::fmt::Debug for Verified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verified").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl Verified {
    /// Whether its key is still one of its issuer's, and the issuer still trusted as it was.
    pub(crate) fn stands(&self, clock: Timestamp) -> bool {
        !self.key.is_withdrawn() && self.source.stands(clock)
    }

    /// Who an issuer elsewhere says it is: `iss|sub`, the client where there is no subject. None for tokens of ours, whose
    /// principal is known, and for tokens of nobody.
    pub(crate) fn identity(&self) -> Option<String> {
        let Issuer::External(issuer) = &self.issuer else { return None };
        let who = self.claims.subject.as_deref().or(self.claims.client_id.as_deref())?;
        Some(format!("{issuer}|{who}"))
    }
}

/// Tokens seen lately.
#[derive(Debug)]
pub(crate) struct Seen {
    tokens: Cache<[u8; 32], (Arc<Verified>, i64)>,
    /// Seconds a token is remembered at most.
    remember: i64,
}

impl Seen {
    pub(crate) fn new(room: usize, remember: i64) -> Self {
        Self { tokens: Cache::new(room), remember }
    }

    /// A token seen before, when all that was found then still holds.
    pub(crate) fn get(
        &self,
        digest: &[u8; 32],
        now: i64,
        clock: Timestamp,
    ) -> Option<Result<Arc<Verified>, Refusal>> {
        let (verified, until) = self.tokens.get(digest)?;
        if now >= until || !verified.stands(clock) {
            self.tokens.remove(digest);
            return None;
        }
        // The clock may have been set back since.
        let judged = verified.claims.check_times(verified.source.times, now);
        Some(judged.map(|()| verified))
    }

    pub(crate) fn put(&self, digest: [u8; 32], verified: &Arc<Verified>, now: i64) {
        let until = verified.claims.expires.min(now + self.remember);
        self.tokens.insert(digest, (verified.clone(), until));
    }
}
