//! Reads the attributes of `TreeEnsemble` (ai.onnx.ml 5): nodes and leaves in lists of their own, a root for
//! each tree, and tests whether a value is one of a set. A set becomes a chain of equalities, which is what
//! earlier versions write and what is folded back into a set.

use super::Aggregate;
use super::raw::{Mode, RawForest, RawNode, RawTree};
use super::read::root;
use crate::attrs::Node;
use crate::error::Result;
use crate::limits;
use crate::tensor::{Data, Tensor};

/// The lists of a node, of equal length where they speak of the same.
struct Lists<'a> {
    features: Vec<u32>,
    modes: Vec<u8>,
    splits: Vec<f32>,
    yes: Side<'a>,
    no: Side<'a>,
    missing: &'a [i64],
    /// Members of the set of each node that tests one, as a range of the values.
    members: Vec<(usize, usize)>,
    values: Vec<f32>,
    leaves: usize,
}

/// Where one way out of each node leads: to a node, or to a leaf.
struct Side<'a> {
    ids: &'a [i64],
    leaf: &'a [i64],
}

pub(super) fn read(node: &Node<'_>) -> Result<RawForest> {
    let weights = leaf_weights(node)?;
    let lists = Lists::read(node, weights.len())?;
    let roots = node.ints("tree_roots")?;
    if roots.is_empty() {
        return Err(node.error("tree_roots is empty: there is no tree"));
    }
    let targets = node.int("n_targets")?.unwrap_or(1);
    let targets = usize::try_from(targets).ok().filter(|t| (1..=limits::ROW_WIDTH).contains(t));
    let targets = targets.ok_or_else(|| node.error("n_targets is out of range"))?;
    if let Some(far) = weights.iter().find(|w| w.0 as usize >= targets) {
        return Err(node.error(format!("leaf_targetids holds {}, but there are {targets} targets", far.0)));
    }
    let mut owners = vec![None; lists.modes.len()];
    let mut trees = Vec::with_capacity(roots.len());
    for (tree, &root) in roots.iter().enumerate() {
        trees.push(lists.tree(tree, root, &mut owners).map_err(|e| node.error(format!("tree {tree} {e}")))?);
    }
    let aggregate = match node.int("aggregate_function")?.unwrap_or(1) {
        0 | 1 => Aggregate::Sum,
        2 => Aggregate::Min,
        3 => Aggregate::Max,
        other => return Err(node.error(format!("aggregate_function {other} is unknown"))),
    };
    let features = lists.features.iter().map(|&f| f as usize + 1).max().unwrap_or(0);
    Ok(RawForest { trees, weights, targets, features, aggregate })
}

/// A tensor of f32.
fn floats(node: &Node<'_>, name: &str) -> Result<Vec<f32>> {
    match node.tensor(name)? {
        None => Ok(Vec::new()),
        Some(Tensor { data: Data::Float(values), .. }) => Ok(values),
        Some(other) => {
            let kind = other.data.type_name();
            Err(node.unsupported(format!("{name} is {kind}, only float trees are supported")))
        }
    }
}

fn leaf_weights(node: &Node<'_>) -> Result<Vec<(u32, f32)>> {
    let (targets, weights) = (node.ints("leaf_targetids")?, floats(node, "leaf_weights")?);
    if targets.len() != weights.len() || weights.is_empty() {
        let reason = format!("has {} leaf_targetids and {} leaf_weights", targets.len(), weights.len());
        return Err(node.error(reason));
    }
    if let Some(weight) = weights.iter().find(|w| !w.is_finite()) {
        return Err(node.error(format!("leaf_weights holds {weight}, weights must be finite")));
    }
    let pair = |(&target, &weight): (&i64, &f32)| {
        let target = u32::try_from(target);
        target.map(|t| (t, weight)).map_err(|_| node.error("leaf_targetids has a number out of range"))
    };
    targets.iter().zip(&weights).map(pair).collect()
}

impl<'a> Lists<'a> {
    fn read(node: &Node<'a>, leaves: usize) -> Result<Self> {
        let modes = match node.tensor("nodes_modes")? {
            Some(Tensor { data: Data::Uint8(modes), .. }) => modes,
            _ => return Err(node.error("nodes_modes is no tensor of uint8")),
        };
        let features = node.ints("nodes_featureids")?.iter().map(|&f| u32::try_from(f).ok());
        let features = features.map(|f| f.filter(|&f| (f as usize) < limits::ROW_WIDTH));
        let features = features.collect::<Option<Vec<_>>>();
        let side = |ids: &str, leaf: &str| -> Result<Side<'a>> {
            Ok(Side { ids: node.ints(ids)?, leaf: node.ints(leaf)? })
        };
        let mut lists = Self {
            features: features.ok_or_else(|| node.error("a feature id is out of range"))?,
            splits: floats(node, "nodes_splits")?,
            yes: side("nodes_truenodeids", "nodes_trueleafs")?,
            no: side("nodes_falsenodeids", "nodes_falseleafs")?,
            missing: node.ints("nodes_missing_value_tracks_true")?,
            members: Vec::new(),
            values: floats(node, "membership_values")?,
            modes,
            leaves,
        };
        lists.same_lengths(node)?;
        lists.members = lists.sets().map_err(|e| node.error(e))?;
        Ok(lists)
    }

    fn same_lengths(&self, node: &Node<'_>) -> Result<()> {
        let missing = if self.missing.is_empty() { self.modes.len() } else { self.missing.len() };
        let lengths = [
            ("nodes_featureids", self.features.len()),
            ("nodes_splits", self.splits.len()),
            ("nodes_truenodeids", self.yes.ids.len()),
            ("nodes_trueleafs", self.yes.leaf.len()),
            ("nodes_falsenodeids", self.no.ids.len()),
            ("nodes_falseleafs", self.no.leaf.len()),
            ("nodes_missing_value_tracks_true", missing),
        ];
        match lengths.iter().find(|l| l.1 != self.modes.len()) {
            Some((name, length)) => {
                let expected = self.modes.len();
                Err(node.error(format!("{name} has {length} entries, nodes_modes {expected}")))
            }
            None => Ok(()),
        }
    }

    /// The sets stand one after the other in order of their nodes, each ended by NaN.
    fn sets(&self) -> Result<Vec<(usize, usize)>, String> {
        let mut at = 0;
        let mut out = Vec::with_capacity(self.modes.len());
        for &mode in &self.modes {
            let start = at;
            if mode == MEMBER {
                if at >= self.values.len() {
                    return Err("membership_values has fewer sets than nodes test".to_owned());
                }
                at += self.values[at..].iter().take_while(|v| !v.is_nan()).count();
                out.push((start, at));
                at += 1;
            } else {
                out.push((start, start));
            }
        }
        Ok(out)
    }

    fn tree(
        &self,
        tree: usize,
        root_id: i64,
        owners: &mut [Option<(usize, u32)>],
    ) -> Result<RawTree, String> {
        let mut made = Vec::new();
        let mut open = vec![self.node(root_id)?];
        owners[open[0]] = match owners[open[0]] {
            Some((other, _)) => return Err(format!("shares nodes with tree {other}")),
            None => Some((tree, 0)),
        };
        made.push(RawNode::Leaf { first: 0, count: 0 });
        while let Some(at) = open.pop() {
            let place = owners[at].map_or(0, |o| o.1);
            let mut child = |side: &Side<'_>, made: &mut Vec<RawNode>| -> Result<u32, String> {
                let next = made.len() as u32;
                if side.leaf[at] != 0 {
                    made.push(RawNode::Leaf { first: self.leaf(side.ids[at])?, count: 1 });
                    return Ok(next);
                }
                let id = self.node(side.ids[at])?;
                match owners[id] {
                    Some((owner, place)) if owner == tree => Ok(place),
                    Some((other, _)) => Err(format!("shares nodes with tree {other}")),
                    None => {
                        owners[id] = Some((tree, next));
                        open.push(id);
                        made.push(RawNode::Leaf { first: 0, count: 0 });
                        Ok(next)
                    }
                }
            };
            let (yes, no) = (child(&self.yes, &mut made)?, child(&self.no, &mut made)?);
            self.branch(at, place, (yes, no), &mut made)?;
        }
        let root = root(&made)?;
        Ok(RawTree { nodes: made, root })
    }

    fn node(&self, id: i64) -> Result<usize, String> {
        let found = usize::try_from(id).ok().filter(|&i| i < self.modes.len());
        found.ok_or_else(|| format!("has no node {id}"))
    }

    fn leaf(&self, id: i64) -> Result<u32, String> {
        let found = usize::try_from(id).ok().filter(|&i| i < self.leaves);
        found.map(|i| i as u32).ok_or_else(|| format!("has no leaf {id}"))
    }

    /// Writes node `at` to `place`: one branch, or one for each member of its set.
    fn branch(
        &self,
        at: usize,
        place: u32,
        (yes, no): (u32, u32),
        made: &mut Vec<RawNode>,
    ) -> Result<(), String> {
        let missing_yes = self.missing.get(at).is_some_and(|&m| m != 0);
        let feature = self.features[at];
        let branch =
            |mode: Mode, value: f32, no: u32| RawNode::Branch { feature, mode, value, missing_yes, yes, no };
        let (start, end) = self.members[at];
        let mode = match self.modes[at] {
            0 => Mode::Leq,
            1 => Mode::Lt,
            2 => Mode::Gte,
            3 => Mode::Gt,
            4 => Mode::Eq,
            5 => Mode::Neq,
            // Nothing is a member of an empty set, as nothing equals NaN.
            MEMBER if start == end => {
                made[place as usize] = branch(Mode::Eq, f32::NAN, no);
                return Ok(());
            }
            MEMBER => {
                let mut link = place as usize;
                for &value in &self.values[start..end - 1] {
                    let next = made.len();
                    made.push(RawNode::Leaf { first: 0, count: 0 });
                    made[link] = branch(Mode::Eq, value, next as u32);
                    link = next;
                }
                made[link] = branch(Mode::Eq, self.values[end - 1], no);
                return Ok(());
            }
            other => return Err(format!("has a node of mode {other}, which is unknown")),
        };
        made[place as usize] = branch(mode, self.splits[at], no);
        Ok(())
    }
}

/// Mode of a node that tests whether a value is one of a set.
const MEMBER: u8 = 6;
