//! gzip and zstd, told by their magic bytes; and keeping the bytes as they came while they are read.

use crate::error::Error;
use crate::limits::{UNPACK_FREE_BYTES, UNPACK_RATIO_MAX};
use crate::options::Compression;
use std::cell::Cell;
use std::fmt;
use std::io::{self, BufReader, Read, Write};
use std::rc::Rc;

/// Packed bytes read at a time.
const CHUNK: usize = 256 << 10;
/// The largest zstd window taken, as a power of two: 64 MiB.
const ZSTD_WINDOW: u32 = 26;

/// How a file beginning so is packed.
pub(crate) fn of(head: &[u8]) -> Compression {
    match head {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
        _ => Compression::None,
    }
}

/// An error from inside a reader of ours, on its way through [`io::Error`].
#[derive(Debug)]
enum Inner {
    Keep(io::Error),
    Unpack { kind: &'static str, at: u64, what: String },
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep(e) => e.fmt(f),
            Self::Unpack { what, .. } => f.write_str(what),
        }
    }
}

impl std::error::Error for Inner {}

/// What a failed read means.
pub(crate) fn input_error(error: io::Error) -> Error {
    if error.get_ref().is_none() {
        return Error::Input(error);
    }
    let kind = error.kind();
    match error.into_inner() {
        Some(inner) => match inner.downcast::<Inner>() {
            Ok(inner) => match *inner {
                Inner::Keep(e) => Error::Keep(e),
                Inner::Unpack { kind, at, what } => Error::Unpack { kind, at, what },
            },
            Err(inner) => match inner.downcast::<outbound::Error>() {
                Ok(fetch) => Error::Outbound(*fetch),
                Err(other) => Error::Input(io::Error::new(kind, other)),
            },
        },
        None => Error::Input(kind.into()),
    }
}

/// An input that is written to `out` as it is read.
pub(crate) struct Tee<'a, R, W: ?Sized> {
    input: R,
    out: &'a mut W,
    progress: &'a dyn Fn(u64),
    read: Rc<Cell<u64>>,
}

impl<'a, R: Read, W: Write + ?Sized> Tee<'a, R, W> {
    pub fn new(input: R, out: &'a mut W, progress: &'a dyn Fn(u64)) -> Self {
        Self { input, out, progress, read: Rc::default() }
    }

    /// Bytes read so far.
    pub fn count(&self) -> Rc<Cell<u64>> {
        self.read.clone()
    }
}

impl<R: Read, W: Write + ?Sized> Read for Tee<'_, R, W> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(out)?;
        self.out.write_all(&out[..count]).map_err(|e| io::Error::other(Inner::Keep(e)))?;
        self.read.set(self.read.get() + count as u64);
        (self.progress)(self.read.get());
        Ok(count)
    }
}

/// The unpacked bytes of an input. `packed` counts the bytes taken from it, to notice a bomb.
pub(crate) fn unpacked<'a>(
    input: impl Read + 'a,
    compression: Compression,
    packed: Rc<Cell<u64>>,
) -> io::Result<Box<dyn Read + 'a>> {
    let kind = match compression {
        Compression::None => return Ok(Box::new(input)),
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
    };
    let input = BufReader::with_capacity(CHUNK, input);
    let inner: Box<dyn Read + 'a> = if compression == Compression::Gzip {
        Box::new(flate2::bufread::MultiGzDecoder::new(input))
    } else {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
        decoder.window_log_max(ZSTD_WINDOW)?;
        Box::new(decoder)
    };
    Ok(Box::new(Unpacking { inner, kind, packed, at: 0 }))
}

struct Unpacking<'a> {
    inner: Box<dyn Read + 'a>,
    kind: &'static str,
    packed: Rc<Cell<u64>>,
    at: u64,
}

impl Unpacking<'_> {
    fn fault(&self, what: String) -> io::Error {
        io::Error::other(Inner::Unpack { kind: self.kind, at: self.at, what })
    }
}

impl Read for Unpacking<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = match self.inner.read(out) {
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Err(e),
            // A fault of the packed bytes, unless the input or the keeping of it failed beneath.
            Err(e) if e.get_ref().is_some_and(|i| i.is::<Inner>() || i.is::<outbound::Error>()) => {
                return Err(e);
            }
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(self.fault("it ends early: fetch or copy it again".to_owned()));
            }
            Err(e) => return Err(self.fault(format!("{e}: fetch or copy it again"))),
        };
        self.at += count as u64;
        if self.at > UNPACK_FREE_BYTES && self.at / UNPACK_RATIO_MAX > self.packed.get() {
            return Err(
                self.fault(format!("it grows more than {UNPACK_RATIO_MAX} times: unpack it yourself"))
            );
        }
        Ok(count)
    }
}
