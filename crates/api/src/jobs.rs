//! Jobs: submit a search, a command or a sweep, watch it, cancel it, look at its trials, log and files.

use crate::state::App;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::{Fault, Job, RunId, Trial};
use futures_util::StreamExt;
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use runs::{SubmitAutoml, SubmitCommand, SubmitSweep, SweepTrial};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::convert::Infallible;
use utoipa::IntoParams;
use web::{Contributor, OrJob, Problem, Reader};

/// How many jobs to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct JobsQuery {
    /// 1 to 1,000; 100 when left out.
    pub limit: Option<u32>,
}

/// List jobs, newest first.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "jobs", params(JobsQuery), responses((status = 200, body = Vec<Job>)))]
pub async fn list(
    _: OrJob<Reader>,
    State(app): State<App>,
    Query(q): Query<JobsQuery>,
) -> Result<Json<Vec<Job>>, Problem> {
    Ok(Json(app.jobs.list(q.limit.unwrap_or(100).clamp(1, 1_000)).await?))
}

/// Submit an AutoML job.
#[utoipa::path(post, path = "/api/v1/jobs", tag = "jobs", request_body = SubmitAutoml,
    responses((status = 202, body = Job), (status = 422, description = "the target can't be learned, and why")))]
pub async fn submit(
    who: Contributor,
    State(app): State<App>,
    web::JsonBody(ask): web::JsonBody<SubmitAutoml>,
) -> Result<(StatusCode, Json<Job>), Problem> {
    let job = app.jobs.submit(ask, who.actor()).await?;
    Ok((StatusCode::ACCEPTED, Json(job)))
}

/// Show a job with its metrics and result.
#[utoipa::path(get, path = "/api/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, body = Job), (status = 404)))]
pub async fn show(
    _: OrJob<Reader>,
    State(app): State<App>,
    Path(id): Path<RunId>,
) -> Result<Json<Job>, Problem> {
    Ok(Json(app.jobs.show(&id).await?))
}

/// The trials of a job: its leaderboard.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/trials", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, body = Vec<Trial>), (status = 404)))]
pub async fn trials(
    _: OrJob<Reader>,
    State(app): State<App>,
    Path(id): Path<RunId>,
) -> Result<Json<Vec<Trial>>, Problem> {
    Ok(Json(app.jobs.trials(&id).await?))
}

/// The events of a job as JSON lines: everything so far, then live, until its final state.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/events", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, content_type = "application/x-ndjson", body = String), (status = 404)))]
pub async fn events(
    _: OrJob<Reader>,
    State(app): State<App>,
    Path(id): Path<RunId>,
) -> Result<Response, Problem> {
    let lines = app.jobs.watch(&id).await?.map(|event| {
        let mut line = event.to_string();
        line.push('\n');
        Ok::<_, Infallible>(Bytes::from(line))
    });
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

/// Ask for a job to be stopped.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/cancel", tag = "jobs", params(("id" = String, Path)),
    responses((status = 202, body = Job), (status = 404), (status = 409, description = "it has ended")))]
pub async fn cancel(
    who: Contributor,
    State(app): State<App>,
    Path(id): Path<RunId>,
) -> Result<(StatusCode, Json<Job>), Problem> {
    Ok((StatusCode::ACCEPTED, Json(app.jobs.cancel(&id, who.actor()).await?)))
}

/// A file a completed job wrote: `model.onnx`, `leaderboard.json`, `report.html` or `plots.json`.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/files/{file}", tag = "jobs", params(("id" = String, Path), ("file" = String, Path)),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>), (status = 404)))]
pub async fn file(
    _: OrJob<Reader>,
    State(app): State<App>,
    Path((id, file)): Path<(RunId, String)>,
) -> Result<Response, Problem> {
    let known = runs::FILES
        .iter()
        .find(|known| **known == file)
        .ok_or_else(|| Fault::not_found("job file", &file))?;
    let bytes = app.jobs.file(&id, known).await?;
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{known}\"")),
    ];
    Ok((headers, bytes).into_response())
}

/// Submit a command of yours: code, inputs and folders are named by their digests.
#[utoipa::path(post, path = "/api/v1/jobs/command", tag = "jobs", request_body = SubmitCommand,
    responses((status = 202, body = Job), (status = 422, description = "what it names is not there, or cannot be")))]
pub async fn submit_command(
    who: Contributor,
    State(app): State<App>,
    web::JsonBody(ask): web::JsonBody<SubmitCommand>,
) -> Result<(StatusCode, Json<Job>), Problem> {
    Ok((StatusCode::ACCEPTED, Json(app.jobs.submit_command(ask, who.actor()).await?)))
}

/// Submit a sweep: a command tried with values out of a search space.
#[utoipa::path(post, path = "/api/v1/jobs/sweep", tag = "jobs", request_body = SubmitSweep,
    responses((status = 202, body = Job), (status = 422, description = "what it names is not there, or cannot be")))]
pub async fn submit_sweep(
    who: Contributor,
    State(app): State<App>,
    web::JsonBody(ask): web::JsonBody<SubmitSweep>,
) -> Result<(StatusCode, Json<Job>), Problem> {
    Ok((StatusCode::ACCEPTED, Json(app.jobs.submit_sweep(ask, who.actor()).await?)))
}

/// The trials of a sweep, oldest first.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/sweep", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, body = Vec<SweepTrial>), (status = 404)))]
pub async fn sweep(
    _: OrJob<Reader>,
    State(app): State<App>,
    Path(id): Path<RunId>,
) -> Result<Json<Vec<SweepTrial>>, Problem> {
    Ok(Json(app.jobs.sweep_trials(&id).await?))
}

/// What a command said, once it has ended.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/log", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, content_type = "text/plain", body = String), (status = 404)))]
pub async fn log(
    _: OrJob<Reader>,
    State(app): State<App>,
    Path(id): Path<RunId>,
) -> Result<Response, Problem> {
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (CONTENT_DISPOSITION, "attachment; filename=\"std_log.txt\""),
    ];
    Ok((headers, app.jobs.log(&id).await?).into_response())
}

/// Which of a command's outputs is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OutputQuery {
    /// The output's name; what was left in `./outputs` when left out.
    pub output: Option<String>,
}

/// The files that a command left, with their lengths in bytes.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/outputs", tag = "jobs", params(("id" = String, Path), OutputQuery),
    responses((status = 200, body = BTreeMap<String, u64>), (status = 404)))]
pub async fn outputs(
    _: OrJob<Reader>,
    State(app): State<App>,
    Path(id): Path<RunId>,
    Query(q): Query<OutputQuery>,
) -> Result<Json<BTreeMap<String, u64>>, Problem> {
    let tree = app.jobs.tree(&id, q.output.as_deref()).await?;
    Ok(Json(tree.files.into_iter().map(|(path, file)| (path, file.bytes)).collect()))
}

/// A file that a command left.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/outputs/{path}", tag = "jobs",
    params(("id" = String, Path), ("path" = String, Path, description = "the file's path, slashes encoded"), OutputQuery),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>), (status = 404)))]
pub async fn output(
    _: OrJob<Reader>,
    State(app): State<App>,
    Path((id, path)): Path<(RunId, String)>,
    Query(q): Query<OutputQuery>,
) -> Result<Response, Problem> {
    let bytes = app.jobs.left(&id, q.output.as_deref(), &path).await?;
    let headers = [(CONTENT_TYPE, "application/octet-stream"), (CONTENT_DISPOSITION, "attachment")];
    Ok((headers, bytes).into_response())
}
