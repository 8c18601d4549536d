//! What a cell's text means: numbers, truth values, moments, missing values.

use serde::{Deserialize, Serialize};

mod moments;
mod numbers;

pub use moments::Layout;
pub(crate) use moments::iso;
pub(crate) use numbers::number;

/// What all texts of a column can be read as so far; a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kinds(u16);

impl Kinds {
    pub const NONE: Self = Self(0);
    pub const BOOLEAN: Self = Self(1);
    pub const INTEGER: Self = Self(2);
    pub const FLOAT: Self = Self(4);
    pub const NUMBER: Self = Self(6);
    pub const ALL: Self = Self(0xffff);

    pub const fn layout(layout: Layout) -> Self {
        Self(8 << layout as u16)
    }

    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The first layout in order of preference.
    pub fn first_layout(self) -> Option<Layout> {
        Layout::ALL.into_iter().find(|l| self.has(Self::layout(*l)))
    }
}

/// All that a text, trimmed and not missing, can be read as, text itself apart.
pub(crate) fn kinds(text: &[u8]) -> Kinds {
    if let Some((_, integer)) = number(text) {
        return if integer { Kinds::NUMBER } else { Kinds::FLOAT };
    }
    if truth(text).is_some() {
        return Kinds::BOOLEAN;
    }
    Layout::ALL
        .into_iter()
        .filter(|layout| layout.seconds(text).is_some())
        .fold(Kinds::NONE, |all, layout| all.or(Kinds::layout(layout)))
}

/// `true` and `false` in any case: what is inferred as boolean.
pub(crate) fn truth(text: &[u8]) -> Option<bool> {
    if text.eq_ignore_ascii_case(b"true") {
        Some(true)
    } else if text.eq_ignore_ascii_case(b"false") {
        Some(false)
    } else {
        None
    }
}

/// The wider spellings taken when a column is stated to be boolean.
pub(crate) fn stated_truth(text: &[u8]) -> Option<bool> {
    const YES: [&[u8]; 6] = [b"true", b"t", b"yes", b"y", b"on", b"1"];
    const NO: [&[u8]; 6] = [b"false", b"f", b"no", b"n", b"off", b"0"];
    let one_of = |list: [&[u8]; 6]| list.iter().any(|word| text.eq_ignore_ascii_case(word));
    if one_of(YES) {
        Some(true)
    } else if one_of(NO) || matches!(number(text), Some((0.0, _))) {
        Some(false)
    } else {
        matches!(number(text), Some((1.0, _))).then_some(true)
    }
}

/// A text without white space around it.
#[inline]
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    match text {
        [first, .., last] if *first > b' ' && *last > b' ' => text,
        _ => text.trim_ascii(),
    }
}

/// The texts that stand for a missing value.
#[derive(Debug, Clone)]
pub(crate) struct Missing {
    texts: Vec<Box<[u8]>>,
    first: [bool; 256],
}

impl Missing {
    pub fn new(texts: &[String]) -> Self {
        let mut first = [false; 256];
        let texts: Vec<Box<[u8]>> = texts.iter().map(|t| trim(t.as_bytes()).into()).collect();
        for byte in texts.iter().filter_map(|t| t.first()) {
            first[usize::from(*byte)] = true;
        }
        Self { texts, first }
    }

    /// Whether a trimmed text is missing: nothing, or one of the list.
    #[inline]
    pub fn is(&self, text: &[u8]) -> bool {
        match text.first() {
            None => true,
            Some(byte) => self.first[usize::from(*byte)] && self.texts.iter().any(|t| **t == *text),
        }
    }
}

/// How a cell of a known column is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reading {
    Boolean,
    Integer,
    Float,
    Timestamp(Layout),
}

impl Reading {
    /// The number a trimmed, not missing text stands for: 0/1, the value, or seconds since 1970-01-01 UTC.
    #[inline]
    pub fn value(self, text: &[u8]) -> Option<f64> {
        match self {
            Self::Float => number(text).map(|(value, _)| value),
            Self::Integer => {
                number(text).and_then(|(value, integer)| (integer || whole(value)).then_some(value))
            }
            Self::Timestamp(layout) => layout.seconds(text),
            Self::Boolean => stated_truth(text).map(f64::from),
        }
    }
}

/// Whether a decimal is a whole number within ±2^63, as `3.0`.
fn whole(value: f64) -> bool {
    value.fract() == 0.0 && value.abs() < 9.3e18
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_tell_what_a_text_can_be() {
        assert_eq!(kinds(b"12"), Kinds::NUMBER);
        assert_eq!(kinds(b"1.5"), Kinds::FLOAT);
        assert_eq!(kinds(b"TRUE"), Kinds::BOOLEAN);
        assert_eq!(kinds(b"yes"), Kinds::NONE);
        assert_eq!(kinds(b"12/31/2012"), Kinds::layout(Layout::MonthDay));
        assert_eq!(kinds(b"31/12/2012"), Kinds::layout(Layout::DayMonth));
        assert_eq!(kinds(b"1/2/2012").first_layout(), Some(Layout::MonthDay));
        assert!(kinds(b"1/2/2012").has(Kinds::layout(Layout::DayMonth)));
        assert_eq!(kinds(b"abc"), Kinds::NONE);
    }

    #[test]
    fn missing_texts_are_exact() {
        let missing = Missing::new(&["NA".to_owned(), " ? ".to_owned()]);
        for (text, is) in [("", true), ("NA", true), ("?", true), ("na", false), ("NAN", false), ("0", false)]
        {
            assert_eq!(missing.is(text.as_bytes()), is, "{text}");
        }
    }

    #[test]
    fn stated_booleans_take_more_spellings() {
        for (text, value) in
            [("Yes", Some(true)), ("0", Some(false)), ("1.0", Some(true)), ("2", None), ("maybe", None)]
        {
            assert_eq!(stated_truth(text.as_bytes()), value, "{text}");
        }
    }

    #[test]
    fn stated_integers_take_whole_decimals() {
        assert_eq!(Reading::Integer.value(b"3.0"), Some(3.0));
        assert_eq!(Reading::Integer.value(b"3.5"), None);
    }
}
