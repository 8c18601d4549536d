//! Files that ask for much work or room, each of which took minutes or gigabytes once.

use super::*;
use crate::Data::{Float, Uint8};

/// Why a model was told to be too much work.
const TOO_MUCH: &str = "takes more work than is done when a model is loaded";

/// A graph from `x`, `[N, width]`, to `y`.
fn graph(width: i64, nodes: impl FnOnce(&mut GraphBuilder)) -> Vec<u8> {
    let mut graph = GraphBuilder::new("work");
    graph.input("x", ElementType::Float, width);
    graph.output("y", ElementType::Float, &[-1, 1]);
    nodes(&mut graph);
    graph.finish().unwrap()
}

/// Lets `y` be the first column of a value.
fn answer(graph: &mut GraphBuilder, value: &str) {
    let first = graph.ints("first", &[1], vec![0]);
    graph.node(Domain::Onnx, "Gather", &[value, &first], &["y"], vec![("axis", Attr::Int(1))]);
}

/// A constant of zeros.
fn zeros(graph: &mut GraphBuilder, dims: &[i64]) -> String {
    let shape = graph.ints("shape", &[dims.len() as i64], dims.to_vec());
    let zeros = graph.fresh("zeros");
    graph.node(Domain::Onnx, "ConstantOfShape", &[&shape], &[&zeros], vec![]);
    zeros
}

fn whole(graph: &mut GraphBuilder, end: i64) -> String {
    let bounds = [0, end, 1].map(|bound| graph.ints("bound", &[], vec![bound]));
    let range = graph.fresh("range");
    graph.node(Domain::Onnx, "Range", &bounds.each_ref().map(String::as_str), &[&range], vec![]);
    range
}

#[test]
fn machines_over_many_constant_rows() {
    let vectors = 20_000;
    let bytes = graph(2, |graph| {
        answer(graph, "x");
        let rows = zeros(graph, &[1 << 20, 1]);
        let attributes = vec![
            ("kernel_type", Attr::Text("RBF".to_owned())),
            ("kernel_params", Attr::Floats(vec![1.0, 0.0, 0.0])),
            ("n_supports", Attr::Int(vectors)),
            ("support_vectors", Attr::Floats(vec![1.0; vectors as usize])),
            ("coefficients", Attr::Floats(vec![1.0; vectors as usize])),
            ("rho", Attr::Floats(vec![0.0])),
        ];
        graph.node(Domain::Ml, "SVMRegressor", &[&rows], &["z"], attributes);
    });
    refused("SVMRegressor", &bytes, TOO_MUCH);
    refused("SVMRegressor", &bytes, "(ai.onnx.ml.SVMRegressor) can't be run");
}

/// Trees of one column with `depth` branches each, all on the way of a value below a half.
fn chains(trees: i64, depth: i64) -> Attributes {
    let nodes = 2 * depth + 1;
    let each = |f: &dyn Fn(i64, i64) -> i64| -> Attr {
        Attr::Ints((0..trees).flat_map(|tree| (0..nodes).map(move |node| f(tree, node))).collect())
    };
    let branch = |node: i64, to: i64| if node < depth { to } else { 0 };
    let leaves = |f: &dyn Fn(i64, i64) -> i64| -> Attr {
        Attr::Ints((0..trees).flat_map(|tree| (depth..nodes).map(move |node| f(tree, node))).collect())
    };
    let count = (trees * nodes) as usize;
    let modes = (0..count as i64).map(|at| if at % nodes < depth { "BRANCH_LT" } else { "LEAF" }.to_owned());
    vec![
        ("nodes_treeids", each(&|tree, _| tree)),
        ("nodes_nodeids", each(&|_, node| node)),
        ("nodes_featureids", each(&|_, _| 0)),
        ("nodes_values", Attr::Floats(vec![0.5; count])),
        ("nodes_modes", Attr::Texts(modes.collect())),
        ("nodes_truenodeids", each(&|_, node| branch(node, node + 1))),
        ("nodes_falsenodeids", each(&|_, node| branch(node, depth + node + 1))),
        ("target_treeids", leaves(&|tree, _| tree)),
        ("target_nodeids", leaves(&|_, node| node)),
        ("target_ids", leaves(&|_, _| 0)),
        ("target_weights", Attr::Floats(vec![1.0; (trees * (depth + 1)) as usize])),
    ]
}

#[test]
fn deep_trees_over_many_constant_rows() {
    let bytes = graph(2, |graph| {
        answer(graph, "x");
        let rows = zeros(graph, &[1 << 20, 1]);
        graph.node(Domain::Ml, "TreeEnsembleRegressor", &[&rows], &["z"], chains(8, 5000));
    });
    refused("TreeEnsembleRegressor", &bytes, TOO_MUCH);
    refused("TreeEnsembleRegressor", &bytes, "(ai.onnx.ml.TreeEnsembleRegressor) can't be run");
    // A few rows are no work.
    let bytes = graph(2, |graph| {
        answer(graph, "x");
        let rows = zeros(graph, &[100, 1]);
        graph.node(Domain::Ml, "TreeEnsembleRegressor", &[&rows], &["z"], chains(1, 100));
    });
    assert_eq!(load("few rows", &bytes), "");
}

#[test]
fn constant_words_with_every_distance_between_them() {
    let bytes = graph(2, |graph| {
        answer(graph, "x");
        let words = whole(graph, 10_000);
        let attributes = vec![
            ("mode", Attr::Text("TF".to_owned())),
            ("min_gram_length", Attr::Int(1)),
            ("max_gram_length", Attr::Int(2)),
            ("max_skip_count", Attr::Int(10_000)),
            ("ngram_counts", Attr::Ints(vec![0, 1])),
            ("ngram_indexes", Attr::Ints(vec![0, 1])),
            ("pool_int64s", Attr::Ints(vec![1, 2, 3])),
        ];
        graph.node(Domain::Onnx, "TfIdfVectorizer", &[&words], &["z"], attributes);
    });
    refused("TfIdfVectorizer", &bytes, TOO_MUCH);
    refused("TfIdfVectorizer", &bytes, "(TfIdfVectorizer) can't be run");
}

#[test]
fn many_views_of_a_wide_row() {
    let wide = 1 << 18;
    let slices = graph(wide, |graph| {
        let [from, to, axis] = [0, wide, 1].map(|at| graph.ints("at", &[1], vec![at]));
        for at in 0..5000 {
            let out = format!("s{at}");
            graph.node(Domain::Onnx, "Slice", &["x", &from, &to, &axis], &[&out], vec![]);
        }
        answer(graph, "x");
    });
    refused("slices", &slices, TOO_MUCH);
    refused("slices", &slices, "(Slice) can't be run");
    let sums = graph(wide, |graph| {
        let axis = graph.ints("axis", &[1], vec![1]);
        for at in 0..1000 {
            graph.node(Domain::Onnx, "ReduceSum", &["x", &axis], &[&format!("s{at}")], vec![]);
        }
        answer(graph, "x");
    });
    refused("sums", &sums, TOO_MUCH);
    // What is picked counts, not what it is picked from.
    let picks = graph(wide, |graph| {
        let ends = graph.ints("ends", &[2], vec![0, wide - 1]);
        for at in 0..5000 {
            let out = format!("p{at}");
            graph.node(Domain::Onnx, "Gather", &["x", &ends], &[&out], vec![("axis", Attr::Int(1))]);
        }
        answer(graph, "x");
    });
    assert_eq!(load("picks", &picks), "");
}

#[test]
fn parts_of_parts_without_end() {
    let bytes = graph(2, |graph| {
        let [from, to, axis] = [0, 1, 1].map(|at| graph.ints("at", &[1], vec![at]));
        let mut last = "x".to_owned();
        for at in 0..20_000 {
            let next = format!("s{at}");
            graph.node(Domain::Onnx, "Slice", &[&last, &from, &to, &axis], &[&next], vec![]);
            last = next;
        }
        answer(graph, &last);
    });
    assert_eq!(load("parts", &bytes), "");
}

#[test]
fn many_constant_texts_beside_one_of_a_row() {
    let mut graph = GraphBuilder::new("work");
    graph.input("text", ElementType::String, 1);
    graph.input("choice", ElementType::Bool, 1);
    graph.output("y", ElementType::String, &[-1, -1]);
    let count = 150_000;
    let texts = graph.strings("texts", &[count], (0..count).map(|at| format!("t{at}")).collect());
    graph.node(Domain::Onnx, "Where", &["choice", "text", &texts], &["y"], vec![]);
    refused("Where", &graph.finish().unwrap(), "(Where) can't be run");
}

#[test]
fn many_inputs_of_many_texts() {
    let mut graph = GraphBuilder::new("work");
    let names: Vec<String> = (0..2000).map(|at| format!("x{at}")).collect();
    names.iter().for_each(|name| graph.input(name, ElementType::String, 1));
    graph.output("y", ElementType::Float, &[-1, -1]);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    graph.node(Domain::Onnx, "Concat", &names, &["all"], vec![("axis", Attr::Int(1))]);
    let texts = (0..20_000).map(|at| format!("t{at}")).collect();
    graph.node(Domain::Ml, "OneHotEncoder", &["all"], &["y"], vec![("cats_strings", Attr::Texts(texts))]);
    refused("OneHotEncoder", &graph.finish().unwrap(), "(ai.onnx.ml.OneHotEncoder) can't be run");
}

#[test]
fn many_ensembles_over_a_code_of_many_levels() {
    let bytes = graph(2, |graph| {
        let levels = whole(graph, 1_000_000);
        graph.node(Domain::Onnx, "ArgMax", &["x"], &["index"], vec![("axis", Attr::Int(1))]);
        graph.node(Domain::Onnx, "Gather", &[&levels, "index"], &["code"], vec![]);
        let float = vec![("to", Attr::Int(ElementType::Float.code().into()))];
        graph.node(Domain::Onnx, "Cast", &["code"], &["number"], float);
        for at in 0..100 {
            let out = format!("e{at}");
            let mut trees = chains(32, 1);
            trees[3].1 = Attr::Floats((0..96).map(|node| 500_000.0 + node as f32).collect());
            graph.node(Domain::Ml, "TreeEnsembleRegressor", &["number"], &[&out], trees);
        }
        answer(graph, "e99");
    });
    assert_eq!(load("ensembles", &bytes), "");
}

/// A node whose trees test sets of many values together, and a small one at each of many branches.
fn sets(output: &str) -> NodeProto {
    const WIDE: usize = 12;
    const VALUES: usize = 9000;
    const SMALL: usize = 4500;
    let count = WIDE + SMALL;
    let mut values: Vec<f32> = Vec::new();
    for tree in 0..WIDE {
        values.extend((tree * VALUES..(tree + 1) * VALUES).map(|value| value as f32));
        values.push(f32::NAN);
    }
    (0..SMALL).for_each(|value| values.extend([value as f32, f32::NAN]));
    // The wide ones are trees by themselves, the small ones the branches of another.
    let roots: Vec<i64> = (0..=WIDE as i64).collect();
    let (mut to, mut leaves) = (vec![1; WIDE], vec![1; WIDE]);
    to.extend((WIDE..count).map(|at| if at + 1 < count { at as i64 + 1 } else { 1 }));
    leaves.extend((WIDE..count).map(|at| i64::from(at + 1 == count)));
    NodeProto {
        input: vec!["x".to_owned()],
        output: vec![output.to_owned()],
        op_type: Some("TreeEnsemble".to_owned()),
        domain: Some("ai.onnx.ml".to_owned()),
        attribute: vec![
            ints("tree_roots", &roots),
            ints("nodes_featureids", &vec![0; count]),
            tensor("nodes_modes", Uint8(vec![6; count])),
            tensor("nodes_splits", Float(vec![0.0; count])),
            ints("nodes_truenodeids", &vec![0; count]),
            ints("nodes_trueleafs", &vec![1; count]),
            ints("nodes_falsenodeids", &to),
            ints("nodes_falseleafs", &leaves),
            ints("leaf_targetids", &[0, 0]),
            tensor("leaf_weights", Float(vec![1.0, 2.0])),
            tensor("membership_values", Float(values)),
        ],
        ..NodeProto::default()
    }
}

#[test]
fn sets_of_several_ensembles_together() {
    let with = |outputs: &[&str]| {
        let mut proto = crate::check::tests::good();
        proto.opset_import[1].version = Some(5);
        proto.graph.as_mut().unwrap().node.extend(outputs.iter().map(|output| sets(output)));
        proto.encode_to_vec()
    };
    let one = load("one ensemble", &with(&["a"]));
    assert!(!one.contains("sets of categories"), "{one}");
    refused("two ensembles", &with(&["a", "b"]), "sets of categories of all trees (words)");
}
