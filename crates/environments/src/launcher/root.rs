//! A file system of the program's own: a new root, made of bind mounts of what it may use. All else is not there: no other file, no
//! socket by its path, no device.

use super::{DEVICES, Files, devices, say, system};
use rustix::fs::{CWD, Mode, OFlags, StatVfsMountFlags, openat, statvfs};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind_recursive, mount_change,
    mount_remount, unmount,
};
use rustix::process::{chdir, pivot_root};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

/// Folders on which the new root can be put together, before it takes the place of the old one.
const BASES: [&str; 6] = ["/tmp", "/var/tmp", "/run", "/mnt", "/srv", "/home"];
/// Symbolic links that are followed in one path.
const LINKS_MAX: usize = 40;
/// What the root itself may hold: folders, links and mount points only.
const ROOT_OPTIONS: &str = "size=4m,mode=755";

/// What stands at a place of the new root.
#[derive(Debug)]
enum Piece {
    /// Something of the old root; written to or not.
    Bound { from: OwnedFd, folder: bool, write: bool },
    /// Nothing, though what is above is there.
    Hidden { folder: bool },
}

/// What the new root is made of, in the order in which it is laid out: a folder before what is in it.
#[derive(Debug, Default)]
struct Plan {
    links: BTreeMap<PathBuf, PathBuf>,
    pieces: BTreeMap<PathBuf, Piece>,
}

/// Gives this process, the first of its namespaces, a root of its own. `shared_bytes`: the size of `/dev/shm`; 0 = the kernel's own.
/// An error before anything was changed is [`Left::AsItWas`]; the caller goes on without.
pub fn enter(files: &Files, shared_bytes: u64) -> Result<(), Left> {
    let wrong = |error: rustix::io::Errno| Left::AsItWas(error.into());
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).map_err(wrong)?;
    let plan = Plan::of(files);
    let none = || Left::AsItWas(io::Error::other("there is no folder to put it together on"));
    let base = BASES.iter().map(Path::new).find(|path| path.is_dir()).ok_or_else(none)?;
    // Opened before, since from now on it hides what is below.
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    let options = std::ffi::CString::new(ROOT_OPTIONS).map_err(|e| Left::AsItWas(e.into()))?;
    mount("portcullis", base, "tmpfs", flags, options.as_c_str()).map_err(wrong)?;
    furnish(base, &plan, shared_bytes).and_then(|()| change(base)).map_err(Left::Broken)
}

/// How it was left when it did not succeed.
#[derive(Debug)]
pub enum Left {
    /// Nothing was changed.
    AsItWas(io::Error),
    /// Neither the old root nor the new one: nothing may be started.
    Broken(io::Error),
}

fn furnish(base: &Path, plan: &Plan, shared_bytes: u64) -> io::Result<()> {
    processes(base)?;
    own_devices(base, shared_bytes)?;
    for (path, target) in &plan.links {
        let at = under(base, path);
        folders(&at)?;
        if let Err(error) = symlink(target, &at)
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(error);
        }
    }
    for (path, piece) in &plan.pieces {
        if let Err(error) = lay(&under(base, path), piece) {
            say(&format!("{} is not there: {error}", path.display()));
        }
    }
    Ok(())
}

/// The view of processes of the namespace. Where it is refused (a container that masks parts of `/proc`), the old one stays, in which
/// landlock lets nobody look into processes outside.
fn processes(base: &Path) -> io::Result<()> {
    let at = base.join("proc");
    fs::create_dir(&at)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    if let Err(error) = mount("proc", &at, "proc", flags, None) {
        say(&format!("/proc shows processes by numbers of outside: {error}"));
        mount_bind_recursive("/proc", &at)?;
    }
    Ok(())
}

fn own_devices(base: &Path, shared_bytes: u64) -> io::Result<()> {
    let dev = base.join("dev");
    fs::create_dir(&dev)?;
    for device in DEVICES {
        let (from, at) = (Path::new("/dev").join(device), dev.join(device));
        if from.exists() {
            fs::write(&at, "")?;
            mount_bind_recursive(&from, &at)?;
        }
    }
    for (name, target) in devices::LINKS {
        symlink(target, dev.join(name))?;
    }
    let shm = dev.join("shm");
    fs::create_dir(&shm)?;
    let size =
        if shared_bytes > 0 { format!("mode=1777,size={shared_bytes}") } else { "mode=1777".to_owned() };
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    Ok(mount("shm", &shm, "tmpfs", flags, std::ffi::CString::new(size)?.as_c_str())?)
}

fn lay(at: &Path, piece: &Piece) -> io::Result<()> {
    match piece {
        Piece::Bound { from, folder, write } => {
            point(at, *folder)?;
            mount_bind_recursive(format!("/proc/self/fd/{}", from.as_raw_fd()), at)?;
            if *write { Ok(()) } else { read_only(at) }
        }
        // What is not there needs no hiding.
        Piece::Hidden { .. } if !at.exists() => Ok(()),
        Piece::Hidden { folder: true } => {
            let flags = MountFlags::NOSUID | MountFlags::NODEV;
            Ok(mount("hidden", at, "tmpfs", flags, c"size=1m,mode=755")?)
        }
        Piece::Hidden { folder: false } => Ok(mount_bind_recursive("/dev/null", at)?),
    }
}

/// A mount keeps the flags it has: in a user namespace they cannot be taken away.
fn read_only(at: &Path) -> io::Result<()> {
    let kept = statvfs(at)?.f_flag;
    let mut flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID;
    for (told, flag) in [
        (StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
        (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    ] {
        if kept.contains(told) {
            flags |= flag;
        }
    }
    Ok(mount_remount(at, flags, c"")?)
}

/// A place to mount on.
fn point(at: &Path, folder: bool) -> io::Result<()> {
    if at.exists() {
        return Ok(());
    }
    folders(at)?;
    if folder { fs::create_dir(at) } else { fs::write(at, "") }
}

fn folders(at: &Path) -> io::Result<()> {
    at.parent().map_or(Ok(()), fs::create_dir_all)
}

fn under(base: &Path, path: &Path) -> PathBuf {
    base.join(path.strip_prefix("/").unwrap_or(path))
}

/// The new root takes the place of the old one, which goes.
fn change(base: &Path) -> io::Result<()> {
    chdir(base)?;
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    chdir("/")?;
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    Ok(mount_remount("/", MountFlags::BIND | flags, c"")?)
}

impl Plan {
    fn of(files: &Files) -> Self {
        let mut plan = Self::default();
        for path in &files.hidden {
            if let Ok(path) = path.canonicalize() {
                let folder = path.is_dir();
                plan.pieces.insert(path, Piece::Hidden { folder });
            }
        }
        for path in system() {
            plan.add(&path, false);
        }
        for path in &files.read {
            plan.add(path, false);
        }
        for path in &files.write {
            plan.add(path, true);
        }
        plan
    }

    /// A path that is allowed, with the symbolic links on its way. What does not exist is left out.
    fn add(&mut self, path: &Path, write: bool) {
        let Some(real) = self.followed(path) else { return };
        // The root itself is never laid out whole.
        if real.parent().is_none() {
            return;
        }
        let Ok(from) = openat(CWD, &real, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) else { return };
        let folder = real.is_dir();
        self.pieces.insert(real, Piece::Bound { from, folder, write });
    }

    /// Where a path leads, its links noted.
    fn followed(&mut self, path: &Path) -> Option<PathBuf> {
        let mut todo: Vec<OsString> = names(path);
        let mut at = PathBuf::from("/");
        let mut links = 0;
        while let Some(name) = todo.pop() {
            if name == ".." {
                at.pop();
                continue;
            }
            let next = at.join(&name);
            if !fs::symlink_metadata(&next).ok()?.is_symlink() {
                at = next;
                continue;
            }
            links += 1;
            if links > LINKS_MAX {
                return None;
            }
            let target = fs::read_link(&next).ok()?;
            if target.is_absolute() {
                at = PathBuf::from("/");
            }
            todo.extend(names(&target));
            self.links.insert(next, target);
        }
        Some(at)
    }
}

/// The names of a path, the last first.
fn names(path: &Path) -> Vec<OsString> {
    let mut names: Vec<OsString> = path
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect();
    names.reverse();
    names
}
