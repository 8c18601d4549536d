//! What a signature means for reading: which column goes to which slot, and how its values are taken.

use crate::error::Error;
use domain::{ColumnType, Feature, Signature};
use engines::Engine;
use onnx::SlotKind;
use std::collections::HashMap;

/// The most columns a signature may have; column numbers are kept in 16 bits.
const COLUMNS_MAX: usize = 60_000;
/// Hash seeds tried for a table; the one with the shortest chains wins.
const SEEDS: u64 = 32;
/// Above this many words only one seed is tried.
const SEEDED_WORDS: usize = 1024;

/// How the values of a column are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// A number, or text that is one.
    Number,
    /// A truth value in one of its spellings.
    Boolean,
    /// ISO text or an epoch.
    Time,
    /// Text; other scalars become their text.
    Text,
}

/// One column of a request and where its values go.
#[derive(Debug)]
pub struct Column {
    /// The name as requests spell it.
    pub name: Box<str>,
    /// How values are taken.
    pub reads: Reads,
    /// Whether a whole number is what the signature promises (for messages).
    pub whole: bool,
    /// Whether every row must bring it.
    pub required: bool,
    /// Whether a value may be null.
    pub may_miss: bool,
    /// The slot of the model.
    pub slot: usize,
    /// The place within the slot.
    pub index: usize,
    /// The categories seen in training; none when unknown ones are not counted.
    pub categories: Option<Words>,
    /// What `true` and `false` become when the column is text.
    pub truths: [&'static str; 2],
}

/// All columns, in signature order.
#[derive(Debug)]
pub struct Plan {
    /// The columns.
    pub columns: Vec<Column>,
    names: Words,
}

impl Plan {
    /// Matches a signature with the slots of a model.
    pub fn new(model: &Engine, signature: &Signature) -> Result<Self, Error> {
        let inputs = &signature.inputs;
        if inputs.len() > COLUMNS_MAX {
            return Err(Error::Signature(format!("{} columns are more than {COLUMNS_MAX}", inputs.len())));
        }
        let places = places(model, inputs)?;
        let columns: Vec<Column> =
            inputs.iter().zip(places).map(|(feature, place)| column(model, feature, place)).collect();
        if let Some(column) = columns.iter().find(|c| !c.required && !c.may_miss) {
            return Err(Error::Signature(format!(
                "column '{}' must be required: its input has no way to say that a value is missing",
                column.name
            )));
        }
        let names = Words::new(columns.iter().map(|c| &*c.name));
        for (at, column) in columns.iter().enumerate() {
            if names.find(&column.name) != Some(at) {
                return Err(Error::Signature(format!("column '{}' stands in it twice", column.name)));
            }
        }
        Ok(Self { columns, names })
    }

    /// The column of a name.
    pub fn find(&self, name: &str) -> Option<u16> {
        self.names.find(name).and_then(|at| u16::try_from(at).ok())
    }
}

/// Slot and place within it for every feature: by name, a slot of several columns by `name_0`, `name_1`, …
fn places(model: &Engine, inputs: &[Feature]) -> Result<Vec<(usize, usize)>, Error> {
    let mut cells = HashMap::new();
    for (slot, facts) in model.slots().iter().enumerate() {
        for (index, name) in registry::signature::names_of(facts).into_iter().enumerate() {
            cells.insert(name, (slot, index));
        }
    }
    let place = |f: &Feature| cells.get(&f.name).copied().ok_or_else(|| Error::NoSlot(f.name.clone()));
    inputs.iter().map(place).collect()
}

fn column(model: &Engine, feature: &Feature, (slot, index): (usize, usize)) -> Column {
    let text = model.slots().get(slot).is_some_and(|s| s.kind == SlotKind::Text);
    let reads = match (text, feature.kind) {
        (true, _) => Reads::Text,
        (false, ColumnType::Boolean) => Reads::Boolean,
        (false, ColumnType::Timestamp) => Reads::Time,
        (false, _) => Reads::Number,
    };
    let listed =
        reads == Reads::Text && feature.kind == ColumnType::Category && !feature.categories.is_empty();
    // Tables written by Python spell truth values with a capital letter.
    let capital = feature.categories.iter().any(|c| c == "True" || c == "False");
    Column {
        name: feature.name.as_str().into(),
        reads,
        whole: feature.kind == ColumnType::Integer,
        required: feature.required,
        may_miss: model.may_miss(slot),
        slot,
        index,
        categories: listed.then(|| Words::new(feature.categories.iter().map(String::as_str))),
        truths: if capital { ["False", "True"] } else { ["false", "true"] },
    }
}

/// A fixed list of words with a small hash table over it: open addressing, at most half full.
#[derive(Debug)]
pub struct Words {
    words: Vec<Box<str>>,
    /// Word number plus one; 0 is free.
    table: Vec<u32>,
    seed: u64,
}

impl Words {
    /// Builds the table; of a repeated word the first is found.
    pub fn new<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        let words: Vec<Box<str>> = words.map(Box::from).collect();
        let seeds = if words.len() > SEEDED_WORDS { 1 } else { SEEDS };
        let mut best: Option<(usize, Self)> = None;
        for seed in 0..seeds {
            let (chain, table) = fill(&words, seed);
            if best.as_ref().is_none_or(|(shortest, _)| chain < *shortest) {
                let words = Vec::new();
                best = Some((chain, Self { words, table, seed }));
            }
            if chain <= 1 {
                break;
            }
        }
        let mut chosen =
            best.map_or_else(|| Self { words: Vec::new(), table: vec![0; 2], seed: 0 }, |(_, words)| words);
        chosen.words = words;
        chosen
    }

    /// The number of a word.
    pub fn find(&self, word: &str) -> Option<usize> {
        let mask = self.table.len() - 1;
        let mut at = hash(word.as_bytes(), self.seed) & mask;
        loop {
            let number = (self.table[at] as usize).checked_sub(1)?;
            if *self.words[number] == *word {
                return Some(number);
            }
            at = (at + 1) & mask;
        }
    }
}

/// A table for a seed, and the longest chain a lookup walks.
fn fill(words: &[Box<str>], seed: u64) -> (usize, Vec<u32>) {
    let size = (words.len() * 2).next_power_of_two().max(2);
    let mut table = vec![0_u32; size];
    let mut longest = 0;
    for (number, word) in (1_u32..).zip(words) {
        let mut at = hash(word.as_bytes(), seed) & (size - 1);
        let mut chain = 1;
        while table[at] != 0 {
            at = (at + 1) & (size - 1);
            chain += 1;
        }
        table[at] = number;
        longest = longest.max(chain);
    }
    (longest, table)
}

/// Multiply-and-rotate over eight bytes at a time. The words are the model's own, so nobody can aim at the table.
fn hash(bytes: &[u8], seed: u64) -> usize {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |h: u64, word: u64| (h.rotate_left(5) ^ word).wrapping_mul(K);
    let (chunks, rest) = bytes.as_chunks::<8>();
    let mut h = mix(seed, bytes.len() as u64);
    for chunk in chunks {
        h = mix(h, u64::from_le_bytes(*chunk));
    }
    let tail = rest.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte));
    (mix(h, tail) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found_and_no_other() {
        for count in [0, 1, 2, 9, 500, 3000] {
            let words: Vec<String> = (0..count).map(|i| format!("column {i}.x")).collect();
            let table = Words::new(words.iter().map(String::as_str));
            for (at, word) in words.iter().enumerate() {
                assert_eq!(table.find(word), Some(at));
            }
            for other in ["", "column", "column -1.x", "COLUMN 1.x"] {
                assert_eq!(table.find(other), None);
            }
        }
    }

    #[test]
    fn of_a_repeated_word_the_first_is_found() {
        let table = Words::new(["a", "b", "a"].into_iter());
        assert_eq!(table.find("a"), Some(0));
    }
}
