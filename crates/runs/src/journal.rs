//! The finished trials of a running search in its folder: a file that only grows.
//!
//! An entry is its length (u32), a check sum of it (u64) and itself, all little-endian. A tail that was torn by the end
//! of the process is cut off when the file is opened again. The search itself knows which entries are its own.

use crate::worker::say;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The file's name.
pub const JOURNAL: &str = "trials.journal";
/// Bytes of the file at most; what comes after is not kept.
const MOST: u64 = 512 << 20;
/// Bytes before an entry.
const HEAD: usize = 12;

/// The open file and what it held.
pub struct Journal {
    kept: Vec<Vec<u8>>,
    /// The file and its length; nothing is kept any more after a failure.
    file: Mutex<Option<(File, u64)>>,
}

impl Journal {
    /// Opens the journal of a folder, or begins one.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let mut options = File::options();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(folder.join(JOURNAL))?;
        let mut bytes = Vec::new();
        (&file).take(MOST).read_to_end(&mut bytes)?;
        let (kept, whole) = entries(&bytes);
        file.set_len(whole)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self { kept, file: Mutex::new(Some((file, whole))) })
    }
}

/// The whole entries at the beginning, and where they end.
fn entries(bytes: &[u8]) -> (Vec<Vec<u8>>, u64) {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some((length, sum)) = head(&bytes[at..]) {
        let Some(entry) = bytes.get(at + HEAD..at + HEAD + length) else { break };
        if check_sum(entry) != sum {
            break;
        }
        found.push(entry.to_vec());
        at += HEAD + length;
    }
    (found, at as u64)
}

fn head(bytes: &[u8]) -> Option<(usize, u64)> {
    let length = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
    Some((length as usize, u64::from_le_bytes(bytes.get(4..HEAD)?.try_into().ok()?)))
}

/// FNV-1a, 64 bits: it finds what was torn.
fn check_sum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xCBF2_9CE4_8422_2325, |sum, &b| (sum ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01B3))
}

impl automl::Keeper for Journal {
    fn kept(&self) -> Vec<Vec<u8>> {
        self.kept.clone()
    }

    fn keep(&self, entry: &[u8]) {
        let mut open = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((file, length)) = open.as_mut() else { return };
        let Ok(size) = u32::try_from(entry.len()) else { return };
        let more = HEAD as u64 + u64::from(size);
        if *length + more > MOST {
            return;
        }
        let mut bytes = Vec::with_capacity(HEAD + entry.len());
        bytes.extend(size.to_le_bytes());
        bytes.extend(check_sum(entry).to_le_bytes());
        bytes.extend(entry);
        match file.write_all(&bytes) {
            Ok(()) => *length += more,
            Err(error) => {
                say(&format!("finished trials are not kept any more: {error}"));
                *open = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl::Keeper;

    #[test]
    fn a_torn_tail_is_cut_off_and_the_rest_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(JOURNAL);
        let journal = Journal::open(dir.path()).unwrap();
        assert!(journal.kept().is_empty());
        journal.keep(b"first");
        journal.keep(b"second");
        let whole = std::fs::read(&path).unwrap();
        for cut in HEAD + 5 + 1..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let again = Journal::open(dir.path()).unwrap();
            assert_eq!(again.kept(), [b"first".to_vec()]);
            again.keep(b"third");
            assert_eq!(Journal::open(dir.path()).unwrap().kept(), [b"first".to_vec(), b"third".to_vec()]);
        }
        let mut damaged = whole;
        damaged[HEAD] ^= 1;
        std::fs::write(&path, damaged).unwrap();
        assert!(Journal::open(dir.path()).unwrap().kept().is_empty());
    }
}
