//! Subscriptions: who may call with a key besides the token. The keys are derived, only their generations are kept.

use crate::db::Store;
use crate::error::{Error, Result};
use crate::ledger::Change;
use crate::records::Record;
use domain::{Actor, KeySlot, Name, Subscription, Timestamp};
use serde_json::json;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

impl Store {
    /// Keeps a new subscription. A revoked one keeps its name, so that its keys never live again.
    pub async fn add_subscription(&self, new: &Subscription, by: &Actor) -> Result<()> {
        let mut write = self.write().await?;
        if let Some(taken) = find(write.conn(), &new.name).await? {
            let state =
                if taken.revoked.is_some() { " and is revoked: take another name" } else { " already" };
            return Err(Error::Conflict(format!("the subscription '{}' exists{state}", new.name)));
        }
        if let Some(api) = &new.api {
            sqlx::query("SELECT 1 FROM apis WHERE path = $1")
                .bind(api)
                .fetch_optional(write.conn())
                .await?
                .ok_or_else(|| Error::not_found("api", api))?;
        }
        sqlx::query(
            "INSERT INTO subscriptions (name, api, primary_generation, secondary_generation, created, revoked) \
             VALUES ($1, $2, $3, $4, $5, NULL)",
        )
        .bind(new.name.as_str())
        .bind(&new.api)
        .bind(i64::from(new.key_generations[0]))
        .bind(i64::from(new.key_generations[1]))
        .bind(new.created.micros())
        .execute(write.conn())
        .await?;
        let change = Change::new("create subscription", new.name.as_str(), json!({"api": new.api}));
        write.note(by, new.created, change).await?;
        write.commit().await
    }

    /// All subscriptions by name, the revoked too.
    pub async fn subscriptions(&self) -> Result<Vec<Subscription>> {
        let rows = sqlx::query("SELECT * FROM subscriptions ORDER BY name").fetch_all(self.reader()).await?;
        rows.iter().map(decode).collect()
    }

    /// Makes one of its two keys a new one; the other goes on working.
    pub async fn regenerate_subscription_key(
        &self,
        (name, slot): (&Name, KeySlot),
        by: &Actor,
        now: Timestamp,
    ) -> Result<Subscription> {
        let mut write = self.write().await?;
        let mut found = live(write.conn(), name).await?;
        let generation = &mut found.key_generations[usize::from(slot == KeySlot::Secondary)];
        *generation = generation
            .checked_add(1)
            .ok_or_else(|| Error::Conflict("this key cannot be regenerated any more".to_owned()))?;
        let next = *generation;
        sqlx::query(
            "UPDATE subscriptions SET primary_generation = $1, secondary_generation = $2 WHERE name = $3",
        )
        .bind(i64::from(found.key_generations[0]))
        .bind(i64::from(found.key_generations[1]))
        .bind(name.as_str())
        .execute(write.conn())
        .await?;
        let detail = json!({"slot": slot, "generation": next});
        write.note(by, now, Change::new("regenerate subscription key", name.as_str(), detail)).await?;
        write.commit().await?;
        Ok(found)
    }

    /// Ends a subscription; its keys are refused from now on.
    pub async fn revoke_subscription(&self, name: &Name, by: &Actor, now: Timestamp) -> Result<()> {
        let mut write = self.write().await?;
        live(write.conn(), name).await?;
        sqlx::query("UPDATE subscriptions SET revoked = $1 WHERE name = $2")
            .bind(now.micros())
            .bind(name.as_str())
            .execute(write.conn())
            .await?;
        write.note(by, now, Change::plain("revoke subscription", name.as_str())).await?;
        write.commit().await
    }
}

/// The subscription, unless it is revoked.
async fn live(conn: &mut SqliteConnection, name: &Name) -> Result<Subscription> {
    let found = find(conn, name).await?.ok_or_else(|| Error::not_found("subscription", name))?;
    if found.revoked.is_some() {
        return Err(Error::Conflict(format!("the subscription '{name}' is revoked")));
    }
    Ok(found)
}

async fn find(conn: &mut SqliteConnection, name: &Name) -> Result<Option<Subscription>> {
    let row = sqlx::query("SELECT * FROM subscriptions WHERE name = $1")
        .bind(name.as_str())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(decode).transpose()
}

/// Reads a record of `subscriptions`.
pub(crate) fn decode(row: &SqliteRow) -> Result<Subscription> {
    Ok(Subscription {
        name: row.name("name")?,
        api: row.text_or_null("api")?,
        key_generations: [row.unsigned("primary_generation")?, row.unsigned("secondary_generation")?],
        created: row.time("created")?,
        revoked: row.time_or_null("revoked")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{T0, admin, api, name, serving};

    #[tokio::test]
    async fn keys_are_regenerated_alone_and_a_revoked_name_stays_taken() {
        let (_dir, store) = serving().await;
        store.put_api(&api("credit/v1", "credit"), &admin(), T0).await.unwrap();
        let new = |text: &str, api: Option<&str>| Subscription {
            name: name(text),
            api: api.map(str::to_owned),
            key_generations: [0, 0],
            created: T0,
            revoked: None,
        };
        store.add_subscription(&new("partner", Some("credit/v1")), &admin()).await.unwrap();
        let lost = store.add_subscription(&new("lost", Some("nothing")), &admin()).await;
        assert!(matches!(lost, Err(Error::NotFound { .. })));
        let partner = name("partner");
        let key = (&partner, KeySlot::Secondary);
        let changed = store.regenerate_subscription_key(key, &admin(), T0).await.unwrap();
        assert_eq!(changed.key_generations, [0, 1]);
        assert_eq!(store.subscriptions().await.unwrap(), [changed]);
        store.revoke_subscription(&partner, &admin(), T0).await.unwrap();
        assert!(store.revoke_subscription(&partner, &admin(), T0).await.is_err());
        assert!(store.regenerate_subscription_key(key, &admin(), T0).await.is_err());
        let again = store.add_subscription(&new("partner", None), &admin()).await.unwrap_err();
        assert!(again.to_string().contains("revoked"), "{again}");
        assert_eq!(store.serving_state().await.unwrap().subscriptions[0].revoked, Some(T0));
    }
}
