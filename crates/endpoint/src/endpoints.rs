//! Endpoints: create, show, keys, traffic, delete. Every change is one transaction of the store.

use crate::keys::{Keys, RegeneratedKeys, derive_key, workspace_secret};
use crate::python::Pools;
use domain::{
    Actor, Endpoint, EndpointAuth, EndpointUpdate, Fault, KeySlot, Name, PublicNetworkAccess, Timestamp,
};
use registry::Registry;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use store::{KeyChange, Store};

/// An endpoint to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEndpoint {
    /// Its name, the segment in `/endpoints/{name}`.
    pub name: Name,
    /// Whether its swagger and openapi documents are open without credentials; closed when not said.
    #[serde(default)]
    pub docs_public: bool,
    /// Whether the direct door is reached from a network.
    #[serde(default)]
    pub public_network_access: PublicNetworkAccess,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Free labels.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// The services of endpoints and their deployments; cheap to clone.
#[derive(Clone)]
pub struct Endpoints {
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    pub(crate) pools: Option<Pools>,
    secret: Arc<[u8]>,
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Endpoints { .. }")
    }
}

impl Endpoints {
    /// The services over a store, with the workspace's secret.
    pub fn open(store: Store) -> Result<Self, Fault> {
        let secret = workspace_secret(&store)?;
        Ok(Self::new(store, &secret))
    }

    /// The services over a store, with a secret given.
    pub fn new(store: Store, workspace_secret: &[u8]) -> Self {
        Self { registry: Registry::new(store.clone()), store, pools: None, secret: workspace_secret.into() }
    }

    /// The same with Python workers.
    pub fn with_pools(self, pools: Pools) -> Self {
        Self { pools: Some(pools), ..self }
    }

    /// All endpoints by name.
    pub async fn list(&self) -> Result<Vec<Endpoint>, Fault> {
        Ok(self.store.endpoints().await?)
    }

    /// Creates an endpoint: closed, with two keys, no deployment yet.
    pub async fn create(&self, new: NewEndpoint, by: &Actor) -> Result<Endpoint, Fault> {
        let endpoint = Endpoint {
            name: new.name,
            auth_mode: EndpointAuth::Key,
            docs_public: new.docs_public,
            public_network_access: new.public_network_access,
            description: new.description,
            traffic: BTreeMap::new(),
            mirror_traffic: BTreeMap::new(),
            tags: new.tags,
            key_generations: [0, 0],
            created: Timestamp::now(),
        };
        Ok(self.store.add_endpoint(&endpoint, by).await?)
    }

    /// An endpoint.
    pub async fn show(&self, name: &Name) -> Result<Endpoint, Fault> {
        Ok(self.store.endpoint(name).await?)
    }

    /// Its two keys.
    pub async fn keys(&self, name: &Name) -> Result<Keys, Fault> {
        let endpoint = self.store.endpoint(name).await?;
        Ok(self.derive(&endpoint))
    }

    /// Replaces one key; the other goes on working. Named values that held the old key hold the new one from the same moment.
    pub async fn regenerate(&self, name: &Name, slot: KeySlot, by: &Actor) -> Result<RegeneratedKeys, Fault> {
        let derive = |generation| derive_key(&self.secret, name, slot, generation);
        let change = KeyChange { endpoint: name, slot, derive: &derive };
        let (endpoint, named_values) = self.store.regenerate_key(&change, by, Timestamp::now()).await?;
        Ok(RegeneratedKeys { keys: self.derive(&endpoint), named_values })
    }

    /// Changes what is stated of its settings; the rest stays.
    pub async fn update(&self, name: &Name, update: &EndpointUpdate, by: &Actor) -> Result<Endpoint, Fault> {
        Ok(self.store.update_endpoint((name, update), by, Timestamp::now()).await?)
    }

    /// Sets the percent of each deployment; the sum is 0 or 100, and all are deployments of the endpoint.
    pub async fn set_traffic(
        &self,
        name: &Name,
        traffic: &BTreeMap<Name, u8>,
        by: &Actor,
    ) -> Result<Endpoint, Fault> {
        Ok(self.store.set_traffic(name, traffic, by, Timestamp::now()).await?)
    }

    /// Removes an endpoint and its deployments; refused while a published API points at it.
    pub async fn delete(&self, name: &Name, by: &Actor) -> Result<(), Fault> {
        Ok(self.store.delete_endpoint(name, by, Timestamp::now()).await?)
    }

    fn derive(&self, endpoint: &Endpoint) -> Keys {
        Keys::derive(&self.secret, &endpoint.name, endpoint.key_generations)
    }
}
