//! Shapley values of an ensemble of trees, each tree's expectation taken along its own paths by the covers of its
//! nodes (Lundberg et al., "Consistent Individualized Feature Attribution for Tree Ensembles", 2018, algorithm 2).
//!
//! A leaf of value v whose path asks the players 1…d gives player i the share
//! v · (oᵢ − zᵢ) · ∫₀¹ Πⱼ≠ᵢ (zⱼ (1 − t) + oⱼ t) dt, where oⱼ says whether the row follows all of player j's tests on the
//! path and zⱼ is the share of the cover that does: the weights k!(d−1−k)!/d! of the definition are ∫ tᵏ(1−t)^(d−1−k) dt.
//! The integrand is a polynomial of degree d − 1, so a quadrature of ⌈d/2⌉ points is exact, and the sums over leaves
//! are gathered on the way up: a tree of L leaves costs O(L · d) instead of O(L · d²).

use super::quadrature;
use crate::forest::Aggregate;
use crate::forest::raw::{Mode, RawForest, RawNode, RawTree};

/// Deepest tree that is explained.
const DEPTH: usize = 200;
/// Most nodes of an explained ensemble; nodes that several paths share count once a path.
const NODES: usize = 2_000_000;
/// Deviation of a cover from the sum of its children's, relative.
const COVER_TOLERANCE: f32 = 1e-2;
/// No node counts as never reached: its share would be 0 / 0.
const LEAST_SHARE: f64 = 1e-9;
const NONE: u32 = u32::MAX;

/// A node with the edge that leads to it. A branch asks whether `x <mode> threshold`, or whether x is in a set.
#[derive(Debug)]
struct Node {
    /// Share of the cover that follows all of the player's tests from the root to here.
    share: f64,
    /// Who asked; meaningless for a root.
    player: u32,
    /// The node above whose edge the same player asked for.
    before: u32,
    /// The second child, the first one follows its parent; none for a leaf.
    no: u32,
    /// What is asked; of a leaf its first value.
    column: u32,
    threshold: f32,
    /// Further values of a set.
    set: (u32, u32),
    mode: Mode,
    missing_yes: bool,
}

/// A leaf of no place yet.
const LEAF: Node = Node {
    share: 1.0,
    player: 0,
    before: NONE,
    no: NONE,
    column: 0,
    threshold: 0.0,
    set: (0, 0),
    mode: Mode::Eq,
    missing_yes: false,
};

impl Node {
    fn holds(&self, row: &[f32], sets: &[f32]) -> bool {
        let x = row.get(self.column as usize).copied().unwrap_or(f32::NAN);
        if x.is_nan() && self.missing_yes {
            return true;
        }
        match self.mode {
            Mode::Leq => x <= self.threshold,
            Mode::Lt => x < self.threshold,
            Mode::Gte => x >= self.threshold,
            Mode::Gt => x > self.threshold,
            Mode::Eq => {
                x == self.threshold || sets[self.set.0 as usize..][..self.set.1 as usize].contains(&x)
            }
            Mode::Neq => x != self.threshold,
        }
    }
}

#[derive(Debug)]
struct Tree {
    root: u32,
    /// Targets the leaves have values for, in their order.
    targets: Vec<u32>,
}

/// An ensemble ready to be explained.
#[derive(Debug)]
pub(super) struct Shap {
    nodes: Vec<Node>,
    trees: Vec<Tree>,
    values: Vec<f64>,
    /// Values of the sets that branches ask for.
    sets: Vec<f32>,
    /// The mean answer by the covers, one a target.
    pub base: Vec<f64>,
    /// Points of the quadrature: 4, 8, 16 or 32 serve 8, 16, 32 and 64 players a path.
    points: Vec<(f64, f64)>,
    /// Nodes visited for a row.
    pub work: usize,
}

/// An ensemble as its file states it.
#[derive(Debug)]
pub(super) struct Stated {
    pub forest: RawForest,
    /// `nodes_hitrates`, in the order of the nodes.
    pub covers: Vec<f32>,
    /// Divides the sums.
    pub scale: f64,
}

impl Shap {
    /// Lays the ensemble out; `players[column]` is who a column belongs to, 0 for
    /// nobody.
    pub fn new(stated: &Stated, players: &[u32]) -> Result<Self, String> {
        let forest = &stated.forest;
        if forest.aggregate != Aggregate::Sum {
            return Err("takes the least or largest of its trees, which is not a sum".to_owned());
        }
        let count: usize = forest.trees.iter().map(|t| t.nodes.len()).sum();
        if stated.covers.len() != count {
            return Err("holds no covers: nodes_hitrates is not there".to_owned());
        }
        let mut made = Layout {
            shap: Self {
                nodes: Vec::with_capacity(count),
                trees: Vec::with_capacity(forest.trees.len()),
                values: Vec::new(),
                sets: Vec::new(),
                base: vec![0.0; forest.targets],
                points: Vec::new(),
                work: 0,
            },
            players,
            weights: &forest.weights,
            scale: stated.scale,
            longest: 0,
        };
        let mut start = 0;
        for tree in &forest.trees {
            made.tree(tree, &stated.covers[start..start + tree.nodes.len()])?;
            start += tree.nodes.len();
        }
        let longest = made.longest;
        let mut shap = made.shap;
        shap.points = quadrature::points(match longest {
            0..=8 => 4,
            9..=16 => 8,
            17..=32 => 16,
            33..=64 => 32,
            _ => return Err(format!("has a path that asks {longest} columns, the limit is 64")),
        });
        Ok(shap)
    }

    /// Adds the contributions for a row of columns to `parts`, player by player, `targets` a player.
    pub fn explain(&self, row: &[f32], parts: &mut [f64], hot: &mut Vec<bool>) {
        hot.resize(self.nodes.len(), false);
        match self.points.len() {
            4 => self.trees::<4>(row, parts, hot),
            8 => self.trees::<8>(row, parts, hot),
            16 => self.trees::<16>(row, parts, hot),
            _ => self.trees::<32>(row, parts, hot),
        }
    }

    fn trees<const N: usize>(&self, row: &[f32], parts: &mut [f64], hot: &mut [bool]) {
        let mut visit = Visit {
            shap: self,
            row,
            parts,
            hot,
            stride: self.base.len(),
            target: 0,
            output: 0,
            t: std::array::from_fn::<f64, N, _>(|q| self.points[q].0),
        };
        let weights = std::array::from_fn::<f64, N, _>(|q| self.points[q].1);
        for tree in &self.trees {
            for (output, &target) in tree.targets.iter().enumerate() {
                (visit.output, visit.target) = (output, target as usize);
                visit.below(tree.root, weights);
            }
        }
    }
}

/// One pass through a tree for one target.
struct Visit<'a, const N: usize> {
    shap: &'a Shap,
    row: &'a [f32],
    parts: &'a mut [f64],
    /// Whether the row follows all tests of a node's player from the root to the node.
    hot: &'a mut [bool],
    stride: usize,
    target: usize,
    output: usize,
    t: [f64; N],
}

impl<const N: usize> Visit<'_, N> {
    /// The factor of a player on a path.
    fn factor(&self, share: f64, hot: bool) -> [f64; N] {
        std::array::from_fn(|q| {
            let cold = share * (1.0 - self.t[q]);
            if hot { cold + self.t[q] } else { cold }
        })
    }

    /// Visits a node whose edge is dealt with; gives the sum of its leaves' values times their products.
    fn below(&mut self, at: u32, product: [f64; N]) -> [f64; N] {
        let node = &self.shap.nodes[at as usize];
        if node.no == NONE {
            let value = self.shap.values[node.column as usize + self.output];
            return product.map(|p| p * value);
        }
        let yes = node.holds(self.row, &self.shap.sets);
        let first = self.edge(at + 1, yes, product);
        let second = self.edge(node.no, !yes, product);
        std::array::from_fn(|q| first[q] + second[q])
    }

    fn edge(&mut self, at: u32, taken: bool, product: [f64; N]) -> [f64; N] {
        let node = &self.shap.nodes[at as usize];
        let (player, share, before) = (node.player as usize, node.share, node.before);
        let above = (before != NONE).then(|| {
            let (share, hot) = (self.shap.nodes[before as usize].share, self.hot[before as usize]);
            (share, hot, self.factor(share, hot))
        });
        let hot = taken && above.is_none_or(|a| a.1);
        self.hot[at as usize] = hot;
        let factor = self.factor(share, hot);
        let mut inner = product;
        match above {
            None => (0..N).for_each(|q| inner[q] *= factor[q]),
            Some((_, _, old)) => (0..N).for_each(|q| inner[q] *= factor[q] / old[q]),
        }
        let sums = self.below(at, inner);
        let gain = |share: f64, hot: bool, factor: [f64; N]| {
            let sum: f64 = (0..N).map(|q| sums[q] / factor[q]).sum();
            (f64::from(u8::from(hot)) - share) * sum
        };
        let mut part = gain(share, hot, factor);
        if let Some((share, hot, factor)) = above {
            // The edge above has counted these leaves as its own.
            part -= gain(share, hot, factor);
        }
        self.parts[player * self.stride + self.target] += part;
        sums
    }
}

/// Lays trees out.
struct Layout<'a> {
    shap: Shap,
    players: &'a [u32],
    weights: &'a [(u32, f32)],
    scale: f64,
    /// Most players on a path.
    longest: usize,
}

/// What leads to a node: player, share, node, outermost first.
type Path = Vec<(u32, f64, u32)>;

impl Layout<'_> {
    fn tree(&mut self, tree: &RawTree, covers: &[f32]) -> Result<(), String> {
        let mut targets: Vec<u32> = Vec::new();
        for node in &tree.nodes {
            if let RawNode::Leaf { first, count } = *node {
                targets.extend(self.weights[first as usize..][..count as usize].iter().map(|w| w.0));
            }
        }
        targets.sort_unstable();
        targets.dedup();
        let (root, passes) = (self.shap.nodes.len(), targets.len());
        self.shap.trees.push(Tree { root: root as u32, targets });
        let part = Part { tree, covers };
        self.node(&part, (tree.root, 1.0), &mut Vec::new(), 0)?;
        self.shap.work += passes * (self.shap.nodes.len() - root);
        Ok(())
    }

    /// Adds a node and all below it; `reach` is the share of the cover that comes here.
    fn node(
        &mut self,
        part: &Part<'_>,
        (at, reach): (u32, f64),
        path: &mut Path,
        depth: usize,
    ) -> Result<(), String> {
        if depth > DEPTH {
            return Err(format!("has a tree more than {DEPTH} levels deep"));
        }
        // Every way through shared nodes is laid out, each with its sets.
        if self.shap.nodes.len() + self.shap.sets.len() >= NODES {
            return Err(format!("has more than {NODES} nodes"));
        }
        let place = self.shap.nodes.len();
        let set = self.shap.sets.len();
        let Some((column, mode, missing_yes, yes, no)) = part.branch(at, &mut self.shap.sets) else {
            return self.leaf(part, (at, reach));
        };
        let player = self.players.get(column as usize).copied().unwrap_or(0);
        let threshold = self.shap.sets[set];
        let more = self.shap.sets.len() - set - 1;
        if more == 0 {
            self.shap.sets.truncate(set);
        }
        let set = if more == 0 { (0, 0) } else { (set as u32 + 1, more as u32) };
        let branch = Node { column, threshold, set, mode, missing_yes, no: 0, ..LEAF };
        self.shap.nodes.push(branch);
        let shares = part.shares(at, yes, no)?;
        for (child, share) in [(yes, shares[0]), (no, shares[1])] {
            let next = self.shap.nodes.len();
            let earlier = path.iter().rposition(|step| step.0 == player);
            let (before, cumulated) =
                earlier.map_or((NONE, share), |step| (path[step].2, path[step].1 * share));
            path.push((player, cumulated.max(LEAST_SHARE), next as u32));
            self.node(part, (child, reach * share), path, depth + 1)?;
            path.pop();
            let node = &mut self.shap.nodes[next];
            (node.player, node.share, node.before) = (player, cumulated.max(LEAST_SHARE), before);
            if child == no {
                self.shap.nodes[place].no = next as u32;
            }
        }
        let mut asked: Vec<u32> = path.iter().map(|step| step.0).chain([player]).collect();
        asked.sort_unstable();
        asked.dedup();
        self.longest = self.longest.max(asked.len());
        Ok(())
    }

    fn leaf(&mut self, part: &Part<'_>, (at, reach): (u32, f64)) -> Result<(), String> {
        let RawNode::Leaf { first, count } = part.tree.nodes[at as usize] else {
            return Err("has a leaf that is none".to_owned());
        };
        let targets = self.shap.trees.last().map(|t| t.targets.clone()).unwrap_or_default();
        self.shap.nodes.push(Node { column: self.shap.values.len() as u32, ..LEAF });
        let own = &self.weights[first as usize..][..count as usize];
        for target in targets {
            let sum: f64 = own.iter().filter(|w| w.0 == target).map(|w| f64::from(w.1)).sum();
            self.shap.values.push(sum * self.scale);
            self.shap.base[target as usize] += reach * sum * self.scale;
        }
        Ok(())
    }
}

/// A tree with its covers.
struct Part<'a> {
    tree: &'a RawTree,
    covers: &'a [f32],
}

impl Part<'_> {
    /// The test of a branch with its ends; its values are added to `values`. A chain of equalities on one column with one
    /// common end is one test of a set.
    fn branch(&self, at: u32, values: &mut Vec<f32>) -> Option<(u32, Mode, bool, u32, u32)> {
        let RawNode::Branch { feature, mode, value, missing_yes, yes, mut no } = self.tree.nodes[at as usize]
        else {
            return None;
        };
        values.push(value);
        while let RawNode::Branch { feature: f, mode: Mode::Eq, value, missing_yes: m, yes: y, no: n } =
            self.tree.nodes[no as usize]
        {
            if mode != Mode::Eq || f != feature || y != yes || m != missing_yes {
                break;
            }
            values.push(value);
            no = n;
        }
        Some((feature, mode, missing_yes, yes, no))
    }

    /// Shares of the cover that go to yes and to no.
    fn shares(&self, at: u32, yes: u32, no: u32) -> Result<[f64; 2], String> {
        let [all, a, b] = [at, yes, no].map(|n| self.covers[n as usize]);
        let sum = a + b;
        let fits = all > 0.0 && a >= 0.0 && b >= 0.0 && (all - sum).abs() <= COVER_TOLERANCE * all;
        if !fits {
            return Err(format!(
                "holds no covers: nodes_hitrates of a branch is {all}, of its children {a} and {b}"
            ));
        }
        Ok([f64::from(a) / f64::from(sum), f64::from(b) / f64::from(sum)])
    }
}
