//! Published APIs: a path at the gateway with a token policy in front of an endpoint.

use crate::state::App;
use axum::Json;
use axum::extract::{Path, State};
use domain::Api;
use gateway::{PublishAsk, PublishedApi};
use http::StatusCode;
use web::{Contributor, Problem, Reader};

/// List published APIs.
#[utoipa::path(get, path = "/api/v1/apis", tag = "apis", responses((status = 200, body = Vec<Api>)))]
pub async fn list(_: Reader, State(app): State<App>) -> Result<Json<Vec<Api>>, Problem> {
    Ok(Json(app.gateway.apis().await?))
}

/// Publish an endpoint under a path, in one transaction; an API of the same path is replaced.
#[utoipa::path(put, path = "/api/v1/apis", tag = "apis", request_body = PublishAsk,
    responses((status = 200, body = PublishedApi),
        (status = 400, description = "no audience, a path that is reserved, or a policy with a fault, which is named by field or by line"),
        (status = 404), (status = 422, description = "a discovery document that cannot be had")))]
pub async fn publish(
    who: Contributor,
    State(app): State<App>,
    web::JsonBody(ask): web::JsonBody<PublishAsk>,
) -> Result<Json<PublishedApi>, Problem> {
    Ok(Json(app.gateway.publish_asked(ask, who.actor()).await?))
}

/// Take an API off the gateway.
#[utoipa::path(delete, path = "/api/v1/apis/{*path}", tag = "apis", params(("path" = String, Path)),
    responses((status = 204), (status = 404)))]
pub async fn unpublish(
    who: Contributor,
    State(app): State<App>,
    Path(path): Path<String>,
) -> Result<StatusCode, Problem> {
    app.gateway.unpublish(&path, who.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}
