//! Signing keys of the token service: which there are, and the change to a new one.

use crate::state::App;
use axum::Json;
use axum::extract::State;
use domain::SigningKeyInfo;
use gateway::RotateKey;
use web::{Owner, Problem, Reader};

/// List the token service's signing keys, in the order in which they sign.
#[utoipa::path(get, path = "/api/v1/signing-keys", tag = "signing keys", responses((status = 200, body = Vec<SigningKeyInfo>)))]
pub async fn list(_: Reader, State(app): State<App>) -> Result<Json<Vec<SigningKeyInfo>>, Problem> {
    Ok(Json(app.gateway.signing_keys().await?))
}

/// Change to a new signing key: it is published first and signs after its lead; former keys stay accepted until their last token
/// has expired, unless they are withdrawn.
#[utoipa::path(post, path = "/api/v1/signing-keys/rotate", tag = "signing keys", request_body = RotateKey,
    responses((status = 200, body = SigningKeyInfo), (status = 409, description = "a next key waits already")))]
pub async fn rotate(
    who: Owner,
    State(app): State<App>,
    web::JsonBody(ask): web::JsonBody<RotateKey>,
) -> Result<Json<SigningKeyInfo>, Problem> {
    Ok(Json(app.gateway.rotate_signing_key(ask, who.actor()).await?))
}
