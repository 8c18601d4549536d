//! Compressed request bodies: inflated piece by piece, within a ratio, a size, and a memory shared by all calls.

use crate::body::{BodyError, collect};
use bytes::Bytes;
use flate2::write::{MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, header};
use http_body::Body as HttpBody;
use http_body_util::BodyExt;
use serde::Deserialize;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The codings that are taken, as `Accept-Encoding` of a 415 names them (RFC 9110 §15.5.16).
pub const ACCEPTED: http::HeaderValue = http::HeaderValue::from_static("gzip, deflate, identity");

/// Compressed bytes inflated before other tasks get their turn; at the usual ratio less than a megabyte comes out.
const SLICE: usize = 8 << 10;
/// Memory is counted in units of so many bytes.
const UNIT: usize = 64 << 10;

/// Section `limits.inflate`. Defaults stand in `config.default.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InflateLimits {
    /// Bytes that may come out for each byte that went in.
    pub ratio: u32,
    /// The most bytes of one inflated body.
    pub bytes: u64,
    /// The most bytes of all inflated bodies in hand.
    pub memory_bytes: u64,
}

/// How a request's body is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// As it is.
    Identity,
    /// RFC 1952.
    Gzip,
    /// The zlib format (RFC 1950).
    Deflate,
}

impl Coding {
    /// Reads `Content-Encoding`. Refused: other codings, and more than one.
    pub fn of(headers: &HeaderMap) -> Result<Self, BodyError> {
        let mut all = headers.get_all(header::CONTENT_ENCODING).iter();
        let coding = match (all.next(), all.next()) {
            (None, _) => return Ok(Self::Identity),
            (Some(one), None) => one.as_bytes().trim_ascii(),
            _ => return Err(BodyError::Coding),
        };
        let is = |name: &[u8]| coding.eq_ignore_ascii_case(name);
        match () {
            () if is(b"identity") => Ok(Self::Identity),
            () if is(b"gzip") || is(b"x-gzip") => Ok(Self::Gzip),
            () if is(b"deflate") => Ok(Self::Deflate),
            () => Err(BodyError::Coding),
        }
    }
}

/// Reads bodies whole, inflating them on the way.
#[derive(Debug, Clone)]
pub struct Inflate {
    limits: InflateLimits,
    memory: Arc<Semaphore>,
}

impl Inflate {
    /// All clones share one memory.
    pub fn new(limits: InflateLimits) -> Self {
        let units = usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX) / UNIT;
        Self { limits, memory: Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS))) }
    }

    /// Reads a whole body of at most `limit` bytes on the wire. What comes out of a compressed one is bounded by its ratio and
    /// its size, and counts against the shared memory until the bytes are dropped.
    pub async fn collect<B, E>(&self, coding: Coding, mut body: B, limit: u64) -> Result<Bytes, E>
    where
        B: HttpBody<Data = Bytes, Error = E> + Unpin,
        E: From<BodyError>,
    {
        if coding == Coding::Identity {
            return collect(body, limit).await;
        }
        if body.size_hint().lower() > limit {
            return Err(BodyError::TooLarge(limit).into());
        }
        let mut inflater = Inflater::new(coding, self);
        let mut wire = 0;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            wire += data.len() as u64;
            if wire > limit {
                return Err(BodyError::TooLarge(limit).into());
            }
            for slice in data.chunks(SLICE) {
                inflater.push(slice)?;
                tokio::task::yield_now().await;
            }
        }
        Ok(inflater.finish()?)
    }
}

impl From<BodyError> for io::Error {
    fn from(error: BodyError) -> Self {
        Self::new(ErrorKind::InvalidData, error)
    }
}

enum Decoder {
    Gzip(MultiGzDecoder<Out>),
    Deflate(ZlibDecoder<Out>),
}

/// One body on its way out.
struct Inflater {
    decoder: Decoder,
    wire: u64,
    limits: InflateLimits,
}

impl Inflater {
    fn new(coding: Coding, from: &Inflate) -> Self {
        let out =
            Out { bytes: Vec::new(), most: 0, limits: from.limits, memory: from.memory.clone(), held: None };
        let decoder = match coding {
            Coding::Deflate => Decoder::Deflate(ZlibDecoder::new(out)),
            _ => Decoder::Gzip(MultiGzDecoder::new(out)),
        };
        Self { decoder, wire: 0, limits: from.limits }
    }

    fn push(&mut self, slice: &[u8]) -> Result<(), BodyError> {
        self.wire += slice.len() as u64;
        let most = self.wire.saturating_mul(self.limits.ratio.into()).min(self.limits.bytes);
        let wrote = match &mut self.decoder {
            Decoder::Gzip(decoder) => {
                decoder.get_mut().most = most;
                // Flushed, so that what came out is judged now and not with the next slice.
                decoder.write_all(slice).and_then(|()| decoder.flush())
            }
            Decoder::Deflate(decoder) => {
                decoder.get_mut().most = most;
                decoder.write_all(slice).and_then(|()| decoder.flush())
            }
        };
        wrote.map_err(refusal)
    }

    fn finish(self) -> Result<Bytes, BodyError> {
        if self.wire == 0 {
            return Ok(Bytes::new());
        }
        let out = match self.decoder {
            Decoder::Gzip(decoder) => decoder.finish(),
            Decoder::Deflate(decoder) => decoder.finish(),
        };
        out.map(Bytes::from_owner).map_err(refusal)
    }
}

fn refusal(error: io::Error) -> BodyError {
    error.downcast().unwrap_or(BodyError::Corrupt)
}

/// What came out, with the share of the memory that it holds.
struct Out {
    bytes: Vec<u8>,
    most: u64,
    limits: InflateLimits,
    memory: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Out {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Out {
    /// Makes room, and counts it, before it is used.
    fn grow(&mut self, length: usize) -> Result<(), BodyError> {
        if length <= self.bytes.capacity() {
            return Ok(());
        }
        let most = usize::try_from(self.limits.bytes).unwrap_or(usize::MAX).max(length);
        let units = length.max(self.bytes.capacity() * 2).min(most).div_ceil(UNIT);
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = u32::try_from(units.saturating_sub(held)).map_err(|_| BodyError::Busy)?;
        let permit = self.memory.clone().try_acquire_many_owned(more).map_err(|_| BodyError::Busy)?;
        match &mut self.held {
            Some(held) => held.merge(permit),
            None => self.held = Some(permit),
        }
        self.bytes.reserve_exact(units * UNIT - self.bytes.len());
        Ok(())
    }
}

impl Write for Out {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let length = self.bytes.len() + data.len();
        if length as u64 > self.limits.bytes {
            return Err(BodyError::Inflated { what: "bytes", limit: self.limits.bytes }.into());
        }
        if length as u64 > self.most {
            let limit = self.limits.ratio.into();
            return Err(BodyError::Inflated { what: "times its size", limit }.into());
        }
        self.grow(length)?;
        self.bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use http_body_util::{Full, StreamBody};

    const LIMITS: InflateLimits = InflateLimits { ratio: 100, bytes: 4 << 20, memory_bytes: 8 << 20 };

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    /// Numbers that compress about threefold.
    fn numbers(count: u32) -> Vec<u8> {
        (0..count).flat_map(|n| n.wrapping_mul(2_654_435_761).to_string().into_bytes()).collect()
    }

    async fn read(inflate: &Inflate, coding: Coding, wire: &[u8], piece: usize) -> Result<Bytes, BodyError> {
        let pieces: Vec<_> = wire
            .chunks(piece)
            .map(|p| Ok::<_, BodyError>(http_body::Frame::data(Bytes::copy_from_slice(p))))
            .collect();
        let body = StreamBody::new(futures_util::stream::iter(pieces));
        inflate.collect(coding, body, 1 << 20).await
    }

    #[tokio::test]
    async fn what_was_packed_comes_out() {
        let inflate = Inflate::new(LIMITS);
        let data = numbers(50_000);
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&data).unwrap();
        let zlib = zlib.finish().unwrap();
        for piece in [1000, 1 << 20] {
            assert_eq!(read(&inflate, Coding::Gzip, &gzip(&data), piece).await.unwrap(), data);
            assert_eq!(read(&inflate, Coding::Deflate, &zlib, piece).await.unwrap(), data);
        }
        let two = [gzip(b"[1,"), gzip(b"2]")].concat();
        assert_eq!(read(&inflate, Coding::Gzip, &two, 7).await.unwrap(), "[1,2]");
        assert_eq!(read(&inflate, Coding::Gzip, b"", 7).await.unwrap(), "");
        // All memory is back.
        assert_eq!(inflate.memory.available_permits(), (8 << 20) / UNIT);
    }

    #[tokio::test]
    async fn bombs_and_broken_bodies_are_refused() {
        let inflate = Inflate::new(LIMITS);
        let bomb = gzip(&vec![b' '; 3 << 20]);
        let refused = read(&inflate, Coding::Gzip, &bomb, 1 << 20).await.unwrap_err();
        assert_eq!(refused.to_string(), "the body inflates to more than 100 times its size");
        let generous = Inflate::new(InflateLimits { ratio: 2000, ..LIMITS });
        let bomb = gzip(&vec![b' '; 5 << 20]);
        let refused = read(&generous, Coding::Gzip, &bomb, 1 << 20).await.unwrap_err();
        assert_eq!(refused.to_string(), "the body inflates to more than 4194304 bytes");
        let good = gzip(&numbers(1000));
        let half = read(&inflate, Coding::Gzip, &good[..good.len() - 9], 100).await;
        assert!(matches!(half, Err(BodyError::Corrupt)), "{half:?}");
        let text = read(&inflate, Coding::Gzip, b"{\"data\":[]}", 100).await;
        assert!(matches!(text, Err(BodyError::Corrupt)), "{text:?}");
        let mut bent = good.clone();
        let at = bent.len() - 6;
        bent[at] ^= 1;
        assert!(matches!(read(&inflate, Coding::Gzip, &bent, 100).await, Err(BodyError::Corrupt)));
    }

    #[tokio::test]
    async fn all_bodies_in_hand_share_a_memory() {
        let inflate = Inflate::new(InflateLimits { memory_bytes: 3 << 19, ..LIMITS });
        let wire = gzip(&numbers(80_000));
        let body = || Full::new(Bytes::from(wire.clone())).map_err(|never| match never {});
        let first: Bytes = inflate.collect::<_, BodyError>(Coding::Gzip, body(), 1 << 20).await.unwrap();
        let second = inflate.collect::<_, BodyError>(Coding::Gzip, body(), 1 << 20).await;
        assert!(matches!(second, Err(BodyError::Busy)), "{second:?}");
        drop(first);
        assert!(inflate.collect::<_, BodyError>(Coding::Gzip, body(), 1 << 20).await.is_ok());
    }

    #[test]
    fn only_known_codings_are_taken() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_ENCODING, value.parse().unwrap());
            }
            Coding::of(&headers).ok()
        };
        assert_eq!(of(&[]), Some(Coding::Identity));
        assert_eq!(of(&["Identity"]), Some(Coding::Identity));
        assert_eq!(of(&["GZIP"]), Some(Coding::Gzip));
        assert_eq!(of(&["deflate"]), Some(Coding::Deflate));
        for bad in [&["br"][..], &["gzip, gzip"], &["gzip", "gzip"], &[""], &["zstd"]] {
            assert_eq!(of(bad), None, "{bad:?}");
        }
    }
}
