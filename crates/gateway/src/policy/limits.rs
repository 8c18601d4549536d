//! Rates, quotas and calls at the same time: what is judged at a call, and what its answer says about it.

use crate::policy::kept::{Kept, Permit, Used, identity};
use crate::policy::table::{Key, Table};
use crate::policy::window::{Rate, Room, Window};
use domain::{CountBy, Policy, Quota, RateLimit};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt::Write;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

static RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
static RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// Rates and quotas of one policy at most.
const RULES_MAX: usize = 16;
/// Spans of a rate, in milliseconds; a quota's begin where a rate's end.
const SHORTEST: u64 = 1000;
const LONGEST: u64 = 300_000;

/// Milliseconds of a clock that does not run backwards.
pub(crate) fn millis(at: Instant) -> u64 {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(at.saturating_duration_since(*BEGIN).as_millis()).unwrap_or(u64::MAX)
}

/// A rate, ready.
#[derive(Debug)]
struct RateRule {
    by: CountBy,
    rate: Rate,
    table: Arc<Table<Window>>,
    name: String,
}

/// A quota, ready.
#[derive(Debug)]
struct QuotaRule {
    by: CountBy,
    calls: Option<u64>,
    bytes: Option<u64>,
    /// Seconds; 0 for ever.
    per: i64,
    table: Arc<Table<Used>>,
    name: String,
}

/// All limits of an API.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    /// By address: judged before the token, against floods. Others are judged for callers that may call.
    early: Vec<RateRule>,
    late: Vec<RateRule>,
    quotas: Vec<QuotaRule>,
    concurrency: Option<(u32, Arc<AtomicU32>)>,
    /// The value of `RateLimit-Policy`.
    said: Option<HeaderValue>,
}

/// Why a call has to wait, and how many seconds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Exceeded {
    Rate(u64),
    Concurrency,
    /// Without a time: for ever.
    Quota(Option<u64>),
}

/// What is known of a call's caller, to count by.
pub(crate) trait Counted {
    /// The key of what a rule counts by.
    fn key(&self, by: &CountBy) -> Key;
}

/// What the answer says of the limits, and what still has to be counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    rates: String,
    permit: Option<Permit>,
    spent: Vec<(Arc<Table<Used>>, Key, i64)>,
}

impl Limits {
    /// Reads a policy's limits over the counters kept for it; the error says what is wrong.
    pub(crate) fn read(policy: &Policy, kept: &Kept, rates: bool) -> Result<Self, String> {
        if policy.rate_limits.len() > RULES_MAX || policy.quotas.len() > RULES_MAX {
            return Err(format!("a policy has at most {RULES_MAX} rate limits and {RULES_MAX} quotas"));
        }
        if policy.concurrency == Some(0) {
            return Err("concurrency: at least 1 call must be allowed".to_owned());
        }
        let mut limits =
            Self { concurrency: policy.concurrency.map(|most| (most, kept.running())), ..Self::default() };
        let mut said = String::new();
        let mut seen = Vec::new();
        for rule in &policy.rate_limits {
            let rule = rate(rule, kept, &mut seen)?;
            if !rates {
                continue;
            }
            item(&mut said, &rule.name, format_args!("q={};w={}", rule.rate.calls, rule.rate.per / 1000));
            let list = if rule.by == CountBy::Address { &mut limits.early } else { &mut limits.late };
            list.push(rule);
        }
        seen.clear();
        for rule in &policy.quotas {
            let rule = quota(rule, kept, &mut seen)?;
            let window = |out: &mut String| {
                if rule.per > 0 {
                    // Writing to text cannot fail.
                    let _ = write!(out, ";w={}", rule.per);
                }
            };
            if let Some(calls) = rule.calls {
                item(&mut said, &rule.name, format_args!("q={calls}"));
                window(&mut said);
            }
            if let Some(bytes) = rule.bytes {
                let name = format!("{}-bytes", rule.name);
                item(&mut said, &name, format_args!("q={bytes};qu=\"content-bytes\""));
                window(&mut said);
            }
            limits.quotas.push(rule);
        }
        limits.said = HeaderValue::from_str(&said).ok().filter(|v| !v.is_empty());
        Ok(limits)
    }

    /// Rates by address.
    pub(crate) fn early(&self, who: &impl Counted, now: u64, tally: &mut Tally) -> Result<(), Exceeded> {
        take(&self.early, who, now, tally)
    }

    /// What is left to judge when it is known that the caller may call; `unix` is seconds since 1970. What concurrency refuses
    /// costs nothing of a quota.
    pub(crate) fn late(
        &self,
        who: &impl Counted,
        (now, unix): (u64, i64),
        tally: &mut Tally,
    ) -> Result<(), Exceeded> {
        take(&self.late, who, now, tally)?;
        if let Some((most, running)) = &self.concurrency {
            tally.permit = Some(Permit::take(running, *most).ok_or(Exceeded::Concurrency)?);
        }
        for rule in &self.quotas {
            rule.take(who, unix, tally)?;
        }
        Ok(())
    }

    /// Puts `RateLimit` and `RateLimit-Policy` on an answer.
    pub(crate) fn say(&self, tally: &Tally, headers: &mut HeaderMap) {
        let (Some(said), false) = (&self.said, tally.rates.is_empty()) else { return };
        headers.insert(RATE_LIMIT_POLICY.clone(), said.clone());
        if let Ok(value) = HeaderValue::from_str(&tally.rates) {
            headers.insert(RATE_LIMIT.clone(), value);
        }
    }
}

fn take(rules: &[RateRule], who: &impl Counted, now: u64, tally: &mut Tally) -> Result<(), Exceeded> {
    for rule in rules {
        let (key, per) = (who.key(&rule.by), rule.rate.per);
        let taken = rule.table.with(key, now, |w| w.is_over(now, per), |window| window.take(now, rule.rate));
        let (Ok(Room { left, wait }) | Err(Room { left, wait })) = taken;
        let seconds = wait.div_ceil(1000);
        item(&mut tally.rates, &rule.name, format_args!("r={left};t={seconds}"));
        if taken.is_err() {
            return Err(Exceeded::Rate(seconds.max(1)));
        }
    }
    Ok(())
}

impl QuotaRule {
    fn take(&self, who: &impl Counted, unix: i64, tally: &mut Tally) -> Result<(), Exceeded> {
        let key = who.key(&self.by);
        let period = if self.per > 0 { unix.div_euclid(self.per) } else { 0 };
        let (fits, calls, bytes) = self.table.with(
            key,
            u64::try_from(unix).unwrap_or_default().saturating_mul(1000),
            |used| used.period < period,
            |used| {
                let used = used.at(period);
                let fits = self.calls.is_none_or(|most| used.calls < most)
                    && self.bytes.is_none_or(|most| used.bytes < most);
                if fits {
                    used.add(1, 0);
                }
                (fits, used.calls, used.bytes)
            },
        );
        let rest =
            (self.per > 0).then(|| self.per - unix.rem_euclid(self.per)).and_then(|s| u64::try_from(s).ok());
        let until = |out: &mut String| {
            if let Some(rest) = rest {
                let _ = write!(out, ";t={rest}");
            }
        };
        if let Some(most) = self.calls {
            item(&mut tally.rates, &self.name, format_args!("r={}", most.saturating_sub(calls)));
            until(&mut tally.rates);
        }
        if let Some(most) = self.bytes {
            let name = format!("{}-bytes", self.name);
            item(&mut tally.rates, &name, format_args!("r={}", most.saturating_sub(bytes)));
            until(&mut tally.rates);
            tally.spent.push((self.table.clone(), key, period));
        }
        if fits { Ok(()) } else { Err(Exceeded::Quota(rest)) }
    }
}

impl Tally {
    /// Counts the bytes of the bodies, both directions together, and ends the call.
    pub(crate) fn end(self, bytes: u64) {
        for (table, key, period) in &self.spent {
            table.with(*key, 0, |_| false, |used| used.at(*period).add(0, bytes));
        }
    }
}

/// Adds a member to a list of structured fields (RFC 9651): a quoted name with parameters.
fn item(list: &mut String, name: &str, parameters: std::fmt::Arguments<'_>) {
    let comma = if list.is_empty() { "" } else { ", " };
    // Writing to text cannot fail.
    let _ = write!(list, "{comma}\"{name}\";{parameters}");
}

/// The name of a rule in the headers, and its identity, which no other rule of its kind may have.
fn named(by: &CountBy, per: domain::Span, seen: &mut Vec<String>) -> Result<(String, String), String> {
    let rule = identity(by, per);
    if seen.contains(&rule) {
        return Err(format!("two limits count by '{by}' over {per}: keep the stricter one"));
    }
    let same = seen.iter().filter(|s| s.starts_with(&format!("{by} "))).count();
    let plain = |c: char| if c.is_ascii_graphic() && c != '"' && c != '\\' { c } else { '_' };
    let mut name: String = by.to_string().chars().map(plain).collect();
    if same > 0 {
        name = format!("{name}-{}", same + 1);
    }
    seen.push(rule.clone());
    Ok((name, rule))
}

fn rate(rule: &RateLimit, kept: &Kept, seen: &mut Vec<String>) -> Result<RateRule, String> {
    let per = u64::try_from(rule.per.0.as_millis()).unwrap_or(u64::MAX);
    if rule.calls == 0 || !(SHORTEST..=LONGEST).contains(&per) || !per.is_multiple_of(1000) {
        return Err(format!(
            "a rate limit is at least 1 call in 1 s to 300 s (whole seconds), not {} in {}",
            rule.calls, rule.per
        ));
    }
    let (name, id) = named(&rule.by, rule.per, seen)?;
    let table = kept.rate(&id).ok_or("a rate limit has no counters")?;
    Ok(RateRule { by: rule.by.clone(), rate: Rate { calls: rule.calls, per }, table, name })
}

fn quota(rule: &Quota, kept: &Kept, seen: &mut Vec<String>) -> Result<QuotaRule, String> {
    let per = i64::try_from(rule.per.0.as_secs()).unwrap_or(i64::MAX);
    let whole = rule.per.0.subsec_nanos() == 0;
    if (per != 0 && per < 300) || !whole || (rule.calls.is_none() && rule.kilobytes.is_none()) {
        return Err(format!(
            "a quota is of calls or kilobytes in 300 s or more (0 s: for ever), not in {}",
            rule.per
        ));
    }
    let (name, id) = named(&rule.by, rule.per, seen)?;
    let table = kept.quota(&id).ok_or("a quota has no counters")?;
    Ok(QuotaRule {
        by: rule.by.clone(),
        calls: rule.calls,
        bytes: rule.kilobytes.map(|k| k.saturating_mul(1024)),
        per,
        table,
        name: format!("quota-{name}"),
    })
}

#[cfg(test)]
mod tests;
