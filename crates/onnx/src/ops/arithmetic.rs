//! Arithmetic of two or more values under broadcasting.

use super::broadcast::zip;
use super::{Inputs, Op, Operator, integers, need, need_value, numbers};
use crate::attrs::Node;
use crate::error::Result;
use crate::limits;
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
    /// `Pow`: the exponent may be of another type.
    power: bool,
    /// `Mod`, which shows the last digit of an integer.
    rest: bool,
}

/// The operator of this node, when it is one of these.
pub(super) fn build(node: &Node<'_>) -> Result<Option<Op>> {
    let pair = match node.op() {
        "Mod" => modulo(node.int("fmod")?.unwrap_or(0) != 0),
        name => match plain(name) {
            Some(pair) => pair,
            None => return Ok(None),
        },
    };
    let is = |name: &str| node.op() == name;
    Ok(Some(Box::new(Fold { pair, mean: is("Mean"), power: is("Pow"), rest: is("Mod") })))
}

/// The remainder: with the sign of the dividend (`fmod`), or of the divisor (numbers too from operator set 28 on).
fn modulo(fmod: bool) -> Pair {
    fn floored(a: i64, b: i64) -> Option<i64> {
        let rest = a.checked_rem(b)?;
        Some(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest })
    }
    // Of integers per row too, which are numbers in f32 there.
    fn floored_single(a: f32, b: f32) -> f32 {
        let rest = a % b;
        if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }
    }
    fn floored_double(a: f64, b: f64) -> f64 {
        let rest = a % b;
        if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }
    }
    let int: fn(i64, i64) -> Option<i64> = if fmod { i64::checked_rem } else { floored };
    let single: fn(f32, f32) -> f32 = if fmod { |a, b| a % b } else { floored_single };
    let double: fn(f64, f64) -> f64 = if fmod { |a, b| a % b } else { floored_double };
    Pair { single, double, int: Some(int), keeps_integers: true }
}

fn plain(name: &str) -> Option<Pair> {
    let add = Pair {
        single: |a, b| a + b,
        double: |a, b| a + b,
        int: Some(|a, b| Some(a.wrapping_add(b))),
        keeps_integers: false,
    };
    Some(match name {
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
        "PRelu" => Pair {
            single: |a, b| if a < 0.0 { a * b } else { a },
            double: |a, b| if a < 0.0 { a * b } else { a },
            int: Some(|a, b| Some(if a < 0 { a.wrapping_mul(b) } else { a })),
            ..add
        },
        _ => return None,
    })
}

/// An integer to an integer; what is below one is cut off.
fn power(base: i64, exponent: i64) -> Option<i64> {
    match (u32::try_from(exponent), base) {
        (Ok(exponent), _) => Some(base.wrapping_pow(exponent)),
        (_, 1) => Some(1),
        (_, -1) => Some(if exponent % 2 == 0 { 1 } else { -1 }),
        (_, 0) => None,
        _ => Some(0),
    }
}

/// The exponent of `Pow` may be of another type than the base, which gives the result its type.
fn power_of_types(base: &Tensor, exponent: &Tensor) -> Result<Option<Tensor>, String> {
    let as_type = |data: Data| Tensor { dims: exponent.dims.clone(), data };
    Ok(match (&base.data, &exponent.data) {
        (Data::Float(_), Data::Int64(_) | Data::Int32(_) | Data::Double(_)) => {
            Some(as_type(Data::Float(numbers(exponent)?.into_owned())))
        }
        (Data::Double(_), Data::Float(v)) => {
            Some(as_type(Data::Double(v.iter().map(|&x| x.into()).collect())))
        }
        (Data::Double(_), Data::Int64(_) | Data::Int32(_)) => {
            Some(as_type(Data::Double(integers(exponent)?.into_iter().map(|x| x as f64).collect())))
        }
        (Data::Int64(_), Data::Int32(_)) => Some(as_type(Data::Int64(integers(exponent)?))),
        (Data::Int32(_), Data::Int64(v)) => {
            let narrow = |&x: &i64| i32::try_from(x).map_err(|_| format!("exponent {x} is out of range"));
            Some(as_type(Data::Int32(v.iter().map(narrow).collect::<Result<_, _>>()?)))
        }
        _ => None,
    })
}

/// An integer to a power that is not one: computed in f64, and cut off.
fn whole_power(base: &Tensor, exponent: &Tensor, room: usize) -> Result<Tensor, String> {
    let bases: Vec<f64> = integers(base)?.into_iter().map(|x| x as f64).collect();
    let exponents: Vec<f64> = match &exponent.data {
        Data::Double(v) => v.clone(),
        _ => numbers(exponent)?.iter().map(|&x| x.into()).collect(),
    };
    let (dims, v) = zip((&base.dims, &bases), (&exponent.dims, &exponents), room, |a, b| a.powf(*b))?;
    let data = match base.data {
        Data::Int32(_) => Data::Int32(v.into_iter().map(|x| x as i32).collect()),
        _ => Data::Int64(v.into_iter().map(|x| x as i64).collect()),
    };
    Ok(Tensor { dims, data })
}

impl Pair {
    fn run(&self, a: &Tensor, b: &Tensor, room: usize) -> Result<Tensor, String> {
        let (da, db) = (a.dims.as_slice(), b.dims.as_slice());
        let (dims, data) = match (&a.data, &b.data) {
            (Data::Float(x), Data::Float(y)) => {
                let (dims, v) = zip((da, x), (db, y), room, |&x, &y| (self.single)(x, y))?;
                (dims, Data::Float(v))
            }
            (Data::Double(x), Data::Double(y)) => {
                let (dims, v) = zip((da, x), (db, y), room, |&x, &y| (self.double)(x, y))?;
                (dims, Data::Double(v))
            }
            (Data::Int64(x), Data::Int64(y)) => {
                let int = self.int.ok_or("does not take int64")?;
                let (dims, v) = zip((da, x), (db, y), room, |&x, &y| int(x, y))?;
                (dims, Data::Int64(v.into_iter().collect::<Option<_>>().ok_or("divides by zero")?))
            }
            (Data::Int32(x), Data::Int32(y)) => {
                let int = self.int.ok_or("does not take int32")?;
                let (dims, v) = zip((da, x), (db, y), room, |&x, &y| int(x.into(), y.into()))?;
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
            let next = need(inputs, index)?;
            if let (true, Data::Int64(_) | Data::Int32(_), Data::Float(_) | Data::Double(_)) =
                (self.power, &total.data, &next.data)
            {
                total = whole_power(&total, next, inputs.room)?;
                continue;
            }
            let typed = if self.power { power_of_types(&total, next)? } else { None };
            total = self.pair.run(&total, typed.as_ref().unwrap_or(next), inputs.room)?;
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
            if self.rest {
                lower.tell_apart(&total);
                lower.tell_apart(next);
            }
            total = match (&total, next) {
                (Value::Const(a), Value::Const(b)) => {
                    Value::Const(self.pair.run(a, b, limits::FOLDED_INPUT)?.into())
                }
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
