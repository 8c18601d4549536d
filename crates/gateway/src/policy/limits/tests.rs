//! Limits as callers meet them, by a clock that the tests turn.

use super::*;

/// Everybody is who the text says.
struct Somebody(&'static str);

impl Counted for Somebody {
    fn key(&self, by: &CountBy) -> Key {
        if *by == CountBy::Api { Key::ALL } else { Key::of(self.0.as_bytes()) }
    }
}

fn limits(json: &str) -> Result<Limits, String> {
    let policy: Policy = serde_json::from_str(json).unwrap();
    Limits::read(&policy, &Kept::next(&policy, None, &[], 100), true)
}

fn said(limits: &Limits, tally: &Tally) -> [String; 2] {
    let mut headers = HeaderMap::new();
    limits.say(tally, &mut headers);
    ["ratelimit-policy", "ratelimit"]
        .map(|name| headers.get(name).map_or_else(String::new, |v| v.to_str().unwrap().to_owned()))
}

#[test]
fn rates_are_told_and_kept() {
    let limits = limits(
        r#"{"rate_limits":[{"calls":2,"per":"60s","by":"address"},{"calls":3,"per":"10s","by":"api"},
            {"calls":9,"per":"20s","by":"api"}]}"#,
    )
    .unwrap();
    let call = |who: &'static str, now: u64| {
        let mut tally = Tally::default();
        let done = limits
            .early(&Somebody(who), now, &mut tally)
            .and_then(|()| limits.late(&Somebody(who), (now, 0), &mut tally));
        (done, said(&limits, &tally))
    };
    let (first, [policy, state]) = call("a", 0);
    assert_eq!(first, Ok(()));
    assert_eq!(policy, r#""address";q=2;w=60, "api";q=3;w=10, "api-2";q=9;w=20"#);
    assert_eq!(state, r#""address";r=1;t=60, "api";r=2;t=10, "api-2";r=8;t=20"#);
    assert_eq!(call("a", 1500).0, Ok(()));
    let (third, [_, state]) = call("a", 2500);
    assert_eq!((third, state.as_str()), (Err(Exceeded::Rate(58)), r#""address";r=0;t=58"#));
    assert_eq!(call("b", 3000).0, Ok(()));
    // All together are out of calls; the wait is that of the oldest.
    let (other, [_, state]) = call("c", 4000);
    assert_eq!(other, Err(Exceeded::Rate(6)));
    assert!(state.ends_with(r#""api";r=0;t=6"#), "{state}");
    assert_eq!(call("c", 10_000).0, Ok(()));
}

#[test]
fn quotas_count_calls_and_bytes_until_their_span_ends() {
    let limits = limits(
        r#"{"quotas":[{"calls":3,"kilobytes":2,"per":"1h","by":"caller"},{"calls":100,"per":"0s","by":"api"}]}"#,
    )
    .unwrap();
    let call = |unix: i64, bytes: u64| {
        let mut tally = Tally::default();
        let done = limits.late(&Somebody("a"), (0, unix), &mut tally);
        let state = said(&limits, &tally)[1].clone();
        if done.is_ok() {
            tally.end(bytes);
        }
        (done, state)
    };
    let (first, state) = call(3600, 1000);
    assert_eq!(first, Ok(()));
    assert_eq!(state, r#""quota-caller";r=2;t=3600, "quota-caller-bytes";r=2048;t=3600, "quota-api";r=99"#);
    let (_, state) = call(3700, 1048);
    assert!(state.starts_with(r#""quota-caller";r=1;t=3500, "quota-caller-bytes";r=1048;t=3500"#), "{state}");
    assert_eq!(call(3800, 0).0, Err(Exceeded::Quota(Some(3400))), "no bytes are left");
    assert_eq!(call(7200, 0).0, Ok(()));
    assert_eq!((call(7200, 0).0, call(7200, 0).0), (Ok(()), Ok(())));
    assert_eq!(call(7201, 0).0, Err(Exceeded::Quota(Some(3599))), "no calls are left");
}

#[test]
fn calls_at_the_same_time_are_bounded_and_cost_no_quota_when_refused() {
    let limits = limits(r#"{"concurrency":1,"quotas":[{"calls":2,"per":"1h","by":"api"}]}"#).unwrap();
    let call = || {
        let mut tally = Tally::default();
        limits.late(&Somebody("a"), (0, 0), &mut tally).map(|()| tally)
    };
    let first = call().unwrap();
    assert_eq!(call().unwrap_err(), Exceeded::Concurrency);
    first.end(0);
    drop(call().unwrap());
    assert_eq!(call().unwrap_err(), Exceeded::Quota(Some(3600)));
}

#[test]
fn without_limits_nothing_is_said() {
    let none = limits("{}").unwrap();
    let mut tally = Tally::default();
    none.late(&Somebody("a"), (0, 0), &mut tally).unwrap();
    assert_eq!(said(&none, &tally), ["", ""]);
}

#[test]
fn impossible_limits_are_told() {
    for bad in [
        r#"{"rate_limits":[{"calls":0,"per":"60s","by":"api"}]}"#,
        r#"{"rate_limits":[{"calls":1,"per":"301s","by":"api"}]}"#,
        r#"{"rate_limits":[{"calls":1,"per":"500ms","by":"api"}]}"#,
        r#"{"rate_limits":[{"calls":1,"per":"60s","by":"api"},{"calls":2,"per":"1m","by":"api"}]}"#,
        r#"{"quotas":[{"calls":1,"per":"60s","by":"api"}]}"#,
        r#"{"quotas":[{"per":"1d","by":"api"}]}"#,
        r#"{"concurrency":0}"#,
    ] {
        assert!(limits(bad).is_err(), "{bad}");
    }
}

#[test]
fn names_of_rules_can_stand_in_a_header() {
    let odd = limits(r#"{"rate_limits":[{"calls":1,"per":"60s","by":"claim:a\"ü\\"}]}"#).unwrap();
    let mut tally = Tally::default();
    odd.late(&Somebody("a"), (0, 0), &mut tally).unwrap();
    assert_eq!(said(&odd, &tally)[1], r#""claim:a___";r=0;t=60"#);
}

#[test]
fn a_rate_costs_little() {
    let limits = limits(r#"{"rate_limits":[{"calls":1000000000,"per":"60s","by":"caller"}]}"#).unwrap();
    let start = Instant::now();
    let turns = 100_000_u32;
    for turn in 0..turns {
        let mut tally = Tally::default();
        limits.late(&Somebody("a"), (u64::from(turn), 0), &mut tally).unwrap();
    }
    println!("{} ns a rate limit", start.elapsed().as_nanos() / u128::from(turns));
}
