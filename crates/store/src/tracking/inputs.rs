//! What went into runs and came out: datasets and logged models.

use super::bulk::{self, Cell};
use super::runs::find_active;
use crate::db::Store;
use crate::error::Result;
use crate::records::{Record, to_json};
use domain::tracking::{DATASET_CONTEXT, DatasetInput, DatasetSummary, ModelInput, ModelOutput};
use sqlx::sqlite::SqliteConnection;

/// Summaries that one call gives at most.
const SUMMARIES: i64 = 1000;

impl Store {
    /// Keeps what went into a run. A dataset that is known by name and digest keeps what was told of it first.
    pub async fn log_inputs(
        &self,
        run_id: &str,
        datasets: &[DatasetInput],
        models: &[ModelInput],
    ) -> Result<()> {
        let _alone = self.alone().await;
        let mut write = self.write().await?;
        let run = find_active(write.conn(), run_id).await?;
        for input in datasets {
            log_dataset(write.conn(), run, input).await?;
        }
        let cells: Vec<Cell<'_>> = models
            .iter()
            .flat_map(|m| [Cell::Int(run), Cell::Int(0), Cell::Text(&m.model_id), Cell::Int(0)])
            .collect();
        keep_models(write.conn(), &cells).await?;
        write.commit().await?;
        self.tracking().documents.changed([run]);
        Ok(())
    }

    /// Keeps which models came out of a run.
    pub async fn log_outputs(&self, run_id: &str, models: &[ModelOutput]) -> Result<()> {
        let _alone = self.alone().await;
        let mut write = self.write().await?;
        let run = find_active(write.conn(), run_id).await?;
        let cells: Vec<Cell<'_>> = models
            .iter()
            .flat_map(|m| [Cell::Int(run), Cell::Int(1), Cell::Text(&m.model_id), Cell::Int(m.step)])
            .collect();
        keep_models(write.conn(), &cells).await?;
        write.commit().await?;
        self.tracking().documents.changed([run]);
        Ok(())
    }

    /// The datasets of experiments, each with every use of it.
    pub async fn dataset_summaries(&self, experiments: &[i64]) -> Result<Vec<DatasetSummary>> {
        let rows = sqlx::query(
            "SELECT DISTINCT d.experiment, d.name, d.digest, i.context FROM datasets d JOIN run_datasets i ON i.dataset = d.dataset \
             JOIN runs r ON r.run = i.run WHERE d.experiment IN (SELECT value FROM json_each($1)) AND r.deleted = 0 \
             ORDER BY d.experiment, d.name, d.digest, i.context LIMIT $2",
        )
        .bind(to_json(&experiments)?)
        .bind(SUMMARIES)
        .fetch_all(self.reader())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(DatasetSummary {
                    experiment_id: row.int("experiment")?.to_string(),
                    name: row.text("name")?,
                    digest: row.text("digest")?,
                    context: row.text_or_null("context")?,
                })
            })
            .collect()
    }
}

async fn keep_models(conn: &mut SqliteConnection, cells: &[Cell<'_>]) -> Result<()> {
    let insert = ("INSERT INTO run_models (run, output, model_id, step)", "ON CONFLICT DO NOTHING");
    bulk::insert(conn, insert, 4, cells).await
}

async fn log_dataset(conn: &mut SqliteConnection, run: i64, input: &DatasetInput) -> Result<()> {
    let dataset = &input.dataset;
    let experiment: i64 = sqlx::query("SELECT experiment FROM runs WHERE run = $1")
        .bind(run)
        .fetch_one(&mut *conn)
        .await?
        .int("experiment")?;
    sqlx::query(
        "INSERT INTO datasets (experiment, name, digest, source_type, source, schema, profile) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (experiment, name, digest) DO NOTHING",
    )
    .bind(experiment)
    .bind(&dataset.name)
    .bind(&dataset.digest)
    .bind(&dataset.source_type)
    .bind(&dataset.source)
    .bind(&dataset.schema)
    .bind(&dataset.profile)
    .execute(&mut *conn)
    .await?;
    let context = input.tags.iter().find(|tag| tag.key == DATASET_CONTEXT).map(|tag| tag.value.as_str());
    sqlx::query(
        "INSERT INTO run_datasets (run, dataset, context, tags) SELECT $1, dataset, $2, $3 FROM datasets \
         WHERE experiment = $4 AND name = $5 AND digest = $6 ON CONFLICT (run, dataset) DO NOTHING",
    )
    .bind(run)
    .bind(context)
    .bind(to_json(&input.tags)?)
    .bind(experiment)
    .bind(&dataset.name)
    .bind(&dataset.digest)
    .execute(conn)
    .await?;
    Ok(())
}
