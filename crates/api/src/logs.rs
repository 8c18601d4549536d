//! The request log: newest rows of an endpoint, or SQL over the view `requests`.

use crate::state::App;
use axum::Json;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use telemetry::{LogFilter, LoggedRequest};
use utoipa::{IntoParams, ToSchema};
use web::{Problem, Reader};

/// Which rows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogsQuery {
    /// Only this endpoint.
    pub endpoint: Option<String>,
    /// Only rows after this RFC 3339 time.
    pub since: Option<String>,
    /// Only rows after this cursor (the last row's `cursor`).
    pub after: Option<i64>,
    /// 1 to 10,000; 100 when left out.
    pub limit: Option<u32>,
}

/// A read-only query.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SqlQuery {
    /// One SELECT over the view `requests`.
    pub sql: String,
}

/// The answer of a query.
#[derive(Debug, Serialize, ToSchema)]
pub struct SqlRows {
    /// Column names.
    pub columns: Vec<String>,
    /// Rows in the order of the columns.
    pub rows: Vec<Vec<serde_json::Value>>,
    /// Whether there were more rows than the limit.
    pub truncated: bool,
}

/// Rows of the request log, oldest first; without `after` the newest `limit` rows.
#[utoipa::path(get, path = "/api/v1/logs", tag = "logs", params(LogsQuery), responses((status = 200, body = Vec<LoggedRequest>)))]
pub async fn list(
    _: Reader,
    State(app): State<App>,
    Query(q): Query<LogsQuery>,
) -> Result<Json<Vec<LoggedRequest>>, Problem> {
    let since = match &q.since {
        Some(text) => Some(
            domain::Timestamp::parse(text)
                .ok_or_else(|| domain::Fault::invalid(format!("since: '{text}' is no RFC 3339 time")))?,
        ),
        None => None,
    };
    let filter = LogFilter {
        endpoint: q.endpoint,
        since,
        after: q.after,
        limit: q.limit.unwrap_or(100).clamp(1, 10_000),
    };
    app.log.flush().await;
    Ok(Json(app.log.query(&filter).await?))
}

/// Run one read-only SELECT over the view `requests`.
#[utoipa::path(post, path = "/api/v1/logs/query", tag = "logs", request_body = SqlQuery,
    responses((status = 200, body = SqlRows), (status = 400, description = "not one SELECT, or the database's own words")))]
pub async fn query(
    _: Reader,
    State(app): State<App>,
    web::JsonBody(ask): web::JsonBody<SqlQuery>,
) -> Result<Json<SqlRows>, Problem> {
    app.log.flush().await;
    let answer = app.log.sql(&ask.sql).await?;
    Ok(Json(SqlRows { columns: answer.columns, rows: answer.rows, truncated: answer.truncated }))
}
