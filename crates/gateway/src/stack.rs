//! The checks of every request, top to bottom. What is open without credentials stands in [`OPEN_PATHS`], [`open_tail`] and
//! the token routes; everything else is closed.

use crate::bearer;
use crate::checks::{Refused, check_key, check_token};
use crate::gateway::Gateway;
use crate::row::CallLog;
use crate::score::{self, Asked, Scoring};
use crate::snapshot::{Published, Snapshot, Target};
use crate::{control, pages, tokens};
use domain::ErrorCode;
use endpoint::{Outcome, RequestIds, request_ids};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use std::sync::Arc;
use std::time::Instant;
use web::peer::{Transport, transport};
use web::{Body, Peer, Problem, RequestBody, Service};

/// Paths open to everybody; besides them the token routes, an endpoint's own health and the static files of its documents.
pub const OPEN_PATHS: [&str; 1] = ["/health"];

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
    async fn call(&self, request: Request<RequestBody>, peer: Peer) -> Response<Body> {
        let start = Instant::now();
        let gateway = &self.gateway;
        // 1. In the clear across a network: nothing is read, nothing is answered but where to go.
        let Transport::Trusted(client) = transport(peer, &gateway.proxies, request.headers()) else {
            return upgrade_required();
        };
        // 2. One canonical reading of the path: names are plain, so whatever is encoded or doubled matches nothing.
        let path = request.uri().path();
        if OPEN_PATHS.contains(&path) {
            return pages::health(request.method());
        }
        let rest = path.strip_prefix('/').unwrap_or_default();
        let (first, behind) = rest.split_once('/').unwrap_or((rest, ""));
        // 3. The direct door: the endpoint's key.
        if first == "endpoints" {
            let (name, tail) = behind.split_once('/').unwrap_or((behind, ""));
            let snapshot = gateway.snapshot.load();
            let Some(target) = snapshot.endpoint(name).cloned() else {
                drop(snapshot);
                return score::refusal(score::nothing_here(), None, &RequestIds::fresh());
            };
            drop(snapshot);
            let length = tail.len();
            let call = Arrived::new(request, start, length);
            return direct(&gateway.scoring, &target, call).await;
        }
        // 4. The token service.
        if first == gateway.tenant {
            let behind = behind.to_owned();
            return tokens::serve(gateway, &behind, request, client).await;
        }
        if first == ".well-known"
            && let Some(document) = tokens::well_known(gateway, behind, request.method())
        {
            return document;
        }
        // 5. Published APIs: a token by the API's policy.
        let snapshot = gateway.snapshot.load_full();
        if let Some((api, tail)) = snapshot.api(rest) {
            let (api, length) = (api.clone(), tail.len());
            return published(gateway, &snapshot, &api, Arrived::new(request, start, length)).await;
        }
        drop(snapshot);
        // 6. The control plane: admin token or a token for it, whatever the path.
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
    parts: Parts,
    body: RequestBody,
    start: Instant,
    /// Bytes of the path behind the endpoint or API.
    tail: usize,
}

impl Arrived {
    pub(crate) fn new(request: Request<RequestBody>, start: Instant, tail: usize) -> Self {
        let (parts, body) = request.into_parts();
        Self { parts, body, start, tail }
    }

    fn tail(&self) -> &str {
        let path = self.parts.uri.path();
        &path[path.len() - self.tail..]
    }
}

/// The direct door of an endpoint: health and static files open, documents if public, the rest for a key.
pub(crate) async fn direct(scoring: &Scoring, target: &Arc<Target>, call: Arrived) -> Response<Body> {
    let mut log = begin(target, target.handles.of(&call.parts.method, call.tail()), &call);
    let ids = match request_ids(&call.parts.headers) {
        Ok(ids) => ids,
        Err(long) => return too_long(scoring, log, &long.to_string()),
    };
    log.head(&call.parts.headers, call.tail(), &ids);
    if open_tail(scoring, target, &call.parts.method, call.tail()) {
        return open(scoring, target, call, ids, log).await;
    }
    if let Err(refused) = check_key(target, &call.parts) {
        return turn_away(scoring, log, &refused, &ids);
    }
    if target.keys.is_some() {
        log.caller("Key", None, None);
    }
    let prefix =
        call.parts.uri.path()[..call.parts.uri.path().len() - call.tail].trim_end_matches('/').to_owned();
    admitted(scoring, target, call, ids, (log, &prefix)).await
}

/// A published API: paths other than its own do not exist; the rest for a token by its policy.
async fn published(
    gateway: &Gateway,
    snapshot: &Snapshot,
    api: &Arc<Published>,
    call: Arrived,
) -> Response<Body> {
    let scoring = &gateway.scoring;
    let target = &api.target;
    let mut log = begin(target, api.handles.of(&call.parts.method, call.tail()), &call);
    log.api(&api.path);
    let ids = match request_ids(&call.parts.headers) {
        Ok(ids) => ids,
        Err(long) => return too_long(scoring, log, &long.to_string()),
    };
    log.head(&call.parts.headers, call.tail(), &ids);
    if !exists(scoring, &call.parts.method, call.tail()) {
        let response = score::refusal(score::nothing_here(), None, &ids);
        log.refused(scoring, StatusCode::NOT_FOUND, "no_such_path", 0);
        return response;
    }
    if call.tail() != "" && open_tail(scoring, target, &call.parts.method, call.tail()) {
        return open(scoring, target, call, ids, log).await;
    }
    if let Err(refused) = check_token(gateway, snapshot, api, &call.parts, &mut log) {
        return turn_away(scoring, log, &refused, &ids);
    }
    let prefix = format!("/{}", api.path);
    admitted(scoring, target, call, ids, (log, &prefix)).await
}

fn begin(target: &Target, handle: &telemetry::Handle, call: &Arrived) -> CallLog {
    let parts = &call.parts;
    CallLog::begin(call.start, &parts.method, parts.uri.path(), parts.version, (target, handle))
}

/// What a published API has (contract GW-07, GW-13): other paths and methods are not there.
fn exists(scoring: &Scoring, method: &Method, tail: &str) -> bool {
    let preflight = *method == Method::OPTIONS && !scoring.limits.origins.is_empty();
    match tail {
        "score" => matches!(*method, Method::GET | Method::POST) || preflight,
        "predict" => *method == Method::POST || preflight,
        "swagger.json" | "openapi.json" => matches!(*method, Method::GET | Method::HEAD),
        "docs" => *method == Method::GET,
        tail => tail.starts_with("docs/") && matches!(*method, Method::GET | Method::HEAD),
    }
}

/// What an endpoint shows to everybody: its health, the static files of its pages, its documents when they are public, and the
/// answer to a browser's preflight, which cannot carry credentials, when CORS is on.
fn open_tail(scoring: &Scoring, target: &Target, method: &Method, tail: &str) -> bool {
    match tail {
        "" | "docs" => true,
        "swagger.json" | "openapi.json" => target.docs_public,
        "score" | "predict" => *method == Method::OPTIONS && !scoring.limits.origins.is_empty(),
        tail => tail.starts_with("docs/"),
    }
}

/// Answers what is open; health and pages leave no row in the log.
async fn open(
    scoring: &Scoring,
    target: &Arc<Target>,
    call: Arrived,
    ids: RequestIds,
    log: CallLog,
) -> Response<Body> {
    let (tail, path) = (call.tail(), call.parts.uri.path());
    if tail.is_empty() {
        return score::response(pages::endpoint_health(&scoring.limits, &call.parts.method), &ids);
    }
    if tail == "docs" || tail.starts_with("docs/") {
        return pages::docs(&call.parts.method, path, tail);
    }
    let prefix = path[..path.len() - call.tail].trim_end_matches('/').to_owned();
    admitted(scoring, target, call, ids, (log, &prefix)).await
}

/// Answers a call that passed the checks, and logs it.
async fn admitted(
    scoring: &Scoring,
    target: &Arc<Target>,
    call: Arrived,
    ids: RequestIds,
    (mut log, prefix): (CallLog, &str),
) -> Response<Body> {
    let tail = call.tail().to_owned();
    let Arrived { mut parts, body, .. } = call;
    // The caller's credentials go no further: what scores never sees them.
    parts.headers.remove(http::header::AUTHORIZATION);
    let asked = Arc::new(Asked {
        tail,
        query: parts.uri.query().map(str::to_owned),
        method: parts.method,
        headers: parts.headers,
        ids,
    });
    let outcome = match asked.tail.as_str() {
        "swagger.json" | "openapi.json" => document(scoring, target, &asked, prefix),
        _ => score::answer(scoring, target, &asked, body, &mut log).await,
    };
    log.answered(scoring, &outcome);
    score::response(outcome, &asked.ids)
}

/// A document of an endpoint, made from the signature of the deployment that would answer.
fn document(scoring: &Scoring, target: &Target, asked: &Asked, prefix: &str) -> Outcome {
    if !matches!(asked.method, Method::GET | Method::HEAD) {
        let text = "documents are read with GET";
        return Outcome::problem(StatusCode::METHOD_NOT_ALLOWED, text, "method not allowed");
    }
    let served = match score::route(target, asked) {
        Ok(served) => served,
        Err(unrouted) => return score::no_deployment(unrouted),
    };
    let none = || Outcome::problem(StatusCode::NOT_FOUND, "there is no such document", "no such path");
    let Some(model) = &served.model else { return none() };
    let info = endpoint::docs::DocInfo {
        name: &target.name,
        base_url: &scoring.public_url,
        prefix,
        signature: model.servable.signature(),
    };
    endpoint::docs::answer(&info, &asked.tail, asked.query.as_deref()).unwrap_or_else(none)
}

fn turn_away(scoring: &Scoring, log: CallLog, refused: &Refused, ids: &RequestIds) -> Response<Body> {
    let problem = refused.problem();
    let (status, bytes) = (problem.http_status(), problem.to_bytes().len());
    let response = score::refusal(problem, Some(bearer::challenge(refused.error)), ids);
    log.refused(scoring, status, refused.reason, bytes);
    response
}

fn too_long(scoring: &Scoring, log: CallLog, text: &str) -> Response<Body> {
    let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    let problem = Problem::with_status(status, ErrorCode::InvalidInput, text);
    log.refused(scoring, status, "id_too_long", 0);
    score::refusal(problem, None, &RequestIds::fresh())
}
