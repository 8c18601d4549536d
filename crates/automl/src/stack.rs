//! Stacking: a linear model over the members' logits (of numbers: over their predictions), with weights that are not
//! negative and are pulled to those of the vote (Wolpert 1992; Breiman, "Stacked regressions", 1996).

use crate::Task;
use crate::learners::residuals;
use crate::random::Random;
use std::collections::HashMap;

/// Parts of the rows: each is judged by weights from the others.
const PARTS: u64 = 5;
/// Rows from which a stack is tried.
pub(crate) const FEWEST_ROWS: usize = 750;
/// Rows it is fitted on at most.
const MOST_ROWS: usize = 6_000;
/// What a pass costs at most: rows × members × classes × parameters.
const MOST_WORK: usize = 2_500_000;
/// Strength, in rows, of the pull to the vote's weights.
const PULL: f64 = 5.0;
/// Passes of coordinate descent.
const PASSES: usize = 40;

/// What a stack is fitted on: `logits[member]` holds `width` numbers a row.
pub(crate) struct Layer<'a> {
    pub task: Task,
    pub width: usize,
    pub logits: &'a [Vec<f32>],
    pub truth: &'a [f32],
    pub weights: &'a [f64],
    /// Rows with the same number are fitted on together, or judged together.
    pub clumps: &'a [u64],
    /// The vote's weights.
    pub prior: &'a [f64],
}

/// A fitted stack.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stacked {
    /// One a member, none negative.
    pub weights: Vec<f64>,
    /// One an output.
    pub intercepts: Vec<f64>,
}

impl Layer<'_> {
    /// The rows looked at: all, or evenly spread ones.
    fn rows(&self) -> Vec<usize> {
        let members = self.logits.len();
        let row = (members * self.width * (members + self.width)).max(1);
        let most = MOST_ROWS.min(MOST_WORK / row).max(1);
        let step = self.truth.len().div_ceil(most).max(1);
        (0..self.truth.len()).step_by(step).collect()
    }

    /// The stack over all rows, when rows it was not fitted on are predicted better than by the vote, by more than one
    /// standard error of the difference; `vote` are the losses of the vote, one a row.
    pub(crate) fn fit(&self, vote: &[f64]) -> Option<Stacked> {
        let rows = self.rows();
        if rows.len() < FEWEST_ROWS || self.logits.len() < 2 {
            return None;
        }
        let part = |r: usize| Random::new(self.clumps[r], 51_000).next() % PARTS;
        let mut gains: Vec<f64> = Vec::with_capacity(rows.len());
        // What is alike is one observation.
        let mut place: HashMap<u64, usize> = HashMap::new();
        for held in 0..PARTS {
            let (judged, used): (Vec<usize>, Vec<usize>) = rows.iter().partition(|&&r| part(r) == held);
            let stacked = self.solve(&used);
            for r in judged {
                let at = *place.entry(self.clumps[r]).or_insert(gains.len());
                gains.resize(gains.len().max(at + 1), 0.0);
                gains[at] += vote[r] - self.loss(&stacked, r);
            }
        }
        let n = gains.len() as f64;
        let mean = gains.iter().sum::<f64>() / n;
        let variance = gains.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean > (variance / n).sqrt()).then(|| self.solve(&rows))
    }

    /// The outputs of a row before the link.
    fn scores(&self, stacked: &Stacked, row: usize, out: &mut [f64]) {
        out.copy_from_slice(&stacked.intercepts);
        for (weight, logits) in stacked.weights.iter().zip(self.logits) {
            let own = &logits[row * self.width..(row + 1) * self.width];
            out.iter_mut().zip(own).for_each(|(s, &z)| *s += weight * f64::from(z));
        }
    }

    /// The loss of a row, times its weight.
    fn loss(&self, stacked: &Stacked, row: usize) -> f64 {
        let mut scores = vec![0.0; self.width];
        self.scores(stacked, row, &mut scores);
        self.weights[row] * self.residual(row, &mut scores)
    }

    /// Turns scores into the derivative of the loss, and gives the loss.
    fn residual(&self, row: usize, scores: &mut [f64]) -> f64 {
        let loss = residuals(self.task, self.truth[row], scores);
        if self.task != Task::Regression {
            return loss;
        }
        // The whole square, where the linear model takes half of it.
        scores[0] *= 2.0;
        2.0 * loss
    }

    /// Coordinate descent with Newton steps, weights kept from falling below 0.
    fn solve(&self, rows: &[usize]) -> Stacked {
        let members = self.logits.len();
        let mut at = Stacked { weights: self.prior.to_vec(), intercepts: vec![0.0; self.width] };
        let mut scores = vec![0.0; self.width];
        // Numbers to predict are measured by their spread, so that the pull means the same at any scale.
        let unit = self.unit(rows);
        for _ in 0..PASSES {
            let mut moved = 0.0f64;
            for i in 0..members + self.width {
                let (mut gradient, mut curve) = match i.checked_sub(members) {
                    None => (PULL * unit * (at.weights[i] - self.prior[i]), PULL * unit),
                    Some(_) => (0.0, PULL * 1e-3),
                };
                for &row in rows {
                    self.scores(&at, row, &mut scores);
                    let _ = self.residual(row, &mut scores);
                    let (g, c) = self.slope(i, row, &scores);
                    gradient += self.weights[row] * g;
                    curve += self.weights[row] * c;
                }
                let step = gradient / curve.max(1e-12);
                match i.checked_sub(members) {
                    None => {
                        let next = (at.weights[i] - step.clamp(-0.5, 0.5)).max(0.0);
                        moved = moved.max((next - at.weights[i]).abs());
                        at.weights[i] = next;
                    }
                    Some(output) => at.intercepts[output] -= step,
                }
            }
            if moved < 1e-4 {
                break;
            }
        }
        at
    }

    /// First and second derivative of a row's loss in a parameter, from the derivatives in the scores.
    fn slope(&self, parameter: usize, row: usize, residuals: &[f64]) -> (f64, f64) {
        let members = self.logits.len();
        let truth = self.truth[row] as usize;
        let curve = |k: usize, r: f64| match self.task {
            Task::Regression => 2.0,
            Task::Binary => {
                let p = r + f64::from(self.truth[row]);
                p * (1.0 - p)
            }
            Task::Multiclass => {
                let p = r + f64::from(u8::from(k == truth));
                p * (1.0 - p)
            }
        };
        if let Some(output) = parameter.checked_sub(members) {
            return (residuals[output], curve(output, residuals[output]));
        }
        let own = &self.logits[parameter][row * self.width..(row + 1) * self.width];
        let mut sums = (0.0, 0.0);
        for (k, (&r, &x)) in residuals.iter().zip(own).enumerate() {
            let x = f64::from(x);
            sums.0 += r * x;
            sums.1 += curve(k, r) * x * x;
        }
        sums
    }

    /// The mean square of the numbers to predict around their mean, or 1 for classes.
    fn unit(&self, rows: &[usize]) -> f64 {
        if self.task != Task::Regression {
            return 1.0;
        }
        let n = rows.len().max(1) as f64;
        let mean = rows.iter().map(|&r| f64::from(self.truth[r])).sum::<f64>() / n;
        rows.iter().map(|&r| (f64::from(self.truth[r]) - mean).powi(2)).sum::<f64>() / n
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_corrects_biased_members_and_leaves_honest_ones() {
        let mut random = Random::new(4, 1);
        let n = 2000;
        let truth: Vec<f32> = (0..n).map(|_| random.between(0.0, 10.0) as f32).collect();
        let mut noisy = |slope: f32, offset: f32| -> Vec<f32> {
            truth.iter().map(|y| slope * y + offset + random.between(-1.0, 1.0) as f32).collect()
        };
        let fit = |logits: &[Vec<f32>]| {
            let (weights, clumps) = (vec![1.0; n], (0..n as u64).collect::<Vec<_>>());
            let layer = Layer {
                task: Task::Regression,
                width: 1,
                logits,
                truth: &truth,
                weights: &weights,
                clumps: &clumps,
                prior: &[0.5, 0.5],
            };
            let vote: Vec<f64> = (0..n)
                .map(|r| f64::from(0.5 * logits[0][r] + 0.5 * logits[1][r] - truth[r]).powi(2))
                .collect();
            layer.fit(&vote)
        };
        let shrunk = fit(&[noisy(0.5, 3.0), noisy(0.5, 2.0)]).unwrap();
        assert!((shrunk.weights.iter().sum::<f64>() - 2.0).abs() < 0.2, "{shrunk:?}");
        // Honest members are shrunk by no more than their noise asks for.
        let honest = fit(&[noisy(1.0, 0.0), noisy(1.0, 0.0)]);
        assert!(honest.is_none_or(|s| (s.weights.iter().sum::<f64>() - 1.0).abs() < 0.05));
    }
    #[test]
    fn copies_in_groups_are_no_evidence() {
        let groups = 40;
        let copies = 25;
        let n = groups * copies;
        let helped = |grouped: bool, seed: u64| {
            let mut random = Random::new(seed, 2);
            let mut each = |low: f64, high: f64| -> Vec<f32> {
                let values: Vec<f32> = (0..groups).map(|_| random.between(low, high) as f32).collect();
                (0..n).map(|r| values[r % groups]).collect()
            };
            let (truth, logits) = (each(0.0, 10.0), [each(4.0, 6.0), each(4.0, 6.0)]);
            let clumps: Vec<u64> = (0..n).map(|r| if grouped { r % groups } else { r } as u64).collect();
            let vote: Vec<f64> = (0..n)
                .map(|r| f64::from(0.5 * logits[0][r] + 0.5 * logits[1][r] - truth[r]).powi(2))
                .collect();
            let layer = Layer {
                task: Task::Regression,
                width: 1,
                logits: &logits,
                truth: &truth,
                weights: &vec![1.0; n],
                clumps: &clumps,
                prior: &[0.5, 0.5],
            };
            layer.fit(&vote).is_some()
        };
        let count = |grouped: bool| (0..20).filter(|&seed| helped(grouped, seed)).count();
        // Noise that is met again in the judged rows passes for knowledge.
        assert!(count(false) >= 15 && count(true) <= 8, "{} {}", count(false), count(true));
    }
}
