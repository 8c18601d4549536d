//! Calendar parts of a moment, in steps that are exact in 32 bits and that a graph can take too.
//!
//! A moment is seconds since 1970-01-01 UTC as `f32`, in steps of 128 s until January 2038 and of 256 s after it. Days are
//! exact from 1901 to the end of 2105, full hours until January 2038; the last three minutes before midnight may count as
//! the next day's, and the last minute of an hour as the next hour's. Days become dates by the arithmetic of the proleptic
//! Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date algorithms", 2013); every number on the way from
//! days to dates stays below 2²⁴, so that rounding down a quotient is exact.

/// A calendar part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Year,
    /// 1 to 12.
    Month,
    /// Of the month, from 1.
    Day,
    /// Days since Monday.
    Weekday,
    /// 0 to 23.
    Hour,
}

impl Part {
    /// All parts.
    pub(crate) const ALL: [Self; 5] = [Self::Year, Self::Month, Self::Day, Self::Weekday, Self::Hour];

    /// The name shown to people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Month => "month",
            Self::Day => "day",
            Self::Weekday => "weekday",
            Self::Hour => "hour",
        }
    }

    /// The part of a moment; NaN of a missing one.
    pub(crate) fn of(self, seconds: f32) -> f32 {
        calculate(self, &seconds, &mut Plain)
    }
}

/// A step of the arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Add,
    Sub,
    Mul,
    Div,
}

/// Where the arithmetic happens: on numbers, or as nodes of a graph.
pub(crate) trait Arithmetic {
    /// A number, or the name of one.
    type Value: Clone;
    /// A value and a constant.
    fn with(&mut self, step: Step, a: &Self::Value, constant: f32) -> Self::Value;
    /// Two values.
    fn both(&mut self, step: Step, a: &Self::Value, b: &Self::Value) -> Self::Value;
    /// The largest whole number not above a value.
    fn floor(&mut self, a: &Self::Value) -> Self::Value;
}

/// On numbers.
struct Plain;

impl Arithmetic for Plain {
    type Value = f32;

    fn with(&mut self, step: Step, a: &f32, constant: f32) -> f32 {
        self.both(step, a, &constant)
    }

    fn both(&mut self, step: Step, a: &f32, b: &f32) -> f32 {
        match step {
            Step::Add => a + b,
            Step::Sub => a - b,
            Step::Mul => a * b,
            Step::Div => a / b,
        }
    }

    fn floor(&mut self, a: &f32) -> f32 {
        a.floor()
    }
}

/// The whole part of a quotient.
fn quotient<A: Arithmetic>(on: &mut A, a: &A::Value, by: f32) -> A::Value {
    let exact = on.with(Step::Div, a, by);
    on.floor(&exact)
}

/// What a quotient leaves.
fn rest<A: Arithmetic>(on: &mut A, a: &A::Value, by: f32) -> A::Value {
    let whole = quotient(on, a, by);
    let taken = on.with(Step::Mul, &whole, by);
    on.both(Step::Sub, a, &taken)
}

/// A calendar part of seconds.
pub(crate) fn calculate<A: Arithmetic>(part: Part, seconds: &A::Value, on: &mut A) -> A::Value {
    match part {
        Part::Hour => {
            // A full hour may have been rounded down by half a step; the rest of a day may become a whole one.
            let time = rest(on, seconds, DAY);
            let time = on.with(Step::Add, &time, HALF_STEP);
            let hour = quotient(on, &time, HOUR);
            rest(on, &hour, 24.0)
        }
        Part::Weekday => {
            // 1970-01-01 was a Thursday.
            let days = days(on, seconds);
            let days = on.with(Step::Add, &days, 3.0);
            rest(on, &days, 7.0)
        }
        Part::Year | Part::Month | Part::Day => date(part, seconds, on),
    }
}

const DAY: f32 = 86_400.0;
const HOUR: f32 = 3_600.0;
/// Half the distance between two moments before 2038, seconds.
const HALF_STEP: f32 = 64.0;
/// Share of a day by which a midnight may have been rounded down.
const DUSK: f32 = 1.0 / 512.0;
/// Days from 0000-03-01 to 1970-01-01, and of 400 years.
const EPOCH: f32 = 719_468.0;
const ERA: f32 = 146_097.0;

/// Whole days since 1970-01-01.
fn days<A: Arithmetic>(on: &mut A, seconds: &A::Value) -> A::Value {
    let exact = on.with(Step::Div, seconds, DAY);
    let risen = on.with(Step::Add, &exact, DUSK);
    on.floor(&risen)
}

fn date<A: Arithmetic>(part: Part, seconds: &A::Value, on: &mut A) -> A::Value {
    let days = days(on, seconds);
    let days = on.with(Step::Add, &days, EPOCH);
    let era = quotient(on, &days, ERA);
    let day = rest(on, &days, ERA);
    // Years of the era, from 1 March.
    let (leap, century, end) =
        (quotient(on, &day, 1460.0), quotient(on, &day, 36_524.0), quotient(on, &day, 146_096.0));
    let mut plain = on.both(Step::Sub, &day, &leap);
    plain = on.both(Step::Add, &plain, &century);
    plain = on.both(Step::Sub, &plain, &end);
    let year = quotient(on, &plain, 365.0);
    let before = on.with(Step::Mul, &year, 365.0);
    let (leap, century) = (quotient(on, &year, 4.0), quotient(on, &year, 100.0));
    let before = on.both(Step::Add, &before, &leap);
    let before = on.both(Step::Sub, &before, &century);
    let day = on.both(Step::Sub, &day, &before);
    // Months from March, of 153 days in five.
    let five = on.with(Step::Mul, &day, 5.0);
    let five = on.with(Step::Add, &five, 2.0);
    let month = quotient(on, &five, 153.0);
    // January and February belong to the next year.
    let late = quotient(on, &month, 10.0);
    match part {
        Part::Year => {
            let eras = on.with(Step::Mul, &era, 400.0);
            let year = on.both(Step::Add, &year, &eras);
            on.both(Step::Add, &year, &late)
        }
        Part::Month => {
            let months = on.with(Step::Mul, &late, 12.0);
            let month = on.with(Step::Add, &month, 3.0);
            on.both(Step::Sub, &month, &months)
        }
        _ => {
            let past = on.with(Step::Mul, &month, 153.0);
            let past = on.with(Step::Add, &past, 2.0);
            let past = quotient(on, &past, 5.0);
            let day = on.both(Step::Sub, &day, &past);
            on.with(Step::Add, &day, 1.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_two_centuries_has_its_date() {
        let leap = |y: i64| (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
        let (mut year, mut month, mut day) = (1901_i64, 1_i64, 1_i64);
        for days in -25_202_i64..49_673 {
            let seconds = (days * 86_400) as f32;
            let [y, m, d, weekday, hour] = Part::ALL.map(|p| p.of(seconds) as i64);
            assert_eq!([y, m, d, weekday], [year, month, day, (days + 3).rem_euclid(7)], "day {days}");
            // Seconds of later midnights are rounded by up to two minutes.
            assert!(hour == 0 || days.abs() > 24_855, "day {days}");
            day += 1;
            let length = match month {
                2 => 28 + i64::from(leap(year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            if day > length {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
        for hour in (0..24_855 * 24).step_by(5) {
            assert_eq!(Part::Hour.of((hour * 3_600) as f32) as i64, hour % 24, "hour {hour}");
        }
        assert_eq!(Part::Hour.of(1_700_000_000.0), 22.0);
        assert!(Part::ALL.iter().all(|p| p.of(f32::NAN).is_nan()));
    }
}
