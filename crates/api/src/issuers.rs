//! Trusted issuers: whose tokens pass besides those of the built-in token service.

use crate::state::App;
use axum::Json;
use axum::extract::{Path, State};
use gateway::{AddIssuer, IssuerState};
use http::StatusCode;
use web::{Owner, Problem, Reader};

/// List trusted issuers with the state of their keys.
#[utoipa::path(get, path = "/api/v1/issuers", tag = "issuers", responses((status = 200, body = Vec<IssuerState>)))]
pub async fn list(_: Reader, State(app): State<App>) -> Result<Json<Vec<IssuerState>>, Problem> {
    Ok(Json(app.gateway.trusted_issuers()?))
}

/// Trust an issuer; one of the same name is replaced whole. It is asked for its keys at once.
#[utoipa::path(put, path = "/api/v1/issuers", tag = "issuers", request_body = AddIssuer,
    responses((status = 200, body = IssuerState), (status = 422, description = "it does not answer, is another issuer, or has no key of use")))]
pub async fn add(
    who: Owner,
    State(app): State<App>,
    web::JsonBody(ask): web::JsonBody<AddIssuer>,
) -> Result<Json<IssuerState>, Problem> {
    Ok(Json(app.gateway.add_issuer(ask, who.actor()).await?))
}

/// Show a trusted issuer; its name is percent-encoded in the path.
#[utoipa::path(get, path = "/api/v1/issuers/{issuer}", tag = "issuers", params(("issuer" = String, Path)),
    responses((status = 200, body = IssuerState), (status = 404)))]
pub async fn show(
    _: Reader,
    State(app): State<App>,
    Path(issuer): Path<String>,
) -> Result<Json<IssuerState>, Problem> {
    Ok(Json(app.gateway.trusted_issuer(&issuer)?))
}

/// Fetch the keys of an issuer now: a key that it withdrew is refused when this is answered.
#[utoipa::path(post, path = "/api/v1/issuers/{issuer}/refresh", tag = "issuers", params(("issuer" = String, Path)),
    responses((status = 200, body = IssuerState), (status = 404), (status = 422, description = "it does not answer; its keys serve on")))]
pub async fn refresh(
    _: Owner,
    State(app): State<App>,
    Path(issuer): Path<String>,
) -> Result<Json<IssuerState>, Problem> {
    Ok(Json(app.gateway.refresh_issuer(&issuer).await?))
}

/// Trust an issuer no more; refused while an API names it.
#[utoipa::path(delete, path = "/api/v1/issuers/{issuer}", tag = "issuers", params(("issuer" = String, Path)),
    responses((status = 204), (status = 404), (status = 409, description = "an API names it")))]
pub async fn remove(
    who: Owner,
    State(app): State<App>,
    Path(issuer): Path<String>,
) -> Result<StatusCode, Problem> {
    app.gateway.remove_issuer(&issuer, who.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}
