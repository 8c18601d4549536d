//! An inference request as it comes over the wire, read into borrowed parts.

use super::refused;
use crate::outcome::Outcome;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What a request says beside its tensors: text, number or truth by name.
pub type Parameters<'a> = BTreeMap<Cow<'a, str>, Parameter<'a>>;

/// The value of a parameter.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Parameter<'a> {
    Truth(bool),
    Whole(i64),
    #[expect(dead_code, reason = "taken, and of no meaning here")]
    Decimal(f64),
    Text(#[serde(borrow)] Cow<'a, str>),
}

/// The JSON part of a request.
#[derive(Debug, Deserialize)]
pub struct Body<'a> {
    #[serde(borrow, default)]
    pub id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub parameters: Option<Parameters<'a>>,
    #[serde(borrow)]
    pub inputs: Vec<Tensor<'a>>,
    #[serde(borrow, default)]
    pub outputs: Option<Vec<Output<'a>>>,
}

/// One input.
#[derive(Debug, Deserialize)]
pub struct Tensor<'a> {
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    pub shape: Vec<u64>,
    #[serde(borrow)]
    pub datatype: Cow<'a, str>,
    #[serde(borrow, default)]
    pub parameters: Option<Parameters<'a>>,
    #[serde(borrow, default)]
    pub data: Option<&'a RawValue>,
}

/// One output that is asked for.
#[derive(Debug, Deserialize)]
pub struct Output<'a> {
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub parameters: Option<Parameters<'a>>,
}

/// Whether a parameter is there and true.
pub fn truth(parameters: Option<&Parameters<'_>>, name: &str) -> Option<bool> {
    match parameters?.get(name)? {
        Parameter::Truth(truth) => Some(*truth),
        _ => None,
    }
}

/// A parameter that is a length.
pub fn length(parameters: Option<&Parameters<'_>>, name: &str) -> Option<usize> {
    match parameters?.get(name)? {
        Parameter::Whole(number) => usize::try_from(*number).ok(),
        _ => None,
    }
}

/// A parameter that is text.
pub fn text<'p>(parameters: Option<&'p Parameters<'_>>, name: &str) -> Option<&'p str> {
    match parameters?.get(name)? {
        Parameter::Text(text) => Some(text),
        _ => None,
    }
}

/// Reads the JSON part of a request, nested no deeper than `depth`.
pub fn read(bytes: &[u8], depth: usize) -> Result<Body<'_>, Box<Outcome>> {
    if bytes.trim_ascii().is_empty() {
        return Err(refused("the body is empty; send an inference request as JSON", "empty body"));
    }
    if !within(bytes, depth) {
        let text = format!("the body is nested more than {depth} levels deep");
        return Err(refused(&text, "nested too deep"));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let what = if error.is_data() { "is no inference request" } else { "could not be decoded as JSON" };
        refused(&format!("the body {what}: {error}"), "not JSON")
    })
}

/// Whether JSON is nested at most so deep. Passing over values is done without a stack, so this bounds no memory, only what is
/// taken for a request.
fn within(bytes: &[u8], depth: usize) -> bool {
    let (mut level, mut text, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = text,
            b'"' => text = !text,
            b'[' | b'{' if !text => level += 1,
            b']' | b'}' if !text => level = level.saturating_sub(1),
            _ => {}
        }
        if level > depth {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_of_text() {
        assert!(within(br#"{"a[[[[\"[[":[1]}"#, 2));
        assert!(!within(b"[[[1]]]", 2));
    }
}
