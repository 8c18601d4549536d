//! A forest over the sources of its columns: tests on what operators made of a number or a code become tests on the
//! number or the code itself, and take the same branch for every input.
//!
//! A code has few values, so each test is asked what it says to each: one-hot columns and looked-up numbers become
//! sets of codes. A number that went through rising functions (a scaler with positive scales) is compared with the
//! smallest number that reaches the threshold, found by bisection over all f32: what f32 rounds on the way is in it.

use std::collections::{BTreeMap, BTreeSet};

use super::fold::{Folded, FoldedForest, Test};
use crate::program::{CODES, Lower, Origin, Source, Way};

/// Answers that a number of a set counts for, and the cell of a code.
const KEPT: usize = 8;
const CELL: usize = 16;

/// Where a forest reads its features.
#[derive(Debug, PartialEq)]
pub(crate) enum Reads {
    /// A feature is a column of this place.
    Place(usize),
    /// The sources by feature.
    Sources(Vec<Source>),
}

impl FoldedForest {
    /// The forest over sources; none when a test can't be told of its source, when all forests of a model ask too
    /// much, or when nothing would be won.
    pub fn through(&self, origins: &[Origin], lower: &mut Lower) -> Option<(Self, Reads)> {
        let used: BTreeSet<u32> =
            self.trees.iter().flat_map(|(nodes, _)| nodes).filter_map(feature).collect();
        let used: Vec<&Origin> = used.into_iter().map(|f| origins.get(f as usize)).collect::<Option<_>>()?;
        let place = used.first()?.source.place;
        let together = used.iter().all(|o| o.source.place == place);
        let mut made = Through { origins, together, features: BTreeMap::new(), lower };
        let mut trees = Vec::with_capacity(self.trees.len());
        for (nodes, root) in &self.trees {
            let nodes = nodes.iter().map(|node| made.node(node)).collect::<Option<_>>()?;
            trees.push((nodes, *root));
        }
        let codes = made.features.values().filter_map(|&(feature, codes)| Some((feature, codes?))).collect();
        let mut sources: Vec<(u32, Source)> = made.features.into_iter().map(|(s, f)| (f.0, s)).collect();
        sources.sort_unstable();
        let forest = Self {
            trees,
            weights: self.weights.clone(),
            targets: self.targets,
            features: sources.last().map_or(0, |s| s.0 as usize + 1),
            codes,
            aggregate: self.aggregate,
        };
        let sources = sources.into_iter().map(|s| s.1).collect();
        Some((forest, if together { Reads::Place(place) } else { Reads::Sources(sources) }))
    }
}

fn feature(node: &Folded) -> Option<u32> {
    if let Folded::Branch { feature, .. } = node { Some(*feature) } else { None }
}

struct Through<'a> {
    origins: &'a [Origin],
    /// All sources lie in one place.
    together: bool,
    /// With the number of codes; none of a number.
    features: BTreeMap<Source, (u32, Option<usize>)>,
    lower: &'a mut Lower,
}

impl Through<'_> {
    fn node(&mut self, node: &Folded) -> Option<Folded> {
        let Folded::Branch { feature, test, yes, no } = node else {
            return Some(node.clone());
        };
        let origin = self.origins.get(*feature as usize)?;
        if origin.codes().is_some_and(|count| count > CODES) {
            return None;
        }
        let feature = self.feature(origin)?;
        let (test, swap) = match (origin.codes(), test) {
            _ if origin.is_itself() => (test.clone(), false),
            (Some(count), _) => {
                self.lower.ask(count.saturating_mul(test.cost()))?;
                let (test, swap) = of_codes(origin, test, count);
                if let Test::Member { values, .. } = &test {
                    self.lower.ask(values.len().saturating_mul(KEPT))?;
                }
                (test, swap)
            }
            (None, _) => (of_number(origin, test)?, false),
        };
        let (yes, no) = if swap { (*no, *yes) } else { (*yes, *no) };
        Some(Folded::Branch { feature, test, yes, no })
    }

    fn feature(&mut self, origin: &Origin) -> Option<u32> {
        let next = if self.together { origin.source.column } else { self.features.len() };
        let next = (u32::try_from(next).ok()?, origin.codes());
        if let Some(count) = next.1
            && !self.features.contains_key(&origin.source)
        {
            self.lower.ask(count.saturating_mul(CELL))?;
        }
        let (feature, codes) = *self.features.entry(origin.source).or_insert(next);
        // One source is a code to all, or a number to all.
        (codes == origin.codes()).then_some(feature)
    }
}

/// The test of a code that a test of its column is, and whether yes and no change places.
fn of_codes(origin: &Origin, test: &Test, count: usize) -> (Test, bool) {
    let holds: Vec<bool> = match &origin.way {
        // Of many columns made of one code, each knows two numbers only.
        Way::Hot(table, hot) => {
            let [cold, warm] = [0.0, 1.0].map(|x| test.holds(origin.mapped(x)));
            table.iter().map(|level| if level == hot { warm } else { cold }).collect()
        }
        _ => (0..count).map(|code| test.holds(origin.of_code(code))).collect(),
    };
    let yes = holds.iter().filter(|&&h| h).count();
    // The smaller side is the set.
    let side = 2 * yes <= count;
    let values =
        holds.iter().zip(0..).filter(|(holds, _)| **holds == side).map(|(_, code)| code as f32).collect();
    (Test::Member { values, other: false, missing: false }, !side)
}

/// The test of a number that a test of its column is.
fn of_number(origin: &Origin, test: &Test) -> Option<Test> {
    let missing = test.holds(origin.mapped(f32::NAN));
    match test {
        Test::Member { values, other, .. } => {
            let keeps = origin.maps.iter().all(|map| map.keeps_numbers());
            keeps.then(|| Test::Member { values: values.clone(), other: *other, missing })
        }
        Test::Less { .. } if !origin.maps.iter().all(|map| map.rises()) => None,
        Test::Less { .. } => Some(match first_beyond(|x| !test.holds(origin.mapped(x))) {
            // Below nothing there is, and below everything, is no threshold.
            Some(f32::NEG_INFINITY) => Test::Member { values: Vec::new(), other: false, missing },
            Some(threshold) => Test::Less { threshold, missing_yes: missing },
            None => Test::Member { values: Vec::new(), other: true, missing },
        }),
    }
}

/// The smallest number for which this holds, of what holds for all numbers above one; none when for none.
fn first_beyond(holds: impl Fn(f32) -> bool) -> Option<f32> {
    let (mut low, mut high) = (rank(f32::NEG_INFINITY), rank(f32::INFINITY));
    if !holds(f32::INFINITY) {
        return None;
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(number(middle)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(number(low))
}

/// The place of a number among all, as its bits rise: -0 stands before 0.
fn rank(x: f32) -> u32 {
    let bits = x.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

fn number(rank: u32) -> f32 {
    f32::from_bits(if rank >> 31 == 1 { rank & !(1 << 31) } else { !rank })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Map;

    fn made(way: Way, maps: Vec<Map>) -> Origin {
        Origin { source: Source { place: 0, column: 0 }, way, maps }
    }

    fn numbers() -> Vec<f32> {
        let mut numbers = vec![0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX, f32::MIN];
        let mut state = 9_u64;
        for _ in 0..4000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            numbers.push(f32::from_bits((state >> 32) as u32));
            numbers.push(((state >> 40) as f32 / (1 << 20) as f32) - 8.0);
        }
        numbers
    }

    #[test]
    fn scaled_thresholds_take_the_same_branch_to_the_bit() {
        let numbers = numbers();
        let few = [0.0, 40.036_77, -3.5e-3, 1e30, f32::MAX];
        for (offset, scale) in few.iter().flat_map(|&o| [1.0, 0.095_732_63, 3e-39, 2e38].map(|s| (o, s))) {
            let fill = Map::Fill { replaced: f32::NAN, value: 7.0 };
            for maps in
                [vec![Map::Sub(offset), Map::Mul(scale)], vec![fill, Map::Sub(offset), Map::Mul(scale)]]
            {
                let origin = made(Way::Itself, maps);
                for &t in numbers.iter().skip(5).step_by(97).chain(&[0.0, f32::INFINITY]) {
                    if t.is_nan() || t == f32::NEG_INFINITY {
                        continue;
                    }
                    for missing_yes in [false, true] {
                        let test = Test::Less { threshold: t, missing_yes };
                        let through = of_number(&origin, &test).unwrap();
                        // Around the new threshold too.
                        let mut tried = numbers.clone();
                        if let Test::Less { threshold: new, .. } = through {
                            tried.extend([new, new.next_up(), new.next_down()]);
                        }
                        for x in tried {
                            let expected = test.holds(origin.mapped(x));
                            assert_eq!(through.holds(x), expected, "({x} - {offset}) · {scale} < {t}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn what_does_not_rise_keeps_its_column() {
        let test = Test::Less { threshold: 1.0, missing_yes: false };
        for map in [Map::Mul(-1.0), Map::Mul(0.0), Map::Mul(f32::INFINITY), Map::Sub(f32::NAN)] {
            assert_eq!(of_number(&made(Way::Itself, vec![map]), &test), None);
        }
        assert_eq!(of_number(&made(Way::Itself, vec![Map::Fill { replaced: 0.0, value: 1.0 }]), &test), None);
        let member = Test::Member { values: vec![1.0], other: false, missing: false };
        assert_eq!(of_number(&made(Way::Itself, vec![Map::Mul(2.0)]), &member), None);
        let filled = made(Way::Itself, vec![Map::Fill { replaced: f32::NAN, value: 1.0 }]);
        let expected = Test::Member { values: vec![1.0], other: false, missing: true };
        assert_eq!(of_number(&filled, &member), Some(expected));
    }

    #[test]
    fn tests_on_codes_are_sets_of_the_smaller_side() {
        let hot = made(Way::Hot([9, 0, 1, 2, u32::MAX].into(), 1), Vec::new());
        let cold = Test::Less { threshold: 0.5_f32.next_up(), missing_yes: false };
        let set = |values: &[f32]| Test::Member { values: values.to_vec(), other: false, missing: false };
        assert_eq!(of_codes(&hot, &cold, 5), (set(&[2.0]), true));
        let entries = made(Way::Entry([3.0, 1.0, f32::NAN, 2.0].into()), vec![Map::Sub(1.0)]);
        let low = |missing_yes| Test::Less { threshold: 1.0, missing_yes };
        assert_eq!(of_codes(&entries, &low(false), 4), (set(&[1.0]), false));
        assert_eq!(of_codes(&entries, &low(true), 4), (set(&[1.0, 2.0]), false));
    }

    #[test]
    fn ranks_are_in_the_order_of_numbers() {
        let ordered = [f32::NEG_INFINITY, -1.0, -0.0, 0.0, 1e-45, 1.0, f32::INFINITY];
        assert!(ordered.map(rank).is_sorted());
        assert!(ordered.iter().all(|&x| number(rank(x)).to_bits() == x.to_bits()));
        assert_eq!(first_beyond(|x| x >= 1.5), Some(1.5));
        assert_eq!((first_beyond(|_| false), first_beyond(|_| true)), (None, Some(f32::NEG_INFINITY)));
    }
}
