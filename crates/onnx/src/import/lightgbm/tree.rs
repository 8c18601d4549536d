//! One tree of LightGBM's text format.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::super::columns::Column;
use super::super::forest::{Forest, TREE_NODES, Ways};
use super::super::graph::{Graph, Read};
use super::{Section, Told};

/// What LightGBM takes for zero.
const ZERO: f64 = 1e-35_f32 as f64;

/// One tree.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    section: &'a Section<'a>,
    features: Vec<usize>,
    thresholds: Vec<f64>,
    decisions: Vec<u8>,
    left: Vec<i64>,
    right: Vec<i64>,
    leaves: Vec<f64>,
    /// Rows that came to each branch, then to each leaf; empty when the file does not say.
    covers: Vec<f64>,
    /// Where the bits of each category set begin.
    bounds: Vec<usize>,
    bits: Vec<u32>,
    /// The codes of each set that was read, by number: many branches may test one set.
    codes: RefCell<HashMap<usize, Rc<[f32]>>>,
}

impl<'a> Tree<'a> {
    pub(super) fn read(section: &'a Section<'a>) -> Told<Self> {
        if section.get("is_linear").is_some_and(|v| v.trim() != "0") {
            return Err(section.wrong("is_linear", "linear trees are not supported"));
        }
        let leaves: usize = section.one("num_leaves")?;
        if leaves == 0 || leaves > TREE_NODES {
            return Err(section.wrong("num_leaves", "out of range"));
        }
        let inner = leaves - 1;
        let sets: usize = section.one("num_cat")?;
        let (mut bounds, mut bits) = (Vec::new(), Vec::new());
        if sets > 0 {
            bounds = section.all("cat_boundaries", sets.saturating_add(1))?;
            if !bounds.is_sorted() {
                return Err(section.wrong("cat_boundaries", "they do not ascend"));
            }
            bits = section.all("cat_threshold", bounds.last().copied().unwrap_or(0))?;
        }
        let mut tree = Self {
            section,
            features: Vec::new(),
            thresholds: Vec::new(),
            decisions: Vec::new(),
            left: Vec::new(),
            right: Vec::new(),
            leaves: section.all("leaf_value", leaves)?,
            covers: Vec::new(),
            bounds,
            bits,
            codes: RefCell::default(),
        };
        if inner > 0 {
            tree.features = section.all("split_feature", inner)?;
            tree.thresholds = section.all("threshold", inner)?;
            tree.decisions = section.all("decision_type", inner)?;
            tree.left = section.all("left_child", inner)?;
            tree.right = section.all("right_child", inner)?;
            if section.get("internal_count").is_some() && section.get("leaf_count").is_some() {
                tree.covers = section.all("internal_count", inner)?;
                tree.covers.extend(section.all::<f64>("leaf_count", leaves)?);
            }
        } else {
            tree.covers = vec![1.0];
        }
        Ok(tree)
    }

    /// The number of a child: leaves stand behind the branches.
    fn child(&self, of: i64) -> Told<usize> {
        let inner = self.features.len();
        let at = if of >= 0 {
            usize::try_from(of).ok().filter(|&at| at < inner)
        } else {
            usize::try_from(!of).ok().filter(|&at| at <= inner).map(|at| at + inner)
        };
        at.ok_or_else(|| format!("line {}: there is no child {of}", self.section.line))
    }

    pub(super) fn write(
        &self,
        graph: &mut Graph,
        forest: &mut Forest,
        (columns, target, scale): (&[Column], usize, f64),
    ) -> Told<()> {
        let inner = self.features.len();
        forest.begin(inner + self.leaves.len(), &self.covers)?;
        for at in 0..inner {
            let feature = self.features[at];
            let column = columns.get(feature).ok_or_else(|| {
                self.section.wrong("split_feature", &format!("there is no feature {feature}"))
            })?;
            let (yes, no) = (self.child(self.left[at])?, self.child(self.right[at])?);
            if self.decisions[at] & 1 == 1 {
                self.set(graph, forest, (at, column), Ways { yes, no, missing_yes: false })?;
            } else {
                self.number(graph, forest, (at, column), (yes, no))?;
            }
        }
        for (at, &leaf) in self.leaves.iter().enumerate() {
            forest.leaf(inner + at, &[(target, leaf * scale)])?;
        }
        Ok(())
    }

    fn number(
        &self,
        graph: &mut Graph,
        forest: &mut Forest,
        (at, column): (usize, &Column),
        (yes, no): (usize, usize),
    ) -> Told<()> {
        let (threshold, decision) = (self.thresholds[at], self.decisions[at]);
        let default_left = decision & 2 != 0;
        let plain = |v: f64| snapped(v) <= threshold;
        let missing_yes = match decision >> 2 & 3 {
            // A missing value counts as zero.
            0 => 0.0 <= threshold,
            1 => return zero(graph, forest, (at, column), (threshold, default_left, yes, no)),
            2 => default_left,
            _ => return Err(self.section.wrong("decision_type", &format!("{decision} is unknown"))),
        };
        forest.less(graph, at, (column, &plain), Ways { yes, no, missing_yes })
    }

    fn set(
        &self,
        graph: &mut Graph,
        forest: &mut Forest,
        (at, column): (usize, &Column),
        ways: Ways,
    ) -> Told<()> {
        let number = self.thresholds[at];
        let bounds =
            (number >= 0.0).then(|| self.bounds.get(number as usize..)?.first_chunk::<2>()).flatten();
        let words = bounds.and_then(|&[from, to]| self.bits.get(from..to));
        let words = words.ok_or_else(|| {
            self.section.wrong("threshold", &format!("{number} is not the number of a category set"))
        })?;
        let holds = |v: f64| {
            let code = v.trunc();
            code >= 0.0 && words.get(code as usize / 32).is_some_and(|w| w >> (code as usize % 32) & 1 == 1)
        };
        match column {
            Column::Table { .. } => forest.table(graph, at, (column, &|v| Some(holds(v))), ways),
            Column::Number { source, ops, .. } if ops.is_empty() => {
                let mut known = self.codes.borrow_mut();
                let codes = known.entry(number as usize).or_insert_with(|| codes(words));
                forest.member(at, (*source, Read::Trunc), codes, ways)
            }
            Column::Number { .. } | Column::Made { .. } => Err(self.section.wrong(
                "decision_type",
                "a categorical split of a number that was computed is not supported",
            )),
        }
    }
}

/// The codes whose bits are set.
fn codes(words: &[u32]) -> Rc<[f32]> {
    let each = |(&word, first): (&u32, usize)| {
        (0..32_usize).filter(move |bit| word >> bit & 1 == 1).map(move |bit| (first + bit) as f32)
    };
    words.iter().zip((0..).step_by(32)).filter(|(word, _)| **word != 0).flat_map(each).collect()
}

/// The library's own readers of rows take what is next to zero for zero.
fn snapped(v: f64) -> f64 {
    if v.abs() <= ZERO { 0.0 } else { v }
}

/// A branch under which zero counts as missing: what lies around zero goes the default way.
fn zero(
    graph: &mut Graph,
    forest: &mut Forest,
    (at, column): (usize, &Column),
    (threshold, default_left, yes, no): (f64, bool, usize, usize),
) -> Told<()> {
    let ways = Ways { yes, no, missing_yes: default_left };
    let inside = (-ZERO..ZERO).contains(&threshold);
    let beyond = if default_left { threshold < -ZERO } else { threshold >= ZERO };
    match (inside, default_left) {
        (true, true) => return forest.less(graph, at, (column, &|v| v <= ZERO), ways),
        (true, false) => return forest.less(graph, at, (column, &|v| v < -ZERO), ways),
        (false, _) if !beyond => return forest.less(graph, at, (column, &|v| v <= threshold), ways),
        _ => {}
    }
    // Zero lies on the side that is not the default one: it is sent across. How many rows that were is not told.
    forest.uncover();
    let (low, high) = (forest.fresh(at), forest.fresh(at));
    let (outside, across) = if default_left { (no, yes) } else { (yes, no) };
    let first = if default_left { Ways { no: low, ..ways } } else { Ways { yes: low, ..ways } };
    forest.less(graph, at, (column, &|v| v <= threshold), first)?;
    let missing_yes = false;
    forest.less(graph, low, (column, &|v| v < -ZERO), Ways { yes: outside, no: high, missing_yes })?;
    forest.less(graph, high, (column, &|v| v <= ZERO), Ways { yes: across, no: outside, missing_yes })
}
