//! Online endpoints and deployments of the CLI v2, managed and Kubernetes alike.

mod deployment;
mod resources;

use crate::error::Result;
use crate::fields::{Field, Value, quiet, told, used};
use crate::kinds::Kind;
use crate::read::Definition;
use domain::Name;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use deployment::{
    CodeConfiguration, Collection, DataCollector, ModelUse, OnlineDeployment, Probe, RequestSettings,
    Rolling, ScaleSettings,
};
pub use resources::{Quantities, Resources};
pub(crate) use resources::{bytes, cpu};

/// The largest share of the calls that may be mirrored, in percent.
const MIRROR_MAX: u32 = 50;

/// How an endpoint asks for credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMode {
    /// Its two keys.
    #[default]
    Key,
    /// A token of the built-in token service.
    AmlToken,
    /// A token of the directory.
    AadToken,
}

/// An online endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnlineEndpoint {
    /// Its name.
    pub name: Name,
    /// How it asks for credentials.
    pub auth_mode: AuthMode,
    /// Free text.
    pub description: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Whether a network reaches it directly.
    pub public_network_access: Option<bool>,
    /// Deployment → percent; sums to 0 or 100.
    pub traffic: BTreeMap<Name, u8>,
    /// Deployment → percent of calls it gets a copy of.
    pub mirror_traffic: BTreeMap<Name, u8>,
}

const ENDPOINT: &[Field] = &[
    quiet("$schema"),
    quiet("type"),
    used("name"),
    used("auth_mode"),
    used("description"),
    used("tags"),
    quiet("properties"),
    used("public_network_access"),
    used("traffic"),
    used("mirror_traffic"),
    told("identity", "deployments have no identity in a cloud"),
    told("compute", "deployments run on this machine"),
    quiet("kind"),
    quiet("location"),
];

impl Definition for OnlineEndpoint {
    const KINDS: &'static [Kind] = &[Kind::OnlineEndpoint, Kind::KubernetesOnlineEndpoint];

    fn from_root(value: &Value<'_>) -> Result<Self> {
        let fields = value.open("an online endpoint", ENDPOINT)?;
        let modes =
            [("key", AuthMode::Key), ("aml_token", AuthMode::AmlToken), ("aad_token", AuthMode::AadToken)];
        Ok(Self {
            name: fields.need("name")?.name()?,
            auth_mode: fields.or_default("auth_mode", |v| v.one_of(&modes))?,
            description: fields.free_text("description")?,
            tags: fields.or_default("tags", Value::text_map)?,
            public_network_access: fields
                .opt("public_network_access", |v| v.one_of(&[("enabled", true), ("disabled", false)]))?,
            traffic: fields.or_default("traffic", |v| traffic(v, false))?,
            mirror_traffic: fields.or_default("mirror_traffic", |v| traffic(v, true))?,
        })
    }
}

fn traffic(value: &Value<'_>, mirrored: bool) -> Result<BTreeMap<Name, u8>> {
    let mut shares = BTreeMap::new();
    let mut sum = 0;
    for (name, share) in value.entries()? {
        let name = Name::new(name).map_err(|fault| share.wrong(fault.message))?;
        let percent = share.count(0..=100)?;
        sum += percent;
        shares.insert(name, u8::try_from(percent).unwrap_or(100));
    }
    match (mirrored, sum) {
        (true, sum) if sum > MIRROR_MAX => {
            Err(value.wrong(format!("the shares sum to {sum}: at most {MIRROR_MAX} percent are mirrored")))
        }
        (false, sum) if sum != 0 && sum != 100 => {
            Err(value.wrong(format!("the shares sum to {sum}: they sum to 100, or all are 0")))
        }
        _ => Ok(shares),
    }
}
