//! What the token of a running job reaches, and what it does not.

use super::commands::{Shop, id};
use serde_json::{Value, json};

/// Calls the server as the job, and says what came.
const CALLER: &str = r#"
import json, os, urllib.error, urllib.request
URL, TOKEN, RUN = (os.environ["MLFLOW_" + n] for n in ("TRACKING_URI", "TRACKING_TOKEN", "RUN_ID"))
def call(method, path, body=None, raw=None):
    data = raw if raw is not None else None if body is None else json.dumps(body).encode()
    r = urllib.request.Request(URL + path, data, {"Content-Type": "application/json", "Authorization": "Bearer " + TOKEN}, method=method)
    try:
        with urllib.request.urlopen(r) as answer:
            text = answer.read()
            return answer.status, (json.loads(text) if text[:1] in (b"{", b"[") else text)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
M = "/api/2.0/mlflow/"
def good(name, *ask):
    status, answer = call(*ask)
    print("good" if status < 300 else "BAD", name, status, answer if status >= 300 else "", flush=True)
    return answer
def bad(name, *ask):
    status, answer = call(*ask)
    told = "did not make" in str(answer) or "does not reach" in str(answer)
    print("refused" if status == 403 and told else "BAD", name, status, answer, flush=True)
"#;

/// What a job does with its token: its own, and what is not.
const CALLS: &str = r#"good("log", "POST", M + "runs/log-metric", {"run_id": RUN, "key": "a", "value": 1, "timestamp": 1})
made = good("child", "POST", M + "runs/create", {"experiment_id": "0", "tags": [{"key": "mlflow.parentRunId", "value": RUN}]})
child = made["run"]["info"]["run_id"]
good("tag of the child", "POST", M + "runs/set-tag", {"run_id": child, "key": "k", "value": "v"})
good("experiment", "POST", M + "experiments/create", {"name": "fresh"})
good("search", "POST", M + "runs/search", {"experiment_ids": ["0"]})
good("read the other", "GET", M + "runs/get?run_id=" + OTHER)
place = "/api/2.0/mlflow-artifacts/artifacts/"
root = good("own", "GET", M + "runs/get?run_id=" + RUN)["run"]["info"]["artifact_uri"].split(":/", 1)[1].strip("/")
good("artifact", "PUT", place + root + "/a.txt", None, b"text")
mine = good("logged model", "POST", M + "logged-models", {"experiment_id": "0", "name": "own", "source_run_id": RUN})["model"]["info"]["model_id"]
good("its file", "PUT", place + "0/models/" + mine + "/artifacts/MLmodel", None, b"flavors: {}")
good("its end", "PATCH", M + "logged-models/" + mine, {"status": "LOGGED_MODEL_READY"})
good("model", "POST", M + "registered-models/create", {"name": "ours"})
good("version", "POST", M + "model-versions/create", {"name": "ours", "source": "runs:/" + RUN + "/a.txt", "run_id": RUN})
good("alias", "POST", M + "registered-models/alias", {"name": "ours", "alias": "champion", "version": "1"})
good("tag", "POST", M + "model-versions/set-tag", {"name": "ours", "version": "1", "key": "k", "value": "v"})
good("another's next version", "POST", M + "model-versions/create", {"name": "theirs", "source": "s3://elsewhere/2"})
good("data", "GET", "/api/v1/data/points/versions")
good("models", "GET", "/api/v1/models")
bad("foreign log", "POST", M + "runs/log-metric", {"run_id": OTHER, "key": "a", "value": 1, "timestamp": 1})
bad("foreign end", "POST", M + "runs/update", {"run_id": OTHER, "status": "FAILED"})
bad("foreign run", "POST", M + "runs/delete", {"run_id": OTHER})
bad("foreign artifact", "PUT", place + "0/" + OTHER + "/artifacts/a.txt", None, b"x")
bad("foreign model", "PATCH", M + "logged-models/" + LOGGED + "/tags", {"tags": [{"key": "k", "value": "v"}]})
bad("foreign source", "POST", M + "logged-models", {"experiment_id": "0", "name": "own", "source_run_id": OTHER})
bad("foreign alias", "POST", M + "registered-models/alias", {"name": "theirs", "alias": "champion", "version": "1"})
bad("foreign version", "DELETE", M + "model-versions/delete", {"name": "theirs", "version": "1"})
bad("foreign name", "DELETE", M + "registered-models/delete", {"name": "theirs"})
import io, tarfile
packed = io.BytesIO()
with tarfile.open(fileobj=packed, mode="w") as tar:
    entry = tarfile.TarInfo("w.bin"); entry.size = 7; tar.addfile(entry, io.BytesIO(b"weights"))
same = good("a folder", "POST", "/api/v1/trees", None, packed.getvalue())["digest"]
print("same", call("POST", "/api/v1/models/same/folders", {"tree": same})[1]["version"], flush=True)
bad("foreign by content", "POST", M + "model-versions/set-tag", {"name": "same", "version": "1", "key": "k", "value": "v"})
bad("rename", "POST", M + "registered-models/rename", {"name": "theirs", "new_name": "x"})
bad("experiments", "POST", M + "experiments/delete", {"experiment_id": "0"})
bad("a place", "POST", M + "experiments/create", {"name": "placed", "artifact_location": "mlflow-artifacts:/0/" + OTHER})
bad("endpoint", "DELETE", "/api/v1/endpoints/victim")
bad("deploy", "POST", "/api/v1/endpoints/victim/deployments", {"name": "x", "model": "ours", "spec": {"network": True}})
bad("job", "POST", "/api/v1/jobs/command", {"command": "true"})
for path in ("ledger", "ledger/head", "principals", "secrets", "roles", "endpoints", "issuers", "signing-keys", "logs", "subscriptions"):
    bad(path, "GET", "/api/v1/" + path)
bad("metrics", "GET", "/metrics")
"#;

#[test]
fn the_token_of_a_job_reaches_what_is_its_own_and_nothing_more() {
    let name = "the_token_of_a_job_reaches_what_is_its_own_and_nothing_more";
    let Some(shop) = Shop::open(name, &[]) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let post = |path: &str, body: Value| {
        let (status, answer) = runtime.block_on(shop.server.api(http::Method::POST, path, Some(body)));
        assert!(status < 300, "{path} {status} {answer}");
        answer
    };
    let mlflow = |path: &str, body: Value| post(&format!("/api/2.0/mlflow/{path}"), body);
    let table = shop.folder.path().join("points.csv");
    std::fs::write(&table, "x,y\n1,2\n3,4\n").unwrap();
    shop.server.cli(&["data", "register", "points", table.to_str().unwrap()]);
    shop.server.cli(&["endpoint", "create", "victim"]);
    let weights = shop.folder.path().join("weights");
    std::fs::create_dir(&weights).unwrap();
    std::fs::write(weights.join("w.bin"), "weights").unwrap();
    shop.server.cli(&["model", "register", "same", weights.to_str().unwrap()]);
    let other = mlflow("runs/create", json!({"experiment_id": "0"}));
    let other = other["run"]["info"]["run_id"].as_str().unwrap().to_owned();
    mlflow("registered-models/create", json!({"name": "theirs"}));
    mlflow("model-versions/create", json!({"name": "theirs", "source": "s3://elsewhere/model"}));
    let logged = mlflow("logged-models", json!({"experiment_id": "0", "name": "m"}));
    let logged = logged["model"]["info"]["model_id"].as_str().unwrap().to_owned();
    let script = format!("{CALLER}OTHER, LOGGED = '{other}', '{logged}'\n{CALLS}");
    let job = shop.submit(&script, "");
    let job = shop.ended(&id(&job));
    let log = shop.log(&id(&job));
    assert_eq!(job["status"], "Completed", "{job:#} {log}");
    assert!(!log.contains("BAD"), "{log}");
    assert_eq!((log.matches("good ").count(), log.matches("refused ").count()), (19, 27), "{log}");
    assert!(log.contains("same 1\n"), "{log}");
    let entries = runtime.block_on(shop.server.api(http::Method::GET, "/api/v1/ledger?limit=1000", None)).1;
    let actor = format!("job:{}", id(&job));
    let by: Vec<&Value> =
        entries.as_array().unwrap().iter().filter(|e| e["actor"] == actor.as_str()).collect();
    assert!(by.iter().any(|e| e["action"].as_str().unwrap().contains("model")), "{by:?}");
    assert!(!entries.to_string().contains("\"jobs\""), "{entries}");
}

/// The routes of the control plane that a job's token is let in to.
const OPEN_TO_JOBS: &[(&str, &str)] = &[
    ("GET", "/api/v1/data"),
    ("GET", "/api/v1/data/{name}/versions"),
    ("GET", "/api/v1/data/{name}/versions/{version}"),
    ("GET", "/api/v1/data/{name}/versions/{version}/preview"),
    ("POST", "/api/v1/trees"),
    ("GET", "/api/v1/jobs"),
    ("GET", "/api/v1/jobs/{id}"),
    ("GET", "/api/v1/jobs/{id}/sweep"),
    ("GET", "/api/v1/jobs/{id}/log"),
    ("GET", "/api/v1/jobs/{id}/outputs"),
    ("GET", "/api/v1/jobs/{id}/outputs/{path}"),
    ("GET", "/api/v1/jobs/{id}/trials"),
    ("GET", "/api/v1/jobs/{id}/events"),
    ("GET", "/api/v1/jobs/{id}/files/{file}"),
    ("GET", "/api/v1/models"),
    ("GET", "/api/v1/models/{name}/versions"),
    ("POST", "/api/v1/models/{name}/versions"),
    ("GET", "/api/v1/models/{name}/versions/{version}"),
    ("GET", "/api/v1/models/{name}/versions/{version}/file"),
    ("PUT", "/api/v1/models/{name}/aliases/{alias}"),
    ("POST", "/api/v1/models/{name}/folders"),
    ("GET", "/api/v1/models/{name}/versions/{version}/files"),
    ("GET", "/api/v1/models/{name}/versions/{version}/files/{*path}"),
];

#[test]
fn every_route_that_is_not_open_to_jobs_refuses_their_token() {
    let name = "every_route_that_is_not_open_to_jobs_refuses_their_token";
    let Some(shop) = Shop::open(name, &[]) else { return };
    let script =
        "import os, time\nprint('token', os.environ['MLFLOW_TRACKING_TOKEN'], flush=True)\ntime.sleep(600)";
    let job = shop.submit(script, "");
    shop.said(&id(&job), "token ");
    let mut stream = shop.stream(&id(&job));
    let lines = std::io::BufRead::lines(std::io::BufReader::new(stream.stdout.take().unwrap()));
    let said = lines.map_while(Result::ok).find(|line| line.contains("token ")).unwrap();
    stream.kill().unwrap();
    stream.wait().unwrap();
    let said: Value = serde_json::from_str(&said).unwrap();
    let token = said["line"].as_str().unwrap().strip_prefix("token ").unwrap().to_owned();
    let ended = shop.submit("", "");
    shop.ended(&id(&ended));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (method, route, needs) in super::roles::NEEDS.iter().filter(|(_, _, needs)| !needs.is_empty()) {
        let path = route.replace("{id}", &id(&ended)).replace("{*path}", "a").replace("{scope}", "workspace");
        let path = path.replace(['{', '}'], "");
        let mut ask =
            shop.server.http().request(method.parse().unwrap(), format!("{}{path}", shop.server.url));
        if *method != "GET" {
            ask = ask.json(&json!({}));
        }
        let status = runtime.block_on(ask.bearer_auth(&token).send()).unwrap().status().as_u16();
        let open = OPEN_TO_JOBS.contains(&(*method, *route));
        let told = format!("{method} {route} ({needs}): {status}");
        if open {
            assert!(status != 401 && status != 403, "{told}");
        } else {
            assert_eq!(status, 403, "{told}");
        }
    }
    shop.server.cli(&["job", "cancel", &id(&job)]);
}
