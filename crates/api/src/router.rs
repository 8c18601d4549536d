//! Every control-plane route is one line here, in the order of the road.

use crate::state::App;
use crate::{
    access, apis, backup, data, deployments, endpoints, environments, issuers, jobs, ledger, logs, models,
    principals, roles, secrets, server, sessions, signing_keys, subscriptions, trees,
};
use axum::Router;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use web::guarded;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Portcullis control plane",
        description = "Register data, train, register models, deploy, publish, look. Every call needs a bearer token: the admin \
                       token of the data directory, or a token of the built-in token service for a principal with a role.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    security(("bearer" = []))
)]
struct Description;

fn described() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Description::openapi()).merge(road()).merge(gate()).merge(who())
}

/// The road, from data to deployments and their log.
fn road() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(guarded!(server::show))
        .routes(guarded!(server::metrics))
        .routes(guarded!(data::list))
        .routes(guarded!(data::versions))
        .routes(guarded!(data::register))
        .routes(guarded!(data::show))
        .routes(guarded!(data::preview))
        .routes(guarded!(trees::keep))
        .routes(guarded!(environments::list))
        .routes(guarded!(environments::versions))
        .routes(guarded!(environments::register))
        .routes(guarded!(environments::show))
        .routes(guarded!(environments::prepare))
        .routes(guarded!(jobs::list))
        .routes(guarded!(jobs::submit))
        .routes(guarded!(jobs::submit_command))
        .routes(guarded!(jobs::submit_sweep))
        .routes(guarded!(jobs::show))
        .routes(guarded!(jobs::sweep))
        .routes(guarded!(jobs::log))
        .routes(guarded!(jobs::outputs))
        .routes(guarded!(jobs::output))
        .routes(guarded!(jobs::trials))
        .routes(guarded!(jobs::events))
        .routes(guarded!(jobs::cancel))
        .routes(guarded!(jobs::file))
        .routes(guarded!(models::list))
        .routes(guarded!(models::versions))
        .routes(guarded!(models::register))
        .routes(guarded!(models::show))
        .routes(guarded!(models::lineage))
        .routes(guarded!(models::file))
        .routes(guarded!(models::set_alias))
        .routes(guarded!(models::register_folder))
        .routes(guarded!(models::delete))
        .routes(guarded!(models::delete_version))
        .routes(guarded!(models::files))
        .routes(guarded!(models::version_file))
        .routes(guarded!(endpoints::list))
        .routes(guarded!(endpoints::create))
        .routes(guarded!(endpoints::show))
        .routes(guarded!(endpoints::update))
        .routes(guarded!(endpoints::delete))
        .routes(guarded!(endpoints::keys))
        .routes(guarded!(endpoints::regenerate_key))
        .routes(guarded!(endpoints::set_traffic))
        .routes(guarded!(endpoints::mirror))
        .routes(guarded!(deployments::list))
        .routes(guarded!(deployments::create))
        .routes(guarded!(deployments::update))
        .routes(guarded!(deployments::logs))
        .routes(guarded!(deployments::delete))
        .routes(guarded!(logs::list))
        .routes(guarded!(logs::query))
}

/// What stands at the gate.
fn gate() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(guarded!(apis::list))
        .routes(guarded!(apis::publish))
        .routes(guarded!(apis::unpublish))
        .routes(guarded!(secrets::list))
        .routes(guarded!(secrets::show))
        .routes(guarded!(secrets::set))
        .routes(guarded!(secrets::delete))
        .routes(guarded!(issuers::list))
        .routes(guarded!(issuers::add))
        .routes(guarded!(issuers::show))
        .routes(guarded!(issuers::refresh))
        .routes(guarded!(issuers::remove))
        .routes(guarded!(subscriptions::list))
        .routes(guarded!(subscriptions::create))
        .routes(guarded!(subscriptions::keys))
        .routes(guarded!(subscriptions::regenerate_key))
        .routes(guarded!(subscriptions::revoke))
        .routes(guarded!(access::show))
}

/// Who may do what, and the record of it.
fn who() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(guarded!(principals::list))
        .routes(guarded!(principals::create))
        .routes(guarded!(principals::show))
        .routes(guarded!(principals::revoke))
        .routes(guarded!(principals::rotate_secret))
        .routes(guarded!(principals::revoke_former_secret))
        .routes(guarded!(principals::reset_password))
        .routes(guarded!(principals::sessions))
        .routes(guarded!(principals::end_sessions))
        .routes(guarded!(sessions::log_in))
        .routes(guarded!(sessions::list))
        .routes(guarded!(sessions::current))
        .routes(guarded!(sessions::log_out))
        .routes(guarded!(sessions::end))
        .routes(guarded!(sessions::change_password))
        .routes(guarded!(sessions::begin_oidc))
        .routes(guarded!(sessions::finish_oidc))
        .routes(guarded!(signing_keys::list))
        .routes(guarded!(signing_keys::rotate))
        .routes(guarded!(roles::list))
        .routes(guarded!(roles::assign))
        .routes(guarded!(roles::remove))
        .routes(guarded!(ledger::list))
        .routes(guarded!(ledger::verify))
        .routes(guarded!(ledger::head))
        .routes(guarded!(backup::create))
}

/// The control plane's routes, without authentication: the binary wraps it with the gateway's layer.
pub fn router(app: App) -> Router {
    let described: Router = described().with_state(app.clone()).into();
    described.merge(crate::mlflow::routes().into_router().with_state(app))
}

/// The control plane's OpenAPI document, as checked in at `openapi.json`.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = described().into_openapi();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    document.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(bearer));
    document
}
