//! Budgets, interruptions, and what ends a search early.

use super::*;
use crate::journal::Keeper;
use std::sync::Mutex;

/// A hold-out makes a search of many trials cheap.
pub(super) fn quick(trials: u32) -> Spec {
    Spec { validation_size: Some(0.4), ..Spec::new("y", trials, 5) }
}

#[test]
fn a_longer_budget_tries_the_same_first_and_never_gives_less() {
    longer(&table(220, Task::Binary), &[2, 5, 9, 15], quick);
}

#[test]
fn a_longer_budget_never_gives_less_without_ensembles_too() {
    let single = |seed| {
        move |trials| Spec {
            seed,
            vote_ensemble: false,
            stack_ensemble: false,
            metric: Some("balanced_accuracy".into()),
            ..quick(trials)
        }
    };
    // Which trial is best by the most probable class says little about which is best by the best threshold.
    let mut table = table(600, Task::Binary);
    rarely(&mut table);
    let budgets: Vec<u32> = (2..=14).collect();
    [2, 6].into_iter().for_each(|seed| longer(&table, &budgets, single(seed)));
}

fn longer(table: &Table, budgets: &[u32], spec: impl Fn(u32) -> Spec) {
    let mut before: Option<Outcome> = None;
    for &trials in budgets {
        let outcome = search(table, &spec(trials)).unwrap();
        if let Some(before) = before {
            assert!(outcome.score >= before.score, "{} {}", outcome.score, before.score);
            let scores = |o: &Outcome, last: u32| {
                let own = o.trials.iter().filter(|t| t.number <= last);
                let mut list: Vec<(u32, String, u64)> = own
                    .filter(|t| t.learner != ENSEMBLE && t.learner != STACK)
                    .map(|t| (t.number, t.learner.clone(), t.score.to_bits()))
                    .collect();
                list.sort();
                list
            };
            let last = before.work.trials;
            assert_eq!(scores(&before, last), scores(&outcome, last));
        }
        before = Some(outcome);
    }
}

#[test]
fn trials_that_look_at_others_are_the_same_on_one_thread_and_on_two() {
    let run = |task, threads, early_termination| {
        let folds = Spec { n_cross_validations: Some(3), validation_size: None, ..quick(45) };
        search(&table(160, task), &Spec { threads, early_termination, ..folds }).unwrap()
    };
    let given_up =
        |outcome: &Outcome| outcome.notes.iter().any(|note| note.contains("given up after their first"));
    for task in [Task::Binary, Task::Multiclass] {
        let (one, two) = (run(task, 1, true), run(task, 2, true));
        assert!(one.model == two.model);
        assert_eq!(one.notes, two.notes);
        // Some came after the fixed ones, near good ones or drawn; some of them were bad, which is seen early by wish.
        assert!(one.work.trials > 25 && given_up(&one), "{:?}", one.notes);
        let patient = run(task, 2, false);
        assert!(!given_up(&patient) && patient.work.trials > one.work.trials);
    }
}

/// Entries in memory, and how often one was kept.
#[derive(Default)]
pub(super) struct Memory(pub Mutex<Vec<Vec<u8>>>, pub Mutex<usize>);

impl Keeper for Memory {
    fn kept(&self) -> Vec<Vec<u8>> {
        self.0.lock().unwrap().clone()
    }

    fn keep(&self, entry: &[u8]) {
        self.0.lock().unwrap().push(entry.to_vec());
        *self.1.lock().unwrap() += 1;
    }
}

#[test]
fn an_interrupted_search_goes_on_and_ends_as_if_nothing_had_been() {
    let table = table(200, Task::Multiclass);
    let spec = Spec { threads: 2, ..quick(22) };
    let whole = search(&table, &spec).unwrap();
    let memory = Memory::default();
    let mut seen = 0;
    let interrupted = resume(&table, &spec, &memory, &mut |event| {
        seen += usize::from(matches!(event, Event::Trial { .. }));
        if seen >= 12 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(interrupted, Err(Error::Cancelled)));
    let kept = *memory.1.lock().unwrap();
    assert!((12..22).contains(&kept), "{kept}");
    // What is torn, of another search, or no entry at all is passed over.
    let torn = memory.kept()[3][..50].to_vec();
    memory.0.lock().unwrap().extend([torn, b"{}\n".to_vec(), Vec::new()]);
    let other = Spec { seed: 6, ..spec.clone() };
    let outcome = resume(&table, &spec, &memory, &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(outcome.model == whole.model);
    assert_eq!(*memory.1.lock().unwrap() - kept, 22 - kept - dropped(&outcome));
    let entries = memory.kept();
    let stranger = Memory(Mutex::new(entries), Mutex::new(0));
    resume(&table, &Spec { max_trials: Some(3), ..other }, &stranger, &mut |_| ControlFlow::Continue(()))
        .unwrap();
    assert_eq!(*stranger.1.lock().unwrap(), 3);
}

/// Trials that were given up leave no entry.
fn dropped(outcome: &Outcome) -> usize {
    22 - outcome.work.trials as usize
}

#[test]
fn what_a_time_limit_made_is_made_again_without_it() {
    // Trials of the larger table look at others.
    for (rows, limit) in [(220, 0.6), (220, 1.5), (520, 4.0)] {
        let table = table(rows, Task::Binary);
        let late = Spec { max_trials: None, time_limit_seconds: Some(limit), threads: 2, ..quick(1) };
        let made = search(&table, &late).unwrap();
        let again = Spec {
            max_trials: Some(made.work.reached),
            time_limit_seconds: None,
            threads: 1,
            left_out: made.work.left_out.clone(),
            from_fold: made.work.from_fold.clone(),
            ..late
        };
        assert!(search(&table, &again).unwrap().model == made.model, "{:?}", made.work);
    }
}

#[test]
fn a_configuration_that_takes_too_long_is_left_out() {
    let table = table(200, Task::Binary);
    let spec = Spec { trial_time_limit_seconds: Some(1e-9), ..quick(6) };
    let outcome = search(&table, &spec).unwrap();
    // The constant is never given up.
    assert_eq!(outcome.work.trials, 1, "{:?}", outcome.trials);
    assert!(outcome.notes.iter().any(|note| note.contains("s each")), "{:?}", outcome.notes);
    let again = Spec {
        trial_time_limit_seconds: None,
        max_trials: Some(outcome.work.reached),
        left_out: outcome.work.left_out.clone(),
        ..spec.clone()
    };
    assert!(search(&table, &again).unwrap().model == outcome.model);
    let only = Spec { allowed_learners: vec!["RandomForest".into()], ..spec.clone() };
    assert!(matches!(search(&table, &only), Err(Error::TrialLimit(_))));
    let ample = Spec { trial_time_limit_seconds: Some(1e300), ..spec.clone() };
    assert!(search(&table, &ample).unwrap().model == search(&table, &quick(6)).unwrap().model);
    let none = Spec { trial_time_limit_seconds: Some(0.0), ..spec };
    assert!(matches!(search(&table, &none), Err(Error::Spec { setting: "trial_time_limit_seconds", .. })));
}

#[test]
fn what_an_earlier_attempt_left_out_stays_so() {
    let table = table(200, Task::Binary);
    let algorithms = vec!["LightGBM".into(), "RandomForest".into()];
    let spec = Spec { allowed_learners: algorithms, ..quick(26) };
    let (plain, without) = (Memory::default(), Memory::default());
    resume(&table, &spec, &plain, &mut |_| ControlFlow::Continue(())).unwrap();
    // As if the second had taken too long, in an attempt that went on for a while.
    let late = Spec { left_out: vec![2], ..spec.clone() };
    let made = resume(&table, &late, &without, &mut |_| ControlFlow::Continue(())).unwrap();
    let head = |entry: &[u8]| -> serde_json::Value {
        serde_json::from_slice(entry.split(|&b| b == b'\n').next().unwrap()).unwrap()
    };
    let digest = head(&plain.kept()[0])["digest"].clone();
    let entries = without.kept().into_iter().filter(|entry| head(entry)["number"].as_u64() <= Some(24));
    let same = entries.map(|entry| {
        let mut first = head(&entry);
        first["digest"] = digest.clone();
        let rest = entry.iter().position(|&b| b == b'\n').unwrap();
        [serde_json::to_vec(&first).unwrap(), entry[rest..].to_vec()].concat()
    });
    let memory = Memory(Mutex::new(same.collect()), Mutex::new(0));
    let kept = memory.kept().len();
    let outcome = resume(&table, &spec, &memory, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(outcome.work.left_out, [2]);
    assert!(outcome.model == made.model);
    assert!(*memory.1.lock().unwrap() <= 26 - kept, "what was finished is not done again");
    let again = Spec { left_out: outcome.work.left_out.clone(), ..spec };
    assert!(search(&table, &again).unwrap().model == outcome.model);
}

#[test]
fn trials_and_last_fits_that_are_left_out_are_named() {
    let table = table(200, Task::Binary);
    let whole = search(&table, &quick(8)).unwrap();
    let (kept, member) = (whole.work.reached, whole.members[0].trial);
    let spec = Spec { left_out: vec![member], ..quick(8) };
    let less = search(&table, &spec).unwrap();
    assert_eq!(
        (less.work.trials, less.work.left_out.as_slice()),
        (whole.work.trials - 1, [member].as_slice())
    );
    assert!(less.work.reached == kept && less.members.iter().all(|m| m.trial != member));
    let folded = search(&table, &Spec { from_fold: vec![member], ..quick(8) }).unwrap();
    assert_eq!(folded.work.from_fold, [member]);
    assert!(folded.model != whole.model && folded.score.to_bits() == whole.score.to_bits());
}

#[test]
fn the_score_asked_for_ends_the_search() {
    let table = table(200, Task::Binary);
    let outcome = search(&table, &Spec { exit_score: Some(0.8), ..quick(15) }).unwrap();
    assert!(outcome.work.trials < 15 && !outcome.work.truncated, "{}", outcome.work.trials);
    assert!(outcome.notes.iter().any(|note| note.contains("the score asked for")));
}

/// Three rows of four are of the first class whatever they say, so that balance wants other labels than accuracy.
fn rarely(table: &mut Table) {
    let Values::Texts { codes, .. } = &mut table.columns[5].values else { panic!("no texts") };
    (0..codes.len()).filter(|r| r % 4 != 0).for_each(|r| codes[r] = 0);
}

#[test]
fn a_test_table_is_measured_and_the_label_follows_the_threshold() {
    let (mut train, mut test) = (table(600, Task::Binary), table(240, Task::Binary));
    rarely(&mut train);
    rarely(&mut test);
    let spec = Spec { metric: Some("balanced_accuracy".into()), ..quick(6) };
    let tables = Tables { training: &train, validation: None, test: Some(&test) };
    let outcome = run(tables, &spec, &mut |_| ControlFlow::Continue(())).unwrap();
    let measured = outcome.test.as_ref().unwrap();
    assert!(measured["AUC_weighted"] > 0.5 && measured.contains_key("log_loss"));
    let threshold = outcome.threshold.unwrap();
    assert!(threshold < 0.45, "{threshold}");
    let model = onnx::Model::from_bytes(&outcome.model).unwrap();
    let batch = scored_rows(&model, &test);
    let mut between = 0;
    let (mut right, mut all) = ([0.0; 2], [0.0; 2]);
    let Values::Texts { codes, .. } = &test.columns[5].values else { panic!("no texts") };
    for (row, &truth) in codes.iter().enumerate() {
        let p = batch.probabilities(row)[1];
        assert_eq!(batch.class(row) == 1, p > threshold, "{p}");
        between += usize::from(p > threshold && p < 0.5);
        let truth = truth as usize;
        all[truth] += 1.0;
        right[truth] += f64::from(u8::from(batch.class(row) == truth));
    }
    assert!(between > 0);
    // Measured by the labels that callers get, and drawn by them.
    assert!((measured["balanced_accuracy"] - (right[0] / all[0] + right[1] / all[1]) / 2.0).abs() < 1e-12);
    let matrix = outcome.plots.iter().find(|plot| plot.name == "confusion_matrix").unwrap();
    let plots::Marks::Cells { rows, .. } = &matrix.marks else { panic!("no cells") };
    let recall = |class: usize| rows[class][class] / rows[class].iter().sum::<f64>();
    assert!((outcome.score - (recall(0) + recall(1)) / 2.0).abs() < 1e-9);
    let strange = Table { columns: test.columns.iter().filter(|c| c.name != "y").cloned().collect() };
    let tables = Tables { training: &train, validation: None, test: Some(&strange) };
    assert!(matches!(run(tables, &spec, &mut |_| ControlFlow::Continue(())), Err(Error::Target { .. })));
}

#[test]
fn labels_of_several_classes_are_weighted_where_the_metric_counts_classes_alike() {
    let (mut train, mut test) = (table(900, Task::Multiclass), table(300, Task::Multiclass));
    rarely(&mut train);
    rarely(&mut test);
    let spec = Spec { metric: Some("norm_macro_recall".into()), ..quick(4) };
    let tables = Tables { training: &train, validation: None, test: Some(&test) };
    let outcome = run(tables, &spec, &mut |_| ControlFlow::Continue(())).unwrap();
    let weights = outcome.class_weights.as_ref().unwrap();
    // "top" is the rarest class.
    assert!(weights["top"] == 1.0 && weights.values().filter(|w| **w < 1.0).count() == 2, "{weights:?}");
    assert!(report_html(&outcome).contains("times the weight of its class: high "));
    let ensemble = outcome.trials.iter().find(|t| t.learner == ENSEMBLE).unwrap();
    let best = outcome.trials.iter().filter(|t| t.learner != ENSEMBLE).map(|t| t.score).reduce(f64::max);
    assert!(ensemble.score > best.unwrap());
    // The file answers by the weights, and is measured by its answers.
    let model = onnx::Model::from_bytes(&outcome.model).unwrap();
    let batch = scored_rows(&model, &test);
    let weights: Vec<f32> = weights.values().copied().collect();
    let Values::Texts { codes, .. } = &test.columns[5].values else { panic!("no texts") };
    let (mut right, mut all, mut moved) = ([0.0; 3], [0.0; 3], 0);
    for (row, &truth) in codes.iter().enumerate() {
        let p = batch.probabilities(row);
        let largest = |of: &dyn Fn(usize) -> f32| (1..3).fold(0, |a, b| if of(b) > of(a) { b } else { a });
        let label = largest(&|class| p[class] * weights[class]);
        assert_eq!(batch.class(row), label, "{p:?}");
        moved += usize::from(label != largest(&|class| p[class]));
        all[truth as usize] += 1.0;
        right[truth as usize] += f64::from(u8::from(label == truth as usize));
    }
    let recall = (0..3).map(|class| right[class] / all[class]).sum::<f64>() / 3.0;
    assert!(moved > 0);
    let measured = outcome.test.as_ref().unwrap()["norm_macro_recall"];
    assert!((measured - (recall - 1.0 / 3.0) * 1.5).abs() < 1e-9);
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

#[test]
fn one_algorithm_and_no_ensemble() {
    let table = table(200, Task::Binary);
    let spec = Spec {
        allowed_learners: vec!["lightgbm".into()],
        vote_ensemble: false,
        stack_ensemble: false,
        ..quick(4)
    };
    let outcome = search(&table, &spec).unwrap();
    assert!(outcome.trials.iter().all(|t| t.learner.starts_with("Gradient") || t.learner == ENSEMBLE));
    assert_eq!(outcome.members.len(), 1);
    let elsewhere = Spec { allowed_learners: vec!["KNN".into()], ..spec.clone() };
    assert!(matches!(search(&table, &elsewhere), Err(Error::Spec { setting: "allowed_learners", .. })));
    let elsewhere = Spec { blocked_learners: vec!["Oracle".into()], ..spec.clone() };
    assert!(matches!(search(&table, &elsewhere), Err(Error::Spec { setting: "blocked_learners", .. })));
    let spec = Spec { blocked_learners: vec!["LightGBM".into()], ..spec };
    assert!(matches!(search(&table, &spec), Err(Error::Spec { setting: "blocked_learners", .. })));
}
