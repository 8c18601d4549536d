//! Histories of metrics. An answer may have thousands of points: its text is written point by point.

use super::Reads;
use super::experiments::told;
use super::wire::{Answer, Params};
use crate::state::App;
use ::runs::tracking::Interval;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::tracking::{Point, write_double};
use http::header::CONTENT_TYPE;
use serde_json::json;
use std::io::Write;
use web::MlflowError;

/// Bytes that a point takes, about.
const POINT_BYTES: usize = 96;

/// The text of an answer in the making.
struct Text {
    text: Vec<u8>,
    first: bool,
}

impl Text {
    fn new(points: usize) -> Self {
        let mut text = Vec::with_capacity(points * POINT_BYTES + 64);
        text.extend_from_slice(b"{\"metrics\":[");
        Self { text, first: true }
    }

    /// A point, after what is the same for all of its history.
    fn point(&mut self, same: &[u8], point: &Point) -> std::io::Result<()> {
        if !std::mem::take(&mut self.first) {
            self.text.push(b',');
        }
        self.text.extend_from_slice(same);
        write_double(&point.value, &mut serde_json::Serializer::new(&mut self.text))?;
        write!(self.text, ",\"timestamp\":{},\"step\":{}}}", point.timestamp, point.step)
    }

    fn finish(mut self, token: Option<u64>) -> Response {
        if self.first {
            return ([(CONTENT_TYPE, "application/json")], "{}").into_response();
        }
        match token {
            Some(token) => {
                self.text.extend_from_slice(format!("],\"next_page_token\":\"{token}\"}}").as_bytes())
            }
            None => self.text.extend_from_slice(b"]}"),
        }
        ([(CONTENT_TYPE, "application/json")], self.text).into_response()
    }
}

fn unwritten(error: &std::io::Error) -> MlflowError {
    told(domain::Fault::internal(format!("the answer cannot be written: {error}")))
}

/// `metrics/get-history`
pub async fn get_history(_: Reads, State(app): State<App>, params: Params) -> Answer<Response> {
    let object = params.object();
    let (run_id, key) = (params.run_id()?, object.required("metric_key")?);
    let (most, token) = (object.int("max_results")?, object.filled("page_token")?);
    let page = app.tracking.metric_history(&run_id, &key, (most, token.as_deref())).await.map_err(told)?;
    let mut text = Text::new(page.points.len());
    let same = format!("{{\"key\":{},\"value\":", json!(key));
    for point in &page.points {
        text.point(same.as_bytes(), point).map_err(|e| unwritten(&e))?;
    }
    Ok(text.finish(page.next))
}

/// Histories of several runs, each point with its run.
fn of_runs(key: &str, histories: &[::runs::tracking::History]) -> Answer<Response> {
    let mut text = Text::new(histories.iter().map(|h| h.points.len()).sum());
    for history in histories {
        let same = format!("{{\"run_id\":{},\"key\":{},\"value\":", json!(history.run_id), json!(key));
        for point in &history.points {
            text.point(same.as_bytes(), point).map_err(|e| unwritten(&e))?;
        }
    }
    Ok(text.finish(None))
}

/// `metrics/get-history-bulk`
pub async fn get_history_bulk(_: Reads, State(app): State<App>, params: Params) -> Answer<Response> {
    let object = params.object();
    let (runs, key) = (object.texts("run_id")?, object.filled("metric_key")?.unwrap_or_default());
    let found = app.tracking.metric_histories(&runs, &key, object.int("max_results")?).await.map_err(told)?;
    of_runs(&key, &found)
}

/// `metrics/get-history-bulk-interval`
pub async fn get_history_bulk_interval(_: Reads, State(app): State<App>, params: Params) -> Answer<Response> {
    let object = params.object();
    let (runs, key) = (object.texts("run_ids")?, object.required("metric_key")?);
    let steps = match (object.int("start_step")?, object.int("end_step")?) {
        (Some(start), Some(end)) => Some((start, end)),
        (None, None) => None,
        _ => {
            let text = "If either start step or end step are specified, both must be specified.";
            return Err(MlflowError::invalid(text));
        }
    };
    let part = Interval { steps, max_results: object.int("max_results")? };
    let found = app.tracking.sampled_histories(&runs, &key, &part).await.map_err(told)?;
    of_runs(&key, &found)
}
