//! Dictionaries of the text inputs. A text becomes a code when it is set; from then on every operator on it
//! is a table look-up. A dictionary holds the empty text (which stands for missing) and every text the
//! graph compares the input with; all other texts share one code.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// Most places looked at for a short text.
const PROBES: usize = 8;

/// Codes of texts.
#[derive(Debug)]
pub(crate) struct Dictionary {
    /// Texts of at most 16 bytes, which two words tell exactly; a power of two of places, half of them free.
    short: Vec<Option<Short>>,
    /// The others, and those that found their places taken.
    long: HashMap<String, u32, BuildHasherDefault<Fold>>,
    pub levels: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
struct Short {
    words: (u64, u64),
    length: u32,
    code: u32,
}

impl Dictionary {
    /// The empty text gets code 0.
    pub fn new(texts: impl IntoIterator<Item = String>) -> Self {
        let mut seen = HashSet::from([String::new()]);
        let mut levels = vec![String::new()];
        levels.extend(texts.into_iter().filter(|t| seen.insert(t.clone())));
        let places = (2 * levels.len()).next_power_of_two();
        let mut made = Self { short: vec![None; places], long: HashMap::default(), levels: Vec::new() };
        for (code, text) in (0..).zip(&levels) {
            made.add(text, code);
        }
        Self { levels, ..made }
    }

    fn add(&mut self, text: &str, code: u32) {
        let length = text.len() as u32;
        if let Some(words) = words(text.as_bytes()) {
            let mask = self.short.len() - 1;
            let start = place(words, length);
            for at in start..start + PROBES {
                let found = &mut self.short[at & mask];
                if found.is_none() {
                    *found = Some(Short { words, length, code });
                    return;
                }
            }
        }
        self.long.insert(text.to_owned(), code);
    }

    /// Code of a text; texts it does not hold share the code after the last.
    pub fn code(&self, text: &str) -> u32 {
        self.known(text).unwrap_or(self.levels.len() as u32)
    }

    /// Code of a text it holds.
    pub fn known(&self, text: &str) -> Option<u32> {
        let length = text.len() as u32;
        if let Some(words) = words(text.as_bytes()) {
            let mask = self.short.len() - 1;
            let start = place(words, length);
            for at in start..start + PROBES {
                let found = self.short[at & mask]?;
                if found.words == words && found.length == length {
                    return Some(found.code);
                }
            }
        }
        self.long.get(text).copied()
    }
}

/// The bytes of a short text in two words, which may overlap: with the length they tell it from all others.
fn words(text: &[u8]) -> Option<(u64, u64)> {
    if text.len() > 16 {
        return None;
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return Some((u64::from_le_bytes(*first), u64::from_le_bytes(*last)));
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return Some((u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into()));
    }
    let byte = |at: usize| text.get(at).copied().map_or(0, u64::from);
    Some((byte(0) | byte(1) << 8 | byte(2) << 16, 0))
}

/// Where to look first for a short text.
fn place(words: (u64, u64), length: u32) -> usize {
    let (a, b) = (words.0 ^ 0x9e37_79b9_7f4a_7c15, words.1 ^ u64::from(length) ^ 0xbf58_476d_1ce4_e5b9);
    let mixed = u128::from(a) * u128::from(b);
    // Half the width is plenty, and a sum with PROBES can't overflow.
    ((mixed >> 64) as u64 ^ mixed as u64) as u32 as usize
}

/// Multiply-and-fold hash. The keys come from the model and lookups never add any, so nobody who sends rows
/// can make chains longer.
#[derive(Debug, Default)]
pub(crate) struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            let mixed = u128::from(self.0 ^ u64::from_le_bytes(word)) * 0x9e37_79b9_7f4a_7c15;
            self.0 = (mixed >> 64) as u64 ^ mixed as u64 ^ chunk.len() as u64;
        }
    }
}

/// Which names carry the same texts.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    names: HashMap<String, usize>,
    parents: Vec<usize>,
    levels: Vec<Vec<String>>,
    /// Names whose texts are read whole.
    whole: Vec<String>,
}

impl Groups {
    fn id(&mut self, name: &str) -> usize {
        if let Some(&id) = self.names.get(name) {
            return id;
        }
        let id = self.parents.len();
        self.parents.push(id);
        self.levels.push(Vec::new());
        self.names.insert(name.to_owned(), id);
        id
    }

    fn root(&mut self, name: &str) -> usize {
        let mut at = self.id(name);
        while self.parents[at] != at {
            self.parents[at] = self.parents[self.parents[at]];
            at = self.parents[at];
        }
        at
    }

    /// These names carry the same texts.
    pub fn join<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        let mut names = names.into_iter().filter(|n| !n.is_empty());
        let Some(first) = names.next() else { return };
        let mut first = self.root(first);
        for name in names {
            let other = self.root(name);
            if other != first {
                // The shorter list moves, so that no text moves often.
                let shorter = self.levels[other].len() < self.levels[first].len();
                let (to, from) = if shorter { (first, other) } else { (other, first) };
                let levels = std::mem::take(&mut self.levels[from]);
                self.levels[to].extend(levels);
                self.parents[from] = to;
                first = to;
            }
        }
    }

    /// The texts of this name are read whole.
    pub fn read_whole(&mut self, name: &str) {
        self.whole.push(name.to_owned());
    }

    /// Whether the texts of this name are read whole anywhere.
    pub fn is_whole(&mut self, name: &str) -> bool {
        let root = self.root(name);
        let names = std::mem::take(&mut self.whole);
        let found = names.iter().any(|name| self.root(name) == root);
        self.whole = names;
        found
    }

    /// The texts of this name are compared with these.
    pub fn compare(&mut self, name: &str, levels: Vec<String>) {
        let root = self.root(name);
        self.levels[root].extend(levels);
    }

    /// Number of the group of a name, and what its texts are compared with.
    pub fn of(&mut self, name: &str) -> (usize, &[String]) {
        let root = self.root(name);
        (root, &self.levels[root])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_empty_known_and_other_texts() {
        let texts = ["b", "a", "b", ""].map(str::to_owned);
        let dictionary = Dictionary::new(texts);
        assert_eq!(dictionary.levels, ["", "b", "a"]);
        let codes = ["", "b", "a", "c", "bb"].map(|t| dictionary.code(t));
        assert_eq!(codes, [0, 1, 2, 3, 3]);
    }

    #[test]
    fn every_length_has_its_code() {
        let texts: Vec<String> =
            (0..40).flat_map(|n| ["a".repeat(n), format!("{}b", "a".repeat(n)), "é".repeat(n)]).collect();
        let dictionary = Dictionary::new(texts.clone());
        for text in &texts {
            assert_eq!(dictionary.levels[dictionary.code(text) as usize], *text);
        }
        for text in ["ab\0", "\0", "aaaaaaaac", "aaaaaaaaaaaaaaaac", "aaaaaaaaaaaaaaaaac"] {
            assert_eq!(dictionary.code(text) as usize, dictionary.levels.len(), "{text:?}");
        }
    }

    #[test]
    fn many_texts_keep_apart() {
        let dictionary = Dictionary::new((0..20_000).map(|n| n.to_string()));
        assert!((0..20_000).all(|n: u32| dictionary.code(&n.to_string()) == n + 1));
        assert!((20_000..40_000).all(|n: u32| dictionary.code(&n.to_string()) == 20_001));
        assert!(dictionary.long.len() < 200, "{}", dictionary.long.len());
    }

    #[test]
    fn groups_share_levels_transitively() {
        let mut groups = Groups::default();
        groups.compare("a", vec!["x".to_owned()]);
        groups.join(["a", "b"]);
        groups.compare("c", vec!["y".to_owned()]);
        groups.join(["b", "", "c"]);
        groups.compare("d", vec!["z".to_owned()]);
        let a = groups.of("a").0;
        let (c, levels) = groups.of("c");
        let mut levels = levels.to_vec();
        levels.sort();
        assert_eq!((c, levels), (a, vec!["x".to_owned(), "y".to_owned()]));
        assert_ne!(groups.of("d").0, a);
    }
}
