//! The engine of one model.

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::library;
use crate::runtime::Runtime;
use onnx::{Model, Output, Slot};
use std::collections::BTreeMap;

/// What our own engine is called where engines are told.
const OWN: &str = "portcullis";

/// A model ready to run; `Send + Sync`, share it behind an `Arc`.
#[derive(Debug)]
pub struct Engine(Kind);

#[derive(Debug)]
enum Kind {
    Own {
        model: Box<Model>,
        /// Why it can't score rows.
        refused: Option<Error>,
    },
    Runtime(Box<Runtime>),
}

/// What a model tells of itself, whichever engine runs it.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Its inputs.
    pub slots: &'a [Slot],
    /// What it predicts.
    pub output: &'a Output,
    /// Its `metadata_props`.
    pub metadata: &'a BTreeMap<String, String>,
}

impl<'a> From<&'a Model> for Facts<'a> {
    fn from(model: &'a Model) -> Self {
        Self { slots: model.slots(), output: model.output(), metadata: model.metadata() }
    }
}

impl<'a> From<&'a Engine> for Facts<'a> {
    fn from(engine: &'a Engine) -> Self {
        Self { slots: engine.slots(), output: engine.output(), metadata: engine.metadata() }
    }
}

impl Engine {
    /// Reads and checks a model, and makes it ready in the first engine that covers it. Blocks while the library is loaded.
    ///
    /// A model whose operators our own engine covers, but that no engine scores by rows, loads too: see [`Engine::predictable`].
    ///
    /// # Errors
    /// What stands against it, by node and operator; where only coverage does, also how the other engine is had.
    pub fn load(bytes: &[u8]) -> Result<Self> {
        let (model, own) = match Model::from_bytes(bytes) {
            Ok(model) => match model.predictable() {
                Ok(()) => return Ok(Self::own(model, None)),
                Err(why) => (Some(model), why),
            },
            Err(why) => (None, why),
        };
        let refused = match library::get() {
            _ if !own.is_uncovered() => Error::Own(own),
            None => Error::NoLibrary(own),
            Some(Err(reason)) => Error::Library { own, reason },
            Some(Ok(library)) => match Runtime::new(library, bytes) {
                Ok(runtime) => return Ok(Self(Kind::Runtime(Box::new(runtime)))),
                Err(reason) => Error::Neither { own, reason },
            },
        };
        model.map(|model| Self::own(model, Some(refused.clone()))).ok_or(refused)
    }

    fn own(model: Model, refused: Option<Error>) -> Self {
        Self(Kind::Own { model: Box::new(model), refused })
    }

    /// Which engine it is: `portcullis`, or `onnxruntime` and its version.
    pub fn name(&self) -> &str {
        match &self.0 {
            Kind::Own { .. } => OWN,
            Kind::Runtime(runtime) => runtime.name(),
        }
    }

    /// The model in our own engine, when that one runs it.
    pub fn model(&self) -> Option<&Model> {
        match &self.0 {
            Kind::Own { model, .. } => Some(model),
            Kind::Runtime(_) => None,
        }
    }

    /// Inputs of the graph, in its order.
    pub fn slots(&self) -> &[Slot] {
        match &self.0 {
            Kind::Own { model, .. } => model.slots(),
            Kind::Runtime(runtime) => runtime.slots(),
        }
    }

    /// What it predicts. Means nothing when [`Engine::predictable`] fails.
    pub fn output(&self) -> &Output {
        match &self.0 {
            Kind::Own { model, .. } => model.output(),
            Kind::Runtime(runtime) => runtime.output(),
        }
    }

    /// The model's `metadata_props`.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        match &self.0 {
            Kind::Own { model, .. } => model.metadata(),
            Kind::Runtime(runtime) => runtime.metadata(),
        }
    }

    /// Whether rows can be scored.
    ///
    /// # Errors
    /// What stands against it.
    pub fn predictable(&self) -> Result<()> {
        match &self.0 {
            Kind::Own { refused: Some(why), .. } => Err(why.clone()),
            _ => Ok(()),
        }
    }

    /// Whether the cells of a slot may be missing: numbers with a fraction and texts may, whole numbers and truth values have no
    /// way to say so in ONNX Runtime.
    pub fn may_miss(&self, slot: usize) -> bool {
        match &self.0 {
            Kind::Own { .. } => true,
            Kind::Runtime(runtime) => runtime.may_miss(slot),
        }
    }

    /// An empty batch for this model.
    pub fn batch(&self) -> Batch {
        match &self.0 {
            Kind::Own { model, .. } => Batch::own(model.batch()),
            Kind::Runtime(runtime) => Batch::runtime(runtime.rows()),
        }
    }

    /// Scores the rows of a batch made by this model. Calls on one model of ONNX Runtime go one after the other, each in one thread.
    ///
    /// # Errors
    /// When the batch belongs to another model; when ONNX Runtime fails on these rows.
    pub fn predict(&self, batch: &mut Batch) -> Result<()> {
        match (&self.0, batch.rows_mut()) {
            (Kind::Runtime(runtime), Some(rows)) => runtime.predict(rows),
            (Kind::Own { model, .. }, None) => {
                batch.own_mut().map_or(Ok(()), |batch| Ok(model.predict(batch)?))
            }
            _ => Err(Error::Failed("the batch was made by another model".to_owned())),
        }
    }
}
