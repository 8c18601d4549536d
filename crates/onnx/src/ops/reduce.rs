//! Operators along axes: reductions, `ArgMax`, `Softmax`.

use super::{Inputs, Op, Operator, axis, float, integers, need, need_value, numbers};
use crate::attrs::Node;
use crate::error::Result;
use crate::program::{Kind, Lower, Shape, Value};
use crate::tensor::{Data, Tensor};

/// Integers are reduced as f32, which is exact up to here.
const EXACT: f32 = 16_777_216.0;

type Fold = fn(&mut dyn Iterator<Item = f32>) -> f32;

#[derive(Debug)]
struct Reduce {
    fold: Fold,
    axes: Vec<i64>,
    keep: bool,
    /// Without axes: reduce nothing instead of everything.
    noop: bool,
}

pub(super) fn reduce(node: &Node<'_>) -> Result<Option<Op>> {
    let fold: Fold = match node.op() {
        "ReduceSum" => |v| v.map(f64::from).sum::<f64>() as f32,
        "ReduceMean" => |v| {
            let (sum, count) = v.fold((0.0, 0.0), |(s, n), x| (s + f64::from(x), n + 1.0));
            (sum / count) as f32
        },
        "ReduceMax" => |v| v.fold(f32::NEG_INFINITY, |a, b| if a.is_nan() || a > b { a } else { b }),
        "ReduceMin" => |v| v.fold(f32::INFINITY, |a, b| if a.is_nan() || a < b { a } else { b }),
        "ReduceProd" => |v| v.product(),
        "ReduceL1" => |v| v.map(|x| f64::from(x.abs())).sum::<f64>() as f32,
        "ReduceL2" => |v| v.map(|x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt() as f32,
        "ReduceSumSquare" => |v| v.map(|x| f64::from(x) * f64::from(x)).sum::<f64>() as f32,
        "ReduceLogSum" => |v| v.map(f64::from).sum::<f64>().ln() as f32,
        "ReduceLogSumExp" => |v| {
            let (top, sum) = v.map(f64::from).fold((f64::MIN, 0.0), |(top, sum): (f64, f64), x| {
                if x > top { (x, sum * (top - x).exp() + 1.0) } else { (top, sum + (x - top).exp()) }
            });
            (top + sum.ln()) as f32
        },
        _ => return Ok(None),
    };
    Ok(Some(Box::new(Reduce {
        fold,
        axes: node.ints("axes")?.to_vec(),
        keep: node.int("keepdims")?.unwrap_or(1) != 0,
        noop: node.int("noop_with_empty_axes")?.unwrap_or(0) != 0,
    })))
}

impl Reduce {
    /// Which of `rank` axes are reduced; none when nothing is to be done.
    fn reduced(&self, rank: usize, parameter: Option<&Tensor>) -> Result<Option<Vec<bool>>, String> {
        let axes = match parameter {
            Some(tensor) => integers(tensor)?,
            None => self.axes.clone(),
        };
        if axes.is_empty() {
            return Ok(if self.noop { None } else { Some(vec![true; rank]) });
        }
        let mut reduced = vec![false; rank];
        for a in axes {
            reduced[axis(a, rank)?] = true;
        }
        Ok(Some(reduced))
    }

    fn dims_after(&self, dims: &[usize], reduced: &[bool]) -> Vec<usize> {
        let kept = dims.iter().zip(reduced);
        if self.keep {
            kept.map(|(&d, &r)| if r { 1 } else { d }).collect()
        } else {
            kept.filter(|(_, r)| !**r).map(|(&d, _)| d).collect()
        }
    }
}

/// For every element of the result, the elements that go into it.
fn sources(dims: &[usize], reduced: &[bool]) -> Vec<Vec<usize>> {
    let kept: Vec<usize> = dims.iter().zip(reduced).map(|(&d, &r)| if r { 1 } else { d }).collect();
    let mut out = vec![Vec::new(); kept.iter().product()];
    if dims.contains(&0) {
        return out;
    }
    for (from, &to) in super::broadcast::places(&kept, dims).iter().enumerate() {
        out[to].push(from);
    }
    out
}

impl Operator for Reduce {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        let Some(reduced) = self.reduced(input.dims.len(), inputs.get(1).copied().flatten())? else {
            return Ok(vec![input.clone()]);
        };
        let whole = match &input.data {
            Data::Float(_) => false,
            Data::Int64(_) | Data::Int32(_) => true,
            other => return Err(format!("does not take {}", other.type_name())),
        };
        let values = numbers(input)?;
        let out = sources(&input.dims, &reduced);
        let out: Vec<f32> = out.iter().map(|s| (self.fold)(&mut s.iter().map(|&i| values[i]))).collect();
        if whole && values.iter().chain(&out).any(|v| v.abs() > EXACT) {
            return Err("meets integers beyond 2^24".to_owned());
        }
        let dims = self.dims_after(&input.dims, &reduced);
        let data = match (whole, &input.data) {
            (true, Data::Int32(_)) => Data::Int32(out.iter().map(|&v| v as i32).collect()),
            (true, _) => Data::Int64(out.iter().map(|&v| v as i64).collect()),
            _ => Data::Float(out),
        };
        Ok(vec![Tensor { dims, data }])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let row = lower.number(need_value(inputs, 0)?)?;
        let parameter = inputs.get(1).and_then(Option::as_ref).map(Value::constant).transpose()?;
        let Some(reduced) = self.reduced(row.shape.rank(), parameter.map(AsRef::as_ref))? else {
            return Ok(vec![Value::Row(row)]);
        };
        let (before, inner) = reduced.split_at(row.shape.before + 1);
        if before.contains(&true) && (before[row.shape.before] || !self.keep) {
            return Err("reduces over rows".to_owned());
        }
        let shape = Shape { inner: self.dims_after(&row.shape.inner, inner), ..row.shape.clone() };
        let sources = sources(&row.shape.inner, inner);
        let fold = self.fold;
        let kind = row.kind.clone();
        let row = lower.map(&row, shape, kind, move |from, to| {
            for (to, sources) in to.iter_mut().zip(&sources) {
                *to = fold(&mut sources.iter().map(|&i| from[i]));
            }
        })?;
        Ok(vec![Value::Row(row)])
    }
}

/// `ArgMax` and `ArgMin`.
#[derive(Debug)]
struct Arg {
    axis: i64,
    keep: bool,
    least: bool,
    last: bool,
}

pub(super) fn arg(node: &Node<'_>) -> Result<Op> {
    Ok(Box::new(Arg {
        axis: node.int("axis")?.unwrap_or(0),
        keep: node.int("keepdims")?.unwrap_or(1) != 0,
        least: node.op() == "ArgMin",
        last: node.int("select_last_index")?.unwrap_or(0) != 0,
    }))
}

impl Arg {
    fn best(&self, values: impl Iterator<Item = f32>) -> usize {
        let mut best = (0, f32::NAN);
        for (at, value) in values.enumerate() {
            let better = if self.least { value < best.1 } else { value > best.1 };
            if at == 0 || better || (self.last && value == best.1) {
                best = (at, value);
            }
        }
        best.0
    }
}

impl Operator for Arg {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        let at = axis(self.axis, input.dims.len())?;
        let values = numbers(input)?;
        let mut reduced = vec![false; input.dims.len()];
        reduced[at] = true;
        let found = sources(&input.dims, &reduced);
        let found = found.iter().map(|s| self.best(s.iter().map(|&i| values[i])) as i64).collect();
        let mut dims = input.dims.clone();
        if self.keep {
            dims[at] = 1;
        } else {
            dims.remove(at);
        }
        Ok(vec![Tensor { dims, data: Data::Int64(found) }])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let row = lower.number(need_value(inputs, 0)?)?;
        let at = row.shape.inner_axis(self.axis)?;
        if row.shape.inner[at] != row.width() {
            return Err("looks along one of several axes of a row".to_owned());
        }
        let mut inner = row.shape.inner.clone();
        if self.keep {
            inner[at] = 1;
        } else {
            inner.remove(at);
        }
        let shape = Shape { inner, ..row.shape.clone() };
        let arg = Self { ..*self };
        let row = lower.map(&row, shape, Kind::Int, move |from, to| {
            to[0] = arg.best(from.iter().copied()) as f32;
        })?;
        Ok(vec![Value::Row(row)])
    }
}

/// `Softmax` and `LogSoftmax`: along one axis from version 13 on, over all axes from `axis` before.
#[derive(Debug, Clone, Copy)]
struct Softmax {
    axis: i64,
    flat: bool,
    log: bool,
}

pub(super) fn softmax(node: &Node<'_>) -> Result<Op> {
    let flat = node.version < 13;
    let axis = node.int("axis")?.unwrap_or(if flat { 1 } else { -1 });
    Ok(Box::new(Softmax { axis, flat, log: node.op() == "LogSoftmax" }))
}

impl Softmax {
    fn apply(self, values: &mut [f32]) {
        if self.log {
            let top = values.iter().copied().fold(f32::MIN, f32::max);
            let sum = values.iter().map(|v| (v - top).exp()).sum::<f32>().ln();
            values.iter_mut().for_each(|v| *v = *v - top - sum);
        } else {
            crate::scores::softmax(values);
        }
    }
}

impl Operator for Softmax {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        let Data::Float(values) = &input.data else {
            return Err(format!("does not take {}", input.data.type_name()));
        };
        let at = axis(self.axis, input.dims.len())?;
        let reduced: Vec<bool> =
            (0..input.dims.len()).map(|a| if self.flat { a >= at } else { a == at }).collect();
        let mut out = values.clone();
        for places in sources(&input.dims, &reduced) {
            let mut group: Vec<f32> = places.iter().map(|&i| values[i]).collect();
            self.apply(&mut group);
            places.iter().zip(group).for_each(|(&i, v)| out[i] = v);
        }
        Ok(vec![float(input.dims.clone(), out)])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let row = lower.number(need_value(inputs, 0)?)?;
        let at = row.shape.inner_axis(self.axis)?;
        let over: usize =
            if self.flat { row.shape.inner[at..].iter().product() } else { row.shape.inner[at] };
        if over != row.width() {
            return Err("works along one of several axes of a row".to_owned());
        }
        let softmax = *self;
        let row = lower.map(&row, row.shape.clone(), Kind::Float, move |from, to| {
            to.copy_from_slice(from);
            softmax.apply(to);
        })?;
        Ok(vec![Value::Row(row)])
    }
}
