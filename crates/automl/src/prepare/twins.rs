//! Columns that say the same as an earlier one: equal, a linear copy, or the same categories by other names.

use crate::dataset::{Dataset, Feature, Shape};
use std::collections::HashMap;

/// Largest difference of a linear copy, as a share of the copied column's spread.
const CLOSE: f64 = 1e-6;

/// Positions of the features that repeat an earlier one in the first `fit` rows, with that one's position.
pub(super) fn find(features: &[Feature], columns: &[Vec<f32>], fit: usize) -> Vec<(usize, usize)> {
    let mut twins: Vec<(usize, usize)> = Vec::new();
    let columns: Vec<&[f32]> = columns.iter().map(|column| &column[..fit]).collect();
    let ends: Vec<_> = columns.iter().map(|column| ends(column)).collect();
    for later in 1..features.len() {
        let mut earlier = (0..later).filter(|e| !twins.iter().any(|(t, _)| t == e));
        let same = |e: &usize| match (&features[*e].shape, &features[later].shape) {
            (Shape::Category(_), Shape::Category(_)) => renamed(columns[*e], columns[later]),
            (Shape::Number, Shape::Number) => linear((columns[*e], ends[*e]), columns[later]),
            _ => false,
        };
        if let Some(earlier) = earlier.find(same) {
            twins.push((later, earlier));
        }
    }
    twins
}

/// Whether each value of one column always meets the same one of the other, both ways.
fn renamed(a: &[f32], b: &[f32]) -> bool {
    let (mut there, mut back) = (HashMap::new(), HashMap::new());
    a.iter().zip(b).all(|(x, y)| {
        let (x, y) = (x.to_bits(), y.to_bits());
        *there.entry(x).or_insert(y) == y && *back.entry(y).or_insert(x) == x
    })
}

/// The first row with a value, and the row farthest from it, which fixes a line best.
fn ends(a: &[f32]) -> Option<(usize, usize)> {
    let first = a.iter().position(|x| !x.is_nan())?;
    let away = |row: usize| (f64::from(a[row]) - f64::from(a[first])).abs();
    let far = (first..a.len()).fold(first, |far, row| if away(row) > away(far) { row } else { far });
    Some((first, far))
}

/// Whether `b` = `scale` · `a` + `shift` wherever both are, and both miss the same values; `a` with its [`ends`].
fn linear((a, ends): (&[f32], Option<(usize, usize)>), b: &[f32]) -> bool {
    let Some(ends) = ends else { return false };
    let [first, far] = [ends.0, ends.1].map(|row| (f64::from(a[row]), f64::from(b[row])));
    if far.0 == first.0 || far.1 == first.1 || !far.1.is_finite() {
        return false;
    }
    let scale = (far.1 - first.1) / (far.0 - first.0);
    let bound = (far.1 - first.1).abs() * CLOSE;
    a.iter().zip(b).all(|(&x, &y)| {
        let expected = first.1 + (f64::from(x) - first.0) * scale;
        if x.is_nan() { y.is_nan() } else { (f64::from(y) - expected).abs() <= bound }
    })
}

/// Takes features out of a dataset; `gone` ascends.
pub(super) fn remove(data: &mut Dataset, gone: &[usize]) {
    for &at in gone.iter().rev() {
        data.features.remove(at);
        data.matrix.columns.remove(at);
    }
}
