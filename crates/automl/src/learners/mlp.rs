//! Small neural networks: several multi-layer perceptrons whose answers are averaged.
//!
//! After RealMLP (Holzmüller, Grinsztajn, Steinwart, "Better by default: strong pre-tuned MLPs and boosted trees on
//! tabular data", 2024): learned scales of the inputs, AdamW, a rate that rises and falls, and piecewise linear parts of
//! numbers as further inputs. What predicts is a running mean of the weights. Training is cut into [`ROUNDS`]
//! rounds, which a search cuts like those of boosting.

mod export;
mod net;

use super::design::{Design, Recipe, Rows};
use super::linear::{LinearModel, link};
use super::{Fit, Fitted, Job, Learner, PRODUCTS_PER_TREE, Shared, Spread};
use crate::dataset::{Matrix, Target};
use crate::random::Random;
use crate::spec::Algorithm;
use crate::{Error, Task};
use net::{Batch, Net, Pace, Plan};

/// A configuration; the default suits tables up to some ten thousand rows, `members` 1 and `width` 64 larger ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mlp {
    /// Hidden layers and units of each.
    pub layers: usize,
    pub width: usize,
    /// Piecewise linear parts of a number; 0 = only its standardised value.
    pub pieces: usize,
    /// Highest learning rate.
    pub rate: f64,
    /// Weight decay.
    pub decay: f64,
    /// Share of the hidden units switched off in a step.
    pub dropout: f64,
    /// Networks with different random weights, averaged.
    pub members: usize,
}

impl Default for Mlp {
    /// Two layers of 64, eight parts a number, rate 0.006, decay 0.02, dropout 0.15, three networks.
    fn default() -> Self {
        Self { layers: 2, width: 64, pieces: 8, rate: 0.006, decay: 0.02, dropout: 0.15, members: 3 }
    }
}

/// Rounds of a full training.
pub(crate) const ROUNDS: usize = 16;
/// Power by which rounds get longer, and steps of a full training at least.
const STRETCH: f64 = 1.7;
const MIN_STEPS: usize = 500;
/// In so many rounds the loss must fall by this share of the first round's.
const PATIENCE: usize = 4;
const LEAST_GAIN: f64 = 1e-3;
/// Passes over the rows: at least, at most, and row visits in all.
const PASSES: (f64, f64) = (10.0, 40.0);
const VISITS: f64 = 400_000.0;
/// Multiplications of a fit at most.
const WORK: f64 = 1.5e10;
/// Rows of a batch: this share of all, within bounds.
const BATCH_SHARE: usize = 40;
const BATCH: (usize, usize) = (32, 256);
/// Share of the steps in which the rate rises.
const RISE: f64 = 0.1;
/// Rows scored at a time.
const BLOCK: usize = 256;

impl Learner for Mlp {
    fn name(&self) -> String {
        let members = if self.members > 1 { format!("{} × ", self.members) } else { String::new() };
        let rate = (self.rate * 1e5).round() / 1e5;
        format!(
            "NeuralNetwork ({members}{} × {}, {} pieces, rate {rate}, decay {}, dropout {})",
            self.layers, self.width, self.pieces, self.decay, self.dropout
        )
    }

    fn algorithm(&self) -> Algorithm {
        Algorithm::NeuralNetwork
    }

    fn fit(&self, shared: &Shared<'_>, job: &Job<'_>) -> Result<Fit, Error> {
        let data = shared.data;
        let design = Design::new(data, job.train, Recipe { logarithms: true, pieces: self.pieces });
        let spread = Spread::new(&data.target, job);
        let read = |rows: &[u32]| Examples {
            rows: design.rows(&data.matrix, rows),
            labels: rows.iter().map(|&r| spread.standard(data.target.values[r as usize])).collect(),
            weights: rows.iter().map(|&r| job.weight(r)).collect(),
        };
        let mut training = Training::new(self, &design, (&data.target, job), read(job.train));
        let valid = read(job.valid);
        let rounds = if job.valid.is_empty() { job.rounds.clamp(1, ROUNDS) } else { ROUNDS };
        let (mut curve, mut kept) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            training.round(round, job)?;
            if job.valid.is_empty() && round + 1 < rounds {
                continue;
            }
            kept.push(training.nets.iter().map(|net| net.smooth.clone()).collect());
            if !job.valid.is_empty() {
                let loss = training.loss(&valid) * spread.deviation;
                curve.push(loss);
                if exhausted(&curve) {
                    break;
                }
            }
        }
        let rounds = if job.valid.is_empty() { rounds } else { kept.len() };
        let mut model = Mlps { nets: Vec::new(), design, plan: training.plan, kept, spread, rounds };
        model.settle();
        Ok(Fit { model: Box::new(model), curve })
    }
}

/// Whether the least loss is too long ago, or falls too slowly to be worth the work.
fn exhausted(curve: &[f64]) -> bool {
    let least = |losses: &[f64]| losses.iter().copied().fold(f64::INFINITY, f64::min);
    let Some(before) = curve.len().checked_sub(PATIENCE).filter(|&n| n > 0) else { return false };
    least(&curve[..before]) - least(&curve[before..]) < LEAST_GAIN * curve[0]
}

/// Rows with their labels.
struct Examples {
    rows: Rows,
    labels: Vec<f32>,
    weights: Vec<f32>,
}

impl Examples {
    /// The rows `picked` as a batch.
    fn fill(&self, plan: &Plan, picked: &[u32], batch: &mut Batch) {
        batch.rows = picked.len();
        batch.dense.clear();
        batch.hot.clear();
        batch.labels.clear();
        batch.weights.clear();
        for &i in picked {
            let i = i as usize;
            batch.dense.extend_from_slice(&self.rows.dense[i * plan.dense..(i + 1) * plan.dense]);
            batch.hot.extend_from_slice(&self.rows.hot[i * plan.hot..(i + 1) * plan.hot]);
            batch.labels.push(self.labels[i]);
            batch.weights.push(self.weights[i]);
        }
    }
}

/// Networks that learn in step.
struct Training {
    plan: Plan,
    examples: Examples,
    nets: Vec<Net>,
    /// The order of the rows, one a network, and the place in it.
    orders: Vec<(Vec<u32>, usize, Random)>,
    batch: usize,
    steps: usize,
    pace: Pace,
}

impl Training {
    fn new(mlp: &Mlp, design: &Design, (target, job): (&Target, &Job<'_>), examples: Examples) -> Self {
        let rows = examples.labels.len();
        let mut layers = vec![mlp.width; mlp.layers];
        layers.push(target.width());
        let plan = Plan {
            dense: design.dense(),
            inputs: design.width(),
            hot: design.categories.len(),
            layers,
            task: target.task,
        };
        let start = start(&plan, &examples);
        let members = 0..mlp.members as u64;
        let net = |m: u64| Net::new(&plan, &start, Random::new(job.seed, 100 + m));
        let order = |m: u64| ((0..rows as u32).collect(), rows, Random::new(job.seed, 200 + m));
        let batch = (rows / BATCH_SHARE).clamp(BATCH.0, BATCH.1).min(rows);
        let affordable = WORK / (plan.work() * rows as f64 * mlp.members as f64);
        let passes = (VISITS / rows as f64).clamp(PASSES.0, PASSES.1).min(affordable).max(1.0);
        let steps = (passes * rows as f64 / batch as f64).ceil() as usize;
        let steps = steps.max(MIN_STEPS);
        let keep = 1.0 - (1.0f64 / (rows as f64 / batch as f64).max(steps as f64 / 60.0)).min(0.5);
        let pace = Pace {
            rate: mlp.rate as f32,
            decay: mlp.decay as f32,
            dropout: (mlp.dropout * 256.0).round() as u8,
            keep: keep as f32,
        };
        let nets = members.clone().map(net).collect();
        Self { nets, orders: members.map(order).collect(), plan, examples, batch, steps, pace }
    }

    /// The step a round begins with: early rounds are shorter, since small tables are learned in few passes.
    fn begin(&self, round: usize) -> usize {
        (self.steps as f64 * (round as f64 / ROUNDS as f64).powf(STRETCH)).round() as usize
    }

    /// The steps of one round, network by network.
    fn round(&mut self, round: usize, job: &Job<'_>) -> Result<(), Error> {
        let mut batch = Batch::default();
        let steps = self.begin(round)..self.begin(round + 1);
        for (net, (order, at, random)) in self.nets.iter_mut().zip(&mut self.orders) {
            for step in steps.clone() {
                if job.stopped() {
                    return Err(Error::Cancelled);
                }
                if *at + self.batch > order.len() {
                    random.shuffle(order);
                    *at = 0;
                }
                self.examples.fill(&self.plan, &order[*at..*at + self.batch], &mut batch);
                *at += self.batch;
                let rate = rate(self.pace.rate, step as f64 / self.steps as f64);
                net.step(&batch, Pace { rate, ..self.pace });
            }
        }
        Ok(())
    }

    /// Log loss, or root mean squared error of the standardised number, of the averaged answers.
    fn loss(&mut self, valid: &Examples) -> f64 {
        let (mut total, mut weight) = (0.0, 0.0);
        let mut batch = Batch::default();
        let link = link(self.plan.task);
        let rows: Vec<u32> = (0..valid.labels.len() as u32).collect();
        let share = 1.0 / self.nets.len() as f32;
        for picked in rows.chunks(BLOCK) {
            valid.fill(&self.plan, picked, &mut batch);
            let width = self.plan.layers.last().copied().unwrap_or(1);
            let mut sums = vec![0.0f32; picked.len() * width];
            for net in &mut self.nets {
                for (sum, scores) in sums.chunks_exact_mut(width).zip(net.scores(&batch).chunks_exact(width))
                {
                    let mut scores = scores.to_vec();
                    link.apply(&mut scores);
                    sum.iter_mut().zip(scores).for_each(|(s, p)| *s += p * share);
                }
            }
            for ((answer, &label), &w) in sums.chunks_exact(width).zip(&batch.labels).zip(&batch.weights) {
                total += f64::from(w) * loss(self.plan.task, answer, label);
                weight += f64::from(w);
            }
        }
        let mean = total / weight;
        if self.plan.task == Task::Regression { mean.sqrt() } else { mean }
    }
}

/// Loss of one row: log loss, or the squared error.
fn loss(task: Task, answer: &[f32], label: f32) -> f64 {
    let log = |p: f32| -f64::from(p.max(1e-7)).ln();
    match task {
        Task::Regression => f64::from(answer[0] - label).powi(2),
        Task::Binary => log(if label > 0.5 { answer[0] } else { 1.0 - answer[0] }),
        Task::Multiclass => log(answer[label as usize]),
    }
}

/// Scores that give the class shares, or the mean.
fn start(plan: &Plan, examples: &Examples) -> Vec<f32> {
    let outputs = plan.layers.last().copied().unwrap_or(1);
    let mut sums = vec![0.5f64; outputs];
    let mut total = 1.0;
    for (&label, &weight) in examples.labels.iter().zip(&examples.weights) {
        total += f64::from(weight);
        match plan.task {
            Task::Multiclass => sums[label as usize] += f64::from(weight),
            Task::Binary => sums[0] += f64::from(weight * label),
            Task::Regression => {}
        }
    }
    let score = |sum: &f64| match plan.task {
        Task::Regression => 0.0,
        Task::Binary => (sum / (total - sum)).ln() as f32,
        Task::Multiclass => (sum / total).ln() as f32,
    };
    sums.iter().map(score).collect()
}

/// The rate at a share of the training: up in a line, down in half a cosine.
fn rate(top: f32, at: f64) -> f32 {
    if at < RISE {
        return (f64::from(top) * (at / RISE).max(0.05)) as f32;
    }
    let fall = (at - RISE) / (1.0 - RISE);
    (f64::from(top) * 0.5 * (1.0 + (std::f64::consts::PI * fall).cos())).max(1e-6) as f32
}

/// A layer after the first.
#[derive(Debug, Clone, PartialEq)]
struct Layer {
    /// Row-major, one row an input.
    weights: Vec<f32>,
    bias: Vec<f32>,
}

/// A trained network: a linear model whose outputs are the first layer's units, then the other layers.
struct Trained {
    first: LinearModel,
    rest: Vec<Layer>,
}

/// Trained networks.
struct Mlps {
    nets: Vec<Trained>,
    design: Design,
    plan: Plan,
    /// Parameters of every network after each round; of the last one only, when nothing was watched.
    kept: Vec<Vec<Vec<f32>>>,
    spread: Spread,
    rounds: usize,
}

impl Mlps {
    /// Makes the networks of the last kept parameters.
    fn settle(&mut self) {
        let Some(parameters) = self.kept.last() else { return };
        let nets = parameters.iter().map(|parameters| self.trained(parameters));
        self.nets = nets.collect();
    }

    fn trained(&self, parameters: &[f32]) -> Trained {
        let mut layers = self.plan.layers_of(parameters).into_iter();
        let (weights, bias) = layers.next().unwrap_or_default();
        let width = bias.len();
        let at = |input: usize, output: usize| f64::from(weights[input * width + output]);
        let first = LinearModel::new(&self.design, &at, bias, super::Link::Identity);
        let mut rest: Vec<Layer> = layers.map(|(weights, bias)| Layer { weights, bias }).collect();
        if let Some(last) = rest.last_mut() {
            let back = |x: f32| (f64::from(x) * self.spread.deviation) as f32;
            last.weights.iter_mut().for_each(|w| *w = back(*w));
            last.bias.iter_mut().for_each(|b| *b = (f64::from(back(*b)) + self.spread.mean) as f32);
        }
        Trained { first, rest }
    }
}

impl Trained {
    /// Answers before the link, row-major.
    fn scores(&self, matrix: &Matrix) -> Vec<f32> {
        let mut values = self.first.predict(matrix);
        let mut width = self.first.intercept.len();
        for layer in &self.rest {
            let outputs = layer.bias.len();
            let mut next = Vec::with_capacity(matrix.rows * outputs);
            let mut sums = vec![0.0f64; outputs];
            for row in values.chunks_exact(width) {
                sums.iter_mut().zip(&layer.bias).for_each(|(s, &b)| *s = f64::from(b));
                for (&x, weights) in row.iter().zip(layer.weights.chunks_exact(outputs)) {
                    if x > 0.0 {
                        sums.iter_mut().zip(weights).for_each(|(s, &w)| *s += f64::from(x) * f64::from(w));
                    }
                }
                next.extend(sums.iter().map(|&s| s as f32));
            }
            (values, width) = (next, outputs);
        }
        values
    }
}

impl Fitted for Mlps {
    fn predict(&self, matrix: &Matrix) -> Vec<f32> {
        let link = link(self.plan.task);
        let width = self.plan.layers.last().copied().unwrap_or(1);
        let mut sums = vec![0.0f32; matrix.rows * width];
        let share = 1.0 / self.nets.len() as f32;
        for net in &self.nets {
            let mut scores = net.scores(matrix);
            scores.chunks_exact_mut(width).for_each(|row| link.apply(row));
            sums.iter_mut().zip(scores).for_each(|(s, p)| *s += share * p);
        }
        sums
    }

    fn cut(&mut self, rounds: usize) {
        if self.kept.len() > 1 {
            self.kept.truncate(rounds.max(1));
            let last = self.kept.len() - 1;
            self.kept.drain(..last);
            self.rounds = last + 1;
            self.settle();
        }
    }

    fn rounds(&self) -> usize {
        self.rounds
    }

    fn work(&self) -> usize {
        // The work of training goes three times through the weights.
        (self.nets.len() as f64 * self.plan.work() / 3.0) as usize / PRODUCTS_PER_TREE
    }

    fn size(&self) -> usize {
        // A node of a tree takes about forty bytes, a weight four.
        self.nets.len() * self.plan.parameters() / 10
    }

    fn width(&self, _features: usize) -> usize {
        let layers = |net: &Trained| 2 * net.rest.iter().map(|layer| layer.bias.len()).sum::<usize>();
        self.nets.iter().map(|net| net.first.row_numbers() + layers(net)).sum()
    }

    fn export(&self, sheet: &mut crate::export::Sheet<'_>) -> Result<String, Error> {
        export::networks(self, sheet)
    }
}
