//! Logistic, multinomial and linear regression with an elastic-net penalty.
//!
//! The penalty is scikit-learn's: mean loss + (strength / rows) · (ratio · Σ|w| + (1 − ratio)/2 · Σw²), strength = 1/C.
//! Intercepts are free.

use super::design::{Design, Number, Recipe, Rows};
use super::minimize::{Stop, minimize};
use super::trees::{Derived, Link};
use super::{Fit, Fitted, Job, Learner, Shared, Spread};
use crate::dataset::{Matrix, Target};
use crate::export::Sheet;
use crate::portfolio::{Candidate, Walk};
use crate::spec::Algorithm;
use crate::{Error, Task};

/// A linear configuration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Linear {
    /// 1 / C.
    pub strength: f64,
    /// Share of the L1 part, 0 to 1.
    pub ratio: f64,
    /// Whether skewed numbers enter as logarithms.
    pub logarithms: bool,
    /// Piecewise linear parts of each number (a linear spline with knots at quantiles); 0 = none.
    pub pieces: usize,
}

impl Default for Linear {
    /// scikit-learn's: C 1, L2; skewed numbers as logarithms, no splines.
    fn default() -> Self {
        Self { strength: 1.0, ratio: 0.0, logarithms: true, pieces: 0 }
    }
}

/// Numbers and parts of numbers beyond which a row is summed in double precision.
const MANY_TERMS: usize = 1_000;
/// When the fit is good enough.
const STOP: Stop = Stop { iterations: 300, gradient: 1e-5 };

impl Learner for Linear {
    fn name(&self) -> String {
        let penalty = match self.ratio {
            0.0 => "L2".to_owned(),
            1.0 => "L1".to_owned(),
            ratio => format!("elastic net {ratio}"),
        };
        let c = (1e4 / self.strength).round() / 1e4;
        let logarithms = if self.logarithms { ", logarithms" } else { "" };
        let pieces = if self.pieces > 0 { format!(", splines of {}", self.pieces) } else { String::new() };
        format!("LinearModel ({penalty}, C {c}{logarithms}{pieces})")
    }

    fn algorithm(&self) -> Algorithm {
        Algorithm::Linear
    }

    fn near(&self, walk: &mut Walk<'_>) -> Option<Candidate> {
        Some(self.step(walk))
    }

    fn fit(&self, shared: &Shared<'_>, job: &Job<'_>) -> Result<Fit, Error> {
        let data = shared.data;
        let recipe = Recipe { logarithms: self.logarithms, pieces: self.pieces };
        let design = Design::new(data, job.train, recipe);
        let rows = design.rows(&data.matrix, job.train);
        let problem = Problem::new(&data.target, job, &design, &rows);
        let per_output = design.width() + 1;
        let mut weights = vec![0.0; per_output * problem.outputs];
        let each = self.strength / job.train.len() as f64;
        let mut l1 = vec![each * self.ratio; weights.len()];
        l1.iter_mut().skip(per_output - 1).step_by(per_output).for_each(|l| *l = 0.0);
        let l2 = each * (1.0 - self.ratio);
        minimize(
            &mut weights,
            &l1,
            STOP,
            |w, gradient| problem.loss(w, gradient) + ridge(w, gradient, l2, per_output),
            || job.stopped(),
        );
        if job.stopped() {
            return Err(Error::Cancelled);
        }
        let model = problem.model(&weights);
        Ok(Fit { model: Box::new(model), curve: Vec::new() })
    }
}

/// The L2 part: value, and its gradient added.
fn ridge(weights: &[f64], gradient: &mut [f64], l2: f64, per_output: usize) -> f64 {
    let mut sum = 0.0;
    for (i, (w, g)) in weights.iter().zip(gradient).enumerate() {
        if (i + 1) % per_output != 0 {
            *g += l2 * w;
            sum += w * w;
        }
    }
    0.5 * l2 * sum
}

/// The data of one fit.
struct Problem<'a> {
    task: Task,
    /// Class index, or the standardised number.
    labels: Vec<f32>,
    outputs: usize,
    design: &'a Design,
    rows: &'a Rows,
    /// Weight of each row; they sum to 1.
    weights: Vec<f64>,
    spread: Spread,
}

impl<'a> Problem<'a> {
    fn new(target: &Target, job: &Job<'_>, design: &'a Design, rows: &'a Rows) -> Self {
        let spread = Spread::new(target, job);
        let labels = job.train.iter().map(|&r| spread.standard(target.values[r as usize])).collect();
        let total: f64 = job.train.iter().map(|&r| f64::from(job.weight(r))).sum();
        let weights = job.train.iter().map(|&r| f64::from(job.weight(r)) / total).collect();
        Self { task: target.task, labels, outputs: target.width(), design, rows, weights, spread }
    }

    /// Mean loss; the gradient is overwritten.
    fn loss(&self, weights: &[f64], gradient: &mut [f64]) -> f64 {
        let per_output = self.design.width() + 1;
        let (dense, hot) = (self.design.dense(), self.design.categories.len());
        let mut scores = vec![0.0; self.outputs];
        let mut total = 0.0;
        gradient.fill(0.0);
        for (i, &label) in self.labels.iter().enumerate() {
            let numbers = &self.rows.dense[i * dense..(i + 1) * dense];
            let codes = &self.rows.hot[i * hot..(i + 1) * hot];
            for (score, w) in scores.iter_mut().zip(weights.chunks_exact(per_output)) {
                let linear: f64 = numbers.iter().zip(w).map(|(&x, w)| f64::from(x) * w).sum();
                let picked: f64 = codes.iter().filter(|&&c| c != u32::MAX).map(|&c| w[c as usize]).sum();
                *score = linear + picked + w[per_output - 1];
            }
            let weight = self.weights[i];
            total += weight * residuals(self.task, label, &mut scores);
            scores.iter_mut().for_each(|s| *s *= weight);
            for (&residual, g) in scores.iter().zip(gradient.chunks_exact_mut(per_output)) {
                g.iter_mut().zip(numbers).for_each(|(g, &x)| *g += residual * f64::from(x));
                codes.iter().filter(|&&c| c != u32::MAX).for_each(|&c| g[c as usize] += residual);
                g[per_output - 1] += residual;
            }
        }
        total
    }

    /// The model of the found weights, in the target's own scale.
    fn model(&self, weights: &[f64]) -> LinearModel {
        let per_output = self.design.width() + 1;
        let Spread { mean, deviation } = self.spread;
        let at = |input: usize, output: usize| weights[output * per_output + input] * deviation;
        let intercept = (0..self.outputs).map(|o| (at(per_output - 1, o) + mean) as f32).collect();
        LinearModel::new(self.design, &at, intercept, link(self.task))
    }
}

/// What makes a task's predictions of scores.
pub(super) fn link(task: Task) -> Link {
    match task {
        Task::Binary => Link::Logistic,
        Task::Multiclass => Link::Softmax,
        Task::Regression => Link::Identity,
    }
}

/// Turns scores into residuals (the loss's derivative) and returns the loss of a row.
pub(crate) fn residuals(task: Task, label: f32, scores: &mut [f64]) -> f64 {
    match task {
        Task::Regression => {
            scores[0] -= f64::from(label);
            0.5 * scores[0] * scores[0]
        }
        Task::Binary => {
            let z = scores[0];
            let y = f64::from(label);
            scores[0] = 1.0 / (1.0 + (-z).exp()) - y;
            // ln(1 + eᶻ) − yz without overflow.
            z.max(0.0) + (-z.abs()).exp().ln_1p() - y * z
        }
        Task::Multiclass => {
            let top = scores.iter().copied().fold(f64::MIN, f64::max);
            let class = label as usize;
            let own = scores[class] - top;
            let mut sum = 0.0;
            for s in scores.iter_mut() {
                *s = (*s - top).exp();
                sum += *s;
            }
            scores.iter_mut().for_each(|s| *s /= sum);
            scores[class] -= 1.0;
            sum.ln() - own
        }
    }
}

/// A fitted linear model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LinearModel {
    pub terms: Vec<Number>,
    /// Weights of each standardised number, one an output.
    pub numbers: Vec<Vec<f32>>,
    /// Weights of each missing-value indicator, in the order of the terms that have one.
    pub indicators: Vec<Vec<f32>>,
    /// Weights of each piece, in the order of the terms and their pieces.
    pub pieces: Vec<Vec<f32>>,
    /// What each category adds, one an output.
    pub categories: Vec<Vec<Derived>>,
    pub intercept: Vec<f32>,
    pub link: Link,
}

impl LinearModel {
    /// The model whose weight of input `i` of the design for output `o` is `at(i, o)`.
    pub(super) fn new(
        design: &Design,
        at: &dyn Fn(usize, usize) -> f64,
        intercept: Vec<f32>,
        link: Link,
    ) -> Self {
        let outputs = intercept.len();
        let across = |i: usize| (0..outputs).map(|o| at(i, o) as f32).collect::<Vec<f32>>();
        let numbers = design.numbers.len();
        let mut first = design.dense();
        let mut categories = Vec::new();
        for (column, shares) in &design.categories {
            let derive = |o: usize| {
                let part: Vec<f64> = (0..shares.len()).map(|code| at(first + code, o)).collect();
                // An unknown code counts as the average one.
                let average: f64 = part.iter().zip(shares).map(|(w, s)| w * s).sum();
                let values = part.iter().map(|&w| w as f32).collect();
                Derived { column: *column as u32, placed: false, values, unknown: average as f32 }
            };
            categories.push((0..outputs).map(derive).collect());
            first += shares.len();
        }
        Self {
            terms: design.numbers.clone(),
            numbers: (0..numbers).map(across).collect(),
            indicators: (numbers..design.indicated()).map(across).collect(),
            pieces: (design.indicated()..design.dense()).map(across).collect(),
            categories,
            intercept,
            link,
        }
    }

    /// Adds what the numbers of a row give to its scores; in double precision, as the graph does, where the rounding of so many
    /// additions would show.
    fn add_numbers(&self, matrix: &Matrix, row: usize, scores: &mut [f32]) {
        if self.numbers.len() + self.pieces.len() <= MANY_TERMS {
            return self.each_number(matrix, row, |x, weights| {
                scores.iter_mut().zip(weights).for_each(|(s, w)| *s += x * w);
            });
        }
        let mut sums = vec![0.0f64; scores.len()];
        self.each_number(matrix, row, |x, weights| {
            sums.iter_mut().zip(weights).for_each(|(s, w)| *s += f64::from(x) * f64::from(*w));
        });
        scores.iter_mut().zip(sums).for_each(|(score, sum)| *score += sum as f32);
    }

    /// Calls `add` with each number of a row and its weights, one an output.
    fn each_number(&self, matrix: &Matrix, row: usize, mut add: impl FnMut(f32, &[f32])) {
        let value = |term: &Number| matrix.columns[term.column][row];
        for (term, weights) in self.terms.iter().zip(&self.numbers) {
            add(term.of(value(term)), weights);
        }
        let missing = self.terms.iter().filter(|t| t.indicator);
        for (term, weights) in missing.zip(&self.indicators) {
            add(f32::from(u8::from(value(term).is_nan())), weights);
        }
        let pieces = self.terms.iter().flat_map(|t| t.pieces.iter().map(move |&p| t.piece(value(t), p)));
        for (x, weights) in pieces.zip(&self.pieces) {
            add(x, weights);
        }
    }
}

impl Fitted for LinearModel {
    fn predict(&self, matrix: &Matrix) -> Vec<f32> {
        let width = self.intercept.len();
        let mut out = Vec::with_capacity(matrix.rows * width);
        for row in 0..matrix.rows {
            let mut scores = self.intercept.clone();
            self.add_numbers(matrix, row, &mut scores);
            for outputs in &self.categories {
                for (score, derived) in scores.iter_mut().zip(outputs) {
                    *score += derived.of(matrix.columns[derived.column as usize][row]);
                }
            }
            self.link.apply(&mut scores);
            out.extend(scores);
        }
        out
    }

    fn width(&self, _features: usize) -> usize {
        self.row_numbers()
    }

    fn export(&self, sheet: &mut Sheet<'_>) -> Result<String, Error> {
        sheet.linear(self)
    }
}
