//! What is logged to runs: metrics, parameters and tags of many calls in a handful of statements.

use super::bulk::{self, Cell};
use super::queue::{Done, Memory};
use crate::error::{Error, Result};
use crate::records::{Record, to_json};
use domain::tracking::{LogBatch, NewMetric, Pair, Point, RUN_NAME};
use sqlx::sqlite::SqliteConnection;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Points of a row of history.
pub(super) const ROW_POINTS: i64 = 64;
/// Bytes of a point.
pub(super) const POINT_BYTES: usize = 24;
/// The number of a row within its series, in bits.
pub(super) const ROW_BITS: u32 = 24;

/// The state of a metric of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Series {
    pub series: i64,
    pub points: i64,
    pub in_order: bool,
    /// The point that was appended last: its time and step.
    pub tail: (i64, i64),
    pub latest: Point,
}

impl Series {
    fn new(series: i64, point: Point) -> Self {
        let Point { timestamp, step, .. } = point;
        Self { series, points: 0, in_order: true, tail: (timestamp, step), latest: point }
    }

    /// Takes a point up.
    fn append(&mut self, point: Point) {
        let at = (point.timestamp, point.step);
        // Equal ones may be the same point sent twice: such a series is put in order when it is read.
        self.in_order &= self.points == 0 || at > self.tail;
        self.tail = at;
        self.points += 1;
        if is_later(&point, &self.latest) {
            self.latest = point;
        }
    }

    /// The row that the next point goes to.
    fn row(&self) -> i64 {
        (self.series << ROW_BITS) | (self.points / ROW_POINTS)
    }
}

/// Whether a point becomes the latest: largest step, then time, then value; one that is no number only over another such.
fn is_later(point: &Point, latest: &Point) -> bool {
    let order = (point.step, point.timestamp).cmp(&(latest.step, latest.timestamp));
    order.is_gt() || order.is_eq() && (point.value >= latest.value || latest.value.is_nan())
}

/// Writes what the batches hold. One that is refused leaves nothing; the others are not concerned.
pub(super) async fn write(
    conn: &mut SqliteConnection,
    memory: &mut Memory,
    batches: &[&LogBatch],
    touched: &mut Vec<i64>,
) -> Result<Vec<Result<Done>>> {
    let ids: HashSet<&str> = batches.iter().map(|batch| batch.run_id.as_str()).collect();
    find_runs(conn, memory, ids).await?;
    let mut verdicts: Vec<Result<i64>> = batches.iter().map(|batch| active(memory, &batch.run_id)).collect();
    write_params(conn, batches, &mut verdicts).await?;
    let good: Vec<(i64, &LogBatch)> = batches
        .iter()
        .zip(&verdicts)
        .filter_map(|(batch, verdict)| Some((*verdict.as_ref().ok()?, *batch)))
        .collect();
    write_metrics(conn, memory, &good).await?;
    write_tags(conn, &good).await?;
    touched.extend(good.iter().map(|(run, _)| *run));
    Ok(verdicts.into_iter().map(|verdict| verdict.map(|_| Done::Logged)).collect())
}

/// The number of a run that may be written to.
fn active(memory: &Memory, id: &str) -> Result<i64> {
    match memory.runs.get(id) {
        None => Err(Error::Absent(format!("Run with id={id} not found"))),
        Some((_, true)) => Err(Error::Invalid(format!(
            "The run {id} must be in the 'active' state. Current state is deleted."
        ))),
        Some((run, false)) => Ok(*run),
    }
}

/// Makes sure that the memory knows those of the runs that are there.
async fn find_runs(conn: &mut SqliteConnection, memory: &mut Memory, ids: HashSet<&str>) -> Result<()> {
    let unknown: Vec<&str> = ids.into_iter().filter(|id| memory.runs.get(*id).is_none()).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query("SELECT id, run, deleted FROM runs WHERE id IN (SELECT value FROM json_each($1))")
        .bind(to_json(&unknown)?)
        .fetch_all(conn)
        .await?;
    for row in rows {
        memory.runs.insert(row.text("id")?, (row.int("run")?, row.int("deleted")? != 0));
    }
    Ok(())
}

/// Writes the parameters that are new; a batch with one that has another value already is refused.
async fn write_params(
    conn: &mut SqliteConnection,
    batches: &[&LogBatch],
    verdicts: &mut [Result<i64>],
) -> Result<()> {
    let asked: Vec<(i64, &str)> = batches
        .iter()
        .zip(verdicts.iter())
        .filter_map(|(batch, verdict)| Some((batch, *verdict.as_ref().ok()?)))
        .flat_map(|(batch, run)| batch.params.iter().map(move |param| (run, param.key.as_str())))
        .collect();
    if asked.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query(
        "SELECT p.run, p.key, p.value FROM json_each($1) j JOIN run_params p ON p.run = j.value ->> 0 AND p.key = j.value ->> 1",
    )
    .bind(to_json(&asked)?)
    .fetch_all(&mut *conn)
    .await?;
    let mut known: HashMap<(i64, String), String> = HashMap::new();
    for row in rows {
        known.insert((row.int("run")?, row.text("key")?), row.text("value")?);
    }
    let mut new: Vec<(i64, &Pair)> = Vec::new();
    for (batch, verdict) in batches.iter().zip(verdicts.iter_mut()) {
        let Ok(run) = verdict else { continue };
        match fresh(*run, batch, &known) {
            Ok(params) => {
                known.extend(params.iter().map(|(run, p)| ((*run, p.key.clone()), p.value.clone())));
                new.extend(params);
            }
            Err(error) => *verdict = Err(error),
        }
    }
    let cells: Vec<Cell<'_>> =
        new.iter().flat_map(|(run, p)| [Cell::Int(*run), Cell::Text(&p.key), Cell::Text(&p.value)]).collect();
    bulk::insert(conn, ("INSERT INTO run_params (run, key, value)", ""), 3, &cells).await
}

/// The parameters of a batch that are not there yet.
fn fresh<'a>(
    run: i64,
    batch: &'a LogBatch,
    known: &HashMap<(i64, String), String>,
) -> Result<Vec<(i64, &'a Pair)>> {
    let mut params: BTreeMap<&str, &'a Pair> = BTreeMap::new();
    for param in &batch.params {
        let before = known.get(&(run, param.key.clone())).map(String::as_str);
        let before = before.or_else(|| params.get(param.key.as_str()).map(|p| p.value.as_str()));
        match before {
            None => {
                params.insert(&param.key, param);
            }
            Some(value) if value == param.value => {}
            Some(value) => {
                return Err(Error::Invalid(format!(
                    "Changing param values is not allowed. Param with key='{}' was already logged with value='{value}' for run \
                     ID='{}'. Attempted logging new value '{}'.",
                    param.key, batch.run_id, param.value
                )));
            }
        }
    }
    Ok(params.into_values().map(|param| (run, param)).collect())
}

async fn write_metrics(
    conn: &mut SqliteConnection,
    memory: &mut Memory,
    batches: &[(i64, &LogBatch)],
) -> Result<()> {
    let mut metrics: Vec<(i64, &NewMetric)> = Vec::new();
    for (run, batch) in batches {
        metrics.extend(batch.metrics.iter().map(|metric| (*run, metric)));
    }
    if metrics.is_empty() {
        return Ok(());
    }
    let mut series = states(conn, memory, &metrics).await?;
    let mut bodies: BTreeMap<i64, Vec<u8>> = BTreeMap::new();
    for (run, metric) in &metrics {
        let key = (*run, metric.key.as_str());
        let state = match series.get_mut(&key) {
            Some(state) => state,
            None => series.entry(key).or_insert(Series::new(next_series(conn, memory).await?, metric.point)),
        };
        let body = bodies.entry(state.row()).or_default();
        body.extend_from_slice(&metric.point.value.to_bits().to_le_bytes());
        body.extend_from_slice(&metric.point.timestamp.to_le_bytes());
        body.extend_from_slice(&metric.point.step.to_le_bytes());
        state.append(metric.point);
    }
    keep_states(conn, &series).await?;
    let cells: Vec<Cell<'_>> =
        bodies.iter().flat_map(|(id, body)| [Cell::Int(*id), Cell::Blob(body)]).collect();
    let append = "ON CONFLICT (id) DO UPDATE SET body = CAST(body || excluded.body AS BLOB)";
    bulk::insert(conn, ("INSERT INTO metric_points (id, body)", append), 2, &cells).await?;
    for ((run, key), state) in series {
        memory.series.insert((run, key.to_owned()), state);
    }
    about_models(conn, &metrics).await
}

/// The number of the next series.
async fn next_series(conn: &mut SqliteConnection, memory: &mut Memory) -> Result<i64> {
    let next = match memory.next_series {
        Some(next) => next,
        None => {
            let row = sqlx::query("SELECT COALESCE(MAX(series), 0) + 1 AS next FROM run_metrics");
            row.fetch_one(conn).await?.int("next")?
        }
    };
    memory.next_series = Some(next + 1);
    Ok(next)
}

/// The states of the metrics that have one.
async fn states<'a>(
    conn: &mut SqliteConnection,
    memory: &Memory,
    metrics: &[(i64, &'a NewMetric)],
) -> Result<HashMap<(i64, &'a str), Series>> {
    let (mut found, mut unknown) = (HashMap::new(), HashMap::new());
    for (run, metric) in metrics {
        match memory.series.get(&(*run, metric.key.clone())) {
            Some(state) => found.insert((*run, metric.key.as_str()), *state).map(drop),
            None => unknown.insert((*run, metric.key.clone()), metric.key.as_str()).map(drop),
        };
    }
    if unknown.is_empty() {
        return Ok(found);
    }
    let asked: Vec<&(i64, String)> = unknown.keys().collect();
    let rows = sqlx::query(
        "SELECT m.* FROM json_each($1) j JOIN run_metrics m ON m.run = j.value ->> 0 AND m.key = j.value ->> 1",
    )
    .bind(to_json(&asked)?)
    .fetch_all(conn)
    .await?;
    for row in rows {
        let run = row.int("run")?;
        let Some(key) = unknown.get(&(run, row.text("key")?)) else { continue };
        let latest = Point {
            value: sqlx::Row::try_get::<Option<f64>, _>(&row, "value")?.unwrap_or(f64::NAN),
            timestamp: row.int("timestamp")?,
            step: row.int("step")?,
        };
        let state = Series {
            series: row.int("series")?,
            points: row.int("points")?,
            in_order: row.int("in_order")? != 0,
            tail: (row.int("tail_timestamp")?, row.int("tail_step")?),
            latest,
        };
        found.insert((run, *key), state);
    }
    Ok(found)
}

async fn keep_states(conn: &mut SqliteConnection, series: &HashMap<(i64, &str), Series>) -> Result<()> {
    let mut sorted: Vec<_> = series.iter().collect();
    sorted.sort_by_key(|(key, _)| **key);
    let cells: Vec<Cell<'_>> = sorted
        .iter()
        .flat_map(|((run, key), s)| {
            [
                Cell::Int(*run),
                Cell::Text(key),
                Cell::Real(s.latest.value),
                Cell::Int(s.latest.timestamp),
                Cell::Int(s.latest.step),
                Cell::Int(s.series),
                Cell::Int(s.points),
                Cell::Int(i64::from(s.in_order)),
                Cell::Int(s.tail.0),
                Cell::Int(s.tail.1),
            ]
        })
        .collect();
    let insert = "INSERT INTO run_metrics (run, key, value, timestamp, step, series, points, in_order, tail_timestamp, tail_step)";
    let conflict = "ON CONFLICT (run, key) DO UPDATE SET value = excluded.value, timestamp = excluded.timestamp, \
         step = excluded.step, points = excluded.points, in_order = excluded.in_order, \
         tail_timestamp = excluded.tail_timestamp, tail_step = excluded.tail_step";
    bulk::insert(conn, (insert, conflict), 10, &cells).await
}

/// Keeps what was logged about models.
async fn about_models(conn: &mut SqliteConnection, metrics: &[(i64, &NewMetric)]) -> Result<()> {
    let mut cells = Vec::new();
    for (run, metric) in metrics {
        let Some(model) = &metric.model_id else { continue };
        let (name, digest) = metric.dataset.as_ref().map_or(("", ""), |(n, d)| (n.as_str(), d.as_str()));
        let Point { value, timestamp, step } = metric.point;
        cells.extend([
            Cell::Text(model),
            Cell::Text(&metric.key),
            Cell::Text(name),
            Cell::Text(digest),
            Cell::Int(timestamp),
            Cell::Int(step),
            Cell::Int(*run),
            Cell::Real(value),
        ]);
    }
    let insert = "INSERT OR REPLACE INTO logged_model_metrics \
         (model_id, key, dataset_name, dataset_digest, timestamp, step, run, value)";
    bulk::insert(conn, (insert, ""), 8, &cells).await
}

async fn write_tags(conn: &mut SqliteConnection, batches: &[(i64, &LogBatch)]) -> Result<()> {
    let mut tags: BTreeMap<(i64, &str), &str> = BTreeMap::new();
    for (run, batch) in batches {
        tags.extend(batch.tags.iter().map(|tag| ((*run, tag.key.as_str()), tag.value.as_str())));
    }
    for ((run, key), value) in &tags {
        if *key == RUN_NAME {
            let rename =
                sqlx::query("UPDATE runs SET name = $1 WHERE run = $2").bind((*value).to_owned()).bind(*run);
            rename.execute(&mut *conn).await?;
        }
    }
    let cells: Vec<Cell<'_>> = tags
        .iter()
        .flat_map(|((run, key), value)| [Cell::Int(*run), Cell::Text(key), Cell::Text(value)])
        .collect();
    let conflict = "ON CONFLICT (run, key) DO UPDATE SET value = excluded.value";
    bulk::insert(conn, ("INSERT INTO run_tags (run, key, value)", conflict), 3, &cells).await
}
