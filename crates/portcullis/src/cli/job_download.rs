//! `job download`: the artifacts of a run as files.

use crate::cli::job_ids;
use crate::client::segment;
use crate::session::Session;
use crate::show::size;
use clap::Args;
use domain::{ErrorCode, Fault};
use serde_json::{Value, json};
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
        let paths = artifacts(session, &id).await?;
        if paths.is_empty() {
            return Err(Fault::new(ErrorCode::NotFound, format!("run {id} has no artifacts")));
        }
        let out = self.out.unwrap_or_else(|| PathBuf::from(&id));
        let mut bytes = 0;
        for path in &paths {
            let route = format!("/get-artifact?run_id={id}&path={}", segment(path));
            let content = session.client.bytes(&route).await?;
            // Whatever a server says: nothing is written outside the folder.
            let to = out.join(registry::paths::check(path)?);
            let folder = to.parent().unwrap_or(&out);
            std::fs::create_dir_all(folder)
                .map_err(|e| Fault::invalid(format!("{}: {e}", folder.display())))?;
            registry::write_file(&to, &content)?;
            bytes += content.len() as u64;
        }
        session.out.value(&json!({ "folder": out, "files": paths, "bytes": bytes }), |_| {
            format!("wrote {} files to {} ({})", paths.len(), out.display(), size(bytes))
        });
        Ok(())
    }
}

/// The paths of a run's artifacts, in the order of their names.
async fn artifacts(session: &Session, id: &str) -> Result<Vec<String>, Fault> {
    let (mut paths, mut folders) = (Vec::new(), vec![String::new()]);
    while let Some(folder) = folders.pop() {
        let route = format!("/api/2.0/mlflow/artifacts/list?run_id={id}&path={}", segment(&folder));
        let listed: Value = session.client.get(&route).await?;
        for entry in listed["files"].as_array().into_iter().flatten() {
            let path = entry["path"].as_str().unwrap_or_default().to_owned();
            if entry["is_dir"] == true { folders.push(path) } else { paths.push(path) }
        }
    }
    paths.sort();
    Ok(paths)
}
