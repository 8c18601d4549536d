//! Text encodings: told by mark or pattern, decoded on the way, refused where bytes are no text of theirs.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use std::fmt;
use std::io::{self, Read};

/// Bytes decoded at a time.
const CHUNK: usize = 64 << 10;
/// Decoded bytes a chunk can become, with room for a character held back.
const ROOM: usize = 3 * CHUNK + 64;

/// The encoding a file begins like: by its byte order mark, or by the zero bytes of UTF-16; else UTF-8. Single-byte
/// encodings are not guessed here, since a wrong guess would go unseen: their bytes are refused with a proposal.
pub(crate) fn of(head: &[u8]) -> &'static Encoding {
    if let Some((encoding, _)) = Encoding::for_bom(head) {
        return encoding;
    }
    let pairs = head.len().min(512) / 2;
    let zeros = |offset: usize| head.chunks_exact(2).take(pairs).filter(|p| p[offset] == 0).count();
    // Why 3 in 4: the text of a table is mostly ASCII, also where its cells are not.
    let most = |count: usize| pairs >= 2 && count * 4 >= pairs * 3;
    match (most(zeros(0)), most(zeros(1))) {
        (true, false) => UTF_16BE,
        (false, true) => UTF_16LE,
        _ => UTF_8,
    }
}

/// What to say of bytes that are not UTF-8, with the encoding they look like.
pub(crate) fn invalid_utf8(text: &[u8], at: usize) -> String {
    let around = &text[at.saturating_sub(CHUNK)..text.len().min(at + CHUNK)];
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(around, true);
    let guess = detector.guess(None, Utf8Detection::Deny).name().to_lowercase();
    let byte = text.get(at).copied().unwrap_or_default();
    format!(
        "byte 0x{byte:02X} is not valid UTF-8; it looks like {guess}: state encoding = \"{guess}\" if it is"
    )
}

/// The error inside a failed read of a [`Decoding`].
#[derive(Debug)]
struct Malformed(&'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes that are not valid {}: state the file's encoding", self.0)
    }
}

impl std::error::Error for Malformed {}

/// What to say of a read that failed for undecodable bytes; `None` for other failures.
pub(crate) fn malformed(error: &io::Error) -> Option<String> {
    error.get_ref()?.downcast_ref::<Malformed>().map(ToString::to_string)
}

/// Text of any encoding as UTF-8, without a byte order mark. A read fails at the first bytes that are no text.
pub(crate) struct Decoding<R> {
    input: R,
    encoding: &'static Encoding,
    decoder: Decoder,
    raw: Vec<u8>,
    raw_at: usize,
    text: Vec<u8>,
    text_at: usize,
    ended: bool,
    finished: bool,
    fault: bool,
}

impl<R: Read> Decoding<R> {
    pub fn new(input: R, encoding: &'static Encoding) -> Self {
        let decoder = encoding.new_decoder_with_bom_removal();
        Self {
            input,
            encoding,
            decoder,
            raw: Vec::new(),
            raw_at: 0,
            text: Vec::new(),
            text_at: 0,
            ended: false,
            finished: false,
            fault: false,
        }
    }

    fn refill(&mut self) -> io::Result<()> {
        if self.raw_at == self.raw.len() && !self.ended {
            self.raw.resize(CHUNK, 0);
            self.raw_at = 0;
            let count = self.input.read(&mut self.raw)?;
            self.raw.truncate(count);
            self.ended = count == 0;
        }
        self.text.resize(ROOM, 0);
        self.text_at = 0;
        let raw = &self.raw[self.raw_at..];
        let (result, read, written) =
            self.decoder.decode_to_utf8_without_replacement(raw, &mut self.text, self.ended);
        self.raw_at += read;
        self.text.truncate(written);
        match result {
            DecoderResult::InputEmpty => self.finished = self.ended,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => self.fault = true,
        }
        Ok(())
    }
}

impl<R: Read> Read for Decoding<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.text_at == self.text.len() {
            if self.fault {
                return Err(io::Error::new(io::ErrorKind::InvalidData, Malformed(self.encoding.name())));
            }
            if self.finished {
                return Ok(0);
            }
            self.refill()?;
        }
        let rest = &self.text[self.text_at..];
        let count = rest.len().min(out.len());
        out[..count].copy_from_slice(&rest[..count]);
        self.text_at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_told() {
        assert_eq!(of(b"a,b\n"), UTF_8);
        assert_eq!(of(b"\xef\xbb\xbfa"), UTF_8);
        assert_eq!(of(b"\xff\xfea\0"), UTF_16LE);
        assert_eq!(of(b"\xfe\xff\0a"), UTF_16BE);
        assert_eq!(of(b"a\0,\0b\0\n\0"), UTF_16LE);
        assert_eq!(of(b"\0a\0,\0b\0\n"), UTF_16BE);
        assert_eq!(of(b""), UTF_8);
    }

    #[test]
    fn text_is_decoded_and_faults_come_after_it() {
        let latin = encoding_rs::WINDOWS_1252;
        let mut text = String::new();
        Decoding::new(&b"caf\xe9"[..], latin).read_to_string(&mut text).unwrap();
        assert_eq!(text, "café");
        let wide: Vec<u8> = "\u{feff}ä€𝄞".repeat(50_000).encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut text = String::new();
        Decoding::new(&wide[..], UTF_16LE).read_to_string(&mut text).unwrap();
        assert!(text.starts_with("ä€𝄞"));
        let mut out = Vec::new();
        let error =
            Decoding::new(&b"ok\xff\xff"[..], encoding_rs::SHIFT_JIS).read_to_end(&mut out).unwrap_err();
        assert_eq!(out, b"ok");
        assert!(malformed(&error).unwrap().contains("Shift_JIS"));
    }
}
