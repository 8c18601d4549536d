//! The tree-structured Parzen estimator, one parameter at a time: values are drawn where good trials lie denser than the others
//! (Bergstra, Bardenet, Bengio, Kégl: Algorithms for Hyper-Parameter Optimization, NeurIPS 24, 2011).

use super::space::{Random, count, index};
use definitions::jobs::Choice;
use std::f64::consts::TAU;

/// Trials that are drawn at random before anything is concluded.
pub const BEGINNING: usize = 8;
/// The share of trials that count as good.
const GOOD: f64 = 0.15;
/// Places looked at for one draw of a number.
const CANDIDATES: usize = 12;

/// Whole numbers that are still told apart one by one.
const FEW: u32 = 16;

/// A trial that has ended: its places by parameter, and how good it was, smaller being better.
pub type Seen = (Vec<f64>, f64);

/// Places for the next trial, one a parameter in the order of the space.
pub fn propose<'a>(
    choices: impl Iterator<Item = &'a Choice>,
    seen: &mut [Seen],
    random: &mut Random,
) -> Vec<f64> {
    seen.sort_by(|a, b| a.1.total_cmp(&b.1));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length")]
    let cut = ((seen.len() as f64 * GOOD).ceil() as usize).clamp(1, seen.len().max(1));
    choices
        .enumerate()
        .map(|(at, choice)| {
            if seen.len() < BEGINNING {
                return random.unit();
            }
            let places = |trials: &[Seen]| trials.iter().map(|(places, _)| places[at]).collect::<Vec<_>>();
            let (good, other) = seen.split_at(cut);
            // Many whole numbers lie as numbers do: their neighbours tell of them.
            let count = count(choice).filter(|n| !matches!(choice, Choice::Randint { .. }) || *n <= FEW);
            one(count.map(|n| n as usize), &places(good), &places(other), random)
        })
        .collect()
}

fn one(count: Option<usize>, good: &[f64], other: &[f64], random: &mut Random) -> f64 {
    let (good, other) = (Density::new(count, good), Density::new(count, other));
    // Of a handful of values the best of many draws would nearly always be the same one: the rest would never be tried again.
    if count.is_some() {
        return good.draw(random);
    }
    let mut best = (f64::NEG_INFINITY, 0.5);
    for _ in 0..CANDIDATES {
        let at = good.draw(random);
        let gain = good.at(at).ln() - other.at(at).ln();
        if gain > best.0 {
            best = (gain, at);
        }
    }
    best.1
}

/// How densely trials lie: bumps around them and an even floor; counts of values and one more of each.
struct Density<'a> {
    count: Option<usize>,
    places: &'a [f64],
    width: f64,
}

impl<'a> Density<'a> {
    /// Bumps as wide as the trials are apart on average, so that they grow narrow with experience.
    fn new(count: Option<usize>, places: &'a [f64]) -> Self {
        Self { count, places, width: (1.0 / (1.0 + places.len() as f64)).clamp(0.02, 0.5) }
    }

    fn draw(&self, random: &mut Random) -> f64 {
        // One of the trials, or, as often as a single one of them, the floor; of values one of each.
        let floor = self.count.unwrap_or(1);
        let Some(around) = self.places.get(index(random.unit(), self.places.len() + floor)) else {
            return random.unit();
        };
        if self.count.is_some() {
            return *around;
        }
        let normal = (-2.0 * (1.0 - random.unit()).ln()).sqrt() * (TAU * random.unit()).cos();
        let at = around + self.width * normal;
        // Reflected at the ends.
        let at = if at < 0.0 {
            -at
        } else if at > 1.0 {
            2.0 - at
        } else {
            at
        };
        at.clamp(0.0, 1.0)
    }

    /// The density at a place, of a number.
    fn at(&self, place: f64) -> f64 {
        let all = self.places.len() as f64 + 1.0;
        let bump = |p: &f64| (-0.5 * ((place - p) / self.width).powi(2)).exp() / (self.width * TAU.sqrt());
        (1.0 + self.places.iter().map(bump).sum::<f64>()) / all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean of the best of 40 trials over seeds, for a valley at 0.3 and the value "c".
    fn best(bayesian: bool) -> f64 {
        let space = [
            Choice::Uniform { min: 0.0, max: 1.0, step: None },
            Choice::Uniform { min: 0.0, max: 1.0, step: None },
            Choice::Choice { values: ["a", "b", "c", "d"].map(str::to_owned).into() },
        ];
        let loss = |p: &[f64]| {
            (p[0] - 0.3).powi(2) + (p[1] - 0.8).powi(2) + if index(p[2], 4) == 2 { 0.0 } else { 0.2 }
        };
        let runs = 20;
        let sum: f64 = (0..runs)
            .map(|seed| {
                let mut random = Random::new(seed);
                let mut seen = Vec::new();
                for _ in 0..40 {
                    let places = if bayesian {
                        propose(space.iter(), &mut seen, &mut random)
                    } else {
                        space.iter().map(|_| random.unit()).collect()
                    };
                    let how = loss(&places);
                    seen.push((places, how));
                }
                seen.iter().map(|(_, loss)| *loss).fold(f64::INFINITY, f64::min)
            })
            .sum();
        sum / runs as f64
    }

    #[test]
    fn it_finds_a_valley_better_than_chance() {
        let (informed, chance) = (best(true), best(false));
        assert!(informed < chance * 0.5, "{informed} against {chance}");
    }
}
