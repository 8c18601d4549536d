//! Whose tokens are trusted: the built-in token service and the registered issuers, each with all that was pinned for it.
//!
//! A token is judged from memory alone. Keys are fetched beside the calls: regularly, and when a token names a key that is not
//! known, at most once in `gateway.jwks.min_refresh` an issuer, one fetch at a time. While an issuer does not answer, its keys
//! serve on for `gateway.jwks.stale`; a key that is missing in a good answer is worth nothing from that moment on, and with it every
//! token that was verified by it.

mod fetch;
mod keys;
mod manage;
mod schedule;
mod source;
#[cfg(test)]
mod tests;

pub use manage::{AddIssuer, IssuerKey, IssuerState, KeySetState};
pub use schedule::JwksConfig;
pub(crate) use source::Source;

use crate::bearer;
use crate::config::Config;
use crate::gateway::seconds;
use crate::jose::{Algorithm, KeySet, Refusal, decode};
use crate::jwt::{Claims, Times};
use crate::secret::digest;
use crate::verified::{Seen, Verified};
use arc_swap::ArcSwap;
use domain::{Clock, Fault, Issuer, KeySource, Role, Timestamp, TrustedIssuer};
use fetch::Clients;
use keys::{Keys, World};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::Store;
use tokio::sync::Semaphore;

/// How long a call with an unknown key waits for the fetch that may bring it.
const NEWS_TIME: Duration = Duration::from_secs(3);
/// Calls that wait so at once; further ones are answered without.
const WAITING_MAX: usize = 64;

/// The issuers by the text of their `iss`.
type Sources = HashMap<String, Arc<Source>>;

/// Everything tokens are judged by.
pub(crate) struct Issuers {
    world: Arc<World>,
    sources: ArcSwap<Sources>,
    /// The names of the built-in token service, and what stands for it under each of them.
    own: [String; 2],
    built_in: Arc<Source>,
    times: Times,
    seen: Seen,
    waiting: Semaphore,
}

impl std::fmt::Debug for Issuers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuers").field("own", &self.own).finish_non_exhaustive()
    }
}

/// The issuers' clock: the wall clock of the start, carried on by the monotonic one, so that nobody can turn it.
struct Steady {
    began: Timestamp,
    since: Instant,
}

impl Clock for Steady {
    fn now(&self) -> Timestamp {
        schedule::later(self.began, self.since.elapsed())
    }
}

impl Issuers {
    /// The issuer that a discovery document names.
    pub(crate) async fn named(&self, url: &str, loopback: bool) -> Result<String, Fault> {
        self.world.clients.named(url, loopback).await
    }

    /// The built-in token service under its two names, its keys to come with [`set_built_in`](Self::set_built_in); registered
    /// issuers come with [`replace`](Self::replace).
    pub(crate) fn new(
        own: [String; 2],
        config: &Config,
        outbound: &outbound::Config,
        store: &Store,
    ) -> Result<Self, Fault> {
        let clock = Steady { began: Timestamp::now(), since: Instant::now() };
        let world = World {
            config: config.jwks,
            clock: Arc::new(clock),
            clients: Clients::new(outbound)?,
            store: store.clone(),
        };
        Ok(Self::with(own, config, world))
    }

    fn with(own: [String; 2], config: &Config, world: World) -> Self {
        let times = Times { skew: seconds(config.clock_skew), max_lifetime: seconds(config.max_lifetime.0) };
        let keys = Arc::new(Keys::fixed(&own[0], KeySource::Static(String::new()), KeySet::default()));
        let built_in = Arc::new(Source::built_in(keys, times));
        let sources = own.iter().map(|name| (name.clone(), built_in.clone())).collect();
        Self {
            world: Arc::new(world),
            sources: ArcSwap::from_pointee(sources),
            own,
            built_in,
            times,
            seen: Seen::new(config.token_cache, seconds(config.token_cache_for.0)),
            waiting: Semaphore::new(WAITING_MAX),
        }
    }

    /// The key set of the built-in token service; tokens of a key that is not in it any more are refused from now on.
    pub(crate) fn set_built_in(&self, keys: &KeySet) {
        self.built_in.keys.replace(keys);
    }

    /// What a token says, when it is one of a trusted issuer and valid at `now` (seconds since 1970).
    ///
    /// Never waits: a key that is not known is asked for beside the call.
    pub(crate) fn verify(&self, token: &str, now: i64) -> Result<Arc<Verified>, Refusal> {
        let digest = digest(token.as_bytes()).0;
        if let Some(known) = self.seen.get(&digest, now, self.world.clock.now()) {
            return known;
        }
        let verified = Arc::new(self.judge(token, now)?);
        self.seen.put(digest, &verified, now);
        Ok(verified)
    }

    /// The claims of a token of the built-in token service.
    pub(crate) fn own(&self, token: &str, now: i64) -> Result<Arc<Claims>, Refusal> {
        let verified = self.verify(token, now)?;
        if verified.issuer == Issuer::BuiltIn { Ok(verified.claims.clone()) } else { Err(Refusal::Issuer) }
    }

    /// Judges a token that was not seen before.
    pub(crate) fn judge(&self, token: &str, now: i64) -> Result<Verified, Refusal> {
        let decoded = decode(token, &Algorithm::GATE)?;
        let claims = Claims::parse(decoded.payload())?;
        let sources = self.sources.load();
        let source = sources.get(&claims.issuer).ok_or(Refusal::Issuer)?;
        source.admits(&decoded, &claims, now)?;
        let verified = source.keys.usable(self.world.clock.now()).and_then(|set| {
            let key = decoded.verify(&set)?;
            Ok(key.clone())
        });
        match verified {
            Ok(key) => Ok(Verified {
                issuer: source.name.clone(),
                claims: Arc::new(claims),
                source: source.clone(),
                key,
            }),
            Err(refusal) => {
                // Without a key id, a wrong signature is all that a new key shows.
                if refusal == Refusal::UnknownKey || (refusal == Refusal::Signature && !decoded.has_kid()) {
                    source.keys.want();
                }
                Err(refusal)
            }
        }
    }

    /// The role on the control plane that a token of a registered issuer brings; none when it only scores.
    pub(crate) fn role_of(&self, verified: &Verified) -> Option<Role> {
        verified.source.role_of(&verified.claims)
    }

    /// For a call that was refused: when its token is of a key that is not known, waits for the fetch that may bring it. True when
    /// it is worth to judge the call again. Nothing is held meanwhile, and only so many calls wait.
    pub(crate) async fn caught_up(&self, headers: &http::HeaderMap) -> bool {
        match bearer::bearer(headers) {
            Ok(token) => self.news_for(token, Timestamp::now().seconds()).await,
            Err(_) => false,
        }
    }

    async fn news_for(&self, token: &str, now: i64) -> bool {
        let Some(keys) = self.lacking(token, now) else { return false };
        let Ok(_place) = self.waiting.try_acquire() else { return false };
        keys.news(&self.world, NEWS_TIME).await
    }

    /// The keys among which that of a token is not, or was not a moment ago.
    fn lacking(&self, token: &str, now: i64) -> Option<Arc<Keys>> {
        let decoded = decode(token, &Algorithm::GATE).ok()?;
        let claims = Claims::parse(decoded.payload()).ok()?;
        let source = self.sources.load().get(&claims.issuer).filter(|s| s.record.is_some()).cloned()?;
        source.admits(&decoded, &claims, now).ok()?;
        let clock = self.world.clock.now();
        let known = source.keys.usable(clock).is_ok_and(|set| decoded.key(&set).is_ok());
        (!known || source.keys.just_fetched(clock)).then(|| source.keys.clone())
    }

    /// Puts the registered issuers in the place of those before; who stays keeps his keys. One call at a time.
    pub(crate) async fn replace(&self, trusted: Vec<TrustedIssuer>) {
        let before = self.sources.load_full();
        let mut next = Sources::new();
        for record in trusted {
            let source = match before.get(&record.issuer) {
                Some(old) if old.record.as_ref() == Some(&record) => old.clone(),
                Some(old) if old.record.is_some() && old.keys.are_of(&record) => {
                    Arc::new(Source::new(record, old.keys.clone(), self.times))
                }
                _ => {
                    let keys = Keys::open(&self.world, &record).await;
                    Arc::new(Source::new(record, keys, self.times))
                }
            };
            next.insert(source.name.to_string(), source);
        }
        // Last: nobody can stand for the built-in token service.
        next.extend(self.own.iter().map(|name| (name.clone(), self.built_in.clone())));
        self.sources.store(Arc::new(next));
        let now = self.sources.load();
        for (name, old) in before.iter().filter(|(_, old)| old.record.is_some()) {
            let new = now.get(name);
            if new.is_none_or(|new| !Arc::ptr_eq(new, old)) {
                old.dismiss();
            }
            if new.is_none_or(|new| !Arc::ptr_eq(&new.keys, &old.keys)) {
                old.keys.stop();
            }
        }
    }
}

impl Drop for Issuers {
    fn drop(&mut self) {
        for source in self.sources.load().values() {
            source.keys.stop();
        }
    }
}
