//! Subscriptions: who may call published APIs with a key besides the token.

use crate::state::App;
use axum::Json;
use axum::extract::{Path, State};
use domain::{KeySlot, Name, Subscription};
use gateway::{CreateSubscription, SubscriptionKeys};
use http::StatusCode;
use web::{Owner, Problem, Reader};

/// List subscriptions; no keys.
#[utoipa::path(get, path = "/api/v1/subscriptions", tag = "subscriptions",
    responses((status = 200, body = Vec<Subscription>)))]
pub async fn list(_: Reader, State(app): State<App>) -> Result<Json<Vec<Subscription>>, Problem> {
    Ok(Json(app.gateway.subscriptions().await?))
}

/// Create a subscription with two keys, to one API or to all.
#[utoipa::path(post, path = "/api/v1/subscriptions", tag = "subscriptions", request_body = CreateSubscription,
    responses((status = 201, body = SubscriptionKeys), (status = 404), (status = 409, description = "the name is taken")))]
pub async fn create(
    who: Owner,
    State(app): State<App>,
    web::JsonBody(ask): web::JsonBody<CreateSubscription>,
) -> Result<(StatusCode, Json<SubscriptionKeys>), Problem> {
    Ok((StatusCode::CREATED, Json(app.gateway.create_subscription(ask, who.actor()).await?)))
}

/// The primary and secondary key of a subscription.
#[utoipa::path(get, path = "/api/v1/subscriptions/{name}/keys", tag = "subscriptions",
    params(("name" = String, Path)), responses((status = 200, body = SubscriptionKeys), (status = 404)))]
pub async fn keys(
    _: Owner,
    State(app): State<App>,
    Path(name): Path<Name>,
) -> Result<Json<SubscriptionKeys>, Problem> {
    Ok(Json(app.gateway.subscription_keys(&name).await?))
}

/// Replace one key; the other goes on working.
#[utoipa::path(post, path = "/api/v1/subscriptions/{name}/keys/{slot}/regenerate", tag = "subscriptions",
    params(("name" = String, Path), ("slot" = KeySlot, Path)),
    responses((status = 200, body = SubscriptionKeys), (status = 404)))]
pub async fn regenerate_key(
    who: Owner,
    State(app): State<App>,
    Path((name, slot)): Path<(Name, KeySlot)>,
) -> Result<Json<SubscriptionKeys>, Problem> {
    Ok(Json(app.gateway.regenerate_subscription_key(&name, slot, who.actor()).await?))
}

/// Revoke a subscription: its keys are refused from now on.
#[utoipa::path(post, path = "/api/v1/subscriptions/{name}/revoke", tag = "subscriptions",
    params(("name" = String, Path)), responses((status = 204), (status = 404)))]
pub async fn revoke(
    who: Owner,
    State(app): State<App>,
    Path(name): Path<Name>,
) -> Result<StatusCode, Problem> {
    app.gateway.revoke_subscription(&name, who.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}
