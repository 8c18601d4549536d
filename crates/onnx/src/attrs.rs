//! Typed reading of a node's attributes. Every message says which attribute of which node.

use crate::error::{Error, Result};
use crate::proto::generated::{AttributeProto, NodeProto, attribute_proto::AttributeType};
use crate::tensor::{self, Tensor};

/// A node with its place in the graph, for reading and for messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'a> {
    pub proto: &'a NodeProto,
    pub index: usize,
    /// Version of the operator set the node belongs to.
    pub version: i64,
}

impl<'a> Node<'a> {
    pub fn op(&self) -> &'a str {
        self.proto.op_type.as_deref().unwrap_or_default()
    }

    pub fn is_ml(&self) -> bool {
        self.proto.domain() == "ai.onnx.ml"
    }

    /// Name (or position) and operator, as messages show them.
    pub fn label(&self) -> (String, String) {
        let op = match self.proto.domain() {
            "" | "ai.onnx" => self.op().to_owned(),
            domain => format!("{domain}.{}", self.op()),
        };
        match self.proto.name() {
            "" => (format!("#{}", self.index), op),
            name => (name.to_owned(), op),
        }
    }

    /// The fault of a node that is not well formed.
    pub fn error(&self, reason: impl Into<String>) -> Error {
        let (node, op) = self.label();
        Error::Node { node, op, reason: reason.into() }
    }

    /// The fault of a node this engine can't run.
    pub fn unsupported(&self, reason: impl Into<String>) -> Error {
        let (node, op) = self.label();
        Error::Unsupported { node, op, reason: reason.into() }
    }

    fn find(&self, name: &str) -> Option<&'a AttributeProto> {
        self.proto.attribute.iter().find(|a| a.name() == name)
    }

    fn typed(&self, name: &str, kind: AttributeType) -> Result<Option<&'a AttributeProto>> {
        let Some(found) = self.find(name) else {
            return Ok(None);
        };
        // Files of IR version 1 carry no attribute types.
        if found.r#type.is_some() && found.r#type() != kind {
            let (got, want) = (found.r#type().as_str_name(), kind.as_str_name());
            return Err(self.error(format!("attribute {name} is {got}, expected {want}")));
        }
        Ok(Some(found))
    }

    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    pub fn int(&self, name: &str) -> Result<Option<i64>> {
        Ok(self.typed(name, AttributeType::Int)?.map(AttributeProto::i))
    }

    pub fn float(&self, name: &str) -> Result<Option<f32>> {
        Ok(self.typed(name, AttributeType::Float)?.map(AttributeProto::f))
    }

    pub fn text(&self, name: &str) -> Result<Option<String>> {
        let Some(found) = self.typed(name, AttributeType::String)? else {
            return Ok(None);
        };
        let text = String::from_utf8(found.s().to_vec());
        text.map(Some).map_err(|_| self.error(format!("attribute {name} is not UTF-8")))
    }

    /// A list of integers; empty when absent.
    pub fn ints(&self, name: &str) -> Result<&'a [i64]> {
        Ok(self.typed(name, AttributeType::Ints)?.map_or(&[], |a| a.ints.as_slice()))
    }

    /// A list of numbers; empty when absent.
    pub fn floats(&self, name: &str) -> Result<&'a [f32]> {
        Ok(self.typed(name, AttributeType::Floats)?.map_or(&[], |a| a.floats.as_slice()))
    }

    /// A list of texts; empty when absent.
    pub fn texts(&self, name: &str) -> Result<Vec<String>> {
        let Some(found) = self.typed(name, AttributeType::Strings)? else {
            return Ok(Vec::new());
        };
        tensor::texts(&found.strings).map_err(|e| self.error(format!("attribute {name}: {e}")))
    }

    pub fn tensor(&self, name: &str) -> Result<Option<Tensor>> {
        let Some(found) = self.typed(name, AttributeType::Tensor)? else {
            return Ok(None);
        };
        let proto =
            found.t.as_ref().ok_or_else(|| self.error(format!("attribute {name} holds no tensor")))?;
        tensor::read(proto).map(Some).map_err(|e| match e {
            Error::Uncovered(reason) => self.unsupported(format!("attribute {name}: {reason}")),
            e => self.error(format!("attribute {name}: {e}")),
        })
    }
}
