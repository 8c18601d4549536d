//! A trusted issuer as tokens are judged by it: everything that was pinned at its registration, and its keys.

use super::keys::Keys;
use crate::jose::{Algorithm, Decoded, Refusal};
use crate::jwt::{Claims, Times};
use domain::{Issuer, Role, Timestamp, TrustedIssuer};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// One issuer.
pub(crate) struct Source {
    pub(super) name: Issuer,
    pub(super) keys: Arc<Keys>,
    pub times: Times,
    /// As registered; none for the built-in token service.
    pub(super) record: Option<TrustedIssuer>,
    algorithms: Vec<Algorithm>,
    /// It was removed or replaced: nothing it said before counts.
    dismissed: AtomicBool,
}

impl Source {
    /// The built-in token service.
    pub(super) fn built_in(keys: Arc<Keys>, times: Times) -> Self {
        Self {
            name: Issuer::BuiltIn,
            keys,
            times,
            record: None,
            algorithms: Algorithm::GATE.to_vec(),
            dismissed: AtomicBool::new(false),
        }
    }

    /// A registered issuer; `times` hold where it states none.
    pub(super) fn new(record: TrustedIssuer, keys: Arc<Keys>, times: Times) -> Self {
        let lifetime = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX).min(i64::MAX / 4);
        Self {
            name: Issuer::External(record.issuer.clone()),
            keys,
            times: Times {
                skew: record.clock_skew.map_or(times.skew, i64::from),
                max_lifetime: record.max_lifetime.map_or(times.max_lifetime, lifetime),
            },
            algorithms: algorithms(&record.algorithms).unwrap_or_default(),
            record: Some(record),
            dismissed: AtomicBool::new(false),
        }
    }

    /// Whatever was verified for it counts no more.
    pub(super) fn dismiss(&self) {
        self.dismissed.store(true, Ordering::Release);
    }

    /// Whether what was verified for it still counts: it is registered as it was, and its keys are not too old.
    pub(crate) fn stands(&self, clock: Timestamp) -> bool {
        !self.dismissed.load(Ordering::Acquire) && self.keys.in_time(clock)
    }

    /// What is pinned, apart from the signature. Judged before it, so that no other token makes us ask for keys.
    pub(super) fn admits(&self, token: &Decoded<'_>, claims: &Claims, now: i64) -> Result<(), Refusal> {
        if !self.algorithms.contains(&token.alg()) {
            return Err(Refusal::Algorithm);
        }
        let any_typ = self.record.as_ref().is_some_and(|r| r.any_typ);
        if !any_typ && !is_token(token.typ().unwrap_or_default()) {
            return Err(Refusal::Type);
        }
        claims.check_times(self.times, now)?;
        let Some(record) = &self.record else { return Ok(()) };
        if !record.audiences.is_empty() && !claims.is_for(&record.audiences) {
            return Err(Refusal::Audience);
        }
        if claims.fulfil(&record.required_claims) { Ok(()) } else { Err(Refusal::Required) }
    }

    /// The highest role on the control plane that a claim of its tokens stands for.
    pub(super) fn role_of(&self, claims: &Claims) -> Option<Role> {
        let record = self.record.as_ref().filter(|record| !record.audiences.is_empty())?;
        let map = record.roles.as_ref()?;
        let role = |value: &Value| value.as_str().and_then(|text| map.values.get(text)).copied();
        let roles: Vec<Role> = match claims.all.get(&map.claim)? {
            Value::Array(items) => items.iter().filter_map(role).collect(),
            Value::String(words) if matches!(&*map.claim, "scope" | "scp") => {
                words.split(' ').filter_map(|word| map.values.get(word)).copied().collect()
            }
            one => role(one).into_iter().collect(),
        };
        [Role::Owner, Role::Contributor, Role::Reader, Role::Scorer].into_iter().find(|r| roles.contains(r))
    }
}

/// The `typ` of tokens (RFC 7519 §5.1, RFC 9068 §2.1), with or without `application/`, without case.
fn is_token(typ: &str) -> bool {
    let bare = match typ.split_at_checked("application/".len()) {
        Some((head, rest)) if head.eq_ignore_ascii_case("application/") => rest,
        _ => typ,
    };
    bare.eq_ignore_ascii_case("jwt") || bare.eq_ignore_ascii_case("at+jwt")
}

/// Algorithms by their names; none when one is not among those the gate accepts.
pub(super) fn algorithms(names: &[String]) -> Option<Vec<Algorithm>> {
    let known = |name: &String| Algorithm::parse(name).filter(|alg| Algorithm::GATE.contains(alg));
    names.iter().map(known).collect()
}
