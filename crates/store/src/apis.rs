//! Published APIs: a path at the gateway with its token policy, in front of an endpoint.

use crate::db::{Store, Write};
use crate::error::{Error, Result};
use crate::ledger::Change;
use crate::records::{Record, to_json};
use crate::{endpoints, issuers, named_values};
use domain::{Actor, Api, Timestamp, TrustedIssuer};
use serde_json::json;
use sqlx::sqlite::SqliteRow;

impl Store {
    /// Publishes an API; one of the same path is replaced whole, in one transaction.
    pub async fn put_api(&self, api: &Api, by: &Actor, now: Timestamp) -> Result<()> {
        self.publish_api(api, &[], by, now).await
    }

    /// The same; issuers that nobody registered before are registered with it.
    pub async fn publish_api(
        &self,
        api: &Api,
        issuers: &[TrustedIssuer],
        by: &Actor,
        now: Timestamp,
    ) -> Result<()> {
        if api.policy.audiences.is_empty() && !api.policy.any_audience {
            return Err(Error::Invalid(
                "an API needs an audience: a token made for others must not pass".to_owned(),
            ));
        }
        let mut write = self.write().await?;
        endpoints::expect(write.conn(), &api.endpoint).await?;
        for issuer in issuers {
            register(&mut write, issuer, by, now).await?;
        }
        issuers::expect_all(write.conn(), &api.policy).await?;
        named_values::expect_all(write.conn(), &api.policy).await?;
        sqlx::query(
            "INSERT INTO apis (path, endpoint, policy, created) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (path) DO UPDATE SET endpoint = excluded.endpoint, policy = excluded.policy, \
             created = excluded.created",
        )
        .bind(&api.path)
        .bind(api.endpoint.as_str())
        .bind(to_json(&api.policy)?)
        .bind(api.created.micros())
        .execute(write.conn())
        .await?;
        let detail = json!({"endpoint": api.endpoint, "policy": api.policy});
        write.note(by, now, Change::new("publish api", &api.path, detail)).await?;
        write.commit().await
    }

    /// Takes an API back.
    pub async fn delete_api(&self, path: &str, by: &Actor, now: Timestamp) -> Result<()> {
        let mut write = self.write().await?;
        let done = sqlx::query("DELETE FROM apis WHERE path = $1").bind(path).execute(write.conn()).await?;
        if done.rows_affected() == 0 {
            return Err(Error::not_found("api", path));
        }
        write.note(by, now, Change::plain("unpublish api", path)).await?;
        write.commit().await
    }

    /// All APIs by path.
    pub async fn apis(&self) -> Result<Vec<Api>> {
        let rows = sqlx::query("SELECT * FROM apis ORDER BY path").fetch_all(self.reader()).await?;
        rows.iter().map(decode).collect()
    }
}

/// Registers an issuer unless there is one of that name, which then stays as it is.
async fn register(write: &mut Write<'_>, issuer: &TrustedIssuer, by: &Actor, now: Timestamp) -> Result<()> {
    let done = sqlx::query(
        "INSERT INTO issuers (issuer, detail, created) VALUES ($1, $2, $3) ON CONFLICT (issuer) DO NOTHING",
    )
    .bind(&issuer.issuer)
    .bind(to_json(issuer)?)
    .bind(issuer.created.micros())
    .execute(write.conn())
    .await?;
    if done.rows_affected() == 1 {
        issuers::expect_room(write.conn()).await?;
        let detail = serde_json::to_value(issuer).unwrap_or_default();
        write.note(by, now, Change::new("put issuer", &issuer.issuer, detail)).await?;
    }
    Ok(())
}

/// Reads a record of `apis`.
pub(crate) fn decode(row: &SqliteRow) -> Result<Api> {
    Ok(Api {
        path: row.text("path")?,
        endpoint: row.name("endpoint")?,
        policy: row.json("policy")?,
        created: row.time("created")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{T0, admin, api, endpoint, serving};

    #[tokio::test]
    async fn publishing_again_replaces_the_whole_api() {
        let (_dir, store) = serving().await;
        store.add_endpoint(&endpoint("other"), &admin()).await.unwrap();
        store.put_api(&api("credit/v1", "credit"), &admin(), T0).await.unwrap();
        let mut stricter = api("credit/v1", "other");
        stricter.policy.audiences.push("api://other".to_owned());
        store.put_api(&stricter, &admin(), T0).await.unwrap();
        assert_eq!(store.apis().await.unwrap(), [stricter]);
        store.delete_api("credit/v1", &admin(), T0).await.unwrap();
        assert!(matches!(store.delete_api("credit/v1", &admin(), T0).await, Err(Error::NotFound { .. })));
    }

    #[tokio::test]
    async fn no_api_without_an_audience_or_an_endpoint() {
        let (_dir, store) = serving().await;
        let mut open = api("credit", "credit");
        open.policy.audiences.clear();
        assert!(matches!(store.put_api(&open, &admin(), T0).await, Err(Error::Invalid(_))));
        let lost = store.put_api(&api("credit", "absent"), &admin(), T0).await;
        assert!(matches!(lost, Err(Error::NotFound { .. })));
        assert_eq!(store.apis().await.unwrap(), []);
    }
}
