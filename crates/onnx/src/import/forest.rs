//! Trees in the making: tests on columns become tests on inputs, written as the attributes of a tree operator.

use std::cell::Cell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;

use super::Told;
use super::columns::{Column, value};
use super::graph::{Answer, Classes, Graph, Read, WEIGHTS};
use crate::builder::Attr;
use crate::element::Domain;

/// Most nodes one tree may state.
pub(super) const TREE_NODES: usize = 5_000_000;
/// What a branch on a number counts for each step in front of it: bisection takes all of them many times.
const BISECTED: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Leaf,
    Leq,
    Lt,
    Eq,
}

impl Mode {
    fn text(self) -> &'static str {
        match self {
            Self::Leaf => "LEAF",
            Self::Leq => "BRANCH_LEQ",
            Self::Lt => "BRANCH_LT",
            Self::Eq => "BRANCH_EQ",
        }
    }
}

/// The children of a branch, and which of them a missing value takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ways {
    pub yes: usize,
    pub no: usize,
    pub missing_yes: bool,
}

impl Ways {
    fn swapped(self) -> Self {
        Self { yes: self.no, no: self.yes, missing_yes: !self.missing_yes }
    }
}

/// How the sums of the leaves become an answer.
#[derive(Debug)]
pub(super) struct Sums {
    pub targets: usize,
    pub base: Vec<f64>,
    /// Divided by the number of trees.
    pub average: bool,
}

/// An ensemble.
#[derive(Debug, Default)]
pub(super) struct Forest {
    trees: Vec<i64>,
    ids: Vec<i64>,
    features: Vec<usize>,
    values: Vec<f32>,
    modes: Vec<Mode>,
    yes: Vec<i64>,
    no: Vec<i64>,
    missing: Vec<i64>,
    leaf_trees: Vec<i64>,
    leaf_nodes: Vec<i64>,
    leaf_targets: Vec<i64>,
    leaf_weights: Vec<f32>,
    keys: Vec<(usize, Read)>,
    index: HashMap<(usize, Read), usize>,
    /// Weights of leaves that this ensemble and others of its graph may still have; a node counts for several.
    room: Rc<Cell<usize>>,
    /// Levels of tables and steps in front of numbers that their branches may still look at.
    looks: Rc<Cell<usize>>,
    /// How the levels of a table are read, and as which numbers, by the input and the place of the levels.
    tables: HashMap<(usize, usize, usize), (Read, Vec<f32>)>,
    /// How much of the training data came to each node.
    covers: Vec<f32>,
    /// The same for the tree that is being written, by the number of the node.
    stated: Vec<f32>,
    /// Some tree has no covers.
    uncovered: bool,
    tree: i64,
    next: usize,
}

impl Forest {
    /// An ensemble of a graph.
    pub(super) fn new(graph: &Graph) -> Self {
        Self { room: graph.room(), looks: graph.looks(), ..Self::default() }
    }

    /// Begins a tree whose file numbers its nodes from 0 to `nodes - 1` and says how much of the training data came to each,
    /// rows or their weights; a model one of whose trees does not say so is written without covers.
    pub(super) fn begin(&mut self, nodes: usize, covers: &[f64]) -> Told<()> {
        if nodes == 0 || nodes > TREE_NODES {
            return Err(format!("a tree of {nodes} nodes, expected 1 to {TREE_NODES}"));
        }
        self.tree += 1;
        self.next = nodes;
        self.stated = covers.iter().map(|&cover| cover as f32).collect();
        self.uncovered |= covers.len() != nodes || self.stated.iter().any(|c| !c.is_finite());
        Ok(())
    }

    /// A number for a node the file does not have, which tells a part of what the branch `of` tells.
    pub(super) fn fresh(&mut self, of: usize) -> usize {
        let cover = self.stated.get(of).copied().unwrap_or_default();
        self.stated.push(cover);
        self.next += 1;
        self.next - 1
    }

    /// Leaves the covers out: nodes were made for which the file has none.
    pub(super) fn uncover(&mut self) {
        self.uncovered = true;
    }

    fn feature(&mut self, key: (usize, Read)) -> usize {
        let next = self.keys.len();
        let at = *self.index.entry(key).or_insert(next);
        if at == next {
            self.keys.push(key);
        }
        at
    }

    fn take(&self, weights: usize) -> Told<()> {
        let room = self.room.get().checked_sub(weights);
        self.room.set(room.ok_or("its trees have more nodes than a file of this size can mean")?);
        Ok(())
    }

    /// Counts what a branch looks at.
    fn look(&self, count: usize, what: &str) -> Told<()> {
        let left = self.looks.get().checked_sub(count);
        let told = || format!("it has too many branches on columns with too many {what}");
        self.looks.set(left.ok_or_else(told)?);
        Ok(())
    }

    fn push(&mut self, id: usize, key: (usize, Read), (mode, value): (Mode, f32), ways: Ways) -> Told<()> {
        self.take(WEIGHTS)?;
        let feature = if mode == Mode::Leaf { 0 } else { self.feature(key) };
        self.trees.push(self.tree - 1);
        self.ids.push(id as i64);
        self.features.push(feature);
        self.values.push(value);
        self.modes.push(mode);
        self.yes.push(ways.yes as i64);
        self.no.push(ways.no as i64);
        self.missing.push(i64::from(ways.missing_yes));
        self.covers.push(self.stated.get(id).copied().unwrap_or_default());
        Ok(())
    }

    /// A leaf with its weights by target.
    pub(super) fn leaf(&mut self, id: usize, weights: &[(usize, f64)]) -> Told<()> {
        self.push(id, (0, Read::Raw), (Mode::Leaf, 0.0), Ways { yes: 0, no: 0, missing_yes: false })?;
        self.take(weights.len().saturating_sub(1))?;
        for &(target, weight) in weights {
            let single = weight as f32;
            if !single.is_finite() {
                return Err(format!("node {id}: the leaf value {weight} is out of range"));
            }
            self.leaf_trees.push(self.tree - 1);
            self.leaf_nodes.push(id as i64);
            self.leaf_targets.push(target as i64);
            self.leaf_weights.push(single);
        }
        Ok(())
    }

    /// A tree that is one leaf.
    pub(super) fn constant(&mut self, target: usize, weight: f64) -> Told<()> {
        self.begin(1, &[1.0])?;
        self.leaf(0, &[(target, weight)])
    }

    /// A branch on a column: `test` tells the way of every value but a missing one, and holds up to some number
    /// and not beyond it.
    pub(super) fn less(
        &mut self,
        graph: &mut Graph,
        id: usize,
        (column, test): (&Column, &dyn Fn(f64) -> bool),
        ways: Ways,
    ) -> Told<()> {
        let Column::Number { source, ops, .. } = column else {
            return self.table(graph, id, (column, &|v| Some(test(v))), ways);
        };
        self.look((1 + ops.len()).saturating_mul(BISECTED), "steps before them")?;
        let filled = value(ops, f64::NAN);
        let missing_yes = if filled.is_nan() { ways.missing_yes } else { test(filled) };
        let test = match Column::last(ops, test) {
            None => (Mode::Lt, f32::NEG_INFINITY),
            Some(last) => (Mode::Leq, last),
        };
        self.push(id, (*source, Read::Raw), test, Ways { missing_yes, ..ways })
    }

    /// A branch whether what is read of an input is among some numbers.
    pub(super) fn member(&mut self, id: usize, key: (usize, Read), values: &[f32], ways: Ways) -> Told<()> {
        let Some((last, before)) = values.split_last() else {
            return self.push(id, key, (Mode::Lt, f32::NEG_INFINITY), ways);
        };
        let mut at = id;
        for &value in before {
            let next = self.fresh(id);
            self.push(at, key, (Mode::Eq, value), Ways { no: next, ..ways })?;
            at = next;
        }
        self.push(at, key, (Mode::Eq, *last), ways)
    }

    /// A branch on a table: `test` tells the way of its values, none for the way of missing ones.
    pub(super) fn table(
        &mut self,
        graph: &mut Graph,
        id: usize,
        (column, test): (&Column, &dyn Fn(f64) -> Option<bool>),
        ways: Ways,
    ) -> Told<()> {
        let Column::Table { source, levels, other, missing, .. } = column else {
            return Err("a set is tested of a number that was computed".to_owned());
        };
        self.look(levels.len(), "categories")?;
        let way = |v: f64| if v.is_nan() { None } else { test(v) }.unwrap_or(ways.missing_yes);
        let (other, missing) = (way(*other), way(*missing));
        // Columns stay where they are while an ensemble is written: a table is known by the place of its levels. That of
        // no levels is the same for all inputs.
        let place = (*source, levels.as_ptr() as usize, levels.len());
        let (read, all) = match self.tables.entry(place) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(graph.levels(*source, levels.iter().map(|(level, _)| level))?),
        };
        // The chain names the levels that go another way than unknown ones.
        let named = levels.iter().zip(all.iter()).filter(|((_, v), _)| way(*v) != other);
        let numbers: Vec<f32> = named.map(|(_, &number)| number).collect();
        let read = *read;
        let ways = Ways { missing_yes: missing, ..ways };
        let ways = if other { ways.swapped() } else { ways };
        self.member(id, (*source, read), &numbers, ways)
    }

    fn attributes(&self, places: &[usize], leaf: &'static [&'static str; 4]) -> Vec<(&'static str, Attr)> {
        let features =
            self.features.iter().zip(&self.modes).map(|(&f, &mode)| {
                if mode == Mode::Leaf { 0 } else { places.get(f).map_or(0, |&p| p as i64) }
            });
        let modes = self.modes.iter().map(|m| m.text().to_owned()).collect();
        let covers = (!self.uncovered).then(|| ("nodes_hitrates", Attr::Floats(self.covers.clone())));
        let mut attributes = vec![
            ("nodes_treeids", Attr::Ints(self.trees.clone())),
            ("nodes_nodeids", Attr::Ints(self.ids.clone())),
            ("nodes_featureids", Attr::Ints(features.collect())),
            ("nodes_values", Attr::Floats(self.values.clone())),
            ("nodes_modes", Attr::Texts(modes)),
            ("nodes_truenodeids", Attr::Ints(self.yes.clone())),
            ("nodes_falsenodeids", Attr::Ints(self.no.clone())),
            ("nodes_missing_value_tracks_true", Attr::Ints(self.missing.clone())),
            (leaf[0], Attr::Ints(self.leaf_trees.clone())),
            (leaf[1], Attr::Ints(self.leaf_nodes.clone())),
            (leaf[2], Attr::Ints(self.leaf_targets.clone())),
            (leaf[3], Attr::Floats(self.leaf_weights.clone())),
        ];
        attributes.extend(covers);
        attributes
    }

    fn rows(&mut self, graph: &mut Graph) -> Told<(String, Vec<usize>)> {
        if self.tree == 0 {
            return Err("it has no trees".to_owned());
        }
        if self.keys.is_empty() {
            // Trees of one leaf read nothing, but the operator needs rows.
            self.keys.push((0, Read::Raw));
        }
        graph.features(&self.keys)
    }

    /// The sums of every row: `[N, targets]`.
    pub(super) fn sums(mut self, graph: &mut Graph, sums: &Sums) -> Told<String> {
        const LEAF: [&str; 4] = ["target_treeids", "target_nodeids", "target_ids", "target_weights"];
        let (rows, places) = self.rows(graph)?;
        let mut attrs = self.attributes(&places, &LEAF);
        attrs.push(("n_targets", Attr::Int(sums.targets as i64)));
        if sums.average {
            attrs.push(("aggregate_function", Attr::Text("AVERAGE".to_owned())));
        }
        attrs.extend(base(&sums.base)?);
        Ok(graph.node((Domain::Ml, "TreeEnsembleRegressor"), &[&rows], attrs))
    }

    /// Classes out of margins: one for two classes, through the logistic function, else one a class, through
    /// `SOFTMAX`.
    pub(super) fn margins(mut self, graph: &mut Graph, classes: Classes, margin: &[f64]) -> Told<Answer> {
        const LEAF: [&str; 4] = ["class_treeids", "class_nodeids", "class_ids", "class_weights"];
        let mut margin = margin.to_vec();
        if classes.len() == 2 && self.leaf_weights.iter().all(|&w| w >= 0.0) {
            // Where no weight is below zero, the operator takes the sum for a probability.
            self.constant(0, -1.0)?;
            margin = vec![margin.first().copied().unwrap_or(0.0) + 1.0];
        }
        let (rows, places) = self.rows(graph)?;
        let mut attrs = self.attributes(&places, &LEAF);
        let post = if classes.len() == 2 { "LOGISTIC" } else { "SOFTMAX" };
        attrs.extend([
            ("post_transform", Attr::Text(post.to_owned())),
            classes.attribute("classlabels_int64s"),
        ]);
        attrs.extend(base(&margin)?);
        let label = graph.builder().fresh("class");
        let probabilities = graph.builder().fresh("scores");
        let builder = graph.builder();
        builder.node(Domain::Ml, "TreeEnsembleClassifier", &[&rows], &[&label, &probabilities], attrs);
        Ok(Answer::Classes { label, probabilities: Some(probabilities), classes })
    }
}

fn base(values: &[f64]) -> Told<Option<(&'static str, Attr)>> {
    let single: Vec<f32> = values.iter().map(|&v| v as f32).collect();
    if let Some(wrong) = values.iter().zip(&single).find(|(_, s)| !s.is_finite()) {
        return Err(format!("the base value {} is out of range", wrong.0));
    }
    let some = single.iter().any(|&v| v != 0.0);
    Ok(some.then_some(("base_values", Attr::Floats(single))))
}

#[cfg(test)]
mod tests {
    use super::super::columns::Op;
    use super::*;

    #[test]
    fn steps_in_front_of_branches_are_counted() {
        let mut graph = Graph::new("t", vec!["a".to_owned()], 0).unwrap();
        let left = graph.looks().get();
        graph.look(left - 1000).unwrap();
        let mut forest = Forest::new(&graph);
        forest.begin(3, &[]).unwrap();
        let column = Column::Number { source: 0, ops: vec![Op::Add(1.0); 100], sparse: false };
        let ways = Ways { yes: 1, no: 2, missing_yes: true };
        let mut branch = |id: usize| forest.less(&mut graph, id, (&column, &|v| v <= 0.5), ways);
        assert!(branch(0).is_ok() && branch(1).is_ok());
        assert!(branch(2).unwrap_err().contains("too many steps"));
    }
}
