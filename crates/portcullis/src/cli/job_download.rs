//! `job download`: the artifacts of a run as files.

use crate::cli::artifacts::{self, Entry};
use crate::cli::{job_ids, progress};
use crate::client::segment;
use crate::files::fetch;
use crate::session::Session;
use crate::show::size;
use clap::Args;
use domain::{ErrorCode, Fault};
use serde_json::json;
use std::path::PathBuf;

/// Flags of `job download`.
#[derive(Debug, Args)]
pub struct Download {
    /// The id of a job or run; of a job the beginning is enough when no other begins so
    id: String,
    /// The folder to write to; one that is named by the id when left out
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

impl Download {
    /// Writes every artifact of the run below a folder; files that are there are replaced.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        let id = job_ids::whole(session, &self.id).await?;
        let files = artifacts::all(session, &id).await?;
        if files.is_empty() {
            return Err(Fault::new(ErrorCode::NotFound, format!("run {id} has no artifacts")));
        }
        let out = self.out.unwrap_or_else(|| PathBuf::from(&id));
        let bar = progress::bytes(Some(files.iter().map(|file| file.file_size).sum()), session.out.json());
        let (mut bytes, mut paths) = (0, Vec::with_capacity(files.len()));
        for Entry { path, .. } in files {
            let named = |fault: Fault| Fault { message: format!("{path}: {}", fault.message), ..fault };
            let route = format!("/get-artifact?run_id={id}&path={}", segment(&path));
            // Whatever a server says: nothing is written outside the folder.
            let inner = registry::paths::check(&path).map_err(|error| named(error.into()))?;
            bytes += fetch(&session.client, &route, &out.join(inner), &bar).await.map_err(named)?;
            paths.push(path);
        }
        bar.finish_and_clear();
        session.out.value(&json!({ "folder": out, "files": paths, "bytes": bytes }), |_| {
            format!("wrote {} files to {} ({})", paths.len(), out.display(), size(bytes))
        });
        Ok(())
    }
}
