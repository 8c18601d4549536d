//! Flat nodes. A compact node takes 8 bytes and its no-child stands right behind its yes-child; where a
//! forest has trees beyond 65,535 nodes, more than 32,767 lanes, or shares children so much that copying
//! them would swell it, all trees use wide nodes of 16 bytes with two plain references.
//!
//! A leaf is a node that always stays where it is, so that trees of different depth walk together. Its
//! threshold field holds its weight, or the number of its span of weights.

use super::fold::{Folded, FoldedForest, Test};
use super::lanes::{Codes, Lanes};
use super::{Nodes, Sets, Tree, Walk};
use crate::limits;

/// Set in the lane of a compact node that tests a set.
const SET: u16 = 1 << 15;
/// The same for wide nodes.
const WIDE_SET: u32 = 1 << 31;
/// Most codes a set inside a node can have.
const INLINE_CODES: usize = 32;
/// How many times larger shared children may make a tree before wide nodes are taken.
const COPIES: usize = 4;

/// `lane < bits` as numbers, or a set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Compact {
    bits: u32,
    lane: u16,
    yes: u16,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wide {
    bits: u32,
    lane: u32,
    yes: u32,
    no: u32,
}

/// What the kernels need of a node. References are relative to the first node of the tree.
pub(super) trait FlatNode: Copy {
    fn lane(self) -> usize;
    fn is_set(self) -> bool;
    fn bits(self) -> u32;
    fn next(self, hit: bool) -> u32;
}

impl FlatNode for Compact {
    #[inline(always)]
    fn lane(self) -> usize {
        usize::from(self.lane & !SET)
    }
    #[inline(always)]
    fn is_set(self) -> bool {
        self.lane & SET != 0
    }
    #[inline(always)]
    fn bits(self) -> u32 {
        self.bits
    }
    #[inline(always)]
    fn next(self, hit: bool) -> u32 {
        u32::from(self.yes) + u32::from(!hit)
    }
}

impl FlatNode for Wide {
    #[inline(always)]
    fn lane(self) -> usize {
        (self.lane & !WIDE_SET) as usize
    }
    #[inline(always)]
    fn is_set(self) -> bool {
        self.lane & WIDE_SET != 0
    }
    #[inline(always)]
    fn bits(self) -> u32 {
        self.bits
    }
    #[inline(always)]
    fn next(self, hit: bool) -> u32 {
        if hit { self.yes } else { self.no }
    }
}

/// Lays a folded forest out.
pub(super) fn lay_out(folded: &FoldedForest) -> Result<Walk, String> {
    let lanes = Lanes::new(folded);
    let sets = match lanes.most_codes() {
        None => Sets::None,
        Some(count) if count <= INLINE_CODES => Sets::Inline,
        Some(_) => Sets::Pooled,
    };
    let words = if sets == Sets::Pooled { set_words(folded, &lanes) } else { 0 };
    if words > limits::SETS {
        return Err(format!("its sets of categories take more than {} words", limits::SETS));
    }
    let mut pool = Vec::with_capacity(words + 1);
    pool.push(0);
    let mut builder = Builder {
        folded,
        lanes,
        sets,
        pool,
        single: single_target(folded),
        spans: vec![0],
        weights: Vec::new(),
    };
    let order = order(folded);
    let compact = builder.compact(&order);
    let (nodes, trees) = match compact {
        Some((nodes, trees)) => (Nodes::Compact(nodes), trees),
        None => {
            builder.reset();
            let (nodes, trees) = builder.wide(&order);
            (Nodes::Wide(nodes), trees)
        }
    };
    if builder.pool.len() > limits::SETS {
        return Err(format!("its sets of categories take more than {} words", limits::SETS));
    }
    if builder.weights.len() >= 0x7f80_0000 {
        return Err("it has too many leaf weights".to_owned());
    }
    Ok(Walk {
        lanes: builder.lanes.all,
        sets,
        pool: builder.pool,
        nodes,
        trees,
        spans: if builder.single.is_some() { Vec::new() } else { builder.spans },
        weights: builder.weights,
        targets: folded.targets,
        aggregate: folded.aggregate,
        visits: folded.trees.iter().map(|(nodes, root)| visits(nodes, *root)).sum(),
    })
}

/// Words of all sets, when no tree is copied.
fn set_words(folded: &FoldedForest, lanes: &Lanes) -> usize {
    let words = |node: &Folded| match node {
        Folded::Branch { feature, test: Test::Member { .. }, .. } => {
            lanes.code(*feature).map_or(0, |(_, codes)| codes.count().div_ceil(u32::BITS as usize))
        }
        _ => 0,
    };
    folded.trees.iter().flat_map(|(nodes, _)| nodes).map(words).fold(0, usize::saturating_add)
}

/// Target of each tree, when every leaf has exactly one weight and a tree's leaves share their target.
pub(super) fn single_target(folded: &FoldedForest) -> Option<Vec<u32>> {
    let target = |(nodes, root): &(Vec<Folded>, u32)| {
        let mut found = None;
        let mut stack = vec![*root];
        let mut seen = vec![false; nodes.len()];
        while let Some(at) = stack.pop() {
            if std::mem::replace(&mut seen[at as usize], true) {
                continue;
            }
            match nodes[at as usize] {
                Folded::Branch { yes, no, .. } => stack.extend([yes, no]),
                Folded::Leaf { first, count: 1 } => {
                    let target = folded.weights[first as usize].0;
                    if *found.get_or_insert(target) != target {
                        return None;
                    }
                }
                Folded::Leaf { .. } => return None,
            }
        }
        found
    };
    folded.trees.iter().map(target).collect()
}

/// Trees by falling depth, then by number, each with its depth.
fn order(folded: &FoldedForest) -> Vec<(usize, u32)> {
    let mut order: Vec<(usize, u32)> =
        folded.trees.iter().enumerate().map(|(i, (nodes, root))| (i, depth(nodes, *root))).collect();
    order.sort_by_key(|&(i, depth)| (std::cmp::Reverse(depth), i));
    order
}

/// Branches met by a row that every branch sends either way: the sum over branches of the share of rows they see.
fn visits(nodes: &[Folded], root: u32) -> f64 {
    let mut visits = 0.0;
    let mut stack = vec![(root, 1.0_f64)];
    // Where branches share children the ways are many: a count of some is enough.
    for _ in 0..nodes.len() * COPIES {
        let Some((at, share)) = stack.pop() else { break };
        if let Folded::Branch { yes, no, .. } = nodes[at as usize] {
            visits += share;
            stack.extend([(yes, share / 2.0), (no, share / 2.0)]);
        }
    }
    visits
}

fn depth(nodes: &[Folded], root: u32) -> u32 {
    // 0: not seen, else depth + 1. Children are done before their parents.
    let mut depths = vec![0_u32; nodes.len()];
    let mut stack = vec![root];
    while let Some(&at) = stack.last() {
        let Folded::Branch { yes, no, .. } = nodes[at as usize] else {
            depths[at as usize] = 1;
            stack.pop();
            continue;
        };
        let (a, b) = (depths[yes as usize], depths[no as usize]);
        if a > 0 && b > 0 {
            depths[at as usize] = 1 + a.max(b);
            stack.pop();
        } else {
            stack.extend([yes, no].into_iter().filter(|&c| depths[c as usize] == 0));
        }
    }
    depths[root as usize] - 1
}

struct Builder<'a> {
    folded: &'a FoldedForest,
    lanes: Lanes,
    sets: Sets,
    pool: Vec<u32>,
    single: Option<Vec<u32>>,
    spans: Vec<u32>,
    weights: Vec<(u32, f32)>,
}

impl Builder<'_> {
    fn reset(&mut self) {
        self.pool.truncate(1);
        self.spans.truncate(1);
        self.weights.clear();
    }

    fn target(&self, tree: usize) -> u32 {
        self.single.as_ref().map_or(0, |s| s[tree])
    }

    /// Lane, threshold bits and whether it is a set.
    fn test(&mut self, feature: u32, test: &Test) -> (u32, u32, bool) {
        match test {
            Test::Less { threshold, missing_yes } => {
                (self.lanes.number(feature, *missing_yes), threshold.to_bits(), false)
            }
            Test::Member { values, other, missing } => {
                let Some((lane, codes)) = self.lanes.code(feature) else {
                    return (0, 0, false);
                };
                if self.pool.len() > limits::SETS {
                    return (lane, 0, true);
                }
                let words = bits(codes, values, *other, *missing);
                if self.sets == Sets::Inline {
                    return (lane, words[0], true);
                }
                let first = self.pool.len() as u32;
                self.pool.extend(words);
                (lane, first, true)
            }
        }
    }

    fn leaf(&mut self, first: u32, count: u32) -> u32 {
        let weights = &self.folded.weights[first as usize..(first + count) as usize];
        if self.single.is_some() {
            // A sum begins at +0, so the sign of a zero weight can't show.
            return weights.first().map_or(0, |w| (w.1 + 0.0).to_bits());
        }
        self.weights.extend_from_slice(weights);
        self.spans.push(self.weights.len() as u32);
        self.spans.len() as u32 - 2
    }

    fn compact(&mut self, order: &[(usize, u32)]) -> Option<(Vec<Compact>, Vec<Tree>)> {
        if self.lanes.all.len() >= usize::from(SET) {
            return None;
        }
        let mut nodes = Vec::new();
        let mut trees = Vec::new();
        for &(tree, depth) in order {
            let start = nodes.len();
            self.compact_tree(tree, &mut nodes)?;
            trees.push(Tree { start: u32::try_from(start).ok()?, depth, target: self.target(tree) });
        }
        Some((nodes, trees))
    }

    fn compact_tree(&mut self, tree: usize, out: &mut Vec<Compact>) -> Option<()> {
        let folded = self.folded;
        let (nodes, root) = &folded.trees[tree];
        let start = out.len();
        let most = (nodes.len() * COPIES).min(usize::from(u16::MAX) - 1);
        let blank = Compact { bits: 0, lane: 0, yes: 0 };
        out.push(blank);
        let mut stack = vec![(*root, 0_usize)];
        while let Some((from, to)) = stack.pop() {
            out[start + to] = match &nodes[from as usize] {
                Folded::Leaf { first, count } => {
                    Compact { bits: self.leaf(*first, *count), lane: 0, yes: to as u16 }
                }
                Folded::Branch { feature, test, yes, no } => {
                    let pair = out.len() - start;
                    if pair + 2 > most {
                        return None;
                    }
                    out.extend([blank, blank]);
                    // The yes-child is laid out next, so its own pair follows closely.
                    stack.extend([(*no, pair + 1), (*yes, pair)]);
                    let (lane, bits, set) = self.test(*feature, test);
                    Compact { bits, lane: lane as u16 | if set { SET } else { 0 }, yes: pair as u16 }
                }
            };
        }
        Some(())
    }

    fn wide(&mut self, order: &[(usize, u32)]) -> (Vec<Wide>, Vec<Tree>) {
        let folded = self.folded;
        let mut out = Vec::new();
        let mut trees = Vec::new();
        for &(tree, depth) in order {
            let start = out.len() as u32;
            let (nodes, root) = &folded.trees[tree];
            // The root comes first: it and the first node change places.
            let place = |at: u32| {
                if at == *root {
                    0
                } else if at == 0 {
                    *root
                } else {
                    at
                }
            };
            for at in 0..nodes.len() as u32 {
                out.push(match &nodes[place(at) as usize] {
                    Folded::Leaf { first, count } => {
                        Wide { bits: self.leaf(*first, *count), lane: 0, yes: at, no: at }
                    }
                    Folded::Branch { feature, test, yes, no } => {
                        let (lane, bits, set) = self.test(*feature, test);
                        let lane = lane | if set { WIDE_SET } else { 0 };
                        Wide { bits, lane, yes: place(*yes), no: place(*no) }
                    }
                });
            }
            trees.push(Tree { start, depth, target: self.target(tree) });
        }
        (out, trees)
    }
}

/// The bit-set of a test over the codes of its lane.
fn bits(codes: &Codes, values: &[f32], other: bool, missing: bool) -> Vec<u32> {
    let mut words = vec![0_u32; codes.count().div_ceil(32)];
    let mut set = |code: u32| words[code as usize / 32] |= 1 << (code % 32);
    for &value in values.iter().filter(|v| !v.is_nan()) {
        set(codes.place(value));
    }
    if other {
        (0..=codes.other()).for_each(&mut set);
    }
    if missing {
        set(codes.missing());
    }
    words
}
