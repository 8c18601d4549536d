//! Problem details (RFC 9457): the one conversion of an error to HTTP.

use crate::body::Body;
use axum::response::IntoResponse;
use bytes::Bytes;
use domain::{ErrorCode, Fault};
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

/// The media type of a problem.
pub const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// One field of a request that was not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// What was wrong with it.
    pub detail: String,
    /// Where it stands (JSON Pointer).
    pub pointer: String,
}

/// An error answer: `application/problem+json` with `message` besides, for clients that read only that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// The kind of problem; always `about:blank`: the status and `code` tell it.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status in words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The HTTP status again, where clients of the gateway look for it.
    #[serde(rename = "statusCode", skip_serializing_if = "Option::is_none")]
    pub status_code: Option<u16>,
    /// What was wrong and what to do.
    #[schema(value_type = String)]
    pub detail: Box<str>,
    /// The same text, where older clients look for it.
    #[schema(value_type = String)]
    pub message: Box<str>,
    /// The kind of failure, stable.
    pub code: ErrorCode,
    /// The request's id, as in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub request_id: Option<Box<str>>,
    /// Fields that were wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

impl Problem {
    /// A problem of a code, with its status.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::with_status(status, code, detail)
    }

    /// A problem of a status for which no error code stands alone (404 for a path, 405, 408, 426, 431).
    pub fn with_status(status: StatusCode, code: ErrorCode, detail: impl Into<String>) -> Self {
        let detail = detail.into().into_boxed_str();
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            status_code: None,
            message: detail.clone(),
            detail,
            code,
            request_id: None,
            errors: Vec::new(),
        }
    }

    /// The problem of a bare status, as a router answers it.
    pub fn of_status(status: StatusCode, detail: Option<String>) -> Self {
        let code = match status.as_u16() {
            401 => ErrorCode::Unauthenticated,
            403 => ErrorCode::Forbidden,
            404 => ErrorCode::NotFound,
            409 => ErrorCode::Conflict,
            413 => ErrorCode::TooLarge,
            415 => ErrorCode::UnsupportedMedia,
            422 => ErrorCode::Unprocessable,
            429 => ErrorCode::TooManyRequests,
            503 => ErrorCode::Unavailable,
            507 => ErrorCode::StorageFull,
            400..=499 => ErrorCode::InvalidInput,
            _ => ErrorCode::Internal,
        };
        let detail = detail.unwrap_or_else(|| match status.as_u16() {
            404 => "there is nothing at this path".to_owned(),
            405 => "this path does not take this method; the Allow header lists those it takes".to_owned(),
            _ => status.canonical_reason().unwrap_or("error").to_lowercase(),
        });
        Self::with_status(status, code, detail)
    }

    /// Names a field that was wrong.
    #[must_use]
    pub fn field(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.errors.push(FieldError { pointer: pointer.into(), detail: detail.into() });
        self
    }

    /// Adds the `statusCode` member and, with it, a message of another service's wording.
    #[must_use]
    pub fn worded(mut self, message: impl Into<String>) -> Self {
        self.status_code = Some(self.status);
        self.message = message.into().into_boxed_str();
        self
    }

    /// The HTTP status.
    pub fn http_status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The body's bytes.
    pub fn to_bytes(&self) -> Bytes {
        // A struct of strings and numbers always serialises; an empty object is the unreachable rest.
        serde_json::to_vec(self).map_or_else(|_| Bytes::from_static(b"{}"), Bytes::from)
    }

    /// The whole answer.
    pub fn to_response(&self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.to_bytes()));
        *response.status_mut() = self.http_status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, MEDIA_TYPE);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self.status {
            401 => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            429 | 503 => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}

impl<E: Into<Fault>> From<E> for Problem {
    fn from(error: E) -> Self {
        let fault = error.into();
        Self::new(fault.code, fault.message)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> axum::response::Response {
        let mut response = self.to_response().map(axum::body::Body::new);
        // `finish` writes the request id into it.
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_becomes_a_problem_with_all_members() {
        let problem: Problem = Fault::not_found("endpoint", "x").into();
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"type": "about:blank", "title": "Not Found", "status": 404, "code": "not_found",
                "detail": "no endpoint named 'x'", "message": "no endpoint named 'x'"})
        );
    }

    #[test]
    fn a_401_always_challenges() {
        let response = Problem::new(ErrorCode::Unauthenticated, "no").to_response();
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }
}
