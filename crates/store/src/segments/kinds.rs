//! What many calls have in common, by number: found by comparing with the last few, then by hash.

use crate::segments::{RequestRow, Text};
use std::collections::HashMap;
use std::sync::Arc;

/// Kinds that are remembered; beyond it all are forgotten, and a kind met again gets a new number.
const REMEMBERED: usize = 4096;
/// Kinds compared one by one before they are looked up.
const RECENT: usize = 4;
/// The texts of a kind.
const TEXTS: usize = 15;
/// Its numbers.
const NUMBERS: usize = 3;

/// What many calls have in common.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    /// In the order of [`texts`].
    pub(super) texts: [Text; TEXTS],
    /// In the order of [`numbers`].
    pub(super) numbers: [u32; NUMBERS],
}

impl Kind {
    fn of(row: &RequestRow) -> Self {
        Self { texts: texts(row).map(Text::to_kept), numbers: numbers(row) }
    }

    fn is_of(&self, row: &RequestRow) -> bool {
        self.numbers == numbers(row) && self.texts.iter().zip(texts(row)).all(|(mine, its)| mine.is_same(its))
    }
}

fn texts(row: &RequestRow) -> [&Text; TEXTS] {
    [
        &row.operation,
        &row.method,
        &row.path,
        &row.protocol,
        &row.endpoint,
        &row.deployment,
        &row.auth_type,
        &row.identity,
        &row.reason,
        &row.model_reason,
        &row.user_agent,
        &row.location,
        &row.model_name,
        &row.api,
        &row.principal,
    ]
}

/// Status, the model's status, the model's version.
fn numbers(row: &RequestRow) -> [u32; NUMBERS] {
    [row.status.into(), row.model_status.into(), row.model_version]
}

/// The kinds of a segment that its writer remembers.
#[derive(Debug)]
pub(super) struct Kinds {
    last: i64,
    ids: HashMap<Arc<Kind>, i64>,
    recent: [Option<(Arc<Kind>, i64)>; RECENT],
    next_recent: usize,
    /// Given out since they were last taken: not yet in the segment.
    fresh: Vec<(Arc<Kind>, i64)>,
}

impl Kinds {
    /// Goes on after the number that was given last.
    pub(super) fn after(last: i64) -> Self {
        Self {
            last,
            ids: HashMap::new(),
            recent: [const { None }; RECENT],
            next_recent: 0,
            fresh: Vec::new(),
        }
    }

    /// The number of a row's kind, a new one for a new kind.
    pub(super) fn id(&mut self, row: &RequestRow) -> i64 {
        let recent = self.recent.iter().flatten().find(|(kind, _)| kind.is_of(row));
        if let Some((_, id)) = recent {
            return *id;
        }
        let kind = Arc::new(Kind::of(row));
        let id = match self.ids.get(&kind) {
            Some(id) => *id,
            None => self.add(Arc::clone(&kind)),
        };
        self.recent[self.next_recent] = Some((kind, id));
        self.next_recent = (self.next_recent + 1) % RECENT;
        id
    }

    fn add(&mut self, kind: Arc<Kind>) -> i64 {
        if self.ids.len() >= REMEMBERED {
            self.ids.clear();
        }
        self.last += 1;
        self.ids.insert(Arc::clone(&kind), self.last);
        self.fresh.push((kind, self.last));
        self.last
    }

    /// The kinds that are not yet in the segment.
    pub(super) fn take_fresh(&mut self) -> Vec<(Arc<Kind>, i64)> {
        std::mem::take(&mut self.fresh)
    }
}
