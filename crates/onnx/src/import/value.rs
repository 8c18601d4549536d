//! A document as JSON, UBJSON and the leaves of `.skops` files hold it, read with bounds on depth and size.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::Told;

/// Most texts, lists, maps and the like of one document; plain numbers in lists are not counted.
const VALUES: usize = 8 << 20;
/// Deepest nesting.
pub(super) const DEPTH: usize = 100;

/// A value. A list of numbers alone is kept flat.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Numbers(Vec<f64>),
    List(Vec<Value>),
    Map(BTreeMap<String, Value>),
}

/// Counts what a document may still hold.
#[derive(Debug)]
pub(super) struct Budget(Cell<usize>);

impl Budget {
    pub(super) fn new() -> Self {
        Self(Cell::new(VALUES))
    }

    pub(super) fn take(&self) -> Told<()> {
        let left = self.0.get().checked_sub(1);
        self.0.set(left.ok_or_else(|| format!("it holds more than {VALUES} values"))?);
        Ok(())
    }
}

impl Value {
    /// Reads JSON; numbers may also be `NaN` or infinite when they stand alone.
    pub(super) fn json(text: &[u8]) -> Told<Self> {
        match text.trim_ascii() {
            b"NaN" => return Ok(Self::Number(f64::NAN)),
            b"Infinity" => return Ok(Self::Number(f64::INFINITY)),
            b"-Infinity" => return Ok(Self::Number(f64::NEG_INFINITY)),
            _ => {}
        }
        let budget = Budget::new();
        let mut reader = serde_json::Deserializer::from_slice(text);
        let value = Seed(&budget).deserialize(&mut reader).map_err(|e| e.to_string())?;
        reader.end().map_err(|e| e.to_string())?;
        Ok(value)
    }

    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a truth value",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::Numbers(_) | Self::List(_) => "a list",
            Self::Map(_) => "an object",
        }
    }

    /// The member of an object.
    pub(super) fn find(&self, name: &str) -> Option<&Self> {
        if let Self::Map(map) = self { map.get(name) } else { None }
    }

    /// The member of an object, which must be there.
    pub(super) fn member(&self, name: &str) -> Told<&Self> {
        self.find(name).ok_or_else(|| format!("the member '{name}' is missing"))
    }

    /// The number of a member; texts that are numbers count, as some writers quote them.
    pub(super) fn number(&self, name: &str) -> Told<f64> {
        let found = self.member(name)?;
        found.as_number().ok_or_else(|| format!("'{name}' is {}, expected a number", found.kind()))
    }

    pub(super) fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(n) => Some(*n),
            Self::Bool(b) => Some(f64::from(u8::from(*b))),
            Self::Text(t) => t.trim().parse().ok(),
            _ => None,
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        if let Self::Text(t) = self { Some(t) } else { None }
    }

    /// The text of a member.
    pub(super) fn text(&self, name: &str) -> Told<&str> {
        let found = self.member(name)?;
        found.as_text().ok_or_else(|| format!("'{name}' is {}, expected a text", found.kind()))
    }

    /// The numbers of a member, which is a list of them.
    pub(super) fn numbers(&self, name: &str) -> Told<&[f64]> {
        match self.member(name)? {
            Self::Numbers(numbers) => Ok(numbers),
            Self::List(list) if list.is_empty() => Ok(&[]),
            other => Err(format!("'{name}' is {}, expected a list of numbers", other.kind())),
        }
    }

    /// The elements of a member that is a list of anything but numbers.
    pub(super) fn list(&self, name: &str) -> Told<&[Self]> {
        match self.member(name)? {
            Self::List(list) => Ok(list),
            Self::Numbers(numbers) if numbers.is_empty() => Ok(&[]),
            other => Err(format!("'{name}' is {}, expected a list", other.kind())),
        }
    }
}

/// A list that was read: flat when all of it is numbers.
pub(super) struct Elements {
    numbers: Vec<f64>,
    list: Vec<Value>,
}

impl Elements {
    pub(super) fn new() -> Self {
        Self { numbers: Vec::new(), list: Vec::new() }
    }

    pub(super) fn push(&mut self, value: Value) {
        match value {
            Value::Number(n) if self.list.is_empty() => self.numbers.push(n),
            other => {
                self.list.extend(std::mem::take(&mut self.numbers).into_iter().map(Value::Number));
                self.list.push(other);
            }
        }
    }

    pub(super) fn done(self) -> Value {
        if self.list.is_empty() { Value::Numbers(self.numbers) } else { Value::List(self.list) }
    }
}

/// Reads one value within a budget. The JSON reader itself bounds the depth.
struct Seed<'a>(&'a Budget);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        self.0.take().map_err(E::custom)?;
        Ok(Value::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
        self.0.take().map_err(E::custom)?;
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.0.take().map_err(E::custom)?;
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        self.0.take().map_err(A::Error::custom)?;
        let mut elements = Elements::new();
        while let Some(value) = list.next_element_seed(Seed(self.0))? {
            elements.push(value);
        }
        Ok(elements.done())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        self.0.take().map_err(A::Error::custom)?;
        let mut map = BTreeMap::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Seed(self.0))?;
            if map.insert(name.clone(), value).is_some() {
                return Err(A::Error::custom(format!("the member '{name}' stands twice")));
            }
        }
        Ok(Value::Map(map))
    }
}
