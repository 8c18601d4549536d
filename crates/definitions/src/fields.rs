//! Reading a tree field by field: every refusal names line, column and field, every field is known or refused.

use crate::error::{Note, Place, Result, Wrong};
use crate::near::nearest;
use crate::yaml::{Content, Node};
use serde_json::{Map, Number, Value as Json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// The longest name, as of a job or an experiment, in bytes.
const NAME_MAX: usize = 256;

/// What becomes of a field.
#[derive(Debug, Clone, Copy)]
pub enum Does {
    /// It is read.
    Used,
    /// It describes, or is a default of the vendor's tools: nothing is said.
    Quiet,
    /// It is accepted, and told with this text.
    Told(&'static str),
    /// It is refused with this text.
    Refused(&'static str),
}

/// A field of a mapping.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    pub does: Does,
}

pub(crate) const fn used(name: &'static str) -> Field {
    Field { name, does: Does::Used }
}

pub(crate) const fn quiet(name: &'static str) -> Field {
    Field { name, does: Does::Quiet }
}

pub(crate) const fn told(name: &'static str, text: &'static str) -> Field {
    Field { name, does: Does::Told(text) }
}

pub(crate) const fn refused(name: &'static str, text: &'static str) -> Field {
    Field { name, does: Does::Refused(text) }
}

/// What is gathered while a file is read.
#[derive(Debug, Default)]
pub struct Gathered {
    pub notes: RefCell<Vec<Note>>,
    pub places: RefCell<BTreeMap<String, Place>>,
}

/// A value, its path, and where to tell.
#[derive(Debug, Clone)]
pub struct Value<'a> {
    node: &'a Node,
    path: String,
    to: &'a Gathered,
}

impl<'a> Value<'a> {
    pub fn root(node: &'a Node, to: &'a Gathered) -> Self {
        Self { node, path: String::new(), to }
    }

    fn below(&self, node: &'a Node, key: &str) -> Self {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        self.to.places.borrow_mut().insert(path.clone(), node.place);
        Self { node, path, to: self.to }
    }

    pub fn place(&self) -> Place {
        self.node.place
    }

    /// A refusal of this value.
    pub fn wrong(&self, said: impl Into<String>) -> Wrong {
        Wrong::new(self.node.place, said).at(&self.path)
    }

    /// Tells something about this value.
    pub fn note(&self, text: impl Into<String>) {
        let note = Note { place: self.node.place, field: self.path.clone(), text: text.into() };
        self.to.notes.borrow_mut().push(note);
    }

    pub fn is_null(&self) -> bool {
        matches!(self.node.content, Content::Null)
    }

    pub fn is_map(&self) -> bool {
        matches!(self.node.content, Content::Map(_))
    }

    pub fn is_list(&self) -> bool {
        matches!(self.node.content, Content::List(_))
    }

    /// The text as written, whatever it looks like.
    pub fn raw(&self) -> Option<&'a str> {
        match &self.node.content {
            Content::Text { text, .. } => Some(text),
            _ => None,
        }
    }

    fn what(&self) -> &'static str {
        match &self.node.content {
            Content::Null => "nothing stands here",
            Content::Text { .. } => "a text stands here",
            Content::List(_) => "a list stands here",
            Content::Map(_) => "a mapping stands here",
        }
    }

    /// A text that may hold anything: a command, a description.
    pub fn free_text(&self) -> Result<String> {
        self.raw()
            .map(str::to_owned)
            .ok_or_else(|| self.wrong(format!("{}, a text is expected", self.what())))
    }

    /// A text in which no placeholder of a template is left.
    pub fn text(&self) -> Result<String> {
        let text = self.free_text()?;
        let left = text.match_indices("{{").any(|(at, _)| !text[..at].ends_with('$'));
        if left {
            return Err(
                self.wrong("a placeholder of a template is left here: put a value in place of '{{…}}'")
            );
        }
        Ok(text)
    }

    /// A text that is not empty.
    pub fn filled(&self) -> Result<String> {
        let text = self.text()?;
        if text.trim().is_empty() { Err(self.wrong("the text is empty")) } else { Ok(text) }
    }

    /// A short text without control characters: a name outside this workspace's rules, as of an experiment.
    pub fn label(&self) -> Result<String> {
        let text = self.filled()?;
        if text.len() > NAME_MAX || text.chars().any(char::is_control) {
            return Err(self.wrong(format!("a name has at most {NAME_MAX} bytes and no control characters")));
        }
        Ok(text)
    }

    /// A name as every asset, endpoint and deployment has.
    pub fn name(&self) -> Result<domain::Name> {
        domain::Name::new(self.text()?).map_err(|fault| self.wrong(fault.message))
    }

    /// A whole number within bounds.
    pub fn integer(&self, range: RangeInclusive<i64>) -> Result<i64> {
        let expected = || format!("a whole number from {} to {} is expected", range.start(), range.end());
        let text = self.raw().ok_or_else(|| self.wrong(format!("{}, {}", self.what(), expected())))?;
        match text.parse::<i64>() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(self.wrong(format!("'{}': {}", shown(text), expected()))),
        }
    }

    /// A whole number within bounds that fits in 32 bits.
    pub fn count(&self, range: RangeInclusive<u32>) -> Result<u32> {
        let number = self.integer(i64::from(*range.start())..=i64::from(*range.end()))?;
        u32::try_from(number).map_err(|_| self.wrong("the number is too large"))
    }

    /// A finite number within bounds.
    pub fn number(&self, range: RangeInclusive<f64>) -> Result<f64> {
        let expected = || format!("a number from {} to {} is expected", range.start(), range.end());
        let text = self.raw().ok_or_else(|| self.wrong(format!("{}, {}", self.what(), expected())))?;
        match number(text) {
            Some(number) if range.contains(&number) => Ok(number),
            _ => Err(self.wrong(format!("'{}': {}", shown(text), expected()))),
        }
    }

    /// A truth value: `true`, `false`, `True`, `yes`, `no`, `on`, `off` …
    pub fn boolean(&self) -> Result<bool> {
        let text = self.raw().map(str::to_ascii_lowercase);
        match text.as_deref() {
            Some("true" | "yes" | "on") => Ok(true),
            Some("false" | "no" | "off") => Ok(false),
            Some(text) => Err(self.wrong(format!("'{}': true or false is expected", shown(text)))),
            None => Err(self.wrong(format!("{}, true or false is expected", self.what()))),
        }
    }

    /// One of some words, without case.
    pub fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Result<T> {
        let text = self.text()?;
        let plain = text.to_ascii_lowercase();
        if let Some((_, value)) = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(&plain)) {
            return Ok(*value);
        }
        let near = nearest(&text, words.iter().map(|(word, _)| *word));
        let all = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        let meant = near.map(|word| format!(": did you mean '{word}'?")).unwrap_or_default();
        Err(self.wrong(format!("'{}' is none of {all}{meant}", shown(&text))))
    }

    /// The items of a list.
    pub fn list(&self) -> Result<Vec<Self>> {
        match &self.node.content {
            Content::List(items) => {
                Ok(items.iter().enumerate().map(|(at, item)| self.below(item, &at.to_string())).collect())
            }
            _ => {
                Err(self.wrong(format!("{}, a list is expected: write '- ' before every item", self.what())))
            }
        }
    }

    /// A list of texts, or one text alone.
    pub fn texts(&self) -> Result<Vec<String>> {
        if self.raw().is_some() {
            return Ok(vec![self.text()?]);
        }
        self.list()?.iter().map(Self::text).collect()
    }

    /// Keys and values of a mapping whose keys are free.
    pub fn entries(&self) -> Result<Vec<(&'a str, Self)>> {
        match &self.node.content {
            Content::Map(entries) => {
                Ok(entries.iter().map(|e| (e.key.as_str(), self.below(&e.value, &e.key))).collect())
            }
            Content::Text { text, .. } if text.contains('=') => {
                let line = text.split_whitespace().next().unwrap_or_default();
                let (key, value) = line.split_once('=').unwrap_or((line, ""));
                let value = value.trim_matches(['"', '\'']);
                Err(self.wrong(format!(
                    "a mapping is expected: write '{}: {}' in place of '{}'",
                    shown(key),
                    shown(value),
                    shown(line)
                )))
            }
            _ => Err(self.wrong(format!("{}, a mapping is expected: write 'key: value'", self.what()))),
        }
    }

    /// A mapping of free keys to texts; numbers and truth values are taken as written.
    pub fn text_map(&self) -> Result<BTreeMap<String, String>> {
        let entries = self.entries()?.into_iter().map(|(key, value)| {
            let text = if value.is_null() { String::new() } else { value.free_text()? };
            Ok((key.to_owned(), text))
        });
        entries.collect()
    }

    /// Opens a mapping of which every field is known. `what` says what it is: "a command job".
    pub fn open(&self, what: &'static str, known: &'static [Field]) -> Result<Fields<'a>> {
        for (key, value) in self.entries()? {
            let Some(field) = known.iter().find(|field| field.name == key) else {
                let place = self.node.key_place(key).unwrap_or(value.node.place);
                return Err(Wrong { place, ..value.unknown(key, what, known) });
            };
            match field.does {
                _ if value.is_null() => {}
                Does::Used | Does::Quiet => {}
                Does::Told(text) => value.note(text),
                Does::Refused(text) => return Err(value.wrong(text)),
            }
        }
        Ok(Fields { value: self.clone(), what })
    }

    fn unknown(&self, key: &str, what: &str, known: &[Field]) -> Wrong {
        let names = || known.iter().filter(|f| !matches!(f.does, Does::Refused(_))).map(|f| f.name);
        let help = match nearest(key, names()) {
            Some(near) => format!("did you mean '{near}'?"),
            None => {
                format!("known are {}", names().filter(|n| *n != "$schema").collect::<Vec<_>>().join(", "))
            }
        };
        self.wrong(format!("{what} has no such field: {help}"))
    }

    /// The kind of the file that this is the root of.
    pub fn kind(&self) -> Result<Option<crate::kinds::Kind>> {
        crate::kinds::kind_of(self.node)
    }

    /// The whole value as JSON, plain texts read as YAML 1.2 and 1.1 agree to.
    pub fn json(&self) -> Json {
        json(self.node)
    }
}

/// A mapping whose fields are known.
#[derive(Debug)]
pub struct Fields<'a> {
    value: Value<'a>,
    what: &'static str,
}

impl<'a> Fields<'a> {
    /// The mapping itself.
    pub fn whole(&self) -> &Value<'a> {
        &self.value
    }

    /// A field that has a value; an empty one counts as absent.
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        let node = self.value.node.get(key)?;
        let value = self.value.below(node, key);
        (!value.is_null()).then_some(value)
    }

    /// A field that must be there.
    pub fn need(&self, key: &str) -> Result<Value<'a>> {
        self.get(key).ok_or_else(|| {
            let place = self.value.node.key_place(key).unwrap_or(self.value.node.place);
            let path = if self.value.path.is_empty() {
                key.to_owned()
            } else {
                format!("{}.{key}", self.value.path)
            };
            Wrong::new(place, format!("is missing: {} needs it", self.what)).at(&path)
        })
    }

    /// A field read by a function, or nothing.
    pub fn opt<T>(&self, key: &str, read: impl FnOnce(&Value<'a>) -> Result<T>) -> Result<Option<T>> {
        self.get(key).map(|value| read(&value)).transpose()
    }

    /// A field read by a function, or the default.
    pub fn or_default<T: Default>(&self, key: &str, read: impl FnOnce(&Value<'a>) -> Result<T>) -> Result<T> {
        Ok(self.opt(key, read)?.unwrap_or_default())
    }

    /// Free text, empty when absent.
    pub fn free_text(&self, key: &str) -> Result<String> {
        self.or_default(key, Value::free_text)
    }
}

/// The beginning of a text, for messages.
pub(crate) fn shown(text: &str) -> String {
    let short: String = text.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() > 60 { format!("{short}…") } else { short }
}

/// A finite number as YAML writes them.
pub(crate) fn number(text: &str) -> Option<f64> {
    let first = text.trim_start_matches(['+', '-']).chars().next()?;
    if !first.is_ascii_digit() && first != '.' {
        return None;
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

fn json(node: &Node) -> Json {
    match &node.content {
        Content::Null => Json::Null,
        Content::Text { text, plain: false } => Json::String(text.clone()),
        Content::Text { text, plain: true } => match text.as_str() {
            "true" | "True" | "TRUE" => Json::Bool(true),
            "false" | "False" | "FALSE" => Json::Bool(false),
            _ => text
                .parse::<i64>()
                .ok()
                .map(Number::from)
                .or_else(|| number(text).and_then(Number::from_f64))
                .map_or_else(|| Json::String(text.clone()), Json::Number),
        },
        Content::List(items) => Json::Array(items.iter().map(json).collect()),
        Content::Map(entries) => {
            Json::Object(entries.iter().map(|e| (e.key.clone(), json(&e.value))).collect::<Map<_, _>>())
        }
    }
}
