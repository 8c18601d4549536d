//! Refused requests of known callers in the ledger: the first at once, what follows within a minute as one line with its count.

use domain::{Actor, Role, Scope, Timestamp};
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use store::Store;
use tokio::sync::mpsc;
use web::Refusal;

/// How long refusals of one kind are gathered into one line.
const WINDOW: Duration = Duration::from_secs(60);
/// Kinds of refusals gathered at most; those beyond share one line.
const KINDS_MAX: usize = 1024;
/// Kinds of one actor; further ones are counted together under its name.
const KINDS_EACH: usize = 32;
/// Lines waiting to be written at most.
const WAITING_MAX: usize = 64;

/// Refusals that are one line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    actor: Actor,
    scope: Scope,
    role: Option<Role>,
    route: String,
}

/// A line for the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    kind: Kind,
    times: u64,
}

#[derive(Debug)]
struct Gathered {
    since: Instant,
    more: u64,
}

/// What was refused of late.
#[derive(Debug, Default)]
struct Table(HashMap<Kind, Gathered>);

impl Table {
    /// Counts a refusal; gives a line when it is the first of its kind.
    fn note(&mut self, kind: Kind, now: Instant) -> Option<Line> {
        let known = self.0.contains_key(&kind);
        let own = |limit: usize| self.0.keys().filter(|k| k.actor == kind.actor).count() < limit;
        let kind = if known || (self.0.len() < KINDS_MAX && own(KINDS_EACH)) {
            kind
        } else if self.0.len() < 2 * KINDS_MAX {
            // Whoever probes everything is still named.
            Kind { actor: kind.actor, ..Kind::others() }
        } else {
            Kind::others()
        };
        if let Some(gathered) = self.0.get_mut(&kind) {
            gathered.more += 1;
            return None;
        }
        self.0.insert(kind.clone(), Gathered { since: now, more: 0 });
        Some(Line { kind, times: 1 })
    }

    /// Puts a line back that could not be handed on.
    fn keep(&mut self, line: &Line) {
        if let Some(gathered) = self.0.get_mut(&line.kind) {
            gathered.more += line.times;
        }
    }

    /// The lines of kinds whose time is over.
    fn due(&mut self, now: Instant) -> Vec<Line> {
        let mut lines = Vec::new();
        self.0.retain(|kind, gathered| {
            if now.duration_since(gathered.since) < WINDOW {
                return true;
            }
            let times = std::mem::take(&mut gathered.more);
            gathered.since = now;
            if times > 0 {
                lines.push(Line { kind: kind.clone(), times });
            }
            times > 0
        });
        lines
    }
}

impl Kind {
    /// All kinds for which there is no room.
    fn others() -> Self {
        Self { actor: Actor("others".to_owned()), scope: Scope::Workspace, role: None, route: String::new() }
    }
}

/// Gathers refusals and hands them to the ledger's writer.
#[derive(Debug)]
pub(crate) struct Refusals {
    table: Mutex<Table>,
    waiting: mpsc::Sender<Line>,
}

impl Refusals {
    /// Starts the writer; it ends with the last handle.
    pub(crate) fn start(store: Store) -> Arc<Self> {
        let (waiting, lines) = mpsc::channel(WAITING_MAX);
        let refusals = Arc::new(Self { table: Mutex::default(), waiting });
        tokio::spawn(write(Arc::downgrade(&refusals), lines, store));
        refusals
    }

    /// Takes a refusal down; never waits.
    pub(crate) fn note(&self, actor: &Actor, refusal: &Refusal<'_>) {
        let kind = Kind {
            actor: actor.clone(),
            scope: refusal.scope.clone(),
            role: Some(refusal.role),
            route: format!("{} {}", refusal.method, refusal.route),
        };
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(line) = table.note(kind, Instant::now()) else { return };
        if let Err(mpsc::error::TrySendError::Full(line)) = self.waiting.try_send(line) {
            table.keep(&line);
        }
    }

    fn due(&self) -> Vec<Line> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).due(Instant::now())
    }
}

async fn write(refusals: Weak<Refusals>, mut lines: mpsc::Receiver<Line>, store: Store) {
    let mut minute = tokio::time::interval(WINDOW);
    loop {
        let due = tokio::select! {
            line = lines.recv() => match line {
                Some(line) => vec![line],
                None => return,
            },
            _ = minute.tick() => match refusals.upgrade() {
                Some(refusals) => refusals.due(),
                None => return,
            },
        };
        for Line { kind, times } in due {
            let role = kind.role.map(Role::as_str);
            let detail = json!({"needed": role, "request": kind.route, "times": times});
            if let Err(error) = store.note_refusal(&kind.actor, &kind.scope, detail, Timestamp::now()).await {
                tracing::error!(%error, "a refusal could not be written into the ledger");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(actor: usize) -> Kind {
        let actor = Actor(format!("caller{actor}"));
        Kind { actor, scope: Scope::Workspace, role: Some(Role::Owner), route: "POST /x".to_owned() }
    }

    #[test]
    fn the_first_is_told_at_once_and_the_rest_counted() {
        let (mut table, start) = (Table::default(), Instant::now());
        assert_eq!(table.note(kind(1), start), Some(Line { kind: kind(1), times: 1 }));
        for _ in 0..99 {
            assert_eq!(table.note(kind(1), start), None);
        }
        assert_eq!(table.due(start + WINDOW / 2), []);
        assert_eq!(table.due(start + WINDOW), [Line { kind: kind(1), times: 99 }]);
        assert_eq!(table.due(start + WINDOW * 2), []);
        assert!(table.0.is_empty(), "what is over is forgotten");
        let line = table.note(kind(1), start + WINDOW * 2).unwrap();
        table.keep(&line);
        assert_eq!(table.due(start + WINDOW * 3), [line], "what found no room is told later");
    }

    #[test]
    fn callers_without_number_take_bounded_room() {
        let (mut table, start) = (Table::default(), Instant::now());
        let told = (0..10_000).filter(|n| table.note(kind(*n), start).is_some()).count();
        assert_eq!((told, table.0.len()), (2 * KINDS_MAX + 1, 2 * KINDS_MAX + 1));
        let lines = table.due(start + WINDOW);
        assert_eq!(lines, [Line { kind: Kind::others(), times: 10_000 - 2 * KINDS_MAX as u64 - 1 }]);
    }
}
