//! The gate as one handle: built once, shared by both doors, the token service and the control plane.

use crate::config::Options;
use crate::error::Result;
use crate::jose::KeySet;
use crate::jwt::Times;
use crate::lockout::Lockout;
use crate::roles::{Engine, Refusals};
use crate::signing::SigningKey;
use crate::snapshot::Snapshot;
use crate::verified::Verifier;
use crate::{score, secret};
use arc_swap::ArcSwap;
use domain::{Digest, Fault};
use std::sync::{Arc, Weak};
use store::Store;
use telemetry::{Metrics, RequestLog};
use web::{Hosts, Ranges};

/// The audience of tokens for the control plane.
pub const CONTROL_AUDIENCE: &str = "urn:portcullis:control";
/// Where the workspace keeps its tenant id.
const TENANT: &str = "tenant";

/// The gate of one workspace.
#[derive(Debug)]
pub struct Gateway {
    pub(crate) store: Store,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tenant: String,
    pub(crate) public_url: String,
    pub(crate) snapshot: ArcSwap<Snapshot>,
    pub(crate) scoring: Arc<score::Scoring>,
    pub(crate) signing: Arc<SigningKey>,
    pub(crate) jwks: bytes::Bytes,
    pub(crate) verifier: Verifier,
    pub(crate) lockout: Lockout,
    pub(crate) admin: Digest,
    pub(crate) hosts: Hosts,
    pub(crate) proxies: Ranges,
    pub(crate) refusals: Arc<Refusals>,
    workspace_secret: zeroize::Zeroizing<Vec<u8>>,
    refreshing: tokio::sync::Mutex<()>,
}

impl Gateway {
    /// Opens the workspace's keys, makes those that are missing, and loads what is to be served.
    pub async fn start(
        store: Store,
        log: RequestLog,
        metrics: Arc<Metrics>,
        options: Options,
    ) -> Result<Arc<Self>, Fault> {
        Ok(Self::open(store, log, metrics, options).await?)
    }

    async fn open(
        store: Store,
        log: RequestLog,
        metrics: Arc<Metrics>,
        options: Options,
    ) -> Result<Arc<Self>> {
        options.config.check()?;
        Engine::check()?;
        let config = &options.config;
        let tenant = store.set_meta_once(TENANT, &uuid::Uuid::new_v4().to_string()).await?;
        let public_url = options.public_url.trim_end_matches('/').to_owned();
        let signing = Arc::new(SigningKey::open(&store).await?);
        let jwks = bytes::Bytes::from(signing.jwks().to_string());
        let keys = KeySet::parse(&jwks).unwrap_or_default();
        let times = Times { skew: seconds(config.clock_skew), max_lifetime: seconds(config.max_lifetime.0) };
        let issuers = [format!("{public_url}/{tenant}/"), format!("{public_url}/{tenant}/v2.0")];
        let remember = seconds(config.token_cache_for.0);
        let gateway = Arc::new(Self {
            scoring: Arc::new(score::Scoring::new(&options, &public_url, log, metrics.clone())?),
            verifier: Verifier::new(issuers, keys, times, config.token_cache, remember),
            lockout: Lockout::new(options.login_failures, config.lockout.0),
            admin: secret::admin_token(&store)?,
            hosts: Hosts::new(config.hosts.iter().map(String::as_str).chain([public_url.as_str()])),
            proxies: Ranges::parse(&options.behind_proxy).map_err(Fault::from)?,
            workspace_secret: zeroize::Zeroizing::new(endpoint::workspace_secret(&store)?),
            snapshot: ArcSwap::default(),
            refreshing: tokio::sync::Mutex::default(),
            refusals: Refusals::start(store.clone()),
            store,
            metrics,
            tenant,
            public_url,
            signing,
            jwks,
        });
        gateway.refresh().await?;
        tokio::spawn(follow(Arc::downgrade(&gateway)));
        Ok(gateway)
    }

    /// Rebuilds the snapshot from the store and swaps it in; only models not loaded yet are read. Calls in hand finish on the
    /// snapshot they began with.
    pub async fn refresh(&self) -> Result<(), Fault> {
        let _one_at_a_time = self.refreshing.lock().await;
        let state = self.store.serving_state().await?;
        let before = self.snapshot.load_full();
        let next = Snapshot::build(&before, state, &self.store, &self.workspace_secret, &self.metrics).await;
        self.snapshot.store(Arc::new(next));
        Ok(())
    }

    /// The workspace's tenant id, a UUID.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The base URL clients use, without a slash at its end.
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// The audience a token for the control plane names.
    pub fn control_audience(&self) -> &str {
        CONTROL_AUDIENCE
    }

    /// Where clients get tokens (v1).
    pub fn token_url(&self) -> String {
        format!("{}/{}/oauth2/token", self.public_url, self.tenant)
    }
}

/// Seconds, as dates of tokens count.
fn seconds(span: std::time::Duration) -> i64 {
    // Half the range: sums with dates cannot overflow.
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX).min(i64::MAX / 4)
}

/// Follows the ledger: whoever changes the store, the doors see it, even when nobody called for a refresh.
async fn follow(gateway: Weak<Gateway>) {
    let Some(mut changes) = gateway.upgrade().map(|g| g.store.changes()) else {
        return;
    };
    while changes.changed().await.is_ok() {
        let latest = *changes.borrow_and_update();
        let Some(gateway) = gateway.upgrade() else { return };
        if gateway.snapshot.load().sequence >= latest {
            continue;
        }
        if let Err(fault) = gateway.refresh().await {
            tracing::error!(error = %fault, "the routing snapshot could not be renewed");
        }
    }
}
