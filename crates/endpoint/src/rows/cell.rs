//! One value of a row: converted to what its column takes, and put into the slot.

use super::refusal::{Expected, Found};
use super::take::Take;
use super::{Reader, Skip, value};
use crate::plan::{Column, Reads};
use serde::de::{Error, MapAccess, SeqAccess};
use std::fmt::{self, Write};

/// Room for the text of any number.
const NUMBER_TEXT: usize = 32;

/// Reads one value into a column.
pub struct Cell<'r, 'a> {
    pub reader: &'r mut Reader<'a>,
    pub column: &'a Column,
}

impl<'de> Take<'de> for Cell<'_, '_> {
    type Out = ();

    fn plain<E: Error>(self, found: Found<'_>) -> Result<(), E> {
        // A new row is all missing.
        if matches!(found, Found::Null) {
            return if self.column.may_miss { Ok(()) } else { self.refuse(found) };
        }
        let number = match self.column.reads {
            Reads::Text => return self.text(found),
            Reads::Number if self.reader.strict => typed(found, self.column.whole),
            Reads::Number => number(found),
            Reads::Boolean => truth(found),
            Reads::Time => time(found),
        };
        match number {
            Some(number) => self.set(number, found),
            None => self.refuse(found),
        }
    }

    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        let (reader, column) = (self.reader, self.column);
        let level = reader.level;
        Cell { reader: &mut *reader, column }.refuse::<A::Error>(Found::List)?;
        Skip { reader, level }.list(list)
    }

    fn object<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error> {
        let (reader, column) = (self.reader, self.column);
        let level = reader.level;
        Cell { reader: &mut *reader, column }.refuse::<A::Error>(Found::Object)?;
        Skip { reader, level }.object(object)
    }
}

impl Cell<'_, '_> {
    fn refuse<E: Error>(self, found: Found<'_>) -> Result<(), E> {
        let expected = match self.column.reads {
            Reads::Number if self.column.whole => Expected::Integer,
            Reads::Number => Expected::Number,
            Reads::Boolean => Expected::Boolean,
            Reads::Time => Expected::Time,
            Reads::Text => Expected::Text,
        };
        self.reader.refuse_value(expected, found)
    }

    /// Puts a number into the slot; what the slot's type can't hold is refused.
    fn set<E: Error>(self, number: f64, found: Found<'_>) -> Result<(), E> {
        if self.reader.batch.set_number(self.column.slot, self.column.index, number) {
            return Ok(());
        }
        let expected = match number.fract() == 0.0 {
            _ if number.abs() > f64::from(f32::MAX) => Expected::Range,
            true => Expected::Holds,
            false => Expected::Integer,
        };
        self.reader.refuse_value(expected, found)
    }

    /// Puts text into the slot; other plain values become their text, without allocating.
    fn text<E: Error>(self, found: Found<'_>) -> Result<(), E> {
        let mut short = Short::default();
        let text = match found {
            Found::Text(text) => text,
            Found::Truth(truth) => self.column.truths[usize::from(truth)],
            Found::Whole(n) => short.of(format_args!("{n}")),
            Found::Large(n) => short.of(format_args!("{n}")),
            // Python's and JSON's spelling of a whole decimal number keeps its `.0`.
            Found::Decimal(n) => short.of(format_args!("{n:?}")),
            Found::Null | Found::List | Found::Object => return self.refuse(found),
        };
        if let Some(categories) = &self.column.categories
            && categories.find(text).is_none()
        {
            self.reader.unknown = self.reader.unknown.saturating_add(1);
        }
        let place = (self.column.slot, self.column.index);
        if self.reader.batch.set_text(self.reader.model, place, text) {
            return Ok(());
        }
        self.reader.refuse_value(Expected::NoZero, found)
    }
}

/// A number by a typed schema: text is none, and a fraction is lost nowhere.
fn typed(found: Found<'_>, whole: bool) -> Option<f64> {
    let number = if matches!(found, Found::Text(_)) { None } else { number(found) };
    number.filter(|n| !whole || n.fract() == 0.0)
}

#[expect(clippy::cast_precision_loss, reason = "the slot is narrower still")]
fn number(found: Found<'_>) -> Option<f64> {
    match found {
        Found::Whole(n) => Some(n as f64),
        Found::Large(n) => Some(n as f64),
        Found::Decimal(n) => Some(n),
        Found::Text(text) => value::number(text),
        _ => None,
    }
}

fn truth(found: Found<'_>) -> Option<f64> {
    match found {
        Found::Truth(truth) => Some(f64::from(u8::from(truth))),
        Found::Text(text) => value::truth(text).map(|t| f64::from(u8::from(t))),
        _ => number(found).filter(|n| *n == 0.0 || *n == 1.0),
    }
}

fn time(found: Found<'_>) -> Option<f64> {
    match found {
        Found::Text(text) => value::time(text),
        _ => number(found).map(value::epoch),
    }
}

/// Text on the stack.
#[derive(Default)]
struct Short {
    bytes: [u8; NUMBER_TEXT],
    used: usize,
}

impl Short {
    fn of(&mut self, text: fmt::Arguments<'_>) -> &str {
        let _ = self.write_fmt(text);
        std::str::from_utf8(&self.bytes[..self.used]).unwrap_or_default()
    }
}

impl Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.used + text.len();
        let room = self.bytes.get_mut(self.used..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.used = end;
        Ok(())
    }
}
