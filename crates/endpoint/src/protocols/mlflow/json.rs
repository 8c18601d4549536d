//! The JSON forms: `dataframe_split`, `dataframe_records`, `instances` and `inputs`.

use super::refused::refused;
use crate::body::parse;
use crate::body::split::{InputData, Names};
use crate::outcome::Outcome;
use crate::rows::refusal::{Found, Wrong};
use crate::rows::{List, Reader, Seed, Skip, Take};
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess};
use serde_json::value::RawValue;

const SPLIT: Names =
    Names { whole: "dataframe_split", data: "dataframe_split.data", columns: "dataframe_split.columns" };

/// Reads a body; with `v1` only `instances` brings rows.
pub fn read(reader: &mut Reader<'_>, body: &[u8], v1: bool) -> Result<(), Box<Outcome>> {
    let found = parse(reader, body, |reader, input| Seed(Top { reader, v1 }).deserialize(input));
    match found {
        Ok(true) => Ok(()),
        Ok(false) => Err(refused(&reader.place(Wrong::NoRows))),
        Err(refusal) => Err(refused(&refusal)),
    }
}

/// The whole body; gives whether rows came.
struct Top<'r, 'a> {
    reader: &'r mut Reader<'a>,
    v1: bool,
}

impl<'de> Take<'de> for Top<'_, '_> {
    type Out = bool;

    fn plain<E: Error>(self, found: Found<'_>) -> Result<bool, E> {
        Err(self.reader.refuse(Wrong::NotObject(found.words())))
    }

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<bool, A::Error> {
        let Self { reader, v1 } = self;
        let mut rows = false;
        while let Some(member) = object.next_key_seed(Seed(Name { reader: &mut *reader, rows, v1 }))? {
            rows |= !matches!(member, Member::Params | Member::Other);
            match member {
                Member::Split => object.next_value_seed(Seed(Split { reader: &mut *reader }))?,
                Member::Rows(name) => {
                    reader.level = 3;
                    object.next_value_seed(Seed(List { reader: &mut *reader, name }))?;
                }
                Member::Inputs => object.next_value_seed(Seed(Inputs { reader: &mut *reader }))?,
                Member::Params => object.next_value_seed(Seed(Params { reader: &mut *reader }))?,
                Member::Other => object.next_value_seed(Seed(Skip { reader: &mut *reader, level: 1 }))?,
            }
        }
        reader.forget_strangers();
        Ok(rows)
    }
}

enum Member {
    Split,
    Rows(&'static str),
    Inputs,
    Params,
    Other,
}

/// The name of a member of the body.
struct Name<'r, 'a> {
    reader: &'r mut Reader<'a>,
    /// Whether rows came already.
    rows: bool,
    v1: bool,
}

impl<'de> Take<'de> for Name<'_, '_> {
    type Out = Member;

    fn plain<E: Error>(self, found: Found<'_>) -> Result<Member, E> {
        let Found::Text(name) = found else { return Ok(Member::Other) };
        let member = match name {
            "instances" => Member::Rows("instances"),
            "dataframe_split" if !self.v1 => Member::Split,
            "dataframe_records" if !self.v1 => Member::Rows("dataframe_records"),
            "inputs" if !self.v1 => Member::Inputs,
            "params" if !self.v1 => {
                self.reader.stranger(name)?;
                return Ok(Member::Params);
            }
            _ => return self.reader.stranger(name).map(|()| Member::Other),
        };
        if self.rows { Err(self.reader.refuse(Wrong::TwoForms)) } else { Ok(member) }
    }
}

/// `dataframe_split`: an object.
struct Split<'r, 'a> {
    reader: &'r mut Reader<'a>,
}

impl<'de> Take<'de> for Split<'_, '_> {
    type Out = ();

    fn plain<E: Error>(self, _: Found<'_>) -> Result<(), E> {
        Err(self.reader.refuse(Wrong::NoMember(SPLIT.data)))
    }

    fn object<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error> {
        InputData { reader: self.reader, names: SPLIT }.object(object)
    }
}

/// `params`: an object; a model of ours takes none, so they say nothing.
struct Params<'r, 'a> {
    reader: &'r mut Reader<'a>,
}

impl<'de> Take<'de> for Params<'_, '_> {
    type Out = ();

    fn plain<E: Error>(self, found: Found<'_>) -> Result<(), E> {
        match found {
            Found::Null => Ok(()),
            other => Err(self.reader.refuse(Wrong::NotParams(other.words()))),
        }
    }

    fn object<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error> {
        Skip { reader: self.reader, level: 1 }.object(object)
    }
}

/// `inputs`: a list of rows, or a list a column.
struct Inputs<'r, 'a> {
    reader: &'r mut Reader<'a>,
}

impl<'de> Take<'de> for Inputs<'_, '_> {
    type Out = ();

    fn plain<E: Error>(self, found: Found<'_>) -> Result<(), E> {
        Err(self.reader.refuse(Wrong::NotList("inputs", found.words())))
    }

    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        self.reader.level = 3;
        List { reader: self.reader, name: "inputs" }.list(list)
    }

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let reader = self.reader;
        let mut lists: Vec<Vec<&'de RawValue>> = Vec::new();
        reader.begin_header();
        while object.next_key_seed(Seed(Column { reader: &mut *reader }))?.is_some() {
            let raw: &'de RawValue = object.next_value()?;
            // A column is a list of plain values: what is nested deeper is refused cell by cell, none of it looked into.
            match serde_json::from_str(raw.get()) {
                Ok(list) => lists.push(list),
                Err(_) => {
                    let found = if raw.get().starts_with('{') { "an object" } else { "a single value" };
                    return Err(reader.refuse(Wrong::NotList("inputs.NAME", found.to_owned())));
                }
            }
        }
        reader.end_header()?;
        rows(reader, &lists).map_err(|_| A::Error::custom("refused"))
    }
}

/// Rows out of a list a column.
fn rows(reader: &mut Reader<'_>, lists: &[Vec<&RawValue>]) -> Result<(), crate::rows::Stop> {
    let columns = reader.named();
    let count = lists.first().map_or(0, Vec::len);
    if let Some(other) = lists.iter().find(|list| list.len() != count) {
        return Err(reader.refuse(Wrong::Uneven { first: count, other: other.len() }));
    }
    for row in 0..count {
        reader.open_row()?;
        for (column, list) in columns.iter().zip(lists) {
            if let Some(raw) = list.get(row) {
                reader.put_json(*column, raw)?;
            }
        }
        reader.close_row();
    }
    Ok(())
}

/// The name of a column.
struct Column<'r, 'a> {
    reader: &'r mut Reader<'a>,
}

impl<'de> Take<'de> for Column<'_, '_> {
    type Out = ();

    fn plain<E: Error>(self, found: Found<'_>) -> Result<(), E> {
        match found {
            Found::Text(name) => self.reader.header(name),
            _ => Ok(()),
        }
    }
}
