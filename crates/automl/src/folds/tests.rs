//! Splits of every kind.

use super::*;
use crate::dataset::{Classes, Marks, Matrix};

fn data(values: Vec<f32>, k: usize, marks: Marks) -> Dataset {
    let labels = (0..k as i64).collect();
    let matrix = Matrix { rows: values.len(), ..Matrix::default() };
    let target =
        Target { name: "y".into(), task: Task::Multiclass, classes: Some(Classes::Integer(labels)), values };
    Dataset { features: Vec::new(), matrix, target, marks }
}

fn spec(seed: u64) -> Spec {
    Spec::new("y", 1, seed)
}

#[test]
fn folds_are_stratified_disjoint_and_cover_every_row() {
    let data = data((0..3000).map(|i| f32::from(u8::from(i % 10 == 0))).collect(), 2, Marks::default());
    let folds = make(&data, &spec(7)).unwrap();
    assert_eq!((folds.splits.len(), folds.scored.len()), (5, 3000));
    for split in &folds.splits {
        assert_eq!(split.train.len() + split.valid.len(), 3000);
        let ones = split.valid.iter().filter(|&&r| data.target.values[r as usize] == 1.0).count();
        assert_eq!(ones, 60);
        assert!(split.valid.iter().all(|r| split.train.binary_search(r).is_err()));
    }
    assert_eq!(make(&data, &spec(7)).unwrap().splits, folds.splits);
    assert_ne!(make(&data, &spec(8)).unwrap().splits, folds.splits);
}

#[test]
fn costly_tables_are_dealt_less_often() {
    assert_eq!(shape(1_000, 20, 1), (5, 6));
    assert_eq!(shape(300, 30, 1), (5, 4));
    assert_eq!(shape(1_500, 19, 7), (5, 2));
    assert_eq!(shape(1_800, 64, 10), (5, 1));
    assert_eq!(shape(10_000, 5, 1), (5, 1));
}

#[test]
fn a_class_with_one_row_is_always_trained_on() {
    let mut values = vec![0.0; 40];
    values[20..].fill(1.0);
    values[5] = 2.0;
    let folds = make(&data(values, 3, Marks::default()), &spec(1)).unwrap();
    assert!(folds.splits.iter().all(|s| s.train.contains(&5)));
    assert!(!folds.scored.contains(&5));
    assert_eq!(folds.scored.len(), 39);
}

#[test]
fn a_large_table_has_one_holdout() {
    let values: Vec<f32> = (0..100_000).map(|i| (i % 3) as f32).collect();
    let folds = make(&data(values, 3, Marks::default()), &spec(1)).unwrap();
    assert_eq!(folds.splits.len(), 1);
    assert_eq!(folds.scored.len(), folds.splits[0].valid.len());
    assert!((4_900..5_100).contains(&folds.scored.len()), "{}", folds.scored.len());
}

#[test]
fn a_short_time_lets_a_large_table_be_learned_from_a_sample() {
    // Four rows of the last class, which stay.
    let values: Vec<f32> = (0..100_000).map(|i| if i % 25_000 == 7 { 2.0 } else { (i % 2) as f32 }).collect();
    let data = data(values, 3, Marks::default());
    let late = |limit| Spec { time_limit_seconds: limit, ..spec(1) };
    assert!(make(&data, &spec(1)).unwrap().sample.is_none());
    assert!(make(&data, &late(Some(1e6))).unwrap().sample.is_none());
    let whole = make(&data, &spec(1)).unwrap();
    let folds = make(&data, &late(Some(0.1))).unwrap();
    let rows = folds.sample.as_ref().unwrap().rows;
    assert_eq!(rows, LEAST_ROWS);
    let train = &folds.splits[0].train;
    assert!(train.len().abs_diff(rows) < rows / 50, "{}", train.len());
    assert_eq!(folds.splits[0].valid, whole.splits[0].valid);
    let class =
        |list: &[u32], class: f32| list.iter().filter(|&&r| data.target.values[r as usize] == class).count();
    assert_eq!(class(train, 2.0), class(&whole.splits[0].train, 2.0));
    assert!(class(train, 0.0).abs_diff(class(train, 1.0)) < rows / 50);
    let again = make(&data, &Spec { fit_rows: Some(rows), ..spec(1) }).unwrap();
    assert_eq!(again.splits, folds.splits);
}

#[test]
fn the_number_of_folds_and_the_share_held_out_can_be_chosen() {
    let values: Vec<f32> = (0..900).map(|i| (i % 3) as f32).collect();
    let data = data(values, 3, Marks::default());
    let folds = make(&data, &Spec { n_cross_validations: Some(9), ..spec(1) }).unwrap();
    assert_eq!((folds.splits.len(), folds.kind.as_str()), (9, "9 folds"));
    let folds = make(&data, &Spec { validation_size: Some(0.3), ..spec(1) }).unwrap();
    assert_eq!((folds.splits.len(), folds.scored.len()), (1, 270));
    let of = |class: f32| folds.scored.iter().filter(|&&r| data.target.values[r as usize] == class).count();
    assert_eq!([of(0.0), of(1.0), of(2.0)], [90, 90, 90]);
}

#[test]
fn a_group_is_never_split_and_classes_stay_balanced() {
    let groups: Vec<u32> = (0..1200).map(|i| i / 6).collect();
    let values: Vec<f32> = groups.iter().map(|g| f32::from(u8::from(g % 4 == 0))).collect();
    let data = data(values, 2, Marks { groups: groups.clone(), ..Marks::default() });
    let share = |s: &Split| s.valid.iter().filter(|&&r| data.target.values[r as usize] == 1.0).count();
    for spec in [spec(3), Spec { validation_size: Some(0.2), ..spec(3) }] {
        let folds = make(&data, &spec).unwrap();
        for split in &folds.splits {
            let held: std::collections::HashSet<u32> =
                split.valid.iter().map(|&r| groups[r as usize]).collect();
            assert!(split.train.iter().all(|&r| !held.contains(&groups[r as usize])));
            assert!((220..=260).contains(&split.valid.len()), "{}", split.valid.len());
            assert!((48..=72).contains(&share(split)), "{}", share(split));
        }
    }
    let one = Marks { groups: vec![0; 1200], ..Marks::default() };
    assert!(make(&Dataset { marks: one, ..data }, &spec(3)).is_err());
}

#[test]
fn groups_that_are_always_dealt_alike_are_dealt_once() {
    let groups: Vec<u32> = (0..12).flat_map(|g| vec![g; 60 + 4 * g as usize]).collect();
    let values = (0..groups.len()).map(|i| (i % 2) as f32).collect();
    let data = data(values, 2, Marks { groups, ..Marks::default() });
    let folds = make(&data, &spec(3)).unwrap();
    assert_eq!((folds.splits.len(), folds.kind.as_str()), (5, "5 folds"));
    let alone = make(&Dataset { marks: Marks::default(), ..data }, &spec(3)).unwrap();
    assert_eq!((alone.splits.len(), alone.kind.as_str()), (30, "5 folds, 6 times"));
}

#[test]
fn models_of_one_split_are_final_where_they_have_seen_nearly_all() {
    let rows = 40_000;
    let values: Vec<f32> = (0..rows).map(|i| (i % 2) as f32).collect();
    let times = Marks { times: (0..rows).map(f64::from).collect(), ..Marks::default() };
    let ends = |marks: &Marks, share: f64, fit_rows: Option<usize>| {
        let data = data(values.clone(), 2, marks.clone());
        let spec = Spec { validation_size: Some(share), fit_rows, ..spec(1) };
        make(&data, &spec).unwrap().are_final(&data)
    };
    assert!(ends(&Marks::default(), 0.05, Some(20_000)));
    assert!(!ends(&Marks::default(), 0.05, None), "a fit on all rows has more to learn from");
    assert!(!ends(&Marks::default(), 0.3, Some(20_000)));
    assert!(!ends(&times, 0.05, Some(20_000)), "the latest rows are learned from");
}

#[test]
fn time_goes_forward_and_one_moment_is_on_one_side() {
    // Rows stand in reverse order, three of each moment.
    let times: Vec<f64> = (0..300).rev().map(|i| f64::from(i / 3)).collect();
    let values: Vec<f32> = (0..300).map(|i| (i % 2) as f32).collect();
    let data = data(values, 2, Marks { times: times.clone(), ..Marks::default() });
    let folds = make(&data, &spec(1)).unwrap();
    assert_eq!(folds.splits.len(), 5);
    let moment = |rows: &[u32], pick: fn(f64, f64) -> f64, from: f64| {
        rows.iter().map(|&r| times[r as usize]).fold(from, pick)
    };
    for split in &folds.splits {
        let latest = moment(&split.train, f64::max, f64::MIN);
        assert!(latest < moment(&split.valid, f64::min, f64::MAX));
    }
    assert!(folds.splits[4].train.len() > folds.splits[0].train.len());
    let last = make(&data, &Spec { validation_size: Some(0.1), ..spec(1) }).unwrap();
    assert_eq!(last.splits[0].valid.len(), 30);
}

#[test]
fn own_splits_and_validation_rows_are_taken_as_they_are() {
    let values: Vec<f32> = (0..20).map(|i| (i % 2) as f32).collect();
    let held = vec![(0..20).map(|i| i >= 15).collect::<Vec<bool>>()];
    let own = data(values.clone(), 2, Marks { held, ..Marks::default() });
    assert_eq!(make(&own, &spec(1)).unwrap().splits[0].valid, [15, 16, 17, 18, 19]);
    let table = data(values, 2, Marks { validation: 4, ..Marks::default() });
    let folds = make(&table, &spec(1)).unwrap();
    assert_eq!((folds.splits[0].train.len(), folds.scored.as_slice()), (16, &[16, 17, 18, 19][..]));
    assert!(make(&table, &Spec { n_cross_validations: Some(5), ..spec(1) }).is_err());
    // They would not be kept: rows of a group could be on both sides, and old rows judge by new ones.
    for marks in [
        Marks { groups: (0..20).collect(), ..table.marks.clone() },
        Marks { times: (0..20).map(f64::from).collect(), ..table.marks.clone() },
    ] {
        assert!(make(&Dataset { marks, ..table.clone() }, &spec(1)).is_err());
    }
}
