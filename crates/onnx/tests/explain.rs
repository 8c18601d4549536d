//! Contributions against Shapley values by their definition. Runs where the environment variable `PORTCULLIS_PYTHON` names an
//! interpreter that can import onnx and sklearn.
#![expect(clippy::print_stdout, reason = "a test that is passed over says so")]

use portcullis_onnx::{Explainer, Model};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

fn python(test: &str) -> Option<PathBuf> {
    let found = std::env::var_os("PORTCULLIS_PYTHON").map(PathBuf::from).filter(|path| {
        let needed = ["-c", "import onnx, sklearn"];
        Command::new(path).args(needed).output().is_ok_and(|out| out.status.success())
    });
    if found.is_none() {
        println!("skipped: {test} needs PORTCULLIS_PYTHON with onnx and sklearn");
    }
    found
}

#[test]
fn contributions_are_shapley_values() {
    let Some(python) = python("contributions_are_shapley_values") else { return };
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/shapley_cases.py");
    let out = Command::new(python).arg(script).arg(folder.path()).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    for name in ["forest", "boosted"] {
        let bytes = std::fs::read(folder.path().join(format!("{name}.onnx"))).unwrap();
        let case = std::fs::read(folder.path().join(format!("{name}.json"))).unwrap();
        let case: Value = serde_json::from_slice(&case).unwrap();
        let model = Model::from_bytes(&bytes).unwrap();
        let explainer = Explainer::new(&model, &bytes).unwrap();
        let mut batch = model.batch();
        for row in case["rows"].as_array().unwrap() {
            batch.push_row();
            for (at, x) in row.as_array().unwrap().iter().enumerate() {
                batch.set_number(0, at, x.as_f64().unwrap() as f32);
            }
        }
        model.predict(&mut batch).unwrap();
        for (row, theirs) in case["contributions"].as_array().unwrap().iter().enumerate() {
            let got = explainer.explain(&batch, row).unwrap();
            let base = case["base"].as_f64().unwrap();
            assert!((got.base - base).abs() < 1e-5, "{name}: {} {base}", got.base);
            for (ours, theirs) in got.contributions.iter().zip(theirs.as_array().unwrap()) {
                let theirs = theirs.as_f64().unwrap();
                assert!((ours - theirs).abs() < 1e-5, "{name} row {row}: {ours} {theirs}");
            }
        }
    }
}
