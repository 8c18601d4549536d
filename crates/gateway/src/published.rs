//! A call of a published API, check by check, from top to bottom. What an API's policy does not state costs nothing.

use crate::bearer;
use crate::checks::{Known, Refused, check_known, check_token, no_subscription, wrong_backend_key};
use crate::gateway::Gateway;
use crate::policy::headers::apply;
use crate::policy::limits::{Counted, Exceeded, Tally, millis};
use crate::policy::subscription::Subscribed;
use crate::policy::table::Key;
use crate::policy::{Compiled, forward};
use crate::row::CallLog;
use crate::score;
use crate::snapshot::{Published, Snapshot};
use crate::stack::{Arrived, admitted, begin, open, open_tail, too_long, turn_away};
use domain::CountBy;
use endpoint::protocols::Route;
use endpoint::{Limits, RequestIds, request_ids};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, header};
use serde_json::Value;
use std::net::IpAddr;
use std::sync::Arc;
use web::{Body, RequestBody};

/// A published API: paths other than its own do not exist; the rest by its policy.
pub(crate) async fn published(
    gateway: &Gateway,
    snapshot: &Snapshot,
    api: &Arc<Published>,
    call: Arrived,
) -> Response<Body> {
    let scoring = &gateway.scoring;
    let mut log = begin(&api.target, api.handles.of(&call.parts.method, call.tail()), &call);
    log.api(&api.path);
    let ids = match request_ids(&call.parts.headers) {
        Ok(ids) => ids,
        Err(long) => return too_long(scoring, log, &long.to_string()),
    };
    log.head(&call.parts.headers, call.tail(), &ids);
    let Some(rules) = &api.rules else {
        let detail = "the policy of this API cannot be read, so no call passes; the server's log says why";
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let refused = Refused::plain(status, "Service unavailable", detail, "policy");
        return turn_away(scoring, log, *refused, &ids, call.client);
    };
    let Some(cors) = &rules.cors else {
        let cors = endpoint::cors(&scoring.limits, &call.parts.headers);
        let mut response = by_rules(gateway, snapshot, (api, rules), call, (log, ids)).await;
        cors.apply(response.headers_mut());
        return response;
    };
    // A page's script may read every answer of the API, refusals too.
    let origin = call.parts.headers.get(header::ORIGIN).cloned();
    let mut response = by_rules(gateway, snapshot, (api, rules), call, (log, ids)).await;
    cors.mark(origin.as_ref(), response.headers_mut());
    response
}

async fn by_rules(
    gateway: &Gateway,
    snapshot: &Snapshot,
    (api, rules): (&Arc<Published>, &Compiled),
    mut call: Arrived,
    (mut log, ids): (CallLog, RequestIds),
) -> Response<Body> {
    let (scoring, target) = (&gateway.scoring, &api.target);
    forward::clear(&mut call.parts.headers, &snapshot.claim_headers);
    // 1. Where the call comes from.
    if rules.places.as_ref().is_some_and(|places| !places.admit(call.client)) {
        let detail = "calls from this address are not allowed by the policy of this API";
        let refused = Refused::plain(StatusCode::FORBIDDEN, "Forbidden", detail, "address");
        return turn_away(scoring, log, *refused, &ids, call.client);
    }
    // 2. A browser's question whether its page may call.
    if let Some(answer) = rules.cors.as_ref().and_then(|cors| cors.preflight(&call.parts)) {
        return preflight(scoring, answer, log, &ids);
    }
    // 3. Other paths and methods are not there; some things are open.
    let limits = rules.scoring.as_ref().unwrap_or(&scoring.limits);
    if !exists(limits, &call.parts.method, call.tail()) {
        let response = score::refusal(score::nothing_here(), None, &ids);
        log.refused(scoring, StatusCode::NOT_FOUND, "no_such_path", 0);
        return response;
    }
    if !call.tail().is_empty() && open_tail(limits, target, &call.parts.method, call.tail()) {
        return open(scoring, target, call, ids, log).await;
    }
    // 4. Who calls, and how often.
    let mut admitted_by = admit(gateway, snapshot, (api, rules), &call, &mut log);
    // An issuer's new key is fetched beside the calls; the first that bring it wait for it.
    if admitted_by.as_ref().is_err_and(|refused| refused.is_of_credentials())
        && gateway.issuers.caught_up(&call.parts.headers).await
    {
        admitted_by = admit(gateway, snapshot, (api, rules), &call, &mut log);
    }
    let (tally, known) = match admitted_by {
        Ok(admitted) => admitted,
        Err(refused) => return turn_away(scoring, log, *refused, &ids, call.client),
    };
    // 5. Scoring, within the policy's bounds.
    let prefix = format!("/{}", api.path);
    let terms = scoring.terms_of(rules);
    call.start = log.start();
    forward::write(&mut call.parts.headers, &rules.forward, &known);
    let (mut response, bytes) = admitted((scoring, &terms), target, call, ids, (log, &prefix)).await;
    // 6. What the answer says besides.
    apply(&rules.answer_headers, response.headers_mut());
    rules.limits.say(&tally, response.headers_mut());
    tally.end(bytes);
    response
}

/// A path at which nothing is published: told to callers that are known, whoever they are; others are asked who they are.
pub(crate) async fn nowhere(gateway: &Gateway, request: Request<RequestBody>) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let ids = request_ids(&parts.headers).unwrap_or_else(|_| RequestIds::fresh());
    let mut known = check_known(gateway, &parts);
    if known.is_err() && gateway.issuers.caught_up(&parts.headers).await {
        known = check_known(gateway, &parts);
    }
    match known {
        Ok(()) => score::refusal(score::nothing_here(), None, &ids),
        Err(refused) => score::refusal(refused.problem(), refused.challenge(), &ids),
    }
}

/// What a published API has (contract GW-07, GW-13): other paths and methods are not there.
fn exists(limits: &Limits, method: &Method, tail: &str) -> bool {
    let preflight = *method == Method::OPTIONS && !limits.origins.is_empty();
    match tail {
        "score" => matches!(*method, Method::GET | Method::POST) || preflight,
        "predict" => *method == Method::POST || preflight,
        "swagger.json" | "openapi.json" => matches!(*method, Method::GET | Method::HEAD) || preflight,
        "docs" => *method == Method::GET,
        tail if tail.starts_with("docs/") => matches!(*method, Method::GET | Method::HEAD),
        tail => Route::of(tail).is_some_and(|route| {
            let operation = route.operation;
            operation.takes(method) || (preflight && operation.scores())
        }),
    }
}

fn preflight(
    scoring: &score::Scoring,
    mut answer: Response<Body>,
    log: CallLog,
    ids: &RequestIds,
) -> Response<Body> {
    ids.apply(answer.headers_mut());
    web::finish::secure(answer.headers_mut());
    match answer.status() {
        StatusCode::FORBIDDEN => log.refused(scoring, StatusCode::FORBIDDEN, "cors", 0),
        status => log.settled(scoring, status, "preflight"),
    }
    answer
}

/// The checks of credentials and limits, in their order.
fn admit(
    gateway: &Gateway,
    snapshot: &Snapshot,
    (api, rules): (&Published, &Compiled),
    call: &Arrived,
    log: &mut CallLog,
) -> Result<(Tally, Known), Box<Refused>> {
    let parts = &call.parts;
    let mut tally = Tally::default();
    let mut who = Who { client: call.client, parts, subscription: None, known: None };
    // 1. The subscription key.
    if rules.subscription_required || rules.subscription_counted {
        match snapshot.subscriptions.of(parts, &api.path) {
            Ok(subscribed) => who.subscription = Some(subscribed),
            Err(no) if rules.subscription_required => return Err(no_subscription(no)),
            Err(_) => {}
        }
    }
    // 2. The client certificate.
    if rules.client_certificate && bearer::certificate(&parts.extensions).is_none() {
        let detail = "this API demands a client certificate besides the token";
        let message = "Invalid client certificate";
        return Err(Refused::plain(StatusCode::FORBIDDEN, message, detail, "client_certificate"));
    }
    // 3. Rates by address: a flood is turned away before any signature is computed.
    let now = millis(log.start());
    let early = rules.limits.early(&who, now, &mut tally);
    early.map_err(|exceeded| refused(rules, &exceeded, &tally))?;
    // 4. The token.
    let known = check_token(gateway, snapshot, api, parts, log)?;
    who.known = Some(&known);
    // 5. Rates by anything else, calls at the same time, quotas: only callers that may call use them up.
    let late = rules.limits.late(&who, (now, log.time().seconds()), &mut tally);
    late.map_err(|exceeded| refused(rules, &exceeded, &tally))?;
    // 6. The key for the endpoint, when the policy names one.
    if api.wrong_key {
        return Err(wrong_backend_key());
    }
    Ok((tally, known))
}

/// The refusal of a call beyond a limit.
fn refused(rules: &Compiled, exceeded: &Exceeded, tally: &Tally) -> Box<Refused> {
    let mut refused = match exceeded {
        Exceeded::Rate(seconds) => Refused::wait(
            *seconds,
            "this API takes no more calls of this kind now; the headers RateLimit and Retry-After tell when",
            "rate_limited",
        ),
        Exceeded::Concurrency => {
            Refused::wait(1, "this API is at its limit of calls at the same time", "concurrency")
        }
        Exceeded::Quota(wait) => {
            let detail = "the quota of this API is used up; Retry-After tells when the next span begins";
            let message = "Out of call volume quota.";
            let mut refused = Refused::plain(StatusCode::FORBIDDEN, message, detail, "quota");
            refused.retry_after = *wait;
            refused
        }
    };
    rules.limits.say(tally, &mut refused.headers);
    refused
}

/// What is known of a caller so far.
struct Who<'a> {
    client: IpAddr,
    parts: &'a Parts,
    subscription: Option<&'a Arc<Subscribed>>,
    known: Option<&'a Known>,
}

impl Counted for Who<'_> {
    fn key(&self, by: &CountBy) -> Key {
        match by {
            CountBy::Api => Key::ALL,
            CountBy::Address => Key::address(self.client),
            CountBy::Caller => Key::of(self.known.map_or(&b""[..], |k| k.name.as_bytes())),
            CountBy::Subscription => Key::of(self.subscription.map_or(&b""[..], |s| s.name.as_bytes())),
            CountBy::Header(name) => {
                Key::of(self.parts.headers.get(name.as_str()).map_or(&b""[..], |v| v.as_bytes()))
            }
            CountBy::Claim(name) => match self.known.and_then(|k| k.claims.all.get(name)) {
                None => Key::of(b""),
                Some(Value::String(text)) => Key::of(text.as_bytes()),
                Some(other) => Key::of(other.to_string().as_bytes()),
            },
        }
    }
}
