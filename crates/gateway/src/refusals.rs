//! How many calls of one address are refused for their credentials: beyond a generous number they are told to wait.
//!
//! Good credentials always pass, whatever others at the same address do: the caller behind the same proxy must not pay for a
//! flood. What is slowed is guessing, and tools that go on with a dead token.

use crate::config::RateConfig;
use crate::policy::Rate;
use crate::policy::limits::millis;
use crate::policy::table::{Key, Table};
use crate::policy::window::Window;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The refused calls by address.
#[derive(Debug)]
pub(crate) struct Refusals {
    table: Table<Window>,
    rate: Rate,
}

impl Refusals {
    /// None when rates are not limited.
    pub(crate) fn new(config: &RateConfig) -> Option<Self> {
        let per = u64::try_from(config.refused_per.0.as_millis()).unwrap_or(u64::MAX);
        let rate = Rate { calls: config.refused_calls, per };
        config.enabled.then(|| Self { table: Table::new(config.keys), rate })
    }

    /// Counts a refused call; with too many of them, the seconds to wait.
    pub(crate) fn count(&self, address: IpAddr, at: Instant) -> Result<(), u64> {
        let (now, per) = (millis(at), self.rate.per);
        let over = |window: &Window| window.is_over(now, per);
        let taken = self.table.with(Key::address(address), now, over, |window| window.take(now, self.rate));
        taken.map(drop).map_err(|room| room.wait.div_ceil(1000).max(1))
    }
}

/// Tokens one client may revoke in a minute: each is a line of the ledger and a new snapshot.
const REVOKED: Rate = Rate { calls: 60, per: 60_000 };
/// Clients counted one by one.
const CLIENTS: usize = 10_000;

/// How often each client asks for something that costs us work.
#[derive(Debug)]
pub(crate) struct Asks {
    table: Table<Window>,
    rate: Rate,
}

impl Asks {
    /// Tokens that a client revokes.
    pub(crate) fn revocations() -> Self {
        Self { table: Table::new(CLIENTS), rate: REVOKED }
    }

    /// Tokens that a client is granted; none when rates are not limited.
    pub(crate) fn grants(config: &RateConfig) -> Option<Self> {
        let per = u64::try_from(config.grants_per.0.as_millis()).unwrap_or(u64::MAX);
        let rate = Rate { calls: config.grants, per };
        config.enabled.then(|| Self { table: Table::new(CLIENTS), rate })
    }

    /// Counts one; with too many of them, how long to wait.
    pub(crate) fn count(&self, client: &str, at: Instant) -> Result<(), Duration> {
        let (now, rate) = (millis(at), self.rate);
        let over = |window: &Window| window.is_over(now, rate.per);
        let taken = self.table.with(Key::of(client.as_bytes()), now, over, |window| window.take(now, rate));
        taken.map(drop).map_err(|room| Duration::from_millis(room.wait.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Span;

    fn config(per: Span) -> RateConfig {
        let (refused_per, grants_per) = (per, per);
        RateConfig { enabled: true, keys: 100, refused_calls: 3, refused_per, grants: 3, grants_per }
    }

    #[test]
    fn an_address_is_told_to_wait_and_others_are_not() {
        let span = Span(Duration::from_secs(10));
        let config = config(span);
        let refusals = Refusals::new(&config).unwrap();
        let (here, there) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let start = Instant::now();
        for _ in 0..3 {
            assert_eq!(refusals.count(here, start), Ok(()));
        }
        assert_eq!(refusals.count(here, start), Err(10));
        assert_eq!(refusals.count(there, start), Ok(()));
        assert_eq!(refusals.count(here, start + Duration::from_secs(11)), Ok(()));
        assert!(Refusals::new(&RateConfig { enabled: false, ..config }).is_none());
    }

    #[test]
    fn a_client_revokes_so_many_tokens_a_minute() {
        let (revocations, start) = (Asks::revocations(), Instant::now());
        for _ in 0..REVOKED.calls {
            assert_eq!(revocations.count("a", start), Ok(()));
        }
        assert!(revocations.count("a", start).is_err() && revocations.count("b", start).is_ok());
        assert!(revocations.count("a", start + Duration::from_secs(61)).is_ok());
    }

    #[test]
    fn a_client_is_granted_so_many_tokens() {
        let config = config(Span(Duration::from_secs(10)));
        let (grants, start) = (Asks::grants(&config).unwrap(), Instant::now());
        for _ in 0..3 {
            assert_eq!(grants.count("a", start), Ok(()));
        }
        assert_eq!(grants.count("a", start), Err(Duration::from_secs(10)));
        assert_eq!(grants.count("b", start), Ok(()));
        assert!(Asks::grants(&RateConfig { enabled: false, ..config }).is_none());
    }
}
