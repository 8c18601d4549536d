//! Name and secret by HTTP Basic (RFC 7617), as clients of the MLflow protocol send them: the id and the secret of a client, or the name
//! and the password of a person. Taken under the paths of that protocol alone.
//!
//! A pair that was proven is remembered by its SHA-256, bounded. Every use asks the snapshot whether its principal still stands; whenever
//! the ledger went on since, the store is asked whether the secret still is the one in use.

use crate::control::Unknown;
use crate::gateway::Gateway;
use crate::{secret, tokens};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::{Actor, Digest, ErrorCode, Fault, Name, Timestamp};
use http::{HeaderMap, header};
use quick_cache::sync::Cache;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use web::{Caller, Problem};
use zeroize::Zeroizing;

/// Pairs remembered at most.
const PAIRS: usize = 4096;
/// The longest pair that is looked at, in bytes of its header.
const HEADER_MAX: usize = 4096;

/// What was sent.
pub(crate) struct Sent {
    user: String,
    password: Zeroizing<String>,
    digest: [u8; 32],
}

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sent").field("user", &self.user).finish_non_exhaustive()
    }
}

/// What made a pair good.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Proof {
    /// A client's secret, with its end.
    Secret(Digest, Option<Timestamp>),
    /// The hash of a person's password.
    Password(String),
}

/// A pair that was proven.
#[derive(Debug, Clone)]
struct Proven {
    name: Name,
    /// The id of a client.
    client: Option<String>,
    proof: Proof,
    /// The ledger's position when it was last looked up.
    sequence: i64,
}

/// The pairs that were proven lately.
#[derive(Debug)]
pub(crate) struct Pairs(Cache<[u8; 32], Arc<Proven>>);

impl Pairs {
    pub(crate) fn new() -> Self {
        Self(Cache::new(PAIRS))
    }
}

/// The pair a request brings; none without exactly one Basic header.
pub(crate) fn sent(headers: &HeaderMap) -> Option<Sent> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (all.next()?, all.next()) else { return None };
    let (scheme, rest) = value.to_str().ok().filter(|v| v.len() <= HEADER_MAX)?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = Zeroizing::new(STANDARD.decode(rest.trim()).ok()?);
    let digest = secret::digest(&bytes).0;
    let (user, password) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
    Some(Sent { user: user.to_owned(), password: Zeroizing::new(password.to_owned()), digest })
}

/// Who sent it.
pub(crate) async fn authenticate(gateway: &Gateway, sent: &Sent, from: IpAddr) -> Result<Caller, Unknown> {
    let known = gateway.pairs.0.get(&sent.digest);
    let proven = match known {
        Some(proven) => match renewed(gateway, &proven).await? {
            Some(proven) => proven,
            None => {
                gateway.pairs.0.remove(&sent.digest);
                prove(gateway, sent, from).await?
            }
        },
        None => prove(gateway, sent, from).await?,
    };
    let caller = caller(gateway, &proven).ok_or_else(wrong)?;
    gateway.pairs.0.insert(sent.digest, proven);
    Ok(caller)
}

/// What the principal may do now; none when it was revoked.
fn caller(gateway: &Gateway, proven: &Proven) -> Option<Caller> {
    let snapshot = gateway.snapshot.load();
    let role = match &proven.client {
        Some(client) => snapshot.client(client)?.role,
        None => snapshot.person(&proven.name)?,
    };
    Some(Caller { actor: Actor(proven.name.to_string()), role, job: None })
}

/// A pair proven before, when its secret still is the one in use.
async fn renewed(gateway: &Gateway, proven: &Arc<Proven>) -> Result<Option<Arc<Proven>>, Unknown> {
    if let Proof::Secret(_, Some(end)) = proven.proof
        && Timestamp::now() >= end
    {
        return Ok(None);
    }
    let sequence = gateway.snapshot.load().sequence;
    if sequence == proven.sequence {
        return Ok(Some(proven.clone()));
    }
    let stands = match (&proven.client, &proven.proof) {
        (Some(client), Proof::Secret(digest, _)) => {
            let found = gateway.store.principal_secrets(client).await.map_err(failed)?;
            found.is_some_and(|(_, secrets)| secrets.iter().any(|s| s.digest == *digest))
        }
        (_, Proof::Password(hash)) => {
            let found = gateway.store.password_login(&proven.name).await.map_err(failed)?;
            found.is_some_and(|login| login.hash == *hash && !login.temporary)
        }
        (None, Proof::Secret(..)) => false,
    };
    Ok(stands.then(|| Arc::new(Proven { sequence, ..Proven::clone(proven) })))
}

async fn prove(gateway: &Gateway, sent: &Sent, from: IpAddr) -> Result<Arc<Proven>, Unknown> {
    // Before the store is asked: what it tells is at least as new.
    let sequence = gateway.snapshot.load().sequence;
    let (name, client, proof) = if uuid::Uuid::try_parse(&sent.user).is_ok() {
        let (name, proof) = prove_client(gateway, sent, from).await?;
        (name, Some(sent.user.clone()), proof)
    } else {
        let (person, hash, temporary) = gateway
            .prove_person(&sent.user, &sent.password, from)
            .await
            .map_err(|refused| Unknown::from(refused.into_parts()))?;
        if temporary {
            let text = "the first secret only sets a password: log in with it, then send the password";
            return Err(Problem::new(ErrorCode::Unauthenticated, text).into());
        }
        (person.name, None, Proof::Password(hash))
    };
    Ok(Arc::new(Proven { name, client, proof, sequence }))
}

/// A client by its id and secret. Every failure counts toward the lock-out.
async fn prove_client(gateway: &Gateway, sent: &Sent, from: IpAddr) -> Result<(Name, Proof), Unknown> {
    let id = sent.user.as_str();
    gateway.lockout.check(from, id, Instant::now()).map_err(|wait| {
        gateway.metrics.refused("locked_out");
        let text = "locked out at this address after too many wrong secrets: try again later";
        Unknown::from((Problem::new(ErrorCode::TooManyRequests, text), Some(wait)))
    })?;
    let known = gateway.store.principal_secrets(id).await.map_err(failed)?;
    let given = secret::digest(sent.password.as_bytes());
    let now = Timestamp::now();
    let found = known.as_ref().and_then(|(principal, secrets)| {
        let live = secrets.iter().filter(|s| s.info.expires.is_none_or(|end| now < end));
        let hit = live.into_iter().find(|s| secret::known(&given, &[s.digest]))?;
        principal.revoked.is_none().then_some((principal, hit.info.expires, secrets))
    });
    let Some((principal, expires, secrets)) = found else {
        gateway.login_failed(from, id, known.as_ref().map(|(principal, _)| &principal.name)).await;
        return Err(wrong());
    };
    gateway.lockout.succeeded(from, id);
    tokens::note_use(gateway, principal, &given, secrets);
    Ok((principal.name.clone(), Proof::Secret(given, expires)))
}

fn wrong() -> Unknown {
    let text = "the name or the secret is wrong: send the id and the secret of a client, or the name and the password of a person";
    Problem::new(ErrorCode::Unauthenticated, text).into()
}

fn failed(error: store::Error) -> Unknown {
    Problem::from(Fault::from(error)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn read(values: &[String]) -> Option<(String, String)> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        sent(&headers).map(|s| (s.user, s.password.to_string()))
    }

    #[test]
    fn one_header_is_read_and_only_the_first_colon_cuts() {
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        assert_eq!(read(&[basic("ada:pass:word")]), Some(("ada".into(), "pass:word".into())));
        for bad in [vec![], vec![basic("no colon")], vec!["Basic !".into()], vec!["Bearer YTpi".into()]] {
            assert_eq!(read(&bad), None, "{bad:?}");
        }
        assert_eq!(read(&[basic("a:b"), basic("a:b")]), None);
    }
}
