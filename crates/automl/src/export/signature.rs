//! The signature stored in the model file.

use crate::Kind;
use crate::dataset::{Dataset, Feature, Shape};
use serde_json::{Value, json};

/// Categories listed at most, and characters of one, and of an example: they are there for people to read.
const MAX_LISTED: usize = 100;
const MAX_LENGTH: usize = 200;

/// Inputs and output as the rest of the house reads them: name, type, required, categories, example; the target's
/// name, task and classes in their original type.
pub(crate) fn signature(data: &Dataset) -> Value {
    let mut output = json!({ "name": data.target.name, "task": data.target.task });
    if let Some(classes) = &data.target.classes {
        output["classes"] = Value::Array(classes.json());
    }
    json!({ "inputs": data.features.iter().filter(|f| f.is_input()).map(input).collect::<Vec<_>>(), "output": output })
}

fn input(feature: &Feature) -> Value {
    let mut input = json!({ "name": feature.name, "required": true, "example": shortened(&feature.example) });
    match &feature.shape {
        Shape::Number | Shape::Moment { .. } | Shape::Text(_) | Shape::Term { .. } => {
            input["type"] = feature.kind.name().into()
        }
        Shape::Category(coding) => {
            input["type"] = Kind::Category.name().into();
            let short = coding.seen.iter().filter(|text| text.chars().nth(MAX_LENGTH).is_none());
            let listed = short.take(MAX_LISTED).cloned();
            input["categories"] = listed.collect();
        }
    }
    input
}

fn shortened(example: &Value) -> Value {
    match example {
        Value::String(text) => text.chars().take(MAX_LENGTH).collect::<String>().into(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_short() {
        assert_eq!(shortened(&json!("é".repeat(5_000))), json!("é".repeat(MAX_LENGTH)));
        assert_eq!([shortened(&json!("ab")), shortened(&json!(7.5))], [json!("ab"), json!(7.5)]);
    }
}
