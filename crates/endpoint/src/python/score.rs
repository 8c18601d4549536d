//! The paths that workers answer: `score`, MLflow's `invocations`, and the documents.

use super::pool::{Ask, Pool};
use crate::config::Limits;
use crate::cors;
use crate::docs::UnknownVersion;
use crate::outcome::{JSON, Outcome};
use crate::score::{Call, health, options};
use http::{Method, StatusCode};

/// Answers a call by the deployment's workers; `id` is the call's `x-request-id`. Never fails: what is wrong is an answer too.
pub async fn score(
    (pool, keep_answer): (&Pool, bool),
    limits: &Limits,
    call: &Call<'_>,
    id: &str,
) -> Outcome {
    let mut outcome = match (call.tail, call.method) {
        ("" | "/", method) => health(limits, method),
        ("score", &Method::POST | &Method::GET) | ("invocations", &Method::POST) => {
            let Call { method, query, headers, body, .. } = *call;
            let path = if call.tail == "score" { "/score" } else { "/invocations" };
            pool.call(&Ask { id, method, path, query, headers, body, keep_answer }).await
        }
        ("score", &Method::OPTIONS) => options("GET, POST, OPTIONS"),
        ("score", _) => Outcome::not_allowed("GET, POST, OPTIONS"),
        _ => {
            let message = "nothing answers here: this deployment runs a script, which has score, invocations, swagger.json, openapi.json and docs";
            Outcome::problem(StatusCode::NOT_FOUND, message, "no such path")
        }
    };
    cors::allow(limits, call.headers, &mut outcome.extra);
    outcome
}

/// Answers `swagger.json` (with its `version` parameter) and `openapi.json` (contract SW-01); nothing for other paths.
pub fn document(pool: &Pool, tail: &str, query: Option<&str>) -> Option<Outcome> {
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
        Some(document) => {
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
