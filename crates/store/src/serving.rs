//! All that the gateway serves from, as one consistent picture.

use crate::db::Store;
use crate::error::Result;
use crate::records::Record;
use crate::{apis, assignments, deployments, endpoints, issuers, principals, registry, subscriptions};
use domain::{
    Api, Assignment, Deployment, Endpoint, ModelName, ModelVersion, Name, Principal, Subscription,
    TrustedIssuer,
};

/// A deployment with the model version it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct ServingDeployment {
    /// The deployment.
    pub deployment: Deployment,
    /// Its model version: digest of its content and signature among the rest.
    pub model: ModelVersion,
}

/// What is served, to whom. Read in one transaction: never half of a publish.
#[derive(Debug, Clone, PartialEq)]
pub struct ServingState {
    /// The ledger's last sequence at that moment.
    pub sequence: i64,
    /// Endpoints by name.
    pub endpoints: Vec<Endpoint>,
    /// Deployments by endpoint and name.
    pub deployments: Vec<ServingDeployment>,
    /// Published APIs by path.
    pub apis: Vec<Api>,
    /// Principals by name, the revoked too.
    pub principals: Vec<Principal>,
    /// Trusted issuers by name.
    pub issuers: Vec<TrustedIssuer>,
    /// Roles on single endpoints and models.
    pub assignments: Vec<Assignment>,
    /// The names of all models.
    pub models: Vec<ModelName>,
    /// Ids of revoked tokens; some may have expired by themselves since.
    pub revoked_tokens: Vec<String>,
    /// Subscriptions by name, the revoked too.
    pub subscriptions: Vec<Subscription>,
    /// Named values with their sealed contents ([`Store::unseal`] for `named-value:NAME`).
    pub named_values: Vec<(Name, String)>,
}

impl Store {
    /// The state to serve from.
    pub async fn serving_state(&self) -> Result<ServingState> {
        let mut tx = self.reader().begin().await?;
        let sequence = sqlx::query("SELECT COALESCE(MAX(sequence), 0) AS last FROM ledger")
            .fetch_one(&mut *tx)
            .await?
            .int("last")?;
        let endpoints = sqlx::query("SELECT * FROM endpoints ORDER BY name").fetch_all(&mut *tx).await?;
        let deployments =
            sqlx::query("SELECT * FROM deployments ORDER BY endpoint, name").fetch_all(&mut *tx).await?;
        let versions = sqlx::query(
            "SELECT v.*, '[]' AS aliases FROM deployments d JOIN model_versions v ON v.model = d.model \
             AND v.version = d.version ORDER BY d.endpoint, d.name",
        )
        .fetch_all(&mut *tx)
        .await?;
        let apis = sqlx::query("SELECT * FROM apis ORDER BY path").fetch_all(&mut *tx).await?;
        let principals = sqlx::query("SELECT * FROM principals ORDER BY name").fetch_all(&mut *tx).await?;
        let trusted = sqlx::query("SELECT detail FROM issuers ORDER BY issuer").fetch_all(&mut *tx).await?;
        let assigned = assignments::all(&mut tx).await?;
        let models = sqlx::query("SELECT name FROM models ORDER BY name").fetch_all(&mut *tx).await?;
        let tokens = sqlx::query("SELECT jti FROM revoked_tokens ORDER BY jti").fetch_all(&mut *tx).await?;
        let subscriptions =
            sqlx::query("SELECT * FROM subscriptions ORDER BY name").fetch_all(&mut *tx).await?;
        let named =
            sqlx::query("SELECT name, sealed FROM named_values ORDER BY name").fetch_all(&mut *tx).await?;
        tx.commit().await?;
        let deployments = deployments.iter().zip(&versions).map(|(deployment, version)| {
            Ok(ServingDeployment {
                deployment: deployments::decode(deployment)?,
                model: registry::decode(version)?,
            })
        });
        Ok(ServingState {
            sequence,
            deployments: deployments.collect::<Result<_>>()?,
            endpoints: endpoints.iter().map(endpoints::decode).collect::<Result<_>>()?,
            apis: apis.iter().map(apis::decode).collect::<Result<_>>()?,
            principals: principals.iter().map(principals::decode).collect::<Result<_>>()?,
            issuers: trusted.iter().map(issuers::decode).collect::<Result<_>>()?,
            assignments: assigned,
            models: models.iter().map(|row| row.parsed("name")).collect::<Result<_>>()?,
            revoked_tokens: tokens.iter().map(|row| row.text("jti")).collect::<Result<_>>()?,
            subscriptions: subscriptions.iter().map(subscriptions::decode).collect::<Result<_>>()?,
            named_values: named
                .iter()
                .map(|row| Ok((row.name("name")?, row.text("sealed")?)))
                .collect::<Result<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::samples::{T0, admin, api, deployment, endpoint, principal, serving};
    use domain::{Digest, Version};

    #[tokio::test]
    async fn the_picture_is_whole_and_each_deployment_has_its_own_model() {
        let (_dir, store) = serving().await;
        store.add_endpoint(&endpoint("bank"), &admin()).await.unwrap();
        store.put_deployment(&deployment("bank", "only", 2), true, &admin()).await.unwrap();
        store.put_api(&api("credit/v1", "credit"), &admin(), T0).await.unwrap();
        store.add_principal(&principal("ci"), Digest([1; 32]), &admin()).await.unwrap();
        let state = store.serving_state().await.unwrap();
        let runs: Vec<(&str, Version)> =
            state.deployments.iter().map(|d| (d.deployment.endpoint.as_str(), d.model.version)).collect();
        assert_eq!(runs, [("bank", Version(2)), ("credit", Version(1))]);
        assert_eq!((state.endpoints.len(), state.apis.len(), state.principals.len()), (2, 1, 1));
        assert_eq!(state.sequence, *store.changes().borrow());
    }
}
