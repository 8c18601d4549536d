//! Counting texts: a small open-addressed table with its texts in one arena, compared by words.

use crate::batch::{Batch, Cell};

/// Constants with well-mixed bits (fractional parts of √2, √3, √5, √7).
const SEEDS: [u64; 4] =
    [0x6a09_e667_f3bc_c909, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b, 0xa54f_f53a_5f1d_36f1];

/// A text as two words and a hash. Texts of up to 16 bytes are equal when words and length are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    low: u64,
    high: u64,
    len: u32,
    /// Well mixed over 64 bits.
    pub hash: u64,
}

impl Key {
    /// The key of a cell.
    #[inline]
    pub fn of(batch: &Batch, cell: Cell) -> Self {
        let start = cell.start as usize;
        let len = cell.len;
        if len <= 8 {
            let low = word(&batch.text, start) & mask(len);
            return Self::new(low, 0, len);
        }
        if len <= 16 {
            let low = word(&batch.text, start);
            let high = word(&batch.text, start + len as usize - 8);
            return Self::new(low, high, len);
        }
        Self::long(batch.bytes(cell))
    }

    /// The key of a text that stands alone.
    pub fn of_text(text: &[u8]) -> Self {
        let mut batch = Batch::default();
        batch.push(text);
        let cell = batch.cells[0];
        batch.seal();
        Self::of(&batch, cell)
    }

    #[inline]
    fn new(low: u64, high: u64, len: u32) -> Self {
        let hash = mix(low ^ SEEDS[0], high ^ SEEDS[1] ^ u64::from(len));
        Self { low, high, len, hash: mix(hash, SEEDS[3]) }
    }

    fn long(text: &[u8]) -> Self {
        let (mut low, mut high) = (SEEDS[0], SEEDS[1]);
        let (chunks, tail) = text.as_chunks::<16>();
        for chunk in chunks {
            low = mix(low ^ word(chunk, 0), SEEDS[3]);
            high = mix(high ^ word(chunk, 8), SEEDS[0]);
        }
        let mut last = [0; 16];
        last[..tail.len()].copy_from_slice(tail);
        Self::new(
            mix(low ^ word(&last, 0), SEEDS[1]),
            mix(high ^ word(&last, 8), SEEDS[3]),
            text.len() as u32,
        )
    }

    fn same_words(&self, entry: &Entry) -> bool {
        self.low == entry.low && self.high == entry.high && self.len == entry.len
    }
}

/// Eight bytes at an offset as a number.
#[inline]
fn word(text: &[u8], at: usize) -> u64 {
    text.get(at..at + 8).and_then(|w| w.try_into().ok()).map_or(0, u64::from_le_bytes)
}

#[inline]
const fn mask(len: u32) -> u64 {
    if len == 0 { 0 } else { u64::MAX >> (64 - 8 * len) }
}

/// Folded multiplication: all bits of both words reach all bits of the result.
#[inline]
fn mix(a: u64, b: u64) -> u64 {
    let wide = u128::from(a ^ SEEDS[1]) * u128::from(b ^ SEEDS[2]);
    (wide as u64) ^ ((wide >> 64) as u64)
}

/// A counted text.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    low: u64,
    high: u64,
    start: u32,
    len: u32,
    pub count: u64,
}

/// What adding a text came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Added {
    /// It was there.
    Known(usize),
    /// It is there now.
    New(usize),
    /// It was not there and there is no room.
    Full,
}

/// Texts and how often each was seen.
#[derive(Debug)]
pub(crate) struct Tally {
    /// High half: the hash's high half; low half: entry index + 1, 0 for none.
    slots: Vec<u64>,
    entries: Vec<Entry>,
    text: Vec<u8>,
    most_entries: usize,
    most_text: usize,
}

impl Tally {
    /// A table of at most so many texts and so many bytes of them.
    pub fn new(most_entries: usize, most_text: usize) -> Self {
        Self { slots: vec![0; 16], entries: Vec::new(), text: Vec::new(), most_entries, most_text }
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// An entry's text.
    pub fn text(&self, entry: &Entry) -> &[u8] {
        &self.text[entry.start as usize..(entry.start + entry.len) as usize]
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Counts a text; adds it when there is room.
    #[inline]
    pub fn add(&mut self, key: &Key, text: &[u8]) -> Added {
        match self.find(key, text) {
            Ok(entry) => {
                self.entries[entry].count += 1;
                Added::Known(entry)
            }
            Err(slot) => self.insert(key, text, slot),
        }
    }

    /// Counts a text when it is there.
    #[inline]
    pub fn bump(&mut self, key: &Key, text: &[u8]) {
        if let Ok(entry) = self.find(key, text) {
            self.entries[entry].count += 1;
        }
    }

    /// The entry of a text, or the slot it would take.
    #[inline]
    fn find(&self, key: &Key, text: &[u8]) -> Result<usize, usize> {
        let last = self.slots.len() - 1;
        let mut at = key.hash as usize & last;
        loop {
            let slot = self.slots[at & last];
            if slot as u32 == 0 {
                return Err(at & last);
            }
            if slot >> 32 == key.hash >> 32 {
                let index = slot as u32 as usize - 1;
                let entry = &self.entries[index];
                if key.same_words(entry) && (key.len <= 16 || self.text(entry) == text) {
                    return Ok(index);
                }
            }
            at += 1;
        }
    }

    #[cold]
    fn insert(&mut self, key: &Key, text: &[u8], slot: usize) -> Added {
        if self.entries.len() >= self.most_entries || self.text.len() + text.len() > self.most_text {
            return Added::Full;
        }
        let start = self.text.len() as u32;
        self.text.extend_from_slice(text);
        self.entries.push(Entry { low: key.low, high: key.high, start, len: key.len, count: 1 });
        let index = self.entries.len();
        self.slots[slot] = key.hash >> 32 << 32 | index as u64;
        if index * 2 > self.slots.len() {
            self.grow();
        }
        Added::New(index - 1)
    }

    fn grow(&mut self) {
        let size = self.slots.len() * 2;
        let mut slots = vec![0_u64; size];
        for index in 0..self.entries.len() {
            let hash = Key::of_text(self.text(&self.entries[index])).hash;
            let mut at = hash as usize & (size - 1);
            while slots[at] != 0 {
                at = (at + 1) & (size - 1);
            }
            slots[at] = hash >> 32 << 32 | (index as u64 + 1);
        }
        self.slots = slots;
    }

    /// The most frequent texts seen at least twice, in a table of their own without room for more.
    pub fn frequent(&self, most: usize, mut keep: impl FnMut(usize) -> bool) -> Self {
        let mut order: Vec<usize> =
            (0..self.entries.len()).filter(|at| self.entries[*at].count > 1 && keep(*at)).collect();
        order.sort_by_key(|at| (std::cmp::Reverse(self.entries[*at].count), *at));
        order.truncate(most);
        let mut kept = Self::new(most, self.most_text);
        for entry in order.into_iter().map(|at| &self.entries[at]) {
            let text = self.text(entry);
            if let Added::New(at) = kept.add(&Key::of_text(text), text) {
                kept.entries[at].count = entry.count;
            }
        }
        kept.most_entries = 0;
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_texts_of_every_length() {
        let mut tally = Tally::new(10_000, 1 << 20);
        let texts: Vec<String> = (0..3000).map(|n| "x".repeat(n % 40) + &n.to_string()).collect();
        for round in 1..=3 {
            for text in &texts {
                let added = tally.add(&Key::of_text(text.as_bytes()), text.as_bytes());
                assert_eq!(matches!(added, Added::New(_)), round == 1);
            }
        }
        assert!(tally.entries().iter().all(|e| e.count == 3));
        assert_eq!(tally.text(&tally.entries()[77]), texts[77].as_bytes());
    }

    #[test]
    fn zero_bytes_and_lengths_tell_texts_apart() {
        let mut tally = Tally::new(100, 1000);
        for text in [&b""[..], b"\0", b"\0\0", b"a", b"a\0", b"aaaaaaaaa", b"aaaaaaaaaa"] {
            assert!(matches!(tally.add(&Key::of_text(text), text), Added::New(_)));
        }
    }

    #[test]
    fn room_ends() {
        let mut tally = Tally::new(2, 100);
        for text in ["a", "b", "b"] {
            tally.add(&Key::of_text(text.as_bytes()), text.as_bytes());
        }
        assert_eq!(tally.add(&Key::of_text(b"c"), b"c"), Added::Full);
        assert_eq!(tally.add(&Key::of_text(b"a"), b"a"), Added::Known(0));
        let frequent = tally.frequent(10, |_| true);
        assert_eq!(frequent.entries().len(), 2);
        assert_eq!(frequent.entries()[0].count, 2);
    }
}
