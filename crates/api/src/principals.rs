//! Principals: who may get tokens.

use crate::state::App;
use axum::Json;
use axum::extract::{Path, State};
use domain::{Name, PrincipalInfo, SessionInfo};
use gateway::{CreatePrincipal, Created, CreatedPerson, RotateSecret, RotatedSecret};
use http::StatusCode;
use web::{Owner, Problem, Reader};

/// List principals; no secrets.
#[utoipa::path(get, path = "/api/v1/principals", tag = "principals", responses((status = 200, body = Vec<PrincipalInfo>)))]
pub async fn list(_: Reader, State(app): State<App>) -> Result<Json<Vec<PrincipalInfo>>, Problem> {
    Ok(Json(app.gateway.principals().await?))
}

/// Show a principal; no secrets.
#[utoipa::path(get, path = "/api/v1/principals/{name}", tag = "principals", params(("name" = String, Path)),
    responses((status = 200, body = PrincipalInfo), (status = 404)))]
pub async fn show(
    _: Reader,
    State(app): State<App>,
    Path(name): Path<Name>,
) -> Result<Json<PrincipalInfo>, Problem> {
    Ok(Json(app.gateway.principal(&name).await?))
}

/// Create a principal; its secret is told here and never again.
#[utoipa::path(post, path = "/api/v1/principals", tag = "principals", request_body = CreatePrincipal,
    responses((status = 201, body = Created), (status = 409, description = "the name is taken")))]
pub async fn create(
    who: Owner,
    State(app): State<App>,
    web::JsonBody(ask): web::JsonBody<CreatePrincipal>,
) -> Result<(StatusCode, Json<Created>), Problem> {
    Ok((StatusCode::CREATED, Json(app.gateway.create(ask, who.actor()).await?)))
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

/// Give a client a new secret, told here and never again; the former one lives on until the next rotation.
#[utoipa::path(post, path = "/api/v1/principals/{name}/rotate-secret", tag = "principals", params(("name" = String, Path)),
    request_body = RotateSecret, responses((status = 200, body = RotatedSecret), (status = 404), (status = 409, description = "a person, or revoked")))]
pub async fn rotate_secret(
    who: Owner,
    State(app): State<App>,
    Path(name): Path<Name>,
    web::JsonBody(ask): web::JsonBody<RotateSecret>,
) -> Result<Json<RotatedSecret>, Problem> {
    Ok(Json(app.gateway.rotate_secret(&name, ask, who.actor()).await?))
}

/// End the secret before a client's newest.
#[utoipa::path(post, path = "/api/v1/principals/{name}/revoke-former-secret", tag = "principals", params(("name" = String, Path)),
    responses((status = 204), (status = 404)))]
pub async fn revoke_former_secret(
    who: Owner,
    State(app): State<App>,
    Path(name): Path<Name>,
) -> Result<StatusCode, Problem> {
    app.gateway.revoke_former_secret(&name, who.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a person who forgot its password a first secret again; its sessions end.
#[utoipa::path(post, path = "/api/v1/principals/{name}/reset-password", tag = "principals", params(("name" = String, Path)),
    responses((status = 200, body = CreatedPerson), (status = 404), (status = 409, description = "no person with a password")))]
pub async fn reset_password(
    who: Owner,
    State(app): State<App>,
    Path(name): Path<Name>,
) -> Result<Json<CreatedPerson>, Problem> {
    Ok(Json(app.gateway.reset_password(&name, who.actor()).await?))
}

/// List a person's open sessions.
#[utoipa::path(get, path = "/api/v1/principals/{name}/sessions", tag = "principals", params(("name" = String, Path)),
    responses((status = 200, body = Vec<SessionInfo>)))]
pub async fn sessions(_: Owner, State(app): State<App>, Path(name): Path<Name>) -> Json<Vec<SessionInfo>> {
    Json(app.gateway.sessions(&name))
}

/// End all sessions of a person.
#[utoipa::path(delete, path = "/api/v1/principals/{name}/sessions", tag = "principals", params(("name" = String, Path)),
    responses((status = 204), (status = 404)))]
pub async fn end_sessions(
    who: Owner,
    State(app): State<App>,
    Path(name): Path<Name>,
) -> Result<StatusCode, Problem> {
    app.gateway.end_all_sessions(&name, who.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}
