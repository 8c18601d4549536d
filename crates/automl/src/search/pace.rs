//! What trials cost, so that none is begun that does not fit in the time left.

use super::{Done, Search};
use crate::spec::Algorithm;

/// A fit on all rows costs this much more than one on a fold.
const REFIT_COST: f64 = 1.35;
/// Models the final fit may have to train.
const REFITS: usize = crate::blend::MAX_MEMBERS;
/// Share of the time limit, and seconds at most, kept for blending, importance and writing.
const RESERVE: f64 = 0.1;
const RESERVE_MOST: f64 = 5.0;
/// Seconds that one step of the choice of the ensemble takes, a row, class and candidate.
const CHOICE: f64 = 4e-7;

/// Seconds to keep for the choice of the ensemble, the final fit and what follows.
pub(super) fn reserve(done: &[&Done], search: &Search<'_>, limit: f64) -> f64 {
    let (splits, threads) = (search.folds.splits.len(), search.threads);
    let again = if search.folds.are_final(search.data()) { 0.0 } else { REFIT_COST / splits as f64 };
    let mut costs: Vec<(f64, f64)> = done.iter().map(|d| (d.loss, d.seconds * again)).collect();
    costs.sort_by(|a, b| a.0.total_cmp(&b.0));
    costs.truncate(REFITS);
    let total: f64 = costs.iter().map(|c| c.1).sum();
    let longest = costs.iter().map(|c| c.1).fold(0.0, f64::max);
    let choice: usize = done.iter().map(|d| d.predictions.len()).sum();
    (total / threads as f64).max(longest) + CHOICE * choice as f64 + (RESERVE * limit).min(RESERVE_MOST)
}

/// Seconds a trial will take on `threads` threads, from those of its algorithm so far, else from all; 0 before any.
pub(super) fn predicted(done: &[&Done], algorithm: Algorithm, threads: usize) -> f64 {
    let mean = |pick: &dyn Fn(&Done) -> bool| {
        let seconds: Vec<f64> = done.iter().filter(|d| pick(d)).map(|d| d.seconds).collect();
        (!seconds.is_empty()).then(|| seconds.iter().sum::<f64>() / seconds.len() as f64)
    };
    let own = mean(&|d| d.candidate.algorithm() == algorithm);
    let any = || mean(&|d| d.candidate.algorithm() != Algorithm::Constant);
    own.or_else(any).unwrap_or(0.0) / threads.max(1) as f64
}
