//! Read-only SQL on the view `requests`: one query, limited in time and rows, on a connection that can change nothing.

use crate::config::SegmentConfig;
use crate::error::{Error, Result};
use crate::segments::{Segment, columns};
use futures_util::TryStreamExt;
use serde::Serialize;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow, SqliteValueRef};
use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Connection, Decode, Executor, Row, SqlSafeStr, Sqlite, Statement,
    TypeInfo, Value, ValueRef,
};
use std::path::Path;
use std::time::{Duration, Instant};

/// Bytes of a query's text at most.
const QUERY_MAX: usize = 64 * 1024;
/// Bytes that the texts of an answer hold at most.
const ANSWER_MAX: usize = 64 * 1024 * 1024;
/// Steps of SQLite's machine between two looks at the clock.
const STEPS: i32 = 10_000;

/// The answer of a query.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SqlAnswer {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The rows: null, number or text a value; a blob as hexadecimal text.
    pub rows: Vec<Vec<serde_json::Value>>,
    /// Whether there were more rows than the limit.
    pub truncated: bool,
}

/// Refuses all but a single SELECT (or WITH … SELECT).
pub(super) fn check(query: &str) -> Result<()> {
    let refuse = |why: &str| Err(Error::Query(format!("the query is refused: {why}")));
    if query.len() > QUERY_MAX || query.contains('\0') {
        return refuse("it is too long or holds a NUL character");
    }
    let words = words(query)?;
    match words.first() {
        Some(Word::Plain(first)) if first == "select" || first == "with" => {}
        _ => return refuse("write a single SELECT (or WITH … SELECT) on the view requests"),
    }
    let end = words.iter().position(|w| *w == Word::Semicolon).unwrap_or(words.len());
    if words[end..].iter().any(|w| *w != Word::Semicolon) {
        return refuse("one statement at a time");
    }
    // Functions whose only use here is to fill the memory.
    let heavy = words.iter().any(|w| matches!(w, Word::Plain(w) if w == "zeroblob" || w == "randomblob"));
    if heavy { refuse("zeroblob and randomblob are not available") } else { Ok(()) }
}

#[derive(Debug, PartialEq)]
enum Word {
    /// A bare word in lower case.
    Plain(String),
    Semicolon,
    /// Anything else that is no blank and no comment.
    Other,
}

/// The words of a query by SQLite's rules for comments, strings and quoted names.
fn words(query: &str) -> Result<Vec<Word>> {
    let mut words = Vec::new();
    let mut rest = query.trim_start();
    while let Some(first) = rest.chars().next() {
        let used = if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(comment) = rest.strip_prefix("/*") {
            // An open comment reaches to the end of the text.
            comment.find("*/").map_or(rest.len(), |end| end + 4)
        } else {
            let (word, used) = word(rest, first)?;
            words.push(word);
            used
        };
        rest = rest[used..].trim_start();
    }
    Ok(words)
}

/// The word a text begins with, and its bytes.
fn word(rest: &str, first: char) -> Result<(Word, usize)> {
    let is_plain = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    match first {
        ';' => Ok((Word::Semicolon, 1)),
        '\'' | '"' | '`' | '[' => {
            let close = if first == '[' { ']' } else { first };
            let end = rest[1..]
                .find(close)
                .ok_or_else(|| Error::Query(format!("the query is refused: a {first} is not closed")))?;
            // A doubled quote reads as two quoted texts side by side, which is as good here.
            Ok((Word::Other, end + 2))
        }
        c if is_plain(c) => {
            let used = rest.find(|c| !is_plain(c)).unwrap_or(rest.len());
            Ok((Word::Plain(rest[..used].to_lowercase()), used))
        }
        c => Ok((Word::Other, c.len_utf8())),
    }
}

/// Runs a checked query over segments.
pub(super) async fn answer(segments: &[Segment], query: &str, limits: &SegmentConfig) -> Result<SqlAnswer> {
    let mut conn = attach(segments).await?;
    let deadline = Instant::now() + limits.query_time.0;
    conn.lock_handle().await?.set_progress_handler(STEPS, move || Instant::now() < deadline);
    let told = |error: sqlx::Error| told(error, deadline, limits.query_time.0);
    let statement = conn.prepare(AssertSqlSafe(query.to_owned()).into_sql_str()).await.map_err(told)?;
    let columns = statement.columns().iter().map(|c| c.name().to_owned()).collect();
    let mut answer = SqlAnswer { columns, rows: Vec::new(), truncated: false };
    let (most, mut bytes) = (limits.query_rows as usize, 0);
    {
        let mut rows = statement.query().fetch(&mut conn);
        while let Some(row) = rows.try_next().await.map_err(told)? {
            if answer.rows.len() >= most || bytes > ANSWER_MAX {
                answer.truncated = true;
                break;
            }
            let values = decode(&row)?;
            bytes += values.iter().map(|v| v.as_str().map_or(8, str::len)).sum::<usize>();
            answer.rows.push(values);
        }
    }
    // Why a cut query's connection is dropped, not closed: closing would wait for the rest of the rows.
    if !answer.truncated {
        conn.close().await?;
    }
    Ok(answer)
}

/// The user's mistake in the query, or the time that ran out; other failures stay what they are.
fn told(error: sqlx::Error, deadline: Instant, time: Duration) -> Error {
    const SQLITE_ERROR: &str = "1";
    const SQLITE_INTERRUPT: &str = "9";
    const SQLITE_READONLY: &str = "8";
    let code = error.as_database_error().and_then(|e| e.code().map(|c| c.into_owned()));
    match (code.as_deref(), error.as_database_error()) {
        (Some(SQLITE_INTERRUPT), _) if Instant::now() >= deadline => Error::Query(format!(
            "the query took longer than {time:?}: narrow it or raise store.segments.query_time"
        )),
        (Some(SQLITE_ERROR | SQLITE_READONLY), Some(e)) => {
            Error::Query(format!("the query failed: {}", e.message()))
        }
        _ => error.into(),
    }
}

/// A fresh in-memory database with the segments attached read-only and the view over them; then nothing can be written.
async fn attach(segments: &[Segment]) -> Result<SqliteConnection> {
    let mut conn = SqliteConnectOptions::new().in_memory(true).disable_statement_logging().connect().await?;
    let names: Vec<&str> = columns::shown_names().collect();
    let names = names.join(", ");
    let mut parts = Vec::new();
    for segment in segments {
        let alias = format!("s{:06}", segment.number);
        sqlx::query(AssertSqlSafe(format!("ATTACH $1 AS {alias}")))
            .bind(read_only_uri(&segment.path))
            .execute(&mut conn)
            .await?;
        parts.push(format!("SELECT {names} FROM {alias}.requests"));
    }
    if parts.is_empty() {
        let nulls: Vec<String> = columns::shown_names().map(|name| format!("NULL AS {name}")).collect();
        parts.push(format!("SELECT {} WHERE 0", nulls.join(", ")));
    }
    let view = format!("CREATE TEMP VIEW requests AS {}; PRAGMA query_only = ON;", parts.join(" UNION ALL "));
    sqlx::raw_sql(AssertSqlSafe(view)).execute(&mut conn).await?;
    Ok(conn)
}

/// `file:…?mode=ro` with the characters that mean something in a URI escaped.
fn read_only_uri(path: &Path) -> String {
    let path = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{path}?mode=ro")
}

fn decode(row: &SqliteRow) -> Result<Vec<serde_json::Value>> {
    (0..row.len()).map(|at| value(&row.try_get_raw(at)?)).collect()
}

fn value(raw: &SqliteValueRef<'_>) -> Result<serde_json::Value> {
    let wrong = |e| Error::Query(format!("a value of the answer cannot be read: {e}"));
    if raw.is_null() {
        return Ok(serde_json::Value::Null);
    }
    let raw = ValueRef::to_owned(raw);
    let kind = raw.type_info().name().to_owned();
    Ok(match kind.as_str() {
        "INTEGER" => <i64 as Decode<Sqlite>>::decode(raw.as_ref()).map_err(wrong)?.into(),
        "REAL" => <f64 as Decode<Sqlite>>::decode(raw.as_ref()).map_err(wrong)?.into(),
        "BLOB" => {
            let bytes = <Vec<u8> as Decode<Sqlite>>::decode(raw.as_ref()).map_err(wrong)?;
            bytes.iter().map(|b| format!("{b:02x}")).collect::<String>().into()
        }
        _ => <String as Decode<Sqlite>>::decode(raw.as_ref()).map_err(wrong)?.into(),
    })
}
