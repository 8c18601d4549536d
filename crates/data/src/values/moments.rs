//! Dates and times as tables write them.

use serde::{Deserialize, Serialize};

/// How a column writes its dates. Each may be followed by a time (`H:MM[:SS[.fraction]][ AM|PM]`, after `T` or a space)
/// and that by a zone (`Z`, `±HH[:MM]`); without a zone the time is UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u16)]
pub enum Layout {
    /// `2012-12-31` (ISO 8601).
    Iso,
    /// `2012/12/31`.
    YearSlash,
    /// `12/31/2012`.
    MonthDay,
    /// `31/12/2012`.
    DayMonth,
    /// `31.12.2012`.
    DayMonthDot,
}

impl Layout {
    /// All, in order of preference where a column could be read in several.
    pub const ALL: [Self; 5] =
        [Self::Iso, Self::YearSlash, Self::MonthDay, Self::DayMonth, Self::DayMonthDot];

    /// Seconds since 1970-01-01 UTC that a text stands for; `None` when it is not written so.
    pub fn seconds(self, text: &[u8]) -> Option<f64> {
        let mut rest = text;
        let a = digits(&mut rest, 4)?;
        let separator = match self {
            Self::Iso => b'-',
            Self::DayMonthDot => b'.',
            _ => b'/',
        };
        let b = after(&mut rest, separator).and_then(|()| digits(&mut rest, 2))?;
        let c = after(&mut rest, separator).and_then(|()| digits(&mut rest, 4))?;
        let (year, month, day) = match self {
            Self::Iso | Self::YearSlash => (a, b, c),
            Self::MonthDay => (c, a, b),
            Self::DayMonth | Self::DayMonthDot => (c, b, a),
        };
        // Why four digits: two would leave the century to a guess.
        let days = (year.1 == 4 && month.1 <= 2 && day.1 <= 2).then(|| days(year.0, month.0, day.0))??;
        let midnight = f64::from(days) * 86_400.0;
        if rest.is_empty() { Some(midnight) } else { time(rest).map(|seconds| midnight + seconds) }
    }
}

/// Up to `most` digits: their value and count.
#[inline]
fn digits(rest: &mut &[u8], most: usize) -> Option<(u32, usize)> {
    let count = rest.iter().take(most).take_while(|b| b.is_ascii_digit()).count();
    let value = rest[..count].iter().fold(0, |n, b| n * 10 + u32::from(b - b'0'));
    *rest = &rest[count..];
    (count > 0).then_some((value, count))
}

#[inline]
fn after(rest: &mut &[u8], byte: u8) -> Option<()> {
    let (first, tail) = rest.split_first()?;
    *rest = tail;
    (*first == byte).then_some(())
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar; `None` for a day that does not exist.
/// Source: H. Hinnant, "chrono-compatible low-level date algorithms", days_from_civil.
fn days(year: u32, month: u32, day: u32) -> Option<i32> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if day == 0 || day > length {
        return None;
    }
    let shifted = i64::from(year) - i64::from(month <= 2);
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((i64::from(month) + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    i32::try_from(days).ok()
}

/// Seconds since midnight UTC of `[T ]H:MM[:SS[.fraction]][ AM|PM][zone]`.
fn time(text: &[u8]) -> Option<f64> {
    let (first, mut rest) = text.split_first()?;
    if !matches!(first, b'T' | b't' | b' ') {
        return None;
    }
    let (mut hour, _) = digits(&mut rest, 2)?;
    after(&mut rest, b':')?;
    let (minute, 2) = digits(&mut rest, 2)? else {
        return None;
    };
    let mut seconds = 0.0;
    if rest.first() == Some(&b':') {
        rest = &rest[1..];
        let (second, 2) = digits(&mut rest, 2)? else {
            return None;
        };
        seconds = f64::from(second) + fraction(&mut rest)?;
    }
    if let [b' ', half @ (b'A' | b'a' | b'P' | b'p'), b'M' | b'm', tail @ ..] = rest {
        if !(1..=12).contains(&hour) {
            return None;
        }
        hour = hour % 12 + if half.eq_ignore_ascii_case(&b'P') { 12 } else { 0 };
        rest = tail;
    }
    // Why 61: a leap second is written as :60.
    if hour > 23 || minute > 59 || seconds >= 61.0 {
        return None;
    }
    Some(f64::from(hour * 3600 + minute * 60) + seconds - zone(rest)?)
}

/// `.fraction` of a second, or 0 where there is none.
fn fraction(rest: &mut &[u8]) -> Option<f64> {
    if rest.first() != Some(&b'.') {
        return Some(0.0);
    }
    *rest = &rest[1..];
    let (value, count) = digits(rest, 9)?;
    let scale = [1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9].get(count - 1)?;
    Some(f64::from(value) / scale)
}

/// Seconds east of UTC of `Z`, `±HH`, `±HHMM`, `±HH:MM` or nothing.
fn zone(text: &[u8]) -> Option<f64> {
    let (sign, mut rest) = match text {
        [] | [b'Z' | b'z'] | [b' ', b'U', b'T', b'C'] => return Some(0.0),
        [b'+', rest @ ..] => (1.0, rest),
        [b'-', rest @ ..] => (-1.0, rest),
        _ => return None,
    };
    let (hours, 2) = digits(&mut rest, 2)? else {
        return None;
    };
    if rest.first() == Some(&b':') {
        rest = &rest[1..];
    }
    let minutes = if rest.is_empty() { 0 } else { digits(&mut rest, 2)?.0 };
    (rest.is_empty() && hours <= 18 && minutes <= 59).then(|| sign * f64::from(hours * 3600 + minutes * 60))
}

/// Seconds since 1970-01-01 UTC as ISO 8601 text, six decimals when there are any; `None` outside the years 0 to 9999.
/// Source of the calendar: H. Hinnant, as above, civil_from_days.
pub(crate) fn iso(seconds: f64) -> Option<String> {
    let micros = (seconds * 1e6).round();
    if !(-6.3e16..=2.6e17).contains(&micros) {
        return None;
    }
    let micros = micros as i64;
    let (days, of_day) = (micros.div_euclid(86_400_000_000), micros.rem_euclid(86_400_000_000));
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (clock, fraction) = (of_day / 1_000_000, of_day % 1_000_000);
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    let whole = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    let text = if fraction == 0 { whole } else { format!("{whole}.{fraction:06}") };
    (0..=9999).contains(&year).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_in_every_layout() {
        for (text, layout, seconds) in [
            ("1970-01-01", Layout::Iso, 0.0),
            ("1969-12-31", Layout::Iso, -86_400.0),
            ("2000-02-29", Layout::Iso, 951_782_400.0),
            ("2012-12-31T23:59:59Z", Layout::Iso, 1_356_998_399.0),
            ("2012-12-31 23:59:59.250", Layout::Iso, 1_356_998_399.25),
            ("2012-12-31T23:59:59+01:00", Layout::Iso, 1_356_994_799.0),
            ("2012-12-31T23:59-0130", Layout::Iso, 1_357_003_740.0),
            ("2012/12/31", Layout::YearSlash, 1_356_912_000.0),
            ("1/1/2011", Layout::MonthDay, 1_293_840_000.0),
            ("12/31/2012 1:05 PM", Layout::MonthDay, 1_356_959_100.0),
            ("12/31/2012 12:00 AM", Layout::MonthDay, 1_356_912_000.0),
            ("31/12/2012", Layout::DayMonth, 1_356_912_000.0),
            ("31.12.2012 00:00", Layout::DayMonthDot, 1_356_912_000.0),
        ] {
            assert_eq!(layout.seconds(text.as_bytes()), Some(seconds), "{text}");
        }
    }

    #[test]
    fn moments_survive_their_text() {
        for seconds in
            [0.0, -1.0, 951_782_400.0, 1_356_998_399.25, -62_135_596_800.0, 253_402_300_799.0, -86_400.5]
        {
            let text = iso(seconds).unwrap();
            assert_eq!(Layout::Iso.seconds(text.as_bytes()), Some(seconds), "{text}");
        }
        assert_eq!(iso(0.0).unwrap(), "1970-01-01T00:00:00");
        assert!(iso(1e30).is_none() && iso(f64::NAN).is_none() && iso(253_402_300_800.0).is_none());
    }

    #[test]
    fn what_is_no_moment() {
        for text in [
            "",
            "2011",
            "2011-13-01",
            "2011-02-29",
            "1900-02-29",
            "2011-04-31",
            "2011-00-10",
            "2011-01-00",
            "11-01-01",
            "2011-1",
            "2011-01-01T",
            "2011-01-01T25:00",
            "2011-01-01 10",
            "2011-01-01 10:0",
            "2011-01-01T10:00:00.",
            "2011-01-01x",
            "2011-01-01T10:00+25:00",
            "20110-01-01",
            "2011-01-01T13:00 PM",
        ] {
            assert_eq!(Layout::Iso.seconds(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Layout::MonthDay.seconds(b"13/1/2011"), None);
        assert_eq!(Layout::MonthDay.seconds(b"1/1/11"), None);
        assert_eq!(Layout::DayMonth.seconds(b"1/13/2011"), None);
    }
}
