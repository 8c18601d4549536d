//! Explanations in scoring answers, plots and pages of runs, and models made once more to the byte.

use crate::support::{Road, Server, small_table};
use serde_json::{Value, json};

/// Sum of an explanation's base value and contributions.
fn total(explanation: &Value) -> f64 {
    let parts = explanation["contributions"].as_object().unwrap().values();
    explanation["base_value"].as_f64().unwrap() + parts.map(|p| p.as_f64().unwrap()).sum::<f64>()
}

#[tokio::test]
async fn answers_explain_themselves_when_asked() {
    let road = Road::walk();
    let server = &road.server;
    let key = Some(road.key());
    let rows = json!([Road::row(), { "x.one": null, "colour name": "never seen", "flag": false }]);
    let score = "/endpoints/small/score?explain=true";
    let mut seen = Vec::new();
    for (body, name) in [
        (json!({ "data": rows, "method": "predict_proba" }), "result"),
        (json!({ "Inputs": { "data": rows }, "GlobalParameters": { "method": "predict_proba" } }), "Results"),
        (json!({ "input_data": rows, "method": "predict_proba" }), "predictions"),
    ] {
        let (status, text) = server.post(score, key, &body).await;
        assert_eq!(status, 200, "{text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer[name].as_array().unwrap().len(), 2, "{text}");
        for (shares, explanation) in
            answer[name].as_array().unwrap().iter().zip(answer["explanations"].as_array().unwrap())
        {
            assert_eq!(explanation["space"], "probability");
            let names: Vec<&String> = explanation["contributions"].as_object().unwrap().keys().collect();
            assert!(
                names.contains(&&"x.one".to_owned()) && names.contains(&&"colour name".to_owned()),
                "{text}"
            );
            let best = shares.as_array().unwrap().iter().map(|s| s.as_f64().unwrap()).fold(0.0, f64::max);
            assert!((total(explanation) - best).abs() < 1e-5, "{text}");
            assert!((explanation["value"].as_f64().unwrap() - best).abs() < 1e-5);
        }
        seen.push(answer["explanations"].clone());
    }
    assert!(seen.iter().all(|e| *e == seen[0]));
    let (status, text) = server.post("/endpoints/small/predict?explain=1", key, &Road::row()).await;
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &answer["explanation"]), (200, &seen[0][0]), "{text}");
    assert_eq!(answer["explanation"]["class"], answer["prediction"]);
    let (status, text) =
        server.post("/endpoints/small/score?explain=false", key, &json!({ "data": [Road::row()] })).await;
    assert_eq!((status, text.as_str()), (200, r#""{\"result\": [\"yes\"]}""#));
    let (status, text) =
        server.post("/endpoints/small/score?explain=perhaps", key, &json!({ "data": rows })).await;
    assert!(status == 400 && text.contains("'explain' must be true or false"), "{text}");
    let route = "/endpoints/small/openapi.json";
    let document =
        server.http().get(format!("{}{route}", server.url)).bearer_auth(road.key()).send().await.unwrap();
    let document: Value = document.json().await.unwrap();
    assert_eq!(document["paths"]["/score"]["post"]["parameters"][1]["name"], "explain");
    assert!(document["components"]["schemas"]["Explanation"].is_object());
}

#[tokio::test]
async fn a_run_keeps_its_plots_and_a_version_its_page() {
    let road = Road::walk();
    let server = &road.server;
    let jobs = server.cli(&["job", "list"]);
    let run = jobs[0]["id"].as_str().unwrap().to_owned();
    let listed = |path: &str| {
        let route = format!("/api/2.0/mlflow/artifacts/list?run_id={run}&path={path}");
        async move { server.api(http::Method::GET, &route, None).await }
    };
    let (status, top) = listed("").await;
    assert_eq!(status, 200, "{top}");
    let names = |files: &Value| -> Vec<String> {
        files["files"].as_array().unwrap().iter().map(|f| f["path"].as_str().unwrap().to_owned()).collect()
    };
    assert!(
        names(&top).contains(&"report.html".to_owned()) && names(&top).contains(&"plots.json".to_owned()),
        "{top}"
    );
    let (_, plots) = listed("plots").await;
    for name in ["plots/roc_curve.svg", "plots/confusion_matrix.svg", "plots/learning_curve.svg"] {
        assert!(names(&plots).contains(&name.to_owned()), "{plots}");
    }
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    server.cli(&["model", "report", "small:1", "--out", page.to_str().unwrap()]);
    let page = std::fs::read_to_string(page).unwrap();
    for part in ["<svg", "accuracy", "x.one", "Example request", "AUC_weighted", &run] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("<script") && !page.contains("src="));
}

#[tokio::test]
async fn a_model_is_made_once_more_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    for (name, seed) in [("small", 3), ("judge", 4)] {
        let table = folder.path().join("table.csv");
        std::fs::write(&table, small_table(200, seed)).unwrap();
        server.cli(&["data", "register", name, table.to_str().unwrap()]);
    }
    let run = ["automl", "run", "--data", "small", "--target", "y", "--seed", "9", "--register-as", "twice"];
    let more = ["--max-trials", "3", "--time-limit", "10m", "--validation-data", "judge"];
    server.cli(&[&run[..], &more].concat());
    let again = server.cli(&["model", "reproduce", "twice:1"]);
    assert_eq!(again["same"], true, "{again}");
    let version = server.cli(&["model", "show", "twice:1"]);
    assert_eq!(again["digest"], version["version"]["digest"]);
    assert_ne!(again["run"], version["version"]["run"]);
    assert_eq!(server.cli(&["model", "list"]).as_array().unwrap().len(), 1, "nothing is registered by it");
    let file = folder.path().join("model.onnx");
    server.cli(&["model", "export", "twice:1", "--out", file.to_str().unwrap()]);
    server.cli(&["model", "register", "given", file.to_str().unwrap()]);
    let refused = server.try_cli(&["model", "reproduce", "given:1"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("registered from a file"));
    // Elsewhere: another process over another folder, as on another machine.
    let there = server.restored(folder.path()).cli(&["model", "reproduce", "twice:1"]);
    assert_eq!((&there["same"], &there["digest"]), (&json!(true), &again["digest"]));
}
