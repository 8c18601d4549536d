//! Signing keys of the token service: the private part under the master key, the public part as it is published.

use crate::db::Store;
use crate::error::{Error, Result};
use crate::ledger::Change;
use crate::records::{Record, to_word};
use domain::{Actor, SigningAlgorithm, SigningKeyInfo, SigningKeyState, Timestamp};
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use zeroize::Zeroizing;

/// A signing key to keep.
#[derive(Debug)]
pub struct NewSigningKey<'a> {
    /// Its id.
    pub kid: &'a str,
    /// What it signs with.
    pub algorithm: SigningAlgorithm,
    /// The public key as it is published.
    pub jwk: &'a Value,
    /// The key pair in PKCS #8.
    pub pkcs8: &'a [u8],
}

/// A signing key as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct SigningKeyRecord {
    /// What is told of it.
    pub info: SigningKeyInfo,
    /// The public key.
    pub jwk: Value,
    /// The key pair in PKCS #8, while it may still sign.
    pub pkcs8: Option<Zeroizing<Vec<u8>>>,
}

/// What the private part is sealed for.
fn purpose(kid: &str) -> String {
    format!("signing-key:{kid}")
}

impl Store {
    /// All signing keys, in the order in which they sign; `now` decides on their states.
    pub async fn signing_keys(&self, now: Timestamp) -> Result<Vec<SigningKeyRecord>> {
        let rows =
            sqlx::query("SELECT * FROM signing_keys ORDER BY active, kid").fetch_all(self.reader()).await?;
        let mut keys: Vec<_> = rows.iter().map(|row| self.decode_key(row)).collect::<Result<_>>()?;
        let live = |k: &SigningKeyRecord| k.info.retired.is_none_or(|end| end > now);
        let signer = keys.iter().rposition(|k| live(k) && k.info.active <= now);
        for (at, key) in keys.iter_mut().enumerate() {
            key.info.state = match key.info.state {
                SigningKeyState::Revoked => SigningKeyState::Revoked,
                _ if !live(key) => SigningKeyState::Retired,
                _ if key.info.active > now => SigningKeyState::Published,
                _ if Some(at) == signer => SigningKeyState::Signing,
                _ => SigningKeyState::Accepted,
            };
        }
        Ok(keys)
    }

    /// Keeps a new key that signs from `active` on. Those before it are accepted until `until`, or, when `revoke` is set,
    /// not any more from this moment.
    pub async fn add_signing_key(
        &self,
        key: &NewSigningKey<'_>,
        (active, until): (Timestamp, Timestamp),
        revoke: bool,
        by: &Actor,
    ) -> Result<()> {
        let now = Timestamp::now();
        let sealed = self.seal(&purpose(key.kid), key.pkcs8)?;
        let mut write = self.write().await?;
        let before = sqlx::query("SELECT kid FROM signing_keys WHERE retired IS NULL OR retired > $1")
            .bind(now.micros())
            .fetch_all(write.conn())
            .await?;
        let before: Vec<String> = before.iter().map(|row| row.text("kid")).collect::<Result<_>>()?;
        let sql = if revoke {
            "UPDATE signing_keys SET retired = $1, revoked = TRUE, sealed = NULL WHERE retired IS NULL OR retired > $1"
        } else {
            "UPDATE signing_keys SET retired = $1 WHERE retired IS NULL"
        };
        sqlx::query(sql).bind(if revoke { now } else { until }.micros()).execute(write.conn()).await?;
        sqlx::query(
            "INSERT INTO signing_keys (kid, algorithm, jwk, sealed, created, active, retired, revoked) \
             VALUES ($1, $2, $3, $4, $5, $6, NULL, FALSE)",
        )
        .bind(key.kid)
        .bind(to_word(&key.algorithm)?)
        .bind(key.jwk.to_string())
        .bind(sealed)
        .bind(now.micros())
        .bind(active.micros())
        .execute(write.conn())
        .await?;
        let mut detail = json!({ "algorithm": key.algorithm, "active": active });
        if revoke {
            detail["revoked"] = json!(before);
        } else if !before.is_empty() {
            detail["former_until"] = json!(until);
        }
        write.note(by, now, Change::new("rotate signing key", key.kid, detail)).await?;
        write.commit().await
    }

    /// Lets a published key sign from an earlier moment on; those before it are accepted until `until`.
    pub async fn hasten_signing_key(
        &self,
        kid: &str,
        (active, until): (Timestamp, Timestamp),
        by: &Actor,
    ) -> Result<()> {
        let now = Timestamp::now();
        let mut write = self.write().await?;
        let before = sqlx::query("SELECT active FROM signing_keys WHERE kid = $1 AND retired IS NULL")
            .bind(kid)
            .fetch_optional(write.conn())
            .await?
            .ok_or_else(|| Error::not_found("signing key", kid))?
            .time("active")?;
        sqlx::query("UPDATE signing_keys SET active = $1 WHERE kid = $2")
            .bind(active.micros())
            .bind(kid)
            .execute(write.conn())
            .await?;
        // The one that signs until then was to end so long after the old moment.
        sqlx::query("UPDATE signing_keys SET retired = $1 WHERE kid <> $2 AND retired > $1 AND NOT revoked")
            .bind(until.micros())
            .bind(kid)
            .execute(write.conn())
            .await?;
        let detail = json!({ "active": active, "before": before, "former_until": until });
        write.note(by, now, Change::new("hasten signing key", kid, detail)).await?;
        write.commit().await
    }

    /// Erases the private part of keys that sign no more, being followed by another.
    pub async fn erase_former_signing_keys(&self, now: Timestamp) -> Result<u64> {
        let mut write = self.write().await?;
        let done = sqlx::query(
            "UPDATE signing_keys SET sealed = NULL WHERE sealed IS NOT NULL AND EXISTS (SELECT 1 FROM signing_keys AS later \
             WHERE later.active > signing_keys.active AND later.active <= $1 AND NOT later.revoked)",
        )
        .bind(now.micros())
        .execute(write.conn())
        .await?;
        write.commit().await?;
        Ok(done.rows_affected())
    }

    fn decode_key(&self, row: &SqliteRow) -> Result<SigningKeyRecord> {
        let kid = row.text("kid")?;
        let sealed = row.text_or_null("sealed")?;
        let pkcs8 = sealed.map(|sealed| self.unseal(&purpose(&kid), &sealed)).transpose()?;
        let revoked: bool = row.try_get("revoked")?;
        let state = if revoked { SigningKeyState::Revoked } else { SigningKeyState::Published };
        let info = SigningKeyInfo {
            algorithm: row.word("algorithm")?,
            state,
            created: row.time("created")?,
            active: row.time("active")?,
            retired: row.time_or_null("retired")?,
            kid,
        };
        Ok(SigningKeyRecord { info, jwk: row.json("jwk")?, pkcs8 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{admin, store};

    fn key<'a>(kid: &'a str, jwk: &'a Value) -> NewSigningKey<'a> {
        NewSigningKey { kid, algorithm: SigningAlgorithm::Es256, jwk, pkcs8: b"private" }
    }

    #[tokio::test]
    async fn keys_follow_each_other_and_the_former_end() {
        use SigningKeyState::{Accepted, Published, Retired, Revoked, Signing};
        let (_dir, store) = store().await;
        let jwk = json!({"kty": "EC"});
        let now = Timestamp::now();
        let (soon, later) = (now.plus_seconds(100), now.plus_seconds(200));
        let states = async |at: Timestamp| -> Vec<SigningKeyState> {
            store.signing_keys(at).await.unwrap().iter().map(|k| k.info.state).collect()
        };
        store.add_signing_key(&key("a", &jwk), (now, now), false, &admin()).await.unwrap();
        store.add_signing_key(&key("b", &jwk), (soon, later), false, &admin()).await.unwrap();
        assert_eq!(states(now).await, [Signing, Published]);
        assert_eq!(states(soon).await, [Accepted, Signing]);
        assert_eq!(states(later).await, [Retired, Signing]);
        store.hasten_signing_key("b", (now.plus_seconds(1), soon), &admin()).await.unwrap();
        assert_eq!(states(now.plus_seconds(1)).await, [Accepted, Signing]);
        assert_eq!(states(soon).await, [Retired, Signing]);
        assert_eq!(store.erase_former_signing_keys(now).await.unwrap(), 0);
        assert_eq!(store.erase_former_signing_keys(soon).await.unwrap(), 1);
        let keys = store.signing_keys(soon).await.unwrap();
        assert!(keys[0].pkcs8.is_none() && keys[1].pkcs8.as_ref().unwrap().as_slice() == b"private");
        store.add_signing_key(&key("c", &jwk), (now.plus_seconds(2), now), true, &admin()).await.unwrap();
        assert_eq!(states(now.plus_seconds(3)).await, [Revoked, Revoked, Signing]);
        let ledger = serde_json::to_string(&store.ledger(0, 10).await.unwrap()).unwrap();
        assert!(ledger.contains("rotate signing key") && !ledger.contains("private"), "{ledger}");
    }
}
