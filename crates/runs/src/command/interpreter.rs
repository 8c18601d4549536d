//! What an interpreter needs of the file system, and how a command finds it.

use crate::error::{Error, Result};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// What the interpreter reads: its own folder, that of the file it leads to, and that its virtual environment was made from.
pub fn read_by(python: &Path) -> Result<Vec<PathBuf>> {
    let mut read: Vec<PathBuf> = [python.to_owned()].into_iter().chain(prefix(python)).collect();
    let real = python.canonicalize().map_err(|e| Error::io(python, e))?;
    read.extend(prefix(&real));
    read.extend(home(python));
    Ok(read)
}

/// Folders of programs that come first, so that `python` is this one. Blocking.
pub fn programs(python: &Path, own: &Path) -> Result<Vec<PathBuf>> {
    let beside = python.parent().unwrap_or(Path::new("/"));
    if !beside.join("python").is_file() {
        let link = own.join("python");
        std::os::unix::fs::symlink(python, &link).map_err(|e| Error::io(&link, e))?;
    }
    Ok(vec![own.to_owned(), beside.to_owned()])
}

/// The folder above `bin`, unless that is the whole system.
fn prefix(python: &Path) -> Option<PathBuf> {
    let bin = python.parent()?;
    let prefix = bin.parent()?;
    (bin.file_name() == Some(OsStr::new("bin")) && prefix != Path::new("/")).then(|| prefix.to_owned())
}

/// Where a virtual environment says that its libraries come from (PEP 405).
fn home(python: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(python.parent()?.parent()?.join("pyvenv.cfg")).ok()?;
    let home = text.lines().find_map(|line| line.split_once('=').filter(|(key, _)| key.trim() == "home"))?.1;
    let home = Path::new(home.trim()).canonicalize().ok()?;
    Some(home.parent().filter(|above| *above != Path::new("/")).unwrap_or(&home).to_owned())
}
