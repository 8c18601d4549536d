//! Registered environments: names over immutable numbered versions; equal content is recognised.

use crate::db::Store;
use crate::error::{Error, Result};
use crate::ledger::Change;
use crate::records::{Record, to_json};
use domain::{Actor, Digest, EnvironmentSpec, EnvironmentVersion, Name, Timestamp, Version};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sqlx::sqlite::SqliteRow;

impl Store {
    /// Registers an environment, or gives the newest version of that name when it asks for the same; says whether it is new.
    pub async fn add_environment(
        &self,
        (name, spec, description): (&Name, &EnvironmentSpec, &str),
        by: &Actor,
        now: Timestamp,
    ) -> Result<(EnvironmentVersion, bool)> {
        let text = to_json(spec)?;
        let digest = Digest(Sha256::digest(text.as_bytes()).into());
        let mut write = self.write().await?;
        let newest = sqlx::query("SELECT * FROM environments WHERE name = $1 ORDER BY version DESC LIMIT 1")
            .bind(name.as_str())
            .fetch_optional(write.conn())
            .await?;
        let newest = newest.as_ref().map(decode).transpose()?;
        let mut number = 1;
        if let Some(newest) = newest {
            if newest.digest == digest {
                return Ok((newest, false));
            }
            number = newest.version.0.saturating_add(1);
        }
        let version = EnvironmentVersion {
            name: name.clone(),
            version: Version(number),
            spec: spec.clone(),
            digest,
            description: description.to_owned(),
            created: now,
        };
        sqlx::query(
            "INSERT INTO environments (name, version, spec, digest, description, created) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(name.as_str())
        .bind(i64::from(number))
        .bind(text)
        .bind(digest.hex())
        .bind(description)
        .bind(now.micros())
        .execute(write.conn())
        .await?;
        let change =
            Change::new("register environment", format!("{name}:{number}"), json!({"digest": digest}));
        write.note(by, now, change).await?;
        write.commit().await?;
        Ok((version, true))
    }

    /// The newest version of every environment, by name.
    pub async fn environments(&self) -> Result<Vec<EnvironmentVersion>> {
        let rows = sqlx::query(
            "SELECT * FROM environments AS e WHERE version = (SELECT MAX(version) FROM environments WHERE name = e.name) \
             ORDER BY name",
        )
        .fetch_all(self.reader())
        .await?;
        rows.iter().map(decode).collect()
    }

    /// The versions of an environment, oldest first.
    pub async fn environment_versions(&self, name: &Name) -> Result<Vec<EnvironmentVersion>> {
        let rows = sqlx::query("SELECT * FROM environments WHERE name = $1 ORDER BY version")
            .bind(name.as_str())
            .fetch_all(self.reader())
            .await?;
        if rows.is_empty() {
            return Err(Error::not_found("environment", name));
        }
        rows.iter().map(decode).collect()
    }

    /// A version of an environment, the newest when none is named.
    pub async fn environment(&self, name: &Name, version: Option<Version>) -> Result<EnvironmentVersion> {
        let row = sqlx::query(
            "SELECT * FROM environments WHERE name = $1 AND ($2 IS NULL OR version = $2) ORDER BY version DESC LIMIT 1",
        )
        .bind(name.as_str())
        .bind(version.map(|version| i64::from(version.0)))
        .fetch_optional(self.reader())
        .await?;
        let absent = || match version {
            Some(version) => Error::not_found("environment", format!("{name}:{version}")),
            None => Error::not_found("environment", name),
        };
        decode(&row.ok_or_else(absent)?)
    }
}

fn decode(row: &SqliteRow) -> Result<EnvironmentVersion> {
    Ok(EnvironmentVersion {
        name: row.name("name")?,
        version: row.version("version")?,
        spec: row.json("spec")?,
        digest: row.digest("digest")?,
        description: row.text("description")?,
        created: row.time("created")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{T0, admin, name, store};
    use domain::PackageSpec;

    #[tokio::test]
    async fn the_same_environment_is_registered_once() {
        let (_dir, store) = store().await;
        let (train, by) = (name("train"), admin());
        let one = EnvironmentSpec::Packages(PackageSpec {
            pip: vec!["numpy==2.0".to_owned()],
            ..PackageSpec::default()
        });
        let (first, new) = store.add_environment((&train, &one, "a"), &by, T0).await.unwrap();
        assert!(new && first.version == Version(1));
        assert!(!store.add_environment((&train, &one, "b"), &by, T0).await.unwrap().1);
        let (second, new) =
            store.add_environment((&train, &EnvironmentSpec::System, ""), &by, T0).await.unwrap();
        assert!(new && second.version == Version(2));
        assert_eq!(store.environment(&train, None).await.unwrap(), second);
        assert_eq!(store.environment(&train, Some(Version(1))).await.unwrap(), first);
        assert_eq!(store.environments().await.unwrap(), [second]);
        assert_eq!(store.environment_versions(&train).await.unwrap().len(), 2);
        assert!(store.environment(&train, Some(Version(9))).await.is_err());
        assert!(store.environment_versions(&name("none")).await.is_err());
    }
}
