//! Walks rows through the flat nodes. One row: several trees at once, so that their loads overlap. A block
//! of rows: several rows at once in one tree. Every walk is without branches on data; a group stops as soon
//! as nothing in it moved.

use super::lanes;
use super::layout::FlatNode;
use super::{Aggregate, BLOCK, Nodes, Rows, Sets, Tree, Walk};
use crate::work::Work;

/// Trees walked together for one row.
const TREES: usize = 12;
/// Rows walked together in one tree.
pub(super) const ROWS: usize = 16;
/// Steps of the trees of one row between looks whether anything still moves.
const STRIDE: u32 = 2;

const NO_SETS: u8 = 0;
const INLINE: u8 = 1;
const POOLED: u8 = 2;

impl Walk {
    /// As [`super::Forest::sum`]; `sums` comes filled with NaN.
    pub fn sum(&self, rows: Rows<'_>, words: &mut [u32], sums: &mut [f64]) {
        lanes::fill(&self.lanes, rows, words);
        match &self.nodes {
            Nodes::Compact(nodes) => self.kernel(nodes, rows.count, words, sums),
            Nodes::Wide(nodes) => self.kernel(nodes, rows.count, words, sums),
        }
    }

    /// What a row takes.
    pub fn work(&self) -> Work {
        let bytes = match &self.nodes {
            Nodes::Compact(nodes) => size_of_val(nodes.as_slice()),
            Nodes::Wide(nodes) => size_of_val(nodes.as_slice()),
        };
        Work {
            leaves: self.trees.len() as f64,
            cells: self.lanes.len() as f64,
            visits: self.visits,
            table_bytes: (bytes + size_of_val(self.weights.as_slice())) as f64,
            ..Work::default()
        }
    }

    /// As [`super::Forest::steps`].
    pub fn steps(&self) -> usize {
        /// Of a branch and of a lane.
        const STEP: usize = 2;
        let branches: usize = self.trees.iter().map(|tree| tree.depth as usize + 1).sum();
        let longest = self.spans.windows(2).map(|span| span[1] - span[0]).max().unwrap_or(1) as usize;
        let leaves = self.trees.len().saturating_mul(longest);
        STEP.saturating_mul(branches.saturating_add(self.lanes.len())).saturating_add(leaves)
    }

    fn kernel<N: FlatNode>(&self, nodes: &[N], count: usize, words: &[u32], sums: &mut [f64]) {
        match self.sets {
            Sets::None => self.walk::<N, NO_SETS>(nodes, count, words, sums),
            Sets::Inline => self.walk::<N, INLINE>(nodes, count, words, sums),
            Sets::Pooled => self.walk::<N, POOLED>(nodes, count, words, sums),
        }
    }

    fn walk<N: FlatNode, const SETS: u8>(&self, nodes: &[N], count: usize, words: &[u32], sums: &mut [f64]) {
        let width = self.lanes.len();
        if count < lanes::TOGETHER {
            for (lanes, sums) in
                words.chunks_exact(width).zip(sums.chunks_exact_mut(self.targets)).take(count)
            {
                self.walk_row::<N, SETS>(nodes, lanes, sums);
            }
            return;
        }
        let (groups, _) = words[..BLOCK * width].as_chunks::<ROWS>();
        for tree in &self.trees {
            let groups = groups.chunks_exact(width);
            for (lanes, sums) in groups.zip(sums[..count * self.targets].chunks_mut(ROWS * self.targets)) {
                self.walk_tree::<N, SETS>(nodes, *tree, lanes, sums);
            }
        }
    }

    fn walk_row<N: FlatNode, const SETS: u8>(&self, nodes: &[N], lanes: &[u32], sums: &mut [f64]) {
        for group in self.trees.chunks(TREES) {
            let mut at = [0_u32; TREES];
            for (at, tree) in at.iter_mut().zip(group) {
                *at = tree.start;
            }
            // Trees are sorted: the first of a group is its deepest.
            let depth = group.first().map_or(0, |t| t.depth);
            if let Ok(group) = <&[Tree; TREES]>::try_from(group) {
                for _ in 0..depth.div_ceil(STRIDE) {
                    let before = at;
                    for _ in 0..STRIDE {
                        for (at, tree) in at.iter_mut().zip(group) {
                            *at = tree.start + self.step::<N, SETS>(nodes, *at, lanes);
                        }
                    }
                    if at == before {
                        break;
                    }
                }
            } else {
                for (at, tree) in at.iter_mut().zip(group) {
                    for _ in 0..tree.depth {
                        *at = tree.start + self.step::<N, SETS>(nodes, *at, lanes);
                    }
                }
            }
            for (&at, tree) in at.iter().zip(group) {
                self.add(nodes[at as usize].bits(), tree.target, sums);
            }
        }
    }

    /// One tree for a group of rows; `lanes` holds each lane of all of them side by side.
    fn walk_tree<N: FlatNode, const SETS: u8>(
        &self,
        nodes: &[N],
        tree: Tree,
        lanes: &[[u32; ROWS]],
        sums: &mut [f64],
    ) {
        let nodes = &nodes[tree.start as usize..];
        let mut at = [0_u32; ROWS];
        for _ in 0..tree.depth {
            let before = at;
            for (row, at) in at.iter_mut().enumerate() {
                let node = nodes[*at as usize];
                *at = node.next(self.hit::<N, SETS>(node, lanes[node.lane()][row]));
            }
            if at == before {
                break;
            }
        }
        for (&at, sums) in at.iter().zip(sums.chunks_exact_mut(self.targets)) {
            self.add(nodes[at as usize].bits(), tree.target, sums);
        }
    }

    #[inline(always)]
    fn step<N: FlatNode, const SETS: u8>(&self, nodes: &[N], at: u32, lanes: &[u32]) -> u32 {
        let node = nodes[at as usize];
        node.next(self.hit::<N, SETS>(node, lanes[node.lane()]))
    }

    #[inline(always)]
    fn hit<N: FlatNode, const SETS: u8>(&self, node: N, lane: u32) -> bool {
        let below = f32::from_bits(lane) < f32::from_bits(node.bits());
        match SETS {
            NO_SETS => below,
            INLINE => {
                let member = node.bits().wrapping_shr(lane) & 1 != 0;
                if node.is_set() { member } else { below }
            }
            _ if node.is_set() => self.pool[(node.bits() + lane / 32) as usize] >> (lane % 32) & 1 != 0,
            _ => below,
        }
    }

    #[inline(always)]
    fn add(&self, leaf: u32, target: u32, sums: &mut [f64]) {
        if self.spans.is_empty() {
            self.join(&mut sums[target as usize], f64::from(f32::from_bits(leaf)));
            return;
        }
        let span = self.spans[leaf as usize] as usize..self.spans[leaf as usize + 1] as usize;
        for &(target, weight) in &self.weights[span] {
            self.join(&mut sums[target as usize], f64::from(weight));
        }
    }

    #[inline(always)]
    fn join(&self, sum: &mut f64, weight: f64) {
        let first = sum.is_nan();
        *sum = match self.aggregate {
            _ if first => weight,
            Aggregate::Sum => *sum + weight,
            Aggregate::Min => sum.min(weight),
            Aggregate::Max => sum.max(weight),
        };
    }
}
