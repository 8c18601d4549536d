//! Whole searches on small tables.

use super::vote::{ENSEMBLE, STACK};
mod budget;
mod labels;
mod odd;
mod places;
mod texts;

use super::*;
use crate::random::Random;
use crate::table::{Column, Kind, MISSING_CODE, Table, Values};
use crate::{ColumnRole, Task, report_html};

fn column(name: &str, kind: Kind, values: Values) -> Column {
    Column { name: name.into(), kind, values }
}

/// A table with numbers, holes, a category, a serial number, an empty column and the target `y`.
fn table(rows: usize, task: Task) -> Table {
    let mut random = Random::new(11, rows as u64);
    let (mut a, mut b, mut codes, mut y) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rows {
        let (x, w, level) =
            (random.between(-2.0, 2.0), random.between(0.0, 5.0).exp(), random.below(4) as u32);
        let z = x + 0.5 * w.ln() - 1.0 + [1.0, -1.0, 0.0, 0.5][level as usize] + random.between(-0.7, 0.7);
        a.push(if random.unit() < 0.1 { f64::NAN } else { x });
        b.push(w);
        codes.push(if random.unit() < 0.05 { MISSING_CODE } else { level });
        y.push(z);
    }
    let levels = ["red", "green", "blue", "<b>\"&'"].map(String::from).to_vec();
    let target = match task {
        Task::Regression => column("y", Kind::Float, Values::Numbers(y)),
        _ => {
            let cut = |z: &f64| {
                if *z < 0.0 { 0 } else { 1 + u32::from(task == Task::Multiclass && *z > 1.5) }
            };
            let levels = ["high", "low", "top"].map(String::from).to_vec();
            column("y", Kind::Category, Values::Texts { codes: y.iter().map(cut).collect(), levels })
        }
    };
    Table {
        columns: vec![
            column("Sno", Kind::Integer, Values::Numbers((0..rows).map(|i| i as f64).collect())),
            column("a.number with spaces", Kind::Float, Values::Numbers(a)),
            column("label", Kind::Float, Values::Numbers(b)),
            column("colour", Kind::Category, Values::Texts { codes, levels }),
            column("empty", Kind::Float, Values::Numbers(vec![f64::NAN; rows])),
            target,
        ],
    }
}

fn search(table: &Table, spec: &Spec) -> Result<Outcome, Error> {
    run(table, spec, &mut |_| ControlFlow::Continue(()))
}

#[test]
fn a_binary_search_gives_a_model_that_scores() {
    let table = table(300, Task::Binary);
    let mut events = Vec::new();
    let outcome = run(&table, &Spec::new("y", 8, 1), &mut |event| {
        events.push(event.clone());
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(outcome.task, Task::Binary);
    assert!(outcome.score > 0.85, "{}", outcome.score);
    assert_eq!(outcome.trials.len(), 9);
    assert!(outcome.trials.iter().any(|t| t.learner == ENSEMBLE && t.metrics.len() == 21));
    assert!((outcome.members.iter().map(|m| m.weight).sum::<f64>() - 1.0).abs() < 1e-9);
    assert_eq!(outcome.work.trials, 8);
    assert!(!outcome.work.truncated);
    let dropped: Vec<&str> =
        outcome.columns.iter().filter(|c| c.role == ColumnRole::Dropped).map(|c| c.name.as_str()).collect();
    assert_eq!(dropped, ["Sno", "empty"]);
    let inputs = outcome.signature["inputs"].as_array().unwrap();
    let names: Vec<&str> = inputs.iter().map(|i| i["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a.number with spaces", "label", "colour"]);
    assert_eq!(outcome.signature["output"]["classes"], serde_json::json!(["high", "low"]));
    assert_eq!(outcome.importance.len(), 3);
    assert!(outcome.importance[0].mean > 0.01);
    assert!(matches!(events[0], Event::Plan { trials: 8, .. }));
    assert_eq!(events.iter().filter(|e| matches!(e, Event::Trial { .. })).count(), 8);
    assert_eq!(events.iter().filter(|e| matches!(e, Event::Column(_))).count(), 6);
    for event in &events {
        let text = serde_json::to_string(event).unwrap();
        assert_eq!(&serde_json::from_str::<Event>(&text).unwrap(), event);
    }
    let page = report_html(&outcome);
    assert!(page.contains(ENSEMBLE) && page.contains("<h2>Guardrails</h2>") && !page.contains("<b>\"&'"));
    // The name of SVG's vocabulary is no reference.
    assert!(!page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "").contains("http"));
}

#[test]
fn the_same_bytes_come_from_one_thread_and_from_two() {
    for task in [Task::Binary, Task::Regression] {
        let table = table(120, task);
        let model = |threads| {
            let spec = Spec { threads, ..Spec::new("y", 11, 5) };
            search(&table, &spec).unwrap().model
        };
        assert!(model(1) == model(2), "{}", task.name());
    }
}

#[test]
fn another_seed_gives_another_model() {
    let table = table(120, Task::Binary);
    let model = |seed| search(&table, &Spec::new("y", 4, seed)).unwrap().model;
    assert!(model(1) != model(2));
}

#[test]
fn three_classes_and_integer_labels() {
    let mut table = table(400, Task::Multiclass);
    let outcome = search(&table, &Spec::new("y", 8, 2)).unwrap();
    assert_eq!(outcome.task, Task::Multiclass);
    assert!(outcome.metrics["accuracy"] > 0.6, "{}", outcome.metrics["accuracy"]);
    let Values::Texts { codes, .. } = &table.columns[5].values else { panic!("no texts") };
    let numbers = codes.iter().map(|&c| f64::from(c) * 10.0 - 5.0).collect();
    table.columns[5] = column("y", Kind::Integer, Values::Numbers(numbers));
    let outcome = search(&table, &Spec::new("y", 3, 2)).unwrap();
    assert_eq!(outcome.signature["output"]["classes"], serde_json::json!([-5, 5, 15]));
    let model = onnx::Model::from_bytes(&outcome.model).unwrap();
    assert!(matches!(model.output(), onnx::Output::Classes(onnx::Labels::Integer(l)) if *l == [-5, 5, 15]));
}

#[test]
fn regression_beats_the_mean() {
    let outcome = search(&table(300, Task::Regression), &Spec::new("y", 10, 2)).unwrap();
    assert_eq!((outcome.task, outcome.higher_is_better), (Task::Regression, false));
    assert!(outcome.metrics["r2_score"] > 0.7, "{}", outcome.metrics["r2_score"]);
    assert!(outcome.metrics.len() >= 9);
    assert!(outcome.score < 0.2);
    assert!(outcome.trials.windows(2).all(|t| t[0].score <= t[1].score));
}

#[test]
fn unknown_and_missing_values_are_scored_like_in_training() {
    let table = table(300, Task::Binary);
    let outcome = search(&table, &Spec::new("y", 8, 1)).unwrap();
    let model = onnx::Model::from_bytes(&outcome.model).unwrap();
    let mut batch = model.batch();
    let colour = model.slot("colour").unwrap();
    for text in ["red", "never seen", ""] {
        batch.push_row();
        batch.set_number(model.slot("label").unwrap(), 0, 3.0);
        batch.set_text(&model, colour, 0, text);
    }
    batch.push_row();
    model.predict(&mut batch).unwrap();
    for row in 0..4 {
        let p = batch.probabilities(row);
        assert!((p[0] + p[1] - 1.0).abs() < 1e-5 && p.iter().all(|p| (0.0..=1.0).contains(p)), "{p:?}");
    }
    assert_ne!(batch.probabilities(0), batch.probabilities(1));
}

#[test]
fn a_tiny_table_is_enough() {
    for task in [Task::Binary, Task::Regression] {
        let outcome = search(&table(14, task), &Spec::new("y", 18, 3)).unwrap();
        assert_eq!(outcome.work.rows, 14);
        assert!(outcome.score.is_finite());
    }
}

#[test]
fn a_class_with_a_single_row_is_learned() {
    let mut table = table(60, Task::Binary);
    let Values::Texts { codes, .. } = &mut table.columns[5].values else { panic!("no texts") };
    codes[7] = 2;
    let outcome = search(&table, &Spec::new("y", 8, 3)).unwrap();
    assert_eq!(outcome.signature["output"]["classes"].as_array().unwrap().len(), 3);
    assert!(outcome.notes[0].contains("single row"));
}

#[test]
fn a_constant_target_is_refused() {
    let mut table = table(60, Task::Regression);
    table.columns[5] = column("y", Kind::Float, Values::Numbers(vec![1.5; 60]));
    assert!(matches!(search(&table, &Spec::new("y", 8, 3)), Err(Error::Target { .. })));
}

#[test]
fn a_break_cancels_the_search() {
    let table = table(2000, Task::Binary);
    let mut seen = 0;
    let result = run(&table, &Spec::new("y", 500, 3), &mut |event| {
        seen += usize::from(matches!(event, Event::Trial { .. }));
        if seen >= 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(result, Err(Error::Cancelled)));
    assert_eq!(seen, 2);
}

#[test]
fn a_time_limit_truncates_and_says_so() {
    let spec = Spec { time_limit_seconds: Some(1.0), ..Spec::new("y", 1000, 3) };
    let outcome = search(&table(600, Task::Binary), &spec).unwrap();
    assert!(outcome.work.truncated && outcome.work.trials < 1000);
    assert!(outcome.notes.iter().any(|n| n.contains("time limit")));
}

#[test]
fn settings_out_of_range_are_refused() {
    let table = table(60, Task::Binary);
    for spec in [
        Spec::new("y", 0, 1),
        Spec { max_trials: None, ..Spec::new("y", 1, 1) },
        Spec { allowed_learners: vec!["Oracle".into()], ..Spec::new("y", 1, 1) },
        Spec { metric: Some("beauty".into()), ..Spec::new("y", 1, 1) },
        Spec { time_limit_seconds: Some(f64::NAN), ..Spec::new("y", 1, 1) },
    ] {
        assert!(matches!(search(&table, &spec), Err(Error::Spec { .. })));
    }
}

#[test]
fn every_metric_can_be_the_primary_one() {
    let table = table(80, Task::Binary);
    let spec = Spec { metric: Some("log_loss".into()), ..Spec::new("y", 3, 1) };
    let outcome = search(&table, &spec).unwrap();
    assert!(!outcome.higher_is_better);
    assert_eq!(outcome.score, outcome.metrics["log_loss"]);
}

/// Reads a comma-separated table without quotes; a column is numeric when all its values are.
fn read(text: &str) -> Table {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let rows: Vec<Vec<&str>> = lines.map(|l| l.split(',').collect()).collect();
    let columns = names.iter().enumerate().map(|(i, name)| {
        let cells: Vec<&str> = rows.iter().map(|r| r[i]).collect();
        if let Ok(numbers) = cells.iter().map(|c| c.parse()).collect() {
            return column(name, Kind::Integer, Values::Numbers(numbers));
        }
        let mut levels: Vec<String> = cells.iter().map(|c| (*c).to_owned()).collect();
        levels.sort();
        levels.dedup();
        let code = |c: &&str| levels.binary_search_by(|l| l.as_str().cmp(c)).unwrap() as u32;
        let codes = cells.iter().map(code).collect();
        column(name, Kind::Category, Values::Texts { codes, levels })
    });
    Table { columns: columns.collect() }
}

#[test]
fn german_credit_is_learned() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/german_credit_data.csv");
    let Ok(text) = std::fs::read_to_string(file) else {
        println!("skipped: german_credit_is_learned needs shared/data");
        return;
    };
    let outcome = search(&read(&text), &Spec::new("Risk", 6, 1)).unwrap();
    let names: Vec<&str> =
        outcome.columns.iter().filter(|c| c.role == ColumnRole::Dropped).map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["Sno"]);
    assert_eq!(outcome.signature["inputs"].as_array().unwrap().len(), 9);
    assert_eq!(outcome.signature["output"]["classes"], serde_json::json!(["bad", "good"]));
    assert!(outcome.score > 0.75 && outcome.metrics["accuracy"] > 0.73, "{:?}", outcome.metrics);
    assert_eq!(outcome.importance[0].column, "Checking account");
    assert!(outcome.model.len() < 5_000_000);
}

#[test]
fn columns_with_a_role_are_no_features_and_validation_rows_are_not_learned_from() {
    let mut table = table(200, Task::Binary);
    let numbers = |f: fn(usize) -> f64| Values::Numbers((0..200).map(f).collect());
    table.columns.push(column("weight", Kind::Float, numbers(|i| 1.0 + (i % 3) as f64)));
    table.columns.push(column("fold 1", Kind::Integer, numbers(|i| f64::from(u8::from(i >= 60)))));
    table.columns.push(column("fold 2", Kind::Integer, numbers(|i| f64::from(u8::from(i < 140)))));
    let spec = Spec {
        weight_column: Some("weight".into()),
        cv_split_columns: vec!["fold 1".into(), "fold 2".into()],
        ..Spec::new("y", 4, 1)
    };
    let outcome = search(&table, &spec).unwrap();
    assert_eq!((outcome.signature["inputs"].as_array().unwrap().len(), outcome.work.splits), (3, 2));
    let spec = Spec::new("y", 3, 1);
    let (train, held) = (self::table(200, Task::Binary), self::table(90, Task::Binary));
    let tables = Tables { training: &train, validation: Some(&held), test: None };
    let outcome = run(tables, &spec, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!((outcome.work.splits, outcome.work.rows), (1, 200));
}

#[test]
fn every_answer_of_a_search_is_explained_and_adds_up() {
    for task in [Task::Binary, Task::Multiclass, Task::Regression] {
        let outcome = search(&table(160, task), &Spec::new("y", 8, 3)).unwrap();
        let model = onnx::Model::from_bytes(&outcome.model).unwrap();
        let explainer = onnx::Explainer::new(&model, &outcome.model).unwrap();
        let mut batch = model.batch();
        for row in 0..50 {
            batch.push_row();
            for slot in 0..model.slots().len() {
                batch.set_number(slot, 0, if row % 7 == 6 { f32::NAN } else { row as f32 / 10.0 - 2.0 });
                batch.set_text(&model, slot, 0, ["red", "green", "", "unknown"][row % 4]);
            }
        }
        model.predict(&mut batch).unwrap();
        for row in 0..50 {
            let got = explainer.explain(&batch, row).unwrap();
            let sum = got.base + got.contributions.iter().sum::<f64>();
            let probabilities = batch.probabilities(row);
            let answer = probabilities.get(got.class).copied().unwrap_or_else(|| batch.value(row));
            assert!((sum - f64::from(answer)).abs() < 1e-5, "{task:?} row {row}: {sum} {answer}");
            assert_eq!(got.contributions.len(), 3);
        }
        assert!(outcome.plots.iter().any(|p| p.name == "learning_curve"));
        assert!(report_html(&outcome).matches("<svg").count() > outcome.plots.len());
    }
}
