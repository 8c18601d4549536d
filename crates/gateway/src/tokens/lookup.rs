//! Introspection (RFC 7662) and revocation (RFC 7009), for proven clients.

use super::client;
use super::failure::Failure;
use super::form::Form;
use crate::gateway::Gateway;
use domain::{Actor, Role, Timestamp};
use http::Request;
use serde_json::{Value, json};
use std::net::IpAddr;
use web::RequestBody;

fn token(form: &Form) -> Result<&str, Failure> {
    form.get("token").ok_or_else(|| {
        Failure::request(900_144, "The request body must contain the following parameter: 'token'.")
    })
}

/// Tells what a token is. A client learns only of its own tokens and of those for its audience; owners learn of all.
pub(super) async fn introspect(
    gateway: &Gateway,
    request: Request<RequestBody>,
    from: IpAddr,
) -> Result<Value, Failure> {
    let (headers, form) = Form::read(request).await?;
    let asker = client::authenticate(gateway, &headers, &form, from).await?;
    let inactive = json!({ "active": false });
    let Ok(claims) = gateway.issuers.own(token(&form)?, Timestamp::now().seconds()) else {
        return Ok(inactive);
    };
    let own = claims.client_id.as_deref() == Some(&asker.client_id);
    let may = own
        || claims.audiences.contains(&asker.audience)
        || asker.role.is_some_and(|role| role.includes(Role::Owner));
    let snapshot = gateway.snapshot.load();
    let Some(who) = snapshot.owner(&claims).filter(|_| may) else {
        return Ok(inactive);
    };
    let mut told = json!({
        "active": true,
        "scope": claims.all.get("scope"),
        "client_id": claims.client_id,
        "username": who.name.as_ref(),
        "token_type": "Bearer",
        "exp": claims.expires,
        "iat": claims.issued,
        "nbf": claims.not_before,
        "sub": claims.subject,
        "aud": claims.all.get("aud"),
        "iss": claims.issuer,
        "jti": claims.id,
        "roles": claims.all.get("roles"),
    });
    if let Some(members) = told.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    Ok(told)
}

/// Revokes a token of the client's own; an owner may revoke each. What is no valid token needs no revocation and is answered as
/// one that was revoked (RFC 7009 §2.2).
pub(super) async fn revoke(
    gateway: &Gateway,
    request: Request<RequestBody>,
    from: IpAddr,
) -> Result<Value, Failure> {
    let (headers, form) = Form::read(request).await?;
    let asker = client::authenticate(gateway, &headers, &form, from).await?;
    let now = Timestamp::now();
    let nothing = Ok(json!({}));
    let Ok(claims) = gateway.issuers.own(token(&form)?, now.seconds()) else {
        return nothing;
    };
    if claims.client_id.as_deref() != Some(&asker.client_id)
        && !asker.role.is_some_and(|role| role.includes(Role::Owner))
    {
        return Err(Failure::foreign_token());
    }
    let Some(id) = &claims.id else { return nothing };
    gateway
        .revocations
        .count(&asker.client_id, std::time::Instant::now())
        .map_err(|wait| Failure::too_many("revokes too many tokens", wait))?;
    // Remembered beyond `exp`, as long as the allowed skew could still let it in.
    let expires = Timestamp(claims.expires.saturating_mul(1_000_000)).plus_seconds(120);
    let by = Actor(asker.name.to_string());
    let failed = |what: &'static str, error: String| {
        tracing::error!(error, what);
        Failure::server()
    };
    let revoked = gateway.store.revoke_token(id, expires, &by, now).await;
    revoked.map_err(|e| failed("a token could not be revoked", e.to_string()))?;
    gateway.refresh().await.map_err(|e| failed("the snapshot could not be renewed", e.to_string()))?;
    nothing
}
