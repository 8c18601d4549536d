//! Trees as a `TreeEnsembleRegressor`: the link is a node of its own, so that one operator serves all tasks.

use super::Sheet;
use crate::Error;
use crate::learners::{CodeSet, Link, Node, Test, Tree, Trees};
use onnx::{Attr, Domain};
use std::ops::Range;

/// The parallel arrays of a tree ensemble.
#[derive(Default)]
struct Arrays {
    tree: Vec<i64>,
    node: Vec<i64>,
    column: Vec<i64>,
    mode: Vec<String>,
    value: Vec<f32>,
    yes: Vec<i64>,
    no: Vec<i64>,
    missing_yes: Vec<i64>,
    cover: Vec<f32>,
    leaf_tree: Vec<i64>,
    leaf_node: Vec<i64>,
    leaf_output: Vec<i64>,
    leaf_value: Vec<f32>,
}

/// What an inner node does, in ONNX's words.
struct Branch<'a> {
    mode: &'a str,
    column: u32,
    value: f32,
    yes: i64,
    no: i64,
    missing_yes: bool,
    cover: f32,
}

/// Where a chain begins, with the cover of its first node, which all of it repeats.
struct Place {
    tree: i64,
    at: i64,
    cover: f32,
}

impl Arrays {
    fn branch(&mut self, tree: i64, node: i64, branch: &Branch<'_>) {
        self.tree.push(tree);
        self.node.push(node);
        self.column.push(i64::from(branch.column));
        self.mode.push(branch.mode.to_owned());
        self.value.push(branch.value);
        self.yes.push(branch.yes);
        self.no.push(branch.no);
        self.missing_yes.push(i64::from(branch.missing_yes));
        self.cover.push(branch.cover);
    }

    fn tree(&mut self, id: i64, tree: &Tree, width: usize, codes: &dyn Fn(u32) -> usize) {
        let outputs = tree.output.map_or(0..width as u32, |o| o..o + 1);
        // Further nodes of a chain of comparisons are numbered after the tree's own.
        let mut spare = tree.nodes.len() as i64;
        for (at, node) in tree.nodes.iter().enumerate() {
            let cover = tree.covers[at];
            let at = at as i64;
            match *node {
                Node::Leaf(value) => {
                    self.leaf((id, at, cover), &tree.values[value as usize..], outputs.clone());
                }
                Node::Inner { column, test: Test::Less(value), missing_left, left, right } => {
                    let (yes, no) = (i64::from(left), i64::from(right));
                    let branch = Branch {
                        mode: "BRANCH_LT",
                        column,
                        value,
                        yes,
                        no,
                        missing_yes: missing_left,
                        cover,
                    };
                    self.branch(id, at, &branch);
                }
                Node::Inner { column, test: Test::Among(set), missing_left, left, right } => {
                    let ends = (i64::from(left), i64::from(right));
                    let place = Place { tree: id, at, cover };
                    self.chain((place, &mut spare), (column, codes(column)), (set, missing_left), ends);
                }
            }
        }
    }

    /// A set of codes as a chain of comparisons with one common end, over the smaller of the set and its complement.
    fn chain(
        &mut self,
        (place, spare): (Place, &mut i64),
        (column, codes): (u32, usize),
        (set, missing_left): (CodeSet, bool),
        (left, right): (i64, i64),
    ) {
        let inside: Vec<f32> =
            (0..codes).map(|c| c as f32).filter(|&c| crate::learners::has(&set, c)).collect();
        let outside: Vec<f32> =
            (0..codes).map(|c| c as f32).filter(|&c| !crate::learners::has(&set, c)).collect();
        let swap = !outside.is_empty() && (inside.is_empty() || outside.len() < inside.len());
        let (members, hit, miss, missing_yes) =
            if swap { (outside, right, left, !missing_left) } else { (inside, left, right, missing_left) };
        let Place { tree, mut at, cover } = place;
        for (i, &value) in members.iter().enumerate() {
            let no = if i + 1 == members.len() {
                miss
            } else {
                *spare += 1;
                *spare - 1
            };
            let branch = Branch { mode: "BRANCH_EQ", column, value, yes: hit, no, missing_yes, cover };
            self.branch(tree, at, &branch);
            at = no;
        }
    }

    /// A leaf with its values: one for `outputs`' only member, or one for each.
    fn leaf(&mut self, (tree, node, cover): (i64, i64, f32), values: &[f32], outputs: Range<u32>) {
        let leaf = Branch { mode: "LEAF", column: 0, value: 0.0, yes: 0, no: 0, missing_yes: false, cover };
        self.branch(tree, node, &leaf);
        for (output, &value) in outputs.zip(values) {
            self.leaf_tree.push(tree);
            self.leaf_node.push(node);
            self.leaf_output.push(i64::from(output));
            self.leaf_value.push(value);
        }
    }

    fn attributes(self, trees: &Trees) -> Vec<(&'static str, Attr)> {
        vec![
            ("aggregate_function", Attr::Text("SUM".into())),
            ("base_values", Attr::Floats(trees.base.clone())),
            ("n_targets", Attr::Int(trees.base.len() as i64)),
            ("nodes_falsenodeids", Attr::Ints(self.no)),
            ("nodes_featureids", Attr::Ints(self.column)),
            ("nodes_hitrates", Attr::Floats(self.cover)),
            ("nodes_missing_value_tracks_true", Attr::Ints(self.missing_yes)),
            ("nodes_modes", Attr::Texts(self.mode)),
            ("nodes_nodeids", Attr::Ints(self.node)),
            ("nodes_treeids", Attr::Ints(self.tree)),
            ("nodes_truenodeids", Attr::Ints(self.yes)),
            ("nodes_values", Attr::Floats(self.value)),
            ("post_transform", Attr::Text("NONE".into())),
            ("target_ids", Attr::Ints(self.leaf_output)),
            ("target_nodeids", Attr::Ints(self.leaf_node)),
            ("target_treeids", Attr::Ints(self.leaf_tree)),
            ("target_weights", Attr::Floats(self.leaf_value)),
        ]
    }
}

impl Sheet<'_> {
    /// Adds an ensemble of trees; returns its answers `[N, width]`.
    pub(crate) fn trees(&mut self, trees: &Trees) -> Result<String, Error> {
        let mut input = self.matrix();
        if !trees.derived.is_empty() {
            let mut parts = vec![input];
            for derived in &trees.derived {
                let (column, value) = (derived.column as usize, |code| derived.of(code));
                parts.push(if derived.placed {
                    self.encode_places(column, "category_mean", &value)
                } else {
                    self.encode_codes(column, "category_mean", &value)
                });
            }
            input = self.concat("features_and_means", &parts);
        }
        let mut arrays = Arrays::default();
        let features = self.features;
        let codes = |column: u32| features.get(column as usize).and_then(|f| f.codes()).unwrap_or(0);
        for (id, tree) in trees.trees.iter().enumerate() {
            arrays.tree(id as i64, tree, trees.base.len(), &codes);
        }
        let output = self.fresh("trees");
        let attrs = arrays.attributes(trees);
        self.builder.node(Domain::Ml, "TreeEnsembleRegressor", &[&input], &[&output], attrs);
        Ok(self.link(trees.link, output))
    }

    /// Adds the link after the sums.
    pub(crate) fn link(&mut self, link: Link, sums: String) -> String {
        match link {
            Link::Identity => sums,
            Link::Logistic => self.make("Sigmoid", "probability", &[&sums], vec![]),
            Link::Softmax => {
                self.make("Softmax", "class_probabilities", &[&sums], vec![("axis", Attr::Int(1))])
            }
        }
    }
}
