//! Moves that work axis by axis: `Slice`, `Split`, `Transpose`, `Tile`, `Expand`.

use super::super::{Inputs, axis, broadcast, integers, need};
use super::{Moves, each, strides};
use crate::attrs::Node;
use crate::error::Result;

/// `Slice`: bounds are attributes up to version 9, inputs from 10 on.
#[derive(Debug)]
pub(super) struct Slice {
    given: Option<[Vec<i64>; 3]>,
}

/// What is taken of one axis.
#[derive(Debug, Clone, Copy)]
struct Cut {
    start: usize,
    step: i64,
    count: usize,
}

impl Slice {
    pub fn read(node: &Node<'_>) -> Result<Self> {
        if node.version >= 10 {
            return Ok(Self { given: None });
        }
        let (starts, ends) = (node.ints("starts")?.to_vec(), node.ints("ends")?.to_vec());
        Ok(Self { given: Some([starts, ends, node.ints("axes")?.to_vec()]) })
    }

    fn cuts(&self, dims: &[usize], inputs: &Inputs<'_>) -> Result<Vec<Cut>, String> {
        let list = |index: usize| inputs.get(index).map(integers).transpose();
        let (starts, ends, axes) = match &self.given {
            Some([starts, ends, axes]) => (starts.clone(), ends.clone(), axes.clone()),
            None => {
                let (starts, ends) = (integers(need(inputs, 1)?)?, integers(need(inputs, 2)?)?);
                (starts, ends, list(3)?.unwrap_or_default())
            }
        };
        let axes = if axes.is_empty() { (0..starts.len() as i64).collect() } else { axes };
        let steps = list(4)?.unwrap_or_else(|| vec![1; starts.len()]);
        if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
            return Err("has starts, ends, axes and steps of different lengths".to_owned());
        }
        let mut cuts: Vec<Cut> = dims.iter().map(|&d| Cut { start: 0, step: 1, count: d }).collect();
        for (i, &at) in axes.iter().enumerate() {
            let at = axis(at, dims.len())?;
            cuts[at] = cut(dims[at] as i64, starts[i], ends[i], steps[i])?;
        }
        Ok(cuts)
    }
}

fn cut(length: i64, start: i64, end: i64, step: i64) -> Result<Cut, String> {
    let from_start = |at: i64| if at < 0 { at.saturating_add(length) } else { at };
    if length == 0 {
        return Ok(Cut { start: 0, step: 1, count: 0 });
    }
    let (start, end) = match step {
        0 => return Err("has a step of 0".to_owned()),
        1.. => (from_start(start).clamp(0, length), from_start(end).clamp(0, length)),
        _ => (from_start(start).clamp(0, length - 1), from_start(end).clamp(-1, length - 1)),
    };
    let span = if step > 0 { end - start } else { start - end };
    let count = if span > 0 { (span as u64).div_ceil(step.unsigned_abs()) } else { 0 };
    Ok(Cut { start: start.max(0) as usize, step, count: count as usize })
}

impl Moves for Slice {
    fn dims(&self, dims: &[usize], inputs: &Inputs<'_>) -> Result<Vec<Vec<usize>>, String> {
        Ok(vec![self.cuts(dims, inputs)?.iter().map(|c| c.count).collect()])
    }

    fn places(
        &self,
        dims: &[usize],
        out: &[usize],
        _: usize,
        inputs: &Inputs<'_>,
    ) -> Result<Vec<usize>, String> {
        let (cuts, strides) = (self.cuts(dims, inputs)?, strides(dims));
        let place = |(&at, (cut, &stride)): (&usize, (&Cut, &usize))| {
            (cut.start as i64 + at as i64 * cut.step) as usize * stride
        };
        Ok(each(out, |index| index.iter().zip(cuts.iter().zip(&strides)).map(place).sum()))
    }
}

/// `Split`: the sizes are an attribute up to version 12, an input from 13 on, and may be left to a number of
/// equal parts.
#[derive(Debug)]
pub(super) struct Split {
    axis: i64,
    sizes: Vec<i64>,
    parts: usize,
    /// From version 18 on the last part may be smaller.
    uneven: bool,
}

impl Split {
    pub fn read(node: &Node<'_>) -> Result<Self> {
        let outputs = node.proto.output.len();
        let parts = node.int("num_outputs")?;
        if parts.is_some_and(|p| p != outputs as i64) {
            return Err(node.error(format!("num_outputs is {}, but there are {outputs}", parts.unwrap_or(0))));
        }
        let sizes = node.ints("split")?.to_vec();
        let axis = node.int("axis")?.unwrap_or(0);
        Ok(Self { axis, sizes, parts: outputs, uneven: node.version >= 18 })
    }

    fn sizes(&self, length: usize, inputs: &Inputs<'_>) -> Result<Vec<usize>, String> {
        let given = match inputs.get(1) {
            Some(tensor) => integers(tensor)?,
            None => self.sizes.clone(),
        };
        if given.is_empty() {
            let size = length.div_ceil(self.parts.max(1));
            if !self.uneven && !length.is_multiple_of(self.parts.max(1)) {
                return Err(format!("does not split {length} elements into {} equal parts", self.parts));
            }
            let size_of = |i: usize| size.min(length.saturating_sub(i * size));
            return Ok((0..self.parts).map(size_of).collect());
        }
        let sizes: Option<Vec<usize>> = given.iter().map(|&s| usize::try_from(s).ok()).collect();
        let total = |s: &Vec<usize>| s.iter().try_fold(0_usize, |n, &x| n.checked_add(x));
        let fits = |s: &Vec<usize>| s.len() == self.parts && total(s) == Some(length);
        let fail = || format!("does not split {length} elements into {} parts of {given:?}", self.parts);
        sizes.filter(fits).ok_or_else(fail)
    }
}

impl Moves for Split {
    fn dims(&self, dims: &[usize], inputs: &Inputs<'_>) -> Result<Vec<Vec<usize>>, String> {
        let at = axis(self.axis, dims.len())?;
        let with = |size: usize| {
            let mut dims = dims.to_vec();
            dims[at] = size;
            dims
        };
        Ok(self.sizes(dims[at], inputs)?.into_iter().map(with).collect())
    }

    fn places(
        &self,
        dims: &[usize],
        out: &[usize],
        output: usize,
        inputs: &Inputs<'_>,
    ) -> Result<Vec<usize>, String> {
        let at = axis(self.axis, dims.len())?;
        let start: usize = self.sizes(dims[at], inputs)?[..output].iter().sum();
        let strides = strides(dims);
        let shift = start * strides[at];
        Ok(each(out, |index| shift + index.iter().zip(&strides).map(|(i, s)| i * s).sum::<usize>()))
    }
}

#[derive(Debug)]
pub(super) struct Transpose {
    pub order: Vec<i64>,
}

impl Transpose {
    fn order(&self, rank: usize) -> Result<Vec<usize>, String> {
        if self.order.is_empty() {
            return Ok((0..rank).rev().collect());
        }
        let order: Vec<usize> = self.order.iter().map(|&a| axis(a, rank)).collect::<Result<_, _>>()?;
        let mut sorted = order.clone();
        sorted.sort_unstable();
        if sorted == (0..rank).collect::<Vec<_>>() {
            return Ok(order);
        }
        Err(format!("perm {:?} is no order of {rank} axes", self.order))
    }
}

impl Moves for Transpose {
    fn dims(&self, dims: &[usize], _: &Inputs<'_>) -> Result<Vec<Vec<usize>>, String> {
        Ok(vec![self.order(dims.len())?.into_iter().map(|a| dims[a]).collect()])
    }

    fn places(&self, dims: &[usize], out: &[usize], _: usize, _: &Inputs<'_>) -> Result<Vec<usize>, String> {
        let strides = strides(dims);
        let strides: Vec<usize> = self.order(dims.len())?.into_iter().map(|a| strides[a]).collect();
        Ok(each(out, |index| index.iter().zip(&strides).map(|(i, s)| i * s).sum()))
    }
}

#[derive(Debug)]
pub(super) struct Tile;

impl Moves for Tile {
    fn dims(&self, dims: &[usize], inputs: &Inputs<'_>) -> Result<Vec<Vec<usize>>, String> {
        let repeats = integers(need(inputs, 1)?)?;
        if repeats.len() != dims.len() {
            return Err(format!("has {} repeats for {} dimensions", repeats.len(), dims.len()));
        }
        let times = |(&d, &r): (&usize, &i64)| usize::try_from(r).ok().and_then(|r| d.checked_mul(r));
        let out: Option<Vec<usize>> = dims.iter().zip(&repeats).map(times).collect();
        Ok(vec![out.ok_or_else(|| format!("repeats {repeats:?} are out of range"))?])
    }

    fn places(&self, dims: &[usize], out: &[usize], _: usize, _: &Inputs<'_>) -> Result<Vec<usize>, String> {
        let strides = strides(dims);
        let place = |(&at, (&size, &stride)): (&usize, (&usize, &usize))| at % size.max(1) * stride;
        Ok(each(out, |index| index.iter().zip(dims.iter().zip(&strides)).map(place).sum()))
    }
}

#[derive(Debug)]
pub(super) struct Expand;

impl Moves for Expand {
    fn dims(&self, dims: &[usize], inputs: &Inputs<'_>) -> Result<Vec<Vec<usize>>, String> {
        let wanted = integers(need(inputs, 1)?)?;
        let wanted: Option<Vec<usize>> = wanted.iter().map(|&d| usize::try_from(d).ok()).collect();
        let wanted = wanted.ok_or("has a negative size in its shape")?;
        Ok(vec![broadcast::shape(&[dims, &wanted], usize::MAX)?])
    }

    fn places(&self, dims: &[usize], out: &[usize], _: usize, _: &Inputs<'_>) -> Result<Vec<usize>, String> {
        Ok(broadcast::places(dims, out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(moves: &impl Moves, dims: &[usize]) -> Result<(Vec<usize>, Vec<usize>), String> {
        let none = Inputs::new(vec![], 1000);
        let out = moves.dims(dims, &none)?.remove(0);
        let places = moves.places(dims, &out, 0, &none)?;
        Ok((out, places))
    }

    #[test]
    fn transposes() {
        let turn = |order: &[i64]| run(&Transpose { order: order.to_vec() }, &[2, 3]);
        assert_eq!(turn(&[]).unwrap(), (vec![3, 2], vec![0, 3, 1, 4, 2, 5]));
        assert_eq!(turn(&[0, 1]).unwrap(), (vec![2, 3], (0..6).collect()));
        assert!(turn(&[0, 0]).is_err() && turn(&[0]).is_err());
    }

    #[test]
    fn cuts_are_as_in_python() {
        let taken = |start, end, step| {
            let cut = cut(5, start, end, step).unwrap();
            (0..cut.count).map(|i| cut.start as i64 + i as i64 * cut.step).collect::<Vec<_>>()
        };
        assert_eq!(taken(1, i64::MAX, 2), [1, 3]);
        assert_eq!(taken(-2, 9, 1), [3, 4]);
        assert_eq!(taken(-1, i64::MIN, -2), [4, 2, 0]);
        assert_eq!(taken(i64::MAX, i64::MIN, -1), [4, 3, 2, 1, 0]);
        assert!(taken(3, 1, 1).is_empty() && taken(i64::MIN, i64::MIN, 1).is_empty());
        assert_eq!(cut(0, 0, 0, -1).unwrap().count, 0);
    }
}
