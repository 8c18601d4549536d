//! Small trees without walking. Each tree has a word with a bit for every leaf. For every cell of a feature
//! a table holds, for all trees, the leaves that the tests on this feature leave open; the AND over the
//! features leaves one bit a tree, its leaf. This is QuickScorer (Lucchese et al., SIGIR 2015) with the masks of all
//! thresholds up to a value already joined, so that a row costs one pass over as many rows of tables as
//! there are tables, without a branch on data.
//!
//! Features with few cells share a table, whose rows are their combinations. A tree with more leaves than a
//! word has bits takes several words, of which all but one end up empty.

use std::collections::BTreeMap;

use super::cells::{self, Cells};
use super::fold::{FoldedForest, Test};
use super::outline::{Outline, Split};
use super::{Aggregate, Rows};

/// Words of all trees are joined in chunks of this many bits.
const CHUNK: usize = 1024;
/// Most bytes of all tables.
const BYTES: usize = 16 << 20;
/// Most rows of a table that several features share.
const SHARED: usize = 32;
/// Most numbers compared to find the cells, and most words joined to make the tables.
const WORK: usize = 1 << 27;

/// A set of leaves.
pub(super) trait Word: Copy + std::fmt::Debug {
    const PLACES: usize;
    const ALL: Self;
    fn and(self, other: Self) -> Self;
    /// Without the bits `from..to`.
    fn without(self, from: usize, to: usize) -> Self;
    /// The lowest bit; the highest place when there is none.
    fn lowest(self) -> usize;
}

macro_rules! word {
    ($($word:ty),*) => {$(
        impl Word for $word {
            const PLACES: usize = <$word>::BITS as usize;
            const ALL: Self = <$word>::MAX;
            #[inline(always)]
            fn and(self, other: Self) -> Self {
                self & other
            }
            fn without(self, from: usize, to: usize) -> Self {
                let below = |bit: usize| if bit < Self::PLACES { (1 << bit) - 1 } else { Self::MAX };
                self & !(below(to) & !below(from))
            }
            #[inline(always)]
            fn lowest(self) -> usize {
                const TOP: $word = 1 << (<$word>::BITS - 1);
                ((self | TOP).trailing_zeros() as usize) & (Self::PLACES - 1)
            }
        }
    )*};
}
word!(u8, u16, u32, u64);

/// Words of `N` trees, [`CHUNK`] bits.
#[derive(Debug)]
pub(super) struct Tables<W, const N: usize> {
    /// Rows of all tables, chunk by chunk.
    rows: Vec<[W; N]>,
    /// Weights of the leaves, chunk by chunk.
    leaves: Vec<[f32; CHUNK]>,
}

#[derive(Debug)]
enum Words {
    W8(Tables<u8, 128>),
    W16(Tables<u16, 64>),
    W32(Tables<u32, 32>),
    W64(Tables<u64, 16>),
}

/// A feature's part in the row number of its table.
#[derive(Debug)]
struct Column {
    feature: u32,
    table: u32,
    cells: Cells,
}

/// A forest as tables.
#[derive(Debug)]
pub(super) struct Masks {
    columns: Vec<Column>,
    /// First row of each table.
    tables: Vec<u32>,
    /// Number of rows.
    rows: usize,
    words: Words,
    /// Target of each chunk, and whether it is the target's first.
    chunks: Vec<(u32, bool)>,
    targets: usize,
}

impl Masks {
    /// Scratch words needed for `rows` rows.
    pub fn scratch_words(&self, rows: usize) -> usize {
        self.tables.len() * rows
    }

    /// As [`super::Forest::sum`]; `sums` comes filled with NaN.
    #[inline(always)]
    pub fn sum(&self, rows: Rows<'_>, words: &mut [u32], sums: &mut [f64]) {
        let words = &mut words[..self.tables.len() * rows.count];
        for (row, places) in words.chunks_exact_mut(self.tables.len()).enumerate() {
            places.copy_from_slice(&self.tables);
            let row = &rows.data[rows.offset + row * rows.stride..];
            for column in &self.columns {
                places[column.table as usize] += column.cells.cell(row[column.feature as usize]);
            }
        }
        match &self.words {
            Words::W8(tables) => self.join(tables, words, sums),
            Words::W16(tables) => self.join(tables, words, sums),
            Words::W32(tables) => self.join(tables, words, sums),
            Words::W64(tables) => self.join(tables, words, sums),
        }
    }

    #[inline(always)]
    fn join<W: Word, const N: usize>(&self, tables: &Tables<W, N>, places: &[u32], sums: &mut [f64]) {
        let chunks = tables.rows.chunks_exact(self.rows).zip(&tables.leaves);
        for ((rows, leaves), &(target, first)) in chunks.zip(&self.chunks) {
            let each = places.chunks_exact(self.tables.len());
            for (places, sums) in each.zip(sums.chunks_exact_mut(self.targets)) {
                let sum = chunk(rows, leaves, places);
                let total = &mut sums[target as usize];
                *total = if first { sum } else { *total + sum };
            }
        }
    }
}

/// The sum of the leaves that one chunk of trees reaches: eight sums side by side, joined at the end.
#[inline(always)]
fn chunk<W: Word, const N: usize>(rows: &[[W; N]], leaves: &[f32; CHUNK], places: &[u32]) -> f64 {
    let mut open = [W::ALL; N];
    for &place in places {
        for (open, &row) in open.iter_mut().zip(&rows[place as usize]) {
            *open = open.and(row);
        }
    }
    let mut sums = [0.0; 8];
    for (tree, open) in open.iter().enumerate() {
        sums[tree % 8] += f64::from(leaves[tree * W::PLACES + open.lowest()]);
    }
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

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
pub(super) fn build(forest: &FoldedForest, targets: &[u32]) -> Option<Masks> {
    make(forest, targets, super::VISIT_CYCLES)
}

/// As [`build`], when walking takes this many cycles a branch.
pub(super) fn make(forest: &FoldedForest, targets: &[u32], visit_cycles: f64) -> Option<Masks> {
    if forest.aggregate != Aggregate::Sum {
        return None;
    }
    let outlines = (0..forest.trees.len()).map(|tree| Outline::new(forest, tree)).collect::<Option<_>>()?;
    let plan = Plan::new(outlines, targets).filter(|plan| !plan.tables.is_empty())?;
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
    fn new(outlines: Vec<Outline<'a>>, targets: &'a [u32]) -> Option<Self> {
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
            let (cells, samples) = Cells::new(tests);
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
        if bytes > BYTES || rows.saturating_mul(chunks * CHUNK / bits).saturating_mul(2) > WORK {
            return usize::MAX;
        }
        // What lies beyond the second cache comes more slowly.
        let line = if bytes > super::CACHE { 12 } else { 6 };
        self.columns.len() * 16 + chunks * (self.tables.len() * line + CHUNK / bits * 3 / 2)
    }

    fn tables<W: Word, const N: usize>(
        self,
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
        let mut rows = vec![[W::ALL; N]; chunks.len() * all];
        let mut firsts = Vec::new();
        let mut first = 0;
        for &rows in &self.tables {
            firsts.push(u32::try_from(first).ok()?);
            first += rows;
        }
        for (column, (samples, factor)) in self.columns.iter().zip(&self.samples) {
            let table = column.table as usize;
            let open = self.open::<W>(column.feature, samples, &starts, slots);
            for row in 0..self.tables[table] {
                let cell = row / factor % samples.len();
                let (open, _) = open[cell * slots..][..slots].as_chunks::<N>();
                for (chunk, open) in open.iter().enumerate() {
                    let to = &mut rows[chunk * all + firsts[table] as usize + row];
                    to.iter_mut().zip(open).for_each(|(to, &open)| *to = to.and(open));
                }
            }
        }
        let words = wrap(Tables { rows, leaves });
        Some(Masks { columns: self.columns, tables: firsts, rows: all, words, chunks, targets: forest.targets })
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
    for at in from / room..to.div_ceil(room) {
        let base = at * room;
        let (low, high) = (from.max(base) - base, to.min(base + room) - base);
        words[at] = words[at].without(low, high);
    }
}
