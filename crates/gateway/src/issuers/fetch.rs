//! Asking an issuer for its keys: discovery (OpenID Connect Discovery 1.0 §4, RFC 8414 §3), then the key set it names.
//!
//! Nothing of an answer is trusted but its size: the document must be of exactly the issuer that is asked for, the URL it names
//! obeys the same rules as the one it came from, and no redirect is followed.

use crate::jose::{Algorithm, KEYS_MAX, KeySet, strict};
use domain::{ErrorCode, Fault, KeySource, TrustedIssuer};
use outbound::{Client, Limits};
use serde_json::{Map, Value};
use std::time::Duration;
use url::{Host, Url};

/// The most bytes of an answer.
const ANSWER_MAX: u64 = 1 << 20;
/// Time for an answer.
const ANSWER_TIME: Duration = Duration::from_secs(3);
/// Members of a JWK that only its owner may know (RFC 7518 §6.2.2, §6.3.2, §6.4).
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];

/// The guarded clients: one for the world, one that also reaches this machine for issuers that may be there.
#[derive(Debug, Clone)]
pub(super) struct Clients {
    public: Client,
    loopback: Client,
}

/// A key set as it came, and as it can be used.
#[derive(Debug)]
pub(super) struct Answer {
    pub text: String,
    pub keys: KeySet,
}

/// Whom to ask, and by which rules.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    pub issuer: &'a str,
    pub from: &'a KeySource,
    /// Plain http on loopback is allowed.
    pub loopback: bool,
}

impl<'a> Ask<'a> {
    pub(super) fn of(trusted: &'a TrustedIssuer) -> Self {
        Self { issuer: &trusted.issuer, from: &trusted.keys, loopback: trusted.allow_loopback_http }
    }
}

impl Clients {
    pub(super) fn new(config: &outbound::Config) -> Result<Self, Fault> {
        let mut near = config.clone();
        for range in ["127.0.0.0/8", "::1"] {
            near.allow.push(range.parse()?);
        }
        Ok(Self { public: Client::new(config)?, loopback: Client::new(&near)? })
    }

    /// The issuer's keys, fetched or as they were given.
    pub(super) async fn keys(&self, ask: Ask<'_>) -> Result<Answer, Fault> {
        let text = match ask.from {
            KeySource::Static(text) => return parse(text.clone(), None).await,
            KeySource::JwksUri(url) => (self.get(ask.loopback, url).await?, url.clone()),
            KeySource::Discovery(url) => {
                let jwks_uri = jwks_uri(ask.issuer, url, &self.get(ask.loopback, url).await?)?;
                (self.get(ask.loopback, &jwks_uri).await?, jwks_uri)
            }
        };
        let (bytes, url) = text;
        let text = String::from_utf8(bytes).map_err(|_| unusable(format!("'{url}' answers no text")))?;
        parse(text, Some(url)).await
    }

    /// The issuer that a discovery document says it is of, exactly as it writes it.
    pub(super) async fn named(&self, url: &str, loopback: bool) -> Result<String, Fault> {
        let document = document(url, &self.get(loopback, url).await?)?;
        let issuer = document.get("issuer").and_then(Value::as_str).filter(|name| !name.is_empty());
        issuer.map(str::to_owned).ok_or_else(|| unusable(format!("the document '{url}' names no issuer")))
    }

    /// The body of an answer, under its caps.
    async fn get(&self, loopback: bool, url: &str) -> Result<Vec<u8>, Fault> {
        check_url(url, loopback)?;
        let client = if loopback { &self.loopback } else { &self.public };
        let limits = Limits {
            max_bytes: ANSWER_MAX,
            timeout: ANSWER_TIME,
            idle_timeout: ANSWER_TIME,
            max_redirects: 0,
        };
        let body = async { client.get_with(url, limits).await?.bytes().await };
        body.await.map(Into::into).map_err(|error| explain(url, &error))
    }
}

/// The caps here are no settings, so the words of the client would mislead.
fn explain(url: &str, error: &outbound::Error) -> Fault {
    use outbound::Error::{Redirect, Redirects, Status, Timeout, TooLarge};
    match error {
        Timeout { .. } => unusable(format!("'{url}' does not answer within 3 s")),
        TooLarge { .. } => unusable(format!("'{url}' answers more than 1 MiB")),
        Redirect { .. } | Redirects { .. } => {
            unusable(format!("'{url}' redirects, which is not followed: give the final URL"))
        }
        Status { status: 404, .. } => Fault::new(ErrorCode::NotFound, error.to_string()),
        other => unusable(other.to_string()),
    }
}

fn unusable(why: String) -> Fault {
    Fault::new(ErrorCode::Unprocessable, why)
}

/// https everywhere; plain http only to this machine, and only where that is allowed.
pub(super) fn check_url(text: &str, loopback: bool) -> Result<Url, Fault> {
    let url = Url::parse(text)
        .map_err(|e| Fault::invalid(format!("'{text}' is no URL: {e}; write it as https://host/path")))?;
    let near = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback && near => Ok(url),
        "http" if near => Err(Fault::invalid(format!(
            "'{text}' is plain http: keys are fetched by https only; an issuer on this machine needs --allow-loopback-http"
        ))),
        _ => Err(Fault::invalid(format!("'{text}' is not https: whoever is on the way could put in keys"))),
    }
}

fn document(url: &str, bytes: &[u8]) -> Result<Map<String, Value>, Fault> {
    strict::object(bytes)
        .ok_or_else(|| unusable(format!("'{url}' is no discovery document: it must be one JSON object")))
}

/// The `jwks_uri` of a discovery document, when it is the issuer's.
fn jwks_uri(issuer: &str, url: &str, bytes: &[u8]) -> Result<String, Fault> {
    let document = document(url, bytes)?;
    let member = |name: &str| document.get(name).and_then(Value::as_str);
    match member("issuer") {
        Some(found) if found == issuer => {}
        found => {
            let found = found.unwrap_or("(none)");
            return Err(unusable(format!(
                "the discovery document '{url}' is of issuer '{found}', not of '{issuer}': the two must be equal, character for character"
            )));
        }
    }
    let uri = member("jwks_uri");
    uri.map(str::to_owned).ok_or_else(|| unusable(format!("'{url}' names no jwks_uri")))
}

/// Reads a key set beside the async threads: two hundred keys of 8192 bits take their time.
async fn parse(text: String, url: Option<String>) -> Result<Answer, Fault> {
    let read = tokio::task::spawn_blocking(move || {
        let keys = KeySet::parse(text.as_bytes());
        keys.map(|keys| Answer { text, keys })
    });
    let answer = read.await.map_err(|_| Fault::internal("reading a key set failed"))?;
    answer.ok_or_else(|| {
        let what = url.map_or_else(|| "the key set".to_owned(), |url| format!("'{url}'"));
        unusable(format!("{what} is no JWK set of at most {KEYS_MAX} keys: write {{\"keys\":[…]}}"))
    })
}

/// Refuses a key set that its owner should have kept to himself.
pub(super) fn check_public(text: &str) -> Result<(), Fault> {
    let document = strict::object(text.as_bytes())
        .ok_or_else(|| Fault::invalid("the key set is no JSON object without duplicate members"))?;
    let one = [Value::Object(document.clone())];
    let keys = document.get("keys").and_then(Value::as_array).map_or(&one[..], Vec::as_slice);
    let secret =
        keys.iter().filter_map(Value::as_object).any(|key| PRIVATE.iter().any(|m| key.contains_key(*m)));
    if secret {
        return Err(Fault::invalid("the key set holds private or symmetric keys: give the public keys only"));
    }
    Ok(())
}

/// Whether a key of the set may verify one of the algorithms.
pub(super) fn fits(keys: &KeySet, algorithms: &[Algorithm]) -> bool {
    keys.keys().any(|key| algorithms.iter().any(|alg| key.allows(*alg)))
}

/// Where the discovery document of an issuer is: OpenID Connect's place, then RFC 8414's.
pub(super) fn places(issuer: &str) -> Result<[String; 2], Fault> {
    let wrong = |why: &str| Fault::invalid(format!("'{issuer}' {why}"));
    let url = Url::parse(issuer)
        .map_err(|e| wrong(&format!("is no URL: {e}; give its keys with --jwks-file or --jwks-uri")))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("has a query or a fragment, which an issuer's name has not (RFC 8414 §2)"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    let mut second = url;
    second.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
    let first = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    Ok([first, second.into()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discovery_documents_have_two_places() {
        let [first, second] = places("https://id.example/tenant/v2/").unwrap();
        assert_eq!(first, "https://id.example/tenant/v2/.well-known/openid-configuration");
        assert_eq!(second, "https://id.example/.well-known/oauth-authorization-server/tenant/v2");
        let [first, second] = places("https://id.example").unwrap();
        assert_eq!(first, "https://id.example/.well-known/openid-configuration");
        assert_eq!(second, "https://id.example/.well-known/oauth-authorization-server");
        assert!(places("https://id.example/?a=b").is_err() && places("id.example").is_err());
    }

    #[test]
    fn only_https_or_this_machine_when_allowed() {
        for (url, closed, open) in [
            ("https://id.example/keys", true, true),
            ("http://id.example/keys", false, false),
            ("http://127.0.0.1:9/keys", false, true),
            ("http://[::1]:9/keys", false, true),
            ("http://localhost/keys", false, true),
            ("http://localhost.evil.example/keys", false, false),
            ("http://169.254.169.254/latest", false, false),
            ("http://10.0.0.1/keys", false, false),
            ("file:///etc/passwd", false, false),
            ("keys", false, false),
        ] {
            assert_eq!(check_url(url, false).is_ok(), closed, "{url}");
            assert_eq!(check_url(url, true).is_ok(), open, "{url}");
        }
    }

    #[test]
    fn a_document_of_another_issuer_is_refused() {
        let at = "https://id.example/d";
        let of = |document: &str| jwks_uri("https://id.example/", at, document.as_bytes());
        assert_eq!(
            of(r#"{"issuer":"https://id.example/","jwks_uri":"https://id.example/k"}"#).unwrap(),
            "https://id.example/k"
        );
        for bad in [
            r#"{"issuer":"https://id.example","jwks_uri":"x"}"#,
            r#"{"issuer":"https://ID.example/","jwks_uri":"x"}"#,
            r#"{"issuer":"https://id.example/"}"#,
            r#"{"issuer":"https://evil.example/","issuer":"https://id.example/","jwks_uri":"x"}"#,
            r#"{"jwks_uri":"x"}"#,
            "<html>",
            "[]",
        ] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn private_keys_are_not_taken() {
        assert!(check_public(r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"a"}]}"#).is_ok());
        for bad in [r#"{"keys":[{"kty":"OKP","d":"a"}]}"#, r#"{"kty":"oct","k":"a"}"#, "[]", ""] {
            assert!(check_public(bad).is_err(), "{bad}");
        }
    }
}
