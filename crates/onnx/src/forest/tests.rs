//! The compiled forest against a plain walk over what the file says.

use super::fold::fold;
use super::layout::lay_out;
use super::raw::{Mode, RawForest, RawNode, RawTree};
use super::*;

struct Random(u64);

impl Random {
    fn below(&mut self, n: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(n)) as u32
    }

    fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len() as u32) as usize]
    }
}

const MODES: [Mode; 6] = [Mode::Leq, Mode::Lt, Mode::Gte, Mode::Gt, Mode::Eq, Mode::Neq];
const EDGES: [f32; 8] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, f32::MAX, f32::MIN, 0.5];

/// Grows a random tree over `levels` integer values, with chains of equalities in between.
fn grow(
    random: &mut Random,
    forest: &mut RawForest,
    nodes: &mut Vec<RawNode>,
    depth: u32,
    levels: u32,
) -> u32 {
    let at = nodes.len();
    nodes.push(RawNode::Leaf { first: 0, count: 0 });
    if depth == 0 || random.below(6) == 0 {
        let first = forest.weights.len() as u32;
        let count = if forest.targets == 1 { 1 } else { random.below(forest.targets as u32 + 1) };
        for target in 0..count {
            forest.weights.push((target, random.below(1000) as f32 / 100.0 - 5.0));
        }
        nodes[at] = RawNode::Leaf { first, count };
        return at as u32;
    }
    let feature = random.below(3);
    let missing_yes = random.below(2) == 0;
    let value = |random: &mut Random| match random.below(8) {
        0 => random.pick(&EDGES),
        _ => random.below(levels) as f32,
    };
    if random.below(3) == 0 {
        let yes = grow(random, forest, nodes, depth - 1, levels);
        let mut link = at;
        for _ in 0..random.below(4) {
            let next = nodes.len();
            nodes.push(RawNode::Leaf { first: 0, count: 0 });
            let value = value(random);
            nodes[link] =
                RawNode::Branch { feature, mode: Mode::Eq, value, missing_yes, yes, no: next as u32 };
            link = next;
        }
        let value = value(random);
        let no = grow(random, forest, nodes, depth - 1, levels);
        nodes[link] = RawNode::Branch { feature, mode: Mode::Eq, value, missing_yes, yes, no };
        return at as u32;
    }
    let (mode, value) = (random.pick(&MODES), value(random));
    let yes = grow(random, forest, nodes, depth - 1, levels);
    let no = grow(random, forest, nodes, depth - 1, levels);
    nodes[at] = RawNode::Branch { feature, mode, value, missing_yes, yes, no };
    at as u32
}

fn random_forest(seed: u64, trees: usize, targets: usize, levels: u32) -> RawForest {
    let mut random = Random(seed);
    let aggregate = random.pick(&[Aggregate::Sum, Aggregate::Sum, Aggregate::Min, Aggregate::Max]);
    let mut forest = RawForest { trees: Vec::new(), weights: Vec::new(), targets, features: 3, aggregate };
    for _ in 0..trees {
        let mut nodes = Vec::new();
        let root = grow(&mut random, &mut forest, &mut nodes, 7, levels);
        forest.trees.push(RawTree { nodes, root });
    }
    forest
}

/// What the format says, node by node. Trees are taken in the order the compiled forest adds them up.
fn plain(forest: &RawForest, order: &[usize], row: &[f32]) -> Vec<f64> {
    let mut sums = vec![f64::NAN; forest.targets];
    for &tree in order {
        let tree = &forest.trees[tree];
        let mut at = tree.root;
        while let RawNode::Branch { feature, mode, value, missing_yes, yes, no } = tree.nodes[at as usize] {
            let x = row[feature as usize];
            let hit = match mode {
                Mode::Leq => x <= value,
                Mode::Lt => x < value,
                Mode::Gte => x >= value,
                Mode::Gt => x > value,
                Mode::Eq => x == value,
                Mode::Neq => x != value,
            };
            at = if hit || (missing_yes && x.is_nan()) { yes } else { no };
        }
        let RawNode::Leaf { first, count } = tree.nodes[at as usize] else { continue };
        for &(target, weight) in &forest.weights[first as usize..(first + count) as usize] {
            let (sum, weight) = (&mut sums[target as usize], f64::from(weight));
            *sum = match forest.aggregate {
                _ if sum.is_nan() => weight,
                Aggregate::Sum => *sum + weight,
                Aggregate::Min => sum.min(weight),
                Aggregate::Max => sum.max(weight),
            };
        }
    }
    sums
}

fn rows(seed: u64, count: usize, levels: u32) -> Vec<f32> {
    let mut random = Random(seed);
    let cell = |random: &mut Random| match random.below(6) {
        0 => random.pick(&EDGES),
        1 => random.below(levels) as f32 + 0.5,
        _ => random.below(levels) as f32,
    };
    (0..count * 3).map(|_| cell(&mut random)).collect()
}

fn sums(forest: &Forest, data: &[f32], count: usize) -> Vec<f64> {
    let mut words = vec![0; forest.scratch_words()];
    let mut out = Vec::new();
    for block in data[..count * 3].chunks(3 * BLOCK) {
        let count = block.len() / 3;
        let mut sums = vec![0.0; forest.targets() * BLOCK];
        forest.sum(Rows { data: block, offset: 0, stride: 3, count }, &mut words, &mut sums);
        out.extend_from_slice(&sums[..count * forest.targets()]);
    }
    out
}

fn same(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a.is_nan() && b.is_nan()) || (a - b).abs() < 1e-9)
}

fn walk(forest: &Forest) -> &Walk {
    let Engine::Walk(walk) = &forest.engine else { panic!("tables") };
    walk
}

fn forest(folded: &FoldedForest, engine: Engine) -> Forest {
    Forest { engine, machine: pulp::Arch::new(), targets: folded.targets, features: folded.features }
}

/// The forest made to walk.
fn walked(folded: &FoldedForest) -> Forest {
    forest(folded, Engine::Walk(lay_out(folded).unwrap()))
}

/// The forest made of tables, where it can be.
fn tabled(folded: &FoldedForest) -> Option<Forest> {
    let masks = masks::make(folded, &layout::single_target(folded)?, f64::INFINITY)?;
    Some(forest(folded, Engine::Masks(masks)))
}

/// Compares both kinds of compiled forest with the plain walk; gives the one that walks.
fn compare(raw: &RawForest, seed: u64, levels: u32) -> Forest {
    let folded = fold(raw.clone());
    if let Some(tables) = tabled(&folded) {
        compare_one(&tables, raw, seed, levels);
    }
    let forest = walked(&folded);
    compare_one(&forest, raw, seed, levels);
    forest
}

fn compare_one(forest: &Forest, raw: &RawForest, seed: u64, levels: u32) {
    let order: Vec<usize> = (0..raw.trees.len()).collect();
    let data = rows(seed, 150, levels);
    for count in [1, 3, 4, 5, 17, 64, 65, 150] {
        let expected: Vec<f64> = data[..count * 3].chunks(3).flat_map(|r| plain(raw, &order, r)).collect();
        let got = sums(forest, &data, count);
        assert!(same(&got, &expected), "seed {seed}, {count} rows: {got:?}, expected {expected:?}");
    }
}

#[test]
fn random_forests_agree_with_a_plain_walk() {
    for seed in 0..120 {
        let levels = [6, 6, 60][seed as usize % 3];
        let raw = random_forest(seed, 1 + seed as usize % 30, 1 + seed as usize % 4, levels);
        compare(&raw, seed, levels);
    }
}

#[test]
fn tables_of_every_size_agree_with_a_plain_walk() {
    // Trees of few and of many leaves, over few and many cells, for one target and for several.
    for (seed, (depth, levels, targets)) in
        [(2, 3, 1), (3, 6, 3), (4, 60, 2), (5, 300, 1), (7, 30, 5), (8, 3000, 2)].into_iter().enumerate()
    {
        let mut random = Random(seed as u64);
        let mut forest = RawForest {
            trees: Vec::new(),
            weights: Vec::new(),
            targets: 1,
            features: 3,
            aggregate: Aggregate::Sum,
        };
        for tree in 0..70 {
            let mut nodes = Vec::new();
            let first = forest.weights.len();
            let root = grow(&mut random, &mut forest, &mut nodes, depth, levels);
            forest.weights[first..].iter_mut().for_each(|w| w.0 = tree % targets);
            forest.trees.push(RawTree { nodes, root });
        }
        // One target more than any leaf mentions.
        forest.targets = targets as usize + 1;
        let tables = tabled(&fold(forest.clone())).unwrap();
        compare_one(&tables, &forest, seed as u64, levels);
        alone_and_together(&tables);
    }
}

#[test]
fn a_row_alone_and_among_others_gives_the_same_bits() {
    let raw = RawForest { aggregate: Aggregate::Sum, ..random_forest(3, 40, 1, 6) };
    let folded = fold(raw);
    [walked(&folded), tabled(&folded).unwrap()].iter().for_each(alone_and_together);
}

fn alone_and_together(forest: &Forest) {
    let data = rows(5, 100, 6);
    let together = sums(forest, &data, 100);
    let alone: Vec<f64> = data.chunks(3).flat_map(|r| sums(forest, r, 1)).collect();
    assert_eq!(
        together.iter().map(|s| s.to_bits()).collect::<Vec<_>>(),
        alone.iter().map(|s| s.to_bits()).collect::<Vec<_>>()
    );
}

#[test]
fn chains_become_one_node() {
    let raw = chain_tree(5);
    let forest = compare(&raw, 1, 6);
    let walked = walk(&forest);
    assert_eq!(walked.sets, Sets::Inline);
    let Nodes::Compact(nodes) = &walked.nodes else { panic!("wide") };
    assert_eq!((nodes.len(), walked.trees[0].depth), (3, 1));
    // 40 values and the two other codes need two words.
    let raw = chain_tree(40);
    let forest = compare(&raw, 2, 60);
    assert_eq!((walk(&forest).sets, walk(&forest).pool.len()), (Sets::Pooled, 3));
}

/// One chain of equalities: values 0, 1, … hit leaf 1.
fn chain_tree(values: u32) -> RawForest {
    let mut nodes: Vec<RawNode> = (0..values)
        .map(|i| RawNode::Branch {
            feature: 1,
            mode: Mode::Eq,
            value: i as f32,
            missing_yes: true,
            yes: values,
            no: if i + 1 == values { values + 1 } else { i + 1 },
        })
        .collect();
    nodes.extend([RawNode::Leaf { first: 0, count: 1 }, RawNode::Leaf { first: 1, count: 1 }]);
    let trees = vec![RawTree { nodes, root: 0 }];
    RawForest { trees, weights: vec![(0, 1.0), (0, 2.0)], targets: 1, features: 3, aggregate: Aggregate::Sum }
}

#[test]
fn shared_children_do_not_explode() {
    // Each of 60 nodes sends both ways to the next: 2^60 paths, 61 nodes.
    let mut nodes: Vec<RawNode> = (0..60)
        .map(|i| RawNode::Branch {
            feature: i % 3,
            mode: Mode::Lt,
            value: i as f32,
            missing_yes: i % 2 == 0,
            yes: i + 1,
            no: i + 1,
        })
        .collect();
    nodes.push(RawNode::Leaf { first: 0, count: 1 });
    let trees = vec![RawTree { nodes, root: 0 }];
    let raw =
        RawForest { trees, weights: vec![(0, 1.5)], targets: 1, features: 3, aggregate: Aggregate::Sum };
    assert!(matches!(walk(&compare(&raw, 9, 6)).nodes, Nodes::Wide(_)));
}

#[test]
fn a_tree_beyond_the_compact_form_works() {
    // A right-leaning tree of 70,001 nodes would be too deep; a balanced one of 2^17 - 1 is not.
    let depth = 16;
    let inner = (1_u32 << depth) - 1;
    let mut nodes: Vec<RawNode> = (0..inner)
        .map(|i| {
            let (feature, value) = (i % 3, (i % 7) as f32);
            RawNode::Branch {
                feature,
                mode: Mode::Lt,
                value,
                missing_yes: false,
                yes: 2 * i + 1,
                no: 2 * i + 2,
            }
        })
        .collect();
    let leaves = 1_u32 << depth;
    nodes.extend((0..leaves).map(|first| RawNode::Leaf { first, count: 1 }));
    let weights = (0..leaves).map(|i| (0, i as f32)).collect();
    let trees = vec![RawTree { nodes, root: 0 }];
    let raw = RawForest { trees, weights, targets: 1, features: 3, aggregate: Aggregate::Sum };
    assert!(matches!(walk(&compare(&raw, 4, 8)).nodes, Nodes::Wide(_)));
}
