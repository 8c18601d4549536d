//! The request-log row and the metrics of one call; every call on a known endpoint or API has one, refused ones too.

use crate::score::Scoring;
use crate::snapshot::{Served, Target};
use domain::Timestamp;
use endpoint::RequestIds;
use endpoint::protocols::Route;
use http::{HeaderMap, Method, StatusCode, Version, header};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;
use telemetry::{Handle, RequestRow, Text, TraceContext};

/// The longest path and user agent kept.
const TEXT_MAX: usize = 256;

/// What is gathered of a call until its answer is known.
#[derive(Debug)]
pub(crate) struct CallLog {
    row: RequestRow,
    start: Instant,
    handle: Handle,
    inference: bool,
    describes: bool,
}

impl CallLog {
    /// Begins with what the request's head tells.
    pub(crate) fn begin(
        start: Instant,
        method: &Method,
        path: &str,
        version: Version,
        (target, handle): (&Target, &Handle),
    ) -> Self {
        let row = RequestRow {
            time: Timestamp::now(),
            method: method_text(method),
            path: clip(path),
            protocol: match version {
                Version::HTTP_10 => "HTTP/1.0".into(),
                Version::HTTP_2 => "HTTP/2".into(),
                _ => "HTTP/1.1".into(),
            },
            endpoint: target.name.clone().into(),
            ..RequestRow::default()
        };
        Self { row, start, handle: handle.clone(), inference: false, describes: false }
    }

    /// When the call began.
    pub(crate) fn start(&self) -> Instant {
        self.start
    }

    /// The same by the wall clock.
    pub(crate) fn time(&self) -> Timestamp {
        self.row.time
    }

    /// Takes what the headers and the rest of the path tell.
    pub(crate) fn head(&mut self, headers: &HeaderMap, tail: &str, ids: &RequestIds) {
        let text = |name: header::HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
        self.row.user_agent = text(header::USER_AGENT).map_or(Text::EMPTY, clip);
        self.row.request_id = ids.request_id().to_owned().into();
        self.row.client_request_id = ids.client_request_id().map(str::to_owned).into();
        self.row.trace_id = trace_id(headers);
        self.row.operation = match tail {
            "score" => "score".into(),
            "predict" => "predict".into(),
            "swagger.json" => "swagger.json".into(),
            "openapi.json" => "openapi.json".into(),
            "" => "health".into(),
            _ => self.protocol(tail).into(),
        };
    }

    /// The word of another protocol's path.
    fn protocol(&mut self, tail: &str) -> &'static str {
        let Some(route) = Route::of(tail) else { return "other" };
        self.inference = route.operation.is_inference();
        self.describes = !route.operation.scores();
        route.operation.word()
    }

    /// Whether the caller speaks Open Inference, which looks for errors in a member of their own.
    pub(crate) fn is_inference(&self) -> bool {
        self.inference
    }

    /// Whether another protocol asks about a model instead of scoring.
    pub(crate) fn describes(&self) -> bool {
        self.describes
    }

    pub(crate) fn api(&mut self, path: &Arc<str>) {
        self.row.api = path.clone().into();
    }

    /// Who called, once that is known.
    pub(crate) fn caller(
        &mut self,
        auth_type: &'static str,
        identity: Option<&str>,
        principal: Option<&Arc<str>>,
    ) {
        self.row.auth_type = auth_type.into();
        self.row.identity = identity.map(str::to_owned).into();
        self.row.principal = principal.cloned().into();
    }

    pub(crate) fn served(&mut self, served: &Served) {
        self.row.deployment = served.deployment.clone().into();
        self.row.model_name = served.name.clone().into();
        self.row.model_version = served.version;
    }

    pub(crate) fn request_bytes(&mut self, bytes: usize) {
        self.row.request_bytes = bytes as u64;
    }

    /// Ends a call that the gate refused.
    pub(crate) fn refused(self, scoring: &Scoring, status: StatusCode, reason: &'static str, bytes: usize) {
        scoring.metrics.refused(reason);
        self.end(scoring, status, reason.into(), bytes);
    }

    /// Ends a call that the gate answered itself, as a preflight.
    pub(crate) fn settled(self, scoring: &Scoring, status: StatusCode, reason: &'static str) {
        self.end(scoring, status, reason.into(), 0);
    }

    /// Ends a call that was answered; gives the bytes of the bodies, both directions together.
    pub(crate) fn answered(mut self, scoring: &Scoring, outcome: &endpoint::Outcome) -> u64 {
        let bytes = self.row.request_bytes + outcome.body.len() as u64;
        self.row.rows = outcome.rows;
        self.row.read_us = outcome.read_us;
        self.row.model_us = outcome.model_us;
        self.row.throttle_us = outcome.waited_us;
        self.row.model_status = outcome.status.as_u16();
        if outcome.rows > 0 {
            scoring.metrics.scored(&self.handle, outcome.rows);
        }
        let reason = match &outcome.reason {
            Cow::Borrowed(text) => Text::Static(text),
            Cow::Owned(text) => text.clone().into(),
        };
        self.end(scoring, outcome.status, reason, outcome.body.len());
        bytes
    }

    fn end(mut self, scoring: &Scoring, status: StatusCode, reason: Text, bytes: usize) {
        let taken = self.start.elapsed();
        self.row.status = status.as_u16();
        self.row.reason = reason;
        self.row.response_bytes = bytes as u64;
        self.row.total_us = u32::try_from(taken.as_micros()).unwrap_or(u32::MAX);
        scoring.metrics.observe(&self.handle, self.row.status, taken.as_secs_f64());
        scoring.log.log(self.row);
    }
}

fn method_text(method: &Method) -> Text {
    match *method {
        Method::GET => "GET".into(),
        Method::POST => "POST".into(),
        Method::OPTIONS => "OPTIONS".into(),
        Method::HEAD => "HEAD".into(),
        Method::PUT => "PUT".into(),
        Method::DELETE => "DELETE".into(),
        Method::PATCH => "PATCH".into(),
        _ => "_OTHER".into(),
    }
}

/// A text of at most [`TEXT_MAX`] bytes.
fn clip(text: &str) -> Text {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned().into()
}

/// The caller's trace id when it sent a valid one; none is made up for the log alone.
fn trace_id(headers: &HeaderMap) -> Text {
    let Some(parent) = headers.get("traceparent").and_then(|v| v.to_str().ok()) else {
        return Text::EMPTY;
    };
    TraceContext::parse(parent).map_or(Text::EMPTY, |t| t.trace_id_hex().into())
}
