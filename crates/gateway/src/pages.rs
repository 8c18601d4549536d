//! Answers that need no endpoint: the server's health, and the static files of the document pages.

use crate::score;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use web::{Body, SwaggerAssets};

/// What stands at the root for a browser: no data, nothing that changes, nothing that tells what is here.
const ROOT: &str = "<!doctype html>
<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Portcullis</title></head><body>
<h1>Portcullis</h1>
<p>A server of models: training, registry, tracking, scoring endpoints and a gateway in front of them. There is no web console.</p>
<ul>
<li><a href=\"/health\">/health</a>: whether it is up</li>
<li>/endpoints/NAME/docs/ and /PATH-OF-AN-API/docs/: Swagger UI of an endpoint, of a published API; its documents need the key or the token unless they are public</li>
<li>/api/v1: the control plane; it needs a token. The command line asks for one by <code>portcullis token</code>; people log in by POST /api/v1/sessions</li>
<li>/api/2.0/mlflow: tracking and registry for MLflow's clients. A link of a client to a run or an experiment ends on this page: <code>portcullis job show RUN</code> shows the run</li>
</ul>
</body></html>
";
/// The same for programs.
const ROOT_TEXT: &str = "Portcullis, a server of models. /health tells whether it is up; endpoints answer under /endpoints/NAME, \
                         published APIs under their paths, the control plane under /api/v1 with a token, MLflow's clients under \
                         /api/2.0/mlflow.\n";

/// `GET /`: a page, or text for who does not ask for one.
pub(crate) fn root(headers: &HeaderMap) -> Response<Body> {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut response = if accept.contains("text/html") {
        text(StatusCode::OK, "text/html; charset=utf-8", Body::from(ROOT))
    } else {
        text(StatusCode::OK, "text/plain; charset=utf-8", Body::from(ROOT_TEXT))
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

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
