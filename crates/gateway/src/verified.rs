//! Tokens of the built-in token service: verified once, remembered by their SHA-256 for a while, checked against revocation at
//! every call.

use crate::jose::{Algorithm, KeySet, Refusal, verify};
use crate::jwt::{Claims, Times};
use crate::secret::digest;
use arc_swap::ArcSwap;
use quick_cache::sync::Cache;
use std::sync::Arc;

/// The issuers' names, the key set, and the tokens seen lately.
#[derive(Debug)]
pub(crate) struct Verifier {
    issuers: [String; 2],
    /// The key set, and how often it was changed: what was remembered under an earlier one is judged anew.
    keys: ArcSwap<(u64, KeySet)>,
    times: Times,
    remember: i64,
    seen: Cache<[u8; 32], (Arc<Claims>, i64, u64)>,
}

impl Verifier {
    pub(crate) fn new(issuers: [String; 2], keys: KeySet, times: Times, room: usize, remember: i64) -> Self {
        let keys = ArcSwap::from_pointee((0, keys));
        Self { issuers, keys, times, remember, seen: Cache::new(room) }
    }

    /// Changes the key set. Tokens of a key that is not in it are refused from now on.
    pub(crate) fn set_built_in(&self, keys: &KeySet) {
        self.keys.rcu(|before| (before.0 + 1, keys.clone()));
    }

    /// The claims of a token that is ours and valid at `now` (seconds since 1970); audience, roles and revocation are the
    /// caller's to judge.
    pub(crate) fn claims(&self, token: &str, now: i64) -> Result<Arc<Claims>, Refusal> {
        let key = digest(token.as_bytes()).0;
        // Read before the token is judged: what is judged while the set changes is remembered under the old one, for nothing.
        let current = self.keys.load().0;
        if let Some((claims, until, under)) = self.seen.get(&key)
            && now < until
            && under == current
        {
            // The clock may have been set back since.
            claims.check_times(self.times, now)?;
            return Ok(claims);
        }
        let claims = Arc::new(self.judge(token, now)?);
        let until = claims.expires.min(now + self.remember);
        self.seen.insert(key, (claims.clone(), until, current));
        Ok(claims)
    }

    pub(crate) fn judge(&self, token: &str, now: i64) -> Result<Claims, Refusal> {
        let verified = verify(token, &self.keys.load().1, &Algorithm::GATE)?;
        let typ = verified.typ.as_deref().unwrap_or_default();
        let typ = typ.strip_prefix("application/").unwrap_or(typ);
        if !typ.eq_ignore_ascii_case("jwt") && !typ.eq_ignore_ascii_case("at+jwt") {
            return Err(Refusal::Type);
        }
        let claims = Claims::parse(&verified.payload)?;
        claims.check_times(self.times, now)?;
        if !self.issuers.contains(&claims.issuer) {
            return Err(Refusal::Issuer);
        }
        Ok(claims)
    }
}
