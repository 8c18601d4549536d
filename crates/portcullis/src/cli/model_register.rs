//! `model register`: an ONNX file or one that is converted to it, a folder, outputs of a job, or what a model YAML names.

use crate::client::{file_stream, segment};
use crate::folder::{Snapshot, upload};
use crate::session::Session;
use crate::show::size;
use api::models::{FolderType, RegisterFolder};
use clap::Args;
use definitions::{AssetKind, ModelFile, Parsed, Reference};
use domain::{Fault, ModelVersion, RunId, Tags};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// How much of a file is looked at to see what it is.
const HEAD_BYTES: u64 = 256;

/// `model register`.
#[derive(Debug, Args)]
pub struct Register {
    /// The model's name; with -f that of the file when left out
    #[arg(required_unless_present = "definition")]
    pub name: Option<String>,
    /// An ONNX file; a LightGBM (.txt, .lgb), XGBoost (.json, .ubj) or scikit-learn (.skops) file, which is converted; or a folder: an
    /// MLflow model when it holds an MLmodel file
    #[arg(required_unless_present_any = ["definition", "from_job"], conflicts_with_all = ["definition", "from_job"])]
    pub file: Option<PathBuf>,
    /// A model file (Azure ML CLI v2 YAML): name, path, type, description, tags, properties
    #[arg(short = 'f', long = "file", value_name = "FILE", conflicts_with = "from_job")]
    pub definition: Option<PathBuf>,
    /// The job among whose outputs the model is
    #[arg(long, value_name = "ID", requires = "path")]
    pub from_job: Option<String>,
    /// The file or folder among them, as outputs/model.pkl
    #[arg(long, requires = "from_job")]
    pub path: Option<String>,
    /// What a folder is: by its files when left out
    #[arg(long = "type", value_parser = ["mlflow_model", "custom_model"])]
    pub kind: Option<String>,
    /// Free text kept with the version
    #[arg(long, default_value = "")]
    pub description: String,
    /// A tag, KEY=VALUE; may be given often
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    pub tags: Vec<String>,
    /// A fact that never changes, as git-commit-id=…; may be given often
    #[arg(long = "property", value_name = "KEY=VALUE")]
    pub properties: Vec<String>,
}

/// A registration that is settled.
#[derive(Debug)]
struct Order {
    name: String,
    from: Origin,
    kind: Option<FolderType>,
    description: String,
    tags: Tags,
    properties: Tags,
}

/// Where the content is.
#[derive(Debug, PartialEq, Eq)]
enum Origin {
    Local(PathBuf),
    Job(RunId, String),
}

impl Register {
    /// What a job left at a path, under a name.
    pub fn of_job(name: &str, job: &RunId, path: &str) -> Self {
        Self {
            name: Some(name.to_owned()),
            file: None,
            definition: None,
            from_job: Some(job.to_string()),
            path: Some(path.to_owned()),
            kind: None,
            description: String::new(),
            tags: Vec::new(),
            properties: Vec::new(),
        }
    }

    /// Registers, and tells what came of it.
    pub async fn run(&self, session: &Session) -> Result<(), Fault> {
        let version = self.carry_out(session).await?;
        session.out.value(&version, registered);
        Ok(())
    }

    /// Registers.
    pub async fn carry_out(&self, session: &Session) -> Result<ModelVersion, Fault> {
        self.order(session)?.send(session).await
    }

    /// What is asked for; words of the command line stand before those of the file.
    fn order(&self, session: &Session) -> Result<Order, Fault> {
        let (tags, properties) = (pairs("--tag", &self.tags)?, pairs("--property", &self.properties)?);
        if let Some(file) = &self.definition {
            let mut order = described(session, file)?;
            order.name = self.name.clone().unwrap_or(order.name);
            order.kind = self.folder_type().or(order.kind);
            order.tags.extend(tags);
            order.properties.extend(properties);
            if !self.description.is_empty() {
                order.description.clone_from(&self.description);
            }
            return Ok(order);
        }
        let from = match (&self.file, &self.from_job, &self.path) {
            (Some(file), ..) => Origin::Local(file.clone()),
            (None, Some(job), Some(path)) => Origin::Job(RunId::try_from(job.clone())?, path.clone()),
            _ => return Err(Fault::invalid("name a file, a folder, or --from-job with --path")),
        };
        let (name, description) = (self.name.clone().unwrap_or_default(), self.description.clone());
        Ok(Order { name, from, kind: self.folder_type(), description, tags, properties })
    }

    fn folder_type(&self) -> Option<FolderType> {
        self.kind.as_deref().map(|kind| match kind {
            "mlflow_model" => FolderType::MlflowModel,
            _ => FolderType::CustomModel,
        })
    }
}

/// One line about a version just registered.
pub fn registered(v: &ModelVersion) -> String {
    format!(
        "registered {}:{} · {} · {} · sha256 {}…",
        v.model,
        v.version,
        v.kind,
        size(v.bytes),
        &v.digest.hex()[..12]
    )
}

/// Registers the model that a deployment's file describes in place; its path is relative to `folder`.
pub async fn inline(
    session: &Session,
    (model, folder): (&ModelFile, &Path),
    name: String,
) -> Result<Option<ModelVersion>, Fault> {
    let Reference::Local(path) = &model.path else { return Ok(None) };
    let kind = (model.kind == AssetKind::MlflowModel).then_some(FolderType::MlflowModel);
    let order = Order {
        name,
        from: Origin::Local(folder.join(path)),
        kind,
        description: model.description.clone(),
        tags: model.tags.clone(),
        properties: model.properties.clone(),
    };
    order.send(session).await.map(Some)
}

/// Reads a model file; its path is relative to it.
fn described(session: &Session, file: &Path) -> Result<Order, Fault> {
    let shown = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|e| Fault::invalid(format!("{shown}: {e}")))?;
    let parsed: Parsed<ModelFile> = definitions::read(&shown, &text)?;
    for note in &parsed.notes {
        session.out.say(&format!("note: {shown}: {note}"));
    }
    let from = match &parsed.value.path {
        Reference::Local(path) => {
            let below = file.parent().unwrap_or_else(|| Path::new("."));
            Origin::Local(below.join(path))
        }
        Reference::Output { job, output, path } => {
            let job = RunId::try_from(job.clone()).map_err(|e| parsed.fault("path", &e.message))?;
            Origin::Job(job, joined(output, path))
        }
        _ => {
            let text = "only a local path or outputs of a job can be registered: download it first";
            return Err(parsed.fault("path", text));
        }
    };
    let model = parsed.value;
    // A type that is not written is custom_model; an ONNX file is more than that whatever is written.
    let file = matches!(&from, Origin::Local(path) if path.is_file() && is_model(path));
    let kind = match model.kind {
        AssetKind::MlflowModel => Some(FolderType::MlflowModel),
        _ if file => None,
        _ => Some(FolderType::CustomModel),
    };
    Ok(Order {
        name: model.name,
        from,
        kind,
        description: model.description,
        tags: model.tags,
        properties: model.properties,
    })
}

/// The path among a run's artifacts of a path in an output.
fn joined(output: &str, path: &str) -> String {
    match (output, path) {
        ("artifacts", path) => path.to_owned(),
        (output, "") => output.to_owned(),
        (output, path) => format!("{output}/{path}"),
    }
}

impl Order {
    async fn send(self, session: &Session) -> Result<ModelVersion, Fault> {
        let mut ask = RegisterFolder {
            tree: None,
            job: None,
            path: String::new(),
            kind: self.kind,
            description: self.description,
            tags: self.tags,
            properties: self.properties,
        };
        match self.from {
            Origin::Job(job, path) => (ask.job, ask.path) = (Some(job), path),
            Origin::Local(file) if file.is_dir() => {
                ask.tree = Some(upload(&session.client, &file, Snapshot::Whole, |_| {}).await?.digest);
            }
            Origin::Local(file) if ask.kind.is_some() || !is_model(&file) => {
                let alone = alone(&file)?;
                ask.tree = Some(upload(&session.client, alone.path(), Snapshot::Whole, |_| {}).await?.digest);
            }
            Origin::Local(file) => return send_file(session, &self.name, &file, &ask).await,
        }
        let route = format!("/api/v1/models/{}/folders", segment(&self.name));
        session.client.post(&route, &ask).await
    }
}

/// Without an ending it is what it always was: an ONNX file. Of text and JSON only what is a model's is one.
fn is_model(file: &Path) -> bool {
    let Some(ending) = file.extension() else { return true };
    if !registry::import::is_model(file) {
        return false;
    }
    if !["txt", "json"].iter().any(|loose| ending.eq_ignore_ascii_case(loose)) {
        return true;
    }
    let mut head = Vec::new();
    let read = std::fs::File::open(file).and_then(|f| f.take(HEAD_BYTES).read_to_end(&mut head));
    read.is_ok() && onnx::import::Format::of(&head).is_some() && (head.starts_with(b"tree") || holds(&head))
}

/// Whether an object begins as XGBoost's do.
fn holds(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let name = text.trim_start_matches('{').trim_start();
    name.starts_with("\"learner\"") || name.starts_with("\"version\"") || name.starts_with("L\0")
}

/// A folder with this file alone in it.
fn alone(file: &Path) -> Result<tempfile::TempDir, Fault> {
    let wrong = |e: std::io::Error| Fault::invalid(format!("{}: {e}", file.display()));
    let folder = tempfile::tempdir().map_err(wrong)?;
    let name = file.file_name().ok_or_else(|| Fault::invalid(format!("{}: no file", file.display())))?;
    std::fs::copy(file, folder.path().join(name)).map_err(wrong)?;
    Ok(folder)
}

async fn send_file(
    session: &Session,
    name: &str,
    file: &Path,
    ask: &RegisterFolder,
) -> Result<ModelVersion, Fault> {
    let stream = file_stream(file, |_| {}).await?;
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("description", &ask.description);
    for (field, tags) in [("tags", &ask.tags), ("properties", &ask.properties)] {
        if !tags.is_empty() {
            query.append_pair(field, &serde_json::to_string(tags).unwrap_or_default());
        }
    }
    let route = format!("/api/v1/models/{}/versions?{}", segment(name), query.finish());
    session.client.upload(&route, stream).await
}

/// `KEY=VALUE` pairs of a flag.
fn pairs(flag: &str, list: &[String]) -> Result<Tags, Fault> {
    let pair = |text: &String| {
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| Fault::invalid(format!("{flag} '{text}': write KEY=VALUE")))?;
        Ok((key.to_owned(), value.to_owned()))
    };
    list.iter().map(pair).collect()
}
