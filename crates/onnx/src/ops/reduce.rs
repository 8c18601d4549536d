//! Operators along axes: reductions, `ArgMax`, `Softmax`.

use super::{Inputs, Op, Operator, axis, integers, need, need_value};
use crate::attrs::Node;
use crate::error::Result;
use crate::program::{Kind, Lower, Shape, Value};
use crate::tensor::{Data, Tensor};

/// Steps of finding where a column goes, and of keeping it.
const KEPT: usize = 64;

type Fold = fn(&mut dyn Iterator<Item = f64>) -> f64;
type WholeFold = fn(&mut dyn Iterator<Item = i64>) -> i64;

#[derive(Debug)]
struct Reduce {
    fold: Fold,
    whole: WholeFold,
    axes: Vec<i64>,
    keep: bool,
    takes_integers: bool,
    /// Whether f32 gives the right integer for small integers.
    keeps_integers: bool,
    /// Without axes: every element by itself instead of all together.
    noop: bool,
}

fn sum(values: &mut dyn Iterator<Item = i64>) -> i64 {
    values.fold(0, i64::wrapping_add)
}

fn folds(name: &str) -> Option<(Fold, WholeFold)> {
    Some(match name {
        "ReduceSum" => (|v| v.sum(), sum),
        "ReduceMean" => (
            |v| {
                let (sum, count) = v.fold((0.0, 0.0), |(s, n), x| (s + x, n + 1.0));
                sum / count
            },
            |v| {
                let (sum, count) = v.fold((0_i64, 0), |(s, n), x| (s.wrapping_add(x), n + 1));
                sum.checked_div(count).unwrap_or(0)
            },
        ),
        "ReduceMax" => (
            |v| v.fold(f64::NEG_INFINITY, |a, b| if a.is_nan() || a > b { a } else { b }),
            |v| v.max().unwrap_or(i64::MIN),
        ),
        "ReduceMin" => (
            |v| v.fold(f64::INFINITY, |a, b| if a.is_nan() || a < b { a } else { b }),
            |v| v.min().unwrap_or(i64::MAX),
        ),
        "ReduceProd" => (|v| v.product(), |v| v.fold(1, i64::wrapping_mul)),
        "ReduceL1" => (|v| v.map(f64::abs).sum(), |v| sum(&mut v.map(i64::wrapping_abs))),
        "ReduceL2" => (
            |v| v.map(|x| x * x).sum::<f64>().sqrt(),
            |v| v.map(|x| x as f64 * x as f64).sum::<f64>().sqrt() as i64,
        ),
        "ReduceSumSquare" => (|v| v.map(|x| x * x).sum(), |v| sum(&mut v.map(|x| x.wrapping_mul(x)))),
        "ReduceLogSum" => (|v| v.sum::<f64>().ln(), |v| (sum(v) as f64).ln() as i64),
        // Powers of e are no integers: `reduce` leaves these out.
        "ReduceLogSumExp" => (log_sum_exp, sum),
        _ => return None,
    })
}

fn log_sum_exp(values: &mut dyn Iterator<Item = f64>) -> f64 {
    let (top, sum) = values.fold((f64::NEG_INFINITY, 0.0), |(top, sum): (f64, f64), x| {
        if x == top || x == f64::NEG_INFINITY {
            (top, if x == top && top.is_finite() { sum + 1.0 } else { sum })
        } else if x > top {
            (x, sum * (top - x).exp() + 1.0)
        } else {
            (top, sum + (x - top).exp())
        }
    });
    if top.is_infinite() { if sum.is_nan() { sum } else { top } } else { top + sum.ln() }
}

pub(super) fn reduce(node: &Node<'_>) -> Result<Option<Op>> {
    let Some((fold, whole)) = folds(node.op()) else { return Ok(None) };
    Ok(Some(Box::new(Reduce {
        fold,
        whole,
        takes_integers: node.op() != "ReduceLogSumExp",
        keeps_integers: matches!(node.op(), "ReduceMax" | "ReduceMin"),
        axes: node.ints("axes")?.to_vec(),
        keep: node.int("keepdims")?.unwrap_or(1) != 0,
        noop: node.int("noop_with_empty_axes")?.unwrap_or(0) != 0,
    })))
}

impl Reduce {
    /// Which of `rank` axes are reduced.
    fn reduced(&self, rank: usize, parameter: Option<&Tensor>) -> Result<Vec<bool>, String> {
        let axes = match parameter {
            Some(tensor) => integers(tensor)?,
            None => self.axes.clone(),
        };
        if axes.is_empty() {
            return Ok(vec![!self.noop; rank]);
        }
        let mut reduced = vec![false; rank];
        for a in axes {
            reduced[axis(a, rank)?] = true;
        }
        Ok(reduced)
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
        let reduced = self.reduced(input.dims.len(), inputs.get(1))?;
        let dims = self.dims_after(&input.dims, &reduced);
        inputs.count(&input.dims)?;
        let sources = sources(&input.dims, &reduced);
        let wide = |get: &dyn Fn(usize) -> f64| -> Vec<f64> {
            sources.iter().map(|s| (self.fold)(&mut s.iter().map(|&i| get(i)))).collect()
        };
        let whole = |get: &dyn Fn(usize) -> i64| -> Vec<i64> {
            sources.iter().map(|s| (self.whole)(&mut s.iter().map(|&i| get(i)))).collect()
        };
        let data = match &input.data {
            Data::Int64(_) | Data::Int32(_) if !self.takes_integers => {
                return Err(format!("does not take {}", input.data.type_name()));
            }
            Data::Float(v) => Data::Float(wide(&|i| v[i].into()).into_iter().map(|x| x as f32).collect()),
            Data::Double(v) => Data::Double(wide(&|i| v[i])),
            Data::Int64(v) => Data::Int64(whole(&|i| v[i])),
            Data::Int32(v) => Data::Int32(whole(&|i| v[i].into()).into_iter().map(|x| x as i32).collect()),
            other => return Err(format!("does not take {}", other.type_name())),
        };
        Ok(vec![Tensor { dims, data }])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let row = lower.number(need_value(inputs, 0)?)?;
        let parameter = inputs.get(1).and_then(Option::as_ref).map(Value::constant).transpose()?;
        let reduced = self.reduced(row.shape.rank(), parameter.map(AsRef::as_ref))?;
        let (before, inner) = reduced.split_at(row.shape.before + 1);
        if before.contains(&true) && (before[row.shape.before] || !self.keep) {
            return Err("reduces over rows".to_owned());
        }
        let shape = Shape { inner: self.dims_after(&row.shape.inner, inner), ..row.shape.clone() };
        // Where each column goes is kept.
        lower.charge(row.width().saturating_mul(KEPT))?;
        let sources = sources(&row.shape.inner, inner);
        let fold = self.fold;
        let kind = row.kind.clone();
        if !matches!(kind, Kind::Float) && !self.keeps_integers {
            return Err("computes with integers per row; cast them to float first".to_owned());
        }
        let row = lower.map(&row, shape, kind, move |from, to| {
            for (to, sources) in to.iter_mut().zip(&sources) {
                *to = fold(&mut sources.iter().map(|&i| from[i].into())) as f32;
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
    fn best<T: PartialOrd>(&self, values: impl Iterator<Item = T>) -> usize {
        let mut best = (0, None);
        for (at, value) in values.enumerate() {
            let better = best.1.as_ref().is_none_or(|top| {
                let beats = if self.least { value < *top } else { value > *top };
                beats || (self.last && value == *top)
            });
            if better {
                best = (at, Some(value));
            }
        }
        best.0
    }

    fn each<T: PartialOrd + Copy>(&self, values: &[T], sources: &[Vec<usize>]) -> Vec<i64> {
        sources.iter().map(|s| self.best(s.iter().map(|&i| values[i])) as i64).collect()
    }
}

impl Operator for Arg {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        let at = axis(self.axis, input.dims.len())?;
        let mut reduced = vec![false; input.dims.len()];
        reduced[at] = true;
        inputs.count(&input.dims)?;
        let sources = sources(&input.dims, &reduced);
        let found = match &input.data {
            Data::Float(v) => self.each(v, &sources),
            Data::Double(v) => self.each(v, &sources),
            Data::Int64(v) => self.each(v, &sources),
            Data::Int32(v) => self.each(v, &sources),
            Data::Uint8(v) => self.each(v, &sources),
            other => return Err(format!("does not take {}", other.type_name())),
        };
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
        let best = lower.map(&row, shape, Kind::Int, move |from, to| {
            to[0] = arg.best(from.iter().copied()) as f32;
        })?;
        lower.bind(&best, Some(row.width()));
        Ok(vec![Value::Row(best)])
    }
}

/// `Softmax`, `LogSoftmax` and `Hardmax`: along one axis from version 13 on, over all axes from `axis` before.
#[derive(Debug, Clone, Copy)]
struct Softmax {
    axis: i64,
    flat: bool,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Log,
    /// 1 for the first of the largest, 0 for the others.
    Hard,
}

pub(super) fn softmax(node: &Node<'_>) -> Result<Op> {
    let flat = node.version < 13;
    let axis = node.int("axis")?.unwrap_or(if flat { 1 } else { -1 });
    let form = match node.op() {
        "LogSoftmax" => Form::Log,
        "Hardmax" => Form::Hard,
        _ => Form::Plain,
    };
    Ok(Box::new(Softmax { axis, flat, form }))
}

impl Softmax {
    fn apply(self, values: &mut [f32]) {
        match self.form {
            Form::Plain => crate::scores::softmax(values),
            Form::Log => {
                let top = values.iter().copied().fold(f32::MIN, f32::max);
                let sum = values.iter().map(|v| (v - top).exp()).sum::<f32>().ln();
                values.iter_mut().for_each(|v| *v = *v - top - sum);
            }
            Form::Hard => hardmax(values),
        }
    }

    /// The same of doubles.
    fn apply_wide(self, values: &mut [f64]) {
        let top = values.iter().copied().fold(f64::MIN, f64::max);
        let sum: f64 = values.iter().map(|v| (v - top).exp()).sum();
        match self.form {
            Form::Plain => values.iter_mut().for_each(|v| *v = (*v - top).exp() / sum),
            Form::Log => values.iter_mut().for_each(|v| *v = *v - top - sum.ln()),
            Form::Hard => hardmax(values),
        }
    }
}

fn hardmax<T: PartialOrd + From<u8>>(values: &mut [T]) {
    let best = (1..values.len()).fold(0, |b, at| if values[at] > values[b] { at } else { b });
    values.iter_mut().enumerate().for_each(|(at, v)| *v = T::from(u8::from(at == best)));
}

/// The elements of each group as `f` changes them.
fn in_groups<T: Copy>(values: &[T], groups: &[Vec<usize>], f: impl Fn(&mut [T])) -> Vec<T> {
    let mut out = values.to_vec();
    for places in groups {
        let mut group: Vec<T> = places.iter().map(|&i| values[i]).collect();
        f(&mut group);
        places.iter().zip(group).for_each(|(&i, v)| out[i] = v);
    }
    out
}

impl Operator for Softmax {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        let at = if self.flat && self.axis == input.dims.len() as i64 {
            input.dims.len()
        } else {
            axis(self.axis, input.dims.len())?
        };
        let reduced: Vec<bool> =
            (0..input.dims.len()).map(|a| if self.flat { a >= at } else { a == at }).collect();
        inputs.count(&input.dims)?;
        let groups = sources(&input.dims, &reduced);
        let data = match &input.data {
            Data::Float(v) => Data::Float(in_groups(v, &groups, |group| self.apply(group))),
            Data::Double(v) => Data::Double(in_groups(v, &groups, |group| self.apply_wide(group))),
            other => return Err(format!("does not take {}", other.type_name())),
        };
        Ok(vec![Tensor { dims: input.dims.clone(), data }])
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
