//! Errors of `/predict` in the form its clients know (contract S2-03): `detail` is a list with a place and a type each.

use crate::outcome::{Outcome, title};
use crate::rows::refusal::{Expected, Refusal, Wrong};
use http::StatusCode;
use serde::Serialize;

/// All faults of a call as one answer; 422 but for limits.
pub fn refused(refusals: &[Refusal]) -> Outcome {
    let status = match refusals.first().map(|r| r.wrong.status()) {
        Some(StatusCode::PAYLOAD_TOO_LARGE) => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    // A flat object is one row: its number says nothing.
    let plain = |refusal: &Refusal| Refusal { row: None, ..refusal.clone() };
    let message: Vec<String> = refusals.iter().map(|r| plain(r).to_string()).collect();
    let body = Body {
        kind: "about:blank",
        title: title(status),
        status: status.as_u16(),
        detail: refusals.iter().map(Detail::new).collect(),
        message: message.join("; "),
    };
    let reason = refusals.first().map_or_else(String::new, reason);
    Outcome::failed(status, &body, reason)
}

/// The place of a fault and its kind, for the log.
pub fn reason(refusal: &Refusal) -> String {
    let kind = refusal.wrong.reason();
    match (refusal.row, &refusal.field) {
        (Some(row), Some(field)) => format!("row {row}, field '{field}': {kind}"),
        (Some(row), None) => format!("row {row}: {kind}"),
        (None, Some(field)) => format!("field '{field}': {kind}"),
        (None, None) => kind.to_owned(),
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: Vec<Detail<'a>>,
    message: String,
}

#[derive(Serialize)]
struct Detail<'a> {
    loc: Vec<&'a str>,
    msg: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

impl<'a> Detail<'a> {
    fn new(refusal: &'a Refusal) -> Self {
        let mut loc = vec!["body"];
        loc.extend(refusal.field.as_deref());
        let (msg, kind) = words(&refusal.wrong);
        let msg = msg.map_or_else(|| refusal.wrong.to_string(), str::to_owned);
        Self { loc, msg, kind }
    }
}

/// Message and type as the validator that clients know gives them; without a message of its own, ours.
const fn words(wrong: &Wrong) -> (Option<&'static str>, &'static str) {
    match wrong {
        Wrong::Missing | Wrong::Empty => (Some("field required"), "value_error.missing"),
        Wrong::NotObject(_) => (Some("value is not a valid dict"), "type_error.dict"),
        Wrong::Syntax(_) | Wrong::NotFinite => (None, "value_error.jsondecode"),
        Wrong::Value { expected, .. } => match expected {
            Expected::Number => (Some("value is not a valid float"), "type_error.float"),
            Expected::Integer => (Some("value is not a valid integer"), "type_error.integer"),
            Expected::Boolean => (Some("value could not be parsed to a boolean"), "type_error.bool"),
            Expected::Time => (Some("invalid datetime format"), "value_error.datetime"),
            Expected::Text | Expected::Name | Expected::NoZero => {
                (Some("str type expected"), "type_error.str")
            }
            Expected::Range => (None, "value_error.number.not_finite"),
            Expected::Holds => (None, "value_error.number.not_held"),
        },
        _ => (None, "value_error"),
    }
}
