//! Open Inference v2, MLflow's `/invocations` and `/score` over deployments that Python workers run: scripts and MLflow models,
//! by raw calls and by the clients of others; mirrored to each other; and the rows that scripts keep.

use super::environments::{reachable, uv};
use super::python::{Scripts, until};
use super::support::{repository, skip};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Rows of plain values: no package is needed.
const ROWS: &str = r#"
from inference_schema.schema_decorators import input_schema, output_schema
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType as Sample
def init():
    pass
@input_schema("data", Sample([{"x": 1.0, "colour": "red", "flag": True}]))
@output_schema(Sample({"label": ["yes"], "share": [[0.5, 0.5]]}))
def run(data):
    shares = [row["x"] / 100 if row["flag"] else 0.0 for row in data]
    return {"label": [row["colour"] for row in data], "share": [[1 - s, s] for s in shares]}
"#;

fn row() -> Value {
    json!({ "x": 50.0, "colour": "red", "flag": true })
}

fn tensors() -> Value {
    json!({ "id": "7", "inputs": [
        { "name": "flag", "shape": [1], "datatype": "BOOL", "data": [true] },
        { "name": "colour", "shape": [1, 1], "datatype": "BYTES", "data": ["red"] },
        { "name": "x", "shape": [1], "datatype": "FP32", "data": [50] },
    ] })
}

async fn post(s: &Scripts, path: &str, body: &Value) -> (u16, Value) {
    let (status, text) = s.server.post(path, Some(&s.key), body).await;
    (status, serde_json::from_str(&text).unwrap_or(Value::from(text)))
}

async fn get(s: &Scripts, path: &str) -> (u16, Value) {
    let answer =
        s.server.http().get(format!("{}{path}", s.server.url)).bearer_auth(&s.key).send().await.unwrap();
    (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_answers_every_protocol() {
    let Some(s) = Scripts::start("a_script_answers_every_protocol", &[]) else { return };
    s.deploy(ROWS, "");
    let said = json!({ "label": ["red"], "share": [[0.5, 0.5]] });
    assert_eq!(post(&s, "/endpoints/e/score", &json!({ "data": [row()] })).await, (200, said.clone()));
    for path in [
        "/v2/models/e/infer",
        "/v2/models/e/versions/1/infer",
        "/endpoints/e/v2/models/e/versions/blue/infer",
    ] {
        let (status, answer) = post(&s, path, &tensors()).await;
        let expected = json!({ "model_name": "e", "model_version": "1", "id": "7", "outputs": [
            { "name": "label", "shape": [1], "datatype": "BYTES", "data": ["red"], "parameters": { "content_type": "str" } },
            { "name": "share", "shape": [1, 2], "datatype": "FP64", "data": [0.5, 0.5] },
        ] });
        assert_eq!((status, answer), (200, expected), "{path}");
    }
    for body in [
        json!({ "dataframe_records": [row()] }),
        json!({ "dataframe_split": { "columns": ["flag", "x", "colour"], "data": [[true, 50, "red"]] } }),
        json!({ "inputs": { "x": [50], "colour": ["red"], "flag": [true] } }),
    ] {
        assert_eq!(
            post(&s, "/endpoints/e/invocations", &body).await,
            (200, json!({ "predictions": said })),
            "{body}"
        );
    }
    let csv = s
        .post("invocations")
        .header("content-type", "text/csv")
        .body("x,colour,flag\n50,red,true\n")
        .send()
        .await
        .unwrap();
    assert_eq!(csv.json::<Value>().await.unwrap()["predictions"]["share"], said["share"]);
    let old = post(&s, "/v1/models/e:predict", &json!({ "instances": [row()] })).await;
    assert_eq!(old, (200, json!({ "predictions": said })));
    described(&s).await;
    faults(&s).await;
}

async fn described(s: &Scripts) {
    let (status, about) = get(s, "/v2/models/e").await;
    assert_eq!(
        (status, &about["platform"], &about["versions"]),
        (200, &json!("python_script"), &json!(["1"]))
    );
    let outputs = json!([
        { "name": "label", "datatype": "BYTES", "shape": [-1] },
        { "name": "share", "datatype": "FP64", "shape": [-1, 2] },
    ]);
    assert_eq!(about["outputs"], outputs);
    for path in ["/v2/models/e/ready", "/endpoints/e/v2/health/ready", "/v1/models/e", "/endpoints/e/ping"] {
        assert_eq!(get(s, path).await.0, 200, "{path}");
    }
    let (_, stats) = get(s, "/v2/models/e/stats").await;
    assert!(stats["model_stats"][0]["inference_count"].as_u64().unwrap() >= 7, "{stats}");
}

async fn faults(s: &Scripts) {
    let (status, answer) = post(s, "/v2/models/e/infer", &json!({ "inputs": [] })).await;
    assert_eq!((status, answer.as_object().unwrap().len()), (400, 1), "{answer}");
    assert!(answer["error"].as_str().unwrap().contains("at least one tensor"));
    let (status, answer) =
        post(s, "/v2/models/e/infer", &json!({ "inputs": [tensors()["inputs"][0]] })).await;
    assert_eq!(status, 500, "{answer}");
    assert!(answer["error"].as_str().unwrap().starts_with("An unexpected error occurred in scoring script."));
    let (status, answer) = post(s, "/endpoints/e/invocations", &json!({ "dataframe_split": [] })).await;
    assert_eq!((status, &answer["error_code"]), (400, &json!("BAD_REQUEST")), "{answer}");
    let (status, answer) = post(s, "/v2/models/other/infer", &tensors()).await;
    assert_eq!(status, 404, "{answer}");
    let wrong = s
        .post("v2/models/e/infer")
        .header("inference-header-content-length", "x")
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(wrong.status(), 400);
    assert!(wrong.json::<Value>().await.unwrap()["error"].as_str().unwrap().contains("Inference-Header"));
    assert_eq!(get(s, "/endpoints/e/invocations").await.0, 405);
}

fn run(command: &mut Command, said: &str) {
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains(said), "{out}\n{err}");
}

#[test]
fn the_clients_of_open_inference_score_a_script() {
    let Some(s) = Scripts::start("the_clients_of_open_inference", &[]) else { return };
    s.deploy(ROWS, "");
    let mut command = Command::new(std::env::var("PORTCULLIS_PYTHON").unwrap());
    command.arg(repository("tests-python/python_deployment_score.py"));
    command.env("URL", &s.server.url).env("HOST", s.server.address()).env("KEY", &s.key).env("MODEL", "e");
    run(&mut command, "scored");
}

/// Makes the MLflow model of the tests; its folder.
fn pyfunc(into: &Path) -> PathBuf {
    let folder = into.join("pyfunc");
    let mut command = Command::new(std::env::var("PORTCULLIS_PYTHON").unwrap());
    run(command.arg(repository("tests-python/make_pyfunc.py")).arg(&folder).current_dir(into), "saved");
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn an_mlflow_model_answers_every_protocol() {
    let Some(s) = Scripts::start("an_mlflow_model_answers", &[]) else { return };
    let folder = pyfunc(s.folder.path());
    s.server.cli(&["model", "register", "flow", folder.to_str().unwrap()]);
    let environment = s.folder.path().join("environment.yml");
    std::fs::write(&environment, "$schema: x/environment.schema.json\nname: own\npython: system\n").unwrap();
    let flags = ["--environment", environment.to_str().unwrap(), "--all-traffic"];
    s.server.cli(&[&["deployment", "create", "--endpoint", "e", "--model", "flow:1"], &flags[..]].concat());
    let rows = json!({ "dataframe_records": [{ "a": 1.5, "b": "x" }] });
    let expected = json!({ "predictions": [{ "twice": 3.0, "text": "x!" }] });
    for path in ["/endpoints/e/score", "/endpoints/e/invocations"] {
        assert_eq!(post(&s, path, &rows).await, (200, expected.clone()), "{path}");
    }
    let split = json!({ "dataframe_split": { "columns": ["b", "a"], "data": [["x", 1.5]] } });
    assert_eq!(post(&s, "/endpoints/e/invocations", &split).await, (200, expected.clone()));
    let send = |kind: &'static str, body: &'static str| {
        s.post("invocations").header("content-type", kind).body(body)
    };
    let csv = send("text/csv", "a,b\n1.5,x\n").send().await.unwrap();
    assert_eq!(csv.json::<Value>().await.unwrap(), expected);
    let plain = send("text/plain", "x").send().await.unwrap();
    assert_eq!(plain.status(), 415);
    assert!(plain.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    let (status, wrong) = post(&s, "/endpoints/e/invocations", &json!([1])).await;
    assert_eq!((status, &wrong["error_code"]), (400, &json!("BAD_REQUEST")));
    let asked = json!({ "inputs": [
        { "name": "b", "shape": [2, 1], "datatype": "BYTES", "data": ["x", "y"] },
        { "name": "a", "shape": [2], "datatype": "FP32", "data": [1.5, 2] },
    ], "outputs": [{ "name": "twice" }] });
    let (status, answer) = post(&s, "/v2/models/e/infer", &asked).await;
    let output = json!([{ "name": "twice", "shape": [2], "datatype": "FP64", "data": [3.0, 4.0] }]);
    assert_eq!((status, &answer["outputs"]), (200, &output), "{answer}");
    let (status, answer) = post(&s, "/v2/models/e/infer", &json!({ "inputs": [asked["inputs"][0]] })).await;
    assert_eq!((status, &answer["error"]), (400, &json!("Model is missing inputs ['a']")));
    let (_, about) = get(&s, "/v2/models/e").await;
    assert_eq!(about["platform"], "mlflow_pyfunc");
    let inputs = json!([
        { "name": "a", "datatype": "FP64", "shape": [-1, 1] },
        { "name": "b", "datatype": "BYTES", "shape": [-1, 1] },
    ]);
    assert_eq!(about["inputs"], inputs);
}

/// The packages that load the model of the tests, in place of those that a logged model lists.
const LOADERS: &str = "
import importlib.metadata as m, sys
names = ('mlflow-skinny', 'pandas', 'numpy', 'cloudpickle')
print('dependencies:')
print('- python=%d.%d.0' % sys.version_info[:2])
print('- pip: [' + ', '.join('%s==%s' % (n, m.version(n)) for n in names) + ']')
";

#[tokio::test(flavor = "multi_thread")]
async fn an_mlflow_model_runs_in_the_environment_it_names() {
    let test = "an_mlflow_model_runs_in_the_environment_it_names";
    let folder = tempfile::tempdir().unwrap();
    let Some(uv) = uv().filter(|uv| reachable(uv, folder.path())) else {
        return skip(test, "uv and a package index");
    };
    let settings = [("ENVIRONMENTS__UV", uv.to_str().filter(|uv| uv.contains('/')).unwrap_or_default())];
    let Some(s) = Scripts::start(test, &settings) else { return };
    let folder = pyfunc(s.folder.path());
    let listed = Command::new(std::env::var("PORTCULLIS_PYTHON").unwrap()).args(["-c", LOADERS]).output();
    std::fs::write(folder.join("conda.yaml"), listed.unwrap().stdout).unwrap();
    s.server.cli(&["model", "register", "flow", folder.to_str().unwrap()]);
    s.server.cli(&["deployment", "create", "--endpoint", "e", "--model", "flow:1", "--all-traffic"]);
    let shown = s.server.cli(&["deployment", "show", "e", "blue"]);
    assert!(shown.to_string().contains("mlflow-skinny=="), "{shown}");
    let rows = json!({ "dataframe_records": [{ "a": 1.5, "b": "x" }] });
    let expected = json!({ "predictions": [{ "twice": 3.0, "text": "x!" }] });
    assert_eq!(post(&s, "/endpoints/e/invocations", &rows).await, (200, expected));

    // What cannot be had is refused with what to do.
    std::fs::write(folder.join("conda.yaml"), "dependencies: [{pip: [mlflow-skinny==0.0.1]}]\n").unwrap();
    s.server.cli(&["model", "register", "flow", folder.to_str().unwrap()]);
    let refused = s.server.try_cli(&["deployment", "create", "--endpoint", "e", "--model", "flow:2"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("the nearest that has is"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn python_deployments_are_mirrored_to_and_from() {
    let Some(s) = Scripts::start("python_deployments_are_mirrored", &[]) else { return };
    s.deploy(ROWS, "");
    let other = s.file("green", &ROWS.replace("1 - s, s", "1 - s, s + 1e-12 if s < 1 else 7.0"), "");
    s.server.cli(&["deployment", "create", "-f", &other]);
    // The third is run by the server itself.
    s.server.cli(&["deployment", "create", "--endpoint", "e", "--model", "m:1", "--name", "grey"]);
    let mirrored = async |traffic: &str, to: &str, path: &str, body: Value, what: &str| {
        s.server.cli(&[
            "endpoint",
            "update",
            "e",
            "--traffic",
            traffic,
            "--mirror-traffic",
            &format!("{to}=50"),
        ]);
        for _ in 0..40 {
            assert_eq!(post(&s, path, &body).await.0, 200);
        }
        let mut report = Value::Null;
        until("the copies", || {
            report = s.server.cli(&["endpoint", "show", "e"])["mirror"].clone();
            report[what].as_u64().is_some_and(|count| count >= 5)
        });
        report
    };
    let all = |name: &str| {
        ["blue", "green", "grey"].map(|n| format!("{n}={}", if n == name { 100 } else { 0 })).join(" ")
    };
    let report = mirrored(&all("blue"), "green", "/v2/models/e/infer", tensors(), "equal").await;
    assert_eq!((&report["different"], &report["failed"]), (&json!(0), &json!(0)), "{report}");
    let mut apart = row();
    apart["x"] = json!(100.0);
    let report =
        mirrored(&all("blue"), "green", "/endpoints/e/score", json!({ "data": [apart] }), "different").await;
    assert!(report["sample"][0]["mirror_answer"].as_str().unwrap().contains("7.0"), "{report}");
    // To a model that takes other columns, and from it.
    let report = mirrored(&all("blue"), "grey", "/v2/models/e/infer", tensors(), "failed").await;
    assert_eq!(report["sample"][0]["mirror_status"], 400, "{report}");
    let native = json!({ "inputs": [{ "name": "x", "shape": [1], "datatype": "FP32", "data": [2] }] });
    let report = mirrored(&all("grey"), "blue", "/v2/models/e/infer", native, "failed").await;
    assert_eq!(report["sample"][0]["deployment"], "grey", "{report}");
}

const KEEPS: &str = r#"
import json, os
from azureml.monitoring import ModelDataCollector
def init():
    global given, found
    given = ModelDataCollector("credit", designation="inputs", feature_names=["a", "b"])
    found = ModelDataCollector("credit", designation="predictions", feature_names=["y"])
def run(raw):
    rows = json.loads(raw)["data"]
    ids = given.collect(rows)
    predicted = [[sum(row)] for row in rows]
    found.collect(found.add_correlations(predicted, ids))
    if ids is not None:
        # Nothing but the rows of this endpoint.
        for path in ("modeldata/other", "modeldata/default/default/portcullis/other", "admin-token"):
            try:
                open(os.path.join(os.environ["PORTCULLIS_MODELDATA_DIR"], path), "a")
                return {"changed": path}
            except OSError:
                pass
    return {"kept": ids is not None}
"#;

/// The files below a folder that end so.
fn files(folder: &Path, end: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, end, found);
        } else if path.to_str().unwrap().ends_with(end) {
            found.push(path);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_kept_by_scripts_where_the_deployment_says_so() {
    let Some(s) = Scripts::start("rows_are_kept_by_scripts", &[]) else { return };
    s.deploy(KEEPS, "");
    let body = r#"{"data": [[1, 2], [3, 4]]}"#;
    assert_eq!(s.score(body).await.text().await.unwrap(), r#"{"kept": false}"#);
    s.deploy(KEEPS, "data_collector:\n  collections:\n    inputs: {enabled: 'true'}\n");
    assert_eq!(s.score(body).await.text().await.unwrap(), r#"{"kept": true}"#);
    let root = s.server.dir.join("modeldata/default/default/portcullis/e/credit/1");
    let mut lines = Vec::new();
    for (designation, header) in
        [("inputs", "a,b,$aml_dc_correlation_id"), ("predictions", "y,$aml_dc_correlation_id")]
    {
        let mut kept = Vec::new();
        files(&root.join(designation), &format!("/{designation}.csv"), &mut kept);
        assert_eq!(kept.len(), 1, "{designation}: {kept:?}");
        // Year, month and day.
        assert_eq!(kept[0].strip_prefix(root.join(designation)).unwrap().components().count(), 4);
        let text = std::fs::read_to_string(&kept[0]).unwrap();
        assert!(text.starts_with(header), "{text}");
        assert_eq!(text.lines().count(), 3, "{text}");
        lines.push(text.lines().nth(1).unwrap().to_owned());
    }
    let id = lines[0].split(',').nth(2).unwrap();
    assert_eq!(lines[1].split(',').nth(1), Some(id), "{lines:?}");
    // The pair of v1 files says it by storageEnabled.
    let folder = s.folder.path().join("v1");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("score.py"), KEEPS).unwrap();
    let (inference, aks) = (folder.join("inference-config.yml"), folder.join("aks.yml"));
    std::fs::write(&inference, "entryScript: score.py\n").unwrap();
    for (enabled, name) in [("true", "on"), ("false", "off")] {
        std::fs::write(&aks, format!("computeType: AKS\ndataCollection:\n  storageEnabled: {enabled}\n"))
            .unwrap();
        let files =
            ["--inference-config", inference.to_str().unwrap(), "--deploy-config", aks.to_str().unwrap()];
        let flags =
            ["deployment", "create", "--endpoint", "e", "--model", "m", "--name", name, "--all-traffic"];
        s.server.cli(&[&flags[..], &files[..]].concat());
        let expected = format!(r#"{{"kept": {enabled}}}"#);
        assert_eq!(s.score(body).await.text().await.unwrap(), expected);
    }
}
