//! Limits, landlock and the end of privileges: what a process takes on before it becomes the program.

use super::{DEVICES, Files, Limits, Network, say, system};
use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, NetPort, RestrictionStatus, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, getrlimit, nice, setrlimit};
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};
use std::path::PathBuf;

/// The newest landlock that is asked for; an older kernel gives what it has.
const LANDLOCK: ABI = ABI::V7;

/// Takes on limits of resources. `apart`: in namespaces of its own, where processes can be counted; the supervisor says when nothing
/// counts them.
pub fn limit(limits: &Limits, apart: bool) {
    if limits.nice != 0 {
        told("priority", nice(limits.nice).map(drop));
    }
    // A dump would hold the user's data.
    told("core dump", set(Resource::Core, 0));
    bound("memory", Resource::Data, limits.memory_bytes);
    bound("address space", Resource::As, limits.address_space_bytes);
    bound("processor time", Resource::Cpu, limits.cpu_seconds);
    bound("file size", Resource::Fsize, limits.file_bytes);
    bound("number of open files", Resource::Nofile, limits.open_files);
    if apart {
        bound("number of processes", Resource::Nproc, limits.processes);
    } else if limits.processes > 0 {
        say(
            "processes are counted by a control group or not at all: without namespaces all of this user's would count",
        );
    }
}

fn bound(what: &str, resource: Resource, most: u64) {
    if most > 0 {
        told(what, set(resource, most));
    }
}

/// A limit never rises above the one there is.
fn set(resource: Resource, most: u64) -> rustix::io::Result<()> {
    let most = getrlimit(resource).maximum.map_or(most, |maximum| most.min(maximum));
    setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
}

fn told(what: &str, result: rustix::io::Result<()>) {
    if let Err(error) = result {
        say(&format!("the {what} is not limited: {error}"));
    }
}

/// No capability comes back by starting another program, and no set-user-id file gives any.
pub fn renounce() {
    for capability in CapabilitySet::all().iter() {
        // A capability this kernel does not know cannot be had either.
        _ = remove_capability_from_bounding_set(capability);
    }
    if let Err(error) = nix::sys::prctl::set_no_new_privs() {
        say(&format!("new privileges are not refused: {error}"));
    }
}

/// Shuts the process in. `apart`: the network is one of its own already.
pub fn shut_in(files: Option<&Files>, network: &Network, apart: bool) {
    let ports = match network {
        Network::Relayed(relays) if !apart => Some(relays.iter().map(|relay| relay.to.port()).collect()),
        _ => None,
    };
    match restrict(files, ports) {
        Ok(RestrictionStatus { ruleset: RulesetStatus::FullyEnforced, .. }) => {}
        Ok(RestrictionStatus { ruleset: RulesetStatus::NotEnforced, landlock, .. }) => {
            let why = if landlock == LandlockStatus::NotImplemented {
                "has no landlock"
            } else {
                "has landlock turned off"
            };
            say(&format!("files are not shut in: this kernel {why}"));
        }
        Ok(_) => say("files are shut in only in part: this kernel has an older landlock"),
        Err(error) => say(&format!("files are not shut in: {error}")),
    }
}

fn restrict(files: Option<&Files>, ports: Option<Vec<u16>>) -> Result<RestrictionStatus, RulesetError> {
    let mut rules = Ruleset::default().scope(Scope::AbstractUnixSocket)?.scope(Scope::Signal)?;
    if files.is_some() {
        rules = rules.handle_access(AccessFs::from_all(LANDLOCK))?;
    }
    if ports.is_some() {
        rules = rules.handle_access(AccessNet::ConnectTcp)?;
    }
    let mut rules = rules.create()?;
    if let Some(files) = files {
        let read = AccessFs::from_read(LANDLOCK);
        let write = AccessFs::from_all(LANDLOCK);
        rules = rules
            .add_rules(path_beneath_rules(around(system(), &files.hidden), read))?
            .add_rules(path_beneath_rules(["/proc"], read))?
            .add_rules(path_beneath_rules(devices(), write))?
            .add_rules(path_beneath_rules(around(files.read.clone(), &files.hidden), read))?
            .add_rules(path_beneath_rules(&files.write, write))?;
    }
    for port in ports.into_iter().flatten() {
        rules = rules.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
    }
    rules.restrict_self()
}

/// The devices, and the memory that processes share.
fn devices() -> Vec<PathBuf> {
    DEVICES.iter().copied().chain(["shm"]).map(|name| PathBuf::from("/dev").join(name)).collect()
}

/// Paths without those that are hidden below them: landlock only allows, so a folder with something hidden in it gives way to what else
/// stands in it.
fn around(paths: Vec<PathBuf>, hidden: &[PathBuf]) -> Vec<PathBuf> {
    let hidden: Vec<PathBuf> = hidden.iter().filter_map(|path| path.canonicalize().ok()).collect();
    let mut todo: Vec<PathBuf> = paths.into_iter().filter_map(|path| path.canonicalize().ok()).collect();
    let mut open = Vec::new();
    while let Some(path) = todo.pop() {
        if hidden.contains(&path) {
            continue;
        }
        if hidden.iter().any(|one| one.starts_with(&path)) {
            let entries = std::fs::read_dir(&path).into_iter().flatten().flatten();
            todo.extend(
                entries.filter_map(|entry| entry.path().canonicalize().ok()).filter(|p| p.starts_with(&path)),
            );
        } else {
            open.push(path);
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_below_an_open_folder_stays_closed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for name in ["a/b/secret", "a/c", "d"] {
            let at = root.join(name);
            std::fs::create_dir_all(at.parent().unwrap()).unwrap();
            std::fs::write(at, "").unwrap();
        }
        let mut open = around(vec![root.clone()], &[root.join("a/b")]);
        open.sort();
        assert_eq!(open, [root.join("a/c"), root.join("d")]);
    }
}
