//! Artifacts: through the proxy by their paths, by run, by version. Whatever a file is, it is answered as something to keep, never as a
//! page to show.

use super::registry::fault;
use super::versions;
use super::wire::{Answer, Empty, Params, empty};
use super::{Reads, Writes};
use crate::state::App;
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use domain::Scope;
use futures_util::StreamExt;
use http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use registry::{ArtifactEntry, ArtifactReader, Place, paths};
use serde_json::{Value, json};
use web::{MlflowCode, MlflowError, OfModel, OrJob, Reader, Within};

/// A path as it stood in the URL, decoded once.
type Decoded = Result<Path<String>, PathRejection>;

/// `PUT mlflow-artifacts/artifacts/{path}`
pub async fn put(who: Writes, State(app): State<App>, path: Decoded, body: Body) -> Answer<StatusCode> {
    let path = paths::check(&decoded(path)?).map_err(fault)?;
    app.own_artifact(&who, &path).await?;
    keep(&app, &path, body).await?;
    Ok(StatusCode::OK)
}

/// `GET mlflow-artifacts/artifacts/{path}`
pub async fn get(
    who: OrJob<Within<OfModel, Reader>>,
    State(app): State<App>,
    path: Decoded,
) -> Answer<Response> {
    let path = paths::check(&decoded(path)?).map_err(fault)?;
    who.on(&scope(&path))?;
    Entry(path).answer(&app).await
}

/// `DELETE mlflow-artifacts/artifacts/{path}`
pub async fn delete(who: Writes, State(app): State<App>, path: Decoded) -> Answer<Json<Empty>> {
    let path = decoded(path)?;
    app.own_artifact(&who, &path).await?;
    app.registry.delete_artifacts(&path, who.actor()).await.map_err(fault)?;
    Ok(empty())
}

/// `GET mlflow-artifacts/artifacts?path=`: what stands in a folder.
pub async fn list(
    who: OrJob<Within<OfModel, Reader>>,
    State(app): State<App>,
    ask: Params,
) -> Answer<Json<Value>> {
    let params = ask.object();
    let path = paths::check_folder(params.text("path")?.unwrap_or_default()).map_err(fault)?;
    who.on(&scope(&path))?;
    let found = app.registry.list_artifacts(&path).await.map_err(fault)?;
    Ok(Json(super::registry::listed("files", files("", found), None)))
}

/// `GET artifacts/list?run_id&path`
pub async fn list_of_run(_: Reads, State(app): State<App>, ask: Params) -> Answer<Json<Value>> {
    let folder = run_folder(&app, &ask.run_id()?).await?;
    listing(&app, &folder, ask.object().text("path")?.unwrap_or_default()).await
}

/// `GET /get-artifact?run_id&path`
pub async fn get_of_run(_: Reads, State(app): State<App>, ask: Params) -> Answer<Response> {
    let path = ask.object().required("path")?;
    let folder = run_folder(&app, &ask.run_id()?).await?;
    Entry::below(&folder, &path)?.answer(&app).await
}

/// `GET /model-versions/get-artifact?name&version&path`
pub async fn get_of_version(
    who: OrJob<Within<OfModel, Reader>>,
    State(app): State<App>,
    ask: Params,
) -> Answer<Response> {
    let path = paths::check(&ask.object().required("path")?).map_err(fault)?;
    let version = versions::named_version(&app, &ask, |scope| who.on(scope).map(drop)).await?;
    let reader = app.registry.open_file(&version, &path).await.map_err(|e| absent(&path, e))?;
    Ok(attachment(&path, reader))
}

/// `POST /ajax-api/2.0/mlflow/upload-artifact?run_uuid&path`
pub async fn upload(
    who: Writes,
    State(app): State<App>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Answer<Json<Empty>> {
    let ask = Params::of_query(query.as_deref().unwrap_or_default());
    let wanted = |field: &str| -> Answer<String> {
        ask.object()
            .filled(field)?
            .ok_or_else(|| MlflowError::invalid(format!("Request must specify {field}.")))
    };
    let (run, path) = (wanted("run_uuid")?, paths::check(&wanted("path")?).map_err(fault)?);
    app.own_run(&who, &run)?;
    let folder = run_folder(&app, &run).await?;
    let mut frames = body.into_data_stream();
    // A body may be empty without a length that says so.
    let first =
        if headers.get(CONTENT_LENGTH).is_some_and(|n| n == "0") { None } else { frames.next().await };
    let Some(first) = first else { return Err(MlflowError::invalid("Request must specify data.")) };
    let whole = futures_util::stream::iter([first]).chain(frames);
    keep(&app, &paths::join(&folder, &path), Body::from_stream(whole)).await?;
    Ok(empty())
}

/// A file of the artifacts by its checked path.
pub(super) struct Entry(String);

impl Entry {
    /// A file below a folder.
    pub(super) fn below(folder: &str, path: &str) -> Answer<Self> {
        Ok(Self(paths::join(folder, &paths::check(path).map_err(fault)?)))
    }

    /// The file itself.
    pub(super) async fn answer(self, app: &App) -> Answer<Response> {
        let reader = app.registry.open_artifact(&self.0).await.map_err(|e| absent(&self.0, e))?;
        Ok(attachment(&self.0, reader))
    }
}

/// The URI of a folder of artifacts.
pub(super) fn uri(folder: &str) -> String {
    format!("{}{folder}", registry::ARTIFACTS)
}

/// What stands at a path of a run or logged model, each path from its root.
pub(super) async fn listing(app: &App, folder: &str, path: &str) -> Answer<Json<Value>> {
    let path = paths::check_folder(path).map_err(fault)?;
    let found = app.registry.list_artifacts(&paths::join(folder, &path)).await.map_err(fault)?;
    Ok(Json(super::registry::filled(json!({ "root_uri": uri(folder), "files": files(&path, found) }))))
}

fn files(prefix: &str, entries: Vec<ArtifactEntry>) -> Vec<Value> {
    let shown = |entry: ArtifactEntry| match entry.bytes {
        Some(bytes) => json!({"path": paths::join(prefix, &entry.name), "is_dir": false, "file_size": bytes}),
        None => json!({"path": paths::join(prefix, &entry.name), "is_dir": true}),
    };
    // What a command called by a name that nobody can ask for here stays with its outputs.
    let reachable = |entry: &ArtifactEntry| paths::check(&paths::join(prefix, &entry.name)).is_ok();
    entries.into_iter().filter(reachable).map(shown).collect()
}

fn decoded(path: Decoded) -> Answer<String> {
    path.map(|Path(path)| path).map_err(|_| MlflowError::invalid("Invalid path"))
}

/// Files of versions go with their model, all others with the workspace.
fn scope(path: &str) -> Scope {
    match Place::of(path) {
        Place::Version(name, ..) => Scope::Model(name),
        Place::Plain(_) => Scope::Workspace,
    }
}

async fn run_folder(app: &App, run: &str) -> Answer<String> {
    app.registry.run_folder(run).await.map_err(|error| match fault(error) {
        e if e.error_code == MlflowCode::ResourceDoesNotExist => {
            MlflowError::absent(format!("Run with id={} not found", run.chars().take(60).collect::<String>()))
        }
        e => e,
    })
}

async fn keep(app: &App, path: &str, body: Body) -> Answer<()> {
    let content = web::upload::reader(body, app.upload_bytes);
    app.registry.put_artifact(path, content).await.map_err(fault)
}

fn absent(path: &str, error: ::registry::Error) -> MlflowError {
    match fault(error) {
        e if e.error_code == MlflowCode::ResourceDoesNotExist => {
            MlflowError::absent(format!("No such artifact: '{path}'"))
        }
        e => e,
    }
}

/// A file to keep: no browser shows it, whatever its name or content.
pub(crate) fn attachment(path: &str, reader: ArtifactReader) -> Response {
    let name = path.rsplit('/').next().unwrap_or_default();
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | ';') { c } else { '_' })
        .collect();
    let named = format!(
        "attachment; filename=\"{plain}\"; filename*=UTF-8''{}",
        utf8_percent_encode(name, NON_ALPHANUMERIC)
    );
    let bytes = reader.length();
    let mut response = web::download::body(reader).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_LENGTH, bytes.into());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(named) = HeaderValue::from_str(&named) {
        headers.insert(CONTENT_DISPOSITION, named);
    }
    response
}
