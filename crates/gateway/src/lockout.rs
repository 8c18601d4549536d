//! Slows guessing: so many failed logins of one client id from one address, and that pair waits.
//!
//! Counted besides, with a wider bound, for the address alone: else many made-up ids could push the one that is being
//! guessed out of the bounded table.

use crate::gateway::Gateway;
use domain::{Actor, Name, Timestamp};
use quick_cache::sync::Cache;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Pairs remembered at most.
const TABLE: usize = 65_536;
/// An address may fail so many times as often as one client at it.
const ADDRESS_FACTOR: u32 = 20;

type Key = (IpAddr, Option<[u8; 32]>);

#[derive(Debug, Clone, Copy)]
struct Count {
    failures: u32,
    last: Instant,
}

/// The table of failures.
#[derive(Debug)]
pub(crate) struct Lockout {
    table: Cache<Key, Count>,
    most: u32,
    wait: Duration,
}

impl Gateway {
    /// Counts a wrong secret or password. The one that locks its client out is told in the server's log, and, when the client is
    /// known, in the ledger: names that were made up would only fill it.
    pub(crate) async fn login_failed(&self, address: IpAddr, id: &str, known: Option<&Name>) {
        self.metrics.refused("wrong_secret");
        if !self.lockout.failed(address, id, Instant::now()) {
            return;
        }
        tracing::warn!(%address, "too many wrong secrets: locked out");
        let Some(name) = known else { return };
        let (address, system) = (address.to_string(), Actor::system());
        let noted = self.store.note_lockout(name.as_str(), &address, &system, Timestamp::now());
        if let Err(error) = noted.await {
            tracing::error!(%error, "a lock-out could not be written to the ledger");
        }
    }
}

impl Lockout {
    /// Locks after `most` failures, until `wait` has passed without one.
    pub(crate) fn new(most: u32, wait: Duration) -> Self {
        Self { table: Cache::new(TABLE), most: most.max(1), wait }
    }

    fn keys(address: IpAddr, client: &str) -> [(Key, u32); 2] {
        let id = crate::secret::digest(client.as_bytes()).0;
        // An IPv6 customer holds a whole /64.
        let address = match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
            v4 @ IpAddr::V4(_) => v4,
        };
        [((address, Some(id)), 1), ((address, None), ADDRESS_FACTOR)]
    }

    /// Whether a login may be tried at all; else how long to wait.
    pub(crate) fn check(&self, address: IpAddr, client: &str, now: Instant) -> Result<(), Duration> {
        for (key, factor) in Self::keys(address, client) {
            let Some(count) = self.table.get(&key) else {
                continue;
            };
            let left = self.wait.saturating_sub(now.saturating_duration_since(count.last));
            if count.failures >= self.most.saturating_mul(factor) && !left.is_zero() {
                return Err(left);
            }
        }
        Ok(())
    }

    /// Counts a failure; true when this very one locked the client, or the address, out.
    pub(crate) fn failed(&self, address: IpAddr, client: &str, now: Instant) -> bool {
        let mut locked = false;
        for (key, factor) in Self::keys(address, client) {
            let before = self.table.get(&key);
            let running = before.filter(|c| now.saturating_duration_since(c.last) < self.wait);
            let failures = running.map_or(0, |c| c.failures).saturating_add(1);
            self.table.insert(key, Count { failures, last: now });
            locked |= failures == self.most.saturating_mul(factor);
        }
        locked
    }

    /// Forgets the failures of a client that logged in.
    pub(crate) fn succeeded(&self, address: IpAddr, client: &str) {
        let [(pair, _), _] = Self::keys(address, client);
        self.table.remove(&pair);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_waits_and_others_do_not() {
        let lockout = Lockout::new(3, Duration::from_secs(60));
        let (here, there): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let start = Instant::now();
        for n in 0..3 {
            assert!(lockout.check(here, "a", start).is_ok());
            assert_eq!(lockout.failed(here, "a", start), n == 2);
        }
        assert!(lockout.check(here, "a", start).is_err());
        assert!(lockout.check(here, "b", start).is_ok() && lockout.check(there, "a", start).is_ok());
        assert!(lockout.check(here, "a", start + Duration::from_secs(60)).is_ok());
        lockout.succeeded(here, "a");
        assert!(lockout.check(here, "a", start).is_ok());
    }

    #[test]
    fn made_up_ids_lock_the_address() {
        let lockout = Lockout::new(1, Duration::from_secs(60));
        let here: IpAddr = "2001:db8::1".parse().unwrap();
        let now = Instant::now();
        for n in 0..ADDRESS_FACTOR {
            lockout.failed(here, &n.to_string(), now);
        }
        assert!(lockout.check("2001:db8::2".parse().unwrap(), "new", now).is_err());
        assert!(lockout.check("2001:db8:0:1::2".parse().unwrap(), "new", now).is_ok());
    }
}
