//! Namespaces of the program's own: user, processes, mounts, and the network when it may not reach it.

use super::{Network, say};
use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{getegid, geteuid};
use std::io;

/// Enters new namespaces; the next child is the first process in them. The process must have one thread only.
///
/// Inside, the server's user is called root, without any power over what is not the program's own: a privileged kind of
/// namespace is owned only by its own user namespace (user_namespaces(7)).
pub fn enter(network: &Network) -> io::Result<()> {
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    let mut flags = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS;
    flags |= CloneFlags::CLONE_NEWIPC;
    if matches!(network, Network::Relayed(_)) {
        flags |= CloneFlags::CLONE_NEWNET;
    }
    unshare(flags)?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("0 {group} 1"))
}

/// The first process's own view of processes. Where it is refused (a container that masks parts of `/proc`), the old one stays,
/// in which landlock lets nobody look into processes outside.
pub fn mount_processes() {
    let mounted =
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).and_then(|()| {
            let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
            mount("proc", "/proc", "proc", flags, None)
        });
    if let Err(error) = mounted {
        say(&format!("/proc shows processes by numbers of outside: {error}"));
    }
}
