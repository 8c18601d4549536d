//! Open Inference v2, MLflow `/invocations` and SageMaker over a running server, by raw calls and by the clients of others.

use crate::support::{Road, binary, repository, skip};
use http::Method;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// The row of [`Road::row`] as tensors.
fn tensors() -> Value {
    json!({ "inputs": [
        { "name": "x.one", "shape": [1, 1], "datatype": "FP32", "data": [70.5] },
        { "name": "colour name", "shape": [1, 1], "datatype": "BYTES", "data": ["red"] },
        { "name": "flag", "shape": [1, 1], "datatype": "BOOL", "data": [true] },
    ] })
}

async fn get(road: &Road, path: &str, bearer: Option<&str>) -> (u16, Value) {
    let mut request = road.server.http().get(format!("{}{path}", road.server.url));
    if let Some(bearer) = bearer {
        request = request.bearer_auth(bearer);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
}

#[tokio::test]
async fn every_door_speaks_open_inference_and_mlflow() {
    let road = Road::walk();
    let server = &road.server;
    let front = server.token_for(&road.principal).await;
    let caller = server.cli(&["principal", "create", "inferrer", "--role", "scorer"]);
    let token = server.token_for(&caller).await;
    let rows = json!({ "dataframe_records": [Road::row()] });
    let mut said = Vec::new();
    for (path, bearer, body) in [
        ("/v2/models/small/infer", road.key(), tensors()),
        ("/v2/models/small/infer", &token, tensors()),
        ("/v2/models/small/versions/1/infer", road.key(), tensors()),
        ("/v2/models/small/versions/blue/infer", road.key(), tensors()),
        ("/endpoints/small/v2/models/small/infer", road.key(), tensors()),
        ("/team/small/v2/models/small/infer", &front, tensors()),
    ] {
        let (status, answer) = server.post(path, Some(bearer), &body).await;
        assert_eq!(status, 200, "{path}: {answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((&answer["model_name"], &answer["model_version"]), (&json!("small"), &json!("1")));
        said.push(answer["outputs"][0]["data"][0].clone());
    }
    for (path, bearer, body) in [
        ("/endpoints/small/invocations", road.key(), &rows),
        ("/team/small/invocations", &front, &rows),
        ("/v1/models/small:predict", road.key(), &json!({ "instances": [Road::row()] })),
    ] {
        let (status, answer) = server.post(path, Some(bearer), body).await;
        assert_eq!(status, 200, "{path}: {answer}");
        said.push(serde_json::from_str::<Value>(&answer).unwrap()["predictions"][0].clone());
    }
    assert!(said.iter().all(|label| *label == said[0]), "{said:?}");

    what_is_open(&road, &front, &token).await;
    // Every route is counted by a bounded label.
    let metrics = server.http().get(format!("{}/metrics", server.url)).bearer_auth(&server.token);
    let metrics = metrics.send().await.unwrap().text().await.unwrap();
    for route in [
        "/endpoints/{endpoint}/v2/models/{model}/infer",
        "/endpoints/{endpoint}/invocations",
        "/v2/models/{model}/infer",
    ] {
        assert!(metrics.contains(route), "{route} in {metrics}");
    }
}

/// Health and what describes a model, at every door.
async fn what_is_open(road: &Road, front: &str, token: &str) {
    let server = &road.server;
    // Health is open at the root and at the direct door; at a published API it needs a token like the rest.
    for (path, bearer, status) in [
        ("/v2/health/live", None, 200),
        ("/v2/health/ready", None, 200),
        ("/endpoints/small/v2/health/ready", None, 200),
        ("/endpoints/small/ping", None, 200),
        ("/endpoints/small/version", Some(road.key()), 200),
        ("/team/small/v2/health/ready", None, 401),
        ("/team/small/v2/models/small/ready", Some(front), 200),
        ("/v2/models/small/ready", Some(road.key()), 200),
        ("/v2/models/small/versions/2/ready", Some(road.key()), 404),
        ("/v2/models/small", None, 401),
        ("/v2/models/other", Some(road.key()), 404),
        ("/v2", None, 401),
        ("/v2", Some(road.key()), 200),
        ("/v2", Some(token), 200),
        ("/v2/models/small/infer", Some(road.key()), 405),
    ] {
        let (found, answer) = get(road, path, bearer).await;
        assert_eq!(found, status, "{path}: {answer}");
        if status >= 400 {
            assert!(answer["error"].is_string(), "{path}: {answer}");
        }
    }
    let (_, model) = get(road, "/v2/models/small", Some(road.key())).await;
    assert_eq!(model["platform"], "onnx_onnxv1");
    let (status, index) = server.post("/v2/repository/index", Some(token), &json!({})).await;
    let index: Value = serde_json::from_str(&index).unwrap();
    let entry = json!({ "name": "small", "version": "1", "state": "READY", "reason": "" });
    assert_eq!((status, index), (200, json!([entry])));
}

#[tokio::test]
async fn a_fault_has_the_form_of_its_protocol() {
    let road = Road::walk();
    let (status, answer) =
        road.server.post("/v2/models/small/infer", Some(road.key()), &json!({ "inputs": [] })).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((status, answer.as_object().unwrap().len()), (400, 1), "{answer}");
    assert!(answer["error"].is_string());
    for (body, part) in
        [(json!([1]), "exactly one of"), (json!({ "inputs": { "flag": [true] } }), "Model is missing inputs")]
    {
        let (status, answer) =
            road.server.post("/endpoints/small/invocations", Some(road.key()), &body).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((status, &answer["error_code"]), (400, &json!("BAD_REQUEST")));
        assert!(answer["message"].as_str().unwrap().contains(part), "{answer}");
    }
    let request = road.server.http().post(format!("{}/endpoints/small/invocations", road.server.url));
    let answer =
        request.bearer_auth(road.key()).header("content-type", "text/plain").body("x").send().await.unwrap();
    assert_eq!(answer.status(), 415);
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    // The path names the model: another endpoint's name is not this one's.
    let path = "/endpoints/small/v2/models/other/infer";
    assert_eq!(road.server.post(path, Some(road.key()), &tensors()).await.0, 404);
    // An endpoint that no network reaches has no door at the root either.
    road.server.cli(&["endpoint", "update", "small", "--public-network-access", "disabled"]);
    assert_eq!(road.server.post("/v2/models/small/infer", Some(road.key()), &tensors()).await.0, 404);
    let (status, _) = road.server.api(Method::GET, "/api/v1/endpoints/small/mirror", None).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn one_model_alone_answers_sagemaker() {
    let road = Road::walk();
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("small.onnx");
    road.server.cli(&["model", "export", "small:1", "--out", model.to_str().unwrap()]);
    let mut child = binary()
        .args(["serve-model", "--open", "--json", "--listen", "127.0.0.1:0"])
        .arg(&model)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    let url = ready["url"].as_str().unwrap();
    let http = road.server.http();
    let ping = http.get(format!("{url}/ping")).send().await.unwrap();
    assert_eq!((ping.status().as_u16(), ping.text().await.unwrap().as_str()), (200, ""));
    let invoke = |attributes: &str| {
        http.post(format!("{url}/invocations"))
            .header("x-amzn-sagemaker-custom-attributes", attributes)
            .json(&json!({ "instances": [Road::row()] }))
    };
    let answer = invoke("trace=1;c=2").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["x-amzn-sagemaker-custom-attributes"], "trace=1;c=2");
    assert!(answer.headers().contains_key("x-amzn-invoked-production-variant"));
    let answer = invoke(&"a".repeat(1025)).send().await.unwrap();
    assert!(!answer.headers().contains_key("x-amzn-sagemaker-custom-attributes"));
    let name = ready["url"].as_str().map(|_| "small").unwrap();
    let answer = http.get(format!("{url}/v2/models/{name}/ready")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn tritonclient_scores_a_native_deployment() {
    let Ok(python) = std::env::var("PORTCULLIS_PYTHON") else {
        return skip("tritonclient_scores", "PORTCULLIS_PYTHON");
    };
    let road = Road::walk();
    let mut command = Command::new(python);
    command.arg(repository("tests-python/tritonclient_score.py"));
    command.env("HOST", road.server.address()).env("KEY", road.key()).env("MODEL", "small");
    run(&mut command);
}

#[test]
fn the_kserve_client_scores_a_native_deployment() {
    let Ok(python) = std::env::var("PORTCULLIS_PYTHON") else {
        return skip("the_kserve_client_scores", "PORTCULLIS_PYTHON");
    };
    let road = Road::walk();
    let mut command = Command::new(python);
    command.arg(repository("tests-python/kserve_score.py"));
    command.env("URL", &road.server.url).env("KEY", road.key()).env("MODEL", "small");
    run(&mut command);
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("scored"), "{out}\n{err}");
}
