//! Aliases: movable words for a version.

use super::models;
use super::versions::{decode, expect, versions};
use crate::db::Store;
use crate::error::{Error, Result};
use crate::ledger::Change;
use crate::records::Record;
use domain::{Actor, ModelName, ModelVersion, Timestamp, Version};
use serde_json::json;

impl Store {
    /// The version an alias points at.
    pub async fn model_version_by_alias(&self, model: &ModelName, alias: &str) -> Result<ModelVersion> {
        let row = sqlx::query(versions!(
            "JOIN aliases l ON v.model = l.model AND v.version = l.version WHERE l.model = $1 AND l.alias = $2"
        ))
        .bind(model.as_str())
        .bind(alias)
        .fetch_optional(self.reader())
        .await?
        .ok_or_else(|| Error::not_found("model alias", format_args!("{model}@{alias}")))?;
        decode(&row)
    }

    /// Moves an alias to a version, or makes it. Setting it where it stands changes nothing.
    #[expect(
        clippy::too_many_arguments,
        reason = "an alias is a model and a word; by and now are every change's"
    )]
    pub async fn set_alias(
        &self,
        model: &ModelName,
        alias: &str,
        version: Version,
        by: &Actor,
        now: Timestamp,
    ) -> Result<()> {
        let mut write = self.write().await?;
        expect(write.conn(), model, version).await?;
        let before = sqlx::query("SELECT version FROM aliases WHERE model = $1 AND alias = $2")
            .bind(model.as_str())
            .bind(alias)
            .fetch_optional(write.conn())
            .await?
            .map(|row| row.version("version"))
            .transpose()?;
        if before == Some(version) {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO aliases (model, alias, version) VALUES ($1, $2, $3) \
             ON CONFLICT (model, alias) DO UPDATE SET version = excluded.version",
        )
        .bind(model.as_str())
        .bind(alias)
        .bind(i64::from(version.0))
        .execute(write.conn())
        .await?;
        let detail = json!({"version": version, "before": before});
        write.note(by, now, Change::new("set alias", format!("{model}@{alias}"), detail)).await?;
        write.commit().await
    }

    /// Takes an alias away; one that is not there changes nothing.
    pub async fn delete_alias(
        &self,
        model: &ModelName,
        alias: &str,
        by: &Actor,
        now: Timestamp,
    ) -> Result<()> {
        let mut write = self.write().await?;
        models::expect(write.conn(), model).await?;
        let done = sqlx::query("DELETE FROM aliases WHERE model = $1 AND alias = $2")
            .bind(model.as_str())
            .bind(alias)
            .execute(write.conn())
            .await?;
        if done.rows_affected() == 0 {
            return Ok(());
        }
        write.note(by, now, Change::plain("delete alias", format!("{model}@{alias}"))).await?;
        write.commit().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{T0, admin, model, model_name, store};
    use std::collections::BTreeMap;

    #[tokio::test]
    async fn an_alias_moves_and_moving_it_nowhere_is_no_change() {
        let (_dir, store) = store().await;
        let credit = model_name("credit");
        for _ in 0..2 {
            store.add_model_version(model("credit", None), &admin(), T0).await.unwrap();
        }
        store.set_alias(&credit, "champion", Version(1), &admin(), T0).await.unwrap();
        store.set_alias(&credit, "champion", Version(2), &admin(), T0).await.unwrap();
        store.set_alias(&credit, "champion", Version(2), &admin(), T0).await.unwrap();
        let found = store.model_version_by_alias(&credit, "champion").await.unwrap();
        assert_eq!(found, store.model_version(&credit, None).await.unwrap());
        assert_eq!(found.aliases, ["champion"]);
        let listed = store.models().await.unwrap();
        assert_eq!(listed[0].aliases, BTreeMap::from([("champion".to_owned(), Version(2))]));
        let entries = store.ledger(2, 10).await.unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(
            (entries[1].subject.as_str(), &entries[1].detail["before"]),
            ("credit@champion", &json!(1))
        );
        let missing = store.set_alias(&credit, "x", Version(9), &admin(), T0).await.unwrap_err();
        assert_eq!(missing.to_string(), "no model version named 'credit:9'");
        assert!(store.model_version_by_alias(&credit, "x").await.is_err());
        store.delete_alias(&credit, "champion", &admin(), T0).await.unwrap();
        store.delete_alias(&credit, "champion", &admin(), T0).await.unwrap();
        assert!(store.model_version_by_alias(&credit, "champion").await.is_err());
        assert_eq!(store.ledger(4, 10).await.unwrap().len(), 1);
    }
}
