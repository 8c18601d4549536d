//! HTTP/1 on the raw stream (RFC 9112): whatever has two readings is refused and the connection closed, so that no second
//! request hides in a first.

use super::wire::{address, talk};
use super::world::{CONTROL, FRONT, World};
use super::{Expect, Group};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A head of a scoring call with a good token, then these lines.
fn head(world: &World, lines: &str) -> String {
    format!(
        "POST {FRONT} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\nAuthorization: Bearer {}\r\n{lines}\r\n",
        world.good()
    )
}

#[test]
fn a_body_has_one_length() {
    let world = World::get();
    let mut group = Group::new("framing of bodies", world.url());
    let row = World::row();
    let n = row.len();
    let chunk = format!("{n:x}\r\n{row}\r\n0\r\n\r\n");
    use Expect::{Accepted, Status};
    let cl = format!("Content-Length: {n}\r\n");
    let te = "Transfer-Encoding: chunked\r\n";
    let mut add = |id: &str, why: &'static str, lines: &str, body: &str, expect: Expect| {
        group.add(id, why, head(&world, lines) + body, expect);
    };
    add("good-length", "the control", &cl, &row, Accepted);
    add("good-chunked", "the control", te, &chunk, Accepted);
    add(
        "good-extension",
        "an extension is passed over",
        te,
        &format!("{n:x};a=b\r\n{row}\r\n0\r\n\r\n"),
        Accepted,
    );
    add(
        "good-trailer",
        "a trailer is passed over",
        te,
        &format!("{n:x}\r\n{row}\r\n0\r\nX: y\r\n\r\n"),
        Accepted,
    );
    for (id, lines) in [
        ("cl-te", format!("{cl}{te}")),
        ("te-cl", format!("{te}{cl}")),
        ("cl-zero-te", format!("Content-Length: 0\r\n{te}")),
        ("te-cl-zero", format!("{te}Content-Length: 0\r\n")),
        ("cl-x-te", format!("{cl}X: y\r\n{te}")),
        ("te-cl-upper", format!("TRANSFER-ENCODING: chunked\r\nCONTENT-LENGTH: {n}\r\n")),
        ("cl-te-space", format!("{cl}Transfer-Encoding : chunked\r\n")),
        ("cl-te-tab", format!("{cl}Transfer-Encoding:\tchunked\r\n")),
        ("cl-te-fold", format!("{cl}Transfer-Encoding:\r\n chunked\r\n")),
        ("cl-te-x", format!("{cl}Transfer-Encoding: xchunked\r\n")),
    ] {
        add(id, "two lengths, in either order", &lines, &chunk, Status(400));
    }
    for (id, lines) in [
        ("cl-same", format!("{cl}{cl}")),
        ("cl-different", format!("{cl}Content-Length: 0\r\n")),
        ("cl-different-back", format!("Content-Length: 0\r\n{cl}")),
        ("cl-list", format!("Content-Length: {n}, {n}\r\n")),
        ("cl-list-different", format!("Content-Length: {n}, 0\r\n")),
        ("cl-plus", format!("Content-Length: +{n}\r\n")),
        ("cl-minus", "Content-Length: -1\r\n".into()),
        ("cl-hex", format!("Content-Length: 0x{n:x}\r\n")),
        ("cl-float", format!("Content-Length: {n}.0\r\n")),
        ("cl-exponent", "Content-Length: 1e2\r\n".into()),
        ("cl-underscore", "Content-Length: 1_0\r\n".into()),
        ("cl-inner-space", "Content-Length: 1 0\r\n".into()),
        ("cl-empty", "Content-Length:\r\n".into()),
        ("cl-text", "Content-Length: many\r\n".into()),
        ("cl-huge", "Content-Length: 18446744073709551616\r\n".into()),
        ("cl-wrap", format!("Content-Length: 1844674407370955161{}\r\n", 6 + n % 4)),
        ("cl-arabic", "Content-Length: \u{661}\u{660}\r\n".into()),
        ("cl-name-space", format!("Content-Length : {n}\r\n")),
        ("cl-name-nul", format!("Content\0-Length: {n}\r\n")),
        ("cl-vt", format!("Content-Length: \x0b{n}\r\n")),
    ] {
        add(id, "one length, of digits", &lines, &row, Status(400));
    }
    for (id, value) in [
        ("xchunked", "xchunked"),
        ("chunkedx", "chunkedx"),
        ("twice", "chunked, chunked"),
        ("gzip", "gzip, chunked"),
        ("after", "chunked, gzip"),
        ("identity", "identity"),
        ("identity-chunked", "identity, chunked"),
        ("chunked-identity", "chunked, identity"),
        ("empty", ""),
        ("quoted", "\"chunked\""),
        ("parameter", "chunked;q=1"),
        ("comma", "chunked,"),
        ("leading-comma", ",chunked"),
        ("vt", "\x0bchunked"),
        ("ff", "chunked\x0c"),
        ("nul", "chunked\0"),
        ("cow", "cow"),
        ("bell", "\x07chunked"),
        ("utf8", "chunke\u{501}"),
        ("nbsp", "\u{a0}chunked"),
    ] {
        let lines = format!("Transfer-Encoding: {value}\r\n");
        add(&format!("te-{id}"), "exactly chunked or nothing", &lines, &chunk, Status(400));
    }
    for (id, lines) in [
        ("te-twice-lines", format!("{te}{te}")),
        ("te-then-identity", format!("{te}Transfer-Encoding: identity\r\n")),
        ("te-identity-then", format!("Transfer-Encoding: identity\r\n{te}")),
        ("te-line-start", format!("X: y\r\n Transfer-Encoding: chunked\r\n{cl}")),
        ("te-lf", format!("X: y\nTransfer-Encoding: chunked\r\n{cl}")),
        ("te-cr", format!("X: y\rTransfer-Encoding: chunked\r\n{cl}")),
        ("te-no-colon", format!("Transfer-Encoding chunked\r\n{cl}")),
        ("te-name-quote", format!("Transfer\"Encoding: chunked\r\n{cl}")),
    ] {
        add(id, "a line says what it says, once", &lines, &chunk, Status(400));
    }
    add("te-upper", "names of codings have no case", "Transfer-Encoding: CHUNKED\r\n", &chunk, Accepted);
    for (id, body) in [
        ("size-minus", format!("-{n:x}\r\n{row}\r\n0\r\n\r\n")),
        ("size-plus", format!("+{n:x}\r\n{row}\r\n0\r\n\r\n")),
        ("size-0x", format!("0x{n:x}\r\n{row}\r\n0\r\n\r\n")),
        ("size-space", format!("{n:x} \r\n{row}\r\n0\r\n\r\n")),
        ("size-leading-space", format!(" {n:x}\r\n{row}\r\n0\r\n\r\n")),
        ("size-underscore", format!("{n:x}_\r\n{row}\r\n0\r\n\r\n")),
        ("size-empty", format!("\r\n{row}\r\n0\r\n\r\n")),
        ("size-long", format!("00000000000000000{n:x}\r\n{row}\r\n0\r\n\r\n")),
        ("size-huge", format!("ffffffffffffffff\r\n{row}\r\n0\r\n\r\n")),
        ("size-wrap", format!("100000000000000{n:02x}\r\n{row}\r\n0\r\n\r\n")),
        ("size-lf", format!("{n:x}\n{row}\r\n0\r\n\r\n")),
        ("size-lf-extension", format!("{n:x};a\nb\r\n{row}\r\n0\r\n\r\n")),
        ("size-cr-extension", format!("{n:x};a\rb\r\n{row}\r\n0\r\n\r\n")),
        ("size-nul-extension", format!("{n:x};\0\r\n{row}\r\n0\r\n\r\n")),
        ("size-extension-long", format!("{n:x};{}\r\n{row}\r\n0\r\n\r\n", "a".repeat(2000))),
        ("end-lf", format!("{n:x}\r\n{row}\n0\r\n\r\n")),
        ("end-cr", format!("{n:x}\r\n{row}\r0\r\n\r\n")),
        ("end-missing", format!("{n:x}\r\n{row}0\r\n\r\n")),
        ("short", format!("{:x}\r\n{row}\r\n0\r\n\r\n", n - 1)),
        ("long", format!("{:x}\r\n{row}\r\n0\r\n\r\n", n + 1)),
        ("trailer-lf", format!("{n:x}\r\n{row}\r\n0\r\nX: y\n\r\n")),
        ("trailer-nul", format!("{n:x}\r\n{row}\r\n0\r\nX: \0\r\n\r\n")),
        ("no-end", format!("{n:x}\r\n{row}\r\n")),
        ("cut", format!("{n:x}\r\n{}", &row[..n / 2])),
    ] {
        let expect = if ["no-end", "cut"].contains(&id) { Expect::Cut } else { Expect::Broken };
        add(&format!("chunk-{id}"), "strict chunk lines, a whole body", te, &body, expect);
    }
    add("cl-cut", "a body that breaks off", &cl, &row[..n / 2], Expect::Cut);
    let old = head(&world, te).replace("HTTP/1.1", "HTTP/1.0") + &chunk;
    group.add("te-old", "no chunks in HTTP/1.0", old, Status(400));
    group.run();
}

#[test]
fn a_head_has_one_reading() {
    let world = World::get();
    let mut group = Group::new("framing of heads", world.url());
    use Expect::{Closed, OneOf, Status};
    let auth = format!("Authorization: Bearer {}\r\n", world.good());
    let mut add =
        |id: &str, why: &'static str, text: String, expect: Expect| group.add(id, why, text, expect);
    let line = |line: &str| format!("{line}\r\nHost: 127.0.0.1\r\nConnection: close\r\n{auth}\r\n");
    for (id, text) in [
        ("two-spaces", line("GET  /health HTTP/1.1")),
        ("tab", line("GET\t/health HTTP/1.1")),
        ("space-target", line("GET /health /x HTTP/1.1")),
        ("trailing-space", line("GET /health HTTP/1.1 ")),
        ("leading-space", line(" GET /health HTTP/1.1")),
        ("no-version", line("GET /health")),
        ("lower-version", line("GET /health http/1.1")),
        ("no-target", line("GET HTTP/1.1")),
        ("relative", line("GET health HTTP/1.1")),
        ("star", line("GET * HTTP/1.1")),
        ("authority", line("GET 127.0.0.1:80 HTTP/1.1")),
        ("fragment", line("GET /health#x HTTP/1.1")),
        ("non-ascii", line("GET /h\u{e9}alth HTTP/1.1")),
        ("nul", line("GET /health\0 HTTP/1.1")),
        ("control", line("GET /he\x01alth HTTP/1.1")),
        ("del", line("GET /health\x7f HTTP/1.1")),
        ("ftp", line("GET ftp://127.0.0.1/health HTTP/1.1")),
        ("file", line("GET file:///etc/passwd HTTP/1.1")),
        ("empty-method", line(" /health HTTP/1.1")),
        ("method-paren", line("G(T /health HTTP/1.1")),
        ("method-colon", line("GET: /health HTTP/1.1")),
        ("connect", line("CONNECT 127.0.0.1:22 HTTP/1.1")),
        ("connect-path", line("CONNECT /health HTTP/1.1")),
        ("inner-method", line("REFUSED /health HTTP/1.1")),
        ("bare-lf", line("GET /health HTTP/1.1").replace("\r\n", "\n")),
        ("bare-cr", line("GET /health HTTP/1.1").replace("\r\n", "\r")),
        ("lf-in-line", line("GET /health\n HTTP/1.1")),
        ("two-blank-lines", format!("\r\n\r\n{}", line("GET /health HTTP/1.1"))),
        ("tls", "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03\r\n\r\n".to_owned()),
        ("garbage", "\x01\x02\x03\x04\r\n\r\n".to_owned()),
        ("ssh", "SSH-2.0-OpenSSH_9.6\r\n\r\n".to_owned()),
        ("http-0.9", "GET /health\r\n\r\n".to_owned()),
    ] {
        // Without a line feed the head has no end: only its client's leaving, or time, ends it.
        let expect = if id == "bare-cr" { Expect::Cut } else { Status(400) };
        add(&format!("line-{id}"), "a request line is method, target, version", text, expect);
    }
    for version in [
        "HTTP/2.0",
        "HTTP/3.0",
        "HTTP/1.2",
        "HTTP/1.10",
        "HTTP/0.9",
        "HTTP/11",
        "HTTP/1.",
        "HTTP/",
        "HTTP/1.1x",
    ] {
        let text = line(&format!("GET /health {version}"));
        add(&format!("version-{version}"), "1.0 and 1.1 only", text, Status(505));
    }
    let fields = |lines: &str| format!("GET {CONTROL} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n");
    for (id, lines) in [
        ("no-host", String::new()),
        ("two-hosts", "Host: 127.0.0.1\r\nHost: 127.0.0.1\r\n".into()),
        ("two-hosts-different", "Host: 127.0.0.1\r\nHost: evil.example\r\n".into()),
        ("two-hosts-case", "Host: 127.0.0.1\r\nHOST: evil.example\r\n".into()),
        ("host-list", "Host: 127.0.0.1, evil.example\r\n".into()),
        ("host-space", "Host: 127.0.0.1 evil.example\r\n".into()),
        ("host-path", "Host: 127.0.0.1/x\r\n".into()),
        ("host-userinfo", "Host: evil@127.0.0.1\r\n".into()),
        ("host-backslash", "Host: 127.0.0.1\\x\r\n".into()),
        ("host-query", "Host: 127.0.0.1?x\r\n".into()),
        ("host-fragment", "Host: 127.0.0.1#x\r\n".into()),
        ("host-quote", "Host: \"127.0.0.1\"\r\n".into()),
        ("host-nul", "Host: 127.0.0.1\0\r\n".into()),
        ("host-utf8", "Host: \u{ff11}27.0.0.1\r\n".into()),
        ("host-name-space", "Host : 127.0.0.1\r\n".into()),
        ("host-folded", "Host:\r\n 127.0.0.1\r\n".into()),
        ("fold-space", "Host: 127.0.0.1\r\nX: a\r\n b\r\n".into()),
        ("fold-tab", "Host: 127.0.0.1\r\nX: a\r\n\tb\r\n".into()),
        ("fold-first", " X: a\r\nHost: 127.0.0.1\r\n".into()),
        ("no-colon", "Host: 127.0.0.1\r\nX\r\n".into()),
        ("no-name", "Host: 127.0.0.1\r\n: x\r\n".into()),
        ("name-space", "Host: 127.0.0.1\r\nX y: z\r\n".into()),
        ("name-slash", "Host: 127.0.0.1\r\nX/y: z\r\n".into()),
        ("name-utf8", "Host: 127.0.0.1\r\n\u{fc}: z\r\n".into()),
        ("value-nul", "Host: 127.0.0.1\r\nX: \0\r\n".into()),
        ("value-cr", "Host: 127.0.0.1\r\nX: a\rb\r\n".into()),
        ("value-lf", "Host: 127.0.0.1\r\nX: a\nY: b\r\n".into()),
        ("value-escape", "Host: 127.0.0.1\r\nX: \x1b[31m\r\n".into()),
        ("value-del", "Host: 127.0.0.1\r\nX: \x7f\r\n".into()),
    ] {
        add(&format!("field-{id}"), "a field is one plain line", fields(&lines), Status(400));
    }
    for (id, target) in [
        ("other", "http://evil.example/health"),
        ("userinfo", "http://127.0.0.1@evil.example/health"),
        ("port", "http://127.0.0.1:1/health"),
        ("longer", "http://127.0.0.1.evil.example/health"),
        ("empty", "http:///health"),
        ("backslash", "http://evil.example\\@127.0.0.1/health"),
    ] {
        let text = line(&format!("GET {target} HTTP/1.1"));
        add(&format!("absolute-{id}"), "the authority is the Host's", text, Status(400));
    }
    for (id, text, expect) in [
        ("line-70k", line(&format!("GET /{} HTTP/1.1", "a".repeat(70_000))), OneOf(&[431, 414])),
        ("field-70k", fields(&format!("Host: 127.0.0.1\r\nX: {}\r\n", "a".repeat(70_000))), Status(431)),
        ("name-70k", fields(&format!("Host: 127.0.0.1\r\n{}: x\r\n", "a".repeat(70_000))), Status(431)),
        ("fields-101", fields(&format!("Host: 127.0.0.1\r\n{}", "X: y\r\n".repeat(101))), Status(431)),
        ("fields-5000", fields(&format!("Host: 127.0.0.1\r\n{}", "X: y\r\n".repeat(5000))), Status(431)),
        ("endless", "X".repeat(200_000), Status(431)),
        (
            "request-id",
            fields(&format!("Host: 127.0.0.1\r\n{auth}X-Request-Id: {}\r\n", "a".repeat(5000))),
            OneOf(&[401, 431]),
        ),
        ("silence", String::new(), Closed),
    ] {
        add(&format!("size-{id}"), "a head has a limit", text, expect);
    }
    group.run();
}

#[test]
fn a_smuggled_request_is_never_answered() {
    let world = World::get();
    let hidden = format!(
        "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-Id: smuggled\r\nAuthorization: Bearer {}\r\n\r\n",
        world.good()
    );
    let row = World::row();
    let n = row.len();
    let ways: Vec<(&str, String)> = vec![
        (
            "cl-te",
            format!(
                "{}0\r\n\r\n{hidden}",
                head(
                    &world,
                    &format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", 5 + hidden.len())
                )
            ),
        ),
        (
            "te-cl",
            format!(
                "{}0\r\n\r\n{hidden}",
                head(&world, "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n")
            ),
        ),
        (
            "cl-cl",
            format!(
                "{}{row}{hidden}",
                head(&world, &format!("Content-Length: {n}\r\nContent-Length: {}\r\n", n + hidden.len()))
            ),
        ),
        (
            "te-te",
            format!(
                "{}0\r\n\r\n{hidden}",
                head(&world, "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n")
            ),
        ),
        ("te-space", format!("{}0\r\n\r\n{hidden}", head(&world, "Transfer-Encoding : chunked\r\n"))),
        ("te-fold", format!("{}0\r\n\r\n{hidden}", head(&world, "X: y\r\n\tTransfer-Encoding: chunked\r\n"))),
        ("chunk-cr", format!("{}1\r\nZ\r\n0\r\n\r{hidden}", head(&world, "Transfer-Encoding: chunked\r\n"))),
        (
            "chunk-extension",
            format!("{}0;\n\r\n\r\n{hidden}", head(&world, "Transfer-Encoding: chunked\r\n")),
        ),
        ("host-host", format!("GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n{hidden}")),
        ("bare-lf", format!("GET /health HTTP/1.1\nHost: 127.0.0.1\n\n{hidden}")),
        ("no-host", format!("GET /health HTTP/1.1\r\n\r\n{hidden}")),
        ("version", format!("GET /health HTTP/3.0\r\nHost: 127.0.0.1\r\n\r\n{hidden}")),
        ("closed", format!("{}{row}{hidden}", head(&world, &format!("Content-Length: {n}\r\n")))),
        (
            "refused-401",
            format!(
                "POST {FRONT} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n{hidden}"
            ),
        ),
    ];
    let mut breaches = Vec::new();
    for (id, bytes) in &ways {
        let answers = talk(world.url(), bytes.as_bytes());
        let seen = answers
            .iter()
            .filter(|a| a.header("x-request-id").as_deref() == Some("smuggled") || a.text() == "ok")
            .count();
        // A broken body may also end the connection without an answer.
        if answers.len() > 1 || seen != 0 {
            breaches.push(format!("{id}: {} answers, {seen} to the hidden request", answers.len()));
        }
    }
    eprintln!("smuggled requests: {} cases, {} breaches", ways.len(), breaches.len());
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
    // A body that looks like a request stays a body, and two good requests have two answers.
    let kept = format!(
        "POST {FRONT} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n\r\n{hidden}",
        hidden.len()
    );
    let last = "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    let answers = talk(world.url(), format!("{kept}{last}").as_bytes());
    let statuses: Vec<u16> = answers.iter().map(|a| a.status).collect();
    assert_eq!(statuses, [401, 200], "a body is never read as a request");
}

#[test]
fn methods_that_nobody_serves_do_nothing() {
    let world = World::get();
    let mut group = Group::new("methods", world.url());
    let reader = world.token(&world.reader, super::world::CONTROL_AUDIENCE);
    let good = world.good();
    for method in [
        "TRACE", "TRACK", "DEBUG", "PROPFIND", "MOVE", "COPY", "PATCH", "get", "Post", "PRI", "FOO",
        "DELETE", "PUT",
    ] {
        for (door, path, bearer) in [
            ("front", FRONT, good.as_str()),
            ("direct", super::world::DIRECT, world.road.key()),
            ("control", CONTROL, &reader),
            ("health", "/health", ""),
            ("token", &format!("/{}/oauth2/token", world.tenant), ""),
        ] {
            let line = format!("Authorization: Bearer {bearer}");
            let bytes = super::wire::request(method, path, &[&line], b"");
            let expect = Expect::OneOf(&[400, 404, 405]);
            group.add(format!("{door}-{method}"), "no such method here", bytes, expect);
        }
    }
    for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"] {
        let lines = [format!("Authorization: Bearer {reader}"), format!("{name}: DELETE")];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let bytes = super::wire::request("GET", "/api/v1/endpoints/small", &lines, b"");
        group.add(
            format!("override-{name}"),
            "the method is that of the request line",
            bytes,
            Expect::Status(200),
        );
    }
    let echo = super::wire::request("TRACE", "/health", &["X-Secret: abc"], b"");
    let answer = talk(world.url(), &echo).remove(0);
    assert!(!answer.text().contains("abc"), "TRACE echoes nothing");
    group.run();
    let still = super::wire::talk(world.url(), &super::wire::get("/api/v1/endpoints/small", &reader));
    assert_eq!(still[0].status, 200, "nothing was deleted");
}

#[test]
fn a_connection_is_over_after_a_refusal() {
    let world = World::get();
    let mut stream = TcpStream::connect(address(world.url())).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\n\r\n").unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    let text = String::from_utf8_lossy(&all);
    assert!(text.starts_with("HTTP/1.1 400 ") && text.to_lowercase().contains("connection: close"), "{text}");
}
