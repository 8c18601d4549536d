//! Who asks the token service: client id and secret, by HTTP Basic or in the form, never both (RFC 6749 §2.3).

use super::failure::Failure;
use super::form::Form;
use crate::gateway::Gateway;
use crate::secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::{Digest, Principal, Timestamp};
use http::{HeaderMap, header};
use std::net::IpAddr;
use std::time::Instant;
use store::LiveSecret;

/// The longest client id and secret that are looked at.
const CREDENTIAL_MAX: usize = 512;

/// Finds and proves the client of a request. Every failure counts toward the lock-out.
pub(super) async fn authenticate(
    gateway: &Gateway,
    headers: &HeaderMap,
    form: &Form,
    from: IpAddr,
) -> Result<Principal, Failure> {
    let (id, given) = credentials(headers, form)?;
    let proven = prove(gateway, &id, given, from).await;
    if headers.contains_key(header::AUTHORIZATION) { proven.map_err(Failure::by_basic) } else { proven }
}

async fn prove(
    gateway: &Gateway,
    id: &str,
    given: Option<String>,
    from: IpAddr,
) -> Result<Principal, Failure> {
    gateway.lockout.check(from, id, Instant::now()).map_err(|wait| {
        gateway.metrics.refused("locked_out");
        Failure::locked(wait)
    })?;
    let given = given.ok_or_else(Failure::no_secret)?;
    let known = gateway.store.principal_secrets(id).await.map_err(|error| {
        tracing::error!(%error, "a client could not be looked up");
        Failure::server()
    })?;
    let given = secret::digest(given.as_bytes());
    let Some((principal, secrets)) = known else {
        gateway.login_failed(from, id, None).await;
        return Err(Failure::unknown_client(id, &gateway.tenant));
    };
    if principal.revoked.is_some() {
        // The store forgot its secrets with the revocation; who asks is told the reason all the same.
        gateway.login_failed(from, id, Some(&principal.name)).await;
        return Err(Failure::revoked_client());
    }
    let now = Timestamp::now();
    let live: Vec<Digest> =
        secrets.iter().filter(|s| s.info.expires.is_none_or(|end| now < end)).map(|s| s.digest).collect();
    if !secret::known(&given, &live) {
        gateway.login_failed(from, id, Some(&principal.name)).await;
        return Err(if secrets.iter().any(|s| s.digest == given) {
            Failure::expired_secret()
        } else {
            tracing::warn!(client = id, address = %from, "a wrong client secret");
            Failure::wrong_secret()
        });
    }
    gateway.lockout.succeeded(from, id);
    note_use(gateway, &principal, &given, &secrets);
    Ok(principal)
}

/// Notes the day of a secret's use, beside the answer and once a day only.
pub(crate) fn note_use(gateway: &Gateway, principal: &Principal, given: &Digest, secrets: &[LiveSecret]) {
    const DAY: i64 = 86_400_000_000;
    let today = Timestamp(Timestamp::now().micros().div_euclid(DAY) * DAY);
    let noted = secrets.iter().any(|s| s.digest == *given && s.info.used.is_some_and(|used| used >= today));
    if noted {
        return;
    }
    let (store, client, given) = (gateway.store.clone(), principal.client_id.clone(), *given);
    tokio::spawn(async move {
        if let Err(error) = store.note_secret_use(&client, &given, today).await {
            tracing::warn!(%error, client, "the use of a secret could not be noted");
        }
    });
}

/// Client id and, when sent, the secret.
fn credentials(headers: &HeaderMap, form: &Form) -> Result<(String, Option<String>), Failure> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (id, secret) = match (all.next(), all.next()) {
        (None, _) => {
            let id = form.get("client_id").ok_or_else(|| {
                Failure::request(
                    900_144,
                    "The request body must contain the following parameter: 'client_id'.",
                )
            })?;
            (id.to_owned(), form.get("client_secret").map(str::to_owned))
        }
        (Some(value), None) => {
            let (id, secret) = value.to_str().ok().and_then(basic).ok_or_else(|| {
                Failure::request(
                    90010,
                    "The Authorization header is not a client id and secret by the Basic scheme.",
                )
            })?;
            let same = form.get("client_id").is_none_or(|sent| sent == id);
            if form.get("client_secret").is_some() || !same {
                return Err(Failure::request(
                    90010,
                    "Client credentials are sent twice: use the Authorization header or the body, not both.",
                ));
            }
            (id, Some(secret))
        }
        (Some(_), Some(_)) => {
            return Err(Failure::request(90010, "There is more than one Authorization header."));
        }
    };
    let fits = |text: &str| text.len() <= CREDENTIAL_MAX;
    if fits(&id) && secret.as_deref().is_none_or(fits) {
        Ok((id, secret))
    } else {
        Err(Failure::request(90010, "The client id or secret is too long."))
    }
}

/// Reads `Basic …`: both halves are form-encoded first (RFC 6749 §2.3.1).
fn basic(value: &str) -> Option<(String, String)> {
    let (scheme, rest) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((form_decoded(id)?, form_decoded(secret)?))
}

fn form_decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_decoded_once() {
        let of = |text: &str| basic(&format!("basic {}", STANDARD.encode(text)));
        assert_eq!(of("a:b"), Some(("a".into(), "b".into())));
        assert_eq!(of("a%3Ab:c+d%2B"), Some(("a:b".into(), "c d+".into())));
        assert_eq!(of("no colon"), None);
        assert_eq!(basic("Basic !!"), None);
        assert_eq!(basic("Bearer YTpi"), None);
    }
}
