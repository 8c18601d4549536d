//! The signature of an ONNX model: what was written into it at birth, or what its inputs and outputs tell.

use crate::error::{Error, Result};
use domain::{ColumnType, Feature, Label, Signature, Target, Task};
use engines::Facts;
use onnx::{Labels, Output, Slot, SlotKind};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The metadata member of our models that holds their signature as JSON.
pub const METADATA_KEY: &str = "portcullis.signature";
/// What the answer of a foreign model is called.
const ANSWER: &str = "prediction";

/// The signature of a model: from its metadata when that fits, else derived from its slots and output.
pub fn from_model<'a>(model: impl Into<Facts<'a>>) -> Signature {
    let model = model.into();
    let written = model.metadata.get(METADATA_KEY).and_then(|text| serde_json::from_str(text).ok());
    written.filter(|signature| check(signature, model).is_ok()).unwrap_or_else(|| derived(model))
}

/// Whether a signature can stand for a model: as many classes as the model answers, and its features are the model's slots.
pub fn check<'a>(signature: &Signature, model: impl Into<Facts<'a>>) -> Result<()> {
    let model = model.into();
    let wrong = |why: String| Err(Error::Signature(why));
    let mut names = BTreeSet::new();
    for feature in &signature.inputs {
        if !names.insert(feature.name.as_str()) {
            return wrong(format!("the input '{}' stands twice", feature.name));
        }
    }
    let wanted: BTreeSet<String> = model.slots.iter().flat_map(names_of).collect();
    if let Some(missing) = wanted.iter().find(|name| !names.contains(name.as_str())) {
        return wrong(format!("the model's input '{missing}' is not in it"));
    }
    if let Some(extra) = names.iter().find(|name| !wanted.contains(**name)) {
        return wrong(format!("the model has no input '{extra}'"));
    }
    let classes = match model.output {
        Output::Classes(labels) => count(labels),
        Output::Value => 0,
    };
    let (task, named) = (signature.output.task, signature.output.classes.len());
    if (task == Task::Regression) == (classes == 0) && named == classes {
        Ok(())
    } else {
        wrong(format!("it is {task} with {named} classes, the model answers {classes}"))
    }
}

/// One feature a column of every slot; a slot of several columns gives `name_0`, `name_1`, ….
fn derived(model: Facts<'_>) -> Signature {
    let inputs = model
        .slots
        .iter()
        .flat_map(|slot| names_of(slot).into_iter().map(|name| feature(name, slot)))
        .collect();
    let classes = match model.output {
        Output::Classes(labels) => to_labels(labels),
        Output::Value => Vec::new(),
    };
    let task = match (model.output, classes.len()) {
        (Output::Value, _) => Task::Regression,
        (Output::Classes(_), 0..=2) => Task::Binary,
        (Output::Classes(_), _) => Task::Multiclass,
    };
    Signature { inputs, output: Target { name: ANSWER.to_owned(), task, classes } }
}

/// The feature names of a slot in the order of its columns.
pub fn names_of(slot: &Slot) -> Vec<String> {
    if slot.width == 1 {
        return vec![slot.name.clone()];
    }
    (0..slot.width).map(|at| format!("{}_{at}", slot.name)).collect()
}

fn feature(name: String, slot: &Slot) -> Feature {
    let (kind, example): (ColumnType, Value) = match slot.kind {
        SlotKind::Float => (ColumnType::Float, json!(0.0)),
        SlotKind::Int64 => (ColumnType::Integer, json!(0)),
        SlotKind::Bool => (ColumnType::Boolean, json!(false)),
        SlotKind::Text => (ColumnType::Text, json!("text")),
    };
    Feature { name, kind, required: true, categories: Vec::new(), example }
}

fn count(labels: &Labels) -> usize {
    match labels {
        Labels::Text(texts) => texts.len(),
        Labels::Integer(numbers) => numbers.len(),
    }
}

fn to_labels(labels: &Labels) -> Vec<Label> {
    match labels {
        Labels::Text(texts) => texts.iter().cloned().map(Label::Text).collect(),
        Labels::Integer(numbers) => numbers.iter().copied().map(Label::Integer).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{classification, regression};
    use onnx::Model;

    fn read(bytes: &[u8]) -> Model {
        Model::from_bytes(bytes).unwrap()
    }

    #[test]
    fn a_foreign_models_columns_become_features() {
        let signature = from_model(&read(&regression(None)));
        let names: Vec<&str> = signature.inputs.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["age", "room_0", "room_1"]);
        assert!(signature.inputs.iter().all(|f| f.required && f.kind == ColumnType::Float));
        assert_eq!((signature.output.task, signature.output.classes.len()), (Task::Regression, 0));
        let signature = from_model(&read(&classification(["lily", "oak", "rose"])));
        assert_eq!(signature.output.task, Task::Multiclass);
        assert_eq!(signature.output.classes[2], Label::Text("rose".to_owned()));
    }

    #[test]
    fn a_signature_written_at_birth_is_taken_when_it_fits() {
        let mut written = from_model(&read(&regression(None)));
        written.output.name = "price".to_owned();
        written.inputs[0].example = json!(35.5);
        assert_eq!(from_model(&read(&regression(Some(&written)))), written);
        written.inputs.pop();
        let derived = from_model(&read(&regression(Some(&written))));
        assert_eq!((derived.inputs.len(), derived.output.name.as_str()), (3, ANSWER));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let model = read(&regression(None));
        let good = from_model(&model);
        check(&good, &model).unwrap();
        let told = |change: &dyn Fn(&mut Signature)| {
            let mut signature = good.clone();
            change(&mut signature);
            check(&signature, &model).unwrap_err().to_string()
        };
        assert!(told(&|s| drop(s.inputs.remove(1))).contains("'room_0'"));
        assert!(told(&|s| s.inputs[0].name = "room_1".to_owned()).contains("twice"));
        assert!(told(&|s| s.output.task = Task::Binary).contains("binary"));
        let extra = told(&|s| s.inputs.push(Feature { name: "x".to_owned(), ..s.inputs[0].clone() }));
        assert!(extra.contains("no input 'x'"), "{extra}");
    }
}
