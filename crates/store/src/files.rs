//! Files that are old or new, never half: temporary name, sync, rename, sync of the folder.

use crate::error::{Error, Result};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Makes a folder and its parents, durably: each new folder's parent is synced.
pub fn create_dir(dir: &Path) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent().filter(|p| !p.as_os_str().is_empty()) {
        create_dir(parent)?;
    }
    match fs::create_dir(dir) {
        Ok(()) => sync_parent(dir),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        Err(e) => Err(Error::io(dir, e)),
    }
}

/// [`create_dir`], and only the owner enters (where the system knows such modes).
pub(crate) fn create_private_dir(dir: &Path) -> Result<()> {
    create_dir(dir)?;
    set_mode(dir, 0o700)
}

/// An empty file that only its owner can read, unless it exists: SQLite gives the files beside a database the same mode.
pub(crate) fn touch_private(path: &Path) -> Result<()> {
    match File::create_new(path) {
        Ok(_) => set_mode(path, 0o600),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(Error::io(path, e)),
    }
}

/// Sets a file's or folder's mode.
#[cfg(unix)]
pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(|e| Error::io(path, e))
}

/// Elsewhere the inherited rights stand.
#[cfg(not(unix))]
pub(crate) fn set_mode(_: &Path, _: u32) -> Result<()> {
    Ok(())
}

/// Syncs a folder, so that a rename or creation in it survives a crash.
pub fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(|e| Error::io(dir, e))
}

/// Syncs the folder a path stands in.
pub(crate) fn sync_parent(path: &Path) -> Result<()> {
    sync_dir(folder_of(path))
}

/// Writes a file that only its owner can read (mode 0600); replaces an older one in one step.
pub fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    let mut file = NewFile::private(path)?;
    file.write(content)?;
    file.finish()
}

/// Writes a file for everybody the user's file mask allows; replaces an older one in one step.
pub fn write_file(path: &Path, content: &[u8]) -> Result<()> {
    let mut file = NewFile::open(path)?;
    file.write(content)?;
    file.finish()
}

/// A file that comes in parts, under a temporary name beside its own: what stood there stays until [`NewFile::finish`],
/// and for good when that is not reached.
#[derive(Debug)]
pub struct NewFile {
    temp: NamedTempFile,
    path: PathBuf,
}

impl NewFile {
    /// One for everybody the user's file mask allows.
    ///
    /// # Errors
    /// The folder is not there or can't be written to.
    pub fn open(path: &Path) -> Result<Self> {
        let mut options = tempfile::Builder::new();
        options.prefix(TEMP_PREFIX);
        #[cfg(unix)]
        options.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let dir = folder_of(path);
        let temp = options.tempfile_in(dir).map_err(|e| Error::io(dir, e))?;
        Ok(Self { temp, path: path.to_owned() })
    }

    /// One that only its owner can read (mode 0600).
    ///
    /// # Errors
    /// As [`NewFile::open`].
    pub fn private(path: &Path) -> Result<Self> {
        Ok(Self { temp: temp_in(folder_of(path))?, path: path.to_owned() })
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// The disk is full, or fails.
    pub fn write(&mut self, content: &[u8]) -> Result<()> {
        self.temp.write_all(content).map_err(|e| Error::io(&self.path, e))
    }

    /// Puts the file in its place, durably.
    ///
    /// # Errors
    /// It can't be synced, or a folder stands in its place.
    pub fn finish(self) -> Result<()> {
        let Self { temp, path } = self;
        temp.as_file().sync_all().map_err(|e| Error::io(&path, e))?;
        temp.persist(&path).map_err(|e| Error::io(&path, e.error))?;
        sync_parent(&path)
    }
}

/// The folder a path stands in, `.` for a bare name.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// Like [`write_private`], but an existing file wins; says whether this call made it.
pub(crate) fn create_private(path: &Path, content: &[u8]) -> Result<bool> {
    let mut file = NewFile::private(path)?;
    file.write(content)?;
    file.temp.as_file().sync_all().map_err(|e| Error::io(path, e))?;
    match file.temp.persist_noclobber(path) {
        Ok(_) => sync_parent(path).map(|()| true),
        Err(e) if e.error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(Error::io(path, e.error)),
    }
}

/// Prefix of every temporary file, by which leftovers are known.
pub(crate) const TEMP_PREFIX: &str = ".new-";

/// A temporary file (mode 0600) that is removed when dropped and [swept](sweep) when the process dies first.
pub(crate) fn temp_in(dir: &Path) -> Result<NamedTempFile> {
    tempfile::Builder::new().prefix(TEMP_PREFIX).tempfile_in(dir).map_err(|e| Error::io(dir, e))
}

/// Removes what a killed process left half-written in a folder.
pub(crate) fn sweep(dir: &Path) -> Result<()> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Error::io(dir, e)),
    };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(TEMP_PREFIX) {
            continue;
        }
        let path = entry.path();
        let gone = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        if let Err(e) = gone {
            tracing::warn!(path = %path.display(), error = %e, "a leftover stays");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_in_parts_is_there_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.bin");
        write_file(&path, b"old").unwrap();
        let mut broken = NewFile::open(&path).unwrap();
        broken.write(b"ne").unwrap();
        drop(broken);
        let mut file = NewFile::open(&path).unwrap();
        file.write(b"ne").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        file.write(b"w").unwrap();
        file.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_private_file_is_replaced_whole_and_readable_by_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        write_private(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!create_private(&path, b"three").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"two");
    }

    #[test]
    fn leftovers_are_swept_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(".new-abc"), b"half").unwrap();
        fs::write(dir.path().join("whole"), b"whole").unwrap();
        sweep(dir.path()).unwrap();
        assert!(!dir.path().join(".new-abc").exists());
        assert!(dir.path().join("whole").exists());
        sweep(&dir.path().join("absent")).unwrap();
    }
}
