//! Multidirectional broadcasting.

/// Common shape of several shapes.
///
/// The result has at most `room` elements.
pub(crate) fn shape(shapes: &[&[usize]], room: usize) -> Result<Vec<usize>, String> {
    let rank = shapes.iter().map(|s| s.len()).max().unwrap_or(0);
    let mut out = vec![1; rank];
    for dims in shapes {
        for (at, &size) in (rank - dims.len()..).zip(*dims) {
            if out[at] == 1 {
                out[at] = size;
            } else if size != 1 && size != out[at] {
                return Err(format!("shapes {shapes:?} can't be brought together"));
            }
        }
    }
    let count = out.iter().try_fold(1_usize, |n, &d| n.checked_mul(d.max(1)));
    match count {
        Some(n) if n <= room => Ok(out),
        _ => Err(format!("the result {out:?} has more than {room} elements")),
    }
}

/// For every element of `out`, the element of a tensor of `dims` that stands there.
pub(crate) fn places(dims: &[usize], out: &[usize]) -> Vec<usize> {
    let count = out.iter().product();
    if dims == out {
        return (0..count).collect();
    }
    let lead = out.len() - dims.len();
    let mut strides = vec![0; out.len()];
    let mut step = 1;
    for (at, &size) in dims.iter().enumerate().rev() {
        strides[lead + at] = if size == 1 { 0 } else { step };
        step *= size;
    }
    let mut index = vec![0; out.len()];
    let mut place = 0;
    let mut places = Vec::with_capacity(count);
    for _ in 0..count {
        places.push(place);
        for at in (0..out.len()).rev() {
            index[at] += 1;
            place += strides[at];
            if index[at] < out[at] {
                break;
            }
            place -= strides[at] * out[at];
            index[at] = 0;
        }
    }
    places
}

/// Combines two sequences element by element under broadcasting.
pub(super) fn zip<T, U, V>(
    a: (&[usize], &[T]),
    b: (&[usize], &[U]),
    room: usize,
    f: impl Fn(&T, &U) -> V,
) -> Result<(Vec<usize>, Vec<V>), String> {
    if a.0 == b.0 {
        return Ok((a.0.to_vec(), a.1.iter().zip(b.1).map(|(x, y)| f(x, y)).collect()));
    }
    let out = shape(&[a.0, b.0], room)?;
    let (pa, pb) = (places(a.0, &out), places(b.0, &out));
    let values = pa.iter().zip(&pb).map(|(&x, &y)| f(&a.1[x], &b.1[y])).collect();
    Ok((out, values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_meet() {
        assert_eq!(shape(&[&[3, 1], &[4]], 99).unwrap(), [3, 4]);
        assert_eq!(shape(&[&[], &[2, 0]], 99).unwrap(), [2, 0]);
        assert!(shape(&[&[3], &[4]], 99).is_err());
        assert!(shape(&[&[1 << 20, 1], &[1, 1 << 20]], 1 << 30).is_err());
    }

    #[test]
    fn places_repeat() {
        assert_eq!(places(&[2, 1], &[2, 3]), [0, 0, 0, 1, 1, 1]);
        assert_eq!(places(&[3], &[2, 3]), [0, 1, 2, 0, 1, 2]);
        assert_eq!(places(&[], &[2]), [0, 0]);
        let (dims, sums) = zip((&[2, 1], &[10, 20]), (&[2], &[1, 2]), 9, |a, b| a + b).unwrap();
        assert_eq!((dims, sums), (vec![2, 2], vec![11, 12, 21, 22]));
    }
}
