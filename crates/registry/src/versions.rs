//! Versions from folders and from sources, and what MLflow's clients change of models and versions.

use crate::artifacts::version_folder;
use crate::content::Content;
use crate::error::{Error, Result};
use crate::models::Registry;
use crate::paths;
use crate::sources::{ARTIFACTS, Source};
use domain::{
    Actor, Digest, Lineage, Model, ModelKind, ModelName, ModelVersion, RunId, Stage, Tags, Timestamp, Version,
};
use store::{ModelChange, NewModelVersion, Search, Tree, VersionChange};

/// Endings of files of other tools that are converted when they are all a job left at a path.
const CONVERTED: [&str; 3] = ["skops", "lgb", "ubj"];

/// What goes with a version, whatever it is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionFacts {
    /// Free text.
    pub description: String,
    /// Tags.
    pub tags: Tags,
    /// Facts that never change.
    pub properties: Tags,
    /// The run that made it.
    pub run: Option<RunId>,
    /// The data that run read.
    pub lineage: Option<Lineage>,
}

/// A version that an MLflow client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FromSource {
    /// The model, which must exist.
    pub name: ModelName,
    /// Where it comes from.
    pub source: String,
    /// A link to the run elsewhere.
    pub run_link: String,
    /// The logged model it is made from.
    pub model_id: Option<String>,
    /// The rest.
    pub facts: VersionFacts,
}

/// What a source led to.
struct Found {
    content: Content,
    /// Where a client reads the files; empty: under the version.
    location: String,
    /// The logged model behind it, and its run.
    logged: Option<(String, Option<RunId>)>,
    /// The version it is a copy of.
    copied: Option<ModelVersion>,
}

impl Registry {
    /// Registers a folder that is kept as a tree. With `kind` it must be one of that kind. What the newest version is already stays it.
    pub async fn register_folder(
        &self,
        (name, kind): (ModelName, Option<ModelKind>),
        tree: &Digest,
        facts: VersionFacts,
        by: &Actor,
    ) -> Result<ModelVersion> {
        let (artifacts, digest) = (self.store.artifacts().clone(), *tree);
        let tree = tokio::task::spawn_blocking(move || artifacts.tree(&digest)).await;
        self.register_tree((name, kind), tree.map_err(|_| Error::Interrupted)??, facts, by).await
    }

    async fn register_tree(
        &self,
        (name, kind): (ModelName, Option<ModelKind>),
        tree: Tree,
        facts: VersionFacts,
        by: &Actor,
    ) -> Result<ModelVersion> {
        let mut content = self.inspect(tree).await?;
        match (kind, content.kind) {
            (Some(ModelKind::Mlflow), ModelKind::Custom) => {
                return Err(Error::Unreadable(
                    "the folder has no MLmodel file: register it as custom_model".to_owned(),
                ));
            }
            (Some(ModelKind::Custom), _) => content = content.unread(),
            _ => {}
        }
        let record = NewModelVersion { once: true, ..with_facts(record(name, &content), facts) };
        Ok(self.store.add_model_version(record, by, Timestamp::now()).await?)
    }

    /// Registers a version from a source as an MLflow client names it: what lies there now is taken, and never changes after.
    pub async fn register_source(&self, ask: FromSource, by: &Actor) -> Result<ModelVersion> {
        let source = Source::of(&ask.source, &ask.facts.tags)?;
        self.store.model(&ask.name).await?;
        let found = self.find(&source).await?;
        let mut new = with_facts(record(ask.name, &found.content), ask.facts);
        (new.source, new.run_link, new.model_id) = (ask.source, ask.run_link, ask.model_id);
        new.location = found.location;
        if let Some((id, run)) = found.logged {
            new.model_id.get_or_insert(id);
            new.run = new.run.or(run);
        }
        if let Some(copied) = found.copied {
            (new.metrics, new.lineage) = (copied.metrics, copied.lineage);
            new.properties = copied.properties;
            new.run = new.run.or(copied.run);
            new.model_id = new.model_id.or(copied.model_id);
        }
        Ok(self.store.add_model_version(new, by, Timestamp::now()).await?)
    }

    /// What lies at a source.
    async fn find(&self, source: &Source) -> Result<Found> {
        let plain = |content, location| Found { content, location, logged: None, copied: None };
        match source {
            Source::Logged(id) => {
                let model = self.store.logged_model(id).await?;
                let content = self.inspect(self.tree_at(&model.folder()).await?).await?;
                let location = format!("{ARTIFACTS}{}", model.folder());
                Ok(Found { logged: Some((model.id, model.run)), ..plain(content, location) })
            }
            Source::Version(name, version) => {
                let found = self.show(name, version).await?;
                let content = Content {
                    kind: found.kind,
                    digest: found.digest,
                    bytes: found.bytes,
                    native: found.native,
                    signature: found.signature.clone(),
                };
                let location = self.location(&found);
                Ok(Found { copied: Some(found), ..plain(content, location) })
            }
            Source::Run(run, path) => {
                let path = paths::join(&self.run_folder(run).await?, path);
                let content = self.inspect(self.tree_at(&path).await?).await?;
                Ok(plain(content, format!("{ARTIFACTS}{path}")))
            }
            Source::Artifacts(path) => {
                let content = self.inspect(self.tree_at(path).await?).await?;
                Ok(plain(content, format!("{ARTIFACTS}{path}")))
            }
            Source::Remote => Ok(plain(self.inspect(Tree::default()).await?, String::new())),
        }
    }

    /// The folder of a run's artifacts.
    pub async fn run_folder(&self, run: &str) -> Result<String> {
        let uri = self.store.run_artifacts(run).await?;
        // An experiment may keep its artifacts elsewhere: nothing of them is here then.
        let path = uri.strip_prefix(ARTIFACTS).map(|path| path.trim_start_matches('/'));
        let elsewhere =
            || Error::Refused(format!("the artifacts of the run {run} are not kept here but at '{uri}'"));
        paths::check(path.ok_or_else(elsewhere)?)
    }

    /// Where an MLflow client reads the files of a version.
    pub fn location(&self, version: &ModelVersion) -> String {
        match version.location.as_str() {
            "" => self.own_location(version),
            location => location.to_owned(),
        }
    }

    /// The version's own folder as an artifact URI: for those who may read the model and not the workspace.
    /// Of a version whose files never came here the source itself.
    pub fn own_location(&self, version: &ModelVersion) -> String {
        if version.bytes == 0 && matches!(Source::read(&version.source), Ok(Source::Remote)) {
            return version.source.clone();
        }
        format!("{ARTIFACTS}{}", version_folder(version))
    }

    /// A model by its name.
    pub async fn model(&self, name: &ModelName) -> Result<Model> {
        Ok(self.store.model(name).await?)
    }

    /// Registers a name without versions.
    pub async fn create_model(
        &self,
        name: &ModelName,
        description: &str,
        tags: &Tags,
        by: &Actor,
    ) -> Result<Model> {
        Ok(self.store.add_model(name, description, tags, by, Timestamp::now()).await?)
    }

    /// Changes a model.
    pub async fn change_model(&self, name: &ModelName, change: ModelChange, by: &Actor) -> Result<Model> {
        Ok(self.store.change_model(name, change, by, Timestamp::now()).await?)
    }

    /// Gives a model another name; refused while a version is deployed.
    pub async fn rename_model(&self, name: &ModelName, to: &ModelName, by: &Actor) -> Result<Model> {
        Ok(self.store.rename_model(name, to, by, Timestamp::now()).await?)
    }

    /// Deletes a model with its versions; refused while one is deployed.
    pub async fn delete_model(&self, name: &ModelName, by: &Actor) -> Result<()> {
        Ok(self.store.delete_model(name, by, Timestamp::now()).await?)
    }

    /// A page of models.
    pub async fn search_models(&self, search: &Search) -> Result<Vec<Model>> {
        Ok(self.store.search_models(search).await?)
    }

    /// The newest version of each stage of these models.
    pub async fn latest_versions(&self, models: &[&ModelName]) -> Result<Vec<ModelVersion>> {
        Ok(self.store.latest_model_versions(models).await?)
    }

    /// A version by its number.
    pub async fn version(&self, model: &ModelName, version: Version) -> Result<ModelVersion> {
        Ok(self.store.model_version(model, Some(version)).await?)
    }

    /// The version an alias points at.
    pub async fn aliased(&self, model: &ModelName, alias: &str) -> Result<ModelVersion> {
        Ok(self.store.model_version_by_alias(model, alias).await?)
    }

    /// A page of versions.
    pub async fn search_versions(&self, search: &Search) -> Result<Vec<ModelVersion>> {
        Ok(self.store.search_model_versions(search).await?)
    }

    /// Changes a version.
    pub async fn change_version(
        &self,
        model: &ModelName,
        version: Version,
        change: VersionChange,
        by: &Actor,
    ) -> Result<ModelVersion> {
        if let VersionChange::Stage(stage, true) = change
            && !matches!(stage, Stage::Staging | Stage::Production)
        {
            return Err(Error::Refused(format!(
                "Model version transition cannot archive existing model versions because '{stage}' is not an Active stage. \
                 Valid stages are ['Staging', 'Production']"
            )));
        }
        Ok(self.store.change_model_version(model, version, change, by, Timestamp::now()).await?)
    }

    /// Deletes a version; refused while it is deployed.
    pub async fn delete_version(&self, model: &ModelName, version: Version, by: &Actor) -> Result<()> {
        Ok(self.store.delete_model_version(model, version, by, Timestamp::now()).await?)
    }

    /// Takes an alias away; one that is not there changes nothing.
    pub async fn delete_alias(&self, model: &ModelName, alias: &str, by: &Actor) -> Result<()> {
        Ok(self.store.delete_alias(model, alias, by, Timestamp::now()).await?)
    }

    /// Registers a file or folder among the outputs of a job: an ONNX file as such, and one that is converted to it, the rest as a folder. What lies there now is taken.
    pub async fn register_output(
        &self,
        (name, kind): (ModelName, Option<ModelKind>),
        (job, path): (&RunId, &str),
        facts: VersionFacts,
        by: &Actor,
    ) -> Result<ModelVersion> {
        let at = paths::join(&self.run_folder(job.as_str()).await?, &paths::check(path)?);
        let tree = self.tree_at(&at).await?;
        if tree.files.is_empty() {
            return Err(Error::NoFile(at));
        }
        let model = |file: &str| {
            let ending = file.rsplit_once('.').map_or("", |(_, ending)| ending);
            ending == "onnx" || (kind.is_none() && CONVERTED.contains(&ending))
        };
        let only = tree.files.iter().next().filter(|(file, _)| tree.files.len() == 1 && model(file));
        if let Some((_, file)) = only {
            let (artifacts, digest) = (self.store.artifacts().clone(), file.digest);
            let bytes = tokio::task::spawn_blocking(move || artifacts.read(&digest)).await;
            let bytes = bytes.map_err(|_| Error::Interrupted)??;
            let file = crate::NewVersion::file(name, bytes, facts.description);
            let new = crate::NewVersion {
                once: true,
                tags: facts.tags,
                properties: facts.properties,
                run: facts.run,
                lineage: facts.lineage,
                ..file
            };
            return self.register(new, by).await;
        }
        self.register_tree((name, kind), tree, facts, by).await
    }
}

fn record(name: ModelName, content: &Content) -> NewModelVersion {
    NewModelVersion {
        native: content.native,
        ..NewModelVersion::folder(
            name,
            content.kind,
            (content.digest, content.bytes),
            content.signature.clone(),
        )
    }
}

fn with_facts(record: NewModelVersion, facts: VersionFacts) -> NewModelVersion {
    NewModelVersion {
        description: facts.description,
        tags: facts.tags,
        properties: facts.properties,
        run: facts.run,
        lineage: facts.lineage,
        ..record
    }
}
