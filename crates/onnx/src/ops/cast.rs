//! `Cast`.

use super::{Inputs, Op, Operator, need, need_value};
use crate::attrs::Node;
use crate::error::Result;
use crate::limits;
use crate::program::{Kind, Levels, Lower, Value, exact, texts};
use crate::proto::generated::tensor_proto::DataType;
use crate::tensor::{Data, Tensor};

#[derive(Debug)]
struct Cast(DataType);

/// `CastLike`: to the type of its second input.
#[derive(Debug)]
struct CastLike;

pub(super) fn cast_like() -> Op {
    Box::new(CastLike)
}

impl Operator for CastLike {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        Cast(need(inputs, 1)?.data.data_type()).run(inputs)
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        Cast(need_value(inputs, 1)?.constant()?.data.data_type()).lower(lower, &inputs[..1])
    }
}

pub(super) fn cast(node: &Node<'_>) -> Result<Op> {
    if node.version < 6 {
        return Err(node.unsupported("Cast before version 6 is not supported"));
    }
    let to = node.int("to")?.ok_or_else(|| node.error("attribute to is missing"))?;
    match i32::try_from(to).ok().and_then(|t| DataType::try_from(t).ok()) {
        Some(
            to @ (DataType::Float
            | DataType::Double
            | DataType::Int64
            | DataType::Int32
            | DataType::Uint8
            | DataType::Bool
            | DataType::String),
        ) => Ok(Box::new(Cast(to))),
        Some(other) => Err(node.unsupported(format!("casts to {} are not supported", other.as_str_name()))),
        None => Err(node.error(format!("attribute to holds {to}, which is no type"))),
    }
}

fn parse<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("{text:?} is no number"))
}

/// Without its fraction; what 64 bits do not hold, and what is no number, is the least one, as x86-64's own conversion gives
/// it and other runtimes with it (ONNX leaves it open). In rows, which hold single precision, a missing number stays missing.
fn whole(x: f64) -> i64 {
    const END: f64 = 9_223_372_036_854_775_808.0;
    if (-END..END).contains(&x) { x as i64 } else { i64::MIN }
}

/// The number as f64 and as i64, from which every other type follows.
fn both(data: &Data) -> Result<(Vec<f64>, Vec<i64>), String> {
    fn ints<T: Copy + Into<i64>>(v: &[T]) -> (Vec<f64>, Vec<i64>) {
        v.iter().map(|&x| (x.into() as f64, x.into())).unzip()
    }
    Ok(match data {
        Data::Float(v) => v.iter().map(|&x| (f64::from(x), whole(x.into()))).unzip(),
        Data::Double(v) => v.iter().map(|&x| (x, whole(x))).unzip(),
        Data::Int64(v) => ints(v),
        Data::Int32(v) => ints(v),
        Data::Uint8(v) => ints(v),
        Data::Bool(v) => v.iter().map(|&x| (f64::from(u8::from(x)), i64::from(x))).unzip(),
        Data::Text(v) => {
            let wide: Vec<f64> = v.iter().map(|t| parse(t)).collect::<Result<_, _>>()?;
            let whole = wide.iter().zip(v).map(|(&w, t)| t.trim().parse().unwrap_or(w as i64)).collect();
            (wide, whole)
        }
    })
}

/// A number as C's `%.8g` writes it, which is how other runtimes cast to text, f64 too.
fn general(x: f64) -> String {
    const DIGITS: usize = 8;
    if x.is_nan() {
        return "NaN".to_owned();
    }
    if x.is_infinite() {
        return if x < 0.0 { "-INF" } else { "INF" }.to_owned();
    }
    let places = DIGITS - 1;
    let scientific = format!("{x:.places$e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if exponent < -4 || exponent >= DIGITS as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trim(mantissa), exponent.abs());
    }
    let places = (places as i32 - exponent).max(0) as usize;
    trim(&format!("{x:.places$}"))
}

fn to_text(data: &Data) -> Result<Vec<String>, String> {
    match data {
        Data::Text(v) => Ok(v.clone()),
        Data::Int64(v) => Ok(v.iter().map(ToString::to_string).collect()),
        Data::Int32(v) => Ok(v.iter().map(ToString::to_string).collect()),
        Data::Uint8(v) => Ok(v.iter().map(ToString::to_string).collect()),
        Data::Bool(v) => Ok(v.iter().map(|&x| u8::from(x).to_string()).collect()),
        Data::Float(v) => Ok(v.iter().map(|&x| general(x.into())).collect()),
        Data::Double(v) => Ok(v.iter().map(|&x| general(x)).collect()),
    }
}

impl Operator for Cast {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        let data = match self.0 {
            DataType::String => Data::Text(to_text(&input.data)?),
            to => {
                let (wide, whole) = both(&input.data)?;
                match to {
                    DataType::Float => Data::Float(wide.iter().map(|&x| x as f32).collect()),
                    DataType::Double => Data::Double(wide),
                    DataType::Int32 => {
                        let fraction = matches!(input.data, Data::Float(_) | Data::Double(_));
                        // Whole numbers lose their upper bits, others become the least number, as in `whole`.
                        let narrow =
                            |&x: &i64| if fraction { i32::try_from(x).unwrap_or(i32::MIN) } else { x as i32 };
                        Data::Int32(whole.iter().map(narrow).collect())
                    }
                    DataType::Uint8 => Data::Uint8(whole.iter().map(|&x| x as u8).collect()),
                    DataType::Bool => Data::Bool(wide.iter().map(|&x| x != 0.0).collect()),
                    _ => Data::Int64(whole),
                }
            }
        };
        Ok(vec![Tensor { dims: input.dims.clone(), data }])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let row = need_value(inputs, 0)?.row()?;
        let shape = row.shape.clone();
        if let Kind::Code(dict) = &row.kind {
            match (self.0, &dict.levels) {
                (DataType::String, Levels::Integer(v)) => {
                    lower.table(v.len().saturating_mul(size_of::<String>() / limits::TEXT_BYTES + 1))?;
                    let levels = v.iter().map(ToString::to_string).collect();
                    return Ok(vec![Value::Row(lower.view(row, shape, texts(levels, false)))]);
                }
                (DataType::String, Levels::Text(_))
                | (DataType::Int64 | DataType::Int32, Levels::Integer(_)) => {
                    return Ok(vec![Value::Row(lower.view(row, shape, row.kind.clone()))]);
                }
                (DataType::Float | DataType::Int64, Levels::Text(levels)) if !dict.open => {
                    let whole = self.0 == DataType::Int64;
                    let read = |t: &String| if whole { exact(parse(t)?) } else { parse(t) };
                    let table = levels.iter().map(read).collect::<Result<_, _>>()?;
                    let kind = if whole { Kind::Int } else { Kind::Float };
                    return Ok(vec![Value::Row(lower.lookup(row, table, kind)?)]);
                }
                _ => {}
            }
        }
        let row = lower.number(&Value::Row(row.clone()))?;
        let float = matches!(row.kind, Kind::Float);
        let bound = if let Kind::Bool = row.kind { Some(2) } else { lower.bound(&row) };
        let row = match self.0 {
            DataType::Float => lower.view(&row, shape, Kind::Float),
            DataType::Int64 | DataType::Int32 if !float || bound.is_some() || lower.is_whole(&row) => {
                lower.view(&row, shape, Kind::Int)
            }
            DataType::Int64 | DataType::Int32 => lower.map(&row, shape, Kind::Int, |from, to| {
                to.iter_mut().zip(from).for_each(|(to, x)| *to = x.trunc());
            })?,
            DataType::Bool => lower.map(&row, shape, Kind::Bool, |from, to| {
                to.iter_mut().zip(from).for_each(|(to, &x)| *to = f32::from(u8::from(x != 0.0)));
            })?,
            other => return Err(format!("casts to {} are not compiled", other.as_str_name())),
        };
        lower.bind(&row, bound);
        Ok(vec![Value::Row(row)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_by_c() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.5, "1.5"),
            (100.0, "100"),
            (123_456_789.0, "1.2345679e+08"),
            (0.0001, "0.0001"),
            (0.000_012_5, "1.25e-05"),
            (1e30, "1e+30"),
            (f64::INFINITY, "INF"),
        ];
        for (x, text) in cases {
            assert_eq!(general(x), text);
        }
    }
}
