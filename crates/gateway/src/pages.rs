//! Answers that need no endpoint: the server's health, and the static files of the document pages.

use crate::score;
use http::{HeaderValue, Method, Response, StatusCode, header};
use web::{Body, SwaggerAssets};

/// `GET /health`.
pub(crate) fn health(method: &Method) -> Response<Body> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return not_allowed();
    }
    text(StatusCode::OK, "text/plain; charset=utf-8", Body::from("OK"))
}

fn not_allowed() -> Response<Body> {
    let mut response = web::Problem::of_status(StatusCode::METHOD_NOT_ALLOWED, None).to_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    web::finish::secure(response.headers_mut());
    response
}

fn text(status: StatusCode, kind: &str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if let Ok(kind) = HeaderValue::from_str(kind) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    web::finish::secure(headers);
    response
}

/// The pages under an endpoint's or API's `docs/`; `tail` is `docs` or begins with `docs/`.
pub(crate) fn docs(method: &Method, path: &str, tail: &str) -> Response<Body> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return not_allowed();
    }
    let Some(name) = tail.strip_prefix("docs/") else {
        // The page's links are relative to `docs/`.
        let mut response = text(StatusCode::PERMANENT_REDIRECT, "text/plain", Body::default());
        if let Ok(location) = HeaderValue::from_str(&format!("{path}/")) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        return response;
    };
    let Some(file) = SwaggerAssets::file(name, "../openapi.json") else {
        return score::refusal(score::nothing_here(), None, &endpoint::RequestIds::fresh());
    };
    let mut response = text(StatusCode::OK, &file.content_type, file.bytes.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, web::swagger::CSP);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=300"));
    response
}
