//! The whole data directory as one file, consistent while serving.

use crate::state::App;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::Fault;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use tokio_util::io::ReaderStream;
use web::{Owner, Problem};

/// Make a backup and stream it: a tar archive with the database, the artifacts and the secrets. Keep it as safe as the server.
#[utoipa::path(post, path = "/api/v1/backup", tag = "backup",
    responses((status = 200, content_type = "application/x-tar", body = Vec<u8>)))]
pub async fn create(_: Owner, State(app): State<App>) -> Result<Response, Problem> {
    let path = app.housekeeping.backup().await?;
    let opened = tokio::fs::File::open(&path).await;
    // The name goes at once: the open handle keeps the bytes until the answer is sent, and nothing is left behind.
    let removed = tokio::fs::remove_file(&path).await;
    let file = opened
        .and_then(|file| removed.map(|()| file))
        .map_err(|e| Fault::internal(format!("reading the backup: {e}")))?;
    let headers = [
        (CONTENT_TYPE, "application/x-tar"),
        (CONTENT_DISPOSITION, "attachment; filename=\"portcullis-backup.tar\""),
    ];
    Ok((headers, Body::from_stream(ReaderStream::new(file))).into_response())
}
