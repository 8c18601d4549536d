//! Trees as all tree learners leave them: predicted here, written to ONNX in `export`.
//!
//! The form is ours and close to ONNX's, so that memory and file agree by construction.

use crate::Error;
use crate::dataset::Matrix;
use crate::export::{Sheet, width};
use crate::learners::Fitted;

/// Rows predicted at a time, so that their values and one tree stay in the first-level cache.
const BLOCK: usize = 256;

/// A set of category codes below 256.
pub(crate) type CodeSet = [u64; 4];

/// Whether `set` has the code `x`; NaN is no code.
pub(crate) fn has(set: &CodeSet, x: f32) -> bool {
    let code = x as usize;
    !x.is_nan() && code < 256 && set[code / 64] >> (code % 64) & 1 == 1
}

/// The set of `codes`, which are all below 256.
pub(crate) fn code_set(codes: &[u32]) -> CodeSet {
    let mut set = [0; 4];
    for &code in codes.iter().filter(|&&c| c < 256) {
        set[code as usize / 64] |= 1 << (code % 64);
    }
    set
}

/// What an inner node asks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Test {
    /// Left when the value is below the threshold.
    Less(f32),
    /// Left when the code is in this set.
    Among(CodeSet),
}

/// A node; children are positions in the tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Node {
    /// Position of the first value in the tree's `values`.
    Leaf(u32),
    /// An inner node.
    Inner { column: u32, test: Test, missing_left: bool, left: u32, right: u32 },
}

/// One tree; node 0 is the root.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Tree {
    pub nodes: Vec<Node>,
    /// What of the training rows came to each node: their number, or the sum of their Hessians.
    pub covers: Vec<f32>,
    pub values: Vec<f32>,
    /// The output a leaf's single value belongs to; `None` when a leaf has one value an output.
    pub output: Option<u32>,
}

impl Tree {
    /// Position of the first value of the leaf that `row` falls into.
    fn leaf(&self, row: &[f32]) -> usize {
        let mut at = 0usize;
        loop {
            match self.nodes[at] {
                Node::Leaf(value) => return value as usize,
                Node::Inner { column, test, missing_left, left, right } => {
                    let x = row[column as usize];
                    let goes_left = match test {
                        Test::Less(threshold) => x < threshold || (missing_left && x.is_nan()),
                        Test::Among(set) => has(&set, x) || (missing_left && x.is_nan()),
                    };
                    at = if goes_left { left } else { right } as usize;
                }
            }
        }
    }
}

/// What becomes of the summed leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// Nothing.
    Identity,
    /// 1 / (1 + e⁻ˣ).
    Logistic,
    /// eˣ / Σ eˣ.
    Softmax,
}

impl Link {
    /// Applies the link to one row of sums.
    pub(crate) fn apply(self, row: &mut [f32]) {
        match self {
            Self::Identity => {}
            Self::Logistic => row.iter_mut().for_each(|x| *x = logistic(*x)),
            Self::Softmax => softmax(row),
        }
    }
}

/// 1 / (1 + e⁻ˣ) in the steps of the evaluator (and of ONNX Runtime): what is close to 0 is rounded as it is there.
pub(crate) fn logistic(x: f32) -> f32 {
    let size = 1.0 / (1.0 + (-x.abs()).exp());
    if x < 0.0 { 1.0 - size } else { size }
}

/// Softmax in place, shifted by the largest value.
fn softmax(row: &mut [f32]) {
    let top = row.iter().copied().fold(f32::MIN, f32::max);
    let mut sum = 0.0;
    for x in row.iter_mut() {
        *x = (*x - top).exp();
        sum += *x;
    }
    row.iter_mut().for_each(|x| *x /= sum);
}

/// A column made from a category: one number a code, or a place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Derived {
    /// The category's column.
    pub column: u32,
    /// Whether it is made of the places of the texts ([`Matrix::places`]) and not of their codes.
    pub placed: bool,
    /// One number a code or place.
    pub values: Vec<f32>,
    /// The number of an unknown one.
    pub unknown: f32,
}

impl Derived {
    /// The codes or places it is made of, one a row.
    pub(crate) fn source<'m>(&self, matrix: &'m Matrix) -> &'m [f32] {
        let column = self.column as usize;
        let places = self.placed.then(|| matrix.places.get(&column)).flatten();
        places.unwrap_or(&matrix.columns[column])
    }

    /// The number of code or place `x`.
    pub(crate) fn of(&self, x: f32) -> f32 {
        if x.is_nan() { self.unknown } else { self.values.get(x as usize).copied().unwrap_or(self.unknown) }
    }
}

/// An ensemble of trees.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trees {
    pub trees: Vec<Tree>,
    /// Added to the sums, one an output.
    pub base: Vec<f32>,
    pub link: Link,
    /// Columns after those of the dataset, in order.
    pub derived: Vec<Derived>,
    /// Trees a round: 1, or one an output.
    pub per_round: usize,
}

impl Fitted for Trees {
    fn predict(&self, matrix: &Matrix) -> Vec<f32> {
        let width = self.base.len();
        let columns = matrix.columns.len() + self.derived.len();
        let mut out = Vec::with_capacity(matrix.rows * width);
        let mut block = vec![0.0f32; BLOCK * columns];
        for start in (0..matrix.rows).step_by(BLOCK) {
            let rows = BLOCK.min(matrix.rows - start);
            self.load(matrix, start, &mut block[..rows * columns], columns);
            let base = out.len();
            for _ in 0..rows {
                out.extend_from_slice(&self.base);
            }
            let sums = &mut out[base..];
            for tree in &self.trees {
                add(tree, &block[..rows * columns], columns, sums, width);
            }
            sums.chunks_exact_mut(width).for_each(|row| self.link.apply(row));
        }
        out
    }

    fn cut(&mut self, rounds: usize) {
        self.trees.truncate(rounds * self.per_round);
    }

    fn rounds(&self) -> usize {
        self.trees.len() / self.per_round.max(1)
    }

    fn size(&self) -> usize {
        let cost = |node: &Node| match node {
            Node::Inner { test: Test::Among(set), .. } => {
                set.iter().map(|part| part.count_ones() as usize).sum::<usize>().max(1)
            }
            _ => 1,
        };
        // A text with its number takes about as much as a node.
        let texts: usize = self.derived.iter().filter(|d| d.placed).map(|d| d.values.len()).sum();
        self.trees.iter().flat_map(|tree| &tree.nodes).map(cost).sum::<usize>() + texts
    }

    fn width(&self, features: usize) -> usize {
        let means = width::lookups(self.derived.len());
        self.base.len() * 2 + if means > 0 { means + features } else { 0 }
    }

    fn export(&self, sheet: &mut Sheet<'_>) -> Result<String, Error> {
        sheet.trees(self)
    }
}

impl Trees {
    /// Copies rows from `start` on into `block`, row-major, with the derived columns.
    fn load(&self, matrix: &Matrix, start: usize, block: &mut [f32], columns: usize) {
        let derived: Vec<(&Derived, &[f32])> = self.derived.iter().map(|d| (d, d.source(matrix))).collect();
        for (r, row) in block.chunks_exact_mut(columns).enumerate() {
            let (own, made) = row.split_at_mut(matrix.columns.len());
            own.iter_mut().zip(&matrix.columns).for_each(|(x, column)| *x = column[start + r]);
            made.iter_mut().zip(&derived).for_each(|(x, (derived, codes))| *x = derived.of(codes[start + r]));
        }
    }
}

/// Adds a tree's leaves to the sums of a block of rows.
fn add(tree: &Tree, block: &[f32], columns: usize, sums: &mut [f32], width: usize) {
    for (row, sum) in block.chunks_exact(columns).zip(sums.chunks_exact_mut(width)) {
        let leaf = tree.leaf(row);
        match tree.output {
            Some(output) => sum[output as usize] += tree.values[leaf],
            None => sum.iter_mut().zip(&tree.values[leaf..]).for_each(|(s, v)| *s += v),
        }
    }
}
