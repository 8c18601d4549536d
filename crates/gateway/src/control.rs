//! The authentication of the control plane: it stands before the whole router, whatever the path.

use crate::basic;
use crate::bearer::{self, NoBearer};
use crate::gateway::{CONTROL_AUDIENCE, Gateway};
use crate::people::{self, ClientAddress};
use crate::roles::{CallerRights, Subject};
use crate::secret;
use domain::{Actor, ErrorCode, Issuer, Role, Timestamp};
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode, header};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tower_service::Service as _;
use web::{Body, Caller, ErrorForm, Judge, Problem, RequestBody, RequestId, finish};

/// Calls of the control plane that need no credentials, since they bring them: by method and path. Host and Origin are judged all
/// the same.
pub const OPEN_CALLS: [(&str, &str); 3] = [
    ("POST", "/api/v1/sessions"),
    ("GET", "/api/v1/sessions/oidc"),
    ("GET", "/api/v1/sessions/oidc/callback"),
];

/// Answers a request of the control plane.
pub(crate) async fn serve(
    gateway: &Gateway,
    mut router: axum::Router,
    request: Request<RequestBody>,
    from: IpAddr,
) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let id = RequestId::of(&parts.headers);
    let form = ErrorForm::of(parts.uri.path());
    // Another site's page must learn nothing, not even whether it has credentials.
    if let Err(problem) = gateway.hosts.check(&parts) {
        return refused(problem, &id, form);
    }
    if let Err(unknown) = known(gateway, &mut parts, from, form).await {
        return unknown.answer(&id, form);
    }
    if let Err(unknown) = web::Coding::of(&parts.headers) {
        let mut response = refused(unknown.into(), &id, form);
        response.headers_mut().insert(header::ACCEPT_ENCODING, web::decode::ACCEPTED);
        return response;
    }
    parts.headers.remove(header::AUTHORIZATION);
    parts.extensions.insert(ClientAddress(from));
    parts.extensions.insert(id.clone());
    parts.extensions.insert(gateway.scoring.body_limit());
    parts.extensions.insert(gateway.scoring.inflate.clone());
    let request = Request::from_parts(parts, axum::body::Body::new(body));
    let mut response = match router.call(request).await {
        Ok(response) => finish(response, &id, form).await,
        Err(never) => match never {},
    };
    // Who is known but may not do this is told so in the bearer scheme's own words (RFC 6750 §3.1).
    if response.status() == StatusCode::FORBIDDEN {
        let challenge = bearer::challenge(Some("insufficient_scope"));
        response.headers_mut().entry(header::WWW_AUTHENTICATE).or_insert(challenge);
    }
    response
}

/// Lets in who is known, by a session, by a token, or by Basic where that is taken.
async fn known(gateway: &Gateway, parts: &mut Parts, from: IpAddr, form: ErrorForm) -> Result<(), Unknown> {
    if form == ErrorForm::Mlflow
        && let Some(sent) = basic::sent(&parts.headers)
    {
        let caller = basic::authenticate(gateway, &sent, from).await?;
        let subject = Subject::Principal(caller.actor.0.as_str().into());
        admit(gateway, parts, caller, subject);
        return Ok(());
    }
    let mut entered = enter(gateway, parts);
    if entered.is_err() && gateway.issuers.caught_up(&parts.headers).await {
        entered = enter(gateway, parts);
    }
    entered
}

/// Finds out who calls and says so in the request's extensions. A call of [`OPEN_CALLS`] needs nobody.
fn enter(gateway: &Gateway, parts: &mut Parts) -> Result<(), Unknown> {
    let (method, path) = (&parts.method, parts.uri.path());
    if OPEN_CALLS.iter().any(|(m, p)| *m == method.as_str() && *p == path) {
        return Ok(());
    }
    let (caller, subject) = match people::authenticate(gateway, &parts.headers, method) {
        Some(Ok((caller, session))) => {
            parts.extensions.insert(session);
            let subject = Subject::Principal(caller.actor.0.as_str().into());
            (caller, subject)
        }
        Some(Err(problem)) => return Err(problem.into()),
        None => authenticate(gateway, parts)?,
    };
    admit(gateway, parts, caller, subject);
    Ok(())
}

/// Writes down who calls and what it may.
fn admit(gateway: &Gateway, parts: &mut Parts, caller: Caller, subject: Subject) {
    tracing::debug!(actor = %caller.actor, method = %parts.method, path = parts.uri.path(), "control plane");
    parts.extensions.insert(Judge(Arc::new(CallerRights {
        subject,
        actor: caller.actor.clone(),
        // What the caller may do now, not what it might when its token was made.
        roles: gateway.snapshot.load().roles.clone(),
        refusals: gateway.refusals.clone(),
    })));
    parts.extensions.insert(caller);
}

fn refused(problem: Problem, id: &RequestId, form: ErrorForm) -> Response<Body> {
    let mut response = form.render(problem, id);
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id.0) {
        headers.insert(web::finish::REQUEST_ID, id);
    }
    web::finish::secure(headers);
    response
}

/// Why nobody was let in.
#[derive(Debug)]
pub(crate) struct Unknown {
    problem: Box<Problem>,
    /// The error code of the challenge (RFC 6750).
    error: Option<&'static str>,
    /// How long to wait, on a lock-out.
    wait: Option<Duration>,
}

impl From<Problem> for Unknown {
    fn from(problem: Problem) -> Self {
        Self { problem: Box::new(problem), error: None, wait: None }
    }
}

impl From<(Problem, Option<Duration>)> for Unknown {
    fn from((problem, wait): (Problem, Option<Duration>)) -> Self {
        Self { wait, ..problem.into() }
    }
}

impl Unknown {
    fn answer(self, id: &RequestId, form: ErrorForm) -> Response<Body> {
        // A person who lacks a header is known: no other credentials would help.
        let challenged = self.problem.status == 401 || self.error.is_some();
        let mut response = refused(*self.problem, id, form);
        let headers = response.headers_mut();
        if challenged {
            headers.insert(header::WWW_AUTHENTICATE, bearer::challenge(self.error));
        }
        if let Some(wait) = self.wait {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
        }
        response
    }
}

/// The admin token, or a token of the token service for the control plane's audience.
fn authenticate(gateway: &Gateway, parts: &Parts) -> Result<(Caller, Subject), Unknown> {
    let unknown = |error: Option<&'static str>, detail: &str| {
        let code = if error == Some("invalid_request") {
            ErrorCode::InvalidInput
        } else {
            ErrorCode::Unauthenticated
        };
        Unknown { error, ..Problem::new(code, detail).into() }
    };
    let token = bearer::bearer(&parts.headers).map_err(|no| match no {
        NoBearer::Absent => unknown(
            None,
            "no credentials: send the admin token or a token of the token service as Authorization: Bearer",
        ),
        NoBearer::Malformed => {
            unknown(Some("invalid_request"), "send exactly one Authorization header, with one token")
        }
    })?;
    if secret::known(&secret::digest(token.as_bytes()), &[gateway.admin]) {
        return Ok((Caller { actor: Actor::admin(), role: Some(Role::Owner), job: None }, Subject::Admin));
    }
    let wrong = |reason: &'static str| {
        gateway.metrics.refused(reason);
        unknown(
            Some("invalid_token"),
            "the token was refused: it is neither the admin token nor a valid token for the control plane",
        )
    };
    let verified = gateway
        .issuers
        .verify(token, Timestamp::now().seconds())
        .map_err(|refusal| wrong(refusal.reason()))?;
    let claims = &verified.claims;
    let binding = claims.check_binding(bearer::certificate(&parts.extensions));
    binding.map_err(|refusal| wrong(refusal.reason()))?;
    if verified.issuer != Issuer::BuiltIn {
        // Its audience is pinned with its registration; without roles in it the token only scores.
        let role = gateway.issuers.role_of(&verified).ok_or_else(|| wrong("role"))?;
        let actor = verified.identity().ok_or_else(|| wrong("claim"))?;
        return Ok((Caller { actor: Actor(actor), role: Some(role), job: None }, Subject::Claimed(role)));
    }
    if !claims.audiences.iter().any(|a| a == CONTROL_AUDIENCE) {
        return Err(wrong("audience"));
    }
    if gateway.open_jobs.is_jobs(claims) {
        let run = gateway.open_jobs.running(claims).ok_or_else(|| wrong("revoked"))?;
        return Ok((Caller { actor: Actor(format!("job:{run}")), role: None, job: Some(run) }, Subject::Job));
    }
    let snapshot = gateway.snapshot.load();
    let who = snapshot.owner(claims).ok_or_else(|| wrong("revoked"))?;
    let subject = Subject::Principal(who.name.clone());
    Ok((Caller { actor: Actor(who.name.to_string()), role: who.role, job: None }, subject))
}
