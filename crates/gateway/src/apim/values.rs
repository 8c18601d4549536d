//! Values of attributes and texts: templates and named values put in, numbers and words read.

use super::element::File;
use super::{Result, Wrong};
use domain::template::{Piece, pieces};

/// A value, what it is of, and where.
#[derive(Debug)]
pub(super) struct Value {
    pub what: String,
    pub text: String,
    pub at: usize,
}

impl Value {
    /// A refusal of the value.
    pub(super) fn wrong(&self, text: impl std::fmt::Display) -> Wrong {
        Wrong::new(self.at, format!("{}: {text}", self.what))
    }

    /// The beginning of the text, for messages.
    pub(super) fn short(&self) -> String {
        self.text.chars().take(80).collect()
    }

    /// A whole number within bounds.
    pub(super) fn number(&self, from: u64, to: u64) -> Result<u64> {
        let number = self.text.trim().parse::<u64>().ok().filter(|n| (from..=to).contains(n));
        number.ok_or_else(|| {
            let bounds =
                if to == u64::MAX { format!("from {from} on") } else { format!("from {from} to {to}") };
            self.wrong(format_args!("'{}': write a whole number {bounds}", self.short()))
        })
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self) -> Result<bool> {
        match self.text.trim() {
            text if text.eq_ignore_ascii_case("true") => Ok(true),
            text if text.eq_ignore_ascii_case("false") => Ok(false),
            _ => Err(self.wrong(format_args!("'{}': write true or false", self.short()))),
        }
    }

    /// Refuses templates that nobody put in.
    pub(super) fn settled(self) -> Result<Self> {
        match template(&self.text) {
            Some((_, name, _)) => Err(self.wrong(format_args!(
                "'{{{name}}}' was never put in: give --set {name}=VALUE, or write the value into the file"
            ))),
            None => Ok(self),
        }
    }

    /// With the caller's templates put in; named values stay.
    pub(super) fn templated(self, file: &File<'_>) -> Result<Self> {
        if self.text.contains("@(") || self.text.contains("@{") {
            return Err(self.wrong(
                "policy expressions are not run here: write the value itself, or a named value {{NAME}}",
            ));
        }
        let cut = pieces(&self.text).map_err(|wrong| self.wrong(wrong))?;
        let mut text = String::new();
        for piece in cut {
            match piece {
                Piece::Text(plain) => put_templates(plain, file, &mut text),
                Piece::Named(name) => {
                    self.find(name, file)?;
                    text.push_str(&format!("{{{{{name}}}}}"));
                }
            }
        }
        Ok(Self { text, ..self })
    }

    /// With templates and named values put in. What is put in is not looked through again.
    pub(super) fn resolved(self, file: &File<'_>) -> Result<Self> {
        let value = self.templated(file)?;
        let mut text = String::new();
        for piece in pieces(&value.text).map_err(|wrong| value.wrong(wrong))? {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Named(name) => match value.find(name, file)? {
                    Some(content) => text.push_str(content),
                    None => {
                        return Err(value.wrong(format_args!(
                            "the named value '{name}' is secret, and what is written here is shown to readers of the policy: \
                             set it with --plain, or name it in a header's value only"
                        )));
                    }
                },
            }
        }
        Ok(Self { text, ..value })
    }

    /// The content of a named value; none when it is secret.
    fn find<'f>(&self, name: &str, file: &'f File<'_>) -> Result<Option<&'f str>> {
        let found = file.options.named_values.iter().find(|value| value.name.as_str() == name);
        let found = found.ok_or_else(|| {
            self.wrong(format_args!("there is no named value '{name}': set it with `secret set {name}`"))
        })?;
        Ok(found.value.as_deref())
    }
}

/// Puts the caller's templates into a text.
fn put_templates(mut text: &str, file: &File<'_>, into: &mut String) {
    while let Some((open, name, close)) = template(text) {
        into.push_str(&text[..open]);
        match file.options.set.get(name) {
            Some(value) => {
                into.push_str(value);
                file.used.borrow_mut().insert(name.to_owned());
            }
            None => into.push_str(&text[open..close]),
        }
        text = &text[close..];
    }
    into.push_str(text);
}

/// The first `{name}` of a text: where it begins, its name, and where it ends.
fn template(text: &str) -> Option<(usize, &str, usize)> {
    let mut from = 0;
    while let Some(open) = text[from..].find('{').map(|at| from + at) {
        let behind = &text[open + 1..];
        let length = behind.bytes().take_while(|c| c.is_ascii_alphanumeric() || b"_-.".contains(c)).count();
        if length > 0 && behind.as_bytes().get(length) == Some(&b'}') {
            return Some((open, &behind[..length], open + length + 2));
        }
        from = open + 1;
    }
    None
}
