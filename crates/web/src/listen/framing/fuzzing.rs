//! The body of the fuzz target `http`: the strict head check, which is private to the listener.

use super::{Follower, Place};

/// The largest head here; small, so that the limit is met.
const HEAD_MAX: usize = 1024;
/// Room for the fields of a head in the engine's parser; more than the check lets through.
const FIELDS_MAX: usize = 128;

/// Feeds a connection's bytes: they are judged alike however they are cut, and every head that passes is one that the HTTP
/// engine's parser takes, with the same end and the same length of its body.
pub fn http(bytes: &[u8]) {
    let size = 1 + usize::from(bytes.first().copied().unwrap_or(0) % 40);
    assert!(whole(bytes) == pieces(bytes, size), "judged by how it is cut");
}

/// The bytes that pass and whether the next were refused; each head is compared.
fn whole(bytes: &[u8]) -> (usize, bool) {
    let mut follower = Follower::new(HEAD_MAX);
    let mut passed = 0;
    while passed < bytes.len() {
        let before = follower.place;
        match follower.step(&bytes[passed..]) {
            Ok(0) => break,
            Ok(n) => {
                // Two bytes are the blank line that may stand before a head.
                if before == Place::Head && n > 2 {
                    agree(&bytes[passed..passed + n], follower.place);
                }
                passed += n;
            }
            Err(_) => return (passed, true),
        }
    }
    (passed, false)
}

fn pieces(bytes: &[u8], size: usize) -> (usize, bool) {
    let mut follower = Follower::new(HEAD_MAX);
    let (mut held, mut passed) = (Vec::new(), 0);
    for piece in bytes.chunks(size) {
        held.extend_from_slice(piece);
        let progress = follower.advance(&held);
        held.drain(..progress.pass);
        passed += progress.pass;
        if progress.refusal.is_some() {
            return (passed, true);
        }
    }
    (passed, false)
}

/// What the engine's parser makes of a head that passed.
fn agree(head: &[u8], then: Place) {
    if then == Place::Raw {
        return;
    }
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    let read = request.parse(head);
    assert!(read == Ok(httparse::Status::Complete(head.len())), "{read:?}: {}", head.escape_ascii());
    let of = |name: &str| {
        let named = request.headers.iter().filter(|h| h.name.eq_ignore_ascii_case(name));
        named.map(|h| String::from_utf8_lossy(h.value).into_owned()).collect::<Vec<_>>()
    };
    let (lengths, codings) = (of("content-length"), of("transfer-encoding"));
    assert!(lengths.len() + codings.len() <= 1 && of("host").len() <= 1, "{}", head.escape_ascii());
    match then {
        Place::ChunkLine => assert!(codings.len() == 1, "chunked without saying so"),
        Place::Head | Place::Length(_) => {
            let length = if let Place::Length(length) = then { length } else { 0 };
            let said = lengths.first().map_or(Ok(0), |text| text.trim().parse());
            assert!(codings.is_empty() && said == Ok(length), "another length: {}", head.escape_ascii());
        }
        _ => assert!(then == Place::Raw, "no place behind a head"),
    }
}

#[cfg(test)]
#[path = "../../../../../fuzz/src/mutate.rs"]
mod mutate;

#[cfg(test)]
mod tests {
    #[test]
    fn no_damaged_stream_has_two_readings() {
        assert!(super::mutate::each("http", super::http) > 2000);
    }
}
