//! Learners on made-up data whose answer is known.

use super::*;
use crate::Kind;
use crate::Task;
use crate::calendar;
use crate::calibrate::Calibration;
use crate::dataset::{Classes, Coding, Feature, Marks, Shape, Target};
use crate::decision::Decision;
use crate::export;
use crate::mixture::{Mixture, Part, Rule};
use crate::random::Random;
use std::sync::mpsc::channel;

fn feature(name: &str, levels: usize) -> Feature {
    let shape = if levels == 0 {
        Shape::Number
    } else {
        let levels: Vec<String> = (0..levels).map(|l| format!("l{l}")).collect();
        Shape::Category(Coding { seen: levels.clone(), levels, missing: None, rare: None, placed: 0 })
    };
    Feature { name: name.into(), kind: Kind::Float, shape, example: 0.into() }
}

/// Two numbers (one with holes) and a category of six levels; the target depends on all three.
fn data(task: Task, rows: usize) -> Dataset {
    let mut random = Random::new(5, 5);
    let mut columns = vec![Vec::new(), Vec::new(), Vec::new()];
    let mut values = Vec::new();
    for _ in 0..rows {
        let (a, b) = (random.between(-2.0, 2.0), random.between(-2.0, 2.0));
        let level = random.below(6);
        let z = a + if b.abs() < 1.0 { 1.5 } else { -1.5 } + [2.0, -2.0, 0.0, 1.0, -1.0, 0.5][level];
        columns[0].push(a as f32);
        columns[1].push(if random.unit() < 0.1 { f32::NAN } else { b as f32 });
        columns[2].push(level as f32);
        let chance = 1.0 / (1.0 + (-2.0 * z).exp());
        values.push(match task {
            Task::Regression => (z * 100.0 + 1000.0) as f32,
            Task::Binary => f32::from(u8::from(random.unit() < chance)),
            Task::Multiclass if z < -1.0 => 0.0,
            Task::Multiclass => f32::from(1 + u8::from(z > 1.0)),
        });
    }
    let classes = match task {
        Task::Regression => None,
        Task::Binary => Some(Classes::Boolean),
        Task::Multiclass => Some(Classes::Integer(vec![0, 1, 2])),
    };
    let features = vec![feature("a", 0), feature("b", 0), feature("c", 6)];
    let target = Target { name: "y".into(), task, classes, values };
    Dataset {
        features,
        matrix: Matrix { rows, columns, ..Matrix::default() },
        target,
        marks: Marks::default(),
    }
}

fn learners() -> Vec<Box<dyn Learner>> {
    let forest = |splitting| Forest {
        splitting,
        criterion: Criterion::Gini,
        trees: 40,
        max_leaves: 100,
        min_leaf: 3,
        share: 0.7,
    };
    let means = Boost { handling: Handling::Target, ..Boost::default() };
    let one_hot = Boost { handling: Handling::OneHot, ..Boost::default() };
    vec![
        Box::new(Constant),
        Box::new(Linear::default()),
        Box::new(Linear { ratio: 0.5, logarithms: false, ..Linear::default() }),
        Box::new(Linear { pieces: 8, ..Linear::default() }),
        Box::new(Mlp::default()),
        Box::new(Svm::default()),
        Box::new(Svm { kernel: Kernel::Linear, ..Svm::default() }),
        Box::new(Svm { kernel: Kernel::Polynomial(2), ..Svm::default() }),
        Box::new(forest(Splitting::Best)),
        Box::new(forest(Splitting::Random)),
        Box::new(Forest { criterion: Criterion::Entropy, ..forest(Splitting::Best) }),
        Box::new(Forest { trees: 1, max_leaves: 20, min_leaf: 10, share: 1.0, ..forest(Splitting::Best) }),
        Box::new(Boost::default()),
        Box::new(means),
        Box::new(Boost { growth: Growth::Symmetric(4), ..one_hot.clone() }),
        Box::new(Boost { growth: Growth::Depth(4), ..one_hot }),
    ]
}

/// Mean loss of predictions of width `w`: squared error over variance, or log loss over that of the class shares.
fn relative_loss(data: &Dataset, rows: &[u32], predictions: &[f32]) -> f64 {
    let metrics = crate::metrics::all(&data.target, rows, predictions);
    match data.target.task {
        Task::Regression => 1.0 - metrics["r2_score"],
        Task::Binary => metrics["log_loss"] / 0.693,
        Task::Multiclass => metrics["log_loss"] / 1.099,
    }
}

/// A fit of equal weights.
fn job<'a>(train: &'a [u32], valid: &'a [u32], control: &'a Control) -> Job<'a> {
    Job { train, valid, rounds: 0, weights: &[], seed: 3, control, until: None }
}

#[test]
fn every_learner_learns_every_task() {
    for task in [Task::Binary, Task::Multiclass, Task::Regression] {
        let data = data(task, 1200);
        let shared = Shared::new(&data);
        let (send, _receive) = channel();
        let control = Control::new(1, send);
        let train: Vec<u32> = (0..900).collect();
        let valid: Vec<u32> = (900..1200).collect();
        let held = data.matrix.take(&valid);
        for learner in learners() {
            let job = job(&train, &valid, &control);
            let fit = learner.fit(&shared, &job).unwrap();
            let predictions = fit.model.predict(&held);
            assert_eq!(predictions.len(), 300 * data.target.width());
            let loss = relative_loss(&data, &valid, &predictions);
            let name = learner.name();
            let bound = match name.split(' ').next().unwrap() {
                "Constant" => 1.01,
                "SupportVectors" if name.contains("linear") => 0.85,
                "DecisionTree" => 0.85,
                "LinearModel" if !name.contains("splines") => 0.85,
                _ => 0.66,
            };
            assert!(loss < bound, "{name} on {}: {loss}", task.name());
            // Again, and without watching: the same numbers.
            let again = learner.fit(&shared, &job).unwrap().model.predict(&held);
            assert_eq!(again, predictions, "{name}");
        }
    }
}

/// Adds a timestamp with its calendar parts.
fn add_moments(data: &mut Dataset) {
    let of = data.features.len();
    let when: Vec<f32> = (0..data.rows()).map(|i| 1.6e9 + i as f32 * 1e5).collect();
    data.features.push(Feature { kind: Kind::Timestamp, ..feature("when", 0) });
    for part in calendar::Part::ALL {
        data.features.push(Feature { shape: Shape::Moment { of, part }, ..feature(part.name(), 0) });
    }
    data.matrix.columns.push(when.clone());
    let parts = calendar::Part::ALL.map(|part| when.iter().map(|&x| part.of(x)).collect());
    data.matrix.columns.extend(parts);
}

#[test]
fn every_graph_answers_as_its_learner() {
    for task in [Task::Binary, Task::Multiclass, Task::Regression] {
        let mut data = data(task, 300);
        add_moments(&mut data);
        let shared = Shared::new(&data);
        let (send, _receive) = channel();
        let control = Control::new(1, send);
        let train: Vec<u32> = (0..300).collect();
        for learner in learners() {
            let job = Job { rounds: 6, ..job(&train, &[], &control) };
            let model = learner.fit(&shared, &job).unwrap().model;
            let model: std::sync::Arc<dyn Fitted> = model.into();
            let width = data.target.width();
            let own = match task {
                Task::Binary => Calibration::Beta([0.8, 1.2, -0.3]),
                Task::Multiclass => Calibration::Scale(0.7),
                Task::Regression => Calibration::None,
            };
            let none = Calibration::None;
            let stack = Rule::Stack(vec![0.1; width]);
            for (rule, calibration) in [(Rule::Mean, none), (Rule::Mean, own), (stack, none)] {
                let parts = [none, own].map(|calibration| Part { weight: 0.5, calibration }).to_vec();
                let mixture = Mixture { task, width, parts, rule, calibration, decision: Decision::Largest };
                let ensemble = export::Ensemble { models: vec![model.clone(), model.clone()], mixture };
                let bytes = export::write(&data, &ensemble, &().into(), &().into()).unwrap();
                let checked = export::check(&bytes, &data, &ensemble);
                assert!(checked.is_ok(), "{} on {}: {checked:?}", learner.name(), task.name());
            }
        }
    }
}

/// One model whose predictions are the ensemble's.
fn alone(model: std::sync::Arc<dyn Fitted>, data: &Dataset) -> export::Ensemble {
    let mixture = Mixture {
        task: data.target.task,
        width: data.target.width(),
        parts: vec![Part { weight: 1.0, calibration: Calibration::None }],
        rule: Rule::Mean,
        calibration: Calibration::None,
        decision: Decision::Largest,
    };
    export::Ensemble { models: vec![model], mixture }
}

#[test]
fn every_graph_explains_its_answers_by_input_column() {
    for task in [Task::Binary, Task::Multiclass, Task::Regression] {
        let mut data = data(task, 200);
        add_moments(&mut data);
        let shared = Shared::new(&data);
        let (send, _receive) = channel();
        let control = Control::new(1, send);
        let train: Vec<u32> = (0..200).collect();
        for learner in learners() {
            let job = Job { rounds: 6, ..job(&train, &[], &control) };
            let model = learner.fit(&shared, &job).unwrap().model;
            let bytes = export::write(&data, &alone(model.into(), &data), &().into(), &().into()).unwrap();
            let bytes = export::explainable(&bytes, &data).unwrap();
            let model = onnx::Model::from_bytes(&bytes).unwrap();
            let name = format!("{} on {}", learner.name(), task.name());
            let explainer = onnx::Explainer::new(&model, &bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
            let rows: Vec<u32> = (0..20).collect();
            let batch = export::scored(&model, &data.features, &data.matrix.take(&rows)).unwrap();
            for row in 0..rows.len() {
                let got = explainer.explain(&batch, row).unwrap_or_else(|e| panic!("{name}: {e}"));
                // The calendar parts count for the column they are made of.
                assert_eq!(got.contributions.len(), 4, "{name}");
                let sum = got.base + got.contributions.iter().sum::<f64>();
                let answer = if task == Task::Regression {
                    batch.value(row)
                } else {
                    batch.probabilities(row)[got.class]
                };
                let size = f64::from(answer.abs()).max(1.0);
                assert!((sum - f64::from(answer)).abs() < 1e-4 * size, "{name} row {row}: {sum} {answer}");
            }
        }
    }
}

#[test]
fn cutting_keeps_the_first_rounds() {
    let data = data(Task::Multiclass, 400);
    let shared = Shared::new(&data);
    let (send, _receive) = channel();
    let control = Control::new(1, send);
    let train: Vec<u32> = (0..400).collect();
    let fit = |rounds| {
        let job = Job { rounds, ..job(&train, &[], &control) };
        Boost::default().fit(&shared, &job).unwrap().model
    };
    let (mut long, short) = (fit(12), fit(5));
    assert_eq!(long.rounds(), 12);
    long.cut(5);
    assert_eq!(long.predict(&data.matrix), short.predict(&data.matrix));
}

#[test]
fn a_cancelled_fit_ends_at_once() {
    let data = data(Task::Binary, 400);
    let shared = Shared::new(&data);
    let (send, _receive) = channel();
    let control = Control::new(1, send);
    control.cancel();
    let train: Vec<u32> = (0..400).collect();
    for learner in learners().into_iter().skip(1) {
        let job = Job { rounds: 100, ..job(&train, &[], &control) };
        assert!(matches!(learner.fit(&shared, &job), Err(Error::Cancelled)), "{}", learner.name());
    }
}

#[test]
fn logistic_regression_finds_the_known_optimum() {
    // One 0/1 number, 30 of 40 ones at 1, 10 of 40 at 0: without penalty the odds are 3 and 1/3.
    let column: Vec<f32> = (0..80).map(|i| f32::from(u8::from(i < 40))).collect();
    let values = (0..80).map(|i| f32::from(u8::from(i < 30 || (40..50).contains(&i)))).collect();
    let target = Target { name: "y".into(), task: Task::Binary, classes: Some(Classes::Boolean), values };
    let data = Dataset {
        features: vec![feature("x", 0)],
        matrix: Matrix { rows: 80, columns: vec![column], ..Matrix::default() },
        target,
        marks: Marks::default(),
    };
    let (send, _receive) = channel();
    let control = Control::new(1, send);
    let train: Vec<u32> = (0..80).collect();
    let job = Job { seed: 0, ..job(&train, &[], &control) };
    let free = Linear { strength: 1e-9, logarithms: false, ..Linear::default() };
    let p = free.fit(&Shared::new(&data), &job).unwrap().model.predict(&data.matrix);
    assert!((p[0] - 0.75).abs() < 1e-4 && (p[79] - 0.25).abs() < 1e-4, "{} {}", p[0], p[79]);
}

#[test]
fn a_row_of_weight_zero_teaches_nothing() {
    for task in [Task::Binary, Task::Regression] {
        // The last third has its labels turned around, and no weight.
        let mut data = data(task, 900);
        let top = data.target.values.iter().copied().fold(0.0, f32::max);
        data.target.values[600..].iter_mut().for_each(|y| *y = top - *y);
        data.marks.weights = (0..900).map(|i| if i < 600 { 1.5 } else { 0.0 }).collect();
        let shared = Shared::new(&data);
        let (send, _receive) = channel();
        let control = Control::new(1, send);
        let train: Vec<u32> = (0..900).collect();
        let right: Vec<u32> = (0..600).collect();
        for learner in learners().into_iter().skip(1) {
            let loss = |weights| {
                let job = Job { rounds: 12, weights, ..job(&train, &[], &control) };
                let model = learner.fit(&shared, &job).unwrap().model;
                relative_loss(&data, &right, &model.predict(&data.matrix.take(&right)))
            };
            let with = loss(&data.marks.weights);
            assert!(with < 0.9, "{} on {}: {with}", learner.name(), task.name());
        }
    }
}

#[test]
fn strange_tables_do_not_stop_a_learner() {
    // A constant, a column of nothing, huge numbers, a category of one value; few rows.
    for task in [Task::Binary, Task::Multiclass, Task::Regression] {
        let mut data = data(task, 24);
        data.matrix.columns[0] = vec![1.0; 24];
        data.matrix.columns[1] = vec![f32::NAN; 24];
        data.matrix.columns[2] = vec![0.0; 24];
        data.features.push(feature("d", 0));
        data.matrix.columns.push((0..24).map(|i| if i % 2 == 0 { f32::MAX } else { f32::MIN }).collect());
        data.target.values[..3].copy_from_slice(&[0.0, 1.0, if task == Task::Binary { 0.0 } else { 2.0 }]);
        let shared = Shared::new(&data);
        let (send, _receive) = channel();
        let control = Control::new(1, send);
        let (train, valid): (Vec<u32>, Vec<u32>) = ((0..20).collect(), (20..24).collect());
        for learner in learners() {
            let job = job(&train, &valid, &control);
            let model = learner.fit(&shared, &job).unwrap().model;
            let answers = model.predict(&data.matrix);
            assert!(answers.iter().all(|p| p.is_finite()), "{} on {}", learner.name(), task.name());
        }
    }
}
