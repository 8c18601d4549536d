//! Writes ONNX graphs: IR version 8, opset 17, `ai.onnx.ml` 3; IR version 9 and opset 20 where texts are split.
//!
//! The builder keeps every name unique and leaves the rest to the checker, which `finish` runs: what it
//! returns is a model this crate would accept itself.

use std::collections::{BTreeMap, HashSet};

use prost::Message as _;

use crate::check;
use crate::element::{Domain, ElementType};
use crate::error::Result;
use crate::proto::generated::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto, TensorShapeProto, TypeProto, ValueInfoProto, attribute_proto::AttributeType,
    tensor_shape_proto, type_proto,
};

/// IR version written.
pub const IR_VERSION: i64 = 8;
/// Version of the default operator set written.
pub const OPSET: i64 = 17;
/// Version of the `ai.onnx.ml` operator set written.
pub const ML_OPSET: i64 = 3;
/// IR version and version of the default operator set written when a node needs the latter.
const WORDS: (i64, i64) = (9, 20);
/// Name used for the symbolic first dimension.
const ROWS: &str = "N";

/// Attribute of a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Attr {
    /// One integer.
    Int(i64),
    /// One number.
    Float(f32),
    /// One text.
    Text(String),
    /// List of integers.
    Ints(Vec<i64>),
    /// List of numbers.
    Floats(Vec<f32>),
    /// List of texts.
    Texts(Vec<String>),
}

/// A graph in the making. Nodes must be added in an order in which every input already has a value.
#[derive(Debug)]
pub struct GraphBuilder {
    graph: GraphProto,
    metadata: BTreeMap<String, String>,
    used: HashSet<String>,
    nodes: usize,
}

impl GraphBuilder {
    /// Starts an empty graph called `name`.
    pub fn new(name: &str) -> Self {
        let graph = GraphProto { name: Some(name.to_owned()), ..GraphProto::default() };
        Self { graph, metadata: BTreeMap::new(), used: HashSet::new(), nodes: 0 }
    }

    /// Declares the graph input `name`, shape `[N, width]`.
    pub fn input(&mut self, name: &str, kind: ElementType, width: i64) {
        self.used.insert(name.to_owned());
        self.graph.input.push(value_info(name, kind, &[-1, width]));
    }

    /// Declares the graph output `name`; `-1` in `dims` stands for the number of rows.
    pub fn output(&mut self, name: &str, kind: ElementType, dims: &[i64]) {
        self.used.insert(name.to_owned());
        self.graph.output.push(value_info(name, kind, dims));
    }

    /// Adds a constant of numbers (row-major) and returns its name.
    pub fn floats(&mut self, stem: &str, dims: &[i64], values: Vec<f32>) -> String {
        let raw = values.into_iter().flat_map(f32::to_le_bytes).collect();
        self.initializer(stem, dims, ElementType::Float, |t| t.raw_data = Some(raw))
    }

    /// Adds a constant of integers (row-major) and returns its name.
    pub fn ints(&mut self, stem: &str, dims: &[i64], values: Vec<i64>) -> String {
        let raw = values.into_iter().flat_map(i64::to_le_bytes).collect();
        self.initializer(stem, dims, ElementType::Int64, |t| t.raw_data = Some(raw))
    }

    /// Adds a constant of texts (row-major) and returns its name.
    pub fn strings(&mut self, stem: &str, dims: &[i64], values: Vec<String>) -> String {
        let data = values.into_iter().map(String::into_bytes).collect();
        self.initializer(stem, dims, ElementType::String, |t| t.string_data = data)
    }

    /// Adds a node.
    #[expect(clippy::too_many_arguments, reason = "the parts of a node, in the order of every ONNX text")]
    pub fn node(
        &mut self,
        domain: Domain,
        op: &str,
        inputs: &[&str],
        outputs: &[&str],
        attrs: Vec<(&str, Attr)>,
    ) {
        self.used.extend(outputs.iter().map(|&o| o.to_owned()));
        self.nodes += 1;
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|&i| i.to_owned()).collect(),
            output: outputs.iter().map(|&o| o.to_owned()).collect(),
            name: Some(format!("{op}_{}", self.nodes)),
            op_type: Some(op.to_owned()),
            domain: Some(domain.name().to_owned()),
            attribute: attrs.into_iter().map(|(name, attr)| attribute(name, attr)).collect(),
            ..NodeProto::default()
        });
    }

    /// A name nothing in this graph has so far: `stem`, or `stem_2`, `stem_3`, …
    pub fn fresh(&mut self, stem: &str) -> String {
        let mut name = stem.to_owned();
        let mut count = 1_usize;
        while !self.used.insert(name.clone()) {
            count += 1;
            name = format!("{stem}_{count}");
        }
        name
    }

    /// Moves the last `count` nodes before all others: what they need must have a value without these.
    pub(crate) fn last_first(&mut self, count: usize) {
        let count = count.min(self.graph.node.len());
        self.graph.node.rotate_right(count);
    }

    /// Sets an entry of the model's metadata; a later value of the same key replaces the earlier one.
    pub fn metadata(&mut self, key: &str, value: &str) {
        self.metadata.insert(key.to_owned(), value.to_owned());
    }

    /// Checks the graph and encodes the model.
    ///
    /// # Errors
    /// Whatever the checker refuses: names used before they are defined, defined twice, outputs nothing
    /// produces, malformed trees.
    pub fn finish(self) -> Result<Vec<u8>> {
        let model = self.unchecked();
        check::model(&model)?;
        Ok(model.encode_to_vec())
    }

    /// The model as it stands.
    pub(crate) fn unchecked(self) -> ModelProto {
        let words = self.graph.node.iter().any(|node| node.op_type() == "StringSplit");
        let (ir_version, version) = if words { WORDS } else { (IR_VERSION, OPSET) };
        ModelProto {
            ir_version: Some(ir_version),
            opset_import: vec![opset(Domain::Onnx, version), opset(Domain::Ml, ML_OPSET)],
            producer_name: Some("portcullis".to_owned()),
            graph: Some(self.graph),
            metadata_props: self.metadata.into_iter().map(|(k, v)| entry(k, v)).collect(),
            ..ModelProto::default()
        }
    }

    fn initializer(
        &mut self,
        stem: &str,
        dims: &[i64],
        kind: ElementType,
        fill: impl FnOnce(&mut TensorProto),
    ) -> String {
        let name = self.fresh(stem);
        let mut tensor = TensorProto {
            dims: dims.to_vec(),
            data_type: Some(kind.code()),
            name: Some(name.clone()),
            ..TensorProto::default()
        };
        fill(&mut tensor);
        self.graph.initializer.push(tensor);
        name
    }
}

/// An encoded model with a further entry of metadata: messages may be joined by joining their bytes.
pub fn with_metadata(mut bytes: Vec<u8>, key: &str, value: &str) -> Vec<u8> {
    let more =
        ModelProto { metadata_props: vec![entry(key.to_owned(), value.to_owned())], ..ModelProto::default() };
    bytes.extend(more.encode_to_vec());
    bytes
}

fn opset(domain: Domain, version: i64) -> OperatorSetIdProto {
    OperatorSetIdProto { domain: Some(domain.name().to_owned()), version: Some(version) }
}

fn entry(key: String, value: String) -> StringStringEntryProto {
    StringStringEntryProto { key: Some(key), value: Some(value) }
}

fn value_info(name: &str, kind: ElementType, dims: &[i64]) -> ValueInfoProto {
    use tensor_shape_proto::{Dimension, dimension::Value};
    let dim = dims
        .iter()
        .map(|&d| {
            let value = if d < 0 { Value::DimParam(ROWS.to_owned()) } else { Value::DimValue(d) };
            Dimension { value: Some(value), ..Dimension::default() }
        })
        .collect();
    let tensor = type_proto::Tensor { elem_type: Some(kind.code()), shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(tensor)),
            ..TypeProto::default()
        }),
        ..ValueInfoProto::default()
    }
}

fn attribute(name: &str, attr: Attr) -> AttributeProto {
    let mut out = AttributeProto { name: Some(name.to_owned()), ..AttributeProto::default() };
    let kind = match attr {
        Attr::Int(v) => {
            out.i = Some(v);
            AttributeType::Int
        }
        Attr::Float(v) => {
            out.f = Some(v);
            AttributeType::Float
        }
        Attr::Text(v) => {
            out.s = Some(v.into_bytes());
            AttributeType::String
        }
        Attr::Ints(v) => {
            out.ints = v;
            AttributeType::Ints
        }
        Attr::Floats(v) => {
            out.floats = v;
            AttributeType::Floats
        }
        Attr::Texts(v) => {
            out.strings = v.into_iter().map(String::into_bytes).collect();
            AttributeType::Strings
        }
    };
    out.r#type = Some(kind as i32);
    out
}
