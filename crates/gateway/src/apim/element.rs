//! Elements whose attributes and children are all accounted for.

use super::values::Value;
use super::{ImportOptions, Result, Wrong};
use roxmltree::{Attribute, Document, Node, NodeType};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// A file being read.
pub(super) struct File<'d> {
    original: &'d str,
    tree: &'d Document<'d>,
    pub options: &'d ImportOptions,
    /// The templates `{name}` that stood in the file.
    pub used: RefCell<BTreeSet<String>>,
}

/// An element whose attributes are all known.
pub(super) struct Element<'f> {
    file: &'f File<'f>,
    node: Node<'f, 'f>,
}

impl<'d> File<'d> {
    pub(super) fn new(original: &'d str, tree: &'d Document<'d>, options: &'d ImportOptions) -> Self {
        Self { original, tree, options, used: RefCell::default() }
    }

    /// The root element, without a look at its attributes.
    pub(super) fn root(&'d self) -> Element<'d> {
        Element { file: self, node: self.tree.root_element() }
    }
}

impl<'f> Element<'f> {
    /// The file it is in.
    pub(super) fn file(&self) -> &'f File<'f> {
        self.file
    }

    /// Its name.
    pub(super) fn name(&self) -> &'f str {
        self.node.tag_name().name()
    }

    /// Where it begins.
    pub(super) fn at(&self) -> usize {
        self.node.range().start
    }

    /// A refusal of the element as a whole.
    pub(super) fn wrong(&self, text: impl std::fmt::Display) -> Wrong {
        Wrong::new(self.at(), format!("<{}> {text}", self.name()))
    }

    /// Refuses every attribute that is not among the known ones.
    pub(super) fn attributes(&self, known: &[&str]) -> Result<()> {
        if self.node.tag_name().namespace().is_some() {
            return Err(self.wrong("stands in an XML namespace: policies have none"));
        }
        for attribute in self.node.attributes() {
            let name = attribute.name();
            if attribute.namespace().is_some() || !known.contains(&name) {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let text = format!(
                    "attribute '{name}' of <{}> is not supported: take it out (supported: {known})",
                    self.name()
                );
                return Err(Wrong::new(attribute.range().start, text));
            }
        }
        Ok(())
    }

    /// Whether it has an attribute, whatever its value.
    pub(super) fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    /// An attribute's value with named values and templates put in.
    pub(super) fn get(&self, name: &str) -> Result<Option<Value>> {
        let Some(attribute) = self.attribute(name) else { return Ok(None) };
        self.plain(&attribute).map(Some)
    }

    /// An attribute that must be there.
    pub(super) fn need(&self, name: &str) -> Result<Value> {
        self.get(name)?.ok_or_else(|| self.wrong(format_args!("has no attribute '{name}': write it")))
    }

    /// An attribute that may hold an expression: its text as it stands in the file, or the value.
    pub(super) fn expression(&self, name: &str) -> Result<Value> {
        let attribute = self
            .attribute(name)
            .ok_or_else(|| self.wrong(format_args!("has no attribute '{name}': write it")))?;
        if !attribute.value().starts_with('@') {
            return self.plain(&attribute);
        }
        let range = attribute.range_value();
        let masked = self.file.tree.input_text().get(range.clone());
        let original = self.file.original.get(range);
        let text = match (masked, original) {
            (Some(masked), Some(original)) if masked != original => original,
            _ => attribute.value(),
        };
        Ok(Value { what: self.what(name), text: text.to_owned(), at: attribute.range().start })
    }

    /// Refuses an attribute whose value is not among those that mean what this gateway does.
    pub(super) fn only(&self, name: &str, allowed: &[&str], why: &str) -> Result<()> {
        match self.get(name)? {
            Some(value) if !allowed.iter().any(|a| value.text.trim().eq_ignore_ascii_case(a)) => {
                Err(value.wrong(format_args!("'{}' {why}", value.short())))
            }
            _ => Ok(()),
        }
    }

    /// Its child elements. Comments and white space are passed over, text and processing instructions are not.
    pub(super) fn children(&self) -> Result<Vec<Element<'f>>> {
        let mut found = Vec::new();
        for child in self.node.children() {
            match child.node_type() {
                NodeType::Element => found.push(Element { file: self.file, node: child }),
                NodeType::Comment => {}
                NodeType::Text if child.text().is_none_or(|text| text.trim().is_empty()) => {}
                NodeType::Text => {
                    let text = child.text().unwrap_or_default();
                    let at = child.range().start + (text.len() - text.trim_start().len());
                    return Err(Wrong::new(at, format!("text inside <{}>: take it out", self.name())));
                }
                _ => return Err(Wrong::new(child.range().start, "a processing instruction: take it out")),
            }
        }
        Ok(found)
    }

    /// Its children, all of one name, without attributes.
    pub(super) fn list(&self, name: &str) -> Result<Vec<Element<'f>>> {
        let children = self.children()?;
        for child in &children {
            if child.name() != name {
                return Err(
                    child.wrong(format_args!("does not belong into <{}>: write <{name}>", self.name()))
                );
            }
            child.attributes(&[])?;
        }
        Ok(children)
    }

    /// Refuses children.
    pub(super) fn empty(&self) -> Result<()> {
        match self.children()?.first() {
            Some(child) => {
                Err(child.wrong(format_args!("does not belong into <{}>: take it out", self.name())))
            }
            None => Ok(()),
        }
    }

    /// Its text with named values and templates put in, without the white space around it.
    pub(super) fn text(&self) -> Result<Value> {
        let value = self.raw_text()?;
        value.resolved(self.file)
    }

    /// Its text with templates put in; named values stay.
    pub(super) fn header_text(&self) -> Result<Value> {
        let value = self.raw_text()?;
        value.templated(self.file)
    }

    fn raw_text(&self) -> Result<Value> {
        let mut text = String::new();
        let mut at = None;
        for child in self.node.children() {
            match child.node_type() {
                NodeType::Text => {
                    text.push_str(child.text().unwrap_or_default());
                    at = at.or(Some(child.range().start));
                }
                NodeType::Comment => {}
                NodeType::Element => {
                    let inside = Element { file: self.file, node: child };
                    return Err(inside.wrong(format_args!("does not belong into <{}>", self.name())));
                }
                _ => return Err(Wrong::new(child.range().start, "a processing instruction: take it out")),
            }
        }
        let at = at.map_or(self.at(), |at| at + (text.len() - text.trim_start().len()));
        let text = text.trim().to_owned();
        if text.is_empty() {
            return Err(self.wrong("is empty: write its value between its tags"));
        }
        Ok(Value { what: format!("<{}>", self.name()), text, at: at.min(self.node.range().end) })
    }

    fn attribute(&self, name: &str) -> Option<Attribute<'f, 'f>> {
        self.node.attributes().find(|a| a.namespace().is_none() && a.name() == name)
    }

    fn plain(&self, attribute: &Attribute<'_, '_>) -> Result<Value> {
        let at = attribute.range().start;
        let value = Value { what: self.what(attribute.name()), text: attribute.value().to_owned(), at };
        value.resolved(self.file)
    }

    fn what(&self, attribute: &str) -> String {
        format!("attribute '{attribute}' of <{}>", self.name())
    }
}
