//! What a call comes to: status, body, the few extra headers, and the figures for the request log.

use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use std::borrow::Cow;
use std::io::Write;

/// Content type of JSON answers.
pub const JSON: &str = "application/json";
/// Content type of errors (RFC 9457).
pub const PROBLEM: &str = "application/problem+json";
/// Content type of the health text, as the scoring server that clients know sends it.
pub const TEXT: &str = "text/html; charset=utf-8";

static FAILED: HeaderName = HeaderName::from_static("x-ms-run-function-failed");
static EXEC_MS: HeaderName = HeaderName::from_static("x-ms-run-fn-exec-ms");
/// The header of the binary tensor extension of Open Inference, on requests and answers.
pub static JSON_BYTES: HeaderName = HeaderName::from_static("inference-header-content-length");

/// The headers an answer carries besides its content type and length.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SmallHeaders {
    /// `x-ms-run-function-failed`; none on the health answer.
    pub failed: Option<bool>,
    /// `x-ms-run-fn-exec-ms`: microseconds in the model, on a successful score.
    pub exec_us: Option<u32>,
    /// `allow`, on 405 and OPTIONS.
    pub allow: Option<&'static str>,
    /// `access-control-allow-origin`, when the origin is one of the configured ones.
    pub origin: Option<HeaderValue>,
    /// Whether this answers a preflight, which also names methods and headers.
    pub preflight: bool,
    /// Whether the answer depends on the `origin` header.
    pub vary: bool,
    /// Headers that a script set, its content type among them; none for the answers of a model.
    pub more: Option<Box<HeaderMap>>,
    /// `inference-header-content-length`: bytes of JSON before the binary tensors of an Open Inference answer.
    pub json_bytes: Option<u32>,
}

impl SmallHeaders {
    /// Puts the headers into an answer.
    pub fn apply(&self, headers: &mut HeaderMap) {
        if let Some(more) = &self.more {
            // In place of what stands there already: the content type.
            for (name, value) in more.iter() {
                headers.insert(name.clone(), value.clone());
            }
        }
        if let Some(failed) = self.failed {
            // Python's spelling, which is what clients compare with.
            let text = if failed { "True" } else { "False" };
            headers.insert(FAILED.clone(), HeaderValue::from_static(text));
        }
        if let Some(us) = self.exec_us {
            headers.insert(EXEC_MS.clone(), milliseconds(us));
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(bytes) = self.json_bytes {
            headers.insert(JSON_BYTES.clone(), HeaderValue::from(bytes));
        }
        if self.vary {
            headers.insert(header::VARY, HeaderValue::from_static("origin"));
        }
        if let Some(origin) = &self.origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            if self.preflight {
                let methods = HeaderValue::from_static("GET, POST");
                headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
                let names = HeaderValue::from_static(
                    "authorization, content-type, azureml-model-deployment, x-request-id, x-ms-client-request-id",
                );
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
            }
        }
    }
}

/// Microseconds as milliseconds with three decimals.
fn milliseconds(us: u32) -> HeaderValue {
    let mut text = [0; 16];
    let mut rest = &mut text[..];
    let _ = write!(rest, "{}.{:03}", us / 1000, us % 1000);
    let used = 16 - rest.len();
    HeaderValue::from_bytes(&text[..used]).unwrap_or_else(|_| HeaderValue::from_static("0.000"))
}

/// The answer to a call; the body is whole, so the length is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The status.
    pub status: StatusCode,
    /// The content type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
    /// Further headers.
    pub extra: SmallHeaders,
    /// Rows scored.
    pub rows: u32,
    /// Cells whose category was not seen in training; they were scored as unknown.
    pub unknown: u32,
    /// Microseconds spent reading the request.
    pub read_us: u32,
    /// Microseconds spent in the model.
    pub model_us: u32,
    /// Microseconds spent waiting for a worker.
    pub waited_us: u32,
    /// Short text for the request log: `ok`, or what was wrong, without values of the request.
    pub reason: Cow<'static, str>,
}

impl Outcome {
    /// An answer with a body and no figures.
    pub fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type,
            body: body.into(),
            extra: SmallHeaders { failed: Some(false), ..SmallHeaders::default() },
            rows: 0,
            unknown: 0,
            read_us: 0,
            model_us: 0,
            waited_us: 0,
            reason: Cow::Borrowed("ok"),
        }
    }

    /// An RFC 9457 problem with a `message` member besides; `reason` is what the log may keep.
    pub fn problem(status: StatusCode, message: &str, reason: impl Into<Cow<'static, str>>) -> Self {
        let members = Problem {
            kind: "about:blank",
            title: title(status),
            status: status.as_u16(),
            detail: message,
            message,
        };
        Self::failed(status, &members, reason)
    }

    /// An error whose body the caller has shaped.
    pub(crate) fn failed(
        status: StatusCode,
        members: &impl Serialize,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        let body = serde_json::to_vec(members).unwrap_or_default();
        let mut outcome = Self::new(status, PROBLEM, body);
        outcome.reason = reason.into();
        outcome.extra.failed = Some(status.is_server_error());
        outcome
    }

    /// 405 with the methods that would do.
    pub fn not_allowed(allow: &'static str) -> Self {
        let message = format!("the method is not allowed here; use one of {allow}");
        let status = StatusCode::METHOD_NOT_ALLOWED;
        let mut outcome = Self::problem(status, &message, "method not allowed");
        outcome.extra.allow = Some(allow);
        outcome
    }
}

#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    message: &'a str,
}

/// The title of a status in the words of RFC 9110.
pub(crate) fn title(status: StatusCode) -> &'static str {
    match status.as_u16() {
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        _ => status.canonical_reason().unwrap_or("Error"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_all_five_members() {
        let outcome = Outcome::problem(StatusCode::UNPROCESSABLE_ENTITY, "row 0: \"x\"", "row");
        assert_eq!(outcome.content_type, "application/problem+json");
        assert_eq!(
            outcome.body,
            r#"{"type":"about:blank","title":"Unprocessable Content","status":422,"detail":"row 0: \"x\"","message":"row 0: \"x\""}"#
        );
        assert_eq!(outcome.extra.failed, Some(false));
    }

    #[test]
    fn headers_are_spelled_as_clients_expect() {
        let mut headers = HeaderMap::new();
        let extra = SmallHeaders {
            failed: Some(true),
            exec_us: Some(12_345),
            allow: Some("GET"),
            ..SmallHeaders::default()
        };
        extra.apply(&mut headers);
        assert_eq!(headers["x-ms-run-function-failed"], "True");
        assert_eq!(headers["x-ms-run-fn-exec-ms"], "12.345");
        assert_eq!(headers["allow"], "GET");
        assert_eq!(milliseconds(7), "0.007");
        assert_eq!(milliseconds(u32::MAX), "4294967.295");
    }
}
