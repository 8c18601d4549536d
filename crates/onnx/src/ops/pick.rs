//! Operators that choose or join columns.

use std::sync::Arc;

use super::{Inputs, Op, Operator, axis, integers, need, need_value};
use crate::attrs::Node;
use crate::error::Result;
use crate::limits;
use crate::program::{Dict, Kind, Levels, Lower, Row, Shape, Value};
use crate::tensor::{Data, Tensor};

/// The elements at these places.
pub(super) fn gather_places(data: &Data, places: &[usize]) -> Data {
    fn pick<T: Clone>(values: &[T], places: &[usize]) -> Vec<T> {
        places.iter().map(|&p| values[p].clone()).collect()
    }
    match data {
        Data::Float(v) => Data::Float(pick(v, places)),
        Data::Double(v) => Data::Double(pick(v, places)),
        Data::Int64(v) => Data::Int64(pick(v, places)),
        Data::Int32(v) => Data::Int32(pick(v, places)),
        Data::Uint8(v) => Data::Uint8(pick(v, places)),
        Data::Bool(v) => Data::Bool(pick(v, places)),
        Data::Text(v) => Data::Text(pick(v, places)),
    }
}

/// `Gather` along an axis, or `ArrayFeatureExtractor` along the last one.
#[derive(Debug)]
struct Gather {
    axis: i64,
    /// `ArrayFeatureExtractor`: always the last axis, a vector of data counts as one row, no negative index.
    extractor: bool,
}

pub(super) fn gather(node: &Node<'_>) -> Result<Op> {
    Ok(Box::new(Gather { axis: node.int("axis")?.unwrap_or(0), extractor: false }))
}

/// The elements at a list of indices along an axis.
pub(super) fn gather_along(axis: i64) -> Op {
    Box::new(Gather { axis, extractor: false })
}

pub(super) fn array_feature_extractor() -> Op {
    Box::new(Gather { axis: -1, extractor: true })
}

impl Gather {
    /// Indices within an axis of this length.
    fn indices(&self, tensor: &Tensor, length: usize) -> Result<Vec<usize>, String> {
        let place = |i: i64| {
            let from_start = if i < 0 && !self.extractor { i + length as i64 } else { i };
            let place = usize::try_from(from_start).ok().filter(|&p| p < length);
            place.ok_or_else(|| format!("index {i} is out of range for {length} elements"))
        };
        integers(tensor)?.into_iter().map(place).collect()
    }
}

impl Operator for Gather {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let (data, index) = (need(inputs, 0)?, need(inputs, 1)?);
        let at = axis(self.axis, data.dims.len())?;
        let picks = self.indices(index, data.dims[at])?;
        let (outer, inner) = (&data.dims[..at], &data.dims[at + 1..]);
        let (before, after): (usize, usize) = (outer.iter().product(), inner.iter().product());
        let mut places = Vec::with_capacity(inputs.count(&[before, picks.len(), after])?);
        for block in 0..before {
            for pick in &picks {
                let start = (block * data.dims[at] + pick) * after;
                places.extend(start..start + after);
            }
        }
        let dims = match (self.extractor, outer.is_empty()) {
            (true, true) => vec![1, picks.len()],
            (true, false) => [outer, &[picks.len()]].concat(),
            (false, _) => [outer, &index.dims, inner].concat(),
        };
        if dims.len() > limits::RANK {
            return Err(format!("makes {} dimensions, the limit is {}", dims.len(), limits::RANK));
        }
        Ok(vec![Tensor { dims, data: gather_places(&data.data, &places) }])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let row = match (need_value(inputs, 0)?, need_value(inputs, 1)?) {
            (Value::Row(row), Value::Const(index)) => self.columns(lower, row, index)?,
            (Value::Const(data), Value::Row(index)) => self.table(lower, data, index)?,
            _ => return Err("picks an element that differs from row to row".to_owned()),
        };
        Ok(vec![Value::Row(row)])
    }
}

impl Gather {
    /// The same columns of every row.
    fn columns(&self, lower: &mut Lower, row: &Row, index: &Tensor) -> Result<Row, String> {
        let inner = &row.shape.inner;
        let at = row.shape.inner_axis(self.axis)?;
        let picks = self.indices(index, inner[at])?;
        let after: usize = inner[at + 1..].iter().product();
        let before: usize = inner[..at].iter().product();
        let width = before.saturating_mul(picks.len()).saturating_mul(after);
        if width > limits::ROW_WIDTH {
            let told = format!("picks {width} numbers a row, the limit is {}", limits::ROW_WIDTH);
            return Err(lower.beyond(told));
        }
        let mut columns = Vec::new();
        for block in 0..before {
            for pick in &picks {
                let start = (block * inner[at] + pick) * after;
                columns.extend(start..start + after);
            }
        }
        let index_dims = if self.extractor { vec![picks.len()] } else { index.dims.clone() };
        let inner = [&inner[..at], &index_dims, &inner[at + 1..]].concat();
        lower.pick(row, &columns, Shape { inner, ..row.shape.clone() })
    }

    /// An element of a constant vector per row: the index becomes the code of the element. An index beyond the vector
    /// gives NaN; where there is none, as among labels, the index must be known to lie within.
    fn table(&self, lower: &mut Lower, data: &Tensor, index: &Row) -> Result<Row, String> {
        let outer: usize = data.dims.iter().rev().skip(1).product();
        if outer != 1 || data.data.is_empty() || (!self.extractor && data.dims.len() != 1) {
            return Err(format!("picks from a constant of shape {:?} per row", data.dims));
        }
        // The index lies flat behind the data's leading axis.
        let shape = match self.extractor {
            false => index.shape.clone(),
            true if index.width() == 1 => Shape { before: 1, inner: Vec::new() },
            true => return Err("picks several elements of a constant per row".to_owned()),
        };
        let count = data.data.len();
        let (length, negative) = (count as f32, !self.extractor);
        let index = lower.number(&Value::Row(index.clone()))?;
        let kind = match &data.data {
            Data::Text(v) => Kind::Code(Arc::new(Dict { levels: Levels::Text(v.clone()), open: false })),
            Data::Int64(v) => Kind::Code(Arc::new(Dict { levels: Levels::Integer(v.clone()), open: false })),
            Data::Int32(v) => {
                let levels = Levels::Integer(v.iter().map(|&x| x.into()).collect());
                Kind::Code(Arc::new(Dict { levels, open: false }))
            }
            Data::Float(v) => {
                let table = v.clone();
                return lower.map(&index, shape, Kind::Float, move |from, to| {
                    for (to, &i) in to.iter_mut().zip(from) {
                        let found = place(i, length, negative).and_then(|at| table.get(at));
                        *to = found.copied().unwrap_or(f32::NAN);
                    }
                });
            }
            other => return Err(format!("picks from a constant of {}", other.type_name())),
        };
        match lower.bound(&index) {
            Some(bound) if bound <= count => Ok(lower.view(&index, shape, kind)),
            _ => Err(format!("picks one of {count} constants by a number that may lie beyond them")),
        }
    }
}

/// An index within `length` elements; none where it lies beyond, or is missing.
fn place(index: f32, length: f32, negative: bool) -> Option<usize> {
    let from_start = if negative && index < 0.0 { index + length } else { index };
    (0.0..length).contains(&from_start).then_some(from_start as usize)
}

#[derive(Debug)]
struct Concat {
    axis: i64,
}

pub(super) fn concat(node: &Node<'_>) -> Result<Op> {
    let axis = node.int("axis")?;
    Ok(Box::new(Concat { axis: axis.ok_or_else(|| node.error("attribute axis is missing"))? }))
}

/// Appends a run of elements of one tensor to another of the same type.
fn extend(to: &mut Data, from: &Data, range: std::ops::Range<usize>) -> Result<(), String> {
    match (to, from) {
        (Data::Float(t), Data::Float(f)) => t.extend_from_slice(&f[range]),
        (Data::Double(t), Data::Double(f)) => t.extend_from_slice(&f[range]),
        (Data::Int64(t), Data::Int64(f)) => t.extend_from_slice(&f[range]),
        (Data::Int32(t), Data::Int32(f)) => t.extend_from_slice(&f[range]),
        (Data::Uint8(t), Data::Uint8(f)) => t.extend_from_slice(&f[range]),
        (Data::Bool(t), Data::Bool(f)) => t.extend_from_slice(&f[range]),
        (Data::Text(t), Data::Text(f)) => t.extend_from_slice(&f[range]),
        (t, f) => return Err(format!("joins {} with {}", t.type_name(), f.type_name())),
    }
    Ok(())
}

impl Operator for Concat {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let first = need(inputs, 0)?;
        let at = axis(self.axis, first.dims.len())?;
        let mut dims = first.dims.clone();
        dims[at] = 0;
        let mut tensors = Vec::with_capacity(inputs.len());
        for index in 0..inputs.len() {
            let tensor = need(inputs, index)?;
            let mut others = tensor.dims.clone();
            let size = others.get_mut(at).map_or(0, std::mem::take);
            let mut expected = dims.clone();
            expected[at] = 0;
            if others != expected {
                return Err(format!("input {index} has shape {:?}, input 0 {:?}", tensor.dims, first.dims));
            }
            dims[at] += size;
            tensors.push(tensor);
        }
        // Of nothing there is nothing to take, however often.
        let before = if inputs.count(&dims)? == 0 { 0 } else { dims[..at].iter().product() };
        let mut data = gather_places(&first.data, &[]);
        for block in 0..before {
            for tensor in &tensors {
                let run = tensor.dims[at..].iter().product::<usize>();
                extend(&mut data, &tensor.data, block * run..(block + 1) * run)?;
            }
        }
        Ok(vec![Tensor { dims, data }])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let mut rows = Vec::with_capacity(inputs.len());
        for index in 0..inputs.len() {
            let value = need_value(inputs, index)?;
            rows.push(value.row()?.clone());
        }
        let first = rows.first().ok_or("joins nothing")?.clone();
        let kind = common_kind(lower, &mut rows)?;
        let at = first.shape.inner_axis(self.axis)?;
        let mut inner = first.shape.inner.clone();
        if inner[..at].iter().any(|&d| d != 1) {
            return Err("joins along an axis that is not the first of a row".to_owned());
        }
        inner[at] = 0;
        for row in &rows {
            let Some(&size) = row.shape.inner.get(at) else {
                return Err(format!("joins {} with {}", first.shape, row.shape));
            };
            inner[at] += size;
        }
        let width: usize = rows.iter().map(Row::width).sum();
        let shape = Shape { inner, ..first.shape };
        if shape.width() != width || rows.iter().any(|r| r.shape.before != shape.before) {
            return Err("joins values of different shapes".to_owned());
        }
        Ok(vec![Value::Row(lower.concat(&rows, shape, kind)?)])
    }
}

/// The kind of several values side by side: codes of one dictionary, or numbers.
fn common_kind(lower: &mut Lower, rows: &mut [Row]) -> Result<Kind, String> {
    let first = rows[0].kind.clone();
    if let Kind::Code(dict) = &first
        && let Levels::Text(_) = dict.levels
    {
        let same = |row: &Row| matches!(&row.kind, Kind::Code(other) if other == dict);
        return if rows.iter().all(same) {
            Ok(first)
        } else {
            Err("joins texts with other values".to_owned())
        };
    }
    for row in rows.iter_mut() {
        *row = lower.number(&Value::Row(row.clone()))?;
    }
    Ok(rows[0].kind.clone())
}
