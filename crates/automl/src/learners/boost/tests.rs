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
    let coding = Coding { seen: levels.clone(), levels, missing: None, rare: None, placed: 0 };
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
fn texts_without_codes_have_means_of_their_own() {
    // All share the one code of rare texts, and are told apart by their places.
    let seen: Vec<String> = (0..300).map(|l| format!("l{l}")).collect();
    let coding = Coding { levels: Vec::new(), seen, missing: None, rare: Some(0), placed: 300 };
    let mut data = data(3_000);
    data.features[2].shape = Shape::Category(coding);
    data.matrix.columns[2].fill(0.0);
    let place = |row: usize| (row % 300) as f32;
    data.matrix.places.insert(2, (0..3_000).map(place).collect());
    data.target.values = (0..3_000).map(|row| place(row) % 2.0).collect();
    let train: Vec<u32> = (0..2_700).collect();
    let (send, _told) = std::sync::mpsc::channel();
    let control = crate::control::Control::new(1, send);
    let job =
        Job { train: &train, valid: &[], rounds: 30, weights: &[], seed: 1, control: &control, until: None };
    let encoded = encode(&data, &job);
    assert_eq!((encoded.derived.len(), encoded.derived[0].values.len()), (1, 300));
    let columns = origins(&data.features, Handling::Target, Some(&encoded));
    assert_eq!(
        columns.iter().map(|o| (o.column, o.code)).collect::<Vec<_>>(),
        [(0, None), (1, None), (3, None)]
    );
    let boost = Boost { handling: Handling::Target, ..Boost::default() };
    let model = boost.fit(&Shared::new(&data), &job).unwrap().model;
    let held: Vec<u32> = (2_700..3_000).collect();
    let far = model
        .predict(&data.matrix.take(&held))
        .into_iter()
        .zip(held)
        .map(|(p, row)| (p - data.target.values[row as usize]).abs());
    assert!(far.fold(0.0, f32::max) < 0.4);
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
