//! Moves that take single elements: `GatherElements`, `GatherND`, `Trilu`.

use super::super::{Inputs, axis, integers, need};
use super::{FILL, Moves, each, strides};
use crate::tensor::Tensor;

/// An index within an axis, counted from the end when negative.
fn within(index: i64, length: usize) -> Result<usize, String> {
    let from_start = if index < 0 { index + length as i64 } else { index };
    let found = usize::try_from(from_start).ok().filter(|&i| i < length);
    found.ok_or_else(|| format!("index {index} is out of range for {length} elements"))
}

#[derive(Debug)]
pub(super) struct GatherElements {
    pub axis: i64,
}

impl Moves for GatherElements {
    fn dims(&self, dims: &[usize], inputs: &Inputs<'_>) -> Result<Vec<Vec<usize>>, String> {
        let at = axis(self.axis, dims.len())?;
        let index = &need(inputs, 1)?.dims;
        let fits = index.len() == dims.len() && (0..dims.len()).all(|a| a == at || index[a] <= dims[a]);
        if fits { Ok(vec![index.clone()]) } else { Err(format!("picks {index:?} elements of {dims:?}")) }
    }

    fn places(
        &self,
        dims: &[usize],
        out: &[usize],
        _: usize,
        inputs: &Inputs<'_>,
    ) -> Result<Vec<usize>, String> {
        let at = axis(self.axis, dims.len())?;
        let picks = integers(need(inputs, 1)?)?;
        let picks = picks.into_iter().map(|i| within(i, dims[at])).collect::<Result<Vec<_>, _>>()?;
        let strides = strides(dims);
        let mut picks = picks.into_iter();
        Ok(each(out, |index| {
            let own: usize = index.iter().zip(&strides).map(|(i, s)| i * s).sum();
            own - index[at] * strides[at] + picks.next().unwrap_or(0) * strides[at]
        }))
    }
}

#[derive(Debug)]
pub(super) struct GatherNd {
    pub batch: i64,
}

impl GatherNd {
    /// Leading axes that data and indices share, and the indices.
    fn parts<'a>(&self, dims: &[usize], inputs: &Inputs<'a>) -> Result<(usize, &'a Tensor, usize), String> {
        let index = need(inputs, 1)?;
        let batch = usize::try_from(self.batch).map_err(|_| "batch_dims is negative")?;
        let depth = index.dims.last().copied().ok_or("takes no scalar index")?;
        let fits = batch < dims.len().min(index.dims.len())
            && batch + depth <= dims.len()
            && depth > 0
            && dims[..batch] == index.dims[..batch];
        if fits {
            Ok((batch, index, depth))
        } else {
            Err(format!("picks {:?} elements of {dims:?}", index.dims))
        }
    }
}

impl Moves for GatherNd {
    fn dims(&self, dims: &[usize], inputs: &Inputs<'_>) -> Result<Vec<Vec<usize>>, String> {
        let (batch, index, depth) = self.parts(dims, inputs)?;
        Ok(vec![[&index.dims[..index.dims.len() - 1], &dims[batch + depth..]].concat()])
    }

    fn places(
        &self,
        dims: &[usize],
        _: &[usize],
        _: usize,
        inputs: &Inputs<'_>,
    ) -> Result<Vec<usize>, String> {
        let (batch, index, depth) = self.parts(dims, inputs)?;
        let strides = strides(dims);
        let run: usize = dims[batch + depth..].iter().product();
        let batches: usize = dims[..batch].iter().product();
        let tuples = integers(index)?;
        let each_batch = tuples.len() / depth / batches.max(1);
        let mut out = Vec::with_capacity(tuples.len() / depth * run);
        for (number, tuple) in tuples.chunks_exact(depth).enumerate() {
            let block: usize = dims[batch..].iter().product();
            let mut place = number / each_batch.max(1) * block;
            for (i, &at) in tuple.iter().enumerate() {
                place += within(at, dims[batch + i])? * strides[batch + i];
            }
            out.extend(place..place + run);
        }
        Ok(out)
    }
}

#[derive(Debug)]
pub(super) struct Trilu {
    pub upper: bool,
}

impl Moves for Trilu {
    fn dims(&self, dims: &[usize], _: &Inputs<'_>) -> Result<Vec<Vec<usize>>, String> {
        if dims.len() < 2 { Err("takes two dimensions or more".to_owned()) } else { Ok(vec![dims.to_vec()]) }
    }

    fn places(
        &self,
        _: &[usize],
        out: &[usize],
        _: usize,
        inputs: &Inputs<'_>,
    ) -> Result<Vec<usize>, String> {
        let shift = match inputs.get(1) {
            Some(k) => integers(k)?.first().copied().ok_or("has an empty diagonal")?,
            None => 0,
        };
        let last = out.len() - 1;
        let mut place = 0;
        Ok(each(out, |index| {
            place += 1;
            let above = (index[last] as i64).saturating_sub(index[last - 1] as i64);
            let kept = if self.upper { above >= shift } else { above <= shift };
            if kept { place - 1 } else { FILL }
        }))
    }
}
