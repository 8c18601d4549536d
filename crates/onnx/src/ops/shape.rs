//! Operators that change how numbers are arranged, or nothing at all.

use super::{Inputs, Op, Operator, axis, integers, matrix, need, need_value, trained_of_old};
use crate::attrs::Node;
use crate::error::Result;
use crate::program::{Lower, Row, Shape, Value};
use crate::scores::Labels;
use crate::tensor::{Data, Tensor, elements};

#[derive(Debug)]
struct Identity;

pub(super) fn identity() -> Op {
    Box::new(Identity)
}

const TRAINING: &str = "drops values at random: training mode is not run";

/// A `Dropout` outside training, which drops nothing.
#[derive(Debug)]
struct Dropout;

pub(super) fn dropout(node: &Node<'_>) -> Result<Op> {
    if trained_of_old(node)? && node.float("ratio")?.unwrap_or(0.5) != 0.0 {
        return Err(node.unsupported(TRAINING));
    }
    Ok(Box::new(Dropout))
}

impl Dropout {
    /// Refuses the training mode (the third input), but for a ratio (the second, a half when it is left out) of 0.
    fn outside_training(ratio: Option<&Tensor>, training: Option<&Tensor>) -> Result<(), String> {
        let trains =
            training.is_some_and(|mode| !matches!(&mode.data, Data::Bool(v) if v.iter().all(|on| !on)));
        let drops = match ratio {
            Some(ratio) => super::numbers(ratio)?.iter().any(|&share| share != 0.0),
            None => true,
        };
        if trains && drops { Err(TRAINING.to_owned()) } else { Ok(()) }
    }
}

impl Operator for Dropout {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        Self::outside_training(inputs.get(1), inputs.get(2))?;
        let mask = Tensor { dims: input.dims.clone(), data: Data::Bool(vec![true; input.data.len()]) };
        Ok(vec![input.clone(), mask])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let constant = |at: usize| match inputs.get(at) {
            Some(Some(value)) => value.constant().map(|tensor| Some(&**tensor)),
            _ => Ok(None),
        };
        // A ratio means nothing outside training.
        if let Some(training) = constant(2)? {
            Self::outside_training(constant(1)?, Some(training))?;
        }
        Identity.lower(lower, inputs)
    }
}

/// The map of class names to probabilities stays what it was made from: the probabilities in order.
#[derive(Debug)]
struct ZipMap {
    classes: usize,
}

pub(super) fn zip_map(node: &Node<'_>) -> Result<Op> {
    Ok(Box::new(ZipMap { classes: Labels::read(node)?.len() }))
}

impl ZipMap {
    fn fits(&self, width: usize) -> Result<(), String> {
        let classes = self.classes;
        if width == classes { Ok(()) } else { Err(format!("names {classes} classes, got {width} columns")) }
    }
}

impl Operator for ZipMap {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        self.fits(matrix(input)?.1)?;
        Ok(vec![input.clone()])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let row = need_value(inputs, 0)?.row()?;
        self.fits(row.width())?;
        Ok(vec![Value::Row(lower.view(row, row.shape.clone(), row.kind.clone()))])
    }
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
        let dims = self.dims(&input.dims, inputs.get(1))?;
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
}
