//! One call: method and path to the right reading, the model, the answer.

use crate::answer;
use crate::body::{self, Ask, Request};
use crate::config::Limits;
use crate::media::{Media, media};
use crate::outcome::{JSON, Outcome, TEXT};
use crate::rows::refusal::{Refusal, Wrong};
use crate::rows::{Reader, Target};
use crate::servable::{Scratch, Servable, Work};
use crate::{cors, explain, predict, query};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use std::time::Instant;

/// What a caller sent to an endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path after the endpoint's own: `score`, `predict`, or nothing for the health answer.
    pub tail: &'a str,
    /// The query without its question mark.
    pub query: Option<&'a str>,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
}

/// Answers a call. Never fails: what is wrong is an answer too.
pub fn score(servable: &Servable, limits: &Limits, call: &Call<'_>, scratch: &mut Scratch) -> Outcome {
    let mut outcome = match call.tail {
        "" | "/" => health(limits, call.method),
        "score" => match *call.method {
            Method::POST | Method::GET => scored(servable, limits, call, scratch),
            Method::OPTIONS => options("GET, POST, OPTIONS"),
            _ => Outcome::not_allowed("GET, POST, OPTIONS"),
        },
        "predict" => match *call.method {
            Method::POST => scored(servable, limits, call, scratch),
            Method::OPTIONS => options("POST, OPTIONS"),
            _ => Outcome::not_allowed("POST, OPTIONS"),
        },
        _ => {
            let message =
                "nothing answers here; an endpoint has score, predict, swagger.json, openapi.json and docs";
            Outcome::problem(StatusCode::NOT_FOUND, message, "no such path")
        }
    };
    cors::allow(limits, call.headers, &mut outcome.extra);
    outcome
}

/// The health answer (contract IS-01); needs no model.
pub fn health(limits: &Limits, method: &Method) -> Outcome {
    let mut outcome = match *method {
        Method::GET | Method::HEAD => Outcome::new(StatusCode::OK, TEXT, limits.healthy.clone()),
        Method::OPTIONS => options("GET, HEAD, OPTIONS"),
        _ => Outcome::not_allowed("GET, HEAD, OPTIONS"),
    };
    outcome.extra.failed = None;
    outcome
}

/// The answer to OPTIONS: empty; the CORS headers come when CORS is on.
pub fn options(allow: &'static str) -> Outcome {
    let mut outcome = Outcome::new(StatusCode::OK, TEXT, Bytes::new());
    outcome.extra.allow = Some(allow);
    outcome.extra.preflight = true;
    outcome
}

fn scored(servable: &Servable, limits: &Limits, call: &Call<'_>, scratch: &mut Scratch) -> Outcome {
    let media = if *call.method == Method::GET { Media::Json } else { media(call.headers) };
    if media == Media::Refused {
        return unsupported();
    }
    let mut work = scratch.take(servable);
    let mut outcome = run(servable, limits, call, &mut work);
    scratch.put(servable, work);
    if media == Media::Lenient && outcome.reason.ends_with("not JSON") {
        outcome = unsupported();
    }
    outcome
}

fn unsupported() -> Outcome {
    let message = "Expects Content-Type to be application/json";
    Outcome::problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, message, "content type")
}

/// What is left of reading: the request, and how many cells held an unknown category.
type Read = Result<(Option<Request>, u32), Box<Outcome>>;

/// Reads, predicts, writes.
fn run(servable: &Servable, limits: &Limits, call: &Call<'_>, work: &mut Work) -> Outcome {
    let start = Instant::now();
    let explained = match explain::asked(servable, call.query) {
        Ok(explained) => explained,
        Err(refused) => return *refused,
    };
    let read = if call.tail == "predict" {
        read_flat(servable, limits, call.body, work)
    } else {
        read_rows(servable, limits, call, work)
    };
    let read_at = Instant::now();
    let (request, unknown) = match read {
        Ok(read) => read,
        Err(mut refused) => {
            refused.read_us = micros(start, read_at);
            return *refused;
        }
    };
    if let Err(error) = servable.model().predict(&mut work.batch) {
        // What the request brought was checked: this is a fault of the model.
        let message = "An unexpected error occurred in the model. Check the logs for more info.";
        return Outcome::problem(StatusCode::INTERNAL_SERVER_ERROR, message, error.to_string());
    }
    let model_us = micros(read_at, Instant::now());
    match (request, explained) {
        (Some(request), None) => answer::write(&mut work.out, &servable.labels, &work.batch, request),
        (None, None) => answer::write_flat(&mut work.out, &servable.labels, &work.batch),
        (request, Some(explainer)) => {
            if let Err(refused) = explain::write(servable, explainer, work, request) {
                return *refused;
            }
        }
    }
    let mut outcome = Outcome::new(StatusCode::OK, JSON, Bytes::copy_from_slice(&work.out));
    outcome.extra.exec_us = Some(model_us);
    outcome.rows = u32::try_from(work.batch.rows()).unwrap_or(u32::MAX);
    outcome.unknown = unknown;
    outcome.read_us = micros(start, read_at);
    outcome.model_us = model_us;
    outcome
}

fn read_rows(servable: &Servable, limits: &Limits, call: &Call<'_>, work: &mut Work) -> Read {
    let mut reader = Reader::new(target(servable, work), limits, false);
    let request = if *call.method == Method::GET {
        query::read(&mut reader, call.query.unwrap_or_default())
    } else {
        body::read(&mut reader, call.body)
    };
    let request = request.map_err(|refusal| Box::new(refused(&refusal)))?;
    if request.ask == Ask::Probabilities && servable.labels.len() == 0 {
        return Err(Box::new(refused(&reader.place(Wrong::NoClasses))));
    }
    Ok((Some(request), reader.unknown))
}

fn read_flat(servable: &Servable, limits: &Limits, body: &[u8], work: &mut Work) -> Read {
    let mut reader = Reader::new(target(servable, work), limits, true);
    match body::read_flat(&mut reader, body) {
        Ok(()) => Ok((None, reader.unknown)),
        Err(first) if reader.refusals.is_empty() => Err(Box::new(predict::refused(&[first]))),
        Err(_) => Err(Box::new(predict::refused(&reader.refusals))),
    }
}

fn target<'a>(servable: &'a Servable, work: &'a mut Work) -> Target<'a> {
    Target { plan: &servable.plan, model: servable.model(), batch: &mut work.batch, memory: &mut work.memory }
}

/// The first fault as an answer.
fn refused(refusal: &Refusal) -> Outcome {
    Outcome::problem(refusal.wrong.status(), &refusal.to_string(), predict::reason(refusal))
}

pub(crate) fn micros(from: Instant, to: Instant) -> u32 {
    u32::try_from(to.duration_since(from).as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
