//! The append-only record of every change: who did what, when. No statement here updates or deletes.
//!
//! Each entry carries the SHA-256 of the entry before it and of itself, so that a line removed or altered by other means
//! shows in [`Store::verify_ledger`].

use crate::db::Store;
use crate::error::{Error, Result};
use crate::records::{Record, to_json};
use domain::{Actor, Digest, LedgerEntry, Timestamp};
use sha2::{Digest as _, Sha256};
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};

/// Entries that one call reads at most.
pub const LEDGER_PAGE_MAX: u32 = 1000;

/// What a change did, for its ledger line.
#[derive(Debug)]
pub(crate) struct Change {
    /// A verb and a noun: `register data`.
    pub action: &'static str,
    /// On what: `german-credit:1`.
    pub subject: String,
    /// Particulars; never a secret.
    pub detail: serde_json::Value,
}

impl Change {
    /// A change with particulars.
    pub(crate) fn new(action: &'static str, subject: impl Into<String>, detail: serde_json::Value) -> Self {
        Self { action, subject: subject.into(), detail }
    }

    /// A change whose action and subject say all.
    pub(crate) fn plain(action: &'static str, subject: impl Into<String>) -> Self {
        Self::new(action, subject, serde_json::json!({}))
    }
}

/// The last entry's position, 0 when there is none.
pub(crate) async fn last_sequence(pool: &SqlitePool) -> Result<i64> {
    let row = sqlx::query("SELECT COALESCE(MAX(sequence), 0) AS last FROM ledger").fetch_one(pool).await?;
    row.int("last")
}

/// Appends a line in the transaction of its change; the write lock keeps the numbers without gaps.
pub(crate) async fn append(
    conn: &mut SqliteConnection,
    by: &Actor,
    now: Timestamp,
    change: Change,
) -> Result<i64> {
    let last = sqlx::query("SELECT sequence, chain FROM ledger ORDER BY sequence DESC LIMIT 1")
        .fetch_optional(&mut *conn)
        .await?;
    let (sequence, before) = match last {
        Some(row) => (row.int("sequence")? + 1, row.text("chain")?),
        None => (1, String::new()),
    };
    let detail = to_json(&change.detail)?;
    let line = Line {
        sequence,
        time: now.micros(),
        actor: &by.0,
        action: change.action,
        subject: &change.subject,
        detail: &detail,
    };
    sqlx::query(
        "INSERT INTO ledger (sequence, time, actor, action, subject, detail, chain) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(sequence)
    .bind(now.micros())
    .bind(&by.0)
    .bind(change.action)
    .bind(&change.subject)
    .bind(&detail)
    .bind(line.chain(&before))
    .execute(conn)
    .await?;
    Ok(sequence)
}

/// The stored form of an entry, as it goes into the chain.
struct Line<'a> {
    sequence: i64,
    time: i64,
    actor: &'a str,
    action: &'a str,
    subject: &'a str,
    detail: &'a str,
}

impl Line<'_> {
    /// SHA-256 over the former entry's digest and this entry, every member with its length before it.
    fn chain(&self, before: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(self.sequence.to_le_bytes());
        hash.update(self.time.to_le_bytes());
        for part in [before, self.actor, self.action, self.subject, self.detail] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        Digest(hash.finalize().into()).hex()
    }
}

impl Store {
    /// Entries after a position, oldest first, at most [`LEDGER_PAGE_MAX`].
    pub async fn ledger(&self, after: i64, limit: u32) -> Result<Vec<LedgerEntry>> {
        let rows = self.ledger_rows(after, limit).await?;
        rows.iter().map(entry).collect()
    }

    /// Checks that no entry is missing or altered; gives their number, or an error naming the first wrong one.
    pub async fn verify_ledger(&self) -> Result<i64> {
        let (mut last, mut before) = (0, String::new());
        loop {
            let rows = self.ledger_rows(last, LEDGER_PAGE_MAX).await?;
            if rows.is_empty() {
                return Ok(last);
            }
            for row in &rows {
                before = check(row, last, &before)?;
                last += 1;
            }
        }
    }

    async fn ledger_rows(&self, after: i64, limit: u32) -> Result<Vec<SqliteRow>> {
        Ok(sqlx::query("SELECT * FROM ledger WHERE sequence > $1 ORDER BY sequence LIMIT $2")
            .bind(after)
            .bind(i64::from(limit.min(LEDGER_PAGE_MAX)))
            .fetch_all(self.reader())
            .await?)
    }
}

/// Checks one record against the one before it; gives its chain value.
fn check(row: &SqliteRow, last: i64, before: &str) -> Result<String> {
    let (sequence, chain) = (row.int("sequence")?, row.text("chain")?);
    let (actor, action, subject, detail) =
        (row.text("actor")?, row.text("action")?, row.text("subject")?, row.text("detail")?);
    let line = Line {
        sequence,
        time: row.int("time")?,
        actor: &actor,
        action: &action,
        subject: &subject,
        detail: &detail,
    };
    if sequence != last + 1 {
        return Err(Error::Corrupt(format!("ledger entry {} is missing", last + 1)));
    }
    if line.chain(before) != chain {
        return Err(Error::Corrupt(format!("ledger entry {sequence} was altered")));
    }
    Ok(chain)
}

fn entry(row: &SqliteRow) -> Result<LedgerEntry> {
    Ok(LedgerEntry {
        sequence: row.int("sequence")?,
        time: row.time("time")?,
        actor: Actor(row.text("actor")?),
        action: row.text("action")?,
        subject: row.text("subject")?,
        detail: row.json("detail")?,
    })
}

#[cfg(test)]
mod tests {
    use crate::KeyChange;
    use crate::samples::{T0, admin, endpoint, name, store};
    use domain::KeySlot;

    #[tokio::test]
    async fn changes_at_once_are_numbered_without_gaps_and_failures_leave_none() {
        let (_dir, store) = store().await;
        let watch = store.changes();
        let calls: Vec<_> = (0..20)
            .map(|i| {
                let store = store.clone();
                // Every endpoint twice: the second is refused and must leave no line.
                tokio::spawn(async move {
                    store.add_endpoint(&endpoint(&format!("e{}", i / 2)), &admin()).await.is_ok()
                })
            })
            .collect();
        let mut made = 0;
        for call in calls {
            made += i64::from(call.await.unwrap());
        }
        let sequence: Vec<i64> = store.ledger(0, 1000).await.unwrap().iter().map(|e| e.sequence).collect();
        assert_eq!((made, sequence), (10, (1..=10).collect::<Vec<_>>()));
        assert_eq!(*watch.borrow(), 10);
        assert_eq!(store.verify_ledger().await.unwrap(), 10);
        assert_eq!(store.ledger(7, 2).await.unwrap().iter().map(|e| e.sequence).collect::<Vec<_>>(), [8, 9]);
    }

    #[tokio::test]
    async fn an_altered_or_missing_line_is_named() {
        for (sql, told) in [
            ("UPDATE ledger SET actor = 'nobody' WHERE sequence = 2", "ledger entry 2 was altered"),
            ("DELETE FROM ledger WHERE sequence = 2", "ledger entry 2 is missing"),
        ] {
            let (_dir, store) = store().await;
            store.add_endpoint(&endpoint("e"), &admin()).await.unwrap();
            for _ in 0..3 {
                let (endpoint, derive) = (name("e"), |_: u32| String::new());
                let change = KeyChange { endpoint: &endpoint, slot: KeySlot::Primary, derive: &derive };
                store.regenerate_key(&change, &admin(), T0).await.unwrap();
            }
            assert_eq!(store.verify_ledger().await.unwrap(), 4);
            let mut write = store.write().await.unwrap();
            sqlx::query(sql).execute(write.conn()).await.unwrap();
            write.commit().await.unwrap();
            assert_eq!(store.verify_ledger().await.unwrap_err().to_string(), told);
        }
    }
}
