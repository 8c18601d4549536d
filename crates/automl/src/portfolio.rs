//! Which configurations are tried, and in which order.
//!
//! First a fixed portfolio of diverse decent configurations (values after AutoGluon's, pytabkit's and TabRepo's
//! published defaults), ordered by table size; then draws from small spaces and steps away from the best so far. The
//! list is a pure function of the data, the specification and what earlier trials gave, so that a search can be run
//! again.

mod walk;

pub(crate) use walk::Walk;

use crate::Task;
use crate::dataset::Dataset;
use crate::export::width::{self, Inputs};
use crate::learners::{
    Boost, Constant, Criterion, Forest, Growth, Handling, Kernel, Learner, Linear, Mlp, Splitting, Svm,
};
use crate::random::Random;
use crate::spec::Algorithm;
use crate::{Error, Spec};
use std::sync::Arc;

/// A configuration to try.
pub(crate) type Candidate = Arc<dyn Learner>;

/// Rows below which forests, linear models and regularised boosting come first.
const SMALL: usize = 3_000;
/// Rows from which rates are at least [`LARGE_RATE`] and forests come late.
const LARGE: usize = 10_000;
const LARGE_RATE: f64 = 0.04;
/// Trees a boosted model may have, when there are several a round.
const MAX_TREES: usize = 3_000;
/// Inputs of all networks of a model together: what they learned is kept after each round.
const MAX_INPUTS: usize = 6_000;
/// Inputs of support vectors at most: what brings them side by side is their square, in memory and in the file.
const MAX_VECTOR_INPUTS: usize = 2_000;
/// Columns that a one-hot encoding may make of categories; numbers and target means take none of them.
const MAX_ONE_HOT: usize = 400;
/// Cells of such an encoding of all rows, or of numbers with their parts: 1.6 GB.
const MAX_CELLS: usize = 400_000_000;

/// Units of a network's first layer, which are the outputs of its linear nodes.
const UNITS: usize = 64;

/// Draws without an allowed algorithm after which there is none to be had.
const MISSES: u64 = 200;
/// Share of the drawn configurations that are near a good one.
const NEAR: f64 = 0.6;
/// Length of the first step away from a good configuration, as a share of each range; later ones are shorter.
const STEP: f64 = 0.25;
const SHRINK: f64 = 0.97;
const SHORTEST: f64 = 0.05;

/// A finished trial that later ones may look at.
pub(crate) struct Past<'a> {
    /// Out of fold.
    pub loss: f64,
    pub candidate: &'a Candidate,
}

/// The trials of a search: a fixed list, then draws, of which most are near the best so far.
pub(crate) struct Plan {
    fixed: Vec<Candidate>,
    facts: Facts,
    allowed: Box<dyn Fn(Algorithm) -> bool + Send + Sync>,
    seed: u64,
    trials: u32,
}

impl Plan {
    /// The plan for `data` with the algorithms that `spec` allows. Without a number of trials there are as many as a
    /// table of this size bears: the choice among many configurations by few rows is a choice by noise.
    pub(crate) fn new(data: &Dataset, spec: &Spec) -> Result<Self, Error> {
        let facts = Facts::new(data);
        let allowed = spec.algorithms(data.target.task)?;
        let mut fixed = if facts.rows < SMALL { small(&facts) } else { large(&facts) };
        // What is worth its time only to those who ask for it by name.
        if !spec.allowed_learners.is_empty() {
            let listed: Vec<Algorithm> = fixed.iter().map(|candidate| candidate.algorithm()).collect();
            fixed.extend(asked(&facts).into_iter().filter(|asked| !listed.contains(&asked.algorithm())));
        }
        fixed.retain(|candidate| allowed(candidate.algorithm()) && facts.bears(candidate.algorithm()));
        let bearable = match facts.rows {
            0..500 => fixed.len() as u32,
            500..2_500 => 32,
            2_500..10_000 => 60,
            10_000..50_000 => 150,
            _ => Spec::MAX_TRIALS,
        };
        let wished = spec.max_trials.unwrap_or(bearable);
        let trials = if varied(&facts, &fixed, &allowed) { wished } else { wished.min(fixed.len() as u32) };
        let plan = Self { fixed, facts, allowed: Box::new(allowed), seed: spec.seed, trials };
        if plan.fixed.is_empty() {
            let setting =
                if spec.allowed_learners.is_empty() { "blocked_learners" } else { "allowed_learners" };
            let detail = format!(
                "no algorithm is left that suits this table of {} rows and {} columns; allow more, or block fewer",
                plan.facts.rows,
                data.features.len()
            );
            return Err(Error::Spec { setting, detail });
        }
        Ok(plan)
    }

    /// Trials at most.
    pub(crate) fn trials(&self) -> u32 {
        self.trials
    }

    /// Whether a trial (from 1) is the same whatever the others gave, and is always carried through.
    pub(crate) fn is_fixed(&self, number: u32) -> bool {
        number as usize <= self.fixed.len()
    }

    /// The configuration of a trial (from 1), which may look at `past`: a step in a random direction away from one of
    /// the three best, as in FLOW2 (Wu, Wang, Huang, "Frugal optimization for cost-related hyperparameters", 2021), or
    /// a draw from the small spaces of TabArena.
    pub(crate) fn candidate(&self, number: u32, past: &[Past<'_>]) -> Candidate {
        if let Some(fixed) = self.fixed.get(number as usize - 1) {
            return fixed.clone();
        }
        let drawn = number - self.fixed.len() as u32;
        let mut random = Random::new(self.seed, 90_000 + u64::from(drawn));
        if random.unit() < NEAR
            && let Some(parent) = parent(past, &mut random)
        {
            let size = (STEP * SHRINK.powi(drawn as i32)).max(SHORTEST);
            if let Some(near) = parent.near(&mut Walk::new(&mut random, size)) {
                return near;
            }
        }
        (0..MISSES)
            .map(|_| self.facts.draw(&mut random))
            .find(|drawn| (self.allowed)(drawn.algorithm()) && self.facts.bears(drawn.algorithm()))
            .unwrap_or_else(|| self.fixed[drawn as usize % self.fixed.len()].clone())
    }
}

/// Whether there are configurations beyond the fixed ones: one to draw, or a step away from one.
fn varied(facts: &Facts, fixed: &[Candidate], allowed: &dyn Fn(Algorithm) -> bool) -> bool {
    let mut random = Random::new(0, 89_999);
    let near = fixed.iter().any(|c| c.near(&mut Walk::new(&mut random, STEP)).is_some());
    let may = |algorithm| allowed(algorithm) && facts.bears(algorithm);
    near || (0..MISSES).any(|_| may(facts.draw(&mut random).algorithm()))
}

/// One of the three best of different algorithms, the best most often.
fn parent<'a>(past: &[Past<'a>], random: &mut Random) -> Option<&'a Candidate> {
    let mut order: Vec<&Past<'a>> = past.iter().filter(|p| p.loss.is_finite()).collect();
    order.sort_by(|a, b| a.loss.total_cmp(&b.loss));
    let mut best: Vec<&Past<'a>> = Vec::new();
    for past in order {
        if best.len() < 3 && best.iter().all(|b| b.candidate.algorithm() != past.candidate.algorithm()) {
            best.push(past);
        }
    }
    let at = match random.unit() {
        x if x < 0.5 => 0,
        x if x < 0.8 => 1,
        _ => 2,
    };
    best.get(at.min(best.len().saturating_sub(1))).map(|past| past.candidate)
}

/// What the choice depends on.
struct Facts {
    rows: usize,
    /// Features that are numbers, and codes of the others.
    numbers: usize,
    codes: usize,
    categories: usize,
    /// Whether one of them has more texts than codes.
    placed: bool,
    one_hot: bool,
    regression: bool,
    /// Trees a round.
    outputs: usize,
}

impl Facts {
    fn new(data: &Dataset) -> Self {
        let codes = data.features.iter().filter_map(|f| f.codes()).sum();
        Self {
            rows: data.trainable(),
            numbers: data.features.iter().filter(|f| f.codes().is_none()).count(),
            codes,
            categories: data.features.iter().filter(|f| f.codes().is_some()).count(),
            placed: !data.matrix.places.is_empty(),
            one_hot: may_be_one_hot(codes, data.rows()),
            regression: data.target.task == Task::Regression,
            outputs: data.target.width(),
        }
    }

    /// Whether the table is not too wide for an algorithm.
    fn bears(&self, algorithm: Algorithm) -> bool {
        match algorithm {
            Algorithm::Svm | Algorithm::LinearSvm => self.numbers + self.codes <= MAX_VECTOR_INPUTS,
            Algorithm::Linear => self.is_narrow((false, 0), self.outputs),
            Algorithm::NeuralNetwork => self.is_narrow((true, 0), UNITS),
            _ => true,
        }
    }

    /// Whether a row of a file stays narrow enough with linear nodes of such inputs.
    fn is_narrow(&self, recipe: (bool, usize), outputs: usize) -> bool {
        let inputs = Inputs { numbers: self.numbers, categories: self.categories, codes: self.codes };
        inputs.linear(recipe, outputs) <= width::most(self.numbers + self.categories)
    }

    /// Whether numbers may be read in so many parts, in memory and in the file.
    fn bears_pieces(&self, pieces: usize, outputs: usize) -> bool {
        let cells = self.rows.saturating_mul(self.numbers * (1 + pieces));
        pieces == 0 || (cells <= MAX_CELLS && self.is_narrow((true, pieces), outputs))
    }

    /// A linear candidate that fits the table: without parts and logarithms where it is too wide for them.
    fn linear(&self, linear: Linear) -> Candidate {
        let pieces = if self.bears_pieces(linear.pieces, self.outputs) { linear.pieces } else { 0 };
        let logarithms = linear.logarithms && self.is_narrow((true, pieces), self.outputs);
        Arc::new(Linear { logarithms, pieces, ..linear })
    }

    /// A boosting candidate that fits the table: rates by size, encodings by what is there.
    fn boost(&self, mut boost: Boost) -> Candidate {
        if self.rows >= LARGE {
            boost.eta = boost.eta.max(LARGE_RATE);
        }
        if self.outputs > 4 {
            boost.eta = boost.eta.max(0.08);
        }
        boost.max_rounds = (MAX_TREES / self.outputs).clamp(100, 1000);
        if !self.one_hot && boost.handling != Handling::Target {
            boost.handling = Handling::Native;
            if let Growth::Symmetric(depth) = boost.growth {
                boost.growth = Growth::Depth(depth);
            }
        } else if self.categories == 0 {
            // Without categories both encodings are the same table; one name avoids a second copy.
            boost.handling = Handling::OneHot;
        }
        if self.placed && boost.handling == Handling::Native {
            // Codes would put most texts together; their means tell them apart.
            boost.handling = Handling::Target;
        }
        Arc::new(boost)
    }

    fn forest(&self, splitting: Splitting, share: f64, min_leaf: usize) -> Candidate {
        let (trees, max_leaves) = match (self.rows, splitting) {
            (0..SMALL, Splitting::Random) => (150, 81),
            (0..SMALL, Splitting::Best) => (150, 120),
            (SMALL..LARGE, _) => (100, 400),
            _ => (60, 600),
        };
        Arc::new(Forest { splitting, criterion: Criterion::Gini, trees, max_leaves, min_leaf, share })
    }

    /// A random configuration: mostly boosting, some forests and linear models on small tables.
    fn draw(&self, random: &mut Random) -> Candidate {
        let kind = random.unit();
        if self.rows < LARGE && kind < 0.15 {
            let splitting = if random.unit() < 0.5 { Splitting::Best } else { Splitting::Random };
            let share = round(random.between(0.3, 1.0));
            return self.forest(splitting, share, 1 + random.below(5));
        }
        if self.rows < LARGE && kind < 0.25 {
            let ratio = [0.0, 0.5, 1.0][random.below(3)];
            let strength = random.log_between(0.1, 30.0);
            return self.linear(Linear { strength, ratio, logarithms: random.unit() < 0.6, pieces: 0 });
        }
        let growth = match random.below(4) {
            0 => Growth::Depth(4 + random.below(5)),
            1 => Growth::Symmetric(4 + random.below(4)),
            _ => {
                Growth::Leaves(random.log_between(4.0, if self.rows < SMALL { 40.0 } else { 150.0 }) as usize)
            }
        };
        let symmetric = matches!(growth, Growth::Symmetric(_));
        let handling = if symmetric || random.unit() < 0.4 { Handling::OneHot } else { Handling::Native };
        self.boost(Boost {
            handling,
            growth,
            eta: random.log_between(0.02, 0.1),
            min_rows: random.log_between(1.0, 64.0),
            subsample: random.between(0.7, 1.0),
            bytree: random.between(0.4, 1.0),
            bylevel: if symmetric { 0.9 } else { 1.0 },
            alpha: random.log_between(1e-3, 2.0),
            lambda: random.log_between(0.05, 5.0),
            extra: !symmetric && random.unit() < 0.4,
            ..Boost::default()
        })
    }
}

/// Whether the codes of all categories may each become a column of so many rows.
fn may_be_one_hot(codes: usize, rows: usize) -> bool {
    codes <= MAX_ONE_HOT && codes.saturating_mul(rows) <= MAX_CELLS
}

/// Two decimals are enough for a name.
fn round(x: f64) -> f64 {
    (x * 100.0).round() / 100.0
}

fn linear(strength: f64, ratio: f64, logarithms: bool) -> Linear {
    Linear { strength, ratio, logarithms, pieces: 0 }
}

/// A neural network that fits the table: fewer and smaller ones on large tables.
fn network(f: &Facts, pieces: usize) -> Candidate {
    let inputs = |pieces: usize| f.numbers * (1 + pieces) + f.codes;
    let wished = if f.rows < LARGE { 3 } else { 1 };
    let fits = |(pieces, members): &(usize, usize)| {
        inputs(*pieces) * members <= MAX_INPUTS && f.bears_pieces(*pieces, UNITS)
    };
    let ways = [(pieces, wished), (0, wished), (0, 1)];
    let (pieces, members) = ways.into_iter().find(fits).unwrap_or((0, 1));
    Arc::new(Mlp { pieces, members, ..Mlp::default() })
}

/// Entropy in place of the Gini impurity.
fn entropy(f: &Facts) -> Candidate {
    let (trees, max_leaves) = if f.rows < LARGE { (150, 400) } else { (60, 600) };
    let splitting = Splitting::Best;
    Arc::new(Forest { splitting, criterion: Criterion::Entropy, trees, max_leaves, min_leaf: 2, share: 0.0 })
}

/// AutoGluon's first: random thresholds.
fn extra_random() -> Boost {
    Boost { extra: true, lambda: 0.0, ..Boost::default() }
}

/// LightGBM with the tuned defaults of Holzmüller et al., "Better by default" (2024).
fn leaf_wise(regression: bool) -> Boost {
    let (eta, leaves, min_rows, subsample) =
        if regression { (0.05, 100, 3.0, 0.7) } else { (0.04, 50, 40.0, 0.75) };
    Boost { eta, growth: Growth::Leaves(leaves), min_rows, subsample, lambda: 0.0, ..Boost::default() }
}

/// Oblivious trees in the manner of CatBoost.
fn symmetric(depth: usize, eta: f64, lambda: f64) -> Boost {
    Boost {
        handling: Handling::OneHot,
        growth: Growth::Symmetric(depth),
        eta,
        lambda,
        min_rows: 1.0,
        subsample: 0.9,
        bylevel: 0.9,
        ..Boost::default()
    }
}

/// XGBoost with the tuned defaults of the same work.
fn depth_wise(regression: bool) -> Boost {
    let (eta, depth, subsample, bylevel) =
        if regression { (0.05, 9, 0.7, 1.0) } else { (0.08, 6, 0.65, 0.9) };
    let growth = Growth::Depth(depth);
    Boost { handling: Handling::OneHot, growth, eta, min_rows: 2.0, subsample, bylevel, ..Boost::default() }
}

/// Five leaves, nearly an additive model.
fn near_additive() -> Boost {
    Boost { alpha: 0.24, lambda: 0.3, min_rows: 12.0, ..sampled(0.03, 5, 0.85, 0.73, true) }
}

/// Stumps: an additive model.
fn additive() -> Boost {
    Boost { lambda: 0.77, min_rows: 17.0, ..sampled(0.05, 2, 0.84, 0.59, false) }
}

/// Few leaves, strong L1.
fn sparse() -> Boost {
    Boost { alpha: 4.2, lambda: 1.5, min_rows: 1.0, ..sampled(0.02, 10, 0.97, 0.64, false) }
}

/// Leaf-wise with row and column samples.
fn sampled(eta: f64, leaves: usize, subsample: f64, bytree: f64, extra: bool) -> Boost {
    let growth = Growth::Leaves(leaves);
    Boost { growth, eta, subsample, bytree, extra, min_rows: 3.0, ..Boost::default() }
}

/// The order for small tables.
fn small(f: &Facts) -> Vec<Candidate> {
    vec![
        Arc::new(Constant),
        f.linear(linear(1.0, 0.0, true)),
        f.boost(extra_random()),
        f.forest(Splitting::Random, 0.36, 1),
        f.boost(Boost { handling: Handling::Target, ..symmetric(6, 0.06, 3.0) }),
        network(f, 8),
        Arc::new(Svm::default()),
        entropy(f),
        f.boost(symmetric(6, 0.06, 3.0)),
        f.boost(near_additive()),
        f.linear(Linear { strength: 10.0, pieces: 8, ..Linear::default() }),
        f.boost(leaf_wise(f.regression)),
        f.boost(sparse()),
        f.linear(linear(10.0, 0.0, true)),
        f.boost(depth_wise(f.regression)),
        f.boost(additive()),
        f.linear(linear(10.0, 0.5, false)),
        f.boost(symmetric(4, 0.05, 4.6)),
        network(f, 0),
        Arc::new(Svm { kernel: Kernel::Polynomial(2), ..Svm::default() }),
        f.forest(Splitting::Random, 0.75, 2),
        Arc::new(Svm { kernel: Kernel::Linear, c: 0.1, ..Svm::default() }),
        f.boost(Boost { alpha: 0.24, lambda: 0.36, ..sampled(0.02, 39, 0.88, 0.46, true) }),
        f.forest(Splitting::Best, 0.5, 4),
        f.boost(Boost { lambda: 0.84, ..sampled(0.02, 16, 0.98, 0.56, false) }),
    ]
}

/// Candidates for algorithms that the order for a table leaves out, when they are asked for by name.
fn asked(f: &Facts) -> Vec<Candidate> {
    let tree = Forest {
        splitting: Splitting::Best,
        criterion: Criterion::Gini,
        trees: 1,
        max_leaves: 32,
        min_leaf: 10,
        share: 1.0,
    };
    vec![
        Arc::new(tree),
        Arc::new(Forest { criterion: Criterion::Entropy, max_leaves: 128, min_leaf: 5, ..tree }),
        Arc::new(Svm::default()),
        Arc::new(Svm { kernel: Kernel::Linear, c: 0.1, ..Svm::default() }),
        f.boost(symmetric(6, 0.06, 3.0)),
    ]
}

/// The order for larger tables: cheap and strong first, forests last.
fn large(f: &Facts) -> Vec<Candidate> {
    let mut plan = vec![
        Arc::new(Constant) as Candidate,
        f.linear(linear(1.0, 0.0, true)),
        f.boost(extra_random()),
        f.boost(leaf_wise(f.regression)),
        f.boost(Boost { handling: Handling::Target, ..symmetric(6, 0.06, 3.0) }),
        f.boost(symmetric(6, 0.06, 3.0)),
        network(f, 8),
        f.boost(Boost { alpha: 0.24, lambda: 0.36, ..sampled(0.018, 39, 0.88, 0.46, true) }),
        f.boost(near_additive()),
        f.boost(Boost { lambda: 0.84, ..sampled(0.02, 84, 0.98, 0.53, false) }),
        f.boost(depth_wise(f.regression)),
        f.forest(Splitting::Best, 0.0, 2),
        f.boost(Boost { alpha: 0.77, lambda: 1.6, min_rows: 12.0, ..sampled(0.018, 180, 0.95, 0.4, true) }),
        f.boost(Boost { bytree: 0.9, ..sampled(0.03, 128, 1.0, 0.9, false) }),
        f.forest(Splitting::Random, 0.75, 2),
        f.boost(symmetric(8, 0.04, 3.3)),
        f.linear(Linear { strength: 3.0, pieces: 8, ..Linear::default() }),
        f.boost(sparse()),
        f.boost(additive()),
    ];
    if f.rows < LARGE {
        // Forests and linear models are cheap here and add the most.
        let (best, random) = (plan.remove(11), plan.remove(13));
        plan.insert(4, best);
        plan.insert(5, random);
    }
    plan
}

#[cfg(test)]
mod tests;
