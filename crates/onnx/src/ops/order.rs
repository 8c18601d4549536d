//! `TopK` and `CumSum`: operators that go along an axis in order.

use std::cmp::Ordering;

use super::{Inputs, Op, Operator, axis, integers, need, need_value};
use crate::attrs::Node;
use crate::error::Result;
use crate::program::{Block, Kind, Lower, Row, Shape, Span, Step, Value};
use crate::tensor::{Data, Tensor};

/// The largest or smallest elements along an axis, in order: `k` is an attribute in version 1, an input later.
#[derive(Debug, Clone, Copy)]
struct TopK {
    axis: i64,
    k: Option<i64>,
    largest: bool,
}

pub(super) fn top_k(node: &Node<'_>) -> Result<Op> {
    Ok(Box::new(TopK {
        axis: node.int("axis")?.unwrap_or(-1),
        k: node.int("k")?,
        largest: node.int("largest")?.unwrap_or(1) != 0,
    }))
}

impl TopK {
    fn count(&self, k: Option<&Tensor>, length: usize) -> Result<usize, String> {
        let k = match k {
            Some(tensor) => *integers(tensor)?.first().ok_or("has no k")?,
            None => self.k.ok_or("has no k")?,
        };
        let count = usize::try_from(k).ok().filter(|&k| k <= length);
        count.ok_or_else(|| format!("k is {k}, but there are {length} elements"))
    }

    /// Which of two elements comes first; equal ones stay in their order.
    fn before<T: PartialOrd>(self, a: &T, b: &T) -> Ordering {
        // NaN comes after all numbers and beside itself: without a total order no sorting ends well.
        let nan = |x: &T| x.partial_cmp(x).is_none();
        let order = a.partial_cmp(b).unwrap_or_else(|| nan(a).cmp(&nan(b)));
        if self.largest { order.reverse() } else { order }
    }

    fn places<T: PartialOrd>(self, values: &[T], lines: &[Vec<usize>], count: usize) -> Vec<Vec<usize>> {
        let best = |line: &Vec<usize>| {
            let mut order: Vec<usize> = (0..line.len()).collect();
            order.sort_by(|&a, &b| self.before(&values[line[a]], &values[line[b]]));
            order.truncate(count);
            order
        };
        lines.iter().map(best).collect()
    }
}

/// The elements of each line along an axis, lines in order.
fn lines(dims: &[usize], at: usize) -> Vec<Vec<usize>> {
    let inner: usize = dims[at + 1..].iter().product();
    let outer: usize = dims[..at].iter().product();
    let line = |i: usize| {
        let start = i / inner * inner * dims[at] + i % inner;
        (0..dims[at]).map(|step| start + step * inner).collect()
    };
    (0..outer * inner).map(line).collect()
}

impl Operator for TopK {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        let at = axis(self.axis, input.dims.len())?;
        let count = self.count(inputs.get(1), input.dims[at])?;
        inputs.count(&input.dims)?;
        let lines = lines(&input.dims, at);
        let found = match &input.data {
            Data::Float(v) => self.places(v, &lines, count),
            Data::Double(v) => self.places(v, &lines, count),
            Data::Int64(v) => self.places(v, &lines, count),
            Data::Int32(v) => self.places(v, &lines, count),
            other => return Err(format!("does not take {}", other.type_name())),
        };
        let mut dims = input.dims.clone();
        dims[at] = count;
        let inner: usize = dims[at + 1..].iter().product();
        let size: usize = dims.iter().product();
        let (mut places, mut indices) = (vec![0; size], vec![0; size]);
        for (number, (line, found)) in lines.iter().zip(&found).enumerate() {
            for (step, &index) in found.iter().enumerate() {
                let to = (number / inner * count + step) * inner + number % inner;
                (places[to], indices[to]) = (line[index], index as i64);
            }
        }
        let values = Tensor { dims: dims.clone(), data: super::pick::gather_places(&input.data, &places) };
        Ok(vec![values, Tensor { dims, data: Data::Int64(indices) }])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let row = lower.number(need_value(inputs, 0)?)?;
        let k = inputs.get(1).and_then(Option::as_ref).map(Value::constant).transpose()?;
        let at = row.shape.inner_axis(self.axis)?;
        if row.shape.inner[at] != row.width() {
            return Err("looks along one of several axes of a row".to_owned());
        }
        let count = self.count(k.map(AsRef::as_ref), row.width())?;
        let mut inner = row.shape.inner.clone();
        inner[at] = count;
        let shape = Shape { inner, ..row.shape.clone() };
        let values = lower.make(0, shape.clone(), row.kind.clone())?;
        let indices = lower.make(1, shape, Kind::Int)?;
        lower.bind(&indices, Some(row.width()));
        lower.scratch(row.width(), 0);
        lower.push(TopStep {
            top: *self,
            from: (row.place, row.width()),
            to: [values.place, indices.place],
            count,
        });
        Ok([values, indices].map(Value::Row).to_vec())
    }
}

#[derive(Debug)]
struct TopStep {
    top: TopK,
    from: (usize, usize),
    to: [usize; 2],
    count: usize,
}

impl Step for TopStep {
    fn reads(&self) -> Vec<Span> {
        vec![self.from]
    }

    fn writes(&self) -> Vec<Span> {
        self.to.map(|place| (place, self.count)).to_vec()
    }

    fn run(&self, block: &mut Block<'_>) {
        let from = block.places[self.from.0];
        let [values, indices] = self.to.map(|p| block.places[p]);
        let order = &mut block.words[..self.from.1];
        let split = values.offset.min(indices.offset);
        let (read, write) = block.arena.split_at_mut(split);
        for row in 0..block.rows {
            let source = &read[from.row(row)..][..self.from.1];
            order.iter_mut().zip(0..).for_each(|(to, i)| *to = i);
            // By place too, as an order in place keeps nothing else for equal elements.
            order.sort_unstable_by(|&a, &b| {
                self.top.before(&source[a as usize], &source[b as usize]).then(a.cmp(&b))
            });
            for (step, &index) in order[..self.count].iter().enumerate() {
                write[values.row(row) - split + step] = source[index as usize];
                write[indices.row(row) - split + step] = index as f32;
            }
        }
    }
}

/// Running sums along an axis.
#[derive(Debug, Clone, Copy)]
struct CumSum {
    exclusive: bool,
    reverse: bool,
}

pub(super) fn cum_sum(node: &Node<'_>) -> Result<Op> {
    let flag = |name: &str| node.int(name).map(|v| v.unwrap_or(0) != 0);
    Ok(Box::new(CumSum { exclusive: flag("exclusive")?, reverse: flag("reverse")? }))
}

impl CumSum {
    fn along<T: Copy + Default>(self, values: &[T], lines: &[Vec<usize>], add: impl Fn(T, T) -> T) -> Vec<T> {
        let mut out = vec![T::default(); values.len()];
        for line in lines {
            let mut sum = T::default();
            for step in 0..line.len() {
                let at = line[if self.reverse { line.len() - 1 - step } else { step }];
                let next = add(sum, values[at]);
                out[at] = if self.exclusive { sum } else { next };
                sum = next;
            }
        }
        out
    }
}

fn one_axis(tensor: &Tensor, rank: usize) -> Result<usize, String> {
    match *integers(tensor)?.as_slice() {
        [at] => axis(at, rank),
        _ => Err("takes one axis".to_owned()),
    }
}

impl Operator for CumSum {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        let at = one_axis(need(inputs, 1)?, input.dims.len())?;
        inputs.count(&input.dims)?;
        let lines = lines(&input.dims, at);
        let data = match &input.data {
            Data::Float(v) => Data::Float(self.along(v, &lines, |a, b| a + b)),
            Data::Double(v) => Data::Double(self.along(v, &lines, |a, b| a + b)),
            Data::Int64(v) => Data::Int64(self.along(v, &lines, i64::wrapping_add)),
            Data::Int32(v) => Data::Int32(self.along(v, &lines, i32::wrapping_add)),
            other => return Err(format!("does not take {}", other.type_name())),
        };
        Ok(vec![Tensor { dims: input.dims.clone(), data }])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let row: Row = lower.number(need_value(inputs, 0)?)?;
        let at = one_axis(need_value(inputs, 1)?.constant()?, row.shape.rank())?;
        let at = row.shape.inner_axis(at as i64)?;
        let lines = lines(&row.shape.inner, at);
        let sums = *self;
        if !matches!(row.kind, Kind::Float) {
            return Err("computes with integers per row; cast them to float first".to_owned());
        }
        let row = lower.map(&row, row.shape.clone(), Kind::Float, move |from, to| {
            for line in &lines {
                let mut sum = 0.0;
                for step in 0..line.len() {
                    let at = line[if sums.reverse { line.len() - 1 - step } else { step }];
                    let next = sum + from[at];
                    to[at] = if sums.exclusive { sum } else { next };
                    sum = next;
                }
            }
        })?;
        Ok(vec![Value::Row(row)])
    }
}
