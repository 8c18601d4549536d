//! Walking a data directory and writing the tar file.

use crate::backup::{FORMAT, Listed, MANIFEST, Manifest, Source};
use crate::error::{Error, Result};
use crate::files;
use domain::Digest;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Bytes gathered before they go to the file.
const BUFFER: usize = 1024 * 1024;

/// The files to keep, by their paths within the directory; not the lock, not what SQLite keeps beside its databases, not
/// half-written files, not other backups.
pub(super) fn walk(dir: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        let here = dir.join(&folder);
        for entry in fs::read_dir(&here).map_err(|e| Error::io(&here, e))? {
            let entry = entry.map_err(|e| Error::io(&here, e))?;
            let name = entry.file_name();
            let path = folder.join(&name);
            let at_top = folder.as_os_str().is_empty();
            if skipped(&name.to_string_lossy(), at_top) {
                continue;
            }
            // Links are not followed: what they point at is not ours.
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                Ok(kind) if kind.is_file() => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    Ok(found)
}

fn skipped(name: &str, at_top: bool) -> bool {
    let beside = name.ends_with(".db-wal") || name.ends_with(".db-shm") || name.ends_with(".db-journal");
    let other = name == "lock" || name == MANIFEST || (name.starts_with("backup-") && name.ends_with(".tar"));
    beside || name.starts_with(files::TEMP_PREFIX) || (at_top && other)
}

/// Writes the tar file: temporary name, sync, rename.
pub(super) fn write(sources: &[Source], path: &Path) -> Result<()> {
    let temp = files::temp_in(files::folder_of(path))?;
    let mut tar = tar::Builder::new(BufWriter::with_capacity(BUFFER, temp.as_file()));
    let mut listed = Vec::with_capacity(sources.len());
    for source in sources {
        match append(&mut tar, source) {
            Ok(line) => listed.push(line),
            // Gone since the walk: other steps remove their own temporary files.
            Err(Error::Io { source: e, .. }) if e.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let manifest = Manifest { format: FORMAT, files: listed };
    let manifest = serde_json::to_vec_pretty(&manifest).map_err(|e| Error::Invalid(e.to_string()))?;
    let mut header = header(manifest.len() as u64, 0o600);
    let done = tar
        .append_data(&mut header, MANIFEST, manifest.as_slice())
        .and_then(|()| tar.into_inner())
        .and_then(|mut out| out.flush())
        .and_then(|()| temp.as_file().sync_all());
    done.map_err(|e| Error::io(path, e))?;
    match temp.persist_noclobber(path) {
        Ok(_) => files::sync_parent(path),
        Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(Error::Conflict(format!("'{}' exists already: name a new file", path.display())))
        }
        Err(e) => Err(Error::io(path, e.error)),
    }
}

fn append<W: Write>(tar: &mut tar::Builder<W>, source: &Source) -> Result<Listed> {
    let wrong = |e| Error::io(&source.from, e);
    let file = File::open(&source.from).map_err(wrong)?;
    let meta = file.metadata().map_err(wrong)?;
    let path = source.path.to_str().ok_or_else(|| {
        Error::Invalid(format!("the file name '{}' is not UTF-8: rename or remove it", source.path.display()))
    })?;
    let mut header = header(meta.len(), mode(&meta));
    // Why a limit: a log may grow while it is read, and its length is already in the header.
    let mut reader = Hashing { inner: file.take(meta.len()), hash: Sha256::new(), bytes: 0 };
    tar.append_data(&mut header, path, &mut reader).map_err(wrong)?;
    if reader.bytes != meta.len() {
        return Err(Error::Conflict(format!("'{path}' was cut short while it was read: try again")));
    }
    Ok(Listed { path: path.to_owned(), bytes: reader.bytes, sha256: Digest(reader.hash.finalize().into()) })
}

fn header(bytes: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(mode);
    header.set_entry_type(tar::EntryType::Regular);
    header
}

#[cfg(unix)]
fn mode(meta: &fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    meta.permissions().mode() & 0o777
}

/// Where files have no such modes: readable by the owner.
#[cfg(not(unix))]
fn mode(_: &fs::Metadata) -> u32 {
    0o600
}

/// Hashes what passes through.
pub(super) struct Hashing<R> {
    /// Where the bytes come from.
    pub(super) inner: R,
    /// Over all bytes so far.
    pub(super) hash: Sha256,
    /// Their number.
    pub(super) bytes: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.hash.update(&buffer[..n]);
        self.bytes += n as u64;
        Ok(n)
    }
}
