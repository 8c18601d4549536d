//! Budgets, interruptions, and what ends a search early.

use super::labels::rarely;
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
