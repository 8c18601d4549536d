//! W3C Trace Context: reading and making the `traceparent` header (level 1, version 00).

use std::cell::RefCell;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

/// The trace a request belongs to and the span that is its parent. Displayed as the value of a `traceparent` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace's id, never all zero.
    pub trace_id: [u8; 16],
    /// The span's id, never all zero.
    pub span_id: [u8; 8],
    /// Flags; bit 0 says that the caller keeps (samples) the trace.
    pub flags: u8,
}

/// Length of the four fields of version 00 and the dashes between them.
const LENGTH: usize = 55;

impl TraceContext {
    /// A new trace with its first span, not sampled.
    pub fn fresh() -> Self {
        let mut trace_id = [0; 16];
        trace_id[..8].copy_from_slice(&random_nonzero());
        trace_id[8..].copy_from_slice(&random_nonzero());
        Self { trace_id, span_id: random_nonzero(), flags: 0 }
    }

    /// A new span in the same trace.
    #[must_use]
    pub fn child(self) -> Self {
        Self { span_id: random_nonzero(), ..self }
    }

    /// What a request belongs to: a child of the caller's span if its header is valid, else a new trace.
    pub fn of_request(traceparent: Option<&str>) -> Self {
        traceparent.and_then(Self::parse).map_or_else(Self::fresh, Self::child)
    }

    /// Reads a `traceparent` value. `None` when it is malformed, when an id is all zero, or for version ff. Of versions
    /// after 00 the known fields are read and what follows is passed over, as the recommendation asks.
    pub fn parse(header: &str) -> Option<Self> {
        let text = header.as_bytes();
        let version = hex::<1>(text.get(..2)?)?[0];
        let longer_ok = version > 0 && text.get(LENGTH) == Some(&b'-');
        let dashes = text.get(2) == Some(&b'-') && text.get(35) == Some(&b'-') && text.get(52) == Some(&b'-');
        if version == 0xff || !dashes || !(text.len() == LENGTH || longer_ok) {
            return None;
        }
        let context = Self {
            trace_id: hex(&text[3..35])?,
            span_id: hex(&text[36..52])?,
            flags: hex::<1>(&text[53..55])?[0],
        };
        (context.trace_id != [0; 16] && context.span_id != [0; 8]).then_some(context)
    }

    /// The trace id as 32 lower-case hexadecimal digits.
    pub fn trace_id_hex(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.trace_id))
    }

    /// The span id as 16 lower-case hexadecimal digits.
    pub fn span_id_hex(&self) -> String {
        format!("{:016x}", u64::from_be_bytes(self.span_id))
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "00-{:032x}-{:016x}-{:02x}",
            u128::from_be_bytes(self.trace_id),
            u64::from_be_bytes(self.span_id),
            self.flags
        )
    }
}

/// Exactly `2 × N` lower-case hexadecimal digits; upper case is refused by the recommendation.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    if text.len() != 2 * N {
        return None;
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}

thread_local! {
    /// A keyed hash of a counter, keyed by the system's randomness once a thread: ids need to be unlikely to collide, not
    /// secret, and a system call a request would cost more than the rest of this file.
    static RANDOM: RefCell<(RandomState, u64)> = RefCell::new((RandomState::new(), 0));
}

fn random_nonzero() -> [u8; 8] {
    RANDOM.with_borrow_mut(|(keys, counter)| {
        *counter += 1;
        (keys.hash_one(*counter) | 1 << 63 >> (*counter % 64)).to_be_bytes()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_header_survives_reading_and_writing() {
        let context = TraceContext::parse(GOOD).unwrap();
        assert_eq!(context.to_string(), GOOD);
        assert_eq!(context.trace_id_hex(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.span_id_hex(), "00f067aa0ba902b7");
        let later = format!("cc{}-what-the-future-holds", &GOOD[2..]);
        assert_eq!(TraceContext::parse(&later), Some(context));
    }

    #[test]
    fn malformed_headers_start_a_new_trace() {
        for bad in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            "ää-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        ] {
            assert_eq!(TraceContext::parse(bad), None, "{bad}");
        }
        let (one, two) = (TraceContext::of_request(Some("nonsense")), TraceContext::of_request(None));
        assert_ne!(one.trace_id, two.trace_id);
    }

    #[test]
    fn a_valid_header_is_continued() {
        let parent = TraceContext::parse(GOOD).unwrap();
        let here = TraceContext::of_request(Some(GOOD));
        assert_eq!((here.trace_id, here.flags), (parent.trace_id, parent.flags));
        assert_ne!(here.span_id, parent.span_id);
    }

    #[test]
    fn ids_do_not_repeat() {
        let ids: std::collections::HashSet<_> = (0..10_000).map(|_| TraceContext::fresh().trace_id).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(!ids.contains(&[0; 16]));
    }
}
