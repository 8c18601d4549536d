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
/// A member's weight at most, below so many rows: networks and forests look better by few rows than they are.
const CAP: f64 = 0.7;
const CAPPED_ROWS: usize = 1_000;
/// A probability counts as at least this.
const LEAST: f64 = crate::search::LEAST as f64;
/// Smaller weights are not worth a member.
const LEAST_WEIGHT: f64 = 0.02;

/// The losses of mixtures of candidates.
pub(crate) struct Library<'a> {
    /// For each candidate what the loss reads, row by row: the true class's probability, or the error.
    columns: Vec<Vec<f32>>,
    /// Weights of the rows; empty when all are equal.
    weights: &'a [f64],
    total: f64,
    regression: bool,
}

impl<'a> Library<'a> {
    /// The candidates' predictions of `rows`; one without predictions must never be allowed.
    pub(crate) fn new(target: &Target, rows: &[u32], weights: &'a [f64], candidates: &[&[f32]]) -> Self {
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
        let equal = weights.iter().all(|&w| w == 1.0);
        let total = if equal { rows.len() as f64 } else { weights.iter().sum() };
        let weights = if equal { &[] } else { weights };
        Self {
            columns,
            weights,
            total: total.max(f64::MIN_POSITIVE),
            regression: target.task == Task::Regression,
        }
    }

    fn rows(&self) -> usize {
        self.columns.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// Mean loss of (`sum` + candidate) / `count`.
    fn loss(&self, sum: &[f32], candidate: usize, count: f32) -> f64 {
        let scale = 1.0 / count;
        let column = &self.columns[candidate];
        let mixed = sum.iter().zip(column).map(|(s, c)| f64::from((s + c) * scale));
        let total: f64 = match (self.regression, self.weights.is_empty()) {
            (true, true) => mixed.map(|e| e * e).sum(),
            (true, false) => mixed.zip(self.weights).map(|(e, w)| w * e * e).sum(),
            (false, false) => mixed.zip(self.weights).map(|(p, w)| -w * p.max(LEAST).ln()).sum(),
            // One logarithm of a product in place of eight: 1e-7 to the eighth is still a normal number.
            (false, true) => sum
                .chunks(8)
                .zip(column.chunks(8))
                .map(|(s, c)| {
                    let p = s.iter().zip(c).map(|(s, c)| f64::from((s + c) * scale).max(LEAST));
                    -p.product::<f64>().ln()
                })
                .sum(),
        };
        total / self.total
    }

    /// Greedy selection among `allowed`; the counts of the best prefix.
    fn greedy(&self, allowed: &[usize]) -> Vec<usize> {
        let mut sum = vec![0.0f32; self.rows()];
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
        let mut counts = vec![0; self.columns.len()];
        picked[..best.1].iter().for_each(|&p| counts[p] += 1);
        counts
    }

    /// Weights averaged over bags of the library, or of one selection among `allowed`.
    fn weights(&self, allowed: &[usize], bagged: bool, seed: u64) -> Vec<f64> {
        let bags = if bagged && allowed.len() > 4 { BAGS } else { 1 };
        let mut weights = vec![0.0; self.columns.len()];
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

/// Weights of the candidates' out-of-fold predictions: they sum to 1, most are 0, and all that are not in `allowed`
/// (ascending). Of equal candidates the earlier one is taken. On small tables no single one has all the say.
pub(crate) fn weights(library: &Library<'_>, allowed: &[usize], seed: u64) -> Vec<f64> {
    let rows = library.rows();
    let bagged = rows < BAG_ROWS;
    let mut weights = library.weights(allowed, bagged, seed);
    let mut order = allowed.to_vec();
    order.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]).then(a.cmp(&b)));
    order.retain(|&c| weights[c] >= LEAST_WEIGHT);
    order.truncate(MAX_MEMBERS);
    order.sort_unstable();
    if order.is_empty() {
        return weights;
    }
    if bagged {
        (0..weights.len()).filter(|c| !order.contains(c)).for_each(|c| weights[c] = 0.0);
    } else {
        weights = library.weights(&order, false, seed);
    }
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= total);
    if rows < CAPPED_ROWS {
        cap(&mut weights);
    }
    weights
}

/// Cuts a weight above [`CAP`] when there are others to take the rest in their proportions.
fn cap(weights: &mut [f64]) {
    let Some(top) = (0..weights.len()).reduce(|a, b| if weights[b] > weights[a] { b } else { a }) else {
        return;
    };
    let others = 1.0 - weights[top];
    if weights[top] > CAP && others > LEAST_WEIGHT {
        let scale = (1.0 - CAP) / others;
        weights.iter_mut().enumerate().for_each(|(i, w)| *w = if i == top { CAP } else { *w * scale });
    }
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
        let equal = vec![1.0; n];
        let library = Library::new(&t, &rows, &equal, &[&a, &b, &c]);
        let weights = weights(&library, &[0, 1, 2], 3);
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((weights[0] - 0.5).abs() < 0.1 && (weights[1] - 0.5).abs() < 0.1, "{weights:?}");
        assert_eq!(weights[2], 0.0);
        // Weights of the rows count: where only the rows of one class count, the surer of it has the say.
        let one: Vec<f64> = t.values.iter().map(|&y| f64::from(y)).collect();
        let (low, high) = (vec![0.2f32; n], vec![0.8f32; n]);
        let library = Library::new(&t, &rows, &one, &[&low, &high]);
        assert_eq!(super::weights(&library, &[0, 1], 3), [0.0, 1.0]);
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
        let equal = vec![1.0; n];
        let library = Library::new(&t, &rows, &equal, &candidates);
        let chosen = weights(&library, &(0..30).collect::<Vec<_>>(), 3);
        assert!(chosen.iter().filter(|w| **w > 0.0).count() <= MAX_MEMBERS);
        let same = [many[0].as_slice(); 3];
        let library = Library::new(&t, &rows, &equal, &same);
        assert_eq!(weights(&library, &[0, 1, 2], 3), [1.0, 0.0, 0.0]);
        assert_eq!(weights(&library, &[1, 2], 3), [0.0, 1.0, 0.0]);
    }
}
