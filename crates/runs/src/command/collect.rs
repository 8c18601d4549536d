//! What a command leaves behind, kept as trees and files.

use super::ask::SubmitCommand;
use super::folder::{ARTIFACTS, Places};
use crate::error::{Error, Result};
use crate::results::KeptFile;
use domain::{Digest, RunId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use store::trees::Tree;
use store::{ArtifactFile, Artifacts, Store};

/// Files of a folder that the log tells at most of those that no client can ask for.
const UNNAMED: usize = 100;
/// What the log says of them.
const UNLISTED: &str =
    "kept, but not listed among the artifacts of the run, where a path has no '#' and no coded character";

/// A folder that a job left, kept as a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFolder {
    /// The digest of its tree.
    pub digest: Digest,
    /// Its files.
    pub files: usize,
    /// Their length together.
    pub bytes: u64,
}

/// Everything that is kept of a command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What it said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<KeptFile>,
    /// What it left in `./outputs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifacts: Option<KeptFolder>,
    /// Its outputs by name.
    pub outputs: BTreeMap<String, KeptFolder>,
    /// What of them was left out: links that lead elsewhere, what is neither file nor folder.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// Keeps what is there; what cannot be kept is told in words. No process of the command may be left. Blocking.
pub fn collect(places: &Places, ask: &SubmitCommand, artifacts: &Artifacts) -> (Kept, Vec<String>) {
    let mut kept = Kept::default();
    let mut wrong = Vec::new();
    let (mut without, mut unnamed) = (Vec::new(), Vec::new());
    let mut told = |what: &str, result: Result<Found>| match result {
        Ok(found) => {
            without.extend(found.left_out.into_iter().map(|text| format!("{what}: {text}")));
            unnamed.extend(found.unnamed.into_iter().map(|path| format!("{what}: {path}")));
            found.kept
        }
        Err(error) => {
            wrong.push(format!("{what} cannot be kept: {error}"));
            None
        }
    };
    kept.artifacts = told("./outputs", folder(&places.artifacts(), ARTIFACTS, artifacts));
    for name in ask.outputs.keys() {
        let found = told(&format!("the output '{name}'"), folder(&places.output(name), name, artifacts));
        if let Some(found) = found {
            kept.outputs.insert(name.clone(), found);
        }
    }
    let lines = without.iter().map(|text| format!("not kept: {text}"));
    let lines = lines.chain(unnamed.iter().map(|text| format!("{UNLISTED}: {text}")));
    if let Err(error) = note(&places.log(), &lines.collect::<Vec<_>>()) {
        tracing::warn!(%error, "what is not kept of a job cannot be told in its log");
    }
    kept.left_out = without;
    match log(&places.log(), artifacts) {
        Ok(log) => kept.log = log,
        Err(error) => wrong.push(format!("the log cannot be kept: {error}")),
    }
    (kept, wrong)
}

/// Makes what is kept artifacts of the run, where clients of the run find them: `./outputs` as `outputs/…`, an output as `NAME/…`.
pub async fn link(store: &Store, run: &RunId, kept: &Kept) -> Result<()> {
    let own = kept.artifacts.iter().map(|folder| (ARTIFACTS, folder.digest));
    let all: Vec<(String, Digest)> = own
        .chain(kept.outputs.iter().map(|(name, folder)| (name.as_str(), folder.digest)))
        .map(|(name, digest)| (name.to_owned(), digest))
        .collect();
    if all.is_empty() {
        return Ok(());
    }
    let uri = store.run_artifacts(run.as_str()).await?;
    // An experiment may keep its artifacts elsewhere.
    let Some(below) = uri.strip_prefix(registry::ARTIFACTS).map(|path| path.trim_matches('/').to_owned())
    else {
        return Ok(());
    };
    let artifacts = store.artifacts().clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut files = Vec::new();
        for (name, digest) in all {
            let tree = artifacts.tree(&digest)?;
            files.extend(tree.files.into_iter().map(|(path, file)| ArtifactFile {
                path: format!("{below}/{name}/{path}"),
                digest: file.digest,
                bytes: file.bytes,
            }));
        }
        Ok::<_, Error>(files)
    });
    let files = read.await.map_err(|_| Error::Interrupted)??;
    Ok(store.put_artifact_paths(&files, Timestamp::now()).await?)
}

/// Tells in the log what is not as its writer may think.
fn note(log: &Path, lines: &[String]) -> std::io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let mut file = File::options().append(true).create(true).open(log)?;
    lines.iter().try_for_each(|text| writeln!(file, "portcullis: {text}"))
}

/// What of a folder is kept.
#[derive(Default)]
struct Found {
    kept: Option<KeptFolder>,
    /// What of it is not, in words.
    left_out: Vec<String>,
    /// Paths of it that no client can ask for among the artifacts of the run.
    unnamed: Vec<String>,
}

/// A folder, or a file as the only one of its tree, which is `name` among the artifacts of the run. A link in its place leads nowhere: who wrote it could name any file of this
/// machine.
fn folder(path: &Path, name: &str, artifacts: &Artifacts) -> Result<Found> {
    let facts = match std::fs::symlink_metadata(path) {
        Ok(facts) => facts,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Found::default()),
        Err(e) => return Err(Error::io(path, e)),
    };
    let parent = path.parent().unwrap_or(path);
    let real = parent.canonicalize().map_err(|e| Error::io(parent, e))?;
    let above = parent.parent().unwrap_or(parent).canonicalize().map_err(|e| Error::io(parent, e))?;
    let straight = parent.file_name().is_some_and(|name| above.join(name) == real);
    let (kept, left_out) = if straight && facts.is_dir() {
        artifacts.put_left(path)?
    } else if straight && facts.is_file() {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        let file = artifacts.put_file(file, false).map_err(|fault| Error::Results(fault.to_string()))?;
        let mut tree = Tree::default();
        tree.add(&path.file_name().unwrap_or_default().to_string_lossy(), file)?;
        (artifacts.put_tree(tree)?, Vec::new())
    } else {
        let why = "the place itself is a link, or neither a file nor a folder".to_owned();
        return Ok(Found { left_out: vec![why], ..Found::default() });
    };
    let (files, bytes) = (kept.tree.files.len(), kept.tree.bytes());
    let odd = |path: &&String| registry::paths::check(&registry::paths::join(name, path)).is_err();
    let mut odd = kept.tree.files.keys().filter(odd);
    let shown = odd.by_ref().take(UNNAMED).map(|path| format!("'{}'", path.escape_debug()));
    let mut unnamed: Vec<String> = shown.collect();
    unnamed.extend(odd.next().map(|_| "and more".to_owned()));
    let kept = (files > 0).then_some(KeptFolder { digest: kept.digest, files, bytes });
    Ok(Found { kept, left_out, unnamed })
}

fn log(path: &Path, artifacts: &Artifacts) -> Result<Option<KeptFile>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io(path, e)),
    };
    let kept = artifacts.put_file(file, false).map_err(|fault| Error::Results(fault.to_string()))?;
    Ok(Some(KeptFile { digest: kept.digest, bytes: kept.bytes }))
}
