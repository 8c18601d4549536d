//! `v2/models/{m}/infer`: tensors in, tensors out, as JSON or with the binary tensor extension.

mod tensors;
mod wire;
mod write;

use super::{Place, Scoring};
use crate::outcome::{JSON_BYTES, Outcome};
use crate::rows::Reader;
use crate::rows::refusal::Refusal;
use crate::score::Call;
use http::StatusCode;
use std::borrow::Cow;
use wire::Body;
use write::Wanted;

/// Answers an inference call.
pub fn infer(scoring: Scoring<'_>, call: &Call<'_>, place: &Place<'_>) -> Outcome {
    let (depth, labels) = (scoring.limits.depth, scoring.servable.labels.len());
    let (head, rest) = match split(call) {
        Ok(parts) => parts,
        Err(refused) => return *refused,
    };
    let body = match wire::read(head, depth) {
        Ok(body) => body,
        Err(refused) => return *refused,
    };
    let wanted = match Wanted::new(&body, labels) {
        Ok(wanted) => wanted,
        Err(refused) => return *refused,
    };
    scoring.run(
        |reader| fill(reader, &body, rest),
        |labels, batch, ()| write::answer((labels, batch), &body, &wanted, place),
    )
}

/// The JSON part of a body, and the binary tensors behind it.
fn split<'a>(call: &Call<'a>) -> Result<(&'a [u8], &'a [u8]), Box<Outcome>> {
    let Some(length) = call.headers.get(&JSON_BYTES) else { return Ok((call.body, b"")) };
    let length: Option<usize> =
        length.to_str().ok().filter(|l| l.bytes().all(|c| c.is_ascii_digit())).and_then(|l| l.parse().ok());
    length.and_then(|length| call.body.split_at_checked(length)).ok_or_else(|| {
        let text = "the header Inference-Header-Content-Length is no length of the body's JSON part";
        refused(text, "header length")
    })
}

fn fill(reader: &mut Reader<'_>, body: &Body<'_>, rest: &[u8]) -> Result<(), Box<Outcome>> {
    let tensors = tensors::open(body, rest)?;
    tensors::fill(reader, &tensors)
}

/// A request that does not fit the protocol.
fn refused(text: &str, reason: impl Into<Cow<'static, str>>) -> Box<Outcome> {
    Box::new(Outcome::problem(StatusCode::BAD_REQUEST, text, reason))
}

/// A fault in a row. Too much is 413; everything else is 400 here.
fn refusal(refusal: &Refusal) -> Box<Outcome> {
    let status = match refusal.wrong.status() {
        StatusCode::PAYLOAD_TOO_LARGE => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    };
    Box::new(Outcome::problem(status, &refusal.to_string(), crate::predict::reason(refusal)))
}
