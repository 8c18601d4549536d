//! A document as JSON, UBJSON and the leaves of `.skops` files hold it, read with bounds on depth and size.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::Told;

/// Bytes of memory that a document may take for each of its own, in any case, and at most.
const GROWTH: usize = 8;
const SMALL: usize = 64 << 20;
const MOST: usize = 2 << 30;
/// Bytes of memory, roughly, that a number of a list of numbers and an element of another list take while the list
/// grows, and that a text and the name of a member take beside their letters.
const NUMBER: usize = 16;
const ELEMENT: usize = 48;
const TEXT: usize = 16;
const NAME: usize = 24;
/// So many members of an object share room of so many bytes, which is there for the first one too.
const MEMBERS: usize = 6;
const SHARED: usize = 640;
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

/// Counts the memory that a document may still take: a number of two bytes can take many times as much.
#[derive(Debug)]
pub(super) struct Budget {
    left: Cell<usize>,
    most: usize,
}

impl Budget {
    /// For a document of so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        Self::within(bytes, MOST)
    }

    /// The same with another bound.
    fn within(bytes: usize, most: usize) -> Self {
        let most = bytes.saturating_mul(GROWTH).saturating_add(SMALL).min(most);
        Self { left: Cell::new(most), most }
    }

    fn take(&self, bytes: usize) -> Told<()> {
        let left = self.left.get().checked_sub(bytes);
        let told = || format!("it takes more than {} bytes of memory, too much for its size", self.most);
        self.left.set(left.ok_or_else(told)?);
        Ok(())
    }

    /// For a text.
    pub(super) fn text(&self, text: &str) -> Told<()> {
        self.take(TEXT + text.len())
    }

    /// For the name of a member of an object that has so many before it.
    pub(super) fn member(&self, before: usize, name: &str) -> Told<()> {
        let shared = if before.is_multiple_of(MEMBERS) { SHARED } else { 0 };
        self.take(shared + NAME + name.len())
    }
}

impl Value {
    /// Reads JSON; numbers may also be `NaN` or infinite when they stand alone.
    pub(super) fn json(text: &[u8]) -> Told<Self> {
        Self::json_within(text, MOST)
    }

    /// The same with a bound on the bytes of memory.
    pub(super) fn json_within(text: &[u8], most: usize) -> Told<Self> {
        match text.trim_ascii() {
            b"NaN" => return Ok(Self::Number(f64::NAN)),
            b"Infinity" => return Ok(Self::Number(f64::INFINITY)),
            b"-Infinity" => return Ok(Self::Number(f64::NEG_INFINITY)),
            _ => {}
        }
        let budget = Budget::within(text.len(), most);
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

    pub(super) fn push(&mut self, value: Value, budget: &Budget) -> Told<()> {
        match value {
            Value::Number(n) if self.list.is_empty() => {
                budget.take(NUMBER)?;
                self.numbers.push(n);
            }
            other => {
                budget.take(ELEMENT * (self.numbers.len() + 1))?;
                self.list.extend(std::mem::take(&mut self.numbers).into_iter().map(Value::Number));
                self.list.push(other);
            }
        }
        Ok(())
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

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
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
        self.0.text(value).map_err(E::custom)?;
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut elements = Elements::new();
        while let Some(value) = list.next_element_seed(Seed(self.0))? {
            elements.push(value, self.0).map_err(A::Error::custom)?;
        }
        Ok(elements.done())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some(name) = members.next_key::<String>()? {
            self.0.member(map.len(), &name).map_err(A::Error::custom)?;
            let value = members.next_value_seed(Seed(self.0))?;
            if map.insert(name.clone(), value).is_some() {
                return Err(A::Error::custom(format!("the member '{name}' stands twice")));
            }
        }
        Ok(Value::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_flat_as_long_as_it_is_numbers() {
        assert_eq!(Value::json(b"[1, 2]").unwrap(), Value::Numbers(vec![1.0, 2.0]));
        let mixed = vec![Value::Number(1.0), Value::Null, Value::Number(2.0)];
        assert_eq!(Value::json(b"[1, null, 2]").unwrap(), Value::List(mixed));
    }

    #[test]
    fn documents_that_take_many_times_their_size_are_refused() {
        let list = |first: &str, each: &str, count: usize| format!("[{first}{}0]", each.repeat(count));
        let members: Vec<String> = (0..5000).map(|at| format!("\"{at:x}\":0")).collect();
        let cases = [
            ("numbers in a list of other values", list("\"\",", "0,", 5000)),
            ("empty lists", list("", "[],", 5000)),
            ("objects of one member", list("", "{\"\":0},", 5000)),
            ("texts", list("", "\"\",", 5000)),
            ("members", format!("{{{}}}", members.join(","))),
        ];
        for (name, text) in cases {
            let told = Value::json_within(text.as_bytes(), GROWTH * text.len()).unwrap_err();
            assert!(told.contains("bytes of memory"), "{name}: {told}");
        }
        // A file of any size has some room beside.
        let long = list("\"\",", "0,", 2_300_000);
        assert!(Value::json(long.as_bytes()).unwrap_err().contains("bytes of memory"));
        // What is written on purpose takes no more than it should.
        let numbers = list("", "0.25,", 5000);
        let read = Value::json_within(numbers.as_bytes(), GROWTH * numbers.len()).unwrap();
        assert!(matches!(read, Value::Numbers(n) if n.len() == 5001));
    }
}
