//! What is known of a value of the graph, for one row.

use crate::tensor::Tensor;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Nobody: constants.
pub(super) const NOBODY: u32 = 0;

/// Contributions of all elements of one value at most.
const ROOM: usize = 4 << 20;

/// Most numbers of all sums that one row makes.
pub(super) const TOTAL: usize = 32 << 20;

/// Refuses values of so many elements that what so many players add to them takes too much memory.
pub(super) fn room(players: usize, elements: usize) -> Result<(), String> {
    if players.saturating_mul(elements) <= ROOM {
        return Ok(());
    }
    Err(format!("has {elements} elements for {players} columns, more than can be explained"))
}

/// A value of the graph.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// The same for every row.
    Const(Arc<Tensor>),
    /// Made from inputs, each element from the columns its player stands for.
    Plain { tensor: Arc<Tensor>, players: Arc<[u32]> },
    /// A base with what each player adds.
    Sum(Arc<Sum>),
    /// Not explained; why.
    Opaque(Arc<str>),
}

/// Additive values: element `e` is `base[e]` + Σ over the players of `parts[p · len + e]`.
#[derive(Debug, Clone)]
pub(super) struct Sum {
    /// Dimensions for one row.
    pub dims: Vec<usize>,
    pub base: Vec<f64>,
    /// Player by player.
    pub parts: Vec<f64>,
    /// Whether the parts are Shapley values, not carried through a curve nor beside zero for want of means.
    pub exact: bool,
}

impl Sum {
    /// A base alone.
    pub fn constant(dims: Vec<usize>, base: Vec<f64>, players: usize) -> Self {
        let parts = vec![0.0; players * base.len()];
        Self { dims, base, parts, exact: true }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.base.len()
    }

    /// Number of players.
    pub fn players(&self) -> usize {
        self.parts.len() / self.len().max(1)
    }

    /// The value of an element.
    pub fn value(&self, element: usize) -> f64 {
        self.base[element] + self.parts.iter().skip(element).step_by(self.len()).sum::<f64>()
    }

    /// Elements of this one by place, in another shape.
    pub fn pick(&self, dims: Vec<usize>, places: &[usize]) -> Self {
        let base = places.iter().map(|&p| self.base[p]).collect();
        let rows = self.parts.chunks_exact(self.len().max(1));
        let parts = rows.flat_map(|row| places.iter().map(|&p| row[p])).collect();
        Self { dims, base, parts, exact: self.exact }
    }

    /// `out[o] = Σ self[e] · weight(e, o)` for matrices `[elements, outputs]`, row-major.
    pub fn times(&self, dims: Vec<usize>, weights: &[f64], outputs: usize) -> Self {
        let multiply = |row: &[f64]| {
            let mut out = vec![0.0; outputs];
            for (&x, weights) in row.iter().zip(weights.chunks_exact(outputs)).filter(|(x, _)| **x != 0.0) {
                out.iter_mut().zip(weights).for_each(|(o, w)| *o += x * w);
            }
            out
        };
        let base = multiply(&self.base);
        let parts = self.parts.chunks_exact(self.len().max(1)).flat_map(multiply).collect();
        Self { dims, base, parts, exact: self.exact }
    }

    /// `self + factor · other`, of the same shape.
    pub fn plus(mut self, other: &Self, factor: f64) -> Self {
        self.base.iter_mut().zip(&other.base).for_each(|(a, b)| *a += factor * b);
        // A constant may have no parts at all.
        self.parts.resize(self.parts.len().max(other.parts.len()), 0.0);
        self.parts.iter_mut().zip(&other.parts).for_each(|(a, b)| *a += factor * b);
        self.exact &= other.exact;
        self
    }

    /// Gives each element a new base and multiplies its parts.
    pub fn rescaled(&self, base: Vec<f64>, factors: &[f64]) -> Self {
        let rows = self.parts.chunks_exact(self.len().max(1));
        let parts = rows.flat_map(|row| row.iter().zip(factors).map(|(x, f)| x * f)).collect();
        Self { dims: self.dims.clone(), base, parts, exact: false }
    }
}

/// Sets of columns that made values come from.
#[derive(Debug, Clone, Default)]
pub(super) struct Players {
    sets: Vec<Vec<u32>>,
    known: BTreeMap<Vec<u32>, u32>,
}

impl Players {
    /// Nobody, then each column alone: player c + 1.
    pub fn new(columns: usize) -> Self {
        let mut made = Self::default();
        made.of(Vec::new());
        (0..columns as u32).for_each(|c| {
            made.of(vec![c]);
        });
        made
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sets.len()
    }

    /// The columns of a player.
    pub fn columns(&self, player: usize) -> &[u32] {
        &self.sets[player]
    }

    fn of(&mut self, set: Vec<u32>) -> u32 {
        let next = self.sets.len() as u32;
        *self.known.entry(set).or_insert_with_key(|set| {
            self.sets.push(set.clone());
            next
        })
    }

    /// The player of all columns of some players.
    pub fn union(&mut self, players: &[u32]) -> u32 {
        if let [one] = players {
            return *one;
        }
        let mut set: Vec<u32> = players.iter().flat_map(|&p| self.sets[p as usize].iter().copied()).collect();
        set.sort_unstable();
        set.dedup();
        self.of(set)
    }
}
