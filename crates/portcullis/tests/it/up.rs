//! `up`: the example repositories from their scripts to a scored request at the gateway, and once more while calls go on.

use crate::python::{interpreter, serve};
use crate::support::{Server, binary, repository, shared, skip};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// An example beside the server's data, whose scripts run in the interpreter of the tests: nothing is fetched.
struct Example {
    server: Server,
    models: PathBuf,
    folder: tempfile::TempDir,
}

impl Example {
    fn open(test: &str, example: &str) -> Option<Self> {
        let python = interpreter(test)?;
        let folder = tempfile::tempdir().unwrap();
        let models = folder.path().join("models");
        copy(&repository("examples").join(example).join("models"), &models);
        let server = serve(folder.path(), &python, &[]);
        Some(Self { server, models, folder })
    }

    /// Changes a file of a model.
    fn change(&self, file: &str, pairs: &[(&str, &str)]) {
        let path = self.models.join(file);
        let mut text = std::fs::read_to_string(&path).unwrap();
        for (from, to) in pairs {
            assert!(text.contains(from), "{file}: {from}");
            text = text.replace(from, to);
        }
        std::fs::write(path, text).unwrap();
    }

    /// The packages are those of the tests' interpreter.
    fn settle(&self, model: &str) {
        let config = |file: &str| format!("{model}/config/{file}");
        self.change(
            &config("train.runconfig"),
            &[("userManagedDependencies: False", "userManagedDependencies: True")],
        );
        let own = "condaFile: config/inference-conda.yml";
        self.change(&config("inference-config.yml"), &[(own, "condaFile:")]);
    }

    /// `up` of a model as JSON; what was said when it failed.
    fn up(&self, model: &str, more: &[&str]) -> Result<Value, String> {
        let output = up(&self.server, &self.models.join(model), more).output().unwrap();
        if output.status.success() {
            return Ok(serde_json::from_slice(&output.stdout).unwrap());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn up(server: &Server, folder: &Path, more: &[&str]) -> std::process::Command {
    let mut command = binary();
    command.arg("up").arg(folder).args(more).args(["--json", "--data-dir"]).arg(&server.dir);
    command
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            std::fs::copy(entry.path(), target).map(drop).unwrap()
        }
    }
}

fn applicant() -> Value {
    json!({"data": [{"Age": 20, "Sex": "male", "Job": 0, "Housing": "own", "Saving accounts": "little",
        "Checking account": "little", "Credit amount": 100, "Duration": 48, "Purpose": "radio/TV"}]})
}

/// A token of the client that `up` made, by the command that it names.
fn token(example: &Example, told: &Value) -> String {
    let file = told["published"]["credentials_file"].as_str().unwrap();
    let issued = example.server.cli(&["token", "issue", "--credentials", file]);
    issued["access_token"].as_str().unwrap().to_owned()
}

const CREDIT: &str = "german-credit-basic";

#[tokio::test(flavor = "multi_thread")]
async fn scripts_come_up_and_are_replaced_without_a_call_lost() {
    let Some(example) = Example::open("scripts_come_up", "credit-scripts") else { return };
    example.settle(CREDIT);
    let limits = [
        ("maxQueueWaitMs: 500", "maxQueueWaitMs: 20000\nmaxConcurrentRequestsPerContainer: 8"),
        ("scoringTimeoutMs: 5000", "scoringTimeoutMs: 30000"),
    ];
    example.change(&format!("{CREDIT}/config/deployment-config-aks.yml"), &limits);
    let table = repository("examples/german-credit/german_credit_data.csv");
    let data = ["--data", table.to_str().unwrap()];
    let first = example.up(CREDIT, &data).unwrap();
    // S0-03, S0-15, S0-16, S0-17: the names of the convention.
    assert_eq!(first["data"], "german_credit_file:1");
    assert_eq!(
        (&first["model"]["model"], &first["model"]["version"]),
        (&json!("german-credit-basic-model"), &json!(1))
    );
    assert_eq!(first["deployment"]["endpoint"], "german-credit-basic-deployment");
    assert!(first["scoring_uri"].as_str().unwrap().ends_with("/score"));
    let run = first["job"]["id"].as_str().unwrap();
    assert_eq!(first["model"]["run"], run);
    // S0-08: once encoded, one pair a row.
    let near = |answer: &Value| {
        let pair: Vec<f64> =
            answer["predict_proba"][0].as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).collect();
        assert!(
            pair.len() == 2 && (pair[0] - 0.69).abs() < 0.005 && (pair[1] - 0.31).abs() < 0.005,
            "{answer}"
        );
    };
    near(&first["proof"]["answer"]);
    let bearer = token(&example, &first);
    let (status, text) = example.server.post("/german-credit-basic/score", Some(&bearer), &applicant()).await;
    assert_eq!(status, 200, "{text}");
    near(&serde_json::from_str(&text).unwrap());
    assert_eq!(example.server.post("/german-credit-basic/score", None, &applicant()).await.0, 401);
    let keys = example.server.cli(&["endpoint", "keys", "german-credit-basic-deployment"]);

    let second = replaced_under_calls(&example, &bearer, &data).await;
    assert_eq!((&second["data"], &second["model"]["version"]), (&first["data"], &json!(2)));
    assert_ne!(second["job"]["id"], run);
    assert_eq!(example.server.cli(&["endpoint", "keys", "german-credit-basic-deployment"]), keys);
    let deployed = example.server.cli(&["deployment", "list", "german-credit-basic-deployment"]);
    assert_eq!((deployed.as_array().unwrap().len(), &deployed[0]["version"]), (1, &json!(2)));
    // The client of the first time goes on.
    assert_eq!(second["published"]["client_id"], first["published"]["client_id"]);
    faults(&example, &data);
}

/// A second `up` while callers score at the gateway; all of them are answered.
async fn replaced_under_calls(example: &Example, bearer: &str, data: &[&str]) -> Value {
    let stop = Arc::new(AtomicBool::new(false));
    let url = format!("{}/german-credit-basic/score", example.server.url);
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let call = example.server.http().post(&url).bearer_auth(bearer).json(&applicant());
            let stop = stop.clone();
            tokio::spawn(async move {
                let (mut good, mut bad) = (0_u32, Vec::new());
                while !stop.load(Ordering::Relaxed) {
                    match call.try_clone().unwrap().send().await {
                        Ok(answer) if answer.status() == 200 => good += 1,
                        Ok(answer) => {
                            bad.push(format!("{} {}", answer.status(), answer.text().await.unwrap()))
                        }
                        Err(e) => bad.push(e.to_string()),
                    }
                }
                (good, bad)
            })
        })
        .collect();
    let mut command = up(&example.server, &example.models.join(CREDIT), data);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    stop.store(true, Ordering::Relaxed);
    let mut all = 0;
    for caller in callers {
        let (good, bad) = caller.await.unwrap();
        assert!(bad.is_empty(), "{bad:?}");
        all += good;
    }
    eprintln!("{all} calls answered while up replaced what they called, 0 failed");
    assert!(all > 0);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A step that fails is named, and what runs stays.
fn faults(example: &Example, data: &[&str]) {
    let refused = |more: &[&str]| example.up(CREDIT, more).unwrap_err();
    let said = refused(&[data, &["--endpoint", "other"]].concat());
    assert!(said.contains("is published over the endpoint german-credit-basic-deployment"), "{said}");
    let said = refused(&["--data", "absent"]);
    assert!(said.contains("data: ") && said.contains("'absent'"), "{said}");
    let said = refused(&[data, &["--model-file", "absent.pkl"]].concat());
    assert!(said.contains("register: ") && said.contains("credit-prediction.pkl"), "{said}");
    example.change(
        &format!("{CREDIT}/score.py"),
        &[("def init():", "def init():\n    raise ValueError('not today')\ndef none():")],
    );
    let said = refused(data);
    assert!(said.contains("deploy: ") && said.contains("not today"), "{said}");
    assert!(said.contains("this step alone: portcullis deployment create"), "{said}");
    example.change(
        &format!("{CREDIT}/train.py"),
        &[("def main():", "def main():\n    raise ValueError('no')\ndef none():")],
    );
    let said = refused(data);
    assert!(said.contains("train: ") && said.contains("portcullis job submit -f"), "{said}");
    let deployed = example.server.cli(&["deployment", "list", "german-credit-basic-deployment"]);
    assert_eq!((deployed.as_array().unwrap().len(), &deployed[0]["version"]), (1, &json!(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_alone_comes_up_over_registered_data() {
    let Some(example) = Example::open("a_script_alone", "credit-scripts") else { return };
    example.settle(CREDIT);
    let config = example.models.join(CREDIT).join("config");
    for file in ["train.runconfig", "train-conda.yml", "deployment-config-aks.yml"] {
        std::fs::remove_file(config.join(file)).unwrap();
    }
    let table = repository("examples/german-credit/german_credit_data.csv");
    let registered =
        example.server.cli(&["data", "register", "credit", table.to_str().unwrap(), "--as-file"]);
    assert_eq!(registered["columns"], json!([]), "{registered}");
    let own = ["--data", "credit", "--model-file", "credit-prediction.pkl", "--no-publish"];
    let told =
        example.up(CREDIT, &[&own[..], &["--endpoint", "closed", "--model-name", "m"]].concat()).unwrap();
    assert_eq!((&told["data"], &told["published"]), (&json!("credit:1"), &Value::Null));
    assert_eq!((&told["model"]["model"], &told["deployment"]["endpoint"]), (&json!("m"), &json!("closed")));
    assert_eq!(told["proof"]["answer"]["predict_proba"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn banknotes_are_served_with_their_scaler() {
    let test = "banknotes_are_served_with_their_scaler";
    let Some(table) = shared("banknote_authentication.csv") else {
        return skip(test, "shared data");
    };
    let Some(example) = Example::open(test, "banknote") else { return };
    example.settle("banknote");
    let told = example.up("banknote", &["--data", table.to_str().unwrap()]).unwrap();
    let bearer = token(&example, &told);
    // REF-04: all notes, raw values in; a model without its scaler is right on 58 % of them.
    let text = std::fs::read_to_string(&table).unwrap();
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').map(|name| name.trim_matches('"')).collect();
    let (mut rows, mut expected) = (Vec::new(), Vec::new());
    for line in lines.filter(|line| !line.is_empty()) {
        let cells: Vec<f64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
        let row: serde_json::Map<String, Value> =
            names.iter().zip(&cells).take(4).map(|(name, cell)| ((*name).to_owned(), json!(cell))).collect();
        rows.push(Value::Object(row));
        expected.push(if cells[4] == 1.0 { "forged" } else { "genuine" });
    }
    let (status, text) =
        example.server.post("/banknote/score", Some(&bearer), &json!({ "data": rows })).await;
    assert_eq!(status, 200, "{text}");
    let answer: Value = serde_json::from_str(&text).unwrap();
    let guessed = answer["prediction"].as_array().unwrap();
    assert_eq!((rows.len(), guessed.len()), (1372, 1372));
    let right = guessed.iter().zip(&expected).filter(|(guess, truth)| guess == *truth).count();
    eprintln!("{right} of {} notes are told right", rows.len());
    assert_eq!(right, rows.len());
    drop(example.folder);
}
