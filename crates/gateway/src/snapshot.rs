//! What the doors read: endpoints, keys, models, APIs, principals, revocations, all in memory, swapped whole.

mod published;

pub(crate) use published::Published;

use crate::aside::{Collecting, Mirror};
use crate::jwt::Claims;
use crate::policy::subscription::Subscriptions;
use crate::roles::{Roles, Scores};
use crate::score::Scoring;
use crate::secret::digest;
use domain::{Deployment, Digest, Name, PrincipalKind, PublicNetworkAccess, Role, Subscription};
use endpoint::protocols::{Operation, Route};
use endpoint::{Keys, Pool, Pools, Servable};
use published::NamedValues;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use store::{QuotaCount, ServingDeployment, ServingState, Store};
use telemetry::{Handle, Metrics};

/// A model that serves.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The version's content and the text of its signature; equal ones are the same model.
    key: (Digest, String),
    pub backend: Backend,
}

/// What answers for a deployment.
#[derive(Debug)]
pub(crate) enum Backend {
    /// The model, in this process.
    Native(Box<Servable>),
    /// Python workers.
    Python(Arc<Pool>),
}

impl Loaded {
    /// The model in this process; none when workers run it.
    pub(crate) fn native(&self) -> Option<&Servable> {
        match &self.backend {
            Backend::Native(servable) => Some(servable),
            Backend::Python(_) => None,
        }
    }
}

/// One deployment's model.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    /// None when the model could not be loaded; the log says why.
    pub model: Option<Arc<Loaded>>,
    pub name: Arc<str>,
    pub deployment: Arc<str>,
    pub version: u32,
    /// Whether its answers are kept in its log.
    pub keep_answers: bool,
    /// What of its calls is kept.
    pub collecting: Option<Arc<Collecting>>,
}

/// Counters of the routes of a door, made once.
#[derive(Debug, Clone)]
pub(crate) struct Handles {
    pub score: Handle,
    pub predict: Handle,
    pub infer: Handle,
    pub invocations: Handle,
    pub other: Handle,
}

impl Handles {
    fn new(metrics: &Metrics, prefix: &str, endpoint: &str) -> Self {
        Self {
            score: metrics.handle("POST", &format!("{prefix}/score"), endpoint),
            predict: metrics.handle("POST", &format!("{prefix}/predict"), endpoint),
            infer: metrics.handle("POST", &format!("{prefix}/v2/models/{{model}}/infer"), endpoint),
            invocations: metrics.handle("POST", &format!("{prefix}/invocations"), endpoint),
            other: metrics.handle("_OTHER", &format!("{prefix}/…"), endpoint),
        }
    }

    /// The counters of a route.
    pub(crate) fn of(&self, method: &http::Method, tail: &str) -> &Handle {
        match tail {
            "score" if method == http::Method::POST => &self.score,
            "predict" if method == http::Method::POST => &self.predict,
            _ if method == http::Method::POST => match Route::of(tail).map(|route| route.operation) {
                Some(Operation::Infer | Operation::V1Predict) => &self.infer,
                Some(Operation::Invocations) => &self.invocations,
                _ => &self.other,
            },
            _ => &self.other,
        }
    }
}

/// An endpoint as the doors see it.
#[derive(Debug)]
pub(crate) struct Target {
    pub name: Arc<str>,
    /// Digests of the keys that open the direct door; none: the door is open (`serve-model --open` only).
    pub keys: Option<Vec<Digest>>,
    pub docs_public: bool,
    /// Whether the direct door is there for callers from a network.
    pub reachable: bool,
    pub deployments: Vec<Deployment>,
    pub models: Vec<Served>,
    pub traffic: BTreeMap<Name, u8>,
    /// Where a share of the calls is copied to.
    pub mirror: Option<Mirror>,
    pub handles: Handles,
}

/// A principal as the gate sees it.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    pub name: Arc<str>,
    /// Its role on the workspace.
    pub role: Option<Role>,
    pub revoked: bool,
    scores: Scores,
}

impl Who {
    /// Whether its role, on the workspace or on this endpoint, includes scoring.
    pub(crate) fn may_score(&self, endpoint: &str) -> bool {
        self.scores.include(endpoint)
    }
}

/// Everything the doors read.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub sequence: i64,
    endpoints: HashMap<Box<str>, Arc<Target>>,
    apis: HashMap<Box<str>, Arc<Published>>,
    /// The most segments an API path has: how far a request's path must be looked through.
    api_segments: usize,
    principals: HashMap<Box<str>, Who>,
    /// People by name, those who are not revoked, with their role on the workspace.
    people: HashMap<Box<str>, Option<Role>>,
    pub roles: Arc<Roles>,
    revoked: HashSet<Box<str>>,
    pub subscriptions: Subscriptions,
    /// Headers in which any API forwards claims: what callers write into them never goes on, at either door.
    pub claim_headers: Vec<http::HeaderName>,
    /// What quotas had counted before this process; taken over by the first snapshot that is built.
    restored: Vec<QuotaCount>,
}

/// What a snapshot is built with besides what is served.
pub(crate) struct Building<'a> {
    pub store: &'a Store,
    pub secret: &'a [u8],
    pub scoring: &'a Scoring,
    pub pools: Option<&'a Pools>,
}

impl Snapshot {
    /// Nothing served yet, and what quotas had counted.
    pub(crate) fn empty(restored: Vec<QuotaCount>) -> Self {
        Self { restored, ..Self::default() }
    }

    /// An endpoint by its name, when a network may reach it.
    pub(crate) fn endpoint(&self, name: &str) -> Option<&Arc<Target>> {
        self.endpoints.get(name).filter(|target| target.reachable)
    }

    /// An endpoint by its name, whoever may reach it.
    pub(crate) fn any_endpoint(&self, name: &str) -> Option<&Arc<Target>> {
        self.endpoints.get(name)
    }

    /// All endpoints that a network may reach.
    pub(crate) fn reachable(&self) -> impl Iterator<Item = &Arc<Target>> {
        self.endpoints.values().filter(|target| target.reachable)
    }

    /// All published APIs.
    pub(crate) fn published(&self) -> impl Iterator<Item = &Arc<Published>> {
        self.apis.values()
    }

    /// The API of the longest published path that begins `path` (without its first slash), and what follows it.
    pub(crate) fn api<'p>(&self, path: &'p str) -> Option<(&Arc<Published>, &'p str)> {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        let mut found = None;
        for end in ends.take(self.api_segments) {
            if let Some(api) = self.apis.get(&path[..end]) {
                found = Some((api, path[end..].strip_prefix('/').unwrap_or_default()));
            }
        }
        found
    }

    /// The live principal behind a token of ours; none when it, or the token, was revoked.
    pub(crate) fn owner(&self, claims: &Claims) -> Option<&Who> {
        let revoked = claims.id.as_deref().is_none_or(|id| self.revoked.contains(id));
        let who = self.principals.get(claims.client_id.as_deref()?)?;
        (!revoked && !who.revoked).then_some(who)
    }

    /// A client by its id; none when it was revoked.
    pub(crate) fn client(&self, id: &str) -> Option<&Who> {
        self.principals.get(id).filter(|who| !who.revoked)
    }

    /// What a person may do now; none when it was revoked.
    pub(crate) fn person(&self, name: &Name) -> Option<Option<Role>> {
        self.people.get(name.as_str()).copied()
    }

    /// Builds the next snapshot; models that are loaded already are taken over from `before`.
    pub(crate) async fn build(before: &Self, state: ServingState, with: &Building<'_>) -> Self {
        let metrics = &with.scoring.metrics;
        let roles = Roles::renewed(&before.roles, &state);
        let mut by_endpoint = deployments(before, state.deployments, with).await;
        let mut next = Self { sequence: state.sequence, ..Self::default() };
        for endpoint in state.endpoints {
            let running = by_endpoint.remove(&endpoint.name).unwrap_or_default();
            let former = before.endpoints.get(endpoint.name.as_str());
            let target = Target::new(endpoint, running, former.map(Arc::as_ref), with);
            next.endpoints.insert(target.name.as_ref().into(), Arc::new(target));
        }
        for gone in before.endpoints.keys().filter(|name| !next.endpoints.contains_key(*name)) {
            metrics.forget_endpoint(gone);
        }
        let named = NamedValues::open(with.store, &state.named_values);
        for api in state.apis {
            next.publish(api, before, (with.scoring, &named));
        }
        let forwards =
            next.apis.values().filter_map(|api| api.rules.as_ref()).flat_map(|rules| &rules.forward);
        next.claim_headers = forwards.map(|forward| forward.header.clone()).collect();
        next.claim_headers.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        next.claim_headers.dedup();
        next.subscribe(&state.subscriptions, with.secret);
        for p in state.principals {
            if p.kind == PrincipalKind::Person && p.revoked.is_none() {
                next.people.insert(p.name.as_str().into(), p.role);
            }
            let scores = roles.scores(p.name.as_str());
            let who =
                Who { name: p.name.as_str().into(), role: p.role, revoked: p.revoked.is_some(), scores };
            next.principals.insert(p.client_id.into(), who);
        }
        next.roles = roles;
        next.revoked = state.revoked_tokens.into_iter().map(Into::into).collect();
        next
    }

    fn publish(&mut self, api: domain::Api, before: &Self, with: (&Scoring, &NamedValues)) {
        // The store lets no endpoint go while an API points at it.
        let Some(target) = self.endpoints.get(api.endpoint.as_str()).cloned() else {
            tracing::error!(api = api.path, endpoint = %api.endpoint, "an API points at no endpoint");
            return;
        };
        self.api_segments = self.api_segments.max(api.path.split('/').count());
        let published = Published::new(api, target, (before, &before.restored), with);
        self.apis.insert(published.path.as_ref().into(), Arc::new(published));
    }

    fn subscribe(&mut self, all: &[Subscription], secret: &[u8]) {
        for one in all.iter().filter(|s| s.revoked.is_none()) {
            let keys = Keys::of_subscription(secret, &one.name, one.key_generations);
            self.subscriptions.add(one.name.as_str(), one.api.as_deref(), &keys);
        }
    }
}

/// The deployments of each endpoint with their models.
async fn deployments(
    before: &Snapshot,
    all: Vec<ServingDeployment>,
    with: &Building<'_>,
) -> HashMap<Name, Vec<(Deployment, Served)>> {
    let mut known: HashMap<(Digest, String), Arc<Loaded>> = HashMap::new();
    for served in before.endpoints.values().flat_map(|t| &t.models) {
        if let Some(model) = served.model.as_ref().filter(|model| model.native().is_some()) {
            known.insert(model.key.clone(), model.clone());
        }
    }
    let mut by_endpoint: HashMap<Name, Vec<(Deployment, Served)>> = HashMap::new();
    for one in all {
        let served = Served {
            model: match &one.deployment.spec {
                None => model(&mut known, &one, with.store).await,
                Some(_) => workers(&one, with.pools),
            },
            name: one.model.model.as_str().into(),
            deployment: one.deployment.name.as_str().into(),
            version: one.model.version.0,
            keep_answers: one.deployment.spec.as_ref().is_some_and(|spec| spec.app_insights_enabled),
            collecting: Collecting::of(one.deployment.data_collector.as_ref()),
        };
        let endpoint = one.deployment.endpoint.clone();
        by_endpoint.entry(endpoint).or_default().push((one.deployment, served));
    }
    by_endpoint
}

/// The workers of a deployment: those that run already, or new ones, which are not waited for.
fn workers(one: &ServingDeployment, pools: Option<&Pools>) -> Option<Arc<Loaded>> {
    let d = &one.deployment;
    let Some(pools) = pools else {
        tracing::error!(endpoint = %d.endpoint, deployment = %d.name, "this server runs no Python workers");
        return None;
    };
    let backend = Backend::Python(pools.obtain(d, &one.model));
    Some(Arc::new(Loaded { key: (one.model.digest, String::new()), backend }))
}

/// The model of a deployment: known already, or read, checked and compiled on a blocking thread.
async fn model(
    known: &mut HashMap<(Digest, String), Arc<Loaded>>,
    one: &ServingDeployment,
    store: &Store,
) -> Option<Arc<Loaded>> {
    let signature = one.model.signature.clone();
    let Some(digest) = one.model.native else {
        let d = &one.deployment;
        tracing::error!(endpoint = %d.endpoint, deployment = %d.name, "a deployment's model holds no ONNX file that runs here");
        return None;
    };
    let key = (digest, serde_json::to_string(&signature).unwrap_or_default());
    if let Some(model) = known.get(&key) {
        return Some(model.clone());
    }
    let artifacts = store.artifacts().clone();
    let load = tokio::task::spawn_blocking(move || {
        let bytes = artifacts.read(&digest).map_err(domain::Fault::from)?;
        Servable::load(&bytes, &signature).map_err(domain::Fault::from)
    });
    let loaded = load.await.unwrap_or_else(|_| Err(domain::Fault::internal("loading the model failed")));
    match loaded {
        Ok(servable) => {
            let model = Arc::new(Loaded { key: key.clone(), backend: Backend::Native(Box::new(servable)) });
            known.insert(key, model.clone());
            Some(model)
        }
        Err(fault) => {
            let d = &one.deployment;
            tracing::error!(endpoint = %d.endpoint, deployment = %d.name, error = %fault, "a deployment's model cannot be served");
            None
        }
    }
}

impl Target {
    fn new(
        endpoint: domain::Endpoint,
        running: Vec<(Deployment, Served)>,
        before: Option<&Self>,
        with: &Building<'_>,
    ) -> Self {
        let keys = Keys::derive(with.secret, &endpoint.name, endpoint.key_generations);
        let (deployments, models): (Vec<_>, Vec<_>) = running.into_iter().unzip();
        let mirror = with.scoring.aside.mirrors.of(&endpoint, &deployments, before);
        Self {
            name: endpoint.name.as_str().into(),
            keys: Some(vec![digest(keys.primary.as_bytes()), digest(keys.secondary.as_bytes())]),
            docs_public: endpoint.docs_public,
            reachable: endpoint.public_network_access == PublicNetworkAccess::Enabled,
            deployments,
            models,
            traffic: endpoint.traffic,
            mirror,
            handles: Handles::new(&with.scoring.metrics, "/endpoints/{endpoint}", endpoint.name.as_str()),
        }
    }

    /// An endpoint of one model outside any store: for `serve-model`.
    pub(crate) fn single(name: &Name, servable: Servable, key: Option<&str>, metrics: &Metrics) -> Self {
        let deployment = Deployment {
            name: name.clone(),
            endpoint: name.clone(),
            model: name.into(),
            version: domain::Version(1),
            spec: None,
            data_collector: None,
            created: domain::Timestamp::now(),
        };
        let text: Arc<str> = name.as_str().into();
        let loaded =
            Loaded { key: (Digest([0; 32]), String::new()), backend: Backend::Native(Box::new(servable)) };
        Self {
            name: text.clone(),
            keys: key.map(|key| vec![digest(key.as_bytes())]),
            docs_public: key.is_none(),
            reachable: true,
            traffic: BTreeMap::from([(name.clone(), 100)]),
            deployments: vec![deployment],
            models: vec![Served {
                model: Some(Arc::new(loaded)),
                name: text.clone(),
                deployment: text,
                version: 1,
                keep_answers: false,
                collecting: None,
            }],
            mirror: None,
            handles: Handles::new(metrics, "", name.as_str()),
        }
    }
}
