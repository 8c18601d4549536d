//! Published APIs: a path at the gateway with its token policy, in front of an endpoint.

use crate::db::{Store, Write};
use crate::error::{Error, Result};
use crate::ledger::Change;
use crate::records::{Record, to_json};
use crate::{endpoints, issuers, named_values};
use domain::{Actor, Api, Name, Timestamp, TrustedIssuer};
use serde_json::json;
use sqlx::sqlite::SqliteRow;

/// What stood at an API's path when its change was judged; a change meets only that, else it is refused as a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Former {
    /// Not judged: whatever is there is replaced.
    Whatever,
    /// Nothing.
    Nothing,
    /// An API over this endpoint.
    Endpoint(Name),
}

impl Former {
    /// What stands there now.
    pub fn of(api: Option<&Api>) -> Self {
        api.map_or(Self::Nothing, |api| Self::Endpoint(api.endpoint.clone()))
    }

    async fn is_met(&self, write: &mut Write<'_>, path: &str) -> Result<()> {
        if *self == Self::Whatever {
            return Ok(());
        }
        let row = sqlx::query("SELECT endpoint FROM apis WHERE path = $1")
            .bind(path)
            .fetch_optional(write.conn())
            .await?;
        let there = row.map(|row| row.name("endpoint")).transpose()?.map_or(Self::Nothing, Self::Endpoint);
        if there == *self {
            return Ok(());
        }
        Err(Error::Conflict(format!(
            "the API '{path}' was published, moved or taken back by somebody else just now: look at it, then try again"
        )))
    }
}

/// An API to publish, and what goes with it.
#[derive(Debug, Clone)]
pub struct Publication<'a> {
    /// The API.
    pub api: &'a Api,
    /// Issuers registered with it, unless somebody registered them before.
    pub issuers: &'a [TrustedIssuer],
    /// What it may replace.
    pub former: &'a Former,
}

impl Store {
    /// Publishes an API over whatever stands at its path.
    pub async fn put_api(&self, api: &Api, by: &Actor, now: Timestamp) -> Result<()> {
        self.publish_api(Publication { api, issuers: &[], former: &Former::Whatever }, by, now).await
    }

    /// Publishes an API; one of the same path is replaced whole, in one transaction, if it is the one that may be replaced.
    pub async fn publish_api(&self, new: Publication<'_>, by: &Actor, now: Timestamp) -> Result<()> {
        let Publication { api, issuers, former } = new;
        if api.policy.audiences.is_empty() && !api.policy.any_audience {
            return Err(Error::Invalid(
                "an API needs an audience: a token made for others must not pass".to_owned(),
            ));
        }
        let mut write = self.write().await?;
        former.is_met(&mut write, &api.path).await?;
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

    /// Takes an API back, if it is the one that was judged.
    pub async fn delete_api(&self, path: &str, former: &Former, by: &Actor, now: Timestamp) -> Result<()> {
        let mut write = self.write().await?;
        if *former != Former::Nothing {
            former.is_met(&mut write, path).await?;
        }
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
        let former = Former::of(Some(&api("credit/v1", "credit")));
        let moved = store.delete_api("credit/v1", &former, &admin(), T0).await;
        assert!(matches!(moved, Err(Error::Conflict(_))), "{moved:?}");
        store.delete_api("credit/v1", &Former::Whatever, &admin(), T0).await.unwrap();
        let gone = store.delete_api("credit/v1", &Former::Nothing, &admin(), T0).await;
        assert!(matches!(gone, Err(Error::NotFound { .. })));
    }

    #[tokio::test]
    async fn of_two_who_saw_the_same_one_publishes() {
        let (_dir, store) = serving().await;
        store.add_endpoint(&endpoint("other"), &admin()).await.unwrap();
        let (first, second) = (api("credit/v1", "credit"), api("credit/v1", "other"));
        let put = |api, former: Former| {
            let store = store.clone();
            async move {
                let new = Publication { api, issuers: &[], former: &former };
                store.publish_api(new, &admin(), T0).await
            }
        };
        let (a, b) = tokio::join!(put(&first, Former::Nothing), put(&second, Former::Nothing));
        let [won, lost] = if a.is_ok() { [a, b] } else { [b, a] };
        assert!(won.is_ok() && matches!(lost, Err(Error::Conflict(_))), "{lost:?}");
        // Who may change only `other` saw `other` there, and `credit` stands there by now.
        put(&first, Former::Whatever).await.unwrap();
        let late = put(&second, Former::Endpoint("other".parse().unwrap())).await;
        assert!(matches!(late, Err(Error::Conflict(_))), "{late:?}");
        assert_eq!(store.apis().await.unwrap(), std::slice::from_ref(&first));
        put(&second, Former::of(Some(&first))).await.unwrap();
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
