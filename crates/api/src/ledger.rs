//! The ledger: who changed what, when.

use crate::state::App;
use axum::Json;
use axum::extract::{Query, State};
use domain::{Digest, Fault, LedgerCheck, LedgerEntry, LedgerHead};
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

/// What to check against.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct VerifyQuery {
    /// A digest of `ledger/head` that was kept elsewhere: the entry that carried it must still be there.
    pub kept: Option<String>,
}

/// Check the ledger: whether no entry is missing or altered; the first wrong one is named.
#[utoipa::path(get, path = "/api/v1/ledger/verify", tag = "ledger", params(VerifyQuery), responses((status = 200, body = LedgerCheck)))]
pub async fn verify(
    _: Reader,
    State(app): State<App>,
    Query(q): Query<VerifyQuery>,
) -> Result<Json<LedgerCheck>, Problem> {
    let wrong =
        |text: String| Fault::invalid(format!("kept: '{text}' is no digest of 64 hexadecimal digits"));
    let kept = q.kept.map(|text| Digest::try_from(text.clone()).map_err(|_| wrong(text))).transpose()?;
    Ok(Json(app.housekeeping.verify_ledger(kept).await?))
}

/// The last entry and its digest: kept elsewhere, it shows later that nothing was cut off. Null while the ledger is empty.
#[utoipa::path(get, path = "/api/v1/ledger/head", tag = "ledger", responses((status = 200, body = Option<LedgerHead>)))]
pub async fn head(_: Reader, State(app): State<App>) -> Result<Json<Option<LedgerHead>>, Problem> {
    Ok(Json(app.housekeeping.ledger_head().await?))
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
