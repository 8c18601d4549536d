//! From text to a tree with positions. No document type, so no entities but the five of XML; size, depth and numbers bounded.

use super::{Place, Result, Wrong, XML_MAX, fault};
use domain::Fault;
use roxmltree::{Document, Error, ParsingOptions};
use std::borrow::Cow;

/// Nodes of a file at most, comments and texts among them.
const NODES_MAX: u32 = 8192;
/// Attributes of a file at most, told by its equals signs.
const EQUALS_MAX: usize = 2048;
/// The deepest nesting.
const DEPTH_MAX: usize = 16;
/// Bytes of an expression at most.
const EXPRESSION_MAX: usize = 4096;

/// Where a byte of the text is.
pub(super) fn place(text: &str, at: usize) -> Place {
    let before = text.get(..at).unwrap_or(text);
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Place { line: number(line), column: number(column) }
}

/// The text with quotes and angle brackets inside policy expressions blotted out, byte for byte.
///
/// Files as the vendor's portal shows them hold expressions with bare quotes, `counter-key="@(f("x"))"`, which is no XML. The blots
/// keep every position; whoever reads such an attribute takes the original text at the same place.
pub(super) fn mask(text: &str) -> Result<Cow<'_, str>> {
    if text.len() > XML_MAX {
        return Err(Wrong::new(
            0,
            format!("the policy has {} bytes, at most {XML_MAX} are read", text.len()),
        ));
    }
    if text.bytes().filter(|byte| *byte == b'=').count() > EQUALS_MAX {
        return Err(Wrong::new(0, format!("the policy has more than {EQUALS_MAX} equals signs")));
    }
    let mut bytes = Cow::Borrowed(text.as_bytes());
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        at += match rest[0] {
            b'<' if rest.starts_with(b"<!--") => skip(text, at, "-->"),
            b'<' if rest.starts_with(b"<![CDATA[") => skip(text, at, "]]>"),
            b'<' if rest.starts_with(b"<?") => skip(text, at, "?>"),
            b'<' => tag(text, at, &mut bytes),
            _ => 1,
        };
    }
    Ok(match bytes {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        // Only ASCII was put in the place of ASCII.
        Cow::Owned(bytes) => String::from_utf8(bytes).map_or(Cow::Borrowed(text), Cow::Owned),
    })
}

/// The length up to and with an end mark.
fn skip(text: &str, at: usize, end: &str) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.find(end).map_or(rest.len(), |found| found + end.len())
}

/// The length of a tag; expressions in its attributes are blotted out on the way.
fn tag(text: &str, start: usize, bytes: &mut Cow<'_, [u8]>) -> usize {
    let all = text.as_bytes();
    let mut at = start + 1;
    while at < all.len() {
        match all[at] {
            b'>' => return at + 1 - start,
            quote @ (b'"' | b'\'') => {
                let value = at + 1;
                let before = all[start..at].iter().rev().find(|byte| !byte.is_ascii_whitespace());
                let attribute = (before == Some(&b'=')).then(|| expression(&all[value..], quote)).flatten();
                let end = attribute.map(|length| value + length);
                if let Some(end) = end {
                    let inside = &all[value..end];
                    if inside.iter().any(|byte| *byte == quote || *byte == b'<') {
                        for byte in &mut bytes.to_mut()[value..end] {
                            if matches!(byte, b'"' | b'\'' | b'<' | b'&') {
                                *byte = b'_';
                            }
                        }
                    }
                }
                let from = end.unwrap_or(value);
                let close = all[from..].iter().position(|byte| *byte == quote);
                at = close.map_or(all.len(), |close| from + close + 1);
            }
            _ => at += 1,
        }
    }
    at - start
}

/// The length of the expression that fills a quoted value, when it is one and its brackets are balanced.
fn expression(value: &[u8], quote: u8) -> Option<usize> {
    if !value.starts_with(b"@(") && !value.starts_with(b"@{") {
        return None;
    }
    let (mut depth, mut inside) = (0_usize, None);
    let mut at = 1;
    while at < value.len().min(EXPRESSION_MAX) {
        let byte = value[at];
        match (inside, byte) {
            (Some(_), b'\\') => at += 1,
            (Some(open), byte) => inside = (byte != open).then_some(open),
            (None, b'"' | b'\'') => inside = Some(byte),
            (None, b'(' | b'{') => depth += 1,
            (None, b')' | b'}') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
        at += 1;
        if depth == 0 {
            return (value.get(at) == Some(&quote)).then_some(at);
        }
    }
    None
}

/// Parses the text.
pub(super) fn parse(text: &str) -> std::result::Result<Document<'_>, Fault> {
    let options = ParsingOptions { nodes_limit: NODES_MAX, ..ParsingOptions::default() };
    let tree = Document::parse_with_options(text, options).map_err(|error| broken(text, &error))?;
    for node in tree.descendants().filter(roxmltree::Node::is_element) {
        if node.ancestors().take(DEPTH_MAX + 3).count() > DEPTH_MAX + 1 {
            let place = place(text, node.range().start);
            let name = node.tag_name().name();
            return Err(fault(place, &format!("<{name}> is nested deeper than {DEPTH_MAX} elements")));
        }
    }
    Ok(tree)
}

fn broken(text: &str, error: &Error) -> Fault {
    match error {
        Error::DtdDetected => {
            let at = text.find("<!DOCTYPE").unwrap_or_default();
            fault(place(text, at), "a document type is refused: take <!DOCTYPE> out of the file")
        }
        Error::NodesLimitReached => {
            fault(place(text, 0), &format!("the policy has more than {NODES_MAX} elements and texts"))
        }
        Error::NoRootNode => fault(place(text, 0), "there is no element: the root of a policy is <policies>"),
        Error::UnclosedRootNode => {
            fault(place(text, text.len()), "the file ends before its root element is closed")
        }
        other => {
            let pos = other.pos();
            let text = other.to_string();
            let said = text.split(" at ").next().unwrap_or_default();
            fault(Place { line: pos.row, column: pos.col }, &format!("this is no well-formed XML: {said}"))
        }
    }
}
