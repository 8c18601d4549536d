//! Data assets: names over immutable numbered versions; equal content is recognised.

use crate::db::Store;
use crate::error::{Error, Result};
use crate::ledger::Change;
use crate::records::{Record, to_int, to_json};
use domain::{Actor, Column, DataAsset, DataVersion, Digest, Name, Timestamp, Version};
use serde_json::json;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

/// A data version to register; its number is given by the store.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDataVersion {
    /// The asset's name.
    pub name: Name,
    /// SHA-256 of the bytes, which are among the artifacts already.
    pub digest: Digest,
    /// Their length.
    pub bytes: u64,
    /// Records, the header not counted.
    pub rows: u64,
    /// How the bytes are read.
    pub format: serde_json::Value,
    /// Columns in file order.
    pub columns: Vec<Column>,
    /// The profile.
    pub profile: serde_json::Value,
    /// Free text.
    pub description: String,
}

impl Store {
    /// Registers a version, or gives the one of that name with the same bytes, format and columns; says whether it is new.
    pub async fn add_data_version(
        &self,
        new: NewDataVersion,
        by: &Actor,
        now: Timestamp,
    ) -> Result<(DataVersion, bool)> {
        let mut write = self.write().await?;
        if let Some(same) = find_equal(write.conn(), &new).await? {
            return Ok((same, false));
        }
        sqlx::query("INSERT INTO data_assets (name, created) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
            .bind(new.name.as_str())
            .bind(now.micros())
            .execute(write.conn())
            .await?;
        let row =
            sqlx::query("SELECT COALESCE(MAX(version), 0) + 1 AS version FROM data_versions WHERE name = $1")
                .bind(new.name.as_str())
                .fetch_one(write.conn())
                .await?;
        let version = numbered(new, row.version("version")?, now);
        insert(write.conn(), &version).await?;
        let detail = json!({"digest": version.digest, "rows": version.rows, "bytes": version.bytes});
        let subject = format!("{}:{}", version.name, version.version);
        write.note(by, now, Change::new("register data", subject, detail)).await?;
        write.commit().await?;
        Ok((version, true))
    }

    /// A version of an asset, the newest when none is named.
    pub async fn data_version(&self, name: &Name, version: Option<Version>) -> Result<DataVersion> {
        let row = match version {
            Some(version) => {
                sqlx::query("SELECT * FROM data_versions WHERE name = $1 AND version = $2")
                    .bind(name.as_str())
                    .bind(i64::from(version.0))
                    .fetch_optional(self.reader())
                    .await?
            }
            None => {
                sqlx::query("SELECT * FROM data_versions WHERE name = $1 ORDER BY version DESC LIMIT 1")
                    .bind(name.as_str())
                    .fetch_optional(self.reader())
                    .await?
            }
        };
        let absent = || match version {
            Some(version) => Error::not_found("data version", format_args!("{name}:{version}")),
            None => Error::not_found("data asset", name),
        };
        decode(&row.ok_or_else(absent)?)
    }

    /// All versions of an asset, newest first; empty when there is no such asset.
    pub async fn data_versions(&self, name: &Name) -> Result<Vec<DataVersion>> {
        let rows = sqlx::query("SELECT * FROM data_versions WHERE name = $1 ORDER BY version DESC")
            .bind(name.as_str())
            .fetch_all(self.reader())
            .await?;
        rows.iter().map(decode).collect()
    }

    /// All assets by name.
    pub async fn data_assets(&self) -> Result<Vec<DataAsset>> {
        let rows = sqlx::query(
            "SELECT a.name, a.created, MAX(v.version) AS latest FROM data_assets a JOIN data_versions v ON v.name = a.name \
             GROUP BY a.name, a.created ORDER BY a.name",
        )
        .fetch_all(self.reader())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(DataAsset {
                    name: row.name("name")?,
                    latest: row.version("latest")?,
                    created: row.time("created")?,
                })
            })
            .collect()
    }
}

async fn find_equal(conn: &mut SqliteConnection, new: &NewDataVersion) -> Result<Option<DataVersion>> {
    let rows =
        sqlx::query("SELECT * FROM data_versions WHERE name = $1 AND digest = $2 ORDER BY version DESC")
            .bind(new.name.as_str())
            .bind(new.digest.hex())
            .fetch_all(conn)
            .await?;
    for row in &rows {
        let old = decode(row)?;
        if old.format == new.format && old.columns == new.columns {
            return Ok(Some(old));
        }
    }
    Ok(None)
}

fn numbered(new: NewDataVersion, version: Version, created: Timestamp) -> DataVersion {
    DataVersion {
        name: new.name,
        version,
        digest: new.digest,
        bytes: new.bytes,
        rows: new.rows,
        format: new.format,
        columns: new.columns,
        profile: new.profile,
        description: new.description,
        created,
    }
}

async fn insert(conn: &mut SqliteConnection, v: &DataVersion) -> Result<()> {
    sqlx::query(
        "INSERT INTO data_versions (name, version, digest, bytes, row_count, format, columns, profile, description, created) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(v.name.as_str())
    .bind(i64::from(v.version.0))
    .bind(v.digest.hex())
    .bind(to_int(v.bytes, "the size")?)
    .bind(to_int(v.rows, "the number of rows")?)
    .bind(to_json(&v.format)?)
    .bind(to_json(&v.columns)?)
    .bind(to_json(&v.profile)?)
    .bind(&v.description)
    .bind(v.created.micros())
    .execute(conn)
    .await?;
    Ok(())
}

fn decode(row: &SqliteRow) -> Result<DataVersion> {
    Ok(DataVersion {
        name: row.name("name")?,
        version: row.version("version")?,
        digest: row.digest("digest")?,
        bytes: row.unsigned("bytes")?,
        rows: row.unsigned("row_count")?,
        format: row.json("format")?,
        columns: row.json("columns")?,
        profile: row.json("profile")?,
        description: row.text("description")?,
        created: row.time("created")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{T0, admin, data, name, store};

    #[tokio::test]
    async fn versions_are_numbered_and_equal_content_is_recognised() {
        let (_dir, store) = store().await;
        let (first, created) = store.add_data_version(data("credit", 1), &admin(), T0).await.unwrap();
        assert!(created && first.version == Version(1) && first.created == T0);
        let (second, _) = store.add_data_version(data("credit", 2), &admin(), T0).await.unwrap();
        assert_eq!(second.version, Version(2));
        let (again, created) =
            store.add_data_version(data("credit", 1), &admin(), T0.plus_seconds(9)).await.unwrap();
        assert!(!created);
        assert_eq!(again, first);
        let mut read_otherwise = data("credit", 1);
        read_otherwise.columns[0].kind = domain::ColumnType::Text;
        let (third, created) = store.add_data_version(read_otherwise, &admin(), T0).await.unwrap();
        assert!(created && third.version == Version(3));
        assert_eq!(store.ledger(0, 100).await.unwrap().len(), 3);
    }

    #[tokio::test]
    async fn versions_are_found_by_number_and_newest() {
        let (_dir, store) = store().await;
        for digest in 1..=3 {
            store.add_data_version(data("credit", digest), &admin(), T0).await.unwrap();
        }
        store.add_data_version(data("bank", 1), &admin(), T0).await.unwrap();
        let credit = name("credit");
        assert_eq!(store.data_version(&credit, None).await.unwrap().version, Version(3));
        assert_eq!(store.data_version(&credit, Some(Version(2))).await.unwrap().digest, Digest([2; 32]));
        let numbers: Vec<u32> =
            store.data_versions(&credit).await.unwrap().iter().map(|v| v.version.0).collect();
        assert_eq!(numbers, [3, 2, 1]);
        let assets = store.data_assets().await.unwrap();
        let names: Vec<(&str, u32)> = assets.iter().map(|a| (a.name.as_str(), a.latest.0)).collect();
        assert_eq!(names, [("bank", 1), ("credit", 3)]);
        let missing = store.data_version(&credit, Some(Version(4))).await.unwrap_err().to_string();
        assert_eq!(missing, "no data version named 'credit:4'");
        assert!(matches!(store.data_version(&name("x"), None).await, Err(Error::NotFound { .. })));
    }

    #[tokio::test]
    async fn the_same_content_registered_at_once_is_one_version() {
        let (_dir, store) = store().await;
        let calls = (0..8).map(|_| {
            let store = store.clone();
            tokio::spawn(
                async move { store.add_data_version(data("credit", 1), &admin(), T0).await.unwrap() },
            )
        });
        let mut created = 0;
        for call in calls.collect::<Vec<_>>() {
            let (version, new) = call.await.unwrap();
            assert_eq!(version.version, Version(1));
            created += u32::from(new);
        }
        assert_eq!(created, 1);
    }
}
