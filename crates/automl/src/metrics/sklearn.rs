//! Every metric against scikit-learn's on made cases. Runs where the environment variable `PORTCULLIS_PYTHON` names an
//! interpreter that can import scikit-learn.

use super::{Decision, Metrics, Scored, named, of_classes, regression};
use serde::Deserialize;
use std::path::Path;
use std::process::Command;

#[derive(Deserialize)]
struct Case {
    name: String,
    /// 0 for regression.
    classes: usize,
    truth: Vec<f64>,
    predicted: Vec<f64>,
    weights: Option<Vec<f64>>,
    expected: Metrics,
}

/// The cases with scikit-learn's answers; none where it is not there.
fn cases() -> Option<Vec<Case>> {
    let python = std::env::var_os("PORTCULLIS_PYTHON")?;
    let has = Command::new(&python).args(["-c", "import sklearn, scipy"]).output();
    if !has.is_ok_and(|out| out.status.success()) {
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests-python/automl_metrics.py");
    let out = Command::new(&python).arg(script).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Some(serde_json::from_slice(&out.stdout).unwrap())
}

fn ours(case: &Case) -> Metrics {
    let weights = case.weights.as_deref();
    if case.classes == 0 {
        return named(regression::all(&case.truth, &case.predicted, weights));
    }
    let classes: Vec<usize> = case.truth.iter().map(|&t| t as usize).collect();
    let scored = Scored::new(&classes, &case.predicted, case.classes, weights, &Decision::Largest);
    named(of_classes(&scored, f64::EPSILON))
}

#[test]
fn every_metric_equals_scikit_learns() {
    let Some(cases) = cases() else {
        println!("skipped: every_metric_equals_scikit_learns needs PORTCULLIS_PYTHON with scikit-learn");
        return;
    };
    assert!(cases.len() >= 40, "{} cases", cases.len());
    for case in &cases {
        let ours = ours(case);
        let names: Vec<&String> = ours.keys().collect();
        let expected: Vec<&String> = case.expected.keys().collect();
        assert_eq!(names, expected, "{}", case.name);
        for (name, value) in &case.expected {
            let got = ours[name];
            let close = (got - value).abs() <= 1e-9 * value.abs().max(1.0);
            assert!(close, "{}, {name}: {got}, scikit-learn {value}", case.name);
        }
    }
}
