//! `BatchNormalization`, outside training, and `LayerNormalization`. Computed in f64.

use super::{Inputs, Op, Operator, axis, broadcast_places, need, need_value, trained_of_old, wide};
use crate::attrs::Node;
use crate::error::Result;
use crate::program::{Kind, Lower, Value};
use crate::tensor::{Data, Tensor};

/// The inputs that hold a number for each channel: scale, bias, mean, variance.
const PARAMETERS: [usize; 4] = [1, 2, 3, 4];

/// `y = (x − mean) / √(variance + ε) · scale + bias`, by channel, which is the second axis.
#[derive(Debug, Clone, Copy)]
struct ByChannel {
    epsilon: f64,
    /// Whether all places of a channel share their numbers, as they always do from version 9 on.
    spatial: bool,
}

pub(super) fn batch(node: &Node<'_>) -> Result<Op> {
    let trains = node.int("training_mode")?.unwrap_or(0) != 0 || trained_of_old(node)?;
    if trains || node.proto.output.iter().skip(1).any(|name| !name.is_empty()) {
        return Err(node.unsupported("makes means and variances of its batch: training mode is not run"));
    }
    let epsilon = f64::from(node.float("epsilon")?.unwrap_or(1e-5));
    let spatial = node.int("spatial")?.unwrap_or(1) != 0;
    Ok(Box::new(ByChannel { epsilon, spatial }))
}

/// What becomes of the elements of a row: those of one channel side by side, and a factor and a summand for each channel.
struct Lines {
    run: usize,
    each: Vec<[f64; 2]>,
}

impl ByChannel {
    /// `row` are the dimensions behind the rows; `parameter` gives the tensors of [`PARAMETERS`].
    fn lines<'a>(
        self,
        row: &[usize],
        parameter: impl Fn(usize) -> Result<&'a Tensor, String>,
    ) -> Result<Lines, String> {
        let (channels, run) = match row {
            [] => (1, 1),
            [channels, places @ ..] if self.spatial => (*channels, places.iter().product()),
            all => (all.iter().product(), 1),
        };
        let mut columns = Vec::with_capacity(PARAMETERS.len());
        for at in PARAMETERS {
            let numbers = wide(parameter(at)?)?;
            if numbers.len() != channels {
                return Err(format!("input {at} holds {} numbers for {channels} channels", numbers.len()));
            }
            columns.push(numbers);
        }
        let line = |channel: usize| {
            let [scale, bias, mean, variance] = [0, 1, 2, 3].map(|column: usize| columns[column][channel]);
            let factor = scale / (variance + self.epsilon).sqrt();
            [factor, bias - mean * factor]
        };
        Ok(Lines { run, each: (0..channels).map(line).collect() })
    }
}

impl Lines {
    fn apply<T: Copy>(&self, from: &[T], to: &mut [T], f: impl Fn(T, [f64; 2]) -> T) {
        let run = self.run.max(1);
        let lines = self.each.iter().cycle();
        for ((to, from), &line) in to.chunks_mut(run).zip(from.chunks(run)).zip(lines) {
            to.iter_mut().zip(from).for_each(|(to, &x)| *to = f(x, line));
        }
    }
}

fn narrow(x: f32, [factor, added]: [f64; 2]) -> f32 {
    (f64::from(x) * factor + added) as f32
}

impl Operator for ByChannel {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        inputs.count(&input.dims)?;
        let lines = self.lines(input.dims.get(1..).unwrap_or_default(), |at| need(inputs, at))?;
        let mut made = input.clone();
        match (&input.data, &mut made.data) {
            (Data::Float(from), Data::Float(to)) => lines.apply(from, to, narrow),
            (Data::Double(from), Data::Double(to)) => lines.apply(from, to, |x, [a, b]| x * a + b),
            (other, _) => return Err(format!("does not take {}", other.type_name())),
        }
        Ok(vec![made])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let row = lower.number(need_value(inputs, 0)?)?;
        if row.shape.before > 0 {
            return Err(format!("takes rows on the first axis, got {}", row.shape));
        }
        let lines =
            self.lines(&row.shape.inner, |at| need_value(inputs, at)?.constant().map(|tensor| &**tensor))?;
        let row =
            lower.map(&row, row.shape.clone(), Kind::Float, move |from, to| lines.apply(from, to, narrow))?;
        Ok(vec![Value::Row(row)])
    }
}

/// Brings the elements of each group (all axes from `axis` on) to mean 0 and variance 1; then scales and moves them.
#[derive(Debug, Clone, Copy)]
struct ByGroup {
    axis: i64,
    epsilon: f64,
}

pub(super) fn layer(node: &Node<'_>) -> Result<Op> {
    const FLOAT: i64 = 1;
    let stash = node.int("stash_type")?.unwrap_or(FLOAT);
    if stash != FLOAT {
        return Err(node.unsupported(format!("stash_type {stash} is not supported, only 1 (float)")));
    }
    let epsilon = f64::from(node.float("epsilon")?.unwrap_or(1e-5));
    Ok(Box::new(ByGroup { axis: node.int("axis")?.unwrap_or(-1), epsilon }))
}

/// A factor and a summand for each element of a group, and what keeps a variance off 0.
struct Frame {
    epsilon: f64,
    each: Vec<[f64; 2]>,
}

impl ByGroup {
    fn frame(self, group: &[usize], scale: &Tensor, bias: Option<&Tensor>) -> Result<Frame, String> {
        let spread = |tensor: &Tensor| {
            let fits = tensor.dims.len() <= group.len()
                && tensor.dims.iter().rev().zip(group.iter().rev()).all(|(&d, &g)| d == g || d == 1);
            if !fits {
                return Err(format!("shape {:?} does not fit the axes {group:?}", tensor.dims));
            }
            let numbers = wide(tensor)?;
            Ok(broadcast_places(&tensor.dims, group).into_iter().map(|at| numbers[at]).collect::<Vec<_>>())
        };
        let factors = spread(scale)?;
        if factors.is_empty() {
            return Err("has no element to take a mean of".to_owned());
        }
        let added = bias.map_or_else(|| Ok(vec![0.0; factors.len()]), spread)?;
        let each = factors.into_iter().zip(added).map(|(factor, added)| [factor, added]).collect();
        Ok(Frame { epsilon: self.epsilon, each })
    }
}

impl Frame {
    /// Mean of a group, and one over its standard deviation.
    fn moments(&self, group: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
        let count = self.each.len() as f64;
        let mean = group.clone().sum::<f64>() / count;
        let variance = group.map(|x| (x - mean) * (x - mean)).sum::<f64>() / count;
        (mean, 1.0 / (variance + self.epsilon).sqrt())
    }

    /// Writes all groups, with the mean and the inverse standard deviation of each.
    fn apply<T: Copy + Into<f64>>(
        &self,
        from: &[T],
        to: &mut [T],
        made: impl Fn(f64) -> T,
        mut each: impl FnMut(f64, f64),
    ) {
        let width = self.each.len();
        for (to, from) in to.chunks_exact_mut(width).zip(from.chunks_exact(width)) {
            let (mean, inverse) = self.moments(from.iter().map(|&x| x.into()));
            each(mean, inverse);
            for ((to, &x), [factor, added]) in to.iter_mut().zip(from).zip(&self.each) {
                *to = made((x.into() - mean) * inverse * factor + added);
            }
        }
    }
}

impl Operator for ByGroup {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        let at = axis(self.axis, input.dims.len())?;
        inputs.count(&input.dims)?;
        let frame = self.frame(&input.dims[at..], need(inputs, 1)?, inputs.get(2))?;
        let mut made = input.clone();
        let (mut means, mut inverses) = (Vec::new(), Vec::new());
        let note = |mean: f64, inverse: f64| {
            means.push(mean as f32);
            inverses.push(inverse as f32);
        };
        match (&input.data, &mut made.data) {
            (Data::Float(from), Data::Float(to)) => frame.apply(from, to, |x| x as f32, note),
            (Data::Double(from), Data::Double(to)) => frame.apply(from, to, |x| x, note),
            (other, _) => return Err(format!("does not take {}", other.type_name())),
        }
        let mut dims = input.dims.clone();
        dims[at..].fill(1);
        Ok(vec![made, super::float(dims.clone(), means), super::float(dims, inverses)])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        if lower.reads(1) || lower.reads(2) {
            return Err("hands on the means and deviations of its groups".to_owned());
        }
        let row = lower.number(need_value(inputs, 0)?)?;
        let at = row.shape.inner_axis(self.axis)?;
        let scale = need_value(inputs, 1)?.constant()?;
        let bias = match inputs.get(2) {
            Some(Some(bias)) => Some(&**bias.constant()?),
            _ => None,
        };
        let frame = self.frame(&row.shape.inner[at..], scale, bias)?;
        let row = lower.map(&row, row.shape.clone(), Kind::Float, move |from, to| {
            frame.apply(from, to, |x| x as f32, |_, _| {});
        })?;
        Ok(vec![Value::Row(row)])
    }
}
