//! Reduces the six comparisons to two tests. Every numeric comparison becomes `x < t` (`x ≤ t` is
//! `x < next(t)`, the others swap their children); equalities become sets, and a chain of equalities on one
//! feature with one common true child becomes a single set.

use std::collections::BTreeMap;

use super::Aggregate;
use super::raw::{Mode, RawForest, RawNode, RawTree};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    /// `x < threshold`; a missing `x` goes to yes when `missing_yes`.
    Less { threshold: f32, missing_yes: bool },
    /// `x` is one of the values; `other` and `missing` tell where the rest goes.
    Member { values: Vec<f32>, other: bool, missing: bool },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Folded {
    Branch { feature: u32, test: Test, yes: u32, no: u32 },
    Leaf { first: u32, count: u32 },
}

#[derive(Debug)]
pub(crate) struct FoldedForest {
    /// Nodes by tree, with the root.
    pub(super) trees: Vec<(Vec<Folded>, u32)>,
    pub(super) weights: Vec<(u32, f32)>,
    pub(super) targets: usize,
    pub(super) features: usize,
    /// Features that are codes, with how many there are of each.
    pub(super) codes: BTreeMap<u32, usize>,
    pub(super) aggregate: Aggregate,
}

pub(super) fn fold(raw: RawForest) -> FoldedForest {
    let trees = raw.trees.iter().map(|tree| (fold_tree(tree), tree.root)).collect();
    FoldedForest {
        trees,
        weights: raw.weights,
        targets: raw.targets,
        features: raw.features,
        codes: BTreeMap::new(),
        aggregate: raw.aggregate,
    }
}

fn fold_tree(tree: &RawTree) -> Vec<Folded> {
    let parents = parents(tree);
    let mut swallowed = vec![false; tree.nodes.len()];
    (0..tree.nodes.len())
        .map(|at| match tree.nodes[at] {
            RawNode::Leaf { first, count } => Folded::Leaf { first, count },
            // Only reached from the chain that took it in: nobody will look here again.
            RawNode::Branch { .. } if swallowed[at] => Folded::Leaf { first: 0, count: 0 },
            RawNode::Branch { feature, mode: Mode::Eq, yes, .. } => {
                let chain = Chain::follow(tree, at, &parents, &mut swallowed);
                let test = Test::Member { values: chain.values, other: false, missing: chain.missing };
                Folded::Branch { feature, test, yes, no: chain.end }
            }
            RawNode::Branch { feature, mode, value, missing_yes, yes, no } => {
                let (test, swap) = numeric(mode, value, missing_yes);
                let (yes, no) = if swap { (no, yes) } else { (yes, no) };
                Folded::Branch { feature, test, yes, no }
            }
        })
        .collect()
}

fn parents(tree: &RawTree) -> Vec<u32> {
    let mut parents = vec![0; tree.nodes.len()];
    for node in &tree.nodes {
        if let RawNode::Branch { yes, no, .. } = *node {
            parents[yes as usize] += 1;
            parents[no as usize] += 1;
        }
    }
    parents
}

/// Equalities that test one feature one after the other and agree on where a hit goes.
struct Chain {
    values: Vec<f32>,
    missing: bool,
    end: u32,
}

impl Chain {
    fn follow(tree: &RawTree, head: usize, parents: &[u32], swallowed: &mut [bool]) -> Self {
        let mut chain = Self { values: Vec::new(), missing: false, end: head as u32 };
        let RawNode::Branch { feature: chained, yes: hit, .. } = tree.nodes[head] else {
            return chain;
        };
        loop {
            let at = chain.end as usize;
            let RawNode::Branch { feature, mode: Mode::Eq, value, missing_yes, yes, no } = tree.nodes[at]
            else {
                return chain;
            };
            // A link that something else points to must stay a node of its own.
            let linked = at == head || parents[at] == 1;
            // Going backwards in the list would swallow a node that is already built.
            if feature != chained || yes != hit || !linked || (at != head && at < head) {
                return chain;
            }
            swallowed[at] = at != head;
            chain.values.push(value);
            chain.missing |= missing_yes;
            chain.end = no;
        }
    }
}

/// The test of a comparison, and whether its children change places.
fn numeric(mode: Mode, value: f32, missing_yes: bool) -> (Test, bool) {
    let swap = matches!(mode, Mode::Gt | Mode::Gte | Mode::Neq);
    let missing = missing_yes != swap;
    let inclusive = matches!(mode, Mode::Leq | Mode::Gt);
    let test = match mode {
        // NaN ≠ v holds, so after the swap a missing value never goes to yes.
        Mode::Neq => Test::Member { values: vec![value], other: false, missing: false },
        Mode::Eq => Test::Member { values: vec![value], other: false, missing: missing_yes },
        // Nothing compares with NaN, and the edges that `x < t` can't express, with or without a missing value sent left by -∞.
        _ if value.is_nan() => Test::Member { values: Vec::new(), other: swap, missing },
        _ if inclusive && value == f32::INFINITY => Test::Member { values: Vec::new(), other: true, missing },
        _ if !inclusive && value == f32::NEG_INFINITY => {
            Test::Member { values: Vec::new(), other: false, missing }
        }
        _ if inclusive => Test::Less { threshold: value.next_up(), missing_yes: missing },
        _ => Test::Less { threshold: value, missing_yes: missing },
    };
    (test, swap)
}
