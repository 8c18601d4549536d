//! Rows that come column by column, as tensors do: the caller names the columns once, then puts every cell of a row.

use super::Reader;
use super::cell::Cell;
use super::refusal::{Found, Refusal, Wrong};
use super::take::{Seed, Take};
use serde::de::{DeserializeSeed, Error};
use serde_json::value::RawValue;

/// Ends reading; what is wrong stands in the reader's refusals.
pub(crate) type Stop = serde::de::value::Error;

impl Reader<'_> {
    /// Begins a row.
    pub(crate) fn open_row(&mut self) -> Result<(), Stop> {
        self.begin_row()
    }

    /// Puts a value into a column of the open row; a column that is none of the model's takes nothing.
    pub(crate) fn put(&mut self, at: u16, found: Found<'_>) -> Result<(), Stop> {
        self.at = Some(at);
        match self.column(at) {
            Some(column) => Cell { reader: self, column }.plain(found),
            None => Ok(()),
        }
    }

    /// The same of a value still written as JSON.
    pub(crate) fn put_json(&mut self, at: u16, raw: &RawValue) -> Result<(), Stop> {
        self.at = Some(at);
        let Some(column) = self.column(at) else { return Ok(()) };
        let mut input = serde_json::Deserializer::from_str(raw.get());
        Seed(Cell { reader: &mut *self, column }).deserialize(&mut input).map_err(|error| {
            if self.refusals.is_empty() {
                // A value that is JSON but cannot be held, as a number beyond any range.
                self.refuse(Wrong::Syntax(error.to_string()))
            } else {
                Stop::custom("refused")
            }
        })
    }

    /// Ends a row whose columns were all named before.
    pub(crate) fn close_row(&mut self) {
        self.at = None;
        self.in_row = false;
    }

    /// The columns named since [`Reader::begin_header`], in their order.
    pub(crate) fn named(&self) -> Vec<u16> {
        self.memory.header.clone()
    }

    /// The first fault found, for whoever was stopped.
    pub(crate) fn stopped(&self) -> Refusal {
        self.refusals.first().cloned().unwrap_or_else(|| self.place(Wrong::NoRows))
    }
}
