//! Models and model versions: register a file or folder, list, show, lineage, export, aliases, delete.

use crate::state::App;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use domain::{
    Digest, ErrorCode, Fault, Model, ModelKind, ModelName, ModelVersion, Role, RunId, Scope, Tags, Timestamp,
    Version,
};
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use registry::{LineageView, NewVersion, VersionFacts};
use serde::{Deserialize, Serialize};
use std::io::{ErrorKind, Read};
use utoipa::{IntoParams, ToSchema};
use web::{Both, Contributor, OfModel, On, OrJob, Problem, Reader, Visible};

/// Protocol buffers end at 2 GiB, and so does an ONNX file without external data.
const MODEL_BYTES: u64 = 2 << 30;

/// What is kept with a registered file.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RegisterQuery {
    /// Free text kept with the version.
    #[serde(default)]
    pub description: String,
    /// Tags, a JSON object of texts.
    #[serde(default)]
    pub tags: String,
    /// Facts that never change, a JSON object of texts.
    #[serde(default)]
    pub properties: String,
}

/// What a folder is registered as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FolderType {
    /// It must hold an MLmodel file.
    MlflowModel,
    /// Anything, never looked into.
    CustomModel,
}

/// A folder to register: one that was kept (`POST /api/v1/trees`), or outputs of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterFolder {
    /// The digest of a folder that was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<Digest>,
    /// The job whose outputs it is among.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<RunId>,
    /// The path of the file or folder among them, as `outputs/model.pkl`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// What it is; what its files tell when left out.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<FolderType>,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Tags.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    pub tags: Tags,
    /// Facts that never change.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    pub properties: Tags,
}

/// A file of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionFile {
    /// Its path within the version.
    pub path: String,
    /// SHA-256 of its content.
    pub digest: Digest,
    /// Its length.
    pub bytes: u64,
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
pub async fn list(who: OrJob<Visible>, State(app): State<App>) -> Result<Json<Vec<Model>>, Problem> {
    let mut models = app.registry.list().await?;
    models.retain(|m| who.may_read(&Scope::Model(m.name.clone())));
    Ok(Json(models))
}

/// List the versions of a model, oldest first.
#[utoipa::path(get, path = "/api/v1/models/{name}/versions", tag = "models", params(("name" = String, Path)),
    responses((status = 200, body = Vec<ModelVersion>), (status = 404)))]
pub async fn versions(
    _: OrJob<On<OfModel, Reader>>,
    State(app): State<App>,
    Path(name): Path<ModelName>,
) -> Result<Json<Vec<ModelVersion>>, Problem> {
    Ok(Json(app.registry.versions(&name).await?))
}

/// Register an ONNX file as the next version of a model; what can't be run is refused, naming node and operator. What the newest
/// version is already stays that version.
#[utoipa::path(post, path = "/api/v1/models/{name}/versions", tag = "models", params(("name" = String, Path), RegisterQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = ModelVersion), (status = 422)))]
pub async fn register(
    who: OrJob<On<OfModel, Contributor>>,
    State(app): State<App>,
    Path(name): Path<ModelName>,
    Query(query): Query<RegisterQuery>,
    body: Body,
) -> Result<(StatusCode, Json<ModelVersion>), Problem> {
    app.may_make(&who)?;
    let mut upload = web::upload::reader(body, app.upload_bytes.min(MODEL_BYTES));
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        upload.read_to_end(&mut bytes).map(|_| bytes)
    });
    let bytes = read.await.map_err(|_| Fault::internal("reading the model was interrupted"))?;
    let bytes = bytes.map_err(|e| Fault::new(broken(e.kind()), format!("reading the model: {e}")))?;
    let new = NewVersion {
        once: true,
        tags: texts("tags", &query.tags)?,
        properties: texts("properties", &query.properties)?,
        ..NewVersion::file(name, bytes, query.description)
    };
    let begun = Timestamp::now();
    let made = app.registry.register(new, who.actor()).await?;
    app.made_version(&who, &made, begun);
    Ok((StatusCode::CREATED, Json(made)))
}

/// A JSON object of texts in a query; none when it is empty.
fn texts(field: &str, text: &str) -> Result<Tags, Fault> {
    if text.is_empty() {
        return Ok(Tags::new());
    }
    serde_json::from_str(text)
        .map_err(|e| Fault::invalid(format!("{field}: write a JSON object of texts: {e}")))
}

/// Register a folder as the next version of a model: one that was kept, or outputs of a job. With an MLmodel file it is an MLflow model,
/// which runs natively when its ONNX flavour does. Folders and outputs are the workspace's, so the caller must be allowed to read that.
#[utoipa::path(post, path = "/api/v1/models/{name}/folders", tag = "models", params(("name" = String, Path)),
    request_body = RegisterFolder, responses((status = 201, body = ModelVersion), (status = 404), (status = 422)))]
pub async fn register_folder(
    Both(who, _): Both<OrJob<On<OfModel, Contributor>>, OrJob<Reader>>,
    State(app): State<App>,
    Path(name): Path<ModelName>,
    web::JsonBody(ask): web::JsonBody<RegisterFolder>,
) -> Result<(StatusCode, Json<ModelVersion>), Problem> {
    // A run that an MLflow client logged is no job, and names no data asset.
    let job = match &ask.job {
        Some(id) => app.jobs.show(id).await.ok(),
        None => None,
    };
    let facts = VersionFacts {
        description: ask.description,
        tags: ask.tags,
        properties: ask.properties,
        run: ask.job.clone(),
        lineage: job.and_then(|job| job.lineage),
    };
    app.may_make(&who)?;
    let kind = ask.kind.map(|kind| match kind {
        FolderType::MlflowModel => ModelKind::Mlflow,
        FolderType::CustomModel => ModelKind::Custom,
    });
    let begun = Timestamp::now();
    let made = match (&ask.tree, &ask.job) {
        (Some(tree), None) => app.registry.register_folder((name, kind), tree, facts, who.actor()).await?,
        (None, Some(job)) => {
            app.registry.register_output((name, kind), (job, &ask.path), facts, who.actor()).await?
        }
        _ => return Err(Fault::invalid("name either a kept tree or a job with a path").into()),
    };
    app.made_version(&who, &made, begun);
    Ok((StatusCode::CREATED, Json(made)))
}

/// Delete a model with all its versions; refused while one is deployed.
#[utoipa::path(delete, path = "/api/v1/models/{name}", tag = "models", params(("name" = String, Path)),
    responses((status = 204), (status = 404), (status = 409, description = "a version is deployed")))]
pub async fn delete(
    who: On<OfModel, Contributor>,
    State(app): State<App>,
    Path(name): Path<ModelName>,
) -> Result<StatusCode, Problem> {
    app.registry.delete_model(&name, who.actor()).await?;
    app.gateway.refresh().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Delete one version; refused while it is deployed. Its number is not given again.
#[utoipa::path(delete, path = "/api/v1/models/{name}/versions/{version}", tag = "models",
    params(("name" = String, Path), ("version" = String, Path)),
    responses((status = 204), (status = 404), (status = 409, description = "it is deployed")))]
pub async fn delete_version(
    who: On<OfModel, Contributor>,
    State(app): State<App>,
    Path((name, version)): Path<(ModelName, String)>,
) -> Result<StatusCode, Problem> {
    let found = app.registry.show(&name, &version).await?;
    app.registry.delete_version(&name, found.version, who.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List the files of a version; an ONNX file stands in a folder that MLflow's clients load.
#[utoipa::path(get, path = "/api/v1/models/{name}/versions/{version}/files", tag = "models",
    params(("name" = String, Path), ("version" = String, Path)), responses((status = 200, body = Vec<VersionFile>), (status = 404)))]
pub async fn files(
    _: OrJob<On<OfModel, Reader>>,
    State(app): State<App>,
    Path((name, version)): Path<(ModelName, String)>,
) -> Result<Json<Vec<VersionFile>>, Problem> {
    let found = app.registry.show(&name, &version).await?;
    let files = app.registry.files(&found).await?.into_iter();
    Ok(Json(files.map(|(path, file)| VersionFile { path, digest: file.digest, bytes: file.bytes }).collect()))
}

/// A file of a version by its path.
#[utoipa::path(get, path = "/api/v1/models/{name}/versions/{version}/files/{*path}", tag = "models",
    params(("name" = String, Path), ("version" = String, Path), ("path" = String, Path)),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>), (status = 404)))]
pub async fn version_file(
    _: OrJob<On<OfModel, Reader>>,
    State(app): State<App>,
    Path((name, version, path)): Path<(ModelName, String, String)>,
) -> Result<Response, Problem> {
    let path = registry::paths::check(&path)?;
    let found = app.registry.show(&name, &version).await?;
    let reader = app.registry.open_file(&found, &path).await?;
    Ok(crate::mlflow::artifacts::attachment(&path, reader))
}

/// Show one version; the version is a number, `latest` or an alias.
#[utoipa::path(get, path = "/api/v1/models/{name}/versions/{version}", tag = "models",
    params(("name" = String, Path), ("version" = String, Path)), responses((status = 200, body = ModelVersion), (status = 404)))]
pub async fn show(
    _: OrJob<On<OfModel, Reader>>,
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
    _: OrJob<On<OfModel, Reader>>,
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
    who: OrJob<On<OfModel, Contributor>>,
    State(app): State<App>,
    Path((name, alias)): Path<(ModelName, String)>,
    web::JsonBody(ask): web::JsonBody<SetAlias>,
) -> Result<StatusCode, Problem> {
    app.own_version(&who, &name, ask.version)?;
    app.registry.set_alias(&name, &alias, ask.version, who.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}
