//! What Parquet's types mean for a column, and how their values are written as text.

use crate::values::iso;
use domain::ColumnType;
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::schema::types::ColumnDescriptor;
use std::io::Write;

/// What is wanted of a column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// Find out.
    Infer,
    /// Text; whether it is a category is found out.
    Text,
    /// This.
    Exactly(ColumnType),
}

/// How a column's values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writing {
    Boolean,
    Integer,
    /// 64 bits without a sign.
    Unsigned,
    Float,
    /// Half precision, in two bytes.
    Half,
    /// Days since 1970-01-01.
    Days,
    /// So many to a second since 1970-01-01.
    Ticks(i64),
    /// Digits after the point.
    Decimal(i32),
    Text,
    Uuid,
}

/// How a column is written; what is wrong when it cannot be.
pub(super) fn writing(column: &ColumnDescriptor) -> Result<Writing, String> {
    let logical = column.logical_type_ref();
    let writing = match (logical, column.converted_type()) {
        (Some(LogicalType::Decimal(d)), _) => Writing::Decimal(d.scale),
        (_, ConvertedType::DECIMAL) => Writing::Decimal(column.type_scale()),
        (Some(LogicalType::Date), _) | (_, ConvertedType::DATE) => Writing::Days,
        (Some(LogicalType::Timestamp(t)), _) => Writing::Ticks(ticks(&t.unit)),
        (_, ConvertedType::TIMESTAMP_MILLIS) => Writing::Ticks(1_000),
        (_, ConvertedType::TIMESTAMP_MICROS) => Writing::Ticks(1_000_000),
        (Some(LogicalType::Integer(i)), _) if !i.is_signed && i.bit_width == 64 => Writing::Unsigned,
        (_, ConvertedType::UINT_64) => Writing::Unsigned,
        (Some(LogicalType::Uuid), _) => Writing::Uuid,
        (Some(LogicalType::Float16), _) => Writing::Half,
        _ => plain(column)?,
    };
    Ok(writing)
}

fn plain(column: &ColumnDescriptor) -> Result<Writing, String> {
    Ok(match column.physical_type() {
        Type::BOOLEAN => Writing::Boolean,
        Type::INT32 | Type::INT64 => Writing::Integer,
        Type::INT96 => Writing::Ticks(1_000_000_000),
        Type::FLOAT | Type::DOUBLE => Writing::Float,
        Type::BYTE_ARRAY => Writing::Text,
        Type::FIXED_LEN_BYTE_ARRAY => {
            return Err("bytes of fixed length have no column type: leave it out".to_owned());
        }
    })
}

fn ticks(unit: &TimeUnit) -> i64 {
    match unit {
        TimeUnit::MILLIS => 1_000,
        TimeUnit::MICROS => 1_000_000,
        _ => 1_000_000_000,
    }
}

impl Writing {
    /// What the file's type demands.
    pub fn want(self) -> Want {
        Want::Exactly(match self {
            Self::Boolean => ColumnType::Boolean,
            Self::Integer => ColumnType::Integer,
            Self::Unsigned | Self::Float | Self::Half | Self::Decimal(_) => ColumnType::Float,
            Self::Days | Self::Ticks(_) => ColumnType::Timestamp,
            Self::Text | Self::Uuid => return Want::Text,
        })
    }

    pub fn boolean(self, value: bool, out: &mut Vec<u8>) -> Result<(), &'static str> {
        out.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    pub fn int(self, value: i64, out: &mut Vec<u8>) -> Result<(), &'static str> {
        match self {
            Self::Days => moment(value as f64 * 86_400.0, out),
            Self::Ticks(per_second) => moment(value as f64 / per_second as f64, out),
            Self::Decimal(scale) => decimal(i128::from(value), scale, out),
            // The bits are those of an unsigned number.
            Self::Unsigned => put(out, format_args!("{}", value.cast_unsigned())),
            _ => put(out, format_args!("{value}")),
        }
    }

    pub fn bytes(self, value: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
        match self {
            Self::Decimal(scale) => decimal(big_endian(value)?, scale, out),
            Self::Uuid => value.iter().try_for_each(|b| put(out, format_args!("{b:02x}"))),
            Self::Half => {
                let &[low, high] = value else {
                    return Err("a half-precision number of another length");
                };
                let value = half(u16::from_le_bytes([low, high]));
                float(&value, value.is_nan(), out)
            }
            _ if std::str::from_utf8(value).is_err() => {
                Err("bytes that are not UTF-8 text: leave the column out")
            }
            _ => {
                out.extend_from_slice(value);
                Ok(())
            }
        }
    }
}

/// A number; nothing for NaN, which is missing.
pub(super) fn float(
    value: &impl std::fmt::Display,
    nan: bool,
    out: &mut Vec<u8>,
) -> Result<(), &'static str> {
    if nan { Ok(()) } else { put(out, format_args!("{value}")) }
}

/// A moment in nanoseconds since 1970-01-01.
pub(super) fn nanos(value: i64, out: &mut Vec<u8>) -> Result<(), &'static str> {
    moment(value as f64 / 1e9, out)
}

fn moment(seconds: f64, out: &mut Vec<u8>) -> Result<(), &'static str> {
    let text = iso(seconds).ok_or("a moment outside the years 1 to 9999")?;
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn decimal(digits: i128, scale: i32, out: &mut Vec<u8>) -> Result<(), &'static str> {
    put(out, format_args!("{digits}e{}", -i64::from(scale)))
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) -> Result<(), &'static str> {
    out.write_fmt(text).map_err(|_| "a value that cannot be written")
}

/// Two's complement of up to 16 bytes.
fn big_endian(bytes: &[u8]) -> Result<i128, &'static str> {
    let Some(first) = bytes.first() else {
        return Err("a decimal of no digits");
    };
    if bytes.len() > 16 {
        return Err("a decimal of more than 38 digits");
    }
    let sign = if first & 0x80 == 0 { 0 } else { -1 };
    Ok(bytes.iter().fold(sign, |value, byte| (value << 8) | i128::from(*byte)))
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2_f32.powi(exponent - 25),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written() {
        let text = |writing: Writing, value: i64| {
            let mut out = Vec::new();
            writing.int(value, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(Writing::Integer, -5), "-5");
        assert_eq!(text(Writing::Unsigned, -1), "18446744073709551615");
        assert_eq!(text(Writing::Days, 15_705), "2012-12-31T00:00:00");
        assert_eq!(text(Writing::Ticks(1_000), 1_356_998_399_250), "2012-12-31T23:59:59.250000");
        assert_eq!(text(Writing::Decimal(2), 12_345), "12345e-2");
    }

    #[test]
    fn bytes_are_read() {
        assert_eq!(big_endian(&[0xff, 0x85]), Ok(-123));
        assert_eq!(big_endian(&[0x00, 0xff]), Ok(255));
        assert!(big_endian(&[0; 17]).is_err() && big_endian(&[]).is_err());
        assert_eq!(half(0x3c00), 1.0);
        assert_eq!(half(0xc500), -5.0);
        assert_eq!(half(0x0001), 2_f32.powi(-24));
        assert!(half(0x7e00).is_nan() && half(0x7c00).is_infinite());
        assert!(Writing::Text.bytes(&[0xff], &mut Vec::new()).is_err());
    }
}
