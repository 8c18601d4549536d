//! Bodies at both doors: too long, too deep, of another kind, with two readings, or not what the model takes.

use super::wire::request;
use super::world::{DIRECT, FRONT, World};
use super::{Expect, Group};
use serde_json::json;
use std::io::Write;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn what_a_model_cannot_take_is_told() {
    let world = World::get();
    let mut group = Group::new("bodies", world.url());
    let row = r#""x.one":70.5,"colour name":"red","flag":true"#;
    let wrap = |text: &str| format!("{{\"data\":[{{{text}}}]}}");
    let rows = |n: usize| format!("{{\"data\":[{}]}}", vec![format!("{{{row}}}"); n].join(","));
    let deep = |n: usize| format!("{{\"data\":[{{{row},\"more\":{}1{}}}]}}", "[".repeat(n), "]".repeat(n));
    let top_deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    use Expect::{Accepted, OneOf, Status};
    let bad = OneOf(&[400, 422]);
    let mut cases: Vec<(&str, &'static str, Vec<u8>, Expect)> = vec![
        ("good", "the control", wrap(row).into_bytes(), Accepted),
        ("empty", "nothing", Vec::new(), bad),
        ("space", "nothing", b" ".to_vec(), bad),
        ("null", "no request", b"null".to_vec(), bad),
        ("number", "no request", b"1".to_vec(), bad),
        ("text", "no request", b"\"data\"".to_vec(), bad),
        ("list", "no request", b"[]".to_vec(), bad),
        ("empty-object", "no rows", b"{}".to_vec(), bad),
        ("data-null", "rows are a list", br#"{"data":null}"#.to_vec(), bad),
        ("data-number", "rows are a list", br#"{"data":1}"#.to_vec(), bad),
        ("data-object", "rows are a list", br#"{"data":{"a":1}}"#.to_vec(), bad),
        ("row-number", "a row is an object", br#"{"data":[1]}"#.to_vec(), bad),
        ("row-null", "a row is an object", br#"{"data":[null]}"#.to_vec(), bad),
        ("row-empty", "columns are missing", br#"{"data":[{}]}"#.to_vec(), bad),
        ("missing", "a column is missing", br#"{"data":[{"x.one":1,"flag":true}]}"#.to_vec(), bad),
        ("wrong-type", "a number is a number", wrap(&row.replace("70.5", "\"many\"")).into_bytes(), bad),
        ("wrong-object", "a number is a number", wrap(&row.replace("70.5", "{}")).into_bytes(), bad),
        ("wrong-list", "a number is a number", wrap(&row.replace("70.5", "[1]")).into_bytes(), bad),
        ("nan", "not JSON", wrap(&row.replace("70.5", "NaN")).into_bytes(), bad),
        ("infinity", "not JSON", wrap(&row.replace("70.5", "Infinity")).into_bytes(), bad),
        ("minus-infinity", "not JSON", wrap(&row.replace("70.5", "-Infinity")).into_bytes(), bad),
        ("overflow", "no number", wrap(&row.replace("70.5", "1e999")).into_bytes(), bad),
        ("hex", "not JSON", wrap(&row.replace("70.5", "0x10")).into_bytes(), bad),
        ("plus", "not JSON", wrap(&row.replace("70.5", "+1")).into_bytes(), bad),
        ("leading-zero", "not JSON", wrap(&row.replace("70.5", "01")).into_bytes(), bad),
        ("trailing-dot", "not JSON", wrap(&row.replace("70.5", "1.")).into_bytes(), bad),
        ("undefined", "not JSON", wrap(&row.replace("70.5", "undefined")).into_bytes(), bad),
        ("duplicate-column", "one value of a column", wrap(&format!("{row},\"x.one\":1")).into_bytes(), bad),
        ("duplicate-same", "one value of a column", wrap(&format!("{row},\"flag\":true")).into_bytes(), bad),
        (
            "duplicate-escaped",
            "one value of a column",
            wrap(&format!("{row},\"\\u0078.one\":1")).into_bytes(),
            bad,
        ),
        (
            "duplicate-data",
            "one list of rows",
            format!("{{\"data\":[{{{row}}}],\"data\":[]}}").into_bytes(),
            bad,
        ),
        (
            "two-forms",
            "one form",
            format!("{{\"data\":[{{{row}}}],\"Inputs\":{{\"data\":[]}}}}").into_bytes(),
            bad,
        ),
        ("behind", "nothing behind it", format!("{} x", wrap(row)).into_bytes(), bad),
        ("two", "one document", wrap(row).repeat(2).into_bytes(), bad),
        ("comment", "not JSON", format!("/**/{}", wrap(row)).into_bytes(), bad),
        ("trailing-comma", "not JSON", wrap(&format!("{row},")).into_bytes(), bad),
        ("single-quotes", "not JSON", wrap(row).replace('"', "'").into_bytes(), bad),
        ("nul", "nothing behind it", [wrap(row).as_bytes(), b"\0"].concat(), bad),
        (
            "bad-utf8",
            "UTF-8",
            wrap(row).into_bytes().iter().map(|b| if *b == b'r' { 0xff } else { *b }).collect(),
            bad,
        ),
        (
            "overlong",
            "UTF-8",
            wrap(&row.replace("red", "\u{1}"))
                .into_bytes()
                .iter()
                .map(|b| if *b == 1 { 0xc0 } else { *b })
                .collect(),
            bad,
        ),
        ("surrogate", "no half of a pair", wrap(&row.replace("red", "\\ud800")).into_bytes(), bad),
        ("control", "no bare control character", wrap(&row.replace("red", "r\x01d")).into_bytes(), bad),
        ("utf16", "UTF-8", wrap(row).encode_utf16().flat_map(u16::to_le_bytes).collect(), bad),
        ("deep-65", "65 levels", deep(62).into_bytes(), bad),
        ("deep-1000", "1000 levels", deep(1000).into_bytes(), bad),
        ("deep-100k", "100,000 levels", deep(100_000).into_bytes(), bad),
        ("deep-top", "100,000 levels", top_deep(100_000).into_bytes(), bad),
        ("deep-objects", "100,000 levels", format!("{}1", "{\"a\":".repeat(100_000)).into_bytes(), bad),
        ("rows-100001", "100,000 rows at most", rows(100_001).into_bytes(), OneOf(&[400, 413, 422])),
        ("long", "8 MiB at most", vec![b' '; (8 << 20) + 1], Status(413)),
        ("pickle", "no Python object", b"\x80\x04\x95\x0b\0\0\0\0\0\0\0\x8c\x07builtins\x94.".to_vec(), bad),
        (
            "xml",
            "no XML",
            b"<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>"
                .to_vec(),
            bad,
        ),
        ("proto", "a column's name is only a name", wrap(r#""__proto__":{"a":1}"#).into_bytes(), bad),
        (
            "method-unknown",
            "no such method",
            format!(r#"{{"data":[{{{row}}}],"method":"__class__"}}"#).into_bytes(),
            bad,
        ),
    ];
    let many = format!(
        "{{\"data\":[{{{}}}]}}",
        (0..20_000).map(|n| format!("\"c{n}\":{n}")).collect::<Vec<_>>().join(",")
    );
    cases.push(("many-columns", "columns are missing", many.into_bytes(), bad));
    for (door, path, bearer) in
        [("front", FRONT, world.good()), ("direct", DIRECT, world.road.key().to_owned())]
    {
        let line = format!("Authorization: Bearer {bearer}");
        for (id, why, body, expect) in &cases {
            let bytes = request("POST", path, &[&line, "Content-Type: application/json"], body);
            group.add(format!("{door}-{id}"), why, bytes, *expect);
        }
    }
    group.run();
}

#[test]
fn only_json_is_taken() {
    let world = World::get();
    let mut group = Group::new("content types", world.url());
    let line = format!("Authorization: Bearer {}", world.good());
    let row = World::row();
    let mut add = |id: String, why: &'static str, lines: &[&str], body: &[u8], expect: Expect| {
        let lines: Vec<&str> = [line.as_str()].iter().chain(lines).copied().collect();
        group.add(id, why, request("POST", FRONT, &lines, body), expect);
    };
    for (at, kind) in [
        "text/csv",
        "text/html",
        "text/xml",
        "application/xml",
        "application/x-pickle",
        "application/python-pickle",
        "application/octet-stream",
        "application/x-npy",
        "application/vnd.apache.parquet",
        "multipart/form-data; boundary=x",
        "multipart/mixed; boundary=x",
        "application/json; charset=utf-16",
        "application/json; charset=utf-7",
        "application/json; charset=latin-1",
        "application/jsonp",
        "application/javascript",
        "application/yaml",
        "image/png",
        "json",
        "*/*",
    ]
    .into_iter()
    .enumerate()
    {
        let kind = format!("Content-Type: {kind}");
        add(format!("kind-{at}"), "JSON in UTF-8 only", &[&kind], row.as_bytes(), Expect::Status(415));
    }
    for coding in ["br", "compress", "zstd", "gzip, gzip", "identity, br", "x", "../gzip"] {
        let coding = format!("Content-Encoding: {coding}");
        let lines = [coding.as_str(), "Content-Type: application/json"];
        add(coding.clone(), "codings that are not taken", &lines, row.as_bytes(), Expect::Status(415));
    }
    // Many times as long when unpacked: refused by kind, by ratio or by length, never unpacked whole.
    let bomb = gzip(&vec![b' '; 70 << 20]);
    assert!(bomb.len() < 100_000);
    let lines = ["Content-Encoding: gzip", "Content-Type: application/json"];
    add("bomb".into(), "70 MiB in 70 KiB", &lines, &bomb, Expect::OneOf(&[413, 415]));
    let inner = gzip(&gzip(&vec![b' '; 8 << 20]));
    add("bomb-nested".into(), "one coding", &lines, &inner, Expect::OneOf(&[400, 413, 415, 422]));
    let cut = &gzip(row.as_bytes())[..20];
    add("gzip-cut".into(), "a broken stream", &lines, cut, Expect::OneOf(&[400, 415, 422]));
    add("gzip-none".into(), "said but not done", &lines, row.as_bytes(), Expect::OneOf(&[400, 415, 422]));
    group.run();
}

#[test]
fn what_was_sent_is_not_reflected_as_markup() {
    let world = World::get();
    let script = "<script>alert(1)</script>";
    let line = format!("Authorization: Bearer {}", world.good());
    let body = json!({ "data": [{ script: 1, "x.one": script }] }).to_string();
    for (method, target, body) in [
        ("POST", FRONT.to_owned(), body.as_str()),
        ("GET", format!("{FRONT}?%3Cscript%3E=%3Cscript%3Ealert(1)%3C/script%3E"), ""),
        ("GET", "/team/small/%3Cscript%3E".to_owned(), ""),
        ("GET", "/endpoints/%3Cscript%3E/score".to_owned(), ""),
    ] {
        let answer = super::wire::talk(world.url(), &request(method, &target, &[&line], body.as_bytes()));
        let kind = answer[0].header("content-type").unwrap_or_default();
        assert!(kind.starts_with("application/problem+json"), "{target}: {kind}");
        assert_eq!(super::wire::unclean(&answer[0]), None);
    }
}
