//! Environments: register, list, show, prepare.

use crate::data::version_of;
use crate::state::App;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::{EnvironmentSpec, EnvironmentVersion, Name};
use futures_util::stream;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::convert::Infallible;
use tokio::sync::mpsc;
use utoipa::ToSchema;
use web::{Contributor, Problem, Reader};

/// Steps of a preparation that wait for the caller.
const STEPS: usize = 64;

/// An environment to register.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterEnvironment {
    /// Interpreter and packages.
    pub spec: EnvironmentSpec,
    /// Free text.
    #[serde(default)]
    pub description: String,
}

/// The version that now holds the content.
#[derive(Debug, Serialize, ToSchema)]
pub struct RegisteredEnvironment {
    /// False when the newest version asks for the same.
    pub is_new: bool,
    /// The version.
    #[serde(flatten)]
    pub version: EnvironmentVersion,
}

/// List environments: the newest version of each.
#[utoipa::path(get, path = "/api/v1/environments", tag = "environments", responses((status = 200, body = Vec<EnvironmentVersion>)))]
pub async fn list(_: Reader, State(app): State<App>) -> Result<Json<Vec<EnvironmentVersion>>, Problem> {
    Ok(Json(app.environments.list().await?))
}

/// List the versions of an environment, oldest first.
#[utoipa::path(get, path = "/api/v1/environments/{name}/versions", tag = "environments", params(("name" = String, Path)),
    responses((status = 200, body = Vec<EnvironmentVersion>), (status = 404)))]
pub async fn versions(
    _: Reader,
    State(app): State<App>,
    Path(name): Path<Name>,
) -> Result<Json<Vec<EnvironmentVersion>>, Problem> {
    Ok(Json(app.environments.versions(&name).await?))
}

/// Register an environment. It is made at its first use, or by `prepare`.
#[utoipa::path(post, path = "/api/v1/environments/{name}/versions", tag = "environments", params(("name" = String, Path)),
    request_body = RegisterEnvironment,
    responses((status = 201, body = RegisteredEnvironment), (status = 200, body = RegisteredEnvironment, description = "the newest version asks for the same"),
        (status = 400, description = "a requirement that is none, or has no counterpart")))]
pub async fn register(
    who: Contributor,
    State(app): State<App>,
    Path(name): Path<Name>,
    web::JsonBody(ask): web::JsonBody<RegisterEnvironment>,
) -> Result<(StatusCode, Json<RegisteredEnvironment>), Problem> {
    let (version, is_new) =
        app.environments.register((name, ask.spec, ask.description), who.actor().clone()).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(RegisteredEnvironment { is_new, version })))
}

/// Show one version; `latest` names the newest.
#[utoipa::path(get, path = "/api/v1/environments/{name}/versions/{version}", tag = "environments",
    params(("name" = String, Path), ("version" = String, Path)), responses((status = 200, body = EnvironmentVersion), (status = 404)))]
pub async fn show(
    _: Reader,
    State(app): State<App>,
    Path((name, version)): Path<(Name, String)>,
) -> Result<Json<EnvironmentVersion>, Problem> {
    Ok(Json(app.environments.show(&name, version_of(&version)?).await?))
}

/// Make an environment now, or find that it is made. JSON lines: `{"step": …}` each, at last `{"ready": {"id", "record"}}` or `{"error": …}`.
#[utoipa::path(post, path = "/api/v1/environments/{name}/versions/{version}/prepare", tag = "environments",
    params(("name" = String, Path), ("version" = String, Path)),
    responses((status = 200, content_type = "application/x-ndjson", body = String), (status = 404)))]
pub async fn prepare(
    _: Contributor,
    State(app): State<App>,
    Path((name, version)): Path<(Name, String)>,
) -> Result<Response, Problem> {
    let found = app.environments.show(&name, version_of(&version)?).await?;
    let (lines, told) = mpsc::channel::<Value>(STEPS);
    let environments = app.environments.clone();
    // Why a task of its own: what is begun is finished also when nobody listens any more.
    tokio::spawn(async move {
        let steps = lines.clone();
        let tell = move |text: &str| drop(steps.try_send(json!({"step": text})));
        let end = match environments.ready(&found.spec, tell).await {
            Ok(ready) => json!({"ready": {"id": ready.id, "record": ready.record}}),
            Err(fault) => json!({"error": fault.message}),
        };
        drop(lines.send(end).await);
    });
    let lines = stream::unfold(told, |mut told| async move {
        let line = told.recv().await?;
        Some((Ok::<_, Infallible>(Bytes::from(format!("{line}\n"))), told))
    });
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}
