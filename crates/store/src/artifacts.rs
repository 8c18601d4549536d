//! Content-addressed files: `DIR/artifacts/aa/<64 hex>`, named by the SHA-256 of their bytes.
//!
//! A file is written under a temporary name, synced, renamed, and its folder synced: a name that exists is whole. Nothing
//! here is async, so that threads and child processes can use it too.

use crate::error::{Error, Result};
use crate::files;
use domain::Digest;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::NamedTempFile;

/// Bytes gathered before they go to the file.
const BUFFER: usize = 256 * 1024;

/// The folder of artifacts; cheap to clone.
#[derive(Debug, Clone)]
pub struct Artifacts {
    dir: Arc<Path>,
}

impl Artifacts {
    /// Opens the folder, makes it when absent, removes what a killed process left half-written.
    pub fn open(dir: &Path) -> Result<Self> {
        files::create_private_dir(dir)?;
        files::sweep(dir)?;
        Ok(Self { dir: dir.into() })
    }

    /// Begins an artifact.
    pub fn writer(&self) -> Result<ArtifactWriter> {
        Ok(ArtifactWriter {
            artifacts: self.clone(),
            file: files::temp_in(&self.dir)?,
            hash: Sha256::new(),
            buffer: Vec::with_capacity(BUFFER),
            bytes: 0,
        })
    }

    /// Keeps bytes; the same bytes again are kept once.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest> {
        let mut writer = self.writer()?;
        writer.write_all(bytes).map_err(|e| Error::io(&self.dir, e))?;
        Ok(writer.finish()?.0)
    }

    /// Where an artifact lies; [`Error::NotFound`] when it is absent.
    pub fn path(&self, digest: &Digest) -> Result<PathBuf> {
        let path = self.place(digest);
        if path.is_file() { Ok(path) } else { Err(Error::not_found("artifact", digest)) }
    }

    /// An artifact's bytes; refused when they do not have its digest any more.
    pub fn read(&self, digest: &Digest) -> Result<Vec<u8>> {
        let path = self.path(digest)?;
        let bytes = fs::read(&path).map_err(|e| Error::io(&path, e))?;
        if Digest(Sha256::digest(&bytes).into()) == *digest { Ok(bytes) } else { Err(damaged(digest)) }
    }

    /// Copies an artifact to a new file, hashing what is copied: damage is refused, and what was copied is then removed.
    pub fn copy_checked(&self, digest: &Digest, to: &Path) -> Result<()> {
        let path = self.path(digest)?;
        let mut from = File::open(&path).map_err(|e| Error::io(&path, e))?;
        let mut file = File::create_new(to).map_err(|e| Error::io(to, e))?;
        let (mut hash, mut buffer) = (Sha256::new(), vec![0; BUFFER]);
        loop {
            let read = from.read(&mut buffer).map_err(|e| Error::io(&path, e))?;
            if read == 0 {
                break;
            }
            hash.update(&buffer[..read]);
            file.write_all(&buffer[..read]).map_err(|e| Error::io(to, e))?;
        }
        if Digest(hash.finalize().into()) == *digest {
            return Ok(());
        }
        fs::remove_file(to).map_err(|e| Error::io(to, e))?;
        Err(damaged(digest))
    }

    fn place(&self, digest: &Digest) -> PathBuf {
        let name = digest.hex();
        self.dir.join(&name[..2]).join(name)
    }
}

fn damaged(digest: &Digest) -> Error {
    Error::Corrupt(format!("the artifact {digest} is damaged on disk: restore it from a backup"))
}

/// An artifact being written. Dropped before [`finish`](Self::finish), it leaves nothing.
#[derive(Debug)]
pub struct ArtifactWriter {
    artifacts: Artifacts,
    file: NamedTempFile,
    hash: Sha256,
    buffer: Vec<u8>,
    bytes: u64,
}

impl ArtifactWriter {
    /// Makes the artifact durable; gives its digest and length.
    pub fn finish(mut self) -> Result<(Digest, u64)> {
        let temp = self.file.path().to_owned();
        self.drain().and_then(|()| self.file.as_file().sync_all()).map_err(|e| Error::io(&temp, e))?;
        let digest = Digest(self.hash.finalize().into());
        let path = self.artifacts.place(&digest);
        if let Some(dir) = path.parent() {
            files::create_dir(dir)?;
        }
        read_only(self.file.as_file()).map_err(|e| Error::io(&temp, e))?;
        // Why also over an existing file: should that one be damaged, this heals it.
        self.file.persist(&path).map_err(|e| Error::io(&path, e.error))?;
        files::sync_parent(&path)?;
        Ok((digest, self.bytes))
    }

    fn drain(&mut self) -> io::Result<()> {
        self.hash.update(&self.buffer);
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

impl Write for ArtifactWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > BUFFER {
            self.drain()?;
        }
        if bytes.len() >= BUFFER {
            self.hash.update(bytes);
            self.file.write_all(bytes)?;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.drain()?;
        self.file.flush()
    }
}

/// An artifact never changes; the owner and the group may read it.
#[cfg(unix)]
fn read_only(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o440))
}

/// Elsewhere the inherited rights stand.
#[cfg(not(unix))]
fn read_only(_: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Artifacts) {
        let dir = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(&dir.path().join("artifacts")).unwrap();
        (dir, artifacts)
    }

    #[test]
    fn bytes_come_back_under_their_hash() {
        let (_dir, artifacts) = folder();
        let digest = artifacts.put(b"abc").unwrap();
        assert_eq!(digest.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(artifacts.read(&digest).unwrap(), b"abc");
        assert_eq!(artifacts.put(b"abc").unwrap(), digest);
        assert!(matches!(artifacts.path(&Digest([7; 32])), Err(Error::NotFound { .. })));
    }

    #[test]
    fn writes_of_any_size_hash_alike() {
        let (_dir, artifacts) = folder();
        let bytes: Vec<u8> = (0..3 * BUFFER + 17).map(|i| (i % 251) as u8).collect();
        let whole = artifacts.put(&bytes).unwrap();
        for step in [1000, BUFFER - 1, BUFFER, BUFFER + 1] {
            let mut writer = artifacts.writer().unwrap();
            bytes.chunks(step).for_each(|chunk| writer.write_all(chunk).unwrap());
            assert_eq!(writer.finish().unwrap(), (whole, bytes.len() as u64));
        }
        assert_eq!(artifacts.read(&whole).unwrap(), bytes);
    }

    #[test]
    fn damage_is_refused_and_healed_by_writing_again() {
        let (_dir, artifacts) = folder();
        let digest = artifacts.put(b"content").unwrap();
        let path = artifacts.path(&digest).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, b"c0ntent").unwrap();
        assert!(matches!(artifacts.read(&digest), Err(Error::Corrupt(_))));
        artifacts.put(b"content").unwrap();
        assert_eq!(artifacts.read(&digest).unwrap(), b"content");
    }

    #[test]
    fn an_unfinished_artifact_leaves_nothing() {
        let (_dir, artifacts) = folder();
        let mut writer = artifacts.writer().unwrap();
        writer.write_all(b"half").unwrap();
        drop(writer);
        let mut killed = artifacts.writer().unwrap();
        killed.write_all(b"half").unwrap();
        killed.flush().unwrap();
        std::mem::forget(killed);
        assert_eq!(fs::read_dir(&*artifacts.dir).unwrap().count(), 1);
        Artifacts::open(&artifacts.dir).unwrap();
        assert_eq!(fs::read_dir(&*artifacts.dir).unwrap().count(), 0);
    }
}
