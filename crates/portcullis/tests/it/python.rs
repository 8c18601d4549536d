//! Scoring scripts behind endpoints, as callers see them: the rows IS-*, SW-* and MD-05 of the contracts, with a real Python.

use super::support::{Server, repository, skip};
use onnx::{Domain, ElementType, GraphBuilder};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The interpreter of the tests' own environment; says so when there is none.
pub fn interpreter(test: &str) -> Option<PathBuf> {
    let found = std::env::var_os("PORTCULLIS_PYTHON").map(PathBuf::from).filter(|path| path.exists());
    if found.is_none() {
        skip(test, "PORTCULLIS_PYTHON");
    }
    found
}

/// A server with a registered model and the endpoint `e`.
pub struct Scripts {
    pub server: Server,
    pub key: String,
    pub folder: tempfile::TempDir,
}

/// An ONNX file that doubles its input.
fn model() -> Vec<u8> {
    let mut graph = GraphBuilder::new("double");
    graph.input("x", ElementType::Float, 1);
    graph.output("variable", ElementType::Float, &[-1, 1]);
    let factor = graph.floats("factor", &[1], vec![2.0]);
    graph.node(Domain::Onnx, "Mul", &["x", &factor], &["variable"], vec![]);
    graph.finish().unwrap()
}

impl Scripts {
    pub fn start(test: &str, settings: &[(&str, &str)]) -> Option<Self> {
        let python = interpreter(test)?;
        let folder = tempfile::tempdir().unwrap();
        let server = serve(folder.path(), &python, settings);
        let file = folder.path().join("model.onnx");
        std::fs::write(&file, model()).unwrap();
        server.cli(&["model", "register", "m", file.to_str().unwrap()]);
        server.cli(&["endpoint", "create", "e"]);
        let key = server.cli(&["endpoint", "keys", "e"])["primaryKey"].as_str().unwrap().to_owned();
        Some(Self { server, key, folder })
    }

    /// Writes a script and the file that deploys it; gives the file's path.
    pub fn file(&self, name: &str, script: &str, more: &str) -> String {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(folder.join("code")).unwrap();
        std::fs::write(folder.join("code/score.py"), script).unwrap();
        let file = folder.join("deployment.yml");
        let text = format!(
            "$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json\n\
             name: {name}\nendpoint_name: e\nmodel: azureml:m:1\n\
             code_configuration:\n  code: code\n  scoring_script: score.py\n{more}"
        );
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    }

    /// Deploys a script as `blue` with all traffic.
    pub fn deploy(&self, script: &str, more: &str) {
        let file = self.file("blue", script, more);
        self.server.cli(&["deployment", "create", "-f", &file, "--all-traffic"]);
    }

    /// The same, which must be refused; gives what was said.
    pub fn refused(&self, script: &str, more: &str) -> String {
        let file = self.file("blue", script, more);
        let output = self.server.try_cli(&["deployment", "create", "-f", &file, "--all-traffic"]);
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    }

    pub fn url(&self, tail: &str) -> String {
        format!("{}/endpoints/e/{tail}", self.server.url)
    }

    pub fn post(&self, tail: &str) -> reqwest::RequestBuilder {
        self.server.http().post(self.url(tail)).bearer_auth(&self.key)
    }

    pub async fn score(&self, body: &'static str) -> reqwest::Response {
        self.post("score").header("content-type", "application/json").body(body).send().await.unwrap()
    }

    pub fn show(&self, name: &str) -> Value {
        let all = self.server.cli(&["deployment", "list", "e"]);
        let mut all = all.as_array().unwrap().iter();
        all.find(|d| d["name"] == name).unwrap_or(&Value::Null).clone()
    }

    pub fn logs(&self, more: &[&str]) -> Vec<Value> {
        let args = [&["deployment", "logs", "e", "blue", "--tail", "1000"], more].concat();
        self.server.cli(&args).as_array().unwrap().clone()
    }
}

/// A server whose workers use an interpreter.
pub fn serve(folder: &Path, python: &Path, settings: &[(&str, &str)]) -> Server {
    let own = [("ENVIRONMENTS__PYTHON", python.to_str().unwrap())];
    Server::start_with(&folder.join("data"), &[&own, settings].concat())
}

/// Asks again until it is so.
pub fn until(what: &str, mut met: impl FnMut() -> bool) {
    let start = Instant::now();
    while !met() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

fn header<'a>(answer: &'a reqwest::Response, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |v| v.to_str().unwrap())
}

const RAW: &str = r#"
import json, os
def init():
    print("init ran")
def run(raw, request_headers):
    print("line of", json.loads(raw).get("n") if raw.startswith("{") else raw)
    asked = json.loads(raw) if raw.startswith("{") else {}
    if asked.get("fail"):
        raise ValueError("the secret trace")
    if asked.get("none"):
        return None
    if asked.get("text"):
        return json.dumps({"result": [1]})
    return {"raw": raw, "model": sorted(os.listdir(os.environ["AZUREML_MODEL_DIR"])),
        "service": os.environ["SERVICE_NAME"], "own": os.environ.get("OWN"),
        "agent": request_headers.get("X-Own"), "auth": request_headers.get("Authorization")}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_raw_script_gets_text_and_its_result_is_encoded_once_more() {
    let Some(s) = Scripts::start("a_raw_script", &[]) else { return };
    s.deploy(RAW, "environment_variables: {OWN: mine}\n");
    // IS-05, IS-06, IS-09, IS-15, IS-20; the caller's key does not reach the script.
    let answer = s.post("score").header("x-own", "7").body("{\"n\": 1}").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(header(&answer, "x-ms-run-function-failed"), "False");
    assert_eq!(header(&answer, "content-type"), "application/json");
    let exec = header(&answer, "x-ms-run-fn-exec-ms").to_owned();
    assert!(exec.split_once('.').is_some_and(|(_, decimals)| decimals.len() == 3), "{exec}");
    let body: Value = answer.json().await.unwrap();
    let expected = json!({"raw": "{\"n\": 1}", "model": ["model", "model.onnx"], "service": "e", "own": "mine", "agent": "7", "auth": null});
    assert_eq!(body, expected);
    let text = s.score(r#"{"text": 1}"#).await.text().await.unwrap();
    assert_eq!(text, r#""{\"result\": [1]}""#);
    assert_eq!(s.score(r#"{"none": 1}"#).await.text().await.unwrap(), "{}");
    // IS-08: a query is a JSON object as text.
    let url = s.url("score?a=1&b=[1,2]&c=a&d=null");
    let body: Value =
        s.server.http().get(url).bearer_auth(&s.key).send().await.unwrap().json().await.unwrap();
    let raw: Value = serde_json::from_str(body["raw"].as_str().unwrap()).unwrap();
    assert_eq!(raw, json!({"a": 1, "b": [1, 2], "c": "a", "d": null}));
    // IS-12: no trace but in the log, where the request's id finds it.
    let failed =
        s.post("score").header("x-request-id", "find-me").body("{\"fail\": 1}").send().await.unwrap();
    assert_eq!((failed.status().as_u16(), header(&failed, "x-ms-run-function-failed")), (500, "True"));
    assert_eq!(header(&failed, "x-request-id"), "find-me");
    assert_eq!(header(&failed, "x-ms-run-fn-exec-ms"), "");
    assert_eq!(header(&failed, "content-type"), "application/problem+json");
    let body: Value = failed.json().await.unwrap();
    assert_eq!(
        body["message"],
        "An unexpected error occurred in scoring script. Check the logs for more info."
    );
    assert!(!body.to_string().contains("secret"));
    let lines = s.logs(&["--request-id", "find-me"]);
    assert!(lines.iter().any(|l| l["text"].as_str().unwrap().contains("the secret trace")), "{lines:?}");
    assert!(lines.iter().all(|l| l["request_id"] == "find-me"));
    let wrong = s.post("score").body(vec![0xff, 0xfe]).send().await.unwrap();
    assert_eq!(wrong.status(), 400);
    let body: Value = wrong.json().await.unwrap();
    assert!(body["message"].as_str().unwrap().starts_with("Input cannot be decoded as UTF-8: "), "{body}");
    methods_and_log(&s).await;
}

async fn methods_and_log(s: &Scripts) {
    // IS-01, IS-02
    let http = s.server.http();
    let health = http.get(s.url("")).send().await.unwrap();
    assert_eq!(header(&health, "x-ms-run-function-failed"), "");
    assert_eq!(health.text().await.unwrap(), "Healthy");
    let options =
        http.request(http::Method::OPTIONS, s.url("score")).bearer_auth(&s.key).send().await.unwrap();
    assert_eq!((options.status().as_u16(), options.text().await.unwrap().as_str()), (200, ""));
    assert_eq!(http.put(s.url("score")).bearer_auth(&s.key).send().await.unwrap().status(), 405);
    assert_eq!(s.post("predict").body("{}").send().await.unwrap().status(), 404);
    let invoked = s.post("invocations").body("{\"text\": 1}").send().await.unwrap();
    assert_eq!(invoked.text().await.unwrap(), r#""{\"result\": [1]}""#);
    assert_eq!(http.post(s.url("score")).body("{}").send().await.unwrap().status(), 401);
    // The request log: which deployment, how long in run(), no rows.
    let (_, rows) = s.server.api(http::Method::GET, "/api/v1/logs?endpoint=e", None).await;
    let rows = rows.as_array().unwrap();
    let first = rows.iter().find(|r| r["ResponseCode"] == 200 && r["OperationName"] == "score").unwrap();
    assert_eq!((&first["DeploymentName"], &first["Rows"]), (&json!("blue"), &json!(0)));
    assert!(first["ModelDurationMs"].as_f64().unwrap() > 0.0, "{first}");
    // MD-05: answers are kept once that is switched on, without a restart.
    let before = s.show("blue")["created"].clone();
    s.server.cli(&["endpoint", "update", "e", "--app-insights", "true"]);
    assert_eq!(s.show("blue")["created"], before);
    s.post("score").header("x-request-id", "kept").body("{\"text\": 1}").send().await.unwrap();
    let kept = s.logs(&["--request-id", "kept"]);
    let answer = kept.iter().find(|l| l["stream"] == "response").unwrap();
    assert_eq!(answer["text"], r#"200 "{\"result\": [1]}""#);
    assert!(kept.iter().any(|l| l["stream"] == "stdout"), "{kept:?}");
}

const DECORATED: &str = r#"
import numpy as np
from inference_schema.schema_decorators import input_schema, output_schema
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
def init():
    pass
@input_schema("data", NumpyParameterType(np.array([[1.0, 2.0]])))
@input_schema("times", StandardPythonParameterType(2))
@output_schema(NumpyParameterType(np.array([3.0])))
def run(data, times=1):
    return (data.sum(axis=1) * times).tolist()
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_decorated_script_is_checked_and_described() {
    let Some(s) = Scripts::start("a_decorated_script", &[]) else { return };
    s.deploy(DECORATED, "");
    let answer = s.score(r#"{"data": [[1, 2], [3, 4]], "times": 10, "other": 1}"#).await;
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, "[30.0, 70.0]"));
    assert_eq!(s.score(r#"{"data": [[1, 2]]}"#).await.text().await.unwrap(), "[3.0]");
    let query = s.url("score?data=[[1,2]]&times=2");
    let answer = s.server.http().get(query).bearer_auth(&s.key).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "[6.0]");
    // IS-07
    for (body, status, message) in [
        ("", 400, "POST body is empty. Expecting a JSON dictionary."),
        ("[1]", 400, "POST body should be a JSON dictionary."),
        ("{\"times\": 1}", 400, "A value is not provided for the 'data' parameter."),
    ] {
        let answer = s.score(body).await;
        assert_eq!(answer.status(), status, "{body}");
        assert_eq!(header(&answer, "x-ms-run-function-failed"), "False");
        assert_eq!(answer.json::<Value>().await.unwrap()["message"], message);
    }
    let broken: Value = s.score("{").await.json().await.unwrap();
    assert!(broken["message"].as_str().unwrap().starts_with("POST body could not be decoded as JSON: "));
    let plain = s.post("score").header("content-type", "text/plain").body("{}").send().await.unwrap();
    assert_eq!(plain.status(), 415);
    assert_eq!(
        plain.json::<Value>().await.unwrap()["message"],
        "Expects Content-Type to be application/json"
    );
    documents(&s).await;
}

/// SW-01 to SW-05.
async fn documents(s: &Scripts) {
    let get = async |tail: &str| {
        let answer = s.server.http().get(s.url(tail)).bearer_auth(&s.key).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (status, two) = get("swagger.json").await;
    assert_eq!((status, &two["swagger"], &two["info"]["title"]), (200, &json!("2.0"), &json!("e")));
    let input = &two["definitions"]["ServiceInput"];
    assert_eq!(input["properties"]["data"]["format"], "numpy.ndarray", "{input}");
    assert_eq!(input["example"]["times"], 2);
    assert_eq!(get("swagger.json?version=3").await.1["openapi"], "3.0.3");
    assert_eq!(get("swagger.json?version=3.1").await.1["openapi"], "3.1.0");
    assert_eq!(get("openapi.json").await.1["openapi"], "3.1.0");
    let (status, wrong) = get("swagger.json?version=4").await;
    assert_eq!(status, 404);
    assert_eq!(wrong["message"], "Swagger version [4] is not valid. Supported versions: [2, 3, 3.1].");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_start_is_refused_and_what_ran_stays() {
    let Some(s) = Scripts::start("what_does_not_start", &[]) else { return };
    s.deploy("def init(): pass\ndef run(raw): return 'one'\n", "");
    for (script, said) in [
        ("import no_such_module\ndef init(): pass\ndef run(raw): pass\n", "No module named 'no_such_module'"),
        (
            "def init(): raise RuntimeError('no model here')\ndef run(raw): pass\n",
            "RuntimeError: no model here",
        ),
        ("def init(): pass\n", "does not have a run() function"),
        ("def init(): pass\ndef run(*args): pass\n", "run()"),
        ("import os\ndef init(): os._exit(9)\ndef run(raw): pass\n", "ended with code 9"),
        ("def init(:\n", "SyntaxError"),
    ] {
        let told = s.refused(script, "");
        assert!(told.contains(said) && told.contains("what ran before still does"), "{script}: {told}");
        assert_eq!(s.score("{}").await.text().await.unwrap(), "\"one\"");
    }
    let shown = s.show("blue");
    assert_eq!((&shown["provisioning_state"], &shown["instances_ready"]), (&json!("Succeeded"), &json!(1)));
    // Wrong definitions are told with their place, before anything is sent.
    let told = s.refused("", "instance_count: many\n");
    assert!(told.contains("deployment.yml: line 8, column"), "{told}");
    let told = s.refused("", "request_settings: {request_timeout_ms: 99999999}\n");
    assert!(told.contains("request_timeout_ms"), "{told}");
}

const LOOK: &str = r#"
import json, os, socket
def refused(do):
    try:
        return do()
    except OSError as e:
        return "refused"
def init(): pass
def run(raw):
    asked = json.loads(raw)
    model = os.environ["AZUREML_MODEL_DIR"]
    return {
        "connect": refused(lambda: str(socket.create_connection(("127.0.0.1", asked["port"]), 5))),
        "model": refused(lambda: str(open(model + "/model.onnx", "ab"))),
        "new": refused(lambda: str(open(model + "/new", "w"))),
        "code": refused(lambda: str(open(os.environ["AML_APP_ROOT"] + "/score.py", "a"))),
        "token": refused(lambda: open(asked["token"]).read()),
        "scratch": refused(lambda: open(os.environ["TMPDIR"] + "/own", "w").write("x")),
        "parent": refused(lambda: open("/proc/%d/environ" % asked["server"], "rb").read().decode()),
        "environment": sorted(os.environ),
    }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_sees_no_secret_and_no_network_and_changes_nothing() {
    let Some(s) = Scripts::start("a_worker_sees_no_secret", &[]) else { return };
    s.deploy(LOOK, "request_settings: {request_timeout_ms: 30000}\n");
    let port: u16 = s.server.address().rsplit_once(':').unwrap().1.parse().unwrap();
    let token = s.server.dir.join("admin-token");
    let body = json!({"port": port, "token": token, "server": s.server.pid()});
    let seen: Value = s.post("score").json(&body).send().await.unwrap().json().await.unwrap();
    for what in ["connect", "model", "new", "code", "token", "parent"] {
        assert_eq!(seen[what], "refused", "{what}: {seen}");
    }
    assert_eq!(seen["scratch"], 1, "{seen}");
    let names = seen["environment"].as_array().unwrap();
    assert!(!names.iter().any(|n| n.as_str().unwrap().starts_with("PORTCULLIS")), "{names:?}");
    // What is allowed by name is reached.
    let file = s.file("blue", LOOK, "request_settings: {request_timeout_ms: 30000}\n");
    s.server.cli(&["deployment", "create", "-f", &file, "--network"]);
    let seen: Value = s.post("score").json(&body).send().await.unwrap().json().await.unwrap();
    assert!(seen["connect"].as_str().unwrap().contains("socket"), "{seen}");
    assert_eq!(seen["token"], "refused", "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pair_of_v1_files_deploys_a_script() {
    let Some(s) = Scripts::start("the_pair_of_v1_files", &[]) else { return };
    let folder = s.folder.path().join("german-credit");
    std::fs::create_dir_all(folder.join("config")).unwrap();
    let config = |name: &str| {
        let from = repository("examples/credit-scripts/models/german-credit-basic/config").join(name);
        let to = folder.join("config").join(name);
        std::fs::copy(from, &to).unwrap();
        to.to_str().unwrap().to_owned()
    };
    let (inference, aks) = (config("inference-config.yml"), config("deployment-config-aks.yml"));
    // Its packages would have to be fetched.
    let text = std::fs::read_to_string(&inference).unwrap();
    let text: String =
        text.lines().filter(|l| !l.starts_with("condaFile")).map(|l| format!("{l}\n")).collect();
    std::fs::write(&inference, text).unwrap();
    std::fs::write(folder.join("score.py"), "def init(): pass\ndef run(raw): return 'v1'\n").unwrap();
    let files = ["--inference-config", &inference, "--deploy-config", &aks];
    let flags = ["deployment", "create", "--endpoint", "e", "--model", "m"];
    s.server.cli(&[&flags[..], &files[..]].concat());
    assert_eq!(s.score("{}").await.text().await.unwrap(), "\"v1\"");
    let spec = s.show("blue")["spec"].clone();
    assert_eq!((&spec["scoring_script"], &spec["app_insights_enabled"]), (&json!("score.py"), &json!(true)));
    assert_eq!(spec["scale_settings"]["max_instances"], 2, "{spec}");
}
