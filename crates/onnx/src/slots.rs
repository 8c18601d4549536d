//! The inputs of a model as columns of a row.

/// One input of the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Name of the graph input.
    pub name: String,
    /// What it holds.
    pub kind: SlotKind,
    /// Elements per row.
    pub width: usize,
    /// First column in the row.
    pub offset: usize,
    /// Declared as `[N]` instead of `[N, 1]`.
    pub flat: bool,
}

impl Slot {
    /// Its shape as the file declares it, -1 for the rows: `[-1]`, or `[-1, width]`.
    pub fn shape(&self) -> Vec<i64> {
        if self.flat { vec![-1] } else { vec![-1, self.width as i64] }
    }
}

/// What an input holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SlotKind {
    /// Floating point.
    Float,
    /// Integers.
    Int64,
    /// Booleans, as 0 and 1.
    Bool,
    /// Texts.
    Text,
}
