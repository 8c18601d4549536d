//! The keys of one issuer: held, renewed in the background, kept through an outage, withdrawn when the issuer says so.

use super::fetch::{Answer, Ask, Clients};
use super::schedule::{JwksConfig, Schedule, later};
use crate::jose::{Key, KeySet, Refusal};
use arc_swap::ArcSwap;
use domain::{Clock, Fault, KeySource, Timestamp, TrustedIssuer};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use store::{KeptKeys, Store};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

/// What all issuers share.
pub(super) struct World {
    pub config: JwksConfig,
    pub clock: Arc<dyn Clock>,
    pub clients: Clients,
    pub store: Store,
}

/// The keys of one issuer.
pub(super) struct Keys {
    issuer: String,
    from: KeySource,
    loopback: bool,
    set: ArcSwap<KeySet>,
    /// Until when the set may be used, in microseconds of the issuers' clock.
    until: AtomicI64,
    state: Mutex<State>,
    wake: Notify,
    /// Counts the fetches that ended.
    ended: watch::Sender<u64>,
    /// One fetch at a time.
    turn: tokio::sync::Mutex<()>,
    task: OnceLock<AbortHandle>,
}

struct State {
    schedule: Schedule,
    fetched: Option<Timestamp>,
    error: Option<String>,
    /// The text that lies in the store, and since when.
    kept: Option<KeptKeys>,
}

/// How the keys of an issuer stand.
pub(super) struct Standing {
    pub keys: Vec<Arc<Key>>,
    pub fetched: Option<Timestamp>,
    pub error: Option<String>,
    pub until: Timestamp,
}

impl Keys {
    /// Keys that are given, not fetched.
    pub(super) fn fixed(issuer: &str, from: KeySource, set: KeySet) -> Self {
        let state = State {
            schedule: Schedule::new(Timestamp(i64::MAX), None, &NEVER),
            fetched: None,
            error: None,
            kept: None,
        };
        Self {
            issuer: issuer.to_owned(),
            from,
            loopback: false,
            set: ArcSwap::from_pointee(set),
            until: AtomicI64::new(i64::MAX),
            state: Mutex::new(state),
            wake: Notify::new(),
            ended: watch::Sender::new(0),
            turn: tokio::sync::Mutex::default(),
            task: OnceLock::new(),
        }
    }

    /// The keys of a registered issuer: those it answered last, when they are still of use, until it answers again.
    pub(super) async fn open(world: &Arc<World>, trusted: &TrustedIssuer) -> Arc<Self> {
        let mut keys = Self::fixed(&trusted.issuer, trusted.keys.clone(), KeySet::default());
        keys.loopback = trusted.allow_loopback_http;
        if let KeySource::Static(text) = &keys.from {
            keys.set.store(Arc::new(KeySet::parse(text.as_bytes()).unwrap_or_default()));
            return Arc::new(keys);
        }
        let now = world.clock.now();
        keys.until.store(i64::MIN, Ordering::Release);
        let kept = world.store.issuer_keys(&trusted.issuer).await.unwrap_or_else(|error| {
            tracing::error!(issuer = trusted.issuer, %error, "the keys kept of an issuer cannot be read");
            None
        });
        // Kept by the wall clock, which may have been changed since: never younger than now.
        let answered = kept.as_ref().map(|kept| kept.fetched.min(now));
        let set = kept.as_ref().and_then(|kept| KeySet::parse(kept.jwks.as_bytes()));
        let schedule = Schedule::new(now, answered.filter(|_| set.is_some()), &world.config);
        if let (Some(at), Some(set)) = (answered, set) {
            keys.set.store(Arc::new(set));
            keys.until.store(later(at, world.config.usable()).0, Ordering::Release);
        }
        keys.state = Mutex::new(State { schedule, fetched: answered, error: None, kept });
        let keys = Arc::new(keys);
        let task = tokio::spawn(keep(keys.clone(), world.clone()));
        // Just made: nobody can have set it before.
        let _ = keys.task.set(task.abort_handle());
        keys
    }

    /// Whether a registration means the same keys.
    pub(super) fn are_of(&self, trusted: &TrustedIssuer) -> bool {
        self.from == trusted.keys && self.loopback == trusted.allow_loopback_http
    }

    /// The keys that may be used now.
    pub(super) fn usable(&self, now: Timestamp) -> Result<arc_swap::Guard<Arc<KeySet>>, Refusal> {
        if self.in_time(now) { Ok(self.set.load()) } else { Err(Refusal::UnknownKey) }
    }

    /// Whether the last answer is not too old.
    pub(super) fn in_time(&self, now: Timestamp) -> bool {
        now.0 < self.until.load(Ordering::Acquire)
    }

    /// Puts another set in the place of this one; what is not in it any more is withdrawn.
    pub(super) fn replace(&self, set: &KeySet) {
        self.set.rcu(|before| set.clone().replacing(before));
    }

    /// Whether they are fetched from somewhere.
    fn remote(&self) -> bool {
        !matches!(self.from, KeySource::Static(_))
    }

    /// Notes that a token named a key that is not here: it is asked for beside the call.
    pub(super) fn want(&self) {
        if self.remote() && self.state().schedule.want() {
            self.wake.notify_one();
        }
    }

    /// Whether an answer came within the last second: a call may have been judged just before it.
    pub(super) fn just_fetched(&self, now: Timestamp) -> bool {
        self.state().fetched.is_some_and(|at| later(at, Duration::from_secs(1)) > now)
    }

    /// Waits for the answer that is on its way, no longer than `most`. True when there may be news.
    pub(super) async fn news(&self, world: &World, most: Duration) -> bool {
        let mut ended = self.ended.subscribe();
        if !self.state().schedule.soon(world.clock.now(), &world.config) {
            return true;
        }
        matches!(tokio::time::timeout(most, ended.changed()).await, Ok(Ok(())))
    }

    /// Asks the issuer now; an answer takes effect at once, a failure leaves everything as it is.
    pub(super) async fn renew(&self, world: &World) -> Result<(), Fault> {
        let _one_at_a_time = self.turn.lock().await;
        let began = world.clock.now();
        self.state().schedule.begin(began);
        let ask = Ask { issuer: &self.issuer, from: &self.from, loopback: self.loopback };
        let answer = world.clients.keys(ask).await;
        let outcome = match answer {
            Ok(answer) => {
                self.take(world, answer, began).await;
                Ok(())
            }
            Err(fault) => Err(self.failed(world, fault)),
        };
        self.ended.send_modify(|count| *count = count.wrapping_add(1));
        outcome
    }

    /// Takes an answer that was asked for elsewhere, unless a later one is here.
    pub(super) async fn offer(&self, world: &World, answer: Answer, at: Timestamp) {
        let _one_at_a_time = self.turn.lock().await;
        if self.state().fetched.is_none_or(|fetched| fetched <= at) {
            self.take(world, answer, at).await;
        }
    }

    /// Takes an answer of a moment, and keeps it for the next start.
    async fn take(&self, world: &World, answer: Answer, at: Timestamp) {
        let text = answer.text;
        self.replace(&answer.keys);
        self.until.store(later(at, world.config.usable()).0, Ordering::Release);
        let kept = {
            let mut state = self.state();
            state.schedule.end(world.clock.now(), true, &world.config);
            state.fetched = Some(at);
            state.error = None;
            let aged = |kept: &KeptKeys| later(kept.fetched, world.config.ttl.0 / 2) < at;
            let outdated = state.kept.as_ref().is_none_or(|kept| kept.jwks != text || aged(kept));
            outdated.then_some(KeptKeys { jwks: text, fetched: at })
        };
        let Some(kept) = kept else { return };
        match world.store.keep_issuer_keys(&self.issuer, &kept).await {
            Ok(()) => self.state().kept = Some(kept),
            Err(error) => tracing::warn!(issuer = self.issuer, %error, "an issuer's keys could not be kept"),
        }
    }

    fn failed(&self, world: &World, fault: Fault) -> Fault {
        tracing::warn!(issuer = self.issuer, error = %fault, "an issuer's keys could not be renewed");
        let mut state = self.state();
        state.schedule.end(world.clock.now(), false, &world.config);
        state.error = Some(fault.message.clone());
        fault
    }

    /// Counts the fetches that ended.
    #[cfg(test)]
    pub(super) fn fetches(&self) -> watch::Receiver<u64> {
        self.ended.subscribe()
    }

    /// Ends the renewal.
    pub(super) fn stop(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }

    /// How the keys stand.
    pub(super) fn standing(&self) -> Standing {
        let state = self.state();
        Standing {
            keys: self.set.load().keys().cloned().collect(),
            fetched: state.fetched,
            error: state.error.clone(),
            until: Timestamp(self.until.load(Ordering::Acquire)),
        }
    }

    /// Time until the next fetch.
    pub(super) fn wait(&self, world: &World) -> Duration {
        let due = self.state().schedule.due(&world.config);
        let micros = due.0.saturating_sub(world.clock.now().0);
        u64::try_from(micros).map_or(Duration::ZERO, Duration::from_micros)
    }

    /// Held for a few instructions, never across an await; what it guards is whole whatever happened to the holder.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For keys that are never fetched.
const NEVER: JwksConfig = {
    let span = domain::Span(Duration::MAX);
    JwksConfig { ttl: span, recheck: span, min_refresh: span, stale: span }
};

/// Renews the keys of an issuer for as long as it is registered.
async fn keep(keys: Arc<Keys>, world: Arc<World>) {
    loop {
        let wait = keys.wait(&world);
        if wait.is_zero() {
            // What went wrong is logged, and shown beside the issuer.
            let _ = keys.renew(&world).await;
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = keys.wake.notified() => {}
        }
    }
}
