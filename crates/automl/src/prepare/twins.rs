//! Columns that say the same as an earlier one: equal, a linear copy, or the same categories by other names.

use crate::dataset::{Dataset, Feature, Matrix, Shape};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};

/// Largest difference of a linear copy, as a share of the copied column's spread …
const CLOSE: f64 = 1e-6;
/// … and in units of the rounding of the numbers it comes from: a spread may be that of a single outlier.
const ROUNDING: f64 = 8.0 * f32::EPSILON as f64;

/// Positions of the features that repeat an earlier one in the first `fit` rows, with that one's position.
pub(super) fn find(features: &[Feature], matrix: &Matrix, fit: usize) -> Vec<(usize, usize)> {
    let mut twins: Vec<(usize, usize)> = Vec::new();
    let mut gone = vec![false; features.len()];
    // Places tell more than codes.
    let all = matrix.columns.iter().enumerate().map(|(at, column)| matrix.places.get(&at).unwrap_or(column));
    let columns: Vec<&[f32]> = all.map(|column| &column[..fit]).collect();
    let ends: Vec<_> = columns.iter().map(|column| ends(column)).collect();
    let categories = features.iter().map(|f| matches!(f.shape, Shape::Category(_)));
    let orders: Vec<u64> =
        categories.zip(&columns).map(|(is, column)| if is { order(column) } else { 0 }).collect();
    for later in 1..features.len() {
        let mut earlier = (0..later).filter(|&e| !gone[e]);
        let same = |e: &usize| match (&features[*e].shape, &features[later].shape) {
            (Shape::Category(_), Shape::Category(_)) => {
                orders[*e] == orders[later] && renamed(columns[*e], columns[later])
            }
            (Shape::Number, Shape::Number) => linear((columns[*e], ends[*e]), columns[later]),
            _ => false,
        };
        if let Some(earlier) = earlier.find(same) {
            twins.push((later, earlier));
            gone[later] = true;
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

/// A digest of the values by the order in which they first come. Columns that are [`renamed`] have the same one: with thousands
/// of categories not every pair can be compared.
fn order(a: &[f32]) -> u64 {
    let mut seen = HashMap::new();
    let mut digest = DefaultHasher::new();
    for x in a {
        let fresh = seen.len() as u32;
        digest.write_u32(*seen.entry(x.to_bits()).or_insert(fresh));
    }
    digest.finish()
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
    let mut ends = [ends.0, ends.1].map(|row| (f64::from(a[row]), f64::from(b[row])));
    // From the smaller one on, so that the rounding of a large one enters large values only.
    ends.sort_by(|one, other| one.0.abs().total_cmp(&other.0.abs()));
    let [near, far] = ends;
    if far.0 == near.0 || far.1 == near.1 || !far.1.is_finite() {
        return false;
    }
    let scale = (far.1 - near.1) / (far.0 - near.0);
    let spread = (far.1 - near.1).abs() * CLOSE;
    a.iter().zip(b).all(|(&x, &y)| {
        let (x, y) = (f64::from(x), f64::from(y));
        let expected = near.1 + (x - near.0) * scale;
        let rounding = ROUNDING * (y.abs() + near.1.abs() + scale.abs() * (x.abs() + near.0.abs()));
        if x.is_nan() { y.is_nan() } else { (y - expected).abs() <= spread.min(rounding) }
    })
}

/// Takes features out of a dataset; `gone` ascends.
pub(super) fn remove(data: &mut Dataset, gone: &[usize]) {
    for &at in gone.iter().rev() {
        data.features.remove(at);
        data.matrix.columns.remove(at);
        data.matrix.places.remove(&at);
        let later = data.matrix.places.split_off(&at);
        data.matrix.places.extend(later.into_iter().map(|(column, places)| (column - 1, places)));
    }
}
