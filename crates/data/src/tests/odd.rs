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

/// Random texts over the characters that matter: the same as a plain reading, or refused; twice alike.
#[test]
fn random_texts_are_read_right_or_refused() {
    let alphabet = b"ab1,,\"\"\n\n\r.-{}\xc3\xa9\xff\0 ;\t";
    let mut state = 42_u64;
    let mut taken = 0;
    for round in 0..20_000 {
        let mut bytes = if round % 2 == 0 { b"a,b\n".to_vec() } else { Vec::new() };
        // Half of the rounds without what is mostly refused.
        let letters = if round % 4 < 2 { &alphabet[..11] } else { &alphabet[..] };
        for _ in 0..=round % 40 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            bytes.push(letters[(state >> 33) as usize % letters.len()]);
        }
        let outcome = survey(&bytes[..]);
        match (&outcome, survey(Drip(&bytes, 3))) {
            (Ok(a), Ok(b)) => assert_eq!(*a, b),
            (Err(a), Err(b)) => assert_eq!(a.to_string(), b.to_string()),
            (a, b) => panic!("{:?}: {a:?} and {b:?}", String::from_utf8_lossy(&bytes)),
        }
        taken += u32::from(outcome.is_ok());
    }
    assert!(taken > 200, "only {taken} were taken");
}
