//! `MatMul` and `Gemm`. Sums of f32 are kept in f64, those of integers wrap.

use super::{Inputs, Op, Operator, broadcast, float, need, need_value};
use crate::attrs::Node;
use crate::error::Result;
use crate::program::{Kind, Lower, Row, Shape, Value};
use crate::tensor::{Data, Tensor};

#[derive(Debug)]
struct MatMul;

pub(super) fn matmul() -> Op {
    Box::new(MatMul)
}

/// What matrices hold, both the same.
trait Element: Copy + Default {
    fn dot(a: &[Self], b: &[Self]) -> Self;
}

impl Element for f32 {
    fn dot(a: &[Self], b: &[Self]) -> Self {
        dot(a, b) as Self
    }
}

impl Element for f64 {
    fn dot(a: &[Self], b: &[Self]) -> Self {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }
}

impl Element for i64 {
    fn dot(a: &[Self], b: &[Self]) -> Self {
        a.iter().zip(b).fold(0, |sum: Self, (&a, &b)| sum.wrapping_add(a.wrapping_mul(b)))
    }
}

impl Element for i32 {
    fn dot(a: &[Self], b: &[Self]) -> Self {
        a.iter().zip(b).fold(0, |sum: Self, (&a, &b)| sum.wrapping_add(a.wrapping_mul(b)))
    }
}

/// Elements of the results of `Gemm`.
trait Number: Element {
    fn scaled(self, alpha: f32, added: Self, beta: f32) -> Self;
}

impl Number for f32 {
    fn scaled(self, alpha: f32, added: Self, beta: f32) -> Self {
        alpha * self + beta * added
    }
}

impl Number for f64 {
    fn scaled(self, alpha: f32, added: Self, beta: f32) -> Self {
        Self::from(alpha) * self + Self::from(beta) * added
    }
}

fn floats(tensor: &Tensor) -> Result<&[f32], String> {
    match &tensor.data {
        Data::Float(v) => Ok(v),
        other => Err(format!("does not take {}", other.type_name())),
    }
}

/// `to[j] = Σᵢ row[i] · columns[j][i]`, `columns` one after the other.
pub(super) fn dot_each(row: &[f32], columns: &[f32], to: &mut [f32]) {
    for (to, column) in to.iter_mut().zip(columns.chunks_exact(row.len().max(1))) {
        *to = dot(row, column) as f32;
    }
}

/// Scalar product, in four interleaved sums.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 4;
    let (wide, rest) = a.as_chunks::<LANES>();
    let (wide_b, rest_b) = b.as_chunks::<LANES>();
    let mut sums = [0.0_f64; LANES];
    for (a, b) in wide.iter().zip(wide_b) {
        for lane in 0..LANES {
            sums[lane] += f64::from(a[lane]) * f64::from(b[lane]);
        }
    }
    let tail: f64 = rest.iter().zip(rest_b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
    sums.iter().sum::<f64>() + tail
}

/// The sums of a row under weights (those of each output side by side), and what becomes of them.
fn weighted(
    lower: &mut Lower,
    row: &Row,
    weights: Vec<f32>,
    shape: Shape,
    finish: impl Fn(&mut [f32]) + Send + Sync + 'static,
) -> Result<Row, String> {
    match lower.weigh(row, &weights, shape.width()) {
        Some(sums) => lower.total(sums, shape, finish),
        None => lower.map(row, shape, Kind::Float, move |from, to| {
            dot_each(from, &weights, to);
            finish(to);
        }),
    }
}

/// Columns of a `[rows, columns]` matrix one after the other.
fn transposed<T: Copy>(values: &[T], rows: usize, columns: usize) -> Vec<T> {
    (0..columns).flat_map(|c| (0..rows).map(move |r| values[r * columns + c])).collect()
}

/// Products of numbers in the product of two stacks of matrices.
fn products(inputs: &Inputs<'_>) -> usize {
    let (Some(a), Some(b)) = (inputs.get(0), inputs.get(1)) else { return 0 };
    let ([oa @ .., rows, inner], [ob @ .., _, columns]) = (a.dims.as_slice(), b.dims.as_slice()) else {
        // Every number of a stack meets one of a vector.
        return a.data.len().max(b.data.len());
    };
    let outer: usize = broadcast::shape(&[oa, ob], inputs.room).map_or(0, |outer| outer.iter().product());
    [outer, (*rows).max(1), *inner, *columns].into_iter().fold(1, usize::saturating_mul)
}

/// The product of two stacks of matrices.
fn product<T: Element>(
    inputs: &Inputs<'_>,
    (a, va): (&Tensor, &[T]),
    (b, vb): (&Tensor, &[T]),
) -> Result<(Vec<usize>, Vec<T>), String> {
    let (mut da, mut db) = (a.dims.clone(), b.dims.clone());
    let (vector_a, vector_b) = (da.len() == 1, db.len() == 1);
    if vector_a {
        da.insert(0, 1);
    }
    if vector_b {
        db.push(1);
    }
    let ([oa @ .., rows, inner], [ob @ .., height, columns]) = (da.as_slice(), db.as_slice()) else {
        return Err("does not take scalars".to_owned());
    };
    let (&rows, &inner, &columns) = (rows, inner, columns);
    if inner != *height {
        return Err(format!("shapes {:?} and {:?} do not fit", a.dims, b.dims));
    }
    let outer = broadcast::shape(&[oa, ob], inputs.room)?;
    inputs.count(&[inner, columns])?;
    let count: usize = outer.iter().product();
    let mut out = vec![T::default(); inputs.count(&[count, rows, columns])?];
    let (pa, pb) = (broadcast::places(oa, &outer), broadcast::places(ob, &outer));
    for (block, (&pa, &pb)) in pa.iter().zip(&pb).enumerate() {
        let right = transposed(&vb[pb * inner * columns..][..inner * columns], inner, columns);
        for row in 0..rows {
            let from = &va[(pa * rows + row) * inner..][..inner];
            let to = &mut out[(block * rows + row) * columns..][..columns];
            for (at, to) in to.iter_mut().enumerate() {
                *to = T::dot(from, &right[at * inner..][..inner]);
            }
        }
    }
    let mut dims = outer;
    dims.extend((!vector_a).then_some(rows));
    dims.extend((!vector_b).then_some(columns));
    Ok((dims, out))
}

impl Operator for MatMul {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let (a, b) = (need(inputs, 0)?, need(inputs, 1)?);
        let (dims, data) = match (&a.data, &b.data) {
            (Data::Double(va), Data::Double(vb)) => {
                let (dims, out) = product(inputs, (a, va), (b, vb))?;
                (dims, Data::Double(out))
            }
            (Data::Int64(va), Data::Int64(vb)) => {
                let (dims, out) = product(inputs, (a, va), (b, vb))?;
                (dims, Data::Int64(out))
            }
            (Data::Int32(va), Data::Int32(vb)) => {
                let (dims, out) = product(inputs, (a, va), (b, vb))?;
                (dims, Data::Int32(out))
            }
            _ => {
                let (dims, out) = product(inputs, (a, floats(a)?), (b, floats(b)?))?;
                (dims, Data::Float(out))
            }
        };
        Ok(vec![Tensor { dims, data }])
    }

    fn work(&self, inputs: &Inputs<'_>) -> usize {
        products(inputs)
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let row = lower.number(need_value(inputs, 0)?)?;
        let right = need_value(inputs, 1)?.constant()?;
        let width = row.shape.matrix_width()?;
        let (height, columns) = match *right.dims.as_slice() {
            [height, columns] => (height, Some(columns)),
            [height] => (height, None),
            _ => {
                return Err(format!("multiplies rows with a constant of shape {:?}", right.dims));
            }
        };
        if height != width {
            return Err(format!("multiplies rows of {width} with a constant of shape {:?}", right.dims));
        }
        let weights = transposed(floats(right)?, height, columns.unwrap_or(1));
        let shape = columns.map_or_else(Shape::column, Shape::matrix);
        let row = weighted(lower, &row, weights, shape, |_| {})?;
        Ok(vec![Value::Row(row)])
    }
}

/// `alpha · A′ B′ + beta · C`.
#[derive(Debug)]
struct Gemm {
    alpha: f32,
    beta: f32,
    turn_a: bool,
    turn_b: bool,
}

pub(super) fn gemm(node: &Node<'_>) -> Result<Op> {
    Ok(Box::new(Gemm {
        alpha: node.float("alpha")?.unwrap_or(1.0),
        beta: node.float("beta")?.unwrap_or(1.0),
        turn_a: node.int("transA")?.unwrap_or(0) != 0,
        turn_b: node.int("transB")?.unwrap_or(0) != 0,
    }))
}

impl Gemm {
    /// Columns of the second matrix one after the other, with its height and width.
    fn right<T: Copy>(&self, dims: &[usize], values: &[T]) -> Result<(Vec<T>, usize, usize), String> {
        match *dims {
            [columns, height] if self.turn_b => Ok((values.to_vec(), height, columns)),
            [height, columns] => Ok((transposed(values, height, columns), height, columns)),
            _ => Err(format!("takes matrices, got shape {dims:?}")),
        }
    }

    fn product<T: Number>(
        &self,
        inputs: &Inputs<'_>,
        values: impl Fn(&Tensor) -> Result<Vec<T>, String>,
    ) -> Result<(Vec<usize>, Vec<T>), String> {
        let (a, b) = (need(inputs, 0)?, need(inputs, 1)?);
        let (right, height, columns) = self.right(&b.dims, &values(b)?)?;
        let (rows, inner) = match *a.dims.as_slice() {
            [inner, rows] if self.turn_a => (rows, inner),
            [rows, inner] => (rows, inner),
            _ => return Err(format!("takes matrices, got shape {:?}", a.dims)),
        };
        if inner != height {
            return Err(format!("shapes {:?} and {:?} do not fit", a.dims, b.dims));
        }
        let left = if self.turn_a { transposed(&values(a)?, inner, rows) } else { values(a)? };
        let dims = vec![rows, columns];
        let mut added = vec![T::default(); inputs.count(&dims)?];
        if let Some(bias) = inputs.get(2) {
            if broadcast::shape(&[&bias.dims, &dims], inputs.room)? != dims {
                return Err(format!("the third input has shape {:?}, the result {dims:?}", bias.dims));
            }
            let values = values(bias)?;
            added = broadcast::places(&bias.dims, &dims).into_iter().map(|p| values[p]).collect();
        }
        for (at, to) in added.iter_mut().enumerate() {
            let (row, column) = (at / columns, at % columns);
            let sum = T::dot(&left[row * inner..][..inner], &right[column * inner..][..inner]);
            *to = sum.scaled(self.alpha, *to, self.beta);
        }
        Ok((dims, added))
    }
}

impl Operator for Gemm {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        if let Data::Double(_) = need(inputs, 0)?.data {
            let (dims, out) = self.product(inputs, |t| match &t.data {
                Data::Double(v) => Ok(v.clone()),
                other => Err(format!("combines double with {}", other.type_name())),
            })?;
            return Ok(vec![Tensor { dims, data: Data::Double(out) }]);
        }
        let (dims, out) = self.product(inputs, |t| floats(t).map(<[f32]>::to_vec))?;
        Ok(vec![float(dims, out)])
    }

    fn work(&self, inputs: &Inputs<'_>) -> usize {
        let (Some(a), Some(b)) = (inputs.get(0), inputs.get(1)) else { return 0 };
        let columns = b.dims.get(if self.turn_b { 0 } else { 1 }).copied().unwrap_or(1);
        a.data.len().saturating_mul(columns)
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        if self.turn_a {
            return Err("turns rows into columns".to_owned());
        }
        let row = lower.number(need_value(inputs, 0)?)?;
        let right = need_value(inputs, 1)?.constant()?;
        let (weights, height, columns) = self.right(&right.dims, floats(right)?)?;
        let width = row.shape.matrix_width()?;
        if width != height {
            return Err(format!("multiplies rows of {width} with a matrix of height {height}"));
        }
        let mut bias = vec![0.0; columns];
        if let Some(value) = inputs.get(2).and_then(Option::as_ref) {
            let tensor = value.constant()?;
            let values = floats(tensor)?;
            let dims = [1, columns];
            if broadcast::shape(&[&tensor.dims, &dims], columns)? != dims {
                return Err(format!("adds a constant of shape {:?} to rows", tensor.dims));
            }
            let places = broadcast::places(&tensor.dims, &dims);
            bias.iter_mut().zip(places).for_each(|(b, p)| *b = values[p] * self.beta);
        }
        let alpha = self.alpha;
        let row = weighted(lower, &row, weights, Shape::matrix(columns), move |to| {
            to.iter_mut().zip(&bias).for_each(|(to, b)| *to = alpha * *to + b);
        })?;
        Ok(vec![Value::Row(row)])
    }
}
