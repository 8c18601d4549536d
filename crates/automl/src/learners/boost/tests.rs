//! Contributions of an exported model against the booster's own.

use super::*;
use crate::Kind;
use crate::calibrate::Calibration;
use crate::dataset::{Coding, Marks, Matrix, Shape, Target};
use crate::decision::Decision;
use crate::export::{self, Ensemble};
use crate::mixture::{Mixture, Part, Rule};
use crate::random::Random;

/// Two numbers with holes, a category, and a number that depends on all.
fn data(rows: usize) -> Dataset {
    let mut random = Random::new(3, 3);
    let mut columns = vec![Vec::new(), Vec::new(), Vec::new()];
    let mut values = Vec::new();
    for _ in 0..rows {
        let (a, b) = (random.between(-2.0, 2.0) as f32, random.between(-2.0, 2.0) as f32);
        let level = random.below(7);
        columns[0].push(if random.unit() < 0.1 { f32::NAN } else { a });
        columns[1].push(b);
        columns[2].push(level as f32);
        values.push(a * b + [2.0, -2.0, 0.0, 1.0, -1.0, 0.5, 3.0][level]);
    }
    let levels: Vec<String> = (0..7).map(|l| format!("l{l}")).collect();
    let coding = Coding { seen: levels.clone(), levels, missing: None, rare: None };
    let feature =
        |name: &str, shape| Feature { name: name.into(), kind: Kind::Float, shape, example: 0.into() };
    Dataset {
        features: vec![
            feature("a", Shape::Number),
            feature("b", Shape::Number),
            feature("c", Shape::Category(coding)),
        ],
        matrix: Matrix { rows, columns, ..Matrix::default() },
        target: Target { name: "y".into(), task: Task::Regression, classes: None, values },
        marks: Marks::default(),
    }
}

#[test]
fn contributions_equal_the_boosters_own() {
    let data = data(400);
    let matrix = matrix(&data, Handling::Native, None).unwrap();
    let params = TrainingParams::from_xgboost([
        ("max_depth", json!(6)),
        ("eta", json!(0.3)),
        ("min_child_weight", json!(2)),
        ("nthread", json!(1)),
    ]);
    let booster = Trainer::new(&params.unwrap(), &matrix, 30).train().unwrap().model;
    let trees = convert(&booster, &data, (Handling::Native, None), 1.0);
    let mixture = Mixture {
        task: Task::Regression,
        width: 1,
        parts: vec![Part { weight: 1.0, calibration: Calibration::None }],
        rule: Rule::Mean,
        calibration: Calibration::None,
        decision: Decision::Largest,
    };
    let ensemble = Ensemble { models: vec![std::sync::Arc::new(trees)], mixture };
    let bytes = export::write(&data, &ensemble, &json!({}), &json!({})).unwrap();
    let model = onnx::Model::from_bytes(&bytes).unwrap();
    let explainer = onnx::Explainer::new(&model, &bytes).unwrap();
    let batch = export::scored(&model, &data.features, &data.matrix).unwrap();
    let own = booster.predict_contribs(&matrix, ..).unwrap();
    for row in 0..data.rows() {
        let (got, own) = (explainer.explain(&batch, row).unwrap(), own.get(row, 0).unwrap());
        assert!(got.exact);
        for (a, b) in got.contributions.iter().chain([&got.base]).zip(own) {
            assert!((a - f64::from(*b)).abs() < 1e-4, "row {row}: {a} {b}");
        }
        let sum = got.base + got.contributions.iter().sum::<f64>();
        assert!((sum - f64::from(batch.value(row))).abs() < 1e-5);
    }
}
