//! Unpacking a backup into an empty data directory: beside it first, checked, then renamed as a whole.

use crate::backup::pack::Hashing;
use crate::backup::{FORMAT, Listed, MANIFEST, Manifest};
use crate::error::{Error, Result};
use crate::files;
use domain::Digest;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Component, Path, PathBuf};

/// Bytes of a manifest at most.
const MANIFEST_MAX: u64 = 256 * 1024 * 1024;

/// Unpacks a backup. The directory must be absent or empty; it appears whole, with every file's hash checked, or not at all.
pub fn restore(path: &Path, dir: &Path) -> Result<()> {
    if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        let dir = dir.display();
        return Err(Error::Conflict(format!("the directory '{dir}' is not empty: restore into a new one")));
    }
    let parent = files::folder_of(dir);
    files::create_dir(parent)?;
    let beside = tempfile::Builder::new()
        .prefix(files::TEMP_PREFIX)
        .tempdir_in(parent)
        .map_err(|e| Error::io(parent, e))?;
    unpack(path, beside.path())?;
    files::create_private_dir(beside.path())?;
    fs::rename(beside.path(), dir).map_err(|e| Error::io(dir, e))?;
    // Renamed away: there is nothing left to remove.
    let _ = beside.keep();
    files::sync_dir(parent)
}

fn unpack(path: &Path, dir: &Path) -> Result<()> {
    let broken = |e: io::Error| match Error::io(path, e) {
        Error::StorageFull => Error::StorageFull,
        other => Error::Corrupt(format!("the backup cannot be read to its end: {other}")),
    };
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let mut tar = tar::Archive::new(BufReader::with_capacity(1024 * 1024, file));
    let (mut found, mut manifest) = (BTreeMap::new(), None);
    for entry in tar.entries().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let name = entry.path().map_err(broken)?.into_owned();
        if manifest.is_some() {
            return Err(Error::Corrupt("the backup goes on after its list of files".to_owned()));
        }
        if name == Path::new(MANIFEST) {
            manifest = Some(read_manifest(entry)?);
            continue;
        }
        let inside = checked(&name, entry.header().entry_type())?;
        let mode = entry.header().mode().unwrap_or(0o600);
        let line = write(entry, &dir.join(&inside), mode)?;
        found.insert(inside, line);
    }
    let manifest = manifest
        .ok_or_else(|| Error::Corrupt("the backup was cut short: it has no list of files".to_owned()))?;
    compare(&manifest, &found)?;
    sync_tree(dir, &found)
}

fn read_manifest(entry: impl Read) -> Result<Manifest> {
    let wrong =
        |e: &dyn std::fmt::Display| Error::Corrupt(format!("the backup's list of files cannot be read: {e}"));
    let mut text = Vec::new();
    entry.take(MANIFEST_MAX).read_to_end(&mut text).map_err(|e| wrong(&e))?;
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|e| wrong(&e))?;
    if manifest.format == FORMAT {
        Ok(manifest)
    } else {
        Err(Error::Invalid(format!("the backup has format {}, this release reads {FORMAT}", manifest.format)))
    }
}

/// Only plain files, only inside the directory.
fn checked(name: &Path, kind: tar::EntryType) -> Result<PathBuf> {
    let inside = name.components().all(|part| matches!(part, Component::Normal(_)));
    if inside && kind == tar::EntryType::Regular && !name.as_os_str().is_empty() {
        Ok(name.to_owned())
    } else {
        Err(Error::Corrupt(format!("the backup holds an entry that is refused: '{}'", name.display())))
    }
}

/// Writes one file, synced; gives its size and hash.
fn write(entry: impl Read, path: &Path, mode: u32) -> Result<(u64, Digest)> {
    let wrong = |e| Error::io(path, e);
    if let Some(folder) = path.parent() {
        files::create_private_dir(folder)?;
    }
    let mut reader = Hashing { inner: entry, hash: Sha256::new(), bytes: 0 };
    let mut file = File::create_new(path).map_err(wrong)?;
    io::copy(&mut reader, &mut file).map_err(wrong)?;
    files::set_mode(path, mode & 0o770)?;
    file.sync_all().map_err(wrong)?;
    Ok((reader.bytes, Digest(reader.hash.finalize().into())))
}

fn compare(manifest: &Manifest, found: &BTreeMap<PathBuf, (u64, Digest)>) -> Result<()> {
    for Listed { path, bytes, sha256 } in &manifest.files {
        if found.get(Path::new(path)) != Some(&(*bytes, *sha256)) {
            return Err(Error::Corrupt(format!("the backup is damaged: '{path}' is missing or altered")));
        }
    }
    if manifest.files.len() == found.len() {
        Ok(())
    } else {
        Err(Error::Corrupt("the backup holds files that its list does not name".to_owned()))
    }
}

/// Syncs every folder that got a file.
fn sync_tree(dir: &Path, found: &BTreeMap<PathBuf, (u64, Digest)>) -> Result<()> {
    let mut folders: Vec<&Path> = found.keys().flat_map(|p| p.ancestors().skip(1)).collect();
    folders.sort_unstable();
    folders.dedup();
    folders.into_iter().try_for_each(|folder| files::sync_dir(&dir.join(folder)))
}
