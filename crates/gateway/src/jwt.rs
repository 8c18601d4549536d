//! Claims of a JWT (RFC 7519, RFC 9068) and the rules they are judged by.

use crate::jose::{Refusal, strict};
use domain::ClaimRule;
use serde_json::{Map, Value};

/// Numeric dates beyond this (the year 5138) are nonsense.
const DATE_MAX: i64 = 100_000_000_000;

/// Bounds on time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// How far clocks may differ, in seconds.
    pub skew: i64,
    /// The longest a token may be valid, in seconds.
    pub max_lifetime: i64,
}

/// The claims of a token, read and typed.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims {
    /// `iss`.
    pub issuer: String,
    /// `aud`, one or several.
    pub audiences: Vec<String>,
    /// `sub`.
    pub subject: Option<String>,
    /// `client_id`, `azp` or `appid`: the first that is there.
    pub client_id: Option<String>,
    /// `jti`.
    pub id: Option<String>,
    /// `exp`, seconds since 1970.
    pub expires: i64,
    /// `iat`.
    pub issued: Option<i64>,
    /// `nbf`.
    pub not_before: Option<i64>,
    /// `x5t#S256` of `cnf`: the thumbprint of the client certificate it is bound to (RFC 8705 §3.1).
    pub bound_to: Option<String>,
    /// All claims.
    pub all: Map<String, Value>,
}

impl Claims {
    /// Reads a payload. `iss`, `aud` and `exp` are required; what is there must have its type.
    pub fn parse(payload: &[u8]) -> Result<Self, Refusal> {
        let all = strict::object(payload).ok_or(Refusal::NotJson)?;
        let text = |name: &'static str| match all.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(Refusal::Claim(name)),
        };
        let date = |name: &'static str| match all.get(name) {
            None => Ok(None),
            Some(value) => numeric_date(value).map(Some).ok_or(Refusal::Claim(name)),
        };
        let client = [text("client_id")?, text("azp")?, text("appid")?];
        Ok(Self {
            issuer: text("iss")?.ok_or(Refusal::Claim("iss"))?,
            audiences: audiences(all.get("aud")).ok_or(Refusal::Claim("aud"))?,
            subject: text("sub")?,
            client_id: client.into_iter().flatten().next(),
            id: text("jti")?,
            expires: date("exp")?.ok_or(Refusal::Claim("exp"))?,
            issued: date("iat")?,
            not_before: date("nbf")?,
            bound_to: confirmation(all.get("cnf"))?,
            all,
        })
    }

    /// Judges the dates at `now`, seconds since 1970.
    pub fn check_times(&self, times: Times, now: i64) -> Result<(), Refusal> {
        if now >= self.expires + times.skew {
            return Err(Refusal::Expired);
        }
        let future = |date: Option<i64>| date.is_some_and(|d| d > now + times.skew);
        if future(self.not_before) || future(self.issued) {
            return Err(Refusal::Early);
        }
        // Without `iat` the rest of its life is all that is known of its length.
        if self.expires - self.issued.unwrap_or(now) > times.max_lifetime {
            return Err(Refusal::Lifetime);
        }
        Ok(())
    }

    /// Judges the binding to a client certificate: a token that has one passes only over a connection that has shown it (RFC 8705 §3).
    pub fn check_binding(&self, certificate: Option<&web::ClientCertificate>) -> Result<(), Refusal> {
        match &self.bound_to {
            Some(bound) if certificate.is_none_or(|shown| shown.thumbprint != *bound) => {
                Err(Refusal::Unbound)
            }
            _ => Ok(()),
        }
    }

    /// Whether one of the audiences is named.
    pub fn is_for(&self, audiences: &[String]) -> bool {
        audiences.iter().any(|a| self.audiences.contains(a))
    }

    /// Whether each rule holds: one of its values, or all of them, stands in the claim as text, in a list, or as a word of
    /// separated text (`scope` and `scp` at spaces).
    pub fn fulfil(&self, required: &[ClaimRule]) -> bool {
        required.iter().all(|rule| {
            let Some(claim) = self.all.get(&rule.claim) else { return false };
            let has = |wanted: &String| has(rule, claim, wanted);
            if rule.all { rule.values.iter().all(has) } else { rule.values.iter().any(has) }
        })
    }
}

fn has(rule: &ClaimRule, claim: &Value, wanted: &str) -> bool {
    let separator = rule.separator.as_deref().or(matches!(&*rule.claim, "scope" | "scp").then_some(" "));
    match (claim, separator) {
        (Value::String(text), Some(separator)) if !separator.is_empty() => {
            text.split(separator).any(|word| word == wanted)
        }
        (Value::String(text), _) => text == wanted,
        (Value::Array(items), _) => items.iter().filter_map(Value::as_str).any(|item| item == wanted),
        (Value::Bool(_) | Value::Number(_), _) => {
            let text = claim.to_string();
            text == wanted
        }
        (Value::Null | Value::Object(_), _) => false,
    }
}

/// What a token is bound to. A binding that is not understood here, as to a key of the client (RFC 9449), cannot be judged, so a
/// token with one never passes.
fn confirmation(claim: Option<&Value>) -> Result<Option<String>, Refusal> {
    let Some(claim) = claim else { return Ok(None) };
    let methods = claim.as_object().filter(|methods| methods.len() == 1);
    let thumbprint = methods.and_then(|methods| methods.get("x5t#S256")).and_then(Value::as_str);
    thumbprint.map(|text| Some(text.to_owned())).ok_or(Refusal::Claim("cnf"))
}

fn numeric_date(value: &Value) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "bounded by the check of the range just below")]
    let seconds = value.as_i64().or_else(|| {
        let fraction = value.as_f64().filter(|f| (0.0..1e11).contains(f))?;
        Some(fraction as i64)
    })?;
    (0..=DATE_MAX).contains(&seconds).then_some(seconds)
}

fn audiences(value: Option<&Value>) -> Option<Vec<String>> {
    match value? {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(some) if !some.is_empty() => {
            some.iter().map(|a| a.as_str().map(str::to_owned)).collect()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TIMES: Times = Times { skew: 30, max_lifetime: 86_400 };

    fn claims(change: &Value) -> Result<Claims, Refusal> {
        let mut all = json!({"iss": "i", "aud": "a", "exp": 2000, "iat": 1000, "nbf": 1000});
        for (name, value) in change.as_object().unwrap() {
            all[name] = value.clone();
            if value.is_null() {
                all.as_object_mut().unwrap().remove(name);
            }
        }
        Claims::parse(all.to_string().as_bytes())
    }

    #[test]
    fn times_are_judged_at_their_bounds() {
        let at = |change: Value, now| claims(&change).and_then(|c| c.check_times(TIMES, now));
        assert_eq!(at(json!({}), 1000), Ok(()));
        assert_eq!(at(json!({}), 2029), Ok(()));
        assert_eq!(at(json!({}), 2030), Err(Refusal::Expired));
        assert_eq!(at(json!({}), 970), Ok(()));
        assert_eq!(at(json!({}), 969), Err(Refusal::Early));
        assert_eq!(at(json!({"nbf": null}), 969), Err(Refusal::Early));
        assert_eq!(at(json!({"iat": null}), 969), Err(Refusal::Early));
        assert_eq!(at(json!({"exp": 1000 + 86_400}), 1500), Ok(()));
        assert_eq!(at(json!({"exp": 1001 + 86_400}), 1500), Err(Refusal::Lifetime));
        assert_eq!(at(json!({"exp": 90_000, "iat": null, "nbf": null}), 1000), Err(Refusal::Lifetime));
    }

    #[test]
    fn a_bound_token_needs_its_certificate() {
        let shown = |thumbprint: &str| web::ClientCertificate {
            subject: "CN=a".to_owned(),
            names: Vec::new(),
            thumbprint: thumbprint.to_owned(),
        };
        let bound = claims(&json!({"cnf": {"x5t#S256": "abc"}})).unwrap();
        assert_eq!(bound.check_binding(Some(&shown("abc"))), Ok(()));
        assert_eq!(bound.check_binding(Some(&shown("abd"))), Err(Refusal::Unbound));
        assert_eq!(bound.check_binding(None), Err(Refusal::Unbound));
        let free = claims(&json!({})).unwrap();
        assert_eq!(free.check_binding(None), Ok(()));
        assert_eq!(free.check_binding(Some(&shown("abc"))), Ok(()));
        for odd in [
            json!({}),
            json!({"jkt": "x"}),
            json!({"x5t#S256": 1}),
            json!("x"),
            json!({"x5t#S256": "a", "jkt": "b"}),
        ] {
            assert_eq!(claims(&json!({ "cnf": odd })), Err(Refusal::Claim("cnf")), "{odd}");
        }
    }

    #[test]
    fn claims_must_be_there_and_have_their_type() {
        for (name, value) in [
            ("exp", json!(null)),
            ("exp", json!("2000")),
            ("exp", json!(-1)),
            ("exp", json!(1e300)),
            ("iat", json!(true)),
            ("nbf", json!([1])),
            ("iss", json!(null)),
            ("iss", json!(1)),
            ("aud", json!(null)),
            ("aud", json!([])),
            ("aud", json!(["a", 1])),
            ("jti", json!(1)),
            ("sub", json!({})),
        ] {
            assert_eq!(claims(&json!({name: value})), Err(Refusal::Claim(name)), "{name}");
        }
        assert_eq!(claims(&json!({"exp": 2000.7})).unwrap().expires, 2000);
        assert_eq!(Claims::parse(br#"{"iss":"i","aud":"a","exp":1,"exp":2}"#), Err(Refusal::NotJson));
    }

    #[test]
    fn required_claims_match_whole_values() {
        let c = claims(
            &json!({"roles": ["scorer", "x"], "scp": "read write", "tid": "t", "n": 5, "list": "a,b"}),
        )
        .unwrap();
        let need = |name: &str, values: &[&str]| {
            let values = values.iter().map(|v| (*v).to_owned()).collect();
            c.fulfil(&[ClaimRule { claim: name.to_owned(), values, all: false, separator: None }])
        };
        let rule = |all, separator: Option<&str>, values: &[&str]| ClaimRule {
            claim: if separator.is_some() { "list" } else { "roles" }.to_owned(),
            values: values.iter().map(|v| (*v).to_owned()).collect(),
            all,
            separator: separator.map(str::to_owned),
        };
        assert!(
            c.fulfil(&[rule(true, None, &["scorer", "x"])])
                && !c.fulfil(&[rule(true, None, &["scorer", "y"])])
        );
        assert!(
            c.fulfil(&[rule(true, Some(","), &["a", "b"])]) && !c.fulfil(&[rule(false, Some(";"), &["a"])])
        );
        assert!(need("roles", &["owner", "scorer"]) && need("scp", &["write"]) && need("n", &["5"]));
        assert!(!need("roles", &["score"]) && !need("scp", &["read write"]) && !need("tid", &["t "]));
        assert!(!need("absent", &["x"]) && !need("tid", &[]));
        assert!(c.is_for(&["b".into(), "a".into()]) && !c.is_for(&["A".into()]));
    }
}
