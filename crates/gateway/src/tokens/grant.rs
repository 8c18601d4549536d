//! The client-credentials grant: a proven client gets a token for its own audience, and for no other.

use super::failure::Failure;
use super::form::Form;
use super::{Generation, client, issuer};
use crate::gateway::{CONTROL_AUDIENCE, Gateway};
use crate::roles::Subject;
use crate::signing::Typ;
use domain::{Principal, Role, Timestamp};
use http::Request;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::time::Instant;
use web::RequestBody;

/// How long a token is valid, in seconds, when the client does not say; the clients' own number.
const LIFETIME: i64 = 3599;
/// The shortest life that may be asked for, in seconds.
const LIFETIME_MIN: i64 = 60;

/// Answers a token request.
pub(super) async fn token(
    gateway: &Gateway,
    request: Request<RequestBody>,
    from: IpAddr,
    generation: Generation,
) -> Result<Value, Failure> {
    let (headers, form) = Form::read(request).await?;
    match form.get("grant_type") {
        Some("client_credentials") => {}
        Some(_) => return Err(Failure::grant_type()),
        None => {
            let text = "The request body must contain the following parameter: 'grant_type'.";
            return Err(Failure::request(900_144, text));
        }
    }
    let principal = client::authenticate(gateway, &headers, &form, from).await?;
    let audience = audience(gateway, &principal, &form, generation)?;
    let life = lifetime(gateway, &form)?;
    if let Some(grants) = &gateway.grants {
        let too_many = |wait| Failure::too_many("asks for too many tokens; keep each for its life", wait);
        grants.count(&principal.client_id, Instant::now()).map_err(too_many)?;
    }
    let now = Timestamp::now().seconds();
    let claims = claims(gateway, &principal, &audience, generation, (now, life));
    let typ = match generation {
        Generation::V1 => Typ::Jwt,
        Generation::V2 => Typ::AccessToken,
    };
    let token = gateway.signing.sign_as(typ, claims).await.map_err(|error| {
        tracing::error!(%error, "a token could not be signed");
        Failure::server()
    })?;
    tracing::info!(principal = %principal.name, audience, "token issued");
    Ok(match generation {
        Generation::V1 => json!({
            "token_type": "Bearer",
            "expires_in": life.to_string(),
            "ext_expires_in": life.to_string(),
            "expires_on": (now + life).to_string(),
            "not_before": now.to_string(),
            "resource": audience,
            "access_token": token,
        }),
        Generation::V2 => json!({
            "token_type": "Bearer",
            "expires_in": life,
            "ext_expires_in": life,
            "scope": format!("{audience}/.default"),
            "access_token": token,
        }),
    })
}

/// How long the token is to live: what `expires_in` asks for (a parameter of ours, named as in the answer), within the gate's
/// bound.
fn lifetime(gateway: &Gateway, form: &Form) -> Result<i64, Failure> {
    let Some(asked) = form.get("expires_in") else {
        return Ok(LIFETIME.min(gateway.max_lifetime));
    };
    let most = gateway.max_lifetime;
    asked.parse().ok().filter(|life| (LIFETIME_MIN.min(most)..=most).contains(life)).ok_or_else(|| {
        Failure::request(
            90014,
            format!("The parameter 'expires_in' must be {LIFETIME_MIN} to {most} seconds."),
        )
    })
}

/// The audience of the token: the client's own when none is named; besides it only the control plane's, for those who may read
/// something there.
fn audience(
    gateway: &Gateway,
    principal: &Principal,
    form: &Form,
    generation: Generation,
) -> Result<String, Failure> {
    let enters = || {
        let who = Subject::Principal(principal.name.as_str().into());
        gateway.snapshot.load().roles.somewhere(&who, Role::Reader)
    };
    let mine = |asked: &str| asked == principal.audience || (asked == CONTROL_AUDIENCE && enters());
    let asked = match generation {
        Generation::V1 => form.get("resource"),
        Generation::V2 => form.get("scope"),
    };
    let Some(asked) = asked else {
        return Ok(principal.audience.clone());
    };
    match generation {
        Generation::V1 if mine(asked) => Ok(asked.to_owned()),
        Generation::V1 => Err(Failure::resource(asked)),
        Generation::V2 => {
            let audience = asked.strip_suffix("/.default").filter(|a| mine(a));
            audience.map(str::to_owned).ok_or_else(|| Failure::scope(asked))
        }
    }
}

/// The claims of a token.
pub(super) fn claims(
    gateway: &Gateway,
    principal: &Principal,
    audience: &str,
    generation: Generation,
    (now, life): (i64, i64),
) -> Value {
    let mut claims = json!({
        "iss": issuer(gateway, generation),
        "aud": audience,
        "sub": principal.client_id,
        "oid": principal.client_id,
        "client_id": principal.client_id,
        "tid": gateway.tenant,
        "iat": now,
        "nbf": now,
        "exp": now + life,
        "jti": uuid::Uuid::new_v4().to_string(),
        "roles": principal.role.map(Role::as_str).as_slice(),
    });
    let (client, version) = match generation {
        Generation::V1 => ("appid", "1.0"),
        Generation::V2 => ("azp", "2.0"),
    };
    claims[client] = json!(principal.client_id);
    claims["ver"] = json!(version);
    if generation == Generation::V2 {
        // RFC 9068 §2.2.3; in the form in which it was asked for.
        claims["scope"] = json!(format!("{audience}/.default"));
    }
    claims
}
