//! The values of a cell: text to number, to truth, to time.

/// Seconds in a number that is an epoch: seconds, or milli-, micro- or nanoseconds by size (the smallest millisecond
/// value taken as such is in 1973).
pub fn epoch(number: f64) -> f64 {
    match number.abs() {
        x if x >= 1e17 => number / 1e9,
        x if x >= 1e14 => number / 1e6,
        x if x >= 1e11 => number / 1e3,
        _ => number,
    }
}

/// A decimal number in text: digits with sign, point and exponent, blanks around it; not `nan` or `inf`.
pub fn number(text: &str) -> Option<f64> {
    let text = text.trim_ascii();
    let plain = |c: u8| c.is_ascii_digit() || matches!(c, b'+' | b'-' | b'.' | b'e' | b'E');
    if !text.bytes().all(plain) {
        return None;
    }
    text.parse().ok().filter(|n: &f64| n.is_finite())
}

/// A truth value in text, in the spellings of tables.
pub fn truth(text: &str) -> Option<bool> {
    let text = text.trim_ascii();
    let is = |words: &[&str]| words.iter().any(|w| text.eq_ignore_ascii_case(w));
    if is(&["true", "1", "yes", "t", "y"]) {
        Some(true)
    } else if is(&["false", "0", "no", "f", "n"]) {
        Some(false)
    } else {
        None
    }
}

/// Seconds since 1970 of a time in text: RFC 3339, or a date with or without a time (then UTC), or an epoch.
pub fn time(text: &str) -> Option<f64> {
    let text = text.trim_ascii();
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Some(moment.as_duration().as_secs_f64());
    }
    if let Ok(civil) = text.parse::<jiff::civil::DateTime>() {
        let moment = jiff::tz::Offset::UTC.to_timestamp(civil).ok()?;
        return Some(moment.as_duration().as_secs_f64());
    }
    number(text).map(epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_text() {
        for (text, value) in [("5", 5.0), (" -1.5e3 ", -1500.0), ("+2", 2.0), (".5", 0.5), ("7.", 7.0)] {
            assert_eq!(number(text), Some(value), "{text}");
        }
        for text in ["", "nan", "inf", "-Infinity", "1,5", "0x10", "1_0", "e", "1e999", "five", "١"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn truths_in_text() {
        for text in ["true", "True", " YES ", "1", "t"] {
            assert_eq!(truth(text), Some(true), "{text}");
        }
        for text in ["false", "No", "0"] {
            assert_eq!(truth(text), Some(false), "{text}");
        }
        assert_eq!(truth("maybe"), None);
    }

    #[test]
    fn times_in_text() {
        let first = 1_356_998_400.0;
        for text in [
            "2013-01-01",
            "2013-01-01 00:00:00,000000",
            "2013-01-01T00:00:00Z",
            "2013-01-01T01:00:00+01:00",
            "2013-01-01 00:00",
            "1356998400",
            "1356998400000",
        ] {
            assert_eq!(time(text), Some(first), "{text}");
        }
        assert_eq!(time("1969-12-31T23:59:59.5Z"), Some(-0.5));
        assert_eq!(time("2013-13-01"), None);
        assert_eq!(time("soon"), None);
    }

    #[test]
    fn epochs_are_told_apart_by_size() {
        for number in [1.6e9, 1.6e12, 1.6e15, 1.6e18] {
            assert_eq!(epoch(number), 1.6e9);
        }
        assert_eq!(epoch(-86_400.0), -86_400.0);
    }
}
