//! Follows requests along one HTTP/1 connection, so that every head is seen, whatever bodies stand between them.
//!
//! The follower and the engine must agree where each body ends. It holds because the follower accepts only messages with one
//! reading: one Content-Length of digits, or exactly `chunked` with strict chunk lines; whatever else there is, is refused.

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;

use super::head::{self, BodyFraming, Refusal};

/// The longest chunk-size line, extensions included.
const CHUNK_LINE_MAX: usize = 1024;
/// The most bytes of trailer fields.
const TRAILERS_MAX: usize = 8192;
/// The first head of an HTTP/2 connection (RFC 9113 §3.4).
const PREFACE_HEAD: &[u8] = b"PRI * HTTP/2.0\r\n\r\n";

/// An empty line.
const BLANK: &[u8] = b"\r\n";

/// Where on the connection the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Head,
    Length(u64),
    ChunkLine,
    Chunk(u64),
    ChunkEnd,
    Trailers(usize),
    /// HTTP/2: the engine's framing is checked by itself.
    Raw,
}

/// What a piece of the stream means.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// So many bytes may be handed on.
    pub(super) pass: usize,
    /// Why the byte after them may not; the connection is then over.
    pub(super) refusal: Option<Refusal>,
}

/// The follower of one connection.
#[derive(Debug)]
pub(super) struct Follower {
    place: Place,
    head_max: usize,
    /// Bytes of the current unfinished head that were searched for its end.
    searched: usize,
    fresh: bool,
    /// Heads handed on so far, round the number's end.
    heads: u32,
}

impl Follower {
    pub(super) fn new(head_max: usize) -> Self {
        Self { place: Place::Head, head_max, searched: 0, fresh: true, heads: 0 }
    }

    /// Whether the connection stands between two requests.
    pub(super) fn between(&self) -> bool {
        matches!(self.place, Place::Head)
    }

    /// Whether the client speaks HTTP/2.
    pub(super) fn raw(&self) -> bool {
        matches!(self.place, Place::Raw)
    }

    /// Whether bytes that wait for more say nothing yet.
    pub(super) fn blank(&self, held: &[u8]) -> bool {
        held.is_empty() || self.between() && BLANK.starts_with(held)
    }

    /// Whether nothing was handed on that belongs to a request after the first `answered` (counted round the number's end).
    pub(super) fn done(&self, answered: u32) -> bool {
        self.between() && self.heads == answered
    }

    /// Whether no request was seen yet.
    pub(super) fn fresh(&self) -> bool {
        self.fresh
    }

    /// Judges the bytes that follow those passed so far. Bytes not passed must be offered again, with more behind them.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Progress {
        let mut pass = 0;
        while pass < bytes.len() {
            match self.step(&bytes[pass..]) {
                Ok(0) => break,
                Ok(n) => pass += n,
                Err(refusal) => {
                    return Progress { pass, refusal: Some(refusal) };
                }
            }
        }
        Progress { pass, refusal: None }
    }

    /// One element: a head, a piece of a body, a line. 0 when it is not complete.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        match self.place {
            Place::Raw => Ok(bytes.len()),
            Place::Head => self.head(bytes),
            Place::Length(left) => {
                let (n, left) = take(bytes, left);
                self.place = if left == 0 { Place::Head } else { Place::Length(left) };
                Ok(n)
            }
            Place::ChunkLine => self.chunk_line(bytes),
            Place::Chunk(left) => {
                let (n, left) = take(bytes, left);
                self.place = if left == 0 { Place::ChunkEnd } else { Place::Chunk(left) };
                Ok(n)
            }
            Place::ChunkEnd => {
                let line = line(bytes, 2)?;
                if line.is_some_and(|l| !l.is_empty()) {
                    return Err(Refusal::Malformed("a chunk is longer than it said"));
                }
                self.place = if line.is_some() { Place::ChunkLine } else { Place::ChunkEnd };
                Ok(line.map_or(0, |_| 2))
            }
            Place::Trailers(so_far) => self.trailer(bytes, so_far),
        }
    }

    fn head(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        // One empty line before a request is passed over (RFC 9112 §2.2); some old clients send it after a body. It waits here
        // for the head behind it: the engine holds its answers back while it has unread bytes.
        let blank = if bytes.starts_with(BLANK) { BLANK.len() } else { 0 };
        if BLANK.starts_with(bytes) {
            return Ok(0);
        }
        let Some(length) = self.end_of_head(&bytes[blank..])? else {
            return Ok(0);
        };
        let (head, length) = (&bytes[blank..blank + length], blank + length);
        if length > self.head_max {
            return Err(Refusal::TooLarge);
        }
        self.searched = 0;
        if std::mem::take(&mut self.fresh) && blank == 0 && head == PREFACE_HEAD {
            self.place = Place::Raw;
            return Ok(length);
        }
        let framing = head::check(head)?;
        self.heads = self.heads.wrapping_add(1);
        self.place = match framing {
            BodyFraming::Length(0) => Place::Head,
            BodyFraming::Length(n) => Place::Length(n),
            BodyFraming::Chunked => Place::ChunkLine,
        };
        Ok(length)
    }

    /// The length of the head at the start of `bytes`; each byte is searched once, however slowly they come.
    fn end_of_head(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        while let Some(at) = memchr::memchr(b'\n', &bytes[self.searched..]) {
            let at = self.searched + at;
            if at == 0 || bytes[at - 1] != b'\r' {
                return Err(Refusal::Malformed("a line that ends without CR"));
            }
            if at >= 3 && bytes[at - 3..at] == *b"\r\n\r" || at == 1 {
                return Ok(Some(at + 1));
            }
            self.searched = at + 1;
        }
        self.searched = bytes.len();
        if bytes.len() > self.head_max { Err(Refusal::TooLarge) } else { Ok(None) }
    }

    fn chunk_line(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        let Some(line) = line(bytes, CHUNK_LINE_MAX)? else {
            return Ok(0);
        };
        let digits = line.iter().position(|b| !b.is_ascii_hexdigit()).unwrap_or(line.len());
        let (size, extension) = line.split_at(digits);
        let plain = extension.iter().all(|b| (0x20..0x7f).contains(b) || *b == b'\t');
        if digits == 0 || digits > 15 || !plain || !matches!(extension.first(), None | Some(b';')) {
            return Err(Refusal::Malformed("a chunk's size is malformed"));
        }
        let size = size.iter().fold(0u64, |n, b| n * 16 + u64::from(hex(*b)));
        self.place = if size == 0 { Place::Trailers(0) } else { Place::Chunk(size) };
        Ok(line.len() + 2)
    }

    fn trailer(&mut self, bytes: &[u8], so_far: usize) -> Result<usize, Refusal> {
        let Some(line) = line(bytes, TRAILERS_MAX)? else {
            return Ok(0);
        };
        let total = so_far + line.len() + 2;
        if total > TRAILERS_MAX {
            return Err(Refusal::TooLarge);
        }
        if line.iter().any(|b| (*b < 0x20 && *b != b'\t') || *b == 0x7f) {
            return Err(Refusal::Malformed("a control character in a trailer"));
        }
        self.place = if line.is_empty() { Place::Head } else { Place::Trailers(total) };
        Ok(line.len() + 2)
    }
}

fn take(bytes: &[u8], left: u64) -> (usize, u64) {
    let n = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    (n, left - n as u64)
}

/// The line at the start of `bytes` without its CR LF; none when it is not complete.
fn line(bytes: &[u8], most: usize) -> Result<Option<&[u8]>, Refusal> {
    let window = &bytes[..bytes.len().min(most)];
    match memchr::memchr(b'\n', window) {
        Some(at) if at > 0 && bytes[at - 1] == b'\r' => Ok(Some(&bytes[..at - 1])),
        Some(_) => Err(Refusal::Malformed("a line that ends without CR")),
        None if bytes.len() >= most => Err(Refusal::Malformed("a line of the chunked coding is too long")),
        None => Ok(None),
    }
}

const fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds a stream in pieces of `size` bytes; gives what passed and the refusal.
    fn feed(stream: &[u8], size: usize) -> (Vec<u8>, Option<Refusal>) {
        let mut follower = Follower::new(1000);
        let (mut held, mut passed) = (Vec::new(), Vec::new());
        for piece in stream.chunks(size) {
            held.extend_from_slice(piece);
            let progress = follower.advance(&held);
            passed.extend(held.drain(..progress.pass));
            if progress.refusal.is_some() {
                return (passed, progress.refusal);
            }
        }
        (passed, None)
    }

    const GOOD: &[u8] = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nPOST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /\
        \r\nPOST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\n\
        GET /d HTTP/1.1\r\nHost: a\r\n\r\n";

    #[test]
    fn a_good_stream_passes_however_it_is_cut() {
        for size in [1, 2, 3, 7, 64, GOOD.len()] {
            let (passed, refusal) = feed(GOOD, size);
            assert_eq!((passed.as_slice(), refusal), (GOOD, None), "pieces of {size}");
        }
    }

    #[test]
    fn the_bad_head_behind_good_requests_is_found() {
        let bad = b"POST /e HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n";
        let stream = [GOOD, bad].concat();
        for size in [1, 5, stream.len()] {
            let (passed, refusal) = feed(&stream, size);
            assert_eq!(passed, GOOD, "pieces of {size}");
            assert!(refusal.is_some());
        }
    }

    #[test]
    fn loose_chunk_framing_is_refused() {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        for body in [
            "3\nabc\r\n0\r\n\r\n",
            "3 \r\nabc\r\n0\r\n\r\n",
            "0x3\r\nabc\r\n0\r\n\r\n",
            "-3\r\nabc\r\n",
            "\r\nabc",
            "3\r\nabcd\r\n0\r\n\r\n",
            "3\r\nabc\n\r\n0\r\n\r\n",
            "1000000000000000\r\nabc",
            "3;\0\r\nabc\r\n0\r\n\r\n",
            "3;\rx\r\nabc\r\n0\r\n\r\n",
            "0\r\nT: a\nb\r\n\r\n",
            "0\r\n\n",
        ] {
            assert!(feed([head, body].concat().as_bytes(), 1).1.is_some(), "{body:?}");
        }
    }

    #[test]
    fn heads_have_a_limit_and_end_lines_with_cr() {
        let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(1000));
        assert_eq!(feed(long.as_bytes(), 10).1, Some(Refusal::TooLarge));
        assert_eq!(feed(&[b'x'; 2000], 100).1, Some(Refusal::TooLarge));
        assert!(feed(b"GET / HTTP/1.1\nHost: a\n\n", 1).1.is_some());
        assert!(feed(b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 100).1.is_some());
        assert_eq!(feed(b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 1).1, None);
    }

    #[test]
    fn http2_is_told_by_its_preface_and_only_at_the_start() {
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04";
        assert_eq!(feed(preface, 3), (preface.to_vec(), None));
        let later = [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".as_slice(), preface].concat();
        assert_eq!(feed(&later, 100).1, Some(Refusal::Version));
    }

    #[test]
    fn damaged_streams_are_judged_alike_however_they_are_cut() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % below as u64).unwrap()
        };
        let bytes = b"\r\n:; \t0aF\0\x7f\xff";
        for _ in 0..3000 {
            let mut stream = GOOD.to_vec();
            for _ in 0..=random(3) {
                let at = random(stream.len());
                match random(3) {
                    0 => stream[at] = bytes[random(bytes.len())],
                    1 => stream.insert(at, bytes[random(bytes.len())]),
                    _ => drop(stream.remove(at)),
                }
            }
            let (whole, refusal) = feed(&stream, stream.len());
            for size in [1, 1 + random(60)] {
                let (passed, again) = feed(&stream, size);
                assert_eq!(
                    (&passed, again.is_some()),
                    (&whole, refusal.is_some()),
                    "{size}: {}",
                    stream.escape_ascii()
                );
            }
        }
    }
}
