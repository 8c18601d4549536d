//! The paths that workers answer: `score`, those of the other protocols that score, and the documents.

use super::pool::{Ask, Pool};
use crate::config::Limits;
use crate::cors;
use crate::docs::UnknownVersion;
use crate::outcome::{JSON, JSON_BYTES, Outcome};
use crate::protocols::{Operation, Place, Route, dressed};
use crate::score::{Call, health, options};
use http::{Method, StatusCode};

/// Who answers a call, and as what.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The workers.
    pub pool: &'a Pool,
    /// What answers call the model.
    pub place: Place<'a>,
    /// Whether the answer is kept in the deployment's log.
    pub keep_answer: bool,
}

/// Answers a call by the deployment's workers; `id` is the call's `x-request-id`. Never fails: what is wrong is an answer too.
pub async fn score(asked: Asked<'_>, limits: &Limits, call: &Call<'_>, id: &str) -> Outcome {
    let route = if Route::may_be(call.tail) { Route::of(call.tail) } else { None };
    let mut outcome = match (call.tail, call.method) {
        ("" | "/", method) => health(limits, method),
        ("score", &Method::POST | &Method::GET) => ask(asked, call, ("/score", None), id).await,
        ("score", &Method::OPTIONS) => options("GET, POST, OPTIONS"),
        ("score", _) => Outcome::not_allowed("GET, POST, OPTIONS"),
        _ => match route.filter(|route| route.operation.scores()) {
            Some(route) => protocol(asked, call, route.operation, id).await,
            None => {
                let message = "nothing answers here: this deployment runs Python, which has score, invocations, v2, swagger.json, openapi.json and docs";
                Outcome::problem(StatusCode::NOT_FOUND, message, "no such path")
            }
        },
    };
    cors::allow(limits, call.headers, &mut outcome.extra);
    match route {
        Some(route) => dressed(route.operation, outcome),
        None => outcome,
    }
}

/// A scoring call of another protocol.
async fn protocol(asked: Asked<'_>, call: &Call<'_>, operation: Operation, id: &str) -> Outcome {
    match *call.method {
        Method::POST => {}
        Method::OPTIONS => return options(operation.allow()),
        _ => return Outcome::not_allowed(operation.allow()),
    }
    let path = match operation {
        Operation::Infer => "/v2/infer",
        Operation::V1Predict => "/v1/predict",
        _ => return ask(asked, call, ("/invocations", None), id).await,
    };
    let Some(said) = call.headers.get(&JSON_BYTES).filter(|_| operation == Operation::Infer) else {
        return ask(asked, call, (path, None), id).await;
    };
    let digits = said.to_str().ok().filter(|text| text.bytes().all(|c| c.is_ascii_digit()));
    match digits.and_then(|text| text.parse().ok()).filter(|length| *length <= call.body.len() as u64) {
        Some(length) => ask(asked, call, (path, Some(length)), id).await,
        None => {
            let text = "the header Inference-Header-Content-Length is no length of the body's JSON part";
            Outcome::problem(StatusCode::BAD_REQUEST, text, "header length")
        }
    }
}

async fn ask(
    asked: Asked<'_>,
    call: &Call<'_>,
    (path, json_bytes): (&'static str, Option<u64>),
    id: &str,
) -> Outcome {
    let Call { method, query, headers, body, .. } = *call;
    let Asked { pool, place, keep_answer } = asked;
    let version = place.version.to_string();
    let model = (place.model, version.as_str());
    pool.call(&Ask { id, method, path, query, headers, body, model, json_bytes, keep_answer }).await
}

/// Answers `swagger.json` (with its `version` parameter) and `openapi.json` (contract SW-01); nothing for other paths.
/// Its scheme is that of `base_url`: the worker does not know by which the server is reached.
pub fn document(pool: &Pool, base_url: &str, (tail, query): (&str, Option<&str>)) -> Option<Outcome> {
    let version = match tail {
        "openapi.json" => "3.1".to_owned(),
        "swagger.json" => crate::docs::version(query.unwrap_or_default()).into_owned(),
        _ => return None,
    };
    let known = match version.as_str() {
        "2" | "2.0" => "2",
        "3" | "3.0" => "3",
        "3.1" => "3.1",
        other => {
            let unknown = UnknownVersion(other.chars().take(60).collect());
            return Some(Outcome::problem(StatusCode::NOT_FOUND, &unknown.to_string(), "swagger version"));
        }
    };
    if pool.shared.ready.get().is_none() {
        return Some(super::answer::refused(&super::answer::Refused::Starting));
    }
    Some(match pool.swagger(known) {
        Some(mut document) => {
            if document["schemes"] == serde_json::json!(["https"]) && base_url.starts_with("http://") {
                document["schemes"] = serde_json::json!(["http"]);
            }
            Outcome::new(StatusCode::OK, JSON, serde_json::to_vec(&document).unwrap_or_default())
        }
        None => {
            let message = format!(
                "the script has no document of version {known}: its samples cannot be written in it, or it has none"
            );
            Outcome::problem(StatusCode::NOT_FOUND, &message, "no such document")
        }
    })
}
