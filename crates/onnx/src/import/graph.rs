//! The graph in the making: inputs, and the values that several parts of a model share.

use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::rc::Rc;

use super::columns::{Column, Level};
use super::{Input, Told};
use crate::builder::{Attr, GraphBuilder};
use crate::element::{Domain, ElementType};
use crate::slots::SlotKind;

/// Nodes of all trees of any file, with those that sets become, and at most; between them, one for each byte.
const NODES: (usize, usize) = (500_000, 20_000_000);
/// Weights of leaves that take the room of a node.
pub(super) const WEIGHTS: usize = 4;
/// Levels of tables and steps in front of numbers that all branches may look at: of any file, more for each byte, and at most.
const LOOKS: (usize, usize, usize) = (1 << 26, 128, 1 << 29);
/// Most levels that transformers may hand on, over all steps.
const CARRIED: usize = 1 << 23;
/// Bytes of the graph written for any file, and more for each of its own.
const HELD: (usize, usize) = (64 << 20, 40);
/// Most inputs of an imported model, and bytes of the name of one.
const INPUTS: usize = 20_000;
const NAME: usize = 4096;

/// An input: what the model was found to do with it.
#[derive(Debug)]
struct Source {
    name: String,
    number: bool,
    /// Texts it is compared with; the position of each is its code.
    levels: Vec<String>,
    codes: HashMap<String, usize>,
    text: bool,
    /// Its values are texts, whether the model reads them or not.
    words: bool,
}

/// Labels of the classes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Classes {
    Text(Vec<String>),
    Integer(Vec<i64>),
}

impl Classes {
    /// `0, 1, … count - 1`.
    pub(super) fn count(count: usize) -> Self {
        Self::Integer((0..count as i64).collect())
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Text(v) => v.len(),
            Self::Integer(v) => v.len(),
        }
    }

    /// The attribute of a classifier node, which has its own name for integers: `classlabels_ints` or `classlabels_int64s`.
    pub(super) fn attribute(&self, integers: &'static str) -> (&'static str, Attr) {
        match self {
            Self::Text(v) => ("classlabels_strings", Attr::Texts(v.clone())),
            Self::Integer(v) => (integers, Attr::Ints(v.clone())),
        }
    }
}

/// What a model answers: names of values of the graph.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// `[N, 1]`.
    Value(String),
    /// A label `[N]`, and probabilities `[N, classes]` where the model has them.
    Classes { label: String, probabilities: Option<String>, classes: Classes },
}

/// The graph.
#[derive(Debug)]
pub(super) struct Graph {
    builder: GraphBuilder,
    sources: Vec<Source>,
    /// Values made once, by what they are.
    made: HashMap<String, String>,
    /// Weights of leaves that all trees may still have; a node counts for several.
    room: Rc<Cell<usize>>,
    /// Levels and steps that all branches may still look at.
    looks: Rc<Cell<usize>>,
    /// Levels that transformers may still hand on.
    carried: Cell<usize>,
}

/// What a tree reads of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Read {
    /// The number.
    Raw,
    /// The code of the text: NaN when missing, -1 when unknown.
    Code,
    /// The number without its fraction, towards zero.
    Trunc,
    /// The next whole number below.
    Floor,
}

impl Graph {
    /// A graph over inputs of these names, of a file of so many bytes.
    pub(super) fn new(format: &str, names: Vec<String>, bytes: usize) -> Told<Self> {
        if names.is_empty() || names.len() > INPUTS {
            return Err(format!("it has {} input columns, expected 1 to {INPUTS}", names.len()));
        }
        let mut builder = GraphBuilder::new(format);
        builder.limit(bytes.saturating_mul(HELD.1).saturating_add(HELD.0));
        let mut sources = Vec::with_capacity(names.len());
        for name in names {
            if name.is_empty() || builder.fresh(&name) != name {
                return Err(format!("two input columns are called {name:?}, or one has no name"));
            }
            if name.len() > NAME {
                return Err(format!("the name of an input column is longer than {NAME} bytes"));
            }
            sources.push(Source {
                name,
                number: false,
                levels: Vec::new(),
                codes: HashMap::new(),
                text: false,
                words: false,
            });
        }
        builder.metadata("portcullis.source_format", format);
        let room = Rc::new(Cell::new(bytes.saturating_add(NODES.0).min(NODES.1) * WEIGHTS));
        let looks = bytes.saturating_mul(LOOKS.1).saturating_add(LOOKS.0).min(LOOKS.2);
        let (looks, carried) = (Rc::new(Cell::new(looks)), Cell::new(CARRIED));
        Ok(Self { builder, sources, made: HashMap::new(), room, looks, carried })
    }

    /// Weights of leaves that all trees may still have, where a node counts as [`WEIGHTS`]: sets and references can
    /// make a small file mean a large graph.
    pub(super) fn room(&self) -> Rc<Cell<usize>> {
        Rc::clone(&self.room)
    }

    /// Levels and steps that all branches may still look at.
    pub(super) fn looks(&self) -> Rc<Cell<usize>> {
        Rc::clone(&self.looks)
    }

    /// Counts levels of tables that a transformer hands on: each is kept once more.
    pub(super) fn carry(&self, levels: usize) -> Told<()> {
        let left = self.carried.get().checked_sub(levels);
        let told = || format!("its transformers hand on more than {CARRIED} categories of all columns");
        self.carried.set(left.ok_or_else(told)?);
        Ok(())
    }

    /// Counts what is looked at of columns.
    pub(super) fn look(&self, entries: usize) -> Told<()> {
        let left = self.looks.get().checked_sub(entries);
        self.looks.set(left.ok_or("its estimators look at too many categories of all columns")?);
        Ok(())
    }

    /// Refuses what makes the graph too large before more of it is made: so many bytes, beside what is there.
    pub(super) fn room_for(&self, bytes: usize) -> Told<()> {
        self.builder.room_for(bytes).map_err(|e| e.to_string())
    }

    /// Number of inputs.
    pub(super) fn width(&self) -> usize {
        self.sources.len()
    }

    /// Name of an input.
    pub(super) fn name(&self, source: usize) -> &str {
        self.sources.get(source).map_or("", |s| &s.name)
    }

    pub(super) fn builder(&mut self) -> &mut GraphBuilder {
        &mut self.builder
    }

    /// Adds a node of one output; gives its name.
    pub(super) fn node(
        &mut self,
        (domain, op): (Domain, &str),
        inputs: &[&str],
        attrs: Vec<(&str, Attr)>,
    ) -> String {
        let out = self.builder.fresh(&op.to_lowercase());
        self.builder.node(domain, op, inputs, &[&out], attrs);
        out
    }

    /// Adds a node of the default domain without attributes.
    pub(super) fn plain(&mut self, op: &str, inputs: &[&str]) -> String {
        self.node((Domain::Onnx, op), inputs, Vec::new())
    }

    /// A constant `[1, values]`.
    pub(super) fn row(&mut self, values: Vec<f32>) -> String {
        let dims = [1, values.len() as i64];
        self.builder.floats("row", &dims, values)
    }

    /// Columns side by side.
    pub(super) fn concat(&mut self, parts: &[String]) -> String {
        if let [only] = parts {
            return only.clone();
        }
        let names: Vec<&str> = parts.iter().map(String::as_str).collect();
        self.node((Domain::Onnx, "Concat"), &names, vec![("axis", Attr::Int(1))])
    }

    /// An input as a number.
    pub(super) fn number(&mut self, source: usize) -> Told<String> {
        self.room_for(0)?;
        let found = self.sources.get_mut(source).ok_or("it reads a column beyond its inputs")?;
        found.number = true;
        Ok(found.name.clone())
    }

    /// The code of a text of an input.
    pub(super) fn code(&mut self, source: usize, text: &str) -> Told<f32> {
        let found = self.sources.get_mut(source).ok_or("it reads a column beyond its inputs")?;
        found.text = true;
        let next = found.levels.len();
        if next >= 1 << 24 {
            return Err(format!("the column '{}' has too many categories", found.name));
        }
        if let Some(&known) = found.codes.get(text) {
            return Ok(known as f32);
        }
        found.codes.insert(text.to_owned(), next);
        found.levels.push(text.to_owned());
        Ok(next as f32)
    }

    /// Notes that the values of an input are texts, of which a table without levels tells nothing. Where the empty text
    /// is a category it is no missing value.
    pub(super) fn texts(&mut self, source: usize, empty: bool) -> Told<()> {
        if let Some(found) = self.sources.get_mut(source) {
            found.words = true;
            if empty {
                self.code(source, "")?;
            }
        }
        Ok(())
    }

    /// Whether the empty text is a category of an input.
    pub(super) fn has_empty(&self, source: usize) -> bool {
        self.sources.get(source).is_some_and(|found| found.codes.contains_key(""))
    }

    /// What of its input a table's levels are compared with, and the number of each level.
    pub(super) fn levels<'a>(
        &mut self,
        source: usize,
        levels: impl Iterator<Item = &'a Level>,
    ) -> Told<(Read, Vec<f32>)> {
        let mut numbers = Vec::new();
        let mut read = None;
        for level in levels {
            let (this, number) = match level {
                Level::Text(text) => (Read::Code, self.code(source, text)?),
                Level::Number(number) => (Read::Raw, *number),
            };
            if *read.get_or_insert(this) != this {
                return Err(format!("the column '{}' mixes texts and numbers", self.name(source)));
            }
            numbers.push(number);
        }
        let known_text = self.sources.get(source).is_some_and(|s| s.text || s.words);
        let read = read.unwrap_or(if known_text { Read::Code } else { Read::Raw });
        if read == Read::Code
            && let Some(found) = self.sources.get_mut(source)
        {
            found.text = true;
        }
        Ok((read, numbers))
    }

    /// The values trees read, side by side; gives the name and the place of each.
    pub(super) fn features(&mut self, keys: &[(usize, Read)]) -> Told<(String, Vec<usize>)> {
        self.room_for(0)?;
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_by_key(|&at| (keys[at].1, keys[at].0));
        let mut places = vec![0; keys.len()];
        order.iter().enumerate().for_each(|(place, &at)| places[at] = place);
        let mut parts = Vec::new();
        for group in order.chunk_by(|&a, &b| keys[a].1 == keys[b].1) {
            let read = keys[group[0]].1;
            let names: Vec<String> =
                group.iter().map(|&at| self.part(keys[at].0, read)).collect::<Told<_>>()?;
            match read {
                Read::Raw | Read::Code => parts.extend(names),
                Read::Trunc | Read::Floor => parts.push(self.whole(&names, read)),
            }
        }
        let key = format!("features {parts:?}");
        if let Some(made) = self.made.get(&key) {
            return Ok((made.clone(), places));
        }
        let name = self.concat(&parts);
        self.made.insert(key, name.clone());
        Ok((name, places))
    }

    fn part(&mut self, source: usize, read: Read) -> Told<String> {
        if read == Read::Code { self.coded(source) } else { self.number(source) }
    }

    /// The name under which the codes of an input will stand; the node is written by [`Graph::finish`], when
    /// all texts are known.
    fn coded(&mut self, source: usize) -> Told<String> {
        let key = format!("code {source}");
        if let Some(made) = self.made.get(&key) {
            return Ok(made.clone());
        }
        let stem = format!("{} code", self.name(source));
        self.sources.get_mut(source).ok_or("it reads a column beyond its inputs")?.text = true;
        let name = self.builder.fresh(&stem);
        self.made.insert(key, name.clone());
        Ok(name)
    }

    fn whole(&mut self, names: &[String], read: Read) -> String {
        let key = format!("{read:?} {names:?}");
        if let Some(made) = self.made.get(&key) {
            return made.clone();
        }
        let all = self.concat(names);
        let out = if read == Read::Floor {
            self.plain("Floor", &[&all])
        } else {
            let size = self.plain("Abs", &[&all]);
            let size = self.plain("Floor", &[&size]);
            let sign = self.plain("Sign", &[&all]);
            self.plain("Mul", &[&size, &sign])
        };
        self.made.insert(key, out.clone());
        out
    }

    /// The name for [`Graph::once`] of columns side by side: short however many categories they have, and by keys that
    /// no file can know, so that none can mean two matrices by one.
    pub(super) fn key(&self, columns: &[Column]) -> String {
        let half = |first: u8| {
            let mut hasher = self.made.hasher().build_hasher();
            first.hash(&mut hasher);
            for column in columns {
                column.digest(&mut hasher);
            }
            hasher.finish()
        };
        format!("matrix {:x} {:x}", half(0), half(1))
    }

    /// Remembers a value by what it is.
    pub(super) fn once(&mut self, key: String, make: impl FnOnce(&mut Self) -> Told<String>) -> Told<String> {
        self.room_for(0)?;
        if let Some(made) = self.made.get(&key) {
            return Ok(made.clone());
        }
        let made = make(self)?;
        self.made.insert(key, made.clone());
        Ok(made)
    }

    /// The class of the greatest score: `[N]`.
    pub(super) fn greatest(&mut self, scores: &str, classes: &Classes) -> String {
        let attrs = vec![("axis", Attr::Int(1)), ("keepdims", Attr::Int(0))];
        let index = self.node((Domain::Onnx, "ArgMax"), &[scores], attrs);
        self.label(&index, classes)
    }

    /// The label of an index `[N]`.
    pub(super) fn label(&mut self, index: &str, classes: &Classes) -> String {
        let dims = [classes.len() as i64];
        let table = match classes {
            Classes::Text(v) => self.builder.strings("classes", &dims, v.clone()),
            Classes::Integer(v) => self.builder.ints("classes", &dims, v.clone()),
        };
        self.node((Domain::Onnx, "Gather"), &[&table, index], vec![("axis", Attr::Int(0))])
    }

    /// `[1 - p, p]` of a probability `[N, 1]`.
    pub(super) fn pair(&mut self, probability: &str) -> String {
        let one = self.row(vec![1.0]);
        let rest = self.plain("Sub", &[&one, probability]);
        self.concat(&[rest, probability.to_owned()])
    }

    /// Ends the graph with an answer.
    pub(super) fn finish(mut self, answer: &Answer) -> Told<(Vec<u8>, Vec<Input>)> {
        self.encode_texts()?;
        let mut inputs = Vec::with_capacity(self.sources.len());
        for source in &self.sources {
            if source.number && source.text {
                return Err(format!("the column '{}' is read as a number and as a text", source.name));
            }
            // Whatever is sent for a column that nothing reads can be taken as text.
            let kind = if source.number { SlotKind::Float } else { SlotKind::Text };
            let element = if source.number { ElementType::Float } else { ElementType::String };
            self.builder.input(&source.name, element, 1);
            let (used, levels) = (source.number || source.text, source.levels.clone());
            inputs.push(Input { name: source.name.clone(), kind, used, levels });
        }
        match answer {
            Answer::Value(value) => self.output("prediction", value, (ElementType::Float, &[-1, 1])),
            Answer::Classes { label, probabilities, classes } => {
                let kind = match classes {
                    Classes::Text(_) => ElementType::String,
                    Classes::Integer(_) => ElementType::Int64,
                };
                self.output("label", label, (kind, &[-1]));
                if let Some(probabilities) = probabilities {
                    let dims = [-1, classes.len() as i64];
                    self.output("probabilities", probabilities, (ElementType::Float, &dims));
                }
            }
        }
        Ok((self.builder.finish().map_err(|e| e.to_string())?, inputs))
    }

    fn output(&mut self, stem: &str, value: &str, (kind, dims): (ElementType, &[i64])) {
        let name = self.builder.fresh(stem);
        self.builder.node(Domain::Onnx, "Identity", &[value], &[&name], Vec::new());
        self.builder.output(&name, kind, dims);
    }

    /// Writes the nodes that turn texts into codes, before all others.
    fn encode_texts(&mut self) -> Told<()> {
        let mut count = 0;
        for at in 0..self.sources.len() {
            let Some(name) = self.made.get(&format!("code {at}")).cloned() else { continue };
            let source = &self.sources[at];
            let mut keys = source.levels.clone();
            let mut codes: Vec<f32> = (0..keys.len()).map(|code| code as f32).collect();
            if !source.codes.contains_key("") {
                keys.push(String::new());
                codes.push(f32::NAN);
            }
            let input = source.name.clone();
            let attrs = vec![
                ("keys_strings", Attr::Texts(keys)),
                ("values_floats", Attr::Floats(codes)),
                ("default_float", Attr::Float(-1.0)),
            ];
            self.builder.node(Domain::Ml, "LabelEncoder", &[&input], &[&name], attrs);
            count += 1;
        }
        self.builder.last_first(count);
        Ok(())
    }

    /// The columns of a model that reads its inputs as they are.
    pub(super) fn inputs(&self) -> Vec<Column> {
        (0..self.width()).map(Column::input).collect()
    }
}
