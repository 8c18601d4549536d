//! Rows of JSON Lines: one flat object a line, its members the columns. A column may appear late; what a record does not
//! name is missing.

use crate::batch::{Batch, Cell, Rows};
use crate::error::{Error, Place, Result};
use crate::limits::{BLOCK_BYTES, COLUMNS_MAX, LINE_BYTES_MAX};
use crate::read::{encoding, unpack};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::fmt;
use std::io::{BufRead, BufReader, Read};

/// Text of a batch, from which on it is handed over.
const ENOUGH: usize = BLOCK_BYTES;
/// Cells of a batch, from which on it is handed over: many columns with little text.
const CELLS: usize = 1 << 18;

/// A reader of JSON Lines in UTF-8.
pub(crate) struct Jsonl<R: Read> {
    input: BufReader<R>,
    line: Vec<u8>,
    number: u64,
    rows: u64,
    columns: Columns,
    /// A row that brought new columns: it begins the next batch.
    held: Option<Vec<(usize, Vec<u8>)>>,
    new_names: Vec<String>,
}

/// The columns known so far.
#[derive(Default)]
struct Columns {
    names: Vec<String>,
    places: HashMap<String, usize>,
}

impl Columns {
    /// A name's column. Why the hint: records mostly name their members in one order.
    fn place(&self, name: &str, hint: usize) -> Option<usize> {
        if self.names.get(hint).is_some_and(|n| n == name) {
            Some(hint)
        } else {
            self.places.get(name).copied()
        }
    }

    fn add(&mut self, name: &str) -> usize {
        self.places.insert(name.to_owned(), self.names.len());
        self.names.push(name.to_owned());
        self.names.len() - 1
    }
}

impl<R: Read> Jsonl<R> {
    pub fn new(input: R) -> Self {
        Self {
            input: BufReader::with_capacity(BLOCK_BYTES, input),
            line: Vec::new(),
            number: 0,
            rows: 0,
            columns: Columns::default(),
            held: None,
            new_names: Vec::new(),
        }
    }

    /// The next line that is not blank; false at the end.
    fn read_line(&mut self) -> Result<bool> {
        loop {
            self.line.clear();
            let mut limited = (&mut self.input).take(LINE_BYTES_MAX as u64 + 1);
            let read = limited.read_until(b'\n', &mut self.line);
            self.number += 1;
            match read {
                Ok(0) => return Ok(false),
                Ok(count) if count > LINE_BYTES_MAX => {
                    let what = "are the records on lines of their own?";
                    return Err(Error::TooLong { line: self.number, limit: LINE_BYTES_MAX, what });
                }
                Ok(_) if self.line.trim_ascii().is_empty() => {}
                Ok(_) => return Ok(true),
                Err(e) => {
                    return Err(match encoding::malformed(&e) {
                        Some(what) => Error::Encoding { place: self.place(""), what },
                        None => unpack::input_error(e),
                    });
                }
            }
        }
    }

    fn place(&self, column: &str) -> Place {
        Place { line: self.number, column: column.to_owned() }
    }

    fn wrong(&self, column: Option<&str>, what: impl Into<String>) -> Error {
        Error::Json { line: self.number, column: column.map(str::to_owned), what: what.into() }
    }

    /// The members of the current line as (column, text) in `row`; new columns are added.
    fn parse(&mut self, row: &mut Vec<(usize, Vec<u8>)>) -> Result<()> {
        let line = std::mem::take(&mut self.line);
        let members = self.members(&line);
        let done = members.and_then(|members| {
            row.clear();
            for (name, raw) in members {
                let text = self.value(&name, raw)?;
                let known = self.columns.place(&name, row.len());
                let column = match known {
                    Some(column) => column,
                    None => self.new_column(&name)?,
                };
                row.push((column, text));
            }
            self.no_doubles(row)
        });
        self.line = line;
        done
    }

    fn members<'l>(&self, line: &'l [u8]) -> Result<Vec<(String, &'l RawValue)>> {
        let text = match std::str::from_utf8(line) {
            Ok(text) => text,
            Err(e) => {
                let what = encoding::invalid_utf8(line, e.valid_up_to());
                return Err(Error::Encoding { place: self.place(""), what });
            }
        };
        let mut json = serde_json::Deserializer::from_str(text);
        let members = Members.deserialize(&mut json).map_err(|e| self.wrong(None, explain(&e)))?;
        json.end().map_err(|_| self.wrong(None, "text after the object: write one object a line"))?;
        Ok(members)
    }

    /// A value as a cell's text.
    fn value(&self, name: &str, raw: &RawValue) -> Result<Vec<u8>> {
        match raw.get().as_bytes() {
            b"null" => Ok(Vec::new()),
            [b'"', ..] => match serde_json::from_str::<String>(raw.get()) {
                Ok(text) => Ok(text.into_bytes()),
                Err(e) => Err(self.wrong(Some(name), explain(&e))),
            },
            [b'{' | b'[', ..] => Err(self.wrong(
                Some(name),
                "a nested value: make its parts members of the record, or write it as text",
            )),
            plain => Ok(plain.to_vec()),
        }
    }

    fn new_column(&mut self, name: &str) -> Result<usize> {
        if name.trim().is_empty() {
            return Err(self.wrong(None, "a member without a name: give it one"));
        }
        if self.columns.names.len() == COLUMNS_MAX {
            return Err(Error::TooWide { line: self.number, limit: COLUMNS_MAX });
        }
        self.new_names.push(name.to_owned());
        Ok(self.columns.add(name))
    }

    fn no_doubles(&self, row: &[(usize, Vec<u8>)]) -> Result<()> {
        let mut columns: Vec<usize> = row.iter().map(|(c, _)| *c).collect();
        columns.sort_unstable();
        match columns.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => {
                Err(self.wrong(Some(&self.columns.names[pair[0]]), "named twice in one record: take one out"))
            }
            None => Ok(()),
        }
    }
}

/// Lays a row's cells out in column order.
fn push_row(batch: &mut Batch, row: &[(usize, Vec<u8>)]) {
    let first = batch.cells.len();
    batch.cells.resize(first + batch.columns, Cell { start: 0, len: 0 });
    for (column, text) in row {
        let start = batch.text.len() as u32;
        batch.text.extend_from_slice(text);
        batch.cells[first + column] = Cell { start, len: text.len() as u32 };
    }
}

impl<R: Read> Rows for Jsonl<R> {
    fn next(&mut self, batch: &mut Batch) -> Result<bool> {
        batch.clear();
        let mut row = Vec::new();
        let mut last = 0;
        while batch.text.len() < ENOUGH && batch.cells.len() < CELLS {
            if let Some(held) = self.held.take() {
                row = held;
            } else if self.read_line()? {
                self.parse(&mut row)?;
            } else {
                break;
            }
            // A row with new columns begins a batch; so does one after a blank line, to keep its number right.
            let fresh = !self.new_names.is_empty() || (last != 0 && self.number != last + 1);
            if fresh && !batch.cells.is_empty() {
                self.held = Some(row);
                break;
            }
            if batch.cells.is_empty() {
                batch.new_names = std::mem::take(&mut self.new_names);
                batch.columns = self.columns.names.len();
                batch.first_line = self.number;
                batch.may_grow = true;
            }
            if batch.columns == 0 {
                return Err(self.wrong(None, "an object without members: give it some"));
            }
            push_row(batch, &row);
            last = self.number;
        }
        self.rows += batch.rows() as u64;
        batch.seal();
        if self.rows == 0 { Err(Error::Empty) } else { Ok(!batch.cells.is_empty()) }
    }
}

/// serde's message without its own position: a record is one line.
fn explain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let short = text.split(" at line ").next().unwrap_or_default();
    format!("{short} (byte {}): write one JSON object of plain values a line", error.column())
}

/// The members of an object in order, doubles included.
struct Members;

impl<'de> DeserializeSeed<'de> for Members {
    type Value = Vec<(String, &'de RawValue)>;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}
