//! The request log: newest rows of an endpoint, or SQL over the view `requests`.

use crate::state::App;
use axum::Json;
use axum::extract::{Query, State};
use domain::Scope;
use serde::{Deserialize, Serialize};
use telemetry::{LogFilter, LoggedRequest};
use utoipa::{IntoParams, ToSchema};
use web::{Problem, Reader, Visible};

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

/// Rows of the request log of the endpoints that the caller may read, oldest first; without `after` the newest `limit` rows.
#[utoipa::path(get, path = "/api/v1/logs", tag = "logs", params(LogsQuery), responses((status = 200, body = Vec<LoggedRequest>)))]
pub async fn list(
    who: Visible,
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
    if let Some(name) = &filter.endpoint {
        who.demand(&domain::Name::new(name.as_str()).map(Scope::Endpoint)?)?;
    }
    app.log.flush().await;
    match who.endpoints().filter(|_| filter.endpoint.is_none()) {
        None => Ok(Json(app.log.query(&filter).await?)),
        Some(endpoints) => Ok(Json(of_endpoints(&app, &filter, &endpoints).await?)),
    }
}

/// The rows of some endpoints as one list.
async fn of_endpoints(
    app: &App,
    filter: &LogFilter,
    endpoints: &[domain::Name],
) -> Result<Vec<LoggedRequest>, Problem> {
    let mut rows = Vec::new();
    for endpoint in endpoints {
        let filter = LogFilter { endpoint: Some(endpoint.to_string()), ..filter.clone() };
        rows.extend(app.log.query(&filter).await?);
    }
    rows.sort_by_key(|row| row.cursor);
    let limit = filter.limit as usize;
    // As for one endpoint: what follows the cursor, or the newest.
    let surplus = rows.len().saturating_sub(limit);
    if filter.after.is_some() {
        rows.truncate(limit)
    } else {
        drop(rows.drain(..surplus))
    }
    Ok(rows)
}

/// Run one read-only SELECT over the view `requests`.
#[utoipa::path(post, path = "/api/v1/logs/query", tag = "logs", request_body = SqlQuery,
    responses((status = 200, body = SqlRows), (status = 400, description = "not one SELECT, or the database's own words")))]
pub async fn query(
    _: Reader,
    State(app): State<App>,
    web::JsonBody(ask): web::JsonBody<SqlQuery>,
) -> Result<Json<SqlRows>, Problem> {
    let _turn = app.question()?;
    app.log.flush().await;
    let answer = app.log.sql(&ask.sql).await?;
    Ok(Json(SqlRows { columns: answer.columns, rows: answer.rows, truncated: answer.truncated }))
}
