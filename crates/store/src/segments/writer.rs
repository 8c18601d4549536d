//! Appending rows: one transaction a batch, a few wide statements, a new file when one is full.

use crate::config::SegmentConfig;
use crate::error::{Error, Result};
use crate::files;
use crate::segments::columns;
use crate::segments::kinds::{Kind, Kinds};
use crate::segments::{FOLDER, RequestRow, SEGMENTS_MAX, Segment, Text, file, list, with_sidecars};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous,
};
use sqlx::{Arguments, AssertSqlSafe, ConnectOptions, Connection, Encode, Sqlite, Type};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The widths of the prepared inserts, wide first: powers of two, so that any batch takes few statements. The widest binds
/// 13,312 values; SQLite takes 32,766.
const WIDTHS: [usize; 11] = [1024, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1];
/// Parts of the space a single segment may take: dropping the oldest frees an eighth.
const PARTS: u64 = 8;

/// The one writer of a folder of segments.
#[derive(Debug)]
pub struct SegmentWriter {
    folder: PathBuf,
    limits: SegmentConfig,
    statements: Statements,
    open: OpenSegment,
    /// An append failed: the connection and what is known of the kinds are no longer to be trusted.
    failed: bool,
}

/// The texts of the inserts, made once.
#[derive(Debug)]
struct Statements {
    log: [Arc<str>; WIDTHS.len()],
    kind: Arc<str>,
}

/// The newest segment.
#[derive(Debug)]
struct OpenSegment {
    segment: Segment,
    conn: SqliteConnection,
    rows: u64,
    kinds: Kinds,
}

impl SegmentWriter {
    /// Goes on with the newest segment of a data directory, or begins the first. A segment that cannot be read (the machine
    /// lost power) is left as it is and a new one begun.
    pub async fn open(dir: &Path, limits: &SegmentConfig) -> Result<Self> {
        let folder = dir.join(FOLDER);
        files::create_private_dir(&folder)?;
        let last = list(&folder)?.pop().unwrap_or_else(|| numbered(&folder, 1));
        let open = match OpenSegment::open(last.clone()).await {
            Ok(open) => open,
            Err(error @ (Error::StorageFull | Error::Busy)) => return Err(error),
            Err(error) => {
                tracing::warn!(segment = last.number, %error, "a request-log segment is damaged, a new one begins");
                OpenSegment::open(numbered(&folder, last.number + 1)).await?
            }
        };
        let log = WIDTHS.map(|rows| Arc::from(columns::insert_log(rows)));
        let statements = Statements { log, kind: columns::insert_kind().into() };
        Ok(Self { folder, limits: limits.clone(), statements, open, failed: false })
    }

    /// Appends rows in one transaction: all or none.
    pub async fn append(&mut self, rows: &[RequestRow]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        if self.failed {
            self.open = OpenSegment::open(self.open.segment.clone()).await?;
        }
        self.failed = true;
        self.open.append(rows, &self.statements).await?;
        self.failed = false;
        self.open.rows += rows.len() as u64;
        if self.open.rows >= self.limits.rows || size(&self.open.segment) >= self.limits.max_bytes / PARTS {
            self.roll().await?;
        }
        Ok(())
    }

    /// Ends the newest segment's file; without it the next open does.
    pub async fn close(self) -> Result<()> {
        Ok(self.open.conn.close().await?)
    }

    /// Lets the open segment grow no further, as a full disk would.
    #[cfg(test)]
    pub(super) async fn cap_pages(&mut self, pages: u32) {
        let sql = AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
        sqlx::query(sql).execute(&mut self.open.conn).await.unwrap();
    }

    /// Begins a new segment and drops the oldest beyond the limits.
    async fn roll(&mut self) -> Result<()> {
        let next = OpenSegment::open(numbered(&self.folder, self.open.segment.number + 1)).await?;
        let full = std::mem::replace(&mut self.open, next);
        // Why a failure is no matter: a reader may hold the file; it stays as readable in its present form.
        if let Err(error) = full.conn.close().await {
            tracing::debug!(%error, "a full request-log segment was not closed tidily");
        }
        self.drop_oldest()
    }

    fn drop_oldest(&self) -> Result<()> {
        let mut segments = list(&self.folder)?;
        let mut bytes: u64 = segments.iter().map(size).sum();
        while segments.len() > 1 && (segments.len() > SEGMENTS_MAX || bytes > self.limits.max_bytes) {
            let oldest = segments.remove(0);
            bytes = bytes.saturating_sub(size(&oldest));
            for path in with_sidecars(&oldest.path) {
                match std::fs::remove_file(&path) {
                    Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io(&path, e)),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

impl OpenSegment {
    async fn open(segment: Segment) -> Result<Self> {
        files::touch_private(&segment.path)?;
        let mut conn = SqliteConnectOptions::new()
            .filename(&segment.path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(5))
            .disable_statement_logging()
            .thread_name(|_| "request-log".to_owned())
            .connect()
            .await?;
        let made =
            sqlx::query("SELECT 1 FROM sqlite_schema WHERE name = 'log'").fetch_optional(&mut conn).await?;
        if made.is_none() {
            let mut tx = conn.begin().await?;
            sqlx::raw_sql(AssertSqlSafe(columns::schema())).execute(&mut *tx).await?;
            tx.commit().await?;
        }
        let rows: i64 =
            sqlx::query_scalar("SELECT COALESCE(MAX(id), 0) FROM log").fetch_one(&mut conn).await?;
        let last: i64 =
            sqlx::query_scalar("SELECT COALESCE(MAX(id), 0) FROM kinds").fetch_one(&mut conn).await?;
        Ok(Self { segment, conn, rows: rows.unsigned_abs(), kinds: Kinds::after(last) })
    }

    async fn append(&mut self, rows: &[RequestRow], statements: &Statements) -> Result<()> {
        let mut tx = self.conn.begin_with("BEGIN IMMEDIATE").await?;
        let mut left = rows;
        for (width, sql) in WIDTHS.iter().zip(&statements.log) {
            while left.len() >= *width {
                let (now, later) = left.split_at(*width);
                let arguments = bind_log(now, &mut self.kinds)?;
                sqlx::query_with(AssertSqlSafe(Arc::clone(sql)), arguments).execute(&mut *tx).await?;
                left = later;
            }
        }
        for (kind, id) in self.kinds.take_fresh() {
            let arguments = bind_kind(&kind, id)?;
            sqlx::query_with(AssertSqlSafe(Arc::clone(&statements.kind)), arguments)
                .execute(&mut *tx)
                .await?;
        }
        Ok(tx.commit().await?)
    }
}

/// Gathers values to bind.
struct Values(SqliteArguments);

impl Values {
    fn with_room(values: usize) -> Self {
        let mut arguments = SqliteArguments::default();
        arguments.reserve(values, 0);
        Self(arguments)
    }

    fn add<'a>(&mut self, value: impl Encode<'a, Sqlite> + Type<Sqlite>) -> Result<()> {
        self.0.add(value).map_err(|e| Error::Database(sqlx::Error::Encode(e)))
    }

    fn number(&mut self, number: u32) -> Result<()> {
        self.add(i64::from(number))
    }

    /// A number for which 0 means none.
    fn number_or_null(&mut self, number: u32) -> Result<()> {
        self.add((number != 0).then_some(i64::from(number)))
    }

    fn size(&mut self, size: u64) -> Result<()> {
        self.add(i64::try_from(size).unwrap_or(i64::MAX))
    }

    fn text(&mut self, text: &Text) -> Result<()> {
        match text {
            text if text.is_empty() => self.add(None::<i64>),
            Text::Shared(text) => self.add(Arc::clone(text)),
            other => self.add(other.as_str()),
        }
    }
}

/// Rows of `log`, in the order of [`columns::COLUMNS`].
fn bind_log(rows: &[RequestRow], kinds: &mut Kinds) -> Result<SqliteArguments> {
    let mut values = Values::with_room(rows.len() * columns::LOG_WIDTH);
    for row in rows {
        values.add(kinds.id(row))?;
        values.add(row.time.micros())?;
        values.size(row.request_bytes)?;
        values.size(row.response_bytes)?;
        values.text(&row.request_id)?;
        values.text(&row.client_request_id)?;
        for number in [row.total_us, row.read_us, row.response_us, row.throttle_us] {
            values.number(number)?;
        }
        values.text(&row.trace_id)?;
        values.number(row.model_us)?;
        values.number(row.rows)?;
    }
    Ok(values.0)
}

/// A row of `kinds`, in the order of [`columns::COLUMNS`].
fn bind_kind(kind: &Kind, id: i64) -> Result<SqliteArguments> {
    let mut values = Values::with_room(columns::KIND_WIDTH + 1);
    let [status, model_status, model_version] = kind.numbers;
    let [first @ .., reason, model_reason, user_agent, location, model_name, api, principal] = &kind.texts;
    values.add(id)?;
    first.iter().try_for_each(|text| values.text(text))?;
    values.number(status)?;
    values.text(reason)?;
    values.number_or_null(model_status)?;
    for text in [model_reason, user_agent, location, model_name] {
        values.text(text)?;
    }
    values.number_or_null(model_version)?;
    values.text(api)?;
    values.text(principal)?;
    Ok(values.0)
}

fn numbered(folder: &Path, number: u32) -> Segment {
    Segment { number, path: file(folder, number) }
}

/// Bytes of a segment on disk, its log included; 0 when it is gone.
fn size(segment: &Segment) -> u64 {
    with_sidecars(&segment.path).iter().filter_map(|p| std::fs::metadata(p).ok()).map(|m| m.len()).sum()
}
