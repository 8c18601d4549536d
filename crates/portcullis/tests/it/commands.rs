//! Jobs that run the user's command: real processes, cancelled, killed, limited, and the server killed under them.

use super::support::{Server, skip};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// A server and a folder for definitions; nothing without an interpreter.
pub struct Shop {
    pub server: Server,
    pub folder: tempfile::TempDir,
}

impl Shop {
    pub fn open(test: &str, settings: &[(&str, &str)]) -> Option<Self> {
        if !Path::new("/usr/bin/python3").exists() && !Path::new("/usr/local/bin/python3").exists() {
            skip(test, "python3");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_with(&folder.path().join("data"), settings);
        Some(Self { server, folder })
    }

    /// Writes a script and a definition that runs it.
    fn define(&self, script: &str, more: &str) -> String {
        let code = self.folder.path().join("src");
        std::fs::create_dir_all(&code).unwrap();
        std::fs::write(code.join("train.py"), script).unwrap();
        let file = self.folder.path().join("job.yml");
        let text = format!("code: src\nexperiment_name: trials\n{more}");
        let text =
            if text.contains("command:") { text } else { format!("{text}\ncommand: python train.py\n") };
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    }

    pub fn submit(&self, script: &str, more: &str) -> Value {
        let file = self.define(script, more);
        self.server.cli(&["job", "submit", "-f", &file, "--detach"])
    }

    fn show(&self, id: &str) -> Value {
        self.server.cli(&["job", "show", id])["job"].clone()
    }

    /// Waits until the job has ended.
    pub fn ended(&self, id: &str) -> Value {
        let mut job = Value::Null;
        until(&format!("the job {id} ends"), || {
            job = self.show(id);
            ["Completed", "Failed", "Canceled"].contains(&job["status"].as_str().unwrap())
        });
        job
    }

    /// Follows the job's log on a second process.
    pub fn stream(&self, id: &str) -> Child {
        let mut command = super::support::binary();
        command.args(["job", "stream", id, "--json", "--server", &self.server.url]);
        command.env("PORTCULLIS_TOKEN", &self.server.token).stdout(Stdio::piped()).spawn().unwrap()
    }

    pub fn log(&self, id: &str) -> String {
        let mut stream = self.stream(id);
        let mut text = String::new();
        std::io::Read::read_to_string(stream.stdout.as_mut().unwrap(), &mut text).unwrap();
        stream.wait().unwrap();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter_map(|event| Some(event["line"].as_str()?.to_owned() + "\n")).collect()
    }

    /// Waits for a line of a job that runs.
    pub fn said(&self, id: &str, wanted: &str) {
        let mut stream = self.stream(id);
        let lines = std::io::BufRead::lines(std::io::BufReader::new(stream.stdout.take().unwrap()));
        let found = lines.map_while(Result::ok).any(|line| line.contains(wanted));
        stream.kill().unwrap();
        stream.wait().unwrap();
        assert!(found, "'{wanted}' was never said");
        assert_eq!(self.show(id)["status"], "Running");
    }
}

pub fn id(job: &Value) -> String {
    job["id"].as_str().unwrap().to_owned()
}

fn until(what: &str, mut met: impl FnMut() -> bool) {
    let start = Instant::now();
    while !met() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

/// Numbers of processes whose command line or environment holds the text.
fn running(text: &str) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let read = |file: &str| std::fs::read(entry.path().join(file)).unwrap_or_default();
        let said = [read("cmdline"), read("environ")].concat();
        if String::from_utf8_lossy(&said).contains(text) {
            found.push(id);
        }
    }
    found
}

/// Ignores the wish to end, and leaves a process in a session of its own behind.
const STUBBORN: &str = "import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print('ready', flush=True)
        time.sleep(600)
    os._exit(0)
time.sleep(600)
";

/// Reads a table, a folder and a file, and leaves a model and a report.
const READER: &str = r#"
import argparse, os, pathlib, sys
p = argparse.ArgumentParser()
for name in ("table", "folder", "note", "rate", "model"): p.add_argument("--" + name)
a = p.parse_args()
print("rows", len(open(a.table).read().splitlines()), os.path.basename(a.folder), os.listdir(a.folder))
print("note", open(a.note).read(), "rate", a.rate, "mode", os.environ["MODE"])
print("failing", file=sys.stderr)
try:
    open(a.note, "w"); print("inputs can be written")
except OSError: print("inputs are read only")
pathlib.Path(a.model, "model.bin").write_bytes(b"model")
pathlib.Path("outputs/deep").mkdir(parents=True); pathlib.Path("outputs/deep/report.txt").write_text("fine")
pathlib.Path("outputs/epoch#1").write_text("odd")
print("run", os.environ["MLFLOW_RUN_ID"], os.environ["AZUREML_RUN_ID"] == os.environ["MLFLOW_RUN_ID"])
"#;

#[test]
fn a_command_reads_its_inputs_and_leaves_its_outputs() {
    let Some(shop) = Shop::open("a_command_reads_its_inputs_and_leaves_its_outputs", &[]) else { return };
    let table = shop.folder.path().join("points.csv");
    std::fs::write(&table, "x,y\n1,2\n3,4\n").unwrap();
    std::fs::write(shop.folder.path().join("note.txt"), "beside").unwrap();
    shop.server.cli(&["data", "register", "points", table.to_str().unwrap()]);
    let more = "command: >-
  python train.py --table ${{inputs.table}} --folder ${{ inputs.folder }} --note ${{inputs.note}}
  --rate ${{inputs.rate}} --model ${{outputs.model}}
inputs:
  table: {type: uri_file, path: azureml:points@latest}
  folder: {type: uri_folder, path: azureml:points:1}
  note: {type: uri_file, path: note.txt}
  rate: 0.1
outputs:
  model:
environment_variables: {MODE: \"plain ${{inputs.rate}}\"}
tags: {colour: red}
";
    let file = shop.define(READER, more);
    let job = shop.server.cli(&["job", "submit", "-f", &file]);
    assert_eq!(job["status"], "Completed", "{job:#}");
    assert_eq!((&job["kind"], &job["result"]["exit_code"]), (&json!("command"), &json!(0)));
    assert_eq!(job["lineage"]["data"], "points");
    let log = shop.log(&id(&job));
    for line in [
        "rows 3 folder ['points.csv']",
        "note beside rate 0.1 mode plain 0.1",
        "failing",
        "inputs are read only",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
    assert!(log.contains(&format!("run {} True", id(&job))), "{log}");
    assert_eq!(job["result"]["outputs"]["model"]["files"], 1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let get = |route: String| runtime.block_on(shop.server.api(http::Method::GET, &route, None));
    let route = format!("/api/v1/jobs/{}/outputs", id(&job));
    assert_eq!(get(route.clone()), (200, json!({"deep/report.txt": 4, "epoch#1": 3})));
    assert!(log.contains("not listed among the artifacts") && log.contains("'epoch#1'"), "{log}");
    assert_eq!(get(format!("{route}?output=model")), (200, json!({"model.bin": 5})));
    assert_eq!(get(format!("{route}/deep%2Freport.txt")).0, 200);
    let (out, whole) = (shop.folder.path().join("down"), id(&job));
    let got = shop.server.cli(&["job", "download", &whole[..30], "--out", out.to_str().unwrap()]);
    for (path, content) in [("outputs/deep/report.txt", "fine"), ("model/model.bin", "model")] {
        assert_eq!(std::fs::read_to_string(out.join(path)).unwrap(), content);
        assert!(got["files"].as_array().unwrap().contains(&json!(path)), "{got}");
    }
    assert!(!got.to_string().contains('#'), "{got}");
    let (status, run) = get(format!("/api/2.0/mlflow/runs/get?run_id={}", id(&job)));
    assert_eq!((status, &run["run"]["info"]["status"]), (200, &json!("FINISHED")), "{run:#}");
    let tags = run["run"]["data"]["tags"].as_array().unwrap();
    assert!(tags.contains(&json!({"key": "colour", "value": "red"})), "{tags:?}");
    let own = shop.folder.path().join("data/runs").join(id(&job));
    until("its folder goes", || !own.exists());
    outputs_are_registered(&shop, &id(&job), get);
}

/// What was kept are artifacts of the run, where a registration finds them.
fn outputs_are_registered(shop: &Shop, job: &str, get: impl Fn(String) -> (u16, Value)) {
    for (path, file) in [("outputs/deep/report.txt", "report.txt"), ("model", "model.bin")] {
        let made = shop.server.cli(&["model", "register", file, "--from-job", job, "--path", path]);
        assert_eq!(made["lineage"]["data"], "points", "{made:#}");
        let (_, files) = get(format!("/api/v1/models/{file}/versions/1/files"));
        assert_eq!(files[0]["path"], file, "{files}");
    }
}

#[test]
fn a_script_logs_to_its_run_and_reaches_nothing_else() {
    let name = "a_script_logs_to_its_run_and_reaches_nothing_else";
    let Some(shop) = Shop::open(name, &[]) else { return };
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let script = r#"
import json, os, socket, time, urllib.request
def call(route, body):
    r = urllib.request.Request(os.environ["MLFLOW_TRACKING_URI"] + route, json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]})
    return json.load(urllib.request.urlopen(r))
call("/api/2.0/mlflow/runs/log-metric", {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "Test accuracy", "value": 0.75, "timestamp": 1, "step": 0})
print("logged", flush=True)
for where in (("127.0.0.1", OTHER), ("192.0.2.1", 80)):
    try: socket.create_connection(where, 3); print("reached", where)
    except OSError: print("refused", flush=True)
for path in ("DATA/admin-token", "DATA/secrets", "DATA/metadata.db"):
    try: print("read", open(path, "rb").read(1) if os.path.isfile(path) else os.listdir(path))
    except OSError: print("closed", flush=True)
print("names", sorted(n for n in os.environ if "PORTCULLIS" in n or "SECRET" in n))
print("token", os.environ["MLFLOW_TRACKING_TOKEN"])
"#;
    let data = shop.folder.path().join("data");
    let script = script
        .replace("OTHER", &other.local_addr().unwrap().port().to_string())
        .replace("DATA", data.to_str().unwrap());
    let job = shop.submit(&script, "");
    let job = shop.ended(&id(&job));
    let log = shop.log(&id(&job));
    assert_eq!(job["status"], "Completed", "{job:#} {log}");
    assert!(log.contains("logged\n") && !log.contains("reached") && !log.contains("read "), "{log}");
    assert_eq!((log.matches("refused\n").count(), log.matches("closed\n").count()), (2, 3), "{log}");
    assert!(log.contains("names []"), "{log}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let route = format!("/api/2.0/mlflow/runs/get?run_id={}", id(&job));
    let run = runtime.block_on(shop.server.api(http::Method::GET, &route, None)).1;
    assert_eq!(run["run"]["data"]["metrics"][0]["value"], 0.75, "{run:#}");
    let token = log.lines().find_map(|line| line.strip_prefix("token ")).unwrap();
    let asked = shop.server.http().get(format!("{}/api/v1/jobs", shop.server.url)).bearer_auth(token);
    assert_eq!(runtime.block_on(asked.send()).unwrap().status(), 401);
}

#[test]
fn a_cancelled_command_leaves_no_process() {
    let settings = [("RUNS__CANCEL_GRACE", "200ms")];
    let Some(shop) = Shop::open("a_cancelled_command_leaves_no_process", &settings) else { return };
    let job = shop.submit(STUBBORN, "");
    // Seen while it runs: the log is live.
    shop.said(&id(&job), "ready");
    let mark = format!("MLFLOW_RUN_ID={}", id(&job));
    assert!(running(&mark).len() >= 2);
    shop.server.cli(&["job", "cancel", &id(&job)]);
    let job = shop.ended(&id(&job));
    assert_eq!(job["status"], "Canceled");
    assert_eq!(running(&mark), [0; 0]);
    assert!(shop.log(&id(&job)).contains("ready"));
}

#[test]
fn limits_of_memory_and_time_end_a_command_and_say_so() {
    let settings = [("RUNS__MEMORY_BYTES", "134217728"), ("RUNS__CANCEL_GRACE", "200ms")];
    let Some(shop) = Shop::open("limits_of_memory_and_time_end_a_command_and_say_so", &settings) else {
        return;
    };
    let one = shop.submit("x = bytearray(1 << 30)", "");
    let one = shop.ended(&id(&one));
    assert_eq!(one["status"], "Failed");
    assert!(shop.log(&id(&one)).contains("MemoryError"));
    let many = "import os, time\nfor _ in range(4): os.fork() or (x := os.urandom(60 << 20), time.sleep(600))\ntime.sleep(600)";
    let many = shop.submit(many, "");
    let many = shop.ended(&id(&many));
    assert!(many["error"].as_str().unwrap().contains("bytes of memory together"), "{many:#}");
    let late = shop.submit("import time; time.sleep(600)", "limits: {timeout: 1}");
    let late = shop.ended(&id(&late));
    assert!(late["error"].as_str().unwrap().contains("took longer than its timeout allows (1s)"), "{late:#}");
    let failed = shop.submit("raise SystemExit(3)", "");
    let failed = shop.ended(&id(&failed));
    assert!(failed["error"].as_str().unwrap().contains("exit code 3"), "{failed:#}");
    let out = shop.server.try_cli(&["job", "submit", "-f", &shop.define("raise SystemExit(3)", "")]);
    assert!(!out.status.success());
}

#[test]
fn a_killed_command_and_a_killed_server_leave_a_true_state_and_no_orphan() {
    let name = "a_killed_command_and_a_killed_server_leave_a_true_state_and_no_orphan";
    let Some(mut shop) = Shop::open(name, &[]) else { return };
    let script = "import os, time\nopen('outputs/half.txt', 'w').write('half') if os.makedirs('outputs', exist_ok=True) is None else 0\nprint('ready', flush=True)\ntime.sleep(600)";
    let job = shop.submit(script, "");
    shop.said(&id(&job), "ready");
    let mark = format!("MLFLOW_RUN_ID={}", id(&job));
    for process in running(&mark) {
        _ = Command::new("kill").args(["-9", &process.to_string()]).status();
    }
    let job = shop.ended(&id(&job));
    assert_eq!(job["status"], "Failed");
    assert!(job["error"].as_str().unwrap().contains("killed"), "{job:#}");

    let (job, data) = (shop.submit(STUBBORN, ""), shop.folder.path().join("data"));
    shop.said(&id(&job), "ready");
    let waits = [shop.submit(script, ""), shop.submit("print('began')", "")];
    shop.said(&id(&waits[0]), "ready");
    let mark = format!("MLFLOW_RUN_ID={}", id(&job));
    let folder = shop.folder;
    shop.server.kill();
    until("the orphans end", || running(&mark).is_empty());
    shop = Shop { server: Server::start(&data), folder };
    let died = shop.ended(&id(&job));
    assert_eq!(died["status"], "Failed");
    assert!(died["error"].as_str().unwrap().contains("the server ended while the command ran"), "{died:#}");
    assert!(shop.log(&id(&job)).contains("ready"));
    let half = shop.ended(&id(&waits[0]));
    assert_eq!(half["result"]["artifacts"]["files"], 1, "{half:#}");
    // What never began is begun now.
    assert_eq!(shop.ended(&id(&waits[1]))["status"], "Completed");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let route = format!("/api/2.0/mlflow/runs/get?run_id={}", id(&job));
    let run = runtime.block_on(shop.server.api(http::Method::GET, &route, None)).1;
    assert_eq!(run["run"]["info"]["status"], "FAILED");
}

#[test]
fn a_sweep_finds_the_best_of_what_its_trials_log() {
    let Some(shop) = Shop::open("a_sweep_finds_the_best_of_what_its_trials_log", &[]) else { return };
    let script = r#"
import json, os, sys, urllib.request
def call(value):
    body = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "loss", "value": value, "timestamp": 1, "step": 0}
    r = urllib.request.Request(os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric", json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]})
    urllib.request.urlopen(r)
call((float(sys.argv[1]) - 3) ** 2 + (0 if sys.argv[2] == "b" else 1))
"#;
    shop.define(script, "");
    let file = shop.folder.path().join("sweep.yml");
    let text = "$schema: https://example.org/sweepJob.schema.json
type: sweep
experiment_name: trials
trial: {code: src, command: \"python train.py ${{search_space.rate}} ${{search_space.kind}}\"}
sampling_algorithm: grid
search_space:
  rate: {type: choice, values: [1, 3]}
  kind: {type: choice, values: [a, b]}
objective: {goal: minimize, primary_metric: loss}
limits: {max_total_trials: 10, max_concurrent_trials: 2, timeout: 600}
";
    std::fs::write(&file, text).unwrap();
    let job = shop.server.cli(&["job", "submit", "-f", file.to_str().unwrap()]);
    assert_eq!(job["status"], "Completed", "{job:#}");
    assert_eq!(job["result"]["trials"], 4);
    assert_eq!(job["result"]["best"]["parameters"], json!({"kind": "b", "rate": "3"}));
    assert_eq!(job["metrics"]["loss"], 0.0);
    let best = id(&json!({"id": job["result"]["best"]["run"]}));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let route = format!("/api/2.0/mlflow/runs/get?run_id={best}");
    let run = runtime.block_on(shop.server.api(http::Method::GET, &route, None)).1;
    let tags = run["run"]["data"]["tags"].as_array().unwrap();
    assert!(tags.contains(&json!({"key": "mlflow.parentRunId", "value": id(&job)})), "{tags:?}");
}

#[test]
fn links_in_the_outputs_lose_nothing() {
    let Some(shop) = Shop::open("links_in_the_outputs_lose_nothing", &[]) else { return };
    let script = "import os, socket\nos.makedirs('outputs/ck1')\nopen('outputs/ck1/w', 'w').write('weights')\n\
                  os.symlink('ck1', 'outputs/latest')\nos.symlink('/etc/passwd', 'outputs/out')\n\
                  os.chdir('outputs')\nsocket.socket(socket.AF_UNIX).bind('s')";
    let job = shop.submit(script, "");
    let job = shop.ended(&id(&job));
    let log = shop.log(&id(&job));
    assert_eq!(job["status"], "Completed", "{job:#} {log}");
    assert_eq!(job["result"]["artifacts"]["files"], 2, "{job:#}");
    assert_eq!(job["result"]["left_out"].as_array().unwrap().len(), 2, "{job:#}");
    assert!(log.contains("portcullis: not kept: ./outputs: 'out': it is a link that leads out"), "{log}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let route = format!("/api/v1/jobs/{}/outputs", id(&job));
    let files = runtime.block_on(shop.server.api(http::Method::GET, &route, None)).1;
    assert_eq!(files, json!({"ck1/w": 7, "latest/w": 7}));
}

#[test]
fn a_table_that_is_part_of_its_file_comes_as_that_part() {
    let Some(shop) = Shop::open("a_table_that_is_part_of_its_file_comes_as_that_part", &[]) else { return };
    let folder = shop.folder.path().join("table");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("points.csv"), "x,secret,y\n1,s,\"a,b\"\n3,s,c\n5,s,d\n").unwrap();
    let text = "type: mltable\npaths: [{file: ./points.csv}]\ntransformations:\n  - read_delimited: {delimiter: ','}\n\
                \x20 - take: 2\n  - drop_columns: [secret]\n";
    std::fs::write(folder.join("MLTable"), text).unwrap();
    shop.server.cli(&["data", "register", "points", folder.to_str().unwrap()]);
    let script = "import os, sys\nfolder, file = sys.argv[1:]\nprint(sorted(os.listdir(folder)))\nprint(repr(open(file).read()))\n\
                  print(open(os.path.join(folder, 'MLTable')).read())";
    let more = "command: python train.py ${{inputs.folder}} ${{inputs.file}}\ninputs:\n  folder: {type: mltable, path: azureml:points:1}\n\
                \x20 file: {type: uri_file, path: azureml:points:1}\n";
    let job = shop.submit(script, more);
    let job = shop.ended(&id(&job));
    let log = shop.log(&id(&job));
    assert_eq!(job["status"], "Completed", "{job:#} {log}");
    assert!(log.contains("['MLTable', 'points.csv']"), "{log}");
    assert!(log.contains(r#"'x,y\n1,"a,b"\n3,c\n'"#), "{log}");
    assert!(log.contains("file: ./points.csv"), "{log}");
}

#[test]
fn what_is_not_there_is_refused_at_once_and_files_are_bounded() {
    let settings = [("RUNS__COMMAND__FOLDER_BYTES", "4194304")];
    let Some(shop) = Shop::open("what_is_not_there_is_refused_at_once_and_files_are_bounded", &settings)
    else {
        return;
    };
    let file = shop.define("print(1)", "environment: azureml:absent:1\n");
    let refused = shop.server.try_cli(&["job", "submit", "-f", &file, "--detach"]);
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && told.contains("absent"), "{told}");
    assert_eq!(shop.server.cli(&["job", "list"]), json!([]));
    let script =
        "import time\nfor n in range(8): open(f'{n}', 'wb').write(b'0' * (1 << 20))\ntime.sleep(600)";
    let job = shop.submit(script, "");
    let job = shop.ended(&id(&job));
    assert!(job["error"].as_str().unwrap().contains("runs.command.folder_bytes"), "{job:#}");
}
