//! Rows of CSV and TSV: fills blocks, cuts them, names line and column of what is wrong.

use crate::batch::{Batch, PAD, Rows};
use crate::error::{Error, Place, Result};
use crate::limits::{BLOCK_BYTES, COLUMNS_MAX, RECORD_BYTES_MAX};
use crate::options::Dialect;
use crate::read::encoding;
use crate::read::header;
use crate::read::scan::{Scanner, Stop, What, Wrong};
use std::io::Read;

/// A reader of delimited text in UTF-8 (other encodings are decoded before).
pub(crate) struct Csv<R> {
    input: R,
    dialect: Dialect,
    scanner: Scanner,
    names: Vec<String>,
    announced: bool,
    /// Text after the last whole record.
    carry: Vec<u8>,
    /// The line the carry begins on.
    line: u64,
    rows: u64,
    ended: bool,
    /// Why the input ended early, told after what came before it.
    broken: Option<std::io::Error>,
    /// Whether the whole records before that were handed over.
    drained: bool,
}

impl<R: Read> Csv<R> {
    /// Reads the header, or the first record where there is none, for the columns.
    pub fn new(input: R, dialect: Dialect) -> Result<Self> {
        let quote = dialect.quote.map(|c| c as u8);
        let mut csv = Self {
            input,
            dialect,
            scanner: Scanner::new(dialect.delimiter as u8, quote),
            names: Vec::new(),
            announced: false,
            carry: Vec::new(),
            line: 1,
            rows: 0,
            ended: false,
            broken: None,
            drained: false,
        };
        csv.read_header()?;
        Ok(csv)
    }

    fn read_header(&mut self) -> Result<()> {
        let mut batch = Batch::default();
        let mut size = BLOCK_BYTES;
        loop {
            let len = self.fill(&mut batch, size);
            if len == 0 {
                return Err(self.broken.take().map_or(Error::Empty, |e| self.read_fault(e, 0)));
            }
            // Why kept: cutting mends doubled marks in place, and a first record that is no header is cut again.
            self.carry = batch.text[..len].to_vec();
            match self.scanner.scan(&mut batch, len, self.ended, 1) {
                Stop::End(0) if !self.ended => {}
                Stop::End(next) | Stop::Enough(next) => {
                    self.check_text(&mut batch, next)?;
                    return self.take_header(&batch, next);
                }
                Stop::Fault(wrong) => {
                    let error = self.explain(&wrong, 1);
                    self.check_text(&mut batch, len)?;
                    return Err(error);
                }
            }
            if size >= RECORD_BYTES_MAX {
                return Err(self.too_long(1));
            }
            size *= 2;
        }
    }

    fn take_header(&mut self, batch: &Batch, next: usize) -> Result<()> {
        if batch.cells.is_empty() {
            let nothing = self.ended && self.carry.trim_ascii().is_empty();
            return Err(if nothing { Error::Empty } else { Error::Blank(1) });
        }
        if batch.cells.len() > COLUMNS_MAX {
            return Err(Error::TooWide { line: 1, limit: COLUMNS_MAX });
        }
        let cells: Vec<&[u8]> = batch.cells.iter().map(|c| batch.bytes(*c)).collect();
        self.scanner.columns = cells.len();
        if self.dialect.header {
            self.names = header::names(&cells)?;
            self.line += 1 + batch.breaks.iter().map(|(_, more)| more).sum::<u64>();
            self.carry.drain(..next);
        } else {
            self.names = header::positions(cells.len());
        }
        Ok(())
    }

    /// Fills the batch's text to `size` bytes, the carry first, and pads it. Gives its length.
    fn fill(&mut self, batch: &mut Batch, size: usize) -> usize {
        batch.clear();
        std::mem::swap(&mut batch.text, &mut self.carry);
        let mut len = batch.text.len();
        batch.text.resize(size.max(len) + PAD, 0);
        // Why to the brim: blocks must not depend on how the input happens to arrive.
        while len < size && !self.ended {
            match self.input.read(&mut batch.text[len..size]) {
                Ok(0) => self.ended = true,
                Ok(count) => len += count,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => (self.broken, self.ended) = (Some(e), true),
            }
        }
        batch.text.truncate(len);
        batch.seal();
        len
    }

    /// UTF-8, and no NUL.
    fn check_text(&mut self, batch: &mut Batch, len: usize) -> Result<()> {
        let text = &batch.text[..len];
        let valid = match std::str::from_utf8(text) {
            Ok(_) => len,
            Err(e) if e.error_len().is_none() && !(self.ended && self.broken.is_none()) => len,
            Err(e) => e.valid_up_to(),
        };
        let nul = memchr::memchr(0, &text[..valid]);
        let at = nul.unwrap_or(valid);
        if at == len {
            return Ok(());
        }
        let what = match nul {
            Some(_) => "a NUL byte: is this a text file? name its encoding if it is UTF-16".to_owned(),
            None => encoding::invalid_utf8(text, at),
        };
        let place = self.place_at(batch, at)?;
        Err(Error::Encoding { place, what })
    }

    /// Line and column of an offset in the batch's text. A fault in the text before it comes first.
    fn place_at(&mut self, batch: &mut Batch, at: usize) -> Result<Place> {
        batch.clear_cells();
        batch.text.truncate(at);
        batch.seal();
        let first = self.line + self.scanner.blanks;
        let line = first + batch.text[..at].iter().filter(|b| **b == b'\n').count() as u64;
        match self.scanner.scan(batch, at, false, usize::MAX) {
            Stop::Fault(wrong) => Err(self.explain(&wrong, self.line_after(batch))),
            Stop::End(begin) | Stop::Enough(begin) => {
                Ok(Place { line, column: self.column(self.fields(&batch.text[begin..at])) })
            }
        }
    }

    /// Whole fields in the beginning of a record.
    fn fields(&self, text: &[u8]) -> usize {
        let (mut count, mut quoted) = (0, false);
        for byte in text {
            quoted ^= Some(char::from(*byte)) == self.dialect.quote;
            count += usize::from(!quoted && char::from(*byte) == self.dialect.delimiter);
        }
        count
    }

    /// The line after the whole records of the batch.
    fn line_after(&self, batch: &Batch) -> u64 {
        let rows = batch.cells.len().checked_div(self.scanner.columns).unwrap_or(0) as u64;
        self.line + rows + batch.breaks.iter().map(|(_, more)| more).sum::<u64>() + self.scanner.blanks
    }

    fn column(&self, field: usize) -> String {
        self.names.get(field).cloned().unwrap_or_else(|| format!("column {}", field + 1))
    }

    fn explain(&self, wrong: &Wrong, line: u64) -> Error {
        let line = line + wrong.lines;
        let place = Place { line, column: self.column(wrong.field) };
        let mark = self.dialect.quote.unwrap_or('"');
        match wrong.what {
            What::StrayQuote => {
                let what = format!(
                    "a quotation mark {mark} inside an unquoted field: quote the field and double the mark, or read without quotes (quote = \"\")"
                );
                Error::Quote { place, what }
            }
            What::AfterQuote => {
                let what = format!(
                    "text after the closing quotation mark {mark}: double the marks inside the field"
                );
                Error::Quote { place, what }
            }
            What::OpenQuote => {
                let what = format!(
                    "the quotation mark {mark} opened here is never closed: close it, or double it if it is text"
                );
                Error::Quote { place, what }
            }
            What::Ragged(found) => {
                let expected = self.scanner.columns;
                let column = self.column(found.min(expected).saturating_sub(1));
                Error::Ragged { line, expected, found, column }
            }
            What::Blank => Error::Blank(line - self.scanner.blanks),
            What::TooWide => Error::TooWide { line, limit: COLUMNS_MAX },
        }
    }

    fn too_long(&self, line: u64) -> Error {
        let what = "a quotation mark that is never closed, or no line ends at all?";
        Error::TooLong { line, limit: RECORD_BYTES_MAX, what }
    }

    /// What a failed read means: undecodable text has a place, anything else has not.
    fn read_fault(&self, error: std::io::Error, field: usize) -> Error {
        match encoding::malformed(&error) {
            Some(what) => {
                let place = Place { line: self.line, column: self.column(field) };
                Error::Encoding { place, what }
            }
            None => crate::read::unpack::input_error(error),
        }
    }

    /// The end of the input: what broke it, or a table without records.
    fn finish(&mut self, batch: &mut Batch) -> Result<bool> {
        if let Some(error) = self.broken.take() {
            let tail = std::mem::take(&mut self.carry);
            let lines = tail.iter().filter(|b| **b == b'\n').count() as u64;
            let field = self.fields(&tail);
            self.line += lines;
            return Err(self.read_fault(error, field));
        }
        if self.rows == 0 {
            return Err(Error::HeaderOnly);
        }
        batch.clear();
        Ok(false)
    }
}

impl<R: Read> Rows for Csv<R> {
    fn next(&mut self, batch: &mut Batch) -> Result<bool> {
        let mut size = BLOCK_BYTES.max(self.carry.len());
        loop {
            if self.ended && (self.carry.is_empty() || self.drained) {
                return self.finish(batch);
            }
            let len = self.fill(batch, size);
            self.check_text(batch, len)?;
            batch.columns = self.scanner.columns;
            batch.first_line = self.line;
            // Why not the last record of a broken input: it may be half.
            let last = self.ended && self.broken.is_none();
            let end = match self.scanner.scan(batch, len, last, usize::MAX) {
                Stop::Fault(wrong) => return Err(self.explain(&wrong, self.line_after(batch))),
                Stop::End(end) | Stop::Enough(end) => end,
            };
            self.drained = self.broken.is_some();
            self.line = self.line_after(batch) - self.scanner.blanks;
            self.carry.clear();
            self.carry.extend_from_slice(&batch.text[end..len]);
            if !batch.cells.is_empty() {
                break;
            }
            if end == 0 && size >= RECORD_BYTES_MAX && !self.ended {
                return Err(self.too_long(self.line));
            }
            size = (size * 2).min(RECORD_BYTES_MAX);
        }
        self.rows += batch.rows() as u64;
        if !self.announced {
            self.announced = true;
            batch.new_names.clone_from(&self.names);
        }
        Ok(true)
    }
}
