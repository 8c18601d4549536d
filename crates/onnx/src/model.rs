//! A loaded model: its slots, its output, and the two ways of running it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use prost::Message as _;

use crate::batch::{Batch, Columns, Form, Tokens};
use crate::check;
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::limits;
use crate::program::{Block, Dictionary, Ending, Program, Texts};
use crate::proto::{self, generated::ModelProto};
use crate::scores::Labels;
use crate::slots::{Slot, SlotKind};
use crate::tensor::Tensor;
use crate::work::Work;

/// What the model predicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A class with probabilities.
    Classes(Labels),
    /// A number.
    Value,
}

/// A model that can be run; `Send + Sync`, share it behind an `Arc`.
#[derive(Debug)]
pub struct Model {
    slots: Vec<Slot>,
    names: HashMap<String, usize>,
    form: Arc<Form>,
    metadata: BTreeMap<String, String>,
    output: Output,
    graph: Graph,
    /// The compiled graph, or why it can't score rows.
    program: Result<Program>,
    bytes: usize,
}

impl Model {
    /// Reads, checks and compiles a model.
    ///
    /// A graph whose operators all run, but not row by row, loads too: see [`Model::predictable`].
    ///
    /// # Errors
    /// Bytes that are no model, a model that is not well formed, and one that this engine can't run; the
    /// message names the node and its operator.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        check::at_most("model file (bytes)", bytes.len(), limits::MODEL_BYTES)?;
        proto::guard::measure(bytes)?;
        let proto =
            ModelProto::decode(bytes).map_err(|e| Error::Decode { what: "model", reason: e.to_string() })?;
        let opsets = check::model(&proto)?;
        let graph = Graph::new(&proto.graph.unwrap_or_default(), &opsets)?;
        let metadata = proto.metadata_props.into_iter();
        let metadata = metadata.map(|e| (e.key.unwrap_or_default(), e.value.unwrap_or_default())).collect();
        let (slots, dictionaries, program) = match graph.slots() {
            Ok(slots) => {
                let dictionaries = graph.dictionaries(&slots);
                let program = graph.compile(&slots, &dictionaries);
                (slots, dictionaries, program)
            }
            Err(e) => (Vec::new(), Vec::new(), Err(e)),
        };
        let output = match program.as_ref().map(|p| &p.ending) {
            Ok(Ending::Classes { labels, .. }) => Output::Classes(labels.clone()),
            _ => Output::Value,
        };
        let whole = program.as_ref().map_or(&[][..], |p| p.whole.as_slice());
        let form = Arc::new(form(&slots, dictionaries, whole));
        let names = slots.iter().enumerate().map(|(i, s)| (s.name.clone(), i)).collect();
        Ok(Self { slots, names, form, metadata, output, graph, program, bytes: bytes.len() })
    }

    /// Inputs of the graph, in its order; empty when they are not columns of rows.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Names of the graph's inputs that are no constants, in its order: what [`Model::run_tensors`] needs at least.
    pub fn inputs(&self) -> impl Iterator<Item = &str> {
        self.graph.inputs.iter().filter(|input| !input.optional).map(|input| input.name.as_str())
    }

    /// Index of the slot of this name.
    pub fn slot(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// The model's `metadata_props`.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// What it predicts. Means nothing when [`Model::predictable`] fails.
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// Whether rows can be scored: the graph works row by row, and its outputs are a class with
    /// probabilities or one value.
    ///
    /// # Errors
    /// What stands against it, with the names of the node and its operator.
    pub fn predictable(&self) -> Result<()> {
        self.program.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    /// Number of nodes of the graph.
    pub fn nodes(&self) -> usize {
        self.graph.len()
    }

    /// Number of steps of the compiled graph; 0 when it is not predictable.
    pub fn steps(&self) -> usize {
        self.program.as_ref().map_or(0, Program::steps)
    }

    /// What scoring a row takes at least; nothing when it is not predictable.
    pub fn work(&self) -> Work {
        let mut work = self.program.as_ref().map(Program::work).unwrap_or_default();
        let width = |text: bool| {
            let of = self.slots.iter().filter(|s| (s.kind == SlotKind::Text) == text);
            of.map(|s| s.width as f64).sum::<f64>()
        };
        (work.texts, work.cells_set) = (width(true), width(false));
        work
    }

    /// Size of the file the model was read from, bytes.
    pub fn file_bytes(&self) -> usize {
        self.bytes
    }

    /// An empty batch for this model.
    pub fn batch(&self) -> Batch {
        let memory = self.program.as_ref().map(Program::memory).unwrap_or_default();
        let width = match self.program.as_ref().map(|p| &p.ending) {
            Ok(Ending::Classes { scores: Some((_, width)), .. }) => *width,
            Ok(Ending::Value { .. }) => 1,
            _ => 0,
        };
        Batch {
            form: Arc::clone(&self.form),
            rows: 0,
            inputs: Vec::new(),
            start: 0,
            texts: Texts::default(),
            memory,
            outputs: Vec::new(),
            classes: Vec::new(),
            width,
        }
    }

    /// Scores the rows of a batch made by this model. Allocates nothing once the batch has held as many
    /// rows before.
    ///
    /// # Errors
    /// When the batch belongs to another model, or the model is not [predictable](Model::predictable).
    pub fn predict(&self, batch: &mut Batch) -> Result<()> {
        let program = self.program.as_ref().map_err(Clone::clone)?;
        if !Arc::ptr_eq(&batch.form, &self.form) {
            return Err(Error::model("the batch was made by another model"));
        }
        let Batch { inputs, texts, memory, outputs, classes, .. } = batch;
        outputs.clear();
        classes.clear();
        program.run((inputs, texts), memory, |block| collect(&program.ending, block, outputs, classes));
        Ok(())
    }

    /// Runs the graph on named tensors; gives its outputs in their order. A `ZipMap` gives the
    /// probabilities in the order of its classes.
    ///
    /// # Errors
    /// A missing or unknown input, a type or shape that does not fit, and a node that fails on these values.
    pub fn run_tensors(&self, inputs: Vec<(String, Tensor)>) -> Result<Vec<(String, Tensor)>> {
        self.graph.run(inputs)
    }

    #[inline]
    pub(crate) fn form(&self) -> &Arc<Form> {
        &self.form
    }
}

fn form(slots: &[Slot], dictionaries: Vec<Option<Arc<Dictionary>>>, whole: &[usize]) -> Form {
    let mut missing = Vec::new();
    for slot in slots {
        let value = if slot.kind == SlotKind::Text { 0.0 } else { f32::NAN };
        missing.extend(std::iter::repeat_n(value, slot.width));
    }
    let mut marks = vec![false; missing.len()];
    for &column in whole {
        if let Some(mark) = marks.get_mut(column) {
            *mark = true;
        }
    }
    let columns = |(slot, dictionary): (&Slot, Option<Arc<Dictionary>>)| {
        let text = slot.kind == SlotKind::Text;
        let tokens = dictionary.map_or(Tokens::Whole, Tokens::Codes);
        Columns {
            first: slot.offset,
            numbers: if text { 0 } else { slot.width },
            texts: text.then_some((tokens, slot.width)),
            whole: marks[slot.offset..][..slot.width].contains(&true),
        }
    };
    Form { slots: slots.iter().zip(dictionaries).map(columns).collect(), missing }
}

/// Takes the predictions of a block out of the arena.
fn collect(ending: &Ending, block: &Block<'_>, outputs: &mut Vec<f32>, classes: &mut Vec<u32>) {
    match ending {
        Ending::Value { place } => {
            let place = block.places[*place];
            outputs.extend((0..block.rows).map(|r| block.arena[place.row(r)]));
        }
        Ending::Classes { label, scores, .. } => {
            let place = block.places[label.place];
            let last = label.classes.saturating_sub(1) as u32;
            classes.extend((0..block.rows).map(|r| (block.arena[place.row(r)] as u32).min(last)));
            if let Some((scores, width)) = scores {
                let place = block.places[*scores];
                let whole = &block.arena[place.offset..];
                if place.stride == *width {
                    outputs.extend_from_slice(&whole[..block.rows * width]);
                } else {
                    whole
                        .chunks(place.stride.max(1))
                        .take(block.rows)
                        .for_each(|r| outputs.extend_from_slice(&r[..*width]));
                }
            }
        }
    }
}
