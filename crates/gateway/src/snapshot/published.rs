//! Published APIs as the gate sees them.

use crate::policy::{Compiled, Ground, Kept};
use crate::score::Scoring;
use crate::secret::{digest, known};
use crate::snapshot::{Handles, Snapshot, Target};
use domain::{Name, Policy};
use http::HeaderValue;
use std::collections::HashMap;
use std::sync::Arc;
use store::{QuotaCount, Store};
use zeroize::Zeroizing;

/// A published API as the gate sees it.
#[derive(Debug)]
pub(crate) struct Published {
    pub path: Arc<str>,
    pub policy: Policy,
    /// The policy, ready; none when it cannot be read, and then no call passes.
    pub rules: Option<Compiled>,
    /// What is counted for it.
    pub kept: Kept,
    /// Whether the key that the policy names for the backend is none of the endpoint's: it refuses every call, as it would behind
    /// a network.
    pub wrong_key: bool,
    pub target: Arc<Target>,
    pub handles: Handles,
}

/// Named values by name, opened.
#[derive(Default)]
pub(crate) struct NamedValues(HashMap<String, Zeroizing<String>>);

impl NamedValues {
    /// Opens what is sealed; a value that cannot be opened counts as not there.
    pub(crate) fn open(store: &Store, sealed: &[(Name, String)]) -> Self {
        let open = |(name, sealed): &(Name, String)| {
            let content = store
                .unseal(&format!("named-value:{name}"), sealed)
                .map_err(|error| tracing::error!(%name, %error, "a named value cannot be opened"))
                .ok()?;
            let text = String::from_utf8(content.to_vec()).ok()?;
            Some((name.as_str().to_owned(), Zeroizing::new(text)))
        };
        Self(sealed.iter().filter_map(open).collect())
    }

    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|text| text.as_str().to_owned())
    }
}

impl Published {
    /// Reads an API over what was counted for it before.
    pub(crate) fn new(
        api: domain::Api,
        target: Arc<Target>,
        (before, restored): (&Snapshot, &[QuotaCount]),
        (scoring, named): (&Scoring, &NamedValues),
    ) -> Self {
        let former = before.apis.get(api.path.as_str()).map(|p| &p.kept);
        let own: Vec<QuotaCount> = restored.iter().filter(|c| c.api == api.path).cloned().collect();
        let kept = Kept::next(&api.policy, former, &own, scoring.rate.keys);
        let ground = Ground {
            scoring: &scoring.limits,
            kept: &kept,
            resolve: &|name| named.get(name),
            rates: scoring.rate.enabled,
        };
        let rules = Compiled::new(&api.policy, &ground)
            .map_err(|why| {
                tracing::error!(api = api.path, why, "the policy of an API cannot be read: no call passes")
            })
            .ok();
        let backend = rules.as_ref().and_then(|r| r.backend.as_ref());
        Self {
            wrong_key: backend.is_some_and(|key| !opens(key, &target)),
            handles: Handles::new(&scoring.metrics, &format!("/{}", api.path), api.endpoint.as_str()),
            path: api.path.as_str().into(),
            policy: api.policy,
            rules,
            kept,
            target,
        }
    }
}

/// Whether an `Authorization` opens the endpoint's direct door.
fn opens(value: &HeaderValue, target: &Target) -> bool {
    let key = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match (key, &target.keys) {
        (_, None) => true,
        (Some((_, key)), Some(keys)) => known(&digest(key.trim().as_bytes()), keys),
        (None, Some(_)) => false,
    }
}
