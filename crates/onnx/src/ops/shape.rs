//! Operators that change how numbers are arranged, or nothing at all.

use super::{Inputs, Op, Operator, axis, integers, need, need_value};
use crate::attrs::Node;
use crate::error::Result;
use crate::program::{Lower, Row, Shape, Value};
use crate::tensor::{Data, Tensor, elements};

#[derive(Debug)]
struct Identity;

pub(super) fn identity() -> Op {
    Box::new(Identity)
}

/// The map of class names to probabilities stays what it was made from: the probabilities in order.
pub(super) fn zip_map() -> Op {
    Box::new(Identity)
}

impl Operator for Identity {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        Ok(vec![need(inputs, 0)?.clone()])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        Ok(vec![match need_value(inputs, 0)? {
            Value::Row(row) => Value::Row(lower.view(row, row.shape.clone(), row.kind.clone())),
            constant => constant.clone(),
        }])
    }
}

#[derive(Debug)]
struct Constant(Tensor);

pub(super) fn constant(node: &Node<'_>) -> Result<Op> {
    let list = |n: usize, data: Data| Tensor { dims: vec![n], data };
    let scalar = |data: Data| Tensor { dims: Vec::new(), data };
    let tensor = if let Some(tensor) = node.tensor("value")? {
        tensor
    } else if let Some(v) = node.float("value_float")? {
        scalar(Data::Float(vec![v]))
    } else if let Some(v) = node.int("value_int")? {
        scalar(Data::Int64(vec![v]))
    } else if let Some(v) = node.text("value_string")? {
        scalar(Data::Text(vec![v]))
    } else if node.has("value_floats") {
        let v = node.floats("value_floats")?.to_vec();
        list(v.len(), Data::Float(v))
    } else if node.has("value_ints") {
        let v = node.ints("value_ints")?.to_vec();
        list(v.len(), Data::Int64(v))
    } else if node.has("value_strings") {
        let v = node.texts("value_strings")?;
        list(v.len(), Data::Text(v))
    } else {
        return Err(node.unsupported("it has none of the values known here"));
    };
    Ok(Box::new(Constant(tensor)))
}

impl Operator for Constant {
    fn run(&self, _: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        Ok(vec![self.0.clone()])
    }

    fn lower(&self, _: &mut Lower, _: &[Option<Value>]) -> Result<Vec<Value>, String> {
        Ok(vec![Value::Const(self.0.clone().into())])
    }
}

/// Rearranges the dimensions; the order of the elements stays.
#[derive(Debug)]
enum Form {
    Reshape { target: Option<Vec<i64>>, allow_zero: bool },
    Flatten { axis: i64 },
    Squeeze { axes: Option<Vec<i64>> },
    Unsqueeze { axes: Option<Vec<i64>> },
}

pub(super) fn reshape(node: &Node<'_>) -> Result<Op> {
    let target = node.has("shape").then(|| node.ints("shape").map(<[i64]>::to_vec)).transpose()?;
    let allow_zero = node.int("allowzero")?.is_some_and(|v| v != 0);
    Ok(Box::new(Form::Reshape { target, allow_zero }))
}

pub(super) fn flatten(node: &Node<'_>) -> Result<Op> {
    Ok(Box::new(Form::Flatten { axis: node.int("axis")?.unwrap_or(1) }))
}

fn axes(node: &Node<'_>) -> Result<Option<Vec<i64>>> {
    node.has("axes").then(|| node.ints("axes").map(<[i64]>::to_vec)).transpose()
}

pub(super) fn squeeze(node: &Node<'_>) -> Result<Op> {
    Ok(Box::new(Form::Squeeze { axes: axes(node)? }))
}

pub(super) fn unsqueeze(node: &Node<'_>) -> Result<Op> {
    Ok(Box::new(Form::Unsqueeze { axes: axes(node)? }))
}

impl Form {
    /// Dimensions after; `parameter` is the second input.
    fn dims(&self, dims: &[usize], parameter: Option<&Tensor>) -> Result<Vec<usize>, String> {
        let given = parameter.map(integers).transpose()?;
        match self {
            Self::Reshape { target, allow_zero } => {
                let target = given.as_ref().or(target.as_ref()).ok_or("has no target shape")?;
                reshaped(dims, target, *allow_zero)
            }
            Self::Flatten { axis } => {
                let axis = if *axis < 0 { axis + dims.len() as i64 } else { *axis };
                let at =
                    usize::try_from(axis).ok().filter(|&a| a <= dims.len()).ok_or("axis is out of range")?;
                Ok(vec![dims[..at].iter().product(), dims[at..].iter().product()])
            }
            Self::Squeeze { axes } => match given.as_ref().or(axes.as_ref()) {
                None => Ok(dims.iter().copied().filter(|&d| d != 1).collect()),
                Some(axes) => squeezed(dims, axes),
            },
            Self::Unsqueeze { axes } => {
                let axes = given.as_ref().or(axes.as_ref()).ok_or("has no axes")?;
                unsqueezed(dims, axes)
            }
        }
    }
}

fn reshaped(dims: &[usize], target: &[i64], allow_zero: bool) -> Result<Vec<usize>, String> {
    let count = elements(dims).ok_or("is too large")?;
    let fail = || format!("can't make {target:?} of {dims:?}");
    let mut free = None;
    let mut out = Vec::with_capacity(target.len());
    for (at, &size) in target.iter().enumerate() {
        out.push(match size {
            0 if !allow_zero => *dims.get(at).ok_or_else(fail)?,
            -1 if free.is_none() => {
                free = Some(at);
                1
            }
            _ => usize::try_from(size).map_err(|_| fail())?,
        });
    }
    let known = elements(&out).ok_or_else(fail)?;
    if let Some(at) = free {
        out[at] = count.checked_div(known).ok_or_else(fail)?;
    }
    if elements(&out) == Some(count) { Ok(out) } else { Err(fail()) }
}

fn squeezed(dims: &[usize], axes: &[i64]) -> Result<Vec<usize>, String> {
    let axes: Vec<usize> = axes.iter().map(|&a| axis(a, dims.len())).collect::<Result<_, _>>()?;
    if let Some(&at) = axes.iter().find(|&&a| dims[a] != 1) {
        return Err(format!("can't remove axis {at} of {dims:?}"));
    }
    Ok(dims.iter().enumerate().filter(|(i, _)| !axes.contains(i)).map(|(_, &d)| d).collect())
}

fn unsqueezed(dims: &[usize], axes: &[i64]) -> Result<Vec<usize>, String> {
    let rank = dims.len() + axes.len();
    if rank > crate::limits::RANK {
        return Err(format!("makes {rank} dimensions, the limit is {}", crate::limits::RANK));
    }
    let axes: Vec<usize> = axes.iter().map(|&a| axis(a, rank)).collect::<Result<_, _>>()?;
    let mut rest = dims.iter();
    let out = (0..rank).map(|at| if axes.contains(&at) { Some(1) } else { rest.next().copied() });
    let out = out.collect::<Option<Vec<_>>>().ok_or("names an axis twice")?;
    if rest.next().is_some() { Err("names an axis twice".to_owned()) } else { Ok(out) }
}

impl Operator for Form {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        let dims = self.dims(&input.dims, inputs.get(1).copied().flatten())?;
        Ok(vec![Tensor { dims, data: input.data.clone() }])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let row = need_value(inputs, 0)?.row()?;
        let parameter = inputs.get(1).and_then(Option::as_ref).map(Value::constant).transpose()?;
        let shape = self.row_shape(row, parameter.map(AsRef::as_ref))?;
        Ok(vec![Value::Row(lower.view(row, shape, row.kind.clone()))])
    }
}

impl Form {
    /// The shape of a row value after. Tries two numbers of rows, so that what comes of the rows stands out.
    fn row_shape(&self, row: &Row, parameter: Option<&Tensor>) -> Result<Shape, String> {
        const TRIES: [usize; 2] = [7919, 7927];
        let dims = |rows: usize| {
            let mut dims = vec![1; row.shape.before];
            dims.push(rows);
            dims.extend(&row.shape.inner);
            self.dims(&dims, parameter)
        };
        let (a, b) = (dims(TRIES[0])?, dims(TRIES[1])?);
        let fail = || format!("does not keep one row of {} apart from the others", row.shape);
        let at = a.iter().zip(&b).position(|(x, y)| x != y).ok_or_else(fail)?;
        let keeps = a[at] == TRIES[0] && b[at] == TRIES[1] && a[at + 1..] == b[at + 1..];
        if !keeps || a[..at].iter().any(|&d| d != 1) {
            return Err(fail());
        }
        Ok(Shape { before: at, inner: a[at + 1..].to_vec() })
    }
}

#[derive(Debug)]
struct ShapeOf {
    start: i64,
    end: Option<i64>,
}

pub(super) fn shape_of(node: &Node<'_>) -> Result<Op> {
    Ok(Box::new(ShapeOf { start: node.int("start")?.unwrap_or(0), end: node.int("end")? }))
}

impl Operator for ShapeOf {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let dims = &need(inputs, 0)?.dims;
        let rank = dims.len() as i64;
        let place = |at: i64| (if at < 0 { at + rank } else { at }).clamp(0, rank) as usize;
        let (start, end) = (place(self.start), place(self.end.unwrap_or(rank)));
        let out: Vec<i64> = dims[start..end.max(start)].iter().map(|&d| d as i64).collect();
        Ok(vec![Tensor { dims: vec![out.len()], data: Data::Int64(out) }])
    }

    fn lower(&self, _: &mut Lower, _: &[Option<Value>]) -> Result<Vec<Value>, String> {
        Err("depends on the number of rows".to_owned())
    }
}

#[derive(Debug)]
struct Transpose {
    order: Vec<i64>,
}

pub(super) fn transpose(node: &Node<'_>) -> Result<Op> {
    Ok(Box::new(Transpose { order: node.ints("perm")?.to_vec() }))
}

impl Operator for Transpose {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        let rank = input.dims.len();
        let mut order: Vec<usize> = (0..rank).rev().collect();
        if !self.order.is_empty() {
            order = self.order.iter().map(|&a| axis(a, rank)).collect::<Result<_, _>>()?;
        }
        let mut sorted = order.clone();
        sorted.sort_unstable();
        if sorted != (0..rank).collect::<Vec<_>>() {
            return Err(format!("perm {:?} is no order of {rank} axes", self.order));
        }
        let mut strides = vec![1; rank];
        for at in (1..rank).rev() {
            strides[at - 1] = strides[at] * input.dims[at];
        }
        let dims: Vec<usize> = order.iter().map(|&a| input.dims[a]).collect();
        let count: usize = dims.iter().product();
        let places: Vec<usize> = (0..count)
            .map(|mut flat| {
                let mut place = 0;
                for (&size, &from) in dims.iter().zip(&order).rev() {
                    place += flat % size * strides[from];
                    flat /= size;
                }
                place
            })
            .collect();
        Ok(vec![Tensor { dims, data: super::pick::gather_places(&input.data, &places) }])
    }

    fn lower(&self, _: &mut Lower, _: &[Option<Value>]) -> Result<Vec<Value>, String> {
        Err("moves rows to another axis".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_after_each_form() {
        let form = |form: &Form, dims: &[usize]| form.dims(dims, None);
        let reshape = |target: &[i64]| Form::Reshape { target: Some(target.to_vec()), allow_zero: false };
        assert_eq!(form(&reshape(&[-1, 2]), &[3, 4]).unwrap(), [6, 2]);
        assert_eq!(form(&reshape(&[0, 2, 2]), &[3, 4]).unwrap(), [3, 2, 2]);
        assert!(form(&reshape(&[-1, 5]), &[3, 4]).is_err());
        assert!(form(&reshape(&[-1, -1]), &[3, 4]).is_err());
        assert!(form(&reshape(&[0, 0, 0]), &[3, 4]).is_err());
        assert_eq!(form(&Form::Flatten { axis: 1 }, &[2, 3, 4]).unwrap(), [2, 12]);
        assert_eq!(form(&Form::Squeeze { axes: None }, &[1, 3, 1]).unwrap(), [3]);
        assert!(form(&Form::Squeeze { axes: Some(vec![1]) }, &[1, 3]).is_err());
        assert_eq!(form(&Form::Unsqueeze { axes: Some(vec![0, -1]) }, &[3]).unwrap(), [1, 3, 1]);
        assert!(form(&Form::Unsqueeze { axes: Some(vec![0, 0]) }, &[3]).is_err());
    }

    #[test]
    fn transposes() {
        let input = Tensor { dims: vec![2, 3], data: Data::Int64((0..6).collect()) };
        let out = Transpose { order: vec![] }.run(&[Some(&input)]).unwrap();
        assert_eq!(out[0], Tensor { dims: vec![3, 2], data: Data::Int64(vec![0, 3, 1, 4, 2, 5]) });
        assert!(Transpose { order: vec![0, 0] }.run(&[Some(&input)]).is_err());
    }
}
