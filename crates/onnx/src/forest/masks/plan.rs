//! Plans and fills the tables of open leaves: which features share one, which word the trees take, whether it is
//! worth the memory.

use std::collections::BTreeMap;

use super::{CHUNK, Column, Line, Masks, Tables, Word, Words};
use crate::forest::cells::{self, Cells};
use crate::forest::fold::{FoldedForest, Test};
use crate::forest::outline::{Outline, Split};
use crate::forest::{self, Aggregate};

/// Most bytes of all tables, and most for each branch of the trees, so that a small file stays small.
const BYTES: usize = 8 << 20;
const BRANCH_BYTES: usize = 1024;
/// Most rows of a table that several features share.
const SHARED: usize = 32;
/// Most numbers compared to find the cells, and most words joined to make the tables.
const WORK: usize = 1 << 25;

/// What is known before the tables are made.
struct Plan<'a> {
    /// By tree.
    outlines: Vec<Outline<'a>>,
    targets: &'a [u32],
    columns: Vec<Column>,
    /// Of each column: a value in each cell, and the factor in the row number.
    samples: Vec<(Vec<f32>, usize)>,
    /// Rows of each table.
    tables: Vec<usize>,
}

/// Makes the tables, where they promise to be faster than walking. `targets` holds the target of each tree.
pub(in crate::forest) fn build(forest: &FoldedForest, targets: &[u32]) -> Option<Masks> {
    make(forest, targets, forest::VISIT_CYCLES)
}

/// As [`build`], when walking takes this many cycles a branch.
pub(in crate::forest) fn make(forest: &FoldedForest, targets: &[u32], visit_cycles: f64) -> Option<Masks> {
    if forest.aggregate != Aggregate::Sum {
        return None;
    }
    let outlines = (0..forest.trees.len()).map(|tree| Outline::new(forest, tree)).collect::<Option<_>>()?;
    let plan = Plan::new(forest, outlines, targets).filter(|plan| !plan.tables.is_empty())?;
    let sizes = [8, 16, 32, 64];
    let (cost, bits) = sizes.map(|bits| (plan.cost(bits), bits)).into_iter().min()?;
    let visits = plan.outlines.iter().map(|o| o.visits).sum::<f64>();
    if cost == usize::MAX || cost as f64 > visits * visit_cycles {
        return None;
    }
    match bits {
        8 => plan.tables(forest, Words::W8),
        16 => plan.tables(forest, Words::W16),
        32 => plan.tables(forest, Words::W32),
        _ => plan.tables(forest, Words::W64),
    }
}

/// Words of a tree.
fn words(leaves: usize, bits: usize) -> usize {
    // The last place of a word stands for "in another word" when there is another.
    if leaves <= bits { 1 } else { leaves.div_ceil(bits - 1) }
}

impl<'a> Plan<'a> {
    fn new(forest: &FoldedForest, outlines: Vec<Outline<'a>>, targets: &'a [u32]) -> Option<Self> {
        let mut features: BTreeMap<u32, Vec<&Test>> = BTreeMap::new();
        for split in outlines.iter().flat_map(|o| &o.splits) {
            features.entry(split.feature).or_default().push(split.test);
        }
        let work = |tests: &[&Test]| {
            let compared = tests.iter().map(|t| t.cost()).sum::<usize>();
            compared.saturating_mul(cells::most_cells(tests))
        };
        if features.values().map(|tests| work(tests)).fold(0, usize::saturating_add) > WORK {
            return None;
        }
        let mut found: Vec<(u32, Cells, Vec<f32>)> = Vec::new();
        for (feature, tests) in &features {
            let (cells, samples) = Cells::new(tests, forest.codes.get(feature).copied());
            found.push((*feature, cells, samples));
        }
        found.sort_by_key(|f| f.1.count());
        let mut plan =
            Self { outlines, targets, columns: Vec::new(), samples: Vec::new(), tables: Vec::new() };
        for (feature, cells, samples) in found {
            plan.add(feature, cells, samples);
        }
        Some(plan)
    }

    /// Adds a feature, to the last table when its rows stay few enough.
    fn add(&mut self, feature: u32, mut cells: Cells, samples: Vec<f32>) {
        let factor = match self.tables.last_mut() {
            Some(rows) if *rows * cells.count() <= SHARED => {
                let factor = *rows;
                *rows *= cells.count();
                factor
            }
            _ => {
                self.tables.push(cells.count());
                1
            }
        };
        cells.scale(factor as u32);
        self.columns.push(Column { feature, table: self.tables.len() as u32 - 1, cells });
        self.samples.push((samples, factor));
    }

    /// Chunks of trees for words of this many bits.
    fn chunks(&self, bits: usize) -> usize {
        let mut by_target: BTreeMap<u32, usize> = BTreeMap::new();
        for (outline, &target) in self.outlines.iter().zip(self.targets) {
            *by_target.entry(target).or_default() += words(outline.leaves.len(), bits);
        }
        by_target.values().map(|words| words.div_ceil(CHUNK / bits)).sum()
    }

    /// Cycles a row, roughly; most when the tables would be too large.
    fn cost(&self, bits: usize) -> usize {
        let rows: usize = self.tables.iter().sum();
        let chunks = self.chunks(bits);
        let bytes = rows.saturating_mul(chunks).saturating_mul(CHUNK / 8);
        let branches: usize = self.outlines.iter().map(|o| o.splits.len()).sum();
        if bytes > BYTES.min(branches * BRANCH_BYTES)
            || rows.saturating_mul(chunks * CHUNK / bits).saturating_mul(2) > WORK
        {
            return usize::MAX;
        }
        // What lies beyond the second cache comes more slowly.
        let line = if bytes > forest::CACHE { 6 } else { 3 };
        self.columns.len() * 16 + chunks * (self.tables.len() * line + CHUNK / bits * 3 / 2)
    }

    fn tables<W: Word, const N: usize>(
        mut self,
        forest: &FoldedForest,
        wrap: impl FnOnce(Tables<W, N>) -> Words,
    ) -> Option<Masks> {
        let (starts, chunks) = self.place(W::PLACES);
        let slots = chunks.len() * N;
        let mut leaves = vec![[0.0; CHUNK]; chunks.len()];
        for (outline, &start) in self.outlines.iter().zip(&starts) {
            let room = room::<W>(outline.leaves.len());
            for (at, &leaf) in outline.leaves.iter().enumerate() {
                let bit = (start + at / room) * W::PLACES + at % room;
                leaves[bit / CHUNK][bit % CHUNK] = leaf;
            }
        }
        let all: usize = self.tables.iter().sum();
        let mut rows = vec![Line::ALL; chunks.len() * all];
        let mut firsts = Vec::new();
        let mut first = 0;
        for &rows in &self.tables {
            firsts.push(u32::try_from(first * chunks.len()).ok()?);
            first += rows;
        }
        for (column, (samples, factor)) in self.columns.iter().zip(&self.samples) {
            let table = column.table as usize;
            let open = self.open::<W>(column.feature, samples, &starts, slots);
            for row in 0..self.tables[table] {
                let cell = row / factor % samples.len();
                let (open, _) = open[cell * slots..][..slots].as_chunks::<N>();
                for (chunk, open) in open.iter().enumerate() {
                    let to = &mut rows[firsts[table] as usize + row * chunks.len() + chunk];
                    to.join(&Line(*open));
                }
            }
        }
        // From now on a cell is a number of lines.
        self.columns.iter_mut().for_each(|column| column.cells.scale(chunks.len() as u32));
        let words = wrap(Tables { rows, leaves });
        Some(Masks { columns: self.columns, tables: firsts, words, chunks, targets: forest.targets })
    }

    /// The first word of each tree, and the chunks: those of a target stand together.
    fn place(&self, bits: usize) -> (Vec<usize>, Vec<(u32, bool)>) {
        let mut order: Vec<usize> = (0..self.outlines.len()).collect();
        order.sort_by_key(|&tree| self.targets[tree]);
        let mut starts = vec![0; order.len()];
        let mut chunks = Vec::new();
        let mut next = 0;
        for trees in order.chunk_by(|&a, &b| self.targets[a] == self.targets[b]) {
            for &tree in trees {
                starts[tree] = next;
                next += words(self.outlines[tree].leaves.len(), bits);
            }
            next = next.next_multiple_of(CHUNK / bits);
            let target = trees.first().map_or(0, |&tree| self.targets[tree]);
            let first = chunks.len();
            chunks.extend((first..next * bits / CHUNK).map(|chunk| (target, chunk == first)));
        }
        (starts, chunks)
    }

    /// For each of a feature's cells, the leaves of all trees that stay open.
    fn open<W: Word>(&self, feature: u32, samples: &[f32], starts: &[usize], slots: usize) -> Vec<W> {
        let mut open = vec![W::ALL; samples.len() * slots];
        for (outline, &start) in self.outlines.iter().zip(starts) {
            let room = room::<W>(outline.leaves.len());
            for split in outline.splits.iter().filter(|s| s.feature == feature) {
                for (cell, &x) in samples.iter().enumerate() {
                    let words = &mut open[cell * slots + start..];
                    close(words, room, split, split.test.holds(x));
                }
            }
        }
        open
    }
}

/// Leaves in a word of a tree of this many leaves.
fn room<W: Word>(leaves: usize) -> usize {
    if leaves <= W::PLACES { W::PLACES } else { W::PLACES - 1 }
}

/// Takes the leaves away that a branch doesn't lead to.
fn close<W: Word>(words: &mut [W], room: usize, split: &Split<'_>, yes: bool) {
    let (from, to) = if yes { (split.middle, split.to) } else { (split.from, split.middle) };
    let (first, last) = (from / room, to.div_ceil(room));
    for (word, base) in words[first..last].iter_mut().zip((first * room..).step_by(room)) {
        *word = word.without(from.max(base) - base, to.min(base + room) - base);
    }
}
