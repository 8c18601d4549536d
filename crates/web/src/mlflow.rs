//! Error answers of the MLflow REST protocol: `{"error_code": …, "message": …}` and nothing else, with the statuses that its clients
//! expect; and which paths speak it.

use crate::body::Body;
use crate::problem::Problem;
use axum::response::IntoResponse;
use bytes::Bytes;
use domain::{ErrorCode, Fault};
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

/// The protocol's error codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MlflowCode {
    /// A parameter is missing or impossible (400).
    InvalidParameterValue,
    /// The request is malformed (400).
    BadRequest,
    /// The name is taken (400, which `register_model` relies on).
    ResourceAlreadyExists,
    /// No acceptable credentials (401).
    Unauthenticated,
    /// Known caller, not allowed (403).
    PermissionDenied,
    /// No such thing (404).
    ResourceDoesNotExist,
    /// No such path (404).
    EndpointNotFound,
    /// The state does not allow the change (409).
    ResourceConflict,
    /// A rate was passed (429).
    RequestLimitExceeded,
    /// No room is left (429 where it is not told otherwise).
    ResourceExhausted,
    /// A fault of ours (500).
    InternalError,
    /// Not in this state (500).
    InvalidState,
    /// This server does not do that (501).
    NotImplemented,
    /// Something does not answer (503).
    TemporarilyUnavailable,
    /// It took too long (504).
    DeadlineExceeded,
}

impl MlflowCode {
    /// The status that goes with the code.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::InvalidParameterValue | Self::BadRequest | Self::ResourceAlreadyExists => {
                StatusCode::BAD_REQUEST
            }
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::PermissionDenied => StatusCode::FORBIDDEN,
            Self::ResourceDoesNotExist | Self::EndpointNotFound => StatusCode::NOT_FOUND,
            Self::ResourceConflict => StatusCode::CONFLICT,
            Self::RequestLimitExceeded | Self::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Self::InternalError | Self::InvalidState => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            Self::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

/// An error answer of the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MlflowError {
    /// The HTTP status; the code's own unless something more exact is known.
    #[serde(skip)]
    pub status: StatusCode,
    /// What kind of failure.
    pub error_code: MlflowCode,
    /// What was wrong and what to do.
    pub message: String,
}

impl MlflowError {
    /// An error with its code's own status.
    pub fn new(code: MlflowCode, message: impl Into<String>) -> Self {
        Self { status: code.status(), error_code: code, message: message.into() }
    }

    /// A parameter that is missing or impossible.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(MlflowCode::InvalidParameterValue, message)
    }

    /// Something that is not there.
    pub fn absent(message: impl Into<String>) -> Self {
        Self::new(MlflowCode::ResourceDoesNotExist, message)
    }

    /// The whole answer.
    pub fn to_response(&self) -> Response<Body> {
        let bytes = serde_json::to_vec(self).map_or_else(|_| Bytes::from_static(b"{}"), Bytes::from);
        let mut response = Response::new(Body::from(bytes));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self.status.as_u16() {
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

impl IntoResponse for MlflowError {
    fn into_response(self) -> axum::response::Response {
        self.to_response().map(axum::body::Body::new)
    }
}

impl From<Fault> for MlflowError {
    fn from(fault: Fault) -> Self {
        let code = match fault.code {
            ErrorCode::NotFound => MlflowCode::ResourceDoesNotExist,
            ErrorCode::Conflict => MlflowCode::ResourceAlreadyExists,
            ErrorCode::InvalidInput | ErrorCode::Unprocessable => MlflowCode::InvalidParameterValue,
            ErrorCode::TooLarge | ErrorCode::UnsupportedMedia => {
                let status = StatusCode::from_u16(fault.code.status());
                let error = Self::invalid(fault.message);
                return Self { status: status.unwrap_or(error.status), ..error };
            }
            ErrorCode::Unauthenticated => MlflowCode::Unauthenticated,
            ErrorCode::Forbidden => MlflowCode::PermissionDenied,
            ErrorCode::TooManyRequests => MlflowCode::RequestLimitExceeded,
            ErrorCode::Internal => MlflowCode::InternalError,
            ErrorCode::Unavailable => MlflowCode::TemporarilyUnavailable,
            ErrorCode::StorageFull => {
                let error = Self::new(MlflowCode::ResourceExhausted, fault.message);
                return Self { status: StatusCode::INSUFFICIENT_STORAGE, ..error };
            }
        };
        Self::new(code, fault.message)
    }
}

/// A problem of what stands before the handlers: authentication, access, the router.
impl From<Problem> for MlflowError {
    fn from(problem: Problem) -> Self {
        let status = problem.http_status();
        let message = problem.detail.into_string();
        let error = match status.as_u16() {
            404 => Self::new(MlflowCode::EndpointNotFound, message),
            400 | 405 | 422 | 431 => Self::new(MlflowCode::BadRequest, message),
            409 => Self::new(MlflowCode::ResourceConflict, message),
            408 => Self::new(MlflowCode::DeadlineExceeded, message),
            _ => Self::from(Fault::new(problem.code, message)),
        };
        Self { status, ..error }
    }
}

/// Whether the answers at this path are of the protocol: `/api/2.0/…`, `/api/3.0/…`, `/ajax-api/…` and three paths at the root.
pub fn speaks_mlflow(path: &str) -> bool {
    const PREFIXES: [&str; 3] = ["/api/2.0/", "/api/3.0/", "/ajax-api/"];
    const PATHS: [&str; 3] = ["/version", "/get-artifact", "/model-versions/get-artifact"];
    PREFIXES.iter().any(|prefix| path.starts_with(prefix)) || PATHS.contains(&path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_two_members_and_the_status_of_its_code() {
        let error = MlflowError::absent("No Experiment with id=7 exists");
        let text = serde_json::to_string(&error).unwrap();
        assert_eq!(
            text,
            r#"{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"No Experiment with id=7 exists"}"#
        );
        assert_eq!(error.to_response().status(), 404);
        let taken = MlflowError::from(Fault::conflict("taken"));
        assert_eq!((taken.error_code, taken.status.as_u16()), (MlflowCode::ResourceAlreadyExists, 400));
    }

    #[test]
    fn problems_before_the_handlers_keep_their_status() {
        for (status, code) in [
            (401, MlflowCode::Unauthenticated),
            (403, MlflowCode::PermissionDenied),
            (404, MlflowCode::EndpointNotFound),
            (405, MlflowCode::BadRequest),
            (413, MlflowCode::InvalidParameterValue),
            (429, MlflowCode::RequestLimitExceeded),
            (503, MlflowCode::TemporarilyUnavailable),
            (507, MlflowCode::ResourceExhausted),
        ] {
            let problem = Problem::of_status(StatusCode::from_u16(status).unwrap(), None);
            let error = MlflowError::from(problem);
            assert_eq!((error.status.as_u16(), error.error_code), (status, code));
        }
    }

    #[test]
    fn the_paths_of_the_protocol_are_known() {
        for path in
            ["/api/2.0/mlflow/runs/get", "/ajax-api/3.0/mlflow/x", "/api/2.0/mlflow-artifacts/a", "/version"]
        {
            assert!(speaks_mlflow(path), "{path}");
        }
        for path in ["/api/v1/jobs", "/metrics", "/versions", "/"] {
            assert!(!speaks_mlflow(path), "{path}");
        }
    }
}
