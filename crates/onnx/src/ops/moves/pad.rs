//! `Pad`.

use super::super::{Inputs, axis, integers, need};
use super::{FILL, Moves, each, strides};
use crate::attrs::Node;
use crate::error::Result;
use crate::tensor::Data;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Constant,
    Reflect,
    Edge,
    Wrap,
}

/// Up to version 10 the pads and the value are attributes, from 11 on inputs.
#[derive(Debug)]
pub(super) struct Pad {
    mode: Mode,
    given: Option<(Vec<i64>, f32)>,
}

impl Pad {
    pub fn read(node: &Node<'_>) -> Result<Self> {
        let mode = match node.text("mode")?.as_deref() {
            None | Some("constant") => Mode::Constant,
            Some("reflect") => Mode::Reflect,
            Some("edge") => Mode::Edge,
            Some("wrap") => Mode::Wrap,
            Some(other) => return Err(node.error(format!("mode {other:?} is unknown"))),
        };
        if node.version >= 11 {
            return Ok(Self { mode, given: None });
        }
        let name = if node.version < 2 { "paddings" } else { "pads" };
        let value = node.float("value")?.unwrap_or(0.0);
        Ok(Self { mode, given: Some((node.ints(name)?.to_vec(), value)) })
    }

    /// Elements before and after each axis; taken away when negative.
    fn pads(&self, rank: usize, inputs: &Inputs<'_>) -> Result<Vec<(i64, i64)>, String> {
        let pads = match &self.given {
            Some((pads, _)) => pads.clone(),
            None => integers(need(inputs, 1)?)?,
        };
        let axes = match inputs.get(3) {
            Some(axes) => integers(axes)?,
            None => (0..rank as i64).collect(),
        };
        if pads.len() != axes.len() * 2 {
            return Err(format!("has {} pads for {} axes", pads.len(), axes.len()));
        }
        let mut out = vec![(0, 0); rank];
        for (i, &at) in axes.iter().enumerate() {
            out[axis(at, rank)?] = (pads[i], pads[i + axes.len()]);
        }
        Ok(out)
    }
}

/// The place on an axis that stands at `at`, which may lie outside of it.
fn source(mode: Mode, at: i64, length: i64) -> Option<i64> {
    match mode {
        _ if (0..length).contains(&at) => Some(at),
        _ if length == 0 => None,
        Mode::Constant => None,
        Mode::Edge => Some(at.clamp(0, length - 1)),
        Mode::Wrap => Some(at.rem_euclid(length)),
        Mode::Reflect if length == 1 => Some(0),
        Mode::Reflect => {
            let period = 2 * (length - 1);
            let at = at.rem_euclid(period);
            Some(at.min(period - at))
        }
    }
}

impl Moves for Pad {
    fn dims(&self, dims: &[usize], inputs: &Inputs<'_>) -> Result<Vec<Vec<usize>>, String> {
        let size = |(&d, (before, after)): (&usize, (i64, i64))| {
            let size = (d as i64).checked_add(before)?.checked_add(after)?;
            usize::try_from(size).ok()
        };
        let pads = self.pads(dims.len(), inputs)?;
        let out: Option<Vec<usize>> = dims.iter().zip(pads).map(size).collect();
        Ok(vec![out.ok_or("pads are out of range")?])
    }

    fn places(
        &self,
        dims: &[usize],
        out: &[usize],
        _: usize,
        inputs: &Inputs<'_>,
    ) -> Result<Vec<usize>, String> {
        let (pads, strides) = (self.pads(dims.len(), inputs)?, strides(dims));
        Ok(each(out, |index| {
            let mut place = 0;
            for (axis, &at) in index.iter().enumerate() {
                // What is taken away is gone before the rest is repeated.
                let (before, after) = pads[axis];
                let (cut, length) = (-before.min(0), dims[axis] as i64 + before.min(0) + after.min(0));
                match source(self.mode, at as i64 - before.max(0), length.max(0)) {
                    Some(at) => place += (at + cut) as usize * strides[axis],
                    None => return FILL,
                }
            }
            place
        }))
    }

    fn fill(&self, inputs: &Inputs<'_>) -> Result<Option<Data>, String> {
        match &self.given {
            Some((_, 0.0)) => Ok(None),
            Some((_, value)) => Ok(Some(Data::Float(vec![*value]))),
            None => Ok(inputs.get(2).map(|t| t.data.clone()).filter(|d| !d.is_empty())),
        }
    }
}
