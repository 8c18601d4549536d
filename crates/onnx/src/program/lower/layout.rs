//! Lays the arena out, and drops what nobody reads.

use super::{Lower, PlaceDef};
use crate::forest::BLOCK;
use crate::program::outputs::Ending;
use crate::program::{Place, Program, Span};

/// Columns of each root that are read.
struct Needed(Vec<Vec<u64>>);

impl Needed {
    fn add(&mut self, (root, from, to): (usize, usize, usize)) {
        let words = &mut self.0[root];
        if words.len() < to.div_ceil(64) {
            words.resize(to.div_ceil(64), 0);
        }
        for (word, mask) in words_of(from, to) {
            words[word] |= mask;
        }
    }

    fn holds(&self, (root, from, to): (usize, usize, usize)) -> bool {
        let words = &self.0[root];
        words_of(from, to).any(|(word, mask)| words.get(word).is_some_and(|w| w & mask != 0))
    }
}

/// The words with bits `from..to`, and these bits of each.
fn words_of(from: usize, to: usize) -> impl Iterator<Item = (usize, u64)> {
    (from / 64..to.div_ceil(64)).map(move |word| {
        let (first, last) = (from.max(word * 64) - word * 64, to.min(word * 64 + 64) - word * 64);
        (word, (u64::MAX << first) & (u64::MAX >> (64 - last)))
    })
}

impl Lower {
    /// Lays the arena out.
    pub fn finish(mut self, ending: Ending) -> Program {
        self.flatten();
        let needed = self.prune(&ending);
        let mut cursor = self.constants.len();
        let inputs = Place { offset: cursor, stride: self.input_width };
        cursor += BLOCK * self.input_width;
        let mut roots: Vec<Option<Place>> = Vec::with_capacity(self.places.len());
        for (at, def) in self.places.iter().enumerate() {
            roots.push(match *def {
                PlaceDef::Input { column } => {
                    Some(Place { offset: inputs.offset + column, stride: inputs.stride })
                }
                PlaceDef::Constant { at } => Some(Place { offset: at, stride: 0 }),
                PlaceDef::Root { width } if !needed.0[at].is_empty() => {
                    let offset = cursor;
                    cursor += BLOCK * width;
                    Some(Place { offset, stride: width })
                }
                PlaceDef::Root { .. } | PlaceDef::Part { .. } => None,
            });
        }
        let places = (0..roots.len()).map(|at| {
            let (root, column) = self.root(at);
            // Nobody reads or writes what has no place.
            roots[root].map_or(Place { offset: 0, stride: 0 }, |p| Place { offset: p.offset + column, ..p })
        });
        Program {
            places: places.collect(),
            steps: self.steps,
            constants: self.constants,
            inputs,
            arena: cursor,
            words: self.words,
            sums: self.sums,
            whole: self.whole,
            ending,
        }
    }

    /// Puts every part straight into its root: chains of parts would be followed again and again.
    fn flatten(&mut self) {
        let mut way = Vec::new();
        for start in 0..self.places.len() {
            let mut at = start;
            while let PlaceDef::Part { parent, .. } = self.places[at] {
                way.push(at);
                at = parent;
            }
            let mut shift = 0;
            while let Some(part) = way.pop() {
                if let PlaceDef::Part { column, .. } = self.places[part] {
                    shift += column;
                    self.places[part] = PlaceDef::Part { parent: at, column: shift };
                }
            }
        }
    }

    /// Drops the steps whose work nobody reads.
    fn prune(&mut self, ending: &Ending) -> Needed {
        let mut needed = Needed(vec![Vec::new(); self.places.len()]);
        for span in ending.reads() {
            needed.add(self.range(span));
        }
        let mut kept = Vec::new();
        for step in std::mem::take(&mut self.steps).into_iter().rev() {
            let writes = step.writes();
            if !writes.iter().any(|&span| needed.holds(self.range(span))) {
                continue;
            }
            // All it writes needs room, also what nobody reads.
            for span in step.reads().into_iter().chain(writes) {
                needed.add(self.range(span));
            }
            kept.push(step);
        }
        kept.reverse();
        self.steps = kept;
        needed
    }

    /// The columns of a root.
    fn range(&self, (place, width): Span) -> (usize, usize, usize) {
        let (root, column) = self.root(place);
        (root, column, column + width)
    }

    /// The root a place lies in, and its column there.
    pub(super) fn root(&self, mut at: usize) -> (usize, usize) {
        let mut shift = 0;
        while let PlaceDef::Part { parent, column } = self.places[at] {
            shift += column;
            at = parent;
        }
        (at, shift)
    }
}
