//! Errors of the token service, in the shape its clients know (contract AD-04).

use domain::Timestamp;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;
use web::Body;

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    status: StatusCode,
    error: &'static str,
    number: u32,
    text: String,
    /// Seconds to wait, on a lock-out.
    wait: Option<u64>,
}

impl Failure {
    fn new(status: StatusCode, error: &'static str, number: u32, text: impl Into<String>) -> Self {
        Self { status, error, number, text: text.into(), wait: None }
    }

    /// The request is malformed (400).
    pub(super) fn request(number: u32, text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", number, text)
    }

    pub(super) fn grant_type() -> Self {
        let text = "The app requested an unsupported grant type; only client_credentials is served.";
        Self::new(StatusCode::BAD_REQUEST, "unsupported_grant_type", 70003, text)
    }

    pub(super) fn unknown_client(id: &str, tenant: &str) -> Self {
        let shown: String = id.chars().filter(|c| c.is_ascii_graphic()).take(60).collect();
        let text =
            format!("Application with identifier '{shown}' was not found in the directory '{tenant}'.");
        Self::new(StatusCode::BAD_REQUEST, "unauthorized_client", 700_016, text)
    }

    pub(super) fn revoked_client() -> Self {
        let text = "The application is disabled.";
        Self::new(StatusCode::BAD_REQUEST, "unauthorized_client", 7_000_112, text)
    }

    pub(super) fn no_secret() -> Self {
        let text = "The request body must contain the following parameter: 'client_secret'.";
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", 7_000_218, text)
    }

    pub(super) fn wrong_secret() -> Self {
        let text = "Invalid client secret provided.";
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", 7_000_215, text)
    }

    pub(super) fn expired_secret() -> Self {
        let text = "The provided client secret keys are expired.";
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", 7_000_222, text)
    }

    /// Too many failures: the client waits (429).
    pub(super) fn locked(wait: Duration) -> Self {
        let text = "The client is locked out at this address after too many failed logins. Try again later.";
        let mut failure = Self::new(StatusCode::TOO_MANY_REQUESTS, "invalid_client", 50053, text);
        failure.wait = Some(wait.as_secs() + 1);
        failure
    }

    /// The client does too much of something: it waits (429).
    pub(super) fn too_many(what: &str, wait: Duration) -> Self {
        let text = format!("The client {what}. Try again later.");
        let mut failure = Self::new(StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", 90_055, text);
        failure.wait = Some(wait.as_secs() + 1);
        failure
    }

    /// A token of another client is not this one's to revoke (RFC 7009 §2.1).
    pub(super) fn foreign_token() -> Self {
        let text = "The token was not issued to this client.";
        Self::new(StatusCode::BAD_REQUEST, "unauthorized_client", 70001, text)
    }

    /// The same failure for a client that came with HTTP Basic: 401, with a challenge (RFC 6749 §5.2).
    pub(super) fn by_basic(mut self) -> Self {
        if self.error == "unauthorized_client" {
            self.error = "invalid_client";
            self.status = StatusCode::UNAUTHORIZED;
        }
        self
    }

    /// v1: a resource that is not the client's.
    pub(super) fn resource(name: &str) -> Self {
        let text = format!("The resource principal named {} was not found for this client.", shown(name));
        Self::new(StatusCode::BAD_REQUEST, "invalid_resource", 500_011, text)
    }

    /// v2: a scope that is not the client's, or not of the form.
    pub(super) fn scope(name: &str) -> Self {
        let text = format!(
            "The provided value for the input parameter 'scope' is not valid. The scope {} is not valid: ask for <audience>/.default.",
            shown(name)
        );
        Self::new(StatusCode::BAD_REQUEST, "invalid_scope", 1_002_012, text)
    }

    /// A fault of ours; the log has the cause.
    pub(super) fn server() -> Self {
        let text = "An internal error occurred. Try again later.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", 90033, text)
    }

    pub(super) fn response(&self) -> Response<Body> {
        let (trace, correlation) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
        let time = stamp(Timestamp::now());
        let number = self.number;
        let description = format!(
            "AADSTS{number}: {}\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: {time}",
            self.text
        );
        let body = json!({
            "error": self.error,
            "error_description": description,
            "error_codes": [number],
            "timestamp": time,
            "trace_id": trace,
            "correlation_id": correlation,
        });
        let kind = "application/json; charset=utf-8";
        let mut response = super::answer(self.status, kind, body.to_string().into(), "no-store");
        let headers = response.headers_mut();
        headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"token service\""));
        }
        if let Some(wait) = self.wait {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
        response
    }
}

/// What a client sent, cut and without control characters.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}

/// `2026-11-21 04:05:06Z`.
fn stamp(time: Timestamp) -> String {
    let text = time.to_string();
    text.get(..19).map_or_else(|| text.clone(), |t| t.replace('T', " ") + "Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn a_failure_has_the_known_shape() {
        let response = Failure::wrong_secret().response();
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let text = body["error_description"].as_str().unwrap();
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert!(lines[0].starts_with("AADSTS7000215: ") && lines[1].starts_with("Trace ID: "), "{text}");
        assert!(lines[2].starts_with("Correlation ID: ") && lines[3].starts_with("Timestamp: "), "{text}");
        assert_eq!(body["error_codes"], json!([7_000_215]));
        assert_eq!(body["timestamp"].as_str().unwrap().len(), 20);
    }
}
