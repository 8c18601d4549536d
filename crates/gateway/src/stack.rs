//! The checks of every request, top to bottom. What is open without credentials stands in [`OPEN_PATHS`], [`open_tail`] and
//! the token routes; everything else is closed.

use crate::apis::is_reserved;
use crate::checks::{Refused, check_key};
use crate::gateway::Gateway;
use crate::policy::headers::apply;
use crate::policy::{forward, subscription};
use crate::published::{nowhere, published};
use crate::row::CallLog;
use crate::score::{self, Asked, Scoring, Terms};
use crate::snapshot::{Backend, Target};
use crate::{control, inference, pages, tokens};
use domain::ErrorCode;
use endpoint::protocols::Route;
use endpoint::{Limits, Outcome, RequestIds, request_ids};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use web::peer::{Transport, transport};
use web::{Body, Peer, Problem, RequestBody, Service};

/// Paths open to everybody; besides them the token routes, an endpoint's own health and the static files of its documents.
pub const OPEN_PATHS: [&str; 2] = ["/", "/health"];

/// The whole server as one service: data plane here, the rest to the control plane's router behind authentication.
#[derive(Debug, Clone)]
pub struct Door {
    gateway: Arc<Gateway>,
    control: axum::Router,
}

impl Gateway {
    /// Joins the gate with the control plane's router.
    pub fn service(self: &Arc<Self>, control: axum::Router) -> Door {
        Door { gateway: self.clone(), control }
    }
}

impl Service for Door {
    async fn call(&self, mut request: Request<RequestBody>, peer: Peer) -> Response<Body> {
        let start = Instant::now();
        let gateway = &self.gateway;
        // 1. In the clear across a network: nothing is read, nothing is answered but where to go.
        let Transport::Trusted(client) = transport(&peer, &gateway.proxies, request.headers()) else {
            return upgrade_required();
        };
        // A proxy in front shows its own certificate, not the caller's.
        if let Some(shown) = peer.certificate
            && !gateway.proxies.contain(peer.address.ip().to_canonical())
        {
            request.extensions_mut().insert(shown);
        }
        // 2. One canonical reading of the path: names are plain, so whatever is encoded or doubled matches nothing.
        let path = request.uri().path();
        if OPEN_PATHS.contains(&path) {
            match (path, request.method()) {
                ("/", &Method::GET | &Method::HEAD) => return pages::root(request.headers()),
                // Nothing else is there: who asks must say who it is, as everywhere.
                ("/", _) => {}
                (_, method) => return pages::health(method),
            }
        }
        let rest = path.strip_prefix('/').unwrap_or_default();
        let (first, behind) = rest.split_once('/').unwrap_or((rest, ""));
        // 3. The direct door: the endpoint's key. One that no network reaches is not there, like one that was never made.
        if first == "endpoints" {
            let (name, tail) = behind.split_once('/').unwrap_or((behind, ""));
            let snapshot = gateway.snapshot.load();
            let Some(target) = snapshot.endpoint(name).cloned() else {
                drop(snapshot);
                return score::refusal(score::nothing_here(), None, &RequestIds::fresh());
            };
            let length = tail.len();
            forward::clear(request.headers_mut(), &snapshot.claim_headers);
            drop(snapshot);
            let call = Arrived::new(request, client, start, length);
            return direct(&gateway.scoring, &target, call, None).await;
        }
        // 4. Open Inference at the root: the same door, by key or token; the endpoint's name is the model's.
        if first == "v2" || first == "v1" {
            return inference::root(gateway, request, client, start).await;
        }
        // 5. The token service.
        if first == gateway.tenant {
            let behind = behind.to_owned();
            return tokens::serve(gateway, &behind, request, client).await;
        }
        if first == ".well-known"
            && let Some(document) = tokens::well_known(gateway, behind, request.method())
        {
            return document;
        }
        // 6. Published APIs: by their policies; the checks stand in `published.rs`.
        let snapshot = gateway.snapshot.load_full();
        if let Some((api, tail)) = snapshot.api(rest) {
            let (api, length) = (api.clone(), tail.len());
            let call = Arrived::new(request, client, start, length);
            return published(gateway, &snapshot, &api, call).await;
        }
        drop(snapshot);
        // 6. What could be an API, and is none.
        if !first.is_empty() && !is_reserved(first, &gateway.tenant) {
            return nowhere(gateway, request).await;
        }
        // 7. The control plane: admin token or a token for it, whatever the path.
        control::serve(gateway, self.control.clone(), request, client).await
    }
}

pub(crate) fn upgrade_required() -> Response<Body> {
    let problem = Problem::with_status(
        StatusCode::UPGRADE_REQUIRED,
        ErrorCode::InvalidInput,
        "this server is reached over https only; what was sent in the clear was not read",
    );
    let mut response = problem.to_response();
    let headers = response.headers_mut();
    headers.insert(http::header::UPGRADE, HeaderValue::from_static("TLS/1.2, HTTP/1.1"));
    headers.insert(http::header::CONNECTION, HeaderValue::from_static("upgrade, close"));
    response
}

/// A request on a known endpoint or API.
pub(crate) struct Arrived {
    pub parts: Parts,
    pub body: RequestBody,
    pub start: Instant,
    /// The caller's address, as a listed proxy tells it.
    pub client: IpAddr,
    /// Bytes of the path behind the endpoint or API.
    tail: usize,
}

impl Arrived {
    pub(crate) fn new(request: Request<RequestBody>, client: IpAddr, start: Instant, tail: usize) -> Self {
        let (parts, body) = request.into_parts();
        Self { parts, body, start, client, tail }
    }

    pub(crate) fn tail(&self) -> &str {
        let path = self.parts.uri.path();
        &path[path.len() - self.tail..]
    }
}

/// The direct door of an endpoint: for its key, and where `tokens` are given for a token of the token service too.
pub(crate) async fn direct(
    scoring: &Scoring,
    target: &Arc<Target>,
    call: Arrived,
    tokens: Option<&Gateway>,
) -> Response<Body> {
    let cors = endpoint::cors(&scoring.limits, &call.parts.headers);
    let mut response = keyed(scoring, target, call, tokens).await;
    cors.apply(response.headers_mut());
    response
}

/// Health and static files open, documents if public, the rest for a key.
async fn keyed(
    scoring: &Scoring,
    target: &Arc<Target>,
    call: Arrived,
    tokens: Option<&Gateway>,
) -> Response<Body> {
    let mut log = begin(target, target.handles.of(&call.parts.method, call.tail()), &call);
    let ids = match request_ids(&call.parts.headers) {
        Ok(ids) => ids,
        Err(long) => return too_long(scoring, log, &long.to_string()),
    };
    log.head(&call.parts.headers, call.tail(), &ids);
    if open_tail(&scoring.limits, target, &call.parts.method, call.tail()) {
        return open(scoring, target, call, ids, log).await;
    }
    if inference::is_health(call.tail()) {
        return score::response(inference::health(target, &call), &ids);
    }
    let by_key = check_key(target, &call.parts);
    let entered = match (by_key, tokens) {
        (Ok(()), _) => {
            if target.keys.is_some() {
                log.caller("Key", None, None);
            }
            Ok(())
        }
        (Err(refused), None) => Err(refused),
        (Err(refused), Some(gateway)) => {
            inference::check_token(gateway, target, &call.parts, &mut log).unwrap_or(Err(refused))
        }
    };
    if let Err(refused) = entered {
        return turn_away(scoring, log, *refused, &ids, call.client);
    }
    let prefix =
        call.parts.uri.path()[..call.parts.uri.path().len() - call.tail].trim_end_matches('/').to_owned();
    admitted((scoring, &scoring.terms()), target, call, ids, (log, &prefix)).await.0
}

pub(crate) fn begin(target: &Target, handle: &telemetry::Handle, call: &Arrived) -> CallLog {
    let parts = &call.parts;
    CallLog::begin(call.start, &parts.method, parts.uri.path(), parts.version, (target, handle))
}

/// What an endpoint shows to everybody: its health, the static files of its pages, its documents when they are public, and the
/// answer to a browser's preflight, which cannot carry credentials, when CORS is on.
pub(crate) fn open_tail(limits: &Limits, target: &Target, method: &Method, tail: &str) -> bool {
    let preflight = *method == Method::OPTIONS && !limits.origins.is_empty();
    match tail {
        "" | "docs" => true,
        "swagger.json" | "openapi.json" => target.docs_public || preflight,
        "score" | "predict" => preflight,
        tail => {
            tail.starts_with("docs/")
                || (preflight && Route::of(tail).is_some_and(|route| route.operation.scores()))
        }
    }
}

/// Answers what is open; health and pages leave no row in the log.
pub(crate) async fn open(
    scoring: &Scoring,
    target: &Arc<Target>,
    call: Arrived,
    ids: RequestIds,
    log: CallLog,
) -> Response<Body> {
    let (tail, path) = (call.tail(), call.parts.uri.path());
    if tail.is_empty() {
        return score::response(endpoint::health(&scoring.limits, &call.parts.method), &ids);
    }
    if tail == "docs" || tail.starts_with("docs/") {
        return pages::docs(&call.parts.method, path, tail);
    }
    let prefix = path[..path.len() - call.tail].trim_end_matches('/').to_owned();
    admitted((scoring, &scoring.terms()), target, call, ids, (log, &prefix)).await.0
}

/// Answers a call that passed the checks, and logs it; gives the bytes of the bodies besides.
pub(crate) async fn admitted(
    (scoring, terms): (&Scoring, &Terms<'_>),
    target: &Arc<Target>,
    call: Arrived,
    ids: RequestIds,
    (mut log, prefix): (CallLog, &str),
) -> (Response<Body>, u64) {
    let tail = call.tail().to_owned();
    let Arrived { mut parts, body, start, .. } = call;
    // The caller's credentials go no further: what scores never sees them.
    parts.headers.remove(http::header::AUTHORIZATION);
    parts.headers.remove(subscription::HEADER);
    apply(terms.request_headers, &mut parts.headers);
    let asked = Arc::new(Asked {
        tail,
        query: parts.uri.query().map(|q| subscription::stripped(q).into_owned()),
        method: parts.method,
        headers: parts.headers,
        ids,
    });
    let outcome = match asked.tail.as_str() {
        "swagger.json" | "openapi.json" => document(scoring, target, &asked, prefix),
        _ if log.describes() => inference::describe(scoring, target, &asked),
        tail => {
            let answer = score::answer(scoring, (target, terms), &asked, body, &mut log);
            let outcome = score::within(terms.timeout, start, answer).await;
            if Route::may_be(tail) { inference::worded(tail, outcome) } else { outcome }
        }
    };
    let bytes = log.answered(scoring, &outcome);
    (score::response(outcome, &asked.ids), bytes)
}

/// A document of an endpoint, made from the signature of the deployment that would answer.
fn document(scoring: &Scoring, target: &Target, asked: &Asked, prefix: &str) -> Outcome {
    match asked.method {
        Method::GET | Method::HEAD => {}
        Method::OPTIONS => return allowed_by_cors(scoring, asked),
        _ => return Outcome::not_allowed("GET, HEAD, OPTIONS"),
    }
    let served = match score::route(target, asked) {
        Ok(served) => served,
        Err(unrouted) => return score::no_deployment(unrouted),
    };
    let none = || Outcome::problem(StatusCode::NOT_FOUND, "there is no such document", "no such path");
    let Some(model) = &served.model else { return none() };
    let servable = match &model.backend {
        Backend::Native(servable) => servable,
        Backend::Python(pool) => {
            let what = (asked.tail.as_str(), asked.query.as_deref());
            return endpoint::python::document(pool, &scoring.public_url, what).unwrap_or_else(none);
        }
    };
    let info = endpoint::docs::DocInfo {
        name: &target.name,
        base_url: &scoring.public_url,
        prefix,
        signature: servable.signature(),
        engine: servable.model().name(),
    };
    endpoint::docs::answer(&info, &asked.tail, asked.query.as_deref()).unwrap_or_else(none)
}

/// The answer to a preflight of what no model answers.
fn allowed_by_cors(scoring: &Scoring, asked: &Asked) -> Outcome {
    let mut outcome = endpoint::options("GET, HEAD, OPTIONS");
    let cors = endpoint::cors(&scoring.limits, &asked.headers);
    (outcome.extra.origin, outcome.extra.vary) = (cors.origin, cors.vary);
    outcome
}

/// Answers a call that was refused. An address with too many refused credentials is told to wait instead.
pub(crate) fn turn_away(
    scoring: &Scoring,
    log: CallLog,
    mut refused: Refused,
    ids: &RequestIds,
    client: IpAddr,
) -> Response<Body> {
    if refused.is_of_credentials()
        && let Some(refusals) = &scoring.refusals
        && let Err(seconds) = refusals.count(client, log.start())
    {
        let detail =
            "too many calls from this address were refused for their credentials; wait, then send good ones";
        refused = *Refused::wait(seconds, detail, "too_many_refused");
    }
    let problem = refused.problem();
    let (status, bytes) = (problem.http_status(), problem.to_bytes().len());
    let mut response = score::refusal(problem, refused.challenge(), ids);
    if log.is_inference() {
        inference::mark(&mut response, refused.detail());
    }
    if let Some(seconds) = refused.retry_after {
        response.headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response.headers_mut().extend(refused.headers);
    log.refused(scoring, status, refused.reason, bytes);
    response
}

/// The ids of a call that cannot be echoed: fresh ones stand in the answer.
pub(crate) fn too_long(scoring: &Scoring, log: CallLog, text: &str) -> Response<Body> {
    let outcome = Outcome::problem(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, text, "id_too_long");
    log.refused(scoring, outcome.status, "id_too_long", outcome.body.len());
    score::response(outcome, &RequestIds::fresh())
}
