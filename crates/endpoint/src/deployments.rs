//! Deployments: a model version under an endpoint. A model is loaded once before its deployment is kept, so that what is
//! deployed can serve.

mod workers;

use crate::endpoints::Endpoints;
use crate::error::Error;
use crate::python::{LogAsk, LogLine, PoolStatus, Pools, ProvisioningState};
use crate::servable::Servable;
use domain::{
    Actor, DataCollector, Deployment, DeploymentUpdate, Fault, ModelKind, ModelName, ModelVersion, Name,
    PythonSpec, Timestamp,
};
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
    /// How Python workers run it; none: this program itself runs the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<PythonSpec>,
    /// Lets pins of the environment give way to the nearest version that can be had.
    #[serde(default)]
    pub relax_pins: bool,
}

/// A deployment and how it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeploymentView {
    /// The deployment.
    #[serde(flatten)]
    pub deployment: Deployment,
    /// How it is.
    #[serde(flatten)]
    pub status: PoolStatus,
    /// What scores while this program itself runs the model: `portcullis`, or `onnxruntime` and its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
}

impl NewDeployment {
    /// The name of the model that is asked for, without its version.
    pub fn model_name(&self) -> Result<ModelName, Fault> {
        Ok(reference(&self.model)?.0)
    }

    /// Whether its workers are to reach the network.
    pub fn asks_for_network(&self) -> bool {
        self.spec.as_ref().is_some_and(|spec| spec.network)
    }
}

impl Endpoints {
    /// The deployments of an endpoint by name.
    pub async fn deployments(&self, endpoint: &Name) -> Result<Vec<Deployment>, Fault> {
        self.store.endpoint(endpoint).await?;
        Ok(self.store.deployments(Some(endpoint)).await?)
    }

    /// The deployments of an endpoint by name with how they are, also those that are being made.
    pub async fn views(&self, endpoint: &Name) -> Result<Vec<DeploymentView>, Fault> {
        let made = self.deployments(endpoint).await?;
        let coming = self.pools.as_ref().map(|pools| pools.coming(endpoint)).unwrap_or_default();
        let new = coming.into_iter().filter(|d| made.iter().all(|m| m.name != d.name)).collect::<Vec<_>>();
        let mut views: Vec<DeploymentView> = made.into_iter().map(|d| self.view(d)).collect();
        views.extend(new.into_iter().map(|deployment| {
            let instances = deployment.spec.as_ref().map_or(0, |spec| spec.bounds().0);
            DeploymentView {
                deployment,
                status: PoolStatus { instances, ..PoolStatus::default() },
                engine: None,
            }
        }));
        views.sort_by(|a, b| a.deployment.name.cmp(&b.deployment.name));
        Ok(views)
    }

    /// A deployment with how it is.
    pub fn view(&self, deployment: Deployment) -> DeploymentView {
        let native =
            || PoolStatus { provisioning_state: ProvisioningState::Succeeded, ..PoolStatus::default() };
        let status = self.pools.as_ref().and_then(|pools| pools.status(&deployment)).unwrap_or_else(native);
        DeploymentView { deployment, status, engine: None }
    }

    /// Makes or replaces a deployment. Its model is loaded, or its workers serve, before anything changes: what cannot run is
    /// refused, and what ran before goes on.
    pub async fn deploy(&self, endpoint: &Name, new: NewDeployment, by: &Actor) -> Result<Deployment, Fault> {
        if let Some(collector) = &new.data_collector {
            collector.check()?;
        }
        let there = self.deployments(endpoint).await?;
        let first = there.is_empty();
        let replaces = there.iter().any(|before| before.name == new.name);
        let (model, version) = reference(&new.model)?;
        let found = self.registry.show(&model, &version).await?;
        let spec = self.workers((new.spec, new.relax_pins), &found).await?;
        let deployment = Deployment {
            name: new.name,
            endpoint: endpoint.clone(),
            model: found.model.clone(),
            version: found.version,
            spec,
            data_collector: new.data_collector,
            created: Timestamp::now(),
        };
        match &deployment.spec {
            None => self.load(&found).await?,
            Some(spec) => {
                spec.check()?;
                if spec.code.is_none() && found.kind != ModelKind::Mlflow {
                    return Err(Fault::invalid(format!(
                        "code: a model of kind {} is run by a script: name its folder",
                        found.kind.as_str()
                    )));
                }
                self.pools()?.start((&deployment, replaces), &found).await?;
            }
        }
        let kept = self.store.put_deployment(&deployment, new.all_traffic.unwrap_or(first), by).await;
        if let (Err(_), Some(pools)) = (&kept, &self.pools) {
            pools.give_up(&deployment);
        }
        kept?;
        Ok(deployment)
    }

    /// Loads a model once, to see that it can serve.
    async fn load(&self, model: &ModelVersion) -> Result<(), Fault> {
        let (_, bytes) = self.registry.bytes(&model.model, &model.version.to_string()).await?;
        let signature = model.signature.clone();
        let loading = tokio::task::spawn_blocking(move || Servable::load(&bytes, &signature).map(drop));
        Ok(loading.await.map_err(|_| Error::Interrupted)??)
    }

    fn pools(&self) -> Result<&Pools, Fault> {
        let none = || Fault::invalid("this server runs no Python workers");
        self.pools.as_ref().ok_or_else(none)
    }

    /// Changes what is stated of a deployment that Python workers run; they go on running.
    pub async fn update_deployment(
        &self,
        of: (&Name, &Name),
        update: &DeploymentUpdate,
        by: &Actor,
    ) -> Result<DeploymentView, Fault> {
        Ok(self.view(self.store.update_deployment(of, update, by, Timestamp::now()).await?))
    }

    /// Lines that the workers of a deployment printed, oldest first.
    pub async fn log_lines(
        &self,
        (endpoint, name): (&Name, &Name),
        ask: LogAsk,
    ) -> Result<Vec<LogLine>, Fault> {
        let made = self.store.deployment(endpoint, name).await.map(drop);
        let pools = self.pools()?;
        // One that is being made for the first time may be looked at too.
        if made.is_err() && !pools.coming(endpoint).iter().any(|d| d.name == *name) {
            made?;
        }
        pools.log_lines((endpoint, name), ask).await
    }

    /// Removes a deployment; refused while it gets traffic.
    pub async fn undeploy(&self, endpoint: &Name, deployment: &Name, by: &Actor) -> Result<(), Fault> {
        self.store.delete_deployment(endpoint, deployment, by, Timestamp::now()).await?;
        if let Some(pools) = &self.pools {
            pools.forget(endpoint, deployment);
        }
        Ok(())
    }
}

/// Name and version (a number, `latest` or an alias) of a model reference.
fn reference(text: &str) -> Result<(ModelName, String), Error> {
    let wrong = || Error::Reference(text.chars().take(60).collect());
    let plain = text.strip_prefix(PREFIX).unwrap_or(text);
    // A name has no colon, but it may have an @.
    let at = plain.find(':').or_else(|| plain.rfind('@'));
    let (name, version) = at.map_or((plain, LATEST), |at| (&plain[..at], &plain[at + 1..]));
    let name = ModelName::new(name).map_err(|_| wrong())?;
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
