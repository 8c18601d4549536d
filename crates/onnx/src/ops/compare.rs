//! Comparisons, logic and selection.

use std::collections::HashMap;
use std::sync::Arc;

use super::broadcast::{self, zip};
use super::{Inputs, Op, Operator, need, need_value};
use crate::program::{Dict, EXACT, Kind, Levels, Lower, Row, Value};
use crate::tensor::{Data, Tensor};

#[derive(Debug, Clone, Copy)]
struct Compare {
    single: fn(&f32, &f32) -> bool,
    double: fn(&f64, &f64) -> bool,
    int: fn(&i64, &i64) -> bool,
    /// Texts and booleans can only be equal.
    equal: bool,
}

#[derive(Debug, Clone, Copy)]
struct Logic(fn(bool, bool) -> bool);

#[derive(Debug)]
struct Not;

#[derive(Debug)]
struct Where;

/// The operator of this name, when it is one of these.
pub(super) fn build(name: &str) -> Option<Op> {
    let compare = match name {
        "Equal" => Compare { single: f32::eq, double: f64::eq, int: i64::eq, equal: true },
        "Less" => Compare { single: f32::lt, double: f64::lt, int: i64::lt, equal: false },
        "LessOrEqual" => Compare { single: f32::le, double: f64::le, int: i64::le, equal: false },
        "Greater" => Compare { single: f32::gt, double: f64::gt, int: i64::gt, equal: false },
        "GreaterOrEqual" => Compare { single: f32::ge, double: f64::ge, int: i64::ge, equal: false },
        "And" => return Some(Box::new(Logic(|a, b| a && b))),
        "Or" => return Some(Box::new(Logic(|a, b| a || b))),
        "Xor" => return Some(Box::new(Logic(|a, b| a != b))),
        "Not" => return Some(Box::new(Not)),
        "Where" => return Some(Box::new(Where)),
        _ => return None,
    };
    Some(Box::new(compare))
}

impl Operator for Compare {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let (a, b) = (need(inputs, 0)?, need(inputs, 1)?);
        let (da, db) = (a.dims.as_slice(), b.dims.as_slice());
        let (dims, values) = match (&a.data, &b.data) {
            (Data::Float(x), Data::Float(y)) => zip((da, x), (db, y), inputs.room, self.single)?,
            (Data::Double(x), Data::Double(y)) => zip((da, x), (db, y), inputs.room, self.double)?,
            (Data::Int64(x), Data::Int64(y)) => zip((da, x), (db, y), inputs.room, self.int)?,
            (Data::Int32(x), Data::Int32(y)) => {
                zip((da, x), (db, y), inputs.room, |&x, &y| (self.int)(&x.into(), &y.into()))?
            }
            (Data::Uint8(x), Data::Uint8(y)) => {
                zip((da, x), (db, y), inputs.room, |&x, &y| (self.int)(&x.into(), &y.into()))?
            }
            (Data::Bool(x), Data::Bool(y)) if self.equal => zip((da, x), (db, y), inputs.room, bool::eq)?,
            (Data::Text(x), Data::Text(y)) if self.equal => zip((da, x), (db, y), inputs.room, String::eq)?,
            (x, y) => {
                return Err(format!("does not compare {} with {}", x.type_name(), y.type_name()));
            }
        };
        Ok(vec![Tensor { dims, data: Data::Bool(values) }])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let (a, b) = (need_value(inputs, 0)?, need_value(inputs, 1)?);
        if let (Value::Row(row), Value::Const(text)) | (Value::Const(text), Value::Row(row)) = (a, b)
            && let Data::Text(texts) = &text.data
        {
            return Ok(vec![equal_text(lower, row, &text.dims, texts)?]);
        }
        if let (Value::Row(_), Value::Row(_)) = (a, b) {
            lower.tell_apart(a);
            lower.tell_apart(b);
        }
        let f = self.single;
        let row = lower.zip([a, b], Kind::Bool, move |x, y| f32::from(u8::from(f(&x, &y))))?;
        Ok(vec![Value::Row(row)])
    }

    fn levels(&self) -> Option<Vec<String>> {
        // The texts compared with are the other input: a constant of the graph.
        Some(Vec::new())
    }
}

/// Equality of codes with constant texts, as a table look-up.
fn equal_text(lower: &mut Lower, row: &Row, dims: &[usize], texts: &[String]) -> Result<Value, String> {
    let Kind::Code(dict) = &row.kind else {
        return Err("compares numbers with texts".to_owned());
    };
    let [text] = texts else {
        return Err(format!("compares texts with a constant of shape {dims:?}, expected one text"));
    };
    // Texts of a row that are not known share one code, which can't be told from a text made in the graph.
    if dict.open && !matches!(&dict.levels, Levels::Text(levels) if levels.contains(text)) {
        return Err(format!("compares texts with {text:?}, which is made by other nodes"));
    }
    let table = dict.text_table(|level| f32::from(u8::from(level == Some(text))))?;
    Ok(Value::Row(lower.lookup(row, table, Kind::Bool)?))
}

/// Steps of finding a level of a dictionary again.
const LEVEL: usize = 32;

/// A choice between texts: between codes of one dictionary, in which constant texts are looked up.
fn where_text(lower: &mut Lower, hit: &Value, sides: [&Value; 2]) -> Result<Option<Row>, String> {
    let text = |v: &Value| match v {
        Value::Row(Row { kind: Kind::Code(dict), .. }) if matches!(dict.levels, Levels::Text(_)) => {
            Some(Arc::clone(dict))
        }
        _ => None,
    };
    let [a, b] = sides.map(text);
    let dict = match (a, b) {
        (None, None) => return Ok(None),
        (Some(a), Some(b)) if a != b => return Err("chooses between texts of two kinds".to_owned()),
        (Some(dict), _) | (None, Some(dict)) => dict,
    };
    let codes = |lower: &mut Lower, value: &Value| match value {
        Value::Row(row) => match row.kind {
            Kind::Code(_) => Ok(Value::Row(lower.view(row, row.shape.clone(), Kind::Int))),
            _ => Err("chooses between texts and numbers".to_owned()),
        },
        Value::Const(tensor) => {
            let levels = if let Levels::Text(levels) = &dict.levels { levels.len() } else { 0 };
            lower.charge(levels.saturating_mul(LEVEL))?;
            constant_codes(tensor, &dict).map(|t| Value::Const(t.into()))
        }
        Value::Words(_) => Err("chooses between texts and their words".to_owned()),
    };
    let (a, b) = (codes(lower, sides[0])?, codes(lower, sides[1])?);
    let choose = |c: f32, x: f32, y: f32| if c == 0.0 { y } else { x };
    lower.zip3([hit, &a, &b], Kind::Code(dict), choose).map(Some)
}

/// The codes of constant texts.
fn constant_codes(tensor: &Tensor, dict: &Dict) -> Result<Tensor, String> {
    let (Data::Text(texts), Levels::Text(levels)) = (&tensor.data, &dict.levels) else {
        return Err("chooses between texts and numbers".to_owned());
    };
    // The first of equal levels counts.
    let known: HashMap<&str, usize> =
        levels.iter().enumerate().rev().map(|(at, level)| (level.as_str(), at)).collect();
    let code = |text: &String| match known.get(text.as_str()) {
        Some(&at) => Ok(at as f32),
        None => Err(format!("chooses {text:?}, which the other side never is")),
    };
    let codes = texts.iter().map(code).collect::<Result<_, _>>()?;
    Ok(Tensor { dims: tensor.dims.clone(), data: Data::Float(codes) })
}

fn bools<'a>(inputs: &Inputs<'a>, index: usize) -> Result<(&'a [usize], &'a [bool]), String> {
    let tensor = need(inputs, index)?;
    match &tensor.data {
        Data::Bool(v) => Ok((&tensor.dims, v)),
        other => Err(format!("takes booleans, not {}", other.type_name())),
    }
}

impl Operator for Logic {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let (dims, values) = zip(bools(inputs, 0)?, bools(inputs, 1)?, inputs.room, |&a, &b| (self.0)(a, b))?;
        Ok(vec![Tensor { dims, data: Data::Bool(values) }])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let f = self.0;
        let (a, b) = (need_value(inputs, 0)?, need_value(inputs, 1)?);
        let row = lower.zip([a, b], Kind::Bool, move |x, y| f32::from(u8::from(f(x != 0.0, y != 0.0))))?;
        Ok(vec![Value::Row(row)])
    }
}

impl Operator for Not {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let (dims, values) = bools(inputs, 0)?;
        let values = values.iter().map(|v| !v).collect();
        Ok(vec![Tensor { dims: dims.to_vec(), data: Data::Bool(values) }])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let row = lower.number(need_value(inputs, 0)?)?;
        let row = lower.map(&row, row.shape.clone(), Kind::Bool, |from, to| {
            to.iter_mut().zip(from).for_each(|(to, &x)| *to = f32::from(u8::from(x == 0.0)));
        })?;
        Ok(vec![Value::Row(row)])
    }
}

/// Below what the numbers of a value lie, when they are whole and never below 0.
fn below(lower: &Lower, value: &Value) -> Option<usize> {
    match value {
        Value::Row(row) => lower.bound(row),
        Value::Const(tensor) => match &tensor.data {
            Data::Int64(all) => all.iter().try_fold(1, |most: usize, &x| {
                usize::try_from(x).ok().filter(|&x| x < EXACT as usize).map(|x| most.max(x + 1))
            }),
            _ => None,
        },
        Value::Words(_) => None,
    }
}

impl Operator for Where {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        fn select<T: Clone>(places: &[Vec<usize>; 3], hit: &[bool], a: &[T], b: &[T]) -> Vec<T> {
            let [at, pa, pb] = places;
            at.iter()
                .zip(pa.iter().zip(pb))
                .map(|(&at, (&x, &y))| if hit[at] { a[x].clone() } else { b[y].clone() })
                .collect()
        }
        let (hit_dims, hit) = bools(inputs, 0)?;
        let (a, b) = (need(inputs, 1)?, need(inputs, 2)?);
        let dims = broadcast::shape(&[hit_dims, &a.dims, &b.dims], inputs.room)?;
        let places = [hit_dims, &a.dims, &b.dims].map(|d| broadcast::places(d, &dims));
        let data = match (&a.data, &b.data) {
            (Data::Float(x), Data::Float(y)) => Data::Float(select(&places, hit, x, y)),
            (Data::Double(x), Data::Double(y)) => Data::Double(select(&places, hit, x, y)),
            (Data::Int64(x), Data::Int64(y)) => Data::Int64(select(&places, hit, x, y)),
            (Data::Int32(x), Data::Int32(y)) => Data::Int32(select(&places, hit, x, y)),
            (Data::Uint8(x), Data::Uint8(y)) => Data::Uint8(select(&places, hit, x, y)),
            (Data::Bool(x), Data::Bool(y)) => Data::Bool(select(&places, hit, x, y)),
            (Data::Text(x), Data::Text(y)) => Data::Text(select(&places, hit, x, y)),
            (x, y) => {
                return Err(format!("does not choose between {} and {}", x.type_name(), y.type_name()));
            }
        };
        Ok(vec![Tensor { dims, data }])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let (hit, a, b) = (need_value(inputs, 0)?, need_value(inputs, 1)?, need_value(inputs, 2)?);
        if let Some(row) = where_text(lower, hit, [a, b])? {
            return Ok(vec![Value::Row(row)]);
        }
        let kind = match (a, b) {
            (Value::Row(row), _) | (_, Value::Row(row)) => row.kind.clone(),
            (Value::Words(_), _) => Kind::Float,
            (Value::Const(t), _) => match t.data {
                Data::Int64(_) | Data::Int32(_) => Kind::Int,
                Data::Bool(_) => Kind::Bool,
                _ => Kind::Float,
            },
        };
        let kind = if matches!(kind, Kind::Code(_)) { Kind::Int } else { kind };
        let bounds = [a, b].map(|value| below(lower, value));
        let row = lower.zip3([hit, a, b], kind, |c, x, y| if c == 0.0 { y } else { x })?;
        if let [Some(a), Some(b)] = bounds {
            lower.bind(&row, Some(a.max(b)));
        }
        Ok(vec![Value::Row(row)])
    }
}
