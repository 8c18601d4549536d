//! One process at a time owns a data directory: `DIR/lock`, held by an advisory lock that the kernel frees with the process.
//!
//! The file's content names the holder: its process id and, once it [serves](crate::Store::announce), its URL. It is only
//! read to tell a second opener whom to ask; the lock itself decides.

use crate::error::{Error, Result};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

/// Bytes of a lock file that are read at most.
const CONTENT_MAX: u64 = 4096;

/// How often the lock is tried again, and the pause between.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(10);

/// The held lock; freed when dropped.
#[derive(Debug)]
pub struct Lock {
    file: Mutex<File>,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock of a data directory, or says who has it.
    pub(crate) fn take(dir: &Path) -> Result<Self> {
        let path = dir.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| Error::io(&path, e))?;
        let mut tries = 0;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(e)) => return Err(Error::io(&path, e)),
                Err(TryLockError::WouldBlock) if tries == TRIES => return Err(held(dir, &mut file)),
                // Somebody may only be asking (see `announced`), or a killed process may not be quite gone.
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            }
            tries += 1;
        }
        let lock = Self { file: Mutex::new(file), path };
        lock.write(None)?;
        Ok(lock)
    }

    /// Tells later openers where the holder serves.
    pub(crate) fn announce(&self, url: &str) -> Result<()> {
        self.write(Some(url))
    }

    fn write(&self, url: Option<&str>) -> Result<()> {
        let content = format!("{}\n{}\n", std::process::id(), url.unwrap_or_default());
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(content.as_bytes()))
            .map_err(|e| Error::io(&self.path, e))
    }
}

/// The URL at which another process serves a data directory now, if one does. A file left by a dead process does not count.
pub fn announced(dir: &Path) -> Option<String> {
    let mut file = File::open(dir.join("lock")).ok()?;
    // Why a shared lock: two who ask at once must not take each other for the holder.
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {}
        _ => return None,
    }
    match held(dir, &mut file) {
        Error::Locked { url, .. } => url,
        _ => None,
    }
}

/// The error that names the holder, as far as the file tells.
fn held(dir: &Path, file: &mut File) -> Error {
    let mut content = String::new();
    // Why unread content is no fault: the holder may be writing it at this very moment.
    if let Err(e) = file.take(CONTENT_MAX).read_to_string(&mut content) {
        tracing::debug!(error = %e, "the lock file could not be read");
    }
    let mut lines = content.lines();
    Error::Locked {
        dir: dir.to_owned(),
        pid: lines.next().and_then(|l| l.parse().ok()),
        url: lines.next().filter(|l| !l.is_empty()).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_opener_is_told_the_holder_and_its_url() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        let Err(Error::Locked { pid, url, .. }) = Lock::take(dir.path()) else { panic!("taken twice") };
        assert_eq!((pid, url), (Some(std::process::id()), None));
        lock.announce("http://127.0.0.1:8780").unwrap();
        let told = Lock::take(dir.path()).unwrap_err().to_string();
        assert!(told.contains("--server http://127.0.0.1:8780"), "{told}");
        assert_eq!(announced(dir.path()).as_deref(), Some("http://127.0.0.1:8780"));
        drop(lock);
        assert_eq!(announced(dir.path()), None);
        Lock::take(dir.path()).unwrap();
    }
}
