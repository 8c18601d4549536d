//! Functions of one element.

use super::{Inputs, Op, Operator, float, need, need_value, numbers};
use crate::attrs::Node;
use crate::error::Result;
use crate::program::{Kind, Lower, Value};
use crate::scores::logistic;
use crate::tensor::{Data, Tensor};

#[derive(Debug)]
struct Unary {
    f: fn(f32) -> f32,
    wide: fn(f64) -> f64,
    int: Option<fn(i64) -> i64>,
}

/// The operator of this name, when it is one of these.
pub(super) fn build(name: &str) -> Option<Op> {
    let plain = |f: fn(f32) -> f32, wide: fn(f64) -> f64| Unary { f, wide, int: None };
    Some(Box::new(match name {
        "Abs" => Unary { int: Some(i64::wrapping_abs), ..plain(f32::abs, f64::abs) },
        "Neg" => Unary { int: Some(i64::wrapping_neg), ..plain(|x| -x, |x| -x) },
        "Sign" => Unary { int: Some(i64::signum), ..plain(sign, |x| if x == 0.0 { x } else { x.signum() }) },
        "Ceil" => plain(f32::ceil, f64::ceil),
        "Exp" => plain(f32::exp, f64::exp),
        "Floor" => plain(f32::floor, f64::floor),
        "Log" => plain(f32::ln, f64::ln),
        "Reciprocal" => plain(f32::recip, f64::recip),
        "Relu" => plain(|x| if x < 0.0 { 0.0 } else { x }, |x| if x < 0.0 { 0.0 } else { x }),
        "Round" => plain(f32::round_ties_even, f64::round_ties_even),
        "Sigmoid" => plain(logistic, |x| 1.0 / (1.0 + (-x).exp())),
        "Softplus" => plain(softplus, |x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
        "Sqrt" => plain(f32::sqrt, f64::sqrt),
        "Tanh" => plain(f32::tanh, f64::tanh),
        _ => return None,
    }))
}

fn sign(x: f32) -> f32 {
    if x == 0.0 { x } else { x.signum() }
}

fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

impl Operator for Unary {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        let data = match (&input.data, self.int) {
            (Data::Float(v), _) => Data::Float(v.iter().map(|&x| (self.f)(x)).collect()),
            (Data::Double(v), _) => Data::Double(v.iter().map(|&x| (self.wide)(x)).collect()),
            (Data::Int64(v), Some(int)) => Data::Int64(v.iter().map(|&x| int(x)).collect()),
            (Data::Int32(v), Some(int)) => Data::Int32(v.iter().map(|&x| int(i64::from(x)) as i32).collect()),
            (other, _) => return Err(format!("does not take {}", other.type_name())),
        };
        Ok(vec![Tensor { dims: input.dims.clone(), data }])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let row = lower.number(need_value(inputs, 0)?)?;
        let kind = if self.int.is_some() { row.kind.clone() } else { Kind::Float };
        let f = self.f;
        let row = lower.map(&row, row.shape.clone(), kind, move |from, to| {
            to.iter_mut().zip(from).for_each(|(to, &x)| *to = f(x));
        })?;
        Ok(vec![Value::Row(row)])
    }
}

#[derive(Debug)]
struct IsNan;

pub(super) fn is_nan() -> Op {
    Box::new(IsNan)
}

impl Operator for IsNan {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        let data = match &input.data {
            Data::Float(v) => v.iter().map(|x| x.is_nan()).collect(),
            Data::Double(v) => v.iter().map(|x| x.is_nan()).collect(),
            other => return Err(format!("does not take {}", other.type_name())),
        };
        Ok(vec![Tensor { dims: input.dims.clone(), data: Data::Bool(data) }])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let row = lower.number(need_value(inputs, 0)?)?;
        let row = lower.map(&row, row.shape.clone(), Kind::Bool, |from, to| {
            to.iter_mut().zip(from).for_each(|(to, x)| *to = f32::from(u8::from(x.is_nan())));
        })?;
        Ok(vec![Value::Row(row)])
    }
}

/// `Clip`: bounds are attributes up to version 6, inputs from 11 on.
#[derive(Debug)]
struct Clip {
    low: f32,
    high: f32,
}

pub(super) fn clip(node: &Node<'_>) -> Result<Op> {
    let low = node.float("min")?.unwrap_or(f32::NEG_INFINITY);
    let high = node.float("max")?.unwrap_or(f32::INFINITY);
    Ok(Box::new(Clip { low, high }))
}

impl Clip {
    fn bounds(&self, low: Option<&Tensor>, high: Option<&Tensor>) -> Result<(f32, f32), String> {
        let read = |bound: Option<&Tensor>, default: f32| match bound {
            None => Ok(default),
            Some(t) => numbers(t)?.first().copied().ok_or_else(|| "has an empty bound".to_owned()),
        };
        Ok((read(low, self.low)?, read(high, self.high)?))
    }
}

fn clamp(x: f32, low: f32, high: f32) -> f32 {
    if x.is_nan() { x } else { x.max(low).min(high) }
}

impl Operator for Clip {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        let bound = |i: usize| inputs.get(i).copied().flatten();
        if let (Data::Int64(v), None | Some(Data::Int64(_))) = (&input.data, bound(1).map(|t| &t.data)) {
            let get = |i: usize, default| {
                bound(i).and_then(|t| super::integers(t).ok()?.first().copied()).unwrap_or(default)
            };
            let (low, high) = (get(1, i64::MIN), get(2, i64::MAX));
            let data = v.iter().map(|&x| x.max(low).min(high)).collect();
            return Ok(vec![Tensor { dims: input.dims.clone(), data: Data::Int64(data) }]);
        }
        let Data::Float(values) = &input.data else {
            return Err(format!("does not take {}", input.data.type_name()));
        };
        let (low, high) = self.bounds(bound(1), bound(2))?;
        Ok(vec![float(input.dims.clone(), values.iter().map(|&x| clamp(x, low, high)).collect())])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let row = lower.number(need_value(inputs, 0)?)?;
        let bound = |i: usize| inputs.get(i).and_then(Option::as_ref).map(Value::constant).transpose();
        let (low, high) = (bound(1)?.cloned(), bound(2)?.cloned());
        let (low, high) = self.bounds(low.as_deref(), high.as_deref())?;
        let row = lower.map(&row, row.shape.clone(), row.kind.clone(), move |from, to| {
            to.iter_mut().zip(from).for_each(|(to, &x)| *to = clamp(x, low, high));
        })?;
        Ok(vec![Value::Row(row)])
    }
}
