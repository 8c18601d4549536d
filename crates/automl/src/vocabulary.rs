//! Short texts as terms: which words and pairs of words are looked for, and where they stand.
//!
//! ONNX has no operator that hashes texts, so a vocabulary takes the place of hashed n-grams. It is chosen from the
//! training rows by how many texts hold a term and never looks at the target: what it takes from a row that is
//! validated on is only that its words exist, which tells nothing of that row's answer. It is therefore chosen once for
//! all folds, as the codes of categories are, and all folds learn from the same columns.
//!
//! A text is read exactly as the graph reads it: `StringNormalizer` in the C locale (letters of ASCII become small),
//! `StringSplit` at every single space, `TfIdfVectorizer` over words and neighbouring words. Words are told apart by
//! those rules alone. A term is a group of such words that differ only in signs at their ends or in capitals beyond
//! ASCII, as they were seen: `good`, `good,` and `good!` are one term.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// Rows a vocabulary is chosen from at most.
const ROWS: usize = 50_000;
/// Words of a text looked at while it is chosen.
const WORDS: usize = 200;
/// Longest word that is noted, in bytes: longer ones are encoded data, not language.
const LONGEST: usize = 100;
/// A term stands in at least so many rows, and in at least one of so many.
const LEAST: usize = 3;
const LEAST_OF: usize = 1_000;
/// A term in a larger share of the rows tells nothing.
const MOST: f64 = 0.95;
/// Terms of a column at most.
pub(crate) const TERMS: usize = 256;
/// Terms counted at once, at most.
const MOST_SEEN: usize = 500_000;
/// Ways of writing a term at most.
const WRITINGS: usize = 12;

/// A word, or two that follow each other.
pub(crate) type Gram = Vec<String>;

/// What is looked for in texts.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Vocabulary {
    /// Terms as people read them, in the order of their columns.
    pub terms: Vec<String>,
    /// All ways of writing terms, as words after the graph's splitting, with their term; no two are the same.
    pub grams: Vec<(Gram, usize)>,
    codes: HashMap<String, u32>,
    /// The term of one code, or of two.
    found: HashMap<(u32, Option<u32>), usize>,
}

/// The tables for looking words up say nothing more, and their order is another one every time.
impl fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vocabulary").field("terms", &self.terms).field("grams", &self.grams).finish()
    }
}

/// The words of a text, as the graph splits it; empty ones stand between spaces that follow each other.
fn words(text: &str) -> impl Iterator<Item = &str> {
    (!text.is_empty()).then(|| text.split(' ')).into_iter().flatten()
}

/// How many words the graph counts.
pub(crate) fn count(text: &str) -> f32 {
    words(text).count() as f32
}

/// How many words people would count.
pub(crate) fn real(text: &str) -> usize {
    words(text).filter(|word| !word.is_empty()).count()
}

/// What a word is taken for: without signs at its ends and in small letters.
fn plain(word: &str) -> Cow<'_, str> {
    let bare = word.trim_matches(|c: char| c.is_ascii_punctuation());
    if bare.is_empty() { word.into() } else { bare.to_lowercase().into() }
}

/// Counts of the ways a term is written, and the rows it stands in.
#[derive(Default)]
struct Seen {
    rows: Vec<u32>,
    writings: BTreeMap<Gram, usize>,
}

impl Vocabulary {
    /// Chooses at most `most` terms from some texts, most frequent first; none when no term is frequent enough.
    pub(crate) fn choose<'a>(texts: impl ExactSizeIterator<Item = &'a str>, most: usize) -> Option<Self> {
        let step = texts.len().div_ceil(ROWS).max(1);
        let mut seen: HashMap<String, Seen> = HashMap::new();
        let mut rows = 0;
        for text in texts.step_by(step) {
            note(text, rows, &mut seen);
            forget(&mut seen);
            rows += 1;
        }
        let least = LEAST.max(rows as usize / LEAST_OF);
        let frequent =
            |seen: &Seen| seen.rows.len() >= least && seen.rows.len() as f64 <= MOST * f64::from(rows);
        let mut order: Vec<(String, Seen)> = seen.into_iter().filter(|(_, s)| frequent(s)).collect();
        order.sort_by(|(a, x), (b, y)| y.rows.len().cmp(&x.rows.len()).then_with(|| a.cmp(b)));
        let mut kept: Vec<(String, Seen)> = Vec::new();
        for (term, seen) in order {
            // A pair that is always one of its words says nothing new. Terms of as many rows stand together.
            let alike = kept.iter().rev().take_while(|(_, k)| k.rows.len() == seen.rows.len());
            if kept.len() < most && !alike.into_iter().any(|(_, k)| k.rows == seen.rows) {
                kept.push((term, seen));
            }
        }
        (!kept.is_empty()).then(|| Self::new(kept))
    }

    fn new(kept: Vec<(String, Seen)>) -> Self {
        let mut terms = Vec::with_capacity(kept.len());
        let mut grams: Vec<(Gram, usize)> = Vec::new();
        for (term, (name, seen)) in kept.into_iter().enumerate() {
            let mut writings: Vec<(Gram, usize)> = seen.writings.into_iter().collect();
            writings.sort_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.cmp(b)));
            writings.truncate(WRITINGS);
            let own: Gram = name.split(' ').map(str::to_owned).collect();
            let mut writings: Vec<Gram> = writings.into_iter().map(|(gram, _)| gram).collect();
            // The plain way of writing, too, when it stands for itself.
            if !writings.contains(&own) && own.iter().all(|word| plain(word) == *word) {
                writings.push(own);
            }
            grams.extend(writings.into_iter().map(|gram| (gram, term)));
            terms.push(name);
        }
        // Words before pairs, as the operator wants them.
        grams.sort_by_key(|(gram, _)| gram.len());
        let mut codes = HashMap::new();
        let mut found = HashMap::new();
        for (gram, term) in &grams {
            let mut code = |word: &String| {
                let fresh = codes.len() as u32;
                *codes.entry(word.clone()).or_insert(fresh)
            };
            let pair: Vec<u32> = gram.iter().map(&mut code).collect();
            found.insert((pair[0], pair.get(1).copied()), *term);
        }
        Self { terms, grams, codes, found }
    }

    /// Keeps the first, most frequent terms.
    pub(crate) fn truncate(&mut self, terms: usize) {
        self.terms.truncate(terms);
        self.grams.retain(|&(_, term)| term < terms);
        self.found.retain(|_, term| *term < terms);
    }

    /// Calls `hit` with the number of every term of a text, as often as it stands there.
    pub(crate) fn find(&self, text: &str, mut hit: impl FnMut(usize)) {
        let text = text.to_ascii_lowercase();
        let mut before = None;
        for word in words(&text) {
            let code = self.codes.get(word).copied();
            if let Some(code) = code {
                let pair = before.and_then(|before| self.found.get(&(before, Some(code))));
                self.found.get(&(code, None)).into_iter().chain(pair).for_each(|&term| hit(term));
            }
            before = code;
        }
    }
}

/// Forgets the rarest terms when there are too many, as in the lossy counting of Manku and Motwani, "Approximate frequency
/// counts over data streams" (2002).
fn forget(seen: &mut HashMap<String, Seen>) {
    if seen.len() > MOST_SEEN {
        let mut least = 2;
        while seen.len() > MOST_SEEN / 2 {
            seen.retain(|_, seen| seen.rows.len() >= least);
            least += 1;
        }
    }
}

/// Notes the terms of a text.
fn note(text: &str, row: u32, seen: &mut HashMap<String, Seen>) {
    let text = text.to_ascii_lowercase();
    let mut note = |term: String, gram: Gram| {
        let entry = seen.entry(term).or_default();
        if entry.rows.last() != Some(&row) {
            entry.rows.push(row);
        }
        *entry.writings.entry(gram).or_insert(0) += 1;
    };
    let mut before: Option<(&str, Cow<'_, str>)> = None;
    for word in words(&text).take(WORDS) {
        if word.is_empty() || word.len() > LONGEST {
            before = None;
            continue;
        }
        let term = plain(word);
        note(term.clone().into_owned(), vec![word.to_owned()]);
        if let Some((left, plain)) = &before {
            note(format!("{plain} {term}"), vec![(*left).to_owned(), word.to_owned()]);
        }
        before = Some((word, term));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Vocabulary {
        /// Which terms stand in a text: 1 or 0.
        fn presence(&self, text: &str) -> Vec<f32> {
            let mut out = vec![0.0; self.terms.len()];
            self.find(text, |term| out[term] = 1.0);
            out
        }
    }

    fn choose(texts: &[&str]) -> Vocabulary {
        Vocabulary::choose(texts.iter().copied(), TERMS).unwrap()
    }

    #[test]
    fn frequent_words_and_pairs_become_terms() {
        let texts = [
            "Not good",
            "not good at all",
            "very Good!",
            "not, good",
            "the end",
            "a b c",
            "good, really",
            "x y",
            "",
            "end",
        ];
        let vocabulary = choose(&texts);
        assert_eq!(vocabulary.terms, ["good", "not"]);
        let writings: Vec<(String, usize)> =
            vocabulary.grams.iter().map(|(gram, term)| (gram.join(" "), *term)).collect();
        let expected = [("good", 0), ("good!", 0), ("good,", 0), ("not", 1), ("not,", 1)];
        assert_eq!(writings, expected.map(|(gram, term)| (gram.to_owned(), term)));
        assert_eq!(vocabulary.presence("it is GOOD, but not"), [1.0, 1.0]);
        assert_eq!(vocabulary.presence("goodness  knot good?"), [0.0, 0.0]);
        assert_eq!(vocabulary.presence(""), [0.0, 0.0]);
    }

    #[test]
    fn pairs_stand_next_to_each_other() {
        let texts = [
            "not good", "not bad", "so good", "not good", "not good", "so bad", "so so", "bad not", "good so",
        ];
        let vocabulary = choose(&texts);
        let pair = vocabulary.terms.iter().position(|t| t == "not good").unwrap();
        assert_eq!(vocabulary.presence("this is NOT good")[pair], 1.0);
        assert_eq!(vocabulary.presence("not  good")[pair], 0.0);
        assert_eq!(vocabulary.presence("not so good")[pair], 0.0);
    }

    #[test]
    fn letters_beyond_ascii_keep_their_case_unless_seen() {
        let vocabulary = choose(&["Größe A", "größe B", "alle Größen", "Größe zählt", "x", "y z"]);
        assert_eq!(vocabulary.terms, ["größe"]);
        let seen = ["Größe", "GRößE", "GRÖßE"].map(|t| vocabulary.presence(t)[0]);
        assert_eq!(seen, [1.0, 1.0, 0.0]);
    }

    #[test]
    fn nothing_frequent_makes_no_vocabulary() {
        assert!(Vocabulary::choose(["a b", "c d", "e f", "g h"].into_iter(), TERMS).is_none());
        assert!(Vocabulary::choose(["a b", "a b", "a b", "a b"].into_iter(), TERMS).is_none(), "in all rows");
        assert_eq!((count(""), count("a"), count(" a  b"), real(" a  b")), (0.0, 1.0, 4.0, 2));
    }

    #[test]
    fn the_most_frequent_terms_are_kept() {
        let texts: Vec<String> = (0..300).map(|i| format!("w{} v{} u{}", i % 7, i % 11, i % 13)).collect();
        let vocabulary = Vocabulary::choose(texts.iter().map(String::as_str), 5).unwrap();
        assert_eq!(vocabulary.terms, ["w0", "w1", "w2", "w3", "w4"]);
    }
}
