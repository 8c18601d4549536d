//! Models that our own engine does not cover: refused with what to do, and run by ONNX Runtime where its library is named.

use super::python::interpreter;
use super::support::{Server, binary, numbers, repository, results, skip};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The setting as an environment variable, without `PORTCULLIS__`.
const SETTING: &str = "ENDPOINT__ONNXRUNTIME_LIBRARY";

/// The library of the Python package, and a folder of models that `onnxruntime_models.py` wrote.
fn made(test: &str) -> Option<(String, tempfile::TempDir)> {
    let python = interpreter(test)?;
    let find = "import onnxruntime, glob, os; \
                print(glob.glob(os.path.dirname(onnxruntime.__file__) + '/capi/libonnxruntime.so*')[0])";
    let out = Command::new(&python).args(["-c", find]).output().unwrap();
    let library = PathBuf::from(String::from_utf8_lossy(&out.stdout).trim());
    if !library.is_file() {
        skip(test, "the library of Python's onnxruntime");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = repository("tests-python/onnxruntime_models.py");
    let out = Command::new(python).arg(script).arg(folder.path()).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Some((library.to_str().unwrap().to_owned(), folder))
}

fn refused(server: &Server, name: &str, file: &Path) -> String {
    let out = server.try_cli(&["model", "register", name, file.to_str().unwrap()]);
    assert!(!out.status.success(), "{name} was registered");
    String::from_utf8_lossy(&out.stderr).into_owned()
}

/// Registers and deploys; gives the endpoint's key.
fn deployed(server: &Server, name: &str, file: &str) -> String {
    server.cli(&["model", "register", name, file]);
    server.cli(&["endpoint", "create", name]);
    let model = format!("{name}:1");
    server.cli(&["deployment", "create", "--endpoint", name, "--model", &model, "--all-traffic"]);
    server.cli(&["endpoint", "keys", name])["primaryKey"].as_str().unwrap().to_owned()
}

#[test]
fn without_the_library_a_refusal_says_what_to_do() {
    let Some((library, folder)) = made("without_the_library_a_refusal_says_what_to_do") else { return };
    let server = Server::start(&folder.path().join("data"));
    let told = refused(&server, "conv", &folder.path().join("conv.onnx"));
    for part in ["first (Conv)", "endpoint.onnxruntime_library"] {
        assert!(told.contains(part), "{told}");
    }
    let told = refused(&server, "broken", &folder.path().join("broken.onnx"));
    assert!(!told.contains("onnxruntime_library"), "{told}");
    // Without a server: the same setting.
    let check = |value: &str| {
        let file = folder.path().join("lstm.onnx");
        let mut command = binary();
        command.env(format!("PORTCULLIS__{SETTING}"), value).args(["onnx", "check", "--json"]).arg(file);
        let out = command.output().unwrap();
        let told = [&out.stdout[..], &out.stderr[..]].concat();
        (out.status.success(), String::from_utf8_lossy(&told).into_owned())
    };
    let (fine, told) = check("/nowhere/libonnxruntime.so");
    assert!(!fine && told.contains("there is no file /nowhere") && told.contains("memory (LSTM)"), "{told}");
    let (fine, told) = check(&library);
    assert!(fine && told.contains(r#""engine": "onnxruntime 1."#), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_covered_runs_in_onnx_runtime() {
    let Some((library, folder)) = made("what_is_not_covered_runs_in_onnx_runtime") else { return };
    let server = Server::start_with(&folder.path().join("data"), &[(SETTING, &library)]);
    let cases = std::fs::read_to_string(folder.path().join("cases.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&cases).unwrap();
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let key = deployed(&server, name, case["path"].as_str().unwrap());
        as_there(&server, &key, case).await;
    }
    assert_eq!(cases.len(), 9);
    let plain = folder.path().join("plain.onnx");
    let key = deployed(&server, "plain", plain.to_str().unwrap());
    let rows = json!([{ "x": 1.5 }]);
    assert_eq!(results(&server, "plain", &key, ("predict", &rows)).await, [json!(3.0)]);
    assert_eq!(engine(&server, "plain"), "portcullis");
    for (name, told) in
        [("broken", "not an ONNX model"), ("external", "another file"), ("unknown", "Convolute")]
    {
        let refused = refused(&server, name, &folder.path().join(format!("{name}.onnx")));
        assert!(refused.contains(told), "{name}: {refused}");
    }
    facts(&server).await;
    side_by_side(&server, &cases[1]).await;
}

/// Labels, probabilities and values as the Python package gives them.
async fn as_there(server: &Server, key: &str, case: &Value) {
    let name = case["name"].as_str().unwrap();
    let theirs = case["values"].as_array().unwrap();
    let method = if theirs[0].is_array() { "predict_proba" } else { "predict" };
    let ours = results(server, name, key, (method, &case["rows"])).await;
    assert_eq!(ours.len(), theirs.len(), "{name}");
    for (ours, theirs) in ours.iter().zip(theirs) {
        for (a, b) in numbers(ours).into_iter().zip(numbers(theirs)) {
            assert!((a - b).abs() <= 1e-6 * b.abs().max(1.0), "{name}: {ours} beside {theirs}");
        }
    }
    let labels = case["labels"].as_array().unwrap();
    if !labels.is_empty() {
        assert_eq!(results(server, name, key, ("predict", &case["rows"])).await, *labels, "{name}");
    }
    assert!(engine(server, name).starts_with("onnxruntime 1."), "{name}");
}

/// The engine that a deployment tells.
fn engine(server: &Server, endpoint: &str) -> String {
    let deployments = server.cli(&["deployment", "list", endpoint]);
    deployments[0]["engine"].as_str().unwrap_or_else(|| panic!("{deployments}")).to_owned()
}

/// The engine stands in the documents, and what it can't do is refused.
async fn facts(server: &Server) {
    let key = server.cli(&["endpoint", "keys", "mixed"])["primaryKey"].as_str().unwrap().to_owned();
    let get = async |path: &str| {
        let request = server.http().get(format!("{}/endpoints/mixed/{path}", server.url)).bearer_auth(&key);
        request.send().await.unwrap().json::<Value>().await.unwrap()
    };
    for document in [get("swagger.json").await, get("openapi.json").await] {
        assert!(document["info"]["x-engine"].as_str().unwrap().starts_with("onnxruntime 1."), "{document}");
    }
    let version = server.cli(&["model", "show", "mixed:1"]);
    assert!(version.to_string().contains(r#""engine":"onnxruntime 1."#), "{version}");
    let good = json!({ "pair_0": 1, "pair_1": null, "text": "a", "double": 0.5, "long": 2, "int": 3, "truth": true });
    let score = async |row: &Value, query: &str| {
        let body = json!({ "input_data": [row] });
        server.post(&format!("/endpoints/mixed/score{query}"), Some(&key), &body).await
    };
    assert_eq!(score(&good, "").await.0, 200);
    let (status, told) = score(&good, "?explain=true").await;
    assert!(status == 400 && told.contains("can't be explained: onnxruntime"), "{status}: {told}");
    for (column, value, expected) in [
        ("long", Value::Null, "a whole number"),
        ("long", json!(0.5), "a whole number"),
        ("int", json!(3_000_000_000_u64), "holds"),
        ("truth", Value::Null, "true or false"),
        ("text", json!("a\0b"), "zero character"),
    ] {
        let mut row = good.clone();
        row[column] = value;
        let (status, told) = score(&row, "").await;
        assert!(status == 422 && told.contains(expected) && told.contains(column), "{status}: {told}");
    }
}

/// Calls at the same time take turns; none of them keeps another model from answering.
async fn side_by_side(server: &Server, case: &Value) {
    let name = case["name"].as_str().unwrap();
    let key = server.cli(&["endpoint", "keys", name])["primaryKey"].as_str().unwrap().to_owned();
    let plain = server.cli(&["endpoint", "keys", "plain"])["primaryKey"].as_str().unwrap().to_owned();
    let (one, rows) = (json!([{ "x": 2 }]), json!(case["rows"]));
    let calls = (0..40).map(|_| results(server, name, &key, ("predict", &rows)));
    let natives = (0..40).map(|_| results(server, "plain", &plain, ("predict", &one)));
    let (many, native) =
        tokio::join!(futures_util::future::join_all(calls), futures_util::future::join_all(natives));
    assert!(
        many.iter().all(|answer| *answer == many[0]) && native.iter().all(|answer| *answer == [json!(4.0)])
    );
}
