//! Traffic: percentages, mirrored calls whose answers are compared, rollback in one step; and payloads that are kept.

use crate::support::{Road, small_table};
use http::Method;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Waits for a condition, no longer than half a minute.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{what} did not come");
        tokio::task::yield_now().await;
    }
}

fn number(value: &Value, member: &str) -> u64 {
    value[member].as_u64().unwrap_or_default()
}

/// The road with a second model version that says something else, deployed as green without traffic.
fn with_green() -> Road {
    let road = Road::walk();
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("other.csv");
    std::fs::write(&table, small_table(60, 99)).unwrap();
    let server = &road.server;
    server.cli(&["data", "register", "other", table.to_str().unwrap()]);
    let run =
        ["automl", "run", "--data", "other", "--target", "y", "--max-trials", "1", "--register-as", "small"];
    server.cli(&run);
    server.cli(&["deployment", "create", "--endpoint", "small", "--model", "small:2", "--name", "green"]);
    road
}

async fn score(road: &Road, path: &str, calls: usize) -> Vec<String> {
    let mut answers = Vec::new();
    for n in 0..calls {
        let row = json!({ "x.one": n % 100, "colour name": "red", "flag": true });
        let (status, answer) = road.server.post(path, Some(road.key()), &row).await;
        assert_eq!(status, 200, "{answer}");
        answers.push(answer);
    }
    answers
}

#[tokio::test]
async fn mirrored_calls_are_compared_and_never_in_the_way() {
    let road = with_green();
    let server = &road.server;
    // In the words of the cloud's command line; the sum and the half are bounds.
    for wrong in ["green=51", "blue=10 green=10", "grey=10"] {
        let output = server.try_cli(&["endpoint", "update", "small", "--mirror-traffic", wrong]);
        assert!(!output.status.success(), "{wrong}");
    }
    let mirror =
        ["endpoint", "update", "small", "--traffic", "blue=100 green=0", "--mirror-traffic", "green=50"];
    assert_eq!(server.cli(&mirror)["mirror_traffic"], json!({ "green": 50 }));
    score(&road, "/endpoints/small/predict", 200).await;
    let report = until("the copies", async || {
        let shown = server.cli(&["endpoint", "show", "small"])["mirror"].clone();
        let done = number(&shown, "equal") + number(&shown, "different");
        (done >= 60).then_some(shown)
    })
    .await;
    assert!(number(&report, "different") > 0, "another model says other probabilities: {report}");
    assert_eq!((number(&report, "failed"), number(&report, "dropped")), (0, 0), "{report}");
    let sample = report["sample"].as_array().unwrap();
    assert!(!sample.is_empty() && sample.len() <= 10);
    assert_eq!((&sample[0]["deployment"], &sample[0]["status"]), (&json!("blue"), &json!(200)));
    assert!(sample[0]["mirror_answer"].as_str().unwrap().contains("prediction"));
    let metrics = server.http().get(format!("{}/metrics", server.url)).bearer_auth(&server.token);
    let metrics = metrics.send().await.unwrap().text().await.unwrap();
    assert!(
        metrics.contains(r#"portcullis_mirrored_calls_total{ml_endpoint_name="small",outcome="different"}"#)
    );

    // The same model says the same: a deployment that is made anew begins from nought.
    server.cli(&["deployment", "create", "--endpoint", "small", "--model", "small:1", "--name", "green"]);
    score(&road, "/endpoints/small/predict", 100).await;
    let report = until("equal copies", async || {
        let shown = server.cli(&["endpoint", "show", "small"])["mirror"].clone();
        (number(&shown, "equal") >= 25).then_some(shown)
    })
    .await;
    assert_eq!((number(&report, "different"), number(&report, "failed")), (0, 0), "{report}");
    // The deployment that gets copies is not compared with itself, and goes with its mirror.
    server.cli(&["endpoint", "set-traffic", "small", "green=100", "--mirror-traffic", ""]);
    assert_eq!(server.cli(&["endpoint", "show", "small"])["mirror"], Value::Null);
}

#[tokio::test]
async fn a_rollback_takes_effect_with_the_command() {
    let road = with_green();
    let server = &road.server;
    server.cli(&["endpoint", "set-traffic", "small", "blue=100"]);
    let blue = score(&road, "/endpoints/small/predict", 30).await;
    server.cli(&["endpoint", "set-traffic", "small", "blue=50", "green=50"]);
    let mixed = score(&road, "/endpoints/small/predict", 30).await;
    assert_ne!(blue, mixed);
    server.cli(&["endpoint", "set-traffic", "small", "green=100"]);
    let green = score(&road, "/endpoints/small/predict", 30).await;
    assert!(mixed.iter().zip(blue.iter().zip(&green)).all(|(m, (b, g))| m == b || m == g));
    server.cli(&["endpoint", "set-traffic", "small", "blue=100"]);
    assert_eq!(score(&road, "/endpoints/small/predict", 30).await, blue);
    // The header goes past the split.
    let request =
        server.http().post(format!("{}/endpoints/small/predict", server.url)).bearer_auth(road.key());
    let row = json!({ "x.one": 0, "colour name": "red", "flag": true });
    let answer = request.header("azureml-model-deployment", "green").json(&row).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), green[0]);
}

#[tokio::test]
async fn an_endpoint_comes_from_its_yaml() {
    let road = Road::walk();
    let server = &road.server;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("endpoint.yml");
    let schema = "$schema: https://example.com/managedOnlineEndpoint.schema.json\n";
    std::fs::write(
        &file,
        format!("{schema}name: mine\nauth_mode: Key\ndescription: from a file\ntags:\n  team: ml\n"),
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let made = server.cli(&["endpoint", "create", "-f", file]);
    assert_eq!((&made["name"], &made["description"]), (&json!("mine"), &json!("from a file")));
    assert_eq!(made["tags"], json!({ "team": "ml" }));
    server.cli(&["deployment", "create", "--endpoint", "mine", "--model", "small:1"]);
    server.cli(&["deployment", "create", "--endpoint", "mine", "--model", "small:1", "--name", "green"]);
    std::fs::write(
        file,
        format!("{schema}name: mine\nauth_mode: key\ntraffic:\n  blue: 90\n  green: 10\nmirror_traffic:\n  green: 10\n"),
    )
    .unwrap();
    let changed = server.cli(&["endpoint", "update", "-f", file]);
    assert_eq!(changed["traffic"], json!({ "blue": 90, "green": 10 }));
    assert_eq!(changed["mirror_traffic"], json!({ "green": 10 }));
    let refused = server.try_cli(&["endpoint", "create", "again", "-f", file]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("endpoint.yml") && said.contains("no deployment yet"),
        "{said}"
    );
}

/// All lines of the files of a collection.
fn kept(dir: &Path, collection: &str) -> Vec<Value> {
    fn walk(folder: PathBuf, all: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.path() {
                path if path.is_dir() => walk(path, all),
                path => all.push(path),
            }
        }
    }
    let mut files = Vec::new();
    walk(dir.join("modeldata/small/blue").join(collection), &mut files);
    let lines: Vec<String> = files
        .iter()
        .flat_map(|f| std::fs::read_to_string(f).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[tokio::test]
async fn payloads_are_kept_as_they_were_and_without_secrets() {
    let road = Road::walk();
    let server = &road.server;
    let deploy = async |collector: Value| {
        let body = json!({ "name": "blue", "model": "small:1", "data_collector": collector });
        server.api(Method::POST, "/api/v1/endpoints/small/deployments", Some(body)).await
    };
    let on = json!({ "enabled": true });
    let secret = json!({ "collections": { "request": on }, "capture_headers": ["Authorization"] });
    let (status, answer) = deploy(secret).await;
    assert_eq!(status, 400);
    assert!(answer["detail"].as_str().unwrap().contains("carries secrets"), "{answer}");
    let collections = json!({ "model_inputs": on, "model_outputs": on, "request": on, "response": { "enabled": true, "sampling_rate": 0.3 } });
    let (status, answer) = deploy(
        json!({ "collections": collections, "rolling_rate": "day", "capture_headers": ["X-Customer"] }),
    )
    .await;
    assert_eq!(status, 201, "{answer}");
    for n in 0..40 {
        let request =
            server.http().post(format!("{}/endpoints/small/score", server.url)).bearer_auth(road.key());
        let request = request.header("x-customer", "42").header("x-request-id", format!("call-{n}"));
        let answer = request
            .header("x-ms-client-request-id", "mine")
            .json(&json!({ "data": [Road::row()] }))
            .send()
            .await;
        assert_eq!(answer.unwrap().status(), 200);
    }
    let inputs = until("the records", async || {
        let inputs = kept(&server.dir, "model_inputs");
        (inputs.len() >= 40 && kept(&server.dir, "request").len() >= 40).then_some(inputs)
    })
    .await;
    assert_eq!(inputs.len(), 40);
    assert_eq!(inputs[0]["data"], json!([Road::row()]));
    let envelope = ["specversion", "type", "xrequestid", "correlationid", "modelversion", "collectdatatype"]
        .map(|member| inputs[0][member].as_str().unwrap_or_default().to_owned());
    assert_eq!(
        envelope,
        ["1.0", "azureml.inference.inputs", "call-0", "mine", "1", "pandas.core.frame.DataFrame"]
    );
    let outputs = kept(&server.dir, "model_outputs");
    assert!(outputs[0]["data"][0]["prediction"].is_string(), "{}", outputs[0]);
    assert_eq!(outputs[0]["xrequestid"], inputs[0]["xrequestid"]);
    let requests = kept(&server.dir, "request");
    assert_eq!(requests[0]["data"]["headers"], json!({ "x-customer": "42" }));
    // A sample is drawn by the request's id: the same calls again are the same sample.
    let sampled = kept(&server.dir, "response").len();
    assert!((4..=22).contains(&sampled), "{sampled} of 40");
    let mut all = Vec::new();
    for collection in ["model_inputs", "model_outputs", "request", "response"] {
        all.extend(kept(&server.dir, collection).iter().map(Value::to_string));
    }
    assert!(!all.iter().any(|line| line.contains(road.key()) || line.contains("Bearer")));
    let shown = server.cli(&["deployment", "show", "small", "blue"]);
    assert_eq!(shown["deployment"]["data_collector"]["rolling_rate"], "day");
}
