//! Files made to harm: each is refused in words that name the node, takes little memory and time, and ends no thread.

mod work;

use std::time::{Duration, Instant};

use super::tests::attribute;
use super::*;
use crate::Model;
use crate::builder::{Attr, GraphBuilder};
use crate::element::{Domain, ElementType};
use prost::Message as _;

/// Most memory that any of these may take while it is read, bytes.
const MOST: u64 = 256 << 20;
/// Longest that reading any of these may take: well under a second by itself, on a machine that does other work too.
const LONGEST: Duration = Duration::from_secs(10);

/// Reads a model; gives why it can't be loaded or can't score rows.
fn load(name: &str, bytes: &[u8]) -> String {
    let mut told = String::new();
    let started = Instant::now();
    let measured = allocation_counter::measure(|| {
        told = match Model::from_bytes(bytes) {
            Ok(model) => model.predictable().err().map_or(String::new(), |e| e.to_string()),
            Err(e) => e.to_string(),
        };
    });
    let took = started.elapsed();
    assert!(measured.bytes_max < MOST, "{name} took {} bytes", measured.bytes_max);
    assert!(took < LONGEST, "{name} took {took:?}");
    told
}

type Attributes = Vec<(&'static str, Attr)>;

/// A graph over `x` (`[N, 2]`) and constants of integers, with one node between them and `y`.
fn one(domain: Domain, op: &str, constants: &[&[i64]], outputs: &[&str], attributes: Attributes) -> Vec<u8> {
    let mut graph = GraphBuilder::new("g");
    graph.input("x", ElementType::Float, 2);
    graph.output(outputs[0], ElementType::Float, &[-1, 2]);
    let mut inputs = if domain == Domain::Ml || constants.is_empty() { vec!["x".to_owned()] } else { vec![] };
    for values in constants {
        let scalar = op == "Range" || op == "OneHot" && inputs.len() == 1;
        let dims = if scalar { vec![] } else { vec![values.len() as i64] };
        inputs.push(graph.ints("c", &dims, values.to_vec()));
    }
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    graph.node(domain, op, &inputs, outputs, attributes);
    let proto = graph.unchecked();
    proto.encode_to_vec()
}

fn refused(name: &str, bytes: &[u8], expected: &str) {
    let told = load(name, bytes);
    assert!(told.contains(expected), "{name}: {told:?} does not say {expected:?}");
}

#[test]
fn results_that_no_memory_could_hold() {
    let far = 1 << 40;
    let cases: [(&str, &[&[i64]]); 7] = [
        ("ConstantOfShape", &[&[1 << 20, 1 << 20]]),
        ("ConstantOfShape", &[&[i64::MAX, i64::MAX, i64::MAX]]),
        ("Expand", &[&[1], &[far, far]]),
        ("Tile", &[&[1, 2], &[far]]),
        ("Range", &[&[0], &[i64::MAX], &[1]]),
        ("Range", &[&[i64::MIN], &[i64::MAX], &[1]]),
        ("OneHot", &[&[1, 2], &[far], &[0, 1]]),
    ];
    for (op, constants) in cases {
        refused(op, &one(Domain::Onnx, op, constants, &["y"], vec![]), &format!("node {op}_1 ({op})"));
    }
    for pads in [[far, far], [i64::MAX, i64::MAX], [i64::MIN, 0]] {
        refused("Pad", &one(Domain::Onnx, "Pad", &[&[1], &pads], &["y"], vec![]), "node Pad_1 (Pad)");
    }
}

#[test]
fn numbers_at_their_ends() {
    for far in [i64::MIN, i64::MAX, -1 << 40] {
        let axis = || vec![("axis", Attr::Int(far))];
        for op in ["ArgMax", "Softmax", "Flatten"] {
            let told = load(op, &one(Domain::Onnx, op, &[], &["y"], axis()));
            assert!(told.contains("axis"), "{op}: {told}");
        }
        let perm = vec![("perm", Attr::Ints(vec![far, 0]))];
        refused("Transpose", &one(Domain::Onnx, "Transpose", &[], &["y"], perm), "node Transpose_1");
        for op in ["Gather", "GatherElements", "Split", "Unsqueeze", "Squeeze", "Reshape", "CumSum", "TopK"] {
            let constants: [&[i64]; 2] = [&[1, 2], &[far]];
            let told = load(
                op,
                &one(Domain::Onnx, op, &constants, &["y", "z"][..if op == "TopK" { 2 } else { 1 }], vec![]),
            );
            assert!(told.contains(&format!("node {op}_1")), "{op}: {told}");
        }
        let constants: [&[i64]; 5] = [&[1, 2], &[far], &[far], &[far], &[far]];
        refused("Slice", &one(Domain::Onnx, "Slice", &constants, &["y"], vec![]), "node Slice_1");
        // Beyond what f32 holds: not compiled, and said so.
        let mut graph = GraphBuilder::new("g");
        graph.input("x", ElementType::Int64, 1);
        graph.output("y", ElementType::Bool, &[-1, 1]);
        let c = graph.ints("c", &[1], vec![far]);
        graph.node(Domain::Onnx, "Equal", &["x", &c], &["y"], vec![]);
        refused("Equal", &graph.finish().unwrap(), "too large");
    }
}

#[test]
fn counts_and_lists_that_lie() {
    let texts = |t: &[&str]| Attr::Texts(t.iter().map(|&t| t.to_owned()).collect());
    let machine = |more: Attributes| -> Attributes {
        let mut all = vec![
            ("coefficients", Attr::Floats(vec![1.0, 2.0])),
            ("rho", Attr::Floats(vec![0.0])),
            ("support_vectors", Attr::Floats(vec![1.0; 4])),
        ];
        all.extend(more);
        all
    };
    let both =
        || vec![("classlabels_ints", Attr::Ints(vec![0, 1])), ("classlabels_strings", texts(&["a", "b"]))];
    let classes = |counts: Vec<i64>| {
        machine(vec![("classlabels_ints", Attr::Ints(vec![0, 1])), ("vectors_per_class", Attr::Ints(counts))])
    };
    let cases: Vec<(&str, &[&str], Attributes, &str)> = vec![
        ("SVMClassifier", &["y", "z"], machine(both()), "both text and integer"),
        ("SVMClassifier", &["y", "z"], classes(vec![-1, 2]), "out of range"),
        ("SVMClassifier", &["y", "z"], classes(vec![i64::MAX, i64::MAX]), "out of range"),
        ("SVMClassifier", &["y", "z"], classes(vec![2]), "vectors_per_class has 1 entries"),
        ("SVMClassifier", &["y", "z"], classes(vec![3, 4]), "coefficients has 2 entries, expected 7"),
        ("SVMRegressor", &["y"], machine(vec![("n_supports", Attr::Int(-5))]), "n_supports is -5"),
        ("SVMRegressor", &["y"], machine(vec![("n_supports", Attr::Int(i64::MAX))]), "expected"),
        ("SVMRegressor", &["y"], machine(vec![("kernel_params", Attr::Floats(vec![1.0]))]), "kernel_params"),
        ("SVMRegressor", &["y"], machine(vec![("kernel_type", Attr::Text("COSINE".to_owned()))]), "COSINE"),
        (
            "LinearRegressor",
            &["y"],
            vec![("coefficients", Attr::Floats(vec![1.0])), ("targets", Attr::Int(-1))],
            "targets",
        ),
        ("FeatureVectorizer", &["y"], vec![("inputdimensions", Attr::Ints(vec![i64::MAX]))], "width"),
        ("FeatureVectorizer", &["y"], vec![("inputdimensions", Attr::Ints(vec![-2]))], "inputdimensions"),
        ("CategoryMapper", &["y"], vec![("cats_strings", texts(&["a"]))], "1 texts and 0 numbers"),
        (
            "OneHotEncoder",
            &["y"],
            vec![("cats_strings", texts(&["a"])), ("cats_int64s", Attr::Ints(vec![1]))],
            "either",
        ),
    ];
    for (op, outputs, attributes, expected) in cases {
        let bytes = one(Domain::Ml, op, &[], outputs, attributes);
        refused(op, &bytes, expected);
        refused(op, &bytes, &format!("node {op}_1 (ai.onnx.ml.{op})"));
    }
    let zip =
        vec![("classlabels_int64s", Attr::Ints(vec![0, 1])), ("classlabels_strings", texts(&["a", "b"]))];
    refused("ZipMap", &one(Domain::Ml, "ZipMap", &[], &["y"], zip), "both text and integer");
}

#[test]
fn attributes_nobody_knows() {
    let with = |op: &str, a: (&'static str, Attr)| one(Domain::Onnx, op, &[], &["y"], vec![a]);
    refused("unknown", &with("Neg", ("beta", Attr::Int(1))), "node Neg_1 (Neg): attribute beta is unknown");
    refused("type", &with("Softmax", ("axis", Attr::Float(1.0))), "attribute axis is FLOAT, expected INT");
    // Of an older version of the operator: the model imports 17.
    refused(
        "moved",
        &with("ReduceSum", ("axes", Attr::Ints(vec![1]))),
        "attribute axes is unknown in operator set 17",
    );
    refused("missing", &one(Domain::Onnx, "Cast", &[], &["y"], vec![]), "attribute to is missing");
    refused("inputs", &one(Domain::Onnx, "Where", &[], &["y"], vec![]), "has 1 inputs, Where 17 takes 3");
    refused("outputs", &one(Domain::Onnx, "Neg", &[], &["y", "z"], vec![]), "has 2 outputs");
    refused(
        "later",
        &one(Domain::Onnx, "Gelu", &[], &["y"], vec![]),
        "is of operator set 20, the model imports 17",
    );
}

/// A graph whose constants, or whose rows, double at each of a hundred nodes.
pub(crate) fn doubling(constant: bool) -> GraphBuilder {
    let mut graph = GraphBuilder::new("doubling");
    graph.input("x", ElementType::Float, 2);
    graph.output("y", ElementType::Float, &[-1, 2]);
    let mut last = if constant { graph.floats("c", &[1, 2], vec![1.0; 2]) } else { "x".to_owned() };
    for _ in 0..100 {
        let next = graph.fresh("n");
        graph.node(Domain::Onnx, "Concat", &[&last, &last], &[&next], vec![("axis", Attr::Int(1))]);
        last = next;
    }
    graph.node(Domain::Onnx, "Add", &["x", &last], &["y"], vec![]);
    graph
}

#[test]
fn graphs_that_grow() {
    for constant in [true, false] {
        refused("doubling", &doubling(constant).finish().unwrap(), "(Concat) can't be run");
    }
}

/// A model's graph with a node more or changed.
fn changed(change: impl FnOnce(&mut GraphProto)) -> Vec<u8> {
    let mut proto = super::tests::good();
    change(proto.graph.as_mut().unwrap());
    proto.encode_to_vec()
}

#[test]
fn cycles_and_nodes_without_end() {
    let node = |from: &str, to: &str| NodeProto {
        input: vec![from.to_owned()],
        output: vec![to.to_owned()],
        name: Some(format!("to {to}")),
        op_type: Some("Neg".to_owned()),
        ..NodeProto::default()
    };
    let circle = changed(|g| g.node.extend([node("b", "a"), node("a", "b")]));
    refused("cycle", &circle, "node to a (Neg): input \"b\" is produced by this or a later node");
    refused("itself", &changed(|g| g.node.push(node("a", "a"))), "node to a (Neg)");
    let many = changed(|g| g.node.extend((0..=limits::NODES).map(|_| NodeProto::default())));
    refused("many nodes", &many, "the limit is");
    let names = changed(|g| g.node[0].input.extend((0..limits::NODE_VALUES).map(|_| String::new())));
    refused("many inputs", &names, "node Add_1 (Add)");
    let twice = attribute("a");
    refused("twice", &changed(|g| g.node[0].attribute.extend([twice.clone(), twice])), "given twice");
}

#[test]
fn deep_and_wide_trees() {
    let nodes = 2 * limits::TREE_DEPTH as i64 + 5;
    let inner = nodes / 2;
    let at = |i: i64, no: i64| if i < inner { no } else { 0 };
    let attributes = vec![
        ("nodes_treeids", Attr::Ints(vec![0; nodes as usize])),
        ("nodes_nodeids", Attr::Ints((0..nodes).collect())),
        ("nodes_featureids", Attr::Ints(vec![0; nodes as usize])),
        ("nodes_values", Attr::Floats(vec![0.5; nodes as usize])),
        (
            "nodes_modes",
            Attr::Texts(
                (0..nodes).map(|i| if i < inner { "BRANCH_LT" } else { "LEAF" }.to_owned()).collect(),
            ),
        ),
        ("nodes_truenodeids", Attr::Ints((0..nodes).map(|i| at(i, inner + i)).collect())),
        (
            "nodes_falsenodeids",
            Attr::Ints((0..nodes).map(|i| at(i, if i + 1 < inner { i + 1 } else { nodes - 1 })).collect()),
        ),
        ("target_treeids", Attr::Ints((inner..nodes).map(|_| 0).collect())),
        ("target_nodeids", Attr::Ints((inner..nodes).collect())),
        ("target_ids", Attr::Ints((inner..nodes).map(|_| 0).collect())),
        ("target_weights", Attr::Floats((inner..nodes).map(|_| 1.0).collect())),
    ];
    let deep = one(Domain::Ml, "TreeEnsembleRegressor", &[], &["y"], attributes.clone());
    refused("deep", &deep, "levels deep, the limit is 10000");
    let mut wide = attributes;
    wide[2].1 = Attr::Ints(vec![i64::from(u32::MAX); nodes as usize]);
    refused(
        "feature",
        &one(Domain::Ml, "TreeEnsembleRegressor", &[], &["y"], wide),
        "a feature id is out of range",
    );
}

#[test]
fn every_cut_of_a_file_is_refused() {
    let whole = super::tests::good().encode_to_vec();
    let cut = (0..whole.len()).filter(|&length| !load("a cut file", &whole[..length]).is_empty()).count();
    // Between two fields at the end what is left may be a model still.
    assert!(cut + 2 >= whole.len(), "{cut} of {} are refused", whole.len());
    // Lengths that lie about what follows.
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] = 0xff;
        load("a changed byte", &bytes);
    }
    // Many small messages: two bytes each on the wire.
    let mut graph = GraphProto::default();
    graph.node.extend((0..400_000).map(|_| NodeProto::default()));
    let model = ModelProto { graph: Some(graph), ..super::tests::good() };
    refused("empty nodes", &model.encode_to_vec(), "the limit is");
}

fn ints(name: &str, values: &[i64]) -> AttributeProto {
    let kind = Some(AttributeType::Ints as i32);
    AttributeProto { r#type: kind, ints: values.to_vec(), ..attribute(name) }
}

fn tensor(name: &str, data: crate::Data) -> AttributeProto {
    let tensor = crate::Tensor { dims: vec![data.len()], data };
    let proto = TensorProto::decode(tensor.to_proto_bytes("").as_slice()).unwrap();
    AttributeProto { r#type: Some(AttributeType::Tensor as i32), t: Some(proto), ..attribute(name) }
}

/// A `TreeEnsemble` of one node that tests a set, with this attribute in the place of its own.
fn sets(other: AttributeProto) -> Vec<u8> {
    use crate::Data::{Float, Uint8};
    let mut attributes = vec![
        ints("tree_roots", &[0]),
        ints("nodes_featureids", &[0]),
        tensor("nodes_modes", Uint8(vec![6])),
        tensor("nodes_splits", Float(vec![0.0])),
        ints("nodes_truenodeids", &[0]),
        ints("nodes_trueleafs", &[1]),
        ints("nodes_falsenodeids", &[1]),
        ints("nodes_falseleafs", &[1]),
        ints("leaf_targetids", &[0, 0]),
        tensor("leaf_weights", Float(vec![1.0, 2.0])),
        tensor("membership_values", Float(vec![1.0, 2.0, f32::NAN])),
    ];
    attributes.retain(|a| a.name() != other.name());
    attributes.push(other);
    let mut proto = super::tests::good();
    proto.opset_import[1].version = Some(5);
    let node = &mut proto.graph.as_mut().unwrap().node[0];
    node.op_type = Some("TreeEnsemble".to_owned());
    node.domain = Some("ai.onnx.ml".to_owned());
    node.input.truncate(1);
    node.attribute = attributes;
    proto.encode_to_vec()
}

#[test]
fn ensembles_of_sets() {
    use crate::Data::{Double, Float, Uint8};
    assert_eq!(load("good", &sets(ints("tree_roots", &[0]))), "");
    let cases = [
        (ints("tree_roots", &[7]), "tree 0 has no node 7"),
        (ints("tree_roots", &[]), "there is no tree"),
        (ints("tree_roots", &[0, 0]), "tree 1 shares nodes with tree 0"),
        (ints("nodes_truenodeids", &[9]), "has no leaf 9"),
        (ints("nodes_falsenodeids", &[i64::MIN]), "has no leaf"),
        (ints("nodes_trueleafs", &[0]), "cycle"),
        (ints("nodes_falseleafs", &[]), "nodes_falseleafs has 0 entries"),
        (ints("leaf_targetids", &[0, -1]), "out of range"),
        (ints("leaf_targetids", &[0, 5]), "leaf_targetids holds 5"),
        (ints("leaf_targetids", &[0]), "1 leaf_targetids and 2 leaf_weights"),
        (ints("nodes_featureids", &[-3]), "a feature id is out of range"),
        (tensor("nodes_modes", Uint8(vec![9])), "mode 9"),
        (tensor("nodes_modes", Float(vec![6.0])), "nodes_modes is no tensor of uint8"),
        (tensor("leaf_weights", Float(vec![1.0, f32::INFINITY])), "finite"),
        (tensor("leaf_weights", Double(vec![1.0, 2.0])), "only float trees"),
        (tensor("membership_values", Float(vec![])), "fewer sets"),
        (ints("n_targets", &[1]), "attribute n_targets is INTS, expected INT"),
    ];
    for (attribute, expected) in cases {
        let name = attribute.name().to_owned();
        let bytes = sets(attribute);
        refused(&name, &bytes, expected);
        refused(&name, &bytes, "node Add_1 (ai.onnx.ml.TreeEnsemble)");
    }
}

/// A `TfIdfVectorizer` over the words of texts, with these attributes in place of its own.
fn terms(other: Attributes) -> Vec<u8> {
    let mut graph = GraphBuilder::new("g");
    graph.input("x", ElementType::String, 1);
    graph.output("y", ElementType::Float, &[-1, 1]);
    let flat = graph.ints("flat", &[1], vec![-1]);
    graph.node(Domain::Onnx, "Reshape", &["x", &flat], &["texts"], vec![]);
    graph.node(Domain::Onnx, "StringSplit", &["texts"], &["words", "count"], vec![]);
    let pool = ["a", "b", "a", "b"].map(str::to_owned).to_vec();
    let mut attributes = vec![
        ("mode", Attr::Text("TF".into())),
        ("min_gram_length", Attr::Int(1)),
        ("max_gram_length", Attr::Int(2)),
        ("max_skip_count", Attr::Int(0)),
        ("ngram_counts", Attr::Ints(vec![0, 2])),
        ("ngram_indexes", Attr::Ints(vec![0, 0, 0])),
        ("pool_strings", Attr::Texts(pool)),
    ];
    attributes.retain(|(name, _)| other.iter().all(|(n, _)| n != name));
    attributes.extend(other.into_iter().filter(|(_, attr)| *attr != Attr::Ints(vec![])));
    graph.node(Domain::Onnx, "TfIdfVectorizer", &["words"], &["y"], attributes);
    graph.unchecked().encode_to_vec()
}

#[test]
fn terms_out_of_order() {
    assert_eq!(load("good", &terms(vec![])), "");
    let far = i64::MAX;
    let ints = |values: &[i64]| Attr::Ints(values.to_vec());
    let cases: Vec<(&'static str, Attr, &str)> = vec![
        ("ngram_counts", ints(&[2, 0]), "puts the 1-grams at 2..0 of a pool of 4"),
        ("ngram_counts", ints(&[0, far]), "puts the 1-grams at 0..9223372036854775807 of a pool of 4"),
        ("ngram_counts", ints(&[-1, 2]), "puts the 1-grams at -1..2"),
        ("ngram_counts", ints(&[0, 1]), "puts the 2-grams at 1..4"),
        ("ngram_counts", ints(&[0]), "counts n-grams of 1 to 2, with 1 ngram_counts"),
        ("ngram_indexes", ints(&[0, 0]), "has 3 n-grams and 2 ngram_indexes"),
        ("ngram_indexes", ints(&[0, -1, 0]), "ngram_indexes has -1"),
        ("ngram_indexes", ints(&[0, far, 0]), "ngram_indexes has 9223372036854775807"),
        ("pool_int64s", ints(&[1, 2, 3, 4]), "has both pool_strings and pool_int64s"),
        ("weights", Attr::Floats(vec![1.0]), "has 1 weights for 3 ngram_indexes"),
        ("mode", Attr::Text("DF".into()), "is none of TF, IDF and TFIDF"),
        ("min_gram_length", Attr::Int(0), "counts n-grams of 0 to 2"),
        ("min_gram_length", Attr::Int(3), "counts n-grams of 3 to 2"),
        ("max_gram_length", Attr::Int(far), "with 2 ngram_counts"),
        ("max_skip_count", Attr::Int(-1), "max_skip_count -1 is out of range"),
        ("max_skip_count", Attr::Int(far), "skips more than 16 words"),
        ("pool_strings", Attr::Ints(vec![]), "has neither pool_strings nor pool_int64s"),
    ];
    for (name, attribute, expected) in cases {
        let bytes = terms(vec![(name, attribute)]);
        refused(name, &bytes, expected);
        refused(name, &bytes, "node TfIdfVectorizer_3 (TfIdfVectorizer)");
    }
    let twice = ["a", "a", "a", "b"].map(str::to_owned).to_vec();
    refused("twice", &terms(vec![("pool_strings", Attr::Texts(twice))]), "has the 1-gram 1 twice");
    let empty = ["a", "", "a", "b"].map(str::to_owned).to_vec();
    refused("empty", &terms(vec![("pool_strings", Attr::Texts(empty))]), "fill shorter rows up");
}

#[test]
fn skips_without_end_are_not_counted() {
    let far = vec![("max_skip_count", Attr::Int(i64::MAX))];
    let model = Model::from_bytes(&terms(far)).unwrap();
    let words = |n: usize| crate::Tensor { dims: vec![1, 1], data: crate::Data::Text(vec!["a ".repeat(n)]) };
    let ran = model.run_tensors(vec![("x".to_owned(), words(100))]).unwrap();
    assert_eq!(ran[0].1.data, crate::Data::Float(vec![100.0]));
    let told = model.run_tensors(vec![("x".to_owned(), words(100_000))]).unwrap_err().to_string();
    assert!(
        told.contains("node TfIdfVectorizer_3") && told.contains("max_skip_count is too large"),
        "{told}"
    );
}

#[test]
fn texts_that_double_again_and_again() {
    let mut graph = GraphBuilder::new("g");
    graph.input("x", ElementType::String, 1);
    graph.output("y60", ElementType::String, &[-1, 1]);
    let mut before = "x".to_owned();
    for at in 1..=60 {
        let after = format!("y{at}");
        graph.node(Domain::Onnx, "StringConcat", &[&before, &before], &[&after], vec![]);
        before = after;
    }
    let mut proto = graph.unchecked();
    proto.opset_import[0].version = Some(20);
    let model = Model::from_bytes(&proto.encode_to_vec()).unwrap();
    let text = crate::Tensor { dims: vec![1, 1], data: crate::Data::Text(vec!["a".to_owned()]) };
    let told = model.run_tensors(vec![("x".to_owned(), text)]).unwrap_err().to_string();
    assert!(told.contains("(StringConcat)") && told.contains("bytes"), "{told}");
}
