//! Experiments: named groups of runs.

use super::runs::Deletion;
use super::search::{Bind, Sql, stage};
use crate::db::{Store, Write};
use crate::error::{Error, Result};
use crate::ledger::Change;
use crate::records::{Record, to_json};
use domain::filter::{Clause, Entity, Order};
use domain::tracking::{Experiment, LifecycleStage, Pair, ViewType};
use domain::{Actor, Timestamp};
use sqlx::sqlite::SqliteRow;
use std::collections::HashMap;

fn decode(row: &SqliteRow) -> Result<Experiment> {
    Ok(Experiment {
        experiment_id: row.int("id")?.to_string(),
        name: row.text("name")?,
        artifact_location: row.text("artifact_location")?,
        lifecycle_stage: LifecycleStage::from(row.int("deleted")? != 0),
        creation_time: row.int("created")?,
        last_update_time: row.int("updated")?,
        tags: Vec::new(),
    })
}

fn none(id: i64) -> Error {
    Error::Absent(format!("No Experiment with id={id} exists"))
}

/// Now, in milliseconds.
fn now() -> i64 {
    Timestamp::now().micros() / 1000
}

fn taken(name: &str) -> Error {
    Error::Conflict(format!("Experiment(name={name}) already exists."))
}

impl Store {
    /// Makes an experiment; gives its id. A name stays taken while its experiment is deleted.
    pub async fn create_experiment(
        &self,
        name: &str,
        artifact_location: Option<&str>,
        tags: &[Pair],
    ) -> Result<i64> {
        let _alone = self.alone().await;
        let mut write = self.write().await?;
        if by_name(&mut write, name).await?.is_some() {
            return Err(taken(name));
        }
        let id: i64 = sqlx::query("SELECT MAX(id) + 1 AS next FROM experiments")
            .fetch_one(write.conn())
            .await?
            .int("next")?;
        let location = artifact_location.map_or_else(|| format!("mlflow-artifacts:/{id}"), str::to_owned);
        sqlx::query(
            "INSERT INTO experiments (id, name, artifact_location, deleted, created, updated) VALUES ($1, $2, $3, FALSE, $4, $4)",
        )
        .bind(id)
        .bind(name)
        .bind(location)
        .bind(now())
        .execute(write.conn())
        .await?;
        for tag in tags {
            set_tag(&mut write, id, &tag.key, &tag.value).await?;
        }
        write.commit().await?;
        Ok(id)
    }

    /// The id of the experiment of a name, which is made when it is not there.
    pub async fn ensure_experiment(&self, name: &str) -> Result<i64> {
        if let Some(found) = self.experiment_named(name).await? {
            return found.experiment_id.parse().map_err(|e| Error::corrupt("experiment", e));
        }
        match self.create_experiment(name, None, &[]).await {
            Err(Error::Conflict(_)) => {
                let found = self.experiment_named(name).await?.ok_or_else(|| taken(name))?;
                found.experiment_id.parse().map_err(|e| Error::corrupt("experiment", e))
            }
            made => made,
        }
    }

    /// An experiment.
    pub async fn experiment(&self, id: i64) -> Result<Experiment> {
        let row = sqlx::query("SELECT * FROM experiments WHERE id = $1")
            .bind(id)
            .fetch_optional(self.reader())
            .await?
            .ok_or_else(|| none(id))?;
        self.tagged(vec![decode(&row)?]).await?.pop().ok_or_else(|| none(id))
    }

    /// The experiment of a name, deleted or not.
    pub async fn experiment_named(&self, name: &str) -> Result<Option<Experiment>> {
        let row = sqlx::query("SELECT * FROM experiments WHERE name = $1")
            .bind(name)
            .fetch_optional(self.reader())
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(self.tagged(vec![decode(&row)?]).await?.pop())
    }

    /// At most `limit` experiments from `offset` on; the one that changed last first when no order is named.
    pub async fn search_experiments(
        &self,
        (clauses, orders): (&[Clause], &[Order]),
        view: ViewType,
        (offset, limit): (u64, u64),
    ) -> Result<Vec<Experiment>> {
        let mut sql = Sql::default();
        sql.conditions.push("1".to_owned());
        sql.conditions.extend(stage("e.deleted", view));
        for clause in clauses {
            let condition = condition(&mut sql, clause)?;
            sql.conditions.push(condition);
        }
        for order in orders {
            let direction = if order.ascending { "" } else { " DESC" };
            sql.orders.push(format!("{}{direction}", column(&order.identifier.key)?));
        }
        if orders.is_empty() {
            sql.orders.push("e.updated DESC".to_owned());
        }
        let limit = sql.bind(Bind::Int(i64::try_from(limit).unwrap_or(i64::MAX)));
        let offset = sql.bind(Bind::Int(i64::try_from(offset).unwrap_or(i64::MAX)));
        let text = format!(
            "SELECT e.* FROM experiments e WHERE {} ORDER BY {}, e.id DESC LIMIT {limit} OFFSET {offset}",
            sql.conditions.join(" AND "),
            sql.orders.join(", ")
        );
        let query = sqlx::query_with(sqlx::AssertSqlSafe(text), sql.arguments()?);
        let rows = query.fetch_all(self.reader()).await?;
        self.tagged(rows.iter().map(decode).collect::<Result<_>>()?).await
    }

    /// Gives experiments their tags.
    async fn tagged(&self, mut experiments: Vec<Experiment>) -> Result<Vec<Experiment>> {
        let ids: Vec<i64> = experiments.iter().filter_map(|e| e.experiment_id.parse().ok()).collect();
        let rows = sqlx::query(
            "SELECT experiment, key, value FROM experiment_tags WHERE experiment IN (SELECT value FROM json_each($1)) \
             ORDER BY experiment, key",
        )
        .bind(to_json(&ids)?)
        .fetch_all(self.reader())
        .await?;
        let mut tags: HashMap<String, Vec<Pair>> = HashMap::new();
        for row in rows {
            let pair = Pair { key: row.text("key")?, value: row.text("value")? };
            tags.entry(row.int("experiment")?.to_string()).or_default().push(pair);
        }
        for experiment in &mut experiments {
            experiment.tags = tags.remove(&experiment.experiment_id).unwrap_or_default();
        }
        Ok(experiments)
    }

    /// Renames an experiment that was not deleted.
    pub async fn rename_experiment(&self, id: i64, name: &str) -> Result<()> {
        let _alone = self.alone().await;
        let mut write = self.write().await?;
        active(&mut write, id).await?;
        if by_name(&mut write, name).await?.is_some_and(|other| other != id) {
            return Err(taken(name));
        }
        sqlx::query("UPDATE experiments SET name = $1, updated = $2 WHERE id = $3")
            .bind(name)
            .bind(now())
            .bind(id)
            .execute(write.conn())
            .await?;
        write.commit().await
    }

    /// Deletes or restores an experiment with its runs.
    pub async fn set_experiment_deleted(&self, id: i64, deletion: Deletion, by: &Actor) -> Result<()> {
        let mut memory = self.alone().await;
        let mut write = self.write().await?;
        let deleted = deletion == Deletion::Delete;
        let name = match find(&mut write, id).await? {
            Some((name, was)) if was != deleted => name,
            // In the protocol one in the other state is as little found as one that never was.
            Some(_) | None => return Err(none(id)),
        };
        sqlx::query("UPDATE experiments SET deleted = $1, updated = $2 WHERE id = $3")
            .bind(deleted)
            .bind(now())
            .bind(id)
            .execute(write.conn())
            .await?;
        let rows =
            sqlx::query("UPDATE runs SET deleted = $1 WHERE experiment = $2 AND deleted <> $1 RETURNING run")
                .bind(deleted)
                .bind(id)
                .fetch_all(write.conn())
                .await?;
        let runs: Vec<i64> = rows.iter().map(|row| row.int("run")).collect::<Result<_>>()?;
        let action = if deleted { "delete experiment" } else { "restore experiment" };
        let detail = serde_json::json!({"name": name, "runs": runs.len()});
        write.note(by, Timestamp::now(), Change::new(action, id.to_string(), detail)).await?;
        write.commit().await?;
        memory.runs.clear();
        self.tracking().documents.changed(runs);
        Ok(())
    }

    /// Sets a tag of an experiment.
    pub async fn set_experiment_tag(&self, id: i64, key: &str, value: &str) -> Result<()> {
        let _alone = self.alone().await;
        let mut write = self.write().await?;
        active(&mut write, id).await?;
        set_tag(&mut write, id, key, value).await?;
        touch(&mut write, id).await?;
        write.commit().await
    }

    /// Takes a tag of an experiment away.
    pub async fn delete_experiment_tag(&self, id: i64, key: &str) -> Result<()> {
        let _alone = self.alone().await;
        let mut write = self.write().await?;
        active(&mut write, id).await?;
        let gone = sqlx::query("DELETE FROM experiment_tags WHERE experiment = $1 AND key = $2")
            .bind(id)
            .bind(key)
            .execute(write.conn())
            .await?;
        if gone.rows_affected() == 0 {
            return Err(Error::Absent(format!("No tag with name: {key} in experiment with id {id}")));
        }
        touch(&mut write, id).await?;
        write.commit().await
    }
}

async fn find(write: &mut Write<'_>, id: i64) -> Result<Option<(String, bool)>> {
    let row = sqlx::query("SELECT name, deleted FROM experiments WHERE id = $1")
        .bind(id)
        .fetch_optional(write.conn())
        .await?;
    row.map(|row| Ok((row.text("name")?, row.int("deleted")? != 0))).transpose()
}

async fn active(write: &mut Write<'_>, id: i64) -> Result<()> {
    match find(write, id).await? {
        None => Err(none(id)),
        Some((_, true)) => {
            let text =
                format!("The experiment {id} must be in the 'active' state. Current state is deleted.");
            Err(Error::Invalid(text))
        }
        Some((_, false)) => Ok(()),
    }
}

async fn by_name(write: &mut Write<'_>, name: &str) -> Result<Option<i64>> {
    let row = sqlx::query("SELECT id FROM experiments WHERE name = $1")
        .bind(name)
        .fetch_optional(write.conn())
        .await?;
    row.map(|row| row.int("id")).transpose()
}

async fn touch(write: &mut Write<'_>, id: i64) -> Result<()> {
    let touch = sqlx::query("UPDATE experiments SET updated = $1 WHERE id = $2").bind(now()).bind(id);
    touch.execute(write.conn()).await?;
    Ok(())
}

async fn set_tag(write: &mut Write<'_>, id: i64, key: &str, value: &str) -> Result<()> {
    sqlx::query(
        "INSERT INTO experiment_tags (experiment, key, value) VALUES ($1, $2, $3) \
         ON CONFLICT (experiment, key) DO UPDATE SET value = excluded.value",
    )
    .bind(id)
    .bind(key)
    .bind(value)
    .execute(write.conn())
    .await?;
    Ok(())
}

fn column(key: &str) -> Result<&'static str> {
    Ok(match key {
        "name" => "e.name",
        "experiment_id" => "e.id",
        "creation_time" => "e.created",
        "last_update_time" => "e.updated",
        other => return Err(Error::Invalid(format!("experiments have no attribute '{other}'"))),
    })
}

/// The condition of a clause on experiments.
fn condition(sql: &mut Sql, clause: &Clause) -> Result<String> {
    let key = clause.identifier.key.as_str();
    match clause.identifier.entity {
        Entity::Attribute if key == "experiment_id" => sql.compare("CAST(e.id AS TEXT)", clause),
        Entity::Attribute => sql.compare(column(key)?, clause),
        _ => {
            let place = sql.text(key);
            let exists = |rest: &str| {
                format!(
                    "EXISTS (SELECT 1 FROM experiment_tags t WHERE t.experiment = e.id AND t.key = {place}{rest})"
                )
            };
            match clause.comparator {
                domain::filter::Comparator::IsNull => Ok(format!("NOT {}", exists(""))),
                domain::filter::Comparator::IsNotNull => Ok(exists("")),
                _ => {
                    let compared = sql.compare("t.value", clause)?;
                    Ok(exists(&format!(" AND {compared}")))
                }
            }
        }
    }
}
