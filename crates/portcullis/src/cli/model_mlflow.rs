//! What an MLflow folder says of itself: flavours, signature, example.

use crate::session::Session;
use crate::show::table;
use definitions::MlModel;
use domain::{ModelKind, ModelVersion};
use serde_json::Value;

/// Bytes of an example that are shown.
const EXAMPLE: usize = 300;

/// Lines about a version that is an MLflow folder; nothing for others, or when the folder cannot be read.
pub async fn told(session: &Session, route: &str, version: &ModelVersion) -> String {
    if version.kind != ModelKind::Mlflow {
        return String::new();
    }
    let Some(text) = file(session, route, "MLmodel").await else { return String::new() };
    let Ok(parsed) = definitions::read::<MlModel>("MLmodel", &text) else { return String::new() };
    let model = parsed.value;
    let flavours: Vec<&str> = model.flavors.keys().map(String::as_str).collect();
    let mut told = format!("\nflavours: {}\n", flavours.join(", "));
    for (noun, part) in [("input", &model.inputs), ("output", &model.outputs), ("param", &model.params)] {
        let rows: Vec<[String; 3]> = part.iter().filter_map(Value::as_array).flatten().map(row).collect();
        if !rows.is_empty() {
            told.push_str(&format!("{}\n", table(&[noun, "type", ""], rows)));
        }
    }
    let example = model.all.get("saved_input_example_info").and_then(|info| info["artifact_path"].as_str());
    if let Some(name) = example {
        let shown = file(session, route, name).await.unwrap_or_default();
        let short: String = shown.chars().take(EXAMPLE).collect();
        let more = if shown.len() > short.len() { "…" } else { "" };
        told.push_str(&format!("example {name}: {short}{more}\n"));
    }
    told
}

async fn file(session: &Session, route: &str, name: &str) -> Option<String> {
    let bytes = session.client.bytes(&format!("{route}/files/{}", crate::client::path(name))).await.ok()?;
    String::from_utf8(bytes.to_vec()).ok()
}

/// A column or a tensor of a signature.
fn row(part: &Value) -> [String; 3] {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let tensor = &part["tensor-spec"];
    let kind = if tensor.is_object() {
        format!("{} {}", text(&tensor["dtype"]), tensor["shape"])
    } else {
        text(&part["type"])
    };
    let optional = part["required"].as_bool() == Some(false);
    [text(&part["name"]), kind, if optional { "optional" } else { "" }.to_owned()]
}
