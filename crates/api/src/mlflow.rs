//! The MLflow REST protocol: tracking, registry and artifacts as the `mlflow` Python client (3.x) speaks them.
//!
//! The routes stand in no description of ours, since the protocol is described elsewhere; [`routes`] lists them with the role each
//! asks for. Requests are read and errors worded by [`wire`].

pub mod server;
pub mod wire;

use crate::state::App;
use web::Routes;

/// Where the protocol's second version stands: for clients, and for pages.
pub(crate) const V2: &[&str] = &["/api/2.0/mlflow", "/ajax-api/2.0/mlflow"];
/// Where its third stands.
pub(crate) const V3: &[&str] = &["/api/3.0/mlflow", "/ajax-api/3.0/mlflow"];
/// Where what has no version stands.
pub(crate) const ROOT: &[&str] = &[""];

/// Every route of the protocol.
pub fn routes() -> Routes<App> {
    server_routes()
}

/// What the client asks about the server.
fn server_routes() -> Routes<App> {
    Routes::under(ROOT)
        .get("/version", server::version)
        .merge(Routes::under(V3).get("/server-info", server::info))
}
