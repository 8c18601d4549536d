//! What every answer gets: a request id, security headers, and a problem in place of a bare error.

use crate::body::Body;
use crate::mlflow::{MlflowError, speaks_mlflow};
use crate::problem::{MEDIA_TYPE, Problem};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt, Limited};

/// The header that carries a request's id, both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id taken over from a client.
const REQUEST_ID_MAX: usize = 100;
/// The longest plain error text that is taken into a problem.
const TEXT_MAX: usize = 4096;

/// Content security policy of answers that are no pages.
pub const CSP_NONE: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// A request's id: the client's, when it is short and plain, else a new UUID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

impl RequestId {
    /// Takes or makes the id of a request.
    pub fn of(headers: &HeaderMap) -> Self {
        let plain =
            |t: &&str| !t.is_empty() && t.len() <= REQUEST_ID_MAX && t.bytes().all(|c| c.is_ascii_graphic());
        let sent = headers.get(REQUEST_ID).and_then(|v| v.to_str().ok()).filter(plain);
        Self(sent.map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned))
    }
}

/// Adds the security headers that are not there yet.
pub fn secure(headers: &mut HeaderMap) {
    let defaults = [
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CONTENT_SECURITY_POLICY, CSP_NONE),
    ];
    for (name, value) in defaults {
        headers.entry(name).or_insert(value);
    }
}

/// How errors look at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorForm {
    /// Problem details: our own surfaces.
    Problem,
    /// The MLflow protocol's.
    Mlflow,
}

impl ErrorForm {
    /// The form of a path.
    pub fn of(path: &str) -> Self {
        if speaks_mlflow(path) { Self::Mlflow } else { Self::Problem }
    }

    /// An error's answer in this form.
    pub fn render(self, mut problem: Problem, id: &RequestId) -> Response<Body> {
        problem.request_id = Some(id.0.as_str().into());
        match self {
            Self::Problem => problem.to_response(),
            Self::Mlflow => MlflowError::from(problem).to_response(),
        }
    }
}

/// Finishes an answer of the control plane's router.
pub async fn finish(response: axum::response::Response, id: &RequestId, form: ErrorForm) -> Response<Body> {
    let mut response = match problem_of(response).await {
        Ok(done) => done,
        Err((problem, headers)) => {
            let mut response = form.render(problem, id);
            for (name, value) in &headers {
                if !response.headers().contains_key(name) && name != header::CONTENT_LENGTH {
                    response.headers_mut().insert(name, value.clone());
                }
            }
            response
        }
    };
    let headers = response.headers_mut();
    secure(headers);
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        headers.insert(REQUEST_ID, value);
    }
    response
}

/// An error answer as a problem with the headers it had; other answers as they are.
async fn problem_of(response: axum::response::Response) -> Result<Response<Body>, (Problem, HeaderMap)> {
    let status = response.status();
    let (mut parts, body) = response.into_parts();
    if let Some(problem) = parts.extensions.remove::<Problem>() {
        return Err((problem, parts.headers));
    }
    let plain = match parts.headers.get(header::CONTENT_TYPE) {
        None => body.size_hint().exact() == Some(0),
        Some(kind) => kind.as_bytes().starts_with(b"text/plain") && *kind != MEDIA_TYPE,
    };
    if !(status.is_client_error() || status.is_server_error()) || !plain {
        return Ok(Response::from_parts(parts, Body::Stream(body)));
    }
    let text = Limited::new(body, TEXT_MAX).collect().await.map(|t| t.to_bytes());
    let detail = text.ok().and_then(|t| String::from_utf8(t.to_vec()).ok()).filter(|t| !t.is_empty());
    // What a 5xx says may name internals; its own words stay in the log.
    let detail = detail.filter(|_| status.is_client_error() && status != StatusCode::NOT_FOUND);
    Err((Problem::of_status(status, detail), parts.headers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;
    use domain::Fault;

    async fn finished(response: axum::response::Response) -> (Response<()>, serde_json::Value) {
        let (parts, body) = finish(response, &RequestId("r-1".into()), ErrorForm::Problem).await.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (Response::from_parts(parts, ()), serde_json::from_slice(&bytes).unwrap_or_default())
    }

    #[tokio::test]
    async fn errors_become_problems_with_the_request_id() {
        let allow = [(header::ALLOW, "GET")];
        let cases = [
            (Problem::from(Fault::conflict("taken")).into_response(), 409, "taken"),
            ((StatusCode::METHOD_NOT_ALLOWED, allow).into_response(), 405, "this path does not take"),
            ((StatusCode::BAD_REQUEST, "Invalid URL: x").into_response(), 400, "Invalid URL: x"),
            ((StatusCode::INTERNAL_SERVER_ERROR, "secret").into_response(), 500, "internal server error"),
        ];
        for (response, status, text) in cases {
            let (head, body) = finished(response).await;
            assert_eq!(head.status().as_u16(), status);
            assert_eq!(body["request_id"], "r-1");
            assert!(body["detail"].as_str().unwrap().starts_with(text), "{body}");
            assert_eq!(head.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
            assert_eq!(head.headers().contains_key(header::ALLOW), status == 405);
        }
    }

    #[tokio::test]
    async fn good_answers_pass_and_ids_are_made_when_odd() {
        let (head, body) = finished(axum::Json(serde_json::json!({"a": 1})).into_response()).await;
        assert_eq!((head.status(), &body["a"]), (StatusCode::OK, &serde_json::json!(1)));
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_static("mine"));
        assert_eq!(RequestId::of(&headers).0, "mine");
        headers.insert(REQUEST_ID, HeaderValue::from_str(&"x".repeat(101)).unwrap());
        assert_eq!(RequestId::of(&headers).0.len(), 36);
    }
}
