//! Texts word by word as nodes.

use super::{FLOAT, Sheet};
use crate::dataset::Shape;
use crate::vocabulary::Vocabulary;
use onnx::{Attr, Domain};

impl Sheet<'_> {
    /// The words of a text feature and their number, `[N, words]` and `[N]`.
    fn words(&mut self, of: usize) -> [String; 2] {
        if let Some(names) = &self.words[of] {
            return names.clone();
        }
        let flat = self.ints("flat", &[1], vec![-1]);
        let column = self.features[of].name.clone();
        let texts = self.make("Reshape", "texts", &[&column, &flat], vec![]);
        // Another locale need not be there where the file is run, and may know other letters.
        let locale = Attr::Text("C".into());
        let attrs = vec![("case_change_action", Attr::Text("LOWER".into())), ("locale", locale)];
        let small = self.make("StringNormalizer", "small_letters", &[&texts], attrs);
        let names = [self.fresh("words"), self.fresh("words_counted")];
        // Without a delimiter runtimes differ in what is white space.
        let attrs = vec![("delimiter", Attr::Text(" ".into()))];
        self.builder.node(Domain::Onnx, "StringSplit", &[&small], &[&names[0], &names[1]], attrs);
        self.words[of] = Some(names.clone());
        names
    }

    /// The number of words of a text feature, `[N, 1]`.
    pub(super) fn word_count(&mut self, of: usize) -> String {
        let [_, count] = self.words(of);
        let number = self.make("Cast", "words_number", &[&count], vec![("to", Attr::Int(FLOAT))]);
        let tall = self.ints("tall", &[2], vec![-1, 1]);
        self.make("Reshape", "word_count", &[&number, &tall], vec![])
    }

    /// Whether each term of a text feature stands in a row's text, `[N, terms]`.
    fn terms(&mut self, of: usize, vocabulary: &Vocabulary) -> String {
        if let Some(name) = &self.terms[of] {
            return name.clone();
        }
        let [words, _] = self.words(of);
        let name = self.make("TfIdfVectorizer", "terms", &[&words], vectorizer(vocabulary));
        self.terms[of] = Some(name.clone());
        name
    }

    /// Some terms of a text feature, `[N, picked]`.
    pub(super) fn some_terms(&mut self, of: usize, picked: &[usize]) -> String {
        let Shape::Text(vocabulary) = &self.features[of].shape else { return String::new() };
        let all = self.terms(of, vocabulary);
        if picked.iter().copied().eq(0..vocabulary.terms.len()) {
            return all;
        }
        let places = picked.iter().map(|&term| term as i64).collect();
        let places = self.ints("terms_taken", &[picked.len() as i64], places);
        self.make("Gather", "some_terms", &[&all, &places], vec![("axis", Attr::Int(1))])
    }
}

/// Presence, whatever the number: the mode IDF without weights.
fn vectorizer(vocabulary: &Vocabulary) -> Vec<(&'static str, Attr)> {
    let longest = vocabulary.grams.iter().map(|(gram, _)| gram.len()).max().unwrap_or(1);
    let words = vocabulary.grams.iter().filter(|(gram, _)| gram.len() == 1).count() as i64;
    let starts: Vec<i64> = [0, words].into_iter().take(longest).collect();
    let pool = vocabulary.grams.iter().flat_map(|(gram, _)| gram.iter().cloned()).collect();
    vec![
        ("max_gram_length", Attr::Int(longest as i64)),
        ("max_skip_count", Attr::Int(0)),
        ("min_gram_length", Attr::Int(1)),
        ("mode", Attr::Text("IDF".into())),
        ("ngram_counts", Attr::Ints(starts)),
        ("ngram_indexes", Attr::Ints(vocabulary.grams.iter().map(|&(_, term)| term as i64).collect())),
        ("pool_strings", Attr::Texts(pool)),
    ]
}
