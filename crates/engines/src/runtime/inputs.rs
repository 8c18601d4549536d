//! The inputs of a session as columns of rows.

use onnx::{Slot, SlotKind, limits};
use ort::value::{Outlet, TensorElementType, ValueType};

/// How rows are given to a session.
#[derive(Debug)]
pub(crate) struct Form {
    pub slots: Vec<Slot>,
    pub kinds: Vec<Kind>,
    /// Lengths of the axes after the rows', by input.
    pub inner: Vec<Vec<usize>>,
    /// Whether the graph takes one row at a time.
    pub single: bool,
}

/// Element type of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Float,
    Double,
    Int64,
    Int32,
    Bool,
    Text,
}

impl Form {
    /// Reads what a session takes: `[N]`, or `[N, …]` with known lengths behind, which lie side by side in a row.
    pub fn read(inputs: &[Outlet]) -> Result<Self, String> {
        let mut form = Self { slots: Vec::new(), kinds: Vec::new(), inner: Vec::new(), single: false };
        let mut offset = 0;
        for input in inputs {
            let wrong = |why: String| format!("input {}: {why}", input.name());
            let ValueType::Tensor { ty, shape, .. } = input.dtype() else {
                return Err(wrong("is no tensor; only tensors can be filled from rows".to_owned()));
            };
            let (kind, slot_kind) =
                kind(*ty).ok_or_else(|| wrong(format!("element type {ty} can't be filled from rows")))?;
            let (rows, inner) = axes(shape).map_err(wrong)?;
            form.single |= rows == 1;
            let width = inner.iter().product();
            let flat = shape.len() == 1;
            form.slots.push(Slot { name: input.name().to_owned(), kind: slot_kind, width, offset, flat });
            form.kinds.push(kind);
            form.inner.push(inner);
            offset += width;
            if offset > limits::ROW_WIDTH {
                return Err(wrong(format!("a row is wider than {} cells", limits::ROW_WIDTH)));
            }
        }
        if form.slots.is_empty() { Err("the graph has no input".to_owned()) } else { Ok(form) }
    }

    /// Whether cells of a slot may be missing.
    pub fn may_miss(&self, slot: usize) -> bool {
        self.kinds.get(slot).is_none_or(|kind| !matches!(kind, Kind::Int64 | Kind::Int32 | Kind::Bool))
    }

    /// The shape of an input for so many rows.
    pub fn shape(&self, slot: usize, rows: usize) -> Vec<usize> {
        std::iter::once(rows).chain(self.inner[slot].iter().copied()).collect()
    }
}

fn kind(element: TensorElementType) -> Option<(Kind, SlotKind)> {
    Some(match element {
        TensorElementType::Float32 => (Kind::Float, SlotKind::Float),
        TensorElementType::Float64 => (Kind::Double, SlotKind::Float),
        TensorElementType::Int64 => (Kind::Int64, SlotKind::Int64),
        TensorElementType::Int32 => (Kind::Int32, SlotKind::Int64),
        TensorElementType::Bool => (Kind::Bool, SlotKind::Bool),
        TensorElementType::String => (Kind::Text, SlotKind::Text),
        _ => return None,
    })
}

/// The number of rows (-1: any) and the lengths behind.
fn axes(shape: &[i64]) -> Result<(i64, Vec<usize>), String> {
    let wrong = || format!("has shape {shape:?}; rows need [N] or [N, width] with a known width");
    let (&rows, inner) = shape.split_first().ok_or_else(wrong)?;
    if rows > 1 {
        return Err(format!("takes exactly {rows} rows a call; export it with a free number of rows"));
    }
    let known = |n: &i64| usize::try_from(*n).ok().filter(|n| (1..=limits::ROW_WIDTH).contains(n));
    let inner: Option<Vec<usize>> = inner.iter().map(known).collect();
    let inner = inner.ok_or_else(wrong)?;
    let width = inner.iter().try_fold(1_usize, |all, n| all.checked_mul(*n));
    width.filter(|width| *width <= limits::ROW_WIDTH).ok_or_else(wrong)?;
    Ok((rows, inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_known_widths() {
        assert_eq!(axes(&[-1]), Ok((-1, vec![])));
        assert_eq!(axes(&[1, 3]), Ok((1, vec![3])));
        assert_eq!(axes(&[-1, 3, 8, 8]), Ok((-1, vec![3, 8, 8])));
        for shape in [&[][..], &[-1, -1], &[-1, 0], &[-1, 1 << 20], &[-1, 1 << 17, 1 << 17]] {
            assert!(axes(shape).is_err(), "{shape:?}");
        }
        assert!(axes(&[32, 3]).unwrap_err().contains("32 rows"));
    }
}
