//! Arithmetic of two or more values under broadcasting.

use super::broadcast::zip;
use super::{Inputs, Op, Operator, need, need_value};
use crate::program::{Kind, Lower, Row, Value};
use crate::tensor::{Data, Tensor};

/// A function of two numbers, for each element type.
#[derive(Debug, Clone, Copy)]
struct Pair {
    single: fn(f32, f32) -> f32,
    double: fn(f64, f64) -> f64,
    int: Option<fn(i64, i64) -> Option<i64>>,
    /// Whether f32 gives the right integer for small integers.
    keeps_integers: bool,
}

/// An operator of one or more inputs; with `mean` the result is divided by their number.
#[derive(Debug)]
struct Fold {
    pair: Pair,
    mean: bool,
}

/// The operator of this name, when it is one of these.
pub(super) fn build(name: &str) -> Option<Op> {
    let add = Pair {
        single: |a, b| a + b,
        double: |a, b| a + b,
        int: Some(|a, b| Some(a.wrapping_add(b))),
        keeps_integers: false,
    };
    let pair = match name {
        "Add" | "Sum" | "Mean" => add,
        "Sub" => Pair {
            single: |a, b| a - b,
            double: |a, b| a - b,
            int: Some(|a, b| Some(a.wrapping_sub(b))),
            ..add
        },
        "Mul" => Pair {
            single: |a, b| a * b,
            double: |a, b| a * b,
            int: Some(|a, b| Some(a.wrapping_mul(b))),
            ..add
        },
        "Div" => {
            Pair { single: |a, b| a / b, double: |a, b| a / b, int: Some(|a, b| a.checked_div(b)), ..add }
        }
        "Pow" => Pair { single: f32::powf, double: f64::powf, int: Some(power), ..add },
        "Min" => Pair {
            single: |a, b| if a.is_nan() || a < b { a } else { b },
            double: |a, b| if a.is_nan() || a < b { a } else { b },
            int: Some(|a, b| Some(a.min(b))),
            keeps_integers: true,
        },
        "Max" => Pair {
            single: |a, b| if a.is_nan() || a > b { a } else { b },
            double: |a, b| if a.is_nan() || a > b { a } else { b },
            int: Some(|a, b| Some(a.max(b))),
            keeps_integers: true,
        },
        _ => return None,
    };
    Some(Box::new(Fold { pair, mean: name == "Mean" }))
}

fn power(base: i64, exponent: i64) -> Option<i64> {
    u32::try_from(exponent).ok().map(|e| base.wrapping_pow(e))
}

impl Pair {
    fn run(&self, a: &Tensor, b: &Tensor) -> Result<Tensor, String> {
        let (da, db) = (a.dims.as_slice(), b.dims.as_slice());
        let (dims, data) = match (&a.data, &b.data) {
            (Data::Float(x), Data::Float(y)) => {
                let (dims, v) = zip((da, x), (db, y), |&x, &y| (self.single)(x, y))?;
                (dims, Data::Float(v))
            }
            (Data::Double(x), Data::Double(y)) => {
                let (dims, v) = zip((da, x), (db, y), |&x, &y| (self.double)(x, y))?;
                (dims, Data::Double(v))
            }
            (Data::Int64(x), Data::Int64(y)) => {
                let int = self.int.ok_or("does not take int64")?;
                let (dims, v) = zip((da, x), (db, y), |&x, &y| int(x, y))?;
                (dims, Data::Int64(v.into_iter().collect::<Option<_>>().ok_or("divides by zero")?))
            }
            (Data::Int32(x), Data::Int32(y)) => {
                let int = self.int.ok_or("does not take int32")?;
                let (dims, v) = zip((da, x), (db, y), |&x, &y| int(x.into(), y.into()))?;
                let v = v.into_iter().map(|v| v.map(|v| v as i32)).collect::<Option<_>>();
                (dims, Data::Int32(v.ok_or("divides by zero")?))
            }
            (x, y) => {
                return Err(format!("does not combine {} with {}", x.type_name(), y.type_name()));
            }
        };
        Ok(Tensor { dims, data })
    }
}

impl Operator for Fold {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let mut total = need(inputs, 0)?.clone();
        for index in 1..inputs.len() {
            total = self.pair.run(&total, need(inputs, index)?)?;
        }
        if self.mean {
            match &mut total.data {
                Data::Float(v) => v.iter_mut().for_each(|x| *x /= inputs.len() as f32),
                Data::Double(v) => v.iter_mut().for_each(|x| *x /= inputs.len() as f64),
                other => return Err(format!("does not take {}", other.type_name())),
            }
        }
        Ok(vec![total])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let mut total = need_value(inputs, 0)?.clone();
        for index in 1..inputs.len() {
            let next = need_value(inputs, index)?;
            let kind = self.kind(&total, next)?;
            total = match (&total, next) {
                (Value::Const(a), Value::Const(b)) => Value::Const(self.pair.run(a, b)?.into()),
                _ => Value::Row(lower.zip([&total, next], kind, self.pair.single)?),
            };
        }
        if let (Value::Row(row), true) = (&total, self.mean) {
            let count = inputs.len() as f32;
            total = Value::Row(lower.map(row, row.shape.clone(), Kind::Float, move |from, to| {
                to.iter_mut().zip(from).for_each(|(to, &x)| *to = x / count);
            })?);
        }
        Ok(vec![total])
    }
}

impl Fold {
    /// Integers per row are kept in f32, where arithmetic would silently round or not wrap.
    fn kind(&self, a: &Value, b: &Value) -> Result<Kind, String> {
        let whole = |v: &Value| matches!(v, Value::Row(Row { kind: Kind::Int | Kind::Code(_), .. }));
        match whole(a) || whole(b) {
            false => Ok(Kind::Float),
            true if self.pair.keeps_integers => Ok(Kind::Int),
            true => Err("computes with integers per row; cast them to float first".to_owned()),
        }
    }
}
