//! The MLflow scoring server's `/invocations` (contract C): JSON in four forms and CSV in, `{"predictions": …}` out.
//! SageMaker containers speak the same. The V1 form of Open Inference is its `instances` alone.

mod csv;
mod json;
mod refused;

use super::Scoring;
use crate::answer;
use crate::outcome::Outcome;
use crate::rows::Reader;
use crate::score::Call;
use engines::Batch;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};

/// The content types that are read.
const TYPES: [&str; 2] = ["text/csv", "application/json"];

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Csv,
    Json,
}

/// Answers `POST invocations`.
pub fn invocations(scoring: Scoring<'_>, call: &Call<'_>) -> Outcome {
    let kind = match kind(call.headers) {
        Ok(kind) => kind,
        Err(refused) => return *refused,
    };
    let body = call.body;
    let read = |reader: &mut Reader<'_>| {
        reader.strict = kind != Kind::Csv;
        match kind {
            Kind::Json => json::read(reader, body, false),
            Kind::Csv => csv::read(reader, body),
        }
    };
    scoring.run(read, |labels, batch, ()| predictions(labels, batch))
}

/// Answers `POST v1/models/{m}:predict`.
pub fn instances(scoring: Scoring<'_>, call: &Call<'_>) -> Outcome {
    let body = call.body;
    scoring.run(|reader| json::read(reader, body, true), |labels, batch, ()| predictions(labels, batch))
}

/// The content type, which must be said: there are two to choose from.
fn kind(headers: &HeaderMap) -> Result<Kind, Box<Outcome>> {
    let said = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    let text = said.unwrap_or("None");
    let (kind, parameters) = text.split_once(';').unwrap_or((text, ""));
    let kind = kind.trim().to_ascii_lowercase();
    let found = match TYPES.iter().position(|known| *known == kind) {
        Some(0) => Kind::Csv,
        Some(_) => Kind::Json,
        None => {
            return Err(unsupported(&format!(
                "This predictor only supports the following content types: Types: ['{}']. Got '{}'.",
                TYPES.join("', '"),
                crate::rows::refusal::clip(text)
            )));
        }
    };
    let odd = parameters
        .split(';')
        .map(str::trim)
        .find(|parameter| !parameter.is_empty() && !parameter.eq_ignore_ascii_case("charset=utf-8"));
    match odd {
        None => Ok(found),
        Some(odd) => Err(unsupported(&format!(
            "Unrecognized content type parameters: {}. Only 'charset=utf-8' is taken.",
            crate::rows::refusal::clip(odd)
        ))),
    }
}

/// 415 as plain text.
fn unsupported(text: &str) -> Box<Outcome> {
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let mut outcome = Outcome::new(status, "text/plain; charset=utf-8", text.to_owned());
    outcome.reason = "content type".into();
    Box::new(outcome)
}

/// One prediction a row; a number that is none is null.
fn predictions(labels: &answer::Labels, batch: &Batch) -> Outcome {
    let mut out = Vec::with_capacity(32);
    out.extend_from_slice(b"{\"predictions\": [");
    for row in 0..batch.rows() {
        if row > 0 {
            out.extend_from_slice(b", ");
        }
        answer::prediction(&mut out, labels, batch, row, false);
    }
    out.extend_from_slice(b"]}");
    super::json(out)
}
