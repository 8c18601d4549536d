//! Small trees without walking. Each tree has a word with a bit for every leaf. For every cell of a feature
//! a table holds, for all trees, the leaves that the tests on this feature leave open; the AND over the
//! features leaves one bit a tree, its leaf. This is QuickScorer (Lucchese et al., SIGIR 2015) with the masks of all
//! thresholds up to a value already joined, so that a row costs one pass over as many rows of tables as
//! there are tables, without a branch on data.
//!
//! Features with few cells share a table, whose rows are their combinations. A tree with more leaves than a
//! word has bits takes several words, of which all but one end up empty.

mod plan;

use super::Rows;
use super::cells::Cells;
use crate::work::Work;
pub(super) use plan::build;
#[cfg(test)]
pub(super) use plan::make;

/// Words of all trees are joined in chunks of this many bits, a line of the cache.
const CHUNK: usize = 512;
/// Most lines joined in one pass when rows come alone.
const LINES: usize = 32;
/// Fewest rows that take one line after the other.
const TOGETHER: usize = 8;
/// Sums kept side by side.
const SUMS: usize = 8;

/// A set of leaves.
trait Word: Copy + std::fmt::Debug {
    const PLACES: usize;
    const ALL: Self;
    fn and(self, other: Self) -> Self;
    /// Without the bits `from..to`.
    fn without(self, from: usize, to: usize) -> Self;
    /// The place of the lowest bit.
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
                self.trailing_zeros() as usize
            }
        }
    )*};
}
word!(u8, u16, u32, u64);

/// Words of `N` trees, [`CHUNK`] bits.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Line<W, const N: usize>([W; N]);

impl<W: Word, const N: usize> Line<W, N> {
    const ALL: Self = Self([W::ALL; N]);

    #[inline(always)]
    fn join(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(open, &other)| *open = open.and(other));
    }
}

/// Joins four rows of lines at once, which reads and writes `open` once.
#[inline(always)]
fn join_four<W: Word, const N: usize>(open: &mut [Line<W, N>], rows: [&[Line<W, N>]; 4]) {
    let [a, b, c, d] = rows;
    for ((((open, a), b), c), d) in open.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        let mut line = *open;
        for other in [a, b, c, d] {
            line.join(other);
        }
        *open = line;
    }
}

#[derive(Debug)]
struct Tables<W, const N: usize> {
    /// Rows of all tables, row by row.
    rows: Vec<Line<W, N>>,
    /// Weights of the leaves, chunk by chunk.
    leaves: Vec<[f32; CHUNK]>,
}

#[derive(Debug)]
enum Words {
    W8(Tables<u8, 64>),
    W16(Tables<u16, 32>),
    W32(Tables<u32, 16>),
    W64(Tables<u64, 8>),
}

/// A feature's part in the place of its table.
#[derive(Debug)]
struct Column {
    feature: u32,
    table: u32,
    cells: Cells,
}

/// One call of [`Masks::sum`].
pub(super) struct Call<'a> {
    pub masks: &'a Masks,
    pub rows: Rows<'a>,
    pub words: &'a mut [u32],
    pub sums: &'a mut [f64],
}

impl pulp::NullaryFnOnce for Call<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.masks.sum(self.rows, self.words, self.sums);
    }
}

/// A forest as tables.
#[derive(Debug)]
pub(super) struct Masks {
    columns: Vec<Column>,
    /// First line of each table.
    tables: Vec<u32>,
    words: Words,
    /// Target of each chunk, and whether it is the target's first.
    chunks: Vec<(u32, bool)>,
    targets: usize,
}

impl Masks {
    /// What a row takes.
    pub fn work(&self) -> Work {
        let (rows, words) = match &self.words {
            Words::W8(tables) => (tables.rows.len(), 64),
            Words::W16(tables) => (tables.rows.len(), 32),
            Words::W32(tables) => (tables.rows.len(), 16),
            Words::W64(tables) => (tables.rows.len(), 8),
        };
        let chunks = self.chunks.len();
        Work {
            lines: (chunks * self.tables.len()) as f64,
            leaves: (chunks * words) as f64,
            cells: self.columns.len() as f64,
            table_bytes: (rows * CHUNK / 8 + chunks * CHUNK * size_of::<f32>()) as f64,
            ..Work::default()
        }
    }

    /// As [`super::Forest::steps`].
    pub fn steps(&self) -> usize {
        /// Of joining a line.
        const LINE: usize = 8;
        let work = self.work();
        let cells: usize = self.columns.iter().map(|column| column.cells.steps()).sum();
        (work.lines as usize).saturating_mul(LINE).saturating_add(work.leaves as usize).saturating_add(cells)
    }

    /// Scratch words needed for `rows` rows.
    pub fn scratch_words(&self, rows: usize) -> usize {
        self.tables.len() * rows
    }

    /// As [`super::Forest::sum`]; `sums` comes filled with NaN.
    #[inline(always)]
    fn sum(&self, rows: Rows<'_>, words: &mut [u32], sums: &mut [f64]) {
        let words = &mut words[..self.tables.len() * rows.count];
        words.chunks_exact_mut(self.tables.len()).for_each(|places| places.copy_from_slice(&self.tables));
        for column in &self.columns {
            let from = &rows.data[rows.offset + column.feature as usize..];
            let places = &mut words[column.table as usize..];
            column.cells.add((from, rows.stride), (places, self.tables.len()), rows.count);
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
        let rows = places.chunks_exact(self.tables.len()).zip(sums.chunks_exact_mut(self.targets));
        if rows.len() >= TOGETHER {
            // A line of the tables stays in the first cache from row to row.
            for from in 0..self.chunks.len() {
                let rows = places.chunks_exact(self.tables.len()).zip(sums.chunks_exact_mut(self.targets));
                for (places, sums) in rows {
                    let mut open = Line::ALL;
                    for &place in places {
                        open.join(&tables.rows[place as usize + from]);
                    }
                    self.add(tables, from, &open, sums);
                }
            }
            return;
        }
        for (places, sums) in rows {
            // One place after the other, as the machine fetches memory ahead.
            for from in (0..self.chunks.len()).step_by(LINES) {
                let mut open = [Line::ALL; LINES];
                let open = &mut open[..LINES.min(self.chunks.len() - from)];
                let lines = open.len();
                let row = |place: u32| &tables.rows[place as usize + from..][..lines];
                let (fours, rest) = places.as_chunks::<4>();
                for four in fours {
                    join_four(open, four.map(row));
                }
                for &place in rest {
                    for (open, row) in open.iter_mut().zip(row(place)) {
                        let mut line = *open;
                        line.join(row);
                        *open = line;
                    }
                }
                for (at, open) in open.iter().enumerate() {
                    self.add(tables, from + at, open, sums);
                }
            }
        }
    }

    /// Adds the leaves of one chunk of trees.
    #[inline(always)]
    fn add<W: Word, const N: usize>(
        &self,
        tables: &Tables<W, N>,
        chunk: usize,
        open: &Line<W, N>,
        sums: &mut [f64],
    ) {
        let (target, first) = self.chunks[chunk];
        let sum = sum(&open.0, &tables.leaves[chunk]);
        let total = &mut sums[target as usize];
        *total = if first { sum } else { *total + sum };
    }
}

/// The sum of the leaves that one chunk of trees reaches: eight sums side by side, joined at the end.
#[inline(always)]
fn sum<W: Word, const N: usize>(open: &[W; N], leaves: &[f32; CHUNK]) -> f64 {
    let mut sums = [0.0; SUMS];
    let (groups, _) = open.as_chunks::<SUMS>();
    for (group, open) in groups.iter().enumerate() {
        for (tree, (sum, open)) in sums.iter_mut().zip(open).enumerate() {
            let leaf = (group * SUMS + tree) * W::PLACES + open.lowest();
            *sum += f64::from(leaves[leaf % CHUNK]);
        }
    }
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}
