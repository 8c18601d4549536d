//! Models of other tools, turned into ONNX when they are registered: LightGBM, XGBoost, scikit-learn's `.skops`.

use crate::error::{Error, Result};
use crate::signature;
use definitions::MlModel;
use domain::{ColumnType, Digest, Feature, Signature};
use onnx::import::{Format, Imported, Input, convert};
use onnx::{Model, SlotKind};
use serde_json::Value;
use std::path::Path;
use store::{Artifacts, Tree};

/// The property of a version that names the format it was converted from.
pub const FORMAT: &str = "source_format";
/// The property that names the SHA-256 of the file it was converted from, which is kept.
pub const SOURCE: &str = "source_sha256";
/// A file of a folder is at most so long to be converted.
const FILE_BYTES: u64 = 256 << 20;
/// The endings of files that are registered by themselves; `.txt` and `.json` are looked into first.
const ENDINGS: [&str; 7] = ["onnx", "skops", "lgb", "ubj", "xgb", "txt", "json"];

/// Whether a file of this name can be a model that runs here.
pub fn is_model(file: &Path) -> bool {
    let ending = file.extension().and_then(|e| e.to_str());
    ending.is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

/// Converts a file; its signature is written into the graph. `columns` are those of the table it was trained on, where they are known.
pub fn onnx_of(file: &str, bytes: &[u8], columns: &[Feature]) -> Result<(Vec<u8>, Format)> {
    let names: Vec<String> = columns.iter().map(|c| c.name.clone()).collect();
    let Imported { bytes, format, inputs } = convert(file, bytes, &names).map_err(Error::Model)?;
    let model = Model::from_bytes(&bytes).map_err(Error::Model)?;
    model.predictable().map_err(Error::Model)?;
    let mut signature = signature::from_model(&model);
    for (feature, input) in signature.inputs.iter_mut().zip(&inputs) {
        describe(feature, input, columns.iter().find(|c| c.name == input.name));
    }
    let text = serde_json::to_string(&signature).unwrap_or_default();
    Ok((onnx::with_metadata(bytes, signature::METADATA_KEY, &text), format))
}

/// What the model and its table tell of an input.
fn describe(feature: &mut Feature, input: &Input, column: Option<&Feature>) {
    // What nothing reads may be left out.
    feature.required = input.used && column.is_none_or(|c| c.required);
    if input.kind == SlotKind::Text {
        feature.example = Value::from(input.levels.first().map_or("text", String::as_str));
        if !input.levels.is_empty() {
            feature.kind = ColumnType::Category;
            feature.categories.clone_from(&input.levels);
        }
    } else if let Some(column) =
        column.filter(|c| matches!(c.kind, ColumnType::Boolean | ColumnType::Integer))
    {
        feature.kind = column.kind;
        feature.example.clone_from(&column.example);
    }
}

/// The file of an MLflow folder whose flavour can be converted: its path. A pickle is never one.
fn source(described: &MlModel) -> Option<&str> {
    let find = |name: &str, key: &str| described.flavors.get(name)?.get(key)?.as_str();
    let skops = described
        .flavors
        .get("sklearn")
        .is_some_and(|flavor| flavor.get("serialization_format").and_then(Value::as_str) == Some("skops"));
    find("lightgbm", "data")
        .or_else(|| find("xgboost", "data"))
        .or_else(|| find("sklearn", "pickled_model").filter(|_| skops))
}

/// The method by which MLflow's `python_function` answers, where that is not `predict`. A call of a converted model names its method
/// itself and means `predict` otherwise, so such a folder keeps its own answers only in its own flavour.
fn other_method(described: &MlModel) -> Option<&Value> {
    let method = described.flavors.get("python_function")?.get("predict_fn")?;
    (!method.is_null() && method.as_str() != Some("predict")).then_some(method)
}

/// Converts the model of an MLflow folder where it is of a kind that can be: the kept ONNX file and its signature. What can't be
/// converted is served by its own flavour.
pub(crate) fn folder(
    artifacts: &Artifacts,
    (tree, described): (&Tree, &MlModel),
    columns: &[Feature],
) -> Result<Option<(Digest, Signature)>> {
    let Some(path) = source(described) else { return Ok(None) };
    if let Some(method) = other_method(described) {
        tracing::info!(%method, "the model runs by its own flavour, which answers by this method");
        return Ok(None);
    }
    let Some(file) = tree.files.get(path).filter(|file| file.bytes <= FILE_BYTES) else { return Ok(None) };
    let bytes = artifacts.read(&file.digest)?;
    if Format::of(&bytes).is_none() {
        return Ok(None);
    }
    let made = onnx_of(path, &bytes, columns).and_then(|(bytes, _)| {
        let model = Model::from_bytes(&bytes).map_err(Error::Model)?;
        Ok((artifacts.put(&bytes)?, signature::from_model(&model)))
    });
    match made {
        Err(Error::Model(reason)) => {
            tracing::info!(%reason, "the model runs by its own flavour");
            Ok(None)
        }
        made => made.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An MLmodel file of scikit-learn with these further fields of `python_function`.
    fn described(more: &str) -> MlModel {
        let text = format!(
            "flavors:\n  python_function: {{loader_module: mlflow.sklearn{more}}}\n  \
             sklearn: {{pickled_model: model.skops, serialization_format: skops}}\n"
        );
        definitions::read::<MlModel>("MLmodel", &text).unwrap().value
    }

    #[test]
    fn a_folder_that_answers_by_another_method_keeps_its_flavour() {
        for plain in ["", ", predict_fn: predict", ", predict_fn: null"] {
            assert_eq!(source(&described(plain)), Some("model.skops"));
            assert_eq!(other_method(&described(plain)), None, "{plain}");
        }
        let other = described(", predict_fn: predict_proba");
        assert_eq!(other_method(&other), Some(&Value::from("predict_proba")));
    }
}
