//! A bounded table of what is counted for whom.
//!
//! When it is full, and nothing in it is over, newcomers are counted together: memory does not grow, nobody who is counted is
//! forgotten, and no made-up key is a fresh allowance.

use crate::secret::digest;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Parts with a lock of their own.
const SHARDS: usize = 16;
/// Milliseconds between two looks for entries that are over, in a full part.
const SWEEP: u64 = 1000;

/// Whose calls are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key(pub u128);

impl Key {
    /// All calls together.
    pub(crate) const ALL: Self = Self(0);

    /// A text: the first half of its SHA-256.
    pub(crate) fn of(text: &[u8]) -> Self {
        let mut half = [0; 16];
        half.copy_from_slice(&digest(text).0[..16]);
        Self(u128::from_be_bytes(half))
    }

    /// An address; an IPv6 customer holds a whole /64.
    pub(crate) fn address(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(v4) => u128::from(v4.to_bits()),
            IpAddr::V6(v6) => v6.to_bits() >> 64 << 64 | 1,
        })
    }
}

#[derive(Debug)]
struct Shard<V> {
    known: HashMap<Key, V>,
    /// Those that found no room.
    others: V,
    next_sweep: u64,
}

/// The table.
#[derive(Debug)]
pub(crate) struct Table<V> {
    shards: [Mutex<Shard<V>>; SHARDS],
    room: usize,
}

impl<V: Default> Table<V> {
    /// A table for about `room` keys.
    pub(crate) fn new(room: usize) -> Self {
        let shard = |_| Mutex::new(Shard { known: HashMap::new(), others: V::default(), next_sweep: 0 });
        Self { shards: std::array::from_fn(shard), room: room.div_ceil(SHARDS) }
    }

    fn shard(&self, key: Key) -> MutexGuard<'_, Shard<V>> {
        let at = (key.0 ^ key.0 >> 64) as usize % SHARDS;
        // Counters stay whole even if a holder panicked.
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on the entry of a key at `now` (milliseconds); `over` tells which entries may go.
    pub(crate) fn with<R>(
        &self,
        key: Key,
        now: u64,
        over: impl Fn(&V) -> bool,
        work: impl FnOnce(&mut V) -> R,
    ) -> R {
        let mut guard = self.shard(key);
        let shard = &mut *guard;
        if let Some(entry) = shard.known.get_mut(&key) {
            return work(entry);
        }
        if shard.known.len() >= self.room && now >= shard.next_sweep {
            shard.known.retain(|_, entry| !over(entry));
            shard.next_sweep = now.saturating_add(SWEEP);
        }
        if shard.known.len() >= self.room {
            return work(&mut shard.others);
        }
        work(shard.known.entry(key).or_default())
    }

    /// Shows every entry that has a key of its own.
    pub(crate) fn each(&self, mut look: impl FnMut(Key, &mut V)) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, entry) in &mut shard.known {
                look(*key, entry);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_keeps_who_is_in_it_and_counts_newcomers_together() {
        let table: Table<u64> = Table::new(SHARDS);
        let add = |key: u128, now: u64| {
            table.with(
                Key(key),
                now,
                |_| false,
                |count| {
                    *count += 1;
                    *count
                },
            )
        };
        for key in 0..SHARDS as u128 {
            assert_eq!(add(key, 0), 1);
        }
        // All of these fall into the first part, which is full.
        for n in 1..=1000_u64 {
            assert_eq!(add(u128::from(n) * SHARDS as u128, n), n);
        }
        assert_eq!(add(0, 1001), 2);
        let mut entries = 0;
        table.each(|_, _| entries += 1);
        assert_eq!(entries, SHARDS);
    }

    #[test]
    fn entries_that_are_over_make_room() {
        let table: Table<u64> = Table::new(SHARDS);
        let visit = |key: u128, now| {
            let over = |seen: &u64| seen + 10 <= now;
            table.with(Key(key), now, over, |seen| std::mem::replace(seen, now))
        };
        assert_eq!(visit(16, 1), 0);
        assert_eq!(visit(32, 5), 0, "no room yet: counted with the others");
        assert_eq!(visit(32, 6), 5);
        assert_eq!(visit(32, 2000), 0, "the first is over, so there is room");
        assert_eq!(visit(32, 2001), 2000);
    }

    #[test]
    fn addresses_of_one_ipv6_customer_are_one() {
        let key = |text: &str| Key::address(text.parse().unwrap());
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(Key::of(b"a"), Key::of(b"b"));
    }
}
