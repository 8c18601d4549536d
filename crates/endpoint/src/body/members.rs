//! The members of a body besides the rows: `Inputs`, `method`, `GlobalParameters`.

use super::Ask;
use crate::rows::refusal::{Found, Wrong, clip};
use crate::rows::{List, Reader, Seed, Skip, Take};
use serde::de::{Error, MapAccess};

/// The name of a member, when only one matters.
pub struct Is<'r, 'a> {
    pub reader: &'r mut Reader<'a>,
    pub name: &'static str,
    /// Whether the member was there already.
    pub found: bool,
}

impl<'de> Take<'de> for Is<'_, '_> {
    type Out = bool;

    fn plain<E: Error>(self, found: Found<'_>) -> Result<bool, E> {
        match found {
            Found::Text(name) if name == self.name && self.found => {
                Err(self.reader.refuse(Wrong::Duplicate(name.into())))
            }
            Found::Text(name) => Ok(name == self.name),
            _ => Ok(false),
        }
    }
}

/// `{"data": […]}` within `Inputs`.
pub struct Inputs<'r, 'a> {
    pub reader: &'r mut Reader<'a>,
}

impl<'de> Take<'de> for Inputs<'_, '_> {
    type Out = ();

    fn plain<E: Error>(self, _: Found<'_>) -> Result<(), E> {
        Err(self.reader.refuse(Wrong::NoMember("Inputs.data")))
    }

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let reader = self.reader;
        let (name, mut found) = ("data", false);
        while let Some(rows) = object.next_key_seed(Seed(Is { reader: &mut *reader, name, found }))? {
            if rows {
                let name = "Inputs.data";
                object.next_value_seed(Seed(List { reader: &mut *reader, name }))?;
                found = true;
            } else {
                object.next_value_seed(Seed(Skip { reader: &mut *reader, level: 2 }))?;
            }
        }
        if found { Ok(()) } else { Err(reader.refuse(Wrong::NoMember("Inputs.data"))) }
    }
}

/// `predict` or `predict_proba`; `null` is `predict`.
pub struct Method<'r, 'a> {
    pub reader: &'r mut Reader<'a>,
}

impl<'de> Take<'de> for Method<'_, '_> {
    type Out = Ask;

    fn plain<E: Error>(self, found: Found<'_>) -> Result<Ask, E> {
        let said = match found {
            Found::Null | Found::Text("predict") => return Ok(Ask::Predict),
            Found::Text("predict_proba") => return Ok(Ask::Probabilities),
            Found::Text(other) => clip(other).to_owned(),
            other => other.words(),
        };
        Err(self.reader.refuse(Wrong::Method(said)))
    }
}

/// `GlobalParameters`: an object that may name a method; the regression scripts send a number, which says nothing here.
pub struct Parameters<'r, 'a> {
    pub reader: &'r mut Reader<'a>,
}

impl<'de> Take<'de> for Parameters<'_, '_> {
    type Out = Ask;

    fn plain<E: Error>(self, found: Found<'_>) -> Result<Ask, E> {
        match found {
            Found::Null | Found::Whole(_) | Found::Large(_) | Found::Decimal(_) => Ok(Ask::Predict),
            other => Err(self.reader.refuse(Wrong::Method(other.words()))),
        }
    }

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<Ask, A::Error> {
        let reader = self.reader;
        let (name, mut found, mut ask) = ("method", false, Ask::Predict);
        while let Some(method) = object.next_key_seed(Seed(Is { reader: &mut *reader, name, found }))? {
            if method {
                ask = object.next_value_seed(Seed(Method { reader: &mut *reader }))?;
                found = true;
            } else {
                object.next_value_seed(Seed(Skip { reader: &mut *reader, level: 2 }))?;
            }
        }
        Ok(ask)
    }
}
