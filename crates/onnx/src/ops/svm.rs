//! `SVMClassifier` and `SVMRegressor`, read as onnxruntime reads them. Without support vectors they are linear.

use std::sync::Arc;

use super::classify::{label, label_tensor};
use super::matmul::dot;
use super::probability::{couple, platt};
use super::{Inputs, Op, Operator, float, matrix, need, need_value, numbers};
use crate::attrs::Node;
use crate::error::Result;
use crate::limits;
use crate::program::{Block, Kind, Lower, Row, Shape, Span, Step, Value};
use crate::scores::{Labels, Post, linear_pair};
use crate::tensor::Tensor;

/// Steps of a similarity beside one for each column, and of coupling the probabilities of a pair of classes.
const SIMILARITY: usize = 16;
const COUPLING: usize = 200;

/// Similarity of two rows.
#[derive(Debug, Clone, Copy)]
enum Kernel {
    Linear,
    Poly { gamma: f64, shift: f64, degree: f64 },
    Rbf { gamma: f64 },
    Sigmoid { gamma: f64, shift: f64 },
}

impl Kernel {
    fn read(node: &Node<'_>) -> Result<Self> {
        let [gamma, shift, degree] = match *node.floats("kernel_params")? {
            [] => [0.0; 3],
            [gamma, shift, degree] => [gamma, shift, degree].map(f64::from),
            ref other => {
                return Err(node.error(format!("kernel_params has {} entries, expected 3", other.len())));
            }
        };
        Ok(match node.text("kernel_type")?.as_deref() {
            None | Some("LINEAR") => Self::Linear,
            Some("POLY") => Self::Poly { gamma, shift, degree },
            Some("RBF") => Self::Rbf { gamma },
            Some("SIGMOID") => Self::Sigmoid { gamma, shift },
            Some(other) => return Err(node.error(format!("kernel_type {other:?} is unknown"))),
        })
    }

    fn of(self, a: &[f32], b: &[f32]) -> f64 {
        match self {
            Self::Linear => dot(a, b),
            Self::Poly { gamma, shift, degree } => (gamma * dot(a, b) + shift).powf(degree),
            Self::Sigmoid { gamma, shift } => (gamma * dot(a, b) + shift).tanh(),
            Self::Rbf { gamma } => {
                let far = |(&a, &b): (&f32, &f32)| {
                    let apart = f64::from(a) - f64::from(b);
                    apart * apart
                };
                (-gamma * a.iter().zip(b).map(far).sum::<f64>()).exp()
            }
        }
    }
}

/// Vectors of one width that rows are compared with.
#[derive(Debug)]
struct Support {
    kernel: Kernel,
    vectors: Vec<f32>,
    width: usize,
    count: usize,
}

impl Support {
    fn new(node: &Node<'_>, kernel: Kernel, vectors: Vec<f32>, count: usize) -> Result<Self> {
        let width = vectors.len() / count.max(1);
        if count == 0 || width == 0 || !vectors.len().is_multiple_of(count) || count > limits::ROW_WIDTH {
            let numbers = vectors.len();
            return Err(node.error(format!("{numbers} numbers do not make {count} vectors of one width")));
        }
        Ok(Self { kernel, vectors, width, count })
    }

    fn fits(&self, width: usize) -> Result<(), String> {
        if width == self.width { Ok(()) } else { Err(format!("takes {} columns, got {width}", self.width)) }
    }

    fn compare(&self, row: &[f32], to: &mut [f64]) {
        for (to, vector) in to.iter_mut().zip(self.vectors.chunks_exact(self.width)) {
            *to = self.kernel.of(row, vector);
        }
    }
}

/// What follows the comparison with the support vectors.
#[derive(Debug)]
enum Rule {
    /// Margins of all pairs of classes: coefficients `[classes - 1, vectors]`, first vector and number of
    /// vectors of each class, and per pair the parameters of its probability, if any.
    Pairs { coefficients: Vec<f32>, ranges: Vec<(usize, usize)>, platt: Vec<(f32, f32)> },
    /// One score a class; the vectors are its coefficients.
    Linear { all_positive: bool },
    /// One value: a coefficient a vector.
    Value { coefficients: Vec<f32>, one_class: bool },
}

#[derive(Debug)]
struct Machine {
    support: Support,
    rho: Vec<f32>,
    rule: Rule,
    post: Post,
    classes: usize,
}

#[derive(Debug)]
struct Svm {
    machine: Arc<Machine>,
    /// None for a regressor.
    labels: Option<Labels>,
}

pub(super) fn regressor(node: &Node<'_>) -> Result<Op> {
    let kernel = Kernel::read(node)?;
    let coefficients = node.floats("coefficients")?.to_vec();
    let rho = node.floats("rho")?.to_vec();
    if rho.len() != 1 {
        return Err(node.error(format!("rho has {} entries, expected one", rho.len())));
    }
    let one_class = node.int("one_class")?.unwrap_or(0) != 0;
    let count = match node.int("n_supports")?.unwrap_or(0) {
        n @ 0.. => usize::try_from(n).unwrap_or(usize::MAX),
        n => return Err(node.error(format!("n_supports is {n}"))),
    };
    let (support, coefficients) = if count == 0 {
        (Support::new(node, Kernel::Linear, coefficients, 1)?, vec![1.0])
    } else {
        same(node, "coefficients", coefficients.len(), count)?;
        (Support::new(node, kernel, node.floats("support_vectors")?.to_vec(), count)?, coefficients)
    };
    let rule = Rule::Value { coefficients, one_class };
    // Other runtimes ignore a regressor's post transform, and so do we.
    Post::read(node)?;
    let machine = Machine { support, rho, rule, post: Post::None, classes: 1 };
    Ok(Box::new(Svm { machine: Arc::new(machine), labels: None }))
}

fn same(node: &Node<'_>, name: &str, got: usize, expected: usize) -> Result<()> {
    if got == expected {
        Ok(())
    } else {
        Err(node.error(format!("{name} has {got} entries, expected {expected}")))
    }
}

pub(super) fn classifier(node: &Node<'_>) -> Result<Op> {
    let labels = Labels::read(node)?;
    let classes = labels.len();
    if !(2..=limits::ROW_WIDTH).contains(&(classes * classes)) {
        return Err(node.unsupported(format!("{classes} classes can't be told apart here")));
    }
    let (rho, post) = (node.floats("rho")?.to_vec(), Post::read(node)?);
    let coefficients = node.floats("coefficients")?.to_vec();
    let counts = node.ints("vectors_per_class")?;
    let (support, rule) = if counts.iter().all(|&c| c == 0) {
        let all_positive = coefficients.iter().all(|&c| c >= 0.0);
        if rho.is_empty() {
            return Err(node.error("rho is empty"));
        }
        (Support::new(node, Kernel::Linear, coefficients, classes)?, Rule::Linear { all_positive })
    } else {
        pairs(node, classes, coefficients, counts)?
    };
    if let Rule::Pairs { .. } = rule {
        same(node, "rho", rho.len(), classes * (classes - 1) / 2)?;
    }
    let machine = Machine { support, rho, rule, post, classes };
    Ok(Box::new(Svm { machine: Arc::new(machine), labels: Some(labels) }))
}

fn pairs(node: &Node<'_>, classes: usize, coefficients: Vec<f32>, counts: &[i64]) -> Result<(Support, Rule)> {
    same(node, "vectors_per_class", counts.len(), classes)?;
    let mut ranges = Vec::with_capacity(classes);
    let mut total = 0_usize;
    for &count in counts {
        let count = usize::try_from(count).ok().filter(|&c| c <= limits::ROW_WIDTH);
        let count = count.ok_or_else(|| node.error("vectors_per_class has a number out of range"))?;
        ranges.push((total, count));
        total += count;
    }
    same(node, "coefficients", coefficients.len(), (classes - 1) * total)?;
    let (a, b) = (node.floats("prob_a")?, node.floats("prob_b")?);
    same(node, "prob_b", b.len(), a.len())?;
    if !a.is_empty() {
        same(node, "prob_a", a.len(), classes * (classes - 1) / 2)?;
    }
    let platt = a.iter().copied().zip(b.iter().copied()).collect();
    let vectors = node.floats("support_vectors")?.to_vec();
    let support = Support::new(node, Kernel::read(node)?, vectors, total)?;
    Ok((support, Rule::Pairs { coefficients, ranges, platt }))
}

impl Machine {
    fn pairs(&self) -> usize {
        self.classes * (self.classes - 1) / 2
    }

    /// Columns of the scores.
    fn width(&self) -> usize {
        match &self.rule {
            Rule::Pairs { platt, .. } if platt.is_empty() => self.pairs().max(2),
            _ => self.classes,
        }
    }

    /// Numbers of scratch one row needs.
    fn scratch(&self) -> usize {
        let classes = self.classes;
        self.support.count + self.pairs() + 2 * classes * classes + 3 * classes
    }

    /// Steps of one row.
    fn work(&self) -> usize {
        let (count, classes) = (self.support.count, self.classes);
        let similar = count.saturating_mul(self.support.width.saturating_add(SIMILARITY));
        similar.saturating_add(match &self.rule {
            Rule::Pairs { platt, .. } => {
                let couple = if platt.is_empty() { 1 } else { COUPLING };
                count.saturating_mul(classes).saturating_add(classes.saturating_mul(classes * couple))
            }
            Rule::Linear { .. } | Rule::Value { .. } => count,
        })
    }

    /// Scores of one row; gives its class.
    fn run(&self, row: &[f32], scratch: &mut [f64], out: &mut [f32]) -> usize {
        let (kernels, scratch) = scratch.split_at_mut(self.support.count);
        self.support.compare(row, kernels);
        match &self.rule {
            Rule::Value { coefficients, one_class } => {
                let sum: f64 = kernels.iter().zip(coefficients).map(|(k, &c)| k * f64::from(c)).sum();
                let value = (sum + f64::from(self.rho[0])) as f32;
                let side = if value > 0.0 { 1.0 } else { -1.0 };
                out[0] = if *one_class { side } else { value };
                0
            }
            Rule::Linear { all_positive } => {
                out.iter_mut().zip(&*kernels).for_each(|(to, k)| *to = (k + f64::from(self.rho[0])) as f32);
                self.best(out, *all_positive)
            }
            Rule::Pairs { coefficients, ranges, platt } => {
                let (margins, rest) = scratch.split_at_mut(self.pairs());
                self.margins(kernels, coefficients, ranges, margins);
                self.decide(margins, platt, rest, out)
            }
        }
    }

    /// The class with the best score; of two, the second as soon as a score speaks for it.
    fn best(&self, out: &mut [f32], all_positive: bool) -> usize {
        let best = (1..out.len()).fold(0, |best, at| if out[at] > out[best] { at } else { best });
        let second = self.classes == 2 && if all_positive { out[best] >= 0.5 } else { out[best] > 0.0 };
        self.post.apply(out);
        if second { 1 } else { best }
    }

    fn margins(&self, kernels: &[f64], coefficients: &[f32], ranges: &[(usize, usize)], to: &mut [f64]) {
        let sum = |line: usize, (start, count): (usize, usize)| -> f64 {
            let line = &coefficients[line * self.support.count..][start..start + count];
            line.iter().zip(&kernels[start..]).map(|(&c, k)| f64::from(c) * k).sum()
        };
        let mut pair = 0;
        for i in 0..self.classes {
            for j in i + 1..self.classes {
                to[pair] = sum(j - 1, ranges[i]) + sum(i, ranges[j]) + f64::from(self.rho[pair]);
                pair += 1;
            }
        }
    }

    /// The class most pairs vote for, with probabilities or margins as scores.
    fn decide(&self, margins: &[f64], platts: &[(f32, f32)], scratch: &mut [f64], out: &mut [f32]) -> usize {
        let classes = self.classes;
        let (votes, scratch) = scratch.split_at_mut(classes);
        let (p, scratch) = scratch.split_at_mut(classes);
        let (chances, scratch) = scratch.split_at_mut(classes * classes);
        votes.fill(0.0);
        let mut pair = 0;
        for i in 0..classes {
            for j in i + 1..classes {
                votes[if margins[pair] > 0.0 { i } else { j }] += 1.0;
                if let Some(&(a, b)) = platts.get(pair) {
                    chances[i * classes + j] = platt(f64::from(margins[pair] as f32), a, b);
                    chances[j * classes + i] = 1.0 - chances[i * classes + j];
                }
                pair += 1;
            }
        }
        let best = (1..classes).fold(0, |best, at| if votes[at] > votes[best] { at } else { best });
        if !platts.is_empty() {
            couple(chances, scratch, p);
            out.iter_mut().zip(&*p).for_each(|(to, &p)| *to = p as f32);
            self.post.apply(out);
        } else if classes > 2 {
            out.iter_mut().zip(margins).for_each(|(to, &m)| *to = m as f32);
            self.post.apply(out);
        } else {
            let margin = margins[0] as f32;
            let pair = match self.post {
                Post::None => [-margin, margin],
                post => linear_pair(post, margin),
            };
            out.copy_from_slice(&pair);
        }
        best
    }
}

impl Operator for Svm {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        let (rows, width) = matrix(input)?;
        let machine = &*self.machine;
        machine.support.fits(width)?;
        let values = numbers(input)?;
        let made = machine.width();
        let mut out = vec![0.0; inputs.count(&[rows, made])?];
        let mut scratch = vec![0.0; machine.scratch()];
        let each = values.chunks_exact(width).zip(out.chunks_exact_mut(made));
        let classes: Vec<usize> = each.map(|(from, to)| machine.run(from, &mut scratch, to)).collect();
        let scores = float(vec![rows, made], out);
        Ok(match &self.labels {
            Some(labels) => vec![label_tensor(labels, &classes), scores],
            None => vec![scores],
        })
    }

    fn work(&self, inputs: &Inputs<'_>) -> usize {
        let numbers = inputs.get(0).map_or(0, |tensor| tensor.data.len());
        (numbers / self.machine.support.width).saturating_mul(self.machine.work())
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let row = lower.number(need_value(inputs, 0)?)?;
        self.machine.support.fits(row.shape.matrix_width()?)?;
        let label = self.labels.as_ref().map(|labels| label(lower, labels)).transpose()?;
        let shape = Shape::matrix(self.machine.width());
        let scores = lower.make(usize::from(label.is_some()), shape, Kind::Float)?;
        lower.scratch(0, self.machine.scratch());
        lower.push(SvmStep {
            machine: Arc::clone(&self.machine),
            from: row.place,
            label: label.as_ref().map(|l: &Row| l.place),
            scores: scores.place,
        });
        Ok(label.into_iter().chain([scores]).map(Value::Row).collect())
    }
}

#[derive(Debug)]
struct SvmStep {
    machine: Arc<Machine>,
    from: usize,
    label: Option<usize>,
    scores: usize,
}

impl Step for SvmStep {
    fn reads(&self) -> Vec<Span> {
        vec![(self.from, self.machine.support.width)]
    }

    fn writes(&self) -> Vec<Span> {
        [(self.scores, self.machine.width())].into_iter().chain(self.label.map(|l| (l, 1))).collect()
    }

    fn run(&self, block: &mut Block<'_>) {
        let (from, scores) = (block.places[self.from], block.places[self.scores]);
        let label = self.label.map(|l| block.places[l]);
        let split = label.map_or(scores.offset, |l| l.offset.min(scores.offset));
        let (read, write) = block.arena.split_at_mut(split);
        for row in 0..block.rows {
            let source = &read[from.row(row)..][..self.machine.support.width];
            let to = &mut write[scores.row(row) - split..][..self.machine.width()];
            let class = self.machine.run(source, block.sums, to);
            if let Some(label) = label {
                write[label.row(row) - split] = class as f32;
            }
        }
    }
}
