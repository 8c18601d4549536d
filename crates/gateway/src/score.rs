//! One scoring call: routing, body, model, answer, log row. The checks of who may call stand in `stack.rs`.

use crate::aside::{Answered, Aside};
use crate::config::{Options, RateConfig};
use crate::inference;
use crate::policy::Compiled;
use crate::policy::headers::Change;
use crate::refusals::Refusals;
use crate::row::CallLog;
use crate::snapshot::{Backend, Loaded, Served, Target};
use bytes::Bytes;
use domain::{ErrorCode, Fault};
use endpoint::protocols::{self, Place, Route};
use endpoint::{Call, Limits, Outcome, Pool, RequestIds, Scratch, Servable, Turns, Unrouted};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body::Body as _;
use std::cell::{Cell, RefCell};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use telemetry::{Metrics, RequestLog};
use tokio::sync::Semaphore;
use web::{Body, BodyError, Coding, Inflate, Problem, RequestBody};

/// What every scoring call needs besides its target.
#[derive(Debug)]
pub(crate) struct Scoring {
    pub limits: Limits,
    pub log: RequestLog,
    pub metrics: Arc<Metrics>,
    pub public_url: String,
    pub inflate: Inflate,
    pub rate: RateConfig,
    pub refusals: Option<Refusals>,
    pub aside: Aside,
    pub body_bytes: u64,
    large_body: u64,
    large: Arc<Semaphore>,
}

impl Scoring {
    /// `dir` is the data directory, where there is one.
    pub(crate) fn new(
        options: &Options,
        (public_url, dir): (&str, Option<&Path>),
        log: RequestLog,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Fault> {
        let limits = options.endpoint.limits()?;
        let aside = match dir {
            Some(dir) => Aside::start(&options.endpoint, &limits, &metrics, dir),
            None => Aside::none(&metrics),
        };
        Ok(Self {
            limits,
            aside,
            log,
            metrics,
            public_url: public_url.to_owned(),
            inflate: Inflate::new(options.inflate),
            rate: options.rate.clone(),
            refusals: Refusals::new(&options.rate),
            body_bytes: options.body_bytes,
            large_body: options.config.large_body,
            large: Arc::new(Semaphore::new(options.config.large_calls)),
        })
    }

    /// The largest JSON body of the control plane.
    pub(crate) fn body_limit(&self) -> web::BodyLimit {
        web::BodyLimit(self.body_bytes)
    }
}

/// What a call may take, and what is done to it before it is scored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'a> {
    pub limits: &'a Limits,
    pub body_bytes: u64,
    pub timeout: Option<Duration>,
    pub request_headers: &'a [Change],
}

impl Scoring {
    /// The server's own terms.
    pub(crate) fn terms(&self) -> Terms<'_> {
        Terms { limits: &self.limits, body_bytes: self.body_bytes, timeout: None, request_headers: &[] }
    }

    /// Those of a policy, which only narrow the server's.
    pub(crate) fn terms_of<'a>(&'a self, rules: &'a Compiled) -> Terms<'a> {
        Terms {
            limits: rules.scoring.as_ref().unwrap_or(&self.limits),
            body_bytes: rules.body_bytes.map_or(self.body_bytes, |own| own.min(self.body_bytes)),
            timeout: rules.timeout,
            request_headers: &rules.request_headers,
        }
    }
}

/// A request's head and what is known of the call.
#[derive(Debug)]
pub(crate) struct Asked {
    pub method: Method,
    /// The path behind the endpoint or API.
    pub tail: String,
    pub query: Option<String>,
    pub headers: HeaderMap,
    pub ids: RequestIds,
}

thread_local! {
    /// The buffers of this thread; a call's evaluation never leaves its thread.
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::new());
    /// Xorshift state for the traffic split; even, not secret.
    static SPLIT: Cell<u32> = const { Cell::new(0x9e37_79b9) };
}

pub(crate) fn random() -> u32 {
    SPLIT.with(|state| {
        let mut x = state.get();
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        state.set(x);
        x
    })
}

/// Answers a call that may pass: finds the deployment, reads the body, scores.
pub(crate) async fn answer(
    scoring: &Scoring,
    (target, terms): (&Arc<Target>, &Terms<'_>),
    asked: &Arc<Asked>,
    body: RequestBody,
    log: &mut CallLog,
) -> Outcome {
    let served = match inference::route(target, asked) {
        Ok(served) => served,
        Err(outcome) => return *outcome,
    };
    log.served(served);
    let Some(model) = &served.model else {
        let text = "the deployment's model cannot be loaded; the server's log says why";
        return Outcome::problem(StatusCode::SERVICE_UNAVAILABLE, text, "model not loaded");
    };
    let bytes = match read(scoring, terms.body_bytes, asked, body).await {
        Ok(bytes) => bytes,
        Err(outcome) => return *outcome,
    };
    log.request_bytes(bytes.len());
    let outcome = if let Backend::Python(pool) = &model.backend {
        by_workers(terms.limits, (target, served, pool), asked, &bytes).await
    } else if let Some(turns) = model.native().and_then(Servable::turns) {
        in_turn(turns, terms, (target, served, model), asked, &bytes).await
    } else if bytes.len() as u64 <= scoring.large_body {
        evaluate(terms.limits, (target, served, model), asked, &bytes)
    } else {
        beside(scoring, terms, (target, served, model), asked, &bytes).await
    };
    if target.mirror.is_some() || served.collecting.is_some() {
        scoring.aside.note(&Answered { target, served, asked, body: &bytes, outcome: &outcome });
    }
    outcome
}

/// Scores by the workers of a deployment.
pub(crate) async fn by_workers(
    limits: &Limits,
    (target, served, pool): (&Target, &Served, &Pool),
    asked: &Asked,
    body: &[u8],
) -> Outcome {
    let place = Place { model: &target.name, version: served.version };
    let of = endpoint::python::Asked { pool, place, keep_answer: served.keep_answers };
    endpoint::python::score(of, limits, &call(asked, body), asked.ids.request_id()).await
}

/// Scores a large body on a thread of its own.
async fn beside(
    scoring: &Scoring,
    terms: &Terms<'_>,
    (target, served, model): (&Arc<Target>, &Served, &Arc<Loaded>),
    asked: &Arc<Asked>,
    bytes: &Bytes,
) -> Outcome {
    // Rule: permit first, then work. A long evaluation must not hold an async thread, nor may many of them queue up.
    let Ok(permit) = scoring.large.clone().try_acquire_owned() else {
        let text = "too many large requests at once; try again in a moment";
        return Outcome::problem(StatusCode::TOO_MANY_REQUESTS, text, "large calls");
    };
    on_a_thread(permit, terms, (target, served, model), asked, bytes).await
}

/// Scores by a model whose calls take turns, on a thread of its own.
async fn in_turn(
    turns: &Turns,
    terms: &Terms<'_>,
    of: (&Arc<Target>, &Served, &Arc<Loaded>),
    asked: &Arc<Asked>,
    bytes: &Bytes,
) -> Outcome {
    let Some(turn) = turns.next().await else {
        let text = "too many calls wait for this model; try again in a moment";
        return Outcome::problem(StatusCode::TOO_MANY_REQUESTS, text, "calls waiting");
    };
    on_a_thread(turn, terms, of, asked, bytes).await
}

/// Scores on a thread where blocking is allowed; what permits it is given back at the end, even when nobody waits any more.
async fn on_a_thread(
    permit: impl Send + 'static,
    terms: &Terms<'_>,
    (target, served, model): (&Arc<Target>, &Served, &Arc<Loaded>),
    asked: &Arc<Asked>,
    bytes: &Bytes,
) -> Outcome {
    let (limits, model, asked) = (terms.limits.clone(), model.clone(), asked.clone());
    let (target, served, bytes) = (target.clone(), served.clone(), bytes.clone());
    let work = tokio::task::spawn_blocking(move || {
        let outcome = evaluate(&limits, (&target, &served, &model), &asked, &bytes);
        drop(permit);
        outcome
    });
    work.await.unwrap_or_else(|_| {
        let text = "An unexpected internal error occurred. Check the logs for more info.";
        Outcome::problem(StatusCode::INTERNAL_SERVER_ERROR, text, "evaluation failed")
    })
}

/// Waits for an answer no longer than until `limit` after the call began. What a thread is evaluating by then goes on to its end.
pub(crate) async fn within(
    limit: Option<Duration>,
    start: Instant,
    answer: impl Future<Output = Outcome>,
) -> Outcome {
    let Some(limit) = limit else { return answer.await };
    let left = limit.saturating_sub(start.elapsed());
    match tokio::time::timeout(left, answer).await {
        // A small body is evaluated in one go: what came too late is late all the same.
        Ok(outcome) if start.elapsed() <= limit => outcome,
        _ => {
            let text = "the call took longer than the policy of this API allows";
            Outcome::problem(StatusCode::GATEWAY_TIMEOUT, text, "timeout")
        }
    }
}

pub(crate) fn evaluate(
    limits: &Limits,
    (target, served, model): (&Target, &Served, &Loaded),
    asked: &Asked,
    body: &[u8],
) -> Outcome {
    let Some(servable) = model.native() else {
        return Outcome::problem(StatusCode::NOT_FOUND, "workers answer this deployment", "no such path");
    };
    let call = call(asked, body);
    SCRATCH.with_borrow_mut(|scratch| {
        if Route::may_be(call.tail) && Route::of(call.tail).is_some() {
            let place = Place { model: &target.name, version: served.version };
            return protocols::evaluate(servable, limits, (&call, &place), scratch);
        }
        endpoint::score(servable, limits, &call, scratch)
    })
}

fn call<'a>(asked: &'a Asked, body: &'a [u8]) -> Call<'a> {
    Call {
        method: &asked.method,
        tail: &asked.tail,
        query: asked.query.as_deref(),
        headers: &asked.headers,
        body,
    }
}

/// The deployment that answers.
pub(crate) fn route<'t>(target: &'t Target, asked: &Asked) -> Result<&'t Served, Unrouted> {
    route_index(target, asked).map(|at| &target.models[at])
}

/// Its place among the deployments.
pub(crate) fn route_index(target: &Target, asked: &Asked) -> Result<usize, Unrouted> {
    let wanted = asked.headers.get(endpoint::DEPLOYMENT_HEADER).map(|v| v.to_str().unwrap_or_default());
    endpoint::choose(&target.deployments, &target.traffic, wanted, random())
}

pub(crate) fn no_deployment(unrouted: Unrouted) -> Outcome {
    Outcome::problem(StatusCode::NOT_FOUND, &unrouted.to_string(), "no deployment")
}

/// Reads the body whole, within the limits and the deadline.
async fn read(
    scoring: &Scoring,
    limit: u64,
    asked: &Asked,
    body: RequestBody,
) -> Result<Bytes, Box<Outcome>> {
    let refuse =
        |error: BodyError| Box::new(Outcome::problem(error.status(), &error.to_string(), error.reason()));
    let coding = Coding::of(&asked.headers).map_err(refuse)?;
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    scoring.inflate.collect(coding, body, limit).await.map_err(refuse)
}

/// An outcome on the wire.
pub(crate) fn response(outcome: Outcome, ids: &RequestIds) -> Response<Body> {
    let mut response = Response::new(Body::from(outcome.body));
    *response.status_mut() = outcome.status;
    let headers = response.headers_mut();
    headers.reserve(12);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(outcome.content_type));
    outcome.extra.apply(headers);
    ids.apply(headers);
    if outcome.status == StatusCode::TOO_MANY_REQUESTS || outcome.status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if outcome.status == StatusCode::UNSUPPORTED_MEDIA_TYPE && outcome.reason == BodyError::Coding.reason() {
        headers.insert(header::ACCEPT_ENCODING, web::decode::ACCEPTED);
    }
    web::finish::secure(headers);
    response
}

/// A refusal on the wire: the problem with the ids, and the challenge when there is one.
pub(crate) fn refusal(
    mut problem: Problem,
    challenge: Option<HeaderValue>,
    ids: &RequestIds,
) -> Response<Body> {
    problem.request_id = Some(ids.request_id().into());
    let mut response = problem.to_response();
    let headers = response.headers_mut();
    if let Some(challenge) = challenge {
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    ids.apply(headers);
    web::finish::secure(headers);
    response
}

/// "There is nothing here", in the gateway's words (contract GW-13).
pub(crate) fn nothing_here() -> Problem {
    Problem::with_status(StatusCode::NOT_FOUND, ErrorCode::NotFound, "there is nothing at this path")
        .worded("Resource not found")
}
