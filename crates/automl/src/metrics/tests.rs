//! Metrics against values worked out by hand (and checked once with scikit-learn).

use super::*;
use crate::dataset::Classes;

fn target(values: Vec<f32>, task: Task, k: i64) -> Target {
    let classes = (k > 0).then(|| Classes::Integer((0..k).collect()));
    Target { name: "y".into(), task, classes, values }
}

fn close(metrics: &Metrics, name: &str, value: f64) {
    let got = metrics[name];
    assert!((got - value).abs() < 1e-6, "{name}: {got} instead of {value}");
}

#[test]
fn binary_metrics_match_hand_computed_values() {
    // Decisions 0 1 1 | 0 1: confusion [[1, 2], [1, 1]].
    let t = target(vec![0.0, 0.0, 0.0, 1.0, 1.0], Task::Binary, 2);
    let m = all(&t, &[0, 1, 2, 3, 4], &[0.1, 0.6, 0.8, 0.4, 0.9]);
    assert_eq!(m.len(), 21);
    close(&m, "accuracy", 0.4);
    close(&m, "balanced_accuracy", (1.0 / 3.0 + 0.5) / 2.0);
    close(&m, "weighted_accuracy", (3.0 * 1.0 + 2.0 * 1.0) / 13.0);
    close(&m, "precision_score_macro", (0.5 + 1.0 / 3.0) / 2.0);
    close(&m, "precision_score_weighted", (3.0 * 0.5 + 2.0 / 3.0) / 5.0);
    close(&m, "recall_score_micro", 0.4);
    close(&m, "f1_score_macro", (0.4 + 0.4) / 2.0);
    close(&m, "norm_macro_recall", ((1.0 / 3.0 + 0.5) / 2.0 - 0.5) / 0.5);
    // Pairs won by the positives: 0.4 beats 1 of 3, 0.9 beats 3 of 3.
    for name in ["AUC_macro", "AUC_weighted"] {
        close(&m, name, 4.0 / 6.0);
    }
    // Class 1 ranked: 1 0 0 1 0 → (1 + 2/4)/2; class 0 by 1 − p: 0 1 0 0 1 reversed → ranked 0 1 0 0 1.
    let one = (1.0 + 0.5) / 2.0;
    let zero = (1.0 + 2.0 / 3.0 + 3.0 / 4.0) / 3.0;
    close(&m, "average_precision_score_macro", (one + zero) / 2.0);
    close(&m, "average_precision_score_weighted", (2.0 * one + 3.0 * zero) / 5.0);
    let loss = -(0.9f64.ln() + 0.4f64.ln() + 0.2f64.ln() + 0.4f64.ln() + 0.9f64.ln()) / 5.0;
    close(&m, "log_loss", loss);
    // (1·1 − 2·1) / √(2·3·3·2)
    close(&m, "matthews_correlation", -1.0 / 6.0);
}

#[test]
fn micro_areas_rank_every_class_of_every_row() {
    let t = target(vec![0.0, 1.0], Task::Binary, 2);
    let m = all(&t, &[0, 1], &[0.2, 0.4]);
    // Scores .8+ .2− .6− .4+: positives .8 and .4 against .2 and .6.
    close(&m, "AUC_micro", 3.0 / 4.0);
    close(&m, "average_precision_score_micro", (1.0 + 2.0 / 3.0) / 2.0);
}

#[test]
fn three_classes_average_over_classes() {
    let t = target(vec![0.0, 1.0, 2.0, 2.0], Task::Multiclass, 3);
    let p = [0.7, 0.2, 0.1, 0.5, 0.3, 0.2, 0.1, 0.2, 0.7, 0.2, 0.5, 0.3];
    let m = all(&t, &[0, 1, 2, 3], &p);
    close(&m, "accuracy", 0.5);
    close(&m, "recall_score_macro", (1.0 + 0.0 + 0.5) / 3.0);
    close(&m, "norm_macro_recall", (0.5 - 1.0 / 3.0) / (2.0 / 3.0));
    // Class 0: .7 over .5 .1 .2 = 1; class 1: .3 over .2 .2 .5 = 2/3; class 2: .7 and .3 over .1 .2 = 1.
    close(&m, "AUC_macro", (1.0 + 2.0 / 3.0 + 1.0) / 3.0);
    close(&m, "AUC_weighted", (1.0 + 2.0 / 3.0 + 2.0) / 4.0);
    close(&m, "log_loss", -(0.7f64.ln() + 0.3f64.ln() + 0.7f64.ln() + 0.3f64.ln()) / 4.0);
    // hits 2, total 4, support 1 1 2, decided 2 1 1: (2·4 − 5) / √((16 − 6)(16 − 6))
    close(&m, "matthews_correlation", 0.3);
}

#[test]
fn ties_count_half_and_one_class_leaves_areas_undefined() {
    let t = target(vec![0.0, 1.0, 0.0], Task::Binary, 2);
    close(&all(&t, &[0, 1, 2], &[0.5, 0.5, 0.5]), "AUC_weighted", 0.5);
    let m = all(&t, &[0, 2], &[0.5, 0.5]);
    assert!(!m.contains_key("AUC_weighted"));
    let goal = Goal::new(Task::Binary, None).unwrap();
    assert_eq!(goal.of(&m), f64::NEG_INFINITY);
}

#[test]
fn regression_metrics_match_hand_computed_values() {
    let t = target(vec![1.0, 2.0, 3.0, 0.0], Task::Regression, 0);
    let m = all(&t, &[0, 1, 2, 3], &[1.5, 2.0, 2.0, 0.5]);
    assert_eq!(m.len(), 12);
    close(&m, "root_mean_squared_error", (1.5f64 / 4.0).sqrt());
    close(&m, "normalized_root_mean_squared_error", (1.5f64 / 4.0).sqrt() / 3.0);
    close(&m, "r2_score", 1.0 - 1.5 / 5.0);
    close(&m, "mean_absolute_error", 0.5);
    close(&m, "normalized_mean_absolute_error", 0.5 / 3.0);
    close(&m, "median_absolute_error", 0.5);
    close(&m, "explained_variance", 1.0 - 0.375 / 1.25);
    close(&m, "mean_absolute_percentage_error", (50.0 + 0.0 + 100.0 / 3.0) / 3.0);
    // Ranks 2 3 4 1 against 2 3.5 3.5 1.
    close(&m, "spearman_correlation", 4.5 / (5.0f64 * 4.5).sqrt());
}

#[test]
fn an_unknown_metric_is_refused_with_the_known_ones() {
    let error = Goal::new(Task::Regression, Some("accuracy")).unwrap_err().to_string();
    assert!(error.contains("r2_score"), "{error}");
    assert!(!Goal::new(Task::Binary, Some("log_loss")).unwrap().higher);
}

#[test]
fn a_class_counts_whatever_its_rows_weigh_and_a_threshold_decides() {
    let t = target(vec![0.0, 0.0, 1.0], Task::Binary, 2);
    let rows = [0, 1, 2];
    // scikit-learn's recall_score([0, 0, 1], [0, 0, 1], average="macro", sample_weight=[1, 1, 0], zero_division=0)
    let m = weighted(&t, &rows, &[0.1, 0.2, 0.9], Some(&[1.0, 1.0, 0.0]), &Decision::Largest);
    close(&m, "recall_score_macro", 0.5);
    let m = weighted(&t, &rows, &[0.1, 0.2, 0.4], None, &Decision::Above(0.3));
    close(&m, "accuracy", 1.0);
    close(&all(&t, &rows, &[0.1, 0.2, 0.4]), "accuracy", 2.0 / 3.0);
    let t = target(vec![0.0, 1.0, 2.0], Task::Multiclass, 3);
    let p = [0.6, 0.3, 0.1, 0.5, 0.3, 0.2, 0.5, 0.25, 0.25];
    close(&all(&t, &rows, &p), "balanced_accuracy", 1.0 / 3.0);
    let weighed = Decision::Weighted(vec![0.3, 0.9, 1.0]);
    // 0.18 0.27 0.1 | 0.15 0.27 0.2 | 0.15 0.225 0.25
    close(&weighted(&t, &rows, &p, None, &weighed), "balanced_accuracy", 2.0 / 3.0);
}
