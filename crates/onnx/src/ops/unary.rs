//! Functions of one element.

use super::{Inputs, Op, Operator, need, need_value, told_apart};
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

/// `IsNaN` and `IsInf`.
#[derive(Debug)]
struct Is {
    nan: bool,
    above: bool,
    below: bool,
}

pub(super) fn is_nan() -> Op {
    Box::new(Is { nan: true, above: false, below: false })
}

pub(super) fn is_inf(node: &Node<'_>) -> Result<Op> {
    let flag = |name: &str| node.int(name).map(|v| v.unwrap_or(1) != 0);
    Ok(Box::new(Is { nan: false, above: flag("detect_positive")?, below: flag("detect_negative")? }))
}

impl Is {
    fn holds(&self, x: f64) -> bool {
        (self.nan && x.is_nan())
            || (self.above && x == f64::INFINITY)
            || (self.below && x == f64::NEG_INFINITY)
    }
}

impl Operator for Is {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        let data = match &input.data {
            Data::Float(v) => v.iter().map(|&x| self.holds(x.into())).collect(),
            Data::Double(v) => v.iter().map(|&x| self.holds(x)).collect(),
            other => return Err(format!("does not take {}", other.type_name())),
        };
        Ok(vec![Tensor { dims: input.dims.clone(), data: Data::Bool(data) }])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let row = lower.number(need_value(inputs, 0)?)?;
        let is = Self { ..*self };
        let row = lower.map(&row, row.shape.clone(), Kind::Bool, move |from, to| {
            to.iter_mut().zip(from).for_each(|(to, &x)| *to = f32::from(u8::from(is.holds(x.into()))));
        })?;
        Ok(vec![Value::Row(row)])
    }
}

/// `Clip`: bounds are attributes up to version 10, inputs from 11 on.
#[derive(Debug)]
struct Clip {
    low: f32,
    high: f32,
}

pub(super) fn clip(node: &Node<'_>) -> Result<Op> {
    // An infinity is clipped too: what is not given is the largest finite number.
    let (low, high) = (node.float("min")?.unwrap_or(f32::MIN), node.float("max")?.unwrap_or(f32::MAX));
    Ok(Box::new(Clip { low, high }))
}

fn clamp<T: PartialOrd>(x: T, low: T, high: T) -> T {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

/// Clips elements of a type to bounds of the same type; the last two are those where none is given.
macro_rules! clip {
    ($kind:ident, $values:expr, $bounds:expr, $low:expr, $high:expr) => {{
        let bound = |tensor: Option<&Tensor>, default| match tensor.map(|t| &t.data) {
            None => Ok(default),
            Some(Data::$kind(v)) => v.first().copied().ok_or_else(|| "has an empty bound".to_owned()),
            Some(other) => Err(format!("has a bound of {}", other.type_name())),
        };
        let [low, high] = $bounds;
        let (low, high) = (bound(low, $low)?, bound(high, $high)?);
        Data::$kind($values.iter().map(|&x| clamp(x, low, high)).collect())
    }};
}

impl Operator for Clip {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        let bounds = [inputs.get(1), inputs.get(2)];
        let data = match &input.data {
            Data::Float(v) => clip!(Float, v, bounds, self.low, self.high),
            Data::Double(v) => clip!(Double, v, bounds, f64::MIN, f64::MAX),
            Data::Int64(v) => clip!(Int64, v, bounds, i64::MIN, i64::MAX),
            Data::Int32(v) => clip!(Int32, v, bounds, i32::MIN, i32::MAX),
            Data::Uint8(v) => clip!(Uint8, v, bounds, u8::MIN, u8::MAX),
            other => return Err(format!("does not take {}", other.type_name())),
        };
        Ok(vec![Tensor { dims: input.dims.clone(), data }])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let row = lower.number(need_value(inputs, 0)?)?;
        let bound = |i: usize, default: f32| match inputs.get(i).and_then(Option::as_ref) {
            None => Ok(default),
            Some(value) => {
                let bound = told_apart(value.constant()?)?.first().copied();
                bound.ok_or_else(|| "has an empty bound".to_owned())
            }
        };
        let (low, high) = (bound(1, self.low)?, bound(2, self.high)?);
        let row = lower.map(&row, row.shape.clone(), row.kind.clone(), move |from, to| {
            to.iter_mut().zip(from).for_each(|(to, &x)| *to = clamp(x, low, high));
        })?;
        Ok(vec![Value::Row(row)])
    }
}
