//! Reading rows back, over all segments, while they are written.

use crate::config::SegmentConfig;
use crate::error::{Error, Result};
use crate::segments::{FOLDER, RequestRow, Segment, SqlAnswer, Text, columns, list, sql};
use domain::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Rows that one query answers at most.
pub const ROWS_MAX: u32 = 10_000;
/// Bits of a row's id that number it within its segment.
const ROW_BITS: u32 = 32;

/// Which rows come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The newest.
    #[default]
    Newest,
    /// The oldest.
    Oldest,
}

/// Which rows are wanted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RequestFilter {
    /// Of this endpoint.
    pub endpoint: Option<String>,
    /// Not before this moment.
    pub since: Option<Timestamp>,
    /// Written after the row of this id.
    pub after: Option<i64>,
    /// Which first.
    pub order: Order,
    /// How many at most; [`ROWS_MAX`] is the most.
    pub limit: u32,
}

/// A row with its id: later rows have greater ids.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedRow {
    /// For [`RequestFilter::after`].
    pub id: i64,
    /// The row.
    pub row: RequestRow,
}

/// The segments of a data directory, to read; cheap to clone.
#[derive(Debug, Clone)]
pub struct Segments {
    folder: PathBuf,
    limits: SegmentConfig,
}

impl Segments {
    /// The segments of a data directory.
    pub fn new(dir: &Path, limits: &SegmentConfig) -> Self {
        Self { folder: dir.join(FOLDER), limits: limits.clone() }
    }

    /// Rows by a filter.
    pub async fn query(&self, filter: &RequestFilter) -> Result<Vec<LoggedRow>> {
        let limit = filter.limit.min(ROWS_MAX) as usize;
        let first = filter.after.map_or(0, |id| id >> ROW_BITS);
        let mut segments = self.segments()?;
        segments.retain(|s| i64::from(s.number) >= first);
        if filter.order == Order::Newest {
            segments.reverse();
        }
        let mut found = Vec::new();
        for segment in &segments {
            let missing = limit - found.len();
            if missing == 0 {
                break;
            }
            match read(segment, filter, missing).await {
                Ok(rows) => found.extend(rows),
                // Dropped for space since the folder was listed.
                Err(_) if !segment.path.exists() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Answers a read-only query on the view `requests`: a single SELECT (or WITH … SELECT), within the time and row limits
    /// of the settings.
    pub async fn sql(&self, query: &str) -> Result<SqlAnswer> {
        sql::check(query)?;
        match sql::answer(&self.segments()?, query, &self.limits).await {
            // A segment may be dropped for space between listing and attaching: once more with a fresh list.
            Err(Error::Database(_)) => sql::answer(&self.segments()?, query, &self.limits).await,
            other => other,
        }
    }

    fn segments(&self) -> Result<Vec<Segment>> {
        if self.folder.is_dir() { list(&self.folder) } else { Ok(Vec::new()) }
    }
}

async fn read(segment: &Segment, filter: &RequestFilter, limit: usize) -> Result<Vec<LoggedRow>> {
    let mut conn = open(&segment.path).await?;
    let base = i64::from(segment.number) << ROW_BITS;
    let order = if filter.order == Order::Newest { "DESC" } else { "ASC" };
    // Why no index on the endpoint: rows are written a thousand times more often than they are looked for.
    let text = format!(
        "{} WHERE log.id > $1 AND time >= $2 AND ($3 IS NULL OR endpoint = $3) ORDER BY log.id {order} LIMIT $4",
        columns::select()
    );
    let rows = sqlx::query(AssertSqlSafe(text))
        .bind(filter.after.map_or(0, |id| id - base))
        .bind(filter.since.map_or(i64::MIN, Timestamp::micros))
        .bind(filter.endpoint.as_deref())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&mut conn)
        .await?;
    conn.close().await?;
    rows.iter().map(|row| decode(row, base)).collect()
}

async fn open(path: &Path) -> Result<SqliteConnection> {
    Ok(SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging()
        .connect()
        .await?)
}

fn decode(row: &SqliteRow, base: i64) -> Result<LoggedRow> {
    let text = |column: &str| -> Result<Text> { Ok(Text::from(row.try_get::<Option<String>, _>(column)?)) };
    let int = |column: &str| -> Result<i64> { Ok(row.try_get::<Option<i64>, _>(column)?.unwrap_or(0)) };
    let small = |column: &str| -> Result<u32> { Ok(u32::try_from(int(column)?).unwrap_or(u32::MAX)) };
    let status = |column: &str| -> Result<u16> { Ok(u16::try_from(int(column)?).unwrap_or(0)) };
    let bytes = |column: &str| -> Result<u64> { Ok(int(column)?.unsigned_abs()) };
    let number = int("id")?;
    let row = RequestRow {
        time: Timestamp(int("time")?),
        operation: text("operation")?,
        method: text("method")?,
        path: text("path")?,
        protocol: text("protocol")?,
        endpoint: text("endpoint")?,
        deployment: text("deployment")?,
        api: text("api")?,
        auth_type: text("auth_type")?,
        identity: text("identity")?,
        status: status("status")?,
        reason: text("reason")?,
        model_status: status("model_status")?,
        model_reason: text("model_reason")?,
        request_bytes: bytes("request_bytes")?,
        response_bytes: bytes("response_bytes")?,
        user_agent: text("user_agent")?,
        request_id: text("request_id")?,
        client_request_id: text("client_request_id")?,
        total_us: small("total_us")?,
        read_us: small("read_us")?,
        model_us: small("model_us")?,
        response_us: small("response_us")?,
        throttle_us: small("throttle_us")?,
        location: text("location")?,
        model_name: text("model_name")?,
        model_version: small("model_version")?,
        principal: text("principal")?,
        trace_id: text("trace_id")?,
        rows: small("row_count")?,
    };
    Ok(LoggedRow { id: base + number, row })
}
