//! Measures a model before it is decoded. A message of a few bytes can ask for structures many times its
//! size (an empty node takes two bytes on the wire and some hundred in memory), so the decoded size is
//! estimated by walking over the field tags first, in time linear in the file.

use crate::error::{Error, Result};
use crate::limits;

/// Memory of one decoded message or list entry, bytes: an upper estimate of the largest structure.
const MESSAGE: u64 = 512;
/// Memory of a short text or byte string beside its content, bytes.
const TEXT: u64 = 64;
/// Growth of packed integers: one byte on the wire, eight in memory.
const PACKED: u64 = 8;

/// Growth of what stands in messages that are not walked into: a dimension takes two bytes on the wire.
const UNSEEN: u64 = 32;

/// Kinds of messages walked into, with the fields that hold further messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    /// Anything else: counted, not walked into.
    Other,
}

impl Kind {
    /// What a field of length-delimited content holds.
    fn field(self, number: u64) -> Content {
        match (self, number) {
            (Self::Model, 7) | (Self::Attribute, 6 | 11) => Content::Message(Self::Graph),
            (Self::Graph, 1) => Content::Message(Self::Node),
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) => Content::Message(Self::Tensor),
            (Self::Node, 5) => Content::Message(Self::Attribute),
            (Self::Tensor, 5 | 7 | 11) | (Self::Attribute, 8) => Content::Packed,
            (Self::Tensor, 4 | 9 | 10) | (Self::Attribute, 7) => Content::Bytes,
            (Self::Tensor, 6) | (Self::Attribute, 9) | (Self::Node, 1 | 2) => Content::Bytes,
            _ => Content::Message(Self::Other),
        }
    }
}

enum Content {
    Message(Kind),
    Bytes,
    Packed,
}

/// Refuses a model whose decoded form would go beyond [`limits::DECODED_BYTES`], or would be out of all
/// proportion to its file.
pub(crate) fn measure(bytes: &[u8]) -> Result<()> {
    let grown = limits::DECODED_SMALL + bytes.len() as u64 * limits::DECODED_GROWTH;
    let mut room = Room { used: 0, most: grown.min(limits::DECODED_BYTES) };
    walk(bytes, Kind::Model, 0, &mut room)
}

/// Memory used so far, and how much there is.
struct Room {
    used: u64,
    most: u64,
}

fn walk(mut bytes: &[u8], kind: Kind, depth: usize, room: &mut Room) -> Result<()> {
    if depth > limits::MESSAGE_DEPTH {
        return Err(broken("messages are nested too deeply"));
    }
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        match tag & 7 {
            0 => {
                varint(&mut bytes)?;
                room.used += PACKED;
            }
            1 => drop(take(&mut bytes, 8)?),
            5 => drop(take(&mut bytes, 4)?),
            2 => {
                let length = varint(&mut bytes)?;
                let content = take(&mut bytes, length)?;
                room.used += length;
                match kind.field(tag >> 3) {
                    Content::Bytes => room.used += TEXT,
                    Content::Packed => room.used += length * PACKED,
                    Content::Message(Kind::Other) => room.used += MESSAGE + length * UNSEEN,
                    Content::Message(inner) => {
                        room.used += MESSAGE;
                        walk(content, inner, depth + 1, room)?;
                    }
                }
            }
            other => return Err(broken(&format!("wire type {other} is unknown"))),
        }
        if room.used > room.most {
            let what = "decoded model (bytes, estimated)".to_owned();
            return Err(Error::TooLarge { what, amount: room.used, limit: room.most });
        }
    }
    Ok(())
}

fn broken(reason: &str) -> Error {
    Error::Decode { what: "model", reason: reason.to_owned() }
}

fn varint(bytes: &mut &[u8]) -> Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let Some((&byte, rest)) = bytes.split_first() else {
            return Err(broken("the file ends in a number"));
        };
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(broken("a number has more than ten bytes"))
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8]> {
    let length = usize::try_from(length).ok().filter(|&n| n <= bytes.len());
    let (content, rest) = bytes.split_at(length.ok_or_else(|| broken("the file ends in the middle"))?);
    *bytes = rest;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn honest_bytes_pass_and_broken_ones_do_not() {
        assert_eq!(measure(&[]), Ok(()));
        assert!(measure(&[0x08]).is_err(), "a field without a value");
        assert!(measure(&[0x3a, 0x05, 0x0a]).is_err(), "a graph cut short");
        assert!(measure(&[0x0f]).is_err(), "wire type 7");
        assert!(measure(&[0x80; 12]).is_err(), "an endless number");
    }

    #[test]
    fn many_empty_messages_are_too_large() {
        // A graph of empty nodes: two bytes each, so the estimate is 257 times the file.
        let nodes = [0x0a, 0x00].repeat(9 << 20);
        let mut length = nodes.len();
        let mut file = vec![0x3a];
        while length >= 0x80 {
            file.push(length as u8 | 0x80);
            length >>= 7;
        }
        file.push(length as u8);
        file.extend(nodes);
        assert!(matches!(measure(&file), Err(Error::TooLarge { .. })));
    }
}
