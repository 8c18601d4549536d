//! The ledger: who changed what, when.

use crate::state::App;
use axum::Json;
use axum::extract::{Query, State};
use domain::LedgerEntry;
use serde::Deserialize;
use utoipa::IntoParams;
use web::{Problem, Reader};

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LedgerQuery {
    /// Only entries with a larger sequence.
    #[serde(default)]
    pub after: i64,
    /// 1 to 10,000; 1,000 when left out.
    pub limit: Option<u32>,
}

/// Ledger entries, oldest first.
#[utoipa::path(get, path = "/api/v1/ledger", tag = "ledger", params(LedgerQuery), responses((status = 200, body = Vec<LedgerEntry>)))]
pub async fn list(
    _: Reader,
    State(app): State<App>,
    Query(q): Query<LedgerQuery>,
) -> Result<Json<Vec<LedgerEntry>>, Problem> {
    Ok(Json(app.housekeeping.ledger(q.after, q.limit.unwrap_or(1_000).clamp(1, 10_000)).await?))
}
