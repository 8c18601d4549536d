//! The processes below one of ours, as `/proc` tells them: their memory, and the end of those left behind.

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, wait};
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// All processes below this one.
pub fn descendants() -> Vec<Pid> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some(parent) = parent(id) {
            children.entry(parent).or_default().push(id);
        }
    }
    let mut found = Vec::new();
    let mut next = vec![getpid().as_raw_pid()];
    while let Some(id) = next.pop() {
        for child in children.remove(&id).into_iter().flatten() {
            found.extend(Pid::from_raw(child));
            next.push(child);
        }
    }
    found
}

/// The parent of a process: the second field after its name, which stands in brackets and may hold anything (proc_pid_stat(5)).
fn parent(id: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Bytes of memory of all processes below this one; what they share counts once, and what they keep in their own `/dev/shm` too.
pub fn memory() -> u64 {
    let all = descendants();
    let shared = all.iter().filter_map(|id| kept(*id)).max().unwrap_or(0);
    all.into_iter().filter_map(proportional).sum::<u64>() + shared
}

/// Bytes in the `/dev/shm` of a process that is not ours.
fn kept(id: Pid) -> Option<u64> {
    // What the process sees under this name (proc_pid_root(5)).
    let own = Path::new("/proc").join(id.as_raw_pid().to_string()).join("root");
    let at = own.join("dev/shm");
    let device = |path: &Path| std::fs::metadata(path).ok().map(|facts| facts.dev());
    if device(&at)? == device(Path::new("/dev/shm")).unwrap_or_default() {
        return None;
    }
    let facts = rustix::fs::statvfs(&at).ok()?;
    Some(facts.f_blocks.saturating_sub(facts.f_bfree) * facts.f_frsize)
}

fn proportional(id: Pid) -> Option<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", id.as_raw_pid())).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Kills and waits for whatever is below this process until nothing is. As this process is a subreaper, what loses its parent
/// comes here.
pub fn end() {
    loop {
        for id in descendants() {
            // Gone already is as good.
            _ = kill_process(id, Signal::KILL);
        }
        if matches!(wait(WaitOptions::empty()), Err(Errno::CHILD)) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_found_with_its_memory() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let id = Pid::from_child(&child);
        assert!(descendants().contains(&id));
        assert_eq!(parent(id.as_raw_pid()), Some(getpid().as_raw_pid()));
        assert!(memory() > 0);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
