//! The request forms of `/score`: `data`, `Inputs` and `input_data`, told apart by the member that brings the rows.

mod members;
pub mod split;
mod syntax;

pub use syntax::parse;

use crate::rows::refusal::{Found, Refusal, Wrong};
use crate::rows::{List, Reader, Row, Seed, Skip, Take};
use members::{Inputs, Method, Parameters};
use serde::de::{DeserializeSeed, Error, MapAccess};

/// Which form a request has; the answer has its counterpart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `{"data": […], "method": …}` → a JSON string holding `{"result": […]}` (contract S1-05).
    Data,
    /// `{"Inputs": {"data": […]}, "GlobalParameters": …}` → `{"Results": […]}` (contract S1-10).
    Inputs,
    /// `{"input_data": …}` → the predictions alone.
    Bare,
}

/// What is asked of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ask {
    /// The label or the value.
    #[default]
    Predict,
    /// The probability of every class.
    Probabilities,
}

/// A request whose rows are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Its form.
    pub form: Form,
    /// What it asks.
    pub ask: Ask,
}

/// Reads a `/score` body; the rows go to the reader.
pub fn read(reader: &mut Reader<'_>, body: &[u8]) -> Result<Request, Refusal> {
    let (form, ask) = parse(reader, body, |reader, input| Seed(Top { reader }).deserialize(input))?;
    let form = form.ok_or_else(|| reader.place(Wrong::NoRows))?;
    Ok(Request { form, ask })
}

/// Reads a `/predict` body: one flat object.
pub fn read_flat(reader: &mut Reader<'_>, body: &[u8]) -> Result<(), Refusal> {
    reader.level = 1;
    parse(reader, body, |reader, input| Seed(Flat { reader }).deserialize(input))
}

/// The flat object of `/predict`.
struct Flat<'r, 'a> {
    reader: &'r mut Reader<'a>,
}

impl<'de> Take<'de> for Flat<'_, '_> {
    type Out = ();

    fn plain<E: Error>(self, found: Found<'_>) -> Result<(), E> {
        Err(self.reader.refuse(Wrong::NotObject(found.words())))
    }

    fn object<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error> {
        Row { reader: self.reader }.object(object)
    }
}

/// The whole body of `/score`.
struct Top<'r, 'a> {
    reader: &'r mut Reader<'a>,
}

impl<'de> Take<'de> for Top<'_, '_> {
    type Out = (Option<Form>, Ask);

    fn plain<E: Error>(self, found: Found<'_>) -> Result<Self::Out, E> {
        Err(self.reader.refuse(Wrong::NotObject(found.words())))
    }

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Out, A::Error> {
        let reader = self.reader;
        let mut form = None;
        let mut ask = None;
        while let Some(member) = object.next_key_seed(Seed(Name { reader: &mut *reader, form }))? {
            match member {
                Member::Rows(brings) => {
                    rows(reader, brings, &mut object)?;
                    form = Some(brings);
                }
                Member::Method => {
                    let said = object.next_value_seed(Seed(Method { reader: &mut *reader }))?;
                    set_ask(reader, &mut ask, said, "method")?;
                }
                Member::Parameters => {
                    let said = object.next_value_seed(Seed(Parameters { reader: &mut *reader }))?;
                    set_ask(reader, &mut ask, said, "GlobalParameters")?;
                }
                Member::Other => object.next_value_seed(Seed(Skip { reader: &mut *reader, level: 1 }))?,
            }
        }
        reader.forget_strangers();
        Ok((form, ask.unwrap_or_default()))
    }
}

/// Reads the member that brings the rows.
fn rows<'de, A: MapAccess<'de>>(reader: &mut Reader<'_>, form: Form, object: &mut A) -> Result<(), A::Error> {
    match form {
        Form::Data => {
            reader.level = 3;
            object.next_value_seed(Seed(List { reader, name: "data" }))
        }
        Form::Inputs => {
            reader.level = 4;
            object.next_value_seed(Seed(Inputs { reader }))
        }
        Form::Bare => {
            object.next_value_seed(Seed(split::InputData { reader, names: split::Names::INPUT_DATA }))
        }
    }
}

/// Notes what is asked; a second member that says it is a duplicate.
fn set_ask<E: Error>(
    reader: &mut Reader<'_>,
    ask: &mut Option<Ask>,
    said: Ask,
    name: &'static str,
) -> Result<(), E> {
    if ask.replace(said).is_some() {
        return Err(reader.refuse(Wrong::Duplicate(name.into())));
    }
    Ok(())
}

/// A member of the body.
enum Member {
    Rows(Form),
    Method,
    Parameters,
    Other,
}

/// The name of a member of the body.
struct Name<'r, 'a> {
    reader: &'r mut Reader<'a>,
    /// The form that a member before has decided.
    form: Option<Form>,
}

impl<'de> Take<'de> for Name<'_, '_> {
    type Out = Member;

    fn plain<E: Error>(self, found: Found<'_>) -> Result<Member, E> {
        let Found::Text(name) = found else {
            return Ok(Member::Other);
        };
        let form = match name {
            "data" => Form::Data,
            "Inputs" => Form::Inputs,
            "input_data" => Form::Bare,
            "method" => return Ok(Member::Method),
            "GlobalParameters" => return Ok(Member::Parameters),
            _ => return self.reader.stranger(name).map(|()| Member::Other),
        };
        match self.form {
            None => Ok(Member::Rows(form)),
            Some(same) if same == form => Err(self.reader.refuse(Wrong::Duplicate(name.into()))),
            Some(_) => Err(self.reader.refuse(Wrong::TwoForms)),
        }
    }
}
