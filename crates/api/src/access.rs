//! Who could call an endpoint at a time, and what answered: the ledger replayed, and the request log counted.

use crate::state::App;
use axum::Json;
use axum::extract::{Path, Query, State};
use domain::{Fault, Name, Role, Scope, Timestamp};
use gateway::EndpointAccess;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use web::{OfEndpoint, On, Problem, Reader};

const DAY: i64 = 86_400;

/// When.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AccessQuery {
    /// A day in UTC, as `2026-03-03`, or a moment, as `2026-03-03T12:00Z`; now when left out.
    pub at: Option<String>,
}

/// Calls of one kind on that day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Calls {
    /// The deployment that answered; none when nothing did.
    pub deployment: Option<String>,
    /// Its model.
    pub model: Option<String>,
    /// The model's version.
    pub version: Option<String>,
    /// The published API; none at the direct door.
    pub api: Option<String>,
    /// `Key` or `AADToken`; none for calls without accepted credentials.
    pub auth: Option<String>,
    /// The principal.
    pub principal: Option<String>,
    /// The status.
    pub status: i64,
    /// How many.
    pub calls: i64,
    /// The first, RFC 3339.
    pub first: String,
    /// The last.
    pub last: String,
}

/// Who could call, what could answer, and who did and what did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AccessReport {
    /// By the ledger.
    #[serde(flatten)]
    pub access: EndpointAccess,
    /// By the request log, of the whole day in UTC.
    pub calls: Vec<Calls>,
}

/// Who could call this endpoint at that time, and what answered: settings, keys, deployments, traffic, published APIs, principals and
/// roles out of the ledger, counts out of the request log.
#[utoipa::path(get, path = "/api/v1/endpoints/{name}/access", tag = "ledger", params(("name" = String, Path), AccessQuery),
    responses((status = 200, body = AccessReport), (status = 400, description = "no date and no RFC 3339 time")))]
pub async fn show(
    who: On<OfEndpoint, Reader>,
    State(app): State<App>,
    Path(name): Path<Name>,
    Query(query): Query<AccessQuery>,
) -> Result<Json<AccessReport>, Problem> {
    let (from, until) = window(query.at.as_deref())?;
    let _turn = app.question()?;
    let mut access = app.gateway.access(&name, from, until).await?;
    if !who.may(Role::Reader, &Scope::Workspace) {
        access = access.of_endpoint_only();
    }
    let day = Timestamp(from.seconds().div_euclid(DAY).saturating_mul(DAY).saturating_mul(1_000_000));
    app.log.flush().await;
    let found = app.log.sql(&counting(&name, day)).await?;
    Ok(Json(AccessReport { access, calls: found.rows.iter().map(|row| calls(row)).collect() }))
}

/// A whole day, or a moment twice.
fn window(at: Option<&str>) -> Result<(Timestamp, Timestamp), Fault> {
    let Some(text) = at else {
        let now = Timestamp::now();
        return Ok((now, now));
    };
    if let Some(day) = Timestamp::parse(&format!("{text}T00:00:00Z")) {
        return Ok((day, Timestamp(day.plus_seconds(DAY).micros() - 1)));
    }
    let moment = Timestamp::parse(text).ok_or_else(|| {
        Fault::invalid(format!(
            "at: '{text}' is no time: write a day as 2026-03-03 or a moment as 2026-03-03T12:00Z"
        ))
    })?;
    Ok((moment, moment))
}

/// A name holds no quote, and a time none: both can stand in the query.
fn counting(endpoint: &Name, day: Timestamp) -> String {
    let next = day.plus_seconds(DAY);
    format!(
        "SELECT DeploymentName, ModelName, ModelVersion, ApiPath, AuthType, Principal, ResponseCode, COUNT(*), \
         MIN(TimeGenerated), MAX(TimeGenerated) FROM requests WHERE EndpointName = '{endpoint}' \
         AND TimeGenerated >= '{day}' AND TimeGenerated < '{next}' GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 8 DESC"
    )
}

fn calls(row: &[Value]) -> Calls {
    let text = |at: usize| match row.get(at) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.is_empty() => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(other) => Some(other.to_string()),
    };
    let number = |at: usize| row.get(at).and_then(Value::as_i64).unwrap_or_default();
    Calls {
        deployment: text(0),
        model: text(1),
        version: text(2),
        api: text(3),
        auth: text(4),
        principal: text(5),
        status: number(6),
        calls: number(7),
        first: text(8).unwrap_or_default(),
        last: text(9).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_whole_and_a_moment_is_one() {
        let (from, until) = window(Some("2026-03-03")).unwrap();
        assert_eq!(from.to_string(), "2026-03-03T00:00:00.000000Z");
        assert_eq!(until.to_string(), "2026-03-03T23:59:59.999999Z");
        let (from, until) = window(Some("2026-03-03T12:00Z")).unwrap();
        assert_eq!((from.to_string().as_str(), from), ("2026-03-03T12:00:00.000000Z", until));
        for bad in ["", "yesterday", "2026-02-30", "2026-03-03T12:00"] {
            assert!(window(Some(bad)).is_err(), "{bad}");
        }
    }
}
