//! Deployments: a model version running under an endpoint.

use crate::state::App;
use axum::Json;
use axum::extract::{Path, Query, State};
use domain::{Deployment, DeploymentUpdate, ErrorCode, Name, Role, Scope};
use endpoint::python::{LogAsk, LogLine};
use endpoint::{DeploymentView, NewDeployment};
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;
use web::{Both, Contributor, OfEndpoint, OfModel, On, Problem, Reader, Within};

/// Which lines of a deployment's log.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// The newest so many, 1 to 10,000; 100 when left out.
    pub tail: Option<usize>,
    /// Only lines after this number.
    pub after: Option<u64>,
    /// Only lines that this request printed.
    pub request_id: Option<String>,
}

/// List the deployments of an endpoint with how they are, also those that are being made.
#[utoipa::path(get, path = "/api/v1/endpoints/{name}/deployments", tag = "deployments", params(("name" = String, Path)),
    responses((status = 200, body = Vec<DeploymentView>), (status = 404)))]
pub async fn list(
    _: On<OfEndpoint, Reader>,
    State(app): State<App>,
    Path(name): Path<Name>,
) -> Result<Json<Vec<DeploymentView>>, Problem> {
    let views = app.endpoints.views(&name).await?;
    Ok(Json(views.into_iter().map(|view| app.gateway.with_engine(view)).collect()))
}

/// Deploy a model version, which the caller must be allowed to read; a deployment of the same name is replaced. When the call returns it
/// answers: its model is loaded, or its Python workers have ended their `init()`. What does not start is refused, and what ran stays.
#[utoipa::path(post, path = "/api/v1/endpoints/{name}/deployments", tag = "deployments", params(("name" = String, Path)),
    request_body = NewDeployment, responses((status = 201, body = Deployment), (status = 404), (status = 422)))]
pub async fn create(
    Both(who, model): Both<On<OfEndpoint, Contributor>, Within<OfModel, Reader>>,
    State(app): State<App>,
    Path(name): Path<Name>,
    web::JsonBody(ask): web::JsonBody<NewDeployment>,
) -> Result<(StatusCode, Json<Deployment>), Problem> {
    model.on(&Scope::Model(ask.model_name()?))?;
    // Who lets a script out lets it reach what this machine reaches.
    if app.network_by_owners && ask.asks_for_network() && !who.may(Role::Owner, &Scope::Workspace) {
        return Err(Problem::new(
            ErrorCode::Forbidden,
            "network: true lets the script leave its sandbox: an owner of the workspace deploys so, or sets \
             workers.network_by_owners = false",
        ));
    }
    let made = app.endpoints.deploy(&name, ask, who.actor()).await?;
    app.gateway.refresh().await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Change what is stated of a deployment that Python workers run; they go on running.
#[utoipa::path(patch, path = "/api/v1/endpoints/{name}/deployments/{deployment}", tag = "deployments",
    params(("name" = String, Path), ("deployment" = String, Path)), request_body = DeploymentUpdate,
    responses((status = 200, body = DeploymentView), (status = 404), (status = 409)))]
pub async fn update(
    who: On<OfEndpoint, Contributor>,
    State(app): State<App>,
    Path((name, deployment)): Path<(Name, Name)>,
    web::JsonBody(ask): web::JsonBody<DeploymentUpdate>,
) -> Result<Json<DeploymentView>, Problem> {
    let view = app.endpoints.update_deployment((&name, &deployment), &ask, who.actor()).await?;
    app.gateway.refresh().await?;
    Ok(Json(app.gateway.with_engine(view)))
}

/// What the Python workers of a deployment printed, oldest first; without `after` the newest lines.
#[utoipa::path(get, path = "/api/v1/endpoints/{name}/deployments/{deployment}/logs", tag = "deployments",
    params(("name" = String, Path), ("deployment" = String, Path), LogQuery),
    responses((status = 200, body = Vec<LogLine>), (status = 404)))]
pub async fn logs(
    _: On<OfEndpoint, Reader>,
    State(app): State<App>,
    Path((name, deployment)): Path<(Name, Name)>,
    Query(q): Query<LogQuery>,
) -> Result<Json<Vec<LogLine>>, Problem> {
    let ask = LogAsk { tail: q.tail.unwrap_or(100), after: q.after, request_id: q.request_id };
    Ok(Json(app.endpoints.log_lines((&name, &deployment), ask).await?))
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
