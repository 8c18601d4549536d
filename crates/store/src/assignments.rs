//! Roles: what a principal may do on the workspace, an endpoint or a model.

use crate::db::Store;
use crate::error::{Error, Result};
use crate::ledger::Change;
use crate::principals;
use crate::records::Record;
use domain::{Actor, Assignment, Name, Role, Scope, Timestamp};
use serde_json::json;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

impl Store {
    /// Gives a principal a role on something; the one it had there is replaced. What it is given on must exist.
    pub async fn assign_role(&self, assignment: &Assignment, by: &Actor) -> Result<()> {
        let (principal, scope, role) = (&assignment.principal, &assignment.scope, assignment.role);
        let mut write = self.write().await?;
        if principals::expect(write.conn(), principal).await?.revoked.is_some() {
            return Err(Error::Conflict(format!("the principal '{principal}' is revoked")));
        }
        expect(write.conn(), scope).await?;
        put(write.conn(), assignment).await?;
        let detail = json!({"on": scope, "role": role});
        write.note(by, assignment.created, Change::new("assign role", principal.as_str(), detail)).await?;
        write.commit().await
    }

    /// Takes a principal's role on something away.
    pub async fn remove_role(
        &self,
        principal: &Name,
        scope: &Scope,
        by: &Actor,
        now: Timestamp,
    ) -> Result<()> {
        let mut write = self.write().await?;
        principals::expect(write.conn(), principal).await?;
        let done = if *scope == Scope::Workspace {
            sqlx::query("UPDATE principals SET role = '', role_since = $2 WHERE name = $1 AND role <> ''")
                .bind(principal.as_str())
                .bind(now.micros())
                .execute(write.conn())
                .await?
        } else {
            sqlx::query("DELETE FROM assignments WHERE principal = $1 AND scope = $2")
                .bind(principal.as_str())
                .bind(scope.to_string())
                .execute(write.conn())
                .await?
        };
        if done.rows_affected() == 0 {
            return Err(Error::not_found("role", format_args!("{principal} on {scope}")));
        }
        write.note(by, now, Change::new("remove role", principal.as_str(), json!({ "on": scope }))).await?;
        write.commit().await
    }

    /// All roles of principals that are not revoked, by principal; a role on the workspace comes first.
    pub async fn roles(&self) -> Result<Vec<Assignment>> {
        let rows = sqlx::query(
            "SELECT p.name AS principal, 'workspace' AS scope, p.role AS role, \
             CASE WHEN p.role_since = 0 THEN p.created ELSE p.role_since END AS created, 0 AS place \
             FROM principals p WHERE p.role <> '' AND p.revoked IS NULL \
             UNION ALL SELECT a.principal, a.scope, a.role, a.created, 1 AS place FROM assignments a \
             JOIN principals p ON p.name = a.principal WHERE p.revoked IS NULL \
             ORDER BY principal, place, scope",
        )
        .fetch_all(self.reader())
        .await?;
        rows.iter().map(decode).collect()
    }
}

/// Writes a role into the transaction of its change.
pub(crate) async fn put(conn: &mut SqliteConnection, assignment: &Assignment) -> Result<()> {
    let (principal, scope) = (&assignment.principal, &assignment.scope);
    if *scope == Scope::Workspace {
        sqlx::query("UPDATE principals SET role = $2, role_since = $3 WHERE name = $1")
            .bind(principal.as_str())
            .bind(assignment.role.as_str())
            .bind(assignment.created.micros())
            .execute(conn)
            .await?;
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO assignments (principal, scope, role, created) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (principal, scope) DO UPDATE SET role = excluded.role, created = excluded.created",
    )
    .bind(principal.as_str())
    .bind(scope.to_string())
    .bind(assignment.role.as_str())
    .bind(assignment.created.micros())
    .execute(conn)
    .await?;
    Ok(())
}

/// Drops every role on something that goes away: a new one of the same name belongs to nobody yet.
pub(crate) async fn forget(conn: &mut SqliteConnection, scope: &Scope) -> Result<()> {
    sqlx::query("DELETE FROM assignments WHERE scope = $1").bind(scope.to_string()).execute(conn).await?;
    Ok(())
}

/// Moves every role on something to its new name.
pub(crate) async fn move_to(conn: &mut SqliteConnection, from: &Scope, to: &Scope) -> Result<()> {
    sqlx::query("UPDATE assignments SET scope = $2 WHERE scope = $1")
        .bind(from.to_string())
        .bind(to.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// The roles on single endpoints and models, by principal and scope.
pub(crate) async fn all(conn: &mut SqliteConnection) -> Result<Vec<Assignment>> {
    let rows = sqlx::query("SELECT * FROM assignments ORDER BY principal, scope").fetch_all(conn).await?;
    rows.iter().map(decode).collect()
}

async fn expect(conn: &mut SqliteConnection, scope: &Scope) -> Result<()> {
    let (noun, sql, name) = match scope {
        Scope::Workspace => return Ok(()),
        Scope::Endpoint(name) => ("endpoint", "SELECT 1 FROM endpoints WHERE name = $1", name.as_str()),
        Scope::Model(name) => ("model", "SELECT 1 FROM models WHERE name = $1", name.as_str()),
    };
    let found = sqlx::query(sql).bind(name).fetch_optional(conn).await?;
    found.map(|_| ()).ok_or_else(|| Error::not_found(noun, name))
}

fn decode(row: &SqliteRow) -> Result<Assignment> {
    let role = row.text("role")?;
    Ok(Assignment {
        principal: row.name("principal")?,
        scope: row.text("scope")?.parse().map_err(|e| Error::corrupt("scope", e))?,
        role: Role::parse(&role).ok_or_else(|| Error::corrupt("role", role))?,
        created: row.time("created")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{T0, admin, endpoint, name, principal, serving};
    use domain::Digest;

    fn role(scope: &str, role: Role) -> Assignment {
        Assignment { principal: name("ci"), scope: scope.parse().unwrap(), role, created: T0 }
    }

    #[tokio::test]
    async fn a_role_is_given_replaced_and_taken_on_each_kind_of_thing() {
        let (_dir, store) = serving().await;
        store.add_principal(&principal("ci"), Digest([1; 32]), &admin()).await.unwrap();
        for scope in ["endpoint:credit", "model:credit", "workspace"] {
            for what in [Role::Reader, Role::Owner] {
                store.assign_role(&role(scope, what), &admin()).await.unwrap();
            }
        }
        let held = ["workspace", "endpoint:credit", "model:credit"].map(|s| role(s, Role::Owner));
        assert_eq!(store.roles().await.unwrap(), held);
        assert_eq!(store.serving_state().await.unwrap().assignments, held[1..]);
        assert_eq!(store.principal(&name("ci")).await.unwrap().role, Some(Role::Owner));
        for scope in held.map(|h| h.scope) {
            store.remove_role(&name("ci"), &scope, &admin(), T0).await.unwrap();
            let again = store.remove_role(&name("ci"), &scope, &admin(), T0).await;
            assert!(matches!(again, Err(Error::NotFound { .. })), "{again:?}");
        }
        assert_eq!(store.roles().await.unwrap(), []);
        assert_eq!(store.principal(&name("ci")).await.unwrap().role, None);
    }

    #[tokio::test]
    async fn what_is_not_there_gets_and_gives_no_role() {
        let (_dir, store) = serving().await;
        store.add_principal(&principal("ci"), Digest([1; 32]), &admin()).await.unwrap();
        for scope in ["endpoint:absent", "model:absent"] {
            let error = store.assign_role(&role(scope, Role::Owner), &admin()).await.unwrap_err();
            assert!(matches!(error, Error::NotFound { .. }), "{error}");
        }
        let nobody = Assignment { principal: name("nobody"), ..role("workspace", Role::Owner) };
        assert!(matches!(store.assign_role(&nobody, &admin()).await, Err(Error::NotFound { .. })));
        store.revoke_principal(&name("ci"), &admin(), T0).await.unwrap();
        let revoked = store.assign_role(&role("workspace", Role::Owner), &admin()).await;
        assert!(matches!(revoked, Err(Error::Conflict(_))));
        assert_eq!(store.roles().await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_new_endpoint_of_an_old_name_belongs_to_nobody() {
        let (_dir, store) = serving().await;
        store.add_principal(&principal("ci"), Digest([1; 32]), &admin()).await.unwrap();
        store.add_endpoint(&endpoint("bank"), &admin()).await.unwrap();
        store.assign_role(&role("endpoint:bank", Role::Owner), &admin()).await.unwrap();
        store.delete_endpoint(&name("bank"), &admin(), T0).await.unwrap();
        store.add_endpoint(&endpoint("bank"), &admin()).await.unwrap();
        assert_eq!(store.roles().await.unwrap(), [role("workspace", Role::Scorer)]);
    }
}
