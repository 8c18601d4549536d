//! The signature stored in the model file.

use crate::Kind;
use crate::dataset::{Dataset, Feature, Shape};
use serde_json::{Value, json};

/// Categories listed at most.
const MAX_LISTED: usize = 100;

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
    let mut input = json!({ "name": feature.name, "required": true, "example": feature.example });
    match &feature.shape {
        Shape::Number | Shape::Moment { .. } | Shape::Text(_) | Shape::Term { .. } => {
            input["type"] = feature.kind.name().into()
        }
        Shape::Category(coding) => {
            input["type"] = Kind::Category.name().into();
            let listed = coding.seen.iter().take(MAX_LISTED).cloned();
            input["categories"] = listed.collect();
        }
    }
    input
}
