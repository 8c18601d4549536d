//! The probability above which the second of two classes is answered, for metrics that look at the label only.

use crate::search::Search;

/// Weights of the rows by truth and answer.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    right: [f64; 2],
    wrong: [f64; 2],
    /// Number of rows by truth, whatever they weigh.
    rows: [f64; 2],
}

impl Counts {
    /// The metric `name`, one of those a decision is chosen for; class 0 and class 1 take part alike.
    fn score(&self, name: &str) -> f64 {
        let ratio = |a: f64, b: f64| if b > 0.0 { a / b } else { 0.0 };
        let size = |class: usize| self.right[class] + self.wrong[class];
        let (all, recall) = (size(0) + size(1), |class: usize| ratio(self.right[class], size(class)));
        let f1 = |class: usize| {
            ratio(2.0 * self.right[class], 2.0 * self.right[class] + self.wrong[0] + self.wrong[1])
        };
        match name {
            "balanced_accuracy" | "norm_macro_recall" | "recall_score_macro" => (recall(0) + recall(1)) / 2.0,
            "weighted_accuracy" => {
                let by_rows = |of: [f64; 2]| of[0] * self.rows[0] + of[1] * self.rows[1];
                ratio(by_rows(self.right), by_rows([size(0), size(1)]))
            }
            "f1_score_macro" => (f1(0) + f1(1)) / 2.0,
            "f1_score_weighted" => ratio(size(0) * f1(0) + size(1) * f1(1), all),
            "matthews_correlation" => {
                let answered = |class: usize| self.right[class] + self.wrong[1 - class];
                let spread = (size(0) * size(1) * answered(0) * answered(1)).sqrt();
                ratio(self.right[0] * self.right[1] - self.wrong[0] * self.wrong[1], spread)
            }
            _ => ratio(self.right[0] + self.right[1], all),
        }
    }
}

/// The best threshold, when it also helps rows it was not chosen on.
pub(super) fn choose(search: &Search<'_>, predictions: &[f32]) -> Option<f32> {
    let (target, name) = (&search.shared.data.target, search.goal.name.as_str());
    let (weights, clumps) = (search.scored_weights(), search.clumps());
    let rows = search.folds.scored.iter().zip(super::halves(&clumps)).enumerate();
    let points: Vec<Point> = rows
        .map(|(i, (&row, half))| Point {
            p: predictions[i],
            class: usize::from(target.values[row as usize] != 0.0),
            weight: weights[i],
            half,
        })
        .collect();
    let halves = [0, 1].map(|half| points.iter().filter(|p| p.half == half).copied().collect::<Vec<Point>>());
    let at = |points: &[Point], threshold: f32| counts(points, threshold).score(name);
    // Each half judges what the other chose.
    let gain: f64 = (0..2)
        .map(|half| at(&halves[1 - half], best(&halves[half], name)) - at(&halves[1 - half], 0.5))
        .sum();
    let chosen = best(&points, name).clamp(0.001, 0.999);
    (gain > 0.0 && at(&points, chosen) > at(&points, 0.5)).then_some(chosen)
}

/// A row.
#[derive(Debug, Clone, Copy)]
struct Point {
    p: f32,
    class: usize,
    weight: f64,
    half: usize,
}

fn counts(points: &[Point], threshold: f32) -> Counts {
    let mut counts = Counts::default();
    for point in points {
        let answer = usize::from(point.p > threshold);
        let into = if answer == point.class { &mut counts.right } else { &mut counts.wrong };
        into[point.class] += point.weight;
        counts.rows[point.class] += 1.0;
    }
    counts
}

/// The threshold with the best score: between two rows, or 0.5 when none is better.
fn best(points: &[Point], name: &str) -> f32 {
    let mut order: Vec<&Point> = points.iter().collect();
    order.sort_by(|a, b| b.p.total_cmp(&a.p));
    // From a threshold above all rows downwards: one more row is answered with class 1 at each step.
    let mut counts = counts(points, f32::INFINITY);
    let mut best = (self::counts(points, 0.5).score(name), 0.5);
    for pair in order.windows(2) {
        let row = pair[0];
        let (gained, lost) = if row.class == 1 {
            (&mut counts.right[1], &mut counts.wrong[1])
        } else {
            (&mut counts.wrong[0], &mut counts.right[0])
        };
        *gained += row.weight;
        *lost -= row.weight;
        let score = counts.score(name);
        if pair[1].p < row.p && score > best.0 + 1e-12 {
            best = (score, pair[1].p + (row.p - pair[1].p) / 2.0);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::super::CHOSEN;
    use super::*;
    use crate::random::Random;

    #[test]
    fn rare_classes_get_a_low_threshold_for_balance_and_half_for_accuracy() {
        let mut random = Random::new(2, 2);
        let points: Vec<Point> = (0..4000)
            .map(|i| {
                let p = random.between(0.0, 0.4) as f32;
                Point { p, class: usize::from(random.unit() < f64::from(p)), weight: 1.0, half: i % 2 }
            })
            .collect();
        assert!(best(&points, "accuracy") > 0.3);
        let balanced = best(&points, "balanced_accuracy");
        assert!((0.1..0.3).contains(&balanced), "{balanced}");
        let perfect = Counts { right: [3.0, 2.0], wrong: [0.0, 0.0], rows: [3.0, 2.0] };
        assert!(CHOSEN.iter().all(|name| (perfect.score(name) - 1.0).abs() < 1e-12));
    }
}
