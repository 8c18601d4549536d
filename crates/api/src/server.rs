//! Facts about the running server, and its metrics.

use crate::state::App;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};
use serde::Serialize;
use utoipa::ToSchema;
use web::{Reader, Visible};

/// What a client needs to know before it asks for anything else.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServerInfo {
    /// The version of the binary.
    pub version: String,
    /// The tenant: the first segment of token URLs.
    pub tenant: String,
    /// The base URL clients use.
    pub url: String,
    /// The audience of control-plane tokens.
    pub control_audience: String,
}

/// Show facts about the running server.
#[utoipa::path(get, path = "/api/v1/server", tag = "server", responses((status = 200, body = ServerInfo)))]
pub async fn show(_: Visible, State(app): State<App>) -> Json<ServerInfo> {
    Json(ServerInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        tenant: app.gateway.tenant().to_owned(),
        url: app.gateway.public_url().to_owned(),
        control_audience: app.gateway.control_audience().to_owned(),
    })
}

/// Metrics in the Prometheus text form, or OpenMetrics by `Accept`.
#[utoipa::path(get, path = "/metrics", tag = "server", responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn metrics(_: Reader, State(app): State<App>, headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let (content_type, text) = app.metrics.render(accept);
    ([(CONTENT_TYPE, content_type)], text).into_response()
}
