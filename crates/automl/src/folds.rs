//! Train and validation splits: stratified k-fold, repeated on small tables, a hold-out on large ones.

use crate::Task;
use crate::dataset::Target;
use crate::random::Random;

/// One split; the two row lists are disjoint and ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Split {
    pub train: Vec<u32>,
    pub valid: Vec<u32>,
}

/// The splits of a search, the same for every trial.
#[derive(Debug, Clone)]
pub(crate) struct Folds {
    pub splits: Vec<Split>,
    /// Rows with at least one out-of-fold prediction, ascending.
    pub scored: Vec<u32>,
}

/// Rows above which one hold-out replaces the folds.
const HOLDOUT_ROWS: usize = 60_000;
/// Share and bounds of that hold-out.
const HOLDOUT_SHARE: f64 = 0.05;
const HOLDOUT_MIN: usize = 3_000;
const HOLDOUT_MAX: usize = 20_000;
/// Regression targets are stratified by this many quantiles.
const STRATA: usize = 10;

/// Folds and repeats by the number of rows: many repeats where a fit is cheap and the estimate noisy.
fn shape(rows: usize) -> (usize, usize) {
    match rows {
        0..=49 => (5.min(rows / 2), 2),
        50..=499 => (5, 4),
        500..=2_499 => (5, 6),
        _ => (5, 1),
    }
}

/// Makes the splits; a pure function of target and seed.
pub(crate) fn make(target: &Target, seed: u64) -> Folds {
    let rows = target.values.len();
    let strata = strata(target);
    let single = lone_rows(target, &strata);
    let mut splits = Vec::new();
    if rows > HOLDOUT_ROWS {
        let held = ((rows as f64 * HOLDOUT_SHARE) as usize).clamp(HOLDOUT_MIN, HOLDOUT_MAX);
        let assigned = assign(&strata, rows / held, &mut Random::new(seed, 1));
        splits.push(split(&assigned, 0, &single));
    } else {
        let (k, repeats) = shape(rows);
        for repeat in 0..repeats {
            let assigned = assign(&strata, k, &mut Random::new(seed, 1 + repeat as u64));
            splits.extend((0..k).map(|fold| split(&assigned, fold, &single)));
        }
    }
    let mut seen = vec![false; rows];
    for row in splits.iter().flat_map(|s| &s.valid) {
        seen[*row as usize] = true;
    }
    let scored = (0..rows).filter(|&r| seen[r]).map(|r| r as u32).collect();
    Folds { splits, scored }
}

/// The stratum of each row: its class, or its quantile.
fn strata(target: &Target) -> Vec<u32> {
    if target.task != Task::Regression {
        return target.values.iter().map(|&v| v as u32).collect();
    }
    let rows = target.values.len();
    let mut order: Vec<usize> = (0..rows).collect();
    order.sort_by(|&a, &b| target.values[a].total_cmp(&target.values[b]));
    let mut strata = vec![0; rows];
    for (rank, row) in order.into_iter().enumerate() {
        strata[row] = (rank * STRATA / rows) as u32;
    }
    strata
}

/// Rows that are the only one of their class: always in training, so that no fit misses a class.
fn lone_rows(target: &Target, strata: &[u32]) -> Vec<bool> {
    if target.task == Task::Regression {
        return vec![false; strata.len()];
    }
    let mut counts = vec![0usize; target.class_count()];
    for &s in strata {
        counts[s as usize] += 1;
    }
    strata.iter().map(|&s| counts[s as usize] == 1).collect()
}

/// Deals the shuffled rows of each stratum round-robin over `k` folds, going on where the last stratum ended.
fn assign(strata: &[u32], k: usize, random: &mut Random) -> Vec<usize> {
    let mut order: Vec<usize> = (0..strata.len()).collect();
    random.shuffle(&mut order);
    order.sort_by_key(|&r| strata[r]);
    let mut folds = vec![0; strata.len()];
    for (position, row) in order.into_iter().enumerate() {
        folds[row] = position % k;
    }
    folds
}

fn split(assigned: &[usize], fold: usize, single: &[bool]) -> Split {
    let held = |r: &usize| assigned[*r] == fold && !single[*r];
    let rows = 0..assigned.len();
    Split {
        train: rows.clone().filter(|r| !held(r)).map(|r| r as u32).collect(),
        valid: rows.filter(held).map(|r| r as u32).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Classes;

    fn classes(values: Vec<f32>, k: usize) -> Target {
        let labels = (0..k as i64).collect();
        Target { name: "y".into(), task: Task::Multiclass, classes: Some(Classes::Integer(labels)), values }
    }

    #[test]
    fn folds_are_stratified_disjoint_and_cover_every_row() {
        let target = classes((0..3000).map(|i| f32::from(u8::from(i % 10 == 0))).collect(), 2);
        let folds = make(&target, 7);
        assert_eq!(folds.splits.len(), 5);
        assert_eq!(folds.scored.len(), 3000);
        for split in &folds.splits {
            assert_eq!(split.train.len() + split.valid.len(), 3000);
            let ones = split.valid.iter().filter(|&&r| target.values[r as usize] == 1.0).count();
            assert_eq!(ones, 60);
            assert!(split.valid.iter().all(|r| split.train.binary_search(r).is_err()));
        }
        assert_eq!(make(&target, 7).splits, folds.splits);
        assert_ne!(make(&target, 8).splits, folds.splits);
    }

    #[test]
    fn a_class_with_one_row_is_always_trained_on() {
        let mut values = vec![0.0; 40];
        values[20..].fill(1.0);
        values[5] = 2.0;
        let folds = make(&classes(values, 3), 1);
        assert!(folds.splits.iter().all(|s| s.train.contains(&5)));
        assert!(!folds.scored.contains(&5));
        assert_eq!(folds.scored.len(), 39);
    }

    #[test]
    fn a_large_table_has_one_holdout() {
        let target = classes((0..100_000).map(|i| (i % 3) as f32).collect(), 3);
        let folds = make(&target, 1);
        assert_eq!(folds.splits.len(), 1);
        assert_eq!(folds.scored.len(), folds.splits[0].valid.len());
        assert!((4_900..5_100).contains(&folds.scored.len()));
    }
}
