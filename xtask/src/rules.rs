//! The house rules, checked over the whole tree: `cargo xtask rules` and `cargo test -p xtask`.
//!
//! What rustc and clippy can say stands in the lint wall; here is the rest, and what must hold in code that a given build
//! leaves out. Every rule has a test that shows it catching a breach. The reasons stand in CONTRIBUTING.md.

mod decisions;
mod edges;
mod sizes;
mod source;
mod text;
mod tree;
mod words;

use crate::outcome::{Fault, Result};
use crate::{place, say};
use std::fmt;
use std::path::Path;

/// One place where a rule does not hold.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Breach {
    /// The file, relative to the root of the repository, with forward slashes.
    pub file: String,
    /// From 1; 0 when the whole file is meant.
    pub line: usize,
    /// What is wrong and what to do.
    pub text: String,
}

impl Breach {
    fn new(file: &str, line: usize, text: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, text: text.into() }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.file, self.line, self.text)
    }
}

/// Prints every breach; a fault when there is one.
pub fn check() -> Result<()> {
    let (breaches, files) = breaches(&place::root())?;
    for breach in &breaches {
        say::fault(&breach.to_string());
    }
    match breaches.len() {
        0 => {
            say::line(&format!("house rules hold in {files} files"));
            Ok(())
        }
        count => Err(Fault::new(format!("{count} breaches of the house rules"))),
    }
}

/// Every breach under `root`, in order, and the number of files looked at.
fn breaches(root: &Path) -> Result<(Vec<Breach>, usize)> {
    let files = tree::files(root)?;
    let mut breaches = decisions::check(&files);
    for file in &files {
        breaches.extend(text::check(file));
        if file.name.ends_with("Cargo.toml") {
            breaches.extend(edges::check(file));
        }
    }
    let sources = source::read(&files, &mut breaches);
    for source in &sources {
        breaches.extend(sizes::check(source));
        breaches.extend(words::check(source));
    }
    breaches.sort();
    Ok((breaches, files.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_rules_hold_in_this_tree() {
        let (breaches, files) = breaches(&place::root()).unwrap();
        assert!(files > 100, "only {files} files seen");
        let lines: Vec<String> = breaches.iter().map(ToString::to_string).collect();
        assert!(lines.is_empty(), "{}", lines.join("\n"));
    }
}
