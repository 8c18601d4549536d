//! The Python package that comes with the program: names of the field's SDKs and the worker of deployments.

use domain::{Digest, Fault};
use include_dir::{Dir, include_dir};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

static PYTHON: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/python");

/// Path and content of every file, in the order of the paths.
fn files() -> Vec<(&'static Path, &'static [u8])> {
    let mut found = Vec::new();
    let mut folders = vec![&PYTHON];
    while let Some(folder) = folders.pop() {
        folders.extend(folder.dirs().filter(|dir| !dir.path().ends_with("__pycache__")));
        let sources = folder.files().filter(|file| file.path().extension().is_none_or(|e| e != "pyc"));
        found.extend(sources.map(|file| (file.path(), file.contents())));
    }
    found.sort_unstable();
    found
}

fn digest(files: &[(&Path, &[u8])]) -> Digest {
    let mut hash = Sha256::new();
    for (path, content) in files {
        let name = path.to_string_lossy();
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
        hash.update((content.len() as u64).to_le_bytes());
        hash.update(content);
    }
    Digest(hash.finalize().into())
}

/// The folder that holds the package, unpacked when it is not there yet; it goes on `PYTHONPATH`.
pub(crate) fn unpack(dir: &Path) -> Result<PathBuf, Fault> {
    let files = files();
    let folder = dir.join(digest(&files).hex());
    if folder.is_dir() {
        return Ok(folder);
    }
    let wrong = |e: std::io::Error| Fault::internal(format!("{}: {e}", dir.display()));
    let temp = dir.join(format!(".tmp-{}", std::process::id()));
    match fs::remove_dir_all(&temp) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(wrong(e)),
        _ => {}
    }
    for (path, content) in files {
        let to = temp.join(path);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).map_err(wrong)?;
        }
        fs::write(&to, content).map_err(wrong)?;
    }
    match fs::rename(&temp, &folder) {
        // Another one was faster: it has the same files.
        Err(_) if folder.is_dir() => fs::remove_dir_all(&temp).map_err(wrong)?,
        other => other.map_err(wrong)?,
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_is_unpacked_once_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let folder = unpack(dir.path()).unwrap();
        assert!(folder.join("portcullis_worker/__main__.py").is_file());
        assert!(folder.join("azureml/core/run.py").is_file());
        assert_eq!(unpack(dir.path()).unwrap(), folder);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
