//! A checked graph, ready to run on tensors, and its way into a compiled program.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use crate::check::{self, Opsets};
use crate::error::{Error, Result};
use crate::limits;
use crate::ops::{self, Inputs, Op};
use crate::outline;
use crate::program::{Casing, Dictionary, Ending, Groups, Kind, Lower, Program, Value};
use crate::proto::generated::{
    GraphProto, ValueInfoProto, tensor_proto::DataType, tensor_shape_proto, type_proto,
};
use crate::slots::{Slot, SlotKind};
use crate::tensor::{self, Data, Tensor};

/// A graph input as declared.
#[derive(Debug)]
pub(crate) struct Input {
    pub name: String,
    kind: DataType,
    /// Length of each axis; none where any length will do. No shape at all accepts every shape.
    dims: Option<Vec<Option<usize>>>,
    /// An initializer of the same name stands in when the caller gives nothing.
    pub optional: bool,
}

#[derive(Debug)]
struct Node {
    op: Op,
    inputs: Vec<String>,
    outputs: Vec<String>,
    /// The node as messages name it: `name (operator)`.
    label: (String, String),
    /// Names nobody reads after this node.
    done: Vec<String>,
}

/// A graph.
#[derive(Debug)]
pub(crate) struct Graph {
    pub inputs: Vec<Input>,
    outputs: Vec<String>,
    constants: HashMap<String, Arc<Tensor>>,
    nodes: Vec<Node>,
}

impl Graph {
    /// Prepares every node.
    pub fn new(proto: &GraphProto, opsets: &Opsets) -> Result<Self> {
        let mut constants = HashMap::new();
        for tensor in &proto.initializer {
            let read =
                tensor::read(tensor).map_err(|e| e.within(&format!("initializer {:?}", tensor.name())))?;
            constants.insert(tensor.name().to_owned(), Arc::new(read));
        }
        let mut inputs = Vec::new();
        for info in &proto.input {
            let optional = constants.contains_key(info.name());
            inputs.push(input(info, optional)?);
        }
        let outputs: Vec<String> = proto.output.iter().map(|o| o.name().to_owned()).collect();
        let mut nodes = Vec::with_capacity(proto.node.len());
        let mut sets = 0_usize;
        for (index, node) in proto.node.iter().enumerate() {
            let node = check::node_at(node, index, opsets)?;
            let op = ops::build(&node)?;
            sets = sets.saturating_add(op.sets());
            check::at_most("sets of categories of all trees (words)", sets, limits::SETS)?;
            let (inputs, outputs) = (node.proto.input.clone(), node.proto.output.clone());
            nodes.push(Node { op, inputs, outputs, label: node.label(), done: Vec::new() });
        }
        mark_done(&mut nodes, &outputs);
        Ok(Self { inputs, outputs, constants, nodes })
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Runs the graph on named tensors.
    pub fn run(&self, given: Vec<(String, Tensor)>) -> Result<Vec<(String, Tensor)>> {
        let mut values: HashMap<&str, Cow<'_, Tensor>> =
            self.constants.iter().map(|(k, v)| (k.as_str(), Cow::Borrowed(&**v))).collect();
        for (name, tensor) in given {
            let input = self.inputs.iter().find(|i| i.name == name).ok_or_else(|| {
                let known: Vec<&str> = self.inputs.iter().map(|i| i.name.as_str()).collect();
                Error::input(&name, format!("the model has no such input, it has {known:?}"))
            })?;
            input.accepts(&tensor).map_err(|e| Error::input(&name, e))?;
            values.insert(&input.name, Cow::Owned(tensor));
        }
        if let Some(missing) = self.inputs.iter().find(|i| !values.contains_key(i.name.as_str())) {
            return Err(Error::input(&missing.name, "is missing"));
        }
        for node in &self.nodes {
            let results = {
                let inputs = node.inputs.iter().map(|i| values.get(i.as_str()).map(AsRef::as_ref)).collect();
                let inputs = Inputs::new(inputs, limits::RUN_ELEMENTS);
                node.op.run(&inputs).map_err(|e| node.error(e))?
            };
            for name in &node.done {
                values.remove(name.as_str());
            }
            for (name, result) in node.outputs.iter().zip(results).filter(|(n, _)| !n.is_empty()) {
                values.insert(name, Cow::Owned(result));
            }
        }
        self.outputs.iter().map(|name| take(&mut values, name)).collect()
    }

    /// One slot for each input, side by side in a row.
    pub fn slots(&self) -> Result<Vec<Slot>> {
        let mut offset = 0;
        let mut slots = Vec::with_capacity(self.inputs.len());
        for input in self.inputs.iter().filter(|i| !i.optional) {
            let slot = input.slot(offset)?;
            offset += slot.width;
            slots.push(slot);
        }
        check::at_most("width of a row", offset, limits::ROW_WIDTH)?;
        if slots.is_empty() { Err(Error::model("the graph has no input")) } else { Ok(slots) }
    }

    /// The dictionary of each text slot (none for the others, and where texts are read whole).
    pub fn dictionaries(&self, slots: &[Slot]) -> Vec<Option<Arc<Dictionary>>> {
        let mut groups = Groups::default();
        for node in &self.nodes {
            let inputs = node.inputs.iter().map(String::as_str);
            if let Some(first) = node.inputs.first().filter(|_| node.op.reads_whole()) {
                groups.read_whole(first);
            }
            let stated = node.op.constant().map(|tensor| &tensor.data);
            if let (Some(Data::Text(texts)), Some(name)) = (stated, node.outputs.first()) {
                groups.compare(name, texts.clone());
            }
            let Some(levels) = node.op.levels() else {
                groups.join(inputs.chain(node.outputs.iter().map(String::as_str)));
                continue;
            };
            groups.join(inputs);
            if let Some(first) = node.inputs.first() {
                groups.compare(first, levels);
            }
        }
        for (name, tensor) in &self.constants {
            if let Data::Text(texts) = &tensor.data {
                groups.compare(name, texts.clone());
            }
        }
        let mut made: HashMap<usize, Arc<Dictionary>> = HashMap::new();
        let mut dictionary = |slot: &Slot| {
            let whole = groups.is_whole(&slot.name);
            let (group, levels) = groups.of(&slot.name);
            let new = || Arc::new(Dictionary::new(levels.iter().cloned()));
            (slot.kind == SlotKind::Text && !whole).then(|| Arc::clone(made.entry(group).or_insert_with(new)))
        };
        slots.iter().map(&mut dictionary).collect()
    }

    /// Compiles the graph for rows.
    pub fn compile(&self, slots: &[Slot], dictionaries: &[Option<Arc<Dictionary>>]) -> Result<Program> {
        let width = slots.iter().map(|s| s.width).sum();
        let mut lower = Lower::new(width, self.uses());
        lower.allow(self.stated());
        let mut values: HashMap<&str, Value> =
            self.constants.iter().map(|(k, v)| (k.as_str(), Value::Const(Arc::clone(v)))).collect();
        for (slot, dictionary) in slots.iter().zip(dictionaries) {
            let kind = match (slot.kind, dictionary) {
                (_, Some(dictionary)) => dictionary.kind(),
                (SlotKind::Text, None) => Kind::texts(Casing::Kept),
                (SlotKind::Int64, _) => Kind::Int,
                (SlotKind::Bool, _) => Kind::Bool,
                _ => Kind::Float,
            };
            let mut row = lower.input(slot.offset, slot.width, kind);
            if slot.flat {
                row.shape.inner.clear();
            }
            values.insert(&slot.name, Value::Row(row));
        }
        for node in &self.nodes {
            self.lower_node(node, &mut lower, &mut values)?;
        }
        let shared =
            outline::shared(self.nodes.iter().map(|n| (n.label.1.as_str(), &n.inputs[..], &n.outputs[..])));
        let answers = self.outputs.iter().filter_map(|name| {
            let row = values.get(name.as_str()).and_then(|v| v.row().ok())?;
            Some((row.clone(), shared.contains(name.as_str())))
        });
        let (rows, shares): (Vec<_>, Vec<_>) = answers.unzip();
        let ending = Ending::read(&mut lower, &rows, &shares).map_err(Error::Output)?;
        Ok(lower.finish(ending))
    }

    fn lower_node<'a>(
        &'a self,
        node: &'a Node,
        lower: &mut Lower,
        values: &mut HashMap<&'a str, Value>,
    ) -> Result<()> {
        let inputs: Vec<Option<Value>> =
            node.inputs.iter().map(|i| values.get(i.as_str()).cloned()).collect();
        let constants: Option<Vec<_>> = inputs
            .iter()
            .map(|v| match v {
                None => Some(None),
                Some(Value::Const(tensor)) => Some(Some(&**tensor)),
                Some(Value::Row(_) | Value::Words(_)) => None,
            })
            .collect();
        lower.enter(&node.outputs);
        let results = match constants {
            Some(inputs) => {
                let given = inputs.iter().flatten().map(|t| t.data.cost()).sum();
                lower.fold(given).map_err(|e| node.refusal(lower, e))?;
                // Long texts may be made many of.
                let longest = inputs.iter().flatten().map(|t| t.data.longest()).max().unwrap_or(0);
                let room = limits::FOLDED_INPUT / (1 + longest / limits::LONG_TEXT);
                let inputs = Inputs::new(inputs, room);
                lower.charge(node.op.work(&inputs)).map_err(|e| node.refusal(lower, e))?;
                let results = node.op.run(&inputs).map_err(|e| node.error(e))?;
                let made = results.iter().map(|t| t.data.cost()).max().unwrap_or(0);
                // A `Constant` is as large as the file says; everything else counts.
                if inputs.len() > 0 {
                    lower.fold(made).map_err(|e| node.refusal(lower, e))?;
                }
                results.into_iter().map(|t| Value::Const(t.into())).collect()
            }
            None => {
                let read = |v: &Value| if let Value::Const(tensor) = v { reading(&tensor.data) } else { 0 };
                let read = inputs.iter().flatten().map(read).fold(0, usize::saturating_add);
                let results = lower.charge(read).and_then(|()| node.lower(lower, inputs));
                results.map_err(|e| node.refusal(lower, e))?
            }
        };
        for (name, value) in node.outputs.iter().zip(results).filter(|(n, _)| !n.is_empty()) {
            values.insert(name, value);
        }
        Ok(())
    }

    /// Steps of reading each constant of the file once.
    fn stated(&self) -> usize {
        let nodes = self.nodes.iter().filter_map(|node| node.op.constant());
        let all = self.constants.values().map(|tensor| &**tensor).chain(nodes);
        all.map(|tensor| reading(&tensor.data)).fold(0, usize::saturating_add)
    }

    /// How often each name is read, by nodes and as an output.
    fn uses(&self) -> HashMap<String, usize> {
        let mut uses = HashMap::new();
        for name in self.nodes.iter().flat_map(|n| &n.inputs).chain(&self.outputs) {
            *uses.entry(name.clone()).or_insert(0) += 1;
        }
        uses
    }
}

impl Node {
    /// Lowers the node; texts that came in whole become the codes it knows.
    fn lower(&self, lower: &mut Lower, mut inputs: Vec<Option<Value>>) -> Result<Vec<Value>, String> {
        if let (Some(Some(Value::Row(row))), Some(mut levels)) = (inputs.first(), self.op.levels())
            && let Some(casing) = row.kind.whole()
        {
            for value in inputs.iter().skip(1).flatten() {
                if let Value::Const(tensor) = value
                    && let Data::Text(texts) = &tensor.data
                {
                    levels.extend_from_slice(texts);
                }
            }
            inputs[0] = Some(Value::Row(ops::coded(lower, &row.clone(), casing, levels)?));
        }
        self.op.lower(lower, &inputs)
    }

    fn error(&self, reason: String) -> Error {
        let (node, op) = self.label.clone();
        Error::Node { node, op, reason }
    }

    /// Why the node could not be lowered; what a limit stands against is not for another engine either.
    fn refusal(&self, lower: &Lower, reason: String) -> Error {
        let (node, op) = self.label.clone();
        if lower.is_beyond() {
            return Error::TooMuch { node, op, reason };
        }
        Error::Unsupported { node, op, reason }
    }
}

/// Steps of reading a constant where a row is compiled, and of copying it.
fn reading(data: &Data) -> usize {
    const NUMBER: usize = 32;
    const TEXT: usize = 128;
    data.cost().saturating_mul(if let Data::Text(_) = data { TEXT } else { NUMBER })
}

/// Notes at each node which names end there, so that their memory can go.
fn mark_done(nodes: &mut [Node], outputs: &[String]) {
    let mut seen: std::collections::HashSet<String> = outputs.iter().cloned().collect();
    for node in nodes.iter_mut().rev() {
        let names: Vec<String> = node.inputs.iter().chain(&node.outputs).cloned().collect();
        node.done = names.into_iter().filter(|n| !n.is_empty() && seen.insert(n.clone())).collect();
    }
}

fn take(values: &mut HashMap<&str, Cow<'_, Tensor>>, name: &str) -> Result<(String, Tensor)> {
    match values.remove(name) {
        Some(tensor) => Ok((name.to_owned(), tensor.into_owned())),
        None => Err(Error::Output(format!("{name:?} was not produced"))),
    }
}

fn input(info: &ValueInfoProto, optional: bool) -> Result<Input> {
    let name = info.name().to_owned();
    let Some(type_proto::Value::TensorType(tensor)) = info.r#type.as_ref().and_then(|t| t.value.as_ref())
    else {
        return Err(Error::input(name, "is no tensor; only tensors are supported"));
    };
    let kind = match DataType::try_from(tensor.elem_type()) {
        Ok(kind) => kind,
        Err(_) => return Err(Error::input(name, "has an unknown element type")),
    };
    let size = |dim: &tensor_shape_proto::Dimension| match dim.value {
        Some(tensor_shape_proto::dimension::Value::DimValue(size)) => usize::try_from(size).ok(),
        _ => None,
    };
    let dims = tensor.shape.as_ref().map(|s| s.dim.iter().map(size).collect());
    Ok(Input { name, kind, dims, optional })
}

impl Input {
    fn accepts(&self, tensor: &Tensor) -> Result<(), String> {
        let kind = tensor.data.data_type();
        if kind != self.kind {
            let (want, got) = (self.kind.as_str_name(), kind.as_str_name());
            return Err(format!("has element type {got}, expected {want}"));
        }
        let Some(dims) = &self.dims else { return Ok(()) };
        let fits = dims.len() == tensor.dims.len()
            && dims.iter().zip(&tensor.dims).all(|(want, got)| want.is_none_or(|w| w == *got));
        if fits {
            return Ok(());
        }
        let want: Vec<String> = dims.iter().map(|d| d.map_or("?".to_owned(), |d| d.to_string())).collect();
        Err(format!("has shape {:?}, expected [{}]", tensor.dims, want.join(", ")))
    }

    /// The input as columns of a row.
    fn slot(&self, offset: usize) -> Result<Slot> {
        let refuse = |reason: String| Error::input(&self.name, reason);
        let kind = match self.kind {
            DataType::Float | DataType::Double => SlotKind::Float,
            DataType::Int64 | DataType::Int32 | DataType::Uint8 => SlotKind::Int64,
            DataType::Bool => SlotKind::Bool,
            DataType::String => SlotKind::Text,
            other => return Err(refuse(format!("element type {} is not supported", other.as_str_name()))),
        };
        let inner: Option<Vec<usize>> = match self.dims.as_deref() {
            Some([_, inner @ ..]) => inner.iter().copied().collect(),
            _ => None,
        };
        let width = match inner.as_deref() {
            Some([]) => 1,
            Some(&[width]) if width > 0 => width,
            Some(inner @ [_, _, ..]) if !inner.contains(&0) => {
                let told = format!("its rows have shape {inner:?}, only [N] and [N, width] are read");
                return Err(Error::Uncovered(format!("input {}: {told}", self.name)));
            }
            _ => return Err(refuse("has no shape [N, width] with a known width".to_owned())),
        };
        let flat = self.dims.as_ref().is_some_and(|d| d.len() == 1);
        Ok(Slot { name: self.name.clone(), kind, width, offset, flat })
    }
}

#[cfg(test)]
mod tests;
