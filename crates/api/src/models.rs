//! Models and model versions: register an ONNX file, list, show, lineage, export, aliases.

use crate::state::App;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use domain::{ErrorCode, Fault, Model, ModelName, ModelVersion, Role, Scope, Version};
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use registry::{LineageView, NewVersion};
use serde::Deserialize;
use std::io::{ErrorKind, Read};
use utoipa::{IntoParams, ToSchema};
use web::{Contributor, OfModel, On, Problem, Reader, Visible};

/// Protocol buffers end at 2 GiB, and so does an ONNX file without external data.
const MODEL_BYTES: u64 = 2 << 30;

/// What is kept with a registered file.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RegisterQuery {
    /// Free text kept with the version.
    #[serde(default)]
    pub description: String,
}

/// Where an alias points.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SetAlias {
    /// The version's number.
    pub version: Version,
}

const fn broken(kind: ErrorKind) -> ErrorCode {
    if matches!(kind, ErrorKind::FileTooLarge) { ErrorCode::TooLarge } else { ErrorCode::InvalidInput }
}

/// List the models that the caller may read.
#[utoipa::path(get, path = "/api/v1/models", tag = "models", responses((status = 200, body = Vec<Model>)))]
pub async fn list(who: Visible, State(app): State<App>) -> Result<Json<Vec<Model>>, Problem> {
    let mut models = app.registry.list().await?;
    models.retain(|m| who.may_read(&Scope::Model(m.name.clone())));
    Ok(Json(models))
}

/// List the versions of a model, oldest first.
#[utoipa::path(get, path = "/api/v1/models/{name}/versions", tag = "models", params(("name" = String, Path)),
    responses((status = 200, body = Vec<ModelVersion>), (status = 404)))]
pub async fn versions(
    _: On<OfModel, Reader>,
    State(app): State<App>,
    Path(name): Path<ModelName>,
) -> Result<Json<Vec<ModelVersion>>, Problem> {
    Ok(Json(app.registry.versions(&name).await?))
}

/// Register an ONNX file as the next version of a model; what can't be run is refused, naming node and operator.
#[utoipa::path(post, path = "/api/v1/models/{name}/versions", tag = "models", params(("name" = String, Path), RegisterQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = ModelVersion), (status = 422)))]
pub async fn register(
    who: On<OfModel, Contributor>,
    State(app): State<App>,
    Path(name): Path<ModelName>,
    Query(query): Query<RegisterQuery>,
    body: Body,
) -> Result<(StatusCode, Json<ModelVersion>), Problem> {
    let mut upload = web::upload::reader(body, app.upload_bytes.min(MODEL_BYTES));
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        upload.read_to_end(&mut bytes).map(|_| bytes)
    });
    let bytes = read.await.map_err(|_| Fault::internal("reading the model was interrupted"))?;
    let bytes = bytes.map_err(|e| Fault::new(broken(e.kind()), format!("reading the model: {e}")))?;
    let new = NewVersion::file(name, bytes, query.description);
    Ok((StatusCode::CREATED, Json(app.registry.register(new, who.actor()).await?)))
}

/// Show one version; the version is a number, `latest` or an alias.
#[utoipa::path(get, path = "/api/v1/models/{name}/versions/{version}", tag = "models",
    params(("name" = String, Path), ("version" = String, Path)), responses((status = 200, body = ModelVersion), (status = 404)))]
pub async fn show(
    _: On<OfModel, Reader>,
    State(app): State<App>,
    Path((name, version)): Path<(ModelName, String)>,
) -> Result<Json<ModelVersion>, Problem> {
    Ok(Json(app.registry.show(&name, &version).await?))
}

/// Where a version came from and where it runs: data version → run → model version → deployments.
#[utoipa::path(get, path = "/api/v1/models/{name}/versions/{version}/lineage", tag = "models",
    params(("name" = String, Path), ("version" = String, Path)), responses((status = 200, body = LineageView), (status = 404)))]
pub async fn lineage(
    who: On<OfModel, Reader>,
    State(app): State<App>,
    Path((name, version)): Path<(ModelName, String)>,
) -> Result<Json<LineageView>, Problem> {
    let mut view = app.registry.lineage(&name, &version).await?;
    view.deployments.retain(|d| who.may(Role::Reader, &Scope::Endpoint(d.endpoint.clone())));
    Ok(Json(view))
}

/// The ONNX file of a version.
#[utoipa::path(get, path = "/api/v1/models/{name}/versions/{version}/file", tag = "models",
    params(("name" = String, Path), ("version" = String, Path)),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>), (status = 404)))]
pub async fn file(
    _: On<OfModel, Reader>,
    State(app): State<App>,
    Path((name, version)): Path<(ModelName, String)>,
) -> Result<Response, Problem> {
    let (found, bytes) = app.registry.bytes(&name, &version).await?;
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{}-{}.onnx\"", found.model.segment(), found.version),
        ),
    ];
    Ok((headers, bytes).into_response())
}

/// Point an alias at a version.
#[utoipa::path(put, path = "/api/v1/models/{name}/aliases/{alias}", tag = "models",
    params(("name" = String, Path), ("alias" = String, Path)), request_body = SetAlias, responses((status = 204), (status = 404)))]
pub async fn set_alias(
    who: On<OfModel, Contributor>,
    State(app): State<App>,
    Path((name, alias)): Path<(ModelName, String)>,
    web::JsonBody(ask): web::JsonBody<SetAlias>,
) -> Result<StatusCode, Problem> {
    app.registry.set_alias(&name, &alias, ask.version, who.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}
