//! Writes ONNX graphs: IR version 8, opset 17, `ai.onnx.ml` 3; IR version 9 and opset 20 where texts are split.
//!
//! The builder keeps every name unique and leaves the rest to the checker, which `finish` runs: what it
//! returns is a model this crate would accept itself.

use std::collections::{BTreeMap, HashMap, HashSet};

use prost::Message as _;

use crate::check;
use crate::element::{Domain, ElementType};
use crate::error::Result;
use crate::limits;
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
/// Bytes a node and a text take in a file beside their letters, at least.
const NODE: usize = 16;
const TEXT: usize = 2;

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

impl Attr {
    /// Bytes it takes in a file, at least.
    fn size(&self) -> usize {
        match self {
            Self::Int(_) => 1,
            Self::Float(_) => size_of::<f32>(),
            Self::Text(text) => text.len(),
            Self::Ints(list) => list.len(),
            Self::Floats(list) => size_of_val(list.as_slice()),
            Self::Texts(list) => texts_size(list),
        }
    }
}

fn texts_size(texts: &[String]) -> usize {
    texts.iter().map(|text| text.len() + TEXT).sum()
}

/// A graph in the making. Nodes must be added in an order in which every input already has a value.
#[derive(Debug)]
pub struct GraphBuilder {
    graph: GraphProto,
    metadata: BTreeMap<String, String>,
    used: HashSet<String>,
    /// The last number tried behind each stem.
    counts: HashMap<String, usize>,
    nodes: usize,
    /// Bytes that all constants and nodes take in a file, at least, and the most there may be. What goes beyond is
    /// not kept.
    held: usize,
    most: usize,
}

impl GraphBuilder {
    /// Starts an empty graph called `name`.
    pub fn new(name: &str) -> Self {
        let graph = GraphProto { name: Some(name.to_owned()), ..GraphProto::default() };
        Self {
            graph,
            metadata: BTreeMap::new(),
            used: HashSet::new(),
            counts: HashMap::new(),
            nodes: 0,
            held: 0,
            most: limits::MODEL_BYTES,
        }
    }

    /// Keeps no more than so many bytes: a small file of another format can mean a large graph.
    pub(crate) fn limit(&mut self, bytes: usize) {
        self.most = bytes.min(limits::MODEL_BYTES);
    }

    /// Whether all that was added was kept, and as many bytes more would be.
    ///
    /// # Errors
    /// The size of the graph, when it is too large.
    pub(crate) fn room_for(&self, bytes: usize) -> Result<()> {
        check::at_most("the graph written (bytes)", self.held.saturating_add(bytes), self.most)
    }

    /// Counts what is added; false when it must not be kept.
    fn take(&mut self, bytes: usize) -> bool {
        self.held = self.held.saturating_add(bytes);
        self.held <= self.most
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
        let kind = (ElementType::Float, size_of_val(values.as_slice()));
        self.initializer(stem, dims, kind, |t| {
            t.raw_data = Some(values.into_iter().flat_map(f32::to_le_bytes).collect());
        })
    }

    /// Adds a constant of integers (row-major) and returns its name.
    pub fn ints(&mut self, stem: &str, dims: &[i64], values: Vec<i64>) -> String {
        let kind = (ElementType::Int64, size_of_val(values.as_slice()));
        self.initializer(stem, dims, kind, |t| {
            t.raw_data = Some(values.into_iter().flat_map(i64::to_le_bytes).collect());
        })
    }

    /// Adds a constant of texts (row-major) and returns its name.
    pub fn strings(&mut self, stem: &str, dims: &[i64], values: Vec<String>) -> String {
        let kind = (ElementType::String, texts_size(&values));
        self.initializer(stem, dims, kind, |t| {
            t.string_data = values.into_iter().map(String::into_bytes).collect();
        })
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
        let names: usize = inputs.iter().chain(outputs).map(|name| name.len() + TEXT).sum();
        let sizes: usize = attrs.iter().map(|(name, attr)| name.len() + attr.size()).sum();
        if !self.take(NODE + names.saturating_add(sizes)) {
            return;
        }
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
        if self.used.insert(stem.to_owned()) {
            return stem.to_owned();
        }
        // No name is ever given back: the numbers tried for this stem before are taken.
        let mut count = self.counts.get(stem).copied().unwrap_or(1);
        loop {
            count += 1;
            let name = format!("{stem}_{count}");
            if self.used.insert(name.clone()) {
                self.counts.insert(stem.to_owned(), count);
                return name;
            }
        }
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
    /// produces, malformed trees; and a graph larger than [`limits::MODEL_BYTES`].
    pub fn finish(self) -> Result<Vec<u8>> {
        self.room_for(0)?;
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
        (kind, size): (ElementType, usize),
        fill: impl FnOnce(&mut TensorProto),
    ) -> String {
        let name = self.fresh(stem);
        if !self.take(name.len().saturating_add(size)) {
            return name;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_stem_are_found_at_once() {
        let mut graph = GraphBuilder::new("g");
        graph.input("a_3", ElementType::Float, 1);
        let names = [(); 4].map(|()| graph.fresh("a"));
        assert_eq!(names, ["a", "a_2", "a_4", "a_5"]);
        assert_eq!(graph.fresh("a_2"), "a_2_2");
        let last = (0..100_000).map(|_| graph.fresh("b")).last();
        assert_eq!(last.as_deref(), Some("b_100000"));
    }

    #[test]
    fn a_graph_beyond_its_limit_is_neither_kept_nor_written() {
        let mut graph = GraphBuilder::new("g");
        graph.input("x", ElementType::Float, 1);
        graph.output("y", ElementType::Float, &[-1, 1]);
        graph.limit(1000);
        let first = graph.floats("c", &[1, 100], vec![1.0; 100]);
        assert!(graph.room_for(400).is_ok() && graph.room_for(700).is_err());
        let names: Vec<String> = (0..50).map(|_| graph.floats("c", &[1, 100], vec![1.0; 100])).collect();
        graph.node(Domain::Onnx, "Add", &["x", &first], &["y"], vec![]);
        assert_eq!((names.last().map(String::as_str), graph.graph.initializer.len()), (Some("c_51"), 2));
        assert!(graph.graph.node.is_empty());
        let told = graph.finish().unwrap_err().to_string();
        assert_eq!(told, "the graph written (bytes) is 20618, the limit is 1000");
    }
}
