//! Column names: each there, each once.

use crate::error::{Error, Result};
use crate::limits::COLUMNS_MAX;
use std::collections::HashMap;

/// The names of a header; white space around a name is dropped.
pub(crate) fn names(cells: &[&[u8]]) -> Result<Vec<String>> {
    let names: Vec<String> = cells.iter().map(|c| String::from_utf8_lossy(c).trim().to_owned()).collect();
    check(&names, 1)?;
    Ok(names)
}

/// Names for a table without a header: `column1`, `column2`, …
pub(crate) fn positions(columns: usize) -> Vec<String> {
    (1..=columns).map(|at| format!("column{at}")).collect()
}

/// Refuses too many names, empty and equal ones.
pub(crate) fn check(names: &[String], line: u64) -> Result<()> {
    if names.len() > COLUMNS_MAX {
        return Err(Error::TooWide { line, limit: COLUMNS_MAX });
    }
    let mut seen = HashMap::with_capacity(names.len());
    for (at, name) in names.iter().enumerate() {
        if name.is_empty() {
            return Err(Error::EmptyName(at + 1));
        }
        if let Some(first) = seen.insert(name.as_str(), at) {
            let (first, second) = (first + 1, at + 1);
            return Err(Error::DuplicateName { line, first, second, name: name.clone() });
        }
    }
    Ok(())
}
