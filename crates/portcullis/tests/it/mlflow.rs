//! The MLflow protocol from outside: who gets in, how refusals look, and that every route asks for a role.

use crate::roles::{CALLERS, call, holder, may};
use crate::support::{Server, repository, skip, small_table};
use serde_json::{Value, json};
use std::process::Command;

/// A running server in a temporary folder.
fn start() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    (folder, server)
}

/// Reads that are sent as POST, since their parameters are long.
const READS_BY_POST: [&str; 5] =
    ["/search", "/search-datasets", "/get-latest-versions", "/get-history-bulk", "/server-info"];

#[test]
fn every_route_asks_for_what_its_method_suggests() {
    for route in api::mlflow::routes().list() {
        let reads = route.method == "GET" || READS_BY_POST.iter().any(|end| route.path.ends_with(end));
        let role = route.needs.first().map(|need| need.role.as_str());
        let expected = if reads { "reader" } else { "contributor" };
        assert_eq!(role, Some(expected), "{} {}", route.method, route.path);
    }
}

/// A path with something in place of its parameters that is not there.
fn filled(path: &str) -> String {
    let mut out = String::new();
    for segment in path.split_inclusive('/') {
        let (name, slash) = segment.strip_suffix('/').map_or((segment, ""), |name| (name, "/"));
        out.push_str(if name.starts_with('{') { "absent" } else { name });
        out.push_str(slash);
    }
    out
}

#[tokio::test]
async fn every_route_against_every_role() {
    let (_folder, server) = start();
    for (number, caller) in CALLERS.iter().enumerate().filter(|(_, caller)| caller.1 == "workspace") {
        let token = holder(&server, &format!("caller{number}"), caller.0, caller.1).await;
        for route in api::mlflow::routes().list() {
            let needs: Vec<String> =
                route.needs.iter().map(|n| format!("{} on {}", n.role.as_str(), n.on)).collect();
            let body = (route.method != "GET").then(|| json!({}));
            let path = filled(&route.path);
            let (status, answer) = call(&server, &token, route.method, &path, body.as_ref()).await;
            let told = format!("{}: {} {path}: {status} {answer}", caller.0, route.method);
            if may(*caller, &needs.join(", ")) {
                assert!(status != 401 && status != 403 && status < 500, "{told}");
            } else {
                let error: Value = serde_json::from_str(&answer).unwrap();
                assert_eq!((status, &error["error_code"]), (403, &json!("PERMISSION_DENIED")), "{told}");
            }
        }
    }
}

/// A call with a header of credentials; status, challenge and body.
async fn with(server: &Server, credentials: Option<&str>, path: &str) -> (u16, Option<String>, Value) {
    let mut request = server.http().get(format!("{}{path}", server.url));
    if let Some(value) = credentials {
        request = request.header("authorization", value);
    }
    let answer = request.send().await.unwrap();
    let challenge = answer.headers().get("www-authenticate").map(|v| v.to_str().unwrap().to_owned());
    (answer.status().as_u16(), challenge, answer.json().await.unwrap_or_default())
}

fn basic(user: &str, password: &str) -> String {
    use base64::Engine;
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    format!("Basic {pair}")
}

const INFO: &str = "/api/3.0/mlflow/server-info";

#[tokio::test]
async fn refusals_are_in_the_form_of_the_protocol() {
    let (_folder, server) = start();
    let (status, challenge, body) = with(&server, None, INFO).await;
    assert_eq!((status, &body["error_code"]), (401, &json!("UNAUTHENTICATED")));
    assert_eq!(challenge.as_deref(), Some("Bearer realm=\"portcullis\""));
    assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
    let (status, challenge, _) = with(&server, Some("Bearer nonsense"), INFO).await;
    assert!(status == 401 && challenge.unwrap().contains("invalid_token"));
    let admin = format!("Bearer {}", server.token);
    let (status, _, body) = with(&server, Some(&admin), "/api/2.0/mlflow/no-such-path").await;
    assert_eq!((status, &body["error_code"]), (404, &json!("ENDPOINT_NOT_FOUND")));
    let (status, _, body) = with(&server, Some(&admin), INFO).await;
    assert_eq!((status, &body["workspaces_enabled"]), (200, &json!(false)));
    let health = server.http().get(format!("{}/health", server.url)).send().await.unwrap();
    assert_eq!(health.text().await.unwrap(), "OK");
}

#[tokio::test]
async fn clients_come_in_by_basic_until_their_secret_ends() {
    let (_folder, server) = start();
    let made = server.cli(&["principal", "create", "tracker", "--role", "contributor"]);
    let text = |value: &Value, member: &str| value[member].as_str().unwrap().to_owned();
    let (id, first) = (text(&made, "client_id"), text(&made, "client_secret"));
    let ask = async |secret: &str| with(&server, Some(&basic(&id, secret)), INFO).await.0;
    for _ in 0..3 {
        assert_eq!(ask(&first).await, 200);
    }
    assert_eq!(ask("wrong").await, 401);
    assert_eq!(with(&server, Some(&basic("nobody", "wrong")), INFO).await.0, 401);
    // Only here: the control plane of our own takes tokens.
    assert_eq!(with(&server, Some(&basic(&id, &first)), "/api/v1/server").await.0, 401);
    // The secret before the newest lives on until it is ended.
    let second = text(&server.cli(&["principal", "rotate-secret", "tracker"]), "client_secret");
    assert_eq!((ask(&first).await, ask(&second).await), (200, 200));
    assert!(server.try_cli(&["principal", "revoke-secret", "tracker", "--former"]).status.success());
    until(async || ask(&first).await == 401).await;
    assert_eq!(ask(&second).await, 200);
    server.cli(&["principal", "revoke", "tracker"]);
    assert_eq!(ask(&second).await, 401);
}

/// Waits until something holds, for a while.
async fn until(holds: impl AsyncFn() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !holds().await {
        assert!(std::time::Instant::now() < deadline, "it never came true");
    }
}

#[tokio::test]
async fn guessing_a_secret_is_slowed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(&folder.path().join("data"), &[("LIMITS__LOGIN_FAILURES", "3")]);
    let made = server.cli(&["principal", "create", "tracker", "--role", "reader"]);
    let (id, secret) = (made["client_id"].as_str().unwrap(), made["client_secret"].as_str().unwrap());
    let mut seen = Vec::new();
    for number in 0..4 {
        let (status, _, body) = with(&server, Some(&basic(id, &number.to_string())), INFO).await;
        seen.push((status, body["error_code"].clone()));
    }
    assert_eq!(seen[2], (401, json!("UNAUTHENTICATED")));
    assert_eq!(seen[3], (429, json!("REQUEST_LIMIT_EXCEEDED")));
    // Also with the right one, at this address.
    assert_eq!(with(&server, Some(&basic(id, secret)), INFO).await.0, 429);
}

/// Runs the real client against a server, with the variables that it knows and no other.
fn real_client(server: &Server, variables: &[(&str, &str)]) {
    let Ok(python) = std::env::var("PORTCULLIS_PYTHON") else {
        return skip("the_real_client", "PORTCULLIS_PYTHON");
    };
    let known = Command::new(&python).args(["-c", "import mlflow"]).output().unwrap();
    if !known.status.success() {
        return skip("the_real_client", "the mlflow package");
    }
    let output = Command::new(&python)
        .arg(repository("tests-python/mlflow_tracking.py"))
        .env("MLFLOW_TRACKING_URI", &server.url)
        .env("MLFLOW_ENABLE_ASYNC_LOGGING", "false")
        .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.trim_end().ends_with("done"), "{out}\n{err}");
}

#[test]
fn the_real_client_tracks_with_a_token() {
    let (_folder, server) = start();
    real_client(&server, &[("MLFLOW_TRACKING_TOKEN", &server.token)]);
}

#[test]
fn the_real_client_tracks_with_the_secret_of_a_principal() {
    let (_folder, server) = start();
    let made = server.cli(&["principal", "create", "tracker", "--role", "contributor"]);
    let (id, secret) = (made["client_id"].as_str().unwrap(), made["client_secret"].as_str().unwrap());
    real_client(&server, &[("MLFLOW_TRACKING_USERNAME", id), ("MLFLOW_TRACKING_PASSWORD", secret)]);
}

/// A call of the protocol with the admin token.
async fn tracked(server: &Server, path: &str, body: Value) -> (u16, Value) {
    server.api(http::Method::POST, &format!("/api/2.0/mlflow/{path}"), Some(body)).await
}

/// Calls that are refused: path, body (RUN is a run, LONG a text of 6,001 characters), code, how the message begins.
const WRONG: &[(&str, &str, &str, &str)] = &[
    (
        "runs/log-metric",
        r#"{"run_id": 31}"#,
        "INVALID_PARAMETER_VALUE",
        "Missing value for required parameter 'key'",
    ),
    (
        "runs/log-metric",
        r#"{"run_id": 31, "key": "k", "value": 1, "timestamp": 1}"#,
        "INVALID_PARAMETER_VALUE",
        "Invalid value 31 for parameter 'run_id' supplied",
    ),
    (
        "runs/log-metric",
        r#"{"run_id": "RUN", "key": "k", "value": 1, "timestamp": 1, "step": "foo"}"#,
        "INVALID_PARAMETER_VALUE",
        "Invalid value \"foo\" for parameter 'step' supplied",
    ),
    (
        "runs/log-metric",
        r#"{"run_id": "RUN", "key": "../k", "value": 1, "timestamp": 1}"#,
        "INVALID_PARAMETER_VALUE",
        "Invalid value \"../k\" for parameter 'name' supplied",
    ),
    (
        "runs/log-batch",
        r#"{"run_id": "RUN", "metrics": [{"key": "k", "value": 1, "timestamp": "x"}]}"#,
        "INVALID_PARAMETER_VALUE",
        "Invalid value \"x\" for parameter 'metrics[0].timestamp' supplied",
    ),
    ("runs/update", r#"{"run_id": "absent"}"#, "RESOURCE_DOES_NOT_EXIST", "Run with id=absent not found"),
    (
        "runs/delete-tag",
        r#"{"run_id": "RUN", "key": "absent"}"#,
        "RESOURCE_DOES_NOT_EXIST",
        "No tag with name: absent in run with id ",
    ),
    (
        "experiments/create",
        r#"{"name": "Default"}"#,
        "RESOURCE_ALREADY_EXISTS",
        "Experiment(name=Default) already exists.",
    ),
    (
        "experiments/create",
        r#"{"name": "x", "artifact_location": "s3://b/../c"}"#,
        "INVALID_PARAMETER_VALUE",
        "Invalid value",
    ),
    (
        "experiments/create",
        r#"{"name": "x", "artifact_location": "relative/path"}"#,
        "INVALID_PARAMETER_VALUE",
        "Invalid value \"relative/path\" for parameter 'artifact_location' supplied",
    ),
    (
        "experiments/restore",
        r#"{"experiment_id": "0"}"#,
        "RESOURCE_DOES_NOT_EXIST",
        "No Experiment with id=0 exists",
    ),
    (
        "experiments/delete",
        r#"{"experiment_id": "77"}"#,
        "RESOURCE_DOES_NOT_EXIST",
        "No Experiment with id=77 exists",
    ),
    (
        "experiments/search-datasets",
        "{}",
        "INVALID_PARAMETER_VALUE",
        "SearchDatasets request must specify at least one experiment_id.",
    ),
    (
        "runs/search",
        r#"{"experiment_ids": ["0"], "max_results": 50001}"#,
        "INVALID_PARAMETER_VALUE",
        "Invalid value 50001 for parameter 'max_results' supplied",
    ),
    (
        "runs/search",
        r#"{"experiment_ids": ["0"], "filter": "nonsense"}"#,
        "INVALID_PARAMETER_VALUE",
        "Invalid filter at position 1",
    ),
];

#[tokio::test]
async fn wrong_calls_are_told_in_the_words_that_clients_match() {
    let (_folder, server) = start();
    let (_, made) = tracked(&server, "runs/create", json!({ "experiment_id": "0" })).await;
    let run = made["run"]["info"]["run_id"].as_str().unwrap().to_owned();
    for (path, body, code, message) in WRONG {
        let body = body.replace("RUN", &run);
        let (seen, answer) = tracked(&server, path, serde_json::from_str(&body).unwrap()).await;
        let status = if *code == "RESOURCE_DOES_NOT_EXIST" { 404 } else { 400 };
        assert_eq!((seen, answer["error_code"].as_str()), (status, Some(*code)), "{path}: {answer}");
        assert!(answer["message"].as_str().unwrap().starts_with(message), "{path}: {answer}");
    }
    let get = async |path: &str| server.api(http::Method::GET, path, None).await;
    let (status, answer) = get("/ajax-api/2.0/mlflow/metrics/get-history-bulk").await;
    assert_eq!(
        (status, answer["message"].as_str()),
        (400, Some("GetMetricHistoryBulk request must specify at least one run_id."))
    );
    let interval = format!("/api/2.0/mlflow/metrics/get-history-bulk-interval?run_ids={run}&metric_key=k");
    let (_, answer) = get(&format!("{interval}&max_results=2501")).await;
    assert_eq!(answer["message"], "max_results must be between 1 and 2500.");
    let (_, answer) = get(&format!("{interval}&start_step=1")).await;
    assert!(answer["message"].as_str().unwrap().starts_with("If either start step or end step"), "{answer}");
    assert_eq!(get(&interval).await, (200, json!({})));
}

#[tokio::test]
async fn our_own_jobs_are_runs_and_compare() {
    let (folder, server) = start();
    let table = folder.path().join("small.csv");
    std::fs::write(&table, small_table(300, 7)).unwrap();
    server.cli(&["data", "register", "small", table.to_str().unwrap()]);
    for trials in ["1", "2"] {
        server.cli(&["automl", "run", "--data", "small", "--target", "y", "--max-trials", trials]);
    }
    let jobs = server.cli(&["job", "list"]);
    let ids: Vec<&str> = jobs.as_array().unwrap().iter().map(|j| j["id"].as_str().unwrap()).collect();
    let get = async |id: &str| {
        server.api(http::Method::GET, &format!("/api/2.0/mlflow/runs/get?run_id={id}"), None).await.1["run"]
            .clone()
    };
    let run = get(ids[0]).await;
    assert_eq!((&run["info"]["status"], &run["info"]["experiment_id"]), (&json!("FINISHED"), &json!("0")));
    let has = |list: &str, key: &str| run["data"][list].as_array().unwrap().iter().any(|p| p["key"] == key);
    assert!(
        has("params", "target") && has("tags", "mlflow.source.type") && has("metrics", "accuracy"),
        "{run}"
    );
    let filter = format!("tags.mlflow.parentRunId = '{}' AND metrics.score > 0", ids[0]);
    let asked = json!({ "experiment_ids": ["0"], "filter": filter });
    let children = tracked(&server, "runs/search", asked).await.1;
    assert!(children["runs"].as_array().unwrap().len() >= 2, "{children}");
    let compared = server.cli(&["job", "show", ids[0], ids[1]]);
    assert_eq!(compared["params"]["max_trials"], json!(["2", "1"]), "{compared}");
    assert!(compared["params"].get("target").is_none(), "{compared}");
}

#[test]
fn every_call_of_the_client_is_answered_as_its_own_server_answers_it() {
    let Ok(python) = std::env::var("PORTCULLIS_PYTHON") else {
        return skip("every_call_of_the_client", "PORTCULLIS_PYTHON");
    };
    let (dir, server) = start();
    let script = repository("tests-python/mlflow_calls.py");
    let (ours, theirs) =
        (dir.path().join("ours.json"), repository("tests-python/recorded/mlflow-3.17.2.json"));
    let recorded = Command::new(&python)
        .arg(&script)
        .args(["record", &server.url])
        .arg(&ours)
        .env("MLFLOW_TRACKING_TOKEN", &server.token)
        .output()
        .unwrap();
    assert!(recorded.status.success(), "{}", String::from_utf8_lossy(&recorded.stderr));
    let compared =
        Command::new(&python).arg(&script).arg("compare").arg(&theirs).arg(&ours).output().unwrap();
    assert!(compared.status.success(), "{}", String::from_utf8_lossy(&compared.stdout));
}
