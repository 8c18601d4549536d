//! One network in training: forward, backward, AdamW, and a running mean of the weights.

use super::super::kernel::{Room, View};
use crate::Task;
use crate::random::Random;

/// Decay of AdamW's means of the gradient and of its square (Loshchilov, Hutter, "Decoupled weight decay
/// regularization", 2019; the second is RealMLP's, Holzmüller et al., "Better by default", 2024).
const MOMENTUM: f32 = 0.9;
const SQUARES: f32 = 0.95;
const TINY: f32 = 1e-8;
/// How much faster the scales of the inputs learn than the weights (RealMLP's scaling layer).
const SCALE_RATE: f32 = 6.0;

/// Sizes of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// Numbers a row begins with.
    pub dense: usize,
    /// Inputs, those of categories included.
    pub inputs: usize,
    /// Categories: inputs a row has a 1 at.
    pub hot: usize,
    /// Widths of the hidden layers, then the number of outputs.
    pub layers: Vec<usize>,
    pub task: Task,
}

impl Plan {
    /// Height and width of a layer's weights.
    fn layer(&self, at: usize) -> (usize, usize) {
        (if at == 0 { self.inputs } else { self.layers[at - 1] }, self.layers[at])
    }

    /// First position of a layer's weights in the parameters; the biases follow them.
    fn start(&self, at: usize) -> usize {
        (0..at).map(|l| self.layer(l)).map(|(rows, columns)| (rows + 1) * columns).sum::<usize>()
            + self.inputs
    }

    /// Number of parameters: scales of the inputs, then the layers.
    pub(super) fn parameters(&self) -> usize {
        self.start(self.layers.len())
    }

    /// Multiplications a row costs in training.
    pub(super) fn work(&self) -> f64 {
        let products = |(at, &width): (usize, &usize)| {
            let inputs = if at == 0 { self.dense + self.hot } else { self.layers[at - 1] };
            (inputs * width) as f64
        };
        3.0 * self.layers.iter().enumerate().map(products).sum::<f64>()
    }

    /// Weights with the inputs' scales multiplied in, and biases, layer by layer.
    pub(super) fn layers_of(&self, parameters: &[f32]) -> Vec<(Vec<f32>, Vec<f32>)> {
        (0..self.layers.len())
            .map(|at| {
                let (rows, columns) = self.layer(at);
                let (weights, rest) = parameters[self.start(at)..].split_at(rows * columns);
                let mut weights = weights.to_vec();
                if at == 0 {
                    scale_rows(&mut weights, &parameters[..self.inputs], columns);
                }
                (weights, rest[..columns].to_vec())
            })
            .collect()
    }
}

/// Multiplies each row with its scale.
fn scale_rows(weights: &mut [f32], scales: &[f32], columns: usize) {
    for (row, &scale) in weights.chunks_exact_mut(columns).zip(scales) {
        row.iter_mut().for_each(|w| *w *= scale);
    }
}

/// Rows of one step.
#[derive(Default)]
pub(super) struct Batch {
    pub rows: usize,
    /// Row-major, as wide as the dense part.
    pub dense: Vec<f32>,
    /// Inputs that are 1, [`Plan::hot`] a row; `u32::MAX` is none.
    pub hot: Vec<u32>,
    /// Class index, or the standardised number.
    pub labels: Vec<f32>,
    /// Weights of the rows.
    pub weights: Vec<f32>,
}

/// How a step learns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub rate: f32,
    /// Share of a weight lost a step, times the rate.
    pub decay: f32,
    /// Share of the hidden units switched off, in 256ths.
    pub dropout: u8,
    /// Share of the running mean that stays.
    pub keep: f32,
}

/// A network in training.
pub(super) struct Net {
    plan: Plan,
    parameters: Vec<f32>,
    /// The running mean of the parameters, which is what predicts.
    pub smooth: Vec<f32>,
    gradient: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
    steps: i32,
    random: Random,
    room: Room,
    /// Answers of each layer for the batch, and for dropout what each unit is multiplied with.
    answers: Vec<Vec<f32>>,
    masks: Vec<Vec<f32>>,
}

impl Net {
    /// A network with random weights that answers `start` (scores, one an output).
    pub(super) fn new(plan: &Plan, start: &[f32], mut random: Random) -> Self {
        let mut parameters = vec![0.0; plan.parameters()];
        parameters[..plan.inputs].fill(1.0);
        for at in 0..plan.layers.len() {
            let (rows, columns) = plan.layer(at);
            let begin = plan.start(at);
            if at + 1 == plan.layers.len() {
                parameters[begin + rows * columns..][..columns].copy_from_slice(start);
                continue;
            }
            // He et al., "Delving deep into rectifiers" (2015), evenly; of a category one input is on.
            let active = if at == 0 { plan.dense + plan.hot } else { rows };
            let reach = (6.0 / active.max(1) as f64).sqrt();
            for w in &mut parameters[begin..begin + rows * columns] {
                *w = random.between(-reach, reach) as f32;
            }
        }
        let zeros = || vec![0.0; plan.parameters()];
        Self {
            plan: plan.clone(),
            smooth: parameters.clone(),
            parameters,
            gradient: zeros(),
            first: zeros(),
            second: zeros(),
            steps: 0,
            random,
            room: Room::default(),
            answers: vec![Vec::new(); plan.layers.len()],
            masks: vec![Vec::new(); plan.layers.len()],
        }
    }

    /// Learns from a batch.
    pub(super) fn step(&mut self, batch: &Batch, pace: Pace) {
        let layers = self.plan.layers_of(&self.parameters);
        self.forward(&layers, batch, pace.dropout);
        self.backward(&layers, batch);
        self.update(pace);
    }

    /// Scores of a batch by the smoothed weights, row-major.
    pub(super) fn scores(&mut self, batch: &Batch) -> &[f32] {
        let layers = self.plan.layers_of(&self.smooth);
        self.forward(&layers, batch, 0);
        self.answers.last().map_or(&[], Vec::as_slice)
    }

    fn forward(&mut self, layers: &[(Vec<f32>, Vec<f32>)], batch: &Batch, dropout: u8) {
        for (at, (weights, bias)) in layers.iter().enumerate() {
            let (height, width) = self.plan.layer(at);
            let (before, after) = self.answers.split_at_mut(at);
            let out = &mut after[0];
            out.clear();
            out.resize(batch.rows * width, 0.0);
            let (input, height) = match before.last() {
                None => (&batch.dense, self.plan.dense),
                Some(answers) => (answers, height),
            };
            let (input, matrix) = (View::new(input, batch.rows, height), View::new(weights, height, width));
            self.room.multiply(input, matrix, out);
            for (i, row) in out.chunks_exact_mut(width).enumerate() {
                row.iter_mut().zip(bias).for_each(|(x, b)| *x += b);
                if at == 0 {
                    for &hot in hot_of(batch, &self.plan, i) {
                        let weights = &weights[hot as usize * width..][..width];
                        row.iter_mut().zip(weights).for_each(|(x, w)| *x += w);
                    }
                }
            }
            if at + 1 < layers.len() {
                activate(out, &mut self.masks[at], dropout, &mut self.random);
            }
        }
    }

    fn backward(&mut self, layers: &[(Vec<f32>, Vec<f32>)], batch: &Batch) {
        let last = layers.len() - 1;
        let mut flow = std::mem::take(&mut self.answers[last]);
        residuals(self.plan.task, batch, &mut flow);
        for at in (0..=last).rev() {
            let (height, width) = self.plan.layer(at);
            let begin = self.plan.start(at);
            let (weights, rest) = self.gradient[begin..].split_at_mut(height * width);
            let input = if at == 0 { &batch.dense } else { &self.answers[at - 1] };
            let height = if at == 0 { self.plan.dense } else { height };
            let down = View::new(&flow, batch.rows, width);
            let input = View::new(input, batch.rows, height);
            self.room.multiply(input.turned(), down, &mut weights[..height * width]);
            let bias = &mut rest[..width];
            bias.fill(0.0);
            for row in flow.chunks_exact(width) {
                bias.iter_mut().zip(row).for_each(|(b, x)| *b += x);
            }
            if at == 0 {
                weights[height * width..].fill(0.0);
                for (i, row) in flow.chunks_exact(width).enumerate() {
                    for &hot in hot_of(batch, &self.plan, i) {
                        let weights = &mut weights[hot as usize * width..][..width];
                        weights.iter_mut().zip(row).for_each(|(w, x)| *w += x);
                    }
                }
                break;
            }
            let mut next = vec![0.0; batch.rows * height];
            let back = View::new(&layers[at].0, height, width).turned();
            self.room.multiply(down, back, &mut next);
            let passed = next.iter_mut().zip(&self.masks[at - 1]);
            passed.for_each(|(x, mask)| *x *= mask);
            flow = next;
        }
        self.scale_gradient();
    }

    /// From the gradient of the scaled weights to those of the weights and of the scales.
    fn scale_gradient(&mut self) {
        let (inputs, width) = (self.plan.inputs, self.plan.layers[0]);
        let (scales, rest) = self.gradient.split_at_mut(inputs);
        let weights = &self.parameters[inputs..];
        let rows = rest.chunks_exact_mut(width).zip(weights.chunks_exact(width));
        for ((scale, (gradient, weights)), &by) in scales.iter_mut().zip(rows).zip(&self.parameters) {
            *scale = gradient.iter().zip(weights).map(|(g, w)| g * w).sum();
            gradient.iter_mut().for_each(|g| *g *= by);
        }
    }

    fn update(&mut self, pace: Pace) {
        self.steps += 1;
        let correct = (1.0 - SQUARES.powi(self.steps)).sqrt() / (1.0 - MOMENTUM.powi(self.steps));
        // A running mean over fewer steps than its reach is a plain mean.
        let keep = pace.keep.min(self.steps as f32 / (self.steps as f32 + 9.0));
        let decay = pace.decay * pace.rate;
        for (range, rate, decay) in self.parts(pace.rate, decay) {
            let rate = rate * correct;
            let gradients = &self.gradient[range.clone()];
            let means = self.first[range.clone()].iter_mut().zip(&mut self.second[range.clone()]);
            let values = self.parameters[range.clone()].iter_mut().zip(&mut self.smooth[range]);
            for (((x, smooth), (m, v)), &g) in values.zip(means).zip(gradients) {
                *m = MOMENTUM * *m + (1.0 - MOMENTUM) * g;
                *v = SQUARES * *v + (1.0 - SQUARES) * g * g;
                *x -= rate * *m / (v.sqrt() + TINY) + decay * *x;
                *smooth = keep * *smooth + (1.0 - keep) * *x;
            }
        }
    }

    /// Ranges of the parameters with their rate and decay: scales and biases do not decay.
    fn parts(&self, rate: f32, decay: f32) -> Vec<(std::ops::Range<usize>, f32, f32)> {
        let mut parts = vec![(0..self.plan.inputs, rate * SCALE_RATE, 0.0)];
        for at in 0..self.plan.layers.len() {
            let (rows, columns) = self.plan.layer(at);
            let begin = self.plan.start(at);
            let end = begin + rows * columns;
            parts.push((begin..end, rate, decay));
            parts.push((end..end + columns, rate, 0.0));
        }
        parts
    }
}

/// Inputs of row `i` that are 1.
fn hot_of<'a>(batch: &'a Batch, plan: &Plan, i: usize) -> impl Iterator<Item = &'a u32> {
    batch.hot[i * plan.hot..(i + 1) * plan.hot].iter().filter(|&&hot| hot != u32::MAX)
}

/// Rectifies, and switches units off at random; `mask` gets what each unit was multiplied with.
fn activate(out: &mut [f32], mask: &mut Vec<f32>, dropout: u8, random: &mut Random) {
    mask.clear();
    mask.extend(out.iter().map(|&x| if x > 0.0 { 1.0f32 } else { 0.0 }));
    if dropout > 0 {
        let kept = 256.0 / (256.0 - f32::from(dropout));
        for part in mask.chunks_mut(8) {
            for (x, byte) in part.iter_mut().zip(random.next().to_le_bytes()) {
                *x *= if byte < dropout { 0.0 } else { kept };
            }
        }
    }
    out.iter_mut().zip(&*mask).for_each(|(x, mask)| *x *= mask);
}

/// Turns scores into the gradient of the mean loss. Weights are 1 in the mean over all rows, so a batch counts for what its rows
/// weigh.
fn residuals(task: Task, batch: &Batch, scores: &mut [f32]) {
    if batch.weights.iter().all(|&weight| weight <= 0.0) {
        // Nothing is to be learned from rows that weigh nothing.
        scores.fill(0.0);
        return;
    }
    let width = scores.len() / batch.rows.max(1);
    let rows = scores.chunks_exact_mut(width.max(1)).zip(&batch.labels).zip(&batch.weights);
    for ((row, &label), &weight) in rows {
        super::link(task).apply(row);
        match task {
            Task::Multiclass => row[label as usize] -= 1.0,
            Task::Binary | Task::Regression => row[0] -= label,
        }
        row.iter_mut().for_each(|x| *x *= weight / batch.rows as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_counts_for_what_its_rows_weigh() {
        let gradient = |weights: [f32; 2]| {
            let (dense, hot) = (Vec::new(), Vec::new());
            let batch = Batch { rows: 2, dense, hot, labels: vec![0.0; 2], weights: weights.to_vec() };
            let mut scores = [1.0, 2.0];
            residuals(Task::Regression, &batch, &mut scores);
            scores
        };
        assert_eq!(gradient([1.0, 1.0]), [0.5, 1.0]);
        assert_eq!(gradient([8.0, 0.5]), [4.0, 0.5]);
        assert_eq!(gradient([0.0, 0.0]), [0.0, 0.0]);
    }
}
