//! Grows one tree of a forest on binned columns, best leaf first.
//!
//! One criterion serves all tasks: the fall of Σⱼ (n·varianceⱼ) of the target written as numbers (one a class), which
//! is the Gini impurity for classes and the variance for regression (Breiman et al., *CART*, 1984); classes can also be
//! split by the fall of n times their entropy.

use super::bins::BinColumn;
use super::trees::{Node, Test, Tree};
use crate::random::Random;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Nodes with fewer rows than this sort their bins instead of filling a histogram.
const SMALL: usize = 48;
/// A split must gain more than this, for each row and in the ground's unit.
const LEAST_GAIN: f64 = 1e-9;

/// What a tree is grown on.
pub(super) struct Ground<'a> {
    pub columns: &'a [BinColumn],
    /// Class index or number, one a row of the dataset.
    pub labels: &'a [f32],
    /// Weight of each row of the dataset; empty when all are equal.
    pub weights: &'a [f32],
    /// Numbers a label stands for: 1, or one a class.
    pub width: usize,
    /// Leaves are pulled towards this with the weight of `smoothing` rows.
    pub prior: &'a [f64],
    pub smoothing: f64,
    /// Split by entropy.
    pub entropy: bool,
    /// The variance of numbers to predict; 1 for classes.
    pub unit: f64,
}

impl Ground<'_> {
    /// Adds a row to sums: its weight, and that times its label, or for its class.
    fn add(&self, sums: &mut [f64], row: u32) {
        let label = self.labels[row as usize];
        let weight = self.weights.get(row as usize).map_or(1.0, |&w| f64::from(w));
        sums[0] += weight;
        if sums.len() == 2 {
            sums[1] += weight * f64::from(label);
        } else {
            sums[1 + label as usize] += weight;
        }
    }
}

/// How a tree is grown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub max_leaves: usize,
    pub min_leaf: usize,
    /// Columns tried at a node.
    pub tries: usize,
    /// One random cut a column instead of the best one (extremely randomised trees; Geurts et al. 2006).
    pub random_cuts: bool,
}

/// Sums over rows: their number, then Σ label for each number of the label.
type Sums = Vec<f64>;

/// The best split found for a node.
#[derive(Debug, Clone, Copy)]
struct Split {
    gain: f64,
    /// Position in the ground's columns.
    column: usize,
    /// First bin on the right.
    bin: u8,
}

/// A leaf that could be split.
struct Open {
    node: u32,
    start: usize,
    end: usize,
    split: Split,
}

impl PartialEq for Open {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Open {}
impl PartialOrd for Open {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Open {
    fn cmp(&self, other: &Self) -> Ordering {
        self.split.gain.total_cmp(&other.split.gain).then_with(|| other.node.cmp(&self.node))
    }
}

/// Grows a tree on `rows`, which may repeat; leaf values are multiplied by `scale`.
pub(super) fn grow(
    ground: &Ground<'_>,
    limits: Limits,
    rows: Vec<u32>,
    random: &mut Random,
    scale: f64,
) -> Tree {
    let mut grower = Grower {
        ground,
        limits,
        order: (0..ground.columns.len()).collect(),
        rows,
        spare: Vec::new(),
        histogram: vec![0.0; 256 * (1 + ground.width)],
        pairs: Vec::new(),
        tree: Tree { output: (ground.width == 1).then_some(0), ..Tree::default() },
        scale,
    };
    grower.run(random);
    grower.tree
}

struct Grower<'a> {
    ground: &'a Ground<'a>,
    limits: Limits,
    /// Columns in the order of the last draw.
    order: Vec<usize>,
    /// Rows, so that each node's are together.
    rows: Vec<u32>,
    spare: Vec<u32>,
    histogram: Vec<f64>,
    pairs: Vec<(u8, u32)>,
    tree: Tree,
    scale: f64,
}

impl Grower<'_> {
    fn run(&mut self, random: &mut Random) {
        let mut open = BinaryHeap::new();
        self.tree.nodes.push(Node::Leaf(0));
        self.tree.covers.push(0.0);
        let end = self.rows.len();
        self.consider(&mut open, (0, 0, end), random);
        let mut leaves = 1;
        while leaves < self.limits.max_leaves {
            let Some(best) = open.pop() else { break };
            let middle = self.partition(&best);
            let left = self.tree.nodes.len() as u32;
            self.tree.nodes.extend([Node::Leaf(0); 2]);
            self.tree.covers.extend([0.0; 2]);
            let column = &self.ground.columns[best.split.column];
            self.tree.nodes[best.node as usize] = Node::Inner {
                column: column.column,
                test: Test::Less(column.threshold(best.split.bin)),
                missing_left: true,
                left,
                right: left + 1,
            };
            leaves += 1;
            self.consider(&mut open, (left, best.start, middle), random);
            self.consider(&mut open, (left + 1, middle, best.end), random);
        }
    }

    /// Makes a node a leaf and, if it can be split, a candidate.
    fn consider(&mut self, open: &mut BinaryHeap<Open>, node: (u32, usize, usize), random: &mut Random) {
        let (node, start, end) = node;
        let mut sums = vec![0.0; 1 + self.ground.width];
        for &row in &self.rows[start..end] {
            self.ground.add(&mut sums, row);
        }
        self.tree.nodes[node as usize] = Node::Leaf(self.tree.values.len() as u32);
        self.tree.covers[node as usize] = sums[0] as f32;
        let weight = sums[0] + self.ground.smoothing;
        for (sum, prior) in sums[1..].iter().zip(self.ground.prior) {
            let value = (sum + self.ground.smoothing * prior) / weight;
            self.tree.values.push((value * self.scale) as f32);
        }
        if end - start >= 2 * self.limits.min_leaf
            && !self.pure(&sums)
            && let Some(split) = self.search(start, end, &sums, random)
        {
            open.push(Open { node, start, end, split });
        }
    }

    /// Tries columns in random order: `tries` of them, and on until one can be split at all.
    fn search(&mut self, start: usize, end: usize, sums: &Sums, random: &mut Random) -> Option<Split> {
        let mut best: Option<Split> = None;
        let count = self.order.len();
        for tried in 0..count {
            if tried >= self.limits.tries && best.is_some() {
                break;
            }
            let drawn = tried + random.below(count - tried);
            self.order.swap(tried, drawn);
            let column = self.order[tried];
            let found = if self.limits.random_cuts {
                self.random_cut(column, (start, end), sums, random)
            } else {
                self.best_cut(column, (start, end), sums)
            };
            if let Some((gain, bin)) = found
                && best.is_none_or(|b| gain > b.gain)
            {
                best = Some(Split { gain, column, bin });
            }
        }
        best
    }

    fn random_cut(
        &self,
        column: usize,
        (start, end): (usize, usize),
        sums: &Sums,
        random: &mut Random,
    ) -> Option<(f64, u8)> {
        let bins = &self.ground.columns[column].bins;
        let rows = &self.rows[start..end];
        let (mut low, mut high) = (u8::MAX, 0);
        for &row in rows {
            let bin = bins[row as usize];
            low = low.min(bin);
            high = high.max(bin);
        }
        if low >= high {
            return None;
        }
        let bin = low + 1 + random.below(usize::from(high - low)) as u8;
        let mut left = vec![0.0; sums.len()];
        for &row in rows {
            if bins[row as usize] < bin {
                self.ground.add(&mut left, row);
            }
        }
        self.gain(&left, sums).map(|gain| (gain, bin))
    }

    fn best_cut(&mut self, column: usize, (start, end): (usize, usize), sums: &Sums) -> Option<(f64, u8)> {
        if end - start < SMALL {
            return self.sorted_cut(column, (start, end), sums);
        }
        let column = &self.ground.columns[column];
        let stride = sums.len();
        let top = (column.cuts.len() + 2) * stride;
        self.histogram[..top].fill(0.0);
        for &row in &self.rows[start..end] {
            let at = usize::from(column.bins[row as usize]) * stride;
            self.ground.add(&mut self.histogram[at..at + stride], row);
        }
        let mut left = vec![0.0; stride];
        let mut best: Option<(f64, u8)> = None;
        for bin in 1..column.cuts.len() + 2 {
            let before = &self.histogram[(bin - 1) * stride..bin * stride];
            if before[0] == 0.0 {
                continue;
            }
            left.iter_mut().zip(before).for_each(|(l, b)| *l += b);
            if let Some(gain) = self.gain(&left, sums)
                && best.is_none_or(|b| gain > b.0)
            {
                best = Some((gain, bin as u8));
            }
        }
        best
    }

    fn sorted_cut(&mut self, column: usize, (start, end): (usize, usize), sums: &Sums) -> Option<(f64, u8)> {
        let bins = &self.ground.columns[column].bins;
        let mut pairs = std::mem::take(&mut self.pairs);
        pairs.clear();
        pairs.extend(self.rows[start..end].iter().map(|&row| (bins[row as usize], row)));
        pairs.sort_unstable();
        let mut left = vec![0.0; sums.len()];
        let mut best: Option<(f64, u8)> = None;
        for pair in pairs.windows(2) {
            self.ground.add(&mut left, pair[0].1);
            if pair[0].0 != pair[1].0
                && let Some(gain) = self.gain(&left, sums)
                && best.is_none_or(|b| gain > b.0)
            {
                best = Some((gain, pair[0].0 + 1));
            }
        }
        self.pairs = pairs;
        best
    }

    /// Whether one class holds all rows. Numbers are left to the search.
    fn pure(&self, sums: &[f64]) -> bool {
        let classes = self.ground.smoothing > 0.0;
        classes && (sums[1..].contains(&sums[0]) || (sums.len() == 2 && sums[1] == 0.0))
    }

    /// The gain of splitting `sums` into `left` and the rest; `None` when a side is too small or nothing is gained.
    fn gain(&self, left: &[f64], sums: &[f64]) -> Option<f64> {
        let (nl, n) = (left[0], sums[0]);
        let nr = n - nl;
        let least = self.limits.min_leaf as f64;
        if nl < least || nr < least {
            return None;
        }
        if self.ground.entropy {
            let right: Vec<f64> = sums.iter().zip(left).map(|(s, l)| s - l).collect();
            let gain = disorder(sums) - disorder(left) - disorder(&right);
            return (gain > LEAST_GAIN * self.ground.unit * n).then_some(gain);
        }
        let mut gain = 0.0;
        for (&l, &s) in left[1..].iter().zip(&sums[1..]) {
            let r = s - l;
            gain += l * l / nl + r * r / nr - s * s / n;
        }
        (gain > LEAST_GAIN * self.ground.unit * n).then_some(gain)
    }

    /// Puts a node's rows so that those going left come first; returns where the right ones start.
    fn partition(&mut self, open: &Open) -> usize {
        let bins = &self.ground.columns[open.split.column].bins;
        self.spare.clear();
        let mut next = open.start;
        for at in open.start..open.end {
            let row = self.rows[at];
            if bins[row as usize] < open.split.bin {
                self.rows[next] = row;
                next += 1;
            } else {
                self.spare.push(row);
            }
        }
        self.rows[next..open.end].copy_from_slice(&self.spare);
        next
    }
}

/// n times the entropy of classes, but for what children and parent have in common: n ln n − Σ c ln c.
fn disorder(sums: &[f64]) -> f64 {
    let part = |x: f64| if x > 0.0 { x * x.ln() } else { 0.0 };
    let inside: f64 = match sums {
        [n, second] => part(*second) + part(n - second),
        _ => sums[1..].iter().map(|&c| part(c)).sum(),
    };
    part(sums[0]) - inside
}
