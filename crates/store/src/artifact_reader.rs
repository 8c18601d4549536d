//! Reading an artifact piece by piece, its hash checked on the way.

use crate::artifacts::Artifacts;
use crate::error::{Error, Result};
use domain::Digest;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, ErrorKind, Read};

/// Bytes read at a time.
const PIECE: usize = 256 * 1024;

/// An artifact's bytes. The last piece is given only when the whole has the artifact's hash; else reading fails there, so that nobody
/// takes damaged bytes for whole ones.
#[derive(Debug)]
pub struct ArtifactReader {
    file: File,
    hash: Sha256,
    digest: Digest,
    length: u64,
    /// The piece that may be given, and how much of it was.
    ready: Vec<u8>,
    given: usize,
    /// The piece after it; empty at the end.
    next: Vec<u8>,
}

impl Artifacts {
    /// Opens an artifact for reading; [`Error::NotFound`] when it is absent.
    pub fn reader(&self, digest: &Digest) -> Result<ArtifactReader> {
        let path = self.path(digest)?;
        let file = File::open(&path).map_err(|e| Error::io(&path, e))?;
        let length = file.metadata().map_err(|e| Error::io(&path, e))?.len();
        let mut reader = ArtifactReader {
            file,
            hash: Sha256::new(),
            digest: *digest,
            length,
            ready: Vec::new(),
            given: 0,
            next: Vec::new(),
        };
        reader.fill().map_err(|e| Error::io(&path, e))?;
        Ok(reader)
    }
}

impl ArtifactReader {
    /// The number of its bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Reads the next piece.
    fn fill(&mut self) -> io::Result<()> {
        self.next.clear();
        Read::by_ref(&mut self.file).take(PIECE as u64).read_to_end(&mut self.next)?;
        self.hash.update(&self.next);
        Ok(())
    }

    /// Moves on to the piece that was read before.
    fn turn(&mut self) -> io::Result<()> {
        std::mem::swap(&mut self.ready, &mut self.next);
        self.given = 0;
        self.fill()?;
        if self.next.is_empty() && !self.ready.is_empty() {
            let hash = std::mem::take(&mut self.hash);
            if Digest(hash.finalize().into()) != self.digest {
                self.ready.clear();
                let text =
                    format!("the artifact {} is damaged on disk: restore it from a backup", self.digest);
                tracing::error!("{text}");
                return Err(io::Error::new(ErrorKind::InvalidData, text));
            }
        }
        Ok(())
    }
}

impl Read for ArtifactReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.ready.len() {
            self.turn()?;
        }
        let rest = &self.ready[self.given..];
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        self.given += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn whole_bytes_come_and_damaged_ones_break_off() {
        let dir = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(&dir.path().join("artifacts")).unwrap();
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE] {
            let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let digest = artifacts.put(&bytes).unwrap();
            let mut reader = artifacts.reader(&digest).unwrap();
            assert_eq!(reader.length(), length as u64);
            let mut read = Vec::new();
            reader.read_to_end(&mut read).unwrap();
            assert!(read == bytes, "{length}");
            if length == 0 {
                continue;
            }
            let path = artifacts.path(&digest).unwrap();
            fs::remove_file(&path).unwrap();
            fs::write(&path, vec![0xff; length]).unwrap();
            let mut read = Vec::new();
            let error = artifacts.reader(&digest).unwrap().read_to_end(&mut read).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            assert!(read.len() < length, "the last piece is held back");
        }
    }
}
