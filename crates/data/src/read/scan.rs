//! Cutting delimited text into records and fields: RFC 4180, strictly, eight bytes at a time.

use crate::batch::{Batch, Cell};
use crate::limits::COLUMNS_MAX;
use memchr::{memchr, memchr_iter};

const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;

/// How a scan ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The text is used up; an unfinished record begins at the offset.
    End(usize),
    /// The wanted number of records is reached; the next begins at the offset.
    Enough(usize),
    /// Something is wrong.
    Fault(Wrong),
}

/// What is wrong in a record; fields and lines are counted from its beginning.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// What.
    pub what: What,
    /// Fields before it in its record.
    pub field: usize,
    /// Lines between the record's beginning and the fault.
    pub lines: u64,
}

/// What can be wrong in a record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A quotation mark inside a field that does not begin with one.
    StrayQuote,
    /// Text between a closing quotation mark and the delimiter.
    AfterQuote,
    /// The text ends inside quotation marks.
    OpenQuote,
    /// Another number of fields than expected.
    Ragged(usize),
    /// A blank line that records follow.
    Blank,
    /// More columns than a table may have.
    TooWide,
}

/// Cuts text by a dialect. Keeps what must be remembered between two calls: blank lines at the end so far.
#[derive(Debug)]
pub(crate) struct Scanner {
    delimiter: u8,
    quote: Option<u8>,
    patterns: [u64; 3],
    /// Fields a record must have; 0 while unknown.
    pub columns: usize,
    /// Blank lines since the last record.
    pub blanks: u64,
}

/// The record being cut.
struct Record {
    /// Where it begins in the text.
    begin: usize,
    /// Cells before it.
    cells: usize,
    /// Newlines inside its quotes so far.
    lines: u64,
    /// Cells with doubled quotation marks.
    doubled: Vec<usize>,
    /// Whether one has just ended before it.
    ended: bool,
}

/// What a scan may look at and how far it goes.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    len: usize,
    last: bool,
    most: usize,
}

/// Where a quoted field closes, and whether it holds doubled marks.
struct Closed {
    end: usize,
    doubled: bool,
}

impl Scanner {
    pub fn new(delimiter: u8, quote: Option<u8>) -> Self {
        let spread = |byte: u8| u64::from(byte) * 0x0101_0101_0101_0101;
        let patterns = [spread(delimiter), spread(b'\n'), spread(quote.unwrap_or(b'\n'))];
        Self { delimiter, quote, patterns, columns: 0, blanks: 0 }
    }

    /// Cuts `batch.text[..len]`, padded after `len`, into `batch.cells`, at most `most` records. `last`: no text follows.
    pub fn scan(&mut self, batch: &mut Batch, len: usize, last: bool, most: usize) -> Stop {
        let mut record = Record::at(batch.cells.len());
        match self.cut(batch, &mut record, Bounds { len, last, most }) {
            Ok(stop) => stop,
            Err(what) => Stop::Fault(record.wrong(batch, what)),
        }
    }

    fn cut(&mut self, batch: &mut Batch, record: &mut Record, bounds: Bounds) -> Result<Stop, What> {
        let (mut start, mut base, mut found) = (0, 0, 0);
        'words: while base < bounds.len {
            let mut hits = self.hits(&batch.text, base);
            while hits != 0 {
                let at = base + (hits.trailing_zeros() / 8) as usize;
                hits &= hits - 1;
                let byte = batch.text[at];
                if byte == self.delimiter {
                    push(batch, start, at);
                    start = at + 1;
                    continue;
                }
                if byte == b'\n' {
                    let end = at - usize::from(at > start && batch.text[at - 1] == b'\r');
                    push(batch, start, end);
                    start = at + 1;
                    self.end(batch, record, start)?;
                } else if at != start {
                    return Err(What::StrayQuote);
                } else {
                    let Some(next) = self.quoted(batch, record, at, bounds)? else {
                        break 'words;
                    };
                    start = next;
                    base = next;
                    // The rest of the word may lie inside the quotes.
                    hits = 0;
                }
                // A record ended, or a quoted field did and its record with it.
                if record.begin == start && record.ended {
                    record.ended = false;
                    found += 1;
                    if found == bounds.most {
                        return Ok(Stop::Enough(start));
                    }
                }
                if byte != b'\n' {
                    continue 'words;
                }
            }
            self.check_width(batch, record)?;
            base += 8;
        }
        if bounds.last && record.begin < bounds.len {
            let end = bounds.len - usize::from(bounds.len > start && batch.text[bounds.len - 1] == b'\r');
            push(batch, start, end);
            self.end(batch, record, bounds.len)?;
        }
        batch.cells.truncate(record.cells);
        Ok(Stop::End(record.begin))
    }

    /// Refuses a record of far too many fields before its line ends: a broken file must not fill the memory with cells.
    #[inline]
    fn check_width(&self, batch: &Batch, record: &Record) -> Result<(), What> {
        let fields = batch.cells.len() - record.cells;
        match fields > self.columns + COLUMNS_MAX {
            true if self.columns == 0 => Err(What::TooWide),
            true => Err(What::Ragged(fields)),
            false => Ok(()),
        }
    }

    /// Takes the quoted field that opens at `open`, with the delimiter or newline after it. Gives where the next field
    /// begins; `None` when the text is needed that follows.
    fn quoted(
        &mut self,
        batch: &mut Batch,
        record: &mut Record,
        open: usize,
        bounds: Bounds,
    ) -> Result<Option<usize>, What> {
        let Bounds { len, last, .. } = bounds;
        let Some(field) = self.close(&batch.text, open, bounds)? else {
            return Ok(None);
        };
        record.lines += memchr_iter(b'\n', &batch.text[open..field.end]).count() as u64;
        let ends = match &batch.text[field.end + 1..len] {
            [] => Some(0),
            [byte, ..] if *byte == self.delimiter => None,
            [b'\n', ..] => Some(1),
            [b'\r', b'\n', ..] => Some(2),
            [b'\r'] if last => Some(1),
            [b'\r'] => return Ok(None),
            _ => return Err(What::AfterQuote),
        };
        if field.doubled {
            record.doubled.push(batch.cells.len());
        }
        push(batch, open + 1, field.end);
        let next = field.end + 1 + ends.unwrap_or(1);
        if ends.is_some() {
            self.end(batch, record, next)?;
        }
        Ok(Some(next))
    }

    /// Where the quoted field that opens at `open` closes.
    fn close(&self, text: &[u8], open: usize, bounds: Bounds) -> Result<Option<Closed>, What> {
        let quote = self.quote.unwrap_or(b'"');
        let (mut from, mut doubled) = (open + 1, false);
        loop {
            let Some(at) = memchr(quote, &text[from..bounds.len]) else {
                return if bounds.last { Err(What::OpenQuote) } else { Ok(None) };
            };
            let end = from + at;
            match text.get(end + 1).filter(|_| end + 1 < bounds.len) {
                Some(next) if *next == quote => (from, doubled) = (end + 2, true),
                None if !bounds.last => return Ok(None),
                _ => return Ok(Some(Closed { end, doubled })),
            }
        }
    }

    /// The high bit of each byte that is a delimiter, newline or quotation mark among the eight at `base`.
    #[inline]
    fn hits(&self, text: &[u8], base: usize) -> u64 {
        let Some(word) = text.get(base..base + 8).and_then(|w| <[u8; 8]>::try_from(w).ok()) else {
            return 0;
        };
        let word = u64::from_le_bytes(word);
        // Exact test for zero bytes (no carries between bytes): Hacker's Delight, 6-1.
        let kept = self.patterns.iter().fold(u64::MAX, |all, pattern| {
            let x = word ^ pattern;
            all & (((x & LOW) + LOW) | x)
        });
        !(kept | LOW)
    }

    /// Ends a record whose cells are all cut; the next begins at `next`.
    fn end(&mut self, batch: &mut Batch, record: &mut Record, next: usize) -> Result<(), What> {
        let fields = batch.cells.len() - record.cells;
        let bare =
            fields == 1 && batch.cells.last().is_some_and(|c| c.len == 0 && c.start as usize == record.begin);
        if bare {
            batch.cells.pop();
            self.blanks += 1;
        } else if self.blanks > 0 {
            return Err(What::Blank);
        } else if self.columns != 0 && fields != self.columns {
            return Err(What::Ragged(fields));
        } else if record.lines > 0 || !record.doubled.is_empty() {
            self.tidy(batch, record);
        }
        record.begin = next;
        record.cells = batch.cells.len();
        record.lines = 0;
        record.ended = true;
        Ok(())
    }

    /// The rare parts of a record's end: notes its extra lines and halves doubled marks in place. Not before: an
    /// unfinished record is cut again from its untouched text.
    #[cold]
    fn tidy(&self, batch: &mut Batch, record: &mut Record) {
        if record.lines > 0 {
            let row = record.cells.checked_div(self.columns).unwrap_or(0);
            batch.breaks.push((row, record.lines));
        }
        let quote = self.quote.unwrap_or(b'"');
        for index in record.doubled.drain(..) {
            let cell = batch.cells[index];
            let (start, end) = (cell.start as usize, (cell.start + cell.len) as usize);
            let (mut to, mut from) = (start, start);
            while from < end {
                let byte = batch.text[from];
                batch.text[to] = byte;
                to += 1;
                from += if byte == quote { 2 } else { 1 };
            }
            batch.cells[index].len = (to - start) as u32;
        }
    }
}

#[inline]
fn push(batch: &mut Batch, start: usize, end: usize) {
    batch.cells.push(Cell { start: start as u32, len: (end - start) as u32 });
}

impl Record {
    fn at(cells: usize) -> Self {
        Self { begin: 0, cells, lines: 0, doubled: Vec::new(), ended: false }
    }

    /// Names a fault; only whole records stay in the batch.
    fn wrong(&self, batch: &mut Batch, what: What) -> Wrong {
        let field = batch.cells.len().saturating_sub(self.cells);
        batch.cells.truncate(self.cells);
        Wrong { what, field, lines: self.lines }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::PAD;

    fn cut(text: &str, columns: usize) -> Result<Vec<Vec<String>>, What> {
        let mut batch = Batch { text: text.as_bytes().to_vec(), columns, ..Batch::default() };
        batch.text.extend_from_slice(&[0; PAD]);
        let mut scanner = Scanner::new(b',', Some(b'"'));
        scanner.columns = columns;
        match scanner.scan(&mut batch, text.len(), true, usize::MAX) {
            Stop::End(end) => assert_eq!(end, text.len()),
            Stop::Enough(_) => unreachable!("no count was asked for"),
            Stop::Fault(wrong) => return Err(wrong.what),
        }
        let text = |c: &Cell| String::from_utf8(batch.bytes(*c).to_vec()).unwrap();
        Ok(batch.cells.chunks(columns).map(|row| row.iter().map(text).collect()).collect())
    }

    #[test]
    fn records_and_fields() {
        for (text, expected) in [
            ("a,b\n", vec![["a", "b"]]),
            ("a,b", vec![["a", "b"]]),
            ("a,b\r\nc,d\r\n", vec![["a", "b"], ["c", "d"]]),
            ("a,b\r", vec![["a", "b"]]),
            ("a,\n,b", vec![["a", ""], ["", "b"]]),
            (",", vec![["", ""]]),
            ("a,b\n\n\r\n", vec![["a", "b"]]),
            ("\"a,1\",\"b\"\n", vec![["a,1", "b"]]),
            ("\"a\nx\",b\nc,\"\"", vec![["a\nx", "b"], ["c", ""]]),
            ("\"say \"\"hi\"\"\",\"\"\"\"\r\nc,d", vec![["say \"hi\"", "\""], ["c", "d"]]),
            ("a,\"b\"", vec![["a", "b"]]),
            (
                "\"aaaaaaaaaaaaaaaaaa\",\"bbbbbbbbbbbbbbbb\"\r\n",
                vec![["aaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"]],
            ),
            ("a\rb,c\n", vec![["a\rb", "c"]]),
        ] {
            assert_eq!(cut(text, 2).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_refused() {
        for (text, what) in [
            ("a,b,c\n", What::Ragged(3)),
            ("a\n", What::Ragged(1)),
            ("a,b\n\nc,d\n", What::Blank),
            ("a,b\"c\n", What::StrayQuote),
            ("a, \"c\"\n", What::StrayQuote),
            ("a,\"b\"c\n", What::AfterQuote),
            ("a,\"b\" \n", What::AfterQuote),
            ("a,\"b\n", What::OpenQuote),
            ("a,\"b\"\"\n", What::OpenQuote),
        ] {
            assert_eq!(cut(text, 2).unwrap_err(), what, "{text:?}");
        }
    }

    /// Any cut of the text into two blocks gives the same cells as one block.
    #[test]
    fn blocks_do_not_matter() {
        let text = "a,\"b\"\"q\"\r\n\"x\ny\",2\n\"\",\"\"\"\"\n1,\"z\"";
        let whole = cut(text, 2).unwrap();
        for split in 0..=text.len() {
            let mut scanner = Scanner::new(b',', Some(b'"'));
            scanner.columns = 2;
            let mut cells = Vec::new();
            let mut carry = Vec::new();
            for (part, last) in [(&text[..split], false), (&text[split..], true)] {
                let mut batch = Batch { text: carry.clone(), columns: 2, ..Batch::default() };
                batch.text.extend_from_slice(part.as_bytes());
                let len = batch.text.len();
                batch.seal();
                let Stop::End(end) = scanner.scan(&mut batch, len, last, usize::MAX) else {
                    panic!("{split}")
                };
                cells
                    .extend(batch.cells.iter().map(|c| String::from_utf8(batch.bytes(*c).to_vec()).unwrap()));
                carry = batch.text[end..len].to_vec();
            }
            assert_eq!(cells, whole.concat(), "{split}");
        }
    }
}
