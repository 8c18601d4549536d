//! Splitting a table's rows into parts: by chance, seeded, the same shares of a column's values in each.

use crate::error::{Error, Near, Result};
use crate::frame::{Frame, Values};
use crate::names;
use std::collections::BTreeMap;

/// Distinct numbers up to which each is a class of its own.
const CLASSES: usize = 20;
/// Parts of the range of a column with more.
const BINS: usize = 10;

/// How to split.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Split {
    /// The share of each part, above 0; together at most 1. What is left over belongs to no part.
    pub fractions: Vec<f64>,
    /// The same seed splits the same table alike.
    pub seed: u64,
    /// The column whose values are spread evenly over the parts.
    pub stratify: Option<String>,
}

/// Row numbers of each part, ascending.
pub fn split(frame: &Frame, how: &Split) -> Result<Vec<Vec<usize>>> {
    let mut total = 0.0;
    let mut ends = Vec::with_capacity(how.fractions.len());
    for fraction in &how.fractions {
        total += fraction;
        ends.push(total);
        if !(*fraction > 0.0 && total <= 1.0 + 1e-9) {
            return Err(Error::Option(format!(
                "fractions {:?}: each above 0, together at most 1",
                how.fractions
            )));
        }
    }
    let mut parts = vec![Vec::new(); ends.len()];
    let mut random = Random(how.seed);
    let mut before = 0;
    for mut rows in strata(frame, how.stratify.as_deref())? {
        random.shuffle(&mut rows);
        let after = before + rows.len();
        // Cumulated over the strata, so that roundings do not add up.
        let cut = |end: f64| (after as f64 * end).round() as usize - (before as f64 * end).round() as usize;
        let mut from = 0;
        for (part, end) in parts.iter_mut().zip(&ends) {
            let to = cut(*end).clamp(from, rows.len());
            part.extend_from_slice(&rows[from..to]);
            from = to;
        }
        before = after;
    }
    if let Some(empty) = parts.iter().position(Vec::is_empty) {
        return Err(Error::Option(format!(
            "part {} of the split has no rows: the table has {}, take a larger share",
            empty + 1,
            frame.rows()
        )));
    }
    parts.iter_mut().for_each(|part| part.sort_unstable());
    Ok(parts)
}

/// Row numbers by class of the column; all together without one.
fn strata(frame: &Frame, column: Option<&str>) -> Result<Vec<Vec<usize>>> {
    let Some(name) = column else {
        return Ok(vec![(0..frame.rows()).collect()]);
    };
    let column = frame.column(name).ok_or_else(|| {
        let near = Near(names::near(name, frame.columns.iter().map(|c| c.name.as_str())));
        Error::UnknownColumn { name: name.to_owned(), near }
    })?;
    let mut classes: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    match &column.values {
        Values::Texts { codes, .. } => {
            codes
                .iter()
                .enumerate()
                .for_each(|(row, code)| classes.entry(u64::from(*code)).or_default().push(row));
        }
        Values::Numbers(numbers) => {
            let edges = edges(numbers);
            for (row, number) in numbers.iter().enumerate() {
                let class =
                    if number.is_nan() { u64::MAX } else { edges.partition_point(|e| e < number) as u64 };
                classes.entry(class).or_default().push(row);
            }
        }
    }
    Ok(classes.into_values().collect())
}

/// Upper edges of classes: the distinct numbers, or where they are many, those that cut the rows into equal parts.
fn edges(numbers: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = numbers.iter().copied().filter(|n| !n.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut distinct = sorted.clone();
    distinct.dedup();
    if distinct.len() <= CLASSES {
        return distinct;
    }
    (1..=BINS).filter_map(|bin| sorted.get((sorted.len() * bin / BINS).saturating_sub(1)).copied()).collect()
}

/// SplitMix64 (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Fisher–Yates.
    fn shuffle(&mut self, rows: &mut [usize]) {
        for last in (1..rows.len()).rev() {
            // The high half of a product maps 64 random bits to 0..=last without a division.
            let at = (u128::from(self.next()) * (last as u128 + 1)) >> 64;
            rows.swap(last, at as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::FrameColumn;
    use domain::ColumnType;

    fn frame(rows: usize) -> Frame {
        let codes = (0..rows).map(|row| u32::from(row % 10 == 0)).collect();
        let levels = vec!["no".to_owned(), "yes".to_owned()];
        let y = FrameColumn {
            name: "y".into(),
            kind: ColumnType::Category,
            values: Values::Texts { codes, levels },
        };
        let numbers = (0..rows).map(|row| row as f64).collect();
        let x = FrameColumn { name: "x".into(), kind: ColumnType::Float, values: Values::Numbers(numbers) };
        Frame { columns: vec![x, y] }
    }

    fn how(fractions: &[f64], stratify: Option<&str>) -> Split {
        Split { fractions: fractions.to_vec(), seed: 7, stratify: stratify.map(str::to_owned) }
    }

    #[test]
    fn parts_are_disjoint_stratified_and_repeatable() {
        let frame = frame(1000);
        for column in ["y", "x"] {
            let parts = split(&frame, &how(&[0.75, 0.25], Some(column))).unwrap();
            assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [750, 250]);
            let mut all = parts.concat();
            all.sort_unstable();
            assert_eq!(all, (0..1000).collect::<Vec<_>>());
            assert_eq!(parts, split(&frame, &how(&[0.75, 0.25], Some(column))).unwrap());
        }
        let parts = split(&frame, &how(&[0.75, 0.25], Some("y"))).unwrap();
        assert_eq!(parts[1].iter().filter(|row| *row % 10 == 0).count(), 25);
        let low = split(&frame, &how(&[0.5], Some("x"))).unwrap()[0].iter().filter(|row| **row < 100).count();
        assert_eq!(low, 50);
        let other = Split { seed: 8, ..how(&[0.75, 0.25], Some("y")) };
        assert_ne!(parts, split(&frame, &other).unwrap());
        assert_eq!(frame.take(&parts[1]).rows(), 250);
    }

    #[test]
    fn what_cannot_be_split_is_refused() {
        let frame = frame(10);
        for fractions in [&[0.7, 0.7][..], &[0.0], &[-0.5], &[f64::NAN], &[0.001]] {
            assert!(matches!(split(&frame, &how(fractions, None)), Err(Error::Option(_))), "{fractions:?}");
        }
        let unknown = split(&frame, &how(&[0.5], Some("Y"))).unwrap_err();
        assert!(unknown.to_string().contains("did you mean 'y'"), "{unknown}");
    }
}
