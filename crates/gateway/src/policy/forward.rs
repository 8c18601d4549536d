//! Claims of a token that go on with the request, in headers that no caller can write.

use crate::checks::Known;
use domain::Role;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use std::collections::BTreeMap;

/// The longest value in bytes; a claim that is longer is not forwarded.
const VALUE_MAX: usize = 1024;

/// A header and the claim it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forward {
    pub header: HeaderName,
    claim: String,
}

/// Reads the policy's member, whose names were judged before.
pub(crate) fn read(claims: &BTreeMap<String, String>) -> Result<Vec<Forward>, String> {
    let one = |(header, claim): (&String, &String)| {
        let header = header.parse().map_err(|_| format!("forward_claims: '{header}' is no header"))?;
        Ok(Forward { header, claim: claim.clone() })
    };
    claims.iter().map(one).collect()
}

/// Takes out what the caller wrote into such headers.
pub(crate) fn clear(headers: &mut HeaderMap, forwarded: &[HeaderName]) {
    for name in forwarded {
        headers.remove(name);
    }
}

/// Writes the claims of a caller that passed; one that is not there, or fits in no header, leaves its header out.
pub(crate) fn write(headers: &mut HeaderMap, forward: &[Forward], known: &Known) {
    for Forward { header, claim } in forward {
        headers.remove(header);
        let text = match known.live_role.filter(|_| claim == "roles") {
            // The roles of a principal of ours are those it has now.
            Some(role) => role.map(|role| Role::as_str(role).to_owned()),
            None => known.claims.all.get(claim).and_then(text),
        };
        if let Some(value) = text.as_deref().and_then(sane) {
            headers.insert(header, value);
        }
    }
}

/// A claim as text: text, a number, true or false; a list of them with commas between. Nothing that would read in two ways.
fn text(claim: &Value) -> Option<String> {
    match claim {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(claim.to_string()),
        Value::Array(items) => {
            let items = items.iter().map(|item| match item {
                Value::Array(_) => None,
                item => text(item).filter(|text| !text.contains(',')),
            });
            items.collect::<Option<Vec<String>>>().map(|items| items.join(","))
        }
        Value::Null | Value::Object(_) => None,
    }
}

/// Visible characters of ASCII and single places between them; anything else could be read as something else behind us.
fn sane(text: &str) -> Option<HeaderValue> {
    let plain = text.bytes().all(|b| matches!(b, b' '..=b'~'));
    let whole = !text.is_empty() && text.len() <= VALUE_MAX && text.trim() == text;
    (plain && whole).then(|| HeaderValue::from_str(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::Claims;
    use serde_json::json;
    use std::sync::Arc;

    fn forwarded(claims: &Value, live_role: Option<Option<Role>>) -> HeaderMap {
        let mut all = json!({"iss": "i", "aud": "a", "exp": 1});
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        let claims = Arc::new(Claims::parse(all.to_string().as_bytes()).unwrap());
        let known = Known { claims, name: "n".into(), live_role };
        let map = [("X-A", "a"), ("X-Roles", "roles")].map(|(h, c)| (h.to_owned(), c.to_owned()));
        let mut headers = HeaderMap::new();
        headers.append("x-a", HeaderValue::from_static("written by the caller"));
        headers.append("x-a", HeaderValue::from_static("twice"));
        headers.append("x-roles", HeaderValue::from_static("owner"));
        write(&mut headers, &read(&BTreeMap::from(map)).unwrap(), &known);
        headers
    }

    #[test]
    fn a_header_carries_the_claim_or_is_not_there() {
        for (claim, value) in [
            (json!("alice"), Some("alice")),
            (json!("a b"), Some("a b")),
            (json!(7), Some("7")),
            (json!(true), Some("true")),
            (json!(["a", "b", 3]), Some("a,b,3")),
            (json!(["a,b"]), None),
            (json!([["a"]]), None),
            (json!({"a": 1}), None),
            (json!(null), None),
            (json!(""), None),
            (json!(" a"), None),
            (json!("a\r\nX-Roles: owner"), None),
            (json!("z\u{fc}rich"), None),
            (json!("x".repeat(VALUE_MAX)), Some(&*"x".repeat(VALUE_MAX))),
            (json!("x".repeat(VALUE_MAX + 1)), None),
        ] {
            let headers = forwarded(&json!({ "a": claim }), None);
            let all: Vec<_> = headers.get_all("x-a").iter().map(|v| v.to_str().unwrap()).collect();
            assert_eq!(all, value.into_iter().collect::<Vec<_>>(), "{claim}");
            assert!(!headers.contains_key("x-roles"));
        }
    }

    #[test]
    fn roles_of_our_principals_are_those_of_now() {
        let roles = json!({"roles": ["owner"]});
        let now = forwarded(&roles, Some(Some(Role::Scorer)));
        assert_eq!(now["x-roles"], "scorer");
        assert!(!forwarded(&roles, Some(None)).contains_key("x-roles"));
        assert_eq!(forwarded(&roles, None)["x-roles"], "owner");
    }
}
