//! The row-by-row operators of ai.onnx.ml: `Scaler`, `Imputer`, `Normalizer`, `Binarizer`,
//! `FeatureVectorizer`.

use std::fmt;
use std::sync::Arc;

use super::{Inputs, Op, Operator, float, matrix, need, need_value, numbers};
use crate::attrs::Node;
use crate::error::Result;
use crate::limits;
use crate::program::{Kind, Lower, Map, Shape, Value, exact};
use crate::tensor::{Data, Tensor};

type RowFn<T> = Arc<dyn Fn(&[T], &mut [f32]) + Send + Sync>;

/// A function of a row of numbers that keeps its shape.
struct Rowwise {
    f: RowFn<f32>,
    /// The same of doubles, which are not rounded before (`Scaler`).
    wide: Option<RowFn<f64>>,
    /// Widths it accepts; none accepts any.
    width: Option<usize>,
    /// What happens to each column by itself, repeated over the columns; empty when they depend on each other.
    maps: Vec<Vec<Map>>,
    /// Integers stay integers (`Imputer`): what is replaced, by what of each column.
    whole: Option<(i64, Vec<i64>)>,
    /// Below what all it makes lies, which is whole and never below 0.
    bound: Option<usize>,
}

impl fmt::Debug for Rowwise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rowwise").field("width", &self.width).finish_non_exhaustive()
    }
}

impl Rowwise {
    /// A function of which no more is known.
    fn new(f: RowFn<f32>) -> Self {
        Self { f, wide: None, width: None, maps: Vec::new(), whole: None, bound: None }
    }

    fn fits(&self, width: usize) -> Result<(), String> {
        match self.width {
            Some(expected) if expected != width => Err(format!("takes {expected} columns, got {width}")),
            _ => Ok(()),
        }
    }
}

impl Operator for Rowwise {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        let width = input.dims.last().copied().unwrap_or(1);
        self.fits(width)?;
        if let (Data::Int64(v), Some((replaced, values))) = (&input.data, &self.whole) {
            let filled = v.iter().zip(values.iter().cycle());
            let filled = filled.map(|(&x, &value)| if x == *replaced { value } else { x }).collect();
            return Ok(vec![Tensor { dims: input.dims.clone(), data: Data::Int64(filled) }]);
        }
        let out = match (&input.data, &self.wide) {
            (Data::Double(v), Some(wide)) => each_row(v, width, wide),
            _ => each_row(&numbers(input)?[..], width, &self.f),
        };
        Ok(vec![float(input.dims.clone(), out)])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let row = lower.number(need_value(inputs, 0)?)?;
        self.fits(row.shape.matrix_width()?)?;
        let kind = match &self.whole {
            Some((replaced, values)) => {
                values.iter().chain([replaced]).try_for_each(|&v| exact(v).map(|_| ()))?;
                row.kind.clone()
            }
            None => Kind::Float,
        };
        let f = Arc::clone(&self.f);
        let made = lower.map(&row, row.shape.clone(), kind, move |from, to| f(from, to))?;
        lower.bind(&made, self.bound);
        if !self.maps.is_empty() {
            lower.derive(&row, &made, |column, origin| {
                origin.maps.extend(&self.maps[column % self.maps.len()]);
            });
        }
        Ok(vec![Value::Row(made)])
    }
}

fn each_row<T>(values: &[T], width: usize, f: &RowFn<T>) -> Vec<f32> {
    let mut out = vec![0.0; values.len()];
    if width > 0 {
        for (from, to) in values.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            f(from, to);
        }
    }
    out
}

/// One value for all columns, or one for each.
fn per_column(values: &[f32], default: f32) -> (Vec<f32>, Option<usize>) {
    match values {
        [] => (vec![default], None),
        [_] => (values.to_vec(), None),
        _ => (values.to_vec(), Some(values.len())),
    }
}

pub(super) fn scaler(node: &Node<'_>) -> Result<Op> {
    let (offset, offsets) = per_column(node.floats("offset")?, 0.0);
    let (scale, scales) = per_column(node.floats("scale")?, 1.0);
    if offsets.is_some() && scales.is_some() && offsets != scales {
        return Err(node.error("offset and scale have different lengths"));
    }
    let columns = offset.len().max(scale.len());
    let maps = (0..columns)
        .map(|c| vec![Map::Sub(offset[c % offset.len()]), Map::Mul(scale[c % scale.len()])])
        .collect();
    let both: Vec<(f64, f64)> = (0..columns)
        .map(|c| (f64::from(offset[c % offset.len()]), f64::from(scale[c % scale.len()])))
        .collect();
    let wide = move |from: &[f64], to: &mut [f32]| {
        for ((to, &x), (offset, scale)) in to.iter_mut().zip(from).zip(both.iter().cycle()) {
            *to = ((x - offset) * scale) as f32;
        }
    };
    let f = move |from: &[f32], to: &mut [f32]| {
        let columns = offset.iter().cycle().zip(scale.iter().cycle());
        for ((to, &x), (offset, scale)) in to.iter_mut().zip(from).zip(columns) {
            *to = (x - offset) * scale;
        }
    };
    let wide: Option<RowFn<f64>> = Some(Arc::new(wide));
    let width = offsets.or(scales);
    Ok(Box::new(Rowwise { wide, width, maps, ..Rowwise::new(Arc::new(f)) }))
}

pub(super) fn imputer(node: &Node<'_>) -> Result<Op> {
    let whole = node.has("imputed_value_int64s");
    let replaced = if whole {
        node.int("replaced_value_int64")?.unwrap_or(0) as f32
    } else {
        node.float("replaced_value_float")?.unwrap_or(0.0)
    };
    let ints: Vec<f32> = node.ints("imputed_value_int64s")?.iter().map(|&v| v as f32).collect();
    let given = if whole { &ints } else { node.floats("imputed_value_floats")? };
    if given.is_empty() {
        return Err(node.error("has no imputed values"));
    }
    let (values, width) = per_column(given, 0.0);
    let exactly =
        (node.int("replaced_value_int64")?.unwrap_or(0), node.ints("imputed_value_int64s")?.to_vec());
    let maps = values.iter().map(|&value| vec![Map::Fill { replaced, value }]).collect();
    let f = move |from: &[f32], to: &mut [f32]| {
        for ((to, &x), &value) in to.iter_mut().zip(from).zip(values.iter().cycle()) {
            *to = if x == replaced || (replaced.is_nan() && x.is_nan()) { value } else { x };
        }
    };
    let whole = whole.then_some(exactly);
    Ok(Box::new(Rowwise { width, maps, whole, ..Rowwise::new(Arc::new(f)) }))
}

pub(super) fn normalizer(node: &Node<'_>) -> Result<Op> {
    let norm: fn(&[f32]) -> f32 = match node.text("norm")?.as_deref() {
        None | Some("MAX") => |row| row.iter().copied().fold(f32::MIN, f32::max),
        Some("L1") => |row| row.iter().map(|x| x.abs()).sum(),
        Some("L2") => |row| row.iter().map(|x| x * x).sum::<f32>().sqrt(),
        Some(other) => return Err(node.error(format!("norm {other:?} is unknown"))),
    };
    let f = move |from: &[f32], to: &mut [f32]| {
        let norm = norm(from);
        let divisor = if norm == 0.0 { 1.0 } else { norm };
        to.iter_mut().zip(from).for_each(|(to, x)| *to = x / divisor);
    };
    Ok(Box::new(Rowwise::new(Arc::new(f))))
}

pub(super) fn binarizer(node: &Node<'_>) -> Result<Op> {
    let threshold = node.float("threshold")?.unwrap_or(0.0);
    let f = move |from: &[f32], to: &mut [f32]| {
        to.iter_mut().zip(from).for_each(|(to, &x)| *to = f32::from(u8::from(x > threshold)));
    };
    Ok(Box::new(Rowwise { bound: Some(2), ..Rowwise::new(Arc::new(f)) }))
}

/// Puts inputs side by side as floats, each cut or padded with zeros to its width.
#[derive(Debug)]
struct Vectorizer {
    widths: Vec<usize>,
}

pub(super) fn vectorizer(node: &Node<'_>) -> Result<Op> {
    let widths = node.ints("inputdimensions")?.iter().map(|&w| usize::try_from(w).ok());
    let widths = widths.collect::<Option<Vec<_>>>().filter(|w| w.len() == node.proto.input.len());
    let widths = widths.ok_or_else(|| node.error("inputdimensions does not give a width for each input"))?;
    let total = widths.iter().fold(0, |sum: usize, &w| sum.saturating_add(w));
    if total > limits::ROW_WIDTH {
        return Err(node.error(format!("makes a width of {total}, the limit is {}", limits::ROW_WIDTH)));
    }
    Ok(Box::new(Vectorizer { widths }))
}

impl Operator for Vectorizer {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let total: usize = self.widths.iter().sum();
        let (rows, _) = matrix(need(inputs, 0)?)?;
        let mut out = vec![0.0; inputs.count(&[rows, total])?];
        let mut column = 0;
        for (index, &wanted) in self.widths.iter().enumerate() {
            let tensor = need(inputs, index)?;
            let (count, width) = matrix(tensor)?;
            if count != rows {
                return Err(format!("input {index} has {count} rows, input 0 {rows}"));
            }
            let values = numbers(tensor)?;
            let taken = wanted.min(width);
            for row in 0..rows {
                let to = &mut out[row * total + column..][..taken];
                to.copy_from_slice(&values[row * width..][..taken]);
            }
            column += wanted;
        }
        Ok(vec![float(vec![rows, total], out)])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let mut rows = Vec::with_capacity(self.widths.len());
        for (index, &wanted) in self.widths.iter().enumerate() {
            let row = lower.number(need_value(inputs, index)?)?;
            let width = row.shape.matrix_width()?;
            if wanted > width {
                return Err(format!("pads input {index} from {width} to {wanted} columns"));
            }
            let columns: Vec<usize> = (0..wanted).collect();
            rows.push(if wanted == width {
                row
            } else {
                lower.pick(&row, &columns, Shape::matrix(wanted))?
            });
        }
        let total = self.widths.iter().sum();
        Ok(vec![Value::Row(lower.concat(&rows, Shape::matrix(total), Kind::Float)?)])
    }
}
