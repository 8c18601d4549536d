//! Published APIs: a path at the gateway with a token policy in front of an endpoint.

use crate::state::App;
use axum::Json;
use axum::extract::{Path, State};
use domain::{Api, Role, Scope};
use gateway::{PublishAsk, PublishedApi};
use http::StatusCode;
use web::{Contributor, OfEndpoint, Problem, Visible, Within};

/// List the published APIs over the endpoints that the caller may read.
#[utoipa::path(get, path = "/api/v1/apis", tag = "apis", responses((status = 200, body = Vec<Api>)))]
pub async fn list(who: Visible, State(app): State<App>) -> Result<Json<Vec<Api>>, Problem> {
    let mut apis = app.gateway.apis().await?;
    apis.retain(|api| who.may_read(&Scope::Endpoint(api.endpoint.clone())));
    Ok(Json(apis))
}

/// Publish an endpoint under a path, in one transaction; an API of the same path is replaced, which takes the same role on the endpoint
/// it was over.
#[utoipa::path(put, path = "/api/v1/apis", tag = "apis", request_body = PublishAsk,
    responses((status = 200, body = PublishedApi),
        (status = 400, description = "no audience, a path that is reserved, or a policy with a fault, which is named by field or by line"),
        (status = 404), (status = 409, description = "somebody else changed the API of this path meanwhile"),
        (status = 422, description = "a discovery document that cannot be had")))]
pub async fn publish(
    who: Within<OfEndpoint, Contributor>,
    State(app): State<App>,
    web::JsonBody(ask): web::JsonBody<PublishAsk>,
) -> Result<Json<PublishedApi>, Problem> {
    let by = who.on(&Scope::Endpoint(ask.endpoint.clone()))?;
    let former = app.gateway.api(&ask.path).await?;
    if let Some(former) = &former {
        who.on(&Scope::Endpoint(former.endpoint.clone()))?;
    }
    // Trusting an issuer concerns the whole workspace.
    let may_trust = who.may(Role::Owner, &Scope::Workspace);
    Ok(Json(app.gateway.publish_asked(ask, former.as_ref(), may_trust, by).await?))
}

/// Take an API off the gateway.
#[utoipa::path(delete, path = "/api/v1/apis/{*path}", tag = "apis", params(("path" = String, Path)),
    responses((status = 204), (status = 404), (status = 409, description = "somebody else changed the API of this path meanwhile")))]
pub async fn unpublish(
    who: Within<OfEndpoint, Contributor>,
    State(app): State<App>,
    Path(path): Path<String>,
) -> Result<StatusCode, Problem> {
    // What is not published is told to those only who may change everything.
    let former = app.gateway.api(&path).await?;
    let found = former.as_ref().map_or(Scope::Workspace, |api| Scope::Endpoint(api.endpoint.clone()));
    app.gateway.unpublish(&path, former.as_ref(), who.on(&found)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
