//! Data assets as a service: register, list, show, preview.

use crate::error::{Error, Result};
use crate::ingest::{Ingested, ingest};
use crate::limits::PREVIEW_ROWS_MAX;
use crate::options::{Format, ReadOptions};
use crate::preview::{Preview, preview};
use domain::{Actor, DataAsset, DataVersion, Digest, Name, Timestamp, Version};
use outbound::Client;
use serde::Deserialize;
use std::fmt;
use std::io::Read;
use std::sync::Arc;
use store::{KeptTree, NewDataVersion, Store, Tree, TreeFault};
use tokio::task::spawn_blocking;

/// Told the bytes read so far, from another thread.
pub type Progress = Arc<dyn Fn(u64) + Send + Sync>;

/// Where a table's bytes come from.
pub enum Source {
    /// A file, standard input, the body of a request.
    Reader(Box<dyn Read + Send>),
    /// An http or https URL, fetched by the guarded client.
    Url(String),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reader(_) => f.write_str("Reader"),
            // Why not the URL: its query may carry a signature.
            Self::Url(_) => f.write_str("Url"),
        }
    }
}

/// A table to register.
#[derive(Debug)]
pub struct Registration {
    /// The asset's name.
    pub name: Name,
    /// Its bytes.
    pub source: Source,
    /// How they are read, as far as it is stated.
    pub options: ReadOptions,
    /// Free text kept with the version.
    pub description: String,
}

/// Registers a table: the version that holds it, and whether it is new. Equal bytes read alike are recognised.
pub async fn register(
    store: &Store,
    outbound: &Client,
    table: Registration,
    by: &Actor,
    progress: Progress,
) -> Result<(DataVersion, bool)> {
    let input: Box<dyn Read + Send> = match table.source {
        Source::Reader(reader) => reader,
        Source::Url(url) => Box::new(outbound.get(&url).await?.into_reader()),
    };
    let artifacts = store.artifacts().clone();
    let options = table.options;
    let found = blocking(move || ingest(input, &artifacts, &options, &*progress)).await?;
    tracing::info!(name = %table.name, rows = found.rows, bytes = found.bytes, "table read");
    let new = version_of(table.name, table.description, found)?;
    Ok(store.add_data_version(new, by, Timestamp::now()).await?)
}

fn version_of(name: Name, description: String, found: Ingested) -> Result<NewDataVersion> {
    Ok(NewDataVersion {
        name,
        digest: found.digest,
        bytes: found.bytes,
        rows: found.rows,
        format: serde_json::to_value(found.format).map_err(|e| Error::Internal(e.to_string()))?,
        columns: found.columns,
        profile: serde_json::to_value(found.profile).map_err(|e| Error::Internal(e.to_string()))?,
        description,
    })
}

/// The format of a version that is a folder of any files rather than a table; its digest is that of a tree.
pub const FOLDER: &str = "folder";

/// Whether a version is a folder of any files.
pub fn is_folder(version: &DataVersion) -> bool {
    version.format["format"] == FOLDER
}

fn files_of(tree: &Tree, most: usize) -> Result<Preview> {
    let rows = tree.files.iter().take(most.min(PREVIEW_ROWS_MAX));
    let rows = rows.map(|(path, file)| vec![Some(path.clone()), Some(file.bytes.to_string())]).collect();
    Ok(Preview { columns: ["path", "bytes"].map(str::to_owned).into(), rows })
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|e| Err(Error::Internal(e.to_string())))
}

/// The data assets of a workspace; cheap to clone.
#[derive(Debug, Clone)]
pub struct Assets {
    store: Store,
    outbound: Client,
}

impl Assets {
    /// The assets in a store; URLs are fetched by the client.
    pub const fn new(store: Store, outbound: Client) -> Self {
        Self { store, outbound }
    }

    /// All assets by name.
    pub async fn list(&self) -> Result<Vec<DataAsset>> {
        Ok(self.store.data_assets().await?)
    }

    /// The versions of an asset, oldest first.
    pub async fn versions(&self, name: &Name) -> Result<Vec<DataVersion>> {
        let mut versions = self.store.data_versions(name).await?;
        if versions.is_empty() {
            // Why asked again: it tells the missing asset in the store's words.
            self.store.data_version(name, None).await?;
        }
        versions.sort_by_key(|v| v.version);
        Ok(versions)
    }

    /// One version; the newest when none is named.
    pub async fn show(&self, name: &Name, version: Option<Version>) -> Result<DataVersion> {
        Ok(self.store.data_version(name, version).await?)
    }

    /// The first rows of a version; of a folder its first files.
    pub async fn preview(&self, name: &Name, version: Option<Version>, rows: usize) -> Result<Preview> {
        let version = self.show(name, version).await?;
        if is_folder(&version) {
            let artifacts = self.store.artifacts().clone();
            return blocking(move || files_of(&artifacts.tree(&version.digest)?, rows)).await;
        }
        let path = self.store.artifacts().path(&version.digest)?;
        let format = Format::deserialize(&version.format)
            .map_err(|e| Error::Internal(format!("the kept format: {e}")))?;
        blocking(move || {
            let rows = preview(&path, &format, &version.columns, rows)?;
            let columns = version.columns.into_iter().map(|c| c.name).collect();
            Ok(Preview { columns, rows })
        })
        .await
    }

    /// Registers a kept folder as a version of an asset; says whether it is new.
    pub async fn register_folder(
        &self,
        (name, digest, description): (Name, Digest, String),
        by: Actor,
    ) -> Result<(DataVersion, bool)> {
        let artifacts = self.store.artifacts().clone();
        let tree = blocking(move || Ok(artifacts.tree(&digest)?)).await?;
        let new = NewDataVersion {
            name,
            digest,
            bytes: tree.bytes(),
            rows: 0,
            format: serde_json::json!({"format": FOLDER, "files": tree.files.len()}),
            columns: Vec::new(),
            profile: serde_json::json!({"rows": 0, "columns": []}),
            description,
        };
        Ok(self.store.add_data_version(new, &by, Timestamp::now()).await?)
    }

    /// Keeps the folder that a tar archive holds.
    pub async fn keep_tree(&self, archive: Box<dyn Read + Send>) -> Result<KeptTree> {
        let artifacts = self.store.artifacts().clone();
        blocking(move || {
            artifacts.put_tar(archive).map_err(|fault| match fault {
                TreeFault::Read(e) => Error::Input(e),
                TreeFault::Keep(error) => error.into(),
            })
        })
        .await
    }

    /// [`register`] without a progress bar.
    #[expect(clippy::too_many_arguments, reason = "the five parts of a registration, each of another type")]
    pub async fn register(
        &self,
        name: Name,
        source: Source,
        options: ReadOptions,
        description: String,
        by: &Actor,
    ) -> Result<(DataVersion, bool)> {
        let table = Registration { name, source, options, description };
        register(&self.store, &self.outbound, table, by, Arc::new(|_| ())).await
    }
}
