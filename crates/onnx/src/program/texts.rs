//! Dictionaries of the text inputs. A text becomes a code when it is set; from then on every operator on it
//! is a table look-up. A dictionary holds the empty text (which stands for missing) and every text the
//! graph compares the input with; all other texts share one code.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Codes of texts.
#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    codes: HashMap<String, u32, BuildHasherDefault<Fold>>,
    pub levels: Vec<String>,
}

impl Dictionary {
    /// The empty text gets code 0.
    pub fn new(texts: impl IntoIterator<Item = String>) -> Self {
        let mut made = Self::default();
        made.add(String::new());
        texts.into_iter().for_each(|t| made.add(t));
        made
    }

    fn add(&mut self, text: String) {
        let next = self.levels.len() as u32;
        self.codes.entry(text).or_insert_with_key(|text| {
            self.levels.push(text.clone());
            next
        });
    }

    /// Code of a text; texts it does not hold share the code after the last.
    pub fn code(&self, text: &str) -> u32 {
        self.codes.get(text).copied().unwrap_or(self.levels.len() as u32)
    }
}

/// Multiply-and-fold hash. The keys come from the model and lookups never add any, so nobody who sends rows
/// can make chains longer.
#[derive(Debug, Default)]
struct Fold(u64);

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
