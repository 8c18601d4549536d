//! Telling a text's format, delimiter, quotation mark and header from its beginning.

use crate::error::{Error, Result};
use crate::options::{Dialect, FileFormat, ReadOptions};
use crate::values::{Kinds, Missing, kinds, trim};
use std::ops::Range;

/// Delimiters that are tried, in order of preference.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Records looked at.
const RECORDS: usize = 100;

/// The format a text begins like.
pub(crate) fn format(head: &[u8]) -> Result<FileFormat> {
    match head.trim_ascii_start() {
        [b'{', rest @ ..] if matches!(rest.trim_ascii_start(), [b'"' | b'}', ..]) => Ok(FileFormat::Jsonl),
        [b'[', rest @ ..] if matches!(rest.trim_ascii_start(), [b'{' | b'[', ..]) => Err(Error::Json {
            line: 1,
            column: None,
            what: "a JSON array: write one object a line, without brackets and commas around them".to_owned(),
        }),
        _ => Ok(FileFormat::Csv),
    }
}

/// How a text is cut: what is stated, the rest found out. `whole`: the text does not go on after `head`.
pub(crate) fn dialect(head: &[u8], whole: bool, options: &ReadOptions) -> Result<Dialect> {
    if !head.contains(&b'\n') && head.iter().filter(|b| **b == b'\r').count() > 1 {
        return Err(Error::Option(
            "the lines end in carriage returns alone: convert them to line feeds".to_owned(),
        ));
    }
    let stated = one_char("delimiter", options.delimiter.as_deref())?.flatten();
    let delimiter = stated.or((options.format == Some(FileFormat::Tsv)).then_some(b'\t'));
    let quote = match one_char("quote", options.quote.as_deref())? {
        Some(stated) => stated,
        None => Some(find_quote(head)),
    };
    let delimiter = delimiter.unwrap_or_else(|| find_delimiter(head, whole, quote));
    if quote == Some(delimiter) {
        return Err(Error::Option("delimiter and quote must differ".to_owned()));
    }
    let header = options.header.unwrap_or_else(|| {
        has_header(&records(head, whole, delimiter, quote), head, &Missing::new(&options.missing_texts()))
    });
    Ok(Dialect { delimiter: char::from(delimiter), quote: quote.map(char::from), header })
}

/// One ASCII character of an option; an empty one is none at all.
fn one_char(name: &str, stated: Option<&str>) -> Result<Option<Option<u8>>> {
    match stated.map(str::as_bytes) {
        None => Ok(None),
        Some([]) if name == "quote" => Ok(Some(None)),
        Some(b"\\t") => Ok(Some(Some(b'\t'))),
        Some([byte]) if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0) => Ok(Some(Some(*byte))),
        Some(_) => Err(Error::Option(format!("{name} must be one ASCII character that ends no line"))),
    }
}

/// `'` when fields are wrapped in it and none in `"`.
fn find_quote(head: &[u8]) -> u8 {
    let after = |mark: u8| head.windows(2).filter(|w| DELIMITERS.contains(&w[0]) && w[1] == mark).count();
    let before = |mark: u8| head.windows(2).filter(|w| w[0] == mark && DELIMITERS.contains(&w[1])).count();
    let begins = |mark: u8| head.first() == Some(&mark);
    let double = begins(b'"') || after(b'"') > 0;
    if !double && before(b'\'') > 1 && before(b'\'').abs_diff(after(b'\'')) <= RECORDS && after(b'\'') > 1 {
        b'\''
    } else {
        b'"'
    }
}

/// The delimiter by which most records have as many fields as the first; more fields win, then the order of preference.
fn find_delimiter(head: &[u8], whole: bool, quote: Option<u8>) -> u8 {
    let score = |delimiter: u8| {
        let records = records(head, whole, delimiter, quote);
        let fields = records.first().map_or(0, Vec::len);
        let alike = records.iter().filter(|r| r.len() == fields).count();
        // Why a share in thousandths: it orders without floats.
        (fields > 1).then(|| (alike * 1000 / records.len().max(1), fields))
    };
    let best = DELIMITERS.into_iter().rev().filter_map(|d| score(d).map(|s| (s, d))).max_by_key(|(s, _)| *s);
    best.map_or(b',', |(_, delimiter)| delimiter)
}

type Record = Vec<Range<usize>>;

/// The first records of a text, cut without complaint; the last one only when it is whole.
fn records(head: &[u8], whole: bool, delimiter: u8, quote: Option<u8>) -> Vec<Record> {
    let (mut all, mut record, mut at, mut start) = (Vec::new(), Record::new(), 0, 0);
    while at < head.len() && all.len() < RECORDS {
        let byte = head[at];
        if Some(byte) == quote && at == start {
            at = closing(head, at, byte);
            continue;
        }
        if byte == delimiter || byte == b'\n' {
            let end = at - usize::from(byte == b'\n' && at > start && head[at - 1] == b'\r');
            record.push(start..end);
            start = at + 1;
        }
        if byte == b'\n' {
            let done = std::mem::take(&mut record);
            if done.len() > 1 || !done[0].is_empty() {
                all.push(done);
            }
        }
        at += 1;
    }
    if whole && start < head.len() && all.len() < RECORDS {
        record.push(start..head.len());
        all.push(record);
    }
    all
}

/// After the mark that closes the one at `open`, or the end.
fn closing(head: &[u8], open: usize, quote: u8) -> usize {
    let mut at = open + 1;
    while let Some(found) = memchr::memchr(quote, &head[at..]) {
        at += found + 1;
        if head.get(at) != Some(&quote) {
            return at;
        }
        at += 1;
    }
    head.len()
}

/// Whether the first record holds names. It does unless it looks like those after it: a number or date in it, each of
/// them above others, and each text of it found again below.
fn has_header(records: &[Record], head: &[u8], missing: &Missing) -> bool {
    let Some((first, rest)) = records.split_first().filter(|(_, rest)| !rest.is_empty()) else {
        return true;
    };
    let text = |range: &Range<usize>| trim(&head[range.clone()]);
    let typed = |range: &Range<usize>| !missing.is(text(range)) && kinds(text(range)) != Kinds::NONE;
    let mut any = false;
    for (at, cell) in first.iter().enumerate() {
        let mut below = rest.iter().filter_map(|r| r.get(at));
        let like_below = if typed(cell) {
            any = true;
            below.all(|c| typed(c) || missing.is(text(c)))
        } else {
            missing.is(text(cell)) || below.any(|c| text(c) == text(cell))
        };
        if !like_below {
            return true;
        }
    }
    !any
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> (char, Option<char>, bool) {
        let d = dialect(text.as_bytes(), true, &ReadOptions::default()).unwrap();
        (d.delimiter, d.quote, d.header)
    }

    #[test]
    fn dialects_are_told() {
        for (text, expected) in [
            ("a,b\n1,2\n", (',', Some('"'), true)),
            ("a;b\n1,5;2,5\n", (';', Some('"'), true)),
            ("a\tb\n1\t2\n", ('\t', Some('"'), true)),
            ("a|b|c\nx,y|2|3\n", ('|', Some('"'), true)),
            ("\"a;x\",\"b\"\n\"1;2;3\",2\n", (',', Some('"'), true)),
            ("a,b\n'x,1','y'\n'p','q'\n", (',', Some('\''), true)),
            ("name\nBob's,\n", (',', Some('"'), true)),
            ("single\n1\n2\n", (',', Some('"'), true)),
            ("1,2\n3,4\n", (',', Some('"'), false)),
            ("5.1,3.5,Iris-setosa\n4.9,3.0,Iris-setosa\n", (',', Some('"'), false)),
            ("country,2019,2020\nUS,1.5,2.5\nFR,1,2\n", (',', Some('"'), true)),
            ("a,,c\n1,2,3\n", (',', Some('"'), true)),
            ("a,a\n1,2\n", (',', Some('"'), true)),
            ("a,b\n1,2,3\n", (',', Some('"'), true)),
            ("", (',', Some('"'), true)),
        ] {
            assert_eq!(told(text), expected, "{text:?}");
        }
    }

    #[test]
    fn formats_are_told() {
        assert_eq!(format(b"{\"a\":1}\n").unwrap(), FileFormat::Jsonl);
        assert_eq!(format(b"{a},b\n").unwrap(), FileFormat::Csv);
        assert!(format(b"[{\"a\":1}]").is_err());
    }

    #[test]
    fn what_is_stated_wins_and_must_be_possible() {
        let options = ReadOptions {
            delimiter: Some("\\t".to_owned()),
            quote: Some(String::new()),
            header: Some(false),
            ..ReadOptions::default()
        };
        let d = dialect(b"a,b\n", true, &options).unwrap();
        assert_eq!((d.delimiter, d.quote, d.header), ('\t', None, false));
        for bad in ["", "ab", "ü", "\n"] {
            let options = ReadOptions { delimiter: Some(bad.to_owned()), ..ReadOptions::default() };
            assert!(matches!(dialect(b"a,b\n", true, &options), Err(Error::Option(_))), "{bad:?}");
        }
        let same = ReadOptions { delimiter: Some("\"".to_owned()), ..ReadOptions::default() };
        assert!(dialect(b"a,b\n", true, &same).is_err());
        assert!(dialect(b"a,b\r1,2\r", true, &ReadOptions::default()).is_err());
    }
}
