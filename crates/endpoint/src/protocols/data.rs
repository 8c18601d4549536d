//! Tensor datatypes of Open Inference, and elements as the reader takes them.

use crate::rows::refusal::Found;
use domain::ColumnType;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The output that holds the predicted class.
pub const LABEL: &str = "label";
/// The output that holds a probability a class.
pub const PROBABILITIES: &str = "probabilities";
/// The output of a regression.
pub const VALUE: &str = "variable";

/// A datatype.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Datatype {
    Bool,
    /// Bytes of an unsigned integer.
    Unsigned(u8),
    /// Bytes of a signed integer.
    Signed(u8),
    /// Bytes of a floating point number.
    Float(u8),
    Bytes,
}

/// The datatype a column is described with.
pub fn datatype(kind: ColumnType) -> Datatype {
    match kind {
        ColumnType::Boolean => Datatype::Bool,
        ColumnType::Integer => Datatype::Signed(8),
        ColumnType::Float => Datatype::Float(8),
        _ => Datatype::Bytes,
    }
}

impl Datatype {
    /// By its word.
    pub fn of(word: &str) -> Option<Self> {
        Some(match word {
            "BOOL" => Self::Bool,
            "UINT8" => Self::Unsigned(1),
            "UINT16" => Self::Unsigned(2),
            "UINT32" => Self::Unsigned(4),
            "UINT64" => Self::Unsigned(8),
            "INT8" => Self::Signed(1),
            "INT16" => Self::Signed(2),
            "INT32" => Self::Signed(4),
            "INT64" => Self::Signed(8),
            "FP16" => Self::Float(2),
            "FP32" => Self::Float(4),
            "FP64" => Self::Float(8),
            "BYTES" => Self::Bytes,
            _ => return None,
        })
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::Unsigned(1) => "UINT8",
            Self::Unsigned(2) => "UINT16",
            Self::Unsigned(4) => "UINT32",
            Self::Unsigned(_) => "UINT64",
            Self::Signed(1) => "INT8",
            Self::Signed(2) => "INT16",
            Self::Signed(4) => "INT32",
            Self::Signed(_) => "INT64",
            Self::Float(2) => "FP16",
            Self::Float(4) => "FP32",
            Self::Float(_) => "FP64",
            Self::Bytes => "BYTES",
        }
    }

    /// Bytes of an element; none for text.
    pub fn width(self) -> Option<usize> {
        match self {
            Self::Bool => Some(1),
            Self::Unsigned(n) | Self::Signed(n) | Self::Float(n) => Some(usize::from(n)),
            Self::Bytes => None,
        }
    }

    /// An element written as JSON; the text of one that needs unescaping is kept in `text`. None when it is of another type.
    pub fn json<'t>(self, raw: &'t RawValue, text: &'t mut Cow<'t, str>) -> Option<Found<'t>> {
        let written = raw.get();
        match (self, written.as_bytes().first()?) {
            (_, b'n') => Some(Found::Null),
            (Self::Bool, b't' | b'f') => Some(Found::Truth(written == "true")),
            (Self::Bool, _) => matches!(written, "0" | "1").then_some(Found::Truth(written == "1")),
            (Self::Bytes, b'"') => {
                *text = unquoted(written)?;
                Some(Found::Text(text))
            }
            (Self::Unsigned(bytes), _) => {
                let number: u64 = written.parse().ok()?;
                let fits = bytes == 8 || number >> (8 * u32::from(bytes)) == 0;
                fits.then(|| i64::try_from(number).map_or(Found::Large(number), Found::Whole))
            }
            (Self::Signed(bytes), _) => {
                let number: i64 = written.parse().ok()?;
                let shift = 64 - 8 * u32::from(bytes);
                ((number << shift) >> shift == number).then_some(Found::Whole(number))
            }
            // RawValue has checked that this is JSON; what begins so is a number.
            (Self::Float(_), b'-' | b'0'..=b'9') => written.parse().ok().map(Found::Decimal),
            _ => None,
        }
    }

    /// An element in little-endian bytes, of its width.
    pub fn binary(self, bytes: &[u8]) -> Option<Found<'static>> {
        let mut wide = [0; 8];
        wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
        let unsigned = u64::from_le_bytes(wide);
        Some(match self {
            Self::Bool => Found::Truth(unsigned != 0),
            Self::Unsigned(_) => i64::try_from(unsigned).map_or(Found::Large(unsigned), Found::Whole),
            Self::Signed(width) => {
                let shift = 64 - 8 * u32::from(width);
                Found::Whole((unsigned << shift).cast_signed() >> shift)
            }
            Self::Float(2) => decimal(half(u16::from_le_bytes([wide[0], wide[1]]))),
            Self::Float(4) => decimal(f64::from(f32::from_le_bytes([wide[0], wide[1], wide[2], wide[3]]))),
            Self::Float(_) => decimal(f64::from_le_bytes(wide)),
            Self::Bytes => return None,
        })
    }
}

/// Tables spell a missing number as NaN.
fn decimal(number: f64) -> Found<'static> {
    if number.is_nan() { Found::Null } else { Found::Decimal(number) }
}

/// The content of a JSON string; borrowed when nothing in it is escaped.
fn unquoted(written: &str) -> Option<Cow<'_, str>> {
    let inner = written.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str::<String>(written).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

/// A number of IEEE 754 binary16.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from((bits >> 10) & 0x1f), f64::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(word: &str, json: &str) -> Option<String> {
        let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
        let mut text = Cow::Borrowed("");
        Datatype::of(word).unwrap().json(&raw, &mut text).map(Found::words)
    }

    #[test]
    fn elements_keep_to_their_type() {
        for (word, json) in [
            ("INT8", "-128"),
            ("UINT8", "255"),
            ("UINT64", "18446744073709551615"),
            ("FP32", "1"),
            ("FP64", "-1.5e3"),
            ("BOOL", "true"),
            ("BOOL", "0"),
            ("BYTES", r#""a\"b""#),
            ("INT64", "null"),
        ] {
            assert!(read(word, json).is_some(), "{word} {json}");
        }
        for (word, json) in [
            ("INT8", "128"),
            ("UINT8", "256"),
            ("UINT8", "-1"),
            ("INT64", "1.5"),
            ("INT64", "9223372036854775808"),
            ("FP32", "\"1\""),
            ("FP32", "true"),
            ("BOOL", "2"),
            ("BYTES", "1"),
            ("INT64", "[1]"),
            ("BYTES", "{}"),
        ] {
            assert_eq!(read(word, json), None, "{word} {json}");
        }
    }

    #[test]
    fn bytes_are_little_endian() {
        let words = |word: &str, bytes: &[u8]| Datatype::of(word).unwrap().binary(bytes).map(Found::words);
        assert_eq!(words("INT16", &[0xfe, 0xff]).unwrap(), "the number -2");
        assert_eq!(words("UINT16", &[0xfe, 0xff]).unwrap(), "the number 65534");
        assert_eq!(words("FP32", &1.5f32.to_le_bytes()).unwrap(), "the number 1.5");
        assert_eq!(words("FP16", &[0x00, 0x3e]).unwrap(), "the number 1.5");
        assert_eq!(words("FP64", &f64::NAN.to_le_bytes()).unwrap(), "null");
        assert_eq!(half(0x0001), 2f64.powi(-24));
        assert_eq!(half(0xfc00), f64::NEG_INFINITY);
    }

    #[test]
    fn every_word_reads_back() {
        for word in "BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 FP32 FP64 BYTES".split(' ') {
            assert_eq!(Datatype::of(word).unwrap().word(), word);
        }
        assert_eq!(Datatype::of("STRING"), None);
    }
}
