//! What a step gives back when it fails: one sentence for the person at the terminal.

use std::fmt;

/// Why a step failed: what was wrong, where, what to do.
#[derive(Debug)]
pub struct Fault(String);

/// Result of every step.
pub type Result<T> = std::result::Result<T, Fault>;

impl Fault {
    /// A fault with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
