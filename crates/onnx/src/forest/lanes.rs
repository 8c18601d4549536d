//! Prepared columns. A row is turned into lanes once, so that a node needs one load and one compare.
//!
//! A numeric feature gets up to two lanes: one where a missing value became +∞ (it never is below a
//! threshold) and one where it became -∞ (it always is); the node's choice of lane is its choice of
//! direction. A feature with sets gets a lane of codes: the rank of its value among all values the sets
//! mention, then one code for "another value" and one for "missing".

use std::collections::BTreeMap;

use super::Rows;
use super::eval::ROWS;
use super::fold::{Folded, FoldedForest, Test};

/// Largest integer value for which codes are looked up in a table instead of by bisection.
const TABLE: usize = 4096;

#[derive(Debug)]
pub(super) enum Lane {
    /// -∞, whatever the row: what a leaf compares with, to stay where it is.
    Lowest,
    /// The feature, with this in the place of a missing value.
    Number { feature: u32, missing: f32 },
    /// The rank of the feature's value.
    Code { feature: u32, codes: Codes },
}

/// Ranks of the values that sets mention.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Codes {
    values: Vec<f32>,
    /// Code by integer value, when all values are small integers.
    table: Vec<u32>,
}

impl Codes {
    fn new(mut values: Vec<f32>) -> Self {
        // Equality never holds for NaN; -0 equals 0.
        values.retain(|v| !v.is_nan());
        values.iter_mut().for_each(|v| *v += 0.0);
        values.sort_by(f32::total_cmp);
        values.dedup();
        let small = |v: &f32| v.fract() == 0.0 && (0.0..TABLE as f32).contains(v);
        let mut table = Vec::new();
        if let Some(&last) = values.last().filter(|_| values.iter().all(small)) {
            table = vec![values.len() as u32; last as usize + 1];
            for (code, &v) in values.iter().enumerate() {
                table[v as usize] = code as u32;
            }
        }
        Self { values, table }
    }

    /// Code of any value that no set mentions.
    pub fn other(&self) -> u32 {
        self.values.len() as u32
    }

    /// Code of a missing value.
    pub fn missing(&self) -> u32 {
        self.other() + 1
    }

    /// Number of codes.
    pub fn count(&self) -> usize {
        self.values.len() + 2
    }

    /// As [`Codes::code`], at once where all whole numbers up to the value are mentioned.
    pub fn place(&self, value: f32) -> u32 {
        let at = value as usize;
        if self.values.get(at) == Some(&value) { at as u32 } else { self.code(value) }
    }

    pub fn code(&self, value: f32) -> u32 {
        if value.is_nan() {
            return self.missing();
        }
        if !self.table.is_empty() {
            // Negative values saturate to 0, which the comparison below tells apart.
            let at = value as usize;
            let exact = at as f32 == value;
            return self.table.get(at).filter(|_| exact).copied().unwrap_or_else(|| self.other());
        }
        let found = self.values.binary_search_by(|v| v.total_cmp(&(value + 0.0)));
        found.map_or_else(|_| self.other(), |at| at as u32)
    }
}

/// Lanes of a forest, and where to find them.
#[derive(Debug)]
pub(super) struct Lanes {
    pub all: Vec<Lane>,
    numbers: BTreeMap<(u32, bool), u32>,
    codes: BTreeMap<u32, u32>,
}

impl Lanes {
    pub fn new(forest: &FoldedForest) -> Self {
        let mut numbers = BTreeMap::new();
        let mut sets: BTreeMap<u32, Vec<f32>> = BTreeMap::new();
        for node in forest.trees.iter().flat_map(|(nodes, _)| nodes) {
            match node {
                Folded::Branch { feature, test: Test::Less { missing_yes, .. }, .. } => {
                    numbers.insert((*feature, *missing_yes), 0);
                }
                Folded::Branch { feature, test: Test::Member { values, .. }, .. } => {
                    sets.entry(*feature).or_default().extend(values);
                }
                Folded::Leaf { .. } => {}
            }
        }
        let mut all = vec![Lane::Lowest];
        for (&(feature, missing_yes), lane) in &mut numbers {
            *lane = all.len() as u32;
            let missing = if missing_yes { f32::NEG_INFINITY } else { f32::INFINITY };
            all.push(Lane::Number { feature, missing });
        }
        let mut codes = BTreeMap::new();
        for (feature, values) in sets {
            codes.insert(feature, all.len() as u32);
            all.push(Lane::Code { feature, codes: Codes::new(values) });
        }
        Self { all, numbers, codes }
    }

    /// Lane of a numeric test.
    pub fn number(&self, feature: u32, missing_yes: bool) -> u32 {
        self.numbers.get(&(feature, missing_yes)).copied().unwrap_or(0)
    }

    /// Lane of a set, with its codes.
    pub fn code(&self, feature: u32) -> Option<(u32, &Codes)> {
        let lane = *self.codes.get(&feature)?;
        match self.all.get(lane as usize)? {
            Lane::Code { codes, .. } => Some((lane, codes)),
            _ => None,
        }
    }

    /// Largest number of codes of a lane; none when there are no sets.
    pub fn most_codes(&self) -> Option<usize> {
        self.all
            .iter()
            .filter_map(|l| if let Lane::Code { codes, .. } = l { Some(codes.count()) } else { None })
            .max()
    }
}

/// Fewest rows for which lanes are laid out for rows that walk together.
pub(super) const TOGETHER: usize = 5;

/// Fills `words` with the lanes of every row: row by row when there are fewer than [`TOGETHER`], else in
/// groups of [`ROWS`] rows, each lane of a group side by side.
pub(super) fn fill(lanes: &[Lane], rows: Rows<'_>, words: &mut [u32]) {
    let width = lanes.len();
    let (group, step) = if rows.count < TOGETHER { (1, 1) } else { (ROWS, ROWS) };
    // The last group is filled up with its last row: what walks beside the others must be a row too.
    for r in 0..rows.count.next_multiple_of(group) {
        let row = &rows.data[rows.offset + r.min(rows.count - 1) * rows.stride..];
        let start = r / group * group * width + r % group;
        for (lane, word) in lanes.iter().zip(words[start..].iter_mut().step_by(step)) {
            *word = lane.word(row);
        }
    }
}

impl Lane {
    #[inline]
    fn word(&self, row: &[f32]) -> u32 {
        match self {
            Self::Lowest => f32::NEG_INFINITY.to_bits(),
            Self::Number { feature, missing } => {
                let x = row[*feature as usize];
                (if x.is_nan() { *missing } else { x }).to_bits()
            }
            Self::Code { feature, codes } => codes.code(row[*feature as usize]),
        }
    }
}
