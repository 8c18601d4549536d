//! Headers set and removed, on the request before it is scored and on the answer.

use domain::{HeaderAction, HeaderRule};
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Headers of the connection and of framing (RFC 9110 §7.6.1, RFC 9112 §6): never a policy's to change.
const FRAMING: [HeaderName; 11] = [
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::EXPECT,
    header::HOST,
];
const KEEP_ALIVE: [&str; 2] = ["keep-alive", "proxy-connection"];

/// Headers of answers by which the server keeps its promises: no policy removes or weakens them.
const OWN: [HeaderName; 6] = [
    header::X_CONTENT_TYPE_OPTIONS,
    header::REFERRER_POLICY,
    header::CONTENT_SECURITY_POLICY,
    header::STRICT_TRANSPORT_SECURITY,
    header::WWW_AUTHENTICATE,
    header::RETRY_AFTER,
];

/// Which side a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Request,
    Answer,
}

/// Resolves a named value.
pub(crate) type Resolve<'a> = &'a dyn Fn(&str) -> Option<String>;

/// One rule, ready.
#[derive(Debug)]
pub(crate) struct Change {
    name: HeaderName,
    action: HeaderAction,
    values: Vec<HeaderValue>,
}

impl Change {
    /// Reads a rule; the error says which header is wrong and why.
    pub(crate) fn read(rule: &HeaderRule, side: Side, resolve: Resolve<'_>) -> Result<Self, String> {
        let wrong = |why: &str| format!("the header '{}': {why}", rule.name);
        let name: HeaderName = rule.name.parse().map_err(|_| wrong("this is no header's name"))?;
        if FRAMING.contains(&name) || KEEP_ALIVE.contains(&name.as_str()) {
            return Err(wrong("it belongs to the connection or to framing and cannot be changed"));
        }
        if side == Side::Answer {
            if OWN.contains(&name) {
                return Err(wrong("the server sets it itself and no policy may change it"));
            }
            if name.as_str().starts_with("access-control-") {
                return Err(wrong("cross-origin headers come from the policy's 'cors'"));
            }
        }
        if rule.values.is_empty() != (rule.action == HeaderAction::Delete) {
            return Err(wrong("a header that is deleted has no value, any other has at least one"));
        }
        let value = |text: &String| {
            let (text, secret) = resolved(text, resolve).map_err(|why| wrong(&why))?;
            let mut value = HeaderValue::from_str(&text)
                .map_err(|_| wrong("its value has characters that no header may have"))?;
            value.set_sensitive(secret);
            Ok(value)
        };
        let values = rule.values.iter().map(value).collect::<Result<_, String>>()?;
        Ok(Self { name, action: rule.action, values })
    }

    /// The name of the header.
    pub(crate) fn name(&self) -> &HeaderName {
        &self.name
    }

    /// The only value of a rule that puts it in place of what is there.
    pub(crate) fn only_value(&self) -> Option<&HeaderValue> {
        match (&self.values[..], self.action) {
            ([one], HeaderAction::Override) => Some(one),
            _ => None,
        }
    }

    /// Whether the rule removes.
    pub(crate) fn deletes(&self) -> bool {
        self.action == HeaderAction::Delete
    }
}

/// Applies rules in their order.
pub(crate) fn apply(rules: &[Change], headers: &mut HeaderMap) {
    for rule in rules {
        match rule.action {
            HeaderAction::Skip if headers.contains_key(&rule.name) => continue,
            HeaderAction::Override | HeaderAction::Delete => {
                headers.remove(&rule.name);
            }
            HeaderAction::Skip | HeaderAction::Append => {}
        }
        for value in &rule.values {
            headers.append(&rule.name, value.clone());
        }
    }
}

/// A text with its named values put in, and whether there was one.
fn resolved(text: &str, resolve: Resolve<'_>) -> Result<(String, bool), String> {
    let (mut out, mut rest, mut named) = (String::new(), text, false);
    while let Some((before, behind)) = rest.split_once("{{") {
        let (name, after) =
            behind.split_once("}}").ok_or_else(|| "a named value ends with '}}'".to_owned())?;
        let name = name.trim();
        let value = resolve(name).ok_or_else(|| format!("there is no named value '{name}'"))?;
        out.push_str(before);
        out.push_str(&value);
        (rest, named) = (after, true);
    }
    out.push_str(rest);
    Ok((out, named))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, action: HeaderAction, values: &[&str]) -> HeaderRule {
        HeaderRule { name: name.into(), action, values: values.iter().map(|v| (*v).to_owned()).collect() }
    }

    fn read(rule: &HeaderRule, side: Side) -> Result<Change, String> {
        Change::read(rule, side, &|name| (name == "Key").then(|| "s3cret".to_owned()))
    }

    #[test]
    fn rules_act_in_order() {
        let mut headers = HeaderMap::new();
        headers.append("x-a", HeaderValue::from_static("1"));
        headers.append("x-a", HeaderValue::from_static("2"));
        headers.append("x-b", HeaderValue::from_static("1"));
        let rules: Vec<Change> = [
            rule("X-A", HeaderAction::Override, &["new"]),
            rule("x-b", HeaderAction::Skip, &["not"]),
            rule("x-c", HeaderAction::Skip, &["set"]),
            rule("x-b", HeaderAction::Append, &["2", "3"]),
            rule("x-d", HeaderAction::Append, &["Bearer {{Key}}!"]),
            rule("x-c", HeaderAction::Delete, &[]),
        ]
        .iter()
        .map(|r| read(r, Side::Request).unwrap())
        .collect();
        apply(&rules, &mut headers);
        let all = |name: &str| headers.get_all(name).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!(all("x-a"), ["new"]);
        assert_eq!(all("x-b"), ["1", "2", "3"]);
        assert_eq!(all("x-c"), [""; 0]);
        assert_eq!(all("x-d"), ["Bearer s3cret!"]);
        assert!(!format!("{rules:?}").contains("s3cret"));
    }

    #[test]
    fn what_no_policy_may_change_is_refused() {
        let set = HeaderAction::Override;
        for (name, side) in [
            ("Connection", Side::Request),
            ("Keep-Alive", Side::Request),
            ("Transfer-Encoding", Side::Answer),
            ("content-length", Side::Answer),
            ("Host", Side::Request),
            ("X-Content-Type-Options", Side::Answer),
            ("WWW-Authenticate", Side::Answer),
            ("Access-Control-Allow-Origin", Side::Answer),
            ("not a name", Side::Answer),
            ("", Side::Answer),
        ] {
            assert!(read(&rule(name, set, &["x"]), side).is_err(), "{name}");
        }
        for bad in [
            rule("x", set, &[]),
            rule("x", HeaderAction::Delete, &["v"]),
            rule("x", set, &["a\r\nb: c"]),
            rule("x", set, &["{{Other}}"]),
            rule("x", set, &["{{Key"]),
        ] {
            assert!(read(&bad, Side::Answer).is_err(), "{bad:?}");
        }
    }
}
