//! Raw requests and their answers.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// One answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its fields in order.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A field's value; several are joined, so that a second one is seen.
    pub fn header(&self, name: &str) -> Option<String> {
        let all: Vec<&str> = self
            .headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
            .collect();
        (!all.is_empty()).then(|| all.join(" && "))
    }

    /// Its body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The address in a base URL.
pub fn address(url: &str) -> &str {
    url.strip_prefix("http://").unwrap()
}

/// Sends bytes on a new connection and reads until the server closes.
pub fn talk(url: &str, bytes: &[u8]) -> Vec<Answer> {
    talk_and(url, bytes, false)
}

/// The same; `half_closed` says to the server that no more will come, which ends a request in hand.
pub fn talk_and(url: &str, bytes: &[u8], half_closed: bool) -> Vec<Answer> {
    let mut stream = TcpStream::connect(address(url)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    // A server that has refused may close while we still write.
    let _ = stream.write_all(bytes);
    if half_closed {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    parse(&all)
}

/// Takes a stream of answers apart by their own lengths.
fn parse(mut bytes: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while let Some(end) = find(bytes, b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':').map(|(n, v)| (n.to_lowercase(), v.trim().to_owned())))
            .collect();
        let length = headers.iter().find(|(n, _)| n == "content-length").and_then(|(_, v)| v.parse().ok());
        let rest = &bytes[end + 4..];
        // Without a length (chunked, or until the end) the rest belongs to this answer.
        let length = length.unwrap_or(rest.len()).min(rest.len());
        answers.push(Answer { status: status.unwrap_or(0), headers, body: rest[..length].to_vec() });
        bytes = &rest[length..];
    }
    answers
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// What every answer must and must not have, whatever was asked.
pub fn unclean(answer: &Answer) -> Option<String> {
    if answer.status >= 500 && answer.status != 505 {
        return Some(format!("a fault of the server: {} {}", answer.status, answer.text()));
    }
    for (name, wanted) in [("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer")] {
        if answer.header(name).as_deref() != Some(wanted) {
            return Some(format!("{name} is {:?} with status {}", answer.header(name), answer.status));
        }
    }
    if !answer.header("content-security-policy").is_some_and(|csp| csp.starts_with("default-src 'none'")) {
        return Some(format!("no strict content security policy with status {}", answer.status));
    }
    let text = answer.text();
    let leak = ["panicked", "/src/", "RUST_BACKTRACE", "sqlx", "SELECT "]
        .into_iter()
        .find(|word| text.contains(word));
    leak.map(|word| format!("'{word}' in {text}"))
}

/// A request's head and body, as simple as can be. `extra` are whole lines without their ends.
pub fn request(method: &str, target: &str, extra: &[&str], body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n").into_bytes();
    for line in extra {
        bytes.extend_from_slice(line.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    if !body.is_empty() || matches!(method, "POST" | "PUT") {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// POST of JSON with a bearer.
pub fn post(target: &str, bearer: &str, body: &str) -> Vec<u8> {
    let line = format!("Authorization: Bearer {bearer}");
    request("POST", target, &[&line, "Content-Type: application/json"], body.as_bytes())
}

/// GET with a bearer.
pub fn get(target: &str, bearer: &str) -> Vec<u8> {
    request("GET", target, &[&format!("Authorization: Bearer {bearer}")], b"")
}
