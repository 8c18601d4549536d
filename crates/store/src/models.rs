//! Models: names over immutable numbered versions, and movable aliases.

use crate::db::Store;
use crate::error::{Error, Result};
use crate::ledger::Change;
use crate::records::{Record, to_int, to_json};
use domain::{
    Actor, Digest, Lineage, Metrics, Model, ModelVersion, Name, RunId, Signature, Timestamp, Version,
};
use serde_json::json;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::collections::BTreeMap;

/// A model version to register; its number is given by the store.
#[derive(Debug, Clone, PartialEq)]
pub struct NewModelVersion {
    /// The model's name.
    pub model: Name,
    /// SHA-256 of the ONNX file, which is among the artifacts already.
    pub digest: Digest,
    /// Its size in bytes.
    pub bytes: u64,
    /// What it takes and answers.
    pub signature: Signature,
    /// Metrics of the run that made it.
    pub metrics: Metrics,
    /// The run that made it.
    pub run: Option<RunId>,
    /// The data that run read.
    pub lineage: Option<Lineage>,
    /// Free text.
    pub description: String,
}

impl Store {
    /// Registers a version. A second registration of the same run under the same model name gives the first.
    pub async fn add_model_version(
        &self,
        new: NewModelVersion,
        by: &Actor,
        now: Timestamp,
    ) -> Result<ModelVersion> {
        let mut write = self.write().await?;
        if let Some(run) = &new.run
            && let Some(first) = find_run(write.conn(), &new.model, run).await?
        {
            return Ok(first);
        }
        sqlx::query("INSERT INTO models (name, created) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
            .bind(new.model.as_str())
            .bind(now.micros())
            .execute(write.conn())
            .await?;
        let row = sqlx::query(
            "SELECT COALESCE(MAX(version), 0) + 1 AS version FROM model_versions WHERE model = $1",
        )
        .bind(new.model.as_str())
        .fetch_one(write.conn())
        .await?;
        let version = numbered(new, row.version("version")?, now);
        insert(write.conn(), &version).await?;
        let detail = json!({"digest": version.digest, "bytes": version.bytes, "run": version.run});
        let subject = format!("{}:{}", version.model, version.version);
        write.note(by, now, Change::new("register model", subject, detail)).await?;
        write.commit().await?;
        Ok(version)
    }

    /// A version of a model, the newest when none is named.
    pub async fn model_version(&self, model: &Name, version: Option<Version>) -> Result<ModelVersion> {
        let row = match version {
            Some(version) => {
                sqlx::query("SELECT * FROM model_versions WHERE model = $1 AND version = $2")
                    .bind(model.as_str())
                    .bind(i64::from(version.0))
                    .fetch_optional(self.reader())
                    .await?
            }
            None => {
                sqlx::query("SELECT * FROM model_versions WHERE model = $1 ORDER BY version DESC LIMIT 1")
                    .bind(model.as_str())
                    .fetch_optional(self.reader())
                    .await?
            }
        };
        let absent = || match version {
            Some(version) => Error::not_found("model version", format_args!("{model}:{version}")),
            None => Error::not_found("model", model),
        };
        decode(&row.ok_or_else(absent)?)
    }

    /// The version an alias points at.
    pub async fn model_version_by_alias(&self, model: &Name, alias: &str) -> Result<ModelVersion> {
        let row = sqlx::query(
            "SELECT v.* FROM aliases a JOIN model_versions v ON v.model = a.model AND v.version = a.version \
             WHERE a.model = $1 AND a.alias = $2",
        )
        .bind(model.as_str())
        .bind(alias)
        .fetch_optional(self.reader())
        .await?
        .ok_or_else(|| Error::not_found("model alias", format_args!("{model}@{alias}")))?;
        decode(&row)
    }

    /// The version a run made, under any model name; the first registered.
    pub async fn model_version_by_run(&self, run: &RunId) -> Result<Option<ModelVersion>> {
        let row = sqlx::query("SELECT * FROM model_versions WHERE run = $1 ORDER BY created, model LIMIT 1")
            .bind(run.as_str())
            .fetch_optional(self.reader())
            .await?;
        row.as_ref().map(decode).transpose()
    }

    /// All versions of a model, newest first; empty when there is no such model.
    pub async fn model_versions(&self, model: &Name) -> Result<Vec<ModelVersion>> {
        let rows = sqlx::query("SELECT * FROM model_versions WHERE model = $1 ORDER BY version DESC")
            .bind(model.as_str())
            .fetch_all(self.reader())
            .await?;
        rows.iter().map(decode).collect()
    }

    /// All models by name, with their aliases.
    pub async fn models(&self) -> Result<Vec<Model>> {
        let mut tx = self.reader().begin().await?;
        let rows = sqlx::query(
            "SELECT m.name, m.created, MAX(v.version) AS latest FROM models m JOIN model_versions v ON v.model = m.name \
             GROUP BY m.name, m.created ORDER BY m.name",
        )
        .fetch_all(&mut *tx)
        .await?;
        let mut aliases: BTreeMap<Name, BTreeMap<String, Version>> = BTreeMap::new();
        for row in sqlx::query("SELECT model, alias, version FROM aliases").fetch_all(&mut *tx).await? {
            aliases
                .entry(row.name("model")?)
                .or_default()
                .insert(row.text("alias")?, row.version("version")?);
        }
        rows.iter()
            .map(|row| {
                let name = row.name("name")?;
                Ok(Model {
                    aliases: aliases.remove(&name).unwrap_or_default(),
                    name,
                    latest: row.version("latest")?,
                    created: row.time("created")?,
                })
            })
            .collect()
    }

    /// Moves an alias to a version, or makes it. Setting it where it stands changes nothing.
    #[expect(
        clippy::too_many_arguments,
        reason = "an alias is a model and a word; by and now are every change's"
    )]
    pub async fn set_alias(
        &self,
        model: &Name,
        alias: &str,
        version: Version,
        by: &Actor,
        now: Timestamp,
    ) -> Result<()> {
        let mut write = self.write().await?;
        let found = sqlx::query("SELECT 1 FROM model_versions WHERE model = $1 AND version = $2")
            .bind(model.as_str())
            .bind(i64::from(version.0))
            .fetch_optional(write.conn())
            .await?;
        if found.is_none() {
            return Err(Error::not_found("model version", format_args!("{model}:{version}")));
        }
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
}

async fn find_run(conn: &mut SqliteConnection, model: &Name, run: &RunId) -> Result<Option<ModelVersion>> {
    let row = sqlx::query("SELECT * FROM model_versions WHERE model = $1 AND run = $2")
        .bind(model.as_str())
        .bind(run.as_str())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(decode).transpose()
}

fn numbered(new: NewModelVersion, version: Version, created: Timestamp) -> ModelVersion {
    ModelVersion {
        model: new.model,
        version,
        digest: new.digest,
        bytes: new.bytes,
        signature: new.signature,
        metrics: new.metrics,
        run: new.run,
        lineage: new.lineage,
        description: new.description,
        created,
    }
}

async fn insert(conn: &mut SqliteConnection, v: &ModelVersion) -> Result<()> {
    sqlx::query(
        "INSERT INTO model_versions (model, version, digest, bytes, signature, metrics, run, data_name, data_version, \
         data_digest, description, created) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(v.model.as_str())
    .bind(i64::from(v.version.0))
    .bind(v.digest.hex())
    .bind(to_int(v.bytes, "the size")?)
    .bind(to_json(&v.signature)?)
    .bind(to_json(&v.metrics)?)
    .bind(v.run.as_ref().map(RunId::as_str))
    .bind(v.lineage.as_ref().map(|l| l.data.as_str()))
    .bind(v.lineage.as_ref().map(|l| i64::from(l.data_version.0)))
    .bind(v.lineage.as_ref().map(|l| l.data_digest.hex()))
    .bind(&v.description)
    .bind(v.created.micros())
    .execute(conn)
    .await?;
    Ok(())
}

/// Reads a record of `model_versions`.
pub(crate) fn decode(row: &SqliteRow) -> Result<ModelVersion> {
    let lineage = match row.text_or_null("data_name")? {
        None => None,
        Some(_) => Some(Lineage {
            data: row.name("data_name")?,
            data_version: row.version("data_version")?,
            data_digest: row.digest("data_digest")?,
        }),
    };
    let run =
        row.text_or_null("run")?.map(RunId::try_from).transpose().map_err(|e| Error::corrupt("run", e))?;
    Ok(ModelVersion {
        model: row.name("model")?,
        version: row.version("version")?,
        digest: row.digest("digest")?,
        bytes: row.unsigned("bytes")?,
        signature: row.json("signature")?,
        metrics: row.json("metrics")?,
        run,
        lineage,
        description: row.text("description")?,
        created: row.time("created")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{T0, admin, model, name, store};

    #[tokio::test]
    async fn a_run_registers_once_and_a_file_every_time() {
        let (_dir, store) = store().await;
        let run = RunId::generate();
        let first = store.add_model_version(model("credit", Some(run.clone())), &admin(), T0).await.unwrap();
        assert_eq!((first.version, first.metrics["r2_score"]), (Version(1), 0.1 + 0.2));
        let later = T0.plus_seconds(60);
        let again =
            store.add_model_version(model("credit", Some(run.clone())), &admin(), later).await.unwrap();
        assert_eq!(again, first);
        assert_eq!(store.model_version_by_run(&run).await.unwrap(), Some(first));
        for number in [2, 3] {
            let file = store.add_model_version(model("credit", None), &admin(), T0).await.unwrap();
            assert_eq!(file.version, Version(number));
        }
        assert_eq!(store.ledger(0, 10).await.unwrap().len(), 3);
    }

    #[tokio::test]
    async fn an_alias_moves_and_moving_it_nowhere_is_no_change() {
        let (_dir, store) = store().await;
        let credit = name("credit");
        for _ in 0..2 {
            store.add_model_version(model("credit", None), &admin(), T0).await.unwrap();
        }
        store.set_alias(&credit, "champion", Version(1), &admin(), T0).await.unwrap();
        store.set_alias(&credit, "champion", Version(2), &admin(), T0).await.unwrap();
        store.set_alias(&credit, "champion", Version(2), &admin(), T0).await.unwrap();
        let found = store.model_version_by_alias(&credit, "champion").await.unwrap();
        assert_eq!(found, store.model_version(&credit, None).await.unwrap());
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
    }
}
