//! A row as an object or as a list, and the list of rows.

use super::cell::Cell;
use super::refusal::{Found, Wrong};
use super::take::{Seed, Take};
use super::{NO_COLUMN, Reader, Skip};
use serde::de::{Error, MapAccess, SeqAccess};

/// A list of rows.
pub struct List<'r, 'a> {
    /// Takes the rows.
    pub reader: &'r mut Reader<'a>,
    /// The member that holds the list, for messages.
    pub name: &'static str,
}

impl<'de> Take<'de> for List<'_, '_> {
    type Out = ();

    fn plain<E: Error>(self, found: Found<'_>) -> Result<(), E> {
        Err(self.reader.refuse(Wrong::NotList(self.name, found.words())))
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let reader = self.reader;
        while list.next_element_seed(Seed(Row { reader: &mut *reader }))?.is_some() {}
        Ok(())
    }
}

/// One row.
pub struct Row<'r, 'a> {
    /// Takes the row.
    pub reader: &'r mut Reader<'a>,
}

impl<'de> Take<'de> for Row<'_, '_> {
    type Out = ();

    fn plain<E: Error>(self, found: Found<'_>) -> Result<(), E> {
        let mut refusal = self.reader.place(Wrong::NotRow(found.words()));
        refusal.row = Some(self.reader.rows());
        self.reader.refusals.push(refusal);
        Err(E::custom("refused"))
    }

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let reader = self.reader;
        let level = reader.level;
        reader.begin_row()?;
        let mut position = 0;
        while let Some(column) = object.next_key_seed(Seed(Key { reader: &mut *reader, position }))? {
            position += 1;
            match column.and_then(|at| reader.column(at)) {
                Some(column) => object.next_value_seed(Seed(Cell { reader: &mut *reader, column }))?,
                None => object.next_value_seed(Seed(Skip { reader: &mut *reader, level }))?,
            }
        }
        reader.end_row()
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let reader = self.reader;
        let level = reader.level;
        reader.begin_row()?;
        let width = reader.width();
        let mut found = 0;
        loop {
            reader.at = reader.position(found, width);
            let more = match reader.at.and_then(|at| reader.column(at)) {
                Some(column) => list.next_element_seed(Seed(Cell { reader: &mut *reader, column }))?,
                None => list.next_element_seed(Seed(Skip { reader: &mut *reader, level }))?,
            };
            if more.is_none() {
                break;
            }
            found += 1;
        }
        reader.at = None;
        if found != width {
            return Err(reader.refuse(Wrong::Length { expected: width, found }));
        }
        reader.in_row = false;
        Ok(())
    }
}

impl Reader<'_> {
    /// Values of a positional row.
    fn width(&self) -> usize {
        match self.memory.header.len() {
            0 => self.plan.columns.len(),
            named => named,
        }
    }

    /// The column of a place in a positional row.
    fn position(&self, place: usize, width: usize) -> Option<u16> {
        if place >= width {
            return None;
        }
        match self.memory.header.get(place) {
            Some(&NO_COLUMN) => None,
            Some(at) => Some(*at),
            None => u16::try_from(place).ok(),
        }
    }
}

/// The name of a member; gives its column.
struct Key<'r, 'a> {
    reader: &'r mut Reader<'a>,
    position: usize,
}

impl<'de> Take<'de> for Key<'_, '_> {
    type Out = Option<u16>;

    fn plain<E: Error>(self, found: Found<'_>) -> Result<Option<u16>, E> {
        match found {
            Found::Text(name) => self.reader.member(name, self.position),
            _ => Ok(None),
        }
    }
}
