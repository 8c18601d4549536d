//! The voting ensemble: greedy selection with replacement on out-of-fold predictions.
//!
//! Caruana et al., "Ensemble selection from libraries of models" (2004), with bags of the library on small tables and
//! at most [`MAX_MEMBERS`] members, so that the model file stays small. The loss is log loss or squared error: proper
//! losses give good areas and accuracies at once, and are far less noisy to select by.

use crate::Task;
use crate::dataset::Target;
use crate::random::Random;

/// Members of an ensemble at most.
pub(crate) const MAX_MEMBERS: usize = 8;
/// Greedy steps.
const ROUNDS: usize = 25;
/// Bags of the library and the share of it in a bag, below [`BAG_ROWS`] rows.
const BAGS: usize = 10;
const BAG_SHARE: f64 = 0.6;
const BAG_ROWS: usize = 5_000;
/// Smaller weights are not worth a member.
const LEAST_WEIGHT: f64 = 0.02;

/// The losses of mixtures of candidates.
struct Library<'a> {
    /// For each candidate what the loss reads, row by row: the true class's probability, or the error.
    columns: Vec<Vec<f32>>,
    candidates: &'a [&'a [f32]],
    regression: bool,
}

impl<'a> Library<'a> {
    fn new(target: &Target, rows: &[u32], candidates: &'a [&'a [f32]]) -> Self {
        let width = target.width();
        let truth: Vec<f32> = rows.iter().map(|&r| target.values[r as usize]).collect();
        let read = |predictions: &&[f32]| {
            let rows = truth.iter().zip(predictions.chunks_exact(width));
            rows.map(|(&t, p)| match target.task {
                Task::Regression => p[0] - t,
                Task::Binary if t == 0.0 => 1.0 - p[0],
                Task::Binary => p[0],
                Task::Multiclass => p[t as usize],
            })
            .collect()
        };
        let columns = candidates.iter().map(read).collect();
        Self { columns, candidates, regression: target.task == Task::Regression }
    }

    /// Mean loss of (`sum` + candidate) / `count`.
    fn loss(&self, sum: &[f32], candidate: usize, count: f32) -> f64 {
        let scale = 1.0 / count;
        let mixed = sum.iter().zip(&self.columns[candidate]).map(|(s, c)| (s + c) * scale);
        let total: f64 = if self.regression {
            mixed.map(|e| f64::from(e * e)).sum()
        } else {
            mixed.map(|p| -f64::from(p.max(1e-7).ln())).sum()
        };
        total / sum.len().max(1) as f64
    }

    /// Greedy selection among `allowed`; the counts of the best prefix.
    fn greedy(&self, allowed: &[usize]) -> Vec<usize> {
        let rows = self.columns.first().map_or(0, Vec::len);
        let mut sum = vec![0.0f32; rows];
        let mut picked: Vec<usize> = Vec::new();
        let mut best = (f64::INFINITY, 0);
        for round in 1..=ROUNDS {
            let mut step: Option<(f64, usize)> = None;
            for &candidate in allowed {
                let loss = self.loss(&sum, candidate, round as f32);
                let tie = step
                    .is_some_and(|(l, c)| loss == l && picked.contains(&candidate) && !picked.contains(&c));
                if tie || step.is_none_or(|(l, _)| loss < l) {
                    step = Some((loss, candidate));
                }
            }
            let Some((loss, candidate)) = step else { break };
            sum.iter_mut().zip(&self.columns[candidate]).for_each(|(s, c)| *s += c);
            picked.push(candidate);
            // Gains below a millionth are noise of the arithmetic.
            if loss < best.0 - 1e-6 * best.0.abs().min(1.0) {
                best = (loss, picked.len());
            }
        }
        let mut counts = vec![0; self.candidates.len()];
        picked[..best.1].iter().for_each(|&p| counts[p] += 1);
        counts
    }

    /// Weights averaged over bags of the library, or of one selection among `allowed`.
    fn weights(&self, allowed: &[usize], bagged: bool, seed: u64) -> Vec<f64> {
        let bags = if bagged && allowed.len() > 4 { BAGS } else { 1 };
        let mut weights = vec![0.0; self.candidates.len()];
        for bag in 0..bags {
            let mut drawn = allowed.to_vec();
            if bags > 1 {
                Random::new(seed, 7_000 + bag as u64).shuffle(&mut drawn);
                drawn.truncate(((allowed.len() as f64 * BAG_SHARE).ceil() as usize).max(1));
                drawn.sort_unstable();
            }
            let counts = self.greedy(&drawn);
            let total: usize = counts.iter().sum();
            weights.iter_mut().zip(counts).for_each(|(w, c)| *w += c as f64 / total.max(1) as f64);
        }
        weights.iter_mut().for_each(|w| *w /= bags as f64);
        weights
    }
}

/// Weights of the candidates' out-of-fold predictions for `rows`: they sum to 1, most are 0, and all that are not in
/// `allowed` (ascending). Of equal candidates the earlier one is taken.
pub(crate) fn weights(
    target: &Target,
    rows: &[u32],
    candidates: &[&[f32]],
    allowed: &[usize],
    seed: u64,
) -> Vec<f64> {
    let library = Library::new(target, rows, candidates);
    let bagged = rows.len() < BAG_ROWS;
    let mut weights = library.weights(allowed, bagged, seed);
    let mut order = allowed.to_vec();
    order.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]).then(a.cmp(&b)));
    order.retain(|&c| weights[c] >= LEAST_WEIGHT);
    order.truncate(MAX_MEMBERS);
    order.sort_unstable();
    if order.is_empty() {
        return weights;
    }
    let kept: Vec<f64> =
        (0..candidates.len()).map(|c| if order.contains(&c) { weights[c] } else { 0.0 }).collect();
    if !bagged {
        weights = library.weights(&order, false, seed);
    } else {
        weights = kept;
    }
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= total);
    weights
}

/// The weighted mean of predictions, in the order of the candidates.
pub(crate) fn mix(candidates: &[&[f32]], weights: &[f64]) -> Vec<f32> {
    let mut sum = vec![0.0f64; candidates.first().map_or(0, |c| c.len())];
    for (candidate, &weight) in candidates.iter().zip(weights).filter(|(_, w)| **w > 0.0) {
        sum.iter_mut().zip(*candidate).for_each(|(s, &p)| *s += weight * f64::from(p));
    }
    sum.into_iter().map(|s| s as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Classes;

    fn target(n: usize) -> Target {
        let values = (0..n).map(|i| (i % 2) as f32).collect();
        Target { name: "y".into(), task: Task::Binary, classes: Some(Classes::Boolean), values }
    }

    #[test]
    fn complementary_candidates_share_the_vote_and_noise_gets_none() {
        let n = 6000;
        let t = target(n);
        let rows: Vec<u32> = (0..n as u32).collect();
        let mut random = Random::new(1, 1);
        let mut noisy = |strength: f64| -> Vec<f32> {
            let mut z = |y: f32| strength * (2.0 * f64::from(y) - 1.0) + random.between(-2.0, 2.0);
            t.values.iter().map(|&y| (1.0 / (1.0 + (-z(y)).exp())) as f32).collect()
        };
        let (a, b, c) = (noisy(1.0), noisy(1.0), noisy(0.0));
        let weights = weights(&t, &rows, &[&a, &b, &c], &[0, 1, 2], 3);
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((weights[0] - 0.5).abs() < 0.1 && (weights[1] - 0.5).abs() < 0.1, "{weights:?}");
        assert_eq!(weights[2], 0.0);
        let mixed = mix(&[&a, &b], &[0.5, 0.5]);
        assert!((mixed[0] - (a[0] + b[0]) / 2.0).abs() < 1e-6);
    }

    #[test]
    fn at_most_eight_members_and_the_earlier_of_equals() {
        let n = 400;
        let t = target(n);
        let rows: Vec<u32> = (0..n as u32).collect();
        let mut random = Random::new(2, 1);
        let many: Vec<Vec<f32>> = (0..30)
            .map(|_| {
                t.values
                    .iter()
                    .map(|y| (0.5 + (y - 0.5) * 0.2 + random.between(-0.3, 0.3) as f32).clamp(0.01, 0.99))
                    .collect()
            })
            .collect();
        let candidates: Vec<&[f32]> = many.iter().map(Vec::as_slice).collect();
        let chosen = weights(&t, &rows, &candidates, &(0..30).collect::<Vec<_>>(), 3);
        assert!(chosen.iter().filter(|w| **w > 0.0).count() <= MAX_MEMBERS);
        let same = [many[0].as_slice(); 3];
        assert_eq!(weights(&t, &rows, &same, &[0, 1, 2], 3), [1.0, 0.0, 0.0]);
        assert_eq!(weights(&t, &rows, &same, &[1, 2], 3), [0.0, 1.0, 0.0]);
    }
}
