//! Folders as artifacts: a list of files by path, each kept under its own SHA-256; the list's digest names the folder.
//!
//! What is kept as a tree: code of jobs and deployments, models that are folders, outputs of jobs, folder data. Equal files are kept
//! once. A tree is what was there at one moment: it never changes.

use crate::artifacts::Artifacts;
use crate::error::{Error, Result};
use crate::files;
use domain::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Files of a tree at most.
pub const TREE_FILES_MAX: usize = 100_000;
/// Bytes of a path within a tree at most.
pub const TREE_PATH_MAX: usize = 1_024;
/// Folders below each other at most.
const DEPTH_MAX: usize = 64;
/// Entries that are looked at in a folder with its links.
const ENTRIES_MAX: usize = 4 * TREE_FILES_MAX;
/// Entries that are named as left out.
const WITHOUT_MAX: usize = 100;

/// One file of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeFile {
    /// SHA-256 of its content.
    pub digest: Digest,
    /// Its length.
    pub bytes: u64,
    /// Whether its owner may run it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
}

/// A folder: files by path, in the order of the paths. Empty folders are not kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    /// Relative path with `/` → file.
    pub files: BTreeMap<String, TreeFile>,
}

/// A tree that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptTree {
    /// The digest that names it: SHA-256 of its list as JSON.
    pub digest: Digest,
    /// The list.
    pub tree: Tree,
}

impl Tree {
    /// The length of all files together.
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.bytes).sum()
    }

    /// Adds a file; refused when its path is none within a folder, when it stands there already, or when the tree is full.
    pub fn add(&mut self, path: &str, file: TreeFile) -> Result<()> {
        check_path(path)?;
        if self.files.len() >= TREE_FILES_MAX {
            return Err(Error::Invalid(format!("the folder has more than {TREE_FILES_MAX} files")));
        }
        match self.files.insert(path.to_owned(), file) {
            None => Ok(()),
            Some(_) => Err(Error::Invalid(format!("the file '{path}' comes twice"))),
        }
    }
}

/// Whether a path leads to a place within a folder and nowhere else: parts between single slashes, none of them `.` or `..`, no
/// backslash, no control character.
pub fn check_path(path: &str) -> Result<()> {
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    let odd = |c: char| c.is_control() || c == '\\';
    let fits = path.len() <= TREE_PATH_MAX && path.split('/').count() <= DEPTH_MAX;
    if fits && path.split('/').all(plain) && !path.contains(odd) {
        return Ok(());
    }
    let shown: String = path.chars().take(80).flat_map(char::escape_default).collect();
    Err(Error::Invalid(format!("'{shown}' is not a path within a folder")))
}

/// What [`Artifacts::put_left`] has found so far.
struct Left<'a> {
    root: &'a Path,
    tree: Tree,
    without: Vec<String>,
    /// The folders that are being walked: one within itself would never end.
    open: Vec<PathBuf>,
    entries: usize,
}

impl Left<'_> {
    fn without(&mut self, path: &str, why: &str) {
        match self.without.len() {
            0..WITHOUT_MAX => self.without.push(format!("'{}': {why}", path.escape_debug())),
            WITHOUT_MAX => self.without.push("and more".to_owned()),
            _ => {}
        }
    }
}

impl Artifacts {
    /// Keeps the list of a tree whose files are kept already.
    pub fn put_tree(&self, tree: Tree) -> Result<KeptTree> {
        let text = serde_json::to_vec(&tree).map_err(|e| Error::Invalid(e.to_string()))?;
        Ok(KeptTree { digest: self.put(&text)?, tree })
    }

    /// Keeps one file of a tree.
    pub fn put_file(&self, mut content: impl Read, executable: bool) -> Result<TreeFile, TreeFault> {
        let mut writer = self.writer()?;
        io::copy(&mut content, &mut writer).map_err(TreeFault::Read)?;
        let (digest, bytes) = writer.finish()?;
        Ok(TreeFile { digest, bytes, executable })
    }

    /// Keeps a folder as it lies. Symbolic links and special files are refused by name.
    pub fn put_folder(&self, folder: &Path) -> Result<KeptTree> {
        let mut tree = Tree::default();
        self.put_below(folder, "", &mut tree)?;
        self.put_tree(tree)
    }

    /// Keeps of a folder what can be kept: a symbolic link that stays inside as what it leads to; every other link, what is neither file
    /// nor folder, and what has no name of a tree is left out. Gives what was left out, in words. Nothing may write in the folder
    /// meanwhile.
    pub fn put_left(&self, folder: &Path) -> Result<(KeptTree, Vec<String>)> {
        let root = folder.canonicalize().map_err(|e| Error::io(folder, e))?;
        let mut left =
            Left { root: &root, tree: Tree::default(), without: Vec::new(), open: Vec::new(), entries: 0 };
        self.put_inside(&root, "", &mut left)?;
        let Left { tree, without, .. } = left;
        Ok((self.put_tree(tree)?, without))
    }

    fn put_inside(&self, folder: &Path, prefix: &str, left: &mut Left<'_>) -> Result<()> {
        let wrong = |e| Error::io(folder, e);
        let mut names = fs::read_dir(folder)
            .map_err(wrong)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<io::Result<Vec<_>>>()
            .map_err(wrong)?;
        names.sort();
        left.entries += names.len();
        if left.entries > ENTRIES_MAX {
            // Links between folders can make many paths of few.
            return Err(Error::Invalid(format!(
                "the folder has more than {ENTRIES_MAX} entries, its links followed"
            )));
        }
        left.open.push(folder.to_owned());
        for name in names {
            let at = folder.join(&name);
            let name = name.to_string_lossy();
            let path = if prefix.is_empty() { name.into_owned() } else { format!("{prefix}/{name}") };
            if let Some(why) = self.put_one(&at, &path, left)? {
                left.without(&path, why);
            }
        }
        left.open.pop();
        Ok(())
    }

    /// Keeps one entry; gives why it is left out.
    fn put_one(&self, at: &Path, path: &str, left: &mut Left<'_>) -> Result<Option<&'static str>> {
        if check_path(path).is_err() || at.file_name().is_none_or(|name| name.to_str().is_none()) {
            return Ok(Some("its name cannot be kept"));
        }
        let Ok(real) = at.canonicalize() else { return Ok(Some("it is a link that leads nowhere")) };
        if !real.starts_with(left.root) {
            return Ok(Some("it is a link that leads out of the folder"));
        }
        let facts = fs::metadata(&real).map_err(|e| Error::io(&real, e))?;
        if facts.is_dir() {
            if left.open.contains(&real) {
                return Ok(Some("it is a link to a folder that holds it"));
            }
            self.put_inside(&real, path, left)?;
        } else if facts.is_file() {
            let file = File::open(&real).map_err(|e| Error::io(&real, e))?;
            let executable = is_executable(&file).map_err(|e| Error::io(&real, e))?;
            let file = self.put_file(file, executable).map_err(|fault| fault.at(&real))?;
            left.tree.add(path, file)?;
        } else {
            return Ok(Some("it is neither a file nor a folder"));
        }
        Ok(None)
    }

    fn put_below(&self, folder: &Path, prefix: &str, tree: &mut Tree) -> Result<()> {
        let wrong = |e| Error::io(folder, e);
        for entry in fs::read_dir(folder).map_err(wrong)? {
            let entry = entry.map_err(wrong)?;
            let name = entry.file_name();
            let at = entry.path();
            let name = name
                .to_str()
                .ok_or_else(|| Error::Invalid(format!("'{}': the name is not UTF-8", at.display())))?;
            let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
            let kind = entry.file_type().map_err(|e| Error::io(&at, e))?;
            if kind.is_dir() {
                check_path(&path)?;
                self.put_below(&at, &path, tree)?;
            } else if kind.is_file() {
                let file = File::open(&at).map_err(|e| Error::io(&at, e))?;
                let executable = is_executable(&file).map_err(|e| Error::io(&at, e))?;
                let file = self.put_file(file, executable).map_err(|fault| fault.at(&at))?;
                tree.add(&path, file)?;
            } else {
                return Err(Error::Invalid(format!("'{path}' is neither a file nor a folder: remove it")));
            }
        }
        Ok(())
    }

    /// Keeps what a tar archive holds: plain files and folders only. A fault of the archive is [`TreeFault::Read`].
    pub fn put_tar(&self, archive: impl Read) -> Result<KeptTree, TreeFault> {
        let mut tree = Tree::default();
        let mut archive = tar::Archive::new(archive);
        for entry in archive.entries().map_err(TreeFault::Read)? {
            let mut entry = entry.map_err(TreeFault::Read)?;
            let kind = entry.header().entry_type();
            let path = String::from_utf8(entry.path_bytes().into_owned())
                .map_err(|_| Error::Invalid("a path of the archive is not UTF-8".to_owned()))?;
            let path = path.strip_prefix("./").unwrap_or(&path);
            if kind.is_dir() || kind.is_pax_global_extensions() {
                continue;
            }
            if !kind.is_file() {
                return Err(
                    Error::Invalid(format!("'{path}' is neither a file nor a folder: leave it out")).into()
                );
            }
            check_path(path)?;
            let executable = entry.header().mode().is_ok_and(|mode| mode & 0o100 != 0);
            let path = path.to_owned();
            let file = self.put_file(&mut entry, executable)?;
            tree.add(&path, file)?;
        }
        Ok(self.put_tree(tree)?)
    }

    /// The list of a tree.
    pub fn tree(&self, digest: &Digest) -> Result<Tree> {
        let text = self.read(digest)?;
        let tree: Tree = serde_json::from_slice(&text).map_err(|e| Error::corrupt("tree", e))?;
        tree.files.keys().try_for_each(|path| check_path(path))?;
        Ok(tree)
    }

    /// Writes the files of a tree into a folder, which is made; what stands there stays. Files are the owner's to read, to run
    /// where they were, and to write when `writable`.
    pub fn unpack_tree(&self, digest: &Digest, folder: &Path, writable: bool) -> Result<Tree> {
        let tree = self.tree(digest)?;
        fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        for (path, file) in &tree.files {
            let to = folder.join(path);
            let parent = files::folder_of(&to);
            fs::create_dir_all(parent).map_err(|e| Error::io(parent, e))?;
            self.copy_checked(&file.digest, &to)?;
            let mode = 0o400 | if writable { 0o200 } else { 0 } | if file.executable { 0o100 } else { 0 };
            files::set_mode(&to, mode)?;
        }
        Ok(tree)
    }
}

/// Why a tree could not be kept: what came could not be read, or it could not be written.
#[derive(Debug, thiserror::Error)]
pub enum TreeFault {
    /// What came broke off, or is no archive.
    #[error("the folder cannot be read: {0}")]
    Read(io::Error),
    /// It cannot be kept.
    #[error(transparent)]
    Keep(#[from] Error),
}

impl TreeFault {
    fn at(self, path: &Path) -> Error {
        match self {
            Self::Read(e) => Error::io(path, e),
            Self::Keep(error) => error,
        }
    }
}

#[cfg(unix)]
fn is_executable(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(file.metadata()?.permissions().mode() & 0o100 != 0)
}

#[cfg(not(unix))]
fn is_executable(_: &File) -> io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn artifacts() -> (tempfile::TempDir, Artifacts) {
        let dir = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(&dir.path().join("artifacts")).unwrap();
        (dir, artifacts)
    }

    fn sample(dir: &Path) {
        fs::create_dir_all(dir.join("config")).unwrap();
        fs::create_dir_all(dir.join("empty")).unwrap();
        fs::write(dir.join("train.py"), "print(1)\n").unwrap();
        fs::write(dir.join("config/a b.yml"), "x: 1\n").unwrap();
        fs::set_permissions(dir.join("train.py"), fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn a_folder_comes_back_as_it_was_and_has_one_name() {
        let (dir, artifacts) = artifacts();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        sample(&from);
        let kept = artifacts.put_folder(&from).unwrap();
        assert_eq!(kept.tree.files.keys().collect::<Vec<_>>(), ["config/a b.yml", "train.py"]);
        assert_eq!(artifacts.unpack_tree(&kept.digest, &to, false).unwrap(), kept.tree);
        assert_eq!(fs::read_to_string(to.join("config/a b.yml")).unwrap(), "x: 1\n");
        let mode = |path: &str| fs::metadata(to.join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("train.py"), mode("config/a b.yml")), (0o500, 0o400));
        assert_eq!(artifacts.put_folder(&from).unwrap(), kept);
    }

    #[test]
    fn a_tar_archive_is_the_same_tree() {
        let (dir, artifacts) = artifacts();
        let from = dir.path().join("from");
        sample(&from);
        let mut tar = tar::Builder::new(Vec::new());
        tar.append_dir_all(".", &from).unwrap();
        let bytes = tar.into_inner().unwrap();
        assert_eq!(artifacts.put_tar(&bytes[..]).unwrap(), artifacts.put_folder(&from).unwrap());
        assert!(matches!(artifacts.put_tar(&bytes[..700]), Err(TreeFault::Read(_))));
    }

    #[test]
    fn what_is_no_plain_file_within_the_folder_is_refused_by_name() {
        let (dir, artifacts) = artifacts();
        let from = dir.path().join("from");
        sample(&from);
        symlink("/etc/passwd", from.join("link")).unwrap();
        assert!(artifacts.put_folder(&from).unwrap_err().to_string().contains("'link'"));
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(1);
        header.as_mut_bytes()[..9].copy_from_slice(b"../escape");
        header.set_cksum();
        tar.append(&header, &b"x"[..]).unwrap();
        let refused = artifacts.put_tar(&tar.into_inner().unwrap()[..]).unwrap_err();
        assert!(refused.to_string().contains("'../escape'"), "{refused}");
        for path in [
            "",
            "/a",
            "a//b",
            "a/./b",
            "a/..",
            "a\\b",
            "a\0b",
            &"x".repeat(TREE_PATH_MAX + 1),
            &"a/".repeat(80),
        ] {
            assert!(check_path(path).is_err(), "{path}");
        }
    }

    #[test]
    fn what_was_left_is_kept_with_its_links_and_without_what_leads_out() {
        let (dir, artifacts) = artifacts();
        let from = dir.path().join("from");
        sample(&from);
        symlink("train.py", from.join("latest")).unwrap();
        symlink("config", from.join("now")).unwrap();
        symlink("..", from.join("config/up")).unwrap();
        symlink("/etc/passwd", from.join("out")).unwrap();
        symlink("nowhere", from.join("lost")).unwrap();
        drop(std::os::unix::net::UnixListener::bind(from.join("socket")).unwrap());
        let (kept, without) = artifacts.put_left(&from).unwrap();
        let paths: Vec<&String> = kept.tree.files.keys().collect();
        assert_eq!(paths, ["config/a b.yml", "latest", "now/a b.yml", "train.py"]);
        assert_eq!(kept.tree.files["latest"], kept.tree.files["train.py"]);
        for (name, why) in [
            ("config/up", "holds it"),
            ("now/up", "holds it"),
            ("out", "out of the folder"),
            ("lost", "nowhere"),
            ("socket", "neither a file"),
        ] {
            let told = without.iter().any(|line| line.contains(&format!("'{name}'")) && line.contains(why));
            assert!(told, "{name}: {without:?}");
        }
        assert_eq!(without.len(), 5);
    }

    #[test]
    fn damage_is_found_before_anything_is_run() {
        let (dir, artifacts) = artifacts();
        let from = dir.path().join("from");
        sample(&from);
        let kept = artifacts.put_folder(&from).unwrap();
        let path = artifacts.path(&kept.tree.files["train.py"].digest).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "print(2)\n").unwrap();
        let refused = artifacts.unpack_tree(&kept.digest, &dir.path().join("to"), false).unwrap_err();
        assert!(matches!(refused, Error::Corrupt(_)), "{refused}");
    }
}
