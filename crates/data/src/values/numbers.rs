//! Decimal text to double, correctly rounded, fast on what tables hold.

/// Powers of ten that a double holds exactly.
const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];
/// Whole numbers up to here are exact in a double.
const EXACT: u64 = 1 << 53;
/// Digits that always fit 64 bits.
const DIGITS: usize = 19;

/// Reads `[+-]digits[.digits][e[+-]digits]`: the value, and whether it is a whole number written without point and
/// exponent within ±2^63. `None` for anything else, infinities and overflow included.
#[inline]
pub(crate) fn number(text: &[u8]) -> Option<(f64, bool)> {
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let mut mantissa = 0_u64;
    let whole = digits(unsigned, &mut mantissa);
    if whole == unsigned.len() && (1..DIGITS).contains(&whole) {
        // Why the cast is safe: at most 18 digits.
        let value = mantissa as f64;
        return Some((if negative { -value } else { value }, true));
    }
    let fraction = match unsigned.get(whole) {
        Some(b'.') => digits(&unsigned[whole + 1..], &mut mantissa),
        _ => 0,
    };
    let point = usize::from(unsigned.get(whole) == Some(&b'.'));
    let used = whole + point + fraction;
    let simple = used == unsigned.len() && point == 1 && whole + fraction <= DIGITS && mantissa <= EXACT;
    if simple && fraction < TENS.len() && whole + fraction > 0 {
        let value = mantissa as f64 / TENS[fraction];
        return Some((if negative { -value } else { value }, false));
    }
    slow(text, whole + fraction, &unsigned[used..])
}

/// Adds leading digits to the mantissa (wrapping past 19 of them); gives their count.
#[inline]
fn digits(text: &[u8], mantissa: &mut u64) -> usize {
    let mut count = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        *mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
        count += 1;
    }
    count
}

/// Long mantissas and exponents, by the standard library, after the shape is checked.
#[cold]
fn slow(text: &[u8], digit_count: usize, rest: &[u8]) -> Option<(f64, bool)> {
    if digit_count == 0 || !(rest.is_empty() || exponent(rest)) {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    if rest.is_empty() && !text.contains('.') {
        // Why through i64: a whole number outside ±2^63 is read as a decimal.
        return match text.parse::<i64>() {
            Ok(value) => Some((value as f64, true)),
            Err(_) => finite(text).map(|value| (value, false)),
        };
    }
    finite(text).map(|value| (value, false))
}

fn exponent(rest: &[u8]) -> bool {
    match rest {
        [b'e' | b'E', b'+' | b'-', digits @ ..] | [b'e' | b'E', digits @ ..] => {
            !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

fn finite(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_standard_library() {
        let mut state = 1_u64;
        for _ in 0..200_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let value = f64::from_bits(state);
            let short = (state >> 40) as f64 / 1000.0;
            for text in [
                format!("{value}"),
                format!("{value:e}"),
                format!("{short}"),
                format!("-{short:.4}"),
                state.to_string(),
            ] {
                let expected = text.parse::<f64>().ok().filter(|v| v.is_finite());
                assert_eq!(number(text.as_bytes()).map(|n| n.0), expected, "{text}");
            }
        }
    }

    #[test]
    fn shapes() {
        for (text, expected) in [
            ("0", Some((0.0, true))),
            ("+7", Some((7.0, true))),
            ("-12", Some((-12.0, true))),
            ("007", Some((7.0, true))),
            ("5.", Some((5.0, false))),
            (".5", Some((0.5, false))),
            ("1e3", Some((1000.0, false))),
            ("1E-2", Some((0.01, false))),
            ("9223372036854775807", Some((9_223_372_036_854_775_807.0, true))),
            ("9223372036854775808", Some((9_223_372_036_854_775_808.0, false))),
            ("1.2990000000000002", Some((1.299_000_000_000_000_2, false))),
            ("", None),
            ("-", None),
            (".", None),
            ("+.", None),
            ("e5", None),
            ("1e", None),
            ("1e+", None),
            ("1e999", None),
            ("inf", None),
            ("NaN", None),
            ("0x10", None),
            ("1_000", None),
            ("1,5", None),
            ("1.2.3", None),
            ("--1", None),
            ("1 ", None),
        ] {
            assert_eq!(number(text.as_bytes()), expected, "{text}");
        }
    }
}
