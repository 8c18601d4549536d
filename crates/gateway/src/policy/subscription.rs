//! Subscription keys (contract GW-12): in a header or in the query, besides the token.

use crate::secret::digest;
use domain::Digest;
use http::request::Parts;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// The header that carries the key; it goes no further than the gate.
pub(crate) const HEADER: &str = "ocp-apim-subscription-key";
/// The parameter of the query that carries it else.
const PARAMETER: &str = "subscription-key";

/// A subscription as the gate sees it.
#[derive(Debug)]
pub(crate) struct Subscribed {
    pub name: Arc<str>,
    /// The API it is for; all when none.
    api: Option<Box<str>>,
}

/// The live subscriptions by the digest of each of their keys.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions(HashMap<Digest, Arc<Subscribed>>);

/// Why a key does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoKey {
    Missing,
    Invalid,
}

impl Subscriptions {
    /// Adds a subscription with its keys.
    pub(crate) fn add(&mut self, name: &str, api: Option<&str>, keys: &endpoint::Keys) {
        let one = Arc::new(Subscribed { name: name.into(), api: api.map(Into::into) });
        for key in [&keys.primary, &keys.secondary] {
            self.0.insert(digest(key.as_bytes()), one.clone());
        }
    }

    /// The subscription whose key a request carries. Found by the digest: how long that takes tells nothing of any key.
    pub(crate) fn of(&self, parts: &Parts, api: &str) -> Result<&Arc<Subscribed>, NoKey> {
        let key = sent(parts)?;
        let found = self.0.get(&digest(key.as_bytes())).ok_or(NoKey::Invalid)?;
        if found.api.as_deref().is_some_and(|own| own != api) {
            return Err(NoKey::Invalid);
        }
        Ok(found)
    }
}

/// The one key a request carries.
fn sent(parts: &Parts) -> Result<Cow<'_, str>, NoKey> {
    let mut all = parts.headers.get_all(HEADER).iter();
    if let Some(key) = all.next() {
        let one = all.next().is_none();
        return key.to_str().ok().filter(|_| one).map(Cow::Borrowed).ok_or(NoKey::Invalid);
    }
    let query = parts.uri.query().unwrap_or_default();
    let mut keys = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == PARAMETER);
    let key = keys.next().ok_or(NoKey::Missing)?.1;
    if keys.next().is_some() { Err(NoKey::Invalid) } else { Ok(key) }
}

/// A query without the key, for what scores.
pub(crate) fn stripped(query: &str) -> Cow<'_, str> {
    let is_key = |pair: &str| {
        form_urlencoded::parse(pair.as_bytes()).next().is_some_and(|(name, _)| name == PARAMETER)
    };
    if !query.split('&').any(is_key) {
        return Cow::Borrowed(query);
    }
    Cow::Owned(query.split('&').filter(|pair| !is_key(pair)).collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn keys(text: &str) -> endpoint::Keys {
        endpoint::Keys { primary: format!("{text}1"), secondary: format!("{text}2") }
    }

    fn asked(query: &str, headers: &[&str]) -> Result<String, NoKey> {
        let mut subscriptions = Subscriptions::default();
        subscriptions.add("all", None, &keys("a"));
        subscriptions.add("one", Some("credit"), &keys("o"));
        subscriptions.add("other", Some("other"), &keys("x"));
        let mut request = Request::builder().uri(format!("/credit/score{query}"));
        for key in headers {
            request = request.header(HEADER, *key);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        subscriptions.of(&parts, "credit").map(|s| s.name.to_string())
    }

    #[test]
    fn one_key_of_a_live_subscription_for_this_api_passes() {
        assert_eq!(asked("", &["a1"]).unwrap(), "all");
        assert_eq!(asked("", &["o2"]).unwrap(), "one");
        assert_eq!(asked("?x=1&subscription-key=a2", &[]).unwrap(), "all");
        assert_eq!(asked("?subscription%2Dkey=a2", &[]).unwrap(), "all");
        assert_eq!(asked("?subscription-key=wrong", &["a1"]).unwrap(), "all", "the header decides");
        assert_eq!(asked("", &[]), Err(NoKey::Missing));
        for (query, headers) in [
            ("", vec![""]),
            ("", vec!["wrong"]),
            ("", vec!["x1"]),
            ("", vec!["a1", "a1"]),
            ("?subscription-key=a1&subscription-key=a1", vec![]),
            ("?subscription-key=a1", vec!["wrong"]),
        ] {
            assert_eq!(asked(query, &headers), Err(NoKey::Invalid), "{query} {headers:?}");
        }
    }

    #[test]
    fn the_key_leaves_the_query() {
        for (query, left) in [
            ("a=1&b=2", "a=1&b=2"),
            ("a=1&subscription-key=k&b=2", "a=1&b=2"),
            ("subscription-key=k", ""),
            ("subscription%2dkey=k&a=%20", "a=%20"),
            ("xsubscription-key=k", "xsubscription-key=k"),
        ] {
            assert_eq!(stripped(query), left, "{query}");
        }
    }
}
