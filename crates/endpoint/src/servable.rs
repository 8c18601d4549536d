//! A model ready to score under its signature, and the buffers a task or thread keeps between calls.

use crate::answer::Labels;
use crate::error::Error;
use crate::plan::Plan;
use crate::rows::Memory;
use domain::{Signature, Task};
use engines::{Batch, Engine};
use onnx::{Explainer, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most models whose buffers one [`Scratch`] keeps.
const WORKS_MAX: usize = 16;
/// Buffers of calls with more rows than this are given back.
const ROWS_KEPT: usize = 4096;
/// Calls that wait for a model whose calls take turns at most.
const WAITING: usize = 128;

/// Numbers the servables of this process, so that a scratch knows its buffers again.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A model version that can answer calls; `Send + Sync`, share it behind an `Arc`.
#[derive(Debug)]
pub struct Servable {
    id: u64,
    model: Engine,
    signature: Signature,
    pub(crate) plan: Plan,
    pub(crate) labels: Labels,
    /// Explains its predictions, or says why they can't be explained.
    pub(crate) explainer: Result<Explainer, String>,
    /// The calls in hand, when they take turns.
    turns: Option<Turns>,
}

/// Calls of a model that runs one of them at a time, beside the async threads.
#[derive(Debug, Clone)]
pub struct Turns {
    waiting: Arc<Semaphore>,
    turn: Arc<Semaphore>,
}

/// The right to be scored, for as long as it is held.
#[derive(Debug)]
pub struct Turn {
    _waiting: OwnedSemaphorePermit,
    _turn: OwnedSemaphorePermit,
}

impl Turns {
    fn new() -> Self {
        Self { waiting: Arc::new(Semaphore::new(WAITING)), turn: Arc::new(Semaphore::new(1)) }
    }

    /// Waits for its turn; none when too many wait already.
    pub async fn next(&self) -> Option<Turn> {
        let waiting = self.waiting.clone().try_acquire_owned().ok()?;
        let turn = self.turn.clone().acquire_owned().await.ok()?;
        Some(Turn { _waiting: waiting, _turn: turn })
    }
}

impl Servable {
    /// Reads, checks and compiles an ONNX file and matches it with its signature.
    pub fn load(onnx_bytes: &[u8], signature: &Signature) -> Result<Self, Error> {
        Self::of(Engine::load(onnx_bytes)?, onnx_bytes, signature)
    }

    /// The same of a file that was read before.
    pub fn of(model: Engine, onnx_bytes: &[u8], signature: &Signature) -> Result<Self, Error> {
        model.predictable()?;
        let classes = matches!(model.output(), Output::Classes(_));
        if classes == (signature.output.task == Task::Regression) {
            return Err(Error::Task(signature.output.task));
        }
        Ok(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            plan: Plan::new(&model, signature)?,
            labels: Labels::new(&model, &signature.output.classes)?,
            signature: signature.clone(),
            explainer: explainer(&model, onnx_bytes),
            turns: model.model().is_none().then(Turns::new),
            model,
        })
    }

    /// What it takes and answers.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The model in its engine.
    pub fn model(&self) -> &Engine {
        &self.model
    }

    /// Where calls take turns; none when they are scored at once, on the thread that they come by.
    pub fn turns(&self) -> Option<&Turns> {
        self.turns.as_ref()
    }
}

fn explainer(model: &Engine, bytes: &[u8]) -> Result<Explainer, String> {
    match model.model() {
        Some(own) => Explainer::new(own, bytes).map_err(|e| e.to_string()),
        None => Err(format!("{} scores it, which tells its answers only", model.name())),
    }
}

/// Buffers for scoring; one per task or thread, warm after the first call of a model.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Last used last.
    works: Vec<(u64, Work)>,
}

/// The buffers of one model.
#[derive(Debug)]
pub(crate) struct Work {
    pub batch: Batch,
    pub memory: Memory,
    pub out: Vec<u8>,
}

impl Scratch {
    /// Empty buffers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes out the buffers of a model, new ones when there are none; [`Scratch::put`] gives them back.
    pub(crate) fn take(&mut self, servable: &Servable) -> Work {
        let kept = self.works.iter().rposition(|(id, _)| *id == servable.id);
        match kept {
            Some(at) => self.works.remove(at).1,
            None => Work { batch: servable.model.batch(), memory: Memory::default(), out: Vec::new() },
        }
    }

    /// Gives buffers back; large ones are let go.
    pub(crate) fn put(&mut self, servable: &Servable, work: Work) {
        if work.batch.rows() > ROWS_KEPT {
            return;
        }
        if self.works.len() >= WORKS_MAX {
            self.works.remove(0);
        }
        self.works.push((servable.id, work));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_signature_must_fit_its_model() {
        let (bytes, signature) = testing::credit();
        assert!(Servable::load(&bytes, &signature).is_ok());
        let mut other = signature.clone();
        other.inputs[0].name = "Agé".into();
        assert!(matches!(Servable::load(&bytes, &other), Err(Error::NoSlot(name)) if name == "Agé"));
        let mut other = signature.clone();
        other.output.classes.pop();
        assert!(matches!(Servable::load(&bytes, &other), Err(Error::Classes { signature: 1, model: 2 })));
        let mut other = signature.clone();
        other.output.task = Task::Regression;
        assert!(matches!(Servable::load(&bytes, &other), Err(Error::Task(Task::Regression))));
        let mut other = signature;
        other.inputs.push(other.inputs[0].clone());
        assert!(matches!(Servable::load(&bytes, &other), Err(Error::Signature(_))));
        assert!(matches!(Servable::load(b"no model", &other), Err(Error::Model(_))));
    }

    #[test]
    fn a_scratch_keeps_a_bounded_number_of_buffers() {
        let (bytes, signature) = testing::credit();
        let mut scratch = Scratch::new();
        for _ in 0..2 * WORKS_MAX {
            let servable = Servable::load(&bytes, &signature).unwrap();
            let work = scratch.take(&servable);
            scratch.put(&servable, work);
        }
        assert_eq!(scratch.works.len(), WORKS_MAX);
    }
}
