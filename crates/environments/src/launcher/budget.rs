//! What the files of folders take, counted again and again.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The shortest pause between two counts.
const PAUSE: Duration = Duration::from_secs(1);
/// A count takes at most one part in so many of the time.
const REST: u32 = 20;
/// Bytes of a block as files tell theirs (stat(2)).
const BLOCK: u64 = 512;

/// Bytes that the files below the folders take on the disk; a file with several names counts once, a link not at all.
pub fn taken(folders: &[PathBuf]) -> u64 {
    let mut seen = HashSet::new();
    let mut all = 0;
    let mut todo = folders.to_vec();
    while let Some(folder) = todo.pop() {
        // What goes while it is counted takes nothing.
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(facts) = entry.metadata() else { continue };
            if facts.is_dir() {
                todo.push(entry.path());
            }
            if facts.nlink() <= 1 || facts.is_dir() || seen.insert((facts.dev(), facts.ino())) {
                all += facts.blocks() * BLOCK;
            }
        }
    }
    all
}

/// Waits until the folders take more than so many bytes; gives how many.
pub fn exceeded(folders: &[PathBuf], most: u64) -> u64 {
    loop {
        let begun = Instant::now();
        let taken = taken(folders);
        if taken > most {
            return taken;
        }
        std::thread::sleep(PAUSE.max(begun.elapsed() * REST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_second_names_take_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("deep")).unwrap();
        fs::write(folder.path().join("deep/one"), vec![1; 1 << 20]).unwrap();
        let before = taken(&[folder.path().to_owned()]);
        assert!((1 << 20..1 << 21).contains(&before), "{before}");
        fs::hard_link(folder.path().join("deep/one"), folder.path().join("two")).unwrap();
        std::os::unix::fs::symlink("/usr", folder.path().join("link")).unwrap();
        assert!(taken(&[folder.path().to_owned()]) < before + (1 << 16));
        assert!(exceeded(&[folder.path().to_owned()], 1 << 19) >= 1 << 20);
    }
}
