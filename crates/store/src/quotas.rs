//! What was used of quotas: kept so that a quota of days outlives a restart. Written in the background, never by a call.

use crate::db::Store;
use crate::error::Result;
use crate::records::{Record, to_int};
use std::collections::BTreeSet;

/// What one caller used of one quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaCount {
    /// The API's path.
    pub api: String,
    /// What is counted by and the span, as text.
    pub rule: String,
    /// A digest of whose calls these are.
    pub who: String,
    /// The number of the span since 1970; counts of another span are over.
    pub period: i64,
    /// Calls.
    pub calls: u64,
    /// Bytes of bodies in both directions.
    pub bytes: u64,
}

impl Store {
    /// Keeps counts, each over what it was before. It is no change by a user, so the ledger has no line of it.
    pub async fn keep_quota_counts(&self, counts: &[QuotaCount]) -> Result<()> {
        let mut write = self.write().await?;
        for count in counts {
            sqlx::query(
                "INSERT INTO quota_counts (api, rule, who, period, calls, bytes) VALUES ($1, $2, $3, $4, $5, $6) \
                 ON CONFLICT (api, rule, who) DO UPDATE SET period = excluded.period, calls = excluded.calls, \
                 bytes = excluded.bytes",
            )
            .bind(&count.api)
            .bind(&count.rule)
            .bind(&count.who)
            .bind(count.period)
            .bind(to_int(count.calls, "a count of calls")?)
            .bind(to_int(count.bytes, "a count of bytes")?)
            .execute(write.conn())
            .await?;
        }
        // Whoever is counted now was counted into the present span: what is left of former ones is of no use.
        let rules: BTreeSet<_> = counts.iter().map(|c| (&c.api, &c.rule, c.period)).collect();
        for (api, rule, period) in rules {
            sqlx::query("DELETE FROM quota_counts WHERE api = $1 AND rule = $2 AND period < $3")
                .bind(api)
                .bind(rule)
                .bind(period)
                .execute(write.conn())
                .await?;
        }
        write.commit().await
    }

    /// The counts of APIs that are still published; those of others are dropped.
    pub async fn quota_counts(&self) -> Result<Vec<QuotaCount>> {
        let mut write = self.write().await?;
        sqlx::query("DELETE FROM quota_counts WHERE api NOT IN (SELECT path FROM apis)")
            .execute(write.conn())
            .await?;
        let rows = sqlx::query("SELECT * FROM quota_counts").fetch_all(write.conn()).await?;
        write.commit().await?;
        let read = |row| -> Result<QuotaCount> {
            let row: &sqlx::sqlite::SqliteRow = row;
            Ok(QuotaCount {
                api: row.text("api")?,
                rule: row.text("rule")?,
                who: row.text("who")?,
                period: row.int("period")?,
                calls: row.unsigned("calls")?,
                bytes: row.unsigned("bytes")?,
            })
        };
        rows.iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{T0, admin, api, serving};

    #[tokio::test]
    async fn counts_are_replaced_and_old_spans_go() {
        let (_dir, store) = serving().await;
        store.put_api(&api("credit", "credit"), &admin(), T0).await.unwrap();
        let count = |api: &str, who: &str, period: i64, calls: u64| QuotaCount {
            api: api.to_owned(),
            rule: "caller 1d".to_owned(),
            who: who.to_owned(),
            period,
            calls,
            bytes: 0,
        };
        let before = *store.changes().borrow();
        store.keep_quota_counts(&[count("credit", "a", 1, 5), count("credit", "b", 1, 6)]).await.unwrap();
        store.keep_quota_counts(&[count("credit", "a", 2, 1), count("gone", "a", 2, 1)]).await.unwrap();
        assert_eq!(store.quota_counts().await.unwrap(), [count("credit", "a", 2, 1)]);
        assert_eq!(*store.changes().borrow(), before, "no change of what is served");
    }
}
