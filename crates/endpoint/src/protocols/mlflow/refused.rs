//! What is said of input that does not fit, in the words of MLflow with the place besides.

use crate::outcome::Outcome;
use crate::rows::refusal::{Expected, Refusal, Wrong};
use http::StatusCode;

/// What the JSON must be.
const REQUIRED: &str = "The input must be a JSON dictionary with exactly one of the input fields {'dataframe_split', 'dataframe_records', 'instances', 'inputs'}";

/// A fault in a row or in the body; 413 for too much, else 400.
pub fn refused(refusal: &Refusal) -> Box<Outcome> {
    let status = match refusal.wrong.status() {
        StatusCode::PAYLOAD_TOO_LARGE => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    };
    Box::new(Outcome::problem(status, &message(refusal), crate::predict::reason(refusal)))
}

/// The same from a text of our own.
pub fn wrong(text: &str, reason: &'static str) -> Box<Outcome> {
    Box::new(Outcome::problem(StatusCode::BAD_REQUEST, text, reason))
}

fn message(refusal: &Refusal) -> String {
    let column = refusal.field.as_deref().unwrap_or_default();
    match &refusal.wrong {
        Wrong::Missing => {
            format!("Failed to enforce schema of data. Error: Model is missing inputs ['{column}'].")
        }
        Wrong::Value { expected: Expected::Name, .. } => format!("Invalid input. {refusal}"),
        Wrong::Value { expected, .. } => format!(
            "Failed to enforce schema of data. Error: Incompatible input types for column {column}. Can not safely convert to {}: {refusal}",
            kind(*expected)
        ),
        Wrong::NotObject(found) => format!("Invalid input. {REQUIRED}. Received {found}."),
        Wrong::NoRows => format!("Invalid input. {REQUIRED}. None of them was received."),
        Wrong::TwoForms => format!("Invalid input. {REQUIRED}. Several of them were received."),
        Wrong::Syntax(_) | Wrong::NotFinite | Wrong::Empty => {
            format!("Ensure that input is a valid JSON formatted string. Error: '{refusal}'")
        }
        _ => format!("Invalid input. {refusal}"),
    }
}

/// MLflow's word for a column's type.
fn kind(expected: Expected) -> &'static str {
    match expected {
        Expected::Number | Expected::Range | Expected::Holds => "double",
        Expected::Integer => "long",
        Expected::Boolean => "boolean",
        Expected::Time => "datetime",
        Expected::Text | Expected::Name | Expected::NoZero => "string",
    }
}
