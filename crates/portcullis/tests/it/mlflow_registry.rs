//! The registry as MLflow's client sees it, and one registry for both: what one side registers the other lists, loads and deploys.

use crate::clients::{python, run};
use crate::roles::{call, holder};
use crate::support::{Road, Server, repository, skip};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

/// Whether the interpreter has the client.
fn client() -> Option<String> {
    let python = python()?;
    let asked = Command::new(&python).args(["-c", "import mlflow, matplotlib"]).output().ok()?;
    asked.status.success().then_some(python)
}

#[tokio::test]
async fn the_client_registers_loads_and_searches() {
    let Some(python) = client() else {
        return skip("mlflow_registry", "the mlflow client in PORTCULLIS_PYTHON");
    };
    let road = Road::walk();
    let server = &road.server;
    server.cli(&["model", "set-alias", "small:1", "champion"]);
    let folder = tempfile::tempdir().unwrap();
    let rows = folder.path().join("rows.json");
    let row = |x: f64, colour: &str| json!({ "x.one": x, "colour name": colour, "flag": true });
    let asked = [row(90.0, "red"), row(3.0, "blue"), row(70.5, "red")];
    std::fs::write(&rows, json!(asked).to_string()).unwrap();
    let out = run(Command::new(python)
        .arg(repository("tests-python/mlflow_registry.py"))
        .args(["small", rows.to_str().unwrap()])
        .env("MLFLOW_TRACKING_URI", &server.url)
        .env("MLFLOW_TRACKING_TOKEN", &server.token)
        .env("HOME", folder.path())
        .current_dir(folder.path()));
    let told: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    let (_, ours) = server.post("/endpoints/small/score", Some(road.key()), &json!({ "data": asked })).await;
    let ours = twice_decoded(&ours);
    assert_eq!(told["labels"], ours["result"], "the client's answers are ours");
    seen_from_here(server, told["name"].as_str().unwrap());
    serves_natively(server, &told).await;
}

/// The answer to `data` is JSON within a JSON string.
fn twice_decoded(text: &str) -> Value {
    let inner: String = serde_json::from_str(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    serde_json::from_str(&inner).unwrap()
}

/// PUT of a target as it stands, which no client library would send; the status and the body.
fn raw_put(server: &Server, target: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let head = format!(
        "PUT {target} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx",
        server.address(),
        server.token
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status =
        answer.split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{answer}"));
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

/// What the client registered is listed and shown by commands.
fn seen_from_here(server: &Server, name: &str) {
    let listed = server.cli(&["model", "list"]);
    let found = listed.as_array().unwrap().iter().find(|m| m["name"] == name).unwrap();
    assert_eq!((&found["latest"], &found["description"]), (&json!(2), &json!("a model")));
    let versions = server.cli(&["model", "show", name]);
    assert_eq!((&versions[0]["kind"], &versions[0]["stage"]), (&json!("mlflow"), &json!("Archived")));
    let shown = server.cli(&["model", "show", &format!("{name}:1")]);
    let names: Vec<&str> = shown["version"]["signature"]["inputs"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|f| f["name"].as_str())
        .collect();
    assert_eq!(names, ["a", "b c", "d.e"]);
    // The library's own file is read here too, so that it needs no Python to be served.
    assert!(shown["version"]["native"].is_string(), "{shown}");
}

/// The ONNX flavour of a registered model is served without Python.
async fn serves_natively(server: &Server, told: &Value) {
    let shown = server.cli(&["model", "show", "native graph:1"]);
    assert_eq!(shown["version"]["kind"], "mlflow");
    assert!(shown["version"]["native"].is_string(), "{shown}");
    server.cli(&["endpoint", "create", "graph"]);
    server.cli(&["deployment", "create", "--endpoint", "graph", "--model", "native graph:1"]);
    let keys = server.cli(&["endpoint", "keys", "graph"]);
    let inputs = shown["version"]["signature"]["inputs"].as_array().unwrap();
    let rows: Vec<Value> = told["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            inputs
                .iter()
                .zip(row.as_array().unwrap())
                .map(|(f, v)| (f["name"].as_str().unwrap().to_owned(), v.clone()))
                .collect()
        })
        .collect();
    let body = json!({ "data": rows });
    let (status, answer) = server.post("/endpoints/graph/score", keys["primaryKey"].as_str(), &body).await;
    assert_eq!(status, 200, "{answer}");
    let answer = twice_decoded(&answer);
    assert_eq!(answer["result"], told["expected"]);
}

fn mlflow_folder(folder: &Path) {
    std::fs::create_dir_all(folder.join("data")).unwrap();
    std::fs::write(folder.join("data/model.pkl"), b"not read here").unwrap();
    let mlmodel = "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\nsignature:\n  inputs: '[{\"type\": \"double\", \"name\": \"Age\", \"required\": true}]'\n";
    std::fs::write(folder.join("MLmodel"), mlmodel).unwrap();
}

#[tokio::test]
async fn folders_and_model_files_are_registered_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let model = folder.path().join("model");
    mlflow_folder(&model);
    let path = model.to_str().unwrap();
    let made = server.cli(&[
        "model",
        "register",
        "credit",
        path,
        "--tag",
        "team=risk",
        "--property",
        "git-commit-id=abc",
    ]);
    assert_eq!((&made["kind"], &made["version"]), (&json!("mlflow"), &json!(1)));
    assert_eq!(
        (&made["tags"]["team"], &made["properties"]["git-commit-id"]),
        (&json!("risk"), &json!("abc"))
    );
    assert_eq!(made["signature"]["inputs"][0]["name"], "Age");
    let yaml = folder.path().join("model.yml");
    let text = "$schema: https://azuremlschemas.azureedge.net/latest/model.schema.json\nname: credit\nversion: 2\npath: ./model\n\
                type: custom_model\ndescription: from a file\ntags:\n  a: b\nproperties:\n  git-repo-url: here\n";
    std::fs::write(&yaml, text).unwrap();
    let made = server.cli(&["model", "register", "-f", yaml.to_str().unwrap()]);
    assert_eq!(
        (&made["kind"], &made["version"], &made["tags"]["a"]),
        (&json!("custom"), &json!(2), &json!("b"))
    );
    std::fs::write(&yaml, "name: x\npath: ./model\ntype: triton_model\n").unwrap();
    let refused = server.try_cli(&["model", "register", "-f", yaml.to_str().unwrap()]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && told.contains("line 3"), "{told}");
    let out = folder.path().join("out");
    server.cli(&["model", "export", "credit:1", "--out", out.to_str().unwrap()]);
    assert_eq!(std::fs::read(out.join("data/model.pkl")).unwrap(), b"not read here");
    server.cli(&["endpoint", "create", "e"]);
    let refused = server.try_cli(&["deployment", "create", "--endpoint", "e", "--model", "credit:2"]);
    assert!(!refused.status.success());
    server.cli(&["model", "delete", "credit:1"]);
    assert_eq!(server.cli(&["model", "show", "credit"]).as_array().unwrap().len(), 1);
    server.cli(&["model", "delete", "credit", "--all-versions"]);
    assert_eq!(server.cli(&["model", "list"]), json!([]));
    assert_eq!(server.cli(&["ledger", "verify"])["wrong"], Value::Null);
}

async fn no_path_leads_elsewhere(server: &Server, id: &str) {
    for bad in [
        "..%2fx",
        "a/%2e%2e/x",
        "%252e%252e/x",
        "a%5cb",
        "%2fetc%2fpasswd",
        "a%23b",
        "C:%5cx",
        "a%00b",
        "a%2f%2fb",
        "../x",
        "a/../../x",
        "/etc/passwd",
        "%ff",
    ] {
        let (status, text) = raw_put(server, &format!("/api/2.0/mlflow-artifacts/artifacts/{bad}"));
        assert_eq!(status, 400, "{bad}: {text}");
        assert_eq!(text, r#"{"error_code":"INVALID_PARAMETER_VALUE","message":"Invalid path"}"#, "{bad}");
        // In a query such a byte stands for a character that no text has.
        if bad == "%ff" {
            continue;
        }
        for route in [
            format!("/get-artifact?run_id={id}&path={bad}"),
            format!("/api/2.0/mlflow-artifacts/artifacts?path={bad}"),
        ] {
            let (status, answer) = server.api(http::Method::GET, &route, None).await;
            assert_eq!(
                (status, &answer["error_code"]),
                (400, &json!("INVALID_PARAMETER_VALUE")),
                "{route}: {answer}"
            );
        }
    }
}

#[tokio::test]
async fn outputs_of_a_run_become_versions_and_artifacts_never_lead_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let (_, run) = server
        .api(http::Method::POST, "/api/2.0/mlflow/runs/create", Some(json!({ "experiment_id": "0" })))
        .await;
    let id = run["run"]["info"]["run_id"].as_str().unwrap().to_owned();
    let put = async |path: &str, body: &'static str| {
        let url = format!("{}/api/2.0/mlflow-artifacts/artifacts/{path}", server.url);
        let sent = server.http().put(url).bearer_auth(&server.token).body(body).send().await.unwrap();
        (sent.status().as_u16(), sent.text().await.unwrap())
    };
    let file = format!("0/{id}/artifacts/outputs/credit-prediction.pkl");
    assert_eq!(put(&file, "pickled").await, (200, String::new()));
    let words = ["model", "register", "german-credit-basic-model", "--from-job", &id, "--path"];
    let words = [&words[..], &["outputs/credit-prediction.pkl", "--property", "git-commit-id=abc"]].concat();
    // The same content again is the version it has.
    for _ in 0..2 {
        let made = server.cli(&words);
        let told = (&made["version"], &made["kind"], &made["run"]);
        assert_eq!(told, (&json!(1), &json!("custom"), &json!(id)));
        assert_eq!(made["properties"]["git-commit-id"], "abc", "{made:#}");
    }
    let files = server
        .api(http::Method::GET, "/api/v1/models/german-credit-basic-model/versions/1/files", None)
        .await
        .1;
    assert_eq!((files.as_array().unwrap().len(), &files[0]["path"]), (1, &json!("credit-prediction.pkl")));
    let url = format!("{}/get-artifact?run_id={id}&path=outputs/credit-prediction.pkl", server.url);
    let got = server.http().get(url).bearer_auth(&server.token).send().await.unwrap();
    assert_eq!(got.headers()["x-content-type-options"], "nosniff");
    assert!(got.headers()["content-disposition"].to_str().unwrap().starts_with("attachment"));
    assert_eq!(got.text().await.unwrap(), "pickled");
    no_path_leads_elsewhere(&server, &id).await;
    let (status, answer) =
        server.api(http::Method::GET, "/api/2.0/mlflow-artifacts/artifacts/0/absent", None).await;
    assert_eq!((status, &answer["error_code"]), (404, &json!("RESOURCE_DOES_NOT_EXIST")));
    let (status, answer) =
        server.api(http::Method::GET, "/api/2.0/mlflow-artifacts/artifacts?path=absent", None).await;
    assert_eq!((status, answer), (200, json!({})));
}

#[tokio::test]
async fn a_role_on_one_model_reaches_that_model_and_its_files() {
    let road = Road::walk();
    let server = &road.server;
    server
        .api(http::Method::POST, "/api/2.0/mlflow/registered-models/create", Some(json!({ "name": "other" })))
        .await;
    let token = holder(server, "modeller", "contributor", "model:small").await;
    let ask = async |method: &str, path: &str, body: Option<Value>| {
        let (status, text) = call(server, &token, method, path, body.as_ref()).await;
        (status, serde_json::from_str::<Value>(&text).unwrap_or_default())
    };
    let base = "/api/2.0/mlflow";
    let (status, found) = ask("GET", &format!("{base}/registered-models/search"), None).await;
    assert_eq!((status, found["registered_models"].as_array().unwrap().len()), (200, 1), "{found}");
    assert_eq!(ask("GET", &format!("{base}/registered-models/get?name=other"), None).await.0, 403);
    let (_, uri) =
        ask("GET", &format!("{base}/model-versions/get-download-uri?name=small&version=1"), None).await;
    assert_eq!(uri, json!({ "artifact_uri": "mlflow-artifacts:/registry/small/1" }));
    let proxy = "/api/2.0/mlflow-artifacts/artifacts";
    let (status, listed) = ask("GET", &format!("{proxy}?path=registry/small/1"), None).await;
    assert_eq!((status, listed["files"].as_array().unwrap().len()), (200, 5), "{listed}");
    assert_eq!(ask("GET", &format!("{proxy}/registry/small/1/MLmodel"), None).await.0, 200);
    for closed in ["?path=0", "/0/x/artifacts/y", "/registry/other/1/MLmodel", "?path="] {
        assert_eq!(ask("GET", &format!("{proxy}{closed}"), None).await.0, 403, "{closed}");
    }
    assert_eq!(ask("PUT", &format!("{proxy}/0/x"), Some(json!({}))).await.0, 403);
    let create = async |name: &str, source: &str| {
        let body = json!({ "name": name, "source": source });
        ask("POST", &format!("{base}/model-versions/create"), Some(body)).await.0
    };
    assert_eq!(create("small", "models:/small/1").await, 200);
    for (name, source) in [
        ("small", "models:/other/1"),
        ("small", "runs:/x/y"),
        ("small", "mlflow-artifacts:/0/x"),
        ("other", "models:/small/1"),
    ] {
        assert_eq!(create(name, source).await, 403, "{name} from {source}");
    }
    let rename = json!({ "name": "small", "new_name": "mine" });
    assert_eq!(ask("POST", &format!("{base}/registered-models/rename"), Some(rename)).await.0, 403);
}
