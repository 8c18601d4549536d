//! Who may call: the key of the direct door, the token of a published API.

use crate::bearer::{self, NoBearer};
use crate::gateway::Gateway;
use crate::jose::Refusal;
use crate::jwt::Claims;
use crate::people;
use crate::policy::subscription::NoKey;
use crate::row::CallLog;
use crate::secret;
use crate::snapshot::{Published, Snapshot, Target};
use crate::verified::Verified;
use domain::{ClaimRule, ErrorCode, Issuer, Role, Timestamp};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use std::borrow::Cow;
use std::sync::Arc;
use web::Problem;

/// Why a call was refused at the gate.
#[derive(Debug)]
pub(crate) struct Refused {
    pub status: StatusCode,
    /// Whether credentials were refused, with the error code of RFC 6750; no code when none were sent.
    credentials: Option<Option<&'static str>>,
    message: Cow<'static, str>,
    detail: &'static str,
    /// For metrics and the log.
    pub reason: &'static str,
    /// Seconds to wait.
    pub retry_after: Option<u64>,
    /// What the answer says of limits besides.
    pub headers: HeaderMap,
}

impl Refused {
    /// Credentials refused by RFC 6750: 401, 400 or 403 by the error code.
    pub(crate) fn credentials(
        error: Option<&'static str>,
        message: &'static str,
        detail: &'static str,
        reason: &'static str,
    ) -> Box<Self> {
        let plain = Self::plain(bearer::status(error), message, detail, reason);
        Box::new(Self { credentials: Some(error), ..*plain })
    }

    /// Refused whatever the credentials.
    pub(crate) fn plain(
        status: StatusCode,
        message: &'static str,
        detail: &'static str,
        reason: &'static str,
    ) -> Box<Self> {
        Box::new(Self {
            status,
            credentials: None,
            message: Cow::Borrowed(message),
            detail,
            reason,
            retry_after: None,
            headers: HeaderMap::new(),
        })
    }

    /// Too many calls; wait so many seconds.
    pub(crate) fn wait(seconds: u64, detail: &'static str, reason: &'static str) -> Box<Self> {
        let message = format!("Rate limit is exceeded. Try again in {seconds} seconds.");
        let plain = Self::plain(StatusCode::TOO_MANY_REQUESTS, "", detail, reason);
        Box::new(Self { retry_after: Some(seconds), message: Cow::Owned(message), ..*plain })
    }

    /// Whether it counts as a refusal of credentials.
    pub(crate) fn is_of_credentials(&self) -> bool {
        self.credentials.is_some()
    }

    /// The challenge that goes with it.
    pub(crate) fn challenge(&self) -> Option<HeaderValue> {
        self.credentials.map(bearer::challenge)
    }

    /// What was wrong and what to do.
    pub(crate) fn detail(&self) -> &'static str {
        self.detail
    }

    pub(crate) fn problem(&self) -> Problem {
        let code = match self.status {
            StatusCode::UNAUTHORIZED => ErrorCode::Unauthenticated,
            StatusCode::FORBIDDEN => ErrorCode::Forbidden,
            StatusCode::TOO_MANY_REQUESTS => ErrorCode::TooManyRequests,
            StatusCode::SERVICE_UNAVAILABLE => ErrorCode::Unavailable,
            _ => ErrorCode::InvalidInput,
        };
        Problem::with_status(self.status, code, self.detail).worded(self.message.as_ref())
    }
}

/// The key of the direct door (contract IS-18).
pub(crate) fn check_key(target: &Target, parts: &Parts) -> Result<(), Box<Refused>> {
    let Some(keys) = &target.keys else { return Ok(()) };
    let detail =
        "the direct door of an endpoint opens for its primary or secondary key as Authorization: Bearer";
    let refused = |error, message, reason| Refused::credentials(error, message, detail, reason);
    let key = bearer::bearer(&parts.headers).map_err(|no| match no {
        NoBearer::Absent => refused(None, "key_auth_access_denied", "no_credentials"),
        NoBearer::Malformed => {
            refused(Some("invalid_request"), "key_auth_bad_header_forbidden", "malformed_header")
        }
    })?;
    if secret::known(&secret::digest(key.as_bytes()), keys) {
        return Ok(());
    }
    Err(refused(Some("invalid_token"), "key_auth_access_denied", "wrong_key"))
}

/// What the endpoint behind an API answers when the policy's key is none of its own (contract GW-11).
pub(crate) fn wrong_backend_key() -> Box<Refused> {
    let detail = "the key that the API's policy sends to the endpoint is none of its keys; its owner has to set it anew";
    Refused::plain(StatusCode::UNAUTHORIZED, "key_auth_access_denied", detail, "backend_key")
}

/// A subscription key that does not do (contract GW-12).
pub(crate) fn no_subscription(no: NoKey) -> Box<Refused> {
    let detail =
        "this API demands a subscription key in the header Ocp-Apim-Subscription-Key, besides the token";
    let message = match no {
        NoKey::Missing => {
            "Access denied due to missing subscription key. Make sure to include subscription key when making requests to an API."
        }
        NoKey::Invalid => {
            "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription."
        }
    };
    Refused::credentials(None, message, detail, "subscription")
}

/// The caller behind a token that passed.
#[derive(Debug)]
pub(crate) struct Known {
    pub claims: Arc<Claims>,
    pub name: Arc<str>,
    /// The role that a principal of ours has now on the workspace; none for callers of other issuers.
    pub live_role: Option<Option<Role>>,
}

/// The token of a published API, by its policy (contracts GW-08, GW-09, GW-11).
pub(crate) fn check_token(
    gateway: &Gateway,
    snapshot: &Snapshot,
    api: &Published,
    parts: &Parts,
    log: &mut CallLog,
) -> Result<Known, Box<Refused>> {
    judge(gateway, snapshot, api, parts, log).map_err(|mut refused| {
        if let Some(status) = api.policy.refused_status.and_then(|s| StatusCode::from_u16(s).ok()) {
            refused.status = status;
        }
        if let Some(message) = &api.policy.refused_message {
            refused.message = Cow::Owned(message.clone());
        }
        refused
    })
}

/// Whether a caller is known at all: the admin token, a person's session, or a good token for whatever audience.
pub(crate) fn check_known(gateway: &Gateway, parts: &Parts) -> Result<(), Box<Refused>> {
    if let Some(Ok(_)) = people::authenticate(gateway, &parts.headers, &parts.method) {
        return Ok(());
    }
    let token = token_of(parts)?;
    if secret::known(&secret::digest(token.as_bytes()), &[gateway.admin]) {
        return Ok(());
    }
    let verified = verified(gateway, token, None).map_err(invalid)?;
    let claims = &verified.claims;
    claims.check_binding(bearer::certificate(&parts.extensions)).map_err(invalid)?;
    if verified.issuer == Issuer::BuiltIn && gateway.snapshot.load().owner(claims).is_none() {
        return Err(invalid(Refusal::Revoked));
    }
    Ok(())
}

fn token_of(parts: &Parts) -> Result<&str, Box<Refused>> {
    bearer::bearer(&parts.headers).map_err(|no| match no {
        NoBearer::Absent => {
            let detail = "send a token of the token service as Authorization: Bearer";
            Refused::credentials(None, "JWT not present.", detail, "no_credentials")
        }
        NoBearer::Malformed => {
            let detail = "send exactly one Authorization header, with one token";
            Refused::credentials(Some("invalid_request"), "Invalid JWT.", detail, "malformed_header")
        }
    })
}

fn invalid(refusal: Refusal) -> Box<Refused> {
    let detail = "the token was refused; get a new one for this API's audience";
    Refused::credentials(Some("invalid_token"), "Invalid JWT.", detail, refusal.reason())
}

fn judge(
    gateway: &Gateway,
    snapshot: &Snapshot,
    api: &Published,
    parts: &Parts,
    log: &mut CallLog,
) -> Result<Known, Box<Refused>> {
    let token = token_of(parts)?;
    let policy = &api.policy;
    let verified = verified(gateway, token, policy.clock_skew).map_err(invalid)?;
    let claims = &verified.claims;
    claims.check_binding(bearer::certificate(&parts.extensions)).map_err(invalid)?;
    let (mut may_score, mut live) = (None, None);
    let name: Arc<str> = if verified.issuer == Issuer::BuiltIn {
        // The cache remembers signatures, not permission: revocation is looked up at every call.
        let who = snapshot.owner(claims).ok_or_else(|| invalid(Refusal::Revoked))?;
        log.caller("AADToken", claims.client_id.as_deref(), Some(&who.name));
        (may_score, live) = (Some(who.may_score(&api.target.name)), Some(who.role));
        who.name.clone()
    } else {
        let identity = verified.identity();
        log.caller("AADToken", identity.as_deref(), None);
        identity.unwrap_or_default().into()
    };
    if !policy.issuers.contains(&verified.issuer) {
        return Err(invalid(Refusal::Issuer));
    }
    if !policy.any_audience && !claims.is_for(&policy.audiences) {
        return Err(invalid(Refusal::Audience));
    }
    if !policy.required_claims.iter().all(|rule| holds(rule, claims, live)) {
        return Err(Refused::credentials(
            Some("insufficient_scope"),
            "The token lacks a claim that this API requires.",
            "the token lacks a claim that this API requires; ask its owner for the role",
            "insufficient_scope",
        ));
    }
    // Roles are given to principals; who comes from elsewhere has what its issuer's registration demands of its tokens.
    if may_score == Some(false) {
        return Err(Refused::credentials(
            Some("insufficient_scope"),
            "The caller may not score this endpoint.",
            "the caller has not the role scorer on this endpoint; ask its owner for it",
            "no_role",
        ));
    }
    Ok(Known { claims: claims.clone(), name, live_role: live })
}

/// Whether a token meets a rule. The roles of a principal of ours are those it has now, not those when its token was made.
fn holds(rule: &ClaimRule, claims: &Claims, live: Option<Option<Role>>) -> bool {
    let Some(role) = live.filter(|_| rule.claim == "roles") else {
        return claims.fulfil(std::slice::from_ref(rule));
    };
    let has = |value: &String| role.is_some_and(|role| role.as_str() == value);
    if rule.all { rule.values.iter().all(has) } else { rule.values.iter().any(has) }
}

/// A verified token, its times judged with the policy's own allowance for clocks where it has one: narrower or wider than the
/// issuer's.
fn verified(gateway: &Gateway, token: &str, skew: Option<u32>) -> Result<Arc<Verified>, Refusal> {
    let now = Timestamp::now().seconds();
    let Some(skew) = skew.map(i64::from) else { return gateway.issuers.verify(token, now) };
    // Judging a token as of another moment is judging it with that much more allowance; the exact bounds are judged below.
    let verified = match gateway.issuers.verify(token, now) {
        Err(Refusal::Expired) => gateway.issuers.verify(token, now - skew),
        Err(Refusal::Early) => gateway.issuers.verify(token, now + skew),
        judged => judged,
    }?;
    verified.claims.check_times(crate::jwt::Times { skew, ..verified.source.times }, now)?;
    Ok(verified)
}
