//! `token verify`: judges one token by a key set in a file.

use crate::jose::{Algorithm, KeySet, Refusal, verify};
use crate::jwt::{Claims, Times};
use domain::Fault;
use serde_json::{Map, Value};

/// What a token must be besides rightly signed; nothing of it is judged unless stated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expectations {
    /// The issuer, exactly.
    pub issuer: Option<String>,
    /// An audience it must name.
    pub audience: Option<String>,
}

/// Clock skew allowed here, and no bound on the lifetime: that is the gate's policy.
const TIMES: Times = Times { skew: 30, max_lifetime: i64::MAX / 2 };

/// Judges a token: the JWS by itself, the claims (dates included) only when an issuer or an audience is stated.
///
/// The outer result is the key set's: it cannot be read. The inner is the token's: its claims when they were judged.
pub fn verify_token(
    jwks: &[u8],
    token: &str,
    expect: &Expectations,
    now: i64,
) -> Result<Result<Option<Map<String, Value>>, Refusal>, Fault> {
    let keys = KeySet::parse(jwks)
        .ok_or_else(|| Fault::invalid("the key set is no JWK set: write {\"keys\":[…]} with public keys"))?;
    Ok(judge(&keys, token, expect, now))
}

fn judge(
    keys: &KeySet,
    token: &str,
    expect: &Expectations,
    now: i64,
) -> Result<Option<Map<String, Value>>, Refusal> {
    let verified = verify(token, keys, &Algorithm::ALL)?;
    if expect.issuer.is_none() && expect.audience.is_none() {
        return Ok(None);
    }
    let claims = Claims::parse(&verified.payload)?;
    claims.check_times(TIMES, now)?;
    if expect.issuer.as_ref().is_some_and(|issuer| *issuer != claims.issuer) {
        return Err(Refusal::Issuer);
    }
    if expect.audience.as_ref().is_some_and(|audience| !claims.audiences.contains(audience)) {
        return Err(Refusal::Audience);
    }
    Ok(Some(claims.all))
}
