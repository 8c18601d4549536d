//! The number of processes and threads by the kernel's control groups: the one limit that holds for a program whose user is root, to
//! whom RLIMIT_NPROC does not apply (setrlimit(2)).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where control groups are mounted.
const MOUNT: &str = "/sys/fs/cgroup";
/// How the groups of ours begin; the number of the supervisor follows.
const NAME: &str = "portcullis-";

/// A group of the program's own; dropped, it goes.
#[derive(Debug)]
pub struct Group(PathBuf);

impl Group {
    /// Makes a group that has at most so many processes and threads.
    pub fn with(most: u64) -> io::Result<Self> {
        let mut last = io::Error::other("there is no control group for processes");
        for parent in parents() {
            match Self::below(&parent, most) {
                Ok(group) => return Ok(group),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn below(parent: &Path, most: u64) -> io::Result<Self> {
        sweep(parent);
        let at = parent.join(format!("{NAME}{}", std::process::id()));
        fs::create_dir(&at)?;
        let group = Self(at);
        if !group.0.join("pids.max").exists() {
            // Version 2: the group above hands the controller down when it may.
            fs::write(parent.join("cgroup.subtree_control"), "+pids")?;
        }
        fs::write(group.0.join("pids.max"), most.to_string())?;
        Ok(group)
    }

    /// Takes a process in, with all that it will start.
    pub fn take(&self, process: u32) -> io::Result<()> {
        fs::write(self.0.join("cgroup.procs"), process.to_string())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A group that still has a process stays, for the next sweep.
        _ = fs::remove_dir(&self.0);
    }
}

/// The groups of this process, by version 2 and by version 1's controller of processes.
fn parents() -> Vec<PathBuf> {
    let text = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut found = Vec::new();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(kind), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let mount = match kind {
            "" => Path::new(MOUNT).to_owned(),
            kind if kind.split(',').any(|one| one == "pids") => Path::new(MOUNT).join(kind),
            _ => continue,
        };
        let at = mount.join(path.trim_start_matches('/'));
        if at.join("cgroup.procs").exists() {
            found.push(at);
        }
    }
    found
}

/// Groups whose supervisor was killed; a group that is in use is not removed by the kernel.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let of = name.to_str().and_then(|name| name.strip_prefix(NAME)).map(str::to_owned);
        if of.is_some_and(|id| !Path::new("/proc").join(id).exists()) {
            _ = fs::remove_dir(entry.path());
        }
    }
}
