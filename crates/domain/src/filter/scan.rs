//! The tokens of a filter, with the place of each.

use super::{Comparator, FILTER_MAX, FilterError};
use std::fmt;

/// A token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// Letters, digits, `_`, `.`, `-`, `/`, not beginning like a number.
    Word(String),
    /// Between `'`, `"` or a backtick; a doubled mark stands for one.
    Quoted(String),
    /// A finite number.
    Number(f64),
    /// `=`, `!=`, `>`, `>=`, `<`, `<=`
    Operator(Comparator),
    Open,
    Close,
    Comma,
}

impl Token {
    /// Whether it is this word, whatever its case.
    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(self, Self::Word(own) if own.eq_ignore_ascii_case(word))
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |text: &str| text.chars().take(60).collect::<String>();
        match self {
            Self::Word(word) => write!(f, "'{}'", short(word)),
            Self::Quoted(text) => write!(f, "the text '{}'", short(text)),
            Self::Number(number) => write!(f, "the number {number}"),
            Self::Operator(comparator) => write!(f, "'{}'", comparator.as_str()),
            Self::Open => f.write_str("'('"),
            Self::Close => f.write_str("')'"),
            Self::Comma => f.write_str("','"),
        }
    }
}

/// Reads tokens one by one.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    what: &'static str,
    text: &'a str,
    at: usize,
    /// Where the last token began.
    began: usize,
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'/') || byte >= 0x80
}

impl<'a> Scanner<'a> {
    pub(super) fn new(what: &'static str, text: &'a str) -> Result<Self, FilterError> {
        let scanner = Self { what, text, at: 0, began: 0 };
        if text.len() > FILTER_MAX {
            return Err(scanner.wrong(format!("it is longer than {FILTER_MAX} bytes")));
        }
        Ok(scanner)
    }

    /// An error at the last token.
    pub(super) fn wrong(&self, detail: impl Into<String>) -> FilterError {
        let position = self.text[..self.began].chars().count() + 1;
        FilterError { what: self.what, position, detail: detail.into() }
    }

    /// An error about what was found in place of something else.
    pub(super) fn expected(&self, found: Option<Token>, what: &str) -> FilterError {
        self.wrong(match found {
            Some(token) => format!("found {token}, expected {what}"),
            None => format!("it ends where {what} is expected"),
        })
    }

    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    /// The next byte that is no white space.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, FilterError> {
        while self.rest().first().is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        Ok(self.rest().first().copied())
    }

    /// The next token; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Token>, FilterError> {
        let Some(first) = self.peek()? else {
            self.began = self.at;
            return Ok(None);
        };
        self.began = self.at;
        let token = match first {
            b'(' => self.one(Token::Open),
            b')' => self.one(Token::Close),
            b',' => self.one(Token::Comma),
            b'\'' | b'"' | b'`' => Token::Quoted(self.quoted(first)?),
            b'=' | b'!' | b'<' | b'>' => self.operator()?,
            b'+' | b'-' | b'.' | b'0'..=b'9' => self.number()?,
            byte if is_word_byte(byte) => Token::Word(self.word().to_owned()),
            _ => return Err(self.wrong(format!("'{}' has no meaning here", self.char()))),
        };
        Ok(Some(token))
    }

    /// What follows an identifier's part without a space: `.word`, or `.` and a quoted part.
    pub(super) fn joined(&mut self) -> Result<Option<String>, FilterError> {
        match self.rest().first() {
            Some(&quote @ (b'"' | b'`')) if self.text[..self.at].ends_with('.') => {
                self.quoted(quote).map(Some)
            }
            Some(b'.') => {
                self.at += 1;
                match self.rest().first() {
                    Some(&quote @ (b'"' | b'`')) => self.quoted(quote).map(Some),
                    Some(&byte) if is_word_byte(byte) => Ok(Some(self.word().to_owned())),
                    _ => {
                        self.began = self.at;
                        Err(self.wrong("a key is expected after the dot"))
                    }
                }
            }
            _ => Ok(None),
        }
    }

    fn one(&mut self, token: Token) -> Token {
        self.at += 1;
        token
    }

    fn char(&self) -> char {
        self.text[self.at..].chars().next().unwrap_or_default()
    }

    fn word(&mut self) -> &'a str {
        let length = self.rest().iter().take_while(|byte| is_word_byte(**byte)).count();
        let word = &self.text[self.at..self.at + length];
        self.at += length;
        word
    }

    fn quoted(&mut self, quote: u8) -> Result<String, FilterError> {
        self.began = self.at;
        self.at += 1;
        let mut out = String::new();
        loop {
            let Some(length) = self.rest().iter().position(|byte| *byte == quote) else {
                return Err(self.wrong(format!("the {} that opens here is never closed", char::from(quote))));
            };
            out.push_str(&self.text[self.at..self.at + length]);
            self.at += length + 1;
            if self.rest().first() != Some(&quote) {
                return Ok(out);
            }
            out.push(char::from(quote));
            self.at += 1;
        }
    }

    fn operator(&mut self) -> Result<Token, FilterError> {
        let (comparator, length) = match self.rest() {
            [b'!', b'=', ..] | [b'<', b'>', ..] => (Comparator::NotEqual, 2),
            [b'>', b'=', ..] => (Comparator::GreaterOrEqual, 2),
            [b'<', b'=', ..] => (Comparator::LessOrEqual, 2),
            [b'>', ..] => (Comparator::Greater, 1),
            [b'<', ..] => (Comparator::Less, 1),
            [b'=', ..] => (Comparator::Equal, 1),
            _ => return Err(self.wrong("'!' has no meaning alone: write !=")),
        };
        self.at += length;
        Ok(Token::Operator(comparator))
    }

    fn number(&mut self) -> Result<Token, FilterError> {
        let sign = usize::from(matches!(self.rest().first(), Some(b'+' | b'-')));
        let mut length = sign;
        for byte in &self.rest()[sign..] {
            let exponent = length > 0 && matches!(self.rest()[length - 1], b'e' | b'E');
            if !(byte.is_ascii_alphanumeric() || *byte == b'.' || exponent && matches!(byte, b'+' | b'-')) {
                break;
            }
            length += 1;
        }
        let text = &self.text[self.at..self.at + length];
        let plain = text.bytes().all(|c| c.is_ascii_digit() || matches!(c, b'+' | b'-' | b'.' | b'e' | b'E'));
        match text.parse::<f64>() {
            Ok(number) if plain && number.is_finite() => {
                self.at += length;
                Ok(Token::Number(number))
            }
            _ => Err(self.wrong(format!("'{}' is no number", text.chars().take(60).collect::<String>()))),
        }
    }
}
