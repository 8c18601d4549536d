//! The gate as one handle: built once, shared by both doors, the token service and the control plane.

use crate::config::{Options, SigningConfig};
use crate::error::Result;
use crate::issuers::Issuers;
use crate::jwt::Times;
use crate::lockout::Lockout;
use crate::people::People;
use crate::roles::{Engine, Refusals};
use crate::signing::{self, Keyring};
use crate::snapshot::{Building, Snapshot};
use crate::{score, secret};
use arc_swap::ArcSwap;
use domain::{Digest, Fault};
use std::sync::{Arc, Weak};
use std::time::Duration;
use store::Store;
use telemetry::{Metrics, RequestLog};
use web::{Hosts, Ranges};

/// The audience of tokens for the control plane.
pub const CONTROL_AUDIENCE: &str = "urn:portcullis:control";
/// Where the workspace keeps its tenant id.
const TENANT: &str = "tenant";

/// How often the counts of quotas are written.
const KEEP_COUNTS: Duration = Duration::from_secs(5);

/// The gate of one workspace.
#[derive(Debug)]
pub struct Gateway {
    pub(crate) store: Store,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tenant: String,
    pub(crate) public_url: String,
    pub(crate) snapshot: ArcSwap<Snapshot>,
    pub(crate) scoring: Arc<score::Scoring>,
    pub(crate) signing: Keyring,
    pub(crate) signing_config: SigningConfig,
    /// How long a former signing key is accepted, in seconds.
    pub(crate) accepted_for: i64,
    /// The longest a token may be valid, in seconds.
    pub(crate) max_lifetime: i64,
    pub(crate) rotating: tokio::sync::Mutex<()>,
    loading_keys: tokio::sync::Mutex<()>,
    pub(crate) issuers: Issuers,
    pools: Option<endpoint::Pools>,
    pub(crate) lockout: Lockout,
    pub(crate) people: People,
    pub(crate) pairs: crate::basic::Pairs,
    pub(crate) open_jobs: crate::tokens::job::OpenJobs,
    pub(crate) admin: Digest,
    pub(crate) hosts: Hosts,
    pub(crate) proxies: Ranges,
    pub(crate) urls: crate::apim::Urls,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) revocations: crate::refusals::Asks,
    pub(crate) grants: Option<crate::refusals::Asks>,
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
        options.rate.check()?;
        Engine::check()?;
        let config = &options.config;
        let tenant = store.set_meta_once(TENANT, &uuid::Uuid::new_v4().to_string()).await?;
        let public_url = options.public_url.trim_end_matches('/').to_owned();
        signing::first(&store, config.signing.algorithm).await?;
        let signing = Keyring::default();
        signing.load(&store).await?;
        let times = Times { skew: seconds(config.clock_skew), max_lifetime: seconds(config.max_lifetime.0) };
        let own = [format!("{public_url}/{tenant}/"), format!("{public_url}/{tenant}/v2.0")];
        let issuers = Issuers::new(own, config, &options.outbound, &store)?;
        issuers.set_built_in(&signing.key_set());
        let gateway = Arc::new(Self {
            scoring: Arc::new(score::Scoring::new(
                &options,
                (&public_url, Some(store.dir())),
                log,
                metrics.clone(),
            )?),
            issuers,
            pools: options.pools,
            lockout: Lockout::new(options.login_failures, config.lockout.0),
            people: People::new(config, outbound::Client::new(&options.outbound).map_err(Fault::from)?)?,
            pairs: crate::basic::Pairs::new(),
            open_jobs: crate::tokens::job::OpenJobs::default(),
            admin: secret::admin_token(&store)?,
            hosts: Hosts::new(config.hosts.iter().map(String::as_str).chain([public_url.as_str()])),
            proxies: Ranges::parse(&options.behind_proxy).map_err(Fault::from)?,
            workspace_secret: zeroize::Zeroizing::new(endpoint::workspace_secret(&store)?),
            urls: crate::apim::Urls {
                map: config.url_map.clone(),
                public_url: public_url.clone(),
                tenant: tenant.clone(),
            },
            snapshot: ArcSwap::from_pointee(Snapshot::empty(store.quota_counts().await?)),
            refreshing: tokio::sync::Mutex::default(),
            refusals: Refusals::start(store.clone()),
            revocations: crate::refusals::Asks::revocations(),
            grants: crate::refusals::Asks::grants(&options.rate),
            store,
            metrics,
            tenant,
            public_url,
            signing,
            signing_config: config.signing.clone(),
            accepted_for: signing::accepted_for(times.max_lifetime, times.skew),
            max_lifetime: times.max_lifetime,
            rotating: tokio::sync::Mutex::default(),
            loading_keys: tokio::sync::Mutex::default(),
        });
        gateway.people.load(&gateway.store).await?;
        gateway.refresh().await?;
        tokio::spawn(signing::tend(Arc::downgrade(&gateway)));
        tokio::spawn(follow(Arc::downgrade(&gateway)));
        tokio::spawn(keep_counts(Arc::downgrade(&gateway)));
        Ok(gateway)
    }

    /// Rebuilds the snapshot from the store and swaps it in; only models not loaded yet are read. Calls in hand finish on the
    /// snapshot they began with.
    pub async fn refresh(&self) -> Result<(), Fault> {
        let _one_at_a_time = self.refreshing.lock().await;
        let mut state = self.store.serving_state().await?;
        self.issuers.replace(std::mem::take(&mut state.issuers)).await;
        let before = self.snapshot.load_full();
        let pools = self.pools.as_ref();
        let with =
            Building { store: &self.store, secret: &self.workspace_secret, scoring: &self.scoring, pools };
        let next = Snapshot::build(&before, state, &with).await;
        self.snapshot.store(Arc::new(next));
        Ok(self.load_keys().await?)
    }

    /// Takes over the signing keys when they changed.
    pub(crate) async fn load_keys(&self) -> Result<()> {
        // One at a time: what was read earlier must not replace what was read later.
        let _one_at_a_time = self.loading_keys.lock().await;
        if self.signing.load(&self.store).await? {
            self.issuers.set_built_in(&self.signing.key_set());
        }
        Ok(())
    }

    /// Writes what quotas counted since the last time.
    pub async fn keep_counts(&self) -> Result<(), Fault> {
        let snapshot = self.snapshot.load_full();
        let mut counts = Vec::new();
        for api in snapshot.published() {
            api.kept.changed(&api.path, &mut counts);
        }
        if counts.is_empty() {
            return Ok(());
        }
        let kept = self.store.keep_quota_counts(&counts).await;
        if kept.is_err() {
            snapshot.published().for_each(|api| api.kept.unwritten());
        }
        Ok(kept?)
    }

    /// The secret that keys are derived from.
    pub(crate) fn workspace_secret(&self) -> &[u8] {
        &self.workspace_secret
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
pub(crate) fn seconds(span: Duration) -> i64 {
    // Half the range: sums with dates cannot overflow.
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX).min(i64::MAX / 4)
}

/// Writes the counts of quotas every few seconds: a killed process forgets no more than those.
async fn keep_counts(gateway: Weak<Gateway>) {
    let mut turn = tokio::time::interval(KEEP_COUNTS);
    loop {
        turn.tick().await;
        let Some(gateway) = gateway.upgrade() else { return };
        if let Err(fault) = gateway.keep_counts().await {
            tracing::warn!(error = %fault, "the counts of quotas could not be written; they are kept in memory");
        }
    }
}

impl Gateway {
    /// Adds to a deployment which engine scores it now.
    pub fn with_engine(&self, mut view: endpoint::DeploymentView) -> endpoint::DeploymentView {
        let snapshot = self.snapshot.load();
        let target = snapshot.any_endpoint(view.deployment.endpoint.as_str());
        let mut served = target.into_iter().flat_map(|target| &target.models);
        let served = served.find(|served| *served.deployment == *view.deployment.name.as_str());
        let servable = served.and_then(|served| served.model.as_ref()?.native());
        view.engine = servable.map(|servable| servable.model().name().to_owned());
        view
    }

    /// What came of an endpoint's mirrored calls; none when none are mirrored.
    pub fn mirror_report(&self, endpoint: &domain::Name) -> Option<crate::MirrorReport> {
        let snapshot = self.snapshot.load();
        let target = snapshot.any_endpoint(endpoint.as_str())?;
        target.mirror.as_ref().map(crate::aside::Mirror::report)
    }
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
            if gateway.store.is_closed() {
                return;
            }
            tracing::error!(error = %fault, "the routing snapshot could not be renewed");
        }
    }
}
