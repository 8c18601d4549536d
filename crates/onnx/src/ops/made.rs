//! Operators that make tensors from numbers: constants, ranges, shapes, marks.

use super::{Inputs, Op, Operator, axis, integers, need, need_value, wide};
use crate::attrs::Node;
use crate::error::Result;
use crate::limits;
use crate::program::{Kind, Lower, Shape, Value};
use crate::tensor::{Data, Tensor};

/// The operator of this node, when it is one of these.
pub(super) fn build(node: &Node<'_>) -> Result<Option<Op>> {
    Ok(Some(match node.op() {
        "Compress" => Box::new(Compress(node.int("axis")?)),
        "Constant" => constant(node)?,
        "ConstantOfShape" => constant_of_shape(node)?,
        "NonZero" => Box::new(NonZero),
        "OneHot" => Box::new(OneHot { axis: node.int("axis")?.unwrap_or(-1) }),
        "Range" => Box::new(Range),
        "Shape" => Box::new(ShapeOf { start: node.int("start")?.unwrap_or(0), end: node.int("end")? }),
        "Size" => Box::new(Size),
        _ => return Ok(None),
    }))
}

fn across() -> Result<Vec<Value>, String> {
    Err("depends on the number of rows".to_owned())
}

#[derive(Debug)]
struct Constant(Tensor);

fn constant(node: &Node<'_>) -> Result<Op> {
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

    fn constant(&self) -> Option<&Tensor> {
        Some(&self.0)
    }
}

#[derive(Debug)]
struct ConstantOfShape(Data);

fn constant_of_shape(node: &Node<'_>) -> Result<Op> {
    let data = node.tensor("value")?.map_or(Data::Float(vec![0.0]), |t| t.data);
    if data.len() == 1 {
        return Ok(Box::new(ConstantOfShape(data)));
    }
    Err(node.error(format!("value has {} elements, expected one", data.len())))
}

impl Operator for ConstantOfShape {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let wanted = integers(need(inputs, 0)?)?;
        let dims: Option<Vec<usize>> = wanted.iter().map(|&d| usize::try_from(d).ok()).collect();
        let dims = dims.ok_or_else(|| format!("shape {wanted:?} has a negative size"))?;
        let places = vec![0; inputs.count(&dims)?];
        Ok(vec![Tensor { dims, data: super::pick::gather_places(&self.0, &places) }])
    }

    fn lower(&self, _: &mut Lower, _: &[Option<Value>]) -> Result<Vec<Value>, String> {
        across()
    }
}

#[derive(Debug)]
struct Range;

impl Operator for Range {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let [start, end, step] = [need(inputs, 0)?, need(inputs, 1)?, need(inputs, 2)?];
        let one = |v: &[f64]| v.first().copied().ok_or_else(|| "has an empty bound".to_owned());
        let data = match (&start.data, &end.data, &step.data) {
            (Data::Float(a), Data::Float(b), Data::Float(c)) => {
                let wide = |v: &[f32]| one(&v.iter().map(|&x| x.into()).collect::<Vec<_>>());
                let values = steps(inputs, wide(a)?, wide(b)?, wide(c)?)?;
                Data::Float(values.into_iter().map(|v| v as f32).collect())
            }
            (Data::Double(a), Data::Double(b), Data::Double(c)) => {
                Data::Double(steps(inputs, one(a)?, one(b)?, one(c)?)?)
            }
            (Data::Int64(_), Data::Int64(_), Data::Int64(_)) => {
                Data::Int64(whole_steps(inputs, start, end, step)?)
            }
            (Data::Int32(_), Data::Int32(_), Data::Int32(_)) => {
                let values = whole_steps(inputs, start, end, step)?;
                Data::Int32(values.into_iter().map(|v| v as i32).collect())
            }
            (a, _, _) => return Err(format!("does not count in {}", a.type_name())),
        };
        Ok(vec![Tensor { dims: vec![data.len()], data }])
    }

    fn lower(&self, _: &mut Lower, _: &[Option<Value>]) -> Result<Vec<Value>, String> {
        across()
    }
}

fn steps(inputs: &Inputs<'_>, start: f64, end: f64, step: f64) -> Result<Vec<f64>, String> {
    let count = ((end - start) / step).ceil();
    if count.is_nan() || step == 0.0 {
        return Err(format!("does not go from {start} to {end} by {step}"));
    }
    let count = inputs.count(&[count.max(0.0) as usize])?;
    Ok((0..count).map(|i| start + i as f64 * step).collect())
}

fn whole_steps(inputs: &Inputs<'_>, start: &Tensor, end: &Tensor, step: &Tensor) -> Result<Vec<i64>, String> {
    let one = |t: &Tensor| integers(t)?.first().copied().ok_or_else(|| "has an empty bound".to_owned());
    let (start, end, step) = (one(start)?, one(end)?, one(step)?);
    if step == 0 {
        return Err("has a step of 0".to_owned());
    }
    let span =
        if step > 0 { i128::from(end) - i128::from(start) } else { i128::from(start) - i128::from(end) };
    let count = if span > 0 { span.unsigned_abs().div_ceil(step.unsigned_abs().into()) } else { 0 };
    let count = inputs.count(&[usize::try_from(count).unwrap_or(usize::MAX)])?;
    Ok((0..count as i64).map(|i| start.wrapping_add(i.wrapping_mul(step))).collect())
}

#[derive(Debug)]
struct ShapeOf {
    start: i64,
    end: Option<i64>,
}

impl Operator for ShapeOf {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let dims = &need(inputs, 0)?.dims;
        let rank = dims.len() as i64;
        let place = |at: i64| (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize;
        let (start, end) = (place(self.start), place(self.end.unwrap_or(rank)));
        let out: Vec<i64> = dims[start..end.max(start)].iter().map(|&d| d as i64).collect();
        Ok(vec![Tensor { dims: vec![out.len()], data: Data::Int64(out) }])
    }

    fn lower(&self, _: &mut Lower, _: &[Option<Value>]) -> Result<Vec<Value>, String> {
        across()
    }
}

#[derive(Debug)]
struct Size;

impl Operator for Size {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let count = need(inputs, 0)?.data.len() as i64;
        Ok(vec![Tensor { dims: Vec::new(), data: Data::Int64(vec![count]) }])
    }

    fn lower(&self, _: &mut Lower, _: &[Option<Value>]) -> Result<Vec<Value>, String> {
        across()
    }
}

/// Marks the place of each index along a new axis.
#[derive(Debug)]
struct OneHot {
    axis: i64,
}

impl OneHot {
    fn depth(tensor: &Tensor) -> Result<usize, String> {
        let depth = super::numbers(tensor)?.first().copied().ok_or("has no depth")?;
        // Depths are small; what is not is told apart by the room for the result.
        if depth >= 1.0 { Ok(depth as usize) } else { Err(format!("depth {depth} is out of range")) }
    }

    /// The place an index means, if any.
    fn mark(index: f64, depth: usize) -> Option<usize> {
        let index = index.trunc();
        let from_start = if index < 0.0 { index + depth as f64 } else { index };
        (from_start >= 0.0 && from_start < depth as f64).then_some(from_start as usize)
    }
}

impl Operator for OneHot {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let (index, values) = (need(inputs, 0)?, need(inputs, 2)?);
        let depth = Self::depth(need(inputs, 1)?)?;
        let at = axis(self.axis, index.dims.len() + 1)?;
        if values.data.len() != 2 {
            return Err(format!("takes two values, got {}", values.data.len()));
        }
        let mut dims = index.dims.clone();
        dims.insert(at, depth);
        let mut places = vec![0; inputs.count(&dims)?];
        let inner: usize = index.dims[at..].iter().product();
        for (i, &value) in wide(index)?.iter().enumerate() {
            if let Some(mark) = Self::mark(value, depth) {
                places[(i / inner * depth + mark) * inner + i % inner] = 1;
            }
        }
        Ok(vec![Tensor { dims, data: super::pick::gather_places(&values.data, &places) }])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let row = lower.number(need_value(inputs, 0)?)?;
        let depth = Self::depth(need_value(inputs, 1)?.constant()?)?;
        if depth > limits::ROW_WIDTH {
            return Err(lower.beyond(format!("marks {depth} places, the limit is {}", limits::ROW_WIDTH)));
        }
        let values = need_value(inputs, 2)?.constant()?;
        let kind = match values.data {
            Data::Int64(_) | Data::Int32(_) => Kind::Int,
            Data::Bool(_) => Kind::Bool,
            _ => Kind::Float,
        };
        let (off, on) = match *super::told_apart(values)? {
            [off, on] => (off, on),
            _ => return Err("takes two values".to_owned()),
        };
        if axis(self.axis, row.shape.rank() + 1)? != row.shape.rank() {
            return Err("marks along an axis that is not the last".to_owned());
        }
        let inner = [row.shape.inner.as_slice(), &[depth]].concat();
        let shape = Shape { inner, ..row.shape.clone() };
        let row = lower.map(&row, shape, kind, move |from, to| {
            to.fill(off);
            for (to, &x) in to.chunks_exact_mut(depth).zip(from) {
                if let Some(mark) = Self::mark(x.into(), depth) {
                    to[mark] = on;
                }
            }
        })?;
        Ok(vec![Value::Row(row)])
    }
}

/// Indices of all elements that are not zero, one line an axis.
#[derive(Debug)]
struct NonZero;

impl Operator for NonZero {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        let marks: Vec<bool> = match &input.data {
            Data::Bool(v) => v.clone(),
            Data::Text(_) => return Err("takes numbers, not strings".to_owned()),
            _ => wide(input)?.into_iter().map(|x| x != 0.0).collect(),
        };
        let found: Vec<usize> = (0..marks.len()).filter(|&i| marks[i]).collect();
        let rank = input.dims.len().max(1);
        inputs.count(&[rank, found.len()])?;
        let mut out = Vec::with_capacity(rank * found.len());
        for axis in 0..rank {
            let after: usize = input.dims.iter().skip(axis + 1).product();
            let size = input.dims.get(axis).copied().unwrap_or(1);
            out.extend(found.iter().map(|i| (i / after % size) as i64));
        }
        Ok(vec![Tensor { dims: vec![rank, found.len()], data: Data::Int64(out) }])
    }

    fn lower(&self, _: &mut Lower, _: &[Option<Value>]) -> Result<Vec<Value>, String> {
        Err("gives as many elements as are not zero".to_owned())
    }
}

/// Keeps what a list of booleans marks, along an axis or of all elements.
#[derive(Debug)]
struct Compress(Option<i64>);

impl Operator for Compress {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let (input, marks) = (need(inputs, 0)?, need(inputs, 1)?);
        let Data::Bool(marks) = &marks.data else {
            return Err(format!("takes a condition of booleans, not {}", marks.data.type_name()));
        };
        let dims = match self.0 {
            Some(_) => input.dims.clone(),
            None => vec![input.data.len()],
        };
        let at = axis(self.0.unwrap_or(0), dims.len())?;
        let kept: Vec<i64> = (0..dims[at].min(marks.len())).filter(|&i| marks[i]).map(|i| i as i64).collect();
        let kept = Tensor { dims: vec![kept.len()], data: Data::Int64(kept) };
        let flat = Tensor { dims, data: input.data.clone() };
        super::pick::gather_along(at as i64).run(&Inputs::new(vec![Some(&flat), Some(&kept)], inputs.room))
    }

    fn lower(&self, _: &mut Lower, _: &[Option<Value>]) -> Result<Vec<Value>, String> {
        Err("gives as many elements as are marked".to_owned())
    }
}
