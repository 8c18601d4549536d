//! Deployments: a model version running under an endpoint.

use crate::state::App;
use axum::Json;
use axum::extract::{Path, State};
use domain::{Deployment, Name, Scope};
use endpoint::NewDeployment;
use http::StatusCode;
use web::{Both, Contributor, OfEndpoint, OfModel, On, Problem, Reader, Within};

/// List the deployments of an endpoint.
#[utoipa::path(get, path = "/api/v1/endpoints/{name}/deployments", tag = "deployments", params(("name" = String, Path)),
    responses((status = 200, body = Vec<Deployment>), (status = 404)))]
pub async fn list(
    _: On<OfEndpoint, Reader>,
    State(app): State<App>,
    Path(name): Path<Name>,
) -> Result<Json<Vec<Deployment>>, Problem> {
    Ok(Json(app.endpoints.deployments(&name).await?))
}

/// Deploy a model version, which the caller must be allowed to read; a deployment of the same name is replaced. It answers when the call
/// returns.
#[utoipa::path(post, path = "/api/v1/endpoints/{name}/deployments", tag = "deployments", params(("name" = String, Path)),
    request_body = NewDeployment, responses((status = 201, body = Deployment), (status = 404), (status = 422)))]
pub async fn create(
    Both(who, model): Both<On<OfEndpoint, Contributor>, Within<OfModel, Reader>>,
    State(app): State<App>,
    Path(name): Path<Name>,
    web::JsonBody(ask): web::JsonBody<NewDeployment>,
) -> Result<(StatusCode, Json<Deployment>), Problem> {
    model.on(&Scope::Model(ask.model_name()?))?;
    let made = app.endpoints.deploy(&name, ask, who.actor()).await?;
    app.gateway.refresh().await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Delete a deployment; refused while it gets traffic.
#[utoipa::path(delete, path = "/api/v1/endpoints/{name}/deployments/{deployment}", tag = "deployments",
    params(("name" = String, Path), ("deployment" = String, Path)), responses((status = 204), (status = 404), (status = 409)))]
pub async fn delete(
    who: On<OfEndpoint, Contributor>,
    State(app): State<App>,
    Path((name, deployment)): Path<(Name, Name)>,
) -> Result<StatusCode, Problem> {
    app.endpoints.undeploy(&name, &deployment, who.actor()).await?;
    app.gateway.refresh().await?;
    Ok(StatusCode::NO_CONTENT)
}
