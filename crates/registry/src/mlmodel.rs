//! The folder of an MLflow model around an ONNX file: what `mlflow.onnx` and `mlflow.pyfunc` load.

use domain::{ModelVersion, Timestamp};
use onnx::{Slot, SlotKind};
use serde_json::{Value, json};

/// The file that makes a folder a model.
pub const MLMODEL: &str = "MLmodel";
/// The ONNX file within the folder.
pub const MODEL_FILE: &str = "model.onnx";

/// The version of the folder's format: that of the client it was tried with.
const MLFLOW: &str = "3.17.2";
/// The interpreter that is asked for.
const PYTHON: &str = "3.11";
/// What the loader needs.
const REQUIREMENTS: [&str; 3] = ["mlflow>=2.14", "onnx>=1.16", "onnxruntime>=1.18"];

/// The text files of the folder, by name. The signature is one of tensors, so that a table's columns reach the model's inputs in the
/// shape it asks for.
pub fn folder(version: &ModelVersion, slots: &[Slot]) -> [(&'static str, String); 4] {
    let packages = REQUIREMENTS.map(|line| format!("{line}\n")).concat();
    let list = REQUIREMENTS.map(|line| format!("- {line}\n")).concat();
    let nested = REQUIREMENTS.map(|line| format!("  - {line}\n")).concat();
    [
        (MLMODEL, description(version, slots)),
        ("requirements.txt", packages),
        (
            "conda.yaml",
            format!(
                "channels:\n- conda-forge\ndependencies:\n- python={PYTHON}\n- pip\n- pip:\n{nested}name: mlflow-env\n"
            ),
        ),
        (
            "python_env.yaml",
            format!(
                "python: \"{PYTHON}\"\nbuild_dependencies:\n- pip\n- setuptools\n- wheel\ndependencies:\n{list}"
            ),
        ),
    ]
}

fn description(version: &ModelVersion, slots: &[Slot]) -> String {
    let inputs = Value::Array(slots.iter().map(tensor).collect()).to_string();
    let run = version.run.as_ref().map(|run| format!("run_id: {run}\n")).unwrap_or_default();
    // A JSON string is a YAML string.
    format!(
        "artifact_path: model\n\
         flavors:\n\
         \x20 onnx:\n\
         \x20   code: null\n\
         \x20   data: {MODEL_FILE}\n\
         \x20   providers:\n\
         \x20   - CPUExecutionProvider\n\
         \x20 python_function:\n\
         \x20   data: {MODEL_FILE}\n\
         \x20   env:\n\
         \x20     conda: conda.yaml\n\
         \x20     virtualenv: python_env.yaml\n\
         \x20   loader_module: mlflow.onnx\n\
         \x20   python_version: \"{PYTHON}\"\n\
         mlflow_version: {MLFLOW}\n\
         model_size_bytes: {}\n\
         model_uuid: {}\n\
         {run}signature:\n\
         \x20 inputs: {}\n\
         \x20 outputs: null\n\
         \x20 params: null\n\
         utc_time_created: {}\n",
        version.bytes,
        &version.digest.hex()[..32],
        json!(inputs),
        json!(time(version.created))
    )
}

/// `2026-03-03 12:00:00.000000`, as the client writes it.
fn time(at: Timestamp) -> String {
    at.to_string().replace('T', " ").trim_end_matches('Z').to_owned()
}

/// An input as a tensor specification.
fn tensor(slot: &Slot) -> Value {
    let kind = match slot.kind {
        SlotKind::Float => "float32",
        SlotKind::Int64 => "int64",
        SlotKind::Bool => "bool",
        SlotKind::Text => "str",
    };
    json!({ "name": slot.name, "type": "tensor", "tensor-spec": { "dtype": kind, "shape": slot.shape() } })
}
