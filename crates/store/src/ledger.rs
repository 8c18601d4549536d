//! The append-only record of every change: who did what, when. No statement here updates or deletes.
//!
//! Each entry carries the SHA-256 of the entry before it and of itself, so that a line removed or altered by other means
//! shows in [`Store::verify_ledger`].

use crate::db::Store;
use crate::error::Result;
use crate::records::{Record, to_json};
use domain::{Actor, Digest, LedgerCheck, LedgerEntry, LedgerHead, Scope, Timestamp};
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

    /// Checks that no entry is missing or altered, and names the first wrong one. A chain does not show that its end was cut off:
    /// with `kept`, a digest noted elsewhere, the entry that carried it must still be there.
    pub async fn verify_ledger(&self, kept: Option<Digest>) -> Result<LedgerCheck> {
        let mut done = LedgerCheck::default();
        let (mut before, mut met) = (String::new(), kept.is_none());
        let kept = kept.map(|digest| digest.hex());
        while done.wrong.is_none() {
            let rows = self.ledger_rows(done.entries, LEDGER_PAGE_MAX).await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                match check(row, done.entries, &before)? {
                    Ok(chain) => before = chain,
                    Err(wrong) => {
                        done.wrong = Some(wrong);
                        break;
                    }
                }
                met |= kept.as_ref() == Some(&before);
                done.entries += 1;
                done.head = Some(head(row)?);
            }
        }
        if done.wrong.is_none() && !met {
            let wrong =
                "no entry carries the digest that was kept: entries were cut off, or it is another ledger";
            done.wrong = Some(wrong.to_owned());
        }
        Ok(done)
    }

    /// The last entry's place and digest; none while the ledger is empty.
    pub async fn ledger_head(&self) -> Result<Option<LedgerHead>> {
        let row = sqlx::query("SELECT sequence, time, chain FROM ledger ORDER BY sequence DESC LIMIT 1")
            .fetch_optional(self.reader())
            .await?;
        row.as_ref().map(head).transpose()
    }

    /// Writes down that a caller was refused.
    pub async fn note_refusal(
        &self,
        by: &Actor,
        on: &Scope,
        detail: serde_json::Value,
        now: Timestamp,
    ) -> Result<()> {
        let mut write = self.write().await?;
        write.note(by, now, Change::new("refuse request", on.to_string(), detail)).await?;
        write.commit().await
    }

    async fn ledger_rows(&self, after: i64, limit: u32) -> Result<Vec<SqliteRow>> {
        Ok(sqlx::query("SELECT * FROM ledger WHERE sequence > $1 ORDER BY sequence LIMIT $2")
            .bind(after)
            .bind(i64::from(limit.min(LEDGER_PAGE_MAX)))
            .fetch_all(self.reader())
            .await?)
    }
}

fn head(row: &SqliteRow) -> Result<LedgerHead> {
    Ok(LedgerHead { sequence: row.int("sequence")?, time: row.time("time")?, digest: row.digest("chain")? })
}

/// Checks one record against the one before it; gives its chain value, or what is wrong.
fn check(row: &SqliteRow, last: i64, before: &str) -> Result<Result<String, String>> {
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
        return Ok(Err(format!("ledger entry {} is missing", last + 1)));
    }
    if line.chain(before) != chain {
        return Ok(Err(format!("ledger entry {sequence} was altered")));
    }
    Ok(Ok(chain))
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
    use domain::{Digest, KeySlot};

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
        assert_eq!(store.verify_ledger(None).await.unwrap().entries, 10);
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
            let head = store.ledger_head().await.unwrap().unwrap();
            let whole = store.verify_ledger(Some(head.digest)).await.unwrap();
            assert_eq!((whole.entries, whole.wrong, whole.head), (4, None, Some(head)));
            let mut write = store.write().await.unwrap();
            sqlx::query(sql).execute(write.conn()).await.unwrap();
            write.commit().await.unwrap();
            let broken = store.verify_ledger(None).await.unwrap();
            assert_eq!((broken.entries, broken.wrong.as_deref()), (1, Some(told)));
        }
    }

    #[tokio::test]
    async fn a_cut_end_shows_against_the_digest_kept_elsewhere() {
        let (_dir, store) = store().await;
        assert_eq!(store.ledger_head().await.unwrap(), None);
        store.add_endpoint(&endpoint("e"), &admin()).await.unwrap();
        let change = KeyChange {
            endpoint: &name("e"),
            slot: KeySlot::Primary,
            derive: &|generation| generation.to_string(),
        };
        store.regenerate_key(&change, &admin(), T0).await.unwrap();
        let kept = store.ledger_head().await.unwrap().unwrap().digest;
        let mut write = store.write().await.unwrap();
        sqlx::query("DELETE FROM ledger WHERE sequence = 2").execute(write.conn()).await.unwrap();
        write.commit().await.unwrap();
        assert_eq!(store.verify_ledger(None).await.unwrap().wrong, None);
        let cut = store.verify_ledger(Some(kept)).await.unwrap();
        assert!(cut.wrong.is_some_and(|wrong| wrong.contains("cut off")));
        assert!(store.verify_ledger(Some(Digest([7; 32]))).await.unwrap().wrong.is_some());
    }
}
