//! `job show A B …`: what differs between runs, side by side.

use crate::client::segment;
use crate::session::Session;
use crate::show::{number, table, time};
use domain::{Fault, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Runs that are compared at most.
const RUNS_MAX: usize = 10;

/// A property with its value in each run; none where a run lacks it.
type Rows = BTreeMap<String, Vec<Option<Value>>>;

/// Prints what differs between the runs.
pub async fn compare(session: &Session, ids: &[String]) -> Result<(), Fault> {
    if ids.len() > RUNS_MAX {
        return Err(Fault::invalid(format!("{} runs: at most {RUNS_MAX} are compared at once", ids.len())));
    }
    let mut runs = Vec::with_capacity(ids.len());
    for id in ids {
        let answer: Value =
            session.client.get(&format!("/api/2.0/mlflow/runs/get?run_id={}", segment(id))).await?;
        runs.push(answer["run"].clone());
    }
    let params = differing(&runs, "params");
    let metrics = differing(&runs, "metrics");
    let told = json!({
        "runs": runs.iter().map(|run| run["info"].clone()).collect::<Vec<_>>(),
        "params": shown(&params),
        "metrics": shown(&metrics),
    });
    session.out.value(&told, |_| text(&runs, &params, &metrics));
    Ok(())
}

/// Keys whose values are not the same in all runs.
fn differing(runs: &[Value], list: &str) -> Rows {
    let mut rows = Rows::new();
    for (at, run) in runs.iter().enumerate() {
        for pair in run["data"][list].as_array().into_iter().flatten() {
            let key = pair["key"].as_str().unwrap_or_default().to_owned();
            rows.entry(key).or_insert_with(|| vec![None; runs.len()])[at] = Some(pair["value"].clone());
        }
    }
    rows.retain(|_, values| values.windows(2).any(|two| two[0] != two[1]));
    rows
}

fn shown(rows: &Rows) -> Map<String, Value> {
    rows.iter().map(|(key, values)| (key.clone(), json!(values))).collect()
}

fn text(runs: &[Value], params: &Rows, metrics: &Rows) -> String {
    let of_info = |name: &str, show: fn(&Value) -> String| {
        let mut row = vec![name.to_owned()];
        row.extend(runs.iter().map(|run| show(&run["info"])));
        row
    };
    let plain = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut rows = vec![
        of_info("name", |info| info["run_name"].as_str().unwrap_or_default().to_owned()),
        of_info("experiment", |info| info["experiment_id"].as_str().unwrap_or_default().to_owned()),
        of_info("status", |info| info["status"].as_str().unwrap_or_default().to_owned()),
        of_info("start", |info| moment(&info["start_time"])),
        of_info("end", |info| moment(&info["end_time"])),
    ];
    for (noun, part) in [("param", params), ("metric", metrics)] {
        for (key, values) in part {
            let mut row = vec![format!("{noun} {key}")];
            row.extend(values.iter().map(|value| value.as_ref().map(cell).unwrap_or_default()));
            rows.push(row);
        }
    }
    let mut header = vec!["run".to_owned()];
    header.extend(runs.iter().map(|run| plain(&run["info"]["run_id"])));
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    table(&header, rows)
}

fn cell(value: &Value) -> String {
    match value {
        Value::Number(n) => n.as_f64().map(number).unwrap_or_default(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn moment(value: &Value) -> String {
    value.as_i64().map(|ms| time(Timestamp(ms.saturating_mul(1000)))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_everywhere_is_left_out() {
        let run = |depth: &str, loss: Option<f64>| {
            let metrics: Vec<Value> = loss.iter().map(|l| json!({"key": "loss", "value": l})).collect();
            json!({"info": {"run_id": depth, "start_time": 0}, "data": {
                "params": [{"key": "depth", "value": depth}, {"key": "same", "value": "x"}], "metrics": metrics}})
        };
        let runs = [run("3", Some(0.25)), run("5", None)];
        let (params, metrics) = (differing(&runs, "params"), differing(&runs, "metrics"));
        assert_eq!(params.keys().collect::<Vec<_>>(), ["depth"]);
        assert_eq!(metrics["loss"], [Some(json!(0.25)), None]);
        let text = text(&runs, &params, &metrics);
        assert!(text.contains("param depth") && text.contains("0.25") && !text.contains("same"), "{text}");
    }
}
