//! The MLflow REST protocol: tracking, registry and artifacts as the `mlflow` Python client (3.x) speaks them.
//!
//! The routes stand in no description of ours, since the protocol is described elsewhere; [`routes`] lists them with the role each
//! asks for. Requests are read and errors worded by [`wire`].

pub mod experiments;
pub mod metrics;
pub mod runs;
pub mod artifacts;
pub mod logged;
pub mod models;
mod registry;
pub mod server;
pub mod versions;
pub mod wire;

use crate::state::App;
use web::Routes;

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
    server_routes()
        .merge(experiment_routes())
        .merge(run_routes())
        .merge(metric_routes())
        .merge(registered())
        .merge(logged_models())
        .merge(artifact_routes())
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

/// Registered models and their versions.
fn registered() -> Routes<App> {
    Routes::under(V2)
        .post("/registered-models/create", models::create)
        .get("/registered-models/get", models::get)
        .post("/registered-models/rename", models::rename)
        .patch("/registered-models/update", models::update)
        .delete("/registered-models/delete", models::delete)
        .get("/registered-models/search", models::search)
        .post("/registered-models/get-latest-versions", models::latest)
        .get("/registered-models/get-latest-versions", models::latest)
        .post("/registered-models/set-tag", models::set_tag)
        .delete("/registered-models/delete-tag", models::delete_tag)
        .post("/registered-models/alias", models::set_alias)
        .get("/registered-models/alias", models::get_alias)
        .delete("/registered-models/alias", models::delete_alias)
        .post("/model-versions/create", versions::create)
        .get("/model-versions/get", versions::get)
        .patch("/model-versions/update", versions::update)
        .delete("/model-versions/delete", versions::delete)
        .get("/model-versions/search", versions::search)
        .post("/model-versions/transition-stage", versions::transition)
        .get("/model-versions/get-download-uri", versions::download_uri)
        .post("/model-versions/set-tag", versions::set_tag)
        .delete("/model-versions/delete-tag", versions::delete_tag)
}

/// Logged models.
fn logged_models() -> Routes<App> {
    Routes::under(V2)
        .post("/logged-models", logged::create)
        .post("/logged-models/search", logged::search)
        .get("/logged-models/{model_id}", logged::get)
        .patch("/logged-models/{model_id}", logged::finalize)
        .delete("/logged-models/{model_id}", logged::delete)
        .post("/logged-models/{model_id}/params", logged::log_params)
        .patch("/logged-models/{model_id}/tags", logged::set_tags)
        .delete("/logged-models/{model_id}/tags/{tag_key}", logged::delete_tag)
        .get("/logged-models/{model_id}/artifacts/directories", logged::directories)
        .get("/logged-models/{model_id}/artifacts/files", logged::file)
}

/// Artifacts.
fn artifact_routes() -> Routes<App> {
    Routes::under(PROXY)
        .get("/artifacts", artifacts::list)
        .get("/artifacts/{*path}", artifacts::get)
        .put("/artifacts/{*path}", artifacts::put)
        .delete("/artifacts/{*path}", artifacts::delete)
        .merge(Routes::under(V2).get("/artifacts/list", artifacts::list_of_run))
        .merge(Routes::under(PAGES).post("/upload-artifact", artifacts::upload))
        .merge(
            Routes::under(ROOT)
                .get("/get-artifact", artifacts::get_of_run)
                .get("/model-versions/get-artifact", artifacts::get_of_version),
        )
}
