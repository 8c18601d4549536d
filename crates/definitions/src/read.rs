//! The way in: a file's name and text to a definition with notes and positions.

use crate::error::{Note, Place, Result, said};
use crate::fields::{Gathered, Value};
use crate::kinds::{Kind, kind_of, stated};
use crate::yaml;
use domain::Fault;
use std::collections::BTreeMap;

/// A kind of file that can be read.
pub trait Definition: Sized {
    /// The kinds that `$schema` may name.
    const KINDS: &'static [Kind];

    /// Reads the root of a file.
    #[doc(hidden)]
    fn from_root(value: &Value<'_>) -> Result<Self>;
}

/// A definition that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed<T> {
    /// The definition.
    pub value: T,
    /// What is accepted and has no effect, in the file's order.
    pub notes: Vec<Note>,
    file: String,
    places: BTreeMap<String, Place>,
}

impl<T> Parsed<T> {
    /// A refusal of a field found out later, with the place where its value stands: `FILE: line L, column C: field 'F': …`.
    pub fn fault(&self, field: &str, text: &str) -> Fault {
        let place = self.places.get(field).copied().unwrap_or(Place::START);
        Fault::invalid(said(&self.file, place, field, text))
    }

    /// The file's name, as it was given.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The same file read further, as something else.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Parsed<U> {
        Parsed { value: change(self.value), notes: self.notes, file: self.file, places: self.places }
    }
}

/// Reads a file. `file` is its name for messages.
pub fn read<T: Definition>(file: &str, text: &str) -> std::result::Result<Parsed<T>, Fault> {
    let gathered = Gathered::default();
    let value = read_root::<T>(text, &gathered).map_err(|wrong| wrong.into_fault(file))?;
    let mut notes = gathered.notes.into_inner();
    notes.sort_by_key(|note| note.place);
    notes.dedup();
    Ok(Parsed { value, notes, file: file.to_owned(), places: gathered.places.into_inner() })
}

fn read_root<T: Definition>(text: &str, gathered: &Gathered) -> Result<T> {
    let node = yaml::parse(text)?;
    let root = Value::root(&node, gathered);
    if let Some(kind) = stated(&node)?
        && !T::KINDS.contains(&kind)
    {
        let wanted = T::KINDS.first().map_or("another", |kind| kind.says());
        return Err(root.wrong(format!("this is {}, {wanted} is expected: {}", kind.says(), kind.hint())));
    }
    T::from_root(&root)
}

/// The kind of a file, when its `$schema`, `type` or keys tell it.
pub fn kind(file: &str, text: &str) -> std::result::Result<Option<Kind>, Fault> {
    yaml::parse(text).and_then(|node| kind_of(&node)).map_err(|wrong| wrong.into_fault(file))
}

/// Reads a `requirements.txt`.
pub fn read_requirements(
    file: &str,
    text: &str,
) -> std::result::Result<Vec<crate::requirements::Requirement>, Fault> {
    crate::requirements::file(text).map_err(|wrong| wrong.into_fault(file))
}
