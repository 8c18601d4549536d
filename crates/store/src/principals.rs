//! Principals with the digests of their secrets, and revoked tokens. A secret itself is never stored.

use crate::db::Store;
use crate::error::{Error, Result};
use crate::ledger::Change;
use crate::records::{Record, to_word};
use domain::{Actor, Digest, Name, Principal, PrincipalInfo, PrincipalKind, Role, SecretInfo, Timestamp};
use serde_json::json;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

/// A secret to keep: its SHA-256, and when it ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewSecret {
    /// SHA-256 of the secret.
    pub digest: Digest,
    /// When it ends; never when none.
    pub expires: Option<Timestamp>,
}

/// A live secret of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveSecret {
    /// SHA-256 of the secret.
    pub digest: Digest,
    /// What is told of it.
    pub info: SecretInfo,
}

/// The columns of the newest secret and of the one before it.
const SECRETS: [[&str; 4]; 2] = [
    ["secret", "secret_created", "secret_expires", "secret_used"],
    ["former_secret", "former_created", "former_expires", "former_used"],
];

impl Store {
    /// Keeps a new principal with the SHA-256 of its secret.
    pub async fn add_principal(&self, principal: &Principal, secret: Digest, by: &Actor) -> Result<()> {
        let mut write = self.write().await?;
        let taken = sqlx::query("SELECT name FROM principals WHERE name = $1 OR client_id = $2")
            .bind(principal.name.as_str())
            .bind(&principal.client_id)
            .fetch_optional(write.conn())
            .await?;
        if taken.is_some() {
            return Err(Error::Conflict(format!("the principal '{}' exists already", principal.name)));
        }
        insert(write.conn(), principal, Some(secret)).await?;
        let detail = json!({
            "client_id": principal.client_id,
            "kind": principal.kind,
            "role": principal.role,
            "audience": principal.audience
        });
        let change = Change::new("create principal", principal.name.as_str(), detail);
        write.note(by, principal.created, change).await?;
        write.commit().await
    }

    /// Gives a principal a second secret; the one it had last lives on beside it, an older one ends.
    pub async fn rotate_principal_secret(
        &self,
        name: &Name,
        secret: NewSecret,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Principal> {
        let mut write = self.write().await?;
        let principal = expect_client(write.conn(), name).await?;
        sqlx::query(
            "UPDATE principals SET former_secret = secret, former_created = secret_created, former_expires = secret_expires, \
             former_used = secret_used, secret = $1, secret_created = $2, secret_expires = $3, secret_used = NULL \
             WHERE name = $4",
        )
        .bind(secret.digest.hex())
        .bind(now.micros())
        .bind(secret.expires.map(Timestamp::micros))
        .bind(name.as_str())
        .execute(write.conn())
        .await?;
        let detail = secret.expires.map_or_else(|| json!({}), |end| json!({ "expires": end }));
        write.note(by, now, Change::new("rotate secret", name.as_str(), detail)).await?;
        write.commit().await?;
        Ok(principal)
    }

    /// Ends the secret before the newest. Doing it again changes nothing.
    pub async fn revoke_former_secret(&self, name: &Name, by: &Actor, now: Timestamp) -> Result<()> {
        let mut write = self.write().await?;
        expect_client(write.conn(), name).await?;
        let done = sqlx::query(
            "UPDATE principals SET former_secret = NULL, former_created = NULL, former_expires = NULL, former_used = NULL \
             WHERE name = $1 AND former_secret IS NOT NULL",
        )
        .bind(name.as_str())
        .execute(write.conn())
        .await?;
        if done.rows_affected() == 0 {
            return Ok(());
        }
        write.note(by, now, Change::plain("revoke former secret", name.as_str())).await?;
        write.commit().await
    }

    /// Notes the day on which a secret was used. Called at most once a day and secret; no line in the ledger, since nothing
    /// changes for anybody.
    pub async fn note_secret_use(&self, client_id: &str, secret: &Digest, day: Timestamp) -> Result<()> {
        let mut write = self.write().await?;
        sqlx::query(
            "UPDATE principals SET secret_used = CASE WHEN secret = $1 THEN $2 ELSE secret_used END, \
             former_used = CASE WHEN former_secret = $1 THEN $2 ELSE former_used END WHERE client_id = $3",
        )
        .bind(secret.hex())
        .bind(day.micros())
        .bind(client_id)
        .execute(write.conn())
        .await?;
        write.commit().await
    }

    /// Writes the ledger's line of a lock-out: so many wrong secrets of `subject` came from one address.
    pub async fn note_lockout(&self, subject: &str, address: &str, by: &Actor, now: Timestamp) -> Result<()> {
        let mut write = self.write().await?;
        let change = Change::new("lock out", subject, json!({ "address": address }));
        write.note(by, now, change).await?;
        write.commit().await
    }

    /// A principal with what is told of its secrets.
    pub async fn principal_info(&self, name: &Name) -> Result<PrincipalInfo> {
        let row = sqlx::query("SELECT * FROM principals WHERE name = $1")
            .bind(name.as_str())
            .fetch_optional(self.reader())
            .await?
            .ok_or_else(|| Error::not_found("principal", name))?;
        info(&row)
    }

    /// All principals by name, the revoked too, with what is told of their secrets.
    pub async fn principal_infos(&self) -> Result<Vec<PrincipalInfo>> {
        let rows = sqlx::query("SELECT * FROM principals ORDER BY name").fetch_all(self.reader()).await?;
        rows.iter().map(info).collect()
    }

    /// A principal.
    pub async fn principal(&self, name: &Name) -> Result<Principal> {
        let row = sqlx::query("SELECT * FROM principals WHERE name = $1")
            .bind(name.as_str())
            .fetch_optional(self.reader())
            .await?
            .ok_or_else(|| Error::not_found("principal", name))?;
        decode(&row)
    }

    /// All principals by name, the revoked too.
    pub async fn principals(&self) -> Result<Vec<Principal>> {
        let rows = sqlx::query("SELECT * FROM principals ORDER BY name").fetch_all(self.reader()).await?;
        rows.iter().map(decode).collect()
    }

    /// The principal of a client id and its live secrets, the newest first; a revoked one has none.
    pub async fn principal_secrets(&self, client_id: &str) -> Result<Option<(Principal, Vec<LiveSecret>)>> {
        let row = sqlx::query("SELECT * FROM principals WHERE client_id = $1")
            .bind(client_id)
            .fetch_optional(self.reader())
            .await?;
        row.map(|row| Ok((decode(&row)?, secrets(&row)?))).transpose()
    }

    /// Ends a principal: its secrets are erased. Doing it again changes nothing.
    pub async fn revoke_principal(&self, name: &Name, by: &Actor, now: Timestamp) -> Result<Principal> {
        let mut write = self.write().await?;
        let mut principal = expect(write.conn(), name).await?;
        if principal.revoked.is_some() {
            return Ok(principal);
        }
        principal.revoked = Some(now);
        sqlx::query(
            "UPDATE principals SET revoked = $1, secret = NULL, former_secret = NULL WHERE name = $2",
        )
        .bind(now.micros())
        .bind(name.as_str())
        .execute(write.conn())
        .await?;
        sqlx::query("DELETE FROM sessions WHERE principal = $1")
            .bind(name.as_str())
            .execute(write.conn())
            .await?;
        write.note(by, now, Change::plain("revoke principal", name.as_str())).await?;
        write.commit().await?;
        Ok(principal)
    }

    /// Ends a token before its time. Doing it again changes nothing; tokens that have expired by themselves are forgotten.
    pub async fn revoke_token(
        &self,
        jti: &str,
        expires: Timestamp,
        by: &Actor,
        now: Timestamp,
    ) -> Result<()> {
        let mut write = self.write().await?;
        let done = sqlx::query(
            "INSERT INTO revoked_tokens (jti, expires) VALUES ($1, $2) ON CONFLICT (jti) DO NOTHING",
        )
        .bind(jti)
        .bind(expires.micros())
        .execute(write.conn())
        .await?;
        if done.rows_affected() == 0 {
            return Ok(());
        }
        // Why a day late: clocks may be wrong by that much, and a revoked token must not live again.
        sqlx::query("DELETE FROM revoked_tokens WHERE expires < $1 AND jti <> $2")
            .bind(now.plus_seconds(-86_400).micros())
            .bind(jti)
            .execute(write.conn())
            .await?;
        write.note(by, now, Change::plain("revoke token", jti)).await?;
        write.commit().await
    }

    /// The ids of revoked tokens that have not expired by themselves.
    pub async fn revoked_tokens(&self, now: Timestamp) -> Result<Vec<String>> {
        let rows = sqlx::query("SELECT jti FROM revoked_tokens WHERE expires >= $1 ORDER BY jti")
            .bind(now.micros())
            .fetch_all(self.reader())
            .await?;
        rows.iter().map(|row| row.text("jti")).collect()
    }
}

/// The principal, or an error that names it.
pub(crate) async fn expect(conn: &mut SqliteConnection, name: &Name) -> Result<Principal> {
    let row = sqlx::query("SELECT * FROM principals WHERE name = $1")
        .bind(name.as_str())
        .fetch_optional(conn)
        .await?
        .ok_or_else(|| Error::not_found("principal", name))?;
    decode(&row)
}

/// A client that is not revoked: only such have secrets.
async fn expect_client(conn: &mut SqliteConnection, name: &Name) -> Result<Principal> {
    let principal = expect(conn, name).await?;
    if principal.revoked.is_some() {
        return Err(Error::Conflict(format!("the principal '{name}' is revoked")));
    }
    if principal.kind != PrincipalKind::Client {
        return Err(Error::Conflict(format!("'{name}' is a person and has no client secrets")));
    }
    Ok(principal)
}

/// The live secrets in a record, the newest first.
fn secrets(row: &SqliteRow) -> Result<Vec<LiveSecret>> {
    let mut all = Vec::with_capacity(2);
    for (at, [secret, created, expires, used]) in SECRETS.into_iter().enumerate() {
        if row.text_or_null(secret)?.is_none() {
            continue;
        }
        let info = SecretInfo {
            former: at == 1,
            created: row.time_or_null(created)?.unwrap_or(row.time("created")?),
            expires: row.time_or_null(expires)?,
            used: row.time_or_null(used)?,
        };
        all.push(LiveSecret { digest: row.digest(secret)?, info });
    }
    Ok(all)
}

fn info(row: &SqliteRow) -> Result<PrincipalInfo> {
    let secrets = secrets(row)?.into_iter().map(|s| s.info).collect();
    Ok(PrincipalInfo { principal: decode(row)?, secrets })
}

/// Writes a new record; a person has no secret.
pub(crate) async fn insert(conn: &mut SqliteConnection, p: &Principal, secret: Option<Digest>) -> Result<()> {
    sqlx::query(
        "INSERT INTO principals (name, client_id, kind, role, audience, created, revoked, secret, secret_created) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $6)",
    )
    .bind(p.name.as_str())
    .bind(&p.client_id)
    .bind(to_word(&p.kind)?)
    .bind(p.role.map_or("", Role::as_str))
    .bind(&p.audience)
    .bind(p.created.micros())
    .bind(p.revoked.map(Timestamp::micros))
    .bind(secret.map(|s| s.hex()))
    .execute(conn)
    .await?;
    Ok(())
}

/// The role on the workspace; the empty text is none.
fn role(row: &SqliteRow) -> Result<Option<Role>> {
    match row.text("role")?.as_str() {
        "" => Ok(None),
        text => Role::parse(text).map(Some).ok_or_else(|| Error::corrupt("role", text)),
    }
}

/// Reads a record of `principals`.
pub(crate) fn decode(row: &SqliteRow) -> Result<Principal> {
    Ok(Principal {
        name: row.name("name")?,
        client_id: row.text("client_id")?,
        kind: row.word("kind")?,
        role: role(row)?,
        audience: row.text("audience")?,
        created: row.time("created")?,
        revoked: row.time_or_null("revoked")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{T0, admin, name, principal, store};

    fn new(byte: u8) -> NewSecret {
        NewSecret { digest: Digest([byte; 32]), expires: None }
    }

    #[tokio::test]
    async fn two_secrets_live_and_revocation_erases_them() {
        let (_dir, store) = store().await;
        let ci = principal("ci");
        store.add_principal(&ci, Digest([1; 32]), &admin()).await.unwrap();
        assert!(matches!(store.add_principal(&ci, Digest([1; 32]), &admin()).await, Err(Error::Conflict(_))));
        for secret in [2, 3] {
            store.rotate_principal_secret(&ci.name, new(secret), &admin(), T0).await.unwrap();
        }
        let (found, secrets) = store.principal_secrets(&ci.client_id).await.unwrap().unwrap();
        let digests: Vec<Digest> = secrets.iter().map(|s| s.digest).collect();
        assert_eq!((found, digests), (ci.clone(), vec![Digest([3; 32]), Digest([2; 32])]));
        store.note_secret_use(&ci.client_id, &Digest([2; 32]), T0).await.unwrap();
        let told = store.principal_info(&ci.name).await.unwrap().secrets;
        assert_eq!((told[0].used, told[1].used, told[1].former), (None, Some(T0), true));
        for _ in 0..2 {
            store.revoke_former_secret(&ci.name, &admin(), T0).await.unwrap();
        }
        assert_eq!(store.principal_infos().await.unwrap()[0].secrets, told[..1]);
        let revoked = store.revoke_principal(&ci.name, &admin(), T0).await.unwrap();
        assert_eq!(revoked.revoked, Some(T0));
        assert_eq!(store.revoke_principal(&ci.name, &admin(), T0.plus_seconds(1)).await.unwrap(), revoked);
        let kept = store.principal_secrets(&ci.client_id).await.unwrap();
        assert_eq!(kept, Some((revoked.clone(), Vec::new())));
        assert_eq!(store.principals().await.unwrap(), [revoked]);
        assert!(store.rotate_principal_secret(&ci.name, new(4), &admin(), T0).await.is_err());
        assert_eq!(store.principal_secrets("nobody").await.unwrap(), None);
        assert!(store.principal(&name("nobody")).await.is_err());
    }

    #[tokio::test]
    async fn the_ledger_never_holds_a_secret() {
        let (_dir, store) = store().await;
        let secret = Digest([0xab; 32]);
        store.add_principal(&principal("ci"), secret, &admin()).await.unwrap();
        store
            .rotate_principal_secret(&name("ci"), NewSecret { digest: secret, expires: None }, &admin(), T0)
            .await
            .unwrap();
        let ledger = serde_json::to_string(&store.ledger(0, 10).await.unwrap()).unwrap();
        assert!(!ledger.contains(&secret.hex()), "{ledger}");
    }

    #[tokio::test]
    async fn revoked_tokens_are_kept_until_they_would_have_ended() {
        let (_dir, store) = store().await;
        let (hour, days) = (T0.plus_seconds(3600), T0.plus_seconds(3 * 86_400));
        for _ in 0..2 {
            store.revoke_token("first", hour, &admin(), T0).await.unwrap();
        }
        assert_eq!(store.ledger(0, 10).await.unwrap().len(), 1);
        assert_eq!(store.revoked_tokens(T0).await.unwrap(), ["first"]);
        assert_eq!(store.revoked_tokens(hour.plus_seconds(1)).await.unwrap(), [""; 0]);
        store.revoke_token("second", days.plus_seconds(60), &admin(), days).await.unwrap();
        assert_eq!(store.serving_state().await.unwrap().revoked_tokens, ["second"]);
    }
}
