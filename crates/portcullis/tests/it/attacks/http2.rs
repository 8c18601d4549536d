//! HTTP/2 with headers that no HTTP/2 message may have (RFC 9113 §8), frame by frame, since clients refuse to send them.

use super::wire::address;
use super::world::{CONTROL, FRONT, World};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

type Fields<'a> = Vec<(&'a str, &'a str)>;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A length of HPACK with a prefix of 7 bits (RFC 7541 §5.1).
fn length(n: usize) -> Vec<u8> {
    if n < 127 {
        return vec![u8::try_from(n).unwrap()];
    }
    let (mut bytes, mut rest) = (vec![127], n - 127);
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128 + 128).unwrap());
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

/// A field as a literal that enters no table.
fn field(name: &str, value: &str) -> Vec<u8> {
    [&[0][..], &length(name.len()), name.as_bytes(), &length(value.len()), value.as_bytes()].concat()
}

/// How the first stream ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// An answer with status 200.
    Good,
    /// An answer with another status.
    Answered,
    /// Reset, told to go away, or closed.
    Refused,
}

fn ask(url: &str, fields: &Fields<'_>, body: &str) -> End {
    let block: Vec<u8> = fields.iter().flat_map(|(name, value)| field(name, value)).collect();
    let mut bytes = PREFACE.to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    bytes.extend(frame(HEADERS, if body.is_empty() { 5 } else { 4 }, 1, &block));
    if !body.is_empty() {
        bytes.extend(frame(DATA, 1, 1, body.as_bytes()));
    }
    let mut stream = TcpStream::connect(address(url)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(&bytes).unwrap();
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).is_err() {
            return End::Refused;
        }
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        if stream.read_exact(&mut payload).is_err() {
            return End::Refused;
        }
        match (head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]])) {
            // 8 of the static table is `:status: 200`.
            (HEADERS, 1) if payload[0] == 0x88 => return End::Good,
            (HEADERS, 1) => return End::Answered,
            (RST_STREAM | GOAWAY, _) => return End::Refused,
            _ => {}
        }
    }
}

#[test]
fn forbidden_headers_end_the_stream() {
    let world = World::get();
    let (token, reader) = (world.good(), world.token(&world.reader, super::world::CONTROL_AUDIENCE));
    let (bearer, row) = (format!("Bearer {token}"), World::row());
    let authority = address(world.url());
    let base = || -> Fields<'_> {
        vec![
            (":method", "POST"),
            (":scheme", "http"),
            (":path", FRONT),
            (":authority", authority),
            ("content-type", "application/json"),
            ("authorization", &bearer),
        ]
    };
    assert_eq!(ask(world.url(), &base(), &row), End::Good, "the control");
    let with = |name: &'static str, value: &'static str| {
        let mut fields = base();
        fields.push((name, value));
        fields
    };
    let without = |name: &str| base().into_iter().filter(|(n, _)| *n != name).collect::<Fields<'_>>();
    let set = |name: &str, value: &'static str| {
        base().into_iter().map(|(n, v)| (n, if n == name { value } else { v })).collect::<Fields<'_>>()
    };
    let mut late = without(":path");
    late.push((":path", FRONT));
    let refused: Vec<(&str, Fields<'_>)> = vec![
        ("connection", with("connection", "close")),
        ("connection-lists", with("connection", "authorization")),
        ("keep-alive", with("keep-alive", "timeout=5")),
        ("proxy-connection", with("proxy-connection", "keep-alive")),
        ("transfer-encoding", with("transfer-encoding", "chunked")),
        ("upgrade", with("upgrade", "h2c")),
        ("te-gzip", with("te", "gzip")),
        ("upper-name", with("X-Upper", "a")),
        ("empty-name", with("", "a")),
        ("name-space", with("x y", "a")),
        ("name-colon", with("x:y", "a")),
        ("name-lf", with("x\ny", "a")),
        ("value-lf", with("x", "a\nb")),
        ("value-cr", with("x", "a\rb")),
        ("value-crlf", with("x", "a\r\nauthorization: Bearer b")),
        ("value-nul", with("x", "a\0b")),
        ("unknown-pseudo", with(":unknown", "a")),
        ("status-pseudo", with(":status", "200")),
        ("pseudo-late", late),
        ("method-twice", {
            let mut f = base();
            f.insert(0, (":method", "GET"));
            f
        }),
        ("path-twice", {
            let mut f = base();
            f.insert(0, (":path", "/health"));
            f
        }),
        ("authority-twice", {
            let mut f = base();
            f.insert(0, (":authority", "evil.example"));
            f
        }),
        ("no-method", without(":method")),
        ("no-path", without(":path")),
        ("no-scheme", without(":scheme")),
        ("method-space", set(":method", "POST /x")),
        ("method-crlf", set(":method", "POST / HTTP/1.1\r\nHost: a\r\n\r\nGET")),
        ("path-empty", set(":path", "")),
        ("path-relative", set(":path", "team/small/score")),
        ("path-space", set(":path", "/team/small/score HTTP/1.1")),
        ("path-crlf", set(":path", "/team/small/score\r\nx: y")),
        ("path-nul", set(":path", "/team/small/score\0")),
        ("authority-bad", set(":authority", "a b")),
        ("scheme-bad", set(":scheme", "http://a/?")),
        ("length-short", with("content-length", "1")),
        ("length-long", with("content-length", "9999")),
        ("length-text", with("content-length", "many")),
        ("length-twice", {
            let mut f = with("content-length", "1");
            f.push(("content-length", "2"));
            f
        }),
        ("authorization-twice", {
            let mut f = base();
            f.push(("authorization", "Bearer x"));
            f
        }),
        ("no-authorization", without("authorization")),
        ("cookie", {
            let mut f = without("authorization");
            f.push(("cookie", &bearer));
            f
        }),
        ("connect", set(":method", "CONNECT")),
        ("trace", set(":method", "TRACE")),
    ];
    let breaches: Vec<String> = refused
        .iter()
        .map(|(id, fields)| (id, ask(world.url(), fields, &row)))
        .filter(|(_, end)| *end == End::Good)
        .map(|(id, end)| format!("{id}: {end:?}"))
        .collect();
    eprintln!("http2 headers: {} cases, {} breaches", refused.len(), breaches.len());
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
    let reader = format!("Bearer {reader}");
    let control = |authority: &'static str, host: Option<&'static str>| {
        let mut fields: Fields<'_> = vec![
            (":method", "GET"),
            (":scheme", "http"),
            (":path", CONTROL),
            (":authority", authority),
            ("authorization", &reader),
        ];
        fields.extend(host.map(|host| ("host", host)));
        ask(world.url(), &fields, "")
    };
    assert_eq!(control("127.0.0.1", None), End::Good, "the control");
    assert_eq!(control("evil.example", None), End::Answered, "a foreign authority (DNS rebinding)");
    assert_ne!(control("127.0.0.1", Some("evil.example")), End::Good, "a host beside the authority");
    assert_ne!(control("evil.example", Some("127.0.0.1")), End::Good, "an authority beside the host");
}
