//! An ensemble as its file states it, after checking.

use super::Aggregate;

/// Comparison of a branch: `x <mode> value` is true → `yes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Leq,
    Lt,
    Gte,
    Gt,
    Eq,
    Neq,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum RawNode {
    Branch {
        feature: u32,
        mode: Mode,
        value: f32,
        missing_yes: bool,
        yes: u32,
        no: u32,
    },
    /// A range of the tree's weights.
    Leaf {
        first: u32,
        count: u32,
    },
}

/// Node 0 is the root; children follow their parents in no particular order, without cycles.
#[derive(Debug, Clone, Default)]
pub(crate) struct RawTree {
    pub nodes: Vec<RawNode>,
    pub root: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct RawForest {
    pub trees: Vec<RawTree>,
    /// `(target, weight)` of all leaves.
    pub weights: Vec<(u32, f32)>,
    pub targets: usize,
    pub features: usize,
    pub aggregate: Aggregate,
}

/// What the rules for scores need to know about the weights.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub trees: usize,
    /// The one target all weights belong to.
    pub only_target: Option<u32>,
    /// No weight is below zero.
    pub all_positive: bool,
}

impl RawForest {
    pub fn facts(&self) -> Facts {
        let first = self.weights.first().map(|w| w.0);
        Facts {
            trees: self.trees.len(),
            only_target: first.filter(|&t| self.weights.iter().all(|w| w.0 == t)),
            all_positive: self.weights.iter().all(|w| w.1 >= 0.0),
        }
    }
}
