//! Judges a decoded model before anything is built from it: versions, names, order, attributes, trees.
//!
//! Time and memory are linear in the size of the message.

use std::collections::{BTreeMap, HashSet};

use crate::attrs::Node;
use crate::error::{Error, Result};
use crate::forest;
use crate::limits;
use crate::ops::schema;
use crate::proto::generated::{
    AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto,
    attribute_proto::AttributeType, tensor_proto::DataLocation, tensor_shape_proto::dimension, type_proto,
};

/// IR versions accepted: from the first that allows initializers apart from inputs to the newest known.
const IR_VERSIONS: std::ops::RangeInclusive<i64> = 3..=14;
/// Versions of the default operator set accepted.
const OPSETS: std::ops::RangeInclusive<i64> = 1..=28;
/// Versions of `ai.onnx.ml` accepted.
const ML_OPSETS: std::ops::RangeInclusive<i64> = 1..=5;

/// Operator set versions of a model, by domain (`""` for the default one).
pub(crate) type Opsets = BTreeMap<String, i64>;

/// Checks the whole model; gives its operator set versions.
pub(crate) fn model(model: &ModelProto) -> Result<Opsets> {
    let version = model.ir_version();
    if !IR_VERSIONS.contains(&version) {
        return Err(Error::Uncovered(format!(
            "IR version {version} is not supported, expected {} to {}",
            IR_VERSIONS.start(),
            IR_VERSIONS.end()
        )));
    }
    let opsets = opsets(model)?;
    let graph = model.graph.as_ref().ok_or_else(|| Error::model("there is no graph"))?;
    graph_sizes(graph)?;
    let mut known = HashSet::new();
    sources(graph, &mut known)?;
    nodes(graph, &opsets, &mut known)?;
    outputs(graph, &known)?;
    Ok(opsets)
}

fn opsets(model: &ModelProto) -> Result<Opsets> {
    let mut found = Opsets::new();
    for import in &model.opset_import {
        let (domain, accepted) = match import.domain() {
            "" | "ai.onnx" => ("", OPSETS),
            "ai.onnx.ml" => ("ai.onnx.ml", ML_OPSETS),
            // An operator set nothing uses does no harm; a node of it is refused by name.
            _ => continue,
        };
        let version = import.version();
        if !accepted.contains(&version) {
            let (low, high) = (accepted.start(), accepted.end());
            return Err(Error::Uncovered(format!(
                "operator set {domain:?} version {version} is not supported, expected {low} to {high}"
            )));
        }
        if found.insert(domain.to_owned(), version).is_some_and(|earlier| earlier != version) {
            return Err(Error::model(format!("operator set {domain:?} is imported in two versions")));
        }
    }
    if found.is_empty() { Err(Error::model("no operator set is imported")) } else { Ok(found) }
}

fn graph_sizes(graph: &GraphProto) -> Result<()> {
    at_most("number of nodes", graph.node.len(), limits::NODES)?;
    at_most("number of inputs", graph.input.len(), limits::VALUES)?;
    at_most("number of outputs", graph.output.len(), limits::VALUES)?;
    at_most("number of initializers", graph.initializer.len(), limits::VALUES)?;
    if graph.output.is_empty() {
        return Err(Error::model("the graph has no output"));
    }
    if !graph.sparse_initializer.is_empty() {
        return Err(Error::Uncovered("sparse initializers are not supported".to_owned()));
    }
    Ok(())
}

/// Refuses `amount` beyond `limit`.
pub(crate) fn at_most(what: impl Into<String>, amount: usize, limit: usize) -> Result<()> {
    if amount <= limit {
        return Ok(());
    }
    Err(Error::TooLarge { what: what.into(), amount: amount as u64, limit: limit as u64 })
}

/// Inputs and initializers: the names that have a value before the first node.
fn sources<'a>(graph: &'a GraphProto, known: &mut HashSet<&'a str>) -> Result<()> {
    for input in &graph.input {
        value_info(input)?;
        if !known.insert(input.name()) {
            return Err(Error::model(format!("input {:?} is declared twice", input.name())));
        }
    }
    let mut initializers = HashSet::new();
    for tensor in &graph.initializer {
        if tensor.name().is_empty() {
            return Err(Error::model("an initializer has no name"));
        }
        if !initializers.insert(tensor.name()) {
            return Err(Error::model(format!("initializer {:?} is declared twice", tensor.name())));
        }
        inside(tensor).map_err(|e| Error::model(format!("initializer {:?} {e}", tensor.name())))?;
        known.insert(tensor.name());
    }
    Ok(())
}

fn value_info(info: &ValueInfoProto) -> Result<()> {
    let name = info.name();
    if name.is_empty() {
        return Err(Error::model("an input or output has no name"));
    }
    let Some(type_proto::Value::TensorType(tensor)) = info.r#type.as_ref().and_then(|t| t.value.as_ref())
    else {
        return Ok(());
    };
    let dims = tensor.shape.as_ref().map_or(&[][..], |s| s.dim.as_slice());
    at_most(format!("rank of {name:?}"), dims.len(), limits::RANK)?;
    for dim in dims {
        if let Some(dimension::Value::DimValue(size)) = dim.value {
            // -1 is written by some exporters for an unknown size.
            at_most(format!("dimension of {name:?}"), usize::try_from(size).unwrap_or(0), limits::ELEMENTS)?;
        }
    }
    Ok(())
}

/// Refuses tensors whose data is elsewhere or whose dimensions no memory could hold.
pub(crate) fn inside(tensor: &TensorProto) -> Result<(), String> {
    if tensor.data_location() == DataLocation::External || !tensor.external_data.is_empty() {
        return Err("has its data in another file, which is never opened; store it inside".to_owned());
    }
    let dims: Option<Vec<usize>> = tensor.dims.iter().map(|&d| usize::try_from(d).ok()).collect();
    let fits = dims.is_some_and(|d| d.len() <= limits::RANK && crate::tensor::elements(&d).is_some());
    if fits { Ok(()) } else { Err(format!("has impossible dimensions {:?}", tensor.dims)) }
}

fn nodes<'a>(graph: &'a GraphProto, opsets: &Opsets, known: &mut HashSet<&'a str>) -> Result<()> {
    let produced: HashSet<&str> =
        graph.node.iter().flat_map(|n| n.output.iter().map(String::as_str)).collect();
    for (index, proto) in graph.node.iter().enumerate() {
        let node = node_at(proto, index, opsets)?;
        node_inputs(&node, known, &produced)?;
        for output in proto.output.iter().filter(|o| !o.is_empty()) {
            if !known.insert(output) {
                return Err(node.error(format!("output {output:?} is defined twice")));
            }
        }
        if proto.output.iter().all(String::is_empty) {
            return Err(node.error("has no output"));
        }
        node_attributes(&node)?;
    }
    Ok(())
}

/// The node with the version of its operator set.
pub(crate) fn node_at<'a>(proto: &'a NodeProto, index: usize, opsets: &Opsets) -> Result<Node<'a>> {
    let mut node = Node { proto, index, version: 0 };
    if node.op().is_empty() {
        return Err(node.error("has no operator"));
    }
    let domain = match proto.domain() {
        "" | "ai.onnx" => "",
        "ai.onnx.ml" => "ai.onnx.ml",
        other => return Err(node.unsupported(format!("operators of domain {other:?} are unknown here"))),
    };
    match opsets.get(domain) {
        Some(&version) => node.version = version,
        None => return Err(node.error(format!("operator set {domain:?} is not imported"))),
    }
    Ok(node)
}

fn node_inputs(node: &Node<'_>, known: &HashSet<&str>, produced: &HashSet<&str>) -> Result<()> {
    let proto = node.proto;
    if proto.input.len().max(proto.output.len()) > limits::NODE_VALUES {
        return Err(node.error(format!("has more than {} inputs or outputs", limits::NODE_VALUES)));
    }
    for input in proto.input.iter().filter(|i| !i.is_empty()) {
        if !known.contains(input.as_str()) {
            let reason = if produced.contains(input.as_str()) {
                "is produced by this or a later node: nodes must stand in order of use"
            } else {
                "is nobody's output"
            };
            return Err(node.error(format!("input {input:?} {reason}")));
        }
    }
    Ok(())
}

fn node_attributes(node: &Node<'_>) -> Result<()> {
    let mut names = HashSet::new();
    for attribute in &node.proto.attribute {
        let name = attribute.name();
        if name.is_empty() || !names.insert(name) {
            return Err(node.error(format!("attribute {name:?} has no name or is given twice")));
        }
        attribute_value(node, attribute)?;
    }
    schema::check(node)?;
    if node.is_ml() && node.op().starts_with("TreeEnsemble") {
        forest::check(node)?;
    }
    Ok(())
}

fn attribute_value(node: &Node<'_>, attribute: &AttributeProto) -> Result<()> {
    let name = attribute.name();
    if !attribute.ref_attr_name().is_empty() {
        return Err(node.error(format!("attribute {name} refers to a function's attribute")));
    }
    if attribute.r#type.is_some_and(|t| AttributeType::try_from(t).is_err()) {
        return Err(node.error(format!("attribute {name} has an unknown type")));
    }
    if attribute.g.is_some() || !attribute.graphs.is_empty() {
        return Err(
            node.unsupported(format!("attribute {name} holds a graph; control flow is not supported"))
        );
    }
    for tensor in attribute.t.iter().chain(&attribute.tensors) {
        inside(tensor).map_err(|e| node.error(format!("the tensor in attribute {name} {e}")))?;
    }
    Ok(())
}

fn outputs(graph: &GraphProto, known: &HashSet<&str>) -> Result<()> {
    let mut seen = HashSet::new();
    for output in &graph.output {
        value_info(output)?;
        let name = output.name();
        if !known.contains(name) {
            return Err(Error::model(format!("output {name:?} is produced by no node")));
        }
        if !seen.insert(name) {
            return Err(Error::model(format!("output {name:?} is declared twice")));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod hostile;
#[cfg(test)]
mod tests;
