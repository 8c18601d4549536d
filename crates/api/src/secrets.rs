//! Named values: what policies name as `{{NAME}}`. The content of a secret one goes in and never comes out.

use crate::state::App;
use axum::Json;
use axum::extract::{Path, State};
use domain::{Name, NamedValue};
use gateway::SetNamedValue;
use http::StatusCode;
use web::{Owner, Problem, Reader};

/// List named values; contents only of those that are not secret.
#[utoipa::path(get, path = "/api/v1/secrets", tag = "secrets", responses((status = 200, body = Vec<NamedValue>)))]
pub async fn list(_: Reader, State(app): State<App>) -> Result<Json<Vec<NamedValue>>, Problem> {
    Ok(Json(app.gateway.named_values().await?))
}

/// Show a named value; its content only when it is not secret.
#[utoipa::path(get, path = "/api/v1/secrets/{name}", tag = "secrets", params(("name" = String, Path)),
    responses((status = 200, body = NamedValue), (status = 404)))]
pub async fn show(
    _: Reader,
    State(app): State<App>,
    Path(name): Path<Name>,
) -> Result<Json<NamedValue>, Problem> {
    Ok(Json(app.gateway.named_value(&name).await?))
}

/// Set a named value, new or not; policies that name it follow at once.
#[utoipa::path(put, path = "/api/v1/secrets/{name}", tag = "secrets", params(("name" = String, Path)), request_body = SetNamedValue,
    responses((status = 200, body = NamedValue), (status = 400, description = "a content of more than one line")))]
pub async fn set(
    who: Owner,
    State(app): State<App>,
    Path(name): Path<Name>,
    web::JsonBody(ask): web::JsonBody<SetNamedValue>,
) -> Result<Json<NamedValue>, Problem> {
    Ok(Json(app.gateway.set_named_value(&name, ask, who.actor()).await?))
}

/// Delete a named value.
#[utoipa::path(delete, path = "/api/v1/secrets/{name}", tag = "secrets", params(("name" = String, Path)),
    responses((status = 204), (status = 404), (status = 409, description = "a policy names it")))]
pub async fn delete(
    who: Owner,
    State(app): State<App>,
    Path(name): Path<Name>,
) -> Result<StatusCode, Problem> {
    app.gateway.delete_named_value(&name, who.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}
