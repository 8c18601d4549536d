//! What the client wants to know of the server.

use axum::Json;
use serde_json::{Value, json};
use web::{OrJob, Visible};

/// The version of the protocol's server that we answer like. From 3.4 on a version promises `/v1/traces`.
const VERSION: &str = "3.3.2";

/// `GET /version`.
pub async fn version(_: OrJob<Visible>) -> &'static str {
    VERSION
}

/// `GET server-info`: what is here besides the plain protocol, which is nothing.
pub async fn info(_: OrJob<Visible>) -> Json<Value> {
    Json(json!({
        "store_type": "SqlStore",
        "workspaces_enabled": false,
        "trace_archival_enabled": false,
        "multipart_uploads_enabled": false,
        "multipart_downloads_enabled": false,
        "presigned_upload_run_id_supported": false,
        "presigned_upload_model_id_supported": false,
        "features_enabled": {},
    }))
}
