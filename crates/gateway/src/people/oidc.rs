//! What an ID token says (OpenID Connect Core 1.0 §3.1.3.7), and the role that its claims give.

use crate::config::LoginConfig;
use crate::jose::{Algorithm, KeySet, Refusal, verify};
use crate::jwt::{Claims, Times};
use crate::secret;
use domain::{Fault, Name, Role};
use serde_json::Value;

/// How far the provider's clock may differ, and how long an ID token may be valid, in seconds.
const TIMES: Times = Times { skew: 30, max_lifetime: 86_400 };
/// The longest subject (OpenID Connect Core 1.0 §2).
const SUBJECT_MAX: usize = 255;

/// What is taken from the settings for judging logins.
#[derive(Debug)]
pub(super) struct Rules {
    pub issuer: String,
    pub client_id: String,
    required: Vec<(String, String)>,
    role_claim: String,
    roles: Vec<(String, Role)>,
    name_claim: String,
}

/// Somebody a provider vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Vouched {
    pub subject: String,
    /// The name it has there, as far as it can be one here.
    pub name: Name,
    /// None: its claims give no role here.
    pub role: Option<Role>,
}

impl Rules {
    pub(super) fn new(config: &LoginConfig) -> Result<Self, Fault> {
        let pair = |text: &String, what: &str| {
            text.split_once('=')
                .map(|(left, right)| (left.trim().to_owned(), right.trim().to_owned()))
                .ok_or_else(|| {
                    Fault::invalid(format!("gateway.login.{what}: '{text}' is no {what}: write NAME=VALUE"))
                })
        };
        let role = |text: &String| {
            // From the right: a group may be a path with '=' in it.
            let parsed = text
                .rsplit_once('=')
                .and_then(|(value, role)| Some((value.trim().to_owned(), Role::parse(role.trim())?)));
            parsed.ok_or_else(|| {
                Fault::invalid(format!("gateway.login.roles: '{text}': write VALUE=ROLE, the role being reader, contributor, owner or scorer"))
            })
        };
        Ok(Self {
            issuer: config.issuer.clone(),
            client_id: config.client_id.clone(),
            required: config.required.iter().map(|text| pair(text, "required")).collect::<Result<_, _>>()?,
            role_claim: config.role_claim.clone(),
            roles: config.roles.iter().map(role).collect::<Result<_, _>>()?,
            name_claim: config.name_claim.clone(),
        })
    }

    /// Judges an ID token: signature, issuer, audience, times, nonce, and the claims that are demanded.
    pub(super) fn judge(
        &self,
        token: &str,
        keys: &KeySet,
        nonce: &str,
        now: i64,
    ) -> Result<Vouched, Refusal> {
        let verified = verify(token, keys, &Algorithm::GATE)?;
        // An access token of the same provider is no proof of a login.
        if verified.typ.as_deref().is_some_and(|typ| !typ.eq_ignore_ascii_case("jwt")) {
            return Err(Refusal::Type);
        }
        let claims = Claims::parse(&verified.payload)?;
        claims.check_times(TIMES, now)?;
        if claims.issued.is_none() {
            return Err(Refusal::Claim("iat"));
        }
        if claims.issuer != self.issuer {
            return Err(Refusal::Issuer);
        }
        let party = claims.all.get("azp").map(|azp| azp.as_str() == Some(&self.client_id));
        let for_us = claims.audiences.contains(&self.client_id);
        if !for_us || party == Some(false) || (claims.audiences.len() > 1 && party.is_none()) {
            return Err(Refusal::Audience);
        }
        let given = claims.all.get("nonce").and_then(Value::as_str).unwrap_or_default();
        if !secret::known(&secret::digest(given.as_bytes()), &[secret::digest(nonce.as_bytes())]) {
            return Err(Refusal::Claim("nonce"));
        }
        self.vouched(&claims)
    }

    fn vouched(&self, claims: &Claims) -> Result<Vouched, Refusal> {
        let all = &claims.all;
        let subject = claims.subject.clone().filter(|s| !s.is_empty() && s.len() <= SUBJECT_MAX);
        let subject = subject.ok_or(Refusal::Claim("sub"))?;
        let holds = |(name, value): &(String, String)| values(all.get(name)).any(|v| v == *value);
        if !self.required.iter().all(holds) {
            return Err(Refusal::Claim("required"));
        }
        let held: Vec<String> = values(all.get(&self.role_claim)).collect();
        let given = self.roles.iter().filter(|(value, _)| held.contains(value)).map(|(_, role)| *role);
        let role =
            given.reduce(|best, role| if best.includes(role) || role == Role::Scorer { best } else { role });
        let name = name(all.get(&self.name_claim), &subject, &self.issuer)?;
        Ok(Vouched { name, subject, role })
    }
}

/// A claim's texts: one, or several in a list; a true or false as text.
fn values(claim: Option<&Value>) -> impl Iterator<Item = String> + '_ {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    let list = claim.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    claim.and_then(one).into_iter().chain(list.iter().filter_map(one))
}

/// A name for somebody new: what the claim says as far as it can be a name here, else one made from the subject.
fn name(claim: Option<&Value>, subject: &str, issuer: &str) -> Result<Name, Refusal> {
    let told = claim.and_then(Value::as_str).unwrap_or_default();
    let plain: String = told
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .take(40)
        .collect();
    let plain = plain.trim_matches('-');
    // The ledger's own actors are nobody's name.
    let made = format!("person-{}", &mark(issuer, subject)[..12]);
    let told = Name::new(plain).ok().filter(|n| !matches!(n.as_str(), "admin" | "system"));
    told.or_else(|| Name::new(made).ok()).ok_or(Refusal::Claim("sub"))
}

/// A short mark of a subject, for a name that is not taken.
pub(super) fn mark(issuer: &str, subject: &str) -> String {
    secret::digest(format!("{issuer}\n{subject}").as_bytes()).hex()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::test_key;
    use serde_json::json;

    const NOW: i64 = 1_700_000_000;

    fn rules() -> Rules {
        let mut config = LoginConfig::off();
        config.issuer = "https://idp.example".into();
        config.client_id = "portcullis".into();
        config.role_claim = "groups".into();
        config.roles = vec!["cn=ml=owner".into(), "staff=reader".into()];
        config.required = vec!["email_verified=true".into()];
        Rules::new(&config).unwrap()
    }

    fn judged(change: &Value) -> Result<Vouched, Refusal> {
        let (key, set) = test_key();
        let mut claims = json!({
            "iss": "https://idp.example", "aud": "portcullis", "sub": "42", "iat": NOW, "exp": NOW + 300, "nonce": "n",
            "groups": ["staff", "other"], "email_verified": true, "preferred_username": "Ada Lovelace",
        });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            }
        }
        rules().judge(&key.sign(crate::signing::Typ::Jwt, &claims).unwrap(), &set, "n", NOW)
    }

    #[test]
    fn a_good_id_token_names_a_person_and_its_role() {
        let good = judged(&json!({})).unwrap();
        assert_eq!(
            (good.subject.as_str(), good.name.as_str(), good.role),
            ("42", "ada-lovelace", Some(Role::Reader))
        );
        assert_eq!(judged(&json!({"groups": ["staff", "cn=ml"]})).unwrap().role, Some(Role::Owner));
        assert_eq!(judged(&json!({"groups": "staff"})).unwrap().role, Some(Role::Reader));
        for nothing in [json!(null), json!([]), json!(["Staff"]), json!({"staff": 1})] {
            assert_eq!(judged(&json!({"groups": nothing})).unwrap().role, None);
        }
        for odd in [json!("admin"), json!("!!"), json!(null), json!(7)] {
            let name = judged(&json!({"preferred_username": odd})).unwrap().name;
            assert!(name.as_str().starts_with("person-"), "{name}");
        }
        assert!(judged(&json!({"aud": ["portcullis", "x"], "azp": "portcullis"})).is_ok());
    }

    #[test]
    fn every_other_id_token_is_refused() {
        for (change, refusal) in [
            (json!({"nonce": "m"}), Refusal::Claim("nonce")),
            (json!({"nonce": null}), Refusal::Claim("nonce")),
            (json!({"iss": "https://idp.example/"}), Refusal::Issuer),
            (json!({"aud": "other"}), Refusal::Audience),
            (json!({"aud": ["portcullis", "x"]}), Refusal::Audience),
            (json!({"azp": "x"}), Refusal::Audience),
            (json!({"exp": NOW - 31}), Refusal::Expired),
            (json!({"iat": NOW + 31}), Refusal::Early),
            (json!({"iat": null}), Refusal::Claim("iat")),
            (json!({"sub": ""}), Refusal::Claim("sub")),
            (json!({"sub": null}), Refusal::Claim("sub")),
            (json!({"email_verified": false}), Refusal::Claim("required")),
        ] {
            assert_eq!(judged(&change), Err(refusal), "{change}");
        }
        let (key, set) = test_key();
        let access = key.sign(crate::signing::Typ::AccessToken, &json!({})).unwrap();
        assert_eq!(rules().judge(&access, &set, "n", NOW), Err(Refusal::Type));
        assert_eq!(rules().judge("a.b.c", &set, "n", NOW), Err(Refusal::NotCompact));
    }
}
