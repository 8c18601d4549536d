//! Rows on their way from a reader to whoever wants them: one text, and where each cell stands in it.

/// Zero bytes after the text, so that eight bytes can be loaded wherever a cell begins.
pub(crate) const PAD: usize = 16;

/// Where a cell's text stands. Nothing at all is a missing cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    pub start: u32,
    pub len: u32,
}

/// A number of whole rows.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// The text, followed by [`PAD`] zeros.
    pub text: Vec<u8>,
    /// Row by row.
    pub cells: Vec<Cell>,
    /// Cells of a row.
    pub columns: usize,
    /// The line (or record) of the first row, from 1.
    pub first_line: u64,
    /// Rows that span several lines, and how many lines more than one.
    pub breaks: Vec<(usize, u64)>,
    /// Names of columns that begin with this batch; they stand after those known before.
    pub new_names: Vec<String>,
    /// Whether later batches may bring columns.
    pub may_grow: bool,
}

impl Batch {
    /// Empties it and keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.cells.clear();
        self.breaks.clear();
        self.new_names.clear();
        self.columns = 0;
        self.may_grow = false;
    }

    /// Takes the cells out and leaves the text.
    pub fn clear_cells(&mut self) {
        self.cells.clear();
        self.breaks.clear();
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.cells.len().checked_div(self.columns).unwrap_or(0)
    }

    /// A cell's text.
    #[inline]
    pub fn bytes(&self, cell: Cell) -> &[u8] {
        let start = cell.start as usize;
        &self.text[start..start + cell.len as usize]
    }

    /// The cells of a column, top to bottom.
    pub fn column(&self, column: usize) -> impl ExactSizeIterator<Item = Cell> + '_ {
        let from = column.min(self.cells.len());
        self.cells[from..].iter().step_by(self.columns.max(1)).copied()
    }

    /// The line a row begins on.
    pub fn line(&self, row: usize) -> u64 {
        let more: u64 = self.breaks.iter().filter(|(r, _)| *r < row).map(|(_, more)| more).sum();
        self.first_line + row as u64 + more
    }

    /// Adds a cell for readers that copy their text.
    pub fn push(&mut self, text: &[u8]) {
        let start = self.text.len() as u32;
        self.text.extend_from_slice(text);
        self.cells.push(Cell { start, len: text.len() as u32 });
    }

    /// Closes the text; nothing may be added after.
    pub fn seal(&mut self) {
        self.text.extend_from_slice(&[0; PAD]);
    }
}

/// A reader of rows.
pub(crate) trait Rows {
    /// The next rows in `batch`, emptied before; false at the end. The memory of the batch is used again.
    fn next(&mut self, batch: &mut Batch) -> crate::Result<bool>;
}

impl<R: Rows + ?Sized> Rows for Box<R> {
    fn next(&mut self, batch: &mut Batch) -> crate::Result<bool> {
        (**self).next(batch)
    }
}
