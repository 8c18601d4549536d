//! Logged models: what a run logged as a model, before or without its registration.

use super::tag;
use crate::db::Store;
use crate::error::{Error, Result};
use crate::ledger::Change;
use crate::records::{Record, to_json};
use domain::{Actor, LoggedModel, LoggedStatus, ModelVersion, RunId, Tags, Timestamp};
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

/// The tag that tells the versions made of a logged model.
const VERSIONS_TAG: &str = "mlflow.modelVersions";

/// A logged model to keep; its id is given by the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLoggedModel {
    /// The experiment's id.
    pub experiment: String,
    /// Its name.
    pub name: String,
    /// What it is, as the client says.
    pub kind: String,
    /// The run that logs it.
    pub run: Option<RunId>,
    /// Parameters.
    pub params: Tags,
    /// Tags.
    pub tags: Tags,
}

/// What may change of a logged model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoggedChange {
    /// How far it is.
    Status(LoggedStatus),
    /// Further parameters.
    Params(Tags),
    /// Further tags.
    Tags(Tags),
    /// A tag less; [`Error::NotFound`] when there is none of that key.
    NoTag(String),
}

/// A metric that was logged about a model.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedMetric {
    /// The model's id.
    pub model: String,
    /// The key.
    pub key: String,
    /// The value; NaN when it is no number.
    pub value: f64,
    /// When, in milliseconds.
    pub timestamp: i64,
    /// The step.
    pub step: i64,
    /// The run that logged it.
    pub run: String,
    /// The name and digest of the dataset; empty when it is about none.
    pub dataset: (String, String),
}

/// Metrics read for one answer at most.
const METRICS_MAX: i64 = 100_000;

impl Store {
    /// The latest of each metric of these models, a dataset each.
    pub async fn logged_model_metrics(&self, models: &[&str]) -> Result<Vec<LoggedMetric>> {
        let rows = sqlx::query(
            "SELECT * FROM (SELECT x.*, r.id AS run_id, ROW_NUMBER() OVER (PARTITION BY x.model_id, x.key, x.dataset_name, \
             x.dataset_digest ORDER BY x.timestamp DESC, x.step DESC) AS place FROM logged_model_metrics x \
             JOIN runs r ON r.run = x.run WHERE x.model_id IN (SELECT value FROM json_each($1))) \
             WHERE place = 1 ORDER BY model_id, key, dataset_name, dataset_digest LIMIT $2",
        )
        .bind(to_json(&models)?)
        .bind(METRICS_MAX)
        .fetch_all(self.reader())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(LoggedMetric {
                    model: row.text("model_id")?,
                    key: row.text("key")?,
                    value: row.try_get::<Option<f64>, _>("value")?.unwrap_or(f64::NAN),
                    timestamp: row.int("timestamp")?,
                    step: row.int("step")?,
                    run: row.text("run_id")?,
                    dataset: (row.text("dataset_name")?, row.text("dataset_digest")?),
                })
            })
            .collect()
    }

    /// Refuses an experiment that is not there or was deleted.
    pub async fn expect_experiment(&self, id: &str) -> Result<()> {
        let row = sqlx::query("SELECT deleted FROM experiments WHERE CAST(id AS TEXT) = $1")
            .bind(id)
            .fetch_optional(self.reader())
            .await?
            .ok_or_else(|| Error::Absent(format!("No Experiment with id={id} exists")))?;
        if row.try_get::<bool, _>("deleted")? {
            return Err(Error::Invalid(format!("The experiment {id} must be in the 'active' state.")));
        }
        Ok(())
    }

    /// The URI under which a run keeps its artifacts.
    pub async fn run_artifacts(&self, run: &str) -> Result<String> {
        let row = sqlx::query("SELECT artifact_uri FROM runs WHERE id = $1")
            .bind(run)
            .fetch_optional(self.reader())
            .await?;
        row.ok_or_else(|| Error::Absent(format!("Run with id={run} not found")))?.text("artifact_uri")
    }

    /// Keeps a logged model whose files follow.
    pub async fn add_logged_model(&self, new: NewLoggedModel, now: Timestamp) -> Result<LoggedModel> {
        let mut write = self.write().await?;
        let made = LoggedModel {
            id: format!("m-{}", RunId::generate()),
            experiment: new.experiment,
            name: new.name,
            kind: new.kind,
            run: new.run,
            status: LoggedStatus::Pending,
            params: new.params,
            tags: new.tags,
            created: now,
            updated: now,
        };
        sqlx::query(
            "INSERT INTO logged_models (id, experiment, name, kind, run, status, params, tags, created, updated) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)",
        )
        .bind(&made.id)
        .bind(&made.experiment)
        .bind(&made.name)
        .bind(&made.kind)
        .bind(made.run.as_ref().map(RunId::as_str))
        .bind(made.status.as_str())
        .bind(to_json(&made.params)?)
        .bind(to_json(&made.tags)?)
        .bind(now.micros())
        .execute(write.conn())
        .await?;
        write.commit().await?;
        Ok(made)
    }

    /// A logged model by its id; a deleted one is not found.
    pub async fn logged_model(&self, id: &str) -> Result<LoggedModel> {
        let row = sqlx::query("SELECT * FROM logged_models WHERE id = $1 AND deleted IS NULL")
            .bind(id)
            .fetch_optional(self.reader())
            .await?;
        decode(&row.ok_or_else(|| Error::not_found("logged model", id))?)
    }

    /// Changes a logged model; gives it as it is then.
    pub async fn change_logged_model(
        &self,
        id: &str,
        change: LoggedChange,
        now: Timestamp,
    ) -> Result<LoggedModel> {
        let mut write = self.write().await?;
        let mut found = expect(write.conn(), id).await?;
        match change {
            LoggedChange::Status(status) => found.status = status,
            LoggedChange::Params(params) => add(&mut found.params, params)?,
            LoggedChange::Tags(tags) => add(&mut found.tags, tags)?,
            LoggedChange::NoTag(key) => {
                if !tag(&mut found.tags, &key, None)? {
                    return Err(Error::not_found("tag", format_args!("{key} of {id}")));
                }
            }
        }
        found.updated = now;
        update(write.conn(), &found).await?;
        write.commit().await?;
        Ok(found)
    }

    /// Deletes a logged model; its record and its files stay, versions made from it too.
    pub async fn delete_logged_model(&self, id: &str, by: &Actor, now: Timestamp) -> Result<()> {
        let mut write = self.write().await?;
        // A second time changes nothing, as in MLflow.
        let gone = sqlx::query("SELECT 1 FROM logged_models WHERE id = $1 AND deleted IS NOT NULL").bind(id);
        if gone.fetch_optional(write.conn()).await?.is_some() {
            return Ok(());
        }
        let found = expect(write.conn(), id).await?;
        sqlx::query("UPDATE logged_models SET deleted = $2 WHERE id = $1")
            .bind(id)
            .bind(now.micros())
            .execute(write.conn())
            .await?;
        let detail = json!({"name": found.name, "experiment": found.experiment});
        write.note(by, now, Change::new("delete logged model", id, detail)).await?;
        write.commit().await
    }
}

fn add(to: &mut Tags, more: Tags) -> Result<()> {
    for (key, value) in more {
        tag(to, &key, Some(&value))?;
    }
    Ok(())
}

async fn update(conn: &mut SqliteConnection, model: &LoggedModel) -> Result<()> {
    sqlx::query("UPDATE logged_models SET status = $2, params = $3, tags = $4, updated = $5 WHERE id = $1")
        .bind(&model.id)
        .bind(model.status.as_str())
        .bind(to_json(&model.params)?)
        .bind(to_json(&model.tags)?)
        .bind(model.updated.micros())
        .execute(conn)
        .await?;
    Ok(())
}

/// Notes on a logged model, if it is there, that a version was made of it: clients read that from a tag.
pub(super) async fn registered(conn: &mut SqliteConnection, version: &ModelVersion) -> Result<()> {
    let Some(id) = &version.model_id else { return Ok(()) };
    let mut found = match expect(conn, id).await {
        Ok(found) => found,
        Err(Error::NotFound { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    let made = json!({ "name": version.model, "version": version.version.to_string() });
    let told = found.tags.get(VERSIONS_TAG).and_then(|text| serde_json::from_str(text).ok());
    let mut all: Vec<Value> = told.unwrap_or_default();
    if !all.contains(&made) {
        all.push(made);
    }
    let text = Value::Array(all).to_string();
    // A list that grew too long for a tag stays as it was.
    if tag(&mut found.tags, VERSIONS_TAG, Some(&text)).is_ok() {
        found.updated = version.created;
        update(conn, &found).await?;
    }
    Ok(())
}

async fn expect(conn: &mut SqliteConnection, id: &str) -> Result<LoggedModel> {
    let row = sqlx::query("SELECT * FROM logged_models WHERE id = $1 AND deleted IS NULL")
        .bind(id)
        .fetch_optional(conn)
        .await?;
    decode(&row.ok_or_else(|| Error::not_found("logged model", id))?)
}

/// Reads a record of `logged_models`.
pub(super) fn decode(row: &SqliteRow) -> Result<LoggedModel> {
    let status = row.text("status")?;
    let run = row.text_or_null("run")?.map(RunId::try_from).transpose();
    Ok(LoggedModel {
        id: row.text("id")?,
        experiment: row.text("experiment")?,
        name: row.text("name")?,
        kind: row.text("kind")?,
        run: run.map_err(|e| Error::corrupt("run", e))?,
        status: LoggedStatus::read(&status).ok_or_else(|| Error::corrupt("status", status))?,
        params: row.json("params")?,
        tags: row.json("tags")?,
        created: row.time("created")?,
        updated: row.time("updated")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{T0, admin, store};

    #[tokio::test]
    async fn a_logged_model_is_made_changed_and_deleted() {
        let (_dir, store) = store().await;
        let new = NewLoggedModel {
            experiment: "1".to_owned(),
            name: "model".to_owned(),
            kind: "sklearn".to_owned(),
            run: Some(RunId::generate()),
            params: Tags::from([("depth".to_owned(), "3".to_owned())]),
            tags: Tags::new(),
        };
        let made = store.add_logged_model(new, T0).await.unwrap();
        assert!(domain::is_model_id(&made.id), "{}", made.id);
        assert_eq!(made.folder(), format!("1/models/{}/artifacts", made.id));
        assert_eq!(store.logged_model(&made.id).await.unwrap(), made);
        let later = T0.plus_seconds(1);
        let change = async |change| store.change_logged_model(&made.id, change, later).await;
        let ready = change(LoggedChange::Status(LoggedStatus::Ready)).await.unwrap();
        assert_eq!((ready.status, ready.updated), (LoggedStatus::Ready, later));
        let tags = Tags::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
        change(LoggedChange::Tags(tags)).await.unwrap();
        let params = Tags::from([("rate".to_owned(), "0.1".to_owned())]);
        let told = change(LoggedChange::Params(params)).await.unwrap();
        assert_eq!((told.params.len(), told.tags.len()), (2, 2));
        change(LoggedChange::NoTag("a".to_owned())).await.unwrap();
        assert!(change(LoggedChange::NoTag("a".to_owned())).await.is_err());
        store.delete_logged_model(&made.id, &admin(), later).await.unwrap();
        assert!(matches!(store.logged_model(&made.id).await, Err(Error::NotFound { .. })));
    }
}
