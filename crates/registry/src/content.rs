//! What a version holds: a folder is looked through when it is registered, and an ONNX file has a folder around it for MLflow's clients.

use crate::error::{Error, Result};
use crate::import;
use crate::mlmodel::{self, MLMODEL, MODEL_FILE};
use crate::models::Registry;
use crate::signature;
use definitions::MlModel;
use domain::{ColumnType, Digest, Feature, ModelKind, ModelVersion, Signature, Target, Task};
use engines::Engine;
use serde_json::Value;
use std::sync::Arc;
use store::{Artifacts, KeptTree, Tree, TreeFile};

/// An `MLmodel` file is at most so long.
const MLMODEL_BYTES: u64 = 4 << 20;
/// An ONNX file is at most so long: protocol buffers end there.
const ONNX_BYTES: u64 = 2 << 30;
/// The answer of a model whose answers are not described.
const ANSWER: &str = "prediction";

/// A folder that was looked through.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    pub kind: ModelKind,
    pub digest: Digest,
    pub bytes: u64,
    pub native: Option<Digest>,
    pub signature: Signature,
}

impl Content {
    /// The same as a folder of which nothing is known.
    pub(crate) fn unread(self) -> Self {
        Self { kind: ModelKind::Custom, native: None, signature: unknown(Vec::new()), ..self }
    }
}

/// Keeps a folder's list and looks it through: with an `MLmodel` file it is an MLflow model, which runs here when its ONNX flavour
/// does, or what another of its flavours is converted to. Blocks.
pub(crate) fn inspect(artifacts: &Artifacts, tree: Tree) -> Result<Content> {
    let KeptTree { digest, tree } = artifacts.put_tree(tree)?;
    let mut content = Content {
        kind: ModelKind::Custom,
        digest,
        bytes: tree.bytes(),
        native: None,
        signature: unknown(Vec::new()),
    };
    let Some(file) = tree.files.get(MLMODEL) else { return Ok(content) };
    let described = read_mlmodel(artifacts, file)?;
    content.kind = ModelKind::Mlflow;
    let columns = described.inputs.as_ref().and_then(Value::as_array);
    content.signature = unknown(columns.into_iter().flatten().filter_map(feature).collect());
    let onnx = described.flavors.get("onnx").and_then(|flavor| flavor.get("data")?.as_str());
    let onnx = onnx.and_then(|path| tree.files.get(path));
    if let Some(file) = onnx.filter(|file| file.bytes <= ONNX_BYTES) {
        let bytes = artifacts.read(&file.digest)?;
        // What does not run here is served by its own flavour.
        if let Ok(engine) = Engine::load(&bytes)
            && engine.predictable().is_ok()
        {
            content.native = Some(file.digest);
            content.signature = signature::from_model(&engine);
            return Ok(content);
        }
    }
    if let Some(made) = import::folder(artifacts, (&tree, &described), &content.signature.inputs)? {
        (content.native, content.signature) = (Some(made.0), made.1);
    }
    Ok(content)
}

fn read_mlmodel(artifacts: &Artifacts, file: &TreeFile) -> Result<MlModel> {
    let wrong = |why: String| Error::Unreadable(format!("{MLMODEL}: {why}"));
    if file.bytes > MLMODEL_BYTES {
        return Err(wrong(format!("it is longer than {MLMODEL_BYTES} bytes")));
    }
    let text =
        String::from_utf8(artifacts.read(&file.digest)?).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
    let read = definitions::read::<MlModel>(MLMODEL, &text);
    read.map(|parsed| parsed.value).map_err(|fault| Error::Unreadable(fault.message))
}

/// A signature of which only inputs may be known.
fn unknown(inputs: Vec<Feature>) -> Signature {
    let output = Target { name: ANSWER.to_owned(), task: Task::Regression, classes: Vec::new() };
    Signature { inputs, output }
}

/// A column of an MLflow signature; a tensor is none.
fn feature(column: &Value) -> Option<Feature> {
    let (kind, example) = match column["type"].as_str()? {
        "boolean" => (ColumnType::Boolean, Value::Bool(false)),
        "integer" | "long" => (ColumnType::Integer, Value::from(0)),
        "float" | "double" => (ColumnType::Float, Value::from(0.0)),
        "string" => (ColumnType::Text, Value::from("text")),
        "datetime" => (ColumnType::Timestamp, Value::from("2026-01-01T00:00:00Z")),
        _ => return None,
    };
    let required = column["required"].as_bool().unwrap_or(true);
    Some(Feature {
        name: column["name"].as_str()?.to_owned(),
        kind,
        required,
        categories: Vec::new(),
        example,
    })
}

/// The folder of a version as MLflow's clients see it; for an ONNX file one is put around it. Blocks.
pub(crate) fn folder(artifacts: &Artifacts, version: &ModelVersion) -> Result<Tree> {
    if version.kind != ModelKind::Onnx {
        return Ok(artifacts.tree(&version.digest)?);
    }
    let bytes = artifacts.read(&version.digest)?;
    let engine = Engine::load(&bytes).map_err(Error::Engine)?;
    let mut tree = Tree::default();
    for (name, text) in mlmodel::folder(version, engine.slots()) {
        tree.add(name, artifacts.put_file(text.as_bytes(), false).map_err(kept)?)?;
    }
    tree.add(MODEL_FILE, TreeFile { digest: version.digest, bytes: version.bytes, executable: false })?;
    Ok(tree)
}

fn kept(fault: store::TreeFault) -> Error {
    match fault {
        store::TreeFault::Read(e) => Error::Unreadable(e.to_string()),
        store::TreeFault::Keep(error) => error.into(),
    }
}

impl Registry {
    /// The folder of a version. Those of ONNX files are remembered, since each of their files is asked for by itself.
    pub(crate) async fn folder(&self, version: &ModelVersion) -> Result<Arc<Tree>> {
        if let Some(tree) = self.folders.get(&version.digest, version.created) {
            return Ok(tree);
        }
        let (artifacts, asked) = (self.store.artifacts().clone(), version.clone());
        let made = tokio::task::spawn_blocking(move || folder(&artifacts, &asked)).await;
        let tree = Arc::new(made.map_err(|_| Error::Interrupted)??);
        self.folders.keep(&version.digest, version.created, tree.clone());
        Ok(tree)
    }

    /// [`inspect`] on a blocking thread.
    pub(crate) async fn inspect(&self, tree: Tree) -> Result<Content> {
        let artifacts = self.store.artifacts().clone();
        let done = tokio::task::spawn_blocking(move || inspect(&artifacts, tree)).await;
        done.map_err(|_| Error::Interrupted)?
    }
}
