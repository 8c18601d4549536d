//! Runs: opened, changed, deleted and restored.

use super::bulk::{self, Cell};
use super::queue::{Done, Order};
use super::read;
use crate::db::Store;
use crate::error::{Error, Result};
use crate::ledger::Change;
use crate::records::Record;
use domain::tracking::{LogBatch, NewRun, RUN_NAME, RunInfo, RunStatus, RunUpdate};
use domain::{Actor, RunId, Timestamp};
use sqlx::sqlite::SqliteConnection;
use std::collections::BTreeMap;

/// Whether to delete or to restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// It is to be deleted.
    Delete,
    /// It is to be there again.
    Restore,
}

impl Store {
    /// Opens a run. One of the same id that is there already stays as it is, and is given.
    pub async fn open_run(&self, run: NewRun) -> Result<RunInfo> {
        info(self.track(Order::Open(run)).await?)
    }

    /// Changes status, end or name of a run.
    pub async fn update_run(&self, update: RunUpdate) -> Result<RunInfo> {
        info(self.track(Order::Update(update)).await?)
    }

    /// Ends a run, whatever it was; the end of one that has ended is written again.
    pub async fn end_run(&self, id: &RunId, status: RunStatus, end_time: i64) -> Result<RunInfo> {
        let update =
            RunUpdate { run_id: id.to_string(), status: Some(status), end_time: Some(end_time), name: None };
        self.update_run(update).await
    }

    /// Logs metrics, parameters and tags to a run: all or nothing.
    pub async fn log_batch(&self, batch: LogBatch) -> Result<()> {
        self.track(Order::Log(batch)).await.map(drop)
    }

    /// Deletes or restores a run.
    pub async fn set_run_deleted(&self, id: &str, deletion: Deletion, by: &Actor) -> Result<()> {
        let mut memory = self.alone().await;
        let mut write = self.write().await?;
        let deleted = deletion == Deletion::Delete;
        let run = find(write.conn(), id).await?;
        let changed = sqlx::query("UPDATE runs SET deleted = $1 WHERE run = $2 AND deleted <> $1")
            .bind(deleted)
            .bind(run)
            .execute(write.conn())
            .await?;
        if changed.rows_affected() == 0 {
            return Ok(());
        }
        let action = if deleted { "delete run" } else { "restore run" };
        write.note(by, Timestamp::now(), Change::plain(action, id)).await?;
        write.commit().await?;
        memory.runs.remove(id);
        self.tracking().documents.changed([run]);
        Ok(())
    }

    /// Takes a tag away.
    pub async fn delete_run_tag(&self, id: &str, key: &str) -> Result<()> {
        let _alone = self.alone().await;
        let mut write = self.write().await?;
        let run = find_active(write.conn(), id).await?;
        let gone = sqlx::query("DELETE FROM run_tags WHERE run = $1 AND key = $2")
            .bind(run)
            .bind(key)
            .execute(write.conn())
            .await?;
        if gone.rows_affected() == 0 {
            return Err(Error::Absent(format!("No tag with name: {key} in run with id {id}")));
        }
        write.commit().await?;
        self.tracking().documents.changed([run]);
        Ok(())
    }
}

fn info(done: Done) -> Result<RunInfo> {
    match done {
        Done::Run(info) => Ok(info),
        Done::Logged => Err(Error::Corrupt("the writer's answer is of another order".to_owned())),
    }
}

pub(super) fn no_run(id: &str) -> Error {
    Error::Absent(format!("Run with id={id} not found"))
}

/// The number of a run.
pub(super) async fn find(conn: &mut SqliteConnection, id: &str) -> Result<i64> {
    let row = sqlx::query("SELECT run FROM runs WHERE id = $1").bind(id).fetch_optional(conn).await?;
    row.ok_or_else(|| no_run(id))?.int("run")
}

/// The number of a run that was not deleted.
pub(super) async fn find_active(conn: &mut SqliteConnection, id: &str) -> Result<i64> {
    let row =
        sqlx::query("SELECT run, deleted FROM runs WHERE id = $1").bind(id).fetch_optional(conn).await?;
    let row = row.ok_or_else(|| no_run(id))?;
    if row.int("deleted")? != 0 {
        let text = format!("The run {id} must be in the 'active' state. Current state is deleted.");
        return Err(Error::Invalid(text));
    }
    row.int("run")
}

/// Opens a run in a group.
pub(super) async fn open(conn: &mut SqliteConnection, new: &NewRun) -> Result<RunInfo> {
    let id = new.id.as_str();
    if let Some(info) = read::info(conn, id).await? {
        return Ok(info);
    }
    let experiment = sqlx::query("SELECT artifact_location, deleted FROM experiments WHERE id = $1")
        .bind(new.experiment_id)
        .fetch_optional(&mut *conn)
        .await?
        .ok_or_else(|| Error::Absent(format!("No Experiment with id={} exists", new.experiment_id)))?;
    if experiment.int("deleted")? != 0 {
        return Err(Error::Invalid(format!(
            "The experiment {} must be in the 'active' state. Current state is deleted.",
            new.experiment_id
        )));
    }
    let artifacts = experiment.text("artifact_location")?;
    let uri = format!("{}/{id}/artifacts", artifacts.trim_end_matches('/'));
    let run = sqlx::query(
        "INSERT INTO runs (id, experiment, name, user_id, status, start_time, end_time, artifact_uri, deleted) \
         VALUES ($1, $2, $3, $4, $5, $6, NULL, $7, FALSE)",
    )
    .bind(id)
    .bind(new.experiment_id)
    .bind(&new.name)
    .bind(&new.user_id)
    .bind(new.status.as_str())
    .bind(new.start_time)
    .bind(&uri)
    .execute(&mut *conn)
    .await?
    .last_insert_rowid();
    let mut tags: BTreeMap<&str, &str> =
        new.tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_str())).collect();
    tags.insert(RUN_NAME, &new.name);
    let cells: Vec<Cell<'_>> =
        tags.iter().flat_map(|(key, value)| [Cell::Int(run), Cell::Text(key), Cell::Text(value)]).collect();
    bulk::insert(conn, ("INSERT INTO run_tags (run, key, value)", ""), 3, &cells).await?;
    read::info(conn, id).await?.ok_or_else(|| no_run(id))
}

/// Changes a run in a group.
pub(super) async fn update(
    conn: &mut SqliteConnection,
    update: &RunUpdate,
    touched: &mut Vec<i64>,
) -> Result<RunInfo> {
    let run = find_active(conn, &update.run_id).await?;
    sqlx::query(
        "UPDATE runs SET status = COALESCE($1, status), end_time = COALESCE($2, end_time), name = COALESCE($3, name) \
         WHERE run = $4",
    )
    .bind(update.status.map(RunStatus::as_str))
    .bind(update.end_time)
    .bind(&update.name)
    .bind(run)
    .execute(&mut *conn)
    .await?;
    if let Some(name) = &update.name {
        let conflict = "ON CONFLICT (run, key) DO UPDATE SET value = excluded.value";
        let cells = [Cell::Int(run), Cell::Text(RUN_NAME), Cell::Text(name)];
        bulk::insert(conn, ("INSERT INTO run_tags (run, key, value)", conflict), 3, &cells).await?;
    }
    touched.push(run);
    read::info(conn, &update.run_id).await?.ok_or_else(|| no_run(&update.run_id))
}
