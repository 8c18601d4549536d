//! Categories as numbers for a fit: the smoothed mean of the target a code, cross-fitted for the rows learned from.
//!
//! A row's own target never enters its number: the rows are dealt into parts, and each part gets the means of the
//! others (Micci-Barreca 2001; Pargent et al., "Regularized target encoding outperforms traditional methods in
//! supervised machine learning with high cardinality features", 2022). Other rows get the means of all. Where a category
//! has more texts than codes, every text that comes again has a mean of its own.

use super::Job;
use super::forest::{Codes, classes, means};
use super::trees::Derived;
use crate::dataset::Dataset;
use crate::random::Random;

/// Categories with at most so many codes are one-hot encoded instead.
pub(super) const ONE_HOT: usize = 4;
/// Parts of the cross-fitting.
const PARTS: usize = 5;

/// The numbers of a fit.
#[derive(Debug, Clone)]
pub(super) struct Encoded {
    /// What a code becomes after the fit.
    pub derived: Vec<Derived>,
    /// The numbers of every row of the dataset in this fit, one column each.
    pub columns: Vec<Vec<f32>>,
}

/// Encodes all categories with more than [`ONE_HOT`] codes.
pub(super) fn encode(data: &Dataset, job: &Job<'_>) -> Encoded {
    let mut encoded = Encoded { derived: Vec::new(), columns: Vec::new() };
    let mut order = job.train.to_vec();
    Random::new(job.seed, 400).shuffle(&mut order);
    let part = |keep: &dyn Fn(usize) -> bool| -> Vec<u32> {
        order.iter().enumerate().filter(|(i, _)| keep(i % PARTS)).map(|(_, &row)| row).collect()
    };
    let parts: Vec<(Vec<u32>, Vec<u32>)> =
        (0..PARTS).map(|p| (part(&|i| i == p), part(&|i| i != p))).collect();
    for (column, feature) in data.features.iter().enumerate() {
        let Some(count) = feature.told_apart().filter(|&count| count > ONE_HOT) else { continue };
        let codes = match data.matrix.places.get(&column) {
            Some(values) => Codes { column, placed: true, count, values },
            None => Codes { column, placed: false, count, values: &data.matrix.columns[column] },
        };
        for class in classes(&data.target, job) {
            let all = means(&data.target, codes, class, job);
            let mut values: Vec<f32> = codes.values.iter().map(|&x| all.of(x)).collect();
            for (held, rest) in parts.iter().filter(|(_, rest)| !rest.is_empty()) {
                let others = means(&data.target, codes, class, &Job { train: rest, ..*job });
                held.iter().for_each(|&row| values[row as usize] = others.of(codes.values[row as usize]));
            }
            encoded.derived.push(all);
            encoded.columns.push(values);
        }
    }
    encoded
}
