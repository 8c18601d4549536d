//! The Python package that is shipped inside this program: what jobs and workers import besides the user's own code.

use domain::{Digest, Fault};
use include_dir::{Dir, DirEntry, include_dir};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

static PACKAGE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/python");
/// Where it is unpacked, within the data directory.
const FOLDER: &str = "python";
/// What an interpreter leaves beside the sources.
const LEFT: &str = "__pycache__";

/// Unpacks the package into the data directory, once a version of it; gives the folder for `PYTHONPATH`.
pub fn unpack(data_dir: &Path) -> Result<PathBuf, Fault> {
    let mut files = Vec::new();
    gather(&PACKAGE, &mut files);
    let mut hash = Sha256::new();
    for (path, content) in &files {
        hash.update(path.as_os_str().as_encoded_bytes());
        hash.update((content.len() as u64).to_be_bytes());
        hash.update(content);
    }
    let digest = Digest(hash.finalize().into());
    let folder = data_dir.join(FOLDER);
    let to = folder.join(digest.hex());
    let wrong = |e: io::Error| Fault::internal(format!("{}: {e}", to.display()));
    if to.is_dir() {
        return Ok(to);
    }
    fs::create_dir_all(&folder).map_err(wrong)?;
    let new = tempfile::Builder::new().prefix(".new-").tempdir_in(&folder).map_err(wrong)?;
    for (path, content) in files {
        let file = new.path().join(path);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent).map_err(wrong)?;
        }
        fs::write(&file, content).map_err(wrong)?;
    }
    // A name that exists is whole; somebody else may have been first.
    match fs::rename(new.keep(), &to) {
        Err(_) if to.is_dir() => Ok(to),
        done => done.map(|()| to.clone()).map_err(wrong),
    }
}

fn gather(dir: &Dir<'static>, files: &mut Vec<(&'static Path, &'static [u8])>) {
    for entry in dir.entries() {
        match entry {
            DirEntry::Dir(dir) if dir.path().ends_with(LEFT) => {}
            DirEntry::Dir(dir) => gather(dir, files),
            DirEntry::File(file) => files.push((file.path(), file.contents())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_is_unpacked_once_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let folder = unpack(dir.path()).unwrap();
        assert!(folder.join("portcullis_worker/__main__.py").is_file());
        assert_eq!(unpack(dir.path()).unwrap(), folder);
        assert_eq!(fs::read_dir(dir.path().join(FOLDER)).unwrap().count(), 1);
    }
}
