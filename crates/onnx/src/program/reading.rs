//! Texts read whole: the texts of a batch, their case and their words.

use super::texts::Dictionary;

/// The texts of a batch, one after the other. A row holds a text's number as the bits of an f32; 0 is the empty text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Texts {
    all: String,
    ends: Vec<usize>,
}

impl Texts {
    /// Forgets the texts and keeps the memory.
    pub fn clear(&mut self) {
        self.all.clear();
        self.ends.clear();
    }

    /// Keeps a text and gives its number.
    pub fn push(&mut self, text: &str) -> f32 {
        if text.is_empty() || self.ends.len() >= i32::MAX as usize {
            return 0.0;
        }
        self.all.push_str(text);
        self.ends.push(self.all.len());
        f32::from_bits(self.ends.len() as u32)
    }

    /// The text of a number.
    pub fn get(&self, number: f32) -> &str {
        let Some(at) = (number.to_bits() as usize).checked_sub(1) else { return "" };
        let start = at.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied());
        let end = self.ends.get(at).copied();
        start.zip(end).and_then(|(start, end)| self.all.get(start..end)).unwrap_or_default()
    }
}

/// Room for reading one text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Desk {
    /// The text in another case.
    pub cased: String,
    /// Codes of its words.
    pub codes: Vec<u32>,
}

/// What becomes of the letters of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Casing {
    /// Nothing.
    #[default]
    Kept,
    /// Small ones; only those of ASCII, or all.
    Lower { ascii: bool },
    /// Capital ones; only those of ASCII, or all.
    Upper { ascii: bool },
}

impl Casing {
    /// The text with its letters changed; `room` is used where that needs no more.
    pub fn apply<'a>(self, text: &'a str, room: &'a mut String) -> &'a str {
        let ascii = |room: &'a mut String, change: fn(&mut str)| {
            room.clear();
            room.push_str(text);
            change(room);
            room.as_str()
        };
        match self {
            Self::Kept => text,
            Self::Lower { ascii: plain } if plain || text.is_ascii() => {
                ascii(room, str::make_ascii_lowercase)
            }
            Self::Upper { ascii: plain } if plain || text.is_ascii() => {
                ascii(room, str::make_ascii_uppercase)
            }
            // Letter by letter, as other runtimes do: the letters around one change nothing, nor does one become several.
            Self::Lower { .. } => {
                room.clear();
                room.extend(text.chars().map(small));
                room
            }
            Self::Upper { .. } => {
                room.clear();
                room.extend(text.chars().map(capital));
                room
            }
        }
    }
}

/// The small letter of a letter. Only a capital I with a dot has two of them, the first of which is its own.
fn small(letter: char) -> char {
    letter.to_lowercase().next().unwrap_or(letter)
}

/// The capital letter of a letter; itself where that would be several, as of a sharp s.
fn capital(letter: char) -> char {
    let mut capitals = letter.to_uppercase();
    match (capitals.next(), capitals.next()) {
        (Some(one), None) => one,
        _ => letter,
    }
}

/// How a text is taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Splitting {
    /// Empty for runs of spaces, of which those at the ends count for nothing.
    pub delimiter: String,
    /// Parts at most.
    pub most: usize,
}

impl Splitting {
    /// The parts of a text. An empty text has none.
    pub fn parts<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a str> {
        let spaces = self.delimiter.is_empty();
        let text = if spaces { text.trim_matches(' ') } else { text };
        let mut rest = (!text.is_empty()).then_some(text);
        let mut left = self.most;
        std::iter::from_fn(move || {
            let whole = rest?;
            left = left.saturating_sub(1);
            let cut = match (left, spaces) {
                (0, _) => None,
                (_, true) => whole.split_once(' ').map(|(part, after)| (part, after.trim_start_matches(' '))),
                (_, false) => whole.split_once(self.delimiter.as_str()),
            };
            rest = cut.map(|(_, after)| after);
            Some(cut.map_or(whole, |(part, _)| part))
        })
    }
}

/// The code of a word that no dictionary has.
pub(crate) const UNKNOWN: u32 = u32::MAX;

/// Puts the codes of a text's words on the desk.
pub(crate) fn read(
    text: &str,
    (casing, splitting): (Casing, &Splitting),
    dictionary: &Dictionary,
    desk: &mut Desk,
) {
    let Desk { cased, codes } = desk;
    codes.clear();
    let words = splitting.parts(casing.apply(text, cased));
    codes.extend(words.map(|word| dictionary.known(word).unwrap_or(UNKNOWN)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(delimiter: &str, most: usize, text: &str) -> Vec<String> {
        let splitting = Splitting { delimiter: delimiter.to_owned(), most };
        splitting.parts(text).map(str::to_owned).collect()
    }

    #[test]
    fn texts_come_back_by_their_numbers() {
        let mut texts = Texts::default();
        for _ in 0..2 {
            texts.clear();
            let numbers = ["a", "", "größer", "a"].map(|t| texts.push(t));
            assert_eq!(numbers.map(|n| texts.get(n)), ["a", "", "größer", "a"]);
            assert_eq!(texts.get(f32::from_bits(9)), "");
            assert_eq!(texts.get(f32::NAN), "");
        }
    }

    #[test]
    fn parts_are_those_of_onnxruntime() {
        const ALL: usize = usize::MAX;
        assert_eq!(parts("", ALL, "  x  y z  w "), ["x", "y", "z", "w"]);
        assert_eq!(parts("", 3, "  x  y z  w "), ["x", "y", "z  w"]);
        assert_eq!(parts("", 1, "  x  y z  w "), ["x  y z  w"]);
        assert_eq!(parts("", ALL, "a\tb\u{a0}c"), ["a\tb\u{a0}c"]);
        assert!(parts("", ALL, "   ").is_empty() && parts(" ", ALL, "").is_empty());
        assert_eq!(parts(" ", ALL, " a  b "), ["", "a", "", "b", ""]);
        assert_eq!(parts("ab", ALL, "abab"), ["", "", ""]);
        assert_eq!(parts("ab", 2, "xabyabz"), ["x", "yabz"]);
    }

    #[test]
    fn letters_change_their_case() {
        let mut room = String::new();
        assert_eq!(Casing::Lower { ascii: true }.apply("ÉA", &mut room), "Éa");
        assert_eq!(Casing::Lower { ascii: false }.apply("ÉA", &mut room), "éa");
        assert_eq!(Casing::Upper { ascii: true }.apply("éa", &mut room), "éA");
        assert_eq!(Casing::Upper { ascii: false }.apply("éa", &mut room), "ÉA");
        assert_eq!(Casing::Kept.apply("éA", &mut room), "éA");
        assert_eq!(Casing::Lower { ascii: false }.apply("ΟΔΟΣ İ", &mut room), "οδοσ i");
        assert_eq!(Casing::Upper { ascii: false }.apply("straße ﬁ é", &mut room), "STRAßE ﬁ É");
    }
}
