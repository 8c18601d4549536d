//! Texts with named values in them: `Bearer {{AMLKey}}`.

use crate::ids::Name;
use crate::policy::{HeaderRule, Policy};
use std::collections::BTreeSet;

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'t> {
    /// As it stands.
    Text(&'t str),
    /// The content of the value of this name.
    Named(&'t str),
}

/// Cuts a text at its named values; tells what is wrong when double braces hold no name.
pub fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find("{{") {
        let (before, behind) = (&rest[..open], &rest[open + 2..]);
        let close = behind.find("}}").ok_or_else(|| "'{{' is never closed by '}}'".to_owned())?;
        let name = behind[..close].trim();
        if Name::new(name).is_err() {
            return Err(format!(
                "'{{{{{}}}}}' names no value: write {{{{NAME}}}}",
                name.chars().take(60).collect::<String>()
            ));
        }
        if !before.is_empty() {
            found.push(Piece::Text(before));
        }
        found.push(Piece::Named(name));
        rest = &behind[close + 2..];
    }
    if !rest.is_empty() {
        found.push(Piece::Text(rest));
    }
    Ok(found)
}

impl Policy {
    /// The names of the values that its headers hold.
    pub fn named_values(&self) -> BTreeSet<&str> {
        names(self.request_headers.iter().chain(&self.response_headers))
    }

    /// Those of them that callers see.
    pub fn told_values(&self) -> BTreeSet<&str> {
        names(self.response_headers.iter())
    }
}

fn names<'p>(rules: impl Iterator<Item = &'p HeaderRule>) -> BTreeSet<&'p str> {
    let named = rules.flat_map(|rule| &rule.values).flat_map(|text| pieces(text).unwrap_or_default());
    named
        .filter_map(|piece| match piece {
            Piece::Named(name) => Some(name),
            Piece::Text(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_their_names() {
        assert_eq!(
            pieces("Bearer {{ Key }}{{b.c}}!").unwrap(),
            [Piece::Text("Bearer "), Piece::Named("Key"), Piece::Named("b.c"), Piece::Text("!")]
        );
        assert_eq!(pieces("").unwrap(), []);
        assert_eq!(pieces("{a} }}").unwrap(), [Piece::Text("{a} }}")]);
        for bad in ["{{", "{{a", "{{}}", "{{a b}}", "{{../x}}", "{{{a}}"] {
            assert!(pieces(bad).is_err(), "{bad}");
        }
    }
}
