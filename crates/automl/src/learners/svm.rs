//! Support vector machines on libsvm-rs: curved kernels and a linear one, classes one against the rest, numbers by ε
//! regression.
//!
//! The machines see a stratified sample when there are many rows. Their decisions become probabilities by a logistic
//! model of decisions made out of fold, inside the fit (Platt, "Probabilistic outputs for support vector machines",
//! 2000; with several classes one slope and an offset a class).

mod export;

use super::design::{Design, Recipe, Rows};
use super::linear::{LinearModel, link, residuals};
use super::minimize::{Stop, minimize};
use super::{Fit, Fitted, Job, Learner, Link, Lots, PRODUCTS_PER_TREE, Shared, Spread};
use crate::dataset::{Matrix, Target};
use crate::random::Random;
use crate::spec::Algorithm;
use crate::{Error, Task};
use libsvm_rs::train::svm_train;
use libsvm_rs::{KernelType, SvmNode, SvmParameter, SvmProblem, SvmType};
use std::collections::HashMap;

/// What a machine compares rows by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// x·y.
    Linear,
    /// e^(−γ‖x−y‖²).
    Radial,
    /// (γ x·y + 1)ⁿ.
    Polynomial(u8),
}

/// A configuration; the cost grows with the square of the rows, so it suits tables up to some thousand rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Svm {
    pub kernel: Kernel,
    /// Price of an error.
    pub c: f64,
    /// γ as a multiple of 1 / the sum of the inputs' variances (1 is scikit-learn's `scale`).
    pub gamma: f64,
}

impl Default for Svm {
    /// Radial, C 1, γ by the variance.
    fn default() -> Self {
        Self { kernel: Kernel::Radial, c: 1.0, gamma: 1.0 }
    }
}

/// Rows learned from at most, with two classes; with more, so that the machines together cost as much.
const MAX_ROWS: f64 = 3000.0;
const LEAST_ROWS: f64 = 500.0;
/// Products of inputs in a table of all pairs of rows, at most, and rows that are learned from all the same.
const MAX_PRODUCTS: f64 = 1.2e9;
const FEWEST_ROWS: f64 = 200.0;
/// Folds of the decisions that probabilities are learned from.
const FOLDS: usize = 3;
/// Weight of the penalty that keeps the slope of separable decisions finite.
const RIDGE: f64 = 1e-3;
/// Half the width of the tube in which errors of a standardised number cost nothing.
const TUBE: f64 = 0.1;

impl Learner for Svm {
    fn name(&self) -> String {
        let kernel = match self.kernel {
            Kernel::Linear => "linear".to_owned(),
            Kernel::Radial => format!("radial, γ {}", round(self.gamma)),
            Kernel::Polynomial(degree) => format!("degree {degree}, γ {}", round(self.gamma)),
        };
        format!("SupportVectors ({kernel}, C {})", round(self.c))
    }

    fn algorithm(&self) -> Algorithm {
        if self.kernel == Kernel::Linear { Algorithm::LinearSvm } else { Algorithm::Svm }
    }

    fn fit(&self, shared: &Shared<'_>, job: &Job<'_>) -> Result<Fit, Error> {
        libsvm_rs::set_quiet(true);
        let data = shared.data;
        let design = Design::new(data, job.train, Recipe { logarithms: true, pieces: 0 });
        let spread = Spread::new(&data.target, job);
        let sample = sample(&data.target, job, design.dense() + design.categories.len());
        let rows = design.rows(&data.matrix, &sample);
        let points = points(&design, &rows, sample.len());
        let work = Work {
            svm: self,
            job,
            clumps: sample.iter().map(|&r| data.marks.groups.get(r as usize).copied().unwrap_or(r)).collect(),
            squares: points.iter().map(|point| product(point, point)).collect(),
            points,
            labels: sample.iter().map(|&r| spread.standard(data.target.values[r as usize])).collect(),
            task: data.target.task,
            gamma: self.gamma / design.variance().max(1e-9),
            outputs: data.target.width(),
        };
        let all: Vec<usize> = (0..sample.len()).collect();
        let machines = work.machines(&all)?;
        let scales = match work.task {
            Task::Regression => Scales { slope: spread.deviation, offsets: vec![spread.mean] },
            _ => work.calibrate()?,
        };
        let model = Machine::new(&work, &design, &machines, &scales);
        Ok(Fit { model: Box::new(model), curve: Vec::new() })
    }
}

fn round(x: f64) -> f64 {
    (x * 1000.0).round() / 1000.0
}

/// The rows learned from: all, or a sample with the shares of the classes; with weights, drawn by weight. `inputs` a row.
fn sample(target: &Target, job: &Job<'_>, inputs: usize) -> Vec<u32> {
    let many = (MAX_ROWS / (target.width() as f64).sqrt()).max(LEAST_ROWS);
    let most = many.min((MAX_PRODUCTS / inputs.max(1) as f64).sqrt().max(FEWEST_ROWS)) as usize;
    let mut random = Random::new(job.seed, 300);
    let count = most.min(job.train.len());
    if !job.weights.is_empty() {
        let lots = Lots::new(job);
        return (0..count).map(|_| lots.draw(&mut random)).collect();
    }
    let mut rows = job.train.to_vec();
    if count < rows.len() {
        random.shuffle(&mut rows);
        // Neighbours in the order of labels are alike, so every n-th row keeps the shares.
        rows.sort_by(|&a, &b| target.values[a as usize].total_cmp(&target.values[b as usize]));
        rows = (0..count).map(|i| rows[i * rows.len() / count]).collect();
        rows.sort_unstable();
    }
    rows
}

/// Rows as sparse points; places count from 1.
fn points(design: &Design, rows: &Rows, count: usize) -> Vec<Vec<SvmNode>> {
    let (dense, hot) = (design.dense(), design.categories.len());
    let node = |place: usize, value: f32| SvmNode { index: place as i32 + 1, value: f64::from(value) };
    (0..count)
        .map(|i| {
            let numbers = rows.dense[i * dense..(i + 1) * dense].iter().enumerate();
            let numbers = numbers.filter(|(_, x)| **x != 0.0).map(|(place, &x)| node(place, x));
            let codes = rows.hot[i * hot..(i + 1) * hot].iter().filter(|&&code| code != u32::MAX);
            numbers.chain(codes.map(|&code| node(code as usize, 1.0))).collect()
        })
        .collect()
}

/// The data of one fit.
struct Work<'a> {
    svm: &'a Svm,
    job: &'a Job<'a>,
    /// The group of each point, else its row.
    clumps: Vec<u32>,
    points: Vec<Vec<SvmNode>>,
    /// x·x of each point.
    squares: Vec<f64>,
    labels: Vec<f32>,
    task: Task,
    gamma: f64,
    outputs: usize,
}

/// One machine: Σ coefficient · kernel(point, x) − rho.
#[derive(Debug, Clone, Default, PartialEq)]
struct Decision {
    terms: Vec<(usize, f64)>,
    rho: f64,
}

/// What makes scores of decisions.
#[derive(Debug, Clone, PartialEq)]
struct Scales {
    slope: f64,
    offsets: Vec<f64>,
}

impl Work<'_> {
    /// One machine an output, learned from some of the points.
    fn machines(&self, rows: &[usize]) -> Result<Vec<Decision>, Error> {
        let machine = |output: usize| {
            if self.job.stopped() {
                return Err(Error::Cancelled);
            }
            Ok(self.machine(rows, output))
        };
        (0..self.outputs).map(machine).collect()
    }

    fn machine(&self, rows: &[usize], output: usize) -> Decision {
        let label = |&i: &usize| match self.task {
            Task::Regression => f64::from(self.labels[i]),
            Task::Binary => 2.0 * f64::from(self.labels[i]) - 1.0,
            Task::Multiclass => {
                if self.labels[i] as usize == output {
                    1.0
                } else {
                    -1.0
                }
            }
        };
        let labels: Vec<f64> = rows.iter().map(label).collect();
        let first = labels.first().copied().unwrap_or(0.0);
        if labels.iter().all(|&l| l == first) {
            return Decision { terms: Vec::new(), rho: -first };
        }
        let instances = rows.iter().map(|&i| self.points[i].clone()).collect();
        let model = svm_train(&SvmProblem { labels, instances }, &self.parameters());
        // A class machine answers with the sign of the label it met first.
        let sign = if self.task != Task::Regression && model.label.first() == Some(&-1) { -1.0 } else { 1.0 };
        let coefficients = model.sv_coef.first().map_or(&[][..], Vec::as_slice);
        let places = model.sv_indices.iter().map(|&i| rows[i - 1]);
        Decision {
            terms: places.zip(coefficients).map(|(i, c)| (i, c * sign)).collect(),
            rho: model.rho.first().copied().unwrap_or(0.0) * sign,
        }
    }

    fn parameters(&self) -> SvmParameter {
        let (kernel_type, degree) = match self.svm.kernel {
            Kernel::Linear => (KernelType::Linear, 1),
            Kernel::Radial => (KernelType::Rbf, 1),
            Kernel::Polynomial(degree) => (KernelType::Polynomial, i32::from(degree)),
        };
        let regression = self.task == Task::Regression;
        SvmParameter {
            svm_type: if regression { SvmType::EpsilonSvr } else { SvmType::CSvc },
            kernel_type,
            degree,
            gamma: self.gamma,
            coef0: 1.0,
            c: self.svm.c,
            p: TUBE,
            ..SvmParameter::default()
        }
    }

    fn kernel(&self, a: usize, b: usize) -> f64 {
        let product = product(&self.points[a], &self.points[b]);
        match self.svm.kernel {
            Kernel::Linear => product,
            Kernel::Radial => (-self.gamma * (self.squares[a] + self.squares[b] - 2.0 * product)).exp(),
            Kernel::Polynomial(degree) => (self.gamma * product + 1.0).powi(i32::from(degree)),
        }
    }

    fn decide(&self, machine: &Decision, row: usize) -> f64 {
        let terms = machine.terms.iter();
        let sum: f64 = terms.map(|&(i, c)| c * self.kernel(i, row)).sum();
        sum - machine.rho
    }

    /// Slope and offsets that give the least log loss over decisions made out of fold.
    fn calibrate(&self) -> Result<Scales, Error> {
        let folds = folds(&self.clumps, &self.labels, self.job.seed);
        let count = self.points.len();
        let mut decisions = vec![0.0; count * self.outputs];
        for fold in 0..FOLDS {
            let (held, rest): (Vec<usize>, Vec<usize>) = (0..count).partition(|&i| folds[i] == fold);
            if held.is_empty() || rest.is_empty() {
                continue;
            }
            let machines = self.machines(&rest)?;
            for row in held {
                if self.job.stopped() {
                    return Err(Error::Cancelled);
                }
                for (output, machine) in machines.iter().enumerate() {
                    decisions[row * self.outputs + output] = self.decide(machine, row);
                }
            }
        }
        let scales = self.platt(&decisions);
        // What was stopped on the way gives no honest probabilities.
        if self.job.stopped() { Err(Error::Cancelled) } else { Ok(scales) }
    }

    fn platt(&self, decisions: &[f64]) -> Scales {
        let outputs = self.outputs;
        let n = self.labels.len() as f64;
        let smooth = |x: &[f64], gradient: &mut [f64]| {
            gradient.fill(0.0);
            let mut total = 0.0;
            let mut scores = vec![0.0; outputs];
            for (decisions, &label) in decisions.chunks_exact(outputs).zip(&self.labels) {
                for ((score, d), offset) in scores.iter_mut().zip(decisions).zip(&x[1..]) {
                    *score = x[0] * d + offset;
                }
                total += residuals(self.task, label, &mut scores) / n;
                gradient[1..].iter_mut().zip(&scores).for_each(|(g, r)| *g += r / n);
                gradient[0] += scores.iter().zip(decisions).map(|(r, d)| r * d / n).sum::<f64>();
            }
            gradient[0] += RIDGE * (x[0] - 1.0);
            total + 0.5 * RIDGE * (x[0] - 1.0).powi(2)
        };
        let mut x = vec![0.0; outputs + 1];
        x[0] = 1.0;
        let none = vec![0.0; outputs + 1];
        minimize(&mut x, &none, Stop { iterations: 200, gradient: 1e-7 }, smooth, || self.job.stopped());
        Scales { slope: x[0], offsets: x[1..].to_vec() }
    }
}

/// The fold of each point: dealt in random order, label by label. Points of the same number are never on both sides: a row that
/// was drawn several times, rows of a group.
fn folds(clumps: &[u32], labels: &[f32], seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..clumps.len()).collect();
    Random::new(seed, 301).shuffle(&mut order);
    order.sort_by(|&a, &b| labels[a].total_cmp(&labels[b]));
    let mut folds = vec![0; order.len()];
    let mut dealt: HashMap<u32, usize> = HashMap::new();
    for at in order {
        let next = dealt.len() % FOLDS;
        folds[at] = *dealt.entry(clumps[at]).or_insert(next);
    }
    folds
}

/// x·y of points whose places ascend.
fn product(a: &[SvmNode], b: &[SvmNode]) -> f64 {
    let (mut i, mut j, mut sum) = (0, 0, 0.0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        match x.index.cmp(&y.index) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                sum += x.value * y.value;
                (i, j) = (i + 1, j + 1);
            }
        }
    }
    sum
}

/// Fitted machines over common support vectors.
struct Machine {
    /// The inputs side by side: a linear model whose weights are 1 on the diagonal.
    inputs: LinearModel,
    kernel: Kernel,
    gamma: f32,
    /// Support vectors, row-major, as wide as the inputs.
    vectors: Vec<f32>,
    /// ‖v‖² of each.
    squares: Vec<f32>,
    /// Coefficients of each vector, one an output, row-major.
    coefficients: Vec<f32>,
    offsets: Vec<f32>,
    link: Link,
}

impl Machine {
    fn new(work: &Work<'_>, design: &Design, machines: &[Decision], scales: &Scales) -> Self {
        let (width, outputs) = (design.width(), machines.len());
        let mut used: Vec<usize> = machines.iter().flat_map(|m| &m.terms).map(|&(i, _)| i).collect();
        used.sort_unstable();
        used.dedup();
        let mut coefficients = vec![0.0f32; used.len() * outputs];
        for (output, machine) in machines.iter().enumerate() {
            for (i, c) in &machine.terms {
                let at = used.partition_point(|u| u < i);
                coefficients[at * outputs + output] = (c * scales.slope) as f32;
            }
        }
        let offset = |(m, o): (&Decision, &f64)| (o - m.rho * scales.slope) as f32;
        let mut vectors = vec![0.0f32; used.len() * width];
        for (vector, &i) in vectors.chunks_exact_mut(width.max(1)).zip(&used) {
            work.points[i].iter().for_each(|node| vector[node.index as usize - 1] = node.value as f32);
        }
        let square = |v: &[f32]| v.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() as f32;
        let diagonal = |i: usize, o: usize| f64::from(u8::from(i == o));
        Self {
            inputs: LinearModel::new(design, &diagonal, vec![0.0; width], Link::Identity),
            kernel: work.svm.kernel,
            gamma: work.gamma as f32,
            squares: vectors.chunks_exact(width.max(1)).map(square).collect(),
            vectors,
            coefficients,
            offsets: machines.iter().zip(&scales.offsets).map(offset).collect(),
            link: link(work.task),
        }
    }

    /// The kernel of a row (with its ‖x‖²) and vector `at`, in the steps of the graph.
    fn compare(&self, row: &[f32], square: f32, at: usize) -> f32 {
        let vector = &self.vectors[at * row.len()..(at + 1) * row.len()];
        let product: f64 = row.iter().zip(vector).map(|(&x, &v)| f64::from(x) * f64::from(v)).sum();
        let product = product as f32;
        match self.kernel {
            Kernel::Linear => product,
            Kernel::Radial => ((square + self.squares[at] - 2.0 * product) * -self.gamma).exp(),
            Kernel::Polynomial(degree) => {
                let base = product * self.gamma + 1.0;
                (1..degree).fold(base, |power, _| power * base)
            }
        }
    }
}

impl Fitted for Machine {
    fn predict(&self, matrix: &Matrix) -> Vec<f32> {
        let (width, outputs) = (self.inputs.intercept.len(), self.offsets.len());
        let rows = self.inputs.predict(matrix);
        let mut out = Vec::with_capacity(matrix.rows * outputs);
        let mut sums = vec![0.0f64; outputs];
        for row in rows.chunks_exact(width.max(1)) {
            let square = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() as f32;
            sums.iter_mut().zip(&self.offsets).for_each(|(s, &o)| *s = f64::from(o));
            for (at, coefficients) in self.coefficients.chunks_exact(outputs).enumerate() {
                let kernel = f64::from(self.compare(row, square, at));
                sums.iter_mut().zip(coefficients).for_each(|(s, &c)| *s += kernel * f64::from(c));
            }
            let mut scores: Vec<f32> = sums.iter().map(|&s| s as f32).collect();
            self.link.apply(&mut scores);
            out.extend(scores);
        }
        out
    }

    fn work(&self) -> usize {
        self.vectors.len() / PRODUCTS_PER_TREE
    }

    fn size(&self) -> usize {
        // A node of a tree takes about forty bytes, a number four.
        (self.vectors.len() + self.coefficients.len()) / 10
    }

    fn width(&self, _features: usize) -> usize {
        // A kernel takes up to seven steps, with constants of its own.
        self.inputs.row_numbers() + 3 * self.inputs.intercept.len() + 8 * self.squares.len()
    }

    fn export(&self, sheet: &mut crate::export::Sheet<'_>) -> Result<String, Error> {
        export::machine(self, sheet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Control;
    use crate::dataset::Classes;

    #[test]
    fn a_sample_keeps_the_shares_of_the_classes() {
        let values = (0..40_000).map(|row| f32::from(u8::from(row % 50 == 7))).collect();
        let target = Target { name: "y".into(), task: Task::Binary, classes: Some(Classes::Boolean), values };
        let train: Vec<u32> = (0..40_000).collect();
        let (send, _told) = std::sync::mpsc::channel();
        let control = Control::new(1, send);
        let job = Job {
            train: &train,
            valid: &[],
            rounds: 0,
            weights: &[],
            seed: 3,
            control: &control,
            until: None,
        };
        let rows = sample(&target, &job, 10);
        assert!((FEWEST_ROWS as usize..20_000).contains(&rows.len()), "{}", rows.len());
        assert!(rows.windows(2).all(|pair| pair[0] < pair[1]), "no row twice");
        let rare = rows.iter().filter(|&&row| row % 50 == 7).count();
        assert!(rare.abs_diff(rows.len() / 50) <= 1, "{rare} of {}", rows.len());
    }

    #[test]
    fn copies_of_a_row_are_in_one_fold() {
        let rows: Vec<u32> = (0..90).map(|i| i % 40).collect();
        let labels: Vec<f32> = rows.iter().map(|r| (r % 2) as f32).collect();
        let folds = folds(&rows, &labels, 7);
        assert!((0..90).all(|i| (0..90).all(|j| rows[i] != rows[j] || folds[i] == folds[j])));
        assert!((0..FOLDS).all(|fold| folds.iter().filter(|f| **f == fold).count() > 20));
    }
}
