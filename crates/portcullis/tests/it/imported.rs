//! Models of other tools, registered, deployed and scored without Python: their answers beside those of the libraries that made them.

use super::python::interpreter;
use super::support::{Server, numbers, repository, results};
use serde_json::{Value, json};
use std::process::Command;

/// Largest difference of a probability, and of a value for each unit of its size.
const CLOSE: f64 = 1e-6;

/// Largest difference of a base value or contribution: XGBoost tells its own in single precision.
const CLOSE_PARTS: f64 = 2e-5;

/// Holds the explanations of a case beside the library's: of each row the base value, then what every column adds.
async fn explained(server: &Server, (name, key): (&str, &str), case: &Value, theirs: &[Value]) {
    let columns: Vec<&String> = case["rows"][0].as_object().unwrap().keys().collect();
    let route = format!("/endpoints/{name}/score?explain=true");
    let (status, text) = server.post(&route, Some(key), &json!({ "input_data": case["rows"] })).await;
    assert_eq!(status, 200, "{name}: {text}");
    let answer: Value = serde_json::from_str(&text).unwrap();
    let ours = answer["explanations"].as_array().unwrap();
    assert_eq!(ours.len(), theirs.len(), "{name}");
    for (row, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        let theirs = numbers(theirs);
        let mut got = vec![ours["base_value"].as_f64().unwrap()];
        got.extend(columns.iter().map(|c| ours["contributions"][c.as_str()].as_f64().unwrap_or(0.0)));
        assert_eq!(got.len(), theirs.len(), "{name}: {ours}");
        for (a, b) in got.iter().zip(&theirs) {
            assert!((a - b).abs() <= CLOSE_PARTS * b.abs().max(1.0), "{name}, row {row}: {got:?} {theirs:?}");
        }
    }
}

/// The largest difference of two lists of results.
fn apart(name: &str, ours: &[Value], theirs: &[Value]) -> f64 {
    assert_eq!(ours.len(), theirs.len(), "{name}");
    let mut most = 0.0_f64;
    for (row, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        for (a, b) in numbers(ours).into_iter().zip(numbers(theirs)) {
            let off = (a - b).abs() / b.abs().max(1.0);
            assert!(off <= CLOSE, "{name}, row {row}: {ours} beside {theirs}");
            most = most.max(off);
        }
    }
    most
}

#[tokio::test(flavor = "multi_thread")]
async fn models_of_other_tools_answer_as_there() {
    let Some(python) = interpreter("models_of_other_tools_answer_as_there") else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(python);
    command.arg(repository("tests-python/imported_models.py")).arg(folder.path()).current_dir(folder.path());
    let made = command.output().unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&made.stdout), String::from_utf8_lossy(&made.stderr));
    assert!(made.status.success() && told.contains("made"), "{told}");
    let cases = std::fs::read_to_string(folder.path().join("cases.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&cases).unwrap();
    // No interpreter: what is answered is answered natively.
    let server = Server::start(&folder.path().join("data"));
    for case in &cases {
        let (name, path) = (case["name"].as_str().unwrap(), case["path"].as_str().unwrap());
        let version = server.cli(&["model", "register", name, path]);
        if version["kind"] == "onnx" {
            let (format, source) =
                (&version["properties"]["source_format"], &version["properties"]["source_sha256"]);
            assert!(format.is_string() && source.as_str().is_some_and(|s| s.len() == 64), "{version}");
        }
        assert!(version["native"].is_string() || version["kind"] == "onnx", "{version}");
        server.cli(&["endpoint", "create", name]);
        let model = format!("{name}:1");
        server.cli(&["deployment", "create", "--endpoint", name, "--model", &model, "--all-traffic"]);
        let keys = server.cli(&["endpoint", "keys", name]);
        let key = keys["primaryKey"].as_str().unwrap();
        let mut most = None;
        if let Some(theirs) = case["values"].as_array() {
            let method = if theirs[0].is_array() { "predict_proba" } else { "predict" };
            most = Some(apart(name, &results(&server, name, key, (method, &case["rows"])).await, theirs));
        }
        if let Some(theirs) = case["labels"].as_array() {
            let ours = results(&server, name, key, ("predict", &case["rows"])).await;
            let off = ours.iter().zip(theirs).filter(|(a, b)| a != b).count();
            assert_eq!((off, ours.len()), (0, theirs.len()), "{name}: labels");
        }
        if let Some(theirs) = case["contributions"].as_array() {
            explained(&server, (name, key), case, theirs).await;
        }
        let rows = case["rows"].as_array().unwrap().len();
        eprintln!("{name}: {rows} rows, apart by {most:?}");
    }
    assert!(cases.len() >= 140, "{}", cases.len());
}

#[test]
fn a_model_is_converted_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("model.txt"), folder.path().join("model.onnx"));
    let text = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=0\n\
                objective=regression\nfeature_names=a\nfeature_infos=[0:1]\n\nTree=0\nnum_leaves=2\nnum_cat=0\n\
                split_feature=0\nthreshold=0.5\ndecision_type=2\nleft_child=-1\nright_child=-2\nleaf_value=1 2\n\
                is_linear=0\n\n\nend of trees\n";
    std::fs::write(&input, text).unwrap();
    let run = |args: &[&str]| {
        let done = super::support::binary().args(args).output().unwrap();
        let told = [done.stdout, done.stderr].concat();
        (done.status.success(), String::from_utf8_lossy(&told).into_owned())
    };
    let (input, output) = (input.to_str().unwrap().to_owned(), output.to_str().unwrap().to_owned());
    assert!(run(&["onnx", "convert", &input, &output]).0);
    assert!(run(&["onnx", "check", &output]).1.contains("prediction"));
    std::fs::write(&input, text.replace("split_feature=0", "split_feature=3")).unwrap();
    let (fine, told) = run(&["onnx", "convert", &input, &output]);
    assert!(
        !fine && told.contains("model.txt: tree 0, line 14: split_feature: there is no feature 3"),
        "{told}"
    );
}
