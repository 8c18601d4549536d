//! Labels that follow the metric: thresholds of two classes, weights of more, in the model's file and in what it is measured by.

use super::budget::quick;
use super::*;
use std::array;

/// Three rows of four are of the first class whatever they say, so that balance wants other labels than accuracy.
pub(super) fn rarely(table: &mut Table) {
    let Values::Texts { codes, .. } = &mut table.columns[5].values else { panic!("no texts") };
    (0..codes.len()).filter(|r| r % 4 != 0).for_each(|r| codes[r] = 0);
}

/// Two tables of one kind, to learn from and to be measured on, whose first class is the most frequent by far.
fn unbalanced(task: Task, rows: [usize; 2]) -> [Table; 2] {
    rows.map(|rows| {
        let mut table = table(rows, task);
        rarely(&mut table);
        table
    })
}

fn measured(train: &Table, test: &Table, spec: &Spec) -> Result<Outcome, Error> {
    let tables = Tables { training: train, validation: None, test: Some(test) };
    run(tables, spec, &mut |_| ControlFlow::Continue(()))
}

/// The rows of a test table as the model's file answers them: the probabilities, the class, and the true class.
fn answered<const K: usize>(model: &[u8], test: &Table) -> Vec<([f32; K], usize, usize)> {
    let model = onnx::Model::from_bytes(model).unwrap();
    let batch = scored_rows(&model, test);
    let Values::Texts { codes, .. } = &test.columns[5].values else { panic!("no texts") };
    let truth = codes.iter().map(|&code| code as usize).enumerate();
    truth
        .map(|(row, truth)| (batch.probabilities(row).try_into().unwrap(), batch.class(row), truth))
        .collect()
}

/// The share of each class's rows that were answered right.
fn recalls<const K: usize>(answers: &[([f32; K], usize, usize)]) -> [f64; K] {
    array::from_fn(|class| {
        let of: Vec<bool> =
            answers.iter().filter(|a| a.2 == class).map(|(_, answer, _)| *answer == class).collect();
        of.iter().filter(|right| **right).count() as f64 / of.len() as f64
    })
}

#[test]
fn a_test_table_is_measured_and_the_label_follows_the_threshold() {
    let [train, test] = unbalanced(Task::Binary, [600, 240]);
    let spec = Spec { metric: Some("balanced_accuracy".into()), ..quick(6) };
    let outcome = measured(&train, &test, &spec).unwrap();
    let metrics = outcome.test.as_ref().unwrap();
    assert!(metrics["AUC_weighted"] > 0.5 && metrics.contains_key("log_loss"));
    let threshold = outcome.threshold.unwrap();
    assert!(threshold < 0.45, "{threshold}");
    let answers = answered::<2>(&outcome.model, &test);
    assert!(answers.iter().all(|([_, p], class, _)| (*class == 1) == (*p > threshold)));
    assert!(answers.iter().any(|([_, p], ..)| *p > threshold && *p < 0.5));
    // Measured by the labels that callers get, and drawn by them.
    let [first, second] = recalls(&answers);
    assert!((metrics["balanced_accuracy"] - (first + second) / 2.0).abs() < 1e-12);
    let matrix = outcome.plots.iter().find(|plot| plot.name == "confusion_matrix").unwrap();
    let plots::Marks::Cells { rows, .. } = &matrix.marks else { panic!("no cells") };
    let recall = |class: usize| rows[class][class] / rows[class].iter().sum::<f64>();
    assert!((outcome.score - (recall(0) + recall(1)) / 2.0).abs() < 1e-9);
    let strange = Table { columns: test.columns.iter().filter(|c| c.name != "y").cloned().collect() };
    assert!(matches!(measured(&train, &strange, &spec), Err(Error::Target { .. })));
}

#[test]
fn labels_of_several_classes_are_weighted_where_the_metric_counts_classes_alike() {
    let [train, test] = unbalanced(Task::Multiclass, [900, 300]);
    let spec = Spec { metric: Some("norm_macro_recall".into()), ..quick(4) };
    let outcome = measured(&train, &test, &spec).unwrap();
    let weights = outcome.class_weights.as_ref().unwrap();
    // "top" is the rarest class.
    assert!(weights["top"] == 1.0 && weights.values().filter(|w| **w < 1.0).count() == 2, "{weights:?}");
    assert!(report_html(&outcome).contains("times the weight of its class: high "));
    let ensemble = outcome.trials.iter().find(|t| t.learner == ENSEMBLE).unwrap();
    let best = outcome.trials.iter().filter(|t| t.learner != ENSEMBLE).map(|t| t.score).reduce(f64::max);
    assert!(ensemble.score > best.unwrap());
    // The file answers by the weights, and is measured by its answers.
    let weights: Vec<f32> = weights.values().copied().collect();
    let answers = answered::<3>(&outcome.model, &test);
    let largest = |of: &dyn Fn(usize) -> f32| (1..3).fold(0, |a, b| if of(b) > of(a) { b } else { a });
    for (p, class, _) in &answers {
        assert_eq!(*class, largest(&|class| p[class] * weights[class]), "{p:?}");
    }
    assert!(answers.iter().any(|(p, class, _)| *class != largest(&|class| p[class])));
    let recall = recalls(&answers).iter().sum::<f64>() / 3.0;
    let score = outcome.test.as_ref().unwrap()["norm_macro_recall"];
    assert!((score - (recall - 1.0 / 3.0) * 1.5).abs() < 1e-9);
}

/// A table's rows, scored.
fn scored_rows(model: &onnx::Model, table: &Table) -> onnx::Batch {
    let mut batch = model.batch();
    for row in 0..table.rows() {
        batch.push_row();
        for (slot, column) in table.columns.iter().filter_map(|c| Some((model.slot(&c.name)?, c))) {
            match &column.values {
                Values::Numbers(v) => batch.set_number(slot, 0, v[row] as f32),
                Values::Texts { codes, levels } if codes[row] != MISSING_CODE => {
                    batch.set_text(model, slot, 0, &levels[codes[row] as usize]);
                }
                Values::Texts { .. } => {}
            }
        }
    }
    model.predict(&mut batch).unwrap();
    batch
}
