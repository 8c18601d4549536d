//! What is judged of a model that another engine is to run: the parts that no engine can be trusted with, and what its answers need.

use std::collections::{BTreeMap, HashSet};

use prost::Message as _;

use crate::attrs::Node;
use crate::check::{at_most, inside};
use crate::error::{Error, Result};
use crate::limits;
use crate::proto::generated::{
    AttributeProto, GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto,
};
use crate::proto::guard;
use crate::scores::Labels;

/// Operators that hand on what they get, so that a `Softmax` is still seen behind them.
const HANDS_ON: [&str; 6] = ["Identity", "Cast", "Reshape", "Squeeze", "Flatten", "Unsqueeze"];

/// The outline of a model: read without knowing its operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// The model's `metadata_props`.
    pub metadata: BTreeMap<String, String>,
    /// The class labels that its last classifier or `ZipMap` names.
    pub labels: Option<Labels>,
    /// Outputs that a `Softmax` made.
    pub shares: Vec<String>,
}

impl Outline {
    /// Reads a model under the limits of [`limits`], in every graph within it: no tensor may have its data in another file or
    /// impossible dimensions.
    ///
    /// # Errors
    /// Bytes that are no model, and what no engine shall get.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        at_most("model file (bytes)", bytes.len(), limits::MODEL_BYTES)?;
        guard::measure(bytes)?;
        let model =
            ModelProto::decode(bytes).map_err(|e| Error::Decode { what: "model", reason: e.to_string() })?;
        let graph = model.graph.as_ref().ok_or_else(|| Error::model("there is no graph"))?;
        let mut labels = None;
        for part in &model.training_info {
            part.initialization.iter().chain(&part.algorithm).try_for_each(|g| walk(g, &mut labels))?;
        }
        for function in &model.functions {
            attributes(&function.attribute_proto, &mut labels)?;
            nodes(&function.node, &mut labels)?;
        }
        walk(graph, &mut labels)?;
        let shares = shares(graph);
        let metadata = model.metadata_props.into_iter();
        let metadata = metadata.map(|e| (e.key.unwrap_or_default(), e.value.unwrap_or_default())).collect();
        Ok(Self { metadata, labels, shares })
    }
}

/// Judges the tensors of a graph and of those within it; notes class labels on the way.
fn walk(graph: &GraphProto, labels: &mut Option<Labels>) -> Result<()> {
    at_most("number of nodes", graph.node.len(), limits::NODES)?;
    graph.initializer.iter().try_for_each(tensor)?;
    graph.sparse_initializer.iter().try_for_each(sparse)?;
    nodes(&graph.node, labels)
}

fn nodes(all: &[NodeProto], labels: &mut Option<Labels>) -> Result<()> {
    for (index, proto) in all.iter().enumerate() {
        attributes(&proto.attribute, labels)?;
        let node = Node { proto, index, version: 0 };
        if node.is_ml() && (node.op() == "ZipMap" || node.op().ends_with("Classifier")) {
            // One without labels, or with two lists of them, says nothing.
            *labels = Labels::read(&node).ok().or_else(|| labels.take());
        }
    }
    Ok(())
}

fn attributes(all: &[AttributeProto], labels: &mut Option<Labels>) -> Result<()> {
    for attribute in all {
        attribute.t.iter().chain(&attribute.tensors).try_for_each(tensor)?;
        attribute.sparse_tensor.iter().chain(&attribute.sparse_tensors).try_for_each(sparse)?;
        attribute.g.iter().chain(&attribute.graphs).try_for_each(|g| walk(g, labels))?;
    }
    Ok(())
}

fn tensor(tensor: &TensorProto) -> Result<()> {
    inside(tensor).map_err(|e| Error::model(format!("tensor {:?} {e}", tensor.name())))
}

fn sparse(sparse: &SparseTensorProto) -> Result<()> {
    sparse.values.iter().chain(&sparse.indices).try_for_each(tensor)
}

/// Names that stand for what a `Softmax` gave: of the operator, the inputs and the outputs of each node, in their order.
pub(crate) fn shared<'a>(
    nodes: impl Iterator<Item = (&'a str, &'a [String], &'a [String])>,
) -> HashSet<&'a str> {
    let mut made: HashSet<&str> = HashSet::new();
    for (op, inputs, outputs) in nodes {
        let handed = HANDS_ON.contains(&op) && inputs.first().is_some_and(|i| made.contains(i.as_str()));
        if op == "Softmax" || handed {
            made.extend(outputs.first().map(String::as_str));
        }
    }
    made
}

/// Outputs of the graph that are what a `Softmax` gave.
fn shares(graph: &GraphProto) -> Vec<String> {
    let made = shared(graph.node.iter().map(|n| (n.op_type(), &n.input[..], &n.output[..])));
    let outputs = graph.output.iter().map(|o| o.name());
    outputs.filter(|name| made.contains(name)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::generated::{StringStringEntryProto, ValueInfoProto, tensor_proto::DataLocation};

    fn node(op: &str, from: &str, to: &str) -> NodeProto {
        NodeProto {
            op_type: Some(op.to_owned()),
            input: vec![from.to_owned()],
            output: vec![to.to_owned()],
            ..NodeProto::default()
        }
    }

    fn external() -> TensorProto {
        TensorProto {
            name: Some("w".to_owned()),
            data_location: Some(DataLocation::External as i32),
            external_data: vec![StringStringEntryProto {
                key: Some("location".to_owned()),
                value: Some("/etc/passwd".to_owned()),
            }],
            ..TensorProto::default()
        }
    }

    fn read(graph: GraphProto) -> Result<Outline> {
        let model = ModelProto { graph: Some(graph), ..ModelProto::default() };
        Outline::read(&model.encode_to_vec())
    }

    #[test]
    fn data_in_another_file_is_found_wherever_it_is_named() {
        let initializer = GraphProto { initializer: vec![external()], ..GraphProto::default() };
        let constant = AttributeProto { t: Some(external()), ..AttributeProto::default() };
        let within = AttributeProto { g: Some(initializer.clone()), ..AttributeProto::default() };
        let sparse = SparseTensorProto { values: Some(external()), ..SparseTensorProto::default() };
        let with = |attribute: AttributeProto| GraphProto {
            node: vec![NodeProto { attribute: vec![attribute], ..node("If", "a", "b") }],
            ..GraphProto::default()
        };
        let sparse = GraphProto { sparse_initializer: vec![sparse], ..GraphProto::default() };
        for graph in [initializer, with(constant), with(within), sparse] {
            let told = read(graph).unwrap_err().to_string();
            assert!(told.contains("another file"), "{told}");
        }
    }

    #[test]
    fn labels_and_shares_are_found() {
        let labels = AttributeProto {
            name: Some("classlabels_strings".to_owned()),
            strings: vec![b"no".to_vec(), b"yes".to_vec()],
            ..AttributeProto::default()
        };
        let map = NodeProto {
            domain: Some("ai.onnx.ml".to_owned()),
            attribute: vec![labels],
            ..node("ZipMap", "p", "maps")
        };
        let output = ValueInfoProto { name: Some("q".to_owned()), ..ValueInfoProto::default() };
        let graph = GraphProto {
            node: vec![node("Softmax", "x", "p"), map, node("Cast", "p", "q")],
            output: vec![output],
            ..GraphProto::default()
        };
        let outline = read(graph).unwrap();
        assert_eq!(outline.labels, Some(Labels::Text(vec!["no".to_owned(), "yes".to_owned()])));
        assert_eq!(outline.shares, ["q"]);
    }

    #[test]
    fn broken_bytes_are_no_model() {
        assert!(matches!(Outline::read(b"\xff\xff"), Err(Error::Decode { .. })));
        assert!(matches!(Outline::read(b""), Err(Error::Model(_))));
    }
}
