//! Sessions: opened with a new secret each, looked up in memory, ended at once.

use super::cookie::{self, SESSION};
use crate::config::SessionConfig;
use crate::gateway::{Gateway, seconds};
use crate::secret;
use domain::{Actor, Digest, ErrorCode, Fault, Name, SessionInfo, Timestamp};
use http::{HeaderMap, Method, header};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use store::{EndSessions, SessionRecord, Store};
use web::{Caller, Problem};

/// How often the last use of a session is written down, in microseconds.
const NOTE_EVERY: i64 = 60_000_000;

/// An open session.
#[derive(Debug)]
struct Open {
    record: SessionRecord,
    /// When it was last used, and when that was last written down; microseconds.
    seen: AtomicI64,
    noted: AtomicI64,
}

/// The session a call came with, as an extension of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentSession {
    pub(crate) digest: Digest,
    /// Whose it is.
    pub principal: Name,
    /// What unsafe calls bring along as `X-CSRF-Token`.
    pub csrf_token: String,
    /// What is told of it.
    pub info: SessionInfo,
}

/// All open sessions. Bounded by the number of people, each with so many at most.
#[derive(Debug)]
pub(super) struct Sessions {
    open: RwLock<HashMap<Digest, Arc<Open>>>,
    idle: i64,
    lifetime: i64,
    per_person: usize,
}

impl Sessions {
    pub(super) fn new(config: &SessionConfig) -> Self {
        Self {
            open: RwLock::default(),
            idle: seconds(config.idle_timeout.0),
            lifetime: seconds(config.lifetime.0),
            per_person: config.per_person,
        }
    }

    pub(super) async fn load(&self, store: &Store) -> Result<(), Fault> {
        let all = store.sessions(Timestamp::now()).await?;
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        for record in all {
            open.insert(record.digest, Arc::new(Open::of(record)));
        }
        Ok(())
    }

    /// How long a session may last, in seconds.
    pub(super) fn lifetime(&self) -> i64 {
        self.lifetime
    }

    fn find(&self, digest: &Digest, now: Timestamp) -> Option<Arc<Open>> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()?;
        (!open.ended(now, self.idle)).then_some(open)
    }

    /// A person's sessions that have not ended, the newest first.
    fn of(&self, name: &Name, now: Timestamp) -> Vec<Arc<Open>> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let mut mine: Vec<_> = open
            .values()
            .filter(|s| s.record.principal == *name && !s.ended(now, self.idle))
            .cloned()
            .collect();
        mine.sort_by_key(|s| std::cmp::Reverse((s.record.created, s.record.digest.0)));
        mine
    }

    fn forget(&self, gone: impl Fn(&Open) -> bool) {
        self.open.write().unwrap_or_else(PoisonError::into_inner).retain(|_, s| !gone(s));
    }
}

impl Open {
    fn of(record: SessionRecord) -> Self {
        let seen = record.seen.micros();
        Self { record, seen: AtomicI64::new(seen), noted: AtomicI64::new(seen) }
    }

    fn ended(&self, now: Timestamp, idle: i64) -> bool {
        let seen = Timestamp(self.seen.load(Ordering::Relaxed));
        now >= self.record.expires || now >= seen.plus_seconds(idle)
    }

    fn info(&self) -> SessionInfo {
        SessionInfo {
            id: self.record.digest.hex()[..16].to_owned(),
            created: self.record.created,
            seen: Timestamp(self.seen.load(Ordering::Relaxed)),
            expires: self.record.expires,
        }
    }

    fn current(&self) -> CurrentSession {
        CurrentSession {
            digest: self.record.digest,
            principal: self.record.principal.clone(),
            csrf_token: self.record.csrf.clone(),
            info: self.info(),
        }
    }
}

/// The person whose session a call brings. None when it brings no session, or a bearer token besides.
///
/// A call that changes something needs the session's `X-CSRF-Token`, and is refused when the browser says
/// (`Sec-Fetch-Site`) that another site made it. Origin and Host were judged before.
pub(crate) fn authenticate(
    gateway: &Gateway,
    headers: &HeaderMap,
    method: &Method,
) -> Option<Result<(Caller, CurrentSession), Problem>> {
    if headers.contains_key(header::AUTHORIZATION) {
        return None;
    }
    let given = cookie::read(headers, SESSION, gateway.secure())?;
    let now = Timestamp::now();
    let digest = secret::digest(given.as_bytes());
    let ended = || {
        gateway.metrics.refused("session_ended");
        Problem::new(ErrorCode::Unauthenticated, "the session has ended: log in again")
    };
    let Some(open) = gateway.people.sessions.find(&digest, now) else { return Some(Err(ended())) };
    let snapshot = gateway.snapshot.load();
    let Some(role) = snapshot.person(&open.record.principal) else { return Some(Err(ended())) };
    if !method.is_safe()
        && let Err(problem) = from_our_own_page(headers, &open.record.csrf)
    {
        gateway.metrics.refused("csrf");
        return Some(Err(problem));
    }
    note_use(gateway, &open, now);
    let caller = Caller { actor: Actor(open.record.principal.to_string()), role, job: None };
    Some(Ok((caller, open.current())))
}

/// The synchronizer token of the session, and what the browser says of the page.
fn from_our_own_page(headers: &HeaderMap, csrf: &str) -> Result<(), Problem> {
    same_site(headers)?;
    let mut sent = headers.get_all("x-csrf-token").iter();
    let given = match (sent.next(), sent.next()) {
        (Some(one), None) => secret::digest(one.as_bytes()),
        _ => secret::digest(b""),
    };
    if secret::known(&given, &[secret::digest(csrf.as_bytes())]) {
        return Ok(());
    }
    Err(Problem::new(
        ErrorCode::Forbidden,
        "a call that changes something needs the session's csrf_token as X-CSRF-Token: read it from /api/v1/sessions/current",
    ))
}

/// Refuses what the browser says another site's page sent (Fetch Metadata); other clients do not say.
pub(super) fn same_site(headers: &HeaderMap) -> Result<(), Problem> {
    let site = headers.get("sec-fetch-site").map(http::HeaderValue::as_bytes);
    match site {
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) => {
            Err(Problem::new(ErrorCode::Forbidden, "a page of another site may not call the control plane"))
        }
    }
}

/// Notes the use in memory, and now and then in the store, beside the call.
fn note_use(gateway: &Gateway, open: &Arc<Open>, now: Timestamp) {
    open.seen.store(now.micros(), Ordering::Relaxed);
    let noted = open.noted.load(Ordering::Relaxed);
    let due = now.micros() - noted >= NOTE_EVERY;
    let mine =
        || open.noted.compare_exchange(noted, now.micros(), Ordering::Relaxed, Ordering::Relaxed).is_ok();
    if due && mine() {
        let (store, digest) = (gateway.store.clone(), open.record.digest);
        tokio::spawn(async move {
            if let Err(error) = store.touch_session(&digest, now).await {
                tracing::warn!(%error, "the use of a session could not be noted");
            }
        });
    }
}

impl Gateway {
    /// Opens a session with a new secret, which is given back; a person's oldest beyond the bound end.
    pub(super) async fn open_session(
        &self,
        name: &Name,
        proven: Option<&str>,
    ) -> Result<(String, CurrentSession), Fault> {
        let sessions = &self.people.sessions;
        let (text, csrf) = (secret::fresh()?, secret::fresh()?);
        let now = Timestamp::now();
        let record = SessionRecord {
            digest: secret::digest(text.as_bytes()),
            principal: name.clone(),
            csrf,
            created: now,
            seen: now,
            expires: now.plus_seconds(sessions.lifetime),
        };
        // In memory first: whoever ends all sessions from here on ends this one too. Nobody has its secret yet.
        let open = Arc::new(Open::of(record.clone()));
        let digest = record.digest;
        sessions.open.write().unwrap_or_else(PoisonError::into_inner).insert(digest, open.clone());
        if let Err(error) = self.store.add_session(&record, proven).await {
            sessions.forget(|s| s.record.digest == digest);
            return Err(error.into());
        }
        sessions.forget(|s| s.ended(now, sessions.idle));
        let over: Vec<Digest> = sessions
            .of(name, now)
            .iter()
            .filter(|s| s.record.digest != digest)
            .skip(sessions.per_person - 1)
            .map(|s| s.record.digest)
            .collect();
        if !over.is_empty() {
            self.end(name, EndSessions::These(&over), &Actor::system()).await?;
        }
        Ok((text, open.current()))
    }

    async fn end(&self, name: &Name, which: EndSessions<'_>, by: &Actor) -> Result<(), Fault> {
        // In memory first: whatever the disk says, nobody gets in by it any more.
        self.people.sessions.forget(|s| {
            s.record.principal == *name
                && match which {
                    EndSessions::All => true,
                    EndSessions::These(digests) => digests.contains(&s.record.digest),
                }
        });
        Ok(self.store.end_sessions(name, which, by).await?)
    }

    /// A person's open sessions, the newest first.
    pub fn sessions(&self, name: &Name) -> Vec<SessionInfo> {
        self.people.sessions.of(name, Timestamp::now()).iter().map(|s| s.info()).collect()
    }

    /// Ends one of a person's sessions.
    pub async fn end_session(&self, name: &Name, id: &str, by: &Actor) -> Result<(), Fault> {
        let mine = self.people.sessions.of(name, Timestamp::now());
        let found = mine.iter().find(|s| s.info().id == id);
        let found = found.ok_or_else(|| {
            let shown: String = id.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
            Fault::new(ErrorCode::NotFound, format!("no session '{shown}' of '{name}'"))
        })?;
        self.end(name, EndSessions::These(&[found.record.digest]), by).await
    }

    /// Ends the session a call came with.
    pub async fn log_out(&self, current: &CurrentSession) -> Result<(), Fault> {
        let by = Actor(current.principal.to_string());
        self.end(&current.principal, EndSessions::These(&[current.digest]), &by).await
    }

    /// Ends all sessions of a person.
    pub async fn end_all_sessions(&self, name: &Name, by: &Actor) -> Result<(), Fault> {
        self.store.principal(name).await?;
        self.end(name, EndSessions::All, by).await
    }

    /// Forgets a person's sessions in memory: the store has ended them already.
    pub(super) fn forget_sessions(&self, name: &Name) {
        self.people.sessions.forget(|s| s.record.principal == *name);
    }

    /// How long the session's cookie lasts, in seconds.
    pub(super) fn session_seconds(&self) -> i64 {
        self.people.sessions.lifetime()
    }

    /// Whether clients reach this server by https: cookies are then bound to it.
    pub(crate) fn secure(&self) -> bool {
        self.public_url.starts_with("https://")
    }
}
