//! Runs as they are told, read in a handful of statements for as many as are asked for.

use super::runs::no_run;
use crate::db::Store;
use crate::error::{Error, Result};
use crate::records::{Record, to_json};
use domain::tracking::{
    Dataset, DatasetInput, LifecycleStage, Metric, ModelInput, ModelOutput, Pair, Run, RunData, RunInfo,
    RunInputs, RunOutputs, RunStatus,
};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::collections::HashMap;
use std::sync::Arc;

const INFO: &str = "SELECT run, id, experiment, name, user_id, status, start_time, end_time, artifact_uri, deleted FROM runs";

fn info_of(row: &SqliteRow) -> Result<RunInfo> {
    let id = row.text("id")?;
    Ok(RunInfo {
        run_uuid: id.clone(),
        run_id: id,
        run_name: row.text("name")?,
        experiment_id: row.int("experiment")?.to_string(),
        user_id: row.text("user_id")?,
        status: RunStatus::parse(&row.text("status")?).map_err(|e| Error::corrupt("status", e))?,
        start_time: row.int("start_time")?,
        end_time: row.int_or_null("end_time")?,
        artifact_uri: row.text("artifact_uri")?,
        lifecycle_stage: LifecycleStage::from(row.int("deleted")? != 0),
    })
}

/// What is told of a run besides its data, when it is there.
pub(super) async fn info(conn: &mut SqliteConnection, id: &str) -> Result<Option<RunInfo>> {
    let sql = sqlx::AssertSqlSafe(format!("{INFO} WHERE id = $1"));
    let row = sqlx::query(sql).bind(id).fetch_optional(conn).await?;
    row.as_ref().map(info_of).transpose()
}

impl Store {
    /// What is told of a run besides its data.
    pub async fn run_info(&self, id: &str) -> Result<RunInfo> {
        let mut conn = self.reader().acquire().await?;
        info(&mut conn, id).await?.ok_or_else(|| no_run(id))
    }

    /// The number by which a run is found in [`Store::run_documents`].
    pub async fn run_number(&self, id: &str) -> Result<i64> {
        let mut conn = self.reader().acquire().await?;
        super::runs::find(&mut conn, id).await
    }

    /// A run.
    pub async fn run(&self, id: &str) -> Result<Run> {
        let run = self.run_number(id).await?;
        self.read_runs(&[run]).await?.into_iter().next().map(|(_, run)| run).ok_or_else(|| no_run(id))
    }

    /// Runs as JSON texts, in the order asked for; those that are not there are left out.
    pub async fn run_documents(&self, runs: &[i64]) -> Result<Vec<Arc<str>>> {
        let documents = &self.tracking().documents;
        let (mut found, began) = documents.get(runs);
        let missing: Vec<i64> =
            runs.iter().zip(&found).filter(|(_, text)| text.is_none()).map(|(run, _)| *run).collect();
        if !missing.is_empty() {
            let mut read: HashMap<i64, Arc<str>> = HashMap::new();
            for (number, run) in self.read_runs(&missing).await? {
                let text: Arc<str> = to_json(&run)?.into();
                documents.put(number, text.clone(), began);
                read.insert(number, text);
            }
            for (run, text) in runs.iter().zip(&mut found) {
                if text.is_none() {
                    *text = read.get(run).cloned();
                }
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    /// Runs with all their data, by their numbers; of one moment.
    async fn read_runs(&self, numbers: &[i64]) -> Result<Vec<(i64, Run)>> {
        let asked = to_json(&numbers)?;
        let mut tx = self.reader().begin().await?;
        let sql = sqlx::AssertSqlSafe(format!("{INFO} WHERE run IN (SELECT value FROM json_each($1))"));
        let mut runs: HashMap<i64, Run> = HashMap::new();
        for row in sqlx::query(sql).bind(&asked).fetch_all(&mut *tx).await? {
            let run = Run {
                info: info_of(&row)?,
                data: RunData::default(),
                inputs: RunInputs::default(),
                outputs: RunOutputs::default(),
            };
            runs.insert(row.int("run")?, run);
        }
        pairs(&mut tx, &asked, "SELECT run, key, value FROM run_params", |run, pair| {
            if let Some(run) = runs.get_mut(&run) {
                run.data.params.push(pair);
            }
        })
        .await?;
        pairs(&mut tx, &asked, "SELECT run, key, value FROM run_tags", |run, pair| {
            if let Some(run) = runs.get_mut(&run) {
                run.data.tags.push(pair);
            }
        })
        .await?;
        metrics(&mut tx, &asked, &mut runs).await?;
        inputs(&mut tx, &asked, &mut runs).await?;
        tx.commit().await?;
        Ok(numbers.iter().filter_map(|number| Some((*number, runs.remove(number)?))).collect())
    }
}

async fn pairs(
    conn: &mut SqliteConnection,
    asked: &str,
    select: &str,
    mut take: impl FnMut(i64, Pair),
) -> Result<()> {
    let sql = sqlx::AssertSqlSafe(format!("{select} WHERE run IN (SELECT value FROM json_each($1))"));
    for row in sqlx::query(sql).bind(asked).fetch_all(conn).await? {
        let (key, value): (String, String) = (row.try_get(1)?, row.try_get(2)?);
        take(row.try_get(0)?, Pair { key, value });
    }
    Ok(())
}

async fn metrics(conn: &mut SqliteConnection, asked: &str, runs: &mut HashMap<i64, Run>) -> Result<()> {
    let rows = sqlx::query(
        "SELECT run, key, value, timestamp, step FROM run_metrics WHERE run IN (SELECT value FROM json_each($1))",
    )
    .bind(asked)
    .fetch_all(conn)
    .await?;
    for row in rows {
        let metric = Metric {
            key: row.try_get(1)?,
            value: row.try_get::<Option<f64>, _>(2)?.unwrap_or(f64::NAN),
            timestamp: row.try_get(3)?,
            step: row.try_get(4)?,
        };
        if let Some(run) = runs.get_mut(&row.try_get(0)?) {
            run.data.metrics.push(metric);
        }
    }
    Ok(())
}

async fn inputs(conn: &mut SqliteConnection, asked: &str, runs: &mut HashMap<i64, Run>) -> Result<()> {
    let rows = sqlx::query(
        "SELECT i.run, i.tags, d.* FROM run_datasets i JOIN datasets d ON d.dataset = i.dataset \
         WHERE i.run IN (SELECT value FROM json_each($1)) ORDER BY i.run, i.dataset",
    )
    .bind(asked)
    .fetch_all(&mut *conn)
    .await?;
    for row in rows {
        let input = DatasetInput { tags: row.json("tags")?, dataset: dataset(&row)? };
        if let Some(run) = runs.get_mut(&row.int("run")?) {
            run.inputs.dataset_inputs.push(input);
        }
    }
    let rows = sqlx::query(
        "SELECT run, output, model_id, step FROM run_models WHERE run IN (SELECT value FROM json_each($1)) \
         ORDER BY run, step, model_id",
    )
    .bind(asked)
    .fetch_all(conn)
    .await?;
    for row in rows {
        let (model_id, output) = (row.text("model_id")?, row.int("output")? != 0);
        let Some(run) = runs.get_mut(&row.int("run")?) else { continue };
        if output {
            run.outputs.model_outputs.push(ModelOutput { model_id, step: row.int("step")? });
        } else {
            run.inputs.model_inputs.push(ModelInput { model_id });
        }
    }
    Ok(())
}

fn dataset(row: &SqliteRow) -> Result<Dataset> {
    Ok(Dataset {
        name: row.text("name")?,
        digest: row.text("digest")?,
        source_type: row.text("source_type")?,
        source: row.text("source")?,
        schema: row.text_or_null("schema")?,
        profile: row.text_or_null("profile")?,
    })
}
