//! Cells of a feature. All tests on one feature together cut its values into cells within which every test
//! answers the same; a missing value has its cell too. What the forest makes of a row depends on its cells
//! only, so a feature is compared with thresholds once a row, however many nodes ask for it.

use std::collections::HashMap;

use super::fold::Test;
use crate::program;

/// Thresholds compared together.
const GROUP: usize = 16;
/// Most groups that are all compared.
const COMPARED: usize = 4;

/// Where the values of one feature fall.
#[derive(Debug)]
pub(super) struct Cells {
    /// Rising.
    thresholds: Vec<[f32; GROUP]>,
    /// The last threshold of each full group; empty when all thresholds are compared.
    lasts: Vec<[f32; GROUP]>,
    /// The only threshold, and the cell that begins there; below it is cell 0.
    only: Option<(f32, u32)>,
    /// By number of thresholds reached: the cell.
    cells: Vec<u32>,
    /// Cell of a missing value.
    missing: u32,
    /// By code, where the feature is one: the cell.
    by_code: Vec<u32>,
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
    /// The cells of these tests, and for each cell a value that lies in it. A feature that is a code has no
    /// values but so many codes.
    pub fn new(tests: &[&Test], codes: Option<usize>) -> (Self, Vec<f32>) {
        let thresholds = if codes.is_some() { Vec::new() } else { cuts(tests) };
        let mut by_answers: HashMap<Vec<u64>, u32> = HashMap::new();
        let mut samples = Vec::new();
        let mut cell = |x: f32| {
            let next = samples.len() as u32;
            *by_answers.entry(answers(tests, x)).or_insert_with(|| {
                samples.push(x);
                next
            })
        };
        let by_code: Vec<u32> = (0..codes.unwrap_or(0)).map(|code| cell(code as f32)).collect();
        let mut cells = Vec::new();
        let mut missing = 0;
        if codes.is_none() {
            cells.push(cell(f32::NEG_INFINITY));
            cells.extend(thresholds.iter().map(|&t| cell(t)));
            missing = cell(f32::NAN);
        }
        let mut lasts = Vec::new();
        if thresholds.len() > COMPARED * GROUP {
            let last: Vec<f32> = thresholds.chunks_exact(GROUP).map(|group| group[GROUP - 1]).collect();
            lasts = groups(&last);
        }
        let only = if let [threshold] = thresholds[..] { Some((threshold, cells[1])) } else { None };
        let count = samples.len();
        (Self { thresholds: groups(&thresholds), lasts, only, cells, missing, by_code, count }, samples)
    }

    /// Number of cells.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Thresholds that a value is compared with.
    pub fn steps(&self) -> usize {
        let groups = if self.lasts.is_empty() { self.thresholds.len() } else { self.lasts.len() + 1 };
        1 + groups * GROUP
    }

    /// Makes every cell a multiple of itself.
    pub fn scale(&mut self, factor: u32) {
        self.cells.iter_mut().for_each(|cell| *cell *= factor);
        self.by_code.iter_mut().for_each(|cell| *cell *= factor);
        self.missing *= factor;
        if let Some((_, above)) = &mut self.only {
            *above *= factor;
        }
    }

    /// Adds the cells of `count` values to `count` places; both stand as far apart as told.
    #[inline(always)]
    pub fn add(&self, values: (&[f32], usize), places: (&mut [u32], usize), count: usize) {
        let ((values, stride), (places, step)) = (values, places);
        if let Some(last) = self.by_code.len().checked_sub(1) {
            for at in 0..count {
                places[at * step] += self.by_code[program::index(values[at * stride]).min(last)];
            }
            return;
        }
        match (self.only, self.thresholds.as_slice(), self.lasts.as_slice()) {
            (Some((threshold, above)), ..) => {
                for at in 0..count {
                    let x = values[at * stride];
                    // No branch: the answer is as random as the data.
                    let cell = u32::from(x >= threshold).wrapping_neg() & above;
                    places[at * step] += if x.is_nan() { self.missing } else { cell };
                }
            }
            (None, groups, []) => {
                for at in 0..count {
                    let x = values[at * stride];
                    let reached = groups.iter().map(|group| reached(group, x)).sum::<usize>();
                    places[at * step] += if x.is_nan() { self.missing } else { self.cells[reached] };
                }
            }
            (None, groups, lasts) => {
                for at in 0..count {
                    let x = values[at * stride];
                    let group = lasts.iter().map(|last| reached(last, x)).sum::<usize>();
                    let reached = group * GROUP + groups.get(group).map_or(0, |group| reached(group, x));
                    places[at * step] += if x.is_nan() { self.missing } else { self.cells[reached] };
                }
            }
        }
    }
}

/// How many thresholds of a group a value has reached.
#[inline(always)]
fn reached(group: &[f32; GROUP], x: f32) -> usize {
    group.iter().map(|&t| u32::from(x >= t)).sum::<u32>() as usize
}

/// Groups of numbers, the last filled up with NaN, which nothing reaches.
fn groups(numbers: &[f32]) -> Vec<[f32; GROUP]> {
    let group = |chunk: &[f32]| {
        let mut group = [f32::NAN; GROUP];
        group[..chunk.len()].copy_from_slice(chunk);
        group
    };
    numbers.chunks(GROUP).map(group).collect()
}

/// The answers of all tests, bit by bit.
fn answers(tests: &[&Test], x: f32) -> Vec<u64> {
    let word = |tests: &[&Test]| {
        tests.iter().enumerate().fold(0, |word, (bit, test)| word | u64::from(test.holds(x)) << bit)
    };
    tests.chunks(64).map(word).collect()
}
