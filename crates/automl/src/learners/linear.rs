//! Logistic, multinomial and linear regression with an elastic-net penalty.
//!
//! The penalty is scikit-learn's: mean loss + (strength / rows) · (ratio · Σ|w| + (1 − ratio)/2 · Σw²), strength = 1/C.
//! Intercepts are free.

use super::design::{Design, Number, Rows};
use super::minimize::{Stop, minimize};
use super::trees::{Derived, Link};
use super::{Fit, Fitted, Job, Learner, Shared};
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
}

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
        format!("LinearModel ({penalty}, C {c}{})", if self.logarithms { ", logarithms" } else { "" })
    }

    fn algorithm(&self) -> Algorithm {
        Algorithm::Linear
    }

    fn near(&self, walk: &mut Walk<'_>) -> Option<Candidate> {
        Some(self.step(walk))
    }

    fn fit(&self, shared: &Shared<'_>, job: &Job<'_>) -> Result<Fit, Error> {
        let data = shared.data;
        let design = Design::new(data, job.train, self.logarithms);
        let rows = design.rows(&data.matrix, job.train);
        let problem = Problem::new(&data.target, job.train, &design, &rows);
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
    /// Mean and deviation of a number to predict.
    spread: (f64, f64),
}

impl<'a> Problem<'a> {
    fn new(target: &Target, train: &[u32], design: &'a Design, rows: &'a Rows) -> Self {
        let mut labels: Vec<f32> = train.iter().map(|&r| target.values[r as usize]).collect();
        let mut spread = (0.0, 1.0);
        if target.task == Task::Regression {
            let n = labels.len() as f64;
            let mean = labels.iter().map(|&y| f64::from(y)).sum::<f64>() / n;
            let variance = labels.iter().map(|&y| (f64::from(y) - mean).powi(2)).sum::<f64>() / n;
            spread = (mean, if variance > 0.0 { variance.sqrt() } else { 1.0 });
            labels.iter_mut().for_each(|y| *y = ((f64::from(*y) - mean) / spread.1) as f32);
        }
        Self { task: target.task, labels, outputs: target.width(), design, rows, spread }
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
            total += residuals(self.task, label, &mut scores);
            for (&residual, g) in scores.iter().zip(gradient.chunks_exact_mut(per_output)) {
                g.iter_mut().zip(numbers).for_each(|(g, &x)| *g += residual * f64::from(x));
                codes.iter().filter(|&&c| c != u32::MAX).for_each(|&c| g[c as usize] += residual);
                g[per_output - 1] += residual;
            }
        }
        let n = self.labels.len() as f64;
        gradient.iter_mut().for_each(|g| *g /= n);
        total / n
    }

    /// The model of the found weights, in the target's own scale.
    fn model(&self, weights: &[f64]) -> LinearModel {
        let per_output = self.design.width() + 1;
        let outputs: Vec<&[f64]> = weights.chunks_exact(per_output).collect();
        let across = |i: usize| outputs.iter().map(|w| (w[i] * self.spread.1) as f32).collect::<Vec<f32>>();
        let numbers = (0..self.design.numbers.len()).map(across).collect();
        let indicators = (self.design.numbers.len()..self.design.dense()).map(across).collect();
        let mut first = self.design.dense();
        let mut categories = Vec::new();
        for (column, shares) in &self.design.categories {
            let derive = |w: &&[f64]| {
                let part = &w[first..first + shares.len()];
                // An unknown code counts as the average one.
                let average: f64 = part.iter().zip(shares).map(|(w, s)| w * s).sum();
                let scaled = |w: f64| (w * self.spread.1) as f32;
                Derived {
                    column: *column as u32,
                    values: part.iter().map(|&w| scaled(w)).collect(),
                    unknown: scaled(average),
                }
            };
            categories.push(outputs.iter().map(derive).collect());
            first += shares.len();
        }
        let intercept = outputs.iter().map(|w| (w[per_output - 1] * self.spread.1 + self.spread.0) as f32);
        LinearModel {
            terms: self.design.numbers.clone(),
            numbers,
            indicators,
            categories,
            intercept: intercept.collect(),
            link: match self.task {
                Task::Binary => Link::Logistic,
                Task::Multiclass => Link::Softmax,
                Task::Regression => Link::Identity,
            },
        }
    }
}

/// Turns scores into residuals (the loss's derivative) and returns the loss of a row.
fn residuals(task: Task, label: f32, scores: &mut [f64]) -> f64 {
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
    /// What each category adds, one an output.
    pub categories: Vec<Vec<Derived>>,
    pub intercept: Vec<f32>,
    pub link: Link,
}

impl Fitted for LinearModel {
    fn predict(&self, matrix: &Matrix) -> Vec<f32> {
        let width = self.intercept.len();
        let mut out = Vec::with_capacity(matrix.rows * width);
        for row in 0..matrix.rows {
            let mut scores = self.intercept.clone();
            let mut add = |x: f32, weights: &[f32]| {
                scores.iter_mut().zip(weights).for_each(|(s, w)| *s += x * w);
            };
            for (term, weights) in self.terms.iter().zip(&self.numbers) {
                add(term.of(matrix.columns[term.column][row]), weights);
            }
            let missing = self.terms.iter().filter(|t| t.indicator);
            for (term, weights) in missing.zip(&self.indicators) {
                add(f32::from(u8::from(matrix.columns[term.column][row].is_nan())), weights);
            }
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

    fn export(&self, sheet: &mut Sheet<'_>) -> Result<String, Error> {
        sheet.linear(self)
    }
}
