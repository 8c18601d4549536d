//! The login provider: its metadata and keys, kept for a while, and the exchange of a code for an ID token.

use super::oidc::{Rules, Vouched};
use crate::config::LoginConfig;
use crate::jose::{KeySet, Refusal, strict};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::{ErrorCode, Fault, Timestamp};
use outbound::{Client, Limits};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::{Duration, Instant};
use url::Url;
use zeroize::Zeroizing;

/// How long metadata and keys are kept.
const KEEP: Duration = Duration::from_secs(3600);
/// The least time between two questions for the same document.
const PAUSE: Duration = Duration::from_secs(30);
/// The most bytes of a document or an answer.
const ANSWER_MAX: u64 = 1 << 20;
/// Time for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A provider that may be asked.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(super) rules: Rules,
    secret: Option<Secret>,
    pub(super) scopes: String,
    outbound: Client,
    metadata: tokio::sync::Mutex<Kept<Metadata>>,
    keys: tokio::sync::Mutex<Kept<KeySet>>,
}

/// The client secret; never shown.
struct Secret(Zeroizing<String>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Something that was fetched, and when it was last asked for.
#[derive(Debug)]
struct Kept<T> {
    value: Option<(Arc<T>, Instant)>,
    asked: Option<Instant>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { value: None, asked: None }
    }
}

impl<T> Kept<T> {
    fn fresh(&self) -> Option<Arc<T>> {
        self.value.as_ref().filter(|(_, at)| at.elapsed() < KEEP).map(|(value, _)| value.clone())
    }

    /// What is kept, if it may not be asked for again yet.
    fn waiting(&self) -> bool {
        self.asked.is_some_and(|at| at.elapsed() < PAUSE)
    }
}

/// What is used of a provider's discovery document (OpenID Connect Discovery 1.0 §3).
#[derive(Debug)]
pub(super) struct Metadata {
    pub authorization: Url,
    token: String,
    jwks: String,
    /// Whether its answers name it (RFC 9207).
    pub names_itself: bool,
    basic: bool,
}

impl Provider {
    /// The provider of the settings; none when none is named.
    pub(super) fn new(config: &LoginConfig, outbound: Client) -> Result<Option<Self>, Fault> {
        if config.issuer.is_empty() {
            return Ok(None);
        }
        let issuer = Url::parse(&config.issuer)
            .map_err(|e| Fault::invalid(format!("gateway.login.issuer is no URL: {e}")))?;
        let loopback = match issuer.host() {
            Some(url::Host::Ipv4(a)) => a.is_loopback(),
            Some(url::Host::Ipv6(a)) => a.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        };
        if issuer.scheme() != "https" && !(issuer.scheme() == "http" && loopback) {
            return Err(Fault::invalid("gateway.login.issuer must be an https URL"));
        }
        if config.client_id.is_empty() {
            return Err(Fault::invalid("gateway.login.issuer needs gateway.login.client_id"));
        }
        Ok(Some(Self {
            rules: Rules::new(config)?,
            secret: secret(&config.client_secret)?,
            scopes: config.scopes.join(" "),
            outbound,
            metadata: tokio::sync::Mutex::default(),
            keys: tokio::sync::Mutex::default(),
        }))
    }

    /// Its metadata. One question at a time, and at most one in so many seconds.
    pub(super) async fn metadata(&self) -> Result<Arc<Metadata>, Fault> {
        let mut kept = self.metadata.lock().await;
        if let Some(known) = kept.fresh() {
            return Ok(known);
        }
        if kept.waiting() {
            return Err(away());
        }
        kept.asked = Some(Instant::now());
        let url = format!("{}/.well-known/openid-configuration", self.rules.issuer.trim_end_matches('/'));
        let document = self.document(&url).await?;
        let metadata = Arc::new(Metadata::read(&document, &self.rules.issuer)?);
        kept.value = Some((metadata.clone(), Instant::now()));
        Ok(metadata)
    }

    /// Its keys; asked for anew when one is not among them, but not more often than once in so many seconds.
    async fn keys(&self, metadata: &Metadata, anew: bool) -> Result<Arc<KeySet>, Fault> {
        let mut kept = self.keys.lock().await;
        match kept.fresh() {
            Some(known) if !anew || kept.waiting() => return Ok(known),
            None if kept.waiting() => return Err(away()),
            _ => {}
        }
        kept.asked = Some(Instant::now());
        let body = self.outbound.get_with(&metadata.jwks, limits()).await.map_err(unreached)?;
        let bytes = body.bytes().await.map_err(unreached)?;
        let keys = KeySet::parse(&bytes).ok_or_else(|| unusable("its key set is no JWK set"))?;
        let keys = Arc::new(keys);
        kept.value = Some((keys.clone(), Instant::now()));
        Ok(keys)
    }

    /// Exchanges a code for an ID token and judges it. The outer error is ours or the network's, the inner the token's.
    pub(super) async fn vouch(
        &self,
        code: &str,
        (redirect, verifier, nonce): (&str, &str, &str),
    ) -> Result<Result<Vouched, Refusal>, Fault> {
        let metadata = self.metadata().await?;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect),
            ("code_verifier", verifier),
        ];
        let id = self.rules.client_id.as_str();
        let authorization = match &self.secret {
            Some(secret) if metadata.basic => Some(basic(id, &secret.0)),
            Some(secret) => {
                form.extend([("client_id", id), ("client_secret", secret.0.as_str())]);
                None
            }
            None => {
                form.push(("client_id", id));
                None
            }
        };
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let answer = self.outbound.post_form(&metadata.token, body, authorization.as_deref(), limits()).await;
        let bytes = answer.map_err(unreached)?.bytes().await.map_err(unreached)?;
        let answer = strict::object(&bytes).ok_or_else(|| unusable("its token answer is no JSON object"))?;
        let token = answer.get("id_token").and_then(Value::as_str);
        let token =
            token.ok_or_else(|| unusable("its token answer has no id_token: add the scope openid"))?;
        let now = Timestamp::now().seconds();
        let keys = self.keys(&metadata, false).await?;
        match self.rules.judge(token, &keys, nonce, now) {
            Err(Refusal::UnknownKey) => {
                let keys = self.keys(&metadata, true).await?;
                Ok(self.rules.judge(token, &keys, nonce, now))
            }
            judged => Ok(judged),
        }
    }

    async fn document(&self, url: &str) -> Result<Map<String, Value>, Fault> {
        let body = self.outbound.get_with(url, limits()).await.map_err(unreached)?;
        let bytes = body.bytes().await.map_err(unreached)?;
        strict::object(&bytes).ok_or_else(|| unusable("its discovery document is no JSON object"))
    }
}

impl Metadata {
    fn read(document: &Map<String, Value>, issuer: &str) -> Result<Self, Fault> {
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        if text("issuer") != Some(issuer) {
            return Err(unusable("its discovery document names another issuer than gateway.login.issuer"));
        }
        // What was reached over TLS never leads to the clear.
        let scheme = if issuer.starts_with("https://") { "https" } else { "http" };
        let url = |name: &str| {
            text(name)
                .and_then(|text| Url::parse(text).ok())
                .filter(|url| url.scheme() == "https" || url.scheme() == scheme)
                .ok_or_else(|| unusable(&format!("its discovery document has no usable {name}")))
        };
        let methods = document.get("token_endpoint_auth_methods_supported").and_then(Value::as_array);
        Ok(Self {
            authorization: url("authorization_endpoint")?,
            token: url("token_endpoint")?.to_string(),
            jwks: url("jwks_uri")?.to_string(),
            names_itself: document.get("authorization_response_iss_parameter_supported")
                == Some(&Value::Bool(true)),
            // What a provider that does not say takes (OpenID Connect Discovery 1.0 §3).
            basic: methods.is_none_or(|methods| methods.iter().any(|m| m == "client_secret_basic")),
        })
    }
}

/// Both halves form-encoded first (RFC 6749 §2.3.1).
fn basic(id: &str, secret: &str) -> String {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret))))
}

fn limits() -> Limits {
    Limits { max_bytes: ANSWER_MAX, timeout: PATIENCE, idle_timeout: PATIENCE, max_redirects: 0 }
}

/// What whoever logs in is told; where the provider is stays in the log.
#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err by name")]
fn unreached(error: outbound::Error) -> Fault {
    tracing::warn!(%error, "the login provider");
    let (code, text) = match error {
        outbound::Error::Status { status: 400, .. } => {
            (ErrorCode::Unauthenticated, "the login provider did not accept the code: begin again")
        }
        outbound::Error::Status { status: 401 | 403, .. } => (
            ErrorCode::Unavailable,
            "the login provider refuses this server: check gateway.login.client_id and client_secret",
        ),
        _ => (ErrorCode::Unavailable, "the login provider cannot be reached: try again later"),
    };
    Fault::new(code, text)
}

fn away() -> Fault {
    Fault::new(
        ErrorCode::Unavailable,
        "the login provider did not answer a moment ago: try again in half a minute",
    )
}

fn unusable(why: &str) -> Fault {
    Fault::new(ErrorCode::Unavailable, format!("the login provider cannot be used: {why}"))
}

/// The client secret from where the setting says: `env:NAME` or `file:PATH`; none for a public client.
fn secret(place: &str) -> Result<Option<Secret>, Fault> {
    let text = match place.split_once(':') {
        _ if place.is_empty() => return Ok(None),
        Some(("env", name)) => std::env::var(name).map_err(|_| {
            Fault::invalid(format!("gateway.login.client_secret: the variable {name} is not set"))
        })?,
        Some(("file", path)) => std::fs::read_to_string(path)
            .map_err(|e| Fault::invalid(format!("gateway.login.client_secret: {path}: {e}")))?,
        _ => {
            return Err(Fault::invalid(
                "gateway.login.client_secret: write env:NAME or file:PATH, not the secret itself",
            ));
        }
    };
    Ok(Some(Secret(Zeroizing::new(text.trim().to_owned()))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(change: &Value) -> Result<Metadata, Fault> {
        let mut document = json!({
            "issuer": "https://idp.example", "authorization_endpoint": "https://idp.example/auth",
            "token_endpoint": "https://idp.example/token", "jwks_uri": "https://idp.example/jwks",
        });
        for (name, value) in change.as_object().unwrap() {
            document[name] = value.clone();
        }
        Metadata::read(document.as_object().unwrap(), "https://idp.example")
    }

    #[test]
    fn a_discovery_document_is_its_issuers_and_stays_with_tls() {
        assert!(read(&json!({})).unwrap().basic);
        assert!(
            !read(&json!({"token_endpoint_auth_methods_supported": ["client_secret_post"]})).unwrap().basic
        );
        for bad in [
            json!({"issuer": "https://idp.example/"}),
            json!({"token_endpoint": "http://idp.example/token"}),
            json!({"authorization_endpoint": "javascript:alert(1)"}),
            json!({"jwks_uri": 1}),
        ] {
            assert!(read(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn settings_that_would_leak_are_refused() {
        assert!(secret("").unwrap().is_none());
        assert!(secret("plain-secret").is_err() && secret("env:PORTCULLIS_NO_SUCH_THING").is_err());
        assert_eq!(basic("a b", "c:d"), format!("Basic {}", STANDARD.encode("a+b:c%3Ad")));
    }
}
