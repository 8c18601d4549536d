//! Contributions against the definition of Shapley values, worked out by trying every set of columns.

use super::*;
use crate::{Attr, Domain, ElementType, GraphBuilder, Model};

/// Numbers in no order.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() * n as f64) as usize
    }
}

/// A tree with covers: branch (column, threshold or value, mode, missing to yes, yes, no), or a leaf.
#[derive(Clone)]
enum Plant {
    Leaf(f32),
    Branch(usize, f32, &'static str, bool, usize, usize),
}

#[derive(Clone, Default)]
struct Grown {
    nodes: Vec<Plant>,
    covers: Vec<f32>,
}

impl Grown {
    fn grow(&mut self, dice: &mut Dice, columns: usize, depth: usize, cover: f32) -> usize {
        let at = self.nodes.len();
        self.nodes.push(Plant::Leaf(dice.next() as f32 - 0.4));
        self.covers.push(cover);
        if depth == 0 || dice.next() < 0.15 || cover < 4.0 {
            return at;
        }
        let mode =
            ["BRANCH_LT", "BRANCH_LEQ", "BRANCH_GT", "BRANCH_GTE", "BRANCH_EQ", "BRANCH_NEQ"][dice.below(6)];
        let (column, value, missing) = (dice.below(columns), dice.below(4) as f32, dice.next() < 0.5);
        let part = (cover * (0.1 + 0.8 * dice.next() as f32)).round().clamp(1.0, cover - 1.0);
        let yes = self.grow(dice, columns, depth - 1, part);
        let no = self.grow(dice, columns, depth - 1, cover - part);
        self.nodes[at] = Plant::Branch(column, value, mode, missing, yes, no);
        at
    }

    /// The expectation when only the columns of `set` are known.
    fn expect(&self, at: usize, row: &[f32], set: u32) -> f64 {
        match self.nodes[at] {
            Plant::Leaf(value) => f64::from(value),
            Plant::Branch(column, value, mode, missing, yes, no) => {
                if set >> column & 1 == 1 {
                    let x = row[column];
                    let holds = match mode {
                        "BRANCH_LT" => x < value,
                        "BRANCH_LEQ" => x <= value,
                        "BRANCH_GT" => x > value,
                        "BRANCH_GTE" => x >= value,
                        "BRANCH_EQ" => x == value,
                        _ => x != value,
                    } || (x.is_nan() && missing);
                    return self.expect(if holds { yes } else { no }, row, set);
                }
                let [a, b] = [yes, no].map(|n| f64::from(self.covers[n]));
                (a * self.expect(yes, row, set) + b * self.expect(no, row, set)) / (a + b)
            }
        }
    }
}

/// Σ over sets S without i of |S|!(n − |S| − 1)!/n! · (v(S ∪ i) − v(S)).
fn shapley(trees: &[Grown], row: &[f32]) -> (f64, Vec<f64>) {
    let n = row.len() as u32;
    let value = |set: u32| trees.iter().map(|t| t.expect(0, row, set)).sum::<f64>();
    let values: Vec<f64> = (0..1 << n).map(value).collect();
    let factorial = |k: u32| (1..=k).map(f64::from).product::<f64>();
    let part = |i: u32| {
        let sets = (0..1u32 << n).filter(|s| s >> i & 1 == 0);
        sets.map(|s| {
            let k = s.count_ones();
            factorial(k) * factorial(n - k - 1) / factorial(n)
                * (values[(s | 1 << i) as usize] - values[s as usize])
        })
        .sum()
    };
    (values[0], (0..n).map(part).collect())
}

/// Adds the trees as a regressor; its answers are `[N, 1]`.
fn add(graph: &mut GraphBuilder, input: &str, trees: &[Grown], covers: bool) -> String {
    let mut ints: [Vec<i64>; 9] = Default::default();
    let (mut modes, mut values, mut rates, mut weights) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (tree, grown) in trees.iter().enumerate() {
        for (at, node) in grown.nodes.iter().enumerate() {
            let mut put = |mode: &str, value: f32, cells: [i64; 4]| {
                ints[0].push(tree as i64);
                ints[1].push(at as i64);
                (0..4).for_each(|i| ints[2 + i].push(cells[i]));
                modes.push(mode.to_owned());
                values.push(value);
            };
            match *node {
                Plant::Leaf(value) => {
                    put("LEAF", 0.0, [0; 4]);
                    weights.push(value);
                    ints[6].push(tree as i64);
                    ints[7].push(at as i64);
                    ints[8].push(0);
                }
                Plant::Branch(column, value, mode, missing, yes, no) => {
                    put(mode, value, [column as i64, yes as i64, no as i64, i64::from(missing)]);
                }
            }
            rates.push(grown.covers[at]);
        }
    }
    let [trees, ids, columns, yes, no, missing, leaf_trees, leaf_ids, targets] = ints;
    let mut attrs = vec![
        ("n_targets", Attr::Int(1)),
        ("nodes_falsenodeids", Attr::Ints(no)),
        ("nodes_featureids", Attr::Ints(columns)),
        ("nodes_missing_value_tracks_true", Attr::Ints(missing)),
        ("nodes_modes", Attr::Texts(modes)),
        ("nodes_nodeids", Attr::Ints(ids)),
        ("nodes_treeids", Attr::Ints(trees)),
        ("nodes_truenodeids", Attr::Ints(yes)),
        ("nodes_values", Attr::Floats(values)),
        ("target_ids", Attr::Ints(targets)),
        ("target_nodeids", Attr::Ints(leaf_ids)),
        ("target_treeids", Attr::Ints(leaf_trees)),
        ("target_weights", Attr::Floats(weights)),
    ];
    if covers {
        attrs.push(("nodes_hitrates", Attr::Floats(rates)));
    }
    let out = graph.fresh("trees");
    graph.node(Domain::Ml, "TreeEnsembleRegressor", &[input], &[&out], attrs);
    out
}

fn forest(dice: &mut Dice, columns: usize, depth: usize, trees: usize) -> Vec<Grown> {
    let one = |_| {
        let mut grown = Grown::default();
        grown.grow(dice, columns, depth, 500.0);
        grown
    };
    (0..trees).map(one).collect()
}

fn batch(model: &Model, rows: &[Vec<f32>]) -> Batch {
    let mut batch = model.batch();
    for row in rows {
        batch.push_row();
        for (at, &x) in row.iter().enumerate() {
            let slots = model.slots();
            let slot = slots.iter().position(|s| (s.offset..s.offset + s.width).contains(&at)).unwrap();
            batch.set_number(slot, at - slots[slot].offset, x);
        }
    }
    model.predict(&mut batch).unwrap();
    batch
}

fn rows(dice: &mut Dice, columns: usize, count: usize) -> Vec<Vec<f32>> {
    let cell = |dice: &mut Dice| {
        if dice.next() < 0.1 { f32::NAN } else { dice.below(5) as f32 - 0.5 * dice.below(2) as f32 }
    };
    (0..count).map(|_| (0..columns).map(|_| cell(dice)).collect()).collect()
}

#[test]
fn trees_get_their_shapley_values() {
    let mut dice = Dice(7);
    for (columns, depth, count) in [(3, 2, 1), (4, 5, 3), (6, 9, 4), (9, 12, 3)] {
        let trees = forest(&mut dice, columns, depth, count);
        let mut graph = GraphBuilder::new("trees");
        graph.input("x", ElementType::Float, columns as i64);
        let out = add(&mut graph, "x", &trees, true);
        graph.output("y", ElementType::Float, &[-1, 1]);
        graph.node(Domain::Onnx, "Identity", &[&out], &["y"], vec![]);
        let bytes = graph.finish().unwrap();
        let model = Model::from_bytes(&bytes).unwrap();
        let explainer = Explainer::new(&model, &bytes).unwrap();
        let rows = rows(&mut dice, columns, 20);
        let batch = batch(&model, &rows);
        for (at, row) in rows.iter().enumerate() {
            let got = explainer.explain(&batch, at).unwrap();
            let (base, parts) = shapley(&trees, row);
            assert!(got.exact && (got.base - base).abs() < 1e-12, "{} {base}", got.base);
            for (got, part) in got.contributions.iter().zip(&parts) {
                assert!((got - part).abs() < 1e-12, "depth {depth}: {got} {part}");
            }
            let sum = got.base + got.contributions.iter().sum::<f64>();
            assert!((sum - f64::from(batch.value(at))).abs() < 1e-6);
        }
    }
}

/// Two tree ensembles and a linear model behind curves, blended; the linear one reads a looked-up category too.
fn blended() -> Vec<u8> {
    let mut dice = Dice(11);
    let mut graph = GraphBuilder::new("blend");
    ["a", "b", "c"].iter().for_each(|name| graph.input(name, ElementType::Float, 1));
    graph.input("t", ElementType::String, 1);
    let side = vec![("axis", Attr::Int(1))];
    graph.node(Domain::Onnx, "Concat", &["a", "b", "c"], &["abc"], side.clone());
    let parts: Vec<String> = (0..2)
        .map(|i| {
            let out = add(&mut graph, "abc", &forest(&mut dice, 3, 4, 5), true);
            let name = format!("p{i}");
            graph.node(Domain::Onnx, "Sigmoid", &[&out], &[&name], vec![]);
            name
        })
        .collect();
    let fill = vec![
        ("imputed_value_floats", Attr::Floats(vec![1.0, 1.0, 2.0])),
        ("replaced_value_float", Attr::Float(f32::NAN)),
    ];
    graph.node(Domain::Ml, "Imputer", &["abc"], &["full"], fill);
    let levels = vec![
        ("keys_strings", Attr::Texts(vec!["u".into(), "v".into()])),
        ("values_floats", Attr::Floats(vec![0.5, -1.5])),
        ("default_float", Attr::Float(0.25)),
    ];
    graph.node(Domain::Ml, "LabelEncoder", &["t"], &["code"], levels);
    graph.node(Domain::Onnx, "Concat", &["full", "code"], &["wide"], side);
    let weights = graph.floats("w", &[4, 1], vec![0.3, -0.7, 0.2, 1.0]);
    graph.node(Domain::Onnx, "MatMul", &["wide", &weights], &["margin"], vec![]);
    graph.node(Domain::Onnx, "Sigmoid", &["margin"], &["p2"], vec![]);
    let mut votes = Vec::new();
    for (i, part) in parts.iter().map(String::as_str).chain(["p2"]).enumerate() {
        let weight = graph.floats("vote", &[1], vec![[0.5, 0.2, 0.3][i]]);
        votes.push(format!("v{i}"));
        graph.node(Domain::Onnx, "Mul", &[part, &weight], &[&votes[i]], vec![]);
    }
    let votes: Vec<&str> = votes.iter().map(String::as_str).collect();
    graph.node(Domain::Onnx, "Sum", &votes, &["p"], vec![]);
    let one = graph.floats("one", &[1], vec![1.0]);
    graph.node(Domain::Onnx, "Sub", &[&one, "p"], &["q"], vec![]);
    graph.output("label", ElementType::String, &[-1]);
    graph.output("probabilities", ElementType::Float, &[-1, 2]);
    graph.node(Domain::Onnx, "Concat", &["q", "p"], &["probabilities"], vec![("axis", Attr::Int(1))]);
    let arg = vec![("axis", Attr::Int(1)), ("keepdims", Attr::Int(0))];
    graph.node(Domain::Onnx, "ArgMax", &["probabilities"], &["at"], arg);
    let labels = graph.strings("labels", &[2], vec!["no".into(), "yes".into()]);
    graph.node(Domain::Onnx, "Gather", &[&labels, "at"], &["label"], vec![("axis", Attr::Int(0))]);
    graph.finish().unwrap()
}

/// Rows of the blend's columns.
fn filled(model: &Model, count: usize) -> Batch {
    let mut batch = model.batch();
    let mut dice = Dice(3);
    for row in 0..count {
        batch.push_row();
        (0..3).for_each(|slot| batch.set_number(slot, 0, dice.below(6) as f32));
        batch.set_text(model, 3, 0, ["u", "v", "w", ""][row % 4]);
    }
    model.predict(&mut batch).unwrap();
    batch
}

#[test]
fn blends_add_up_to_the_probability_of_the_answer() {
    let bytes = blended();
    let model = Model::from_bytes(&bytes).unwrap();
    let bytes = with_means(&bytes, &model, &filled(&model, 60)).unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    let batch = filled(&model, 40);
    assert_eq!(
        with_means(&bytes, &model, &filled(&model, 60)).unwrap(),
        bytes,
        "means do not change when taken again"
    );
    let explainer = Explainer::new(&model, &bytes).unwrap();
    for row in 0..40 {
        let got = explainer.explain(&batch, row).unwrap();
        assert!(!got.exact && got.class == batch.class(row));
        let sum = got.base + got.contributions.iter().sum::<f64>();
        let answer = f64::from(batch.probabilities(row)[got.class]);
        assert!((sum - answer).abs() < 1e-6, "{sum} {answer}");
    }
}

#[test]
fn linear_operators_give_coefficient_times_distance_from_the_mean() {
    let mut graph = GraphBuilder::new("linear");
    graph.input("x", ElementType::Float, 2);
    graph.output("y", ElementType::Float, &[-1, 1]);
    let attrs = vec![
        ("coefficients", Attr::Floats(vec![2.0, -3.0])),
        ("intercepts", Attr::Floats(vec![0.5])),
        ("targets", Attr::Int(1)),
    ];
    graph.node(Domain::Ml, "LinearRegressor", &["x"], &["y"], attrs);
    let bytes = graph.finish().unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    let sample = batch(&model, &[vec![1.0, 0.0], vec![3.0, 1.0]]);
    // Without means: beside a row of zeros.
    let got = Explainer::new(&model, &bytes).unwrap().explain(&batch(&model, &[vec![5.0, 2.0]]), 0).unwrap();
    assert_eq!(got, Explanation { class: 0, base: 0.5, contributions: vec![10.0, -6.0], exact: false });
    let bytes = with_means(&bytes, &model, &sample).unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    let explainer = Explainer::new(&model, &bytes).unwrap();
    let got = explainer.explain(&batch(&model, &[vec![5.0, 2.0]]), 0).unwrap();
    assert_eq!(got, Explanation { class: 0, base: 3.0, contributions: vec![6.0, -4.5], exact: true });
}

#[test]
fn a_mean_is_taken_once_however_many_nodes_read_it() {
    let mut graph = GraphBuilder::new("twice");
    graph.input("x", ElementType::Float, 1);
    graph.output("y", ElementType::Float, &[-1, 1]);
    for name in ["a", "b"] {
        let attrs = vec![("coefficients", Attr::Floats(vec![2.0])), ("targets", Attr::Int(1))];
        graph.node(Domain::Ml, "LinearRegressor", &["x"], &[name], attrs);
    }
    graph.node(Domain::Onnx, "Add", &["a", "b"], &["y"], vec![]);
    let bytes = graph.finish().unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    let bytes = with_means(&bytes, &model, &batch(&model, &[vec![1.0], vec![3.0]])).unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    let got = Explainer::new(&model, &bytes).unwrap().explain(&batch(&model, &[vec![5.0]]), 0).unwrap();
    assert_eq!(got, Explanation { class: 0, base: 8.0, contributions: vec![12.0], exact: true });
}

#[test]
fn several_classes_go_through_softmax() {
    let mut dice = Dice(5);
    let mut graph = GraphBuilder::new("classes");
    graph.input("x", ElementType::Float, 4);
    let sums: Vec<String> =
        (0..3).map(|_| add(&mut graph, "x", &forest(&mut dice, 4, 5, 20), true)).collect();
    let sums: Vec<&str> = sums.iter().map(String::as_str).collect();
    graph.node(Domain::Onnx, "Concat", &sums, &["z"], vec![("axis", Attr::Int(1))]);
    graph.output("label", ElementType::Int64, &[-1]);
    graph.output("probabilities", ElementType::Float, &[-1, 3]);
    graph.node(Domain::Onnx, "Softmax", &["z"], &["probabilities"], vec![("axis", Attr::Int(1))]);
    let arg = vec![("axis", Attr::Int(1)), ("keepdims", Attr::Int(0))];
    graph.node(Domain::Onnx, "ArgMax", &["probabilities"], &["label"], arg);
    let bytes = graph.finish().unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    let explainer = Explainer::new(&model, &bytes).unwrap();
    assert!(explainer.work() > 100);
    let rows = rows(&mut dice, 4, 30);
    let batch = batch(&model, &rows);
    for row in 0..30 {
        let got = explainer.explain(&batch, row).unwrap();
        let sum = got.base + got.contributions.iter().sum::<f64>();
        let answer = f64::from(batch.probabilities(row)[got.class]);
        assert!((sum - answer).abs() < 1e-6, "{sum} {answer}");
    }
}

#[test]
fn what_is_no_sum_is_refused_with_its_node() {
    let mut dice = Dice(2);
    let trees = forest(&mut dice, 2, 3, 2);
    let mut graph = GraphBuilder::new("bare");
    graph.input("x", ElementType::Float, 2);
    let out = add(&mut graph, "x", &trees, false);
    graph.output("y", ElementType::Float, &[-1, 1]);
    graph.node(Domain::Onnx, "Identity", &[&out], &["y"], vec![]);
    let bytes = graph.finish().unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    let error = Explainer::new(&model, &bytes).unwrap_err().to_string();
    assert!(error.contains("TreeEnsembleRegressor") && error.contains("nodes_hitrates"), "{error}");
    let mut wrong = trees;
    wrong.iter_mut().for_each(|t| t.covers.iter_mut().for_each(|c| *c = 1.0));
    let mut graph = GraphBuilder::new("ones");
    graph.input("x", ElementType::Float, 2);
    let out = add(&mut graph, "x", &wrong, true);
    graph.output("y", ElementType::Float, &[-1, 1]);
    graph.node(Domain::Onnx, "Identity", &[&out], &["y"], vec![]);
    let bytes = graph.finish().unwrap();
    let error = Explainer::new(&Model::from_bytes(&bytes).unwrap(), &bytes).unwrap_err().to_string();
    assert!(error.contains("no covers"), "{error}");
}

/// A linear model of two classes over `x`, and the name of its scores.
fn two_classes(graph: &mut GraphBuilder) {
    let attrs = vec![
        ("classlabels_ints", Attr::Ints(vec![0, 1])),
        ("coefficients", Attr::Floats(vec![-1.0, 1.0])),
        ("intercepts", Attr::Floats(vec![100.0, -100.0])),
        ("multi_class", Attr::Int(1)),
        ("post_transform", Attr::Text("SOFTMAX".into())),
    ];
    graph.input("x", ElementType::Float, 1);
    graph.node(Domain::Ml, "LinearClassifier", &["x"], &["label", "scores"], attrs);
}

#[test]
fn a_softmax_that_rises_far_adds_up_or_is_refused() {
    let mut graph = GraphBuilder::new("far");
    two_classes(&mut graph);
    graph.output("label", ElementType::Int64, &[-1]);
    graph.output("scores", ElementType::Float, &[-1, 2]);
    let bytes = graph.finish().unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    let explainer = Explainer::new(&model, &bytes).unwrap();
    let rows = [101.0, 20_000.0, 45_000.0, 1e9].map(|x: f32| vec![x]);
    let scored = batch(&model, &rows);
    for (row, x) in rows[..3].iter().enumerate() {
        let got = explainer.explain(&scored, row).unwrap();
        let (sum, answer) = (got.base + got.contributions[0], f64::from(scored.probabilities(row)[1]));
        assert!(got.class == 1 && (sum - answer).abs() < 1e-6, "{x:?}: {sum} {answer}");
    }
    let refused = explainer.explain(&scored, 3).unwrap_err().to_string();
    assert!(refused.contains("the model answers 1"), "{refused}");
}

#[test]
fn what_does_not_add_up_to_the_answer_is_refused() {
    let mut graph = GraphBuilder::new("label");
    two_classes(&mut graph);
    graph.output("y", ElementType::Float, &[-1]);
    graph.node(Domain::Onnx, "Cast", &["label"], &["y"], vec![("to", Attr::Int(1))]);
    let bytes = graph.finish().unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    let explainer = Explainer::new(&model, &bytes).unwrap();
    let refused = explainer.explain(&batch(&model, &[vec![101.0]]), 0).unwrap_err().to_string();
    assert!(refused.contains("the model answers 1"), "{refused}");
}

#[test]
fn whole_numbers_that_are_none_are_refused() {
    let mut graph = GraphBuilder::new("whole");
    graph.input("n", ElementType::Int64, 1);
    graph.input("b", ElementType::Bool, 1);
    graph.output("y", ElementType::Float, &[-1, 1]);
    for (from, to) in [("n", "x"), ("b", "z")] {
        graph.node(Domain::Onnx, "Cast", &[from], &[to], vec![("to", Attr::Int(1))]);
    }
    graph.node(Domain::Onnx, "Concat", &["x", "z"], &["both"], vec![("axis", Attr::Int(1))]);
    let attrs = vec![("coefficients", Attr::Floats(vec![1.0, 1.0])), ("targets", Attr::Int(1))];
    graph.node(Domain::Ml, "LinearRegressor", &["both"], &["y"], attrs);
    let bytes = graph.finish().unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    let explainer = Explainer::new(&model, &bytes).unwrap();
    let mut batch = model.batch();
    for (n, b) in [(4.0, 1.0), (4.5, 1.0), (f32::NAN, 1.0), (4.0, f32::NAN)] {
        batch.push_row();
        batch.set_number(0, 0, n);
        batch.set_number(1, 0, b);
    }
    model.predict(&mut batch).unwrap();
    let first = explainer.explain(&batch, 0).unwrap();
    assert_eq!((first.base + first.contributions.iter().sum::<f64>()) as f32, 5.0);
    let told = [1, 2, 3].map(|row| explainer.explain(&batch, row).unwrap_err().to_string());
    assert!(told[0].contains("input n holds 4.5"), "{}", told[0]);
    assert!(told[1].contains("input n holds no value") && told[2].contains("input b holds no value"));
}
