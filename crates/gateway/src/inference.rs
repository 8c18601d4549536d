//! Open Inference and the protocols beside it, at every door: routing by the names in the path, what describes a model, and at
//! the root of the server who may ask.

use crate::bearer::{self, NoBearer};
use crate::checks::Refused;
use crate::gateway::{CONTROL_AUDIENCE, Gateway};
use crate::jose::Refusal;
use crate::row::CallLog;
use crate::score::{self, Asked, Scoring};
use crate::secret::{digest, known};
use crate::snapshot::{Backend, Served, Snapshot, Target, Who};
use crate::stack::{Arrived, direct};
use domain::{Issuer, Timestamp};
use endpoint::protocols::{self, About, Facts, Operation, Route, Running, Totals};

use endpoint::{Outcome, RequestIds, Unrouted, request_ids};
use http::request::Parts;
use http::{HeaderValue, Request, Response, header};
use serde_json::Value;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use web::{Body, RequestBody};

/// A request at `/v2` or `/v1` of the server.
pub(crate) async fn root(
    gateway: &Gateway,
    request: Request<RequestBody>,
    client: IpAddr,
    start: Instant,
) -> Response<Body> {
    let tail = request.uri().path().strip_prefix('/').unwrap_or_default();
    let Some(route) = Route::of(tail) else {
        return score::refusal(score::nothing_here(), None, &RequestIds::fresh());
    };
    let snapshot = gateway.snapshot.load_full();
    let Some(model) = route.model else {
        return server(gateway, &snapshot, route.operation, (&request, client, start));
    };
    let Some(target) = snapshot.endpoint(model).cloned() else {
        return score::response(protocols::no_such_model(model, None), &RequestIds::fresh());
    };
    let length = tail.len();
    direct(&gateway.scoring, &target, Arrived::new(request, client, start, length), Some(gateway)).await
}

/// What is asked of the server as a whole: whether it runs is open, the rest is for whoever may score something.
fn server(
    gateway: &Gateway,
    snapshot: &Snapshot,
    operation: Operation,
    (request, client, start): (&Request<RequestBody>, IpAddr, Instant),
) -> Response<Body> {
    let ids = request_ids(request.headers()).unwrap_or_else(|_| RequestIds::fresh());
    if !operation.takes(request.method()) {
        let outcome = protocols::dressed(operation, Outcome::not_allowed(operation.allow()));
        return score::response(outcome, &ids);
    }
    match operation {
        Operation::Live => return score::response(protocols::live("live", true), &ids),
        Operation::Ready => return score::response(protocols::live("ready", true), &ids),
        _ => {}
    }
    let scored = match visible(gateway, snapshot, request.headers()) {
        Ok(scored) => scored,
        Err(refused) => return turned_away(gateway, *refused, &ids, (client, start)),
    };
    if operation == Operation::Server {
        return score::response(protocols::server(), &ids);
    }
    let facts: Vec<Facts<'_>> = scored.iter().map(|target| facts(target, None, Totals::default())).collect();
    score::response(protocols::index(&facts), &ids)
}

/// The endpoints that the bearer of a key or token may score, by name.
fn visible<'s>(
    gateway: &Gateway,
    snapshot: &'s Snapshot,
    headers: &http::HeaderMap,
) -> Result<Vec<&'s Arc<Target>>, Box<Refused>> {
    let token = bearer::bearer(headers).map_err(no_bearer)?;
    let mut all: Vec<&Arc<Target>> = if is_token(token) {
        let who = owner(gateway, snapshot, token)?;
        snapshot.reachable().filter(|target| who.may_score(&target.name)).collect()
    } else {
        let digest = digest(token.as_bytes());
        let opens = |target: &&Arc<Target>| target.keys.as_deref().is_some_and(|keys| known(&digest, keys));
        snapshot.reachable().filter(opens).collect()
    };
    if all.is_empty() && !is_token(token) {
        return Err(Refused::credentials(
            Some("invalid_token"),
            "key_auth_access_denied",
            DETAIL,
            "wrong_key",
        ));
    }
    all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

const DETAIL: &str =
    "this path opens for the key of an endpoint, or a token for the control plane, as Authorization: Bearer";

fn no_bearer(no: NoBearer) -> Box<Refused> {
    match no {
        NoBearer::Absent => Refused::credentials(None, "key_auth_access_denied", DETAIL, "no_credentials"),
        NoBearer::Malformed => Refused::credentials(
            Some("invalid_request"),
            "key_auth_bad_header_forbidden",
            DETAIL,
            "malformed_header",
        ),
    }
}

/// Keys have no dots, tokens have two.
fn is_token(text: &str) -> bool {
    text.bytes().filter(|c| *c == b'.').count() == 2
}

/// The principal behind a token of ours for the control plane's audience.
fn owner<'s>(gateway: &Gateway, snapshot: &'s Snapshot, token: &str) -> Result<&'s Who, Box<Refused>> {
    let invalid = |reason| {
        let detail =
            "the token was refused: it must be a valid one of the token service, for the control plane";
        Refused::credentials(Some("invalid_token"), "Invalid JWT.", detail, reason)
    };
    let verified = gateway.issuers.verify(token, Timestamp::now().seconds());
    let verified = verified.map_err(|refusal| invalid(refusal.reason()))?;
    if verified.issuer != Issuer::BuiltIn {
        return Err(invalid(Refusal::Issuer.reason()));
    }
    if !verified.claims.audiences.iter().any(|audience| audience == CONTROL_AUDIENCE) {
        return Err(invalid(Refusal::Audience.reason()));
    }
    // The cache remembers signatures, not permission: revocation is looked up at every call.
    snapshot.owner(&verified.claims).ok_or_else(|| invalid(Refusal::Revoked.reason()))
}

/// A token in place of the endpoint's key; nothing when what came is none.
pub(crate) fn check_token(
    gateway: &Gateway,
    target: &Target,
    parts: &Parts,
    log: &mut CallLog,
) -> Option<Result<(), Box<Refused>>> {
    let token = bearer::bearer(&parts.headers).ok().filter(|token| is_token(token))?;
    let snapshot = gateway.snapshot.load();
    let who = match owner(gateway, &snapshot, token) {
        Ok(who) => who,
        Err(refused) => return Some(Err(refused)),
    };
    log.caller("AADToken", None, Some(&who.name));
    Some(if who.may_score(&target.name) {
        Ok(())
    } else {
        Err(Refused::credentials(
            Some("insufficient_scope"),
            "The caller may not score this endpoint.",
            "the caller has not the role scorer on this endpoint; ask its owner for it",
            "no_role",
        ))
    })
}

/// A refusal where no endpoint is known yet; floods of them are told to wait like anywhere.
fn turned_away(
    gateway: &Gateway,
    mut refused: Refused,
    ids: &RequestIds,
    (client, start): (IpAddr, Instant),
) -> Response<Body> {
    gateway.metrics.refused(refused.reason);
    if let Some(refusals) = &gateway.scoring.refusals
        && let Err(seconds) = refusals.count(client, start)
    {
        let detail =
            "too many calls from this address were refused for their credentials; wait, then send good ones";
        refused = *Refused::wait(seconds, detail, "too_many_refused");
    }
    let mut response = score::refusal(refused.problem(), refused.challenge(), ids);
    if let Some(seconds) = refused.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    mark(&mut response, refused.detail());
    response
}

/// Adds the member `error` to a refusal, where clients of Open Inference look for the text.
pub(crate) fn mark(response: &mut Response<Body>, detail: &str) {
    let body = Value::from_iter([
        ("error", Value::from(detail)),
        ("message", Value::from(detail)),
        ("status", Value::from(response.status().as_u16())),
    ]);
    *response.body_mut() = Body::from(body.to_string());
    response.headers_mut().remove(header::CONTENT_LENGTH);
}

/// Whether everybody may ask for this below an endpoint.
pub(crate) fn is_health(tail: &str) -> bool {
    Route::may_be(tail) && Route::of(tail).is_some_and(|route| route.operation.is_open())
}

/// Whether an endpoint is there and ready.
pub(crate) fn health(target: &Target, call: &Arrived) -> Outcome {
    let none = || protocols::no_such_model(&target.name, None);
    let Some(route) = Route::of(call.tail()) else { return none() };
    let chosen = endpoint::choose(&target.deployments, &target.traffic, None, score::random()).ok();
    let mut outcome =
        protocols::describe(&route, &call.parts.method, &facts(target, chosen, Totals::default()));
    outcome.extra.failed = None;
    outcome
}

/// What is asked about the model of an endpoint.
pub(crate) fn describe(scoring: &Scoring, target: &Arc<Target>, asked: &Asked) -> Outcome {
    let Some(route) = Route::of(&asked.tail) else {
        return protocols::no_such_model(&target.name, None);
    };
    let [succeeded, succeeded_ns, failed, failed_ns, rows] = scoring.metrics.totals(&target.name);
    let totals = Totals { succeeded, succeeded_ns, failed, failed_ns, rows };
    let chosen = pick(target, asked, &route).ok();
    protocols::describe(&route, &asked.method, &facts(target, chosen, totals))
}

/// An answer in the form of its path's protocol.
pub(crate) fn worded(tail: &str, outcome: Outcome) -> Outcome {
    match Route::of(tail) {
        Some(route) => protocols::dressed(route.operation, outcome),
        None => outcome,
    }
}

fn facts(target: &Target, chosen: Option<usize>, totals: Totals) -> Facts<'_> {
    Facts {
        model: &target.name,
        running: target.models.iter().map(Served::running).collect(),
        chosen,
        totals,
    }
}

/// The deployment that answers a call of any protocol.
pub(crate) fn route<'t>(target: &'t Target, asked: &Asked) -> Result<&'t Served, Box<Outcome>> {
    if Route::may_be(&asked.tail)
        && let Some(route) = Route::of(&asked.tail)
    {
        if let Some(model) = route.model.filter(|model| **model != *target.name) {
            return Err(Box::new(protocols::no_such_model(model, None)));
        }
        return match pick(target, asked, &route) {
            Ok(at) => Ok(&target.models[at]),
            Err(_) if route.version.is_some() => {
                Err(Box::new(protocols::no_such_model(&target.name, route.version)))
            }
            Err(unrouted) => Err(Box::new(score::no_deployment(unrouted))),
        };
    }
    score::route(target, asked).map_err(|unrouted| Box::new(score::no_deployment(unrouted)))
}

/// By the version in the path (a deployment's name, else the number of a model version: that with the most traffic), else by
/// header and traffic.
fn pick(target: &Target, asked: &Asked, route: &Route<'_>) -> Result<usize, Unrouted> {
    let Some(version) = route.version else { return score::route_index(target, asked) };
    if let Some(at) = target.deployments.iter().position(|d| d.name.as_str() == version) {
        return Ok(at);
    }
    let running = |(_, served): &(usize, &Served)| served.version.to_string() == version;
    let share = |at: usize| target.deployments.get(at).and_then(|d| target.traffic.get(&d.name)).copied();
    let all = target.models.iter().enumerate().filter(running);
    all.max_by_key(|(at, _)| share(*at)).map(|(at, _)| at).ok_or(Unrouted::Unknown)
}

impl Served {
    fn running(&self) -> Running<'_> {
        let about = self.model.as_ref().and_then(|model| match &model.backend {
            Backend::Native(servable) => Some(About::Native(servable.signature(), servable.model().name())),
            Backend::Python(pool) => pool.described().filter(|_| pool.serves()).map(About::Python),
        });
        Running { deployment: &self.deployment, version: self.version, about }
    }
}
