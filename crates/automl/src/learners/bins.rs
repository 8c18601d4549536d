//! Numbers as bytes: the forests compare bins, the exported tree compares the cuts between them.

use crate::dataset::{Dataset, Matrix};
use std::sync::Arc;

/// Cuts of a column at most; bin 0 is for missing values, so bins fit a byte.
const MAX_CUTS: usize = 254;

/// A column as bytes.
#[derive(Debug, Clone)]
pub(super) struct BinColumn {
    /// Position in the extended matrix the trees read.
    pub column: u32,
    /// 0 for missing, else 1 + the number of cuts not above the value.
    pub bins: Arc<[u8]>,
    /// Ascending; a value below `cuts[i]` has a bin of at most i + 1.
    pub cuts: Arc<[f32]>,
}

/// The number columns of a dataset as bytes.
#[derive(Debug, Default)]
pub(super) struct Binned {
    pub columns: Vec<BinColumn>,
}

impl BinColumn {
    /// Cuts between distinct values of some rows, or at quantiles when there are too many; the others have no say.
    pub(super) fn new(column: u32, values: &[f32], rows: &[u32]) -> Self {
        let learned = rows.iter().map(|&r| values[r as usize]);
        let mut sorted: Vec<f32> = learned.filter(|x| !x.is_nan()).collect();
        sorted.sort_unstable_by(f32::total_cmp);
        let mut distinct = sorted.clone();
        distinct.dedup();
        let cuts: Vec<f32> = if distinct.len() <= MAX_CUTS {
            distinct.windows(2).map(|pair| between(pair[0], pair[1])).collect()
        } else {
            quantiles(&sorted)
        };
        let bin = |&x: &f32| {
            if x.is_nan() { 0 } else { 1 + cuts.partition_point(|&c| c <= x) as u8 }
        };
        let bins = values.iter().map(bin).collect();
        Self { column, bins, cuts: cuts.into() }
    }

    /// The threshold that sends bins below `bin` left (missing values too).
    pub(super) fn threshold(&self, bin: u8) -> f32 {
        // Bin 1 as the first on the right means that only missing values go left.
        if bin <= 1 { f32::MIN } else { self.cuts[bin as usize - 2] }
    }
}

/// A cut with `low < cut <= high`, halfway if that is possible in 32 bits.
fn between(low: f32, high: f32) -> f32 {
    let middle = low / 2.0 + high / 2.0;
    if middle > low && middle <= high { middle } else { high }
}

/// Cuts at evenly spaced ranks, each between two different values.
fn quantiles(sorted: &[f32]) -> Vec<f32> {
    let mut cuts: Vec<f32> = Vec::with_capacity(MAX_CUTS);
    for i in 1..=MAX_CUTS {
        let high = sorted[i * (sorted.len() - 1) / (MAX_CUTS + 1)];
        let below = sorted.partition_point(|&x| x < high);
        if below > 0 {
            let cut = between(sorted[below - 1], high);
            if cuts.last().is_none_or(|&last| cut > last) {
                cuts.push(cut);
            }
        }
    }
    cuts
}

impl Binned {
    /// Bins the number columns by the rows that are learned from.
    pub(super) fn new(data: &Dataset, rows: &[u32]) -> Self {
        let Matrix { columns, .. } = &data.matrix;
        let numbers = data.features.iter().enumerate().filter(|(_, f)| f.codes().is_none());
        Self { columns: numbers.map(|(i, _)| BinColumn::new(i as u32, &columns[i], rows)).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bin_comparison_is_the_threshold_comparison() {
        let mut values: Vec<f32> = (0..2000).map(|i| ((i * 7919) % 1009) as f32 * 0.37 - 50.0).collect();
        values[3] = f32::NAN;
        values[4] = f32::MAX;
        values[5] = f32::MIN;
        let column = BinColumn::new(0, &values, &(0..2000).collect::<Vec<u32>>());
        assert!(column.cuts.len() > 200 && column.cuts.windows(2).all(|c| c[0] < c[1]));
        for bin in 1..=column.cuts.len() as u8 + 1 {
            let threshold = column.threshold(bin);
            for (x, &b) in values.iter().zip(column.bins.iter()) {
                assert_eq!(b < bin, *x < threshold || x.is_nan(), "{x} {b} {bin} {threshold}");
            }
        }
    }

    #[test]
    fn rows_to_validate_by_have_no_say() {
        let column = BinColumn::new(0, &[0.0, 10.0, 5.0, 99.0], &[0, 1]);
        assert_eq!((&*column.cuts, &*column.bins), (&[5.0][..], &[1, 2, 2, 2][..]));
    }

    #[test]
    fn neighbouring_floats_are_told_apart() {
        let (a, b) = (1.0f32, 1.0f32.next_up());
        let column = BinColumn::new(0, &[a, b], &[0, 1]);
        assert_eq!(*column.bins, [1, 2]);
    }
}
