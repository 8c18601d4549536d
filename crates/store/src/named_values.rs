//! Named values: texts that policies name as `{{NAME}}`, sealed at rest.

use crate::db::Store;
use crate::error::{Error, Result};
use crate::ledger::Change;
use crate::records::{Record, to_int};
use domain::{Actor, Api, Name, NamedValue, Policy, Timestamp};
use serde_json::json;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

/// Named values kept at most.
pub const NAMED_VALUES_MAX: usize = 1000;
/// Bytes of a content.
pub const NAMED_VALUE_BYTES: usize = 4096;

impl Store {
    /// Sets a named value, new or not. The ledger has its name only.
    pub async fn put_named_value(
        &self,
        name: &Name,
        (content, secret): (&str, bool),
        by: &Actor,
        now: Timestamp,
    ) -> Result<NamedValue> {
        check(name, content)?;
        let sealed = self.seal(&purpose(name), content.as_bytes())?;
        let mut write = self.write().await?;
        let others = sqlx::query("SELECT COUNT(*) AS others FROM named_values WHERE name <> $1")
            .bind(name.as_str())
            .fetch_one(write.conn())
            .await?
            .int("others")?;
        if others >= to_int(NAMED_VALUES_MAX as u64, "limit")? {
            return Err(Error::Invalid(format!(
                "there are {NAMED_VALUES_MAX} named values: delete one first"
            )));
        }
        let told = |policy: &Policy| secret && policy.told_values().contains(name.as_str());
        if let Some(api) = api_that(write.conn(), told).await? {
            return Err(Error::Conflict(format!(
                "the API '{}' tells callers the value '{name}' in a header of the answer: publish it without first",
                api.path
            )));
        }
        sqlx::query(
            "INSERT INTO named_values (name, secret, sealed, updated) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (name) DO UPDATE SET secret = excluded.secret, sealed = excluded.sealed, \
             updated = excluded.updated",
        )
        .bind(name.as_str())
        .bind(secret)
        .bind(sealed)
        .bind(now.micros())
        .execute(write.conn())
        .await?;
        write.note(by, now, Change::new("set named value", name.as_str(), json!({"secret": secret}))).await?;
        write.commit().await?;
        let value = (!secret).then(|| content.to_owned());
        Ok(NamedValue { name: name.clone(), secret, value, updated: now })
    }

    /// A named value; with its content only when it is not secret.
    pub async fn named_value(&self, name: &Name) -> Result<NamedValue> {
        let row = sqlx::query("SELECT * FROM named_values WHERE name = $1")
            .bind(name.as_str())
            .fetch_optional(self.reader())
            .await?
            .ok_or_else(|| Error::not_found("named value", name))?;
        self.open_plain(&row)
    }

    /// All named values by name.
    pub async fn named_values(&self) -> Result<Vec<NamedValue>> {
        let rows = sqlx::query("SELECT * FROM named_values ORDER BY name").fetch_all(self.reader()).await?;
        rows.iter().map(|row| self.open_plain(row)).collect()
    }

    /// Removes a named value; refused while the policy of an API names it.
    pub async fn delete_named_value(&self, name: &Name, by: &Actor, now: Timestamp) -> Result<()> {
        let mut write = self.write().await?;
        if let Some(api) = api_that(write.conn(), |p| p.named_values().contains(name.as_str())).await? {
            return Err(Error::Conflict(format!(
                "the API '{}' names the value '{name}': publish it without, or unpublish it first",
                api.path
            )));
        }
        let done = sqlx::query("DELETE FROM named_values WHERE name = $1")
            .bind(name.as_str())
            .execute(write.conn())
            .await?;
        if done.rows_affected() == 0 {
            return Err(Error::not_found("named value", name));
        }
        write.note(by, now, Change::plain("delete named value", name.as_str())).await?;
        write.commit().await
    }

    fn open_plain(&self, row: &SqliteRow) -> Result<NamedValue> {
        let name = row.name("name")?;
        let secret: bool = row.try_get("secret")?;
        let value = if secret { None } else { Some(self.open_content(&name, &row.text("sealed")?)?) };
        Ok(NamedValue { name, secret, value, updated: row.time("updated")? })
    }

    fn open_content(&self, name: &Name, sealed: &str) -> Result<String> {
        let bytes = self.unseal(&purpose(name), sealed)?;
        let text = std::str::from_utf8(&bytes).map_err(|e| Error::corrupt("named value", e))?;
        Ok(text.to_owned())
    }
}

/// What a content is sealed for.
fn purpose(name: &Name) -> String {
    format!("named-value:{name}")
}

fn check(name: &Name, content: &str) -> Result<()> {
    if content.is_empty() || content.len() > NAMED_VALUE_BYTES {
        return Err(Error::Invalid(format!(
            "the content of the named value '{name}' has {} bytes: 1 to {NAMED_VALUE_BYTES} are taken",
            content.len()
        )));
    }
    // What any header may hold (RFC 9110 §5.5), so that a change can't break a policy that serves.
    if !content.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Err(Error::Invalid(format!(
            "the content of the named value '{name}' has a line break or a character that is not ASCII: it must be one plain line"
        )));
    }
    Ok(())
}

/// Refuses a policy that names a value that is not there, or that would tell callers a secret.
pub(crate) async fn expect_all(conn: &mut SqliteConnection, policy: &Policy) -> Result<()> {
    for name in policy.named_values() {
        let found = sqlx::query("SELECT secret FROM named_values WHERE name = $1")
            .bind(name)
            .fetch_optional(&mut *conn)
            .await?;
        let Some(row) = found else {
            return Err(Error::Invalid(format!(
                "the policy names the value '{name}', which is not there: set it with `secret set {name}`"
            )));
        };
        if row.try_get("secret")? && policy.told_values().contains(name) {
            return Err(Error::Invalid(format!(
                "a header of the answer would tell callers the secret '{name}': take it out, or set it with --plain"
            )));
        }
    }
    Ok(())
}

/// The first API whose policy fits.
async fn api_that(conn: &mut SqliteConnection, fits: impl Fn(&Policy) -> bool) -> Result<Option<Api>> {
    let rows = sqlx::query("SELECT * FROM apis ORDER BY path").fetch_all(conn).await?;
    for row in &rows {
        let api = crate::apis::decode(row)?;
        if fits(&api.policy) {
            return Ok(Some(api));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::samples::{T0, admin, api, name, serving};
    use domain::{HeaderAction, HeaderRule};

    #[tokio::test]
    async fn a_secret_is_never_told_and_a_named_one_never_deleted() {
        let (dir, store) = serving().await;
        let key = name("AMLKey");
        let told = store.put_named_value(&key, ("hush-hush", true), &admin(), T0).await.unwrap();
        assert_eq!((told.secret, told.value), (true, None));
        store.put_named_value(&name("region"), ("west", false), &admin(), T0).await.unwrap();
        let all = store.named_values().await.unwrap();
        assert_eq!((all[0].value.as_deref(), all[1].value.as_deref()), (None, Some("west")));
        let mut named = api("credit", "credit");
        named.policy.request_headers = vec![HeaderRule {
            name: "Authorization".to_owned(),
            action: HeaderAction::Override,
            values: vec!["Bearer {{AMLKey}}".to_owned()],
        }];
        store.put_api(&named, &admin(), T0).await.unwrap();
        assert!(matches!(store.delete_named_value(&key, &admin(), T0).await, Err(Error::Conflict(_))));
        let state = store.serving_state().await.unwrap();
        assert_eq!(state.named_values.len(), 2);
        let (_, sealed) = &state.named_values[0];
        assert_eq!(&**store.unseal("named-value:AMLKey", sealed).unwrap(), b"hush-hush");
        store.delete_api("credit", &crate::apis::Former::Whatever, &admin(), T0).await.unwrap();
        store.delete_named_value(&key, &admin(), T0).await.unwrap();
        let lost = store.put_api(&named, &admin(), T0).await.unwrap_err().to_string();
        assert!(lost.contains("'AMLKey'"), "{lost}");
        let ledger = serde_json::to_string(&store.ledger(0, 100).await.unwrap()).unwrap();
        assert!(ledger.contains("set named value") && !ledger.contains("hush"), "{ledger}");
        store.close().await;
        for file in walk(&dir.path().join("data")) {
            let bytes = std::fs::read(&file).unwrap();
            assert!(!bytes.windows(9).any(|w| w == b"hush-hush"), "{}", file.display());
        }
    }

    fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
        }
        files
    }

    #[tokio::test]
    async fn a_content_is_one_line() {
        let (_dir, store) = serving().await;
        for bad in ["", "a\r\nX: y", "a\0", "ü", &"x".repeat(4097)] {
            let told = store.put_named_value(&name("a"), (bad, true), &admin(), T0).await;
            assert!(matches!(told, Err(Error::Invalid(_))), "{bad:?}");
        }
        assert!(store.named_value(&name("a")).await.is_err());
    }
}
