//! The artifacts of a run, as the tracking API lists them.

use crate::session::Session;
use domain::Fault;
use serde::Deserialize;

/// An entry of a folder of artifacts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Entry {
    /// Its path from the root of the run's artifacts.
    pub path: String,
    pub is_dir: bool,
    /// Bytes of a file.
    #[serde(default)]
    pub file_size: u64,
}

impl Entry {
    /// The last part of its path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

#[derive(Deserialize)]
struct Listing {
    #[serde(default)]
    files: Vec<Entry>,
}

/// What stands in a folder of a run's artifacts; the root is the empty path.
pub async fn list(session: &Session, run: &str, folder: &str) -> Result<Vec<Entry>, Fault> {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("run_id", run)
        .append_pair("path", folder)
        .finish();
    let found: Listing = session.client.get(&format!("/api/2.0/mlflow/artifacts/list?{query}")).await?;
    // What stands elsewhere could lead round in circles.
    let odd =
        |entry: &&Entry| entry.name().is_empty() || registry::paths::join(folder, entry.name()) != entry.path;
    match found.files.iter().find(odd) {
        Some(odd) => {
            Err(Fault::internal(format!("the server lists '{}' in the folder '{folder}'", odd.path)))
        }
        None => Ok(found.files),
    }
}

/// All files of a run, by path.
pub async fn all(session: &Session, run: &str) -> Result<Vec<Entry>, Fault> {
    let (mut files, mut folders) = (Vec::new(), vec![String::new()]);
    while let Some(folder) = folders.pop() {
        for entry in list(session, run, &folder).await? {
            if entry.is_dir { folders.push(entry.path) } else { files.push(entry) }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}
