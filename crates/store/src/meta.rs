//! Facts about the workspace that are set once: its id, the key id of its token service, ….

use crate::db::Store;
use crate::error::Result;
use crate::records::Record;

impl Store {
    /// A fact, if it is set.
    pub async fn meta(&self, key: &str) -> Result<Option<String>> {
        let row = sqlx::query("SELECT value FROM meta WHERE key = $1")
            .bind(key)
            .fetch_optional(self.reader())
            .await?;
        row.map(|r| r.text("value")).transpose()
    }

    /// Sets a fact unless it is set already; gives the value that stands. It is no change by a user, so the ledger has no
    /// line of it.
    pub async fn set_meta_once(&self, key: &str, value: &str) -> Result<String> {
        if let Some(value) = self.meta(key).await? {
            return Ok(value);
        }
        let mut write = self.write().await?;
        let row = sqlx::query(
            "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = meta.value RETURNING value",
        )
        .bind(key)
        .bind(value)
        .fetch_one(write.conn())
        .await?;
        write.commit().await?;
        row.text("value")
    }
}

#[cfg(test)]
mod tests {
    use crate::samples::store;

    #[tokio::test]
    async fn the_first_value_stands() {
        let (_dir, store) = store().await;
        assert_eq!(store.meta("tenant").await.unwrap(), None);
        let calls: Vec<_> = (0..4)
            .map(|i| {
                let store = store.clone();
                tokio::spawn(async move { store.set_meta_once("tenant", &i.to_string()).await.unwrap() })
            })
            .collect();
        let mut values = Vec::new();
        for call in calls {
            values.push(call.await.unwrap());
        }
        assert!(values.windows(2).all(|pair| pair[0] == pair[1]), "{values:?}");
        assert_eq!(store.meta("tenant").await.unwrap().as_ref(), values.first());
    }
}
