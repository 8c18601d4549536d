//! The name of the issuer behind a discovery URL (OpenID Connect Discovery 1.0 §4), asked for once, when a policy file is published.

use crate::jose::strict;
use domain::{ErrorCode, Fault};
use outbound::{Client, Limits};
use serde_json::Value;
use std::time::Duration;

/// The most bytes of a document, and the time for it.
const ANSWER_MAX: u64 = 1 << 20;
const ANSWER_TIME: Duration = Duration::from_secs(3);

/// Asks discovery URLs through the guarded client; one more client for those that the operator's map leads to loopback.
#[derive(Debug)]
pub(crate) struct Finder {
    public: Client,
    loopback: Client,
}

impl Finder {
    pub(crate) fn new(config: &outbound::Config) -> Result<Self, Fault> {
        let mut near = config.clone();
        for range in ["127.0.0.0/8", "::1"] {
            near.allow.push(range.parse()?);
        }
        Ok(Self { public: Client::new(config)?, loopback: Client::new(&near)? })
    }

    /// The issuer's name, exactly as the document writes it.
    pub(super) async fn issuer(&self, url: &str, loopback: bool) -> Result<String, Fault> {
        let client = if loopback { &self.loopback } else { &self.public };
        let limits = Limits {
            max_bytes: ANSWER_MAX,
            timeout: ANSWER_TIME,
            idle_timeout: ANSWER_TIME,
            max_redirects: 0,
        };
        let body = async { client.get_with(url, limits).await?.bytes().await };
        let unusable = |why: String| Fault::new(ErrorCode::Unprocessable, why);
        let bytes = body.await.map_err(|wrong: outbound::Error| {
            unusable(format!("the discovery document '{url}' cannot be had ({wrong}): map the URL with gateway.url_map, or register the issuer with `issuer add`"))
        })?;
        let document = strict::object(&bytes).ok_or_else(|| {
            unusable(format!("'{url}' answers no discovery document: it must be one JSON object"))
        })?;
        let issuer = document.get("issuer").and_then(Value::as_str).filter(|name| !name.is_empty());
        issuer.map(str::to_owned).ok_or_else(|| unusable(format!("the document '{url}' names no issuer")))
    }
}
