//! Every refusal names line and column and what to do.

use super::*;
use domain::{ErrorCode, Fault};
use std::collections::BTreeMap;

fn said(bytes: &[u8]) -> String {
    refusal(bytes, &ReadOptions::default()).to_string()
}

#[test]
fn malformed_tables_are_refused_by_line_and_column() {
    let cases: [(&[u8], &[&str]); 26] = [
        (b"a,b\n\"x,y\",caf\xe9\n", &["line 2, column 'b'", "0xE9"]),
        (b"a,b\n1\n3,caf\xe9\n", &["line 2 has 1 fields"]),
        (b"", &["empty"]),
        (b"\xef\xbb\xbf", &["empty"]),
        (b"\n\n", &["empty"]),
        (b"a,b\n", &["header and no records"]),
        (b"a,b", &["header and no records"]),
        (b"a,b\n1,2\n3\n", &["line 3 has 1 fields", "header has 2", "'a'"]),
        (b"a,b\n1,2\n3,4,5\n", &["line 3 has 3 fields", "header has 2", "'b'"]),
        (b"a,b\n\"x\ny\",2\n3\n", &["line 4 has 1 fields"]),
        (b"a,b\n1,2\n\n3,4\n", &["line 3 is blank"]),
        (b"\na,b\n1,2\n", &["line 1 is blank"]),
        (b"a,b\n1,\"x\"y\n", &["line 2, column 'b'", "after the closing quotation mark"]),
        (b"a,b\n1,\"x\ny\"z\n", &["line 3, column 'b'"]),
        (b"a,b\n1,2\n3,\"x\n", &["line 3, column 'b'", "never closed"]),
        (b"a,b\n1,x\"y\n", &["line 2, column 'b'", "inside an unquoted field"]),
        (b"a,b\n1,2\n3,caf\xe9\n", &["line 3, column 'b'", "0xE9", "windows-1252"]),
        (b"a,caf\xe9\n1,2\n", &["line 1, column 'column 2'", "0xE9"]),
        (b"a,b\n1,2\n3,\0\n", &["line 3, column 'b'", "NUL"]),
        (b"a,,c\n1,2,3\n", &["column 2 has no name"]),
        (b"a,b, \n1,2,3\n", &["column 3 has no name"]),
        (b"a,b,a\n1,2,3\n", &["columns 1 and 3 are both named 'a'"]),
        (b"a,b\r1,2\r3,4\r", &["carriage returns"]),
        (b"\x1f\x8b\x08\0\0", &["gzip file cannot be unpacked"]),
        (b"\x28\xb5\x2f\xfdrubbish", &["zstd file cannot be unpacked"]),
        (b"\"a\nb", &["line 1, column 'column 1'", "never closed"]),
    ];
    for (bytes, words) in cases {
        let message = said(bytes);
        for word in words {
            assert!(message.contains(word), "{:?}: {message}", String::from_utf8_lossy(bytes));
        }
    }
}

#[test]
fn faults_far_down_are_named_exactly() {
    let mut text = "a,b\n".to_owned();
    for n in 0..200_000 {
        text.push_str(&format!("{n},\"two\nlines\"\n"));
    }
    text.push_str("1,2,3\n");
    assert!(said(text.as_bytes()).starts_with("line 400002 has 3 fields"));
    let mut bytes = text.into_bytes();
    let at = bytes.len() - 3;
    bytes[at] = 0xff;
    assert!(said(&bytes).starts_with("line 400002, column 'b'"), "{}", said(&bytes));
}

#[test]
fn malformed_json_lines_are_refused() {
    for (text, words) in [
        ("{\"a\":1}\n{\"a\":", ["line 2", "byte"]),
        ("{\"a\":1}\n[1]\n", ["line 2", "an object"]),
        ("{\"a\":1}\n{\"a\":[1]}\n", ["line 2, column 'a'", "nested"]),
        ("{\"a\":{\"b\":1}}\n", ["line 1, column 'a'", "nested"]),
        ("{\"a\":1,\"a\":2}\n", ["line 1, column 'a'", "twice"]),
        ("{\"a\":1} {\"a\":2}\n", ["line 1", "one object a line"]),
        ("{\"\":1}\n", ["line 1", "name"]),
        ("{}\n{}\n", ["line 1", "members"]),
        ("[{\"a\":1}]", ["line 1", "array"]),
        ("{\"a\":\"x\u{1}\"}\n", ["line 1", "control"]),
    ] {
        let message = said(text.as_bytes());
        for word in words {
            assert!(message.contains(word), "{text}: {message}");
        }
    }
    assert!(said(b"{\"a\":\"\xff\"}\n").contains("0xFF"));
}

#[test]
fn stated_types_are_held_to_the_data() {
    let text = b"when,n,word,flag\n2020-01-01,1,x,yes\n2020-01-02,2.5,y,no\nsoon,3,z,maybe\n";
    for (column, kind, words) in [
        ("n", ColumnType::Integer, ["line 3, column 'n'", "'2.5' is no integer"]),
        ("word", ColumnType::Float, ["line 2, column 'word'", "'x' is no float"]),
        ("when", ColumnType::Timestamp, ["line 4, column 'when'", "'soon' is no timestamp"]),
        ("flag", ColumnType::Boolean, ["line 4, column 'flag'", "'maybe' is no boolean"]),
        ("whne", ColumnType::Text, ["no column named 'whne'", "did you mean 'when'"]),
    ] {
        let types = BTreeMap::from([(column.to_owned(), kind)]);
        let message = refusal(text, &ReadOptions { types, ..ReadOptions::default() }).to_string();
        for word in words {
            assert!(message.contains(word), "{message}");
        }
    }
    // Of two faults the first in the table is told, not the one in the first column.
    let types =
        BTreeMap::from([("when".to_owned(), ColumnType::Timestamp), ("n".to_owned(), ColumnType::Integer)]);
    let first = refusal(text, &ReadOptions { types, ..ReadOptions::default() });
    assert!(first.to_string().starts_with("line 3, column 'n'"), "{first}");
}

#[test]
fn a_stated_type_is_held_to_many_values_too() {
    let mut text = "n\n".to_owned();
    (0..60_000).for_each(|n| text.push_str(&format!("{n}\n")));
    text.push_str("six\n");
    let types = BTreeMap::from([("n".to_owned(), ColumnType::Integer)]);
    let error = refusal(text.as_bytes(), &ReadOptions { types, ..ReadOptions::default() });
    assert!(error.to_string().starts_with("line 60002, column 'n': 'six' is no integer"), "{error}");
}

#[test]
fn options_that_cannot_be_are_refused() {
    let options = |f: fn(&mut ReadOptions)| {
        let mut options = ReadOptions::default();
        f(&mut options);
        refusal(b"a,b\n1,2\n", &options)
    };
    assert!(options(|o| o.delimiter = Some("--".into())).to_string().contains("delimiter"));
    assert!(options(|o| o.encoding = Some("klingon".into())).to_string().contains("klingon"));
    assert!(options(|o| o.compression = Some(crate::Compression::Gzip)).to_string().contains("gzip"));
    assert!(serde_json::from_str::<ReadOptions>("{\"delimeter\":\",\"}").is_err());
}

#[test]
fn targets_are_checked() {
    let text = b"id,y,same,none\n1,a,k,\n2,b,k,NA\n3,a,k,\n";
    let (found, _) = frame_of(text, &ReadOptions::default());
    let check = |name: &str| found.profile.check_target(name);
    assert!(check("y").is_ok());
    assert!(check("Y").unwrap_err().to_string().contains("did you mean 'y'"));
    assert!(check("same").unwrap_err().to_string().contains("constant ('k')"));
    assert!(check("none").unwrap_err().to_string().contains("all of its 3 values are missing"));
    let kept = serde_json::to_value(&found.profile).unwrap();
    assert!(crate::check_target(&kept, "y").is_ok() && crate::check_target(&kept, "same").is_err());
}

#[test]
fn refusals_have_codes() {
    let code = |bytes: &[u8]| Fault::from(refusal(bytes, &ReadOptions::default())).code;
    assert_eq!(code(b""), ErrorCode::Unprocessable);
    assert_eq!(code(b"a\n1,2\n"), ErrorCode::Unprocessable);
    let wide = vec![b','; 200_000];
    assert_eq!(code(&wide), ErrorCode::TooLarge);
}
