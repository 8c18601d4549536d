//! Roles: who may do what on the workspace, an endpoint, a model.

use crate::state::App;
use axum::Json;
use axum::extract::{Path, Query, State};
use domain::{Assignment, Name, Scope};
use gateway::AssignRole;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;
use web::{OfScope, On, Owner, Problem, Visible};

/// Which roles.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RolesQuery {
    /// Only this principal's.
    #[param(value_type = Option<String>)]
    pub principal: Option<Name>,
    /// Only those on this: `workspace`, `endpoint:NAME`, `model:NAME`.
    #[param(value_type = Option<String>)]
    pub on: Option<Scope>,
}

/// List roles: the caller's own, and all on what the caller may read.
#[utoipa::path(get, path = "/api/v1/roles", tag = "roles", params(RolesQuery),
    responses((status = 200, body = Vec<Assignment>)))]
pub async fn list(
    who: Visible,
    State(app): State<App>,
    Query(query): Query<RolesQuery>,
) -> Result<Json<Vec<Assignment>>, Problem> {
    let mut roles = app.gateway.roles().await?;
    roles.retain(|a| {
        query.principal.as_ref().is_none_or(|p| *p == a.principal)
            && query.on.as_ref().is_none_or(|s| *s == a.scope)
            && (a.principal.as_str() == who.actor().0 || who.may_read(&a.scope))
    });
    Ok(Json(roles))
}

/// Give a principal a role on `workspace`, `endpoint:NAME` or `model:NAME`; the one it had there is replaced. It counts at once, also for
/// tokens that exist.
#[utoipa::path(put, path = "/api/v1/roles/{principal}/{scope}", tag = "roles", request_body = AssignRole,
    params(("principal" = String, Path), ("scope" = String, Path)),
    responses((status = 200, body = Assignment), (status = 404), (status = 409, description = "the principal is revoked")))]
pub async fn assign(
    who: On<OfScope, Owner>,
    State(app): State<App>,
    Path((principal, scope)): Path<(Name, Scope)>,
    web::JsonBody(ask): web::JsonBody<AssignRole>,
) -> Result<Json<Assignment>, Problem> {
    Ok(Json(app.gateway.assign_role(principal, scope, ask.role, who.actor()).await?))
}

/// Take a principal's role on something away.
#[utoipa::path(delete, path = "/api/v1/roles/{principal}/{scope}", tag = "roles",
    params(("principal" = String, Path), ("scope" = String, Path)), responses((status = 204), (status = 404)))]
pub async fn remove(
    who: On<OfScope, Owner>,
    State(app): State<App>,
    Path((principal, scope)): Path<(Name, Scope)>,
) -> Result<StatusCode, Problem> {
    app.gateway.remove_role(&principal, &scope, who.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}
