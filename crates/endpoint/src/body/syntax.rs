//! From bytes to visits: one JSON value and nothing after it, and what to say when it is none.

use crate::rows::Reader;
use crate::rows::refusal::{Refusal, Wrong};
use serde_json::Deserializer;
use serde_json::de::SliceRead;

/// The input that visits read from.
pub type Input<'i, 'de> = &'i mut Deserializer<SliceRead<'de>>;

/// The body without a byte order mark, which some editors put before JSON.
fn strip_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// Runs a visit over the whole body; the first fault when there is one.
pub fn parse<'de, 'a, T>(
    reader: &mut Reader<'a>,
    body: &'de [u8],
    visit: impl FnOnce(&mut Reader<'a>, Input<'_, 'de>) -> serde_json::Result<T>,
) -> Result<T, Refusal> {
    let body = strip_mark(body);
    if body.trim_ascii().is_empty() {
        return Err(reader.place(Wrong::Empty));
    }
    let mut input = Deserializer::from_slice(body);
    let read = visit(reader, &mut input).and_then(|value| input.end().map(|()| value));
    match read {
        Ok(value) if reader.refusals.is_empty() => Ok(value),
        Ok(_) => Err(reader.refusals[0].clone()),
        Err(error) => Err(reader.refusals.first().cloned().unwrap_or_else(|| syntax(reader, body, &error))),
    }
}

/// A fault of syntax, with the row and field being read.
fn syntax(reader: &Reader<'_>, body: &[u8], error: &serde_json::Error) -> Refusal {
    let word = word_at(body, error.line(), error.column());
    let not_finite = [&b"nan"[..], b"inf", b"infinity"].iter().any(|w| word.eq_ignore_ascii_case(w));
    reader.place(if not_finite { Wrong::NotFinite } else { Wrong::Syntax(error.to_string()) })
}

/// The letters around a place, a sign before them left out. Lines and columns are counted from 1, in bytes.
fn word_at(body: &[u8], line: usize, column: usize) -> &[u8] {
    let start: usize = body.split(|b| *b == b'\n').take(line.saturating_sub(1)).map(|l| l.len() + 1).sum();
    let at = (start + column.saturating_sub(1)).min(body.len());
    let letter = |b: &u8| b.is_ascii_alphabetic();
    let (before, after) = body.split_at(at);
    let begin = at - before.iter().rev().take_while(|b| letter(b)).count();
    let end = at + after.iter().take_while(|b| letter(b)).count();
    &body[begin..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_at_a_place_is_found() {
        let body = b"{\"a\":\n NaN, \"b\": -Infinity}";
        assert_eq!(word_at(body, 2, 2), b"NaN");
        assert_eq!(word_at(body, 2, 13), b"Infinity");
        assert_eq!(word_at(body, 9, 99), b"");
    }

    #[test]
    fn a_byte_order_mark_is_no_fault() {
        assert_eq!(strip_mark(b"\xef\xbb\xbf{}"), b"{}");
        assert_eq!(strip_mark(b"{}"), b"{}");
    }
}
