//! `input_data`: a list of rows, or the split form `{"columns": […], "index": […], "data": [[…]]}`.

use crate::rows::refusal::{Expected, Found, Wrong};
use crate::rows::{List, Reader, Seed, Skip, Take};
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess};
use serde_json::value::RawValue;

/// What a member in the split form is called, for messages.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    /// The member.
    pub whole: &'static str,
    /// Its rows.
    pub data: &'static str,
    /// Its column names.
    pub columns: &'static str,
}

impl Names {
    /// Those of `input_data`.
    pub const INPUT_DATA: Self =
        Self { whole: "input_data", data: "input_data.data", columns: "input_data.columns" };
}

/// The value of `input_data`.
pub struct InputData<'r, 'a> {
    pub reader: &'r mut Reader<'a>,
    pub names: Names,
}

impl<'de> Take<'de> for InputData<'_, '_> {
    type Out = ();

    fn plain<E: Error>(self, found: Found<'_>) -> Result<(), E> {
        Err(self.reader.refuse(Wrong::NotList(self.names.whole, found.words())))
    }

    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        let reader = self.reader;
        reader.level = 3;
        List { reader, name: self.names.whole }.list(list)
    }

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let Self { reader, names } = self;
        reader.level = 4;
        let mut seen = Seen::default();
        // Rows that come before their column names wait, unread.
        let mut waiting: Option<&'de RawValue> = None;
        while let Some(part) = object.next_key_seed(Seed(Part { reader: &mut *reader, seen: &mut seen }))? {
            match part {
                Split::Columns => {
                    object.next_value_seed(Seed(Columns { reader: &mut *reader, name: names.columns }))?
                }
                Split::Data if seen.columns => {
                    object.next_value_seed(Seed(List { reader: &mut *reader, name: names.data }))?;
                }
                Split::Data => waiting = Some(object.next_value()?),
                Split::Other => object.next_value_seed(Seed(Skip { reader: &mut *reader, level: 2 }))?,
            }
        }
        if !seen.data {
            return Err(reader.refuse(Wrong::NoMember(names.data)));
        }
        match waiting {
            Some(rows) => read_waiting(reader, names.data, rows),
            None => Ok(()),
        }
    }
}

/// Reads rows that came before their column names, or without any.
fn read_waiting<E: Error>(reader: &mut Reader<'_>, name: &'static str, rows: &RawValue) -> Result<(), E> {
    let mut input = serde_json::Deserializer::from_str(rows.get());
    let read = Seed(List { reader: &mut *reader, name }).deserialize(&mut input);
    read.map_err(|error| {
        if reader.refusals.is_empty() {
            // A value that is JSON but cannot be held, as a number beyond any range.
            reader.refuse(Wrong::Syntax(error.to_string()))
        } else {
            E::custom("refused")
        }
    })
}

#[derive(Default)]
struct Seen {
    columns: bool,
    data: bool,
}

enum Split {
    Columns,
    Data,
    Other,
}

/// The name of a member of the split form.
struct Part<'r, 'a> {
    reader: &'r mut Reader<'a>,
    seen: &'r mut Seen,
}

impl<'de> Take<'de> for Part<'_, '_> {
    type Out = Split;

    fn plain<E: Error>(self, found: Found<'_>) -> Result<Split, E> {
        let (seen, part) = match found {
            Found::Text("columns") => (&mut self.seen.columns, Split::Columns),
            Found::Text("data") => (&mut self.seen.data, Split::Data),
            _ => return Ok(Split::Other),
        };
        if std::mem::replace(seen, true) {
            let name = if matches!(part, Split::Data) { "data" } else { "columns" };
            return Err(self.reader.refuse(Wrong::Duplicate(name.into())));
        }
        Ok(part)
    }
}

/// The list of column names.
struct Columns<'r, 'a> {
    reader: &'r mut Reader<'a>,
    name: &'static str,
}

impl<'de> Take<'de> for Columns<'_, '_> {
    type Out = ();

    fn plain<E: Error>(self, found: Found<'_>) -> Result<(), E> {
        Err(self.reader.refuse(Wrong::NotList(self.name, found.words())))
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let reader = self.reader;
        reader.begin_header();
        while list.next_element_seed(Seed(ColumnName { reader: &mut *reader }))?.is_some() {}
        reader.end_header()
    }
}

/// One column name.
struct ColumnName<'r, 'a> {
    reader: &'r mut Reader<'a>,
}

impl<'de> Take<'de> for ColumnName<'_, '_> {
    type Out = ();

    fn plain<E: Error>(self, found: Found<'_>) -> Result<(), E> {
        match found {
            Found::Text(name) => self.reader.header(name),
            other => {
                let (expected, found) = (Expected::Name, other.words());
                Err(self.reader.refuse(Wrong::Value { expected, found }))
            }
        }
    }
}
