//! Folders of the user on their way to the server: code of a job, a model, folder data.

use crate::client::{Client, file_stream};
use domain::{Digest, Fault};
use ignore::WalkBuilder;
use serde::Deserialize;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// The file of the cloud's command line that lists what stays behind; where it stands, `.gitignore` is not asked.
const AML_IGNORE: &str = ".amlignore";
/// What never belongs to a snapshot of code.
const NEVER: [&str; 2] = [".git", "__pycache__"];

/// What of a folder goes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Snapshot {
    /// Everything: a model, data.
    Whole,
    /// What neither `.amlignore` nor, without one, `.gitignore` leaves out: code.
    Code,
}

/// A folder as the server keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct KeptFolder {
    /// The digest that names it.
    pub digest: Digest,
    /// Its files.
    pub files: u64,
    /// Their length together.
    pub bytes: u64,
}

/// Sends a folder; `told` hears of the bytes sent.
pub async fn upload(
    client: &Client,
    folder: &Path,
    snapshot: Snapshot,
    told: impl FnMut(u64) + Send + 'static,
) -> Result<KeptFolder, Fault> {
    let from = folder.to_owned();
    let packed = tokio::task::spawn_blocking(move || pack(&from, snapshot)).await;
    let packed = packed.map_err(|e| Fault::internal(format!("packing a folder: {e}")))??;
    client.upload("/api/v1/trees", file_stream(packed.path(), told).await?).await
}

/// Writes the folder as a tar archive: the same files give the same bytes.
fn pack(folder: &Path, snapshot: Snapshot) -> Result<NamedTempFile, Fault> {
    if !folder.is_dir() {
        return Err(Fault::invalid(format!("{}: no such folder", folder.display())));
    }
    let failed = |e: io::Error| Fault::internal(format!("packing {}: {e}", folder.display()));
    let file = NamedTempFile::new().map_err(failed)?;
    let mut tar = tar::Builder::new(BufWriter::new(file.as_file()));
    for path in files(folder, snapshot)? {
        add(&mut tar, folder, &path)?;
    }
    tar.into_inner().and_then(|mut out| out.flush()).map_err(failed)?;
    Ok(file)
}

fn files(folder: &Path, snapshot: Snapshot) -> Result<Vec<PathBuf>, Fault> {
    let code = snapshot == Snapshot::Code;
    let listed = folder.join(AML_IGNORE).is_file();
    let mut walk = WalkBuilder::new(folder);
    walk.standard_filters(false).follow_links(false).sort_by_file_name(Ord::cmp);
    if code {
        // The repository's rules hold also where the folder is not its root.
        walk.require_git(false).git_ignore(!listed).parents(!listed);
        walk.add_custom_ignore_filename(AML_IGNORE);
        walk.filter_entry(|entry| entry.file_name().to_str().is_none_or(|name| !NEVER.contains(&name)));
    }
    let mut files = Vec::new();
    for entry in walk.build() {
        let entry = entry.map_err(|e| Fault::invalid(format!("{}: {e}", folder.display())))?;
        match entry.file_type() {
            Some(kind) if kind.is_dir() => {}
            Some(kind) if kind.is_file() => files.push(entry.into_path()),
            _ => {
                let path = entry.path().display();
                return Err(Fault::invalid(format!(
                    "{path}: neither a file nor a folder: leave it out by {AML_IGNORE}"
                )));
            }
        }
    }
    Ok(files)
}

fn add(tar: &mut tar::Builder<impl Write>, folder: &Path, path: &Path) -> Result<(), Fault> {
    let failed = |e: io::Error| Fault::invalid(format!("{}: {e}", path.display()));
    let name = path.strip_prefix(folder).map_err(|e| Fault::internal(e.to_string()))?;
    let mut file = File::open(path).map_err(failed)?;
    let facts = file.metadata().map_err(failed)?;
    let mut header = tar::Header::new_gnu();
    header.set_size(facts.len());
    header.set_mode(if is_executable(&facts) { 0o755 } else { 0o644 });
    tar.append_data(&mut header, name, &mut file).map_err(failed)
}

fn is_executable(facts: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    facts.permissions().mode() & 0o100 != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn names(folder: &Path, snapshot: Snapshot) -> Vec<String> {
        let inside = |path: &PathBuf| path.strip_prefix(folder).unwrap().display().to_string();
        files(folder, snapshot).unwrap().iter().map(inside).collect()
    }

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for path in
            ["train.py", "outputs/model.pkl", "notes/a.ipynb", ".git/HEAD", "__pycache__/x.pyc", ".env"]
        {
            let to = dir.path().join(path);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::write(to, path).unwrap();
        }
        dir
    }

    #[test]
    fn a_snapshot_of_code_leaves_out_what_the_lists_say() {
        let dir = folder();
        assert_eq!(
            names(dir.path(), Snapshot::Code),
            [".env", "notes/a.ipynb", "outputs/model.pkl", "train.py"]
        );
        fs::write(dir.path().join(".gitignore"), "outputs/\n").unwrap();
        assert_eq!(names(dir.path(), Snapshot::Code), [".env", ".gitignore", "notes/a.ipynb", "train.py"]);
        fs::write(dir.path().join(AML_IGNORE), "*.ipynb\n.gitignore\n.amlignore\n").unwrap();
        assert_eq!(names(dir.path(), Snapshot::Code), [".env", "outputs/model.pkl", "train.py"]);
        assert_eq!(names(dir.path(), Snapshot::Whole).len(), 8);
    }

    #[test]
    fn the_same_files_give_the_same_archive() {
        let dir = folder();
        let bytes = || fs::read(pack(dir.path(), Snapshot::Whole).unwrap().path()).unwrap();
        assert_eq!(bytes(), bytes());
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("link")).unwrap();
        assert!(pack(dir.path(), Snapshot::Code).unwrap_err().message.contains("link"));
        assert!(
            pack(&dir.path().join("absent"), Snapshot::Whole).unwrap_err().message.contains("no such folder")
        );
    }
}
