//! How many calls fit into a span of time that slides.
//!
//! Never more than the limit in any span of the stated length, and what the headers say is true: so many more calls would pass
//! now, and so long until more do. Calls are remembered in at most [`SLOTS`] groups, so a limit of up to that many is exact to
//! the call; above it a group forgets its calls together, up to a sixteenth of the span late, never early.

/// Groups of calls remembered.
const SLOTS: usize = 16;

/// So many calls in so many milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    pub calls: u64,
    pub per: u64,
}

/// What is left, and the milliseconds until it becomes more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    pub left: u64,
    pub wait: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    first: u64,
    last: u64,
    calls: u64,
}

/// The calls of one caller in the last span.
#[derive(Debug, Default)]
pub(crate) struct Window {
    slots: [Slot; SLOTS],
    used: usize,
}

impl Window {
    /// Takes a call at `now`, in milliseconds of a clock that does not run backwards; refused when none is left.
    pub(crate) fn take(&mut self, now: u64, rate: Rate) -> Result<Room, Room> {
        self.forget(now, rate.per);
        let calls: u64 = self.slots[..self.used].iter().map(|s| s.calls).sum();
        let room = |window: &Self, calls: u64| Room {
            left: rate.calls.saturating_sub(calls),
            wait: window.slots[..window.used]
                .first()
                .map_or(rate.per, |oldest| (oldest.last + rate.per).saturating_sub(now)),
        };
        if calls >= rate.calls {
            return Err(room(self, calls));
        }
        let grain = if rate.calls <= SLOTS as u64 { 0 } else { rate.per / SLOTS as u64 };
        let full = self.used == SLOTS;
        match self.slots[..self.used].last_mut() {
            Some(newest) if full || now.saturating_sub(newest.first) <= grain => {
                newest.last = now;
                newest.calls += 1;
            }
            _ => {
                self.slots[self.used] = Slot { first: now, last: now, calls: 1 };
                self.used += 1;
            }
        }
        Ok(room(self, calls + 1))
    }

    /// Whether all of it is forgotten at `now`.
    pub(crate) fn is_over(&self, now: u64, per: u64) -> bool {
        self.slots[..self.used].last().is_none_or(|newest| newest.last + per <= now)
    }

    fn forget(&mut self, now: u64, per: u64) {
        let gone = self.slots[..self.used].iter().take_while(|slot| slot.last + per <= now).count();
        self.slots.copy_within(gone..self.used, 0);
        self.used -= gone;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_up_to_the_limit_and_again_after_the_span() {
        let (mut window, rate) = (Window::default(), Rate { calls: 3, per: 1000 });
        for (now, left) in [(0, 2), (100, 1), (200, 0)] {
            assert_eq!(window.take(now, rate), Ok(Room { left, wait: 1000 - now }));
        }
        assert_eq!(window.take(900, rate), Err(Room { left: 0, wait: 100 }));
        // What was promised holds: after the wait one call passes, and no second one.
        assert_eq!(window.take(1000, rate), Ok(Room { left: 0, wait: 100 }));
        assert_eq!(window.take(1000, rate), Err(Room { left: 0, wait: 100 }));
        assert!(!window.is_over(1999, 1000) && window.is_over(2000, 1000));
    }

    #[test]
    fn no_span_ever_holds_more_than_the_limit_and_nearly_all_of_it_is_used() {
        for (calls, per, step) in [(100, 1000, 3), (17, 640, 7), (1000, 1000, 1), (16, 100, 1)] {
            let (mut window, rate) = (Window::default(), Rate { calls, per });
            let mut passed = Vec::new();
            let mut state = 1_u64;
            for turn in 0..40_000_u64 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                // Bursts and pauses.
                let now = turn / 4 * step + u64::from(state.is_multiple_of(5));
                let now = passed.last().copied().unwrap_or(0).max(now);
                if window.take(now, rate).is_ok() {
                    passed.push(now);
                }
            }
            let most = usize::try_from(calls).unwrap();
            assert!(passed.windows(most + 1).all(|w| w[most] - w[0] >= per), "{calls} in {per}");
            let whole = passed.last().unwrap() / per * calls;
            assert!(passed.len() as u64 * 100 >= whole * 90, "{calls} in {per}: {} of {whole}", passed.len());
        }
    }

    #[test]
    fn the_promised_wait_is_enough() {
        let rate = Rate { calls: 50, per: 1000 };
        let mut window = Window::default();
        let mut now = 0;
        for turn in 0..500 {
            now += turn % 13;
            if let Err(room) = window.take(now, rate) {
                assert!(room.wait >= 1 && room.wait <= rate.per);
                now += room.wait;
                assert!(window.take(now, rate).is_ok());
            }
        }
    }
}
