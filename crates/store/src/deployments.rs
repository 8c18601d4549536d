//! Deployments: a model version running under an endpoint.

use crate::db::Store;
use crate::endpoints;
use crate::error::{Error, Result};
use crate::ledger::Change;
use crate::records::{Record, to_json};
use domain::{Actor, Deployment, DeploymentUpdate, Name, Timestamp};
use serde_json::json;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::collections::BTreeMap;

impl Store {
    /// Keeps a deployment, or changes the version of one that exists; with `all_traffic` it gets 100 percent in the same
    /// transaction.
    pub async fn put_deployment(&self, d: &Deployment, all_traffic: bool, by: &Actor) -> Result<()> {
        let mut write = self.write().await?;
        endpoints::expect(write.conn(), &d.endpoint).await?;
        let found = sqlx::query("SELECT 1 FROM model_versions WHERE model = $1 AND version = $2")
            .bind(d.model.as_str())
            .bind(i64::from(d.version.0))
            .fetch_optional(write.conn())
            .await?;
        if found.is_none() {
            return Err(Error::not_found("model version", format_args!("{}:{}", d.model, d.version)));
        }
        upsert(write.conn(), d).await?;
        if all_traffic {
            let all = BTreeMap::from([(d.name.clone(), 100)]);
            endpoints::store_traffic(write.conn(), &d.endpoint, &all).await?;
        }
        let mut detail = json!({"model": d.model, "version": d.version, "all_traffic": all_traffic});
        if let Some(spec) = &d.spec {
            detail["code"] = json!(spec.code);
            detail["scoring_script"] = json!(spec.scoring_script);
            detail["network"] = json!(spec.network);
        }
        let subject = format!("{}/{}", d.endpoint, d.name);
        write.note(by, d.created, Change::new("deploy model", subject, detail)).await?;
        write.commit().await
    }

    /// The deployments of one endpoint or of all, by endpoint and name.
    pub async fn deployments(&self, endpoint: Option<&Name>) -> Result<Vec<Deployment>> {
        let rows = sqlx::query(
            "SELECT * FROM deployments WHERE $1 IS NULL OR endpoint = $1 ORDER BY endpoint, name",
        )
        .bind(endpoint.map(Name::as_str))
        .fetch_all(self.reader())
        .await?;
        rows.iter().map(decode).collect()
    }

    /// One deployment.
    pub async fn deployment(&self, endpoint: &Name, name: &Name) -> Result<Deployment> {
        let row = sqlx::query("SELECT * FROM deployments WHERE endpoint = $1 AND name = $2")
            .bind(endpoint.as_str())
            .bind(name.as_str())
            .fetch_optional(self.reader())
            .await?;
        let absent = || Error::not_found("deployment", format_args!("{endpoint}/{name}"));
        decode(&row.ok_or_else(absent)?)
    }

    /// Changes what is stated of a deployment that runs Python workers; they go on running.
    pub async fn update_deployment(
        &self,
        (endpoint, name): (&Name, &Name),
        update: &DeploymentUpdate,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Deployment> {
        let mut write = self.write().await?;
        let row = sqlx::query("SELECT * FROM deployments WHERE endpoint = $1 AND name = $2")
            .bind(endpoint.as_str())
            .bind(name.as_str())
            .fetch_optional(write.conn())
            .await?;
        let absent = || Error::not_found("deployment", format_args!("{endpoint}/{name}"));
        let mut found = decode(&row.ok_or_else(absent)?)?;
        let Some(spec) = &mut found.spec else {
            return Err(Error::Conflict(format!(
                "the deployment '{endpoint}/{name}' runs no Python workers: there is nothing of this kind to change"
            )));
        };
        if let Some(enabled) = update.app_insights_enabled {
            spec.app_insights_enabled = enabled;
        }
        upsert(write.conn(), &found).await?;
        let change = Change::new("update deployment", format!("{endpoint}/{name}"), json!(update));
        write.note(by, now, change).await?;
        write.commit().await?;
        Ok(found)
    }

    /// Removes a deployment; refused while it has traffic.
    pub async fn delete_deployment(
        &self,
        endpoint: &Name,
        name: &Name,
        by: &Actor,
        now: Timestamp,
    ) -> Result<()> {
        let mut write = self.write().await?;
        let found = endpoints::expect(write.conn(), endpoint).await?;
        let (mut traffic, mut mirrored) = (found.traffic, found.mirror_traffic);
        if let Some(percent) = traffic.get(name).filter(|p| **p > 0) {
            return Err(Error::Conflict(format!(
                "the deployment '{endpoint}/{name}' has {percent} percent of the traffic: set the traffic to others first"
            )));
        }
        let done = sqlx::query("DELETE FROM deployments WHERE endpoint = $1 AND name = $2")
            .bind(endpoint.as_str())
            .bind(name.as_str())
            .execute(write.conn())
            .await?;
        if done.rows_affected() == 0 {
            return Err(Error::not_found("deployment", format_args!("{endpoint}/{name}")));
        }
        if traffic.remove(name).is_some() {
            endpoints::store_traffic(write.conn(), endpoint, &traffic).await?;
        }
        if mirrored.remove(name).is_some() {
            endpoints::store_mirror(write.conn(), endpoint, &mirrored).await?;
        }
        write.note(by, now, Change::plain("delete deployment", format!("{endpoint}/{name}"))).await?;
        write.commit().await
    }
}

async fn upsert(conn: &mut SqliteConnection, d: &Deployment) -> Result<()> {
    sqlx::query(
        "INSERT INTO deployments (endpoint, name, model, version, created, spec, data_collector) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (endpoint, name) DO UPDATE SET model = excluded.model, version = excluded.version, \
         created = excluded.created, spec = excluded.spec, data_collector = excluded.data_collector",
    )
    .bind(d.endpoint.as_str())
    .bind(d.name.as_str())
    .bind(d.model.as_str())
    .bind(i64::from(d.version.0))
    .bind(d.created.micros())
    .bind(d.spec.as_ref().map(to_json).transpose()?)
    .bind(d.data_collector.as_ref().map(to_json).transpose()?)
    .execute(conn)
    .await?;
    Ok(())
}

/// Reads a record of `deployments`.
pub(crate) fn decode(row: &SqliteRow) -> Result<Deployment> {
    Ok(Deployment {
        name: row.name("name")?,
        endpoint: row.name("endpoint")?,
        model: row.parsed("model")?,
        version: row.version("version")?,
        spec: row.json_or_null("spec")?,
        data_collector: row.json_or_null("data_collector")?,
        created: row.time("created")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{T0, admin, deployment, name, serving};

    #[tokio::test]
    async fn a_deployment_changes_its_version_and_leaves_without_traffic_only() {
        let (_dir, store) = serving().await;
        let (credit, blue, green) = (name("credit"), name("blue"), name("green"));
        store.put_deployment(&deployment("credit", "blue", 2), false, &admin()).await.unwrap();
        assert_eq!(store.deployments(Some(&credit)).await.unwrap(), [deployment("credit", "blue", 2)]);
        let refused = store.delete_deployment(&credit, &blue, &admin(), T0).await.unwrap_err();
        assert!(refused.to_string().contains("100 percent"), "{refused}");
        store.put_deployment(&deployment("credit", "green", 1), true, &admin()).await.unwrap();
        store.delete_deployment(&credit, &blue, &admin(), T0).await.unwrap();
        assert_eq!(store.endpoint(&credit).await.unwrap().traffic, BTreeMap::from([(green, 100)]));
        assert!(matches!(
            store.delete_deployment(&credit, &blue, &admin(), T0).await,
            Err(Error::NotFound { .. })
        ));
    }

    #[tokio::test]
    async fn a_python_deployment_keeps_its_spec_and_only_that_may_change() {
        let (_dir, store) = serving().await;
        let (credit, blue) = (name("credit"), name("blue"));
        let update = DeploymentUpdate { app_insights_enabled: Some(true) };
        let by = admin();
        let on = |update| store.update_deployment((&credit, &blue), update, &by, T0);
        assert!(matches!(on(&update).await, Err(Error::Conflict(_))));
        let spec = domain::PythonSpec { instance_count: 3, network: true, ..Default::default() };
        let python = Deployment { spec: Some(spec.clone()), ..deployment("credit", "blue", 1) };
        store.put_deployment(&python, false, &admin()).await.unwrap();
        assert_eq!(store.deployment(&credit, &blue).await.unwrap(), python);
        let changed = on(&update).await.unwrap();
        assert_eq!(changed.spec, Some(domain::PythonSpec { app_insights_enabled: true, ..spec }));
        assert_eq!(store.serving_state().await.unwrap().deployments[0].deployment, changed);
        assert!(matches!(store.deployment(&credit, &name("green")).await, Err(Error::NotFound { .. })));
    }

    #[tokio::test]
    async fn what_it_points_at_must_exist() {
        let (_dir, store) = serving().await;
        for wrong in [deployment("absent", "blue", 1), deployment("credit", "blue", 3)] {
            let error = store.put_deployment(&wrong, true, &admin()).await.unwrap_err();
            assert!(matches!(error, Error::NotFound { .. }), "{error}");
        }
        assert_eq!(store.deployments(Some(&name("absent"))).await.unwrap(), []);
    }
}
