//! Errors in the form of each protocol. Inside, every error is a problem; here it gets the members its clients look for.

use super::Operation;
use crate::outcome::{JSON, Outcome, PROBLEM};
use http::StatusCode;
use serde::{Deserialize, Serialize};

/// The body of an error of Open Inference.
#[derive(Serialize)]
struct Inference<'a> {
    error: &'a str,
}

/// The body of an error of MLflow.
#[derive(Serialize)]
struct Mlflow<'a> {
    error_code: &'a str,
    message: &'a str,
}

/// What is taken over of a problem.
#[derive(Deserialize)]
struct Message {
    message: String,
}

/// An outcome in the form of its protocol: a problem becomes `{"error"}` or `{"error_code", "message"}`, the rest stays.
pub fn dressed(operation: Operation, outcome: Outcome) -> Outcome {
    if outcome.content_type != PROBLEM {
        return outcome;
    }
    let Ok(Message { message }) = serde_json::from_slice(&outcome.body) else { return outcome };
    let body = if operation.is_inference() {
        serde_json::to_vec(&Inference { error: &message })
    } else {
        let error_code = code(outcome.status);
        serde_json::to_vec(&Mlflow { error_code, message: &message })
    };
    Outcome { content_type: JSON, body: body.unwrap_or_default().into(), ..outcome }
}

/// MLflow's word for a status.
fn code(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "RESOURCE_DOES_NOT_EXIST",
        429 => "REQUEST_LIMIT_EXCEEDED",
        503 => "TEMPORARILY_UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        500.. => "INTERNAL_ERROR",
        _ => "BAD_REQUEST",
    }
}

/// 404 for a model or version that is not there.
pub fn no_such_model(model: &str, version: Option<&str>) -> Outcome {
    let text = match version {
        Some(version) => format!("the model '{}' has no version '{}' here", clip(model), clip(version)),
        None => format!("there is no model '{}' here", clip(model)),
    };
    let outcome = Outcome::problem(StatusCode::NOT_FOUND, &text, "no such model");
    dressed(Operation::Model, outcome)
}

fn clip(text: &str) -> &str {
    crate::rows::refusal::clip(text)
}
