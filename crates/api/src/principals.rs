//! Principals: who may get tokens.

use crate::state::App;
use axum::Json;
use axum::extract::{Path, State};
use domain::{Name, Principal};
use gateway::{CreatePrincipal, CreatedPrincipal};
use http::StatusCode;
use web::{Owner, Problem, Reader};

/// List principals; no secrets.
#[utoipa::path(get, path = "/api/v1/principals", tag = "principals", responses((status = 200, body = Vec<Principal>)))]
pub async fn list(_: Reader, State(app): State<App>) -> Result<Json<Vec<Principal>>, Problem> {
    Ok(Json(app.gateway.principals().await?))
}

/// Create a principal; its secret is told here and never again.
#[utoipa::path(post, path = "/api/v1/principals", tag = "principals", request_body = CreatePrincipal,
    responses((status = 201, body = CreatedPrincipal), (status = 409, description = "the name is taken")))]
pub async fn create(
    who: Owner,
    State(app): State<App>,
    web::JsonBody(ask): web::JsonBody<CreatePrincipal>,
) -> Result<(StatusCode, Json<CreatedPrincipal>), Problem> {
    Ok((StatusCode::CREATED, Json(app.gateway.create_principal(ask, who.actor()).await?)))
}

/// Revoke a principal: its tokens are refused from now on.
#[utoipa::path(post, path = "/api/v1/principals/{name}/revoke", tag = "principals", params(("name" = String, Path)),
    responses((status = 204), (status = 404)))]
pub async fn revoke(
    who: Owner,
    State(app): State<App>,
    Path(name): Path<Name>,
) -> Result<StatusCode, Problem> {
    app.gateway.revoke_principal(&name, who.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}
