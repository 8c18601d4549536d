//! The least time a row can take, from the work its compiled graph counts and what a core does in a cycle.

use std::hint::black_box;
use std::time::Instant;

use portcullis_onnx::Work;

/// Rows from which tables are read line by line for all rows, so that lines come from the first cache.
const TOGETHER: usize = 8;
/// Sizes of the first and second cache, bytes.
const CACHES: [f64; 2] = [32768.0, 1_048_576.0];
/// Multiplications that wait for each other, three cycles each.
const CHAIN: u64 = 1 << 18;

/// The floor, and what makes most of it.
pub struct Floor {
    pub ns: f64,
    pub limit: &'static str,
}

/// Nanoseconds of a cycle: the fastest of some chains.
pub fn cycle() -> f64 {
    let chain = || {
        let start = Instant::now();
        let mut x = black_box(3_u64);
        for _ in 0..CHAIN {
            x = x.wrapping_mul(black_box(0x9e37_79b9_7f4a_7c15));
        }
        black_box(x);
        start.elapsed().as_nanos() as f64 / (CHAIN * 3) as f64
    };
    (0..50).map(|_| chain()).fold(f64::INFINITY, f64::min)
}

impl Floor {
    /// Parts are added: they want the same ports of the core.
    pub fn new(work: &Work, batch: usize, cycle: f64) -> Self {
        let bytes = work.table_bytes;
        // A line is two loads of 32 bytes, of which a core does two a cycle from its first cache, one from its second.
        let (line, lines) = if batch >= TOGETHER || bytes <= CACHES[0] {
            (1.0, "table lines from L1")
        } else if bytes <= CACHES[1] {
            (2.0, "table lines from L2")
        } else {
            (4.0, "table lines from L3")
        };
        let parts = [
            (work.lines * line, lines),
            // Find the bit, load, convert, add: four of the operations a core begins in a cycle.
            (work.leaves, "leaves"),
            // A chain of 15 cycles (node, number, comparison, next), twelve of them at once.
            (work.visits * 1.25, "branches"),
            (work.cells * 2.0, "thresholds"),
            // A load, a conversion, a product and a sum, or a load and a sum.
            (work.terms, "weighted terms"),
            (work.numbers * 0.5, "numbers between steps"),
            // Some 32 operations to make the key of a text, find its place and compare.
            (work.texts * 8.0, "texts"),
            (work.cells_set, "cells set"),
        ];
        let sum = parts.iter().map(|p| p.0).sum::<f64>();
        let most = parts.iter().fold(parts[0], |most, part| if part.0 > most.0 { *part } else { most });
        Self { ns: sum * cycle, limit: most.1 }
    }
}
