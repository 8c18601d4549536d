//! Asking: one GET, its redirects, and the caps on them.

use crate::body::Body;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::guard::{Guard, shown};
use reqwest::header::{ACCEPT_ENCODING, LOCATION};
use reqwest::{RequestBuilder, Response, redirect};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use url::Url;

/// How long an unused connection is kept.
const KEEP_IDLE: Duration = Duration::from_secs(20);

/// Caps of one fetch. Start from [`Client::limits`] and tighten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of the answer's body.
    pub max_bytes: u64,
    /// Time for the whole answer.
    pub timeout: Duration,
    /// The longest silence before and between pieces.
    pub idle_timeout: Duration,
    /// Redirects followed, on the same host only.
    pub max_redirects: u8,
}

/// The guarded HTTP client; cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) guard: Guard,
    limits: Limits,
    connect_timeout: Duration,
    plain: Arc<OnceLock<reqwest::Client>>,
    tls: Arc<OnceLock<reqwest::Client>>,
}

impl Client {
    /// A client with these settings; refuses settings that cannot be. Nothing is opened or loaded before the first fetch.
    pub fn new(config: &Config) -> Result<Self> {
        config.check()?;
        Ok(Self {
            guard: Guard::new(&config.allow),
            limits: Limits {
                max_bytes: config.max_bytes,
                timeout: config.timeout.0,
                idle_timeout: config.idle_timeout.0,
                max_redirects: config.max_redirects,
            },
            connect_timeout: config.connect_timeout.0,
            plain: Arc::default(),
            tls: Arc::default(),
        })
    }

    /// The caps of the settings.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Fetches a URL under the caps of the settings. See [`get_with`](Self::get_with).
    pub async fn get(&self, url: &str) -> Result<Body> {
        self.get_with(url, self.limits).await
    }

    /// Fetches a URL: the body of a 200 answer, not yet read. Everything else is an [`Error`].
    pub async fn get_with(&self, url: &str, limits: Limits) -> Result<Body> {
        let deadline = Instant::now() + limits.timeout;
        let mut url = self.guard.url(url)?;
        for _ in 0..=limits.max_redirects {
            let response = self.ask(&url, limits, deadline).await?;
            let status = response.status();
            if status.is_redirection() {
                url = self.follow(&url, &response)?;
                continue;
            }
            if status.as_u16() != 200 {
                return Err(Error::Status { url: shown(&url), status: status.as_u16() });
            }
            return Body::new(&url, response, limits, deadline);
        }
        Err(Error::Redirects { host: host(&url), limit: limits.max_redirects })
    }

    async fn ask(&self, url: &Url, limits: Limits, deadline: Instant) -> Result<Response> {
        let request = self.client(url)?.get(url.clone());
        self.answer(url, request, limits, deadline).await
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn answer(
        &self,
        url: &Url,
        request: RequestBuilder,
        limits: Limits,
        deadline: Instant,
    ) -> Result<Response> {
        let idle = Instant::now() + limits.idle_timeout.max(self.connect_timeout);
        // Why identity: the bytes are kept as they came, so they must be the file's own.
        let request = request.header(ACCEPT_ENCODING, "identity");
        match timeout_at(deadline.min(idle), request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(e)) => Err(self.explain(url, &e)),
            Err(_) if deadline <= idle => Err(Error::Timeout {
                url: shown(url),
                what: "answer",
                limit: limits.timeout,
                setting: "outbound.timeout",
            }),
            Err(_) => Err(Error::Timeout {
                url: shown(url),
                what: "begin its answer",
                limit: limits.idle_timeout,
                setting: "outbound.idle_timeout",
            }),
        }
    }

    /// Where a redirect leads, when it may be followed: the same host and port, never from https down to http.
    fn follow(&self, from: &Url, response: &Response) -> Result<Url> {
        let target = response.headers().get(LOCATION).and_then(|v| v.to_str().ok());
        let to = target
            .and_then(|t| from.join(t).ok())
            .ok_or_else(|| Error::Status { url: shown(from), status: response.status().as_u16() })?;
        self.guard.check(&to)?;
        let upgraded = from.scheme() == "http" && to.scheme() == "https" && to.port().is_none();
        let same_place =
            to.scheme() == from.scheme() && to.port_or_known_default() == from.port_or_known_default();
        if to.host() == from.host() && (same_place || upgraded) {
            Ok(to)
        } else {
            Err(Error::Redirect { from: host(from), to: to.origin().ascii_serialization() })
        }
    }

    /// Plain http has a client of its own, so that it works on a machine without root certificates.
    pub(crate) fn client(&self, url: &Url) -> Result<&reqwest::Client> {
        let secure = url.scheme() == "https";
        let slot = if secure { &self.tls } else { &self.plain };
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        let mut builder = reqwest::Client::builder()
            .dns_resolver(self.guard.clone())
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(self.connect_timeout)
            .pool_idle_timeout(KEEP_IDLE)
            .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")));
        if !secure {
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|e| Error::Broken {
            url: shown(url),
            reason: format!("{}; install the system's root certificates", innermost(&e)),
        })?;
        Ok(slot.get_or_init(|| client))
    }

    fn explain(&self, url: &Url, error: &reqwest::Error) -> Error {
        if let Some(refusal) = causes(error).find_map(|cause| cause.downcast_ref::<Error>()) {
            return refusal.clone();
        }
        if error.is_timeout() {
            return Error::Timeout {
                url: shown(url),
                what: "connect",
                limit: self.connect_timeout,
                setting: "outbound.connect_timeout",
            };
        }
        Error::Broken { url: shown(url), reason: innermost(error) }
    }
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

type Cause<'a> = &'a (dyn std::error::Error + 'static);

fn causes(error: &reqwest::Error) -> impl Iterator<Item = Cause<'_>> {
    std::iter::successors(Some(error as Cause<'_>), |e| e.source())
}

/// The last cause of an error: the outer ones only repeat the URL.
pub fn innermost(error: &reqwest::Error) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default().to_lowercase()
}
