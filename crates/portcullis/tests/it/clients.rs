//! Clients written from the contracts, with only URL and credentials as variables.

use crate::support::{Road, Server, binary, repository, shared, skip};
use serde_json::{Value, json};
use std::process::Command;

pub fn python() -> Option<String> {
    std::env::var("PORTCULLIS_PYTHON").ok()
}

pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{out}\n{err}");
    out.into_owned()
}

fn has(program: &str) -> bool {
    Command::new(program).arg("-V").output().is_ok()
}

#[test]
fn the_two_step_client_scores_the_german_row() {
    let Some(python) = python() else {
        return skip("the_two_step_client", "PORTCULLIS_PYTHON");
    };
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let table = repository("examples/german-credit/german_credit_data.csv");
    server.cli(&["data", "register", "german-credit", table.to_str().unwrap()]);
    server.cli(&[
        "automl",
        "run",
        "--data",
        "german-credit",
        "--target",
        "Risk",
        "--max-trials",
        "2",
        "--register-as",
        "german-credit",
    ]);
    server.cli(&["endpoint", "create", "german-credit"]);
    server.cli(&["deployment", "create", "--endpoint", "german-credit", "--model", "german-credit:1"]);
    server.cli(&[
        "api",
        "publish",
        "--endpoint",
        "german-credit",
        "--path",
        "testprivv2",
        "--audience",
        "api://credit",
    ]);
    let made = server.cli(&["principal", "create", "seed", "--audience", "api://credit"]);
    let text = |member: &str| made[member].as_str().unwrap().to_owned();
    let out = run(Command::new(python)
        .arg(repository("tests-python/two_step_client.py"))
        .env("TOKEN_URL", text("token_url"))
        .env("CLIENT_ID", text("client_id"))
        .env("CLIENT_SECRET", text("client_secret"))
        .env("SCORING_URL", format!("{}/testprivv2/score", server.url)));
    assert!(out.contains("result"), "{out}");
}

#[test]
fn the_endpoint_client_and_ab_score_the_bank_request() {
    let (Some(table), Some(request)) =
        (shared("bankmarketing_train.csv"), shared("bank_marketing_score_request.json"))
    else {
        return skip("the_endpoint_client", "shared/data");
    };
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    server.cli(&["data", "register", "bank", table.to_str().unwrap()]);
    server.cli(&[
        "automl",
        "run",
        "--data",
        "bank",
        "--target",
        "y",
        "--max-trials",
        "2",
        "--register-as",
        "bank",
    ]);
    server.cli(&["endpoint", "create", "bank"]);
    server.cli(&["deployment", "create", "--endpoint", "bank", "--model", "bank:1"]);
    let keys = server.cli(&["endpoint", "keys", "bank"]);
    let key = keys["primaryKey"].as_str().unwrap();
    let url = format!("{}/endpoints/bank/score", server.url);
    match python() {
        Some(python) => {
            let script = repository("tests-python/endpoint_client.py");
            let mut command = Command::new(python);
            run(command.arg(script).env("SCORING_URL", &url).env("KEY", key).env("REQUEST_FILE", &request));
        }
        None => skip("the_endpoint_client", "PORTCULLIS_PYTHON"),
    }
    if !has("ab") {
        return skip("ab", "apache2-utils");
    }
    let header = format!("Authorization: Bearer {key}");
    let out = run(Command::new("ab").args(["-n", "1000", "-c", "8", "-p"]).arg(&request).args([
        "-T",
        "application/json",
        "-H",
        &header,
        &url,
    ]));
    let failed = out.lines().find(|l| l.starts_with("Failed requests:")).unwrap_or_default();
    assert_eq!(failed.split_whitespace().last(), Some("0"), "{out}");
    assert!(!out.contains("Non-2xx"), "{out}");
    assert!(out.contains("Complete requests:      1000"), "{out}");
}

#[test]
fn onnxruntime_and_we_agree_on_our_own_file() {
    let Some(python) = python() else {
        return skip("onnxruntime_and_we_agree", "PORTCULLIS_PYTHON");
    };
    let road = Road::walk();
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("m.onnx");
    road.server.cli(&["model", "export", "small:1", "--out", model.to_str().unwrap()]);
    let row = |n: usize| {
        let colour = ["red", "green", "violet"][n % 3];
        json!({ "x.one": n * 2, "colour name": colour, "flag": n.is_multiple_of(2) })
    };
    let rows: Vec<Value> = (0..50).map(row).collect();
    let input = folder.path().join("rows.json");
    std::fs::write(&input, json!(rows).to_string()).unwrap();
    let scored = run(binary().args(["onnx", "score", "--json"]).args([&model, &input]));
    let ours = folder.path().join("ours.json");
    std::fs::write(&ours, &scored).unwrap();
    run(Command::new(python).arg(repository("tests-python/onnx_check.py")).args([&model, &input, &ours]));
}

#[test]
fn tensors_of_any_shape_run_by_command() {
    let Some(python) = python() else {
        return skip("tensors_of_any_shape_run_by_command", "PORTCULLIS_PYTHON");
    };
    let folder = tempfile::tempdir().unwrap();
    let script = repository("tests-python/onnx_tensors.py");
    let path = |name: &str| folder.path().join(name);
    run(Command::new(&python).arg(&script).arg("make").arg(folder.path()));
    run(binary().args(["onnx", "run"]).args([path("model.onnx"), path("in"), path("out")]));
    run(Command::new(python).arg(script).arg("check").arg(folder.path()));
}
