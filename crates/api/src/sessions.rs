//! Sessions of people: log in by password or at the login provider, look, log out. A handler with [`Open`] is reached without
//! credentials only where the gate's list of open calls says so; the others need the session they are about.

use crate::state::App;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use domain::{Actor, ErrorCode, SessionInfo};
use gateway::{
    Callback, ChangePassword, ClientAddress, CurrentSession, LogIn, LoggedIn, LoginRefused, Opened,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use utoipa::IntoParams;
use web::{Caller, JsonBody, Open, Problem};

/// Where to go after a login at the provider.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Begin {
    /// A path of this server; `/` when left out.
    pub return_to: Option<String>,
}

type Session = Option<Extension<CurrentSession>>;

fn needed(session: Session) -> Result<CurrentSession, Problem> {
    let text = "this is about a session, and the call came with a token: log in first";
    session.map(|Extension(session)| session).ok_or_else(|| Problem::new(ErrorCode::Conflict, text))
}

/// Answers that hold a session are kept by nobody.
fn opened(status: StatusCode, opened: Opened) -> Response {
    let mut response = (status, Json(opened.logged_in)).into_response();
    private(response.headers_mut());
    response.headers_mut().insert(header::SET_COOKIE, opened.cookie);
    response
}

fn private(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// Log a person in by name and password; the session is in the cookie, its CSRF token in the answer.
#[utoipa::path(post, path = "/api/v1/sessions", tag = "sessions", request_body = LogIn, security(()),
    responses((status = 201, body = LoggedIn), (status = 401, description = "the name or the password is wrong"),
        (status = 403, description = "a first secret needs new_password"), (status = 429)))]
pub async fn log_in(
    _: Open,
    State(app): State<App>,
    Extension(ClientAddress(from)): Extension<ClientAddress>,
    headers: HeaderMap,
    JsonBody(ask): JsonBody<LogIn>,
) -> Result<Response, LoginRefused> {
    Ok(opened(StatusCode::CREATED, app.gateway.log_in(ask, &headers, from).await?))
}

/// List one's own open sessions.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "sessions", responses((status = 200, body = Vec<SessionInfo>), (status = 409)))]
pub async fn list(
    _: Open,
    State(app): State<App>,
    session: Session,
) -> Result<Json<Vec<SessionInfo>>, Problem> {
    Ok(Json(app.gateway.sessions(&needed(session)?.principal)))
}

/// Show the session of this call, with its CSRF token.
#[utoipa::path(get, path = "/api/v1/sessions/current", tag = "sessions", responses((status = 200, body = LoggedIn), (status = 409)))]
pub async fn current(
    _: Open,
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    session: Session,
) -> Result<Response, Problem> {
    let shown = app.gateway.logged_in(&needed(session)?, caller.role);
    let mut response = Json(shown).into_response();
    private(response.headers_mut());
    Ok(response)
}

/// Log out.
#[utoipa::path(delete, path = "/api/v1/sessions/current", tag = "sessions", responses((status = 204), (status = 409)))]
pub async fn log_out(_: Open, State(app): State<App>, session: Session) -> Result<Response, Problem> {
    app.gateway.log_out(&needed(session)?).await?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, app.gateway.logged_out_cookie())]).into_response())
}

/// End one of one's own sessions.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", tag = "sessions", params(("id" = String, Path)),
    responses((status = 204), (status = 404), (status = 409)))]
pub async fn end(
    _: Open,
    State(app): State<App>,
    session: Session,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let session = needed(session)?;
    app.gateway.end_session(&session.principal, &id, &Actor(session.principal.to_string())).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Change one's own password: all sessions end, and a new one begins.
#[utoipa::path(post, path = "/api/v1/sessions/current/password", tag = "sessions", request_body = ChangePassword,
    responses((status = 200, body = LoggedIn), (status = 400, description = "the new password is refused"), (status = 401), (status = 429)))]
pub async fn change_password(
    _: Open,
    State(app): State<App>,
    session: Session,
    Extension(ClientAddress(from)): Extension<ClientAddress>,
    JsonBody(ask): JsonBody<ChangePassword>,
) -> Result<Response, LoginRefused> {
    Ok(opened(StatusCode::OK, app.gateway.change_password(&needed(session)?, ask, from).await?))
}

/// Begin a login at the provider: sends the browser there.
#[utoipa::path(get, path = "/api/v1/sessions/oidc", tag = "sessions", params(Begin), security(()),
    responses((status = 302, description = "to the provider"), (status = 404, description = "no provider is set"), (status = 503)))]
pub async fn begin_oidc(
    _: Open,
    State(app): State<App>,
    Query(ask): Query<Begin>,
) -> Result<Response, Problem> {
    let sent = app.gateway.begin_oidc(ask.return_to.as_deref()).await?;
    let headers = [(header::LOCATION, sent.location), (header::SET_COOKIE, sent.cookie)];
    let mut response = (StatusCode::FOUND, headers).into_response();
    private(response.headers_mut());
    Ok(response)
}

/// The way back from the provider: opens the session.
#[utoipa::path(get, path = "/api/v1/sessions/oidc/callback", tag = "sessions", params(Callback), security(()),
    responses((status = 200, description = "a page that goes on to where the login was begun"), (status = 400), (status = 401), (status = 403)))]
pub async fn finish_oidc(
    _: Open,
    State(app): State<App>,
    headers: HeaderMap,
    Query(back): Query<Callback>,
) -> Response {
    let mut response = match app.gateway.finish_oidc(back, &headers).await {
        Ok(landed) => {
            let mut response = page(&landed.return_to);
            response.headers_mut().append(header::SET_COOKIE, landed.opened.cookie);
            response
        }
        Err(refused) => refused.into_response(),
    };
    response.headers_mut().append(header::SET_COOKIE, app.gateway.flow_ended_cookie());
    private(response.headers_mut());
    response
}

/// A page that goes on by itself. Why not a redirect: the browser came here from another site, and would send no `SameSite=Strict`
/// cookie along with what a redirect leads to; a page of ours it may.
fn page(path: &str) -> Response {
    let path = path.replace('&', "&amp;");
    let text = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Logged in</title>\
         <meta http-equiv=\"refresh\" content=\"0;url={path}\"><p><a href=\"{path}\">Go on</a></p></html>"
    );
    axum::response::Html(text).into_response()
}
