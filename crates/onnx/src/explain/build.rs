//! Makes an explainer of a model file, and writes the means it needs into one.

use super::rules::Rule;
use super::value::{Players, Value};
use super::walk::Walk;
use super::{Explainer, Input, MEANS_KEY, Node};
use crate::batch::Batch;
use crate::check;
use crate::error::{Error, Result};
use crate::model::{Model, Output};
use crate::ops;
use crate::proto::generated::{
    ModelProto, StringStringEntryProto, ValueInfoProto, tensor_proto::DataType, type_proto,
};
use crate::slots::{Slot, SlotKind};
use crate::tensor::{self, Tensor};
use prost::Message as _;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

impl Explainer {
    /// The explainer of a model; `bytes` are what it was read from.
    ///
    /// # Errors
    /// Why the model can't be explained: an operator that is no sum of its inputs, covers that the file does not hold.
    pub fn new(model: &Model, bytes: &[u8]) -> Result<Self> {
        let mut made = read(model, &decode(bytes)?)?;
        made.prepare()?;
        Ok(made)
    }

    /// Walks a row of missing values once: lays out the trees, learns who owns what, and shows whether all goes well.
    fn prepare(&mut self) -> Result<()> {
        let texts =
            |input: &Input| vec![if input.kind == SlotKind::Text { 0.0 } else { f32::NAN }; input.width];
        let row: Vec<Tensor> =
            self.inputs.iter().map(|input| input.tensor(&texts(input), Some(&[String::new()]))).collect();
        let mut walk = Walk::new(self);
        walk.lay_out(row);
        let (players, trees) = (walk.players, walk.trees);
        self.players = players;
        for (at, shap) in trees {
            if let Rule::Trees(trees) = &mut self.nodes[at].rule {
                self.work += shap.work;
                trees.lay(shap);
            }
        }
        let row =
            self.inputs.iter().map(|input| input.tensor(&texts(input), Some(&[String::new()]))).collect();
        Walk::new(self).run(row).map(|_| ()).map_err(|why| Error::model(format!("can't be explained: {why}")))
    }
}

fn decode(bytes: &[u8]) -> Result<ModelProto> {
    check::at_most("model file (bytes)", bytes.len(), crate::limits::MODEL_BYTES)?;
    crate::proto::guard::measure(bytes)?;
    ModelProto::decode(bytes).map_err(|e| Error::Decode { what: "model", reason: e.to_string() })
}

fn read(model: &Model, proto: &ModelProto) -> Result<Explainer> {
    let opsets = check::model(proto)?;
    let graph = proto.graph.as_ref().ok_or_else(|| Error::model("there is no graph"))?;
    let mut constants = HashMap::new();
    for initializer in &graph.initializer {
        constants.insert(initializer.name().to_owned(), Arc::new(tensor::read(initializer)?));
    }
    let mut nodes = Vec::with_capacity(graph.node.len());
    for (index, proto) in graph.node.iter().enumerate() {
        let node = check::node_at(proto, index, &opsets)?;
        let (name, op) = node.label();
        let rule = Rule::read(&node)?;
        nodes.push(Node {
            op: if matches!(rule, Rule::Trees(_)) { None } else { Some(ops::build(&node)?) },
            rule,
            inputs: proto.input.clone(),
            outputs: proto.output.clone(),
            label: format!("{name} ({op})"),
        });
    }
    let inputs: Vec<Input> = model.slots().iter().map(|slot| input(slot, &graph.input)).collect();
    let columns = inputs.iter().map(|i| i.width).sum();
    let means = proto.metadata_props.iter().find(|entry| entry.key() == MEANS_KEY);
    let means = means.and_then(|entry| serde_json::from_str(entry.value()).ok()).unwrap_or_default();
    Ok(Explainer {
        inputs,
        constants,
        nodes,
        outputs: graph.output.iter().map(|o| o.name().to_owned()).collect(),
        players: Players::new(columns),
        means,
        classes: match model.output() {
            Output::Classes(labels) => Some(labels.len()),
            Output::Value => None,
        },
        columns,
        work: 0,
    })
}

fn input(slot: &Slot, declared: &[ValueInfoProto]) -> Input {
    let info = declared.iter().find(|info| info.name() == slot.name);
    let kind = info.and_then(|info| info.r#type.as_ref()).and_then(|t| t.value.as_ref());
    let element = match kind {
        Some(type_proto::Value::TensorType(tensor)) => DataType::try_from(tensor.elem_type()).ok(),
        _ => None,
    };
    Input {
        name: slot.name.clone(),
        kind: slot.kind,
        element: element.unwrap_or(DataType::Float),
        width: slot.width,
        offset: slot.offset,
        flat: slot.flat,
    }
}

/// Writes into a model file the means, over the rows of a batch of its model, of what its linear operators read. A file
/// without such operators comes back as it was.
///
/// # Errors
/// Bytes that are no model, a batch of another one.
pub fn with_means(bytes: &[u8], model: &Model, rows: &Batch) -> Result<Vec<u8>> {
    let mut proto = decode(bytes)?;
    let explainer = read(model, &proto)?;
    let mut walk = Walk::new(&explainer);
    walk.record = Some(BTreeMap::new());
    for row in 0..rows.rows() {
        walk.values.clear();
        walk.go(explainer.row(rows, row)?);
    }
    let sums = walk.record.take().unwrap_or_default();
    let mean = |sum: f64| (sum / rows.rows().max(1) as f64) as f32;
    let means: BTreeMap<String, Vec<f32>> =
        sums.into_iter().map(|(name, sums)| (name, sums.into_iter().map(mean).collect())).collect();
    if means.is_empty() {
        return Ok(bytes.to_vec());
    }
    let text = serde_json::to_string(&means).map_err(|e| Error::model(e.to_string()))?;
    proto.metadata_props.retain(|entry| entry.key() != MEANS_KEY);
    proto.metadata_props.push(StringStringEntryProto { key: Some(MEANS_KEY.to_owned()), value: Some(text) });
    Ok(proto.encode_to_vec())
}

impl Explainer {
    /// The inputs of one row as values of the walk.
    pub(super) fn enter(&self, row: Vec<Tensor>) -> Vec<(String, Value)> {
        let one = |(input, tensor): (&Input, Tensor)| {
            let players = (0..input.width).map(|c| (input.offset + c) as u32 + 1).collect();
            (input.name.clone(), Value::Plain { tensor: Arc::new(tensor), players })
        };
        self.inputs.iter().zip(row).map(one).collect()
    }
}
