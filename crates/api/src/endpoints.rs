//! Endpoints: create, show, update, keys, traffic, delete.

use crate::state::App;
use axum::Json;
use axum::extract::{Path, State};
use domain::{Endpoint, EndpointUpdate, Fault, KeySlot, Name, Scope};
use endpoint::{Keys, NewEndpoint, RegeneratedKeys};
use gateway::MirrorReport;
use http::StatusCode;
use std::collections::BTreeMap;
use web::{Contributor, OfEndpoint, On, Owner, Problem, Reader, Visible};

/// List the endpoints that the caller may read.
#[utoipa::path(get, path = "/api/v1/endpoints", tag = "endpoints", responses((status = 200, body = Vec<Endpoint>)))]
pub async fn list(who: Visible, State(app): State<App>) -> Result<Json<Vec<Endpoint>>, Problem> {
    let mut endpoints = app.endpoints.list().await?;
    endpoints.retain(|e| who.may_read(&Scope::Endpoint(e.name.clone())));
    Ok(Json(endpoints))
}

/// Create an endpoint: closed, with two keys, no deployment yet.
#[utoipa::path(post, path = "/api/v1/endpoints", tag = "endpoints", request_body = NewEndpoint,
    responses((status = 201, body = Endpoint), (status = 409, description = "the name is taken")))]
pub async fn create(
    who: Contributor,
    State(app): State<App>,
    web::JsonBody(ask): web::JsonBody<NewEndpoint>,
) -> Result<(StatusCode, Json<Endpoint>), Problem> {
    let made = app.endpoints.create(ask, who.actor()).await?;
    app.gateway.refresh().await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Show an endpoint.
#[utoipa::path(get, path = "/api/v1/endpoints/{name}", tag = "endpoints", params(("name" = String, Path)),
    responses((status = 200, body = Endpoint), (status = 404)))]
pub async fn show(
    _: On<OfEndpoint, Reader>,
    State(app): State<App>,
    Path(name): Path<Name>,
) -> Result<Json<Endpoint>, Problem> {
    Ok(Json(app.endpoints.show(&name).await?))
}

/// Change an endpoint's settings: those that are stated; the rest stays.
#[utoipa::path(patch, path = "/api/v1/endpoints/{name}", tag = "endpoints", params(("name" = String, Path)),
    request_body = EndpointUpdate, responses((status = 200, body = Endpoint), (status = 404)))]
pub async fn update(
    who: On<OfEndpoint, Contributor>,
    State(app): State<App>,
    Path(name): Path<Name>,
    web::JsonBody(ask): web::JsonBody<EndpointUpdate>,
) -> Result<Json<Endpoint>, Problem> {
    let changed = app.endpoints.update(&name, &ask, who.actor()).await?;
    app.gateway.refresh().await?;
    Ok(Json(changed))
}

/// Delete an endpoint and its deployments; refused while an API is published over it.
#[utoipa::path(delete, path = "/api/v1/endpoints/{name}", tag = "endpoints", params(("name" = String, Path)),
    responses((status = 204), (status = 404), (status = 409)))]
pub async fn delete(
    who: On<OfEndpoint, Contributor>,
    State(app): State<App>,
    Path(name): Path<Name>,
) -> Result<StatusCode, Problem> {
    app.endpoints.delete(&name, who.actor()).await?;
    app.gateway.refresh().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The primary and secondary key of an endpoint.
#[utoipa::path(get, path = "/api/v1/endpoints/{name}/keys", tag = "endpoints", params(("name" = String, Path)),
    responses((status = 200, body = Keys), (status = 404)))]
pub async fn keys(
    _: On<OfEndpoint, Owner>,
    State(app): State<App>,
    Path(name): Path<Name>,
) -> Result<Json<Keys>, Problem> {
    Ok(Json(app.endpoints.keys(&name).await?))
}

/// Replace one key; the other goes on working. Named values that held the old key hold the new one from the same moment.
#[utoipa::path(post, path = "/api/v1/endpoints/{name}/keys/{slot}/regenerate", tag = "endpoints",
    params(("name" = String, Path), ("slot" = KeySlot, Path)), responses((status = 200, body = RegeneratedKeys), (status = 404)))]
pub async fn regenerate_key(
    who: On<OfEndpoint, Owner>,
    State(app): State<App>,
    Path((name, slot)): Path<(Name, KeySlot)>,
) -> Result<Json<RegeneratedKeys>, Problem> {
    let keys = app.endpoints.regenerate(&name, slot, who.actor()).await?;
    app.gateway.refresh().await?;
    Ok(Json(keys))
}

/// Set the percent of traffic each deployment gets; the sum is 0 or 100.
#[utoipa::path(put, path = "/api/v1/endpoints/{name}/traffic", tag = "endpoints", params(("name" = String, Path)),
    request_body = BTreeMap<String, u8>, responses((status = 200, body = Endpoint), (status = 404), (status = 400)))]
pub async fn set_traffic(
    who: On<OfEndpoint, Contributor>,
    State(app): State<App>,
    Path(name): Path<Name>,
    web::JsonBody(traffic): web::JsonBody<BTreeMap<Name, u8>>,
) -> Result<Json<Endpoint>, Problem> {
    let changed = app.endpoints.set_traffic(&name, &traffic, who.actor()).await?;
    app.gateway.refresh().await?;
    Ok(Json(changed))
}

/// What came of the calls that were mirrored to another deployment since it was made, with the newest answers that differed.
#[utoipa::path(get, path = "/api/v1/endpoints/{name}/mirror", tag = "endpoints", params(("name" = String, Path)),
    responses((status = 200, body = MirrorReport), (status = 404)))]
pub async fn mirror(
    _: On<OfEndpoint, Contributor>,
    State(app): State<App>,
    Path(name): Path<Name>,
) -> Result<Json<MirrorReport>, Problem> {
    let none = || Fault::not_found("mirror of the endpoint", &name);
    Ok(Json(app.gateway.mirror_report(&name).ok_or_else(none)?))
}
