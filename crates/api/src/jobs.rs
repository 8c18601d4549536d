//! Jobs: submit an AutoML search, watch it, cancel it, look at its trials and files.

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
use runs::SubmitAutoml;
use serde::Deserialize;
use std::convert::Infallible;
use utoipa::IntoParams;
use web::{Contributor, Problem, Reader};

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
    _: Reader,
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
pub async fn show(_: Reader, State(app): State<App>, Path(id): Path<RunId>) -> Result<Json<Job>, Problem> {
    Ok(Json(app.jobs.show(&id).await?))
}

/// The trials of a job: its leaderboard.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/trials", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, body = Vec<Trial>), (status = 404)))]
pub async fn trials(
    _: Reader,
    State(app): State<App>,
    Path(id): Path<RunId>,
) -> Result<Json<Vec<Trial>>, Problem> {
    Ok(Json(app.jobs.trials(&id).await?))
}

/// The events of a job as JSON lines: everything so far, then live, until its final state.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/events", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, content_type = "application/x-ndjson", body = String), (status = 404)))]
pub async fn events(_: Reader, State(app): State<App>, Path(id): Path<RunId>) -> Result<Response, Problem> {
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

/// A file a completed job wrote: `model.onnx`, `leaderboard.json` or `report.html`.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/files/{file}", tag = "jobs", params(("id" = String, Path), ("file" = String, Path)),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>), (status = 404)))]
pub async fn file(
    _: Reader,
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
