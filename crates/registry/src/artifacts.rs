//! Files of runs, logged models and versions by their paths below `mlflow-artifacts:/`.
//!
//! `<experiment>/<run>/artifacts/…` and `<experiment>/models/<model id>/artifacts/…` are written by clients; `registry/<model>/<version>/…`
//! are the folders of versions, which nobody writes.

use crate::error::{Error, Result};
use crate::models::Registry;
use crate::paths;
use domain::{Actor, ModelName, ModelVersion, Timestamp, Version};
use std::io::Read;
use store::{ArtifactEntry, ArtifactFile, ArtifactReader, Tree, TreeFile};

/// The first part of the paths of versions' folders.
pub const REGISTRY: &str = "registry";

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Into the folder of a version.
    Version(ModelName, Version, String),
    /// Anywhere else.
    Plain(String),
}

impl Place {
    /// Reads a checked path.
    pub fn of(path: &str) -> Self {
        let plain = || Self::Plain(path.to_owned());
        let Some(rest) = path.strip_prefix(REGISTRY).and_then(|rest| rest.strip_prefix('/')) else {
            return plain();
        };
        let mut parts = rest.splitn(3, '/');
        let name = parts.next().and_then(ModelName::from_segment);
        let version = parts.next().and_then(|text| text.parse().ok());
        match (name, version) {
            (Some(name), Some(version)) => {
                Self::Version(name, Version(version), parts.next().unwrap_or_default().to_owned())
            }
            _ => plain(),
        }
    }
}

/// The path of a version's folder.
pub fn version_folder(version: &ModelVersion) -> String {
    format!("{REGISTRY}/{}/{}", version.model.segment(), version.version)
}

impl Registry {
    /// Keeps a file under a path, read on a blocking thread until `content` ends.
    pub async fn put_artifact(&self, path: &str, mut content: impl Read + Send + 'static) -> Result<()> {
        let path = written(path)?;
        let artifacts = self.store.artifacts().clone();
        let kept = tokio::task::spawn_blocking(move || {
            let mut writer = artifacts.writer()?;
            std::io::copy(&mut content, &mut writer).map_err(Error::Upload)?;
            Ok::<_, Error>(writer.finish()?)
        });
        let (digest, bytes) = kept.await.map_err(|_| Error::Interrupted)??;
        Ok(self.store.put_artifact_path(&ArtifactFile { path, digest, bytes }, Timestamp::now()).await?)
    }

    /// Opens the file under a path.
    pub async fn open_artifact(&self, path: &str) -> Result<ArtifactReader> {
        let digest = match Place::of(&paths::check(path)?) {
            Place::Plain(path) => self.store.artifact_path(&path).await?.digest,
            Place::Version(name, version, inner) => {
                let found = self.store.model_version(&name, Some(version)).await?;
                return self.open_file(&found, &inner).await;
            }
        };
        self.reader(digest).await
    }

    /// Opens a file of a version's folder.
    pub async fn open_file(&self, version: &ModelVersion, path: &str) -> Result<ArtifactReader> {
        let folder = self.folder(version).await?;
        let absent = || store::Error::NotFound { noun: "artifact", name: path.to_owned() };
        let file = folder.files.get(path).ok_or_else(absent)?;
        self.reader(file.digest).await
    }

    async fn reader(&self, digest: domain::Digest) -> Result<ArtifactReader> {
        let artifacts = self.store.artifacts().clone();
        let opened = tokio::task::spawn_blocking(move || artifacts.reader(&digest)).await;
        Ok(opened.map_err(|_| Error::Interrupted)??)
    }

    /// What stands in a folder, by name; empty when there is none.
    pub async fn list_artifacts(&self, folder: &str) -> Result<Vec<ArtifactEntry>> {
        match Place::of(&paths::check_folder(folder)?) {
            Place::Plain(folder) => Ok(self.store.artifact_folder(&folder).await?),
            Place::Version(name, version, inner) => {
                let found = match self.store.model_version(&name, Some(version)).await {
                    Err(store::Error::NotFound { .. }) => return Ok(Vec::new()),
                    other => other?,
                };
                Ok(entries(&*self.folder(&found).await?, &inner))
            }
        }
    }

    /// The files of a version with their sizes.
    pub async fn files(&self, version: &ModelVersion) -> Result<Vec<(String, TreeFile)>> {
        let folder = self.folder(version).await?;
        Ok(folder.files.iter().map(|(path, file)| (path.clone(), file.clone())).collect())
    }

    /// Forgets the file under a path, or all files of a folder.
    pub async fn delete_artifacts(&self, path: &str, by: &Actor) -> Result<u64> {
        Ok(self.store.delete_artifact_paths(&written(path)?, by, Timestamp::now()).await?)
    }

    /// The files at a path, as they are now: a folder's, or one file alone under its own name.
    pub(crate) async fn tree_at(&self, path: &str) -> Result<Tree> {
        let mut tree = Tree::default();
        let mut files = self.store.artifact_files(path).await?;
        if files.is_empty()
            && let Ok(file) = self.store.artifact_path(path).await
        {
            let name = file.path.rsplit('/').next().unwrap_or_default().to_owned();
            files.push(ArtifactFile { path: name, ..file });
        }
        for file in files {
            tree.add(&file.path, TreeFile { digest: file.digest, bytes: file.bytes, executable: false })?;
        }
        Ok(tree)
    }
}

/// A path that a client may write: not that of a version, which never changes.
fn written(path: &str) -> Result<String> {
    let path = paths::check(path)?;
    if path.split('/').next() == Some(REGISTRY) {
        let text = format!(
            "'{REGISTRY}' holds the files of registered versions, which never change: register another version"
        );
        return Err(Error::Refused(text));
    }
    Ok(path)
}

/// What stands directly in a folder of a tree.
fn entries(tree: &Tree, folder: &str) -> Vec<ArtifactEntry> {
    let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let mut found: Vec<ArtifactEntry> = Vec::new();
    for (path, file) in &tree.files {
        let Some(rest) = path.strip_prefix(&prefix) else { continue };
        let entry = match rest.split_once('/') {
            Some((name, _)) => ArtifactEntry { name: name.to_owned(), bytes: None },
            None => ArtifactEntry { name: rest.to_owned(), bytes: Some(file.bytes) },
        };
        if !found.contains(&entry) {
            found.push(entry);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::NewVersion;
    use crate::samples::{admin, model, name, regression, store};
    use std::io::Cursor;

    async fn read(registry: &Registry, path: &str) -> Result<Vec<u8>> {
        let mut reader = registry.open_artifact(path).await?;
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        Ok(bytes)
    }

    #[tokio::test]
    async fn files_are_written_listed_read_and_forgotten() {
        let (_dir, store) = store().await;
        let registry = Registry::new(store);
        for (path, text) in [("0/r/artifacts/a.txt", "one"), ("0/r/artifacts/d/b.txt", "two")] {
            registry.put_artifact(path, Cursor::new(text)).await.unwrap();
        }
        assert_eq!(read(&registry, "0/r/artifacts/d/b.txt").await.unwrap(), b"two");
        let listed = registry.list_artifacts("0/r/artifacts/").await.unwrap();
        let names: Vec<(&str, Option<u64>)> = listed.iter().map(|e| (e.name.as_str(), e.bytes)).collect();
        assert_eq!(names, [("a.txt", Some(3)), ("d", None)]);
        let tree = registry.tree_at("0/r/artifacts").await.unwrap();
        assert_eq!(tree.files.keys().collect::<Vec<_>>(), ["a.txt", "d/b.txt"]);
        let one = registry.tree_at("0/r/artifacts/d/b.txt").await.unwrap();
        assert_eq!(one.files.keys().collect::<Vec<_>>(), ["b.txt"]);
        assert_eq!(registry.delete_artifacts("0/r/artifacts", &admin()).await.unwrap(), 2);
        assert!(read(&registry, "0/r/artifacts/a.txt").await.is_err());
        for bad in ["../x", "0/%2e%2e/x", "/etc/passwd"] {
            assert!(matches!(registry.put_artifact(bad, Cursor::new("")).await, Err(Error::Path)), "{bad}");
            assert!(matches!(registry.open_artifact(bad).await, Err(Error::Path)), "{bad}");
            assert!(matches!(registry.list_artifacts(bad).await, Err(Error::Path)), "{bad}");
            assert!(matches!(registry.delete_artifacts(bad, &admin()).await, Err(Error::Path)), "{bad}");
        }
    }

    #[tokio::test]
    async fn an_onnx_version_has_the_folder_that_clients_load() {
        let (_dir, store) = store().await;
        let registry = Registry::new(store);
        let mut new = NewVersion::file(name("x"), regression(None), String::new());
        new.name = model("house prices");
        let made = registry.register(new, &admin()).await.unwrap();
        let folder = version_folder(&made);
        assert_eq!(folder, "registry/~686f75736520707269636573/1");
        let listed = registry.list_artifacts(&folder).await.unwrap();
        let names: Vec<&str> = listed.iter().map(|e| e.name.as_str()).collect();
        assert_eq!(names, ["MLmodel", "conda.yaml", "model.onnx", "python_env.yaml", "requirements.txt"]);
        assert_eq!(read(&registry, &format!("{folder}/model.onnx")).await.unwrap(), regression(None));
        let text = String::from_utf8(read(&registry, &format!("{folder}/MLmodel")).await.unwrap()).unwrap();
        assert!(text.contains("loader_module: mlflow.onnx"), "{text}");
        let described = definitions::read::<definitions::MlModel>("MLmodel", &text).unwrap().value;
        assert_eq!(described.flavors["onnx"]["data"], "model.onnx");
        assert_eq!(described.inputs.unwrap()[1]["tensor-spec"]["shape"], serde_json::json!([-1, 2]));
        let refused = registry.put_artifact(&format!("{folder}/x"), Cursor::new("")).await.unwrap_err();
        assert!(refused.to_string().contains("never change"), "{refused}");
        assert!(registry.list_artifacts("registry/absent/1").await.unwrap().is_empty());
        assert!(registry.open_artifact("registry/absent/1/MLmodel").await.is_err());
    }
}
