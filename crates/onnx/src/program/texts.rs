//! Dictionaries of the text inputs. A text becomes a code when it is set; from then on every operator on it
//! is a table look-up. A dictionary holds the empty text (which stands for missing) and every text the
//! graph compares the input with; all other texts share one code.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, OnceLock};

use super::value::{Dict, Kind, Levels};

/// Most places looked at for a text.
const PROBES: usize = 8;
/// Longest text that two words tell exactly, bytes.
const SHORT: usize = 16;
/// Most texts for which a seed is sought that gives each a place of its own, and most seeds tried.
const APART: usize = 256;
const SEEDS: u64 = 64;

/// Codes of texts.
#[derive(Debug)]
pub(crate) struct Dictionary {
    /// A power of two of places, at least half of them free.
    places: Vec<Entry>,
    seed: u64,
    shift: u32,
    /// Texts that found their places taken. A file can be made so that all do: where they stand here must not be
    /// foreseen.
    crowded: HashMap<String, u32>,
    pub levels: Vec<String>,
    /// What its codes mean, for all inputs that share it.
    kind: OnceLock<Arc<Dict>>,
}

/// A text by its key.
#[derive(Debug, Clone, Copy)]
struct Entry {
    key: Key,
    code: u32,
}

/// The first and the last bytes of a text in two words, which may overlap, and its length: what tells a short
/// text from all others, and most long ones.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Key {
    first: u64,
    last: u64,
    length: u32,
}

/// No text is as long as the key of a free place says.
const FREE: Entry = Entry { key: Key { first: 0, last: 0, length: u32::MAX }, code: 0 };

impl Dictionary {
    /// The empty text gets code 0.
    pub fn new(texts: impl IntoIterator<Item = String>) -> Self {
        let mut seen = HashSet::from([String::new()]);
        let mut levels = vec![String::new()];
        levels.extend(texts.into_iter().filter(|t| seen.insert(t.clone())));
        let keys: Vec<Key> = levels.iter().map(|t| Key::new(t.as_bytes())).collect();
        let room = if keys.len() <= APART { 4 } else { 2 };
        let count = (room * keys.len()).next_power_of_two();
        let shift = u64::BITS - count.trailing_zeros();
        let seed = best_seed(&keys, shift);
        let (places, crowded) = (vec![FREE; count], HashMap::new());
        let mut made = Self { places, seed, shift, crowded, levels, kind: OnceLock::new() };
        for (code, key) in (0..).zip(keys) {
            made.add(key, code);
        }
        made
    }

    fn add(&mut self, key: Key, code: u32) {
        let (mask, start) = (self.places.len() - 1, key.place(self.seed, self.shift));
        for at in start..start + PROBES {
            let found = &mut self.places[at & mask];
            if found.key == FREE.key {
                *found = Entry { key, code };
                return;
            }
        }
        self.crowded.insert(self.levels[code as usize].clone(), code);
    }

    /// Code of a text; texts it does not hold share the code after the last.
    #[inline]
    pub fn code(&self, text: &str) -> u32 {
        self.finder().code(text)
    }

    /// The same for many texts.
    #[inline]
    pub fn finder(&self) -> Finder<'_> {
        Finder { dictionary: self, places: &self.places, seed: self.seed, shift: self.shift }
    }

    /// What its codes mean.
    pub fn kind(&self) -> Kind {
        let dict = || Arc::new(Dict { levels: Levels::Text(self.levels.clone()), open: true });
        Kind::Code(Arc::clone(self.kind.get_or_init(dict)))
    }

    /// Code of a text it holds.
    pub fn known(&self, text: &str) -> Option<u32> {
        Some(self.code(text)).filter(|&code| (code as usize) < self.levels.len())
    }

    /// The same for what is not a short text in its first place.
    #[inline(never)]
    fn seek(&self, text: &str, key: Key, start: usize) -> u32 {
        let (mask, unknown) = (self.places.len() - 1, self.levels.len() as u32);
        for at in start..start + PROBES {
            let found = &self.places[at & mask];
            if found.key == FREE.key {
                return unknown;
            }
            if found.key == key && self.levels[found.code as usize] == text {
                return found.code;
            }
        }
        self.crowded.get(text).copied().unwrap_or(unknown)
    }
}

/// What looking up takes, at hand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finder<'a> {
    dictionary: &'a Dictionary,
    places: &'a [Entry],
    seed: u64,
    shift: u32,
}

impl Finder<'_> {
    /// As [`Dictionary::code`].
    #[inline]
    pub fn code(self, text: &str) -> u32 {
        let key = Key::new(text.as_bytes());
        let place = key.place(self.seed, self.shift);
        match self.places.get(place) {
            Some(found) if found.key == key && text.len() <= SHORT => found.code,
            _ => self.dictionary.seek(text, key, place),
        }
    }
}

/// The seed under which the fewest texts meet at one place.
fn best_seed(keys: &[Key], shift: u32) -> u64 {
    let tries = if keys.len() <= APART { SEEDS } else { 1 };
    // Odd, and as good as random.
    let seeds = (0..tries).map(|n| 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(2 * n + 1));
    let meeting = |seed: u64| {
        let mut taken = HashSet::new();
        keys.iter().filter(|key| !taken.insert(key.place(seed, shift))).count()
    };
    let mut best = (usize::MAX, 0);
    for seed in seeds {
        best = best.min((meeting(seed), seed));
        if best.0 == 0 {
            break;
        }
    }
    best.1
}

impl Key {
    #[inline]
    fn new(text: &[u8]) -> Self {
        let length = text.len() as u32;
        if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
            return Self { first: u64::from_le_bytes(*first), last: u64::from_le_bytes(*last), length };
        }
        if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
            let [first, last] = [first, last].map(|word| u32::from_le_bytes(*word).into());
            return Self { first, last, length };
        }
        let byte = |at: usize| text.get(at).copied().map_or(0, u64::from);
        Self { first: byte(0) | byte(1) << 8 | byte(2) << 16, last: 0, length }
    }

    /// Where to look first: the highest bits of a product, which depend on all others.
    #[inline]
    fn place(self, seed: u64, shift: u32) -> usize {
        let mixed = self.first ^ self.last.rotate_left(23) ^ u64::from(self.length);
        (mixed.wrapping_mul(seed) >> shift) as usize
    }
}

/// Multiply-and-fold hash for keys of whole numbers out of a file. It is another one in every process, and for every
/// table: nobody can choose keys that meet.
#[derive(Debug)]
pub(crate) struct Fold {
    state: u64,
    factor: u64,
}

/// Makes the hashes of one table.
#[derive(Debug, Clone)]
pub(crate) struct Seeded {
    state: u64,
    factor: u64,
}

impl Default for Seeded {
    fn default() -> Self {
        let random = RandomState::new();
        // Odd, so that no key is lost in the product.
        Self { state: random.hash_one(0_u8), factor: random.hash_one(1_u8) | 1 }
    }
}

impl BuildHasher for Seeded {
    type Hasher = Fold;

    #[inline]
    fn build_hasher(&self) -> Fold {
        Fold { state: self.state, factor: self.factor }
    }
}

impl Hasher for Fold {
    #[inline]
    fn finish(&self) -> u64 {
        self.state
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    #[inline]
    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        let mixed = u128::from(self.state ^ number) * u128::from(self.factor);
        self.state = (mixed >> 64) as u64 ^ mixed as u64;
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
    /// Their groups, while no more names join.
    whole_roots: Option<HashSet<usize>>,
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
        self.whole_roots = None;
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
        self.whole_roots = None;
        self.whole.push(name.to_owned());
    }

    /// Whether the texts of this name are read whole anywhere.
    pub fn is_whole(&mut self, name: &str) -> bool {
        let root = self.root(name);
        let roots = self.whole_roots.take().unwrap_or_else(|| {
            let names = std::mem::take(&mut self.whole);
            let roots = names.iter().map(|name| self.root(name)).collect();
            self.whole = names;
            roots
        });
        let found = roots.contains(&root);
        self.whole_roots = Some(roots);
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
        assert!(dictionary.crowded.len() < 200, "{}", dictionary.crowded.len());
    }

    /// The hash of former versions, of which a file could foresee all.
    fn fixed(state: u64, word: u64) -> u64 {
        let mixed = u128::from(state ^ word) * 0x9e37_79b9_7f4a_7c15;
        (mixed >> 64) as u64 ^ mixed as u64 ^ 8
    }

    #[test]
    fn texts_made_to_meet_do_not() {
        let (edge, wanted) = (*b"an edge.", 0x1234_5678_9abc_def0_u64);
        let start = fixed(0, u64::from_le_bytes(edge));
        let made = |n: u64| {
            let second = *format!("{n:08}").as_bytes().first_chunk::<8>().unwrap();
            let third = (wanted ^ fixed(start, u64::from_le_bytes(second))).to_le_bytes();
            String::from_utf8([edge, second, third, edge].concat()).ok()
        };
        let texts: Vec<String> = (0..).filter_map(made).take(2000).collect();
        let dictionary = Dictionary::new(texts.clone());
        assert!(dictionary.crowded.len() + PROBES >= texts.len(), "all have the same first and last bytes");
        let hasher = dictionary.crowded.hasher();
        let hashes: HashSet<u64> = texts.iter().map(|text| hasher.hash_one(text)).collect();
        assert!(hashes.len() + 1 >= texts.len(), "{} hashes", hashes.len());
        assert!(texts.iter().zip(1..).all(|(text, code)| dictionary.code(text) == code));
        assert_eq!(dictionary.code(&format!("an edge.{}an edge.", "0".repeat(16))), 2001);
        // Numbers have hashes of their own in every table.
        let hashes = [(); 4].map(|()| Seeded::default().hash_one((1_u32, 2_u32)));
        assert_eq!(HashSet::from(hashes).len(), 4);
    }

    #[test]
    fn inputs_share_the_meaning_of_their_codes() {
        let dictionary = Dictionary::new(["a".to_owned()]);
        let (Kind::Code(first), Kind::Code(second)) = (dictionary.kind(), dictionary.kind()) else {
            panic!("codes are no numbers");
        };
        assert!(Arc::ptr_eq(&first, &second) && first.open);
        assert_eq!(first.levels, Levels::Text(vec![String::new(), "a".to_owned()]));
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
