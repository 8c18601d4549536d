//! A kept call as records: CloudEvents 1.0, one JSON line each, rows as data frames where the body has rows.

use super::Answered;
use super::collect::{COLLECTIONS, Collecting};
use bytes::Bytes;
use domain::{Rolling, Timestamp};
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// A call to keep.
#[derive(Debug)]
pub(super) struct Payload {
    pub endpoint: Arc<str>,
    pub deployment: Arc<str>,
    pub time: Timestamp,
    pub rolling: Rolling,
    chosen: [bool; 4],
    version: u32,
    request_id: String,
    correlation_id: String,
    method: String,
    tail: String,
    /// Captured headers only.
    headers: Vec<(String, String)>,
    content_type: String,
    request: Bytes,
    status: u16,
    answer_type: &'static str,
    answer: Bytes,
    answer_json: Option<usize>,
}

impl Payload {
    /// Takes what is kept of a call.
    pub(super) fn new(collecting: &Collecting, chosen: [bool; 4], call: &Answered<'_>) -> Self {
        let text = |name: &http::HeaderName| {
            call.asked.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let header = |name: &http::HeaderName| text(name).map(|value| (name.to_string(), value));
        let request_id = call.asked.ids.request_id().to_owned();
        Self {
            endpoint: call.target.name.clone(),
            deployment: call.served.deployment.clone(),
            time: Timestamp::now(),
            rolling: collecting.rolling,
            chosen,
            version: call.served.version,
            correlation_id: call.asked.ids.client_request_id().unwrap_or(&request_id).to_owned(),
            request_id,
            method: call.asked.method.to_string(),
            tail: call.asked.tail.clone(),
            headers: collecting.headers.iter().filter_map(header).collect(),
            content_type: text(&CONTENT_TYPE).unwrap_or_default(),
            request: call.body.clone(),
            status: call.outcome.status.as_u16(),
            answer_type: call.outcome.content_type,
            answer: call.outcome.body.clone(),
            answer_json: call.outcome.extra.json_bytes.and_then(|n| usize::try_from(n).ok()),
        }
    }
}

/// The records of a call, each with its collection. Rows are kept of calls that were scored; the raw pair of all.
pub(super) fn records(payload: &Payload) -> Vec<(&'static str, String)> {
    let scored = payload.status < 400;
    let mut all = Vec::new();
    for (at, collection) in COLLECTIONS.into_iter().enumerate() {
        if !payload.chosen[at] || (at < 2 && !scored) {
            continue;
        }
        let data = match collection {
            "model_inputs" => rows(&body(&payload.request, &payload.content_type, None)),
            "model_outputs" => outputs(body(&payload.answer, payload.answer_type, payload.answer_json)),
            "request" => json!({
                "method": payload.method,
                "path": payload.tail,
                "headers": payload.headers.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
                "content_type": payload.content_type,
                "body": body(&payload.request, &payload.content_type, None),
            }),
            _ => json!({
                "status": payload.status,
                "content_type": payload.answer_type,
                "body": body(&payload.answer, payload.answer_type, payload.answer_json),
            }),
        };
        all.push((collection, record(payload, collection, &data)));
    }
    all
}

/// A CloudEvents envelope around data.
fn record(payload: &Payload, collection: &str, data: &Value) -> String {
    let kind = collection.trim_start_matches("model_");
    let is_frame = collection.starts_with("model_") && data.is_array();
    let bytes = data.to_string().len();
    json!({
        "specversion": "1.0",
        "id": uuid::Uuid::new_v4().to_string(),
        "source": format!("/endpoints/{}/deployments/{}", payload.endpoint, payload.deployment),
        "type": format!("azureml.inference.{kind}"),
        "datacontenttype": "application/json",
        "time": payload.time.to_string(),
        "data": data,
        "contentrange": format!("bytes 0-{}/{bytes}", bytes.saturating_sub(1)),
        "correlationid": payload.correlation_id,
        "xrequestid": payload.request_id,
        "modelversion": payload.version.to_string(),
        "collectdatatype": if is_frame { "pandas.core.frame.DataFrame" } else { "builtins.dict" },
        "agent": concat!("portcullis/", env!("CARGO_PKG_VERSION")),
    })
    .to_string()
}

/// A body as JSON: itself when it is JSON (the part before binary tensors), else its text, else how many bytes it has.
fn body(bytes: &Bytes, content_type: &str, json_bytes: Option<usize>) -> Value {
    let json = json_bytes.and_then(|at| bytes.get(..at)).unwrap_or(bytes);
    if (json_bytes.is_some() || !content_type.starts_with("text/csv"))
        && let Ok(value) = serde_json::from_slice(json)
    {
        return value;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => json!({ "bytes": bytes.len() }),
    }
}

/// The rows of a request, as a list of objects where they have names.
fn rows(body: &Value) -> Value {
    let Some(members) = body.as_object() else { return body.clone() };
    for name in ["data", "input_data", "dataframe_split", "dataframe_records", "instances", "inputs"] {
        if let Some(found) = members.get(name) {
            return frame(found);
        }
    }
    if let Some(found) = members.get("Inputs").and_then(|inputs| inputs.get("data")) {
        return frame(found);
    }
    // The flat object of `/predict` is one row.
    json!([body])
}

/// The split form as a list of objects; others stay.
fn frame(value: &Value) -> Value {
    let split = || {
        let columns: Vec<&str> =
            value.get("columns")?.as_array()?.iter().map(|c| c.as_str()).collect::<Option<_>>()?;
        let row = |row: &Value| {
            let cells = row.as_array()?;
            let named = columns.iter().zip(cells).map(|(name, cell)| ((*name).to_owned(), cell.clone()));
            Some(Value::Object(Map::from_iter(named)))
        };
        value.get("data")?.as_array()?.iter().map(row).collect::<Option<Vec<_>>>()
    };
    split().map_or_else(|| value.clone(), Value::Array)
}

/// The predictions of an answer, one object a row.
fn outputs(body: Value) -> Value {
    let inner = match &body {
        // The first scripts' answers are JSON within a JSON string.
        Value::String(text) => serde_json::from_str(text).unwrap_or(body),
        _ => body,
    };
    let named = ["result", "Results", "predictions", "outputs"].iter().find_map(|name| inner.get(name));
    match named.unwrap_or(&inner) {
        Value::Array(list) => list
            .iter()
            .map(|one| if one.is_object() { one.clone() } else { json!({ "prediction": one }) })
            .collect(),
        other => json!([other]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_in_every_form() {
        let row = json!([{ "a": 1 }]);
        for body in [
            json!({ "data": [{ "a": 1 }] }),
            json!({ "Inputs": { "data": [{ "a": 1 }] } }),
            json!({ "input_data": { "columns": ["a"], "data": [[1]] } }),
            json!({ "dataframe_records": [{ "a": 1 }] }),
            json!({ "a": 1 }),
        ] {
            assert_eq!(rows(&body), row, "{body}");
        }
    }

    #[test]
    fn predictions_are_found_in_every_form() {
        let expected = json!([{ "prediction": "yes" }]);
        for body in [
            json!("{\"result\": [\"yes\"]}"),
            json!({ "Results": ["yes"] }),
            json!(["yes"]),
            json!({ "predictions": ["yes"] }),
        ] {
            assert_eq!(outputs(body.clone()), expected, "{body}");
        }
    }
}
