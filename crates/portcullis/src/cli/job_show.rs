//! `job show`: a search, a command, a sweep, or a run of an MLflow client.

use crate::cli::automl::{importance, leaderboard, metrics};
use crate::session::Session;
use crate::show::{number, table, time};
use domain::{ErrorCode, Fault, Job, JobKind, Timestamp, Trial};
use serde_json::{Value, json};

/// The name of the experiment that holds what was given none, as MLflow writes it.
const DEFAULT: &str = "Default";
/// What stands over the lines of trials.
pub const TRIAL_HEAD: &str = "trial  status     metric      parameters";

/// The experiment of a job, as its run says it.
pub fn experiment(job: &Job) -> &str {
    if job.experiment.as_str() == runs::DEFAULT_EXPERIMENT { DEFAULT } else { job.experiment.as_str() }
}

/// A trial of a sweep, or of a search, that has ended, on one line.
pub fn trial_line(event: &Value) -> String {
    if event["parameters"].is_null() {
        return event.to_string();
    }
    let metric = event["metric"].as_f64().map_or_else(|| "-".to_owned(), number);
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let parameters = event["parameters"].as_object().into_iter().flatten();
    let parameters: Vec<String> = parameters.map(|(name, value)| format!("{name}={}", text(value))).collect();
    let (number, status) = (text(&event["number"]), text(&event["status"]));
    format!("{number:>5}  {status:<9}  {metric:<10}  {}", parameters.join(" "))
}

/// Shows one job, or one run that is none.
pub async fn show(session: &Session, id: &str) -> Result<(), Fault> {
    let route = format!("/api/v1/jobs/{id}");
    let job: Job = match session.client.get(&route).await {
        Ok(job) => job,
        Err(absent) if absent.code == ErrorCode::NotFound => return run(session, id, absent).await,
        Err(other) => return Err(other),
    };
    match job.kind {
        JobKind::Automl => {
            let trials: Vec<Trial> = session.client.get(&format!("{route}/trials")).await?;
            session.out.value(&json!({ "job": job, "trials": trials }), |_| {
                let board = leaderboard(&job, &trials, usize::MAX);
                let (metrics, importance) = (metrics(&job), importance(&job));
                format!("{}\n\n{board}\n\n{metrics}\n\n{importance}{}", head(&job), findings(&job))
            });
        }
        JobKind::Sweep => {
            let trials: Vec<Value> = session.client.get(&format!("{route}/sweep")).await?;
            session.out.value(&json!({ "job": job, "trials": trials }), |_| {
                format!("{}\n\n{}{}", described(&job), sweep_table(&job, &trials), best(&job))
            });
        }
        JobKind::Command => {
            let logged = tracked(session, id).await.unwrap_or_default();
            session.out.value(&json!({ "job": job, "trials": [] }), |_| {
                let data = data(&logged);
                format!("{}{data}", described(&job))
            });
        }
    }
    Ok(())
}

async fn tracked(session: &Session, id: &str) -> Result<Value, Fault> {
    let answer: Value = session.client.get(&format!("/api/2.0/mlflow/runs/get?run_id={id}")).await?;
    Ok(answer["run"].clone())
}

/// A run that an MLflow client began.
async fn run(session: &Session, id: &str, absent: Fault) -> Result<(), Fault> {
    let Ok(found) = tracked(session, id).await else { return Err(absent) };
    session.out.value(&found, |run| {
        let info = &run["info"];
        let text = |name: &str| info[name].as_str().unwrap_or_default().to_owned();
        let moment = |name: &str| {
            let ms = info[name].as_i64().filter(|ms| *ms > 0);
            ms.map(|ms| time(Timestamp(ms.saturating_mul(1000)))).unwrap_or_default()
        };
        let line = format!(
            "{} · run of an MLflow client · {} · {}",
            text("run_id"),
            text("status"),
            text("run_name")
        );
        format!("{line}\nstarted {} ended {}{}", moment("start_time"), moment("end_time"), data(run))
    });
    Ok(())
}

/// Parameters and last metrics of a run, when there are any.
fn data(run: &Value) -> String {
    let rows = |list: &str| -> Vec<[String; 2]> {
        let pairs = run["data"][list].as_array().into_iter().flatten();
        let value = |v: &Value| v.as_f64().map_or_else(|| v.as_str().unwrap_or_default().to_owned(), number);
        pairs.map(|p| [p["key"].as_str().unwrap_or_default().to_owned(), value(&p["value"])]).collect()
    };
    let mut text = String::new();
    for (list, noun) in [("params", "param"), ("metrics", "metric")] {
        let rows = rows(list);
        if !rows.is_empty() {
            text.push_str(&format!("\n\n{}", table(&[noun, "value"], rows)));
        }
    }
    text
}

fn head(job: &Job) -> String {
    let error = job.error.as_ref().map(|e| format!(": {e}")).unwrap_or_default();
    let mut text =
        format!("{} · {} · {}{error} · {}", job.id, job.kind.as_str(), job.status.as_str(), experiment(job));
    if let Some(name) = of_spec(job, "display_name").as_str().filter(|name| !name.is_empty()) {
        text.push_str(&format!(" · {name}"));
    }
    text
}

/// What a search found and did: the threshold or weights of its labels, guardrails, notes, its files.
fn findings(job: &Job) -> String {
    let list = |name: &str| job.result[name].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut lines = Vec::new();
    if let Some(threshold) = job.result["threshold"].as_f64() {
        lines.push(format!("the second class is answered above a probability of {}", number(threshold)));
    }
    if let Some(weights) = job.result["class_weights"].as_object() {
        let each = weights
            .iter()
            .map(|(class, weight)| format!("{class} {}", weight.as_f64().map(number).unwrap_or_default()));
        let each = each.collect::<Vec<_>>().join(", ");
        lines.push(format!("labels: the largest probability times the weight of its class ({each})"));
    }
    for guard in list("guardrails") {
        lines.push(format!(
            "{}: {}; {}",
            text(&guard["severity"]),
            text(&guard["found"]),
            text(&guard["done"])
        ));
    }
    lines.extend(list("notes").iter().map(|note| format!("note: {}", text(note))));
    for name in job.result["files"].as_object().into_iter().flatten().map(|file| file.0) {
        lines.push(format!("file: /api/v1/jobs/{}/files/{name}", job.id));
    }
    if lines.is_empty() { String::new() } else { format!("\n\n{}", lines.join("\n")) }
}

/// A field of the command, which a sweep has in its trial.
fn of_spec<'j>(job: &'j Job, field: &str) -> &'j Value {
    if job.kind == JobKind::Sweep { &job.spec["trial"][field] } else { &job.spec[field] }
}

/// A command or a sweep: what ran, how it ended, what it left.
fn described(job: &Job) -> String {
    let mut lines = vec![head(job)];
    lines.push(format!("command: {}", of_spec(job, "command").as_str().unwrap_or_default()));
    lines.push(times(job));
    if let Some(environment) = environment(of_spec(job, "environment")) {
        lines.push(format!("environment: {environment}"));
    }
    for (name, input) in of_spec(job, "inputs").as_object().into_iter().flatten() {
        lines.push(format!("input {name}: {}", input_text(&input["from"])));
    }
    let tags = of_spec(job, "tags").as_object().into_iter().flatten();
    let tags: Vec<String> = tags.map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect();
    if !tags.is_empty() {
        lines.push(format!("tags: {}", tags.join(" ")));
    }
    let source = of_spec(job, "source");
    if let Some(commit) = source["commit"].as_str() {
        let changed = if source["diff"].is_string() { ", with changes" } else { "" };
        let untracked =
            source["untracked"].as_u64().map(|n| format!(", {n} files untracked")).unwrap_or_default();
        lines.push(format!("git commit: {commit}{changed}{untracked}"));
    }
    if let Some(code) = job.result["exit_code"].as_i64() {
        lines.push(format!("exit code: {code}"));
    }
    lines.extend(left(job));
    lines.join("\n")
}

/// What is kept of a job that has ended.
fn left(job: &Job) -> Vec<String> {
    let kept = |name: &str, folder: &Value| {
        format!("{name}: {} files, {} bytes, tree {}", folder["files"], folder["bytes"], folder["digest"])
    };
    let mut lines = Vec::new();
    if job.result["artifacts"].is_object() {
        lines.push(kept("./outputs", &job.result["artifacts"]));
    }
    for (name, folder) in job.result["outputs"].as_object().into_iter().flatten() {
        lines.push(kept(&format!("output {name}"), folder));
    }
    if job.result["log"].is_object() {
        lines.push(format!("log: {} bytes, portcullis job stream {}", job.result["log"]["bytes"], job.id));
    }
    lines
}

fn times(job: &Job) -> String {
    let mut text = format!("submitted {}", time(job.created));
    if let (Some(started), Some(ended)) = (job.started, job.ended) {
        let seconds = ended.micros().saturating_sub(started.micros()) as f64 / 1e6;
        text.push_str(&format!(", ran {} s", number((seconds * 10.0).round() / 10.0)));
    }
    text
}

fn environment(spec: &Value) -> Option<String> {
    let text = |name: &str| spec[name].as_str().unwrap_or_default().to_owned();
    match spec["kind"].as_str()? {
        "system" => Some("this machine's interpreter".to_owned()),
        "named" => Some(format!("interpreter {}", text("interpreter"))),
        "registered" => Some(match spec["version"].as_u64() {
            Some(version) => format!("{}:{version}", text("name")),
            None => text("name"),
        }),
        _ => {
            let count = |list: &str| spec[list].as_array().map_or(0, Vec::len);
            let python =
                spec["python"].as_str().map(|python| format!("python {python}, ")).unwrap_or_default();
            Some(format!("{python}{} packages of its own", count("conda") + count("pip")))
        }
    }
}

fn input_text(from: &Value) -> String {
    if let Some(value) = from["value"].as_str() {
        return value.to_owned();
    }
    let data = &from["data"];
    if let Some(name) = data["name"].as_str() {
        return data["version"]
            .as_u64()
            .map_or_else(|| name.to_owned(), |version| format!("{name}:{version}"));
    }
    let file = from["file"]["path"].as_str().map(|path| format!("file {path}"));
    file.unwrap_or_else(|| "a folder sent along".to_owned())
}

fn sweep_table(job: &Job, trials: &[Value]) -> String {
    let metric = job.spec["objective"]["primary_metric"].as_str().unwrap_or("metric").to_owned();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = trials.iter().enumerate().map(|(at, trial)| {
        let parameters = trial["parameters"].as_object().into_iter().flatten();
        let parameters: Vec<String> =
            parameters.map(|(name, value)| format!("{name}={}", text(value))).collect();
        [
            (at + 1).to_string(),
            text(&trial["run"]),
            text(&trial["status"]),
            trial["metric"].as_f64().map(number).unwrap_or_default(),
            parameters.join(" "),
            text(&trial["error"]),
        ]
    });
    table(&["trial", "run", "status", &metric, "parameters", "why it ended"], rows)
}

/// The best trial of a sweep that has ended.
pub fn best(job: &Job) -> String {
    let best = &job.result["best"];
    let Some(run) = best["run"].as_str() else { return String::new() };
    let parameters = best["parameters"].as_object().into_iter().flatten();
    let parameters: Vec<String> =
        parameters.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect();
    format!(
        "\nbest: {run} · {} {} · {}",
        job.result["primary_metric"].as_str().unwrap_or_default(),
        best["metric"].as_f64().map(number).unwrap_or_default(),
        parameters.join(" ")
    )
}
