//! From YAML text to a tree with positions: bounded in size, depth and expansion, no tags of others, no key twice.

use crate::error::{Place, Result, Wrong};
use granit_parser::{Event, Marker, Options, Parser, ScalarStyle, ScanError, Tag};
use std::collections::HashMap;

/// Bytes of a file at most.
pub const TEXT_MAX: usize = 1 << 20;
/// The deepest nesting, aliases expanded.
const DEPTH_MAX: usize = 32;
/// Bytes of the tree at most, every node counted as [`NODE_COST`] and its text; an alias counts like what it stands for.
const COST_MAX: usize = 16 << 20;
/// What a node costs besides its text.
const NODE_COST: usize = 64;
/// The longest key, in bytes.
const KEY_MAX: usize = 1024;

/// A value and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub place: Place,
    pub content: Content,
    /// Levels below and with this one.
    height: usize,
    /// Of the whole subtree.
    cost: usize,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Nothing, `~` or `null`.
    Null,
    /// A text; plain when it was written without quotes, so that it may stand for a number or a truth value.
    Text { text: String, plain: bool },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the file's order.
    Map(Vec<Entry>),
}

/// A key, where it stands, and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    pub place: Place,
    pub value: Node,
}

impl Node {
    fn new(place: Place, content: Content) -> Self {
        let (height, below) = match &content {
            Content::Null => (0, 0),
            Content::Text { text, .. } => (0, text.len()),
            Content::List(items) => shape(items.iter(), 0),
            Content::Map(entries) => {
                shape(entries.iter().map(|e| &e.value), entries.iter().map(|e| e.key.len()).sum())
            }
        };
        Self { place, content, height: height + 1, cost: below + NODE_COST }
    }

    /// Where a key stands, when this is a mapping that has it.
    pub fn key_place(&self, key: &str) -> Option<Place> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|e| e.key == key).map(|e| e.place),
            _ => None,
        }
    }

    /// The entry of a key, when this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|e| e.key == key).map(|e| &e.value),
            _ => None,
        }
    }
}

fn shape<'n>(nodes: impl Iterator<Item = &'n Node>, start: usize) -> (usize, usize) {
    nodes.fold((0, start), |(height, cost), node| (height.max(node.height), cost + node.cost))
}

/// Reads a file that holds one YAML document.
pub(crate) fn parse(text: &str) -> Result<Node> {
    if text.len() > TEXT_MAX {
        let said = format!("the file has {} bytes, at most {TEXT_MAX} are read", text.len());
        return Err(Wrong::new(Place::START, said));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Builder::new(text).run().map_err(|wrong| match template(text) {
        // Why also on other errors: a placeholder makes the parser stumble anywhere behind it.
        Some((place, found)) if wrong.from_syntax => Wrong::new(
            place,
            format!(
                "'{found}' is a placeholder of a template: put a value in its place before the file is read"
            ),
        ),
        _ => wrong,
    })
}

/// The first `{{…}}` outside comments that is no expression.
fn template(text: &str) -> Option<(Place, String)> {
    for (row, line) in text.lines().enumerate() {
        if line.trim_start().starts_with('#') {
            continue;
        }
        let found = line.match_indices("{{").find(|(at, _)| !line[..*at].ends_with('$'));
        if let Some((at, _)) = found {
            let rest = &line[at..];
            let end = rest.find("}}").map_or(rest.len(), |end| end + 2);
            let column = line[..at].chars().count() + 1;
            return Some((Place::new(row + 1, column), rest[..end].chars().take(60).collect()));
        }
    }
    None
}

/// A collection that is not closed yet.
struct Open {
    place: Place,
    anchor: usize,
    kind: OpenKind,
    cost: usize,
}

enum OpenKind {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<(String, Place)>, seen: HashMap<String, Place>, merged: Vec<Node> },
}

struct Builder<'t> {
    text: &'t str,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    cost: usize,
}

impl<'t> Builder<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, open: Vec::new(), anchors: HashMap::new(), root: None, cost: 0 }
    }

    fn run(mut self) -> Result<Node> {
        let mut options = Options::default();
        options.set_emit_comments(false);
        options.block_nesting_limit = DEPTH_MAX;
        options.flow_nesting_limit = DEPTH_MAX;
        let mut documents = 0;
        for step in Parser::new_from_str_with_options(self.text, options) {
            let (event, span) = step.map_err(|error| broken(&error))?;
            let place = place(&span.start);
            match event {
                Event::DocumentStart(..) => {
                    documents += 1;
                    if documents > 1 {
                        return Err(Wrong::new(
                            place,
                            "a second document begins here: one file holds one definition",
                        ));
                    }
                }
                Event::Scalar(text, style, anchor, tag) => {
                    let tagged = tag_of(tag.as_deref(), place)?;
                    let node = scalar(text.into_owned(), style == ScalarStyle::Plain && !tagged, place);
                    self.put(node, anchor)?;
                }
                Event::SequenceStart(_, anchor, tag) => {
                    tag_of(tag.as_deref(), place)?;
                    self.begin(place, anchor, OpenKind::List(Vec::new()))?;
                }
                Event::MappingStart(_, anchor, tag) => {
                    tag_of(tag.as_deref(), place)?;
                    let kind = OpenKind::Map {
                        entries: Vec::new(),
                        key: None,
                        seen: HashMap::new(),
                        merged: Vec::new(),
                    };
                    self.begin(place, anchor, kind)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.end()?,
                Event::Alias(id) => {
                    let Some(node) = self.anchors.get(&id) else {
                        return Err(Wrong::new(place, "an alias stands inside what it stands for"));
                    };
                    let node = Node { place, ..node.clone() };
                    self.put(node, 0)?;
                }
                _ => {}
            }
        }
        self.root.ok_or_else(|| Wrong::new(Place::START, "the file is empty"))
    }

    fn begin(&mut self, place: Place, anchor: usize, kind: OpenKind) -> Result<()> {
        if self.expects_key() {
            return Err(Wrong::syntax(place, "a mapping or a list stands where a key is expected"));
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(Wrong::new(place, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        self.open.push(Open { place, anchor, kind, cost: 0 });
        Ok(())
    }

    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { kind: OpenKind::Map { key: None, .. }, .. }))
    }

    fn end(&mut self) -> Result<()> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let content = match open.kind {
            OpenKind::List(items) => Content::List(items),
            OpenKind::Map { entries, seen, merged, .. } => Content::Map(merge(entries, seen, merged)?),
        };
        // What is inside was counted when it was put in.
        self.cost -= open.cost.min(self.cost);
        self.put(Node::new(open.place, content), open.anchor)
    }

    fn put(&mut self, node: Node, anchor: usize) -> Result<()> {
        let place = node.place;
        if self.open.len() + node.height > DEPTH_MAX + 1 {
            return Err(Wrong::new(place, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        self.cost += node.cost;
        if self.cost > COST_MAX {
            return Err(Wrong::new(
                place,
                "the file grows too large here: aliases that repeat others are bounded",
            ));
        }
        if anchor > 0 {
            self.cost += node.cost;
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.cost += node.cost;
        match &mut open.kind {
            OpenKind::List(items) => items.push(node),
            OpenKind::Map { entries, key, seen, merged } => match key.take() {
                None => *key = Some(key_of(node, seen)?),
                Some((name, _)) if name == "<<" => merged.push(node),
                Some((name, at)) => entries.push(Entry { key: name, place: at, value: node }),
            },
        }
        Ok(())
    }
}

fn key_of(node: Node, seen: &mut HashMap<String, Place>) -> Result<(String, Place)> {
    let Content::Text { text, .. } = node.content else {
        return Err(Wrong::syntax(node.place, "a key is missing or is no text"));
    };
    if text.len() > KEY_MAX {
        return Err(Wrong::new(node.place, format!("a key is longer than {KEY_MAX} bytes")));
    }
    if let Some(first) = seen.insert(text.clone(), node.place) {
        let shown: String = text.chars().take(60).collect();
        return Err(Wrong::new(
            node.place,
            format!("'{shown}' stands here a second time: it is on line {} already", first.line),
        ));
    }
    Ok((text, node.place))
}

/// Lays entries of `<<` under those of the mapping itself.
fn merge(mut entries: Vec<Entry>, mut seen: HashMap<String, Place>, merged: Vec<Node>) -> Result<Vec<Entry>> {
    let mut sources = Vec::new();
    for node in merged {
        match node.content {
            Content::List(items) => sources.extend(items),
            _ => sources.push(node),
        }
    }
    for source in sources {
        let Content::Map(more) = source.content else {
            return Err(Wrong::new(source.place, "'<<' takes a mapping or a list of mappings"));
        };
        for entry in more {
            if !seen.contains_key(&entry.key) {
                seen.insert(entry.key.clone(), entry.place);
                entries.push(entry);
            }
        }
    }
    Ok(entries)
}

fn scalar(text: String, plain: bool, place: Place) -> Node {
    let content = if plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") {
        Content::Null
    } else {
        Content::Text { text, plain }
    };
    Node::new(place, content)
}

/// Whether a tag says that a scalar is a text. Tags that are not YAML's own are refused.
fn tag_of(tag: Option<&Tag>, place: Place) -> Result<bool> {
    match tag {
        None => Ok(false),
        Some(tag) if tag.is_yaml_core_schema() => Ok(tag.is_yaml_core_schema_tag("str")),
        Some(tag) => Err(Wrong::new(
            place,
            format!(
                "the tag '{}' is not known: leave it out",
                tag.original().chars().take(60).collect::<String>()
            ),
        )),
    }
}

fn place(mark: &Marker) -> Place {
    Place::new(mark.line(), mark.col() + 1)
}

fn broken(error: &ScanError) -> Wrong {
    Wrong::syntax(place(error.marker()), format!("this is no YAML: {}", error.info()))
}
