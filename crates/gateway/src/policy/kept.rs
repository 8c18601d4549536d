//! What is counted for an API, beside the snapshot: it goes on over a change of the policy for every rule that counts by the same
//! over the same span, whatever the limit is now.

use crate::policy::table::{Key, Table};
use crate::policy::window::Window;
use domain::{CountBy, Policy, Span};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use store::QuotaCount;

/// What one caller used of a quota.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Used {
    /// The number of the span since 1970; these counts are of it.
    pub period: i64,
    pub calls: u64,
    pub bytes: u64,
    /// Not written to the store yet.
    dirty: bool,
}

impl Used {
    /// Begins anew when another span has begun. A clock that was set back goes on with the span it had.
    pub(crate) fn at(&mut self, period: i64) -> &mut Self {
        if period > self.period {
            *self = Self { period, ..Self::default() };
        }
        self
    }

    /// Adds to it.
    pub(crate) fn add(&mut self, calls: u64, bytes: u64) {
        self.calls += calls;
        self.bytes = self.bytes.saturating_add(bytes);
        self.dirty = true;
    }
}

/// A rule's identity: what it counts by, and the span.
type Rule = String;

/// The counters of one API.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    rates: HashMap<Rule, Arc<Table<Window>>>,
    quotas: HashMap<Rule, Arc<Table<Used>>>,
    running: Arc<AtomicU32>,
}

/// The identity of a rule, as it also stands in the store.
pub(crate) fn identity(by: &CountBy, per: Span) -> Rule {
    format!("{by} {per}")
}

impl Kept {
    /// The counters a policy needs: those of `before` where there are some, of `restored` after a start, else new ones for about
    /// `room` callers each.
    pub(crate) fn next(policy: &Policy, before: Option<&Self>, restored: &[QuotaCount], room: usize) -> Self {
        let mut next =
            Self { running: before.map(|b| b.running.clone()).unwrap_or_default(), ..Self::default() };
        for rate in &policy.rate_limits {
            let rule = identity(&rate.by, rate.per);
            let table = before.and_then(|b| b.rates.get(&rule)).cloned();
            next.rates.insert(rule, table.unwrap_or_else(|| Arc::new(Table::new(room))));
        }
        for quota in &policy.quotas {
            let rule = identity(&quota.by, quota.per);
            let table = before.and_then(|b| b.quotas.get(&rule)).cloned();
            let table = table.unwrap_or_else(|| Arc::new(restore(restored, &rule, room)));
            next.quotas.insert(rule, table);
        }
        next
    }

    /// The windows of a rate.
    pub(crate) fn rate(&self, rule: &str) -> Option<Arc<Table<Window>>> {
        self.rates.get(rule).cloned()
    }

    /// The counts of a quota.
    pub(crate) fn quota(&self, rule: &str) -> Option<Arc<Table<Used>>> {
        self.quotas.get(rule).cloned()
    }

    /// Calls at this moment.
    pub(crate) fn running(&self) -> Arc<AtomicU32> {
        self.running.clone()
    }

    /// Counts that changed since they were last asked for. Those of callers that found no room of their own are not among them.
    pub(crate) fn changed(&self, api: &str, out: &mut Vec<QuotaCount>) {
        for (rule, table) in &self.quotas {
            table.each(|key, used| {
                if std::mem::take(&mut used.dirty) {
                    out.push(QuotaCount {
                        api: api.to_owned(),
                        rule: rule.clone(),
                        who: format!("{:032x}", key.0),
                        period: used.period,
                        calls: used.calls,
                        bytes: used.bytes,
                    });
                }
            });
        }
    }

    /// Has all counts asked for again: the last ones could not be written.
    pub(crate) fn unwritten(&self) {
        for table in self.quotas.values() {
            table.each(|_, used| used.dirty = true);
        }
    }
}

fn restore(counts: &[QuotaCount], rule: &str, room: usize) -> Table<Used> {
    let table = Table::new(room);
    for count in counts.iter().filter(|c| c.rule == rule) {
        let Ok(key) = u128::from_str_radix(&count.who, 16) else { continue };
        let used = Used { period: count.period, calls: count.calls, bytes: count.bytes, dirty: false };
        table.with(Key(key), 0, |_| false, |entry| *entry = used);
    }
    table
}

/// A call under way; ends when dropped.
#[derive(Debug)]
pub(crate) struct Permit(Arc<AtomicU32>);

impl Permit {
    /// A permit when fewer than `most` calls are under way.
    pub(crate) fn take(running: &Arc<AtomicU32>, most: u32) -> Option<Self> {
        let more = |now: u32| (now < most).then_some(now + 1);
        running.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Self(running.clone()))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(json: &str) -> Policy {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn counters_outlive_a_change_of_the_limit_but_not_of_the_rule() {
        let first = policy(r#"{"quotas":[{"calls":5,"per":"1d","by":"caller"}],"concurrency":1}"#);
        let kept = Kept::next(&first, None, &[], 100);
        let rule = identity(&first.quotas[0].by, first.quotas[0].per);
        assert_eq!(rule, "caller 1d");
        let add = |kept: &Kept| {
            let table = kept.quota(&rule).unwrap();
            table.with(
                Key(7),
                0,
                |_| false,
                |used| {
                    used.at(3).add(1, 10);
                    used.calls
                },
            )
        };
        assert_eq!(add(&kept), 1);
        let permit = Permit::take(&kept.running(), 1);
        assert!(permit.is_some() && Permit::take(&kept.running(), 1).is_none());
        let higher = policy(r#"{"quotas":[{"calls":50,"per":"1d","by":"caller"}],"concurrency":2}"#);
        let next = Kept::next(&higher, Some(&kept), &[], 100);
        assert_eq!(add(&next), 2);
        assert!(Permit::take(&next.running(), 2).is_some() && Permit::take(&next.running(), 1).is_none());
        let mut counts = Vec::new();
        next.changed("a", &mut counts);
        assert_eq!((counts.len(), counts[0].calls, counts[0].bytes), (1, 2, 20));
        next.changed("a", &mut counts);
        assert_eq!(counts.len(), 1, "nothing changed since");
        // After a restart.
        let restored = Kept::next(&higher, None, &counts, 100);
        assert_eq!(add(&restored), 3);
        let other = policy(r#"{"quotas":[{"calls":50,"per":"2d","by":"caller"}]}"#);
        assert!(Kept::next(&other, Some(&next), &[], 100).quota(&rule).is_none());
    }

    #[test]
    fn a_span_begins_anew_and_a_clock_set_back_does_not() {
        let mut used = Used::default();
        used.at(5).add(2, 0);
        assert_eq!(used.at(5).calls, 2);
        assert_eq!(used.at(4).calls, 2);
        assert_eq!(used.at(6).calls, 0);
    }
}
