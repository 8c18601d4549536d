//! Endpoints and deployments.

use crate::clock::Timestamp;
use crate::collector::DataCollector;
use crate::ids::{Name, Version};
use crate::models::ModelName;
use crate::python::PythonSpec;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How the direct door of an endpoint is guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndpointAuth {
    /// Primary and secondary key.
    Key,
}

/// Whether an endpoint's direct door is reached from a network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PublicNetworkAccess {
    /// The direct door answers whoever has a key.
    #[default]
    Enabled,
    /// No network address reaches the endpoint: only the gateway, within this process.
    Disabled,
}

/// Which of an endpoint's two keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeySlot {
    /// The primary key.
    Primary,
    /// The secondary key.
    Secondary,
}

/// A stable name and URL over deployments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Endpoint {
    /// Its name, the segment in `/endpoints/{name}`.
    pub name: Name,
    /// How the direct door is guarded.
    pub auth_mode: EndpointAuth,
    /// Whether swagger and openapi documents are open without credentials.
    pub docs_public: bool,
    /// Whether the direct door is reached from a network.
    #[serde(default)]
    pub public_network_access: PublicNetworkAccess,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Deployment name → percent; sums to 0 or 100.
    #[serde(default)]
    pub traffic: BTreeMap<Name, u8>,
    /// The one deployment that gets copies of calls → percent of the calls, at most 50.
    #[serde(default)]
    pub mirror_traffic: BTreeMap<Name, u8>,
    /// Free labels.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// How often each key was regenerated, primary first; the keys themselves are derived, never stored.
    pub key_generations: [u32; 2],
    /// When it was made.
    pub created: Timestamp,
}

/// What may be changed of an endpoint besides its keys and traffic; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EndpointUpdate {
    /// Whether swagger and openapi documents are open without credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docs_public: Option<bool>,
    /// Whether the direct door is reached from a network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_network_access: Option<PublicNetworkAccess>,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Deployment name → percent; sums to 0 or 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic: Option<BTreeMap<Name, u8>>,
    /// The one deployment that gets copies of calls → percent of the calls, at most 50; empty for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror_traffic: Option<BTreeMap<Name, u8>>,
    /// Free labels, in place of those before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// A model version running under an endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Deployment {
    /// Its name, unique within the endpoint.
    pub name: Name,
    /// The endpoint.
    pub endpoint: Name,
    /// The model.
    pub model: ModelName,
    /// The model's version.
    pub version: Version,
    /// How Python workers run it; none: the model is run by this program itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<PythonSpec>,
    /// What of its calls is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_collector: Option<DataCollector>,
    /// When it was made.
    pub created: Timestamp,
}
