//! Odd inputs: never a panic, never a different answer for the same bytes, always bounded.

use super::*;
use crate::limits::{COLUMNS_MAX, RECORD_BYTES_MAX};
use std::io::{self, Read};

/// Gives a few bytes at a time.
struct Drip<'a>(&'a [u8], usize);

impl Read for Drip<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.1 = self.1 * 7 % 1021 + 1;
        let count = self.1.min(out.len()).min(self.0.len());
        out[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

/// Endless `x`, or an error after so many bytes.
struct Endless(u64, bool);

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.0 == 0 && self.1 {
            return Err(io::Error::new(io::ErrorKind::ConnectionReset, "the peer is gone"));
        }
        let count = usize::try_from(self.0).unwrap().min(out.len());
        out[..count].fill(b'x');
        self.0 -= count as u64;
        Ok(count)
    }
}

fn survey(input: impl Read + Send) -> Result<String> {
    let options = ReadOptions::default();
    let (format, found) = survey_text(input, &mut io::sink(), &options, &|_| ())?;
    Ok(format!("{format:?}\n{:?}\n{:?}", found.columns, found.profile))
}

#[test]
fn a_line_of_a_megabyte_is_fine() {
    let long = "x".repeat(1 << 20);
    let (found, frame) =
        frame_of(format!("a,b\n{long},1\n\"{long}\n\",2\n").as_bytes(), &ReadOptions::default());
    assert_eq!(found.rows, 2);
    assert!(
        matches!(&frame.columns[0].values, crate::Values::Texts { levels, .. } if levels[0].len() == 1 << 20)
    );
}

#[test]
fn a_record_without_end_is_refused() {
    let limit = RECORD_BYTES_MAX as u64 * 3;
    let error = survey(b"a,b\n1,".chain(Endless(limit, false))).unwrap_err();
    assert!(error.to_string().starts_with("line 2: a record longer than"), "{error}");
    let error = survey(b"a,b\n1,2\n3,\"".chain(Endless(limit, false))).unwrap_err();
    assert!(error.to_string().starts_with("line 3: a record longer than"), "{error}");
    let error = survey(Endless(limit, false)).unwrap_err();
    assert!(error.to_string().starts_with("line 1: a record longer than"), "{error}");
    let error = survey(b"{\"a\":\"".chain(Endless(limit, false))).unwrap_err();
    assert!(error.to_string().starts_with("line 1: a record longer than"), "{error}");
}

#[test]
fn columns_are_limited() {
    let wide = |columns: usize| {
        let header: Vec<String> = (0..columns).map(|n| format!("c{n}")).collect();
        format!("{}\n{}1\n{}2\n", header.join(","), "1,".repeat(columns - 1), "2,".repeat(columns - 1))
    };
    for columns in [COLUMNS_MAX + 1, 100_000] {
        let error = survey(wide(columns).as_bytes()).unwrap_err();
        assert!(matches!(error, Error::TooWide { line: 1, limit: COLUMNS_MAX }), "{error}");
    }
    let (found, frame) = frame_of(wide(COLUMNS_MAX).as_bytes(), &ReadOptions::default());
    assert_eq!((found.columns.len(), frame.columns.len()), (COLUMNS_MAX, COLUMNS_MAX));
    let error = survey(format!("a,b\n{}\n", ",".repeat(1_000_000)).as_bytes()).unwrap_err();
    assert!(matches!(error, Error::Ragged { line: 2, expected: 2, .. }), "{error}");
    let many: String = (0..=COLUMNS_MAX).map(|n| format!("{{\"c{n}\":1}}\n")).collect();
    assert!(matches!(survey(many.as_bytes()), Err(Error::TooWide { .. })));
}

#[test]
fn a_broken_input_is_told_as_such() {
    let error = survey(b"a,b\n1,2\n".chain(Endless(100, true))).unwrap_err();
    assert!(matches!(&error, Error::Input(e) if e.kind() == io::ErrorKind::ConnectionReset), "{error}");
    let error = survey(Endless(0, true)).unwrap_err();
    assert!(error.to_string().contains("the peer is gone"), "{error}");
}

#[test]
fn nothing_is_kept_of_what_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let artifacts = Artifacts::open(dir.path()).unwrap();
    assert!(ingest(&b"a,b\n1\n"[..], &artifacts, &ReadOptions::default(), &|_| ()).is_err());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn how_bytes_arrive_does_not_matter() {
    let mut text = "n,x,word,when\n".to_owned();
    for n in 0..40_000_u64 {
        let r = n * 2_654_435_761 % 1_000_003;
        text.push_str(&format!(
            "{n},{},\"w {}\",{}-01-{:02}\r\n",
            r as f64 / 7.0,
            r % 30_000,
            1900 + r % 150,
            1 + r % 28
        ));
    }
    assert_eq!(survey(text.as_bytes()).unwrap(), survey(Drip(text.as_bytes(), 1)).unwrap());
}

/// A plain reading of a comma-separated text that is well-formed: one character at a time.
fn plain(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field, mut quoted, mut any) =
        (Vec::new(), Vec::new(), String::new(), false, false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' => (quoted, any) = (!quoted, true),
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\r' if !quoted && matches!(chars.peek(), None | Some('\n')) => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push((std::mem::take(&mut row), std::mem::take(&mut any)));
            }
            c => field.push(c),
        }
    }
    if !field.is_empty() || !row.is_empty() || any {
        row.push(field);
        rows.push((row, any));
    }
    // Blank lines are none.
    rows.into_iter()
        .filter(|(row, any)| *any || row.len() > 1 || !row[0].is_empty())
        .map(|(row, _)| row)
        .collect()
}

/// Random texts over the characters that matter: read as a plain reading does, or refused; alike however they arrive.
#[test]
fn random_texts_are_read_right_or_refused() {
    let alphabet = b"ab1,,\"\"\n\n\r.-{}\xc3\xa9\xff\0 ;\t";
    let stated = ReadOptions {
        format: Some(crate::FileFormat::Csv),
        delimiter: Some(",".to_owned()),
        quote: Some("\"".to_owned()),
        header: Some(true),
        missing: Some(Vec::new()),
        ..ReadOptions::default()
    };
    let fields = [
        "",
        "a",
        "1.5",
        "\"x,y\"",
        "\"q\"\"\"",
        "\"l\nm\"",
        "\"\"",
        " b ",
        "c\rd",
        "\u{e9}",
        "\"longer than eight bytes\"",
    ];
    let mut state = 42_u64;
    let mut next = |most: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % most
    };
    let mut taken = 0;
    for round in 0..9_000 {
        let mut bytes = b"a,b\n".to_vec();
        for _ in 0..next(12) {
            let ending = ["\n", "\r\n"][next(2)];
            bytes.extend(
                format!("{},{}{ending}", fields[next(fields.len())], fields[next(fields.len())]).bytes(),
            );
        }
        // Of three rounds one is well-formed, one a little damaged, one rubbish.
        for _ in 0..round % 3 * 2 {
            bytes.insert(next(bytes.len() + 1), alphabet[next(alphabet.len())]);
        }
        if round % 3 == 2 {
            bytes = (0..=next(40)).map(|_| alphabet[next(alphabet.len())]).collect();
        }
        match (survey(&bytes[..]), survey(Drip(&bytes, 3))) {
            (Ok(a), Ok(b)) => assert_eq!(a, b),
            (Err(a), Err(b)) => assert_eq!(a.to_string(), b.to_string()),
            (a, b) => panic!("{:?}: {a:?} and {b:?}", String::from_utf8_lossy(&bytes)),
        }
        let Ok(found) = crate::read_text(&bytes, &stated) else { continue };
        taken += 1;
        let rows =
            found.rows.into_iter().map(|r| r.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>());
        let blank = |field: String| if field.trim_ascii().is_empty() { String::new() } else { field };
        let expected = plain(std::str::from_utf8(&bytes).unwrap());
        let expected = expected.into_iter().skip(1).map(|row| row.into_iter().map(blank).collect::<Vec<_>>());
        assert!(rows.eq(expected), "{:?}", String::from_utf8_lossy(&bytes));
    }
    assert!(taken > 3_000, "only {taken} were taken");
}
