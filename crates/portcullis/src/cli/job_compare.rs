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
    let experiments = names(session, &runs).await?;
    let params = differing(&runs, "params");
    let metrics = differing(&runs, "metrics");
    let told = json!({
        "runs": runs.iter().map(|run| run["info"].clone()).collect::<Vec<_>>(),
        "params": shown(&params),
        "metrics": shown(&metrics),
    });
    session.out.value(&told, |_| text((&runs, &experiments), &params, &metrics));
    Ok(())
}

/// The names of the runs' experiments, by their ids.
async fn names(session: &Session, runs: &[Value]) -> Result<BTreeMap<String, String>, Fault> {
    let mut names = BTreeMap::new();
    for run in runs {
        let id = run["info"]["experiment_id"].as_str().unwrap_or_default();
        if !names.contains_key(id) {
            let route = format!("/api/2.0/mlflow/experiments/get?experiment_id={}", segment(id));
            let answer: Value = session.client.get(&route).await?;
            let name = answer["experiment"]["name"].as_str().unwrap_or(id);
            names.insert(id.to_owned(), name.to_owned());
        }
    }
    Ok(names)
}

/// A status of MLflow in the words of `job list`.
fn status(word: &str) -> &str {
    match word {
        "FINISHED" => "Completed",
        "FAILED" => "Failed",
        "KILLED" => "Canceled",
        "RUNNING" => "Running",
        "SCHEDULED" => "Queued",
        other => other,
    }
}

/// So much of the ids as tells them apart: whole ones make a table wider than a terminal.
fn short(runs: &[Value]) -> Vec<&str> {
    const LEAST: usize = 12;
    let ids: Vec<&str> = runs.iter().map(|run| run["info"]["run_id"].as_str().unwrap_or_default()).collect();
    let apart = |length: usize| {
        let heads: std::collections::BTreeSet<&str> = ids.iter().filter_map(|id| id.get(..length)).collect();
        heads.len() == ids.len()
    };
    let length = (LEAST..32).find(|length| apart(*length)).unwrap_or(32);
    ids.iter().map(|id| id.get(..length).unwrap_or(id)).collect()
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

fn text((runs, experiments): (&[Value], &BTreeMap<String, String>), params: &Rows, metrics: &Rows) -> String {
    let experiment = |info: &Value| {
        let id = info["experiment_id"].as_str().unwrap_or_default();
        experiments.get(id).cloned().unwrap_or_else(|| id.to_owned())
    };
    let of_info = |name: &str, show: &dyn Fn(&Value) -> String| {
        let mut row = vec![name.to_owned()];
        row.extend(runs.iter().map(|run| show(&run["info"])));
        row
    };
    let mut rows = vec![
        of_info("name", &|info| info["run_name"].as_str().unwrap_or_default().to_owned()),
        of_info("experiment", &experiment),
        of_info("status", &|info| status(info["status"].as_str().unwrap_or_default()).to_owned()),
        of_info("start", &|info| moment(&info["start_time"])),
        of_info("end", &|info| moment(&info["end_time"])),
    ];
    for (noun, part) in [("param", params), ("metric", metrics)] {
        for (key, values) in part {
            let mut row = vec![format!("{noun} {key}")];
            row.extend(values.iter().map(|value| value.as_ref().map(cell).unwrap_or_default()));
            rows.push(row);
        }
    }
    let mut header = vec!["run"];
    header.extend(short(runs));
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
        let text = text((&runs, &BTreeMap::new()), &params, &metrics);
        assert!(text.contains("param depth") && text.contains("0.25") && !text.contains("same"), "{text}");
    }
}
