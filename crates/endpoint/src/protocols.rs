//! Other protocols over the same deployments: Open Inference v2 (and the V1 form before it), and the MLflow and SageMaker
//! scoring servers. Pure functions like [`crate::score`]: paths below an endpoint in, outcomes out.

mod data;
mod describe;
mod infer;
mod mlflow;
mod route;
mod words;

pub use describe::{About, Facts, Running, Totals, describe, index, live, pong, server};
pub use route::{Operation, Route};
pub use words::{dressed, no_such_model};

use crate::answer::Labels;
use crate::config::Limits;
use crate::outcome::{JSON, Outcome};
use crate::rows::{Reader, Target};
use crate::score::Call;
use crate::servable::{Scratch, Servable, Work};
use crate::{cors, score};
use bytes::Bytes;
use engines::Batch;
use http::{Method, StatusCode};
use std::time::Instant;

/// Where a call is answered: what Open Inference answers repeat.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The endpoint's name, which is the model's name in these protocols.
    pub model: &'a str,
    /// The model's version.
    pub version: u32,
}

/// Answers a scoring call of these protocols: `v2/…/infer`, `v1/…:predict`, `invocations`. Never fails.
pub fn evaluate(
    servable: &Servable,
    limits: &Limits,
    (call, place): (&Call<'_>, &Place<'_>),
    scratch: &mut Scratch,
) -> Outcome {
    let Some(route) = Route::of(call.tail) else {
        return Outcome::problem(StatusCode::NOT_FOUND, "there is nothing at this path", "no such path");
    };
    let mut outcome = match *call.method {
        Method::POST => {
            let mut work = scratch.take(servable);
            let scoring = Scoring { servable, limits, work: &mut work };
            let outcome = match route.operation {
                Operation::Infer => infer::infer(scoring, call, place),
                Operation::Invocations => mlflow::invocations(scoring, call),
                Operation::V1Predict => mlflow::instances(scoring, call),
                _ => Outcome::not_allowed(route.operation.allow()),
            };
            scratch.put(servable, work);
            outcome
        }
        Method::OPTIONS => score::options(route.operation.allow()),
        _ => Outcome::not_allowed(route.operation.allow()),
    };
    cors::allow(limits, call.headers, &mut outcome.extra);
    dressed(route.operation, outcome)
}

/// What a scoring call works with.
struct Scoring<'a> {
    servable: &'a Servable,
    limits: &'a Limits,
    work: &'a mut Work,
}

impl Scoring<'_> {
    /// Reads, predicts, writes; `read` fills the batch and `write` turns it into the answer's bytes.
    fn run<T>(
        self,
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, Box<Outcome>>,
        write: impl FnOnce(&Labels, &Batch, T) -> Outcome,
    ) -> Outcome {
        let Scoring { servable, limits, work } = self;
        let start = Instant::now();
        let target = Target {
            plan: &servable.plan,
            model: servable.model(),
            batch: &mut work.batch,
            memory: &mut work.memory,
        };
        let mut reader = Reader::new(target, limits, false);
        let read = read(&mut reader);
        let unknown = reader.unknown;
        let read_us = score::micros(start, Instant::now());
        let asked = match read {
            Ok(asked) => asked,
            Err(mut refused) => {
                refused.read_us = read_us;
                return *refused;
            }
        };
        let begun = Instant::now();
        if let Err(error) = servable.model().predict(&mut work.batch) {
            // What the request brought was checked: this is a fault of the model.
            let message = "An unexpected error occurred in the model. Check the logs for more info.";
            return Outcome::problem(StatusCode::INTERNAL_SERVER_ERROR, message, error.to_string());
        }
        let model_us = score::micros(begun, Instant::now());
        let mut outcome = write(&servable.labels, &work.batch, asked);
        outcome.extra.exec_us = Some(model_us);
        outcome.rows = u32::try_from(work.batch.rows()).unwrap_or(u32::MAX);
        (outcome.unknown, outcome.read_us, outcome.model_us) = (unknown, read_us, model_us);
        outcome
    }
}

/// An answer of JSON.
fn json(body: impl Into<Bytes>) -> Outcome {
    Outcome::new(StatusCode::OK, JSON, body)
}

#[cfg(test)]
mod tests;
