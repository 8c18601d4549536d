//! Probabilities made honest by out-of-fold predictions.
//!
//! Two classes: beta calibration (Kull, Silva Filho, Flach 2017), ln p' − ln(1−p') = a·ln p − b·ln(1−p) + c with a, b
//! above 0, so that the order of rows stays; below [`FULL_ROWS`] rows its case a = b, c = 0, which is temperature
//! scaling (Guo et al. 2017). Several classes: temperature scaling. A calibration is taken only when it lowers the
//! log loss of rows it was not fitted on.

use crate::Task;
use crate::random::Random;

/// Rows from which beta calibration has its three parameters.
const FULL_ROWS: usize = 1_000;
/// Rows from which anything is calibrated.
const FEWEST_ROWS: usize = 100;
/// Parts of the rows: each is judged by what the others gave.
const PARTS: u64 = 5;
/// Probabilities are kept this far from 0 and 1 before their logarithm.
pub(crate) const EDGE: f32 = 1e-6;
/// Slopes stay within these.
const SLOPES: (f64, f64) = (0.4, 2.5);
/// Strength, in rows, with which parameters are pulled to those that change nothing.
const PULL: f64 = 2.0;
/// Newton's steps.
const STEPS: usize = 25;

/// What becomes of probabilities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Calibration {
    /// Nothing.
    None,
    /// Two classes: a, b and c.
    Beta([f32; 3]),
    /// Several classes: the logarithms are multiplied by this.
    Scale(f32),
}

/// What calibrations are fitted on.
#[derive(Clone, Copy)]
pub(crate) struct Evidence<'a> {
    pub task: Task,
    /// Probabilities a row.
    pub width: usize,
    /// The class of each row.
    pub truth: &'a [f32],
    pub weights: &'a [f64],
    /// Rows with the same number are fitted on together, or judged together.
    pub clumps: &'a [u64],
}

impl Calibration {
    /// Calibrates predictions of `width` a row, in place.
    pub(crate) fn apply(self, width: usize, predictions: &mut [f32]) {
        match self {
            Self::None => {}
            Self::Beta([a, b, c]) => predictions.iter_mut().for_each(|p| {
                let x = p.clamp(EDGE, 1.0 - EDGE);
                let z = a * x.ln() - b * (1.0 - x).ln() + c;
                *p = crate::learners::logistic(z);
            }),
            Self::Scale(scale) => predictions.chunks_exact_mut(width).for_each(|row| {
                row.iter_mut().for_each(|p| *p = scale * p.clamp(EDGE, 1.0).ln());
                crate::learners::Link::Softmax.apply(row);
            }),
        }
    }

    /// The calibration of some predictions, or none when it does not help.
    pub(crate) fn fit(evidence: Evidence<'_>, predictions: &[f32]) -> Self {
        let rows = evidence.truth.len();
        if evidence.task == Task::Regression || rows < FEWEST_ROWS {
            return Self::None;
        }
        let part: Vec<u64> =
            evidence.clumps.iter().map(|&clump| Random::new(clump, 50_000).next() % PARTS).collect();
        let mut judged = predictions.to_vec();
        for held in 0..PARTS {
            let found = Self::solve(evidence, predictions, |r| part[r] != held);
            let rows = judged.chunks_exact_mut(evidence.width).zip(&part);
            rows.filter(|(_, part)| **part == held).for_each(|(row, _)| found.apply(evidence.width, row));
        }
        let loss = |p: &[f32]| {
            let rows = evidence.truth.iter().copied().zip(evidence.weights.iter().copied());
            crate::search::mean_loss(evidence.task, rows, p, evidence.width)
        };
        if loss(&judged) < loss(predictions) {
            Self::solve(evidence, predictions, |_| true)
        } else {
            Self::None
        }
    }

    /// The best parameters for the rows for which `used` holds.
    fn solve(evidence: Evidence<'_>, predictions: &[f32], used: impl Fn(usize) -> bool) -> Self {
        let rows = (0..evidence.truth.len()).filter(|&r| used(r));
        if evidence.task == Task::Multiclass {
            return Self::Scale(scale(evidence, predictions, &rows.collect::<Vec<usize>>()) as f32);
        }
        let full = evidence.truth.len() >= FULL_ROWS;
        let points: Vec<Point> = rows
            .map(|r| {
                let p = f64::from(predictions[r].clamp(EDGE, 1.0 - EDGE));
                let (up, down) = (p.ln(), -(1.0 - p).ln());
                let x = if full { [up, down, 1.0] } else { [up + down, 0.0, 0.0] };
                Point { x, y: f64::from(evidence.truth[r]), weight: evidence.weights[r] }
            })
            .collect();
        let identity = if full { [1.0, 1.0, 0.0] } else { [1.0, 0.0, 0.0] };
        let found = newton(&points, identity);
        let slope = |x: f64| x.clamp(SLOPES.0, SLOPES.1) as f32;
        if full {
            Self::Beta([slope(found[0]), slope(found[1]), found[2].clamp(-3.0, 3.0) as f32])
        } else {
            Self::Beta([slope(found[0]), slope(found[0]), 0.0])
        }
    }
}

/// A row of a logistic regression.
struct Point {
    x: [f64; 3],
    y: f64,
    weight: f64,
}

/// Logistic regression without an own intercept, pulled to `start`, by Newton's method.
fn newton(points: &[Point], start: [f64; 3]) -> [f64; 3] {
    let mut at = start;
    for _ in 0..STEPS {
        let mut gradient = [0.0; 3];
        let mut hessian = [[0.0; 3]; 3];
        for i in 0..3 {
            gradient[i] = PULL * (at[i] - start[i]);
            hessian[i][i] = PULL;
        }
        for point in points {
            let z: f64 = point.x.iter().zip(&at).map(|(x, a)| x * a).sum();
            let p = 1.0 / (1.0 + (-z).exp());
            let (error, curve) = (point.weight * (p - point.y), point.weight * (p * (1.0 - p)));
            for (i, row) in hessian.iter_mut().enumerate() {
                gradient[i] += error * point.x[i];
                row.iter_mut().zip(point.x).for_each(|(h, x)| *h += curve * point.x[i] * x);
            }
        }
        let step = solve3(hessian, gradient);
        let length = step.iter().fold(0.0f64, |a, s| a.max(s.abs()));
        // A step is kept short: far from the solution the curve misleads.
        let short = if length > 1.0 { 1.0 / length } else { 1.0 };
        at.iter_mut().zip(step).for_each(|(a, s)| *a -= short * s);
        if length < 1e-7 {
            break;
        }
    }
    at
}

/// Solves a symmetric positive system by elimination.
fn solve3(mut a: [[f64; 3]; 3], mut b: [f64; 3]) -> [f64; 3] {
    for i in 0..3 {
        for j in i + 1..3 {
            let factor = a[j][i] / a[i][i];
            let above = a[i];
            a[j].iter_mut().zip(above).for_each(|(x, y)| *x -= factor * y);
            b[j] -= factor * b[i];
        }
    }
    let mut x = [0.0; 3];
    for i in (0..3).rev() {
        let known: f64 = (i + 1..3).map(|k| a[i][k] * x[k]).sum();
        x[i] = (b[i] - known) / a[i][i];
    }
    x
}

/// The best factor of the logarithms for several classes, by Newton's method in one dimension.
fn scale(evidence: Evidence<'_>, predictions: &[f32], rows: &[usize]) -> f64 {
    let width = evidence.width;
    let mut at = 1.0f64;
    for _ in 0..STEPS {
        let (mut gradient, mut curve) = (PULL * (at - 1.0), PULL);
        for &r in rows {
            let logs = predictions[r * width..(r + 1) * width].iter().map(|p| f64::from(p.max(EDGE)).ln());
            let top = logs.clone().fold(f64::MIN, f64::max);
            let (mut sum, mut first, mut second) = (0.0, 0.0, 0.0);
            for log in logs.clone() {
                let e = (at * (log - top)).exp();
                sum += e;
                first += e * log;
                second += e * log * log;
            }
            let mean = first / sum;
            let own = f64::from(predictions[r * width + evidence.truth[r] as usize].max(EDGE)).ln();
            gradient += evidence.weights[r] * (mean - own);
            curve += evidence.weights[r] * (second / sum - mean * mean);
        }
        let step = (gradient / curve).clamp(-0.5, 0.5);
        at = (at - step).clamp(SLOPES.0, SLOPES.1);
        if step.abs() < 1e-6 {
            break;
        }
    }
    at
}

/// The logarithm of the odds of two classes, or the logarithms of several; numbers to predict stay.
pub(crate) fn logits(task: Task, predictions: &mut [f32]) {
    match task {
        Task::Regression => {}
        Task::Binary => predictions.iter_mut().for_each(|p| {
            let x = p.clamp(EDGE, 1.0 - EDGE);
            *p = x.ln() - (1.0 - x).ln();
        }),
        Task::Multiclass => predictions.iter_mut().for_each(|p| *p = p.clamp(EDGE, 1.0).ln()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_sure_probabilities_are_cooled_and_honest_ones_stay() {
        let mut random = Random::new(5, 1);
        let (mut truth, mut honest, mut sure) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..4000 {
            let z = random.between(-2.0, 2.0);
            let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
            truth.push(f32::from(u8::from(random.unit() < sigmoid(z))));
            honest.push(sigmoid(z) as f32);
            sure.push(sigmoid(2.0 * z + 0.5) as f32);
        }
        for rows in [400, 4000] {
            let (weights, clumps) = (vec![1.0; rows], (0..rows as u64).collect::<Vec<_>>());
            let truth = &truth[..rows];
            let evidence =
                Evidence { task: Task::Binary, width: 1, truth, weights: &weights, clumps: &clumps };
            let loss = |p: &[f32]| {
                let rows = evidence.truth.iter().copied().zip(weights.iter().copied());
                crate::search::mean_loss(Task::Binary, rows, p, 1)
            };
            let mut cooled = sure[..rows].to_vec();
            Calibration::fit(evidence, &cooled).apply(1, &mut cooled);
            assert!(loss(&cooled) < loss(&sure[..rows]) - 0.02);
            assert!(loss(&cooled) < loss(&honest[..rows]) + 0.03);
            let mut same = honest[..rows].to_vec();
            Calibration::fit(evidence, &same).apply(1, &mut same);
            assert!(same.iter().zip(&honest).all(|(a, b)| (a - b).abs() < 0.06));
        }
    }

    #[test]
    fn what_a_calibration_learns_of_a_group_does_not_judge_it() {
        // 12 groups of 50 rows; a row's truth is its group's, drawn whatever the prediction is. Rows dealt one by one
        // look as if the predictions were wrong in a way that can be learned.
        let mut random = Random::new(8, 3);
        let (mut truth, mut predictions) = (Vec::new(), Vec::new());
        for _ in 0..12 {
            let p = random.between(0.2, 0.8);
            let own = f32::from(u8::from(random.unit() < p));
            truth.extend([own; 50]);
            predictions.extend([p as f32; 50]);
        }
        let weights = vec![1.0; 600];
        let fit = |clumps: &[u64]| {
            let evidence =
                Evidence { task: Task::Binary, width: 1, truth: &truth, weights: &weights, clumps };
            Calibration::fit(evidence, &predictions)
        };
        assert_ne!(fit(&(0..600).collect::<Vec<u64>>()), Calibration::None);
        assert_eq!(fit(&(0..600).map(|row| row / 50).collect::<Vec<u64>>()), Calibration::None);
    }

    #[test]
    fn several_classes_are_scaled() {
        let mut random = Random::new(6, 1);
        let (mut truth, mut sure) = (Vec::new(), Vec::new());
        for _ in 0..3000 {
            let mut row: Vec<f32> = (0..3).map(|_| random.between(-1.0, 1.0) as f32).collect();
            let mut p = row.clone();
            crate::learners::Link::Softmax.apply(&mut p);
            let draw = random.unit() as f32;
            truth.push(if draw < p[0] {
                0.0
            } else if draw < p[0] + p[1] {
                1.0
            } else {
                2.0
            });
            row.iter_mut().for_each(|z| *z *= 2.0);
            crate::learners::Link::Softmax.apply(&mut row);
            sure.extend(row);
        }
        let (weights, clumps) = (vec![1.0; 3000], (0..3000).collect::<Vec<_>>());
        let evidence =
            Evidence { task: Task::Multiclass, width: 3, truth: &truth, weights: &weights, clumps: &clumps };
        let Calibration::Scale(scale) = Calibration::fit(evidence, &sure) else { panic!("no scale") };
        assert!((0.4..0.65).contains(&scale), "{scale}");
        let small =
            Evidence { truth: &truth[..20], weights: &weights[..20], clumps: &clumps[..20], ..evidence };
        assert_eq!(Calibration::fit(small, &sure[..60]), Calibration::None);
    }
}
