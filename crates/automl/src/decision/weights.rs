//! Weights of more than two classes, by which their probabilities are compared, for metrics that look at the label only.
//!
//! Post-hoc logit adjustment (Menon et al., "Long-tail learning via logit adjustment", ICLR 2021, section 4.1): the
//! label is the class with the largest p(c)·share(c)^−τ. Where probabilities are right, τ = 1 is the best decision for
//! the mean recall of the classes and τ = 0 for accuracy; metrics between them want a τ between, so it is chosen for the
//! metric. One number for all classes, not one each: rare classes have too few rows to choose theirs by.

use super::Decision;
use crate::dataset::Target;
use crate::metrics::{Scored, of_label};
use crate::search::Search;

/// The τ that are tried beside 0, by which the most probable class is the label.
const POWERS: [f64; 12] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5];

/// Judged rows.
#[derive(Default)]
struct Lot {
    classes: Vec<usize>,
    /// Row-major, one a class.
    probabilities: Vec<f64>,
    weights: Vec<f64>,
}

impl Lot {
    /// The metric `name` of labels by `decision`, and infinitely bad without a value.
    fn score(&self, name: &str, k: usize, decision: &Decision) -> f64 {
        let scored = Scored::new(&self.classes, &self.probabilities, k, Some(&self.weights), decision);
        of_label(&scored, name).unwrap_or(f64::NEG_INFINITY)
    }
}

/// The best weights, when they also help rows they were not chosen on.
pub(super) fn choose(search: &Search<'_>, predictions: &[f32]) -> Option<Vec<f32>> {
    let (target, name) = (&search.shared.data.target, search.goal.name.as_str());
    let k = target.width();
    let (all, halves) = lots(search, predictions);
    let shares = shares(target, search.shared.data.trainable(), &search.shared.data.marks.weights);
    let decisions: Vec<Decision> = std::iter::once(Decision::Largest)
        .chain(POWERS.iter().map(|&power| Decision::Weighted(adjustment(&shares, power))))
        .collect();
    let best = |lot: &Lot| -> usize {
        let scores: Vec<f64> = decisions.iter().map(|decision| lot.score(name, k, decision)).collect();
        (1..scores.len()).fold(0, |best, i| if scores[i] > scores[best] { i } else { best })
    };
    // Each half judges what the other chose.
    let gain: f64 = (0..2)
        .map(|half| {
            let (chosen, judge) = (best(&halves[half]), &halves[1 - half]);
            judge.score(name, k, &decisions[chosen]) - judge.score(name, k, &Decision::Largest)
        })
        .sum();
    (gain > 0.0).then(|| decisions[best(&all)].weights().map(<[f32]>::to_vec)).flatten()
}

/// The judged rows, and their halves.
fn lots(search: &Search<'_>, predictions: &[f32]) -> (Lot, [Lot; 2]) {
    let target = &search.shared.data.target;
    let (mut all, mut halves) = (Lot::default(), [Lot::default(), Lot::default()]);
    let clumps = search.clumps();
    let rows = search.folds.scored.iter().zip(search.scored_weights()).zip(super::halves(&clumps));
    for (((&row, weight), half), p) in rows.zip(predictions.chunks_exact(target.width())) {
        for lot in [&mut all, &mut halves[half]] {
            lot.classes.push(target.values[row as usize] as usize);
            lot.probabilities.extend(p.iter().map(|&p| f64::from(p)));
            lot.weights.push(weight);
        }
    }
    (all, halves)
}

/// The share of each class among the rows that are learned from, in weight; at least that of a row.
fn shares(target: &Target, trainable: usize, weights: &[f32]) -> Vec<f64> {
    let mut sums = vec![0.0; target.width()];
    for (row, &class) in target.values[..trainable].iter().enumerate() {
        sums[class as usize] += weights.get(row).map_or(1.0, |&w| f64::from(w));
    }
    let total: f64 = sums.iter().sum();
    sums.iter().map(|sum| (sum / total).max(1.0 / trainable as f64)).collect()
}

/// share^−τ, where the rarest class has 1.
fn adjustment(shares: &[f64], power: f64) -> Vec<f32> {
    let least = shares.iter().copied().fold(f64::INFINITY, f64::min);
    shares.iter().map(|share| (least / share).powf(power) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn the_mean_recall_wants_the_inverse_shares_and_accuracy_none() {
        // Right probabilities of three classes, two of them rare.
        let (mut random, mut lot) = (Random::new(3, 3), Lot::default());
        let mut sums = vec![0.0; 3];
        for _ in 0..6000 {
            let odds = [8.0 * random.unit(), random.unit(), 0.5 * random.unit()];
            let total: f64 = odds.iter().sum();
            let p = odds.map(|odd| odd / total);
            let draw = random.unit();
            let class = usize::from(draw > p[0]) + usize::from(draw > p[0] + p[1]);
            sums[class] += 1.0 / 6000.0;
            lot.classes.push(class);
            lot.probabilities.extend(p);
            lot.weights.push(1.0);
        }
        let at = |name: &str, power: f64| lot.score(name, 3, &Decision::Weighted(adjustment(&sums, power)));
        let largest = |name: &str| lot.score(name, 3, &Decision::Largest);
        assert!(at("norm_macro_recall", 1.0) > largest("norm_macro_recall") + 0.1);
        let best = POWERS
            .iter()
            .copied()
            .reduce(|a, b| if at("norm_macro_recall", b) > at("norm_macro_recall", a) { b } else { a });
        assert!((0.7..=1.25).contains(&best.unwrap()), "{best:?}");
        assert!(at("accuracy", 1.0) < largest("accuracy"));
        assert!((at("accuracy", 0.0) - largest("accuracy")).abs() < 1e-3);
        assert_eq!(adjustment(&[0.5, 0.25], 1.0), [0.5, 1.0]);
    }
}
