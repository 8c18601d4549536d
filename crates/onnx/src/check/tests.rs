//! Every refusal of the checker, with the words that let its reader find the fault.

use super::*;
use crate::builder::{Attr, GraphBuilder};
use crate::element::{Domain, ElementType};
use crate::proto::generated::{OperatorSetIdProto, StringStringEntryProto};
use prost::Message as _;

/// A graph with one `Add`.
pub(super) fn good() -> ModelProto {
    let mut graph = GraphBuilder::new("g");
    graph.input("x", ElementType::Float, 2);
    graph.output("y", ElementType::Float, &[-1, 2]);
    let one = graph.floats("one", &[1], vec![1.0]);
    graph.node(Domain::Onnx, "Add", &["x", &one], &["y"], vec![]);
    ModelProto::decode(graph.finish().unwrap().as_slice()).unwrap()
}

fn refused(change: impl FnOnce(&mut ModelProto), expected: &str) {
    let mut proto = good();
    change(&mut proto);
    let message = model(&proto).unwrap_err().to_string();
    assert!(message.contains(expected), "{message:?} does not say {expected:?}");
}

fn graph(proto: &mut ModelProto) -> &mut GraphProto {
    proto.graph.as_mut().unwrap()
}

pub(super) fn attribute(name: &str) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), ..AttributeProto::default() }
}

#[test]
fn versions() {
    assert!(model(&good()).is_ok());
    refused(|m| m.ir_version = Some(2), "IR version 2");
    refused(|m| m.opset_import[0].version = Some(99), "version 99");
    refused(|m| m.opset_import.clear(), "no operator set");
    refused(|m| m.opset_import.push(OperatorSetIdProto { domain: None, version: Some(9) }), "two versions");
    refused(|m| m.graph = None, "no graph");
    refused(|m| graph(m).node[0].domain = Some("com.acme".to_owned()), "com.acme");
    refused(|m| m.opset_import.retain(|o| o.domain() != ""), "not imported");
}

#[test]
fn names_and_order() {
    refused(
        |m| graph(m).node[0].input[0] = "z".to_owned(),
        "node Add_1 (Add): input \"z\" is nobody's output",
    );
    refused(|m| graph(m).node[0].input[0] = "y".to_owned(), "this or a later node");
    refused(|m| graph(m).node[0].output[0] = "x".to_owned(), "defined twice");
    refused(|m| graph(m).node[0].output.clear(), "no output");
    refused(|m| graph(m).node[0].op_type = None, "no operator");
    refused(|m| graph(m).output[0].name = Some("z".to_owned()), "output \"z\" is produced by no node");
    refused(|m| graph(m).output.clear(), "no output");
    refused(|m| graph(m).input[0].name = None, "no name");
    let twice = |m: &mut ModelProto| {
        let again = graph(m).initializer[0].clone();
        graph(m).initializer.push(again);
    };
    refused(twice, "declared twice");
}

#[test]
fn attributes() {
    let with = |a: AttributeProto| move |m: &mut ModelProto| graph(m).node[0].attribute.push(a);
    refused(with(attribute("")), "no name");
    refused(with(AttributeProto { r#type: Some(77), ..attribute("a") }), "unknown type");
    refused(with(AttributeProto { g: Some(GraphProto::default()), ..attribute("a") }), "control flow");
    refused(with(AttributeProto { ref_attr_name: Some("b".to_owned()), ..attribute("a") }), "refers to");
    refused(|m| graph(m).node[0].attribute.extend([attribute("a"), attribute("a")]), "given twice");
}

#[test]
fn tensors_are_inside_and_possible() {
    let external = |t: &mut TensorProto| {
        t.external_data.push(StringStringEntryProto {
            key: Some("location".to_owned()),
            value: Some("weights.bin".to_owned()),
        });
    };
    refused(|m| external(&mut graph(m).initializer[0]), "another file");
    refused(|m| graph(m).initializer[0].data_location = Some(1), "another file");
    refused(|m| graph(m).initializer[0].dims = vec![1 << 62, 4], "impossible dimensions");
    refused(|m| graph(m).initializer[0].dims = vec![-1], "impossible dimensions");
    let mut hidden = attribute("value");
    hidden.t = Some(TensorProto { data_location: Some(1), ..TensorProto::default() });
    refused(|m| graph(m).node[0].attribute.push(hidden), "the tensor in attribute value");
}

/// A regressor of one tree: node 0 splits into leaves 1 and 2.
fn tree(change: impl FnOnce(&mut Vec<(&'static str, Attr)>)) -> Result<Vec<u8>> {
    let mut attributes = vec![
        ("nodes_treeids", Attr::Ints(vec![0, 0, 0])),
        ("nodes_nodeids", Attr::Ints(vec![0, 1, 2])),
        ("nodes_featureids", Attr::Ints(vec![0, 0, 0])),
        ("nodes_values", Attr::Floats(vec![0.5, 0.0, 0.0])),
        ("nodes_modes", Attr::Texts(["BRANCH_LT", "LEAF", "LEAF"].map(str::to_owned).to_vec())),
        ("nodes_truenodeids", Attr::Ints(vec![1, 0, 0])),
        ("nodes_falsenodeids", Attr::Ints(vec![2, 0, 0])),
        ("target_treeids", Attr::Ints(vec![0, 0])),
        ("target_nodeids", Attr::Ints(vec![1, 2])),
        ("target_ids", Attr::Ints(vec![0, 0])),
        ("target_weights", Attr::Floats(vec![1.0, 2.0])),
    ];
    change(&mut attributes);
    let mut graph = GraphBuilder::new("g");
    graph.input("x", ElementType::Float, 1);
    graph.output("y", ElementType::Float, &[-1, 1]);
    graph.node(Domain::Ml, "TreeEnsembleRegressor", &["x"], &["y"], attributes);
    graph.finish()
}

fn tree_refused(name: &str, value: Attr, expected: &str) {
    let set = |attributes: &mut Vec<(&'static str, Attr)>| match attributes.iter_mut().find(|a| a.0 == name) {
        Some(found) => found.1 = value,
        None => attributes.push((Box::leak(name.to_owned().into_boxed_str()), value)),
    };
    let message = tree(set).unwrap_err().to_string();
    assert!(
        message.starts_with("node TreeEnsembleRegressor_1 (ai.onnx.ml.TreeEnsembleRegressor)"),
        "{message}"
    );
    assert!(message.contains(expected), "{message:?} does not say {expected:?}");
}

#[test]
fn trees() {
    let texts = |t: [&str; 3]| Attr::Texts(t.map(str::to_owned).to_vec());
    assert!(tree(|_| {}).is_ok());
    tree_refused("nodes_values", Attr::Floats(vec![0.5]), "nodes_values has 1 entries, nodes_treeids 3");
    tree_refused("nodes_nodeids", Attr::Ints(vec![0, 1, 1]), "twice");
    tree_refused("nodes_truenodeids", Attr::Ints(vec![7, 0, 0]), "no child 7");
    tree_refused("nodes_truenodeids", Attr::Ints(vec![0, 0, 0]), "cycle");
    tree_refused("nodes_falsenodeids", Attr::Ints(vec![1, 0, 0]), "2 roots");
    tree_refused("nodes_modes", texts(["LEAF", "LEAF", "LEAF"]), "3 roots");
    tree_refused("nodes_modes", texts(["BRANCH_OR", "LEAF", "LEAF"]), "BRANCH_OR");
    tree_refused("nodes_featureids", Attr::Ints(vec![-1, 0, 0]), "feature id");
    tree_refused("nodes_treeids", Attr::Ints(vec![]), "no tree");
    tree_refused("nodes_treeids", Attr::Floats(vec![0.0]), "FLOATS, expected INTS");
    tree_refused("target_nodeids", Attr::Ints(vec![1, 9]), "names node 9");
    tree_refused("target_nodeids", Attr::Ints(vec![1, 0]), "branch 0 has weights");
    tree_refused("target_ids", Attr::Ints(vec![0, 4]), "there are 1 targets");
    tree_refused("target_weights", Attr::Floats(vec![1.0]), "target_weights has 1 entries");
    tree_refused("target_weights", Attr::Floats(vec![1.0, f32::NAN]), "finite");
    tree_refused("n_targets", Attr::Int(0), "out of range");
    tree_refused("aggregate_function", Attr::Text("MEDIAN".to_owned()), "MEDIAN");
}

#[test]
fn a_cycle_away_from_the_root_is_found() {
    let message = tree(|attributes| {
        attributes[0].1 = Attr::Ints(vec![0; 5]);
        attributes[1].1 = Attr::Ints(vec![0, 1, 2, 3, 4]);
        attributes[2].1 = Attr::Ints(vec![0; 5]);
        attributes[3].1 = Attr::Floats(vec![0.0; 5]);
        let modes = ["BRANCH_LT", "LEAF", "LEAF", "BRANCH_LT", "BRANCH_LT"];
        attributes[4].1 = Attr::Texts(modes.map(str::to_owned).to_vec());
        attributes[5].1 = Attr::Ints(vec![1, 0, 0, 4, 3]);
        attributes[6].1 = Attr::Ints(vec![2, 0, 0, 4, 3]);
    });
    assert!(message.unwrap_err().to_string().contains("has a cycle"));
}
