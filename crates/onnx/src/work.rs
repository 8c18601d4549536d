//! What scoring a row takes at least, for those who compare it with what the machine can do.

use std::ops::AddAssign;

/// Work of one row, counted in the compiled graph.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Work {
    /// Lines of 64 bytes joined out of the tables of forests.
    pub lines: f64,
    /// Leaves added.
    pub leaves: f64,
    /// Features whose value is looked up or compared with all thresholds.
    pub cells: f64,
    /// Branches met on the way through trees that are walked, when every branch halves the rows.
    pub visits: f64,
    /// Terms of weighted sums.
    pub terms: f64,
    /// Numbers that other steps write.
    pub numbers: f64,
    /// Text cells, each looked up in a dictionary.
    pub texts: f64,
    /// Number cells.
    pub cells_set: f64,
    /// Bytes of tables, nodes and leaves that rows share.
    pub table_bytes: f64,
}

impl AddAssign for Work {
    fn add_assign(&mut self, other: Self) {
        self.lines += other.lines;
        self.leaves += other.leaves;
        self.cells += other.cells;
        self.visits += other.visits;
        self.terms += other.terms;
        self.numbers += other.numbers;
        self.texts += other.texts;
        self.cells_set += other.cells_set;
        self.table_bytes += other.table_bytes;
    }
}
