//! Text of others made harmless for a terminal. What is written out reads `\\u001b`, as JSON writes it, so that JSON stays JSON.

use std::borrow::Cow;
use std::fmt::Write;

/// Text of several lines: newlines and tabs stay.
pub fn text(said: &str) -> Cow<'_, str> {
    escaped(said, |c| c == '\n' || c == '\t')
}

/// Text that stands on one line, as a cell of a table does: newlines and tabs are written out too.
pub fn cell(said: &str) -> Cow<'_, str> {
    escaped(said, |_| false)
}

/// What a script printed: newlines, tabs and colours (SGR) stay; a line that is drawn again begins anew.
pub fn log(said: &str) -> Cow<'_, str> {
    if !said.contains(is_unsafe) {
        return Cow::Borrowed(said);
    }
    let said = said.trim_end_matches('\r').replace("\r\n", "\n").replace('\r', "\n");
    let mut safe = String::with_capacity(said.len());
    let mut rest = said.as_str();
    while let Some(at) = rest.find('\u{1b}') {
        safe.push_str(&text(&rest[..at]));
        let colour = colour(&rest[at..]);
        match colour {
            0 => safe.push_str(&text("\u{1b}")),
            length => safe.push_str(&rest[at..at + length]),
        }
        rest = &rest[at + colour.max(1)..];
    }
    safe.push_str(&text(rest));
    Cow::Owned(safe)
}

/// Bytes of the colour sequence (`ESC [ … m`) that a text begins with; 0 when it begins with another.
fn colour(said: &str) -> usize {
    let Some(body) = said.strip_prefix("\u{1b}[") else { return 0 };
    let end = body.find(|c: char| !c.is_ascii_digit() && c != ';' && c != ':');
    end.filter(|end| body[*end..].starts_with('m')).map_or(0, |end| end + 3)
}

/// Controls (C0, DEL, C1), line separators, and marks that turn the direction of what follows.
fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escaped(said: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    let harmful = |c: char| is_unsafe(c) && !stays(c);
    if !said.contains(harmful) {
        return Cow::Borrowed(said);
    }
    let mut safe = String::with_capacity(said.len() + 16);
    for c in said.chars() {
        match c {
            '\n' if harmful(c) => safe.push_str("\\n"),
            '\t' if harmful(c) => safe.push_str("\\t"),
            '\r' => safe.push_str("\\r"),
            c if harmful(c) => {
                let _ = write!(safe, "\\u{:04x}", u32::from(c));
            }
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_written_out() {
        assert_eq!(text("a\tb\nc"), "a\tb\nc");
        assert_eq!(text("\u{1b}]0;own\u{7}\u{9b}2J\u{7f}"), "\\u001b]0;own\\u0007\\u009b2J\\u007f");
        assert_eq!(cell("two\nlines\u{202e}"), "two\\nlines\\u202e");
        let json = serde_json::to_string("\u{9b}31m\u{7f}").unwrap();
        assert_eq!(serde_json::from_str::<String>(&text(&json)).unwrap(), "\u{9b}31m\u{7f}");
    }

    #[test]
    fn logs_keep_their_colours_and_nothing_else() {
        assert_eq!(log("\u{1b}[1;31mred\u{1b}[0m\ttab"), "\u{1b}[1;31mred\u{1b}[0m\ttab");
        assert_eq!(log("\u{1b}[2Jgone\u{1b}"), "\\u001b[2Jgone\\u001b");
        assert_eq!(log("\u{1b}]52;c;aGk=\u{7}"), "\\u001b]52;c;aGk=\\u0007");
        assert_eq!(log("10 %\r20 %\r"), "10 %\n20 %");
    }
}
