//! `model export`: the ONNX file of a version, or its folder.

use crate::cli::data::reference;
use crate::cli::progress;
use crate::client::path;
use crate::files::fetch;
use crate::session::Session;
use crate::show::size;
use api::models::VersionFile;
use domain::{Fault, ModelKind, ModelVersion};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Writes a version to a file or folder.
pub async fn export(session: &Session, model: &str, out: Option<PathBuf>) -> Result<(), Fault> {
    let (name, version) = reference(model);
    let route = format!("/api/v1/models/{name}/versions/{version}");
    let found: ModelVersion = session.client.get(&route).await?;
    let stem = format!("{}-{}", found.model.segment(), found.version);
    if found.kind != ModelKind::Onnx {
        return folder(session, &route, &found, &out.unwrap_or_else(|| PathBuf::from(stem))).await;
    }
    let out = out.unwrap_or_else(|| PathBuf::from(format!("{stem}.onnx")));
    let bar = progress::bytes(Some(found.bytes), session.out.json());
    let bytes = fetch(&session.client, &format!("{route}/file"), &out, &bar).await?;
    bar.finish_and_clear();
    session.out.value(&json!({ "file": out, "bytes": bytes, "sha256": found.digest }), |_| {
        format!("wrote {} ({})", out.display(), size(bytes))
    });
    Ok(())
}

/// Writes every file of a version below a folder that is not there yet.
async fn folder(session: &Session, route: &str, found: &ModelVersion, out: &Path) -> Result<(), Fault> {
    std::fs::create_dir(out).map_err(|e| Fault::invalid(format!("{}: {e}", out.display())))?;
    let files: Vec<VersionFile> = session.client.get(&format!("{route}/files")).await?;
    let bar = progress::bytes(Some(found.bytes), session.out.json());
    for file in &files {
        // Whatever a server says: nothing is written outside the folder.
        let inner = registry::paths::check(&file.path)?;
        let route = format!("{route}/files/{}", path(&inner));
        fetch(&session.client, &route, &out.join(&inner), &bar).await?;
    }
    bar.finish_and_clear();
    session.out.value(&json!({ "folder": out, "files": files.len(), "sha256": found.digest }), |_| {
        format!("wrote {} files to {} ({})", files.len(), out.display(), size(found.bytes))
    });
    Ok(())
}
