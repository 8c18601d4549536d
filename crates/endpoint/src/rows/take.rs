//! A shorter way to write visitors: one method for plain values, one for lists, one for objects.

use super::refusal::Found;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Takes one JSON value. Lists and objects are plain values too unless said otherwise.
pub trait Take<'de>: Sized {
    /// What becomes of the value.
    type Out;

    /// Takes a value that is not looked into.
    fn plain<E: Error>(self, found: Found<'_>) -> Result<Self::Out, E>;

    /// Takes a list.
    fn list<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Out, A::Error> {
        self.plain(Found::List)
    }

    /// Takes an object.
    fn object<A: MapAccess<'de>>(self, _: A) -> Result<Self::Out, A::Error> {
        self.plain(Found::Object)
    }
}

/// A [`Take`] as the seed and visitor that serde wants.
pub struct Seed<T>(pub T);

impl<'de, T: Take<'de>> DeserializeSeed<'de> for Seed<T> {
    type Value = T::Out;
    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<T::Out, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de, T: Take<'de>> Visitor<'de> for Seed<T> {
    type Value = T::Out;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<T::Out, E> {
        self.0.plain(Found::Null)
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<T::Out, E> {
        self.0.plain(Found::Truth(truth))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T::Out, E> {
        self.0.plain(Found::Whole(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T::Out, E> {
        self.0.plain(Found::Large(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T::Out, E> {
        self.0.plain(Found::Decimal(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T::Out, E> {
        self.0.plain(Found::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T::Out, A::Error> {
        self.0.list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<T::Out, A::Error> {
        self.0.object(object)
    }
}
