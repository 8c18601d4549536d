//! The whole data directory as one tar file, taken while it is in use; and back.
//!
//! Why it is consistent: databases are copied by `VACUUM INTO`, each in one read transaction, the metadata first. Artifacts and
//! secrets never change and are on disk before the metadata names them, so whatever the copied metadata names is found by
//! the walk that follows. The last entry lists every file with its size and SHA-256; a file that was cut short has no list.

mod pack;
mod unpack;

pub use unpack::restore;

use crate::db::{DATABASE, Store};
use crate::error::{Error, Result};
use crate::files;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use std::path::{Path, PathBuf};

/// The last entry of a backup.
const MANIFEST: &str = "portcullis-backup.json";
/// The version of this layout.
const FORMAT: u32 = 1;

/// What a backup holds.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    files: Vec<Listed>,
}

/// One file of a backup.
#[derive(Debug, Serialize, Deserialize)]
struct Listed {
    path: String,
    bytes: u64,
    sha256: domain::Digest,
}

/// A file of the data directory and where to read it.
#[derive(Debug)]
struct Source {
    /// Its path within the data directory.
    path: PathBuf,
    /// The file to copy: itself, or a database's copy.
    from: PathBuf,
}

/// Writes a backup to a new file (mode 0600: it holds the secrets). Writing and serving go on meanwhile. A file that exists is
/// not replaced.
pub async fn create(store: &Store, path: &Path) -> Result<()> {
    if path.exists() {
        return Err(Error::Conflict(format!("'{}' exists already: name a new file", path.display())));
    }
    let copies = tempfile::Builder::new()
        .prefix(files::TEMP_PREFIX)
        .tempdir_in(store.dir())
        .map_err(|e| Error::io(store.dir(), e))?;
    let mut sources = vec![copy_database(store.dir(), Path::new(DATABASE), copies.path(), 0).await?];
    for (at, path) in pack::walk(store.dir())?.into_iter().enumerate() {
        if path == Path::new(DATABASE) {
            continue;
        }
        if path.extension().is_none_or(|e| e != "db") {
            sources.push(Source { from: store.dir().join(&path), path });
            continue;
        }
        match copy_database(store.dir(), &path, copies.path(), at + 1).await {
            Ok(source) => sources.push(source),
            // An old request-log segment may be dropped for space meanwhile.
            Err(_) if !store.dir().join(&path).exists() => {}
            Err(error) => return Err(error),
        }
    }
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || {
        // Held until all is packed: dropping it removes the copies.
        let _copies = copies;
        pack::write(&sources, &path)
    })
    .await
    .map_err(|e| Error::Corrupt(format!("the backup was interrupted: {e}")))?
}

/// Copies a database as it stands at one moment.
async fn copy_database(dir: &Path, path: &Path, copies: &Path, number: usize) -> Result<Source> {
    let copy = copies.join(format!("{number}.db"));
    let mut conn =
        SqliteConnectOptions::new().filename(dir.join(path)).disable_statement_logging().connect().await?;
    sqlx::query("VACUUM INTO $1").bind(copy.to_string_lossy().as_ref()).execute(&mut conn).await?;
    conn.close().await?;
    Ok(Source { path: path.to_owned(), from: copy })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SegmentConfig;
    use crate::samples::{T0, admin, data, endpoint, name, store};
    use crate::segments::{RequestFilter, RequestRow, SegmentWriter, Segments};
    use domain::{ErrorCode, Version};
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn limits() -> SegmentConfig {
        SegmentConfig { rows: 1000, max_bytes: 1 << 30, query_time: "10s".parse().unwrap(), query_rows: 100 }
    }

    #[tokio::test]
    async fn a_backup_taken_while_writing_restores_to_one_moment() {
        let (dir, store) = store().await;
        let secret = store.secrets().secret_or_create("key", || vec![7; 32]).unwrap();
        let mut log = SegmentWriter::open(store.dir(), &limits()).await.unwrap();
        log.append(&[RequestRow { path: "/score".into(), ..RequestRow::default() }]).await.unwrap();
        let writing = tokio::spawn(write_until_stopped(store.clone()));
        let watch = &mut store.changes();
        watch.wait_for(|n| *n >= 5).await.unwrap();
        let file = dir.path().join("all.tar");
        create(&store, &file).await.unwrap();
        watch.wait_for(|n| *n >= 10).await.unwrap();
        writing.abort();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let into = dir.path().join("restored");
        restore(&file, &into).unwrap();
        let restored = Store::open(&into).await.unwrap();
        assert_same_start(&store, &restored).await;
        assert_eq!(restored.secrets().secret_or_create("key", Vec::new).unwrap(), secret);
        let rows =
            Segments::new(&into, &limits()).query(&RequestFilter { limit: 9, ..Default::default() }).await;
        assert_eq!(rows.unwrap()[0].row.path.as_str(), "/score");
    }

    /// Every version points at an artifact that is put just before it.
    async fn write_until_stopped(store: Store) {
        for number in 0_u32.. {
            let digest = store.artifacts().put(&number.to_le_bytes()).unwrap();
            let new = crate::NewDataVersion { digest, ..data("credit", 0) };
            store.add_data_version(new, &admin(), T0).await.unwrap();
        }
    }

    async fn assert_same_start(store: &Store, restored: &Store) {
        let kept = restored.verify_ledger(None).await.unwrap().entries;
        assert!(kept >= 5);
        assert_eq!(restored.ledger(0, 1000).await.unwrap(), {
            let mut all = store.ledger(0, 1000).await.unwrap();
            all.truncate(usize::try_from(kept).unwrap());
            all
        });
        for version in restored.data_versions(&name("credit")).await.unwrap() {
            restored.artifacts().read(&version.digest).unwrap();
            assert_eq!(store.data_version(&version.name, Some(version.version)).await.unwrap(), version);
        }
        let newest = restored.data_version(&name("credit"), None).await.unwrap().version;
        assert_eq!(i64::from(newest.0), kept);
        let next = restored.add_data_version(data("credit", 1), &admin(), T0).await.unwrap();
        assert_eq!(next.0.version, Version(newest.0 + 1));
    }

    #[tokio::test]
    async fn a_damaged_or_cut_backup_and_a_used_folder_are_refused() {
        let (dir, store) = store().await;
        store.add_endpoint(&endpoint("credit"), &admin()).await.unwrap();
        let digest = store.artifacts().put(b"a model that is there").unwrap();
        let file = dir.path().join("all.tar");
        create(&store, &file).await.unwrap();
        assert_eq!(create(&store, &file).await.unwrap_err().code(), ErrorCode::Conflict);
        let whole = fs::read(&file).unwrap();
        let refused = |bytes: &[u8]| {
            fs::write(&file, bytes).unwrap();
            let into = dir.path().join("into");
            let error = restore(&file, &into).unwrap_err();
            assert!(!into.exists());
            error
        };
        let mut altered = whole.clone();
        let at = altered.windows(7).position(|w| w == b"a model").unwrap();
        altered[at] = b'A';
        let told = refused(&altered).to_string();
        assert!(told.contains(&digest.hex()) && told.contains("altered"), "{told}");
        for cut in [whole.len() / 2, whole.len() - 3000, 100, 0] {
            assert!(matches!(refused(&whole[..cut]), Error::Corrupt(_)));
        }
        fs::write(&file, &whole).unwrap();
        assert_eq!(restore(&file, store.dir()).unwrap_err().code(), ErrorCode::Conflict);
        fs::create_dir(dir.path().join("empty")).unwrap();
        restore(&file, &dir.path().join("empty")).unwrap();
    }

    #[test]
    fn entries_that_lead_out_of_the_folder_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for (at, (name, kind)) in [
            ("../out", tar::EntryType::Regular),
            ("/abs", tar::EntryType::Regular),
            ("ok", tar::EntryType::Symlink),
        ]
        .into_iter()
        .enumerate()
        {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(kind);
            header.set_size(0);
            header.set_cksum();
            let file = dir.path().join(format!("{at}.tar"));
            let mut tar = tar::Builder::new(fs::File::create(&file).unwrap());
            tar.append(&header, std::io::empty()).unwrap();
            tar.finish().unwrap();
            let told = restore(&file, &dir.path().join("into")).unwrap_err().to_string();
            assert!(told.contains("refused"), "{told}");
        }
    }

    #[tokio::test]
    async fn leftovers_and_other_backups_stay_out() {
        let (dir, store) = store().await;
        fs::write(store.dir().join("admin-token"), b"token").unwrap();
        for out in [".new-half", "backup-1.tar"] {
            fs::write(store.dir().join(out), b"out").unwrap();
        }
        let file = store.dir().join("backup-2.tar");
        create(&store, &file).await.unwrap();
        let into = dir.path().join("into");
        restore(&file, &into).unwrap();
        let mut names: Vec<_> =
            fs::read_dir(&into).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["admin-token", DATABASE, "secrets"]);
    }
}
