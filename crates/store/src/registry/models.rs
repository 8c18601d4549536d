//! Registered models: names, descriptions, tags, aliases.

use super::tag;
use crate::assignments;
use crate::db::Store;
use crate::error::{Error, Result};
use crate::ledger::Change;
use crate::records::{Record, to_json};
use domain::{Actor, Model, ModelName, Scope, Tags, Timestamp, Version};
use serde_json::json;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

/// A statement that reads models as `m`, each with its aliases and newest version.
macro_rules! models {
    ($rest:literal) => {
        concat!(
            "SELECT m.*, (SELECT MAX(v.version) FROM model_versions v WHERE v.model = m.name) AS latest, \
             (SELECT json_group_object(a.alias, a.version) FROM aliases a WHERE a.model = m.name) AS aliases FROM models m ",
            $rest
        )
    };
}
pub(super) use models;

/// What may change of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelChange {
    /// Another description.
    Description(String),
    /// A tag.
    Tag(String, String),
    /// A tag less; one that is not there changes nothing.
    NoTag(String),
}

impl Store {
    /// Registers a name without versions; [`Error::Conflict`] when it is taken.
    #[expect(clippy::too_many_arguments, reason = "a model's facts; by and now are every change's")]
    pub async fn add_model(
        &self,
        name: &ModelName,
        description: &str,
        tags: &Tags,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Model> {
        let mut write = self.write().await?;
        let done = sqlx::query(
            "INSERT INTO models (name, created, updated, description, tags) VALUES ($1, $2, $2, $3, $4) \
             ON CONFLICT (name) DO NOTHING",
        )
        .bind(name.as_str())
        .bind(now.micros())
        .bind(description)
        .bind(to_json(tags)?)
        .execute(write.conn())
        .await?;
        if done.rows_affected() == 0 {
            return Err(taken(name));
        }
        let made = expect(write.conn(), name).await?;
        write.note(by, now, Change::plain("create model", name.as_str())).await?;
        write.commit().await?;
        Ok(made)
    }

    /// A model by its name.
    pub async fn model(&self, name: &ModelName) -> Result<Model> {
        let row = sqlx::query(models!("WHERE m.name = $1"))
            .bind(name.as_str())
            .fetch_optional(self.reader())
            .await?
            .ok_or_else(|| Error::not_found("model", name))?;
        decode(&row)
    }

    /// All models by name, with their aliases.
    pub async fn models(&self) -> Result<Vec<Model>> {
        let rows = sqlx::query(models!("ORDER BY m.name")).fetch_all(self.reader()).await?;
        rows.iter().map(decode).collect()
    }

    /// Changes a model; gives it as it is then.
    pub async fn change_model(
        &self,
        name: &ModelName,
        change: ModelChange,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Model> {
        let mut write = self.write().await?;
        let mut found = expect(write.conn(), name).await?;
        let line = match change {
            ModelChange::Description(text) => {
                found.description = text;
                found.updated = now;
                Change::new("change model", name.as_str(), json!({ "description": found.description }))
            }
            ModelChange::Tag(key, value) => {
                tag(&mut found.tags, &key, Some(&value))?;
                Change::new("set model tag", name.as_str(), json!({ "key": key }))
            }
            ModelChange::NoTag(key) => {
                if !tag(&mut found.tags, &key, None)? {
                    return Ok(found);
                }
                Change::new("delete model tag", name.as_str(), json!({ "key": key }))
            }
        };
        sqlx::query("UPDATE models SET description = $2, tags = $3, updated = $4 WHERE name = $1")
            .bind(name.as_str())
            .bind(&found.description)
            .bind(to_json(&found.tags)?)
            .bind(found.updated.micros())
            .execute(write.conn())
            .await?;
        write.note(by, now, line).await?;
        write.commit().await?;
        Ok(found)
    }

    /// Gives a model another name, with its versions, aliases and the roles on it; refused while a version is deployed, since what runs
    /// is known by its name.
    pub async fn rename_model(
        &self,
        name: &ModelName,
        to: &ModelName,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Model> {
        let mut write = self.write().await?;
        expect(write.conn(), name).await?;
        if find(write.conn(), to).await?.is_some() {
            return Err(taken(to));
        }
        expect_undeployed(write.conn(), name, None).await?;
        // The name is a key of three tables that point at each other: it is judged when all have it.
        sqlx::query("PRAGMA defer_foreign_keys = ON").execute(write.conn()).await?;
        for sql in [
            "UPDATE models SET name = $2 WHERE name = $1",
            "UPDATE model_versions SET model = $2 WHERE model = $1",
            "UPDATE aliases SET model = $2 WHERE model = $1",
        ] {
            sqlx::query(sql).bind(name.as_str()).bind(to.as_str()).execute(write.conn()).await?;
        }
        touch(write.conn(), to, now).await?;
        let scopes = (Scope::Model(name.clone()), Scope::Model(to.clone()));
        assignments::move_to(write.conn(), &scopes.0, &scopes.1).await?;
        let made = expect(write.conn(), to).await?;
        write.note(by, now, Change::new("rename model", name.as_str(), json!({ "to": to }))).await?;
        write.commit().await?;
        Ok(made)
    }

    /// Deletes a model with its versions and aliases; refused while a version is deployed.
    pub async fn delete_model(&self, name: &ModelName, by: &Actor, now: Timestamp) -> Result<()> {
        let mut write = self.write().await?;
        expect(write.conn(), name).await?;
        expect_undeployed(write.conn(), name, None).await?;
        for sql in [
            "DELETE FROM aliases WHERE model = $1",
            "DELETE FROM model_versions WHERE model = $1",
            "DELETE FROM models WHERE name = $1",
        ] {
            sqlx::query(sql).bind(name.as_str()).execute(write.conn()).await?;
        }
        assignments::forget(write.conn(), &Scope::Model(name.clone())).await?;
        write.note(by, now, Change::plain("delete model", name.as_str())).await?;
        write.commit().await
    }
}

fn taken(name: &ModelName) -> Error {
    Error::Conflict(format!("there is a model named '{name}' already"))
}

/// Makes a model unless it is there.
pub(super) async fn ensure(conn: &mut SqliteConnection, name: &ModelName, now: Timestamp) -> Result<()> {
    sqlx::query(
        "INSERT INTO models (name, created, updated) VALUES ($1, $2, $2) ON CONFLICT (name) DO NOTHING",
    )
    .bind(name.as_str())
    .bind(now.micros())
    .execute(conn)
    .await?;
    Ok(())
}

/// Says that something about a model changed.
pub(super) async fn touch(conn: &mut SqliteConnection, name: &ModelName, now: Timestamp) -> Result<()> {
    sqlx::query("UPDATE models SET updated = $2 WHERE name = $1")
        .bind(name.as_str())
        .bind(now.micros())
        .execute(conn)
        .await?;
    Ok(())
}

async fn find(conn: &mut SqliteConnection, name: &ModelName) -> Result<Option<Model>> {
    let row = sqlx::query(models!("WHERE m.name = $1")).bind(name.as_str()).fetch_optional(conn).await?;
    row.as_ref().map(decode).transpose()
}

pub(super) async fn expect(conn: &mut SqliteConnection, name: &ModelName) -> Result<Model> {
    find(conn, name).await?.ok_or_else(|| Error::not_found("model", name))
}

/// Refuses when the version, or any version when none is named, is deployed.
pub(super) async fn expect_undeployed(
    conn: &mut SqliteConnection,
    name: &ModelName,
    version: Option<Version>,
) -> Result<()> {
    let row = sqlx::query(
        "SELECT endpoint, name, version FROM deployments WHERE model = $1 AND ($2 IS NULL OR version = $2) \
         ORDER BY endpoint, name LIMIT 1",
    )
    .bind(name.as_str())
    .bind(version.map(|v| i64::from(v.0)))
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(()) };
    Err(Error::Conflict(format!(
        "the model version '{name}:{}' is deployed as '{}/{}': delete that deployment first",
        row.version("version")?,
        row.text("endpoint")?,
        row.text("name")?
    )))
}

/// Reads a record of [`models!`].
pub(super) fn decode(row: &SqliteRow) -> Result<Model> {
    let latest = row.int_or_null("latest")?.map(u32::try_from).transpose();
    Ok(Model {
        name: row.parsed("name")?,
        description: row.text("description")?,
        tags: row.json("tags")?,
        aliases: row.json("aliases")?,
        latest: latest.map_err(|e| Error::corrupt("latest", e))?.map(Version),
        created: row.time("created")?,
        updated: row.time("updated")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{T0, admin, model, model_name, principal, serving, store};
    use domain::{Assignment, Digest, Role};

    #[tokio::test]
    async fn a_name_may_stand_without_versions_and_is_taken_once() {
        let (_dir, store) = store().await;
        let name = model_name("Crédit (new)");
        let tags = Tags::from([("team".to_owned(), "risk".to_owned())]);
        let made = store.add_model(&name, "for tests", &tags, &admin(), T0).await.unwrap();
        assert_eq!((made.latest, made.description.as_str(), &made.tags), (None, "for tests", &tags));
        let again = store.add_model(&name, "", &Tags::new(), &admin(), T0).await.unwrap_err();
        assert!(matches!(again, Error::Conflict(_)));
        let mut version = model("x", None);
        version.model = name.clone();
        store.add_model_version(version, &admin(), T0.plus_seconds(3)).await.unwrap();
        let found = store.model(&name).await.unwrap();
        assert_eq!((found.latest, found.updated), (Some(Version(1)), T0.plus_seconds(3)));
        let gone = store.change_model(&name, ModelChange::NoTag("team".to_owned()), &admin(), T0).await;
        assert!(gone.unwrap().tags.is_empty());
        let set = ModelChange::Tag("a".to_owned(), "1".to_owned());
        assert_eq!(store.change_model(&name, set, &admin(), T0).await.unwrap().tags["a"], "1");
    }

    #[tokio::test]
    async fn what_runs_keeps_its_name_and_roles_move_with_a_name() {
        let (_dir, store) = serving().await;
        let (credit, new) = (model_name("credit"), model_name("new credit"));
        for refused in [
            store.rename_model(&credit, &new, &admin(), T0).await.unwrap_err(),
            store.delete_model(&credit, &admin(), T0).await.unwrap_err(),
        ] {
            assert!(refused.to_string().contains("deployed as 'credit/blue'"), "{refused}");
        }
        store.add_model_version(model("other", None), &admin(), T0).await.unwrap();
        let other = model_name("other");
        store.set_alias(&other, "best", Version(1), &admin(), T0).await.unwrap();
        store.add_principal(&principal("ci"), Digest([1; 32]), &admin()).await.unwrap();
        let held = Assignment {
            principal: crate::samples::name("ci"),
            scope: Scope::Model(other.clone()),
            role: Role::Reader,
            created: T0,
        };
        store.assign_role(&held, &admin()).await.unwrap();
        assert!(matches!(store.rename_model(&other, &credit, &admin(), T0).await, Err(Error::Conflict(_))));
        let renamed = store.rename_model(&other, &new, &admin(), T0).await.unwrap();
        assert_eq!((renamed.name, renamed.latest), (new.clone(), Some(Version(1))));
        assert_eq!(store.model_version_by_alias(&new, "best").await.unwrap().model, new);
        let roles = store.roles().await.unwrap();
        assert!(roles.iter().any(|a| a.scope == Scope::Model(new.clone())), "{roles:?}");
        store.delete_model(&new, &admin(), T0).await.unwrap();
        assert!(matches!(store.model(&new).await, Err(Error::NotFound { .. })));
        assert!(store.roles().await.unwrap().iter().all(|a| a.scope == Scope::Workspace));
    }
}
