//! Issuers of tokens that are trusted, and the key set each answered last.

use crate::db::Store;
use crate::error::{Error, Result};
use crate::ledger::Change;
use crate::records::{Record, to_json};
use domain::{Actor, Issuer, Policy, Timestamp, TrustedIssuer};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

/// Issuers that may be registered; each has a task of its own that renews its keys.
const ISSUERS_MAX: i64 = 100;

/// A key set as an issuer answered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptKeys {
    /// The text of the JWK set.
    pub jwks: String,
    /// When it was fetched.
    pub fetched: Timestamp,
}

impl Store {
    /// Registers an issuer, or replaces the one of the same name whole, with the key set it answered just now. Without one, what
    /// was kept for it is forgotten when its keys are to come from elsewhere.
    pub async fn put_issuer(
        &self,
        issuer: &TrustedIssuer,
        keys: Option<&KeptKeys>,
        by: &Actor,
        now: Timestamp,
    ) -> Result<()> {
        let mut write = self.write().await?;
        let before = find(write.conn(), &issuer.issuer).await?;
        sqlx::query(
            "INSERT INTO issuers (issuer, detail, created) VALUES ($1, $2, $3) \
             ON CONFLICT (issuer) DO UPDATE SET detail = excluded.detail, created = excluded.created",
        )
        .bind(&issuer.issuer)
        .bind(to_json(issuer)?)
        .bind(issuer.created.micros())
        .execute(write.conn())
        .await?;
        expect_room(write.conn()).await?;
        if before.is_some_and(|before| before.keys != issuer.keys) {
            forget_keys(write.conn(), &issuer.issuer).await?;
        }
        if let Some(keys) = keys {
            keep_keys(write.conn(), &issuer.issuer, keys).await?;
        }
        let detail = serde_json::to_value(issuer).unwrap_or_default();
        write.note(by, now, Change::new("put issuer", &issuer.issuer, detail)).await?;
        write.commit().await
    }

    /// Forgets an issuer; refused while an API names it.
    pub async fn delete_issuer(&self, issuer: &str, by: &Actor, now: Timestamp) -> Result<()> {
        let mut write = self.write().await?;
        if find(write.conn(), issuer).await?.is_none() {
            return Err(Error::not_found("issuer", issuer));
        }
        let users = users(write.conn(), issuer).await?;
        if !users.is_empty() {
            return Err(Error::Conflict(format!(
                "the issuer '{issuer}' is trusted by the API {}: publish it with other issuers, or unpublish it, first",
                users.join(", ")
            )));
        }
        forget_keys(write.conn(), issuer).await?;
        sqlx::query("DELETE FROM issuers WHERE issuer = $1").bind(issuer).execute(write.conn()).await?;
        write.note(by, now, Change::plain("delete issuer", issuer)).await?;
        write.commit().await
    }

    /// All issuers by name.
    pub async fn issuers(&self) -> Result<Vec<TrustedIssuer>> {
        let rows = sqlx::query("SELECT detail FROM issuers ORDER BY issuer").fetch_all(self.reader()).await?;
        rows.iter().map(decode).collect()
    }

    /// Keeps the key set an issuer answered; nothing of it goes to the ledger. Nothing happens when the issuer is gone.
    pub async fn keep_issuer_keys(&self, issuer: &str, keys: &KeptKeys) -> Result<()> {
        let mut write = self.write().await?;
        keep_keys(write.conn(), issuer, keys).await?;
        write.commit().await
    }

    /// The key set an issuer answered last.
    pub async fn issuer_keys(&self, issuer: &str) -> Result<Option<KeptKeys>> {
        let row = sqlx::query("SELECT jwks, fetched FROM issuer_keys WHERE issuer = $1")
            .bind(issuer)
            .fetch_optional(self.reader())
            .await?;
        row.map(|row| Ok(KeptKeys { jwks: row.text("jwks")?, fetched: row.time("fetched")? })).transpose()
    }
}

/// Refuses a policy that names an issuer nobody registered: its tokens could never pass.
pub(crate) async fn expect_all(conn: &mut SqliteConnection, policy: &Policy) -> Result<()> {
    for issuer in &policy.issuers {
        if let Issuer::External(url) = issuer
            && find(conn, url).await?.is_none()
        {
            return Err(Error::not_found("issuer", url));
        }
    }
    Ok(())
}

/// The paths of the APIs that trust an issuer.
async fn users(conn: &mut SqliteConnection, issuer: &str) -> Result<Vec<String>> {
    let rows = sqlx::query("SELECT * FROM apis ORDER BY path").fetch_all(conn).await?;
    let mut paths = Vec::new();
    for row in &rows {
        let api = crate::apis::decode(row)?;
        if api.policy.issuers.iter().any(|i| matches!(i, Issuer::External(url) if url == issuer)) {
            paths.push(format!("/{}", api.path));
        }
    }
    Ok(paths)
}

async fn find(conn: &mut SqliteConnection, issuer: &str) -> Result<Option<TrustedIssuer>> {
    let row =
        sqlx::query("SELECT detail FROM issuers WHERE issuer = $1").bind(issuer).fetch_optional(conn).await?;
    row.as_ref().map(decode).transpose()
}

/// Refuses one more than there is room for; asked after it was written, before the transaction ends.
pub(crate) async fn expect_room(conn: &mut SqliteConnection) -> Result<()> {
    if sqlx::query("SELECT COUNT(*) AS n FROM issuers").fetch_one(conn).await?.int("n")? <= ISSUERS_MAX {
        return Ok(());
    }
    Err(Error::Conflict(format!(
        "{ISSUERS_MAX} issuers are registered already: remove one that is not needed"
    )))
}

async fn keep_keys(conn: &mut SqliteConnection, issuer: &str, keys: &KeptKeys) -> Result<()> {
    sqlx::query(
        "INSERT INTO issuer_keys (issuer, jwks, fetched) SELECT issuer, $1, $2 FROM issuers WHERE issuer = $3 \
         ON CONFLICT (issuer) DO UPDATE SET jwks = excluded.jwks, fetched = excluded.fetched",
    )
    .bind(&keys.jwks)
    .bind(keys.fetched.micros())
    .bind(issuer)
    .execute(conn)
    .await?;
    Ok(())
}

async fn forget_keys(conn: &mut SqliteConnection, issuer: &str) -> Result<()> {
    sqlx::query("DELETE FROM issuer_keys WHERE issuer = $1").bind(issuer).execute(conn).await?;
    Ok(())
}

/// Reads a record of `issuers`.
pub(crate) fn decode(row: &SqliteRow) -> Result<TrustedIssuer> {
    row.json("detail")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{T0, admin, api, serving};
    use domain::KeySource;

    const URL: &str = "https://id.example/";

    fn issuer(keys: KeySource) -> TrustedIssuer {
        TrustedIssuer {
            issuer: URL.to_owned(),
            keys,
            audiences: vec!["api://credit".to_owned()],
            algorithms: vec!["RS256".to_owned()],
            required_claims: Vec::new(),
            clock_skew: None,
            max_lifetime: None,
            any_typ: false,
            roles: None,
            allow_loopback_http: false,
            created: T0,
        }
    }

    #[tokio::test]
    async fn an_issuer_stays_while_an_api_trusts_it() {
        let (_dir, store) = serving().await;
        let mut credit = api("credit", "credit");
        credit.policy.issuers.push(Issuer::External(URL.to_owned()));
        let unknown = store.put_api(&credit, &admin(), T0).await;
        assert!(matches!(unknown, Err(Error::NotFound { noun: "issuer", .. })));
        let trusted = issuer(KeySource::Discovery("https://id.example/d".to_owned()));
        store.put_issuer(&trusted, None, &admin(), T0).await.unwrap();
        store.put_api(&credit, &admin(), T0).await.unwrap();
        let used = store.delete_issuer(URL, &admin(), T0).await.unwrap_err().to_string();
        assert!(used.contains("/credit"), "{used}");
        assert_eq!(store.serving_state().await.unwrap().issuers, [trusted]);
        store.delete_api("credit", &crate::apis::Former::Whatever, &admin(), T0).await.unwrap();
        store.delete_issuer(URL, &admin(), T0).await.unwrap();
        assert!(matches!(store.delete_issuer(URL, &admin(), T0).await, Err(Error::NotFound { .. })));
        let ledger = store.ledger(0, 100).await.unwrap();
        let actions: Vec<&str> = ledger.iter().map(|entry| entry.action.as_str()).collect();
        assert_eq!(actions.iter().filter(|a| a.ends_with("issuer")).count(), 2, "{actions:?}");
    }

    #[tokio::test]
    async fn kept_keys_go_with_their_source() {
        let (_dir, store) = serving().await;
        let keys = KeptKeys { jwks: "{}".to_owned(), fetched: T0 };
        store.keep_issuer_keys(URL, &keys).await.unwrap();
        assert_eq!(store.issuer_keys(URL).await.unwrap(), None);
        let mut trusted = issuer(KeySource::JwksUri("https://id.example/a".to_owned()));
        store.put_issuer(&trusted, None, &admin(), T0).await.unwrap();
        store.keep_issuer_keys(URL, &keys).await.unwrap();
        trusted.audiences.push("more".to_owned());
        store.put_issuer(&trusted, None, &admin(), T0).await.unwrap();
        assert_eq!(store.issuer_keys(URL).await.unwrap(), Some(keys));
        trusted.keys = KeySource::JwksUri("https://id.example/b".to_owned());
        store.put_issuer(&trusted, None, &admin(), T0).await.unwrap();
        assert_eq!(store.issuer_keys(URL).await.unwrap(), None);
        let answered = KeptKeys { jwks: r#"{"keys":[]}"#.to_owned(), fetched: T0 };
        trusted.keys = KeySource::JwksUri("https://id.example/c".to_owned());
        store.put_issuer(&trusted, Some(&answered), &admin(), T0).await.unwrap();
        assert_eq!(store.issuer_keys(URL).await.unwrap(), Some(answered));
    }
}
