//! People: how they log in, and their sessions. Passwords are kept as PHC text, sessions by the SHA-256 of their secret.

use crate::db::{Store, Write};
use crate::error::{Error, Result};
use crate::ledger::Change;
use crate::principals::{decode, insert};
use crate::records::Record;
use domain::{Actor, Digest, Name, Principal, Role, Timestamp};
use serde_json::json;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

/// How a person is known when logging in.
#[derive(Debug, Clone, Copy)]
pub enum NewLogin<'a> {
    /// By a password (PHC text) that is to be changed at the first login.
    FirstSecret(&'a str),
    /// As a subject of a login provider.
    Subject {
        /// The provider's issuer.
        provider: &'a str,
        /// The provider's `sub`.
        subject: &'a str,
    },
}

/// A person's password.
#[derive(Debug, Clone, PartialEq)]
pub struct PasswordLogin {
    /// The person.
    pub principal: Principal,
    /// The password's hash as PHC text.
    pub hash: String,
    /// Whether it is a first secret, good for nothing but setting a password.
    pub temporary: bool,
}

/// A session as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// SHA-256 of its secret.
    pub digest: Digest,
    /// Whose it is.
    pub principal: Name,
    /// The token that unsafe calls bring along.
    pub csrf: String,
    /// When it began.
    pub created: Timestamp,
    /// When it was last used.
    pub seen: Timestamp,
    /// When it ends at the latest.
    pub expires: Timestamp,
}

/// Which of a person's sessions to end.
#[derive(Debug, Clone, Copy)]
pub enum EndSessions<'a> {
    /// All.
    All,
    /// These.
    These(&'a [Digest]),
}

impl Store {
    /// Keeps a new person.
    pub async fn add_person(&self, person: &Principal, login: NewLogin<'_>, by: &Actor) -> Result<()> {
        let mut write = self.write().await?;
        let taken = sqlx::query("SELECT name FROM principals WHERE name = $1")
            .bind(person.name.as_str())
            .fetch_optional(write.conn())
            .await?;
        if taken.is_some() {
            return Err(Error::Conflict(format!("the principal '{}' exists already", person.name)));
        }
        insert(write.conn(), person, None).await?;
        let (password, provider, subject) = match login {
            NewLogin::FirstSecret(hash) => (Some(hash), None, None),
            NewLogin::Subject { provider, subject } => (None, Some(provider), Some(subject)),
        };
        sqlx::query(
            "INSERT INTO logins (principal, password, temporary, provider, subject) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(person.name.as_str())
        .bind(password)
        .bind(password.is_some())
        .bind(provider)
        .bind(subject)
        .execute(write.conn())
        .await?;
        let detail = json!({ "role": person.role, "provider": provider, "subject": subject });
        write.note(by, person.created, Change::new("create person", person.name.as_str(), detail)).await?;
        write.commit().await
    }

    /// The password of a person; none for other names.
    pub async fn password_login(&self, name: &Name) -> Result<Option<PasswordLogin>> {
        let row = sqlx::query(
            "SELECT p.*, l.password AS hash, l.temporary FROM principals p JOIN logins l ON l.principal = p.name \
             WHERE p.name = $1 AND l.password IS NOT NULL",
        )
        .bind(name.as_str())
        .fetch_optional(self.reader())
        .await?;
        row.map(|row| {
            Ok(PasswordLogin {
                principal: decode(&row)?,
                hash: row.text("hash")?,
                temporary: row.try_get("temporary")?,
            })
        })
        .transpose()
    }

    /// Replaces a person's password and ends all of its sessions. With `instead_of`, only as long as that is still the
    /// password: of two changes at once one fails.
    pub async fn set_password(
        &self,
        name: &Name,
        (hash, temporary): (&str, bool),
        instead_of: Option<&str>,
        by: &Actor,
    ) -> Result<()> {
        let mut write = self.write().await?;
        let done = sqlx::query(
            "UPDATE logins SET password = $1, temporary = $2 WHERE principal = $3 AND provider IS NULL \
             AND ($4 IS NULL OR password = $4)",
        )
        .bind(hash)
        .bind(temporary)
        .bind(name.as_str())
        .bind(instead_of)
        .execute(write.conn())
        .await?;
        if done.rows_affected() == 0 {
            return Err(Error::Conflict(format!(
                "'{name}' is no person with a password, or the password was changed a moment ago"
            )));
        }
        forget(&mut write, name, EndSessions::All).await?;
        let action = if temporary { "reset password" } else { "change password" };
        write.note(by, Timestamp::now(), Change::plain(action, name.as_str())).await?;
        write.commit().await
    }

    /// The person bound to a subject of a login provider.
    pub async fn person_of_subject(&self, provider: &str, subject: &str) -> Result<Option<Principal>> {
        let row = sqlx::query(
            "SELECT p.* FROM principals p JOIN logins l ON l.principal = p.name WHERE l.provider = $1 AND l.subject = $2",
        )
        .bind(provider)
        .bind(subject)
        .fetch_optional(self.reader())
        .await?;
        row.map(|row| decode(&row)).transpose()
    }

    /// Gives a person the role that its login provider says it has now.
    pub async fn set_person_role(&self, name: &Name, role: Option<Role>, by: &Actor) -> Result<()> {
        let mut write = self.write().await?;
        sqlx::query("UPDATE principals SET role = $1, role_since = $3 WHERE name = $2")
            .bind(role.map_or("", Role::as_str))
            .bind(name.as_str())
            .bind(Timestamp::now().micros())
            .execute(write.conn())
            .await?;
        let change = Change::new("change role", name.as_str(), json!({ "role": role }));
        write.note(by, Timestamp::now(), change).await?;
        write.commit().await
    }

    /// Keeps a new session; sessions that have ended by themselves are forgotten. With `proven`, only as long as that is still the
    /// hash of the person's password: who proved an old one a moment ago gets no session.
    pub async fn add_session(&self, session: &SessionRecord, proven: Option<&str>) -> Result<()> {
        let mut write = self.write().await?;
        if let Some(hash) = proven {
            sqlx::query("SELECT 1 FROM logins WHERE principal = $1 AND password = $2")
                .bind(session.principal.as_str())
                .bind(hash)
                .fetch_optional(write.conn())
                .await?
                .ok_or_else(|| {
                    Error::Conflict("the password was changed a moment ago: log in again".to_owned())
                })?;
        }
        sqlx::query("DELETE FROM sessions WHERE expires <= $1")
            .bind(session.created.micros())
            .execute(write.conn())
            .await?;
        sqlx::query(
            "INSERT INTO sessions (digest, principal, csrf, created, seen, expires) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(session.digest.hex())
        .bind(session.principal.as_str())
        .bind(&session.csrf)
        .bind(session.created.micros())
        .bind(session.seen.micros())
        .bind(session.expires.micros())
        .execute(write.conn())
        .await?;
        let by = Actor(session.principal.to_string());
        write.note(&by, session.created, Change::plain("log in", session.principal.as_str())).await?;
        write.commit().await
    }

    /// All sessions that have not ended by themselves.
    pub async fn sessions(&self, now: Timestamp) -> Result<Vec<SessionRecord>> {
        let rows = sqlx::query("SELECT * FROM sessions WHERE expires > $1 ORDER BY created, digest")
            .bind(now.micros())
            .fetch_all(self.reader())
            .await?;
        rows.iter().map(session).collect()
    }

    /// Notes when a session was last used; no line in the ledger, since nothing changes for anybody.
    pub async fn touch_session(&self, digest: &Digest, seen: Timestamp) -> Result<()> {
        let mut write = self.write().await?;
        sqlx::query("UPDATE sessions SET seen = $1 WHERE digest = $2")
            .bind(seen.micros())
            .bind(digest.hex())
            .execute(write.conn())
            .await?;
        write.commit().await
    }

    /// Ends sessions of a person. When there is none to end, nothing changes.
    pub async fn end_sessions(&self, name: &Name, which: EndSessions<'_>, by: &Actor) -> Result<()> {
        let mut write = self.write().await?;
        let ended = forget(&mut write, name, which).await?;
        if ended == 0 {
            return Ok(());
        }
        let change = Change::new("end sessions", name.as_str(), json!({ "sessions": ended }));
        write.note(by, Timestamp::now(), change).await?;
        write.commit().await
    }
}

async fn forget(write: &mut Write<'_>, name: &Name, which: EndSessions<'_>) -> Result<u64> {
    let EndSessions::These(digests) = which else {
        let all = sqlx::query("DELETE FROM sessions WHERE principal = $1").bind(name.as_str());
        return Ok(all.execute(write.conn()).await?.rows_affected());
    };
    let mut ended = 0;
    for digest in digests {
        let one = sqlx::query("DELETE FROM sessions WHERE principal = $1 AND digest = $2")
            .bind(name.as_str())
            .bind(digest.hex());
        ended += one.execute(write.conn()).await?.rows_affected();
    }
    Ok(ended)
}

fn session(row: &SqliteRow) -> Result<SessionRecord> {
    Ok(SessionRecord {
        digest: row.digest("digest")?,
        principal: row.name("principal")?,
        csrf: row.text("csrf")?,
        created: row.time("created")?,
        seen: row.time("seen")?,
        expires: row.time("expires")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{T0, admin, name, principal, store};
    use domain::PrincipalKind;

    fn session_of(text: &str, digest: u8) -> SessionRecord {
        SessionRecord {
            digest: Digest([digest; 32]),
            principal: name(text),
            csrf: "c".to_owned(),
            created: T0,
            seen: T0,
            expires: T0.plus_seconds(100),
        }
    }

    #[tokio::test]
    async fn a_password_is_changed_once_and_ends_the_sessions() {
        let (_dir, store) = store().await;
        let mut ada = principal("ada");
        ada.kind = PrincipalKind::Person;
        store.add_person(&ada, NewLogin::FirstSecret("first"), &admin()).await.unwrap();
        let login = store.password_login(&ada.name).await.unwrap().unwrap();
        assert!(login.temporary && login.hash == "first");
        store.add_session(&session_of("ada", 1), None).await.unwrap();
        store.set_password(&ada.name, ("second", false), Some("first"), &admin()).await.unwrap();
        assert!(store.set_password(&ada.name, ("third", false), Some("first"), &admin()).await.is_err());
        assert_eq!(store.sessions(T0).await.unwrap(), []);
        assert_eq!(store.password_login(&ada.name).await.unwrap().unwrap().hash, "second");
        assert!(store.set_password(&name("nobody"), ("x", true), None, &admin()).await.is_err());
        let ledger = serde_json::to_string(&store.ledger(0, 10).await.unwrap()).unwrap();
        assert!(!ledger.contains("second") && ledger.contains("change password"), "{ledger}");
    }

    #[tokio::test]
    async fn subjects_are_bound_once_and_sessions_end() {
        let (_dir, store) = store().await;
        let login = NewLogin::Subject { provider: "https://idp", subject: "42" };
        store.add_person(&principal("ada"), login, &admin()).await.unwrap();
        assert!(store.add_person(&principal("eve"), login, &admin()).await.is_err());
        let found = store.person_of_subject("https://idp", "42").await.unwrap().unwrap();
        assert_eq!(found.name, name("ada"));
        assert_eq!(store.person_of_subject("https://other", "42").await.unwrap(), None);
        assert_eq!(store.password_login(&name("ada")).await.unwrap(), None);
        store.set_person_role(&name("ada"), Some(Role::Owner), &admin()).await.unwrap();
        for digest in [1, 2, 3] {
            store.add_session(&session_of("ada", digest), None).await.unwrap();
        }
        store.touch_session(&Digest([2; 32]), T0.plus_seconds(5)).await.unwrap();
        store.end_sessions(&name("ada"), EndSessions::These(&[Digest([1; 32])]), &admin()).await.unwrap();
        let left = store.sessions(T0).await.unwrap();
        assert_eq!((left.len(), left[0].seen), (2, T0.plus_seconds(5)));
        assert_eq!(store.sessions(T0.plus_seconds(100)).await.unwrap(), []);
        store.revoke_principal(&name("ada"), &admin(), T0).await.unwrap();
        assert_eq!(store.sessions(T0).await.unwrap(), []);
    }
}
