//! The answer to an inference call: the outputs asked for, as JSON or behind it as bytes.

use super::super::data::{LABEL, PROBABILITIES, VALUE};
use super::super::{Place, json};
use super::refused;
use super::wire::{Body, Output, text, truth};
use crate::answer::{self, Labels};
use crate::outcome::Outcome;
use crate::rows::refusal::clip;
use domain::Label;
use engines::Batch;
use http::StatusCode;
use serde_json::Value;

/// The outputs to write, in their order, and whether each goes as bytes.
pub struct Wanted {
    outputs: Vec<(&'static str, bool)>,
}

impl Wanted {
    /// What a request asks for; everything the model answers when it does not say.
    pub fn new(body: &Body<'_>, labels: usize) -> Result<Self, Box<Outcome>> {
        let own: &[&'static str] = if labels > 0 { &[LABEL, PROBABILITIES] } else { &[VALUE] };
        let binary = truth(body.parameters.as_ref(), "binary_data_output").unwrap_or(false);
        let asked = body.outputs.as_deref().unwrap_or_default();
        if asked.is_empty() {
            return Ok(Self { outputs: own.iter().map(|name| (*name, binary)).collect() });
        }
        let one = |output: &Output<'_>| -> Result<(&'static str, bool), Box<Outcome>> {
            let found = own.iter().find(|name| **name == output.name).ok_or_else(|| {
                let name = clip(&output.name);
                let outputs = own.join(", ");
                refused(&format!("the model has no output '{name}'; its outputs are {outputs}"), "output")
            })?;
            Ok((*found, truth(output.parameters.as_ref(), "binary_data").unwrap_or(binary)))
        };
        // An output is written once, however often it is asked for.
        let mut outputs: Vec<(&'static str, bool)> = Vec::new();
        for output in asked {
            let output = one(output)?;
            if !outputs.iter().any(|(name, _)| *name == output.0) {
                outputs.push(output);
            }
        }
        Ok(Self { outputs })
    }
}

/// Writes the answer.
pub fn answer(
    (labels, batch): (&Labels, &Batch),
    body: &Body<'_>,
    wanted: &Wanted,
    place: &Place<'_>,
) -> Outcome {
    let mut out = Vec::with_capacity(256);
    let mut tail = Vec::new();
    out.extend_from_slice(b"{\"model_name\":");
    quoted(&mut out, place.model);
    out.extend_from_slice(b",\"model_version\":");
    quoted(&mut out, &place.version.to_string());
    if let Some(id) = &body.id {
        out.extend_from_slice(b",\"id\":");
        quoted(&mut out, id);
    }
    if text(body.parameters.as_ref(), "content_type") == Some("pd") {
        out.extend_from_slice(b",\"parameters\":{\"content_type\":\"pd\"}");
    }
    out.extend_from_slice(b",\"outputs\":[");
    for (at, (name, binary)) in wanted.outputs.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        output(&mut out, &mut tail, (labels, batch), (name, *binary));
    }
    out.extend_from_slice(b"]}");
    if !wanted.outputs.iter().any(|(_, binary)| *binary) {
        return json(out);
    }
    let length = u32::try_from(out.len()).ok();
    out.extend_from_slice(&tail);
    let mut outcome = Outcome::new(StatusCode::OK, "application/octet-stream", out);
    outcome.extra.json_bytes = length;
    outcome
}

fn quoted(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(Value::from(text).to_string().as_bytes());
}

/// One output: its head, and its data here or as bytes behind the JSON.
fn output(
    out: &mut Vec<u8>,
    tail: &mut Vec<u8>,
    (labels, batch): (&Labels, &Batch),
    (name, binary): (&str, bool),
) {
    let rows = batch.rows();
    let datatype = match (name, labels.label(0)) {
        (LABEL, Some(Label::Text(_))) => "BYTES",
        (LABEL, Some(Label::Integer(_))) => "INT64",
        (LABEL, Some(Label::Boolean(_))) => "BOOL",
        _ => "FP32",
    };
    let shape = if name == PROBABILITIES { format!("{rows},{}", labels.len()) } else { rows.to_string() };
    out.extend_from_slice(
        format!("{{\"name\":\"{name}\",\"shape\":[{shape}],\"datatype\":\"{datatype}\"").as_bytes(),
    );
    let mut parameters = Vec::new();
    if datatype == "BYTES" {
        parameters.push("\"content_type\":\"str\"".to_owned());
    }
    let begun = tail.len();
    if binary {
        for row in 0..rows {
            bytes(tail, (labels, batch), name, row);
        }
        parameters.push(format!("\"binary_data_size\":{}", tail.len() - begun));
    }
    if !parameters.is_empty() {
        out.extend_from_slice(format!(",\"parameters\":{{{}}}", parameters.join(",")).as_bytes());
    }
    if !binary {
        out.extend_from_slice(b",\"data\":[");
        for row in 0..rows {
            if row > 0 {
                out.push(b',');
            }
            elements(out, (labels, batch), name, row);
        }
        out.push(b']');
    }
    out.push(b'}');
}

/// The elements of a row as JSON.
fn elements(out: &mut Vec<u8>, (labels, batch): (&Labels, &Batch), name: &str, row: usize) {
    if name != PROBABILITIES {
        return answer::prediction(out, labels, batch, row, false);
    }
    for (at, share) in batch.probabilities(row).iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        answer::number(out, *share);
    }
}

/// The elements of a row in little-endian bytes.
fn bytes(tail: &mut Vec<u8>, (labels, batch): (&Labels, &Batch), name: &str, row: usize) {
    if name == PROBABILITIES {
        return tail.extend(batch.probabilities(row).iter().flat_map(|share| share.to_le_bytes()));
    }
    match labels.label(batch.class(row)) {
        Some(Label::Text(text)) => {
            let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
            tail.extend_from_slice(&length.to_le_bytes());
            tail.extend_from_slice(text.as_bytes());
        }
        Some(Label::Integer(number)) => tail.extend_from_slice(&number.to_le_bytes()),
        Some(Label::Boolean(truth)) => tail.push(u8::from(*truth)),
        None => tail.extend_from_slice(&batch.value(row).to_le_bytes()),
    }
}
