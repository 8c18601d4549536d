//! The MLflow REST protocol: tracking, registry and artifacts as the `mlflow` Python client (3.x) speaks them.
//!
//! The routes stand in no description of ours, since the protocol is described elsewhere; [`routes`] lists them with the role each
//! asks for. Requests are read and errors worded by [`wire`].

pub mod artifacts;
pub mod experiments;
pub mod logged;
pub mod metrics;
pub mod models;
mod registry;
pub mod runs;
pub mod server;
pub mod versions;
pub mod wire;

use crate::state::App;
use web::Routes;

/// Readers of the workspace, and jobs.
pub(crate) type Reads = web::OrJob<web::Reader>;
/// Contributors of the workspace, and jobs as far as something is their own: the handler asks.
pub(crate) type Writes = web::OrJob<web::Contributor>;

/// Where the protocol's second version stands: for clients, and for pages.
pub(crate) const V2: &[&str] = &["/api/2.0/mlflow", "/ajax-api/2.0/mlflow"];
/// Where its third stands.
pub(crate) const V3: &[&str] = &["/api/3.0/mlflow", "/ajax-api/3.0/mlflow"];
/// Where what has no version stands.
pub(crate) const ROOT: &[&str] = &[""];
/// Where what only pages ask for stands.
pub(crate) const PAGES: &[&str] = &["/ajax-api/2.0/mlflow"];

/// Where artifacts stand by their paths.
pub(crate) const PROXY: &[&str] = &["/api/2.0/mlflow-artifacts", "/ajax-api/2.0/mlflow-artifacts"];

/// Every route of the protocol.
pub fn routes() -> Routes<App> {
    let tracking = server_routes().merge(experiment_routes()).merge(run_routes()).merge(metric_routes());
    tracking.merge(registry::routes())
}

/// What the client asks about the server.
fn server_routes() -> Routes<App> {
    Routes::under(ROOT)
        .get("/version", server::version)
        .merge(Routes::under(V3).get("/server-info", server::info))
}

fn experiment_routes() -> Routes<App> {
    Routes::under(V2)
        .get("/experiments/get-by-name", experiments::get_by_name)
        .get("/experiments/get", experiments::get)
        .post("/experiments/create", experiments::create)
        .get("/experiments/search", experiments::search)
        .post("/experiments/search", experiments::search)
        .post("/experiments/update", experiments::update)
        .post("/experiments/delete", experiments::delete)
        .post("/experiments/restore", experiments::restore)
        .post("/experiments/set-experiment-tag", experiments::set_tag)
        .post("/experiments/delete-experiment-tag", experiments::delete_tag)
        .post("/experiments/search-datasets", experiments::search_datasets)
}

fn run_routes() -> Routes<App> {
    Routes::under(V2)
        .post("/runs/create", runs::create)
        .get("/runs/get", runs::get)
        .post("/runs/update", runs::update)
        .post("/runs/delete", runs::delete)
        .post("/runs/restore", runs::restore)
        .post("/runs/log-metric", runs::log_metric)
        .post("/runs/log-parameter", runs::log_param)
        .post("/runs/set-tag", runs::set_tag)
        .post("/runs/delete-tag", runs::delete_tag)
        .post("/runs/log-batch", runs::log_batch)
        .post("/runs/log-inputs", runs::log_inputs)
        .post("/runs/outputs", runs::log_outputs)
        .post("/runs/log-model", runs::log_model)
        .post("/runs/search", runs::search)
}

fn metric_routes() -> Routes<App> {
    Routes::under(V2)
        .get("/metrics/get-history", metrics::get_history)
        .get("/metrics/get-history-bulk-interval", metrics::get_history_bulk_interval)
        .merge(Routes::under(PAGES).get("/metrics/get-history-bulk", metrics::get_history_bulk))
}
