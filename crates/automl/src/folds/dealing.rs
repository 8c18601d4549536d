//! Rows, or whole groups, dealt to folds so that every fold is like the whole.

use crate::Task;
use crate::dataset::Target;
use crate::random::Random;

/// Regression targets are stratified by this many quantiles.
const STRATA: usize = 10;

/// The stratum of each row: its class, or its quantile.
pub(super) fn strata(target: &Target) -> Vec<u32> {
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

/// Deals the shuffled rows of each stratum round-robin over `k` folds, going on where the last stratum ended.
pub(super) fn deal(strata: &[u32], k: usize, random: &mut Random) -> Vec<usize> {
    let mut order: Vec<usize> = (0..strata.len()).collect();
    random.shuffle(&mut order);
    order.sort_by_key(|&r| strata[r]);
    let mut folds = vec![0; strata.len()];
    for (position, row) in order.into_iter().enumerate() {
        folds[row] = position % k;
    }
    folds
}

/// Marks a share of the shuffled rows of each stratum.
pub(super) fn deal_share(strata: &[u32], share: f64, random: &mut Random) -> Vec<bool> {
    let mut order: Vec<usize> = (0..strata.len()).collect();
    random.shuffle(&mut order);
    order.sort_by_key(|&r| strata[r]);
    let mut taken = vec![false; strata.len()];
    let until = |place: usize| (place as f64 * share + 1e-9).floor();
    for (place, row) in order.into_iter().enumerate() {
        taken[row] = until(place + 1) > until(place);
    }
    taken
}

/// Deals whole groups, the largest first, each to the fold that has the least of its strata so far (the idea of
/// scikit-learn's `StratifiedGroupKFold`).
pub(super) fn deal_groups(strata: &[u32], groups: &[u32], k: usize, random: &mut Random) -> Vec<usize> {
    let count = groups.iter().max().map_or(0, |&last| last as usize + 1);
    let kinds = strata.iter().max().map_or(0, |&last| last as usize + 1);
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); count];
    let mut totals = vec![0.0f64; kinds];
    for (&stratum, &group) in strata.iter().zip(groups) {
        members[group as usize].push(stratum);
        totals[stratum as usize] += 1.0;
    }
    let mut order: Vec<usize> = (0..count).collect();
    random.shuffle(&mut order);
    order.sort_by_key(|&g| std::cmp::Reverse(members[g].len()));
    let mut filled = vec![vec![0.0f64; kinds]; k];
    let mut sizes = vec![0usize; k];
    let mut fold_of = vec![0usize; count];
    for group in order {
        // Σ over the group's rows of the share of their stratum that a fold has already.
        let load = |fold: usize| -> f64 {
            members[group].iter().map(|&s| filled[fold][s as usize] / totals[s as usize]).sum()
        };
        let fold = (0..k)
            .map(|fold| (load(fold), sizes[fold], fold))
            .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))
            .map_or(0, |best| best.2);
        for &stratum in &members[group] {
            filled[fold][stratum as usize] += 1.0;
        }
        sizes[fold] += members[group].len();
        fold_of[group] = fold;
    }
    groups.iter().map(|&g| fold_of[g as usize]).collect()
}
