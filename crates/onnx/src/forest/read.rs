//! Reads the attributes of `TreeEnsembleClassifier` and `TreeEnsembleRegressor` (ai.onnx.ml 1 and 3) and
//! checks that they describe trees: equal lengths, unique ids, children that exist, one root, no cycle.
//! Two branches may share a child (that is how chains of `BRANCH_EQ` write a set).

use std::collections::HashMap;

use super::Aggregate;
use super::raw::{Mode, RawForest, RawNode, RawTree};
use crate::attrs::Node;
use crate::error::Result;
use crate::limits;
use crate::tensor::{Data, Tensor};

pub(super) fn read(node: &Node<'_>) -> Result<RawForest> {
    let leaf = match node.op() {
        "TreeEnsembleClassifier" => "class",
        "TreeEnsembleRegressor" => "target",
        "TreeEnsemble" => return super::read5::read(node),
        other => return Err(node.unsupported(format!("{other} is not a tree operator known here"))),
    };
    let columns = Columns::read(node)?;
    let index = columns.index(node)?;
    let (weights, ranges) = leaf_weights(node, leaf, &index)?;
    let targets = target_count(node, leaf, &weights)?;
    let mut trees = Vec::new();
    let mut start = 0;
    for run in columns.trees.chunk_by(|a, b| a == b) {
        trees.push(columns.tree(node, start..start + run.len(), &index, &ranges)?);
        start += run.len();
    }
    let aggregate = match node.text("aggregate_function")?.as_deref() {
        None | Some("SUM" | "AVERAGE") => Aggregate::Sum,
        Some("MIN") => Aggregate::Min,
        Some("MAX") => Aggregate::Max,
        Some(other) => return Err(node.error(format!("aggregate_function {other:?} is unknown"))),
    };
    let features = columns.features.iter().map(|&f| f as usize + 1).max().unwrap_or(0);
    Ok(RawForest { trees, weights, targets, features, aggregate })
}

/// Position of a node by (tree id, node id).
type Index = HashMap<(i64, i64), usize>;
/// First weight and number of weights of each node.
type Ranges = Vec<(u32, u32)>;

/// The `nodes_*` attributes.
struct Columns<'a> {
    trees: &'a [i64],
    ids: &'a [i64],
    features: Vec<u32>,
    values: Vec<f32>,
    modes: Vec<Option<Mode>>,
    yes: &'a [i64],
    no: &'a [i64],
    missing: &'a [i64],
}

impl<'a> Columns<'a> {
    fn read(node: &Node<'a>) -> Result<Self> {
        let trees = node.ints("nodes_treeids")?;
        if trees.is_empty() {
            return Err(node.error("nodes_treeids is empty: there is no tree"));
        }
        if node.has("nodes_values_as_tensor") && node.has("nodes_values") {
            return Err(node.error("has both nodes_values and nodes_values_as_tensor"));
        }
        let modes = node.texts("nodes_modes")?;
        let columns = Self {
            trees,
            ids: node.ints("nodes_nodeids")?,
            features: features(node)?,
            values: floats(node, "nodes_values")?,
            modes: modes.iter().map(|m| mode(node, m)).collect::<Result<_>>()?,
            yes: node.ints("nodes_truenodeids")?,
            no: node.ints("nodes_falsenodeids")?,
            missing: node.ints("nodes_missing_value_tracks_true")?,
        };
        let lengths = [
            ("nodes_nodeids", columns.ids.len()),
            ("nodes_featureids", columns.features.len()),
            ("nodes_values", columns.values.len()),
            ("nodes_modes", columns.modes.len()),
            ("nodes_truenodeids", columns.yes.len()),
            ("nodes_falsenodeids", columns.no.len()),
        ];
        for (name, length) in lengths {
            same_length(node, name, length, trees.len())?;
        }
        if !columns.missing.is_empty() {
            same_length(node, "nodes_missing_value_tracks_true", columns.missing.len(), trees.len())?;
        }
        Ok(columns)
    }

    fn index(&self, node: &Node<'_>) -> Result<Index> {
        let mut index = Index::with_capacity(self.trees.len());
        for (place, (&tree, &id)) in self.trees.iter().zip(self.ids).enumerate() {
            if index.insert((tree, id), place).is_some() {
                return Err(node.error(format!("tree {tree} has node id {id} twice")));
            }
        }
        Ok(index)
    }

    fn tree(
        &self,
        node: &Node<'_>,
        range: std::ops::Range<usize>,
        index: &Index,
        ranges: &Ranges,
    ) -> Result<RawTree> {
        let tree = self.trees[range.start];
        let local = |from: usize, id: i64| match index.get(&(tree, id)) {
            Some(&place) if range.contains(&place) => Ok((place - range.start) as u32),
            Some(_) => Err(node.error(format!("the nodes of tree {tree} do not stand together"))),
            None => Err(node.error(format!("tree {tree}: node {} has no child {id}", self.ids[from]))),
        };
        let mut nodes = Vec::with_capacity(range.len());
        for place in range.clone() {
            nodes.push(match self.modes[place] {
                None => RawNode::Leaf { first: ranges[place].0, count: ranges[place].1 },
                Some(_) if ranges[place].1 > 0 => {
                    return Err(node.error(format!("tree {tree}: branch {} has weights", self.ids[place])));
                }
                Some(mode) => RawNode::Branch {
                    feature: self.features[place],
                    mode,
                    value: self.values[place],
                    missing_yes: self.missing.get(place).is_some_and(|&m| m != 0),
                    yes: local(place, self.yes[place])?,
                    no: local(place, self.no[place])?,
                },
            });
        }
        let root = root(&nodes).map_err(|e| node.error(format!("tree {tree} {e}")))?;
        Ok(RawTree { nodes, root })
    }
}

fn same_length(node: &Node<'_>, name: &str, length: usize, expected: usize) -> Result<()> {
    if length == expected {
        return Ok(());
    }
    Err(node.error(format!("{name} has {length} entries, nodes_treeids {expected}")))
}

fn features(node: &Node<'_>) -> Result<Vec<u32>> {
    let ids = node.ints("nodes_featureids")?;
    let id = |&f: &i64| u32::try_from(f).ok().filter(|&f| (f as usize) < limits::ROW_WIDTH);
    ids.iter().map(id).collect::<Option<_>>().ok_or_else(|| node.error("a feature id is out of range"))
}

/// A list of numbers, given plainly or as a tensor (`…_as_tensor`, from version 3 on).
pub(super) fn floats(node: &Node<'_>, name: &str) -> Result<Vec<f32>> {
    match node.tensor(&format!("{name}_as_tensor"))? {
        None => Ok(node.floats(name)?.to_vec()),
        Some(Tensor { data: Data::Float(values), .. }) => Ok(values),
        Some(other) => {
            let kind = other.data.type_name();
            Err(node.unsupported(format!("{name}_as_tensor is {kind}, only float trees are supported")))
        }
    }
}

fn mode(node: &Node<'_>, text: &str) -> Result<Option<Mode>> {
    Ok(Some(match text {
        "LEAF" => return Ok(None),
        "BRANCH_LEQ" => Mode::Leq,
        "BRANCH_LT" => Mode::Lt,
        "BRANCH_GTE" => Mode::Gte,
        "BRANCH_GT" => Mode::Gt,
        "BRANCH_EQ" => Mode::Eq,
        "BRANCH_NEQ" => Mode::Neq,
        other => return Err(node.error(format!("nodes_modes has {other:?}"))),
    }))
}

/// The one node that is nobody's child; refuses trees with none, several, or unreachable parts.
pub(super) fn root(nodes: &[RawNode]) -> Result<u32, String> {
    let mut parents = vec![0_u32; nodes.len()];
    for node in nodes {
        if let RawNode::Branch { yes, no, .. } = *node {
            parents[yes as usize] += 1;
            parents[no as usize] += 1;
        }
    }
    let roots: Vec<usize> = (0..nodes.len()).filter(|&i| parents[i] == 0).collect();
    let &[root] = roots.as_slice() else {
        return Err(match roots.len() {
            0 => "has no root: its nodes form a cycle".to_owned(),
            n => format!("has {n} roots"),
        });
    };
    let depth = depth(nodes, root, parents)?;
    if depth > limits::TREE_DEPTH {
        return Err(format!("is {depth} levels deep, the limit is {}", limits::TREE_DEPTH));
    }
    Ok(root as u32)
}

/// Longest path from the root, by taking nodes off once all their parents are.
fn depth(nodes: &[RawNode], root: usize, mut parents: Vec<u32>) -> Result<usize, String> {
    let mut levels = vec![0_usize; nodes.len()];
    let mut ready = vec![root];
    let mut seen = 0;
    let mut deepest = 0;
    while let Some(at) = ready.pop() {
        seen += 1;
        deepest = deepest.max(levels[at]);
        let RawNode::Branch { yes, no, .. } = nodes[at] else {
            continue;
        };
        for child in [yes as usize, no as usize] {
            levels[child] = levels[child].max(levels[at] + 1);
            parents[child] -= 1;
            if parents[child] == 0 {
                ready.push(child);
            }
        }
    }
    if seen == nodes.len() { Ok(deepest) } else { Err("has a cycle".to_owned()) }
}

/// Weights in order of their nodes, and each node's range of them.
fn leaf_weights(node: &Node<'_>, leaf: &str, index: &Index) -> Result<(Vec<(u32, f32)>, Ranges)> {
    let trees = node.ints(&format!("{leaf}_treeids"))?;
    let ids = node.ints(&format!("{leaf}_nodeids"))?;
    let targets = node.ints(&format!("{leaf}_ids"))?;
    let weights = floats(node, &format!("{leaf}_weights"))?;
    for (name, length) in [("nodeids", ids.len()), ("ids", targets.len()), ("weights", weights.len())] {
        if length != trees.len() {
            let expected = trees.len();
            return Err(node.error(format!("{leaf}_{name} has {length} entries, {leaf}_treeids {expected}")));
        }
    }
    let mut entries = Vec::with_capacity(trees.len());
    for (i, &weight) in weights.iter().enumerate() {
        let place = index.get(&(trees[i], ids[i])).ok_or_else(|| {
            node.error(format!(
                "{leaf}_nodeids names node {} of tree {}, which is not there",
                ids[i], trees[i]
            ))
        })?;
        if !weight.is_finite() {
            return Err(node.error(format!("{leaf}_weights holds {weight}, weights must be finite")));
        }
        let target = u32::try_from(targets[i])
            .map_err(|_| node.error(format!("{leaf}_ids holds {}, which is out of range", targets[i])))?;
        entries.push((*place, target, weight));
    }
    entries.sort_by_key(|e| e.0);
    let mut ranges = vec![(0, 0); index.len()];
    for (i, entry) in entries.iter().enumerate() {
        let range: &mut (u32, u32) = &mut ranges[entry.0];
        if range.1 == 0 {
            range.0 = i as u32;
        }
        range.1 += 1;
    }
    Ok((entries.into_iter().map(|e| (e.1, e.2)).collect(), ranges))
}

fn target_count(node: &Node<'_>, leaf: &str, weights: &[(u32, f32)]) -> Result<usize> {
    let count = if leaf == "class" {
        crate::scores::class_count(node)?
    } else {
        node.int("n_targets")?.and_then(|n| usize::try_from(n).ok()).unwrap_or(1)
    };
    if count == 0 || count > limits::ROW_WIDTH {
        return Err(node.error(format!("{count} targets are out of range")));
    }
    match weights.iter().find(|w| w.0 as usize >= count) {
        None => Ok(count),
        Some(w) => Err(node.error(format!("{leaf}_ids holds {}, but there are {count} targets", w.0))),
    }
}
