//! The metric names of a search (S1-03) against the running binary.

use crate::support::{Server, small_table};
use http::Method;
use serde_json::{Value, json};

/// All 21, written out: this list is the contract, whatever the program thinks.
const CLASSIFICATION: [&str; 21] = [
    "accuracy",
    "balanced_accuracy",
    "weighted_accuracy",
    "AUC_macro",
    "AUC_micro",
    "AUC_weighted",
    "average_precision_score_macro",
    "average_precision_score_micro",
    "average_precision_score_weighted",
    "f1_score_macro",
    "f1_score_micro",
    "f1_score_weighted",
    "precision_score_macro",
    "precision_score_micro",
    "precision_score_weighted",
    "recall_score_macro",
    "recall_score_micro",
    "recall_score_weighted",
    "log_loss",
    "matthews_correlation",
    "norm_macro_recall",
];

fn with_table(folder: &std::path::Path) -> Server {
    let table = folder.join("small.csv");
    std::fs::write(&table, small_table(80, 3)).unwrap();
    let server = Server::start(&folder.join("data"));
    server.cli(&["data", "register", "small", table.to_str().unwrap()]);
    server
}

#[test]
fn every_metric_name_can_lead_a_search() {
    let folder = tempfile::tempdir().unwrap();
    let server = with_table(folder.path());
    for name in CLASSIFICATION {
        let run =
            ["automl", "run", "--data", "small", "--target", "y", "--max-trials", "2", "--metric", name];
        let answer = server.cli(&run);
        let job = &answer["job"];
        assert_eq!(job["status"], json!("Completed"), "S1-03 {name}: {job}");
        assert_eq!(job["result"]["metric"], json!(name), "S1-03 {name}");
        assert_eq!(job["result"]["higher_is_better"], json!(name != "log_loss"), "S1-03 {name}");
        for trial in answer["trials"].as_array().unwrap() {
            let known: Vec<&str> = trial["metrics"].as_object().unwrap().keys().map(String::as_str).collect();
            let mut expected = CLASSIFICATION.to_vec();
            expected.sort_unstable();
            assert_eq!(known, expected, "S1-03 {name}: a trial reports all 21");
            assert_eq!(trial["score"], trial["metrics"][name], "S1-03 {name}: the trial's score");
        }
        assert!(job["metrics"][name].is_number(), "S1-03 {name}: the result's metrics: {}", job["metrics"]);
    }
}

#[tokio::test]
async fn an_unknown_metric_name_is_refused_before_there_is_a_job() {
    let folder = tempfile::tempdir().unwrap();
    let server = with_table(folder.path());
    let run = ["automl", "run", "--data", "small", "--target", "y", "--metric", "AUC_weigthed"];
    let output = server.try_cli(&run);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("'AUC_weigthed'"), "{said}");
    for name in CLASSIFICATION {
        assert!(said.contains(name), "{name} is missing in: {said}");
    }
    let numeric = json!({ "data": "small", "target": "x.one", "task": "regression", "metric": "accuracy" });
    for (ask, known) in [
        (numeric, "normalized_root_mean_squared_error"),
        (json!({ "data": "small", "target": "y", "metric": "r2_score" }), "AUC_weighted"),
        (json!({ "data": "small", "target": "x.one", "metric": "none" }), "spearman_correlation"),
    ] {
        let (status, problem): (u16, Value) = server.api(Method::POST, "/api/v1/jobs", Some(ask)).await;
        assert_eq!(status, 400, "{problem}");
        assert!(problem["message"].as_str().unwrap().contains(known), "{problem}");
    }
    let (_, jobs) = server.api(Method::GET, "/api/v1/jobs", None).await;
    assert_eq!(jobs, json!([]), "no job was made");
}

#[tokio::test]
async fn what_a_command_wishes_reaches_the_search() {
    let folder = tempfile::tempdir().unwrap();
    let server = with_table(folder.path());
    let test = folder.path().join("later.csv");
    std::fs::write(&test, small_table(60, 9)).unwrap();
    let mut run =
        vec!["automl", "run", "--data", "small", "--target", "y", "--max-trials", "40", "--out", "out"];
    let out = folder.path().join("out");
    *run.last_mut().unwrap() = out.to_str().unwrap();
    run.extend(["--test-data", test.to_str().unwrap(), "--register-as", "tested", "--metric", "AUCWeighted"]);
    run.extend(["--allow", "neural_network,SVM", "--block", "SVM", "--exclude", "flag"]);
    run.extend(["--n-cross-validations", "3", "--no-vote-ensemble", "--no-stack-ensemble"]);
    let answer = server.cli(&run);
    let (job, result) = (&answer["job"], &answer["job"]["result"]);
    assert_eq!((&job["status"], &result["metric"]), (&json!("Completed"), &json!("AUC_weighted")), "{job}");
    assert_eq!(result["work"]["splits"], json!(3), "{result}");
    // There are two networks in the plan, and nothing to vary about them.
    let trials = answer["trials"].as_array().unwrap();
    let networks = trials.iter().filter(|t| t["learner"].as_str().unwrap().starts_with("NeuralNetwork"));
    assert_eq!((networks.count(), trials.len()), (2, 3), "{trials:?}");
    assert!(result["notes"].to_string().contains("2 trials in place of 40"), "{result}");
    assert_eq!(result["members"].as_array().unwrap().len(), 1, "{result}");
    let accuracy = &result["test"]["accuracy"];
    assert!(accuracy.is_number(), "{result}");
    let (_, version) = server.api(Method::GET, "/api/v1/models/tested/versions/1", None).await;
    assert_eq!(&version["metrics"]["test_accuracy"], accuracy, "{version}");
    assert_eq!(version["signature"]["inputs"].as_array().unwrap().len(), 2, "{version}");
    let route = format!("/api/2.0/mlflow/runs/get?run_id={}", job["id"].as_str().unwrap());
    let (_, logged) = server.api(Method::GET, &route, None).await;
    let metrics = logged["run"]["data"]["metrics"].as_array().unwrap();
    assert!(metrics.iter().any(|m| m["key"] == "test_accuracy" && &m["value"] == accuracy), "{metrics:?}");
    let down = folder.path().join("down");
    let words = ["job", "download", job["id"].as_str().unwrap(), "--out", down.to_str().unwrap()];
    server.cli(&words);
    for name in ["model.onnx", "leaderboard.json", "report.html", "plots.json"] {
        assert_eq!(std::fs::read(down.join(name)).unwrap(), std::fs::read(out.join(name)).unwrap());
    }
}

#[tokio::test]
async fn what_contradicts_itself_is_refused_before_there_is_a_job() {
    let folder = tempfile::tempdir().unwrap();
    let server = with_table(folder.path());
    let ask =
        json!({ "data": "small", "validation_data": "small", "target": "y", "group_column": "colour name" });
    let (status, problem) = server.api(Method::POST, "/api/v1/jobs", Some(ask)).await;
    assert_eq!(status, 400, "{problem}");
    assert!(problem["message"].as_str().unwrap().contains("group_column"), "{problem}");
    let other = "ab".repeat(32);
    let ask = json!({ "data": "small", "validation_data": "small", "target": "y", "validation_data_digest": other });
    let (status, problem) = server.api(Method::POST, "/api/v1/jobs", Some(ask)).await;
    let said = problem["message"].as_str().unwrap();
    assert!(
        status == 400 && said.contains("small:1 is other data here") && said.contains(&other),
        "{problem}"
    );
    let ask = json!({ "data": "small", "target": "y", "exclude": ["x.one,flag"] });
    let (status, problem) = server.api(Method::POST, "/api/v1/jobs", Some(ask)).await;
    let said = problem["message"].as_str().unwrap();
    assert!(status == 400 && said.contains("name each column by itself"), "{problem}");
}

#[test]
fn a_job_file_knows_every_algorithm_of_a_search() {
    for (task, of) in [("classification", automl::Task::Binary), ("regression", automl::Task::Regression)] {
        for name in automl::algorithm_names(of) {
            let text = format!(
                "type: automl\ntask: {task}\ntarget_column_name: y\ntraining_data: ./t.csv\n\
                 training: {{allowed_training_algorithms: [{name}]}}\n"
            );
            let job = definitions::read::<definitions::AutomlJob>("job.yml", &text).unwrap();
            assert_eq!(job.value.training.allowed, [name]);
        }
    }
}

#[test]
fn what_is_none_here_can_be_blocked_and_not_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let server = with_table(folder.path());
    let run = ["automl", "run", "--data", "small", "--target", "y", "--max-trials", "2"];
    let answer = server.cli(&[&run[..], &["--block", "k_n_n,SGD"]].concat());
    assert_eq!(answer["job"]["status"], json!("Completed"), "{answer}");
    for wrong in [["--allow", "KNN"], ["--block", "Oracle"]] {
        let output = server.try_cli(&[&run[..], &wrong].concat());
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{wrong:?}: {told}");
        assert!(told.contains("is no algorithm of"), "{wrong:?}: {told}");
    }
}

#[test]
fn a_job_file_knows_every_metric_of_a_search() {
    for (task, of) in [("classification", automl::Task::Binary), ("regression", automl::Task::Regression)] {
        for name in automl::metric_names(of) {
            let text = format!(
                "type: automl\ntask: {task}\ntarget_column_name: y\ntraining_data: ./t.csv\nprimary_metric: {name}\n"
            );
            let job = definitions::read::<definitions::AutomlJob>("job.yml", &text).unwrap();
            assert_eq!(job.value.primary_metric.as_deref(), Some(name));
        }
    }
}
