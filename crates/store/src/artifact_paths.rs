//! The paths under which runs and logged models keep their files; the bytes are content-addressed artifacts.
//!
//! A path is relative, of plain parts joined by `/`; whoever takes it from a caller has checked it. A path is a file or a folder, never
//! both.

use crate::db::Store;
use crate::error::{Error, Result};
use crate::ledger::Change;
use crate::records::{Record, to_int, to_json};
use domain::{Actor, Digest, Timestamp};
use serde_json::json;

/// Entries of one folder that are listed at most.
const ENTRIES_MAX: i64 = 100_000;

/// A file under its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactFile {
    /// The path; below a folder when a folder was asked for.
    pub path: String,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Their number.
    pub bytes: u64,
}

/// What stands in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactEntry {
    /// The last part of its path.
    pub name: String,
    /// The bytes of a file; none for a folder.
    pub bytes: Option<u64>,
}

impl Store {
    /// Keeps a file under a path; one that was there is replaced. [`Error::Invalid`] when a part of the path is a file, or the path a
    /// folder.
    pub async fn put_artifact_path(&self, file: &ArtifactFile, now: Timestamp) -> Result<()> {
        self.put_artifact_paths(std::slice::from_ref(file), now).await
    }

    /// [`Store::put_artifact_path`] for many files as one change.
    pub async fn put_artifact_paths(&self, files: &[ArtifactFile], now: Timestamp) -> Result<()> {
        let mut write = self.write().await?;
        for file in files {
            let above: Vec<&str> = file.path.match_indices('/').map(|(at, _)| &file.path[..at]).collect();
            let (from, to) = below(&file.path);
            let clash = sqlx::query(
                "SELECT path FROM artifact_paths WHERE path IN (SELECT value FROM json_each($1)) \
                 OR (path >= $2 AND path < $3) LIMIT 1",
            )
            .bind(to_json(&above)?)
            .bind(from)
            .bind(to)
            .fetch_optional(write.conn())
            .await?;
            if let Some(row) = clash {
                let (path, other) = (&file.path, row.text("path")?);
                return Err(Error::Invalid(format!("'{path}' cannot be a file: there is a file '{other}'")));
            }
            sqlx::query(
                "INSERT INTO artifact_paths (path, digest, bytes, created) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (path) DO UPDATE SET digest = excluded.digest, bytes = excluded.bytes, created = excluded.created",
            )
            .bind(&file.path)
            .bind(file.digest.hex())
            .bind(to_int(file.bytes, "the size")?)
            .bind(now.micros())
            .execute(write.conn())
            .await?;
        }
        write.commit().await
    }

    /// The file under a path.
    pub async fn artifact_path(&self, path: &str) -> Result<ArtifactFile> {
        let row = sqlx::query("SELECT path, digest, bytes FROM artifact_paths WHERE path = $1")
            .bind(path)
            .fetch_optional(self.reader())
            .await?;
        decode(&row.ok_or_else(|| Error::not_found("artifact", path))?)
    }

    /// What stands in a folder, by name; empty when there is none. The root is the empty path.
    pub async fn artifact_folder(&self, folder: &str) -> Result<Vec<ArtifactEntry>> {
        let (from, to) = below(folder);
        let rows = sqlx::query(
            "SELECT CASE WHEN slash = 0 THEN rest ELSE substr(rest, 1, slash - 1) END AS name, \
             MAX(slash > 0) AS folder, MAX(bytes) AS bytes FROM \
             (SELECT rest, bytes, instr(rest, '/') AS slash FROM \
             (SELECT substr(path, length($1) + 1) AS rest, bytes FROM artifact_paths WHERE path >= $1 AND path < $2)) \
             GROUP BY 1 ORDER BY 1 LIMIT $3",
        )
        .bind(from)
        .bind(to)
        .bind(ENTRIES_MAX)
        .fetch_all(self.reader())
        .await?;
        rows.iter()
            .map(|row| {
                let bytes = if row.int("folder")? == 0 { Some(row.unsigned("bytes")?) } else { None };
                Ok(ArtifactEntry { name: row.text("name")?, bytes })
            })
            .collect()
    }

    /// All files below a folder by path, each path without the folder's.
    pub async fn artifact_files(&self, folder: &str) -> Result<Vec<ArtifactFile>> {
        let (from, to) = below(folder);
        let rows = sqlx::query(
            "SELECT substr(path, length($1) + 1) AS path, digest, bytes FROM artifact_paths \
             WHERE path >= $1 AND path < $2 ORDER BY path",
        )
        .bind(from)
        .bind(to)
        .fetch_all(self.reader())
        .await?;
        rows.iter().map(decode).collect()
    }

    /// Forgets the file under a path and all files below it; their bytes stay, for whatever else has them. Gives their number.
    pub async fn delete_artifact_paths(&self, path: &str, by: &Actor, now: Timestamp) -> Result<u64> {
        let mut write = self.write().await?;
        let (from, to) = below(path);
        let done = sqlx::query("DELETE FROM artifact_paths WHERE path = $1 OR (path >= $2 AND path < $3)")
            .bind(path)
            .bind(from)
            .bind(to)
            .execute(write.conn())
            .await?
            .rows_affected();
        if done > 0 {
            write.note(by, now, Change::new("delete artifacts", path, json!({ "files": done }))).await?;
        }
        write.commit().await?;
        Ok(done)
    }
}

/// The paths below a folder lie from the first text to before the second: `/` is followed by `0`.
fn below(folder: &str) -> (String, String) {
    match folder {
        "" => (String::new(), "\u{10ffff}".to_owned()),
        folder => (format!("{folder}/"), format!("{folder}0")),
    }
}

fn decode(row: &sqlx::sqlite::SqliteRow) -> Result<ArtifactFile> {
    Ok(ArtifactFile { path: row.text("path")?, digest: row.digest("digest")?, bytes: row.unsigned("bytes")? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{T0, admin, store};

    fn file(path: &str, byte: u8) -> ArtifactFile {
        ArtifactFile { path: path.to_owned(), digest: Digest([byte; 32]), bytes: u64::from(byte) }
    }

    #[tokio::test]
    async fn files_stand_in_folders_and_are_replaced() {
        let (_dir, store) = store().await;
        for (at, path) in ["1/r/a.txt", "1/r/plots/x y.png", "1/r/plots/é/z", "1/r0", "1/r-", "1/r/plots!"]
            .iter()
            .enumerate()
        {
            store.put_artifact_path(&file(path, at as u8), T0).await.unwrap();
        }
        store.put_artifact_path(&file("1/r/a.txt", 9), T0).await.unwrap();
        let entry = |name: &str, bytes| ArtifactEntry { name: name.to_owned(), bytes };
        assert_eq!(
            store.artifact_folder("1/r").await.unwrap(),
            [entry("a.txt", Some(9)), entry("plots", None), entry("plots!", Some(5))]
        );
        assert_eq!(store.artifact_folder("").await.unwrap(), [entry("1", None)]);
        assert_eq!(store.artifact_folder("1/r/a.txt").await.unwrap(), []);
        let files: Vec<String> =
            store.artifact_files("1/r/plots").await.unwrap().into_iter().map(|f| f.path).collect();
        assert_eq!(files, ["x y.png", "é/z"]);
        assert_eq!(store.artifact_path("1/r/a.txt").await.unwrap(), file("1/r/a.txt", 9));
        for clash in ["1/r/a.txt/b", "1/r/plots", "1"] {
            let refused = store.put_artifact_path(&file(clash, 1), T0).await.unwrap_err();
            assert!(matches!(refused, Error::Invalid(_)), "{clash}: {refused}");
        }
        assert_eq!(store.delete_artifact_paths("1/r", &admin(), T0).await.unwrap(), 4);
        assert_eq!(store.delete_artifact_paths("1/r", &admin(), T0).await.unwrap(), 0);
        assert!(matches!(store.artifact_path("1/r/a.txt").await, Err(Error::NotFound { .. })));
        assert_eq!(store.artifact_files("1").await.unwrap().len(), 2);
    }
}
