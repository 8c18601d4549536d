//! Deployments: a model version under an endpoint. A model is loaded once before its deployment is kept, so that what is
//! deployed can serve.

use crate::endpoints::Endpoints;
use crate::error::Error;
use crate::servable::Servable;
use domain::{Actor, DataCollector, Deployment, Fault, Name, Timestamp};
use serde::{Deserialize, Serialize};

/// What the cloud's files write before a model's name.
const PREFIX: &str = "azureml:";
/// The newest version.
const LATEST: &str = "latest";

/// A deployment to make.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDeployment {
    /// Its name, unique within the endpoint; a deployment of the same name is replaced.
    pub name: Name,
    /// The model: `NAME`, `NAME:VERSION`, `NAME:latest` or `NAME@ALIAS`; `NAME` alone is the newest version.
    pub model: String,
    /// Whether it gets all traffic; when not said, only the first deployment of an endpoint does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_traffic: Option<bool>,
    /// What of its calls is kept; nothing when not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_collector: Option<DataCollector>,
}

impl NewDeployment {
    /// The name of the model that is asked for, without its version.
    pub fn model_name(&self) -> Result<Name, Fault> {
        Ok(reference(&self.model)?.0)
    }
}

impl Endpoints {
    /// The deployments of an endpoint by name.
    pub async fn deployments(&self, endpoint: &Name) -> Result<Vec<Deployment>, Fault> {
        self.store.endpoint(endpoint).await?;
        Ok(self.store.deployments(Some(endpoint)).await?)
    }

    /// Makes or replaces a deployment.
    pub async fn deploy(&self, endpoint: &Name, new: NewDeployment, by: &Actor) -> Result<Deployment, Fault> {
        if let Some(collector) = &new.data_collector {
            collector.check()?;
        }
        let first = self.deployments(endpoint).await?.is_empty();
        let (model, version) = reference(&new.model)?;
        let (found, bytes) = self.registry.bytes(&model, &version).await?;
        let signature = found.signature;
        let loading = tokio::task::spawn_blocking(move || Servable::load(&bytes, &signature).map(drop));
        loading.await.map_err(|_| Error::Interrupted)??;
        let deployment = Deployment {
            name: new.name,
            endpoint: endpoint.clone(),
            model: found.model,
            version: found.version,
            data_collector: new.data_collector,
            created: Timestamp::now(),
        };
        self.store.put_deployment(&deployment, new.all_traffic.unwrap_or(first), by).await?;
        Ok(deployment)
    }

    /// Removes a deployment; refused while it gets traffic.
    pub async fn undeploy(&self, endpoint: &Name, deployment: &Name, by: &Actor) -> Result<(), Fault> {
        Ok(self.store.delete_deployment(endpoint, deployment, by, Timestamp::now()).await?)
    }
}

/// Name and version (a number, `latest` or an alias) of a model reference.
fn reference(text: &str) -> Result<(Name, String), Error> {
    let wrong = || Error::Reference(text.chars().take(60).collect());
    let plain = text.strip_prefix(PREFIX).unwrap_or(text);
    let at = plain.find([':', '@']);
    let (name, version) = at.map_or((plain, LATEST), |at| (&plain[..at], &plain[at + 1..]));
    let name = Name::new(name).map_err(|_| wrong())?;
    // A colon goes before a number or `latest` only, an alias after `@`.
    let numbered = version == LATEST || version.bytes().all(|c| c.is_ascii_digit());
    let colon = at.is_some_and(|at| plain.as_bytes()[at] == b':');
    if version.is_empty() || (colon && !numbered) {
        return Err(wrong());
    }
    Ok((name, version.to_owned()))
}

#[cfg(test)]
mod tests;
