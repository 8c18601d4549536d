//! Which runs of codes are looked for, as a tree of them.

use crate::program::{Seeded, UNKNOWN};
use std::collections::HashMap;

/// A tree of n-grams; node 0 is the root.
#[derive(Debug, Default)]
pub(super) struct Grams {
    /// What follows a node by a code.
    next: HashMap<(u32, u32), u32, Seeded>,
    /// The n-gram that ends at a node: its number in the pool.
    ends: Vec<Option<u32>>,
}

/// The lengths counted, and how many codes may stand between two of an n-gram.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    pub shortest: usize,
    pub longest: usize,
    pub skips: usize,
}

impl Reach {
    /// Looks at most taken at a list of this many codes.
    pub fn looks(self, codes: usize) -> usize {
        codes.saturating_mul(self.skips.min(codes).saturating_add(1)).saturating_mul(self.longest.min(codes))
    }
}

impl Grams {
    /// Room for the root.
    pub fn new() -> Self {
        Self { next: HashMap::default(), ends: vec![None] }
    }

    /// Adds an n-gram of the pool; false when it is there already.
    pub fn add(&mut self, codes: &[u32], number: u32) -> bool {
        let mut at = 0;
        for &code in codes {
            let fresh = self.ends.len() as u32;
            at = *self.next.entry((at, code)).or_insert(fresh);
            if at == fresh {
                self.ends.push(None);
            }
        }
        self.ends[at as usize].replace(number).is_none()
    }

    /// Whether a code stands in any n-gram.
    pub fn has(&self, code: u32) -> bool {
        self.next.keys().any(|&(_, c)| c == code)
    }

    /// Calls `hit` with the number of every n-gram found, in onnxruntime's order: single codes once, longer ones for
    /// every distance between neighbours.
    pub fn find(&self, codes: &[u32], reach: Reach, mut hit: impl FnMut(u32)) {
        let mut shortest = reach.shortest;
        for distance in 1..=reach.skips.min(codes.len()) + 1 {
            if shortest > reach.longest {
                return;
            }
            let span = distance.saturating_mul(shortest - 1);
            for start in 0..codes.len().saturating_sub(span) {
                self.walk(&codes[start..], (distance, shortest, reach.longest), &mut hit);
            }
            shortest = shortest.max(2);
        }
    }

    /// The n-grams that begin with the first code.
    fn walk(
        &self,
        codes: &[u32],
        (distance, shortest, longest): (usize, usize, usize),
        hit: &mut impl FnMut(u32),
    ) {
        let mut at = 0;
        for (length, &code) in (1..=longest).zip(codes.iter().step_by(distance)) {
            let Some((after, end)) = self.step(at, code) else { return };
            if let Some(number) = end.filter(|_| length >= shortest) {
                hit(number);
            }
            at = after;
        }
    }

    fn step(&self, at: u32, code: u32) -> Option<(u32, Option<u32>)> {
        if code == UNKNOWN {
            return None;
        }
        let after = *self.next.get(&(at, code))?;
        Some((after, self.ends[after as usize]))
    }
}
