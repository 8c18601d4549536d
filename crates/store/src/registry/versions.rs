//! Model versions: registering, finding, changing what may change, deleting.

use super::{logged, models, tag};
use crate::db::{Store, Write};
use crate::error::{Error, Result};
use crate::ledger::Change;
use crate::records::{Record, to_int, to_json, to_word};
use domain::{
    Actor, Digest, Lineage, Metrics, ModelKind, ModelName, ModelVersion, RunId, Signature, Stage, Tags,
    Timestamp, Version,
};
use serde_json::json;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

/// A statement that reads versions as `v`, each with its aliases.
macro_rules! versions {
    ($rest:literal) => {
        concat!(
            "SELECT v.*, (SELECT json_group_array(a.alias) FROM aliases a WHERE a.model = v.model AND a.version = v.version) \
             AS aliases FROM model_versions v ",
            $rest
        )
    };
}
pub(super) use versions;

/// A model version to register; its number is given by the store.
#[derive(Debug, Clone, PartialEq)]
pub struct NewModelVersion {
    /// The model's name.
    pub model: ModelName,
    /// What it holds.
    pub kind: ModelKind,
    /// SHA-256 of the ONNX file or of the folder's tree, which is among the artifacts already.
    pub digest: Digest,
    /// Its size in bytes.
    pub bytes: u64,
    /// The ONNX file that this program runs itself, if there is one.
    pub native: Option<Digest>,
    /// What it takes and answers.
    pub signature: Signature,
    /// Metrics of the run that made it.
    pub metrics: Metrics,
    /// The run that made it.
    pub run: Option<RunId>,
    /// Whether this is what the run was for: registered again it is the version it has.
    pub made_by_run: bool,
    /// Whether the newest version is given back when it is the same already.
    pub once: bool,
    /// The data that run read.
    pub lineage: Option<Lineage>,
    /// Free text.
    pub description: String,
    /// Tags.
    pub tags: Tags,
    /// Facts that never change.
    pub properties: Tags,
    /// Where it was said to come from.
    pub source: String,
    /// Where an MLflow client reads its files; empty: under the version itself.
    pub location: String,
    /// A link to the run elsewhere.
    pub run_link: String,
    /// The logged model it was made from.
    pub model_id: Option<String>,
}

impl NewModelVersion {
    /// An ONNX file of so many bytes, and nothing else known.
    pub fn onnx(model: ModelName, digest: Digest, bytes: u64, signature: Signature) -> Self {
        Self { native: Some(digest), ..Self::folder(model, ModelKind::Onnx, (digest, bytes), signature) }
    }

    /// A folder by its tree's digest and its size in bytes.
    pub fn folder(
        model: ModelName,
        kind: ModelKind,
        (digest, bytes): (Digest, u64),
        signature: Signature,
    ) -> Self {
        Self {
            model,
            kind,
            digest,
            bytes,
            native: None,
            signature,
            metrics: Metrics::new(),
            run: None,
            made_by_run: false,
            once: false,
            lineage: None,
            description: String::new(),
            tags: Tags::new(),
            properties: Tags::new(),
            source: String::new(),
            location: String::new(),
            run_link: String::new(),
            model_id: None,
        }
    }

    /// Whether a version holds this already: the same content out of the same run, and every label that is given.
    fn is(&self, found: &ModelVersion) -> bool {
        let labels = |given: &Tags, has: &Tags| given.iter().all(|(key, value)| has.get(key) == Some(value));
        (self.kind, self.digest, self.native) == (found.kind, found.digest, found.native)
            && (&self.run, &self.source, &self.model_id) == (&found.run, &found.source, &found.model_id)
            && (self.description.is_empty() || self.description == found.description)
            && labels(&self.tags, &found.tags)
            && labels(&self.properties, &found.properties)
    }
}

/// What may change of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionChange {
    /// Another description.
    Description(String),
    /// A tag.
    Tag(String, String),
    /// A tag less; [`Error::NotFound`] when there is none of that key.
    NoTag(String),
    /// A stage; with `true` the other versions in that stage become `Archived`.
    Stage(Stage, bool),
}

impl Store {
    /// Registers a version; the model is made when it is new. What a run was for is registered once: the second time gives the first.
    pub async fn add_model_version(
        &self,
        new: NewModelVersion,
        by: &Actor,
        now: Timestamp,
    ) -> Result<ModelVersion> {
        let mut write = self.write().await?;
        if let Some(run) = new.run.as_ref().filter(|_| new.made_by_run)
            && let Some(first) = find_run(write.conn(), &new.model, run).await?
        {
            return Ok(first);
        }
        if new.once
            && let Some(newest) = find_newest(write.conn(), &new.model).await?
            && new.is(&newest)
        {
            return Ok(newest);
        }
        models::ensure(write.conn(), &new.model, now).await?;
        let row = sqlx::query(
            "UPDATE models SET last_version = last_version + 1, updated = $2 WHERE name = $1 RETURNING last_version",
        )
        .bind(new.model.as_str())
        .bind(now.micros())
        .fetch_one(write.conn())
        .await?;
        let made_by_run = new.made_by_run;
        let version = numbered(new, row.version("last_version")?, now);
        insert(write.conn(), &version, made_by_run).await?;
        logged::registered(write.conn(), &version).await?;
        let mut detail = json!({"digest": version.digest, "bytes": version.bytes, "run": version.run});
        if version.kind != ModelKind::Onnx {
            detail["kind"] = json!(version.kind);
        }
        if !version.source.is_empty() {
            detail["source"] = json!(version.source);
        }
        write
            .note(by, now, Change::new("register model", subject(&version.model, version.version), detail))
            .await?;
        write.commit().await?;
        Ok(version)
    }

    /// A version of a model, the newest when none is named.
    pub async fn model_version(&self, model: &ModelName, version: Option<Version>) -> Result<ModelVersion> {
        let row = match version {
            Some(version) => {
                sqlx::query(versions!("WHERE v.model = $1 AND v.version = $2"))
                    .bind(model.as_str())
                    .bind(i64::from(version.0))
                    .fetch_optional(self.reader())
                    .await?
            }
            None => {
                sqlx::query(versions!("WHERE v.model = $1 ORDER BY v.version DESC LIMIT 1"))
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

    /// The version a run made, under any model name; the first registered.
    pub async fn model_version_by_run(&self, run: &RunId) -> Result<Option<ModelVersion>> {
        let row =
            sqlx::query(versions!("WHERE v.run = $1 AND v.made_by_run ORDER BY v.created, v.model LIMIT 1"))
                .bind(run.as_str())
                .fetch_optional(self.reader())
                .await?;
        row.as_ref().map(decode).transpose()
    }

    /// All versions of a model, newest first; empty when there is no such model.
    pub async fn model_versions(&self, model: &ModelName) -> Result<Vec<ModelVersion>> {
        let rows = sqlx::query(versions!("WHERE v.model = $1 ORDER BY v.version DESC"))
            .bind(model.as_str())
            .fetch_all(self.reader())
            .await?;
        rows.iter().map(decode).collect()
    }

    /// The newest version of each stage of these models, by model and version.
    pub async fn latest_model_versions(&self, models: &[&ModelName]) -> Result<Vec<ModelVersion>> {
        let names: Vec<&str> = models.iter().map(|name| name.as_str()).collect();
        let rows = sqlx::query(versions!(
            "WHERE v.model IN (SELECT value FROM json_each($1)) AND v.version = \
             (SELECT MAX(o.version) FROM model_versions o WHERE o.model = v.model AND o.stage = v.stage) \
             ORDER BY v.model, v.version"
        ))
        .bind(to_json(&names)?)
        .fetch_all(self.reader())
        .await?;
        rows.iter().map(decode).collect()
    }

    /// Changes a version; gives it as it is then.
    #[expect(
        clippy::too_many_arguments,
        reason = "a version is a model and a number; by and now are every change's"
    )]
    pub async fn change_model_version(
        &self,
        model: &ModelName,
        version: Version,
        change: VersionChange,
        by: &Actor,
        now: Timestamp,
    ) -> Result<ModelVersion> {
        let mut write = self.write().await?;
        let mut found = expect(write.conn(), model, version).await?;
        let line = apply(&mut write, &mut found, change, now).await?;
        sqlx::query(
            "UPDATE model_versions SET description = $3, tags = $4, stage = $5, updated = $6 \
             WHERE model = $1 AND version = $2",
        )
        .bind(model.as_str())
        .bind(i64::from(version.0))
        .bind(&found.description)
        .bind(to_json(&found.tags)?)
        .bind(found.stage.as_str())
        .bind(found.updated.micros())
        .execute(write.conn())
        .await?;
        write.note(by, now, line).await?;
        write.commit().await?;
        Ok(found)
    }

    /// Deletes a version with its aliases; refused while it is deployed.
    pub async fn delete_model_version(
        &self,
        model: &ModelName,
        version: Version,
        by: &Actor,
        now: Timestamp,
    ) -> Result<()> {
        let mut write = self.write().await?;
        expect(write.conn(), model, version).await?;
        models::expect_undeployed(write.conn(), model, Some(version)).await?;
        for sql in [
            "DELETE FROM aliases WHERE model = $1 AND version = $2",
            "DELETE FROM model_versions WHERE model = $1 AND version = $2",
        ] {
            sqlx::query(sql).bind(model.as_str()).bind(i64::from(version.0)).execute(write.conn()).await?;
        }
        models::touch(write.conn(), model, now).await?;
        write.note(by, now, Change::plain("delete model version", subject(model, version))).await?;
        write.commit().await
    }
}

/// How the ledger names a version.
fn subject(model: &ModelName, version: Version) -> String {
    format!("{model}:{version}")
}

/// Carries a change out on the record; gives its line in the ledger.
async fn apply(
    write: &mut Write<'_>,
    found: &mut ModelVersion,
    change: VersionChange,
    now: Timestamp,
) -> Result<Change> {
    let on = subject(&found.model, found.version);
    Ok(match change {
        VersionChange::Description(text) => {
            found.description = text;
            found.updated = now;
            Change::new("change model version", on, json!({ "description": found.description }))
        }
        VersionChange::Tag(key, value) => {
            tag(&mut found.tags, &key, Some(&value))?;
            Change::new("set model tag", on, json!({ "key": key }))
        }
        VersionChange::NoTag(key) => {
            if !tag(&mut found.tags, &key, None)? {
                return Err(Error::not_found("tag", format_args!("{key} of {on}")));
            }
            Change::new("delete model tag", on, json!({ "key": key }))
        }
        VersionChange::Stage(stage, archive) => {
            if archive {
                archive_others(write.conn(), found, stage, now).await?;
            }
            let before = std::mem::replace(&mut found.stage, stage);
            found.updated = now;
            models::touch(write.conn(), &found.model, now).await?;
            Change::new(
                "set stage",
                on,
                json!({"stage": stage, "before": before, "others_archived": archive}),
            )
        }
    })
}

async fn archive_others(
    conn: &mut SqliteConnection,
    found: &ModelVersion,
    stage: Stage,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "UPDATE model_versions SET stage = 'Archived', updated = $4 WHERE model = $1 AND version <> $2 AND stage = $3",
    )
    .bind(found.model.as_str())
    .bind(i64::from(found.version.0))
    .bind(stage.as_str())
    .bind(now.micros())
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn expect(
    conn: &mut SqliteConnection,
    model: &ModelName,
    version: Version,
) -> Result<ModelVersion> {
    let row = sqlx::query(versions!("WHERE v.model = $1 AND v.version = $2"))
        .bind(model.as_str())
        .bind(i64::from(version.0))
        .fetch_optional(conn)
        .await?;
    decode(&row.ok_or_else(|| Error::not_found("model version", subject(model, version)))?)
}

/// The newest version of a model.
async fn find_newest(conn: &mut SqliteConnection, model: &ModelName) -> Result<Option<ModelVersion>> {
    let row = sqlx::query(versions!("WHERE v.model = $1 ORDER BY v.version DESC LIMIT 1"))
        .bind(model.as_str())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(decode).transpose()
}

async fn find_run(
    conn: &mut SqliteConnection,
    model: &ModelName,
    run: &RunId,
) -> Result<Option<ModelVersion>> {
    let row = sqlx::query(versions!("WHERE v.model = $1 AND v.run = $2 AND v.made_by_run"))
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
        kind: new.kind,
        digest: new.digest,
        bytes: new.bytes,
        native: new.native,
        signature: new.signature,
        metrics: new.metrics,
        run: new.run,
        lineage: new.lineage,
        description: new.description,
        tags: new.tags,
        properties: new.properties,
        stage: Stage::None,
        aliases: Vec::new(),
        source: new.source,
        location: new.location,
        run_link: new.run_link,
        model_id: new.model_id,
        created,
        updated: created,
    }
}

async fn insert(conn: &mut SqliteConnection, v: &ModelVersion, made_by_run: bool) -> Result<()> {
    sqlx::query(
        "INSERT INTO model_versions (model, version, digest, bytes, signature, metrics, run, data_name, data_version, \
         data_digest, description, created, kind, native, made_by_run, tags, properties, source, location, run_link, model_id, updated) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $12)",
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
    .bind(to_word(&v.kind)?)
    .bind(v.native.map(|digest| digest.hex()))
    .bind(made_by_run)
    .bind(to_json(&v.tags)?)
    .bind(to_json(&v.properties)?)
    .bind(&v.source)
    .bind(&v.location)
    .bind(&v.run_link)
    .bind(&v.model_id)
    .execute(conn)
    .await?;
    Ok(())
}

/// Reads a record of [`versions!`].
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
    let native = row.text_or_null("native")?.map(Digest::try_from).transpose();
    let mut aliases: Vec<String> = row.json("aliases")?;
    aliases.sort();
    Ok(ModelVersion {
        model: row.parsed("model")?,
        version: row.version("version")?,
        kind: row.word("kind")?,
        digest: row.digest("digest")?,
        bytes: row.unsigned("bytes")?,
        native: native.map_err(|e| Error::corrupt("native", e))?,
        signature: row.json("signature")?,
        metrics: row.json("metrics")?,
        run,
        lineage,
        description: row.text("description")?,
        tags: row.json("tags")?,
        properties: row.json("properties")?,
        stage: row.word("stage")?,
        aliases,
        source: row.text("source")?,
        location: row.text("location")?,
        run_link: row.text("run_link")?,
        model_id: row.text_or_null("model_id")?,
        created: row.time("created")?,
        updated: row.time("updated")?,
    })
}

#[cfg(test)]
mod tests;
