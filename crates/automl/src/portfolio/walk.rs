//! Steps from a configuration to one near it.

use super::Candidate;
use crate::learners::{Boost, Forest, Growth, Linear};
use crate::random::Random;
use std::sync::Arc;

/// A step of some length in a random direction.
pub(crate) struct Walk<'a> {
    random: &'a mut Random,
    size: f64,
}

impl<'a> Walk<'a> {
    /// `size` is a share of each range.
    pub(crate) fn new(random: &'a mut Random, size: f64) -> Self {
        Self { random, size }
    }

    /// A value near `x` within the range.
    pub(crate) fn linear(&mut self, x: f64, low: f64, high: f64) -> f64 {
        let step = self.random.between(-1.0, 1.0) * self.size * (high - low);
        (x + step).clamp(low, high)
    }

    /// The same in logarithms; all are positive.
    pub(crate) fn log(&mut self, x: f64, low: f64, high: f64) -> f64 {
        self.linear(x.clamp(low, high).ln(), low.ln(), high.ln()).exp()
    }

    /// The same for whole numbers.
    pub(crate) fn count(&mut self, x: usize, low: usize, high: usize) -> usize {
        self.log(x as f64, low as f64, high as f64).round() as usize
    }
}

impl Boost {
    /// A configuration near this one.
    pub(crate) fn step(&self, walk: &mut Walk<'_>) -> Candidate {
        let growth = match self.growth {
            Growth::Leaves(n) => Growth::Leaves(walk.count(n, 2, 200)),
            Growth::Depth(d) => Growth::Depth(walk.count(d, 3, 10)),
            Growth::Symmetric(d) => Growth::Symmetric(walk.count(d, 4, 8)),
        };
        Arc::new(Self {
            growth,
            eta: walk.log(self.eta, 0.015, 0.12),
            min_rows: walk.log(self.min_rows, 1.0, 64.0),
            subsample: walk.linear(self.subsample, 0.6, 1.0),
            bytree: walk.linear(self.bytree, 0.4, 1.0),
            alpha: walk.log(self.alpha, 1e-4, 5.0),
            lambda: walk.log(self.lambda, 1e-2, 8.0),
            ..self.clone()
        })
    }
}

impl Forest {
    /// A configuration near this one.
    pub(crate) fn step(&self, walk: &mut Walk<'_>) -> Candidate {
        let share = if self.share > 0.0 { self.share } else { 0.4 };
        let share = (walk.linear(share, 0.1, 1.0) * 100.0).round() / 100.0;
        Arc::new(Self { share, min_leaf: walk.count(self.min_leaf, 1, 16), ..*self })
    }
}

impl Linear {
    /// A configuration near this one.
    pub(crate) fn step(&self, walk: &mut Walk<'_>) -> Candidate {
        let ratio = (walk.linear(self.ratio, 0.0, 1.0) * 100.0).round() / 100.0;
        Arc::new(Self { strength: walk.log(self.strength, 0.01, 100.0), ratio, ..*self })
    }
}
