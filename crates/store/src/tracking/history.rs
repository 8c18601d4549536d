//! The history of a metric: rows of points, told in the order of time, step and value, each point once.

use super::log::{POINT_BYTES, ROW_BITS, ROW_POINTS};
use crate::db::Store;
use crate::error::{Error, Result};
use crate::records::{Record, to_json};
use domain::tracking::Point;
use sqlx::Row;

/// A part of a metric's history.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryPage {
    /// Its points in order.
    pub points: Vec<Point>,
    /// Where the next part begins; none at the end.
    pub next: Option<u64>,
}

/// The history of a metric of one of several runs.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// The run.
    pub run_id: String,
    /// Its points in order.
    pub points: Vec<Point>,
}

/// Where a metric's points lie.
#[derive(Debug, Clone)]
struct Place {
    run_id: String,
    series: i64,
    points: i64,
    in_order: bool,
}

impl Store {
    /// At most `limit` points of a metric of a run from `offset` on; none of a metric that was never logged.
    pub async fn metric_history(
        &self,
        run_id: &str,
        key: &str,
        (offset, limit): (u64, u64),
    ) -> Result<HistoryPage> {
        let mut tx = self.reader().begin().await?;
        let row = sqlx::query(
            "SELECT r.id, m.series, m.points, m.in_order FROM runs r LEFT JOIN run_metrics m ON m.run = r.run AND m.key = $2 \
             WHERE r.id = $1",
        )
        .bind(run_id)
        .bind(key)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| super::runs::no_run(run_id))?;
        let Some(series) = row.int_or_null("series")? else {
            return Ok(HistoryPage { points: Vec::new(), next: None });
        };
        let place = Place {
            run_id: row.text("id")?,
            series,
            points: row.int("points")?,
            in_order: row.int("in_order")? != 0,
        };
        let (points, total) = read(&mut tx, &place, (offset, limit)).await?;
        let end = offset.saturating_add(points.len() as u64);
        Ok(HistoryPage { points, next: (end < total).then_some(end) })
    }

    /// The whole history of a metric of several runs, ordered by their ids; runs without it are left out.
    pub async fn metric_histories(&self, run_ids: &[String], key: &str) -> Result<Vec<History>> {
        let mut tx = self.reader().begin().await?;
        let rows = sqlx::query(
            "SELECT r.id, m.series, m.points, m.in_order FROM runs r JOIN run_metrics m ON m.run = r.run AND m.key = $2 \
             WHERE r.id IN (SELECT value FROM json_each($1)) ORDER BY r.id",
        )
        .bind(to_json(&run_ids)?)
        .bind(key)
        .fetch_all(&mut *tx)
        .await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            let place = Place {
                run_id: row.text("id")?,
                series: row.int("series")?,
                points: row.int("points")?,
                in_order: row.int("in_order")? != 0,
            };
            let (points, _) = read(&mut tx, &place, (0, u64::MAX)).await?;
            found.push(History { run_id: place.run_id, points });
        }
        Ok(found)
    }
}

/// Points of a series, and how many it has in all.
async fn read(
    conn: &mut sqlx::sqlite::SqliteConnection,
    place: &Place,
    (offset, limit): (u64, u64),
) -> Result<(Vec<Point>, u64)> {
    let all = u64::try_from(place.points).unwrap_or_default();
    let begin = offset.min(all);
    let end = begin.saturating_add(limit).min(all);
    // A series in order is cut where it lies; another is put in order whole first.
    let (from, until) = if place.in_order { (begin, end) } else { (0, all) };
    let per_row = ROW_POINTS.unsigned_abs();
    let first = from / per_row;
    let row =
        |number: u64| (place.series << ROW_BITS) | i64::try_from(number).unwrap_or(i64::MAX >> ROW_BITS);
    let rows = sqlx::query("SELECT body FROM metric_points WHERE id BETWEEN $1 AND $2 ORDER BY id")
        .bind(row(first))
        .bind(row(until.saturating_sub(1) / per_row))
        .fetch_all(conn)
        .await?;
    let mut points = Vec::with_capacity(usize::try_from(until - from).unwrap_or_default() + 64);
    for row in rows {
        decode(row.try_get(0)?, &mut points)?;
    }
    if place.in_order {
        let skip = usize::try_from(from - first * per_row).unwrap_or_default();
        points.drain(..skip.min(points.len()));
        points.truncate(usize::try_from(until - from).unwrap_or(usize::MAX));
        return Ok((points, all));
    }
    points.sort_by(|a, b| {
        (a.timestamp, a.step).cmp(&(b.timestamp, b.step)).then_with(|| a.value.total_cmp(&b.value))
    });
    points.dedup_by(|a, b| {
        (a.timestamp, a.step, a.value.to_bits()) == (b.timestamp, b.step, b.value.to_bits())
    });
    let all = points.len() as u64;
    let within = |at: u64| usize::try_from(at.min(all)).unwrap_or(usize::MAX);
    let page = points[within(offset)..within(offset.saturating_add(limit))].to_vec();
    Ok((page, all))
}

/// Value, time and step of each point, 8 bytes each.
fn decode(body: &[u8], points: &mut Vec<Point>) -> Result<()> {
    let (whole, rest) = body.as_chunks::<POINT_BYTES>();
    if !rest.is_empty() {
        return Err(Error::corrupt("metric history", "a row is cut off"));
    }
    for point in whole {
        let (words, _) = point.as_chunks::<8>();
        let [value, timestamp, step] = words else { continue };
        points.push(Point {
            value: f64::from_bits(u64::from_le_bytes(*value)),
            timestamp: i64::from_le_bytes(*timestamp),
            step: i64::from_le_bytes(*step),
        });
    }
    Ok(())
}
