//! `logs ENDPOINT [--follow --since D --sql QUERY]`.

use crate::client::segment;
use crate::session::Session;
use crate::show::{line, table};
use clap::Args;
use domain::{ErrorCode, Fault, Span, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;

/// How often `--follow` asks for new rows.
const FOLLOW: Duration = Duration::from_millis(500);

/// `logs`.
#[derive(Debug, Args)]
pub struct Logs {
    /// The endpoint; all of them when left out
    pub endpoint: Option<String>,
    /// Go on showing rows as they come
    #[arg(long)]
    pub follow: bool,
    /// Only rows of the last while, as 5m or 24h
    #[arg(long)]
    pub since: Option<Span>,
    /// One SELECT over the view `requests`
    #[arg(long, conflicts_with_all = ["follow", "since"])]
    pub sql: Option<String>,
    /// At most this many rows
    #[arg(long, default_value_t = 100)]
    pub limit: u32,
}

/// Columns shown in a terminal.
const SHOWN: [&str; 9] = [
    "TimeGenerated",
    "Method",
    "Path",
    "ResponseCode",
    "TotalDurationMs",
    "ModelDurationMs",
    "AuthType",
    "Principal",
    "ModelVersion",
];

impl Logs {
    /// Carries the command out.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        if let Some(text) = &self.sql {
            return sql(session, text).await;
        }
        if let Some(endpoint) = &self.endpoint {
            // One that is gone has rows still; one that never was has none.
            let route = format!("/api/v1/endpoints/{}", segment(endpoint));
            let known = session.client.get::<Value>(&route).await.map(drop);
            if let Err(absent) = known
                && absent.code == ErrorCode::NotFound
                && self.fetch(session, None).await?.is_empty()
            {
                return Err(absent);
            }
        }
        let mut rows = self.fetch(session, None).await?;
        let mut after = cursor(&rows);
        if !self.follow {
            session.out.value(&rows, |rows| rows_table(rows));
            return Ok(());
        }
        loop {
            for row in &rows {
                line(&if session.out.json() { row.to_string() } else { row_line(row) });
            }
            tokio::select! {
                () = tokio::time::sleep(FOLLOW) => {}
                _ = tokio::signal::ctrl_c() => return Ok(()),
            }
            rows = self.fetch(session, Some(after.unwrap_or_default())).await?;
            after = cursor(&rows).or(after);
        }
    }

    async fn fetch(&self, session: &Session, after: Option<i64>) -> Result<Vec<Value>, Fault> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("limit", &self.limit.to_string());
        if let Some(endpoint) = &self.endpoint {
            query.append_pair("endpoint", endpoint);
        }
        if let Some(since) = self.since {
            let start = Timestamp::now()
                .plus_seconds(-i64::try_from(since.0.as_secs()).unwrap_or(i64::MAX / 2_000_000));
            query.append_pair("since", &start.to_string());
        }
        if let Some(after) = after {
            query.append_pair("after", &after.to_string());
        }
        session.client.get(&format!("/api/v1/logs?{}", query.finish())).await
    }
}

/// Runs one SELECT and prints its rows.
pub async fn sql(session: &Session, text: &str) -> Result<(), Fault> {
    let found: Value = session.client.post("/api/v1/logs/query", &json!({ "sql": text })).await?;
    session.out.value(&found, |found| {
        let header: Vec<&str> =
            found["columns"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let rows = found["rows"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|row| row.as_array().into_iter().flatten().map(cell).collect::<Vec<_>>());
        table(&header, rows)
    });
    Ok(())
}

fn cursor(rows: &[Value]) -> Option<i64> {
    rows.iter().filter_map(|row| row["cursor"].as_i64()).max()
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(n) if n.is_f64() => n.as_f64().map(|f| format!("{f:.3}")).unwrap_or_default(),
        other => other.to_string(),
    }
}

/// Rows of the log as a table.
pub fn rows_table(rows: &[Value]) -> String {
    table(
        &["time", "method", "path", "status", "total ms", "model ms", "auth", "principal", "version"],
        rows.iter().map(|row| SHOWN.map(|c| cell(&row[c]))),
    )
}

fn row_line(row: &Value) -> String {
    SHOWN.map(|column| cell(&row[column])).join("  ")
}
