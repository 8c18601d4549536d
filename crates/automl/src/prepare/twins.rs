//! Columns that say the same as an earlier one: equal, a linear copy, or the same categories by other names.

use crate::dataset::{Dataset, Feature, Shape};
use std::collections::HashMap;

/// Largest difference of a linear copy, as a share of the copied column's spread.
const CLOSE: f64 = 1e-6;

/// Positions of the features that repeat an earlier one, with that one's position. All rows are compared.
pub(super) fn find(features: &[Feature], columns: &[Vec<f32>]) -> Vec<(usize, usize)> {
    let mut twins: Vec<(usize, usize)> = Vec::new();
    for later in 1..features.len() {
        let mut earlier = (0..later).filter(|e| !twins.iter().any(|(t, _)| t == e));
        let same = |e: &usize| match (&features[*e].shape, &features[later].shape) {
            (Shape::Category(_), Shape::Category(_)) => renamed(&columns[*e], &columns[later]),
            (Shape::Number, Shape::Number) => linear(&columns[*e], &columns[later]),
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

/// Whether `b` = `scale` · `a` + `shift` wherever both are, and both miss the same values.
fn linear(a: &[f32], b: &[f32]) -> bool {
    let pairs = || a.iter().zip(b).filter(|(x, _)| !x.is_nan()).map(|(&x, &y)| (f64::from(x), f64::from(y)));
    let Some(first) = pairs().next() else { return false };
    // The point farthest from the first one fixes the line best.
    let far = pairs().fold(first, |f, p| if (p.0 - first.0).abs() > (f.0 - first.0).abs() { p } else { f });
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
