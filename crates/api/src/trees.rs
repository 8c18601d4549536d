//! Folders of definitions: code, models that are folders, folder data. A definition names one by its digest.

use crate::state::App;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use domain::Digest;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use web::{Contributor, OrJob, Problem};

/// A folder that is kept.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeptTree {
    /// The digest that names it.
    pub digest: Digest,
    /// Its files.
    pub files: usize,
    /// Their length together.
    pub bytes: u64,
}

/// Keep a folder: the body is a tar archive of plain files and folders. The same content has the same digest.
#[utoipa::path(post, path = "/api/v1/trees", tag = "trees", request_body(content = Vec<u8>, content_type = "application/x-tar"),
    responses((status = 201, body = KeptTree), (status = 422, description = "no archive, or something else than files and folders in it")))]
pub async fn keep(
    _: OrJob<Contributor>,
    State(app): State<App>,
    body: Body,
) -> Result<(StatusCode, Json<KeptTree>), Problem> {
    let archive = Box::new(web::upload::reader(body, app.upload_bytes));
    let kept = app.assets.keep_tree(archive).await?;
    let answer = KeptTree { digest: kept.digest, files: kept.tree.files.len(), bytes: kept.tree.bytes() };
    Ok((StatusCode::CREATED, Json(answer)))
}
