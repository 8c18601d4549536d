//! What people see of commands: workspaces found and not made, URLs that answer, nothing that steers a terminal.

use super::support::{Server, binary};
use serde_json::json;
use std::path::Path;
use std::process::Output;

/// A command without `--json`, in a folder.
fn typed(folder: &Path, args: &[&str]) -> Output {
    binary().current_dir(folder).args(args).output().unwrap()
}

/// A command without `--json` at a server.
fn at(server: &Server, args: &[&str]) -> Output {
    let mut command = binary();
    command.args(args).args(["--server", &server.url]).env("PORTCULLIS_TOKEN", &server.token);
    command.output().unwrap()
}

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn refusal(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_workspace_is_found_above_and_never_made_by_chance() {
    let folder = tempfile::tempdir().unwrap();
    let mine = folder.path().join("mine");
    std::fs::create_dir(&mine).unwrap();
    for args in [&["endpoint", "create", "e"][..], &["endpoint", "list"], &["principal", "create", "p"]] {
        assert!(refusal(&typed(&mine, args)).contains("there is no workspace here nor above"));
    }
    assert!(!mine.join(".portcullis").exists());
    std::fs::write(folder.path().join("t.csv"), "a,b\n1,2\n").unwrap();
    out(&typed(folder.path(), &["data", "register", "t", "t.csv"]));
    let made = typed(&mine, &["endpoint", "create", "e"]);
    assert!(String::from_utf8_lossy(&made.stderr).contains("note: the workspace is "));
    let said = out(&made);
    assert!(said.contains("created endpoint e at /endpoints/e/ (no server runs"), "{said}");
    assert!(!mine.join(".portcullis").exists());
    let client = out(&typed(folder.path(), &["principal", "create", "p", "--audience", "api://a"]));
    assert!(!client.contains("127.0.0.1"), "{client}");
}

#[test]
fn what_cannot_be_reached_or_is_typed_wrong_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "x").unwrap();
    // A port that was free a moment ago: nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    let args = ["job", "list", "--server", &url, "--token-file", token.to_str().unwrap()];
    let told = refusal(&typed(folder.path(), &args));
    assert!(told.contains(&format!("no server at {url}: start `portcullis serve`")), "{told}");
    let mut wrong = binary();
    wrong.args(["endpoint", "create", "--nonsense"]).env("PORTCULLIS_DATA_DIR", folder.path());
    let told = refusal(&wrong.output().unwrap());
    assert!(told.contains("--nonsense") && !told.contains("--data-dir <DIR>"), "{told}");
}

#[tokio::test]
async fn what_others_wrote_steers_no_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let post = async |path: &str, body| {
        let (status, answer) =
            server.api(http::Method::POST, &format!("/api/2.0/mlflow/{path}"), Some(body)).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    };
    let wild = "\u{1b}]0;owned\u{7}\u{9b}2J\ntwo";
    post("registered-models/create", json!({"name": "m", "tags": [{"key": "k", "value": wild}]})).await;
    let mut runs = Vec::new();
    for depth in ["3", wild] {
        let made = post("runs/create", json!({"experiment_id": "0", "run_name": wild})).await;
        let id = made["run"]["info"]["run_id"].as_str().unwrap().to_owned();
        post("runs/log-parameter", json!({"run_id": id, "key": "depth", "value": depth})).await;
        runs.push(id);
    }
    let shows = [
        out(&at(&server, &["model", "list"])),
        out(&at(&server, &["job", "show", &runs[0], &runs[1]])),
        out(&at(&server, &["job", "show", &runs[1]])),
        out(&at(&server, &["model", "list", "--json"])),
    ];
    for shown in shows {
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
        assert!(shown.contains("\\u001b]0;owned") && shown.contains("\\ntwo"), "{shown}");
    }
    let compared = out(&at(&server, &["job", "show", &runs[0], &runs[1]]));
    assert!(compared.contains("Default") && compared.contains("Running"), "{compared}");
    assert!(refusal(&at(&server, &["logs", "nope"])).contains("nope"));
    let root = server.http().get(&server.url).header("accept", "text/html").send().await.unwrap();
    assert!(root.status().is_success() && root.text().await.unwrap().contains("<h1>Portcullis</h1>"));
}

/// Logs its score, and prints what a terminal would heed.
const TRIAL: &str = "import mlflow, sys\nmlflow.log_metric('score', float(sys.argv[1]))\nprint('\\x1b[31mred\\x1b[0m \\x1b[2J')\n";

#[test]
fn jobs_are_shown_with_what_they_did() {
    let Some(python) = super::python::interpreter("jobs_are_shown_with_what_they_did") else { return };
    let folder = tempfile::tempdir().unwrap();
    let interpreter = ("ENVIRONMENTS__PYTHON", python.to_str().unwrap());
    let server = Server::start_with(&folder.path().join("data"), &[interpreter]);
    let code = folder.path().join("src");
    std::fs::create_dir(&code).unwrap();
    std::fs::write(code.join("train.py"), TRIAL).unwrap();
    let sweep = folder.path().join("sweep.yml");
    let text = "type: sweep\ndisplay_name: depths\nsampling_algorithm: grid\nsearch_space:\n  x: {type: choice, values: [1, 2]}\n\
                objective: {goal: maximize, primary_metric: score}\nlimits: {max_total_trials: 2}\ntrial:\n  code: src\n  \
                command: python train.py ${{search_space.x}}\n";
    std::fs::write(&sweep, text).unwrap();
    let submitted = at(&server, &["job", "submit", "-f", sweep.to_str().unwrap()]);
    let said = out(&submitted);
    assert!(said.contains("trial  status") && said.contains("x=2") && said.contains("best: "), "{said}");
    let jobs = server.cli(&["job", "list"]);
    let swept = jobs.as_array().unwrap().iter().find(|job| job["kind"] == "sweep").unwrap();
    let id = swept["id"].as_str().unwrap();
    let shown = out(&at(&server, &["job", "show", &id[..20]]));
    assert!(
        shown.contains("depths") && shown.contains("why it ended") && shown.contains("best: "),
        "{shown}"
    );
    assert!(out(&at(&server, &["job", "list"])).contains("Default"));
    let job = folder.path().join("job.yml");
    std::fs::write(&job, "code: src\ncommand: python train.py 5\ndisplay_name: one\ntags: {team: a}\n")
        .unwrap();
    let log = out(&at(&server, &["job", "submit", "-f", job.to_str().unwrap()]));
    assert!(log.contains("\u{1b}[31mred\u{1b}[0m \\u001b[2J"), "{log:?}");
    let id = server.cli(&["job", "list"])[0]["id"].as_str().unwrap().to_owned();
    let shown = out(&at(&server, &["job", "show", &id]));
    for part in ["one", "team=a", "score", "exit code: 0", "ran "] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}
