//! Tables and moments that are seldom met.

use super::budget::{Memory, quick};
use super::*;
use crate::calibrate::Calibration;
use crate::journal::Keeper;
use crate::mixture::{Mixture, Part, Rule};
use crate::run::vote::shares;

fn go_on(_: &Event) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn the_finished_trials_of_a_search_with_texts_are_taken_over() {
    let (table, memory) = (texts::table(120), Memory::default());
    let spec = Spec { seed: 4, ..quick(3) };
    let whole = resume(&table, &spec, &memory, &mut go_on).unwrap();
    let kept = memory.kept().len();
    let again = resume(&table, &spec, &memory, &mut go_on).unwrap();
    assert_eq!((kept, memory.kept().len()), (3, 3));
    assert!(whole.model == again.model);
}

#[test]
fn a_search_that_was_interrupted_at_its_end_gives_what_it_had() {
    let (table, memory) = (table(200, Task::Binary), Memory::default());
    let whole = resume(&table, &quick(5), &memory, &mut go_on).unwrap();
    // As if its time had been over.
    let late = |entry: &Vec<u8>| {
        let end = entry.iter().position(|&b| b == b'\n').unwrap();
        let mut head: Value = serde_json::from_slice(&entry[..end]).unwrap();
        head["elapsed"] = serde_json::json!(59.0f64.to_bits());
        [head.to_string().as_bytes(), &entry[end..]].concat()
    };
    let entries: Vec<Vec<u8>> = memory.kept().iter().map(late).collect();
    let memory = Memory(entries.into(), 0.into());
    let spec = Spec { max_trials: None, time_limit_seconds: Some(30.0), ..quick(1) };
    let outcome = resume(&table, &spec, &memory, &mut go_on).unwrap();
    assert_eq!((outcome.work.trials, outcome.score.to_bits()), (5, whole.score.to_bits()));
    let members: Vec<u32> = outcome.members.iter().map(|m| m.trial).collect();
    let mut from_fold = outcome.work.from_fold;
    from_fold.sort_unstable();
    assert!(!members.is_empty() && from_fold.iter().all(|n| members.contains(n)));
}

#[test]
fn a_trial_that_is_over_is_not_begun_again() {
    let (table, memory) = (table(200, Task::Binary), Memory::default());
    resume(&table, &quick(6), &memory, &mut go_on).unwrap();
    // The second one was not kept.
    let second =
        |entry: &Vec<u8>| entry.starts_with(b"{") && entry.windows(11).any(|w| w == b"\"number\":2,");
    let entries: Vec<Vec<u8>> = memory.kept().into_iter().filter(|entry| !second(entry)).collect();
    assert_eq!(entries.len(), 5);
    let memory = Memory(entries.into(), 0.into());
    let mut seen = Vec::new();
    let outcome = resume(&table, &quick(6), &memory, &mut |event| {
        if let Event::Trial { number, .. } = event {
            seen.push(*number);
        }
        ControlFlow::Continue(())
    });
    seen.sort_unstable();
    assert_eq!((outcome.unwrap().work.trials, seen), (6, vec![1, 2, 3, 4, 5, 6]));
}

/// A number `x` and a target made of it.
fn made(rows: usize, target: impl Fn(f64) -> f64) -> Table {
    let mut random = Random::new(8, 1);
    let x: Vec<f64> = (0..rows).map(|_| random.between(-3.0, 3.0)).collect();
    let y = x.iter().map(|&x| target(x)).collect();
    Table {
        columns: vec![
            column("x", Kind::Float, Values::Numbers(x)),
            column("y", Kind::Float, Values::Numbers(y)),
        ],
    }
}

#[test]
fn large_numbers_are_no_difference_and_larger_than_models_hold_are_refused() {
    let outcome = search(&made(600, |x| (4.0 * x).exp()), &quick(6)).unwrap();
    assert_eq!(outcome.task, Task::Regression);
    let refused = search(&made(100, |x| if x > 2.0 { x * 1e39 } else { x }), &quick(3));
    let Err(Error::Target { detail, .. }) = refused else { panic!("{refused:?}") };
    assert!(detail.contains("divide the column"), "{detail}");
}

#[test]
fn numbers_that_single_precision_makes_one_are_refused() {
    let refused = search(&made(300, |x| 1e9 + (x * 10.0).round()), &quick(3));
    let Err(Error::Target { detail, .. }) = refused else { panic!("{refused:?}") };
    assert!(detail.contains("subtract an offset"), "{detail}");
    // Seconds since 1970 over some years.
    assert!(search(&made(300, |x| 1.6e9 + (x * 1e7).round()), &quick(3)).is_ok());
}

#[test]
fn a_table_too_wide_for_support_vectors_is_told() {
    let wide = |columns: usize| {
        let mut table = table(40, Task::Binary);
        let mut random = Random::new(3, 2);
        table.columns.extend((0..columns).map(|i| {
            column(&format!("x{i}"), Kind::Float, Values::Numbers((0..40).map(|_| random.unit()).collect()))
        }));
        search(&table, &Spec { allowed_learners: vec!["SVM".into()], ..quick(1) })
    };
    assert!(wide(10).is_ok());
    let refused = wide(2_000);
    let Err(Error::Spec { setting, detail }) = refused else { panic!("{refused:?}") };
    assert!(setting == "allowed_learners" && detail.contains("no algorithm is left"), "{detail}");
}

#[test]
fn a_test_table_of_other_types_is_refused() {
    let train = table(120, Task::Binary);
    let tested = |change: &dyn Fn(&mut Table)| {
        let mut test = table(60, Task::Binary);
        change(&mut test);
        run(Tables { training: &train, validation: None, test: Some(&test) }, &quick(2), &mut go_on)
    };
    let numbers = || Values::Numbers((0..60).map(|i| f64::from(i % 2)).collect());
    let missing = || Values::Numbers(vec![f64::NAN; 60]);
    tested(&|test| test.columns[3] = column("colour", Kind::Float, missing())).unwrap();
    let category = tested(&|test| test.columns[3] = column("colour", Kind::Integer, numbers()));
    assert!(matches!(category, Err(Error::Table { .. })), "{category:?}");
    let labels = tested(&|test| test.columns[5] = column("y", Kind::Integer, numbers()));
    assert!(matches!(labels, Err(Error::Target { .. })), "{labels:?}");
}

#[test]
fn rows_that_weigh_nothing_spoil_nothing() {
    let mut table = made(600, |x| x + 1.0);
    let numbers = |f: fn(usize) -> f64| Values::Numbers((0..600).map(f).collect());
    table.columns.push(column("w", Kind::Float, numbers(|i| if i < 240 || i % 10 > 0 { 0.0 } else { 1.0 })));
    table.columns.push(column("t", Kind::Timestamp, numbers(|i| 86_400.0 * i as f64)));
    let spec = Spec {
        weight_column: Some("w".into()),
        time_column: Some("t".into()),
        allowed_learners: ["LightGBM", "RandomForest", "NeuralNetwork"].map(String::from).to_vec(),
        ..Spec::new("y", 12, 2)
    };
    let outcome = search(&table, &spec).unwrap();
    assert!(outcome.work.splits < 5, "{}", outcome.work.splits);
    assert!(outcome.trials.iter().all(|t| t.score.is_finite()), "{:?}", outcome.trials);
    assert!(outcome.trials.len() > 8, "{:?}", outcome.notes);
}

#[test]
fn a_metric_that_has_no_value_is_refused_with_words() {
    let mut table = table(200, Task::Binary);
    table.columns[5] =
        column("y", Kind::Integer, Values::Numbers((0..200).map(|i| f64::from(u8::from(i == 9))).collect()));
    // The only row of its class is always learned from.
    let Err(Error::Spec { setting, detail }) = search(&table, &quick(2)) else { panic!("no error") };
    assert!(setting == "metric" && detail.contains("AUC_weighted"), "{setting}: {detail}");
    let spec = Spec { metric: Some("log_loss".into()), ..quick(2) };
    assert!(search(&table, &spec).unwrap().score.is_finite());
}

#[test]
fn validation_data_without_a_target_are_refused() {
    let (training, mut validation) = (table(120, Task::Binary), table(40, Task::Binary));
    validation.columns.pop();
    let tables = Tables { training: &training, validation: Some(&validation), test: None };
    let refused = run(tables, &Spec::new("y", 2, 1), &mut go_on);
    let Err(Error::Target { detail, .. }) = refused else { panic!("{refused:?}") };
    assert!(detail.contains("validation data"), "{detail}");
}

#[test]
fn the_unit_of_a_number_to_predict_does_not_matter() {
    let wide = made(400, |x| (2.0 * x).sin() + x);
    let mut narrow = wide.clone();
    if let Values::Numbers(y) = &mut narrow.columns[1].values {
        y.iter_mut().for_each(|y| *y *= 2f64.powi(-40));
    }
    let names = ["LightGBM", "XGBoostRegressor", "GradientBoosting", "RandomForest", "ExtremeRandomTrees"];
    let spec = Spec { allowed_learners: names.map(String::from).to_vec(), ..quick(12) };
    let scores = |table| {
        let mut trials = search(table, &spec).unwrap().trials;
        trials.sort_by_key(|t| t.number);
        trials.into_iter().map(|t| t.score).collect::<Vec<f64>>()
    };
    for (a, b) in scores(&wide).into_iter().zip(scores(&narrow)) {
        assert!(a < 0.1 && (a - b).abs() < 1e-4 * a, "{a} {b}");
    }
}

#[test]
fn algorithms_that_are_asked_for_by_name_are_tried_on_any_table() {
    let table = table(3_200, Task::Binary);
    for name in ["DecisionTree", "SVM", "LinearSVM"] {
        let spec = Spec { allowed_learners: vec![name.into()], ..quick(1) };
        let outcome = search(&table, &spec).unwrap();
        let expected = if name == "DecisionTree" { name } else { "SupportVectors" };
        assert!(outcome.members[0].learner.starts_with(expected), "{:?}", outcome.members);
    }
    let all = ["LightGBM", "XGBoostClassifier", "GradientBoosting", "RandomForest", "ExtremeRandomTrees"];
    let rest = ["LogisticRegression", "SVM", "LinearSVM", "NeuralNetwork", "DecisionTree"];
    let names = all.into_iter().chain(rest).map(String::from).collect();
    let spec = Spec { blocked_learners: names, ..quick(1) };
    assert!(search(&table, &spec).unwrap().members[0].learner.starts_with("Constant"));
}

#[test]
fn a_stack_tells_the_weights_it_uses() {
    let part = |weight| Part { weight, calibration: Calibration::None };
    let mut mixture = Mixture {
        task: Task::Binary,
        width: 1,
        parts: vec![part(0.9), part(0.0), part(0.6)],
        rule: Rule::Stack(vec![0.1]),
        calibration: Calibration::None,
        decision: Decision::Largest,
    };
    let shares = shares(&mut mixture, &[0.5, 0.0, 0.3, 0.2]);
    assert!((shares[0] - 0.6).abs() < 1e-6 && (shares[3] - 0.4).abs() < 1e-6, "{shares:?}");
    assert!(shares[1] == 0.0 && shares[2] == 0.0 && mixture.parts == [part(0.9), part(0.6)]);
}

#[test]
fn further_tables_must_have_what_is_learned_from() {
    let training = table(120, Task::Binary);
    let judged = |change: &dyn Fn(&mut Table), spec: &Spec| {
        let mut other = table(60, Task::Binary);
        change(&mut other);
        let validated = Tables { training: &training, validation: Some(&other), test: None };
        let tested = Tables { training: &training, validation: None, test: Some(&other) };
        [validated, tested].map(|tables| run(tables, spec, &mut go_on).map(drop))
    };
    let spec = Spec::new("y", 2, 1);
    for results in [
        judged(&|other| other.columns[2].name = "Label".into(), &spec),
        judged(&|other| other.columns[2].kind = Kind::Timestamp, &spec),
    ] {
        for (result, what) in results.into_iter().zip(["validation data", "test data"]) {
            let Err(Error::Table { column, detail }) = result else { panic!("{result:?}") };
            assert!(column == "label" && detail.contains(what), "{column}: {detail}");
        }
    }
    // What is no feature may be missing, empty or of another type.
    let texts = || Values::Texts { codes: vec![0; 60], levels: vec!["x".into()] };
    let strange = |other: &mut Table| {
        other.columns[4] = column("empty", Kind::Category, texts());
        other.columns[2] = column("label", Kind::Category, texts());
        other.columns.remove(0);
    };
    let spec = Spec { exclude: vec!["label".into()], ..spec };
    assert!(judged(&strange, &spec).iter().all(Result::is_ok));
}

#[test]
fn a_row_is_named_in_its_own_table() {
    let weighted = |rows: usize, weight: fn(usize) -> f64| {
        let mut table = table(rows, Task::Binary);
        table.columns.push(column("w", Kind::Float, Values::Numbers((0..rows).map(weight).collect())));
        table
    };
    let training = weighted(100, |i| 1.0 + (i % 2) as f64);
    let validation = weighted(60, |i| if i == 4 { f64::NAN } else { 1.0 });
    let spec = Spec { weight_column: Some("w".into()), ..quick(2) };
    let spec = Spec { validation_size: None, ..spec };
    let tables = Tables { training: &training, validation: Some(&validation), test: None };
    let refused = run(tables, &spec, &mut go_on);
    let Err(Error::Spec { detail, .. }) = refused else { panic!("{refused:?}") };
    assert!(detail.contains("row 5 of the validation data"), "{detail}");
    let plain = search(&table(100, Task::Binary), &Spec { weight_column: None, ..spec.clone() }).unwrap();
    let equal = search(&weighted(100, |_| 2.5), &spec).unwrap();
    assert_eq!((plain.score, plain.model.len()), (equal.score, equal.model.len()), "equal weights are none");
}

#[test]
fn the_score_that_ended_a_search_is_that_of_its_model() {
    for seed in 0..6 {
        let table = table(150, Task::Binary);
        let spec = Spec { metric: Some("accuracy".into()), ..Spec::new("y", 12, seed) };
        let free = search(&table, &spec).unwrap();
        let single = free.trials.iter().filter(|t| ![ENSEMBLE, STACK].contains(&t.learner.as_str()));
        let exit = single.map(|t| t.score).fold(0.0, f64::max);
        let ended = search(&table, &Spec { exit_score: Some(exit), ..spec }).unwrap();
        assert!(ended.notes.iter().any(|note| note.contains("score asked for")), "{:?}", ended.notes);
        assert!(ended.score >= exit, "seed {seed}: {} of {exit}", ended.score);
    }
}

#[test]
fn symmetric_trees_suit_wide_tables_and_long_lists_of_categories() {
    let target = |rows: usize| {
        column(
            "y",
            Kind::Integer,
            Values::Numbers((0..rows).map(|i| f64::from(u8::from(i % 3 == 0))).collect()),
        )
    };
    let spec = Spec { allowed_learners: vec!["GradientBoosting".into()], ..quick(1) };
    let noise = |i: usize, c: usize| Random::new(i as u64, c as u64).unit();
    let number = |c: usize| {
        column(&format!("n{c}"), Kind::Float, Values::Numbers((0..60).map(|i| noise(i, c)).collect()))
    };
    let wide = Table { columns: (0..410).map(number).chain([target(60)]).collect() };
    assert!(search(&wide, &spec).unwrap().trials.iter().any(|t| t.learner.contains("symmetric")));
    let texts = |name: &str, salt: usize| {
        let levels = (0..240).map(|l| format!("level-{l}")).collect();
        let codes = (0..960).map(|i| (240.0 * noise(i, salt)) as u32).collect();
        column(name, Kind::Category, Values::Texts { codes, levels })
    };
    let long = Table { columns: vec![texts("a", 901), texts("b", 902), target(960)] };
    let outcome = search(&long, &spec).unwrap();
    assert!(outcome.trials.iter().any(|t| t.learner.contains("target means")), "{:?}", outcome.trials);
}

#[test]
fn a_table_of_thousands_of_columns_has_a_model_that_a_file_holds() {
    let mut random = Random::new(3, 3);
    let rows = 40;
    let y: Vec<f64> = (0..rows).map(|row| f64::from(row % 2 == 0)).collect();
    let mut columns: Vec<Column> = (0..4_500)
        .map(|at| {
            // Skewed, so that logarithms are taken; some with holes.
            let cell = |row: usize| match (at + row) % 97 {
                0 => f64::NAN,
                _ => (random.between(0.0, 3.0) + y[row] * f64::from(at < 40)).exp(),
            };
            column(&format!("c{at}"), Kind::Float, Values::Numbers((0..rows).map(cell).collect()))
        })
        .collect();
    columns.push(column("y", Kind::Integer, Values::Numbers(y)));
    let spec = Spec {
        allowed_learners: vec!["LogisticRegression".into(), "NeuralNetwork".into()],
        validation_size: Some(0.4),
        ..Spec::new("y", 6, 5)
    };
    let outcome = search(&Table { columns }, &spec).unwrap();
    assert_eq!(outcome.work.trials, 6);
    assert!(onnx::Model::from_bytes(&outcome.model).unwrap().predictable().is_ok());
    // The page draws the first of them.
    assert_eq!(outcome.importance.len(), 4_500);
    let page = report_html(&outcome);
    assert!(
        page.contains("The first 60 of 4500 columns") && page.matches("text-anchor=\"end\"").count() < 500
    );
}
