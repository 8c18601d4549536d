//! When the keys of an issuer are fetched: regularly in the background, and for an unknown key, but that not often.

use aws_lc_rs::rand;
use domain::{Fault, Span, Timestamp};
use serde::Deserialize;
use std::time::Duration;

/// Section `gateway.jwks`: how key sets of issuers elsewhere are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwksConfig {
    /// How long a key set counts as fresh; at 80 % of it the next one is fetched in the background.
    pub ttl: Span,
    /// How often it is fetched all the same, so that a withdrawn key is refused soon.
    pub recheck: Span,
    /// A token of an unknown key makes at most one fetch in this time, an issuer.
    pub min_refresh: Span,
    /// How long keys serve on beyond `ttl` while their issuer does not answer.
    pub stale: Span,
}

impl JwksConfig {
    /// Refuses times that would keep an issuer busy or its keys unusable.
    pub fn check(&self) -> Result<(), Fault> {
        let spans = [("ttl", self.ttl), ("recheck", self.recheck), ("min_refresh", self.min_refresh)];
        match spans.iter().find(|(_, span)| span.0 < Duration::from_secs(1)) {
            Some((name, _)) => Err(Fault::invalid(format!("gateway.jwks.{name} must be at least 1s"))),
            None => Ok(()),
        }
    }

    /// How long an answer is used: fresh, then stale.
    pub(super) fn usable(&self) -> Duration {
        self.ttl.0.saturating_add(self.stale.0)
    }

    /// From a good answer to the next fetch.
    fn regular(&self) -> Duration {
        (self.ttl.0 / 10 * 8).min(self.recheck.0)
    }

    /// From a failed fetch to the next.
    fn retry(&self) -> Duration {
        self.min_refresh.0.min(self.regular())
    }
}

/// A moment so much later.
pub(super) fn later(at: Timestamp, span: Duration) -> Timestamp {
    Timestamp(at.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
}

/// A span shortened by up to a tenth, so that many servers do not ask at one moment.
fn jittered(span: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness it is not shortened.
    let filled = rand::fill(&mut byte).is_ok();
    span - span / 10 * u32::from(if filled { byte[0] } else { 0 }) / 255
}

/// The plan of one issuer, in the time of the issuers' clock.
#[derive(Debug)]
pub(super) struct Schedule {
    /// The next regular fetch.
    next: Timestamp,
    /// When a fetch was last begun because of an unknown key.
    asked: Option<Timestamp>,
    /// A token named a key that is not known.
    wanted: bool,
    /// A fetch is under way.
    flying: bool,
}

impl Schedule {
    /// Begins after an answer of an earlier moment; without one the first fetch is due at once.
    pub(super) fn new(now: Timestamp, answered: Option<Timestamp>, config: &JwksConfig) -> Self {
        let next = answered.map_or(now, |at| later(at, jittered(config.regular())));
        Self { next, asked: None, wanted: false, flying: false }
    }

    /// When the next fetch is to begin.
    pub(super) fn due(&self, config: &JwksConfig) -> Timestamp {
        match (self.wanted, self.asked) {
            (false, _) => self.next,
            (true, None) => Timestamp(i64::MIN),
            (true, Some(asked)) => self.next.min(later(asked, config.min_refresh.0)),
        }
    }

    /// Notes an unknown key; true when that is news.
    pub(super) fn want(&mut self) -> bool {
        !std::mem::replace(&mut self.wanted, true)
    }

    /// Whether an answer is to come in a moment: waiting for it is worth it.
    pub(super) fn soon(&self, now: Timestamp, config: &JwksConfig) -> bool {
        self.flying || self.due(config) <= now
    }

    /// A fetch begins. What it answers serves whoever wants a key, whatever it was begun for.
    pub(super) fn begin(&mut self, now: Timestamp) {
        if std::mem::take(&mut self.wanted) && now < self.next {
            self.asked = Some(now);
        }
        self.flying = true;
    }

    /// A fetch ended.
    pub(super) fn end(&mut self, now: Timestamp, good: bool, config: &JwksConfig) {
        self.flying = false;
        self.next = later(now, jittered(if good { config.regular() } else { config.retry() }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Timestamp = Timestamp(1_700_000_000_000_000);

    fn config(ttl: &str, recheck: &str) -> JwksConfig {
        let span = |text: &str| text.parse().unwrap();
        JwksConfig { ttl: span(ttl), recheck: span(recheck), min_refresh: span("30s"), stale: span("24h") }
    }

    fn after(schedule: &Schedule, config: &JwksConfig) -> i64 {
        (schedule.due(config).0 - T.0) / 1_000_000
    }

    #[test]
    fn a_key_set_is_renewed_at_eighty_percent_of_its_life_or_at_the_recheck() {
        for (config, most) in
            [(config("1h", "4m"), 240), (config("1h", "2h"), 2880), (config("10s", "4m"), 8)]
        {
            for _ in 0..100 {
                let mut schedule = Schedule::new(T, None, &config);
                assert_eq!(schedule.due(&config), T);
                schedule.begin(T);
                assert!(schedule.soon(T, &config));
                schedule.end(T, true, &config);
                let due = after(&schedule, &config);
                assert!((most * 9 / 10 - 1..=most).contains(&due), "{due} of {most}");
                assert!(!schedule.soon(T, &config));
            }
        }
    }

    #[test]
    fn a_failed_fetch_is_tried_again_soon() {
        let config = config("1h", "4m");
        let mut schedule = Schedule::new(T, None, &config);
        schedule.begin(T);
        schedule.end(T, false, &config);
        assert!((26..=30).contains(&after(&schedule, &config)));
    }

    #[test]
    fn unknown_keys_make_one_fetch_in_thirty_seconds() {
        let config = config("1h", "4m");
        let mut schedule = Schedule::new(T, Some(T), &config);
        assert!(schedule.want() && !schedule.want());
        assert!(schedule.soon(T, &config));
        schedule.begin(T);
        schedule.end(T, true, &config);
        // The next unknown key waits for the end of the thirty seconds, however often it is named.
        assert!(schedule.want());
        assert!(!schedule.soon(T, &config));
        assert_eq!(after(&schedule, &config), 30);
        let then = T.plus_seconds(30);
        assert!(schedule.soon(then, &config));
        schedule.begin(then);
        schedule.end(then, false, &config);
        assert!(after(&schedule, &config) > 55);
    }

    #[test]
    fn a_regular_fetch_serves_unknown_keys_without_using_up_theirs() {
        let config = config("1h", "4m");
        let mut schedule = Schedule::new(T, None, &config);
        schedule.want();
        schedule.begin(T);
        schedule.end(T, true, &config);
        schedule.want();
        assert!(schedule.soon(T, &config));
    }

    #[test]
    fn times_must_be_of_use() {
        assert!(config("1s", "1s").check().is_ok());
        assert!(config("500ms", "4m").check().unwrap_err().message.contains("gateway.jwks.ttl"));
    }
}
