//! The policy of a published API as a call meets it: read once a snapshot, judged without a lookup or an allocation for what it
//! does not state. What is counted lives beside it ([`kept`]).

pub(crate) mod addresses;
pub(crate) mod cors;
pub(crate) mod forward;
pub(crate) mod headers;
pub(crate) mod kept;
pub(crate) mod limits;
pub(crate) mod subscription;
pub(crate) mod table;
pub(crate) mod window;

pub(crate) use kept::Kept;
pub(crate) use window::Rate;

use addresses::Places;
use cors::Sharing;
use domain::{CountBy, Policy};
use forward::Forward;
use headers::{Change, Resolve, Side};
use http::{HeaderValue, header};
use limits::Limits;
use std::time::Duration;

/// A policy, ready.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub places: Option<Places>,
    pub cors: Option<Sharing>,
    pub subscription_required: bool,
    /// Whether something is counted by the subscription, so that its key is looked at although it is not required.
    pub subscription_counted: bool,
    pub client_certificate: bool,
    pub limits: Limits,
    pub request_headers: Vec<Change>,
    pub forward: Vec<Forward>,
    pub answer_headers: Vec<Change>,
    /// The key for the backend that the policy names, with the scheme before it.
    pub backend: Option<HeaderValue>,
    pub body_bytes: Option<u64>,
    /// The limits of scoring, where the policy has its own.
    pub scoring: Option<endpoint::Limits>,
    pub timeout: Option<Duration>,
}

/// What a policy is read with.
pub(crate) struct Ground<'a> {
    /// The server's own limits of scoring.
    pub scoring: &'a endpoint::Limits,
    /// What is counted for the API.
    pub kept: &'a Kept,
    /// Resolves named values.
    pub resolve: Resolve<'a>,
    /// Whether rates are limited at all (`limits.rate.enabled`).
    pub rates: bool,
}

impl Compiled {
    /// Reads a policy; the error says which part is wrong and why.
    pub(crate) fn new(policy: &Policy, ground: &Ground<'_>) -> Result<Self, String> {
        numbers(policy)?;
        let read = |rules: &[domain::HeaderRule], side| {
            rules.iter().map(|r| Change::read(r, side, ground.resolve)).collect::<Result<Vec<_>, _>>()
        };
        let (credentials, request_headers): (Vec<_>, Vec<_>) = read(&policy.request_headers, Side::Request)?
            .into_iter()
            .partition(|c| c.name() == header::AUTHORIZATION);
        let by = |what: &CountBy| *what == CountBy::Subscription;
        Ok(Self {
            places: Places::read(&policy.addresses)?,
            cors: policy.cors.as_ref().map(Sharing::read).transpose()?,
            subscription_required: policy.subscription_required,
            subscription_counted: policy.rate_limits.iter().any(|r| by(&r.by))
                || policy.quotas.iter().any(|q| by(&q.by)),
            client_certificate: policy.client_certificate,
            limits: Limits::read(policy, ground.kept, ground.rates)?,
            request_headers,
            forward: forward::read(&policy.forward_claims)?,
            answer_headers: read(&policy.response_headers, Side::Answer)?,
            backend: backend(&credentials)?,
            body_bytes: policy.body_bytes,
            scoring: scoring(policy, ground.scoring),
            timeout: policy.timeout.map(|t| t.0),
        })
    }
}

/// Says what is wrong with a policy before it is published. Named values are not looked up.
pub(crate) fn check(policy: &Policy) -> Result<(), String> {
    let ground = Ground {
        scoring: &endpoint::Limits::unbounded(),
        kept: &Kept::next(policy, None, &[], 1),
        resolve: &|_| Some("x".to_owned()),
        rates: true,
    };
    Compiled::new(policy, &ground).map(drop)
}

fn numbers(policy: &Policy) -> Result<(), String> {
    if policy.refused_status.is_some_and(|s| !(400..=499).contains(&s)) {
        return Err("refused_status: a refusal has a status of 400 to 499".to_owned());
    }
    if policy.clock_skew.is_some_and(|s| s > 120) {
        return Err("clock_skew is more than 120 s: set the clocks right instead".to_owned());
    }
    if policy.body_bytes == Some(0) || policy.rows == Some(0) || policy.timeout.is_some_and(|t| t.0.is_zero())
    {
        return Err("body_bytes, rows and timeout must be more than 0".to_owned());
    }
    Ok(())
}

/// The `Authorization` for the backend. The caller's own never gets there, so there is nothing to add to or to keep.
fn backend(rules: &[Change]) -> Result<Option<HeaderValue>, String> {
    let mut last = None;
    for rule in rules.iter().filter(|rule| !rule.deletes()) {
        let value = rule.only_value().ok_or(
            "the header 'authorization': the caller's is always removed; a policy sets its one value by 'override'",
        )?;
        last = Some(value.clone());
    }
    Ok(last)
}

/// The server's limits of scoring, narrowed; none when the policy has nothing to say about them.
fn scoring(policy: &Policy, server: &endpoint::Limits) -> Option<endpoint::Limits> {
    if policy.rows.is_none() && policy.cors.is_none() {
        return None;
    }
    let mut own = server.clone();
    if let Some(rows) = policy.rows {
        own.rows = own.rows.min(usize::try_from(rows).unwrap_or(usize::MAX));
    }
    if policy.cors.is_some() {
        // The gate answers for this API; the server's setting is not asked.
        own.origins.clear();
    }
    Some(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(json: &str) -> Result<(), String> {
        check(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_policy_is_read_or_told_what_is_wrong() {
        assert_eq!(told("{}"), Ok(()));
        assert_eq!(
            told(
                r#"{"request_headers":[{"name":"Authorization","action":"override","values":["Bearer {{AMLKey}}"]}]}"#
            ),
            Ok(())
        );
        for (bad, part) in [
            (r#"{"refused_status":500}"#, "refused_status"),
            (r#"{"clock_skew":121}"#, "clock_skew"),
            (r#"{"timeout":"0s"}"#, "timeout"),
            (r#"{"addresses":{"allow":["x"]}}"#, "'x'"),
            (r#"{"cors":{}}"#, "cors"),
            (r#"{"response_headers":[{"name":"content-length","action":"delete"}]}"#, "content-length"),
            (
                r#"{"request_headers":[{"name":"authorization","action":"append","values":["x"]}]}"#,
                "authorization",
            ),
        ] {
            assert!(told(bad).unwrap_err().contains(part), "{bad}");
        }
    }
}
