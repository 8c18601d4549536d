//! Registering, finding and labelling model versions.

use crate::error::{Error, Result};
use crate::folders::Folders;
use crate::import;
use crate::lineage::{self, LineageView};
use crate::signature;
use domain::{
    Actor, Digest, Lineage, Metrics, Model, ModelName, ModelVersion, Name, RunId, Signature, Tags, Timestamp,
    Version,
};
use engines::Engine;
use std::path::Path;
use store::{NewModelVersion, Store};

/// The property of a version that names the engine it was registered with, when that is not our own.
const ENGINE: &str = "engine";
/// The word for the newest version.
const LATEST: &str = "latest";

/// A model version to register.
#[derive(Debug, Clone, PartialEq)]
pub struct NewVersion {
    /// The model's name.
    pub name: ModelName,
    /// The ONNX file, or one of another tool that is converted.
    pub bytes: Vec<u8>,
    /// What it takes and answers; from the file when none.
    pub signature: Option<Signature>,
    /// Metrics of the run that made it.
    pub metrics: Metrics,
    /// The run that made it.
    pub run: Option<RunId>,
    /// Whether this is what the run was for: registering it again gives the version it has.
    pub made_by_run: bool,
    /// Whether the newest version is given back when it is the same already.
    pub once: bool,
    /// The data that run read.
    pub lineage: Option<Lineage>,
    /// Free text.
    pub description: String,
    /// Tags.
    pub tags: Tags,
    /// Facts that never change.
    pub properties: Tags,
}

impl NewVersion {
    /// A file from elsewhere: no run, no metrics.
    pub fn file(name: impl Into<ModelName>, bytes: Vec<u8>, description: String) -> Self {
        Self {
            name: name.into(),
            bytes,
            signature: None,
            metrics: Metrics::new(),
            run: None,
            made_by_run: false,
            once: false,
            lineage: None,
            description,
            tags: Tags::new(),
            properties: Tags::new(),
        }
    }
}

/// Registers a version: the file is read and compiled first, what cannot be run is refused, naming node and operator. A LightGBM, XGBoost
/// or `.skops` file is converted first; the version's properties then say from what, and the file is kept beside.
pub async fn register(store: &Store, new: NewVersion, by: &Actor, now: Timestamp) -> Result<ModelVersion> {
    let artifacts = store.artifacts().clone();
    let (bytes, signature) = (new.bytes, new.signature);
    let kept = tokio::task::spawn_blocking(move || {
        let (bytes, source) = converted(&artifacts, bytes)?;
        keep(&artifacts, &bytes, signature).map(|kept| (kept, source))
    });
    let ((signature, digest, bytes, engine), source) = kept.await.map_err(|_| Error::Interrupted)??;
    let mut properties = new.properties;
    properties.extend(source);
    properties.extend(engine.map(|name| (ENGINE.to_owned(), name)));
    let record = NewModelVersion {
        metrics: new.metrics,
        run: new.run,
        made_by_run: new.made_by_run,
        once: new.once,
        lineage: new.lineage,
        description: new.description,
        tags: new.tags,
        properties,
        ..NewModelVersion::onnx(new.name, digest, bytes, signature)
    };
    Ok(store.add_model_version(record, by, now).await?)
}

/// The ONNX file of what was sent, and what is to be said of its source.
fn converted(artifacts: &store::Artifacts, bytes: Vec<u8>) -> Result<(Vec<u8>, Tags)> {
    if onnx::import::Format::of(&bytes).is_none() {
        return Ok((bytes, Tags::new()));
    }
    let (made, format) = import::onnx_of("the file", &bytes, &[])?;
    let source = artifacts.put(&bytes)?.hex();
    let facts = [(import::FORMAT, format.name().to_owned()), (import::SOURCE, source)];
    Ok((made, facts.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()))
}

/// Reads and compiles the file, settles the signature, keeps the bytes; names the engine when it is not our own.
fn keep(
    artifacts: &store::Artifacts,
    bytes: &[u8],
    signature: Option<Signature>,
) -> Result<(Signature, Digest, u64, Option<String>)> {
    let engine = Engine::load(bytes).map_err(Error::Engine)?;
    let signature = match signature {
        Some(signature) => signature::check(&signature, &engine).map(|()| signature)?,
        None => signature::from_model(&engine),
    };
    let name = engine.model().is_none().then(|| engine.name().to_owned());
    Ok((signature, artifacts.put(bytes)?, bytes.len() as u64, name))
}

/// The registry over a store; cheap to clone.
#[derive(Debug, Clone)]
pub struct Registry {
    pub(crate) store: Store,
    pub(crate) folders: Folders,
}

impl Registry {
    /// The registry of a store.
    pub fn new(store: Store) -> Self {
        Self { store, folders: Folders::default() }
    }

    /// [`register`], now.
    pub async fn register(&self, new: NewVersion, by: &Actor) -> Result<ModelVersion> {
        register(&self.store, new, by, Timestamp::now()).await
    }

    /// All models by name, with their aliases.
    pub async fn list(&self) -> Result<Vec<Model>> {
        Ok(self.store.models().await?)
    }

    /// The versions of a model, oldest first.
    pub async fn versions(&self, model: &ModelName) -> Result<Vec<ModelVersion>> {
        let mut versions = self.store.model_versions(model).await?;
        if versions.is_empty() {
            return Err(store::Error::NotFound { noun: "model", name: model.to_string() }.into());
        }
        versions.reverse();
        Ok(versions)
    }

    /// A version by its number, by `latest`, or by an alias.
    pub async fn show(&self, model: &ModelName, version: &str) -> Result<ModelVersion> {
        if version == LATEST {
            return Ok(self.store.model_version(model, None).await?);
        }
        if let Ok(number) = version.parse() {
            return Ok(self.store.model_version(model, Some(Version(number))).await?);
        }
        match self.store.model_version_by_alias(model, version).await {
            Err(store::Error::NotFound { .. }) => {
                Err(Error::Version { model: model.to_string(), version: version.to_owned() })
            }
            other => Ok(other?),
        }
    }

    /// A version and the ONNX file that this program runs, the hash checked.
    pub async fn bytes(&self, model: &ModelName, version: &str) -> Result<(ModelVersion, Vec<u8>)> {
        let found = self.show(model, version).await?;
        let Some(digest) = found.native else {
            return Err(Error::NotNative { version: format!("{model}:{}", found.version), kind: found.kind });
        };
        let artifacts = self.store.artifacts().clone();
        let bytes = tokio::task::spawn_blocking(move || artifacts.read(&digest)).await;
        Ok((found, bytes.map_err(|_| Error::Interrupted)??))
    }

    /// Writes a version's ONNX file to a path: temporary name, sync, rename.
    pub async fn export(&self, model: &ModelName, version: &str, path: &Path) -> Result<ModelVersion> {
        let (found, bytes) = self.bytes(model, version).await?;
        let path = path.to_owned();
        let written = tokio::task::spawn_blocking(move || store::files::write_file(&path, &bytes)).await;
        written.map_err(|_| Error::Interrupted)??;
        Ok(found)
    }

    /// Where a version came from and where it runs.
    pub async fn lineage(&self, model: &ModelName, version: &str) -> Result<LineageView> {
        let found = self.show(model, version).await?;
        lineage::view(&self.store, &found).await
    }

    /// Moves an alias to a version, or makes it.
    pub async fn set_alias(
        &self,
        model: &ModelName,
        alias: &str,
        version: Version,
        by: &Actor,
    ) -> Result<()> {
        check_alias(alias)?;
        Ok(self.store.set_alias(model, alias, version, by, Timestamp::now()).await?)
    }
}

/// An alias is a name, and no word that already means a version: `latest`, `7`, `v7`.
fn check_alias(alias: &str) -> Result<()> {
    let digits = |text: &str| text.bytes().all(|c| c.is_ascii_digit());
    let means_version = alias.eq_ignore_ascii_case(LATEST)
        || digits(alias)
        || alias.strip_prefix(['v', 'V']).is_some_and(digits);
    if means_version || Name::new(alias).is_err() { Err(Error::Alias(alias.to_owned())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{admin, classification, lineage, model, name, regression, store};
    use domain::{Endpoint, EndpointAuth, ErrorCode, Fault};
    use std::collections::BTreeMap;

    fn from_run(run: &RunId) -> NewVersion {
        let metrics = BTreeMap::from([("r2_score".to_owned(), 0.9)]);
        let file = NewVersion::file(name("houses"), regression(None), String::new());
        NewVersion { metrics, run: Some(run.clone()), made_by_run: true, lineage: Some(lineage()), ..file }
    }

    fn code(error: Error) -> ErrorCode {
        Fault::from(error).code
    }

    #[tokio::test]
    async fn a_model_is_read_before_it_is_kept() {
        let (_dir, store) = store().await;
        let registry = Registry::new(store.clone());
        let junk = NewVersion::file(name("junk"), b"not a model".to_vec(), String::new());
        assert_eq!(code(registry.register(junk, &admin()).await.unwrap_err()), ErrorCode::Unprocessable);
        assert_eq!(registry.list().await.unwrap(), []);
        let mut wrong = NewVersion::file(name("houses"), regression(None), String::new());
        let flowers = onnx::Model::from_bytes(&classification(["a", "b", "c"])).unwrap();
        wrong.signature = Some(signature::from_model(&flowers));
        assert_eq!(code(registry.register(wrong, &admin()).await.unwrap_err()), ErrorCode::Unprocessable);
        assert_eq!(store.ledger(0, 9).await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_run_registers_once_and_its_file_comes_back() {
        let (dir, store) = store().await;
        let registry = Registry::new(store.clone());
        let run = RunId::generate();
        let first = registry.register(from_run(&run), &admin()).await.unwrap();
        assert_eq!(registry.register(from_run(&run), &admin()).await.unwrap(), first);
        let file = NewVersion::file(name("houses"), regression(None), "by hand".to_owned());
        assert_eq!(registry.register(file, &admin()).await.unwrap().version, Version(2));
        let numbers: Vec<u32> =
            registry.versions(&model("houses")).await.unwrap().iter().map(|v| v.version.0).collect();
        assert_eq!(numbers, [1, 2]);
        let out = dir.path().join("model.onnx");
        let exported = registry.export(&model("houses"), "1", &out).await.unwrap();
        assert_eq!((exported, std::fs::read(&out).unwrap()), (first, regression(None)));
        assert!(registry.versions(&model("absent")).await.is_err());
    }

    #[tokio::test]
    async fn versions_go_by_number_latest_and_alias() {
        let (_dir, store) = store().await;
        let registry = Registry::new(store);
        let houses = model("houses");
        for _ in 0..2 {
            let file = NewVersion::file(houses.clone(), regression(None), String::new());
            registry.register(file, &admin()).await.unwrap();
        }
        registry.set_alias(&houses, "champion", Version(1), &admin()).await.unwrap();
        for (asked, version) in [("1", 1), ("2", 2), ("latest", 2), ("champion", 1)] {
            assert_eq!(registry.show(&houses, asked).await.unwrap().version, Version(version), "{asked}");
        }
        for absent in ["3", "challenger", ""] {
            let error = registry.show(&houses, absent).await.unwrap_err();
            assert_eq!(code(error), ErrorCode::NotFound, "{absent}");
        }
        for bad in ["latest", "7", "V7", "a b", ""] {
            let error = registry.set_alias(&houses, bad, Version(1), &admin()).await.unwrap_err();
            assert_eq!(code(error), ErrorCode::InvalidInput, "{bad}");
        }
    }

    #[tokio::test]
    async fn the_same_content_is_the_same_version_when_asked_so() {
        let (_dir, store) = store().await;
        let registry = Registry::new(store.clone());
        let file = |description: &str| NewVersion {
            once: true,
            ..NewVersion::file(name("houses"), regression(None), description.to_owned())
        };
        let first = registry.register(file("first"), &admin()).await.unwrap();
        let ledger = store.ledger(0, 9).await.unwrap().len();
        for same in ["first", ""] {
            assert_eq!(registry.register(file(same), &admin()).await.unwrap(), first);
        }
        assert_eq!(store.ledger(0, 9).await.unwrap().len(), ledger);
        assert_eq!(registry.register(file("another"), &admin()).await.unwrap().version, Version(2));
        let of_run = NewVersion { run: Some(RunId::generate()), ..file("another") };
        assert_eq!(registry.register(of_run, &admin()).await.unwrap().version, Version(3));
        let tagged = NewVersion { tags: BTreeMap::from([("a".to_owned(), "b".to_owned())]), ..file("") };
        assert_eq!(registry.register(tagged, &admin()).await.unwrap().version, Version(4));
    }

    #[tokio::test]
    async fn lineage_goes_from_the_data_to_the_deployments() {
        let (_dir, store) = store().await;
        let registry = Registry::new(store.clone());
        let run = RunId::generate();
        let made = registry.register(from_run(&run), &admin()).await.unwrap();
        let endpoint = Endpoint {
            name: name("prices"),
            auth_mode: EndpointAuth::Key,
            docs_public: false,
            public_network_access: domain::PublicNetworkAccess::Enabled,
            description: String::new(),
            traffic: BTreeMap::new(),
            mirror_traffic: BTreeMap::new(),
            tags: BTreeMap::new(),
            key_generations: [0, 0],
            created: Timestamp::now(),
        };
        store.add_endpoint(&endpoint, &admin()).await.unwrap();
        let deployment = domain::Deployment {
            name: name("blue"),
            endpoint: name("prices"),
            model: made.model.clone(),
            version: made.version,
            spec: None,
            data_collector: None,
            created: Timestamp::now(),
        };
        store.put_deployment(&deployment, true, &admin()).await.unwrap();
        let view = registry.lineage(&model("houses"), "1").await.unwrap();
        assert_eq!((view.deployments.as_slice(), view.digest), ([deployment].as_slice(), made.digest));
        let data = view.data.unwrap();
        assert_eq!((data.name, data.rows), (name("houses"), None));
        let seen = view.run.unwrap();
        assert_eq!((seen.id, seen.facts), (run, None));
    }
}
