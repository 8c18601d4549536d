//! How probabilities become a label, for metrics that look at the label only.
//!
//! Models learn the classes in the shares they have, by proper losses; resampling or weighting the rows would only spoil
//! their probabilities (van den Goorbergh et al., "The harm of class imbalance corrections", 2022). What a metric of
//! labels wants otherwise is a matter of the decision: a threshold between two classes, weights
//! of more. Both are chosen out of fold and kept only when they also help rows they were not chosen on.

mod threshold;
mod weights;

use crate::Task;
use crate::random::Random;
use crate::search::Search;

/// Metrics that a decision can be chosen for: all of labels but macro and weighted precision, which are served best by answering a
/// class hardly ever.
const CHOSEN: [&str; 12] = [
    "accuracy",
    "balanced_accuracy",
    "weighted_accuracy",
    "f1_score_macro",
    "f1_score_micro",
    "f1_score_weighted",
    "matthews_correlation",
    "norm_macro_recall",
    "precision_score_micro",
    "recall_score_macro",
    "recall_score_micro",
    "recall_score_weighted",
];
/// Fewer rows than this say nothing about a decision.
const FEWEST_ROWS: usize = 200;

/// How a row's probabilities become its label.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Decision {
    /// The most probable class, the first of equals.
    #[default]
    Largest,
    /// The second of two classes above this probability.
    Above(f32),
    /// The class whose probability times its weight is largest, the first of equals; weights are in (0, 1].
    Weighted(Vec<f32>),
}

impl Decision {
    /// The class of a row of probabilities, one a class; products are those of the exported graph.
    pub(crate) fn of(&self, row: &[f64]) -> usize {
        match self {
            Self::Largest => first_largest(row.iter().copied()),
            Self::Above(threshold) => usize::from(row[1] > f64::from(*threshold)),
            Self::Weighted(weights) => first_largest(row.iter().zip(weights).map(|(&p, w)| p as f32 * w)),
        }
    }

    /// The threshold between two classes.
    pub(crate) fn threshold(&self) -> Option<f32> {
        if let Self::Above(threshold) = self { Some(*threshold) } else { None }
    }

    /// The weights of the classes.
    pub(crate) fn weights(&self) -> Option<&[f32]> {
        if let Self::Weighted(weights) = self { Some(weights) } else { None }
    }
}

/// The place of the largest value, the first of equals.
fn first_largest<T: PartialOrd>(values: impl Iterator<Item = T>) -> usize {
    let larger = |most: (usize, T), next: (usize, T)| if next.1 > most.1 { next } else { most };
    values.enumerate().reduce(larger).map_or(0, |most| most.0)
}

/// Whether labels are decided for the metric `name`, where there are rows enough.
pub(crate) fn serves(name: &str) -> bool {
    CHOSEN.contains(&name)
}

/// The decision that is best for the search's metric out of fold, when it is not the most probable class and also helps
/// rows it was not chosen on.
pub(crate) fn choose(search: &Search<'_>, predictions: &[f32]) -> Option<Decision> {
    if search.folds.scored.len() < FEWEST_ROWS || !serves(&search.goal.name) {
        return None;
    }
    match search.shared.data.target.task {
        Task::Binary => threshold::choose(search, predictions).map(Decision::Above),
        Task::Multiclass => weights::choose(search, predictions).map(Decision::Weighted),
        Task::Regression => None,
    }
}

/// Which half each row is in, by the numbers of what stays together: rows of a number are in the same.
fn halves(clumps: &[u64]) -> impl Iterator<Item = usize> {
    clumps.iter().map(|&clump| (Random::new(clump, 52_000).next() % 2) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_group_are_in_one_half() {
        let clumps: Vec<u64> = (0..400).map(|row| row / 10).collect();
        let of: Vec<usize> = halves(&clumps).collect();
        assert!(of.chunks(10).all(|group| group.iter().all(|half| *half == group[0])));
        let first = of.iter().filter(|half| **half == 0).count();
        assert!((100..300).contains(&first), "{first}");
    }

    #[test]
    fn equal_probabilities_are_the_first_class() {
        assert_eq!(Decision::Largest.of(&[0.2, 0.4, 0.4]), 1);
        assert_eq!(Decision::Above(0.5).of(&[0.5, 0.5]), 0);
        assert_eq!(Decision::Weighted(vec![0.5, 1.0, 1.0]).of(&[0.5, 0.25, 0.25]), 0);
        assert_eq!(Decision::Weighted(vec![0.4, 1.0, 1.0]).of(&[0.5, 0.25, 0.25]), 1);
    }
}
