//! Passing over a value that nobody asked for: its text is still checked, and its nesting is bounded.

use super::Reader;
use super::refusal::{Found, Wrong};
use super::take::{Seed, Take};
use serde::de::{Error, MapAccess, SeqAccess};

/// Passes over one value that stands inside `level` lists and objects.
pub struct Skip<'r, 'a> {
    /// Where a fault is noted.
    pub reader: &'r mut Reader<'a>,
    /// Lists and objects around the value.
    pub level: usize,
}

impl<'r, 'a> Skip<'r, 'a> {
    /// One level deeper, unless that is too deep.
    fn enter<E: Error>(self) -> Result<(&'r mut Reader<'a>, usize), E> {
        let level = self.level + 1;
        if level > self.reader.max_depth {
            return Err(self.reader.refuse(Wrong::TooDeep(self.reader.max_depth)));
        }
        Ok((self.reader, level))
    }
}

impl<'de> Take<'de> for Skip<'_, '_> {
    type Out = ();

    fn plain<E: Error>(self, _: Found<'_>) -> Result<(), E> {
        Ok(())
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let (reader, level) = self.enter()?;
        while list.next_element_seed(Seed(Skip { reader: &mut *reader, level }))?.is_some() {}
        Ok(())
    }

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let (reader, level) = self.enter()?;
        while object.next_key_seed(Seed(Skip { reader: &mut *reader, level }))?.is_some() {
            object.next_value_seed(Seed(Skip { reader: &mut *reader, level }))?;
        }
        Ok(())
    }
}
