//! Who may call: the key of the direct door, the token of a published API.

use crate::bearer::{self, NoBearer};
use crate::gateway::Gateway;
use crate::jose::Refusal;
use crate::row::CallLog;
use crate::secret;
use crate::snapshot::{Published, Snapshot, Target};
use domain::{ErrorCode, Timestamp};
use http::StatusCode;
use http::request::Parts;
use web::Problem;

/// Why a call was refused at the gate.
pub(crate) struct Refused {
    /// The error code of RFC 6750; none when no credentials were sent.
    pub error: Option<&'static str>,
    message: &'static str,
    detail: &'static str,
    /// For metrics and the log.
    pub reason: &'static str,
}

impl Refused {
    pub(crate) fn problem(&self) -> Problem {
        let status = bearer::status(self.error);
        let code = match status {
            StatusCode::BAD_REQUEST => ErrorCode::InvalidInput,
            StatusCode::FORBIDDEN => ErrorCode::Forbidden,
            _ => ErrorCode::Unauthenticated,
        };
        Problem::with_status(status, code, self.detail).worded(self.message)
    }
}

/// The key of the direct door (contract IS-18).
pub(crate) fn check_key(target: &Target, parts: &Parts) -> Result<(), Refused> {
    let Some(keys) = &target.keys else { return Ok(()) };
    let refused = |error, message, reason| Refused {
        error,
        message,
        reason,
        detail: "the direct door of an endpoint opens for its primary or secondary key as Authorization: Bearer",
    };
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

/// The token of a published API, by its policy (contracts GW-08, GW-09, GW-11).
pub(crate) fn check_token(
    gateway: &Gateway,
    snapshot: &Snapshot,
    api: &Published,
    parts: &Parts,
    log: &mut CallLog,
) -> Result<(), Refused> {
    let invalid = |refusal: Refusal| Refused {
        error: Some("invalid_token"),
        message: "Invalid JWT.",
        detail: "the token was refused; get a new one for this API's audience",
        reason: refusal.reason(),
    };
    let token = bearer::bearer(&parts.headers).map_err(|no| match no {
        NoBearer::Absent => Refused {
            error: None,
            message: "JWT not present.",
            detail: "send a token of the token service as Authorization: Bearer",
            reason: "no_credentials",
        },
        NoBearer::Malformed => Refused {
            error: Some("invalid_request"),
            message: "Invalid JWT.",
            detail: "send exactly one Authorization header, with one token",
            reason: "malformed_header",
        },
    })?;
    let claims = gateway.verifier.claims(token, Timestamp::now().seconds()).map_err(invalid)?;
    // The cache remembers signatures, not permission: revocation is looked up at every call.
    let who = snapshot.owner(&claims).ok_or_else(|| invalid(Refusal::Revoked))?;
    log.caller("AADToken", claims.client_id.as_deref(), Some(&who.name));
    if api.policy.issuers.is_empty() || !claims.is_for(&api.policy.audiences) {
        return Err(invalid(Refusal::Audience));
    }
    if !claims.fulfil(&api.policy.required_claims) {
        return Err(Refused {
            error: Some("insufficient_scope"),
            message: "The token lacks a claim that this API requires.",
            detail: "the token lacks a claim that this API requires; ask its owner for the role",
            reason: "insufficient_scope",
        });
    }
    if !who.may_score(&api.target.name) {
        return Err(Refused {
            error: Some("insufficient_scope"),
            message: "The caller may not score this endpoint.",
            detail: "the caller has not the role scorer on this endpoint; ask its owner for it",
            reason: "no_role",
        });
    }
    Ok(())
}
