//! The interpreter of a job: where it is and what of the file system it needs.

use crate::error::{Error, Result};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// An interpreter that is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// Its file, not resolved: a virtual environment is found beside it.
    pub python: PathBuf,
    /// What it reads of the file system.
    pub read: Vec<PathBuf>,
}

impl Interpreter {
    /// The interpreter of this name in `PATH`, or at this path.
    pub fn find(name: &str) -> Result<Self> {
        let missing =
            || Error::Submission(format!("there is no interpreter '{name}': set runs.command.python to one"));
        let python = if name.contains('/') {
            Some(PathBuf::from(name)).filter(|path| path.is_file())
        } else {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
        };
        let python = std::path::absolute(python.ok_or_else(missing)?).map_err(|_| missing())?;
        let mut read: Vec<PathBuf> = prefix(&python).into_iter().collect();
        let real = python.canonicalize().map_err(|e| Error::io(&python, e))?;
        read.extend(prefix(&real));
        read.extend(home(&python));
        Ok(Self { python, read })
    }

    /// Folders of programs that come first, so that `python` is this one. Blocking.
    pub fn programs(&self, own: &Path) -> Result<Vec<PathBuf>> {
        let beside = self.python.parent().unwrap_or(Path::new("/"));
        if !beside.join("python").is_file() {
            let link = own.join("python");
            std::os::unix::fs::symlink(&self.python, &link).map_err(|e| Error::io(&link, e))?;
        }
        Ok(vec![own.to_owned(), beside.to_owned()])
    }
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
