//! Cells of a feature. All tests on one feature together cut its values into cells within which every test
//! answers the same; a missing value has its cell too. What the forest makes of a row depends on its cells
//! only, so a feature is compared with thresholds once a row, however many nodes ask for it.

use std::collections::HashMap;

use super::fold::Test;

/// Thresholds compared together.
const GROUP: usize = 16;
/// Most thresholds, and most groups, that are counted through instead of bisected.
const COUNTED: usize = 64;

/// Where the values of one feature fall.
#[derive(Debug)]
pub(super) struct Cells {
    /// Rising, filled up to full groups with NaN, which nothing reaches.
    thresholds: Vec<f32>,
    /// The last threshold of each full group; empty when all thresholds are counted.
    lasts: Vec<f32>,
    /// By number of thresholds reached: the cell.
    cells: Vec<u32>,
    /// Cell of a missing value.
    missing: u32,
    count: usize,
}

impl Test {
    /// The answer for a value.
    pub fn holds(&self, x: f32) -> bool {
        match self {
            Self::Less { threshold, missing_yes } => {
                if x.is_nan() {
                    *missing_yes
                } else {
                    x < *threshold
                }
            }
            Self::Member { missing, .. } if x.is_nan() => *missing,
            Self::Member { values, other, .. } => *other || values.contains(&x),
        }
    }

    /// Numbers compared in one answer.
    pub fn cost(&self) -> usize {
        match self {
            Self::Less { .. } => 1,
            Self::Member { values, .. } => 1 + values.len(),
        }
    }
}

/// Upper bound for the number of cells these tests make.
pub(super) fn most_cells(tests: &[&Test]) -> usize {
    cuts(tests).len() + 2
}

/// Values at which an answer may change, rising.
fn cuts(tests: &[&Test]) -> Vec<f32> {
    let mut cuts = Vec::new();
    for test in tests {
        match test {
            Test::Less { threshold, .. } => cuts.push(*threshold + 0.0),
            // A value is a cell of its own: it begins there and ends before the next number.
            Test::Member { values, .. } => {
                cuts.extend(values.iter().filter(|v| !v.is_nan()).flat_map(|v| [*v + 0.0, v.next_up()]));
            }
        }
    }
    cuts.sort_by(f32::total_cmp);
    cuts.dedup();
    cuts
}

impl Cells {
    /// The cells of these tests, and for each cell a value that lies in it.
    pub fn new(tests: &[&Test]) -> (Self, Vec<f32>) {
        let mut thresholds = cuts(tests);
        let mut by_answers: HashMap<Vec<u64>, u32> = HashMap::new();
        let mut samples = Vec::new();
        let mut cell = |x: f32| {
            let next = samples.len() as u32;
            *by_answers.entry(answers(tests, x)).or_insert_with(|| {
                samples.push(x);
                next
            })
        };
        let mut cells = vec![cell(f32::NEG_INFINITY)];
        cells.extend(thresholds.iter().map(|&t| cell(t)));
        let missing = cell(f32::NAN);
        let mut lasts = Vec::new();
        if thresholds.len() > COUNTED {
            lasts = thresholds.chunks_exact(GROUP).map(|group| group[GROUP - 1]).collect();
        }
        thresholds.resize(thresholds.len().next_multiple_of(GROUP), f32::NAN);
        let count = samples.len();
        (Self { thresholds, lasts, cells, missing, count }, samples)
    }

    /// Number of cells.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Makes every cell a multiple of itself.
    pub fn scale(&mut self, factor: u32) {
        self.cells.iter_mut().for_each(|cell| *cell *= factor);
        self.missing *= factor;
    }

    /// The cell of a value.
    #[inline(always)]
    pub fn cell(&self, x: f32) -> u32 {
        if x.is_nan() {
            return self.missing;
        }
        let reached = if self.lasts.is_empty() {
            reached(&self.thresholds, x)
        } else {
            let group = if self.lasts.len() <= COUNTED {
                self.lasts.iter().map(|&t| u32::from(x >= t)).sum::<u32>() as usize
            } else {
                self.lasts.partition_point(|&t| x >= t)
            };
            let rest = self.thresholds.get(group * GROUP..).unwrap_or_default();
            group * GROUP + reached(&rest[..rest.len().min(GROUP)], x)
        };
        self.cells[reached]
    }
}

/// How many thresholds a value has reached.
#[inline(always)]
fn reached(thresholds: &[f32], x: f32) -> usize {
    let (groups, _) = thresholds.as_chunks::<GROUP>();
    groups.iter().map(|group| group.iter().map(|&t| u32::from(x >= t)).sum::<u32>()).sum::<u32>() as usize
}

/// The answers of all tests, bit by bit.
fn answers(tests: &[&Test], x: f32) -> Vec<u64> {
    let word = |tests: &[&Test]| {
        tests.iter().enumerate().fold(0, |word, (bit, test)| word | u64::from(test.holds(x)) << bit)
    };
    tests.chunks(64).map(word).collect()
}
