//! The authentication of the control plane: it stands before the whole router, whatever the path.

use crate::bearer::{self, NoBearer};
use crate::gateway::{CONTROL_AUDIENCE, Gateway};
use crate::roles::{CallerRights, Subject};
use crate::secret;
use domain::{Actor, ErrorCode, Role, Timestamp};
use http::{HeaderValue, Request, Response, header};
use std::sync::Arc;
use tower_service::Service as _;
use web::{Body, Caller, Judge, Problem, RequestBody, RequestId, finish};

/// Answers a request of the control plane.
pub(crate) async fn serve(
    gateway: &Gateway,
    mut router: axum::Router,
    request: Request<RequestBody>,
) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let id = RequestId::of(&parts.headers);
    // Another site's page must learn nothing, not even whether it has credentials.
    if let Err(problem) = gateway.hosts.check(&parts) {
        return refused(problem, None, &id);
    }
    let (caller, subject) = match authenticate(gateway, &parts.headers) {
        Ok(known) => known,
        Err(unknown) => {
            let (problem, error) = *unknown;
            return refused(problem, Some(bearer::challenge(error)), &id);
        }
    };
    tracing::debug!(actor = %caller.actor, method = %parts.method, path = parts.uri.path(), "control plane");
    parts.headers.remove(header::AUTHORIZATION);
    parts.extensions.insert(Judge(Arc::new(CallerRights {
        subject,
        actor: caller.actor.clone(),
        // What the caller may do now, not what it might when its token was made.
        roles: gateway.snapshot.load().roles.clone(),
        refusals: gateway.refusals.clone(),
    })));
    parts.extensions.insert(caller);
    parts.extensions.insert(id.clone());
    parts.extensions.insert(gateway.scoring.body_limit());
    let request = Request::from_parts(parts, axum::body::Body::new(body));
    match router.call(request).await {
        Ok(response) => finish(response, &id).await,
        Err(never) => match never {},
    }
}

fn refused(mut problem: Problem, challenge: Option<HeaderValue>, id: &RequestId) -> Response<Body> {
    problem.request_id = Some(id.0.as_str().into());
    let mut response = problem.to_response();
    let headers = response.headers_mut();
    if let Some(challenge) = challenge {
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    if let Ok(id) = HeaderValue::from_str(&id.0) {
        headers.insert(web::finish::REQUEST_ID, id);
    }
    web::finish::secure(headers);
    response
}

/// The answer and the error code of its challenge (RFC 6750).
type Unknown = Box<(Problem, Option<&'static str>)>;

/// The admin token, or a token of the token service for the control plane's audience.
fn authenticate(gateway: &Gateway, headers: &http::HeaderMap) -> Result<(Caller, Subject), Unknown> {
    let unknown = |error: Option<&'static str>, detail: &str| {
        let code = if error == Some("invalid_request") {
            ErrorCode::InvalidInput
        } else {
            ErrorCode::Unauthenticated
        };
        Box::new((Problem::new(code, detail), error))
    };
    let token = bearer::bearer(headers).map_err(|no| match no {
        NoBearer::Absent => unknown(
            None,
            "no credentials: send the admin token or a token of the token service as Authorization: Bearer",
        ),
        NoBearer::Malformed => {
            unknown(Some("invalid_request"), "send exactly one Authorization header, with one token")
        }
    })?;
    if secret::known(&secret::digest(token.as_bytes()), &[gateway.admin]) {
        return Ok((Caller { actor: Actor::admin(), role: Some(Role::Owner) }, Subject::Admin));
    }
    let wrong = |reason: &'static str| {
        gateway.metrics.refused(reason);
        unknown(
            Some("invalid_token"),
            "the token was refused: it is neither the admin token nor a valid token for the control plane",
        )
    };
    let claims = gateway
        .verifier
        .claims(token, Timestamp::now().seconds())
        .map_err(|refusal| wrong(refusal.reason()))?;
    if !claims.audiences.iter().any(|a| a == CONTROL_AUDIENCE) {
        return Err(wrong("audience"));
    }
    let snapshot = gateway.snapshot.load();
    let who = snapshot.owner(&claims).ok_or_else(|| wrong("revoked"))?;
    let subject = Subject::Principal(who.name.clone());
    Ok((Caller { actor: Actor(who.name.to_string()), role: who.role }, subject))
}
