//! Tree ensembles: read from a node's attributes, checked, folded, laid out flat and evaluated.
//!
//! `read` → [`raw::RawForest`] (what the file says) → `fold` (two kinds of tests: `x < t`, and membership
//! of a set of values) → in a compiled graph `through` (tests on what columns are made of) → `masks` (small trees: tables of open leaves) or `layout` (flat nodes over prepared
//! lanes) → [`Forest::sum`].
//!
//! Leaf weights are f32; their sum is kept in f64 and rounded once. Trees are added in an order that depends
//! on the forest alone: a row's sum does not depend on its neighbours. A runtime that adds n leaves in f32
//! differs by at most n · 2⁻²⁴ · Σ|leaf|, in practice below 1e-6 of the sum.

mod cells;
mod eval;
mod fold;
mod lanes;
mod layout;
mod masks;
mod outline;
pub(crate) mod raw;
mod read;
mod read5;
mod through;

use crate::attrs::Node;
use crate::error::Result;
use crate::work::Work;
pub(crate) use fold::FoldedForest;
use lanes::Lane;
use layout::{Compact, Wide};
use masks::Masks;
pub(crate) use through::Reads;

/// Rows evaluated together.
pub(crate) const BLOCK: usize = 64;
/// Cycles a walk takes for a branch on the way of a row.
const VISIT_CYCLES: f64 = 8.0;
/// Size of a core's second cache, bytes.
const CACHE: usize = 1 << 20;

/// How the leaves of one target are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aggregate {
    Sum,
    Min,
    Max,
}

/// Which tests occur; decides which kernel runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sets {
    /// Only `x < t`.
    None,
    /// Sets over at most 32 codes, held in the node.
    Inline,
    /// Larger sets, held in a pool.
    Pooled,
}

/// One tree: where its nodes begin, and how deep it is.
#[derive(Debug, Clone, Copy)]
struct Tree {
    start: u32,
    depth: u32,
    /// Target of all its leaves, when every leaf has one weight and all have this target.
    target: u32,
}

#[derive(Debug)]
enum Nodes {
    Compact(Vec<Compact>),
    Wide(Vec<Wide>),
}

/// A compiled ensemble.
#[derive(Debug)]
pub(crate) struct Forest {
    engine: Engine,
    machine: pulp::Arch,
    targets: usize,
    features: usize,
}

#[derive(Debug)]
enum Engine {
    Masks(Masks),
    Walk(Walk),
}

/// A forest whose trees are walked node by node.
#[derive(Debug)]
struct Walk {
    lanes: Vec<Lane>,
    sets: Sets,
    pool: Vec<u32>,
    nodes: Nodes,
    trees: Vec<Tree>,
    /// Leaf weights by span; empty when every leaf holds its one weight itself.
    spans: Vec<u32>,
    weights: Vec<(u32, f32)>,
    targets: usize,
    aggregate: Aggregate,
    /// Branches a row meets when every branch halves the rows.
    visits: f64,
}

/// Rows of numbers inside a larger buffer: row `r` begins at `offset + r · stride`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub data: &'a [f32],
    pub offset: usize,
    pub stride: usize,
    pub count: usize,
}

/// Checks the tree attributes of a node.
pub(crate) fn check(node: &Node<'_>) -> Result<()> {
    read::read(node).map(|_| ())
}

/// The trees of a node as its file states them, with `nodes_hitrates` (empty when it has none).
pub(crate) fn stated(node: &Node<'_>) -> Result<(raw::RawForest, Vec<f32>)> {
    Ok((read::read(node)?, read::floats(node, "nodes_hitrates")?))
}

/// The `base_values` of a node, given plainly or as a tensor.
pub(crate) fn base_values(node: &Node<'_>) -> Result<Vec<f32>> {
    read::floats(node, "base_values")
}

impl Forest {
    /// Compiles the ensemble of a node; gives what it was compiled from, too.
    pub fn from_node(node: &Node<'_>) -> Result<(Self, FoldedForest, raw::Facts)> {
        let raw = read::read(node)?;
        let facts = raw.facts();
        let folded = fold::fold(raw);
        let forest = Self::compile(&folded).map_err(|e| node.unsupported(e))?;
        Ok((forest, folded, facts))
    }

    /// Compiles a folded ensemble.
    pub fn compile(folded: &FoldedForest) -> std::result::Result<Self, String> {
        let single = layout::single_target(folded);
        let masks = single.and_then(|targets| masks::build(folded, &targets));
        let engine = match masks {
            Some(masks) => Engine::Masks(masks),
            None => Engine::Walk(layout::lay_out(folded)?),
        };
        Ok(Self { engine, machine: pulp::Arch::new(), targets: folded.targets, features: folded.features })
    }

    /// Joins the leaves of each of at most [`BLOCK`] rows into `sums` (rows × targets, row by row). A
    /// target that no leaf mentions gets NaN. `words` needs [`Forest::scratch_words`] words.
    pub fn sum(&self, rows: Rows<'_>, words: &mut [u32], sums: &mut [f64]) {
        let rows = Rows { count: rows.count.min(BLOCK), ..rows };
        let sums = &mut sums[..rows.count * self.targets];
        sums.fill(f64::NAN);
        match &self.engine {
            // Compiled once for any machine and once for wider vectors; both give the same bits.
            Engine::Masks(masks) => self.machine.dispatch(masks::Call { masks, rows, words, sums }),
            Engine::Walk(walk) => walk.sum(rows, words, sums),
        }
    }

    /// What a row takes.
    pub fn work(&self) -> Work {
        match &self.engine {
            Engine::Masks(masks) => masks.work(),
            Engine::Walk(walk) => walk.work(),
        }
    }

    /// Steps of the sums of a row at most, of about a nanosecond.
    pub fn steps(&self) -> usize {
        match &self.engine {
            Engine::Masks(masks) => masks.steps(),
            Engine::Walk(walk) => walk.steps(),
        }
    }

    /// Words of the sets of categories that are tested.
    pub fn set_words(&self) -> usize {
        if let Engine::Walk(walk) = &self.engine { walk.pool.len() } else { 0 }
    }

    /// Number of features read: the largest feature index plus one.
    pub fn features(&self) -> usize {
        self.features
    }

    /// Number of sums per row.
    pub fn targets(&self) -> usize {
        self.targets
    }

    /// Scratch words needed for one block.
    pub fn scratch_words(&self) -> usize {
        match &self.engine {
            Engine::Masks(masks) => masks.scratch_words(BLOCK),
            Engine::Walk(walk) => walk.lanes.len() * BLOCK,
        }
    }
}

#[cfg(test)]
mod tests;
