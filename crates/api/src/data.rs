//! Data assets: register (streamed), list, show, preview.

use crate::state::App;
use ::data::{Preview, ReadOptions, Source};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use domain::{DataAsset, DataVersion, Digest, Fault, Name, Version};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use web::{Contributor, OrJob, Problem, Reader};

/// How the bytes of a new version are read; what is left out is found out.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RegisterQuery {
    /// Fetch the bytes from this http(s) URL instead of the request's body.
    pub url: Option<String>,
    /// Register the folder that `POST /api/v1/trees` kept under this digest, of any files, instead of the request's body.
    #[param(value_type = Option<String>)]
    pub tree: Option<Digest>,
    /// Reading options as one JSON object: `format`, `delimiter`, `quote`, `header`, `encoding`, `compression`, `types`, `missing`, `shape`.
    pub options: Option<String>,
    /// Free text kept with the version.
    #[serde(default)]
    pub description: String,
}

/// The version that now holds the content.
#[derive(Debug, Serialize, ToSchema)]
pub struct Registered {
    /// False when a version with equal content was already there.
    pub is_new: bool,
    /// The version.
    #[serde(flatten)]
    pub version: DataVersion,
}

/// Which rows of a version to show.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PreviewQuery {
    /// How many rows, 1 to 1,000; 10 when left out.
    pub rows: Option<usize>,
}

/// A version in a path: a number or `latest`.
pub fn version_of(text: &str) -> Result<Option<Version>, Fault> {
    if text == "latest" {
        return Ok(None);
    }
    let number = text
        .parse()
        .map_err(|_| Fault::invalid(format!("'{text}' is no version: write a number or 'latest'")))?;
    Ok(Some(Version(number)))
}

/// List data assets.
#[utoipa::path(get, path = "/api/v1/data", tag = "data", responses((status = 200, body = Vec<DataAsset>)))]
pub async fn list(_: OrJob<Reader>, State(app): State<App>) -> Result<Json<Vec<DataAsset>>, Problem> {
    Ok(Json(app.assets.list().await?))
}

/// List the versions of a data asset, oldest first.
#[utoipa::path(get, path = "/api/v1/data/{name}/versions", tag = "data", params(("name" = String, Path)),
    responses((status = 200, body = Vec<DataVersion>), (status = 404)))]
pub async fn versions(
    _: OrJob<Reader>,
    State(app): State<App>,
    Path(name): Path<Name>,
) -> Result<Json<Vec<DataVersion>>, Problem> {
    Ok(Json(app.assets.versions(&name).await?))
}

/// Register a table: the body is the file as it is (CSV, TSV, Parquet, JSON Lines, also gzip or zstd), or `url` names it.
#[utoipa::path(post, path = "/api/v1/data/{name}/versions", tag = "data", params(("name" = String, Path), RegisterQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = Registered), (status = 200, body = Registered, description = "equal content was already there"),
        (status = 422, description = "refused, naming line and column")))]
pub async fn register(
    who: Contributor,
    State(app): State<App>,
    Path(name): Path<Name>,
    Query(query): Query<RegisterQuery>,
    body: Body,
) -> Result<(StatusCode, Json<Registered>), Problem> {
    let options: ReadOptions = match &query.options {
        Some(text) => serde_json::from_str(text).map_err(|e| Fault::invalid(format!("options: {e}")))?,
        None => ReadOptions::default(),
    };
    if let Some(tree) = query.tree {
        let (version, is_new) =
            app.assets.register_folder((name, tree, query.description), who.actor().clone()).await?;
        return Ok((status_of(is_new), Json(Registered { is_new, version })));
    }
    let source = match query.url {
        Some(url) => Source::Url(url),
        None => Source::Reader(Box::new(web::upload::reader(body, app.upload_bytes))),
    };
    let (version, is_new) =
        app.assets.register(name, source, options, query.description, who.actor()).await?;
    Ok((status_of(is_new), Json(Registered { is_new, version })))
}

fn status_of(is_new: bool) -> StatusCode {
    if is_new { StatusCode::CREATED } else { StatusCode::OK }
}

/// Show one version with its schema and profile; `latest` names the newest.
#[utoipa::path(get, path = "/api/v1/data/{name}/versions/{version}", tag = "data",
    params(("name" = String, Path), ("version" = String, Path)), responses((status = 200, body = DataVersion), (status = 404)))]
pub async fn show(
    _: OrJob<Reader>,
    State(app): State<App>,
    Path((name, version)): Path<(Name, String)>,
) -> Result<Json<DataVersion>, Problem> {
    Ok(Json(app.assets.show(&name, version_of(&version)?).await?))
}

/// The first rows of a version, as text.
#[utoipa::path(get, path = "/api/v1/data/{name}/versions/{version}/preview", tag = "data",
    params(("name" = String, Path), ("version" = String, Path), PreviewQuery), responses((status = 200, body = Preview)))]
pub async fn preview(
    _: OrJob<Reader>,
    State(app): State<App>,
    Path((name, version)): Path<(Name, String)>,
    Query(query): Query<PreviewQuery>,
) -> Result<Json<Preview>, Problem> {
    let rows = query.rows.unwrap_or(10).clamp(1, 1_000);
    Ok(Json(app.assets.preview(&name, version_of(&version)?, rows).await?))
}
