//! Where something stands in a file, what is wrong with it, and what is worth telling about it.

use domain::Fault;
use serde::{Deserialize, Serialize};

/// A position in a file; line and column count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl Place {
    /// The first character of a file.
    pub const START: Self = Self { line: 1, column: 1 };

    pub(crate) fn new(line: usize, column: usize) -> Self {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).max(1);
        Self { line: number(line), column: number(column) }
    }
}

pub type Result<T> = std::result::Result<T, Wrong>;

/// What is wrong, and where; the file's name comes later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    pub place: Place,
    /// The field's path, empty for the whole file.
    pub field: String,
    pub said: String,
    /// Whether the text is no YAML, or is one that can't be meant.
    pub from_syntax: bool,
}

impl Wrong {
    pub fn new(place: Place, said: impl Into<String>) -> Self {
        Self { place, field: String::new(), said: said.into(), from_syntax: false }
    }

    pub fn syntax(place: Place, said: impl Into<String>) -> Self {
        Self { from_syntax: true, ..Self::new(place, said) }
    }

    pub fn at(mut self, field: &str) -> Self {
        field.clone_into(&mut self.field);
        self
    }

    pub fn into_fault(self, file: &str) -> Fault {
        Fault::invalid(said(file, self.place, &self.field, &self.said))
    }
}

/// `FILE: line L, column C: field 'F': …`.
pub(crate) fn said(file: &str, place: Place, field: &str, text: &str) -> String {
    let field = if field.is_empty() { String::new() } else { format!("field '{field}': ") };
    format!("{file}: line {}, column {}: {field}{text}", place.line, place.column)
}

/// Something a file says that is read and has no effect here, for the user to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Where it stands.
    pub place: Place,
    /// The field's path.
    pub field: String,
    /// What becomes of it.
    pub text: String,
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}: {}", self.place.line, self.field, self.text)
    }
}
